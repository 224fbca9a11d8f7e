//! Puts frames of several lanes into the order in which they arrived.
//!
//! The frames of one lane are in order by themselves: they wait in a queue of their own. A lane
//! says up to when it has delivered everything. What arrived before the earliest of these times
//! may go on; the rest waits, but not for ever.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::OrderSettings;

/// If frames are from further in the future than this the clock was set back since they came.
const CLOCK_SET_NS: u64 = 1_000_000_000;

/// A lane is found to stand still by so many looks at least.
const STEPS: u64 = 8;

/// A frame that waits for its turn.
#[derive(Debug)]
pub(super) struct Held<P> {
    /// When it arrived, nanoseconds since 1970.
    pub(super) timestamp_ns: u64,
    /// Bytes on the wire.
    pub(super) wire_len: u32,
    /// Bytes that there are.
    pub(super) captured: u32,
    /// The lane it came through.
    pub(super) lane: u16,
    /// Where its bytes are.
    pub(super) place: P,
}

/// Frames that wait, a queue for each lane, and those that go on.
#[derive(Debug)]
pub(super) struct Arrivals<P> {
    settings: OrderSettings,
    queues: Vec<Queue<P>>,
    /// When the first frame of each queue arrived that has one; the earliest is on top.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// Frames in the queues.
    queued: usize,
    /// Frames that are given out.
    shown: Vec<Held<P>>,
    /// Newest that was given out; time does not go back.
    last_ns: u64,
    /// The time now.
    now_ns: u64,
    /// The latest horizon, for how long it has been the same, and when that was last looked at.
    horizon_ns: u64,
    stood_ns: u64,
    looked_ns: u64,
}

#[derive(Debug)]
struct Queue<P> {
    frames: VecDeque<Held<P>>,
    /// Newest that was added.
    last_ns: u64,
}

/// What may be given out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// Frames that arrived up to then.
    pub(super) horizon_ns: u64,
    /// All others go on as well: there is no room for more.
    pub(super) is_full: bool,
}

impl<P> Arrivals<P> {
    /// For so many lanes.
    pub(super) fn new(settings: OrderSettings, lanes: usize) -> Arrivals<P> {
        let queue = || Queue { frames: VecDeque::new(), last_ns: 0 };
        let mut queues = Vec::new();
        queues.resize_with(lanes.max(1), queue);
        let heads = BinaryHeap::with_capacity(lanes.max(1));
        Arrivals {
            settings,
            queues,
            heads,
            queued: 0,
            shown: Vec::new(),
            last_ns: 0,
            now_ns: 0,
            horizon_ns: 0,
            stood_ns: 0,
            looked_ns: 0,
        }
    }

    /// Says what time it is, for the calls that follow. Returns the time before which a frame is
    /// surely seen in its lane now.
    pub(super) fn set_time(&mut self, now_ns: u64) -> u64 {
        self.now_ns = now_ns;
        now_ns.saturating_sub(self.settings.guard_us.saturating_mul(1000))
    }

    /// Adds a frame to a queue.
    pub(super) fn hold(&mut self, queue: usize, mut frame: Held<P>) {
        // There are as many queues as lanes; a frame is not dropped over it.
        let number = queue.min(self.queues.len().saturating_sub(1));
        let Some(queue) = self.queues.get_mut(number) else { return };
        // Clocks of CPUs differ a little; what came later in a lane is later.
        frame.timestamp_ns = forward(queue.last_ns, frame.timestamp_ns, self.now_ns);
        queue.last_ns = frame.timestamp_ns;
        if queue.frames.is_empty() {
            self.heads.push(Reverse((frame.timestamp_ns, number)));
        }
        queue.frames.push_back(frame);
        self.queued += 1;
    }

    /// Frames that are held, given out or not.
    pub(super) fn len(&self) -> usize {
        self.queued + self.shown.len()
    }

    /// Gives out at most `max` frames that are due, or have waited for too long. The second
    /// figure: how many of them did not wait for those of other lanes.
    pub(super) fn give_out(&mut self, due: Due, max: usize) -> (usize, usize) {
        let longest_ns = self.settings.longest_us.saturating_mul(1000);
        let overdue = self.now_ns.saturating_sub(longest_ns);
        // The clock was set back: nobody waits until it is there again.
        let future = self.now_ns.saturating_add(longest_ns);
        // What passes between two calls is known only if it is short: this process may have been
        // stopped meanwhile, and then the other lanes have not stood still, and all frames are old.
        let passed = self.now_ns.saturating_sub(self.looked_ns).min(longest_ns / STEPS);
        self.stood_ns = self.stood_ns.saturating_add(passed);
        self.looked_ns = self.now_ns;
        if due.horizon_ns != self.horizon_ns {
            (self.horizon_ns, self.stood_ns) = (due.horizon_ns, 0);
        }
        let stuck = self.stood_ns >= longest_ns;
        let may_go =
            |at| at <= due.horizon_ns || due.is_full || (stuck && at <= overdue) || at > future;
        let mut impatient = 0;
        while self.shown.len() < max {
            let Some(&Reverse((at, number))) = self.heads.peek() else { break };
            if !may_go(at) {
                break;
            }
            self.heads.pop();
            let until = self.heads.peek().map_or(u64::MAX, |Reverse((next, _))| *next);
            let Some(queue) = self.queues.get_mut(number) else { break };
            while let Some(mut frame) = queue.frames.pop_front() {
                self.queued -= 1;
                impatient += usize::from(frame.timestamp_ns > due.horizon_ns);
                frame.timestamp_ns = forward(self.last_ns, frame.timestamp_ns, self.now_ns);
                self.last_ns = frame.timestamp_ns;
                self.shown.push(frame);
                let Some(next) = queue.frames.front().map(|next| next.timestamp_ns) else { break };
                if self.shown.len() >= max || next > until || !may_go(next) {
                    self.heads.push(Reverse((next, number)));
                    break;
                }
            }
        }
        (self.shown.len(), impatient)
    }

    /// The frames given out.
    pub(super) fn shown(&self) -> &[Held<P>] {
        &self.shown
    }

    /// Takes the frames given out away.
    pub(super) fn take_shown(&mut self) -> impl Iterator<Item = Held<P>> {
        self.shown.drain(..)
    }
}

/// A time that does not go back, unless the clock was set.
fn forward(last_ns: u64, at_ns: u64, now_ns: u64) -> u64 {
    if last_ns > now_ns.saturating_add(CLOCK_SET_NS) { at_ns } else { at_ns.max(last_ns) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: OrderSettings = OrderSettings { guard_us: 1, longest_us: 10 };

    fn held(timestamp_ns: u64, place: u32) -> Held<u32> {
        Held { timestamp_ns, wire_len: 0, captured: 0, lane: 0, place }
    }

    fn give_out(
        order: &mut Arrivals<u32>,
        horizon_ns: u64,
        now: u64,
        max: usize,
    ) -> (usize, usize) {
        order.set_time(now);
        order.give_out(Due { horizon_ns, is_full: false }, max)
    }

    fn taken(order: &mut Arrivals<u32>) -> Vec<u32> {
        order.take_shown().map(|frame| frame.place).collect()
    }

    #[test]
    fn frames_go_out_by_arrival_up_to_the_horizon() {
        let mut order = Arrivals::new(SETTINGS, 3);
        for (lane, at, place) in [(0, 500, 1), (1, 300, 2), (1, 300, 3), (2, 900, 4)] {
            order.hold(lane, held(at, place));
        }
        assert_eq!(give_out(&mut order, 600, 1000, 10), (3, 0));
        assert_eq!(taken(&mut order), [2, 3, 1]);
        assert_eq!(give_out(&mut order, 600, 1000, 10), (0, 0));
        order.hold(0, held(800, 5));
        assert_eq!(give_out(&mut order, 2000, 1000, 1), (1, 0));
        assert_eq!(taken(&mut order), [5]);
        assert_eq!(order.len(), 1);
        assert_eq!(order.give_out(Due { horizon_ns: 0, is_full: true }, 9), (1, 1));
    }

    #[test]
    fn a_lane_keeps_its_order() {
        let mut order = Arrivals::new(SETTINGS, 2);
        for (lane, at, place) in [(0, 500, 1), (0, 490, 2), (1, 495, 3), (0, 510, 4)] {
            order.hold(lane, held(at, place));
        }
        assert_eq!(give_out(&mut order, 600, 1000, 10), (4, 0));
        assert_eq!(taken(&mut order), [3, 1, 2, 4]);
    }

    /// Looks as often as it takes to find that the horizon stands still.
    fn look(order: &mut Arrivals<u32>, horizon_ns: u64, now_ns: u64) {
        for _ in 0..=STEPS {
            assert_eq!(give_out(order, horizon_ns, now_ns, 0), (0, 0));
            order.looked_ns = 0;
        }
    }

    #[test]
    fn nothing_waits_for_ever_and_time_does_not_go_back() {
        let mut order = Arrivals::new(SETTINGS, 2);
        order.hold(0, held(1_000, 1));
        look(&mut order, 0, 10_999);
        assert_eq!(give_out(&mut order, 0, 10_999, 10), (0, 0));
        assert_eq!(give_out(&mut order, 0, 11_000, 10), (1, 1));
        assert_eq!(taken(&mut order), [1]);
        order.hold(1, held(400, 2));
        assert_eq!(give_out(&mut order, 0, 11_000, 10), (1, 1));
        assert_eq!(order.shown()[0].timestamp_ns, 1_000);
    }

    /// The process was stopped for a while: everything is old when it goes on.
    #[test]
    fn frames_wait_as_long_as_the_other_lanes_move() {
        let mut order = Arrivals::new(SETTINGS, 2);
        order.hold(0, held(1_000, 1));
        for (horizon, now) in [(500, 900_000), (600, 905_000), (700, 914_000)] {
            assert_eq!(give_out(&mut order, horizon, now, 10), (0, 0));
        }
        order.hold(1, held(900, 2));
        assert_eq!(give_out(&mut order, 1_000, 920_000, 10), (2, 0));
        assert_eq!(taken(&mut order), [2, 1]);
        order.hold(0, held(2_000, 3));
        assert_eq!(give_out(&mut order, 1_000, 1_930_000, 10), (0, 0), "stopped again");
        look(&mut order, 1_000, 1_930_000);
        assert_eq!(give_out(&mut order, 1_000, 1_930_000, 10), (1, 1), "the horizon stands still");
    }

    #[test]
    fn a_clock_that_is_set_back_holds_up_nothing() {
        let hour = 3_600_000_000_000;
        let mut order = Arrivals::new(SETTINGS, 1);
        order.set_time(hour);
        order.hold(0, held(hour, 1));
        order.set_time(600);
        order.hold(0, held(500, 2));
        assert_eq!(give_out(&mut order, 400, 600, 10).0, 1);
        assert_eq!(taken(&mut order), [1]);
        assert_eq!(give_out(&mut order, 500, 600, 10), (1, 0));
        assert_eq!(order.shown()[0].timestamp_ns, 500);
    }

    #[test]
    fn a_frame_that_is_very_late_does_not_set_the_time_back() {
        let (mut order, now) = (Arrivals::new(SETTINGS, 2), 5 * CLOCK_SET_NS);
        order.set_time(now);
        order.hold(0, held(now, 1));
        assert_eq!(give_out(&mut order, now, now, 10), (1, 0));
        assert_eq!(taken(&mut order), [1]);
        order.hold(1, held(now - 2 * CLOCK_SET_NS, 2));
        assert_eq!(give_out(&mut order, now, now, 10), (1, 0));
        assert_eq!(order.shown()[0].timestamp_ns, now);
    }

    proptest! {
        /// Whatever comes in whatever lane, it goes out once, sorted up to each horizon.
        #[test]
        fn all_go_out_once_and_sorted(
            steps in prop::collection::vec((0usize..4, 0u64..50, 0u64..40, 1usize..9), 1..200)
        ) {
            let mut order = Arrivals::new(OrderSettings { guard_us: 0, longest_us: 1 << 40 }, 4);
            let (mut lanes, mut out) = ([0u64; 4], Vec::new());
            for (number, (lane, gap, back, max)) in (0..).zip(steps) {
                lanes[lane] += gap;
                order.hold(lane, held(lanes[lane], number));
                let horizon = lanes.iter().copied().min().unwrap_or(0).saturating_sub(back);
                give_out(&mut order, horizon, 0, max);
                out.extend(order.take_shown().map(|frame| (frame.timestamp_ns, frame.place)));
            }
            let count = out.len() + order.len();
            while give_out(&mut order, u64::MAX, 0, 7).0 > 0 {
                out.extend(order.take_shown().map(|frame| (frame.timestamp_ns, frame.place)));
            }
            prop_assert_eq!(out.len(), count);
            prop_assert!(out.is_sorted_by_key(|(at, _)| *at));
            let mut places: Vec<u32> = out.iter().map(|(_, place)| *place).collect();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), count);
        }
    }
}
