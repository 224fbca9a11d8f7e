//! One direction of a session: its sequence numbers and the data that its sender sent.

use decode::settings::OsPolicy;

use crate::reassembly::buffer::{Block, Buffer, Place};
use crate::reassembly::segments::Segments;
use crate::reassembly::urgent::Urgent;
use crate::tcp::StreamCounters;
use crate::tcp::sack::Sack;
use crate::tcp::sequence::gt;
use crate::tcp::settings::StreamSettings;

/// What the application layer can have next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppData<'a> {
    /// Nothing now.
    None,
    /// These bytes.
    Data {
        /// All contiguous bytes that may be used and were not consumed.
        bytes: &'a [u8],
        /// Stream offset of the first.
        offset: u64,
    },
    /// Bytes that are lost; to be consumed like data.
    Gap {
        /// How many.
        len: u64,
    },
}

/// Facts about a direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamFlags {
    /// The timestamp of the handshake was 0.
    pub(crate) zero_timestamp: bool,
    /// The last packet was a keep-alive.
    pub(crate) keep_alive: bool,
    /// The sender probed a zero window with a byte.
    pub(crate) window_probe: bool,
    /// The receiver got a reset that may have been injected.
    pub(crate) reset_received: bool,
    /// The data depth was reached.
    pub(crate) depth_reached: bool,
    /// Nothing is put together any more.
    pub(crate) no_reassembly: bool,
    /// The application layer wants no more.
    pub(crate) app_stopped: bool,
    /// Raw inspection wants nothing that comes from now on, then nothing at all.
    pub(crate) raw_stopping: bool,
    pub(crate) raw_stopped: bool,
    /// Raw inspection of what there is was asked for.
    pub(crate) raw_flush: bool,
    /// A gap was passed to the application layer.
    pub(crate) gap_seen: bool,
    /// Data may be used without an acknowledgement.
    pub(crate) inline: bool,
}

/// What a side said of itself in its SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) seq: u32,
    pub(crate) window: u16,
    pub(crate) window_scale: Option<u8>,
    pub(crate) timestamp: Option<u32>,
    pub(crate) sack: bool,
}

/// One direction of a session.
#[derive(Debug, Default)]
pub struct Stream {
    pub(crate) isn: u32,
    /// What the sender sends next.
    pub(crate) next_seq: u32,
    /// Highest acknowledgement by the receiver.
    pub(crate) last_ack: u32,
    /// End of the receiver's window; only grows.
    pub(crate) next_win: u32,
    /// The receiver's window, scaled.
    pub(crate) window: u32,
    /// Last in-order timestamp, and the second in which it came.
    pub(crate) last_ts: u32,
    pub(crate) last_ts_second: u32,
    /// Scale of `window`, as the receiver announced it.
    pub(crate) window_scale: u8,
    /// Flags of all packets of the sender.
    pub(crate) tcp_flags: u8,
    pub(crate) flags: StreamFlags,
    /// How the receiver puts overlapping data together.
    pub(crate) os: Option<OsPolicy>,
    pub(crate) sack: Sack,
    /// A recent sequence number and its raw offset.
    anchor_seq: u32,
    anchor_raw: i64,
    /// Data offset of the sender's FIN.
    fin: Option<u64>,
    pub(super) buffer: Buffer,
    pub(super) segments: Segments,
    /// Bytes accounted for `segments`.
    pub(super) segment_bytes: usize,
    pub(super) urgent: Urgent,
    app_progress: u64,
    /// End of what the application layer was offered.
    app_offered: u64,
    pub(super) raw_progress: u64,
    pub(super) depth: u32,
    pub(crate) chunk_size: u32,
}

impl Stream {
    /// The next contiguous bytes that the application layer may use and has not consumed.
    ///
    /// Only acknowledged data may be used, unless inline or at the end of the flow.
    pub fn app_data(&self, end_of_flow: bool) -> AppData<'_> {
        if self.flags.app_stopped {
            return AppData::None;
        }
        let offset = self.app_progress;
        let acked = self.acked_offset();
        let edge = if end_of_flow || self.flags.inline { u64::MAX } else { acked };
        match self.buffer.at(offset) {
            Place::Data(bytes) => {
                let usable = edge.saturating_sub(offset).min(bytes.len() as u64) as usize;
                match bytes.get(..usable) {
                    Some(bytes) if usable > 0 => AppData::Data { bytes, offset },
                    _ => AppData::None,
                }
            }
            // What was acknowledged and is not there was lost on the way to the sensor; the rest
            // of the hole may still be filled.
            Place::Hole(next) if acked > offset => AppData::Gap { len: next.min(acked) - offset },
            // Without data beyond, the acknowledgement may only be ahead of it.
            Place::Hole(_) | Place::End => AppData::None,
        }
    }

    /// The application layer is done with `n` bytes, of data or of a gap.
    pub fn app_consume(&mut self, n: u64) {
        self.app_progress = self.app_progress.saturating_add(n);
    }

    /// The application layer wants no more of this direction; nothing is kept for it.
    pub fn app_stop(&mut self) {
        self.flags.app_stopped = true;
    }

    /// True if the application layer still wants data.
    pub fn app_active(&self) -> bool {
        !self.flags.app_stopped
    }

    /// Stream offset up to which the application layer consumed.
    pub fn app_offset(&self) -> u64 {
        self.app_progress
    }

    /// All data still buffered that may be used: its first offset and the pieces, with holes
    /// between them.
    pub fn all_buffered(&self, end_of_flow: bool) -> (u64, Pieces<'_>) {
        let edge = if end_of_flow || self.flags.inline { u64::MAX } else { self.acked_offset() };
        (self.buffer.base(), Pieces { stream: self, next: 0, edge })
    }

    /// From now on up to `depth` bytes are put together (0: all), unless it were more already.
    ///
    /// As in Suricata 8 a stream without a depth gets one.
    pub(crate) fn raise_depth(&mut self, depth: u32) {
        if depth == 0 || depth > self.depth {
            self.depth = depth;
        }
    }

    /// True once data was left out because the depth was reached.
    pub fn depth_reached(&self) -> bool {
        self.flags.depth_reached
    }

    /// True if nothing is put together any more.
    pub fn is_off(&self) -> bool {
        self.flags.no_reassembly
    }

    /// True once a gap was passed to the application layer.
    pub fn gap_seen(&self) -> bool {
        self.flags.gap_seen
    }

    /// Most regions that the buffer had at a time; normally 1.
    pub fn max_regions(&self) -> u8 {
        self.buffer.most_regions()
    }

    /// Bytes taken out as urgent.
    pub fn urgent_oob(&self) -> u32 {
        self.urgent.total()
    }

    /// True once the sender sent FIN.
    pub fn fin_seen(&self) -> bool {
        self.fin.is_some()
    }

    /// Flags of all packets of the sender.
    pub fn tcp_flags(&self) -> u8 {
        self.tcp_flags
    }

    /// The initial sequence number.
    pub fn isn(&self) -> u32 {
        self.isn
    }

    /// The sequence number expected next.
    pub fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// Bytes sent as `stream_size` counts them: SYN is one.
    pub fn size(&self) -> u32 {
        self.next_seq.wrapping_sub(self.isn)
    }

    /// The receiver's window, scaled.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Offset up to which data was acknowledged.
    #[inline]
    pub fn acked_offset(&self) -> u64 {
        let acked = self.data_offset(self.last_ack);
        self.fin.map_or(acked, |fin| acked.min(fin))
    }

    /// Offset before which everything was discarded.
    pub fn base_offset(&self) -> u64 {
        self.buffer.base()
    }

    /// Offset after the last byte received.
    pub fn end_offset(&self) -> u64 {
        self.buffer.end()
    }

    /// The stream offset of sequence number `seq`, 0 for those before the first byte.
    #[inline]
    pub fn data_offset(&self, seq: u32) -> u64 {
        self.urgent.data_offset(self.raw_offset(seq).max(0) as u64)
    }

    /// Prepares a used or new stream for a session.
    pub(crate) fn reset(&mut self, settings: &StreamSettings, direction: usize) {
        let (buffer, segments) =
            (std::mem::take(&mut self.buffer), std::mem::take(&mut self.segments));
        let urgent = std::mem::take(&mut self.urgent);
        *self = Self { buffer, segments, urgent, ..Self::default() };
        self.flags.inline = settings.inline;
        self.flags.raw_stopped = !settings.raw;
        self.flags.raw_stopping = !settings.raw;
        self.depth = settings.depth;
        self.chunk_size = settings.chunk_size[direction];
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self, counters: &mut StreamCounters) {
        self.drop_data(counters);
        self.buffer.restart(counters);
    }

    /// Forgets the data but not the position.
    pub(crate) fn drop_data(&mut self, counters: &mut StreamCounters) {
        self.buffer.clear(counters);
        self.segments.clear();
        self.urgent.clear();
        counters.release(self.segment_bytes);
        self.segment_bytes = 0;
    }

    /// The sender starts at `isn`: data begins after it.
    pub(crate) fn start(&mut self, isn: u32) {
        self.isn = isn;
        self.anchor_seq = isn.wrapping_add(1);
        self.anchor_raw = 0;
        self.next_seq = self.anchor_seq;
    }

    /// The sender's data so far is void: it starts over after `isn`.
    pub(crate) fn start_over(&mut self, counters: &mut StreamCounters) {
        self.drop_data(counters);
        self.buffer.restart(counters);
        self.app_progress = 0;
        self.app_offered = 0;
        self.raw_progress = 0;
        self.start(self.isn);
    }

    /// The raw offset of a sequence number, counted from the first byte.
    #[inline]
    pub(crate) fn raw_offset(&self, seq: u32) -> i64 {
        self.anchor_raw + i64::from(seq.wrapping_sub(self.anchor_seq) as i32)
    }

    /// Moves the anchor on to `seq`, so that offsets stay exact for long streams.
    #[inline]
    pub(crate) fn anchor(&mut self, seq: u32) {
        let raw = self.raw_offset(seq);
        if raw > self.anchor_raw {
            self.anchor_seq = seq;
            self.anchor_raw = raw;
        }
    }

    /// The sender sends `seq` next.
    #[inline]
    pub(crate) fn set_next_seq(&mut self, seq: u32) {
        self.next_seq = seq;
        self.anchor(seq);
    }

    /// The receiver acknowledged up to `ack`.
    #[inline]
    pub(crate) fn update_last_ack(&mut self, ack: u32) {
        if gt(ack, self.last_ack) {
            self.last_ack = ack;
            self.anchor(ack);
            self.sack.prune(ack);
        }
    }

    /// The window ends at `win`, if that is farther than before.
    #[inline]
    pub(crate) fn update_next_win(&mut self, win: u32) {
        let win = win.wrapping_add(self.sack.size());
        if gt(win, self.next_win) {
            self.next_win = win;
        }
    }

    /// The sender's FIN lies after the byte before `seq`.
    pub(crate) fn note_fin(&mut self, seq: u32) {
        if self.fin.is_none() {
            self.fin = Some(self.data_offset(seq));
        }
    }

    /// True if there is something for the application layer that it was not offered, or it is
    /// the last call; what there is counts as offered from now on.
    #[inline]
    pub(crate) fn offers(&mut self, last_call: bool) -> bool {
        !self.flags.app_stopped && !self.flags.no_reassembly && (self.take_news() || last_call)
    }

    fn take_news(&mut self) -> bool {
        match self.app_data(false) {
            AppData::None => false,
            AppData::Gap { .. } => true,
            AppData::Data { bytes, offset } => {
                let end = offset + bytes.len() as u64;
                let news = end > self.app_offered;
                self.app_offered = end;
                news
            }
        }
    }

    /// A gap is passed on.
    pub(crate) fn note_gap(&mut self) {
        self.flags.gap_seen = true;
    }

    /// Bytes that the list of segments takes.
    #[cfg(test)]
    pub(crate) fn segment_memory(&self) -> usize {
        self.segment_bytes
    }

    pub(super) fn blocks(&self) -> &[Block] {
        self.buffer.blocks()
    }

    pub(super) fn bytes(&self, from: u64, to: u64) -> &[u8] {
        self.buffer.slice(from, to)
    }

    /// Frees what nobody needs any more.
    #[inline]
    pub(crate) fn prune(&mut self, compares: bool, counters: &mut StreamCounters) {
        if !self.flags.no_reassembly {
            self.free_spent(compares, counters);
        }
    }

    fn free_spent(&mut self, compares: bool, counters: &mut StreamCounters) {
        let unwanted = self.flags.app_stopped && self.flags.raw_stopping;
        if self.flags.depth_reached || unwanted {
            self.flags.no_reassembly = true;
            self.drop_data(counters);
            return;
        }
        let edge = self.left_edge(compares);
        if edge > self.buffer.base() {
            self.buffer.discard(edge, counters);
            self.segments.discard(edge);
            let raw = self.raw_offset(self.last_ack).max(0) as u64;
            self.urgent.forget_before(raw.min(edge));
        }
    }

    /// Offset of the first byte that is still needed.
    fn left_edge(&self, compares: bool) -> u64 {
        let app = (!self.flags.app_stopped).then_some(self.app_progress);
        let raw = (!self.flags.raw_stopped).then(|| {
            let mut raw = self.raw_progress;
            if self.flags.inline {
                raw = raw.saturating_sub(u64::from(self.chunk_size));
            }
            raw
        });
        let contiguous = || match self.buffer.at(self.buffer.base()) {
            Place::Data(bytes) => self.buffer.base() + bytes.len() as u64,
            Place::Hole(_) | Place::End => self.buffer.base(),
        };
        let mut edge = match (app, raw) {
            (Some(app), Some(raw)) => app.min(raw),
            (Some(edge), None) | (None, Some(edge)) => edge,
            (None, None) => contiguous(),
        };
        if !self.flags.inline {
            edge = edge.min(self.acked_offset());
        }
        if compares {
            // Data already used may still be compared with what an attacker sends again.
            let window = if self.window == 0 { 4096 } else { self.window };
            edge = edge.saturating_sub(u64::from(window));
        }
        edge
    }
}

/// Pieces of buffered data.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    stream: &'a Stream,
    next: usize,
    edge: u64,
}

impl<'a> Iterator for Pieces<'a> {
    /// Stream offset and bytes.
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.stream.blocks().get(self.next)?;
        self.next += 1;
        let end = block.end.min(self.edge);
        (block.start < end).then(|| (block.start, self.stream.bytes(block.start, end)))
    }
}
