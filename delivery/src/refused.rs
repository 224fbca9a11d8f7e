//! Records that a receiver will never take, kept in a file with the reason.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::record::Record;

/// The file; it grows up to a limit, and is made when there is something to write.
#[derive(Debug)]
pub(crate) struct RefusedFile {
    path: PathBuf,
    limit: u64,
    file: Option<File>,
    written: u64,
}

impl RefusedFile {
    /// A file of that name that takes so many bytes.
    pub(crate) fn new(path: PathBuf, limit: u64) -> Self {
        let written = path.metadata().map_or(0, |facts| facts.len());
        Self { path, limit, file: None, written }
    }

    /// Appends a record: `{"reason":…,"worker":…,"sequence":…,"record":…}`. Beyond the limit, and
    /// when the disk does not take it, it is only counted by who calls this.
    pub(crate) fn keep(&mut self, record: &Record<'_>, reason: &str) {
        let mut line = format!(
            "{{\"reason\":{},\"worker\":{},\"sequence\":{},\"record\":",
            serde_json::Value::from(reason),
            record.worker,
            record.sequence
        )
        .into_bytes();
        line.extend_from_slice(record.bytes);
        line.extend_from_slice(b"}\n");
        if self.written + line.len() as u64 > self.limit {
            return;
        }
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            self.file = options.append(true).create(true).mode(0o600).open(&self.path).ok();
        }
        if let Some(file) = &mut self.file
            && file.write_all(&line).is_ok()
        {
            self.written += line.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_records_are_kept_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let mut file = RefusedFile::new(path.clone(), 150);
        for sequence in 0..9 {
            let record = Record { worker: 1, sequence, bytes: b"{\"event_type\":\"http\"}" };
            file.keep(&record, "too \"large\"");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["reason"], "too \"large\"");
        assert_eq!(line["record"]["event_type"], "http");
    }
}
