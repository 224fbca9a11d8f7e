//! Where events go: files of records, stored files, statistics.

mod delivery_counters;
mod file;
mod statistics;
mod store;
mod table;
mod tap;
mod tree;

pub(crate) use delivery_counters::DeliveryCounters;
pub(crate) use file::FileSink;
pub(crate) use statistics::{Engine, Statistics};
pub(crate) use store::{FileStore, StoreCounters};
pub(crate) use tap::{Pace, Tap, WorkerTap};

use std::io;
use std::path::Path;

use detect::output::Events;

use crate::config::process::FileOutput;

/// The files of the detector's outputs, in the order of its settings.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// None for an output that is only delivered.
    sinks: Vec<Option<FileSink>>,
    /// Where records leave for delivery, if they do.
    taps: Vec<Tap>,
    /// A file that cannot be written is counted and does not end the run.
    lenient: bool,
}

impl Outputs {
    /// Opens them all.
    ///
    /// # Errors
    /// With the name of the one that cannot be opened.
    pub(crate) fn open(files: &[FileOutput], log_dir: &Path) -> Result<Self, (String, io::Error)> {
        let open = |file: &FileOutput| match file.is_off {
            true => Ok(None),
            false => match FileSink::open(file, log_dir) {
                Ok(sink) => Ok(Some(sink)),
                Err(error) => Err((file.filename.clone(), error)),
            },
        };
        let sinks = files.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { sinks, taps: Vec::new(), lenient: false })
    }

    /// Goes on when a file cannot be written, as Suricata 8 does; see [`Outputs::failures`].
    pub(crate) fn go_on(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Records of an output leave for delivery as well.
    pub(crate) fn add_tap(&mut self, tap: Tap) {
        self.taps.push(tap);
    }

    /// The taps' parts for a worker of live capture.
    pub(crate) fn taps_of(&self, worker: usize) -> Vec<WorkerTap> {
        let keep = |tap: &Tap| self.sinks.get(tap.output()).is_some_and(Option::is_some);
        self.taps.iter().map(|tap| tap.of_worker(worker, keep(tap))).collect()
    }

    /// What could not be written, a text for each file.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.sinks.iter().flatten().filter_map(FileSink::failure)
    }

    /// How many records could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.sinks.iter().flatten().map(FileSink::lost).sum()
    }

    fn judge(&self, written: io::Result<()>) -> io::Result<()> {
        if self.lenient { Ok(()) } else { written }
    }

    /// Writes the records of one batch of a worker, and gives them to delivery.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn take(&mut self, worker: usize, events: &Events) -> io::Result<()> {
        for tap in &mut self.taps {
            if let Some(records) = events.outputs.get(tap.output()) {
                tap.take(worker, records);
            }
        }
        self.write(events)
    }

    /// Writes the records of one batch to files; whoever made them has given them to delivery.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&mut self, events: &Events) -> io::Result<()> {
        for (sink, records) in self.sinks.iter_mut().zip(&events.outputs) {
            let Some(sink) = sink else { continue };
            let written = sink.write(&records.bytes);
            if !self.lenient {
                written?;
            }
        }
        Ok(())
    }

    /// Writes a record of the process itself to one output.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_to(&mut self, output: usize, bytes: &[u8]) -> io::Result<()> {
        for tap in self.taps.iter_mut().filter(|tap| tap.output() == output) {
            tap.take_own(bytes);
        }
        let sink = self.sinks.get_mut(output).and_then(Option::as_mut);
        let written = sink.map_or(Ok(()), |sink| sink.write(bytes));
        self.judge(written)
    }

    /// Closes all files and opens them by name again; says which could not be.
    pub(crate) fn reopen(&mut self) -> Vec<String> {
        self.sinks.iter_mut().flatten().filter_map(|sink| sink.reopen().err()).collect()
    }

    /// Names of the open files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sinks.iter().flatten().map(FileSink::path)
    }

    /// Passes on what is buffered.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut flushed = Ok(());
        for sink in self.sinks.iter_mut().flatten() {
            flushed = flushed.and(sink.flush());
        }
        self.judge(flushed)
    }
}
