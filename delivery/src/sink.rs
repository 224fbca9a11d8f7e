//! What every sink is: it is offered records, and says later what became of each.

use std::time::{Duration, SystemTime};

use crate::record::Record;

/// Takes records to a receiver.
///
/// A sink has a thread of its own and may block in it for as long as it is told to. It keeps what
/// it has been given until the receiver has confirmed it; what it can't deliver because the
/// connection is gone it forgets, and the publisher offers it again. It never drops a record
/// without saying so.
pub trait Sink: Send {
    /// Offers records; `first` is the ticket of the first of them, the others have the next ones.
    /// Returns how many were taken, from the front. None taken: there is no room until some are
    /// settled.
    ///
    /// # Errors
    /// [`Trouble`] when the receiver can't be reached. Everything that is not settled is then
    /// offered again, under the same tickets, after [`Sink::forget`].
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble>;

    /// Waits up to `patience` for what became of records that were taken, and tells it. May return
    /// early; must return at once when there is nothing to wait for.
    ///
    /// # Errors
    /// As [`Sink::offer`].
    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble>;

    /// Drops the connection and what is not settled.
    fn forget(&mut self);

    /// Nothing more comes until what was taken is settled: the window is full, or the sensor stops.
    /// Sinks that wait for more before they confirm anything wait no longer.
    fn finish(&mut self) {}

    /// Files were moved away by another program, which asks for new ones (SIGHUP).
    fn reopen(&mut self) {}

    /// Bytes of records that may be under way, unless settings say otherwise.
    fn window(&self) -> usize {
        8 << 20
    }

    /// How the receiver is, for sinks that keep records and connect again by themselves: there
    /// is no [`Trouble`] then, as nothing has to be offered again.
    fn health(&self) -> Health {
        Health::Up
    }

    /// Records that it has sent again by itself since the start, without [`Trouble`]: their
    /// receivers may have them twice.
    fn again(&self) -> u64 {
        0
    }

    /// Records that it has taken, and of which no byte has left yet: they can't arrive twice.
    fn unsent(&self) -> u64 {
        0
    }

    /// Attempts that failed since the start and that it made by itself, without [`Trouble`].
    fn troubles(&self) -> u64 {
        0
    }

    /// Counters of its own, by name, for the statistics and metrics.
    fn counters(&self, _out: &mut dyn FnMut(&str, u64)) {}
}

/// What became of records.
#[derive(Debug, Default)]
pub struct Settled {
    /// Tickets of records that the receiver has confirmed, as ranges `first..end`.
    pub delivered: Vec<(u64, u64)>,
    /// Tickets of records that the receiver will never take, with the reason.
    pub refused: Vec<(u64, String)>,
}

impl Settled {
    /// Tells that the tickets `first..end` are confirmed; joins them with the last ones if they
    /// follow those.
    pub fn deliver(&mut self, first: u64, end: u64) {
        match self.delivered.last_mut() {
            Some(last) if last.1 == first => last.1 = end,
            _ => self.delivered.push((first, end)),
        }
    }
}

/// How a receiver is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing is known to be wrong.
    #[default]
    Up,
    /// It can't be reached; records wait in the sink.
    Down {
        /// When that was found.
        since: SystemTime,
        /// What it is.
        trouble: Trouble,
    },
}

/// Why a receiver can't be reached at present.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    /// For people: who, what, and what to look at.
    pub what: String,
    /// Waiting will not help: names, certificates or passwords are wrong. It is tried again all
    /// the same, at the longest interval: somebody may mend the other side.
    pub is_lasting: bool,
}

impl Trouble {
    /// One that may pass.
    pub fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lasting: false }
    }

    /// One that needs somebody to mend something.
    pub fn lasting(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lasting: true }
    }
}
