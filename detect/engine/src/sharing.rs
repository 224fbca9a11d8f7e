//! How a worker gets at what all workers of a process may share, and when its turn is.
//!
//! A single worker owns it. Several workers share one behind a lock, which is taken only when
//! something is asked of it. In a replay they also take turns, so that its contents are those that
//! one worker would have seen.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// When a worker may look at what all workers share.
pub trait Turn: fmt::Debug + Send + Sync {
    /// Returns when all that comes before the packet at hand has been inspected.
    fn wait(&self);
}

/// A worker's way to something that all workers may share.
pub enum OwnOrShared<T> {
    /// Its own.
    Own(Box<T>),
    /// That of all workers.
    Shared {
        /// The thing.
        value: Arc<Mutex<T>>,
        /// Order among the workers; none: whoever comes first.
        turn: Option<Arc<dyn Turn>>,
        /// Whether this worker's statistics show its figures; one worker's should.
        shows_size: bool,
    },
}

impl<T> OwnOrShared<T> {
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

    /// The order among the workers, if there is one.
    pub fn turn(&self) -> Option<Arc<dyn Turn>> {
        match self {
            Self::Own(_) => None,
            Self::Shared { turn, .. } => turn.clone(),
        }
    }
}

impl<T> fmt::Debug for OwnOrShared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = matches!(self, Self::Shared { .. });
        f.debug_struct("OwnOrShared").field("shared", &shared).finish_non_exhaustive()
    }
}
