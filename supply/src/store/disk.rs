//! Files of a store: written so that they are there after a crash, and read within limits.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::StoreError;

/// Says which file it was.
pub(super) trait Disk<T> {
    fn at(self, path: &Path) -> Result<T, StoreError>;
}

impl<T> Disk<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::Io { path: path.to_path_buf(), error })
    }
}

/// A moment between two changes to the disk, at which a test may end the program.
#[cfg(not(test))]
pub(crate) const fn step() {}

#[cfg(test)]
pub(crate) use super::tests::step;

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    File::create(path).and_then(|mut file| file.write_all(bytes)).at(path)
}

/// In place of a file that may be there: readers see the old or the new one, whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut next = path.as_os_str().to_owned();
    next.push(".new");
    let next = Path::new(&next);
    write(next, bytes)?;
    sync(next)?;
    step();
    fs::rename(next, path).at(path)?;
    path.parent().map_or(Ok(()), sync)
}

/// To the disk: a file's content, or a folder's names.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).at(path)
}

/// A folder with all that is in it.
pub(super) fn sync_all(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).at(folder)? {
        let entry = entry.at(folder)?;
        let path = entry.path();
        match entry.file_type().at(&path)? {
            kind if kind.is_dir() => sync_all(&path)?,
            kind if kind.is_file() => sync(&path)?,
            _ => {
                let why = "neither a file nor a folder".to_owned();
                return Err(StoreError::Damaged { path, why });
            }
        }
    }
    sync(folder)
}

/// A file, a link or a folder with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.at(path),
    }
}

pub(super) fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let file = File::open(path).at(path)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).at(path)?;
    if bytes.len() as u64 > most {
        let why = format!("larger than {most} bytes");
        return Err(StoreError::Damaged { path: path.to_path_buf(), why });
    }
    Ok(bytes)
}
