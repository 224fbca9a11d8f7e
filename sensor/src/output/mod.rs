//! Where events go: files of records, stored files, statistics.

mod file;
mod statistics;
mod store;
mod table;
mod tree;

pub(crate) use file::FileSink;
pub(crate) use statistics::{Engine, Statistics};
pub(crate) use store::{FileStore, StoreCounters};

use std::io;
use std::path::Path;

use detect::output::Events;

use crate::config::process::FileOutput;

/// The files of the detector's outputs, in the order of its settings.
#[derive(Debug)]
pub(crate) struct Outputs {
    sinks: Vec<FileSink>,
    /// A file that cannot be written is counted and does not end the run.
    lenient: bool,
}

impl Outputs {
    /// Opens them all.
    ///
    /// # Errors
    /// With the name of the one that cannot be opened.
    pub(crate) fn open(files: &[FileOutput], log_dir: &Path) -> Result<Self, (String, io::Error)> {
        let open = |file: &FileOutput| {
            FileSink::open(file, log_dir).map_err(|error| (file.filename.clone(), error))
        };
        Ok(Self { sinks: files.iter().map(open).collect::<Result<_, _>>()?, lenient: false })
    }

    /// Goes on when a file cannot be written, as Suricata 8 does; see [`Outputs::failures`].
    pub(crate) fn go_on(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// What could not be written, a text for each file.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.sinks.iter().filter_map(FileSink::failure)
    }

    fn judge(&self, written: io::Result<()>) -> io::Result<()> {
        if self.lenient { Ok(()) } else { written }
    }

    /// Writes the records of one batch.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&mut self, events: &Events) -> io::Result<()> {
        for (sink, records) in self.sinks.iter_mut().zip(&events.outputs) {
            let written = sink.write(&records.bytes);
            if !self.lenient {
                written?;
            }
        }
        Ok(())
    }

    /// Writes bytes to one output.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_to(&mut self, output: usize, bytes: &[u8]) -> io::Result<()> {
        let written = self.sinks.get_mut(output).map_or(Ok(()), |sink| sink.write(bytes));
        self.judge(written)
    }

    /// Closes all files and opens them by name again; says which could not be.
    pub(crate) fn reopen(&mut self) -> Vec<String> {
        self.sinks.iter_mut().filter_map(|sink| sink.reopen().err()).collect()
    }

    /// Names of the open files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sinks.iter().map(FileSink::path)
    }

    /// Passes on what is buffered.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut flushed = Ok(());
        for sink in &mut self.sinks {
            flushed = flushed.and(sink.flush());
        }
        self.judge(flushed)
    }
}
