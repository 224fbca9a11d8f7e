//! Several files, one after another.

use std::path::PathBuf;

use crate::open::open_numbered;
use crate::window::WINDOW;
use crate::{Batch, ReadError, Received, Source, SourceStatistics};

/// Reads files in the order given, each opened when its turn comes.
///
/// A file that cannot be opened or ends in a fault is one error among the results; the next call
/// goes on with the file after it.
pub struct Sequence {
    paths: std::vec::IntoIter<PathBuf>,
    next_index: u32,
    current: Option<Box<dyn Source>>,
    /// Of the files that are closed.
    statistics: SourceStatistics,
}

impl Sequence {
    /// A sequence of files; frames carry the index of their path in the list.
    pub fn new(paths: Vec<PathBuf>) -> Sequence {
        Sequence {
            paths: paths.into_iter(),
            next_index: 0,
            current: None,
            statistics: SourceStatistics::default(),
        }
    }

    fn close(&mut self) {
        if let Some(source) = self.current.take() {
            self.statistics.add(&source.statistics());
        }
    }
}

impl Source for Sequence {
    fn receive(&mut self, max: usize) -> Result<Received, ReadError> {
        loop {
            if let Some(source) = &mut self.current {
                match source.receive(max) {
                    Ok(Received::Frames) => return Ok(Received::Frames),
                    Ok(Received::End) => self.close(),
                    Err(error) => {
                        self.close();
                        return Err(error);
                    }
                }
            }
            let Some(path) = self.paths.next() else {
                return Ok(Received::End);
            };
            let index = self.next_index;
            self.next_index = self.next_index.saturating_add(1);
            match open_numbered(&path, index, WINDOW) {
                Ok(source) => self.current = Some(source),
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
