//! The queue between workers and the spool: bounded by bytes, never waited for by a worker.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::figures::{ByKind, Counter, Latency};
use crate::record::Batch;

/// Of the room so much is for alerts alone.
const RESERVE: usize = 4;
/// Buffers that are kept for the next batches, and how large they may be.
const SPARES: usize = 64;
const SPARE_SIZE: usize = 1 << 20;
/// Of the room so much is for them; small ones are not worth it.
const SPARE_ROOM: usize = 8;
const SMALL: usize = 4 << 10;
/// Whoever empties it looks so often.
const LOOK: Duration = Duration::from_millis(5);

/// A queue of batches that workers fill and one thread empties.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    state: Mutex<State>,
    arrived: Condvar,
    figures: QueueFigures,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// Bytes of what waits, and of what was taken and not given back.
    bytes: usize,
    taken: usize,
    closed: bool,
    taker_waits: bool,
    /// Buffers to be used again.
    spares: Vec<Vec<u8>>,
    spare_bytes: usize,
    /// For each worker the number behind its last record, shed or not.
    reached: Vec<(u16, u64)>,
}

impl State {
    fn reach(&mut self, worker: u16, next: u64) {
        match self.reached.iter_mut().find(|(known, _)| *known == worker) {
            Some((_, reached)) => *reached = next,
            None => self.reached.push((worker, next)),
        }
    }
}

/// What a queue counts.
#[derive(Debug, Default)]
pub struct QueueFigures {
    /// Records that workers brought.
    pub offered: Counter,
    /// Records that found no room, by kind.
    pub shed: ByKind,
    /// The most bytes that ever waited or were being written.
    pub peak: Counter,
    /// How long workers of live capture were held by handing batches over.
    pub held: Latency,
}

impl Queue {
    /// One that holds so many bytes of records, those that were taken and not given back included.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            state: Mutex::new(State { spares: Vec::with_capacity(SPARES), ..State::default() }),
            arrived: Condvar::new(),
            figures: QueueFigures::default(),
        }))
    }

    /// Puts a batch in. When the queue is full of all but the reserve, only alerts still get in;
    /// when it is full, nothing does. What does not is counted by kind. Takes a lock for some
    /// instructions, and never waits for whoever empties the queue. Nor does it wake that thread,
    /// which would take a system call and could take the worker's own core away: that one looks
    /// often.
    pub fn offer(&self, batch: Batch) {
        if batch.bytes.is_empty() {
            return;
        }
        let count = batch.count();
        self.0.figures.offered.add(count);
        let size = batch.bytes.len();
        let mut state = self.lock();
        state.reach(batch.worker, batch.first + count);
        let common = self.0.limit - self.0.limit / RESERVE;
        if state.bytes + size <= common {
            self.push(state, batch, false);
            return;
        }
        drop(state);
        for part in self.alerts_of(&batch) {
            state = self.lock();
            if state.bytes + part.bytes.len() <= self.0.limit {
                self.push(state, part, false);
            } else {
                drop(state);
                self.0.figures.shed.add("alert", part.count());
            }
        }
    }

    /// Puts a batch in, and waits until there is room: for replays, which lose nothing.
    pub fn offer_waiting(&self, batch: Batch) {
        if batch.bytes.is_empty() {
            return;
        }
        let count = batch.count();
        self.0.figures.offered.add(count);
        loop {
            let mut state = self.lock();
            state.reach(batch.worker, batch.first + count);
            if state.bytes == 0 || state.bytes + batch.bytes.len() <= self.0.limit || state.closed {
                self.push(state, batch, true);
                return;
            }
            drop(state);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes all that waits; waits up to `patience` for something to come. None: nothing came.
    /// Until [`Queue::give_back`] it takes up room.
    pub fn take(&self, patience: Duration) -> Option<Vec<Batch>> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        while state.batches.is_empty() && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.taker_waits = true;
            let waited = self.0.arrived.wait_timeout(state, left.min(LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.taker_waits = false;
        }
        if state.batches.is_empty() {
            return None;
        }
        state.taken = state.bytes;
        Some(std::mem::take(&mut state.batches).into())
    }

    /// An empty buffer for the next batch.
    pub fn buffer(&self) -> Vec<u8> {
        let mut state = self.lock();
        let buffer = state.spares.pop().unwrap_or_default();
        state.spare_bytes -= buffer.capacity();
        buffer
    }

    /// All that was taken is done with; buffers come back for the next batches. They need not be
    /// those of the batches.
    pub fn give_back(&self, buffers: impl Iterator<Item = Vec<u8>>) {
        let room = self.0.limit / SPARE_ROOM;
        // Workers wait for the lock: there may be thousands of buffers, and memory that goes back
        // takes its time, so both come before it or after.
        let (mut chosen, mut spent) = (Vec::new(), Vec::new());
        let mut chosen_bytes = 0;
        for mut buffer in buffers {
            let size = buffer.capacity();
            let fits = chosen.len() < SPARES && chosen_bytes + size <= room;
            if fits && (SMALL..=SPARE_SIZE).contains(&size) {
                buffer.clear();
                chosen_bytes += size;
                chosen.push(buffer);
            } else {
                spent.push(buffer);
            }
        }
        let mut state = self.lock();
        state.bytes -= std::mem::take(&mut state.taken);
        while state.spares.len() < SPARES
            && let Some(buffer) = chosen.pop_if(|b| state.spare_bytes + b.capacity() <= room)
        {
            state.spare_bytes += buffer.capacity();
            state.spares.push(buffer);
        }
        drop(state);
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.arrived.notify_all();
    }

    /// True when nothing more will come and nothing waits.
    pub fn is_finished(&self) -> bool {
        let state = self.lock();
        state.closed && state.batches.is_empty()
    }

    /// Bytes that wait or are being written.
    pub fn waiting(&self) -> usize {
        self.lock().bytes
    }

    /// For each worker the number behind its last record.
    pub fn reached(&self) -> Vec<(u16, u64)> {
        self.lock().reached.clone()
    }

    /// What it counted.
    pub fn figures(&self) -> &QueueFigures {
        &self.0.figures
    }

    /// `wakes`: whoever empties the queue hears of it at once.
    fn push(&self, mut state: MutexGuard<'_, State>, batch: Batch, wakes: bool) {
        state.bytes += batch.bytes.len();
        let bytes = state.bytes as u64;
        state.batches.push_back(batch);
        let wake = wakes && state.taker_waits;
        drop(state);
        if bytes > self.0.figures.peak.get() {
            self.0.figures.peak.set(bytes);
        }
        if wake {
            self.0.arrived.notify_one();
        }
    }

    /// The alerts of a batch, in pieces that are numbered without holes; the rest is counted.
    fn alerts_of(&self, batch: &Batch) -> Vec<Batch> {
        let mut parts: Vec<Batch> = Vec::new();
        for record in batch.records() {
            if !record.is_alert() {
                self.0.figures.shed.add(record.kind(), 1);
                continue;
            }
            let follows =
                parts.last().is_some_and(|part| part.first + part.count() == record.sequence);
            if !follows {
                parts.push(Batch {
                    worker: batch.worker,
                    first: record.sequence,
                    bytes: Vec::new(),
                });
            }
            if let Some(part) = parts.last_mut() {
                part.bytes.extend_from_slice(record.bytes);
                part.bytes.push(b'\n');
            }
        }
        parts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u64, kinds: &[&str]) -> Batch {
        let lines = kinds.iter().map(|kind| format!("{{\"event_type\":\"{kind}\"}}\n"));
        Batch { worker: 1, first, bytes: lines.collect::<String>().into_bytes() }
    }

    #[test]
    fn alerts_find_room_for_longer() {
        let one = batch(0, &["http"]).bytes.len();
        let queue = Queue::new(one * 8);
        for first in 0..20 {
            queue.offer(batch(first, &["http"]));
        }
        // A quarter of the room is left for alerts.
        assert_eq!(queue.figures().shed.all().get("http"), Some(&14));
        queue.offer(batch(20, &["alert", "flow", "alert", "dns"]));
        queue.offer(batch(24, &["alert"]));
        let shed = queue.figures().shed.all();
        let of = |kind: &str| shed.get(kind).copied().unwrap_or_default();
        assert_eq!((of("flow"), of("dns")), (1, 1));
        let taken = queue.take(Duration::ZERO).unwrap();
        let arrived: u64 = taken.iter().map(Batch::count).sum();
        let alerts: Vec<u64> = taken
            .iter()
            .flat_map(Batch::records)
            .filter(|record| record.is_alert())
            .map(|record| record.sequence)
            .collect();
        assert_eq!(alerts.first(), Some(&20));
        assert_eq!(queue.figures().offered.get(), arrived + queue.figures().shed.total());
        queue.give_back(taken.into_iter().map(|batch| batch.bytes));
        assert_eq!((queue.waiting(), queue.reached()), (0, vec![(1, 25)]));
    }

    #[test]
    fn lines_of_an_output_of_alerts_find_room_as_alerts() {
        let check = |alerts: bool, kind: &str, expected: usize| {
            let line = b"[**] [1:1:1] \"event_type\":\"flow\" [**]\n".to_vec();
            let queue = Queue::new(line.len() * 8);
            let channel = crate::record::channels(alerts).next().unwrap();
            let worker = crate::record::worker_on(channel, 1);
            for first in 0..10 {
                queue.offer(Batch { worker, first, bytes: line.clone() });
            }
            assert_eq!(queue.take(Duration::ZERO).unwrap().len(), expected);
            let shed = queue.figures().shed.all();
            assert_eq!(shed, [(kind.to_owned(), 10 - expected as u64)].into());
        };
        check(true, "alert", 8);
        check(false, "flow", 6);
    }

    #[test]
    fn what_is_being_written_takes_up_room() {
        let one = batch(0, &["http"]).bytes.len();
        let queue = Queue::new(one * 8);
        (0..6).for_each(|first| queue.offer(batch(first, &["http"])));
        let taken = queue.take(Duration::ZERO).unwrap();
        assert_eq!((taken.len(), queue.waiting()), (6, 6 * one));
        queue.offer(batch(6, &["http"]));
        assert_eq!(queue.figures().shed.total(), 1);
        // Nothing comes, and what was taken is still not given back.
        assert!(queue.take(Duration::ZERO).is_none());
        queue.offer(batch(7, &["http"]));
        assert_eq!((queue.figures().shed.total(), queue.waiting()), (2, 6 * one));
        // What comes back may be anything, and nothing at all.
        queue.give_back(std::iter::once(Vec::with_capacity(1)));
        assert_eq!(queue.waiting(), 0);
        (8..14).for_each(|first| queue.offer(batch(first, &["http"])));
        assert_eq!((queue.figures().shed.total(), queue.waiting()), (2, 6 * one));
        let peak = queue.figures().peak.get();
        assert_eq!(peak as usize, 6 * one);
    }

    #[test]
    fn spares_are_few_and_of_a_useful_size() {
        let queue = Queue::new(1 << 20);
        let sizes = [100, 4 << 10, 100 << 10, 100 << 10, 2 << 20];
        queue.give_back(sizes.into_iter().map(Vec::with_capacity));
        let mut capacities: Vec<usize> = (0..4).map(|_| queue.buffer().capacity()).collect();
        capacities.sort_unstable();
        assert_eq!(capacities, [0, 0, 4 << 10, 100 << 10]);
        queue.give_back(std::iter::once(vec![1; 4 << 10]));
        assert!(queue.buffer().is_empty());
    }

    #[test]
    fn workers_do_not_wait_while_buffers_are_looked_at() {
        let queue = Queue::new(64 << 20);
        queue.offer(batch(0, &["http"]));
        let count = queue.take(Duration::ZERO).unwrap().len();
        let mut looked = 0;
        let buffers = (0..10_000).map(|_| {
            assert!(queue.0.state.try_lock().is_ok(), "the lock is held");
            looked += 1;
            Vec::with_capacity(SMALL)
        });
        queue.give_back(buffers);
        assert_eq!((count, looked, queue.waiting()), (1, 10_000, 0));
        let state = queue.lock();
        assert_eq!((state.spares.len(), state.spare_bytes), (SPARES, SPARES * SMALL));
    }

    #[test]
    fn an_empty_queue_ends_once_it_is_closed() {
        let queue = Queue::new(1000);
        assert!(queue.take(Duration::from_millis(1)).is_none());
        queue.offer(batch(0, &["http"]));
        queue.close();
        assert!(!queue.is_finished());
        assert_eq!(queue.take(Duration::from_secs(1)).unwrap().len(), 1);
        assert!(queue.is_finished() && queue.take(Duration::from_secs(9)).is_none());
    }

    #[test]
    fn a_replay_waits_for_room() {
        let queue = Queue::new(100);
        let taker = queue.clone();
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while !taker.is_finished() {
                let taken = taker.take(Duration::from_secs(1)).unwrap_or_default();
                count += taken.len();
                taker.give_back(taken.into_iter().map(|batch| batch.bytes));
            }
            count
        });
        (0..200).for_each(|first| queue.offer_waiting(batch(first, &["http"])));
        queue.close();
        assert_eq!(thread.join().unwrap(), 200);
        assert_eq!(queue.figures().shed.total(), 0);
    }
}
