//! A worker's source of frames: its lanes, in the order of arrival.

use std::array;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afxdp::Area;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::comeback::soon;
use super::figures::{WorkerFigures, add};
use super::hand_over::{Exchange, Passed, Returned};
use super::lane::{Lane, Lent, Place, Wanted};
use super::order::{Arrivals, Due, Held};
use crate::{Batch, Frame, LinkType, ReadError, Received, Source, SourceStatistics};

/// Between two looks at what the kernel counted.
const PUBLISH_NS: u64 = 250_000_000;
/// How long a call waits for frames when there are none, and when some wait for those of other
/// lanes or could come from other workers.
const WAIT: Duration = Duration::from_millis(10);
const WAIT_FOR_ORDER: Duration = Duration::from_millis(1);
/// So many turns without a frame, and it waits longer: others wait for its progress no longer than
/// that.
const IDLE_TURNS: u32 = 200;
const WAIT_AT_REST: Duration = Duration::from_millis(4);
/// After frames have come, more are on the way: so long a nap gathers some, where poll would come
/// back for the first.
const NAP: Duration = Duration::from_micros(50);
/// More lanes are not watched for frames, only looked at after a wait.
const WATCHED: usize = 32;
/// At the end: for how long frames may be on their way that the kernel has.
const LAST_FRAMES_NS: u64 = 250_000_000;

/// Frames of network interfaces for one worker.
///
/// It never ends by itself. When an interface goes down or away that shows in the figures; its
/// lane goes on when it comes back.
#[derive(Debug)]
pub struct LiveSource {
    own: u16,
    lanes: Vec<Lane>,
    order: Arrivals<Place>,
    exchange: Exchange,
    /// The memory of AF_XDP.
    areas: Arc<[Area]>,
    /// The number of the first lane's queue in `order`, for the lanes of each worker.
    queues: Vec<usize>,
    /// More frames of AF_XDP are not held.
    most_held: usize,
    /// The last call gave nothing out although something is held.
    is_waiting: bool,
    /// The last call had frames.
    was_busy: bool,
    /// Calls since then.
    idle_turns: u32,
    figures: Arc<WorkerFigures>,
    /// Of each lane, whether its interface is down; kept for its memory.
    down: Vec<bool>,
    statistics: SourceStatistics,
    publish_at_ns: u64,
    tend_at_ns: u64,
    /// Once it is to end: until when the kernel may have frames.
    last_at_ns: Option<u64>,
}

/// What a [`LiveSource`] is made of.
pub(super) struct Parts {
    pub(super) own: usize,
    pub(super) lanes: Vec<Lane>,
    pub(super) order: super::OrderSettings,
    pub(super) exchange: Exchange,
    pub(super) areas: Arc<[Area]>,
    /// How many lanes each worker has, if it hands over at all.
    pub(super) handing: Vec<usize>,
    pub(super) most_held: usize,
}

impl LiveSource {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { own, lanes, order, exchange, areas, handing, most_held } = parts;
        let mut queues = Vec::with_capacity(handing.len());
        let mut next = lanes.len();
        for (worker, count) in handing.into_iter().enumerate() {
            queues.push(if worker == own { 0 } else { next });
            next += if worker == own { 0 } else { count };
        }
        let figures = Arc::new(WorkerFigures::new(lanes.iter().map(Lane::interface)));
        Self {
            own: own as u16,
            statistics: SourceStatistics { files: lanes.len() as u64, ..Default::default() },
            lanes,
            order: Arrivals::new(order, next),
            exchange,
            areas,
            queues,
            most_held,
            is_waiting: false,
            was_busy: false,
            idle_turns: 0,
            down: Vec::with_capacity(figures.lanes.len()),
            figures,
            publish_at_ns: 0,
            tend_at_ns: 0,
            last_at_ns: None,
        }
    }

    /// What it counts.
    pub fn figures(&self) -> Arc<WorkerFigures> {
        Arc::clone(&self.figures)
    }

    /// At the end: takes what has come in so far and lets go of what is held for the sake of
    /// order, as long as it says `Frames`; it never waits. `Idle` means that the kernel has frames
    /// that it will hand over in a moment. Workers that end at different times may pass frames on
    /// to one that is no more; call it until all of them say `End`.
    pub fn finish(&mut self, max: usize) -> Received {
        add(&self.figures.turns, 1);
        let now_ns = now_ns();
        if self.last_at_ns.is_none() {
            self.lanes.iter().for_each(Lane::close);
        }
        let last_at_ns = *self.last_at_ns.get_or_insert(now_ns.saturating_add(LAST_FRAMES_NS));
        // All that there is: what belongs to others has to be passed on before they end.
        self.is_waiting = true;
        self.give_back();
        self.order.set_time(now_ns);
        self.drain(now_ns);
        self.exchange.publish(u64::MAX);
        let due = Due { horizon_ns: u64::MAX, is_full: true };
        let (out, _) = self.order.give_out(due, max);
        self.count();
        self.publish();
        if out > 0 {
            return Received::Frames;
        }
        let is_pending = now_ns < last_at_ns && self.lanes.iter().any(Lane::is_pending);
        if is_pending { Received::Idle } else { Received::End }
    }

    fn give_back(&mut self) {
        for Held { lane, place, .. } in self.order.take_shown() {
            match place {
                Place::Xdp(Lent { from, bytes, .. }) if from != self.own => {
                    self.exchange.give_back(usize::from(from), Returned { lane, bytes });
                }
                place => {
                    if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
                        lane.give_back(place);
                    }
                }
            }
        }
        let lanes = &mut self.lanes;
        self.exchange.returned(|Returned { lane, bytes }| {
            if let Some(Lane::Xdp(lane)) = lanes.get_mut(usize::from(lane)) {
                lane.give_back(bytes);
            }
        });
        self.lanes.iter_mut().for_each(Lane::settle);
    }

    /// Takes what waits in the lanes and what others passed on; says what is due then, given that
    /// what arrived before `seen_ns` is in the lanes.
    fn drain(&mut self, seen_ns: u64) -> (u64, bool) {
        let of_packets: usize = self.lanes.iter().map(Lane::outstanding).sum();
        let mut room = self.most_held.saturating_sub(self.order.len().saturating_sub(of_packets));
        let (mut horizon, mut passed_on) = (u64::MAX, u64::MAX);
        let (mut is_full, mut is_behind, mut active) = (false, false, 0);
        for (number, (lane, figures)) in (0..).zip(self.lanes.iter_mut().zip(&self.figures.lanes)) {
            active += usize::from(lane.is_active());
            let hands_over = lane.hands_over();
            if hands_over && room == 0 {
                (is_full, is_behind) = (true, true);
                continue;
            }
            let (order, exchange) = (&mut self.order, &mut self.exchange);
            let before = order.len();
            let wanted = Wanted { seen_ns, all: self.is_waiting, room };
            let progress = lane.drain(number, wanted, order, exchange, figures);
            horizon = horizon.min(progress);
            if hands_over {
                passed_on = passed_on.min(progress);
                room = room.saturating_sub(order.len() - before);
            }
            is_full |= lane.is_full();
        }
        if !is_behind {
            self.exchange.publish(passed_on);
        }
        let others = self.exchange.progress_of_others();
        let (order, queues) = (&mut self.order, &self.queues);
        is_full |= !self.exchange.passed(room, |from, frame| {
            let Passed { timestamp_ns, wire_len, lane, lent } = frame;
            let queue = queues.get(from).map_or(0, |first| first + usize::from(lane));
            let (captured, place) = (lent.captured, Place::Xdp(lent));
            order.hold(queue, Held { timestamp_ns, wire_len, captured, lane, place });
        });
        // A single lane is in order by itself.
        let alone = active <= 1 && others == u64::MAX;
        (if alone { u64::MAX } else { horizon.min(others) }, is_full)
    }

    fn count(&mut self) {
        let figures = &self.figures;
        for frame in self.order.shown() {
            let wire = u64::from(frame.wire_len);
            self.statistics.frames += 1;
            self.statistics.bytes += u64::from(frame.captured);
            self.statistics.wire_bytes += wire;
            self.statistics.shortened_frames += u64::from(frame.captured < frame.wire_len);
            if matches!(&frame.place, Place::Xdp(lent) if lent.from != self.own) {
                add(&figures.taken_over, 1);
                add(&figures.taken_over_bytes, wire);
            } else if let Some(lane) = figures.lanes.get(usize::from(frame.lane)) {
                add(&lane.frames, 1);
                add(&lane.bytes, wire);
            }
        }
    }

    fn publish(&mut self) {
        // Those who read meanwhile see each lane as it was or as it is.
        let figures = &self.figures.lanes;
        self.down.clear();
        let lanes = self.lanes.iter_mut().zip(figures);
        self.down.extend(lanes.map(|(lane, figures)| lane.publish(figures)));
        for ((lane, figures), is_down) in self.lanes.iter().zip(figures).zip(&self.down) {
            // A queue of an interface that came back is of no more use; packet sockets took over.
            let replaces = |(other, is_down): (&Lane, &bool)| {
                let same = !other.hands_over() && other.interface() == lane.interface();
                same && other.is_active() && !is_down
            };
            let mut others = self.lanes.iter().zip(&self.down);
            let is_replaced = lane.hands_over() && others.any(replaces);
            figures.down.store(*is_down && !is_replaced, Relaxed);
        }
    }

    /// What is to be done now and then.
    fn tend(&mut self, now_ns: u64) {
        if is_due(self.publish_at_ns, now_ns, PUBLISH_NS) {
            self.publish();
            self.publish_at_ns = now_ns.saturating_add(PUBLISH_NS);
        }
        if is_due(self.tend_at_ns, now_ns, PUBLISH_NS) {
            let mut is_busy = false;
            for (lane, figures) in self.lanes.iter_mut().zip(&self.figures.lanes) {
                is_busy |= lane.tend(now_ns, figures);
            }
            self.tend_at_ns = if is_busy { soon(now_ns) } else { self.publish_at_ns };
        }
    }

    /// Waits for frames, or until those that are held may go on.
    fn wait(&mut self) {
        self.lanes.iter_mut().for_each(Lane::wake);
        if std::mem::take(&mut self.was_busy) {
            std::thread::sleep(NAP);
            return;
        }
        // Other workers may pass frames on at any time; if none did for long, it is looked for
        // less often.
        self.idle_turns = self.idle_turns.saturating_add(1);
        let expects = !self.areas.is_empty() && self.idle_turns < IDLE_TURNS;
        let timeout = match self.order.len() > 0 || expects {
            true => WAIT_FOR_ORDER,
            false if self.areas.is_empty() => WAIT,
            false => WAIT_AT_REST,
        };
        let mut sockets = self.lanes.iter().filter_map(Lane::watched);
        let Some(first) = sockets.next() else {
            std::thread::sleep(timeout);
            return;
        };
        let mut next = Some(first);
        let mut count = 0;
        // Entries beyond the last lane stand for the first one and ask for nothing.
        let mut watched: [PollFd<'_>; WATCHED] = array::from_fn(|_| {
            let socket = next.take();
            next = sockets.next();
            count += usize::from(socket.is_some());
            let flags = if socket.is_some() { PollFlags::IN } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(socket.unwrap_or(first), flags)
        });
        let watched = watched.get_mut(..count).unwrap_or_default();
        let limit = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        let polled = poll(watched, Some(&limit));
        let failing = watched.iter().any(|one| one.revents().intersects(PollFlags::ERR));
        let busy = watched.iter().any(|one| one.revents().contains(PollFlags::IN));
        if polled.is_err() || failing && !busy {
            // An interface is down: poll would come back at once, again and again.
            self.publish();
            std::thread::sleep(timeout);
        }
    }
}

impl Source for LiveSource {
    fn receive(&mut self, max: usize) -> Result<Received, ReadError> {
        self.give_back();
        add(&self.figures.turns, 1);
        let now_ns = now_ns();
        self.tend(now_ns);
        let seen_ns = self.order.set_time(now_ns);
        let (horizon_ns, is_full) = self.drain(seen_ns);
        let (out, impatient) = self.order.give_out(Due { horizon_ns, is_full }, max);
        self.is_waiting = out == 0 && self.order.len() > 0;
        if out == 0 {
            self.wait();
            return Ok(Received::Idle);
        }
        self.was_busy = true;
        self.idle_turns = 0;
        add(&self.figures.impatient, impatient as u64);
        self.count();
        Ok(Received::Frames)
    }

    fn batch(&self) -> Batch<'_> {
        Batch::live(Shown { lanes: &self.lanes, areas: &self.areas, held: self.order.shown() })
    }

    fn statistics(&self) -> SourceStatistics {
        self.statistics
    }
}

/// The frames of a batch, where they lie in their lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    lanes: &'a [Lane],
    areas: &'a [Area],
    held: &'a [Held<Place>],
}

impl<'a> Shown<'a> {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<Frame<'a>> {
        let held = self.held.get(index)?;
        let mut frame = Frame {
            timestamp_us: held.timestamp_ns / 1000,
            link_type: LinkType::ETHERNET,
            interface: 0,
            wire_len: held.wire_len,
            bytes: &[],
            file: 0,
            no_checksum: false,
        };
        match &held.place {
            Place::Xdp(lent) => {
                frame.interface = lent.interface;
                frame.bytes = lent.bytes.of(self.areas.get(usize::from(lent.area))?);
            }
            Place::Packet { block, index } => {
                let lane = self.lanes.get(usize::from(held.lane))?;
                let found = lane.frame(*block, *index)?;
                (frame.link_type, frame.interface) = (lane.link_type(), lane.interface());
                (frame.bytes, frame.no_checksum) = (found.bytes, found.checksum_not_ready);
            }
        }
        // Records name it; flows are not told apart by it.
        frame.file = frame.interface;
        Some(frame)
    }
}

/// Whether the time has come, or the clock was set back: nothing is planned for later than that.
pub(super) const fn is_due(at_ns: u64, now_ns: u64, latest_ns: u64) -> bool {
    now_ns >= at_ns || at_ns - now_ns > latest_ns
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        assert!(!is_due(1_100, 1_000, 250));
        assert!(is_due(1_100, 1_100, 250));
        assert!(is_due(1_000_000, 1_000, 250));
        assert!(is_due(0, u64::MAX, 250));
    }
}
