//! Several files, one after another.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use crate::open::open_numbered;
use crate::window::WINDOW;
use crate::{Batch, ReadError, Received, Source, SourceStatistics};

/// Reads files in the order given, each opened when its turn comes.
///
/// A file that cannot be opened or ends in a fault is one error among the results; the next call
/// goes on with the file after it.
pub struct Sequence {
    paths: VecDeque<PathBuf>,
    next_index: u32,
    current: Option<Box<dyn Source>>,
    /// Path of the current file, if it is removed once it has been read.
    removed: Option<PathBuf>,
    delete: bool,
    /// Of the files that are closed.
    statistics: SourceStatistics,
}

impl Sequence {
    /// A sequence of files; frames carry the index of their path in the list.
    pub fn new(paths: Vec<PathBuf>) -> Sequence {
        Sequence {
            paths: paths.into(),
            next_index: 0,
            current: None,
            removed: None,
            delete: false,
            statistics: SourceStatistics::default(),
        }
    }

    /// Files are removed once they have been read without a fault.
    #[must_use]
    pub fn deleting(mut self, delete: bool) -> Sequence {
        self.delete = delete;
        self
    }

    /// Adds files behind the others, also when all of those have been read.
    pub(crate) fn extend(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.paths.extend(paths);
    }

    fn close(&mut self) {
        if let Some(source) = self.current.take() {
            self.statistics.add(&source.statistics());
        }
    }
}

fn remove(path: &Path) -> Result<(), ReadError> {
    let file = || path.display().to_string();
    fs::remove_file(path).map_err(|cause| ReadError::Remove { file: file(), cause })
}

impl Source for Sequence {
    fn receive(&mut self, max: usize) -> Result<Received, ReadError> {
        loop {
            if let Some(source) = &mut self.current {
                match source.receive(max) {
                    Ok(Received::End) => {
                        self.close();
                        if let Some(path) = self.removed.take() {
                            remove(&path)?;
                        }
                    }
                    Err(error) => {
                        self.close();
                        return Err(error);
                    }
                    other => return other,
                }
            }
            let Some(path) = self.paths.pop_front() else {
                return Ok(Received::End);
            };
            let index = self.next_index;
            self.next_index = self.next_index.saturating_add(1);
            match open_numbered(&path, index, WINDOW) {
                Ok(source) => {
                    self.current = Some(source);
                    self.removed = self.delete.then_some(path);
                }
                Err(error) => {
                    self.statistics.faulty_files += 1;
                    return Err(error);
                }
            }
        }
    }

    fn batch(&self) -> Batch<'_> {
        self.current.as_ref().map_or(Batch::new(&[], &[]), |source| source.batch())
    }

    fn statistics(&self) -> SourceStatistics {
        let mut sum = self.statistics;
        if let Some(source) = &self.current {
            sum.add(&source.statistics());
        }
        sum
    }
}
