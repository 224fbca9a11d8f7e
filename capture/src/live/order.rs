//! Puts frames of several lanes into the order in which they arrived.
//!
//! A lane says up to when it has delivered everything. What arrived before the earliest of these
//! times may go on; the rest waits, but not for ever.

use super::OrderSettings;

/// A frame that waits for its turn.
#[derive(Debug)]
pub(super) struct Held<P> {
    /// When it arrived, nanoseconds since 1970.
    pub(super) timestamp_ns: u64,
    /// Bytes on the wire.
    pub(super) wire_len: u32,
    /// The lane it came through.
    pub(super) lane: u16,
    /// Where its bytes are.
    pub(super) place: P,
}

/// Frames that wait, sorted when they are asked for.
#[derive(Debug)]
pub(super) struct Order<P> {
    settings: OrderSettings,
    held: Vec<Held<P>>,
    /// Frames at the front that are given out.
    out: usize,
    /// Newest that was given out; time never goes back.
    last_ns: u64,
}

impl<P> Order<P> {
    pub(super) fn new(settings: OrderSettings) -> Order<P> {
        Order { settings, held: Vec::new(), out: 0, last_ns: 0 }
    }

    /// Time before which a frame is surely seen in its lane at `now`.
    pub(super) fn seen_by(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.settings.guard_us * 1000)
    }

    /// Adds a frame.
    pub(super) fn hold(&mut self, frame: Held<P>) {
        self.held.push(frame);
    }

    /// Frames that are held, given out or not.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Gives out at most `max` frames that arrived up to `horizon_ns`, or too long ago at
    /// `now_ns`. The second figure: how many of them were too long ago.
    pub(super) fn give_out(&mut self, horizon_ns: u64, now_ns: u64, max: usize) -> (usize, usize) {
        self.held.sort_by_key(|frame| frame.timestamp_ns);
        let due = now_ns.saturating_sub(self.settings.longest_us * 1000);
        let until = |limit| self.held.partition_point(|frame| frame.timestamp_ns <= limit);
        let (ready, overdue) = (until(horizon_ns), until(due));
        self.out = ready.max(overdue).min(max);
        for frame in self.held.iter_mut().take(self.out) {
            // Clocks of CPUs differ a little, and what is late was overtaken.
            frame.timestamp_ns = frame.timestamp_ns.max(self.last_ns);
            self.last_ns = frame.timestamp_ns;
        }
        (self.out, self.out.saturating_sub(ready))
    }

    /// The frames given out.
    pub(super) fn shown(&self) -> &[Held<P>] {
        self.held.get(..self.out).unwrap_or_default()
    }

    /// Takes the frames given out away.
    pub(super) fn take_shown(&mut self) -> impl Iterator<Item = Held<P>> {
        let out = std::mem::take(&mut self.out);
        self.held.drain(..out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: OrderSettings = OrderSettings { guard_us: 1, longest_us: 10 };

    fn held(timestamp_ns: u64, place: u32) -> Held<u32> {
        Held { timestamp_ns, wire_len: 0, lane: 0, place }
    }

    fn taken(order: &mut Order<u32>) -> Vec<u32> {
        order.take_shown().map(|frame| frame.place).collect()
    }

    #[test]
    fn frames_go_out_by_arrival_up_to_the_horizon() {
        let mut order = Order::new(SETTINGS);
        for (at, place) in [(500, 1), (300, 2), (300, 3), (900, 4)] {
            order.hold(held(at, place));
        }
        assert_eq!(order.give_out(600, 1000, 10), (3, 0));
        assert_eq!(taken(&mut order), [2, 3, 1]);
        assert_eq!(order.give_out(600, 1000, 10), (0, 0));
        order.hold(held(800, 5));
        assert_eq!(order.give_out(2000, 1000, 1), (1, 0));
        assert_eq!(taken(&mut order), [5]);
        assert_eq!(order.len(), 1);
    }

    #[test]
    fn nothing_waits_for_ever_and_time_does_not_go_back() {
        let mut order = Order::new(SETTINGS);
        order.hold(held(1_000, 1));
        assert_eq!(order.give_out(0, 10_999, 10), (0, 0));
        assert_eq!(order.give_out(0, 11_000, 10), (1, 1));
        assert_eq!(taken(&mut order), [1]);
        order.hold(held(400, 2));
        assert_eq!(order.give_out(0, 11_000, 10), (1, 1));
        assert_eq!(order.shown()[0].timestamp_ns, 1_000);
    }
}
