//! The lock of a store: one changes it at a time, whoever else tries is told who does.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::StoreError;
use super::disk::Disk;
use crate::held::Held;

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _held: Held,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).open(path).at(path)?;
        let mut held = match Held::take(file).at(path)? {
            Ok(held) => held,
            Err(file) => {
                let mut pid = String::new();
                let _ = file.take(20).read_to_string(&mut pid);
                let pid = pid.trim().parse::<u32>().map_or("?".to_owned(), |pid| pid.to_string());
                return Err(StoreError::Locked { path: path.to_path_buf(), pid });
            }
        };
        let pid = format!("{}\n", std::process::id());
        let file = &mut held.0;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(pid.as_bytes()))
            .at(path)?;
        Ok(Self { _held: held })
    }
}
