//! Chunks that a closed queue left in the kernel's hands, until it is certain that they are free.
//!
//! Closing a socket returns before the kernel is done: a network card may write to chunks of the
//! fill ring for some time. What was handed over stays parked under the queue's place until
//! another socket is bound to that place, or until its interface is gone.
#![allow(unsafe_code)]

use crate::chunks::{Chunks, Frame, Holder};
use crate::system::{Held, Place};

/// The closed queues of an area that left something in the kernel.
#[derive(Default)]
pub(crate) struct Parked {
    waiting: Vec<(Place, Holder)>,
    /// Holders of which nothing is in the kernel.
    idle: Vec<Holder>,
}

impl Parked {
    /// Keeps what a queue that is being closed has left in the kernel. Also if that is nothing:
    /// the place is taken until the kernel has taken the socket down.
    pub(crate) fn park(&mut self, held: &Held, holder: Holder) {
        self.waiting.push((*held.place(), holder));
    }

    /// Whether a queue of that place was closed and nothing is known of it since.
    pub(crate) fn waits_for(&self, place: &Place) -> bool {
        self.waiting.iter().any(|(parked, _)| parked.is(place))
    }

    /// Takes back what earlier queues of a place left, now that a new socket is there.
    pub(crate) fn recover(&mut self, chunks: &Chunks, held: &Held, into: &mut Vec<Frame>) {
        // SAFETY: the kernel binds one socket with a fill ring per queue of an interface, and the
        // new one only after the buffers of the one before were taken from the driver: with
        // `held`, the earlier socket is gone from this place.
        unsafe { self.release(chunks, |place| place.is(held.place()), into) }
    }

    /// Takes back what queues left on interfaces that no longer exist.
    pub(crate) fn recover_gone(&mut self, chunks: &Chunks, into: &mut Vec<Frame>) {
        // SAFETY: before an interface leaves its namespace the kernel stops its device and waits
        // for packets that are under way; then it unbinds the sockets. Nothing is received to
        // their chunks any more, and sending only reads.
        unsafe { self.release(chunks, Place::is_gone, into) }
    }

    /// A holder of which nothing is in the kernel, for a new queue.
    pub(crate) fn holder(&mut self, chunks: &Chunks) -> Option<Holder> {
        self.idle.pop().or_else(|| chunks.holder())
    }

    /// How many chunks are in the kernel's hands without a queue.
    pub(crate) fn count(&self, chunks: &Chunks) -> usize {
        self.waiting.iter().map(|(_, holder)| chunks.held(holder)).sum()
    }

    /// # Safety
    /// The kernel must be done with everything that was handed over at the chosen places.
    unsafe fn release(
        &mut self,
        chunks: &Chunks,
        chosen: impl Fn(&Place) -> bool,
        into: &mut Vec<Frame>,
    ) {
        for (_, mut holder) in self.waiting.extract_if(.., |(place, _)| chosen(place)) {
            // SAFETY: passed on to the caller.
            unsafe { chunks.recover(&mut holder, into) };
            self.idle.push(holder);
        }
    }
}
