//! What becomes of an interface that was removed when another one of its name comes.
//!
//! By then the process may have given up what it needs to open sockets, and it cannot attach XDP
//! programs any more. So every worker has a few packet sockets spare, and all workers make a group
//! of them when the interface is back. The kernel numbers the members of a group as they join:
//! worker 0 begins, each waits for the one before it, and none receives before all are members.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use afpacket::{Error, Fanout, Ring, RingSettings, Spare};

use super::source::is_due;

/// Between two looks for the interface.
const LOOK_NS: u64 = 1_000_000_000;
/// Between two looks at how far the others are.
const MEET_NS: u64 = 5_000_000;

/// How far the workers are with one interface, for all of them.
#[derive(Debug, Default)]
pub(super) struct Meeting(AtomicU64);

/// What a meeting has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    /// Number of the interface that they meet at; 0 if they do not.
    index: u32,
    /// Which attempt it is.
    attempt: u16,
    /// How many workers have joined.
    joined: u16,
}

impl Round {
    fn is_of(self, other: Round) -> bool {
        (self.index, self.attempt) == (other.index, other.attempt)
    }

    fn number(self) -> u64 {
        u64::from(self.index) << 32 | u64::from(self.attempt) << 16 | u64::from(self.joined)
    }
}

impl Meeting {
    fn round(&self) -> Round {
        let number = self.0.load(Ordering::Acquire);
        let (index, attempt, joined) =
            ((number >> 32) as u32, (number >> 16) as u16, number as u16);
        Round { index, attempt, joined }
    }

    /// Goes from one state to another, if nobody else changed it meanwhile.
    fn change(&self, from: Round, to: Round) -> bool {
        let order = (Ordering::AcqRel, Ordering::Acquire);
        self.0.compare_exchange(from.number(), to.number(), order.0, order.1).is_ok()
    }

    /// Ends a round that cannot succeed.
    fn give_up(&self, round: Round) {
        let now = self.round();
        if now.is_of(round) {
            self.change(now, Round { index: 0, joined: 0, ..now });
        }
    }
}

/// What all workers' sockets on one interface have in common.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The interface by name; without a group.
    pub(super) ring: RingSettings,
    /// The group, if there are several workers; its number is for the first attempt.
    pub(super) group: Option<Fanout>,
    /// By how much the number of the group grows with every attempt.
    pub(super) step: u16,
    pub(super) workers: u16,
}

/// One worker's part in it.
#[derive(Debug)]
pub(super) struct Comeback {
    terms: Arc<Terms>,
    meeting: Arc<Meeting>,
    worker: u16,
    spares: Vec<Spare>,
    /// The interface that was captured from last.
    known: u32,
    /// The one that was found instead.
    found: Option<u32>,
    /// A ring that waits for those of the others.
    joined: Option<(Round, Ring)>,
    /// When to look again.
    look_at_ns: u64,
}

impl Comeback {
    /// For a worker, with its spare sockets and the number that the interface has now.
    pub(super) fn new(
        terms: Arc<Terms>,
        meeting: Arc<Meeting>,
        worker: u16,
        spares: Vec<Spare>,
    ) -> Comeback {
        let name = terms.ring.interface.to_string();
        let found = spares.last().and_then(|spare| spare.find(&name).ok().flatten());
        let known = found.map_or(0, |found| found.index);
        Comeback { terms, meeting, worker, spares, known, found: None, joined: None, look_at_ns: 0 }
    }

    /// Whether the interface that was captured from is there no more. Asks the system.
    pub(super) fn is_gone(&self) -> bool {
        self.spares.last().is_some_and(|spare| !spare.has(self.known))
    }

    /// Whether all spare sockets are used up: when the interface comes back, nobody captures.
    pub(super) fn is_exhausted(&self) -> bool {
        self.spares.is_empty() && self.joined.is_none()
    }

    /// Whether it is at work, and wants to go on soon.
    pub(super) fn is_meeting(&self) -> bool {
        self.joined.is_some() || self.found.is_some()
    }

    /// Does what can be done now for an interface that is gone. When all workers have a ring on
    /// the new one, that of this worker, receiving.
    pub(super) fn go_on(&mut self, now_ns: u64) -> Option<Ring> {
        if let Some((round, ring)) = self.joined.take() {
            return self.wait_for_others(round, ring, now_ns);
        }
        if is_due(self.look_at_ns, now_ns, LOOK_NS) {
            self.look_at_ns = now_ns.saturating_add(LOOK_NS);
            let name = self.terms.ring.interface.to_string();
            let found = self.spares.last()?.find(&name).ok().flatten();
            self.found = found.filter(|found| found.is_up).map(|found| found.index);
        }
        let round = self.round_of(self.found?)?;
        match self.join(round) {
            Some(Ok(ring)) => {
                let more = Round { joined: round.joined.saturating_add(1), ..round };
                if self.meeting.change(round, more) {
                    self.joined = Some((round, ring));
                }
            }
            Some(Err(_)) | None => {
                self.found = None;
                self.meeting.give_up(round);
            }
        }
        None
    }

    /// The round to join now, if it is this worker's turn.
    fn round_of(&self, index: u32) -> Option<Round> {
        let mut round = self.meeting.round();
        // An interface that was moved away may come back with its number.
        let is_over = round.index != index || round.joined >= self.terms.workers;
        if is_over && self.worker == 0 {
            let attempt = round.attempt.wrapping_add(1);
            let new = Round { index, attempt, joined: 0 };
            if !self.meeting.change(round, new) {
                return None;
            }
            round = new;
        }
        (round.index == index && round.joined == self.worker).then_some(round)
    }

    /// Makes a spare socket a member of the round's group.
    fn join(&mut self, round: Round) -> Option<Result<Ring, Error>> {
        let spare = self.spares.pop()?;
        let terms = &self.terms;
        let mut settings = terms.ring.clone();
        settings.fanout = terms.group.clone().map(|group| Fanout {
            group: group.group.wrapping_add(terms.step.wrapping_mul(round.attempt)),
            ..group
        });
        Some(Ring::prepare_with(spare, &settings))
    }

    fn wait_for_others(&mut self, round: Round, mut ring: Ring, now_ns: u64) -> Option<Ring> {
        let now = self.meeting.round();
        if !now.is_of(round) {
            self.found = None;
            return None;
        }
        if now.joined >= self.terms.workers {
            self.found = None;
            self.known = round.index;
            return ring.start().is_ok().then_some(ring);
        }
        if is_due(self.look_at_ns, now_ns, LOOK_NS) {
            self.look_at_ns = now_ns.saturating_add(LOOK_NS);
            if matches!(ring.check(), Err(Error::InterfaceGone { .. })) {
                self.meeting.give_up(round);
                self.found = None;
                return None;
            }
        }
        self.joined = Some((round, ring));
        None
    }
}

/// When to go on after `now_ns`, if it has to be soon.
pub(super) fn soon(now_ns: u64) -> u64 {
    now_ns.saturating_add(MEET_NS)
}
