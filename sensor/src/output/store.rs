//! Stored files (`file-store`): named by their SHA-256, in 256 directories.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use detect::output::FileEvent;

use crate::config::process::FileStoreOutput;

/// What went wrong or was held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreCounters {
    /// Files that are open now.
    pub(crate) open: u64,
    /// Files that were not kept open because there were too many.
    pub(crate) limit_hits: u64,
    /// Failed operations.
    pub(crate) errors: u64,
}

/// The stored files of one worker.
#[derive(Debug)]
pub(crate) struct FileStore {
    directory: PathBuf,
    worker: usize,
    max_open: usize,
    /// Files that have begun; those without handle are opened for each write.
    files: HashMap<u64, Option<File>>,
    open: usize,
    counters: StoreCounters,
    /// Why the last operation failed.
    reason: Option<io::Error>,
}

/// Handles of one worker, when the configuration sets no limit.
const MAX_OPEN: usize = 512;

impl FileStore {
    /// Makes the directories. Workers that share them have different numbers.
    ///
    /// # Errors
    /// With the directory that cannot be made.
    pub(crate) fn open(
        output: &FileStoreOutput,
        log_dir: &Path,
        worker: usize,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let directory = log_dir.join(&output.directory);
        let make = |path: PathBuf| fs::create_dir_all(&path).map_err(|error| (path, error));
        make(directory.join("tmp"))?;
        for number in 0..=255u8 {
            make(directory.join(format!("{number:02x}")))?;
        }
        let max_open = match output.max_open_files {
            0 => MAX_OPEN,
            most => most.min(MAX_OPEN),
        };
        Ok(Self {
            directory,
            worker,
            max_open,
            files: HashMap::new(),
            open: 0,
            counters: StoreCounters::default(),
            reason: None,
        })
    }

    /// Takes what a detector says about its files.
    pub(crate) fn take(&mut self, events: &[FileEvent]) {
        for event in events {
            let done = match event {
                FileEvent::Data { id, bytes } => self.data(*id, bytes),
                FileEvent::Close { id, sha256, seconds, record } => {
                    self.close(*id, sha256.as_ref(), *seconds, record)
                }
            };
            if let Err(error) = done {
                self.counters.errors += 1;
                self.reason = Some(error);
            }
        }
    }

    /// Counters.
    pub(crate) fn counters(&self) -> StoreCounters {
        StoreCounters { open: self.open as u64, ..self.counters }
    }

    /// What went wrong, in words; none if nothing did.
    pub(crate) fn failure(&self) -> Option<String> {
        let (directory, errors) = (self.directory.display(), self.counters.errors);
        let reason = self.reason.as_ref()?;
        Some(format!("{directory}: {errors} times files could not be stored: {reason}"))
    }

    fn temporary(&self, id: u64) -> PathBuf {
        self.directory.join("tmp").join(format!("file.{}.{id}", self.worker))
    }

    fn data(&mut self, id: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.temporary(id);
        if let Some(known) = self.files.get_mut(&id) {
            return match known {
                Some(file) => file.write_all(bytes),
                None => OpenOptions::new().append(true).open(path)?.write_all(bytes),
            };
        }
        let mut file = File::create(&path)?;
        if let Err(error) = file.write_all(bytes) {
            // An empty file helps nobody.
            fs::remove_file(path)?;
            return Err(error);
        }
        let keep = self.open < self.max_open;
        match keep {
            true => self.open += 1,
            false => self.counters.limit_hits += 1,
        }
        self.files.insert(id, keep.then_some(file));
        Ok(())
    }

    fn close(
        &mut self,
        id: u64,
        sha256: Option<&[u8; 32]>,
        seconds: u64,
        record: &[u8],
    ) -> io::Result<()> {
        let Some(handle) = self.files.remove(&id) else { return Ok(()) };
        if handle.is_some() {
            self.open = self.open.saturating_sub(1);
        }
        drop(handle);
        let temporary = self.temporary(id);
        let Some(sha256) = sha256 else { return fs::remove_file(temporary) };
        let name: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let directory = self.directory.join(format!("{:02x}", sha256[0]));
        let path = directory.join(&name);
        if path.exists() {
            // The same contents again: only the time is news.
            fs::remove_file(temporary)?;
            File::options().append(true).open(&path)?.set_modified(SystemTime::now())?;
        } else {
            fs::rename(temporary, &path)?;
        }
        if !record.is_empty() {
            let mut file = File::create(directory.join(format!("{name}.{seconds}.{id}.json")))?;
            file.write_all(record)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        // What never ended has no name; nothing is left to be told if it stays.
        for id in self.files.keys() {
            let _ = fs::remove_file(self.temporary(*id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_get_their_names_when_they_end() {
        let dir = tempfile::tempdir().unwrap();
        let output = FileStoreOutput { directory: "store".into(), max_open_files: 1 };
        let mut store = FileStore::open(&output, dir.path(), 0).unwrap();
        let data = |id, bytes: &[u8]| FileEvent::Data { id, bytes: bytes.to_vec() };
        let close = |id, sha256, record: &[u8]| FileEvent::Close {
            id,
            sha256,
            seconds: 9,
            record: record.to_vec(),
        };
        store.take(&[data(1, b"ab"), data(2, b"c"), data(1, b"c"), data(2, b"d"), data(3, b"x")]);
        assert_eq!(store.counters(), StoreCounters { open: 1, limit_hits: 2, errors: 0 });
        store.take(&[
            close(1, Some([7; 32]), b"{}"),
            close(2, Some([7; 32]), b""),
            close(4, None, b""),
        ]);
        let name = "07".repeat(32);
        let root = dir.path().join("store");
        assert_eq!(fs::read(root.join("07").join(&name)).unwrap(), b"abc");
        let info = root.join("07").join(format!("{name}.9.1.json"));
        assert_eq!(fs::read(info).unwrap(), b"{}\n");
        drop(store);
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
        assert!(root.join("ff").is_dir());
    }
}
