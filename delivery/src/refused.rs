//! Records that a receiver will never take, kept in a file with the reason.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::record::Record;

/// How often a file that is full is looked for anew: somebody may have moved it away.
const LOOK: Duration = Duration::from_secs(1);

/// The file; it grows up to a limit, and is made when there is something to write.
#[derive(Debug)]
pub(crate) struct RefusedFile {
    path: PathBuf,
    limit: u64,
    file: Option<File>,
    /// Bytes of whole lines in it.
    written: u64,
    /// A part of a line may be behind them.
    is_torn: bool,
    /// It was said that no more is kept.
    is_told: bool,
    looked: Option<Instant>,
}

impl RefusedFile {
    /// A file of that name that takes so many bytes.
    pub(crate) fn new(path: PathBuf, limit: u64) -> Self {
        Self { path, limit, file: None, written: 0, is_torn: false, is_told: false, looked: None }
    }

    /// Its name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record: `{"reason":…,"worker":…,"sequence":…,"record":…}`. False when it is not
    /// kept: beyond the limit, and when the disk does not take it.
    pub(crate) fn keep(&mut self, record: &Record<'_>, reason: &str) -> bool {
        let mut line = format!(
            "{{\"reason\":{},\"worker\":{},\"sequence\":{},\"record\":",
            serde_json::Value::from(reason),
            record.worker,
            record.sequence
        )
        .into_bytes();
        line.extend_from_slice(record.bytes);
        line.extend_from_slice(b"}\n");
        let outcome = self.append(&line);
        if let Err(error) = &outcome
            && !std::mem::replace(&mut self.is_told, true)
        {
            let path = self.path.display();
            tracing::warn!("{path}: {error}; refused records are counted and not kept");
        }
        self.is_told &= outcome.is_err();
        outcome.is_ok()
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.written + length > self.limit && self.was_moved() {
            self.file = None;
        }
        if self.file.is_none() {
            self.open()?;
        }
        if self.written + length > self.limit {
            return Err(io::Error::other(format!("it has its {} bytes", self.limit)));
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.is_torn {
            file.set_len(self.written)?;
        }
        // What is written in part is cut off: nothing may be glued to it.
        self.is_torn = true;
        let outcome = file.write_all(line);
        if outcome.is_err() {
            file.set_len(self.written)?;
        }
        self.is_torn = false;
        outcome?;
        self.written += length;
        Ok(())
    }

    /// Opens it, and cuts off what is behind its last whole line.
    fn open(&mut self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let mut length = file.metadata()?.len();
        // No larger one is of this room's making.
        if length > 0 && length <= self.limit {
            let mut bytes = Vec::new();
            (&file).take(self.limit).read_to_end(&mut bytes)?;
            let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at as u64 + 1);
            if whole < length {
                file.set_len(whole)?;
                length = whole;
            }
        }
        (self.file, self.written, self.is_torn) = (Some(file), length, false);
        Ok(())
    }

    /// True when the file that is open no longer has its name; looks now and then only.
    fn was_moved(&mut self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Some(file) = &self.file else { return false };
        if self.looked.is_some_and(|last| last.elapsed() < LOOK) {
            return false;
        }
        self.looked = Some(Instant::now());
        let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| {
            (a.dev(), a.ino(), a.len()) == (b.dev(), b.ino(), self.written)
        };
        match (self.path.metadata(), file.metadata()) {
            (Ok(there), Ok(ours)) => !same(&there, &ours),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(file: &mut RefusedFile, sequence: u64) -> bool {
        let record = Record { worker: 1, sequence, bytes: b"{\"event_type\":\"http\"}" };
        file.keep(&record, "too \"large\"")
    }

    /// Numbers of the records in it; every line is an object.
    fn numbers(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let objects = text.lines().map(|line| serde_json::from_str(line).expect(line));
        let number = |object: serde_json::Value| {
            assert_eq!(object["reason"], "too \"large\"");
            assert_eq!(object["record"]["event_type"], "http");
            object["sequence"].as_u64().unwrap()
        };
        objects.map(number).collect()
    }

    #[test]
    fn refused_records_are_kept_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let mut file = RefusedFile::new(path.clone(), 150);
        let kept = (0..9).filter(|sequence| keep(&mut file, *sequence)).count();
        assert_eq!((kept, numbers(&path)), (1, vec![0]));
        // Another start goes on with it.
        let mut file = RefusedFile::new(path.clone(), 200);
        assert!(keep(&mut file, 20) && !keep(&mut file, 21));
        assert_eq!(numbers(&path), [0, 20]);
        // Moved away, it makes room.
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        file.looked = None;
        assert!(keep(&mut file, 22));
        assert_eq!(numbers(&path), [22]);
    }

    #[test]
    fn nothing_is_glued_to_what_was_written_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let mut file = RefusedFile::new(path.clone(), 1000);
        assert!(keep(&mut file, 0));
        let cut = |path: &Path| {
            let mut part = OpenOptions::new().append(true).open(path).unwrap();
            part.write_all(b"{\"reason\":\"to").unwrap();
        };
        // A crash in the middle of a line.
        cut(&path);
        let mut file = RefusedFile::new(path.clone(), 1000);
        assert!(keep(&mut file, 1));
        // A disk that was full in the middle of one, and could not even be told to cut it off.
        cut(&path);
        file.is_torn = true;
        assert!(keep(&mut file, 2));
        assert_eq!(numbers(&path), [0, 1, 2]);
    }

    #[test]
    fn a_full_disk_leaves_whole_lines() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            eprintln!("skipped: needs /dev/full");
            return;
        }
        let mut file = RefusedFile::new(full.to_owned(), 1000);
        assert!(!keep(&mut file, 0) && file.written == 0);
    }
}
