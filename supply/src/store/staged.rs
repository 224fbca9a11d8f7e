//! A set of rules that is being put together, and whether its files are what its manifest says.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::manifest::{self, FileRecord, Manifest, hexadecimal};

use super::StoreError;
use super::disk::{self, Disk, step};

/// A temporary folder of a store; removed when dropped.
#[derive(Debug)]
pub struct Staged {
    folder: Option<PathBuf>,
}

impl Staged {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    /// Where files go that are not written by [`Staged::write`].
    pub fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap_or(Path::new(""))
    }

    /// Writes a file and says what the manifest says of it.
    ///
    /// # Errors
    /// When the path leaves the folder or is the manifest's, or the file can't be written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<FileRecord, StoreError> {
        let below = manifest::below(path).filter(|_| path != manifest::FILE);
        let file = self.folder().join(below.ok_or_else(|| StoreError::Path(path.to_owned()))?);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).at(folder)?;
        }
        disk::write(&file, bytes)?;
        step();
        Ok(FileRecord {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hexadecimal(&Sha256::digest(bytes)),
        })
    }

    /// Moves it where it stays.
    pub(super) fn become_folder(mut self, to: &Path) -> Result<(), StoreError> {
        fs::rename(self.folder(), to).at(to)?;
        self.folder = None;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder
            && let Err(error) = disk::remove(folder)
        {
            tracing::warn!("a temporary folder stays: {error}");
        }
    }
}

/// Whether a file is there with its size.
pub(super) fn look(folder: &Path, file: &FileRecord) -> Result<PathBuf, StoreError> {
    let below = manifest::below(&file.path).ok_or_else(|| StoreError::Path(file.path.clone()))?;
    let path = folder.join(below);
    let about = fs::symlink_metadata(&path).at(&path)?;
    let why = match about.len() {
        _ if !about.is_file() => "no plain file".to_owned(),
        bytes if bytes != file.bytes => {
            format!("{bytes} bytes, the manifest says {}", file.bytes)
        }
        _ => return Ok(path),
    };
    Err(StoreError::Damaged { path, why })
}

/// Whether all files are what the manifest says, by their sums.
pub(super) fn verify(folder: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    for file in &manifest.files {
        let path = look(folder, file)?;
        let sum = sum(&path).at(&path)?;
        if !sum.eq_ignore_ascii_case(&file.sha256) {
            let why = format!("SHA-256 {sum}, the manifest says {}", file.sha256);
            return Err(StoreError::Damaged { path, why });
        }
    }
    Ok(())
}

fn sum(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&digest.finalize())),
            got => digest.update(buffer.get(..got).unwrap_or_default()),
        }
    }
}
