//! Frames that came in at one worker and belong to another: descriptors go over, bytes stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use afxdp::{Area, Frame};
use crossbeam_utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};

use super::lane::Lent;

/// A frame on its way to the worker that owns its flow.
#[derive(Debug)]
pub(super) struct Passed {
    /// When it arrived, nanoseconds since 1970.
    pub(super) timestamp_ns: u64,
    /// Bytes on the wire.
    pub(super) wire_len: u32,
    /// The lane of the worker that it came in at.
    pub(super) lane: u16,
    pub(super) lent: Lent,
}

/// The bytes of a packet.
#[derive(Debug)]
pub(super) enum Bytes {
    /// As the kernel put them.
    Frame(Frame),
    /// Put together of several frames.
    Joined(Vec<u8>),
}

impl Bytes {
    /// The bytes, in the area of the queue that they came in at.
    pub(super) fn of<'a>(&'a self, area: &'a Area) -> &'a [u8] {
        match self {
            Self::Frame(frame) => area.bytes(frame),
            Self::Joined(bytes) => bytes,
        }
    }
}

/// Bytes on their way back.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) lane: u16,
    pub(super) bytes: Bytes,
}

/// The rings of one worker to and from each other one.
#[derive(Debug)]
pub(super) struct Exchange {
    own: usize,
    /// Frames that others have.
    lent: usize,
    /// The most that they may have: what comes back always has room, and if some of them stand
    /// still this worker has frames left.
    most_lent: usize,
    peers: Vec<Option<Peer>>,
    /// Up to when each worker has passed on all frames that arrived, nanoseconds since 1970.
    progress: Arc<[CachePadded<AtomicU64>]>,
}

#[derive(Debug)]
struct Peer {
    to: Producer<Passed>,
    from: Consumer<Passed>,
    back_to: Producer<Returned>,
    back_from: Consumer<Returned>,
}

impl Exchange {
    /// One for each worker. So many frames may wait in each ring, and so many of each worker's may
    /// be with others: nobody waits for those of whom none may.
    pub(super) fn between(slots: usize, most_lent: &[usize]) -> Vec<Exchange> {
        let workers = most_lent.len();
        let start = |lent: &usize| if *lent > 0 { 0 } else { u64::MAX };
        let progress: Arc<[_]> =
            most_lent.iter().map(|lent| CachePadded::new(AtomicU64::new(start(lent)))).collect();
        let most_lent_of = |worker: usize| most_lent.get(worker).copied().unwrap_or(0);
        let mut all: Vec<Exchange> = (0..workers)
            .map(|own| Exchange {
                own,
                lent: 0,
                most_lent: most_lent_of(own),
                peers: (0..workers).map(|_| None).collect(),
                progress: Arc::clone(&progress),
            })
            .collect();
        for low in 0..workers {
            for high in low + 1..workers {
                let (to_high, from_low) = RingBuffer::new(slots);
                let (to_low, from_high) = RingBuffer::new(slots);
                let (back_to_high, back_from_low) = RingBuffer::new(most_lent_of(high));
                let (back_to_low, back_from_high) = RingBuffer::new(most_lent_of(low));
                let of_low = Peer {
                    to: to_high,
                    from: from_high,
                    back_to: back_to_high,
                    back_from: back_from_high,
                };
                let of_high = Peer {
                    to: to_low,
                    from: from_low,
                    back_to: back_to_low,
                    back_from: back_from_low,
                };
                if let Some(place) = all.get_mut(low).and_then(|one| one.peers.get_mut(high)) {
                    *place = Some(of_low);
                }
                if let Some(place) = all.get_mut(high).and_then(|one| one.peers.get_mut(low)) {
                    *place = Some(of_high);
                }
            }
        }
        all
    }

    /// Passes a frame on; given back when the ring is full, or others have enough.
    pub(super) fn pass(&mut self, worker: usize, frame: Passed) -> Result<(), Passed> {
        let Some(Some(peer)) = self.peers.get_mut(worker) else { return Err(frame) };
        if self.lent >= self.most_lent {
            return Err(frame);
        }
        peer.to.push(frame).map_err(|rtrb::PushError::Full(frame)| frame)?;
        self.lent += 1;
        Ok(())
    }

    /// Gives bytes back to the worker that they came from.
    pub(super) fn give_back(&mut self, worker: usize, returned: Returned) {
        if let Some(Some(peer)) = self.peers.get_mut(worker) {
            let pushed = peer.back_to.push(returned);
            debug_assert!(pushed.is_ok(), "there is room for all frames that are lent");
        }
    }

    /// Everything that arrived here before has been passed on.
    pub(super) fn publish(&self, progress_ns: u64) {
        if let Some(own) = self.progress.get(self.own) {
            own.store(progress_ns, Ordering::Release);
        }
    }

    /// Up to when all others have passed on everything. What they passed is in the rings then:
    /// look into them after this call.
    pub(super) fn progress_of_others(&self) -> u64 {
        let others = self.progress.iter().enumerate().filter(|(worker, _)| *worker != self.own);
        others.map(|(_, one)| one.load(Ordering::Acquire)).min().unwrap_or(u64::MAX)
    }

    /// At most `max` frames that others passed on, with the worker that did. Says whether these
    /// were all.
    pub(super) fn passed(&mut self, max: usize, mut take: impl FnMut(usize, Passed)) -> bool {
        let mut left = max;
        let mut is_all = true;
        for (worker, peer) in self.peers.iter_mut().enumerate() {
            let Some(peer) = peer else { continue };
            let waiting = peer.from.slots();
            let count = waiting.min(left);
            is_all &= count == waiting;
            left -= count;
            if let Ok(chunk) = peer.from.read_chunk(count) {
                chunk.into_iter().for_each(|frame| take(worker, frame));
            }
        }
        is_all
    }

    /// Bytes of this worker's lanes that others are through with.
    pub(super) fn returned(&mut self, mut take: impl FnMut(Returned)) {
        for peer in self.peers.iter_mut().flatten() {
            let waiting = peer.back_from.slots();
            if let Ok(chunk) = peer.back_from.read_chunk(waiting) {
                self.lent = self.lent.saturating_sub(waiting);
                chunk.into_iter().for_each(&mut take);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &[u8]) -> Passed {
        let bytes = Bytes::Joined(text.to_vec());
        let lent = Lent { bytes, captured: 1, interface: 0, from: 0, area: 0 };
        Passed { timestamp_ns: 1, wire_len: 1, lane: 3, lent }
    }

    #[test]
    fn frames_go_to_their_owner_and_come_back() {
        let mut workers = Exchange::between(2, &[8; 3]);
        workers[0].pass(2, packet(b"a")).unwrap();
        workers[1].pass(2, packet(b"b")).unwrap();
        let mut got = Vec::new();
        assert!(!workers[2].passed(1, |from, frame| got.push((from, frame))));
        assert!(workers[2].passed(9, |from, frame| got.push((from, frame))));
        assert_eq!(got.len(), 2);
        for (from, frame) in got {
            workers[2].give_back(from, Returned { lane: frame.lane, bytes: frame.lent.bytes });
        }
        for worker in [0, 1] {
            let mut back = 0;
            workers[worker].returned(|returned| {
                assert_eq!(returned.lane, 3);
                back += 1;
            });
            assert_eq!(back, 1);
        }
    }

    #[test]
    fn a_full_ring_gives_the_frame_back() {
        let mut workers = Exchange::between(2, &[8; 2]);
        workers[0].pass(1, packet(b"a")).unwrap();
        workers[0].pass(1, packet(b"b")).unwrap();
        assert!(workers[0].pass(1, packet(b"c")).is_err());
        assert!(workers[0].pass(0, packet(b"own")).is_err());
    }

    #[test]
    fn a_worker_has_no_more_than_it_can_give_back() {
        let mut workers = Exchange::between(8, &[2, 0]);
        let mut got = Vec::new();
        for round in 0..5 {
            workers[0].pass(1, packet(b"a")).unwrap();
            workers[0].pass(1, packet(b"b")).unwrap();
            assert!(workers[0].pass(1, packet(b"c")).is_err(), "{round}");
            workers[1].passed(9, |_, frame| got.push(frame));
            assert!(workers[0].pass(1, packet(b"d")).is_err(), "{round}");
            for Passed { lane, lent, .. } in got.drain(..) {
                workers[1].give_back(0, Returned { lane, bytes: lent.bytes });
            }
            workers[0].returned(|_| {});
        }
    }

    #[test]
    fn nobody_waits_for_a_worker_that_hands_nothing_over() {
        let workers = Exchange::between(8, &[2, 0, 0]);
        workers[0].publish(70);
        let seen: Vec<u64> = workers.iter().map(Exchange::progress_of_others).collect();
        assert_eq!(seen, [u64::MAX, 70, 70]);
    }

    #[test]
    fn order_waits_for_the_slowest() {
        let workers = Exchange::between(2, &[8; 3]);
        workers[0].publish(50);
        workers[1].publish(20);
        workers[2].publish(90);
        let seen: Vec<u64> = workers.iter().map(Exchange::progress_of_others).collect();
        assert_eq!(seen, [20, 50, 20]);
    }
}
