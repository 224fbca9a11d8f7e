//! The fragments of one packet.

use crate::defrag::overlap::{DefragPolicy, Resolution, Span, resolve};
use crate::defrag::table::Key;
use crate::time::Timestamp;

/// Pieces of a packet that any sender needs: 8 bytes each.
const MAX_PIECES: usize = 65_536 / 8;

/// A fragment as it arrives.
pub(super) struct Fragment<'d> {
    /// Offset of the payload in the whole, bytes.
    pub(super) offset: u32,
    /// More fragments follow.
    pub(super) more: bool,
    /// Headers before the fragmented part.
    pub(super) header: &'d [u8],
    /// The part of the whole that the fragment brings.
    pub(super) payload: &'d [u8],
    /// Where in `header` the number of the next header stands, and what to put there.
    pub(super) next_header: Option<(usize, u8)>,
}

/// How a fragment was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insertion {
    /// Beside the others.
    Clean,
    /// It overlapped with stored ones.
    Overlap,
    /// There was no room; the packet is given up.
    Ignored,
}

/// A fragment that is kept, or what overlaps have left of it.
#[derive(Clone, Copy, Debug)]
struct Piece {
    span: Span,
    /// Where the data of `span.start` lies in the tracker's buffer.
    data_at: usize,
    more: bool,
}

/// What the fragments of one packet have brought so far.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) key: Key,
    /// When it is given up.
    pub(super) expiry: Timestamp,
    /// The packet is complete, or its fragments are no longer wanted.
    pub(super) finished: bool,
    /// The next tracker of the same row of the table.
    pub(super) next: u32,
    policy: DefragPolicy,
    /// Seconds that it waits for the next fragment.
    timeout: u32,
    /// Some piece may lie within another one.
    nested: bool,
    /// The fragment without "more fragments" was here.
    seen_last: bool,
    /// Headers of the fragment with offset 0, next header put right.
    header: Option<Box<[u8]>>,
    /// In ascending order of their start; at the same start, the older first.
    pieces: Vec<Piece>,
    /// Data of the pieces.
    data: Vec<u8>,
}

impl Tracker {
    pub(super) fn new(key: Key, policy: DefragPolicy, timeout: u32, now: Timestamp) -> Self {
        let mut tracker = Self {
            key,
            expiry: now,
            finished: false,
            next: u32::MAX,
            policy,
            timeout,
            nested: false,
            seen_last: false,
            header: None,
            pieces: Vec::new(),
            data: Vec::new(),
        };
        tracker.touch(now);
        tracker
    }

    /// Starts the wait for the next fragment, from the whole second on.
    pub(super) fn touch(&mut self, now: Timestamp) {
        self.expiry =
            Timestamp::from_seconds(now.seconds().saturating_add(u64::from(self.timeout)));
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.finished || self.expiry <= now
    }

    /// True if there are as many pieces as the longest packet can come in.
    pub(super) fn is_full(&self) -> bool {
        self.pieces.len() >= MAX_PIECES
    }

    /// Number of pieces kept.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Bytes of data kept.
    pub(super) fn data_len(&self) -> usize {
        self.data.len() + self.header.as_ref().map_or(0, |header| header.len())
    }

    /// Frees the data; the tracker itself waits for the sweep.
    pub(super) fn finish(&mut self) {
        self.finished = true;
        self.header = None;
        self.pieces = Vec::new();
        self.data = Vec::new();
    }

    /// Takes a fragment in by the policy; true if it overlapped with stored ones.
    pub(super) fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let arrived = Span {
            start: fragment.offset,
            end: fragment.offset.saturating_add(fragment.payload.len() as u32),
        };
        let (overlap, kept) = self.make_room(arrived);
        let Some(new) = kept else { return overlap };
        self.nested |= new.start == new.end;
        if !fragment.more {
            self.seen_last = true;
        }
        if new.start == 0 && (new.end > 0 || self.header.is_none()) {
            self.header = Some(patched_header(fragment));
        }
        let skip = (new.start - arrived.start) as usize;
        let data_at = self.data.len();
        self.data.extend_from_slice(fragment.payload.get(skip..).unwrap_or(&[]));
        let at = self.pieces.partition_point(|piece| piece.span.start <= new.start);
        self.pieces.insert(at, Piece { span: new, data_at, more: fragment.more });
        overlap
    }

    /// Settles the overlaps of a new fragment with the stored ones; whether there were any, and
    /// what is left of the new one.
    fn make_room(&mut self, arrived: Span) -> (bool, Option<Span>) {
        let mut overlap = false;
        let mut new = Some(arrived);
        let policy = self.policy;
        // Those that begin behind the new one's end do not matter, nor those that end before
        // it begins; the latter can be told only as long as their ends ascend, too.
        let reach = self.pieces.partition_point(|piece| piece.span.start < arrived.end);
        let first = if self.nested {
            0
        } else {
            self.pieces.partition_point(|piece| piece.span.end <= arrived.start)
        };
        let mut dropped = false;
        for piece in self.pieces.iter_mut().take(reach).skip(first) {
            if !piece.span.overlaps(arrived) {
                continue;
            }
            overlap = true;
            let Some(left) = new.filter(|left| left.overlaps(piece.span)) else { continue };
            match resolve(policy, piece.span, arrived, left) {
                Resolution::KeepBoth => self.nested = true,
                Resolution::DropNew => new = None,
                Resolution::TrimNew => new = Some(Span { start: piece.span.end, ..left }),
                Resolution::DropStored => {
                    piece.span.end = piece.span.start;
                    dropped = true;
                }
                Resolution::TrimStored => {
                    piece.data_at += (left.end - piece.span.start) as usize;
                    piece.span.start = left.end;
                }
            }
        }
        if dropped {
            self.pieces.retain(|piece| piece.span.start < piece.span.end);
        }
        (overlap, new)
    }

    /// The whole packet, if there are no holes up to the last fragment.
    pub(super) fn assemble(&self) -> Option<Vec<u8>> {
        let header = self.header.as_ref()?;
        let len = self.contiguous_len()?;
        let mut whole = vec![0; header.len() + len];
        let (head, body) = whole.split_at_mut_checked(header.len())?;
        head.copy_from_slice(header);
        for piece in &self.pieces {
            let (start, end) = (piece.span.start as usize, (piece.span.end as usize).min(len));
            let Some(to) = body.get_mut(start..end) else { continue };
            let from = self.data.get(piece.data_at..piece.data_at + to.len());
            to.copy_from_slice(from?);
        }
        Some(whole)
    }

    /// Length of the data up to the last fragment; what lies beyond that is cut off.
    fn contiguous_len(&self) -> Option<usize> {
        if !self.seen_last {
            return None;
        }
        let mut end = 0;
        for piece in &self.pieces {
            if piece.span.start > end {
                return None;
            }
            end = end.max(piece.span.end);
            if !piece.more {
                break;
            }
        }
        Some(end as usize)
    }
}

/// The fragment's headers as they are in the whole packet.
fn patched_header(fragment: &Fragment<'_>) -> Box<[u8]> {
    let mut header = Box::<[u8]>::from(fragment.header);
    if let Some((at, number)) = fragment.next_header
        && let Some(field) = header.get_mut(at)
    {
        *field = number;
    }
    header
}
