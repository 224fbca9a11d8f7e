//! Who is connected, and who has to go when there are too many.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What has happened on the socket since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Clients that were let in.
    pub(crate) accepted: u64,
    /// Clients that found all places taken.
    pub(crate) refused: u64,
    /// Silent clients that made room for another.
    pub(crate) evicted: u64,
    /// Clients cut off for what they sent.
    pub(crate) malformed: u64,
    /// Clients cut off for being slow.
    pub(crate) late: u64,
    /// Commands that were answered.
    pub(crate) commands: u64,
}

/// Counts one of the figures.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn rise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    seats: Mutex<Seats>,
    /// Somebody has left.
    left: Condvar,
    pub(super) accepted: Count,
    pub(super) refused: Count,
    pub(super) evicted: Count,
    pub(super) malformed: Count,
    pub(super) late: Count,
    pub(super) commands: Count,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    closed: bool,
    taken: Vec<Taken>,
}

#[derive(Debug)]
struct Taken {
    number: u64,
    stream: UnixStream,
    /// Is being answered.
    busy: bool,
    since: Instant,
}

/// A client's place, free again when this goes.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Arc<Clients>,
    number: u64,
}

impl Clients {
    /// Gives a client a place; none: all are taken by clients that are being answered.
    pub(super) fn admit(self: &Arc<Self>, stream: &UnixStream, most: usize) -> Option<Seat> {
        let stream = stream.try_clone().ok();
        let mut seats = self.lock();
        if seats.taken.len() >= most && !seats.closed {
            let idle = seats.taken.iter().enumerate().filter(|(_, taken)| !taken.busy);
            let oldest = idle.min_by_key(|(_, taken)| taken.since).map(|(at, _)| at);
            if let Some(at) = oldest {
                let _ = seats.taken.swap_remove(at).stream.shutdown(Shutdown::Both);
                self.evicted.rise();
            }
        }
        let (Some(stream), false) = (stream, seats.closed || seats.taken.len() >= most) else {
            self.refused.rise();
            return None;
        };
        let number = seats.next;
        seats.next = number.wrapping_add(1);
        seats.taken.push(Taken { number, stream, busy: false, since: Instant::now() });
        self.accepted.rise();
        Some(Seat { clients: Arc::clone(self), number })
    }

    /// Lets nobody in any more, takes no more commands, and waits for answers that are being made.
    pub(super) fn close(&self, grace: Duration) {
        let mut seats = self.lock();
        seats.closed = true;
        for taken in &seats.taken {
            let _ = taken.stream.shutdown(Shutdown::Read);
        }
        let waited = self.left.wait_timeout_while(seats, grace, |seats| !seats.taken.is_empty());
        let (mut seats, _) = waited.unwrap_or_else(PoisonError::into_inner);
        for taken in seats.taken.drain(..) {
            let _ = taken.stream.shutdown(Shutdown::Both);
        }
    }

    /// What has happened so far.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            evicted: self.evicted.get(),
            malformed: self.malformed.get(),
            late: self.late.get(),
            commands: self.commands.get(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Whether the client is being answered from now on.
    pub(super) fn set_busy(&self, busy: bool) {
        let mut seats = self.clients.lock();
        if let Some(taken) = seats.taken.iter_mut().find(|taken| taken.number == self.number) {
            taken.busy = busy;
            taken.since = Instant::now();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.lock().taken.retain(|taken| taken.number != self.number);
        self.clients.left.notify_all();
    }
}
