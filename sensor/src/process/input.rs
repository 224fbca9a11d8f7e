//! Inputs of a replay: files, or all files of a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use capture::{MERGE_LIMIT, Merge, ReadError, Sequence, Source};

/// Directories within directories are followed down to here.
const DEEPEST: usize = 64;

/// The files of a directory in the order of their time, then of their names; also those that are
/// no captures.
///
/// # Errors
/// When the directory cannot be listed.
pub(crate) fn files_by_time(directory: &Path, recursive: bool) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(directory, recursive, 0, &mut files)?;
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn list(
    directory: &Path,
    recursive: bool,
    depth: usize,
    files: &mut Vec<(SystemTime, PathBuf)>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Ok(about) = fs::metadata(&path) else { continue };
        if about.is_file() {
            files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), path));
        } else if about.is_dir() && recursive && depth < DEEPEST {
            list(&path, recursive, depth + 1, files)?;
        }
    }
    Ok(())
}

/// One file after the other, in the order given; removed once they are read if `delete`.
pub(crate) fn in_sequence(files: Vec<PathBuf>, delete: bool) -> Box<dyn Source> {
    Box::new(Sequence::new(files).deleting(delete))
}

/// Files merged by time; one after the other if they are too many.
///
/// # Errors
/// When a single file cannot be opened.
pub(crate) fn merged(files: Vec<PathBuf>) -> Result<Box<dyn Source>, ReadError> {
    match files.as_slice() {
        [one] => capture::open(one),
        several if several.len() <= MERGE_LIMIT => Ok(Box::new(Merge::new(several)?)),
        _ => Ok(in_sequence(files, false)),
    }
}
