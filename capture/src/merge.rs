//! Several files at once, merged by time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::PathBuf;

use crate::open::open_numbered;
use crate::window::SMALL_WINDOW;
use crate::{Batch, OwnedBatch, ReadError, Received, Source, SourceStatistics};

/// The number of files that can be merged, each of which stays open with its buffers.
pub const MERGE_LIMIT: usize = 512;

/// Frames fetched from a file at a time.
const FETCH: usize = 64;

/// Merges files by the timestamps of their frames.
///
/// At equal times the file that comes first in the list is first, and the frames of one file
/// keep their order even where its timestamps go back. A file that cannot be opened or ends in a
/// fault takes no other along: the errors follow when all frames have been delivered.
pub struct Merge {
    inputs: Vec<Input>,
    /// Time of the next frame of each input, and its index.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    merged: OwnedBatch,
    errors: VecDeque<ReadError>,
    /// Files that could not even be opened.
    unopened: u64,
}

struct Input {
    source: Box<dyn Source>,
    fetched: OwnedBatch,
    taken: usize,
}

impl Merge {
    /// Opens all the files; frames carry the index of their path in the list.
    pub fn new(paths: &[PathBuf]) -> Result<Merge, ReadError> {
        if paths.len() > MERGE_LIMIT {
            return Err(ReadError::TooManyFiles { count: paths.len(), limit: MERGE_LIMIT });
        }
        let opened =
            paths.iter().zip(0..).map(|(path, index)| open_numbered(path, index, SMALL_WINDOW));
        Ok(Merge::of(opened.collect()))
    }

    fn of(opened: Vec<Result<Box<dyn Source>, ReadError>>) -> Merge {
        let mut merge = Merge {
            inputs: Vec::with_capacity(opened.len()),
            next: BinaryHeap::with_capacity(opened.len()),
            merged: OwnedBatch::new(),
            errors: VecDeque::new(),
            unopened: 0,
        };
        for source in opened {
            match source {
                Ok(source) => {
                    let fetched = OwnedBatch::new();
                    merge.inputs.push(Input { source, fetched, taken: 0 });
                    merge.queue(merge.inputs.len() - 1);
                }
                Err(error) => {
                    merge.unopened += 1;
                    merge.errors.push_back(error);
                }
            }
        }
        merge
    }

    /// Puts an input in its place in the queue, by its next frame, if it has one.
    fn queue(&mut self, index: usize) {
        let Some(input) = self.inputs.get_mut(index) else { return };
        if input.taken >= input.fetched.batch().len() {
            input.taken = 0;
            input.fetched.clear();
            match input.source.receive(FETCH) {
                Ok(Received::Frames) => input.fetched.copy_from(&input.source.batch()),
                Ok(Received::Idle | Received::End) => {}
                Err(error) => self.errors.push_back(error),
            }
        }
        if let Some(frame) = input.fetched.batch().get(input.taken) {
            self.next.push(Reverse((frame.timestamp_us, index)));
        }
    }
}

impl Source for Merge {
    fn receive(&mut self, max: usize) -> Result<Received, ReadError> {
        self.merged.clear();
        while self.merged.batch().len() < max.max(1) {
            let Some(Reverse((_, index))) = self.next.pop() else { break };
            if let Some(input) = self.inputs.get_mut(index) {
                if let Some(frame) = input.fetched.batch().get(input.taken) {
                    self.merged.push(&frame);
                }
                input.taken += 1;
            }
            self.queue(index);
        }
        if !self.merged.batch().is_empty() {
            return Ok(Received::Frames);
        }
        self.errors.pop_front().map_or(Ok(Received::End), Err)
    }

    fn batch(&self) -> Batch<'_> {
        self.merged.batch()
    }

    /// Counts what has been read from the files, which is up to a few frames of each ahead of
    /// what has been delivered.
    fn statistics(&self) -> SourceStatistics {
        let mut sum = SourceStatistics { faulty_files: self.unopened, ..Default::default() };
        for input in &self.inputs {
            sum.add(&input.source.statistics());
        }
        sum
    }
}
