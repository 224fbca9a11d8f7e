//! The stream as rules without a buffer see it: chunks of acknowledged data, or inline a window
//! around the packet.

use crate::reassembly::stream::Stream;

impl Stream {
    /// True if enough acknowledged data waits for raw inspection, or it was asked for.
    ///
    /// `force` is for sessions that are as good as over and for the end of the flow.
    pub fn raw_ready(&self, force: bool) -> bool {
        if self.flags.no_reassembly || self.flags.raw_stopped || self.buffer.is_empty() {
            return false;
        }
        if self.raw_progress >= self.buffer.end() {
            return false;
        }
        let waiting = self.acked_offset().saturating_sub(self.raw_progress);
        force
            || self.flags.depth_reached
            || self.flags.raw_flush
            || self.flags.raw_stopping
            || waiting >= u64::from(self.chunk_size)
    }

    /// The contiguous chunks that were not inspected yet, and may be: acknowledged ones, at the
    /// end of the flow all.
    pub fn raw_data(&self, end_of_flow: bool) -> RawChunks<'_> {
        let edge = if end_of_flow || self.flags.inline { u64::MAX } else { self.acked_offset() };
        let from = self.raw_progress;
        let next = self.blocks().partition_point(|block| block.end <= from);
        RawChunks { stream: self, next, from, edge }
    }

    /// Inline: the data around the packet at `seq` with `payload`, and its offset.
    ///
    /// The window is as long as a chunk, or a third of that longer than a large payload.
    pub fn raw_window<'a>(&'a self, seq: u32, payload: &'a [u8]) -> (u64, &'a [u8]) {
        let (len, chunk) = (payload.len() as u64, u64::from(self.chunk_size));
        let window = if len > chunk / 3 * 2 { len + chunk / 3 } else { chunk };
        let left = self.data_offset(seq);
        let right = left + len;
        let index = self.blocks().partition_point(|block| block.end <= left);
        let inside = |start, end| start <= left && right <= end;
        let Some(block) = self.blocks().get(index).filter(|it| inside(it.start, it.end)) else {
            return (left, payload);
        };
        let (mut start, mut end) = (block.start, block.end);
        let excess = (end - start).saturating_sub(window);
        let after = excess.min(end - right);
        end -= after;
        start += (excess - after).min(left - start);
        (start, self.bytes(start, end))
    }

    /// Everything before `offset` was inspected.
    pub fn raw_mark_inspected(&mut self, offset: u64) {
        if offset > self.raw_progress {
            self.raw_progress = offset;
            self.flags.raw_flush = false;
        }
        self.raw_settle();
    }

    /// Nobody inspects raw data now: what the application layer is done with, or without one
    /// all acknowledged data, counts as inspected.
    pub fn raw_skip(&mut self) {
        let done = if self.app_active() { self.app_offset() } else { self.acked_offset() };
        self.raw_progress = self.raw_progress.max(done);
        self.flags.raw_flush = false;
        self.raw_settle();
    }

    /// Offset up to which raw data was inspected.
    pub fn raw_offset_inspected(&self) -> u64 {
        self.raw_progress
    }

    /// What there is shall be inspected without waiting for a full chunk.
    pub fn raw_flush(&mut self) {
        self.flags.raw_flush = true;
    }

    /// What comes from now on is not wanted for raw inspection.
    pub fn raw_stop(&mut self) {
        self.flags.raw_stopping = true;
    }

    /// True if raw inspection still wants data.
    pub fn raw_active(&self) -> bool {
        !self.flags.raw_stopping
    }

    fn raw_settle(&mut self) {
        if self.flags.raw_stopping {
            self.flags.raw_stopped = true;
        }
    }
}

/// Contiguous chunks of a direction, by ascending offset.
#[derive(Clone, Debug)]
pub struct RawChunks<'a> {
    stream: &'a Stream,
    next: usize,
    from: u64,
    edge: u64,
}

impl<'a> Iterator for RawChunks<'a> {
    /// Stream offset and bytes.
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.stream.blocks().get(self.next)?;
        self.next += 1;
        let (start, end) = (block.start.max(self.from), block.end.min(self.edge));
        (start < end).then(|| (start, self.stream.bytes(start, end)))
    }
}
