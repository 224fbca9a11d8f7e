//! What the workers of a process share, and the turns they take.
//!
//! In a replay each worker tells which packet it is at. Who needs what is shared waits until all
//! others are past the packets before its own; the worker at the lowest packet never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam::utils::CachePadded;
use engine::Ruleset;
use engine::remembered::Remembered;
use engine::sharing::{OwnOrShared, Turn};
use protocol::file::range::Ranges;

use crate::settings::Settings;

/// What is kept beyond one flow.
#[derive(Clone, Debug)]
pub struct Shared {
    remembered: Arc<Mutex<Remembered>>,
    ranges: Arc<Mutex<Ranges>>,
    files: Arc<Mutex<FileNumbers>>,
}

/// Gives stored files their numbers, from 1.
#[derive(Debug, Default)]
pub(crate) struct FileNumbers(u64);

impl FileNumbers {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// A worker's ways to what is shared.
pub(crate) struct Ways {
    pub(crate) remembered: OwnOrShared<Remembered>,
    pub(crate) ranges: OwnOrShared<Ranges>,
    pub(crate) files: OwnOrShared<FileNumbers>,
}

impl Shared {
    /// Empty, with the limits of one worker's own.
    pub fn new(settings: &Settings, rules: &Ruleset) -> Self {
        Self {
            remembered: Arc::new(Mutex::new(Remembered::new(&rules.settings))),
            ranges: Arc::new(Mutex::new(Ranges::new(settings.protocol.ranges))),
            files: Arc::default(),
        }
    }

    /// A worker's ways to it.
    pub(crate) fn with_turns(&self, place: Option<&Arc<Place>>, shows_size: bool) -> Ways {
        fn way<T>(of: &Arc<Mutex<T>>, place: Option<&Arc<Place>>, shows: bool) -> OwnOrShared<T> {
            let turn = place.map(|place| Arc::clone(place) as Arc<dyn Turn>);
            OwnOrShared::Shared { value: Arc::clone(of), turn, shows_size: shows }
        }
        Ways {
            remembered: way(&self.remembered, place, shows_size),
            ranges: way(&self.ranges, place, shows_size),
            files: way(&self.files, place, shows_size),
        }
    }
}

/// Where the workers of a replay are.
#[derive(Debug)]
pub struct Turns {
    places: Box<[CachePadded<AtomicU64>]>,
}

/// From here on stand the ends of flows at the end of input, by the time at which they began.
const ENDS: u64 = 1 << 63;

impl Turns {
    /// For so many workers, all before the first packet.
    pub fn new(workers: usize) -> Arc<Self> {
        let place = || CachePadded::new(AtomicU64::new(0));
        Arc::new(Self { places: std::iter::repeat_with(place).take(workers).collect() })
    }

    /// The place of a worker, which counts from 0.
    pub fn place(self: &Arc<Self>, worker: usize) -> Arc<Place> {
        Arc::new(Place { turns: Arc::clone(self), worker })
    }
}

/// A worker's place in the order; given up, nobody waits for it any more.
#[derive(Debug)]
pub struct Place {
    turns: Arc<Turns>,
    worker: usize,
}

impl Place {
    /// All packets of this worker with lower numbers have been inspected.
    pub fn at(&self, number: u64) {
        if let Some(place) = self.turns.places.get(self.worker) {
            place.store(number, Ordering::Release);
        }
    }

    /// The flow that is ended began at this time (microseconds); all packets are through.
    pub(crate) fn at_end(&self, start_us: u64) {
        self.at(ENDS | start_us);
    }
}

impl Place {
    /// Nothing more comes from this worker: nobody waits for it.
    pub fn leave(&self) {
        self.at(u64::MAX);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Waits by spinning first: turns are short, and rarely far apart.
const SPINS: u32 = 200;

impl Turn for Place {
    fn wait(&self) {
        let Some(own) = self.turns.places.get(self.worker) else { return };
        let own = own.load(Ordering::Relaxed);
        for (worker, place) in self.turns.places.iter().enumerate() {
            if worker == self.worker {
                continue;
            }
            // Ends of flows that began at one time: the lower worker first.
            let least = own + u64::from(own & ENDS != 0 && worker < self.worker);
            let mut tries = 0u32;
            while place.load(Ordering::Acquire) < least {
                tries = tries.saturating_add(1);
                if tries < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_act_in_the_order_of_their_packets() {
        const PACKETS: u64 = 3000;
        let (turns, acted) = (Turns::new(3), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for worker in 0..3u64 {
                let place = turns.place(worker as usize);
                let acted = &acted;
                scope.spawn(move || {
                    for number in (1..=PACKETS).filter(|n| n % 3 == worker) {
                        place.at(number);
                        // Only some packets need the order.
                        if number % 5 < 2 {
                            place.wait();
                            acted.lock().unwrap().push(number);
                        }
                    }
                    place.at(PACKETS + 1);
                    for start in [7, 7 + worker] {
                        place.at_end(start);
                        place.wait();
                        acted.lock().unwrap().push(ENDS | start);
                    }
                });
            }
        });
        let acted = acted.into_inner().unwrap();
        assert!(acted.is_sorted(), "{acted:?}");
        assert_eq!(acted.len() as u64, PACKETS * 2 / 5 + 6);
    }
}
