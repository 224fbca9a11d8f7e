//! Keeping a packet's data: depth, urgent bytes, duplicates and overlaps.

use decode::settings::OsPolicy;

use crate::reassembly::buffer::InsertError;
use crate::reassembly::overlap::new_wins;
use crate::reassembly::segments::Segment;
use crate::reassembly::stream::Stream;
use crate::tcp::StreamCounters;
use crate::tcp::settings::{StreamSettings, UrgentLimitPolicy, UrgentPolicy};

/// A packet's data and where it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data<'a> {
    /// Sequence number of the first byte.
    pub(crate) seq: u32,
    pub(crate) bytes: &'a [u8],
    /// The last byte is urgent.
    pub(crate) urgent: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inserted {
    /// Some of it is in the stream, be it that it was there before.
    pub(crate) added: bool,
    /// The depth is reached.
    pub(crate) depth: bool,
    /// It overlaps stored data with other content.
    pub(crate) differs: bool,
    /// The limit of urgent bytes is reached, and what the policy says.
    pub(crate) urgent_limit: bool,
    /// The packet is to be dropped for its urgent data.
    pub(crate) urgent_drop: bool,
    /// Some could not be kept.
    pub(crate) failed: Option<InsertError>,
}

impl Stream {
    /// Puts a packet's data where it belongs.
    pub(crate) fn insert(
        &mut self,
        data: Data<'_>,
        settings: &StreamSettings,
        counters: &mut StreamCounters,
    ) -> Inserted {
        let mut done = Inserted::default();
        let mut bytes = data.bytes;
        let mut raw = self.raw_offset(data.seq);
        if raw < 0 {
            // Bytes before the first one, such as the single byte of an early keep-alive.
            bytes = bytes.get(raw.unsigned_abs() as usize..).unwrap_or(&[]);
            raw = 0;
        }
        let raw = raw as u64;
        if data.urgent && !bytes.is_empty() {
            let last = raw + bytes.len() as u64 - 1;
            if self.leaves_out(last, settings, counters, &mut done) {
                bytes = &bytes[..bytes.len() - 1];
            }
            if done.urgent_drop {
                return done;
            }
        }
        if self.urgent.total() == 0 {
            self.insert_piece(raw, bytes, settings, counters, &mut done);
        } else {
            self.insert_pieces(raw, bytes, settings, counters, &mut done);
        }
        done
    }

    /// Decides about the urgent byte at raw offset `raw`; true if it does not stay where it is.
    fn leaves_out(
        &mut self,
        raw: u64,
        settings: &StreamSettings,
        counters: &mut StreamCounters,
        done: &mut Inserted,
    ) -> bool {
        match settings.urgent {
            UrgentPolicy::Inline | UrgentPolicy::Drop => false,
            UrgentPolicy::Gap => true,
            UrgentPolicy::Oob if self.urgent.is_exhausted() => {
                done.urgent_limit = true;
                match settings.urgent_limit {
                    UrgentLimitPolicy::Inline => false,
                    UrgentLimitPolicy::Gap => true,
                    UrgentLimitPolicy::Drop => {
                        done.urgent_drop = settings.inline;
                        false
                    }
                }
            }
            UrgentPolicy::Oob => {
                // What follows moves up, unless it is stored already: then a hole remains.
                let moves = self.buffer.end() <= self.urgent.data_offset(raw);
                if moves && self.urgent.take_out(raw) {
                    counters.tcp.urgent_oob_data += 1;
                }
                true
            }
        }
    }

    /// Inserts what remains between bytes that were taken out.
    fn insert_pieces(
        &mut self,
        raw: u64,
        bytes: &[u8],
        settings: &StreamSettings,
        counters: &mut StreamCounters,
        done: &mut Inserted,
    ) {
        let (mut at, end) = (raw, raw + bytes.len() as u64);
        while at < end {
            let Some((start, len)) = self.urgent.pieces(at, end).next() else { break };
            let from = (start - raw) as usize;
            let piece = bytes.get(from..from + len as usize).unwrap_or(&[]);
            let offset = self.urgent.data_offset(start);
            self.insert_piece(offset, piece, settings, counters, done);
            at = start + len;
        }
    }

    /// Inserts contiguous data at a data offset.
    fn insert_piece(
        &mut self,
        mut offset: u64,
        mut bytes: &[u8],
        settings: &StreamSettings,
        counters: &mut StreamCounters,
        done: &mut Inserted,
    ) {
        let before = self.buffer.base().saturating_sub(offset);
        if before > 0 {
            bytes = bytes.get(before as usize..).unwrap_or(&[]);
            offset += before;
        }
        let wanted = bytes.len();
        bytes = self.within_depth(offset, bytes, done);
        if bytes.is_empty() {
            return;
        }
        debug_assert!(bytes.len() <= wanted);
        let segment = Segment { start: offset, len: bytes.len() as u32 };
        let beyond = self.segments.is_beyond(offset);
        let result = if beyond {
            self.write(segment, bytes, settings, counters)
        } else {
            self.insert_overlapping(segment, bytes, settings, counters, done)
        };
        match result {
            Ok(()) => done.added = true,
            Err(error) => {
                counters.tcp.segment_memcap_drop += u64::from(error == InsertError::Memory);
                counters.tcp.insert_data_normal_fail += u64::from(beyond);
                counters.tcp.insert_data_overlap_fail += u64::from(!beyond);
                done.failed = Some(error);
            }
        }
    }

    /// Cuts what lies beyond the depth.
    fn within_depth<'a>(&mut self, offset: u64, bytes: &'a [u8], done: &mut Inserted) -> &'a [u8] {
        if self.depth == 0 || bytes.is_empty() {
            return bytes;
        }
        let room = u64::from(self.depth).saturating_sub(offset);
        if room < bytes.len() as u64 {
            self.flags.depth_reached = true;
        }
        if self.flags.depth_reached {
            done.depth = true;
        }
        bytes.get(..room.min(bytes.len() as u64) as usize).unwrap_or(bytes)
    }

    /// Stores a segment and writes its bytes over whatever is there.
    fn write(
        &mut self,
        segment: Segment,
        bytes: &[u8],
        settings: &StreamSettings,
        counters: &mut StreamCounters,
    ) -> Result<(), InsertError> {
        let memcap = settings.reassembly_memcap;
        self.buffer.write(segment.start, bytes, settings.max_regions, memcap, counters)?;
        if self.segments.is_beyond(segment.start) {
            self.segments.append(segment);
        } else {
            self.segments.insert(segment)?;
        }
        let bytes = self.segments.bytes();
        if bytes != self.segment_bytes {
            // A growing list is accounted for after the fact: it is small against the data.
            counters.tcp.reassembly_memuse += bytes as u64;
            counters.release(self.segment_bytes);
            self.segment_bytes = bytes;
        }
        Ok(())
    }

    /// Inserts a segment that may share bytes with stored ones.
    fn insert_overlapping(
        &mut self,
        segment: Segment,
        bytes: &[u8],
        settings: &StreamSettings,
        counters: &mut StreamCounters,
        done: &mut Inserted,
    ) -> Result<(), InsertError> {
        let policy = self.os.unwrap_or_default();
        let mut winner = std::mem::take(&mut counters.scratch);
        winner.clear();
        winner.extend_from_slice(bytes);
        let found = self.resolve(segment, bytes, &mut winner, policy, settings);
        if found.overlaps {
            counters.tcp.overlap += 1;
        }
        if found.differs {
            counters.tcp.overlap_diff_data += 1;
            done.differs = true;
        }
        let result = self.write(segment, &winner, settings, counters);
        counters.scratch = winner;
        result
    }

    /// Puts the stored bytes that win into `winner`.
    fn resolve(
        &self,
        segment: Segment,
        bytes: &[u8],
        winner: &mut [u8],
        policy: OsPolicy,
        settings: &StreamSettings,
    ) -> Found {
        let compares = settings.inline || settings.check_overlap_different_data;
        let mut found = Found::default();
        for stored in self.segments.overlapping(segment.start, segment.end()) {
            found.overlaps = true;
            let from = stored.start.max(segment.start).max(self.buffer.base());
            let to = stored.end().min(segment.end());
            if from >= to {
                continue;
            }
            let old = self.bytes(from, to);
            let range = (from - segment.start) as usize..(to - segment.start) as usize;
            let (Some(new), Some(target)) = (bytes.get(range.clone()), winner.get_mut(range))
            else {
                continue;
            };
            found.differs |= compares && old != new;
            if (settings.inline || !new_wins(policy, stored, segment)) && old.len() == target.len()
            {
                target.copy_from_slice(old);
            }
        }
        found
    }
}

/// What the stored segments in the way are like.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    overlaps: bool,
    differs: bool,
}
