//! A queue of a network card: receiving, giving back, sending.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::area::{Area, Inner};
use crate::bind::{self, Bound, Mode, QueueSettings, Rings};
use crate::chunks::{Frame, Holder};
use crate::error::Error;
use crate::ring::Descriptor;
use crate::system::{self, Held};

/// So many frames are moved between a queue and its area's list at a time.
const BATCH: usize = 64;

/// What the kernel counted on a queue (`XDP_STATISTICS`). It is lost when the queue is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets dropped for reasons other than a full receive ring: no chunk in the fill ring, or
    /// a packet larger than a chunk.
    pub rx_dropped: u64,
    /// Addresses in the fill ring that the kernel refused.
    pub rx_invalid_descriptors: u64,
    /// Descriptors in the transmit ring that the kernel refused.
    pub tx_invalid_descriptors: u64,
    /// Packets dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// How often a chunk was wanted and the fill ring was empty.
    pub rx_fill_ring_empty: u64,
    /// How often a packet to send was wanted and the transmit ring was empty.
    pub tx_ring_empty: u64,
}

/// What a queue itself counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Descriptors and addresses from the kernel that are not wholly within a chunk which this
    /// queue had handed to it. They were not made frames of.
    pub invalid_descriptors: u64,
    /// Frames of another area that were to be given back or sent here. They were dropped.
    pub foreign_frames: u64,
    /// Frames without bytes that were to be sent. They went to the spare ones.
    pub empty_frames: u64,
    /// Frames beyond what the queue may keep, which went to the area's list.
    pub returned_frames: u64,
    /// Frames that the queue lacked and took from the area's list.
    pub drawn_frames: u64,
}

/// A bound AF_XDP socket. All its methods are for one thread at a time; it may move between
/// threads.
pub struct Queue {
    area: Area,
    socket: Arc<OwnedFd>,
    rings: Rings,
    /// Both are taken when the queue is closed.
    place: Option<(Held, Holder)>,
    spare: Spare,
    /// Frames that were sent and have not come back.
    under_way: usize,
    counters: Counters,
    settings: QueueSettings,
    mode: Mode,
    tried: Vec<(Mode, io::Error)>,
    multi_buffer: bool,
    multi_buffer_error: Option<io::Error>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Queue");
        debug.field("interface", &self.interface()).field("queue", &self.queue());
        debug.field("mode", &self.mode).field("spare", &self.spare.frames.len()).finish()
    }
}

impl Queue {
    /// Opens a socket on an area's memory and binds it to a queue, in the first of the modes that
    /// is not refused. Fills the fill ring; an XDP program has yet to be told of the socket.
    ///
    /// The first queue registers the memory with the kernel, later ones share that. Mode, wake-ups
    /// and multi-buffer are properties of a registration, so a queue that differs in one of them
    /// registers the same memory once more, which counts against the limit of locked memory.
    pub fn bind(area: &Area, settings: &QueueSettings) -> Result<Queue, Error> {
        let inner = area.inner();
        let mut registry = inner.registry();
        let mut recovered = Vec::new();
        registry.parked.recover_gone(&inner.chunks, &mut recovered);
        let bound = bind::bind(inner, settings, &mut registry);
        if let Ok(bound) = &bound {
            registry.parked.recover(&inner.chunks, &bound.held, &mut recovered);
        }
        inner.put_free(recovered.into_iter());
        let Bound { socket, held, rings, mode, tried, multi_buffer, multi_buffer_error } = bound?;
        let Some(holder) = registry.parked.holder(&inner.chunks) else {
            return Err(Error::Settings("too many queues were bound on one area".into()));
        };
        let in_ring = if settings.rx > 0 { settings.fill } else { 0 };
        let mut spare = Spare::new(settings.chunks.saturating_sub(in_ring) as usize);
        let wanted = settings.chunks;
        if let Err(free) = inner.take(wanted as usize, &mut spare.frames) {
            registry.parked.park(&held, holder);
            return Err(Error::Chunks { wanted, free });
        }
        spare.frames.reverse();
        drop(registry);
        let mut queue = Queue {
            area: area.clone(),
            socket,
            rings,
            place: Some((held, holder)),
            spare,
            under_way: 0,
            counters: Counters::default(),
            settings: settings.clone(),
            mode,
            tried,
            multi_buffer,
            multi_buffer_error,
        };
        queue.refill();
        // Some drivers find the fill ring empty at bind and look again only when woken. An error
        // (the interface is down) comes again at the next call.
        let _ = queue.wake_if_needed();
        Ok(queue)
    }

    /// The mode, as the kernel reports it.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The modes that were refused before, and why.
    pub fn tried(&self) -> &[(Mode, io::Error)] {
        &self.tried
    }

    /// Whether packets larger than a chunk come in several frames. If they were asked for and are
    /// refused, [`Queue::multi_buffer_error`] says why; such packets are then lost.
    pub fn multi_buffer(&self) -> bool {
        self.multi_buffer
    }

    /// Why the queue is without multi-buffer although that was asked for.
    pub fn multi_buffer_error(&self) -> Option<&io::Error> {
        self.multi_buffer_error.as_ref()
    }

    /// Index of the interface.
    pub fn interface(&self) -> u32 {
        self.settings.interface
    }

    /// Number of the queue.
    pub fn queue(&self) -> u32 {
        self.settings.queue
    }

    /// The area that its frames are of.
    pub fn area(&self) -> &Area {
        &self.area
    }

    /// How many frames are spare.
    pub fn spare(&self) -> usize {
        self.spare.frames.len()
    }

    /// What this queue counted.
    pub fn counters(&self) -> Counters {
        Counters {
            returned_frames: self.spare.returned,
            drawn_frames: self.spare.drawn,
            ..self.counters
        }
    }

    /// Appends up to `max` received frames and says how many. Does not allocate if there is room.
    /// A packet of several frames may go on in the next call. The fill ring is filled again by
    /// [`Queue::give_back`]; where that comes late, call [`Queue::refill`] as well.
    #[inline]
    pub fn receive(&mut self, into: &mut Vec<Frame>, max: usize) -> usize {
        let (Some(ring), Some((_, holder))) = (&mut self.rings.receive, &mut self.place) else {
            return 0;
        };
        let mut transfer = self.area.inner().chunks.transfer(holder);
        let before = into.len();
        for part in ring.pop_up_to(u32::try_from(max).unwrap_or(u32::MAX)) {
            self.counters.invalid_descriptors += transfer.claim_all(part, into);
        }
        ring.release();
        into.len() - before
    }

    /// Takes back frames of its area, from whichever queue they came, and refills the fill ring.
    /// Says how many it took: frames of another area are dropped. What is beyond the queue's share
    /// (its settings' `chunks`, of which the fill ring has its part) goes to the area's list, for
    /// queues that lack frames; only then a lock is taken.
    #[inline]
    pub fn give_back(&mut self, frames: impl IntoIterator<Item = Frame>) -> usize {
        let (mut frames, mut taken) = (frames.into_iter(), 0);
        if let (Some(ring), Some((_, holder))) = (&mut self.rings.receive, &mut self.place) {
            // Straight to the fill ring while it has room. The kernel's index is on another
            // processor's cache line, so it is looked at only if what is known of it does not
            // suffice; a queue that runs dry wants to know in any case.
            let wanted = match self.spare.frames.is_empty() {
                true => self.rings.fill.size(),
                false => u32::try_from(frames.size_hint().0.max(BATCH)).unwrap_or(u32::MAX),
            };
            if self.rings.fill.known_room() < wanted {
                self.rings.fill.room(wanted);
                ring.ready(ring.size());
            }
            let mut transfer = self.area.inner().chunks.transfer(holder);
            let (left, handed, foreign) = transfer.hand_all(frames, &mut self.rings.fill);
            self.counters.foreign_frames += foreign;
            (frames, taken) = (left, handed as usize);
        }
        for frame in frames {
            if !self.area.inner().chunks.owns(&frame) {
                self.counters.foreign_frames += 1;
                continue;
            }
            if self.spare.is_full() {
                self.refill();
            }
            self.spare.keep(frame, self.area.inner());
            taken += 1;
        }
        self.top_up();
        self.spare.trim(self.area.inner());
        taken
    }

    /// Puts spare frames into the fill ring, as many as it lacks for a full receive ring. Those that
    /// wait in the receive ring are not replaced: the kernel has no room for more before they
    /// are taken, and then they come back. A queue that runs dry takes from the area's list.
    #[inline]
    pub fn refill(&mut self) {
        let Some(ring) = &mut self.rings.receive else { return };
        // In this order: the kernel shows what it received before what it took for that.
        self.rings.fill.room(self.rings.fill.size());
        ring.ready(ring.size());
        self.top_up();
    }

    /// The same with what is known of both rings, and shows the kernel what the fill ring has.
    #[inline]
    fn top_up(&mut self) {
        let Some(ring) = &self.rings.receive else { return };
        let (room, ready) = (self.rings.fill.known_room(), ring.known_ready());
        let filled = self.rings.fill.size().saturating_sub(room);
        // The second where the receive ring is the larger one.
        let lacking = room.saturating_sub(ready);
        let lacking = lacking.max((ring.size() - ready).saturating_sub(filled).min(room));
        if lacking > 0 {
            self.fill_from_spare(lacking as usize);
        }
        self.rings.fill.publish();
    }

    /// Writes up to `wanted` spare frames to the fill ring, which has room for them.
    fn fill_from_spare(&mut self, wanted: usize) {
        let Some((_, holder)) = &mut self.place else { return };
        let inner = self.area.inner();
        if self.spare.frames.is_empty() && wanted >= self.rings.fill.size() as usize / 2 {
            self.spare.draw(wanted, inner);
        }
        let mut transfer = inner.chunks.transfer(holder);
        let from = self.spare.frames.len().saturating_sub(wanted);
        // From the end: those were used last.
        let frames = self.spare.frames.drain(from..).rev();
        let (_, _, foreign) = transfer.hand_all(frames, &mut self.rings.fill);
        self.counters.foreign_frames += foreign;
    }

    /// Makes a system call if the kernel waits for one: to look at the fill ring, to send, or to
    /// poll in busy-poll mode. Call it when there was nothing to receive, and after sending.
    ///
    /// An error is about the interface: ENETDOWN while it is down, ENXIO when it is gone and the
    /// queue is of no more use.
    #[inline]
    pub fn wake_if_needed(&mut self) -> io::Result<()> {
        let announced = self.settings.need_wakeup;
        if let Some(ring) = &self.rings.transmit
            && self.under_way > 0
            && (!announced || ring.needs_wakeup())
        {
            system::wake_sending(self.as_fd())?;
        }
        let polls = self.settings.busy_poll.is_some();
        let waits = announced && self.rings.fill.needs_wakeup();
        if self.rings.receive.is_some() && (polls || waits) {
            system::wake_receiving(self.as_fd())?;
        }
        Ok(())
    }

    /// Waits until there is something to receive (on a queue that only sends: room to send) and
    /// says whether there is. Errors as for [`Queue::wake_if_needed`], after the timeout.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let receiving = self.rings.receive.is_some();
        if system::wait(self.as_fd(), receiving, timeout)? {
            return Ok(true);
        }
        // poll(2) is silent about an interface that went away.
        let wake = if receiving { system::wake_receiving } else { system::wake_sending };
        wake(self.as_fd()).map(|()| false)
    }

    /// What the kernel counted so far.
    pub fn statistics(&self) -> io::Result<Statistics> {
        let [
            rx_dropped,
            rx_invalid_descriptors,
            tx_invalid_descriptors,
            rx_ring_full,
            rx_fill_ring_empty,
            tx_ring_empty,
        ] = system::statistics(self.as_fd())?;
        Ok(Statistics {
            rx_dropped,
            rx_invalid_descriptors,
            tx_invalid_descriptors,
            rx_ring_full,
            rx_fill_ring_empty,
            tx_ring_empty,
        })
    }

    /// A spare frame to write a packet to: empty, with its whole chunk as room.
    #[inline]
    pub fn take(&mut self) -> Option<Frame> {
        if self.spare.frames.is_empty() {
            self.spare.draw(BATCH, self.area.inner());
        }
        self.spare.frames.pop().map(|frame| self.area.inner().chunks.emptied(frame))
    }

    /// Says how many bytes a frame holds; see [`Area::set_len`].
    #[inline]
    pub fn set_len(&self, frame: &mut Frame, length: usize) -> bool {
        self.area.set_len(frame, length)
    }

    /// Puts frames into the transmit ring, from the first on and as many as it has room for, and
    /// says how many went. A packet of several frames goes as a whole. Then call
    /// [`Queue::wake_if_needed`] until [`Queue::complete`] has them back.
    pub fn transmit(&mut self, frames: &mut Vec<Frame>) -> usize {
        let (Some(ring), Some((_, holder))) = (&mut self.rings.transmit, &mut self.place) else {
            return 0;
        };
        let room = ring.room(u32::try_from(frames.len()).unwrap_or(u32::MAX)) as usize;
        let mut fits = frames.iter().take(room);
        let count = fits.rposition(|frame| !frame.continues()).map_or(0, |last| last + 1);
        let inner = self.area.inner();
        let mut transfer = inner.chunks.transfer(holder);
        for frame in frames.drain(..count) {
            if frame.is_empty() && inner.chunks.owns(&frame) {
                // The kernel would refuse it and never give its chunk back.
                self.counters.empty_frames += 1;
                self.spare.keep(frame, inner);
                continue;
            }
            match transfer.hand_packet(frame) {
                Some(descriptor) => {
                    let pushed = ring.push(descriptor);
                    debug_assert!(pushed, "there was room");
                    self.under_way += 1;
                }
                None => self.counters.foreign_frames += 1,
            }
        }
        ring.publish();
        count
    }

    /// Takes the frames that have been sent to the spare ones and says how many.
    pub fn complete(&mut self) -> usize {
        let Some((_, holder)) = &mut self.place else { return 0 };
        let inner = self.area.inner();
        let mut transfer = inner.chunks.transfer(holder);
        let mut completed = 0;
        while let Some(address) = self.rings.completion.pop() {
            match transfer.claim(Descriptor { address, length: 0, options: 0 }) {
                Some(frame) => {
                    self.spare.keep(frame, inner);
                    self.under_way = self.under_way.saturating_sub(1);
                    completed += 1;
                }
                None => self.counters.invalid_descriptors += 1,
            }
        }
        self.rings.completion.release();
        self.spare.trim(inner);
        completed
    }

    /// How many frames were sent and are not known to have gone.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

impl AsFd for Queue {
    /// For the XDP program's map, and for poll(2) with others.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Queue {
    /// What is in user space goes to the area's free chunks; what the kernel has stays parked.
    fn drop(&mut self) {
        let mut frames = Vec::new();
        while self.receive(&mut frames, BATCH) > 0 {}
        self.complete();
        frames.append(&mut self.spare.frames);
        let inner = self.area.inner();
        inner.put_free(frames.into_iter());
        if let Some((held, holder)) = self.place.take() {
            inner.registry().parked.park(&held, holder);
        }
    }
}

/// Frames that are neither in a ring nor with a user, most recently used last: those are likeliest
/// to be in the processor's cache.
struct Spare {
    frames: Vec<Frame>,
    /// The queue's share; beyond it there is room for a batch that comes before it is shed.
    most: usize,
    returned: u64,
    drawn: u64,
}

impl Spare {
    /// For a share of `most` frames, or a batch at least.
    fn new(most: usize) -> Spare {
        let most = most.max(BATCH);
        Spare { frames: Vec::with_capacity(most + BATCH), most, returned: 0, drawn: 0 }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.frames.len() >= self.most + BATCH
    }

    #[inline]
    fn keep(&mut self, frame: Frame, area: &Inner) {
        if self.is_full() {
            self.shed(area);
        }
        self.frames.push(frame);
    }

    /// Sheds what is beyond the share.
    #[inline]
    fn trim(&mut self, area: &Inner) {
        if self.frames.len() > self.most {
            self.shed(area);
        }
    }

    /// Leaves half a batch less than the share, so that the lock is not taken every time.
    #[cold]
    fn shed(&mut self, area: &Inner) {
        let first = (self.most - BATCH / 2).min(self.frames.len());
        self.returned += (self.frames.len() - first) as u64;
        area.put(self.frames.drain(first..));
    }

    /// Takes a batch of what other queues had too many of, and no more than `wanted`.
    fn draw(&mut self, wanted: usize, area: &Inner) {
        self.drawn += area.draw(wanted.min(BATCH), &mut self.frames) as u64;
    }
}
