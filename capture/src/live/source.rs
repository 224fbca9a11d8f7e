//! A worker's source of frames: its lanes, in the order of arrival.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afxdp::Area;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::figures::{WorkerFigures, add};
use super::hand_over::{Exchange, Passed, Returned};
use super::lane::{Lane, Place};
use super::order::{Held, Order};
use crate::{Batch, Frame, LinkType, ReadError, Received, Source, SourceStatistics};

/// Between two looks at what the kernel counted.
const PUBLISH_NS: u64 = 250_000_000;
/// How long a call waits for frames when there are none, and when some wait for those of other
/// lanes.
const WAIT: Duration = Duration::from_millis(10);
const WAIT_FOR_ORDER: Duration = Duration::from_millis(1);

/// Frames of network interfaces for one worker.
///
/// It never ends by itself. When an interface goes down or away that shows in the figures; its
/// lane goes on when it comes back up.
#[derive(Debug)]
pub struct LiveSource {
    own: usize,
    lanes: Vec<Lane>,
    order: Order<Place>,
    exchange: Exchange,
    /// The memory of AF_XDP, if there is any.
    area: Option<Area>,
    /// More frames are not held for the sake of order.
    most_held: usize,
    figures: Arc<WorkerFigures>,
    statistics: SourceStatistics,
    publish_at_ns: u64,
}

impl LiveSource {
    pub(super) fn new(
        own: usize,
        lanes: Vec<Lane>,
        order: Order<Place>,
        exchange: Exchange,
        area: Option<Area>,
        most_held: usize,
    ) -> Self {
        let statistics = SourceStatistics { files: lanes.len() as u64, ..Default::default() };
        let figures = Arc::new(WorkerFigures::new(lanes.iter().map(Lane::interface)));
        let publish_at_ns = 0;
        Self { own, lanes, order, exchange, area, most_held, figures, statistics, publish_at_ns }
    }

    /// What it counts.
    pub fn figures(&self) -> Arc<WorkerFigures> {
        Arc::clone(&self.figures)
    }

    /// At the end: takes what has come in so far and lets go of what is held for the sake of
    /// order, as long as it says `Frames`. Workers that end at different times may pass frames on
    /// to one that is no more; call it until all of them say `End`.
    pub fn finish(&mut self, max: usize) -> Received {
        self.give_back();
        self.drain(u64::MAX);
        self.exchange.publish(u64::MAX);
        let (out, _) = self.order.give_out(u64::MAX, u64::MAX, max);
        self.count();
        self.publish();
        if out == 0 { Received::End } else { Received::Frames }
    }

    fn give_back(&mut self) {
        for frame in self.order.take_shown() {
            match frame.place {
                Place::Xdp { bytes, from, .. } if from != self.own => {
                    self.exchange.give_back(from, Returned { lane: frame.lane, bytes });
                }
                place => {
                    if let Some(lane) = self.lanes.get_mut(usize::from(frame.lane)) {
                        lane.give_back(place);
                    }
                }
            }
        }
        let (lanes, own) = (&mut self.lanes, self.own);
        self.exchange.returned(|Returned { lane, bytes }| {
            if let Some(lane) = lanes.get_mut(usize::from(lane)) {
                let interface = lane.interface();
                lane.give_back(Place::Xdp { bytes, from: own, interface });
            }
        });
    }

    /// Takes what waits in the lanes and what others passed on; says up to when all is here.
    fn drain(&mut self, seen_ns: u64) -> u64 {
        let mut horizon = u64::MAX;
        let full = self.order.len() >= self.most_held;
        if !full {
            let lanes = self.lanes.iter_mut().zip(&self.figures.lanes);
            for (number, (lane, figures)) in (0..).zip(lanes) {
                let (order, exchange) = (&mut self.order, &mut self.exchange);
                let progress = lane.drain(number, seen_ns, order, exchange, figures);
                horizon = horizon.min(progress);
            }
            self.exchange.publish(horizon);
        }
        let others = self.exchange.progress_of_others();
        let order = &mut self.order;
        let (mut count, mut bytes) = (0, 0);
        self.exchange.passed(|from, frame| {
            let Passed { timestamp_ns, wire_len, lane, interface, bytes: packet } = frame;
            count += 1;
            bytes += u64::from(wire_len);
            let place = Place::Xdp { bytes: packet, from, interface };
            order.hold(Held { timestamp_ns, wire_len, lane, place });
        });
        if count > 0 {
            add(&self.figures.taken_over, count);
            add(&self.figures.taken_over_bytes, bytes);
        }
        // A single lane is in order by itself; and what finds no room any more has to go on.
        let alone = self.lanes.len() == 1 && others == u64::MAX;
        if alone || full { u64::MAX } else { horizon.min(others) }
    }

    fn count(&mut self) {
        for frame in self.order.shown() {
            let wire = u64::from(frame.wire_len);
            self.statistics.frames += 1;
            self.statistics.wire_bytes += wire;
            let passed = matches!(frame.place, Place::Xdp { from, .. } if from != self.own);
            if let Some(figures) =
                self.figures.lanes.get(usize::from(frame.lane)).filter(|_| !passed)
            {
                add(&figures.frames, 1);
                add(&figures.bytes, wire);
            }
        }
    }

    fn publish(&mut self) {
        for (lane, figures) in self.lanes.iter_mut().zip(&self.figures.lanes) {
            lane.publish(figures);
        }
    }

    /// Waits for frames, or until those that are held may go on.
    fn wait(&mut self) {
        self.lanes.iter_mut().for_each(Lane::wake);
        let hurry = self.order.len() > 0 || self.area.is_some();
        let timeout = if hurry { WAIT_FOR_ORDER } else { WAIT };
        let mut watched: Vec<PollFd<'_>> =
            self.lanes.iter().map(|lane| PollFd::new(lane, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        let polled = poll(&mut watched, Some(&limit));
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
        if now_ns >= self.publish_at_ns {
            self.publish();
            self.publish_at_ns = now_ns + PUBLISH_NS;
        }
        let horizon = self.drain(self.order.seen_by(now_ns));
        let (out, impatient) = self.order.give_out(horizon, now_ns, max);
        if out == 0 {
            self.wait();
            return Ok(Received::Idle);
        }
        add(&self.figures.impatient, impatient as u64);
        self.count();
        Ok(Received::Frames)
    }

    fn batch(&self) -> Batch<'_> {
        Batch::live(Shown {
            lanes: &self.lanes,
            area: self.area.as_ref(),
            held: self.order.shown(),
        })
    }

    fn statistics(&self) -> SourceStatistics {
        self.statistics
    }
}

/// The frames of a batch, where they lie in their lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    lanes: &'a [Lane],
    area: Option<&'a Area>,
    held: &'a [Held<Place>],
}

impl<'a> Shown<'a> {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<Frame<'a>> {
        let held = self.held.get(index)?;
        let (link_type, interface, bytes) = match &held.place {
            Place::Xdp { bytes, interface, .. } => {
                (LinkType::ETHERNET, *interface, bytes.of(self.area?))
            }
            Place::Packet(index) => {
                let lane = self.lanes.get(usize::from(held.lane))?;
                (lane.link_type(), lane.interface(), lane.bytes(*index))
            }
        };
        Some(Frame {
            timestamp_us: held.timestamp_ns / 1000,
            link_type,
            interface,
            wire_len: held.wire_len,
            bytes,
            // Flows are not told apart by the interface that they come through.
            file: 0,
        })
    }
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
