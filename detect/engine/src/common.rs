//! What is kept beyond one flow, for rules: thresholds, bits and tags of hosts.
//!
//! A single worker owns it. Several workers share one behind a lock, which is taken only when a
//! rule has come so far that it asks for it. In a replay they also take turns, so that its contents are
//! those that one worker would have seen.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use flow::hostbits::{HostBits, HostBitsSettings};

use crate::ruleset::EngineSettings;
use crate::tag::TagState;
use crate::threshold::Thresholds;

/// What rules remember beyond one flow.
#[derive(Debug)]
pub struct Remembered {
    /// Counts of matches.
    pub thresholds: Thresholds,
    /// Bits of hosts and pairs of hosts.
    pub host_bits: HostBits,
    /// Tags of hosts in force.
    pub host_tags: Vec<(IpAddr, TagState)>,
}

impl Remembered {
    /// Empty, with the limits of `settings`.
    pub fn new(settings: &EngineSettings) -> Self {
        Self {
            thresholds: Thresholds::new(settings.threshold_memcap),
            host_bits: HostBits::new(HostBitsSettings::default(), 0),
            host_tags: Vec::new(),
        }
    }
}

/// When a worker may look at what all workers share.
pub trait Turn: Send + Sync {
    /// Returns when all that comes before the packet at hand has been inspected.
    fn wait(&self);
}

/// A worker's way to something that all workers may share.
pub enum Common<T> {
    /// Its own.
    Own(Box<T>),
    /// That of all workers.
    Shared {
        /// The thing.
        value: Arc<Mutex<T>>,
        /// Order among the workers; none: whoever comes first.
        turn: Option<Arc<dyn Turn>>,
        /// Whether this worker's statistics show its size; one worker's should.
        shows_size: bool,
    },
}

impl<T> Common<T> {
    /// Does `work` on it when it is this worker's turn.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        match self {
            Self::Own(value) => work(value),
            Self::Shared { value, turn, .. } => {
                if let Some(turn) = turn {
                    turn.wait();
                }
                work(&mut value.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    /// A figure of it for statistics; 0 if another worker shows it.
    pub fn size(&self, figure: impl FnOnce(&T) -> u64) -> u64 {
        match self {
            Self::Own(value) => figure(value),
            Self::Shared { shows_size: false, .. } => 0,
            Self::Shared { value, .. } => {
                figure(&value.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl<T> fmt::Debug for Common<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = matches!(self, Self::Shared { .. });
        f.debug_struct("Common").field("shared", &shared).finish_non_exhaustive()
    }
}
