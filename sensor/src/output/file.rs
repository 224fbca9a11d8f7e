//! A file that records are appended to, begun anew when its time has come.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::clock::{Civil, now_us};
use crate::config::process::FileOutput;

const BUFFER: usize = 64 * 1024;

/// An open output file with its buffer.
#[derive(Debug)]
pub(crate) struct FileSink {
    output: FileOutput,
    directory: PathBuf,
    /// The name of the file that is open.
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    /// When the file is begun anew, seconds since 1970.
    ends: Option<u64>,
    /// Records that could not be written, and why the last one could not.
    lost: u64,
    reason: Option<io::Error>,
}

impl FileSink {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn open(output: &FileOutput, directory: &Path) -> io::Result<Self> {
        let now = now_us();
        let (path, file) = open(output, directory, now, output.append)?;
        Ok(Self {
            path,
            file,
            output: output.clone(),
            directory: directory.to_path_buf(),
            buffer: Vec::with_capacity(BUFFER),
            ends: output.rotation.map(|rotation| rotation.next(now / 1_000_000)),
            lost: 0,
            reason: None,
        })
    }

    /// Appends records, each with its line end.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let ready = self.make_room(records.len());
        if ready.is_err() {
            self.lost += lines(records);
            return ready;
        }
        if records.len() > BUFFER {
            let written = self.file.write_all(records);
            return self.note(written, lines(records));
        }
        self.buffer.extend_from_slice(records);
        Ok(())
    }

    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        if self.ends.is_some() {
            self.rotate()?;
        }
        if self.buffer.len() + bytes > BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Records that could not be written.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        let count = lines(&self.buffer);
        self.buffer.clear();
        self.note(written, count)
    }

    /// Counts what was lost, and names the file in the error.
    fn note(&mut self, written: io::Result<()>, records: u64) -> io::Result<()> {
        let Err(error) = written else { return Ok(()) };
        self.lost += records;
        let kind = error.kind();
        self.reason = Some(error);
        Err(io::Error::new(kind, self.failure().unwrap_or_default()))
    }

    /// Closes the file and opens it by name again: somebody has moved it away. When that cannot
    /// be done, the old one stays in use.
    ///
    /// # Errors
    /// With the name of the file.
    pub(crate) fn reopen(&mut self) -> Result<(), String> {
        self.flush().map_err(|error| error.to_string())?;
        let opened = open(&self.output, &self.directory, now_us(), true)
            .map_err(|error| format!("{}: cannot be opened anew: {error}", self.path.display()))?;
        (self.path, self.file) = opened;
        Ok(())
    }

    /// The name of the file that is open.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was lost, in words; none if nothing was.
    pub(crate) fn failure(&self) -> Option<String> {
        let path = self.directory.join(&self.output.filename);
        let reason = self.reason.as_ref()?;
        Some(format!("{}: {} records could not be written: {reason}", path.display(), self.lost))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let now = now_us();
        let (Some(ends), Some(rotation)) = (self.ends, self.output.rotation) else {
            return Ok(());
        };
        if now / 1_000_000 < ends {
            return Ok(());
        }
        self.flush()?;
        let opened = open(&self.output, &self.directory, now, true);
        let opened = opened.map_err(|error| {
            let error = io::Error::new(error.kind(), format!("cannot be begun anew: {error}"));
            self.reason.insert(error).kind()
        });
        (self.path, self.file) = opened?;
        self.ends = Some(rotation.next(now / 1_000_000));
        Ok(())
    }
}

fn lines(records: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', records).count() as u64
}

fn open(
    output: &FileOutput,
    directory: &Path,
    now: u64,
    append: bool,
) -> io::Result<(PathBuf, File)> {
    let name = Civil::from_us(now).expand(&output.filename);
    let mut options = OpenOptions::new();
    options.create(true).mode(output.mode.unwrap_or(0o644));
    // Several outputs, and the engine log, may share one file: all of them append.
    options.append(true);
    let path = directory.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = options.open(&path)?;
    if !append {
        file.set_len(0)?;
    }
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_appended_or_replace() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = FileOutput::new("eve-log", "eve.json");
        let write = |output: &FileOutput, text: &[u8]| {
            let mut sink = FileSink::open(output, dir.path()).unwrap();
            sink.write(text).unwrap();
            sink.write(b"").unwrap();
            sink.flush().unwrap();
            std::fs::read(dir.path().join("eve.json")).unwrap()
        };
        assert_eq!(write(&output, b"one\n"), b"one\n");
        assert_eq!(write(&output, b"two\n"), b"one\ntwo\n");
        output.append = false;
        assert_eq!(write(&output, b"three\n"), b"three\n");
        let large = vec![b'x'; BUFFER * 2];
        assert_eq!(write(&output, &large).len(), BUFFER * 2);
    }

    #[test]
    fn every_record_is_written_or_counted() {
        if !Path::new("/dev/full").exists() {
            return eprintln!("skipped: there is no /dev/full");
        }
        let output = FileOutput::new("eve-log", "full");
        let mut sink = FileSink::open(&output, Path::new("/dev")).unwrap();
        let line = format!("{}\n", "x".repeat(BUFFER / 2));
        for _ in 0..5 {
            let _ = sink.write(line.as_bytes());
        }
        assert!(sink.flush().is_err());
        assert_eq!(sink.lost(), 5);
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (name, moved) = (dir.path().join("eve.json"), dir.path().join("eve.json.1"));
        let mut output = FileOutput::new("eve-log", "eve.json");
        output.append = false;
        let mut sink = FileSink::open(&output, dir.path()).unwrap();
        sink.write(b"one\n").unwrap();
        std::fs::rename(&name, &moved).unwrap();
        sink.reopen().unwrap();
        sink.write(b"two\n").unwrap();
        // Where nothing was moved, nothing is lost.
        sink.reopen().unwrap();
        sink.write(b"three\n").unwrap();
        sink.flush().unwrap();
        assert_eq!(std::fs::read(moved).unwrap(), b"one\n");
        assert_eq!(std::fs::read(&name).unwrap(), b"two\nthree\n");
        // The old file stays in use when there can be no new one.
        std::fs::remove_file(&name).unwrap();
        std::fs::create_dir(&name).unwrap();
        assert!(sink.reopen().unwrap_err().contains("eve.json"));
        sink.write(b"four\n").and_then(|()| sink.flush()).unwrap();
    }
}
