//! The lazy timer wheel: which flows to look at in which second.
//!
//! A flow has one entry, at most `HORIZON` seconds ahead; packets do not move it. When its
//! second comes the flow is looked at and, if it lives on, entered anew. Entries that the flow
//! no longer stands by (it was given an earlier one, or ended) are recognised by their second.

/// Slots, one a second.
const SLOTS: u64 = 64;

/// Farthest second ahead that can be entered.
pub(super) const HORIZON: u64 = SLOTS - 2;

/// Flows by the second at which they are due.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<Entry>>,
    /// Entries of the second being worked off, and how many of them are done.
    current: Vec<Entry>,
    done: usize,
    /// Second up to which slots were taken.
    time: u64,
    started: bool,
    /// Most entries found in a slot.
    pub(super) fullest: u64,
    /// Turns completed.
    pub(super) turns: u64,
}

/// A flow's place and the second it was entered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: u32,
    pub(super) due: u32,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            current: Vec::new(),
            done: 0,
            time: 0,
            started: false,
            fullest: 0,
            turns: 0,
        }
    }

    /// Enters `place` for second `due`, or the nearest second that the wheel reaches, and says
    /// which. `now` is the present second.
    pub(super) fn enter(&mut self, place: u32, due: u64, now: u64) -> u32 {
        if !self.started {
            self.started = true;
            self.time = now;
        }
        let due = due.clamp(self.time + 1, self.time + HORIZON);
        let entry = Entry { place, due: due as u32 };
        self.slots[(due % SLOTS) as usize].push(entry);
        entry.due
    }

    /// True if there may be entries due at second `now`.
    #[inline]
    pub(super) fn has_due(&self, now: u64) -> bool {
        self.done < self.current.len() || (self.started && self.time < now)
    }

    /// The next entry due at second `now`.
    pub(super) fn next_due(&mut self, now: u64) -> Option<Entry> {
        loop {
            if let Some(&entry) = self.current.get(self.done) {
                self.done += 1;
                return Some(entry);
            }
            if !self.started || self.time >= now {
                return None;
            }
            self.advance(now);
        }
    }

    /// Takes the next slot; after a jump in time every slot is taken once.
    fn advance(&mut self, now: u64) {
        self.time = (self.time + 1).max(now.saturating_sub(SLOTS - 1));
        self.current.clear();
        self.done = 0;
        let slot = (self.time % SLOTS) as usize;
        std::mem::swap(&mut self.current, &mut self.slots[slot]);
        self.fullest = self.fullest.max(self.current.len() as u64);
        self.turns += u64::from(slot == 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the steps of time, an entry comes out once, not before its second and as
        /// soon as that has come.
        #[test]
        fn entries_come_out_when_due(
            work in prop::collection::vec((0u64..200, 0u64..100, any::<bool>()), 1..200),
        ) {
            let mut wheel = Wheel::new();
            let mut now = 1_000_000;
            let mut model: Vec<(u32, u64)> = Vec::new();
            for (number, (ahead, step, enter)) in work.into_iter().enumerate() {
                if enter {
                    let due = wheel.enter(number as u32, now + ahead, now);
                    prop_assert!(u64::from(due) <= (now + ahead).max(now + 1));
                    model.push((number as u32, u64::from(due)));
                } else {
                    now += step;
                }
                let mut out: Vec<u32> =
                    std::iter::from_fn(|| wheel.next_due(now)).map(|entry| entry.place).collect();
                out.sort_unstable();
                let mut expected: Vec<u32> =
                    model.iter().filter(|(_, due)| *due <= now).map(|(place, _)| *place).collect();
                expected.sort_unstable();
                model.retain(|(_, due)| *due > now);
                prop_assert_eq!(out, expected);
            }
        }
    }
}
