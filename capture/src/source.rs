//! The contract between whatever delivers frames and whoever wants them.

use crate::{Batch, ReadError};

/// Delivers frames in batches.
///
/// [`receive`](Source::receive) moves on to the next batch, [`batch`](Source::batch) shows it.
/// The two are apart so that the frames stay slices of the source's own buffer: a batch lives
/// until the next call of `receive`.
pub trait Source: Send {
    /// Moves on to the next batch, of at most `max` frames (at least one).
    ///
    /// Whatever precedes a fault is delivered first; the fault is the next result. After a fault
    /// the call may be repeated: a source of several inputs goes on with the others, and ends
    /// with [`Received::End`] like any source.
    fn receive(&mut self, max: usize) -> Result<Received, ReadError>;

    /// The frames of the last call of [`receive`](Source::receive); empty after an end or a fault.
    fn batch(&self) -> Batch<'_>;

    /// What has been read so far.
    fn statistics(&self) -> SourceStatistics;
}

/// What a call of [`Source::receive`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The batch holds one frame or more.
    Frames,
    /// There is nothing at the moment; the call has waited a little for it.
    Idle,
    /// There are no more frames, nor will there be.
    End,
}

/// Counters of a source since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStatistics {
    /// Inputs that were opened.
    pub files: u64,
    /// Inputs that could not be opened or ended in a fault.
    pub faulty_files: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Captured bytes of these frames.
    pub bytes: u64,
    /// Bytes of these frames on the wire.
    pub wire_bytes: u64,
    /// Frames of which the capture holds only the beginning (snap length).
    pub shortened_frames: u64,
    /// Blocks of a pcapng file that hold no frame and no interface, passed over.
    pub skipped_blocks: u64,
}

impl SourceStatistics {
    /// Adds the counters of another source to these.
    pub fn add(&mut self, other: &SourceStatistics) {
        self.files += other.files;
        self.faulty_files += other.faulty_files;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.wire_bytes += other.wire_bytes;
        self.shortened_frames += other.shortened_frames;
        self.skipped_blocks += other.skipped_blocks;
    }
}
