//! A receive ring: opening it, taking frames from it in order, and seeing what became of it.

use std::collections::VecDeque;
use std::hint;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::block::{Slot, Walk};
use crate::error::{Error, Step};
use crate::filter;
use crate::frame::{Frame, Frames};
use crate::link;
use crate::memory::Memory;
use crate::settings::{FanoutKind, Instruction, Interface, RingSettings};
use crate::spare::Spare;
use crate::statistics::Statistics;
use crate::system;

/// Longest wait for the last frames of an interface that is down.
const LAST_FRAMES_LIMIT: Duration = Duration::from_secs(1);

/// A packet socket with its receive ring.
///
/// The memory of the ring comes from the NUMA node of the thread that opens it.
#[derive(Debug)]
pub struct Ring {
    memory: Memory,
    socket: OwnedFd,
    interface: String,
    link_type: u16,
    blocks: u32,
    busy_poll: Duration,
    /// After how long a frame that is in the ring has been handed over for certain.
    block_timeout: Duration,
    snap_length: Option<u32>,
    filter: Vec<Instruction>,
    started: bool,
    /// The way through the block that was taken last.
    walk: Walk,
    /// What is in hand, the oldest first.
    in_hand: VecDeque<InHand>,
    /// Emptied lists of frames.
    emptied: Vec<Vec<Slot>>,
    /// The batch of `next_frames`.
    batch: Option<Taken>,
    counts: Statistics,
}

/// Frames of a block in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Number of the block.
    pub block: u32,
    /// Which of the block's frames is the first of them.
    pub first: u32,
    /// How many they are.
    pub count: u32,
}

/// A block in hand.
#[derive(Debug)]
struct InHand {
    block: usize,
    slots: Vec<Slot>,
    /// Frames that were taken and not given back.
    outstanding: usize,
}

impl Ring {
    /// Opens a ring that receives from now on.
    pub fn open(settings: &RingSettings) -> Result<Ring, Error> {
        let mut ring = Ring::prepare(settings)?;
        ring.start()?;
        Ok(ring)
    }

    /// Opens all rings of a fanout group, or one ring if there is no group. None receives before
    /// all are members: no flow moves from one to another when the capture begins.
    pub fn open_group(settings: &RingSettings) -> Result<Vec<Ring>, Error> {
        let members = settings.fanout.as_ref().map_or(1, |fanout| fanout.members);
        let mut rings =
            (0..members).map(|_| Ring::prepare(settings)).collect::<Result<Vec<_>, _>>()?;
        rings.iter_mut().try_for_each(Ring::start)?;
        Ok(rings)
    }

    /// Opens a ring that receives nothing before [`start`](Ring::start). Threads that each open
    /// one ring of a group can so wait for each other in between.
    pub fn prepare(settings: &RingSettings) -> Result<Ring, Error> {
        settings.validate(system::page_size())?;
        let wanted = settings.interface.to_string();
        let socket = system::packet_socket().map_err(Error::at(&wanted, Step::OpenSocket))?;
        Ring::prepare_with(Spare(socket), settings)
    }

    /// The same with a socket that was opened before. This needs no capability.
    pub fn prepare_with(spare: Spare, settings: &RingSettings) -> Result<Ring, Error> {
        settings.validate(system::page_size())?;
        let Spare(socket) = spare;
        let (index, interface, hardware_type) = identify(socket.as_fd(), &settings.interface)?;
        let link_type = link::link_type(hardware_type)
            .ok_or_else(|| Error::LinkType { interface: interface.clone(), hardware_type })?;
        system::attach_filter(socket.as_fd(), &filter::CLOSED)
            .map_err(Error::at(&interface, Step::AttachFilter))?;
        let memory = Memory::set_up(
            socket.as_fd(),
            settings.block_size,
            settings.blocks,
            settings.block_timeout_ms,
        )
        .map_err(|(step, cause)| Error::at(&interface, step)(cause))?;
        let ignore_outgoing = settings.ignore_outgoing || link::is_loopback(hardware_type);
        let ring = Ring {
            memory,
            socket,
            interface,
            link_type,
            blocks: settings.blocks,
            busy_poll: Duration::from_micros(settings.busy_poll_us.unwrap_or(0).into()),
            block_timeout: block_timeout(settings.block_timeout_ms),
            snap_length: settings.snap_length,
            filter: settings.filter.clone(),
            started: false,
            walk: Walk::default(),
            in_hand: VecDeque::with_capacity(settings.blocks as usize),
            emptied: Vec::with_capacity(settings.blocks as usize),
            batch: None,
            counts: Statistics::default(),
        };
        ring.attach(settings, index, ignore_outgoing)?;
        Ok(ring)
    }

    /// Lets a prepared ring receive.
    pub fn start(&mut self) -> Result<(), Error> {
        self.apply_filter(&self.filter)?;
        self.started = true;
        Ok(())
    }

    /// Lets the ring receive nothing more; what it has can still be taken. The kernel does not
    /// count what comes later. This needs no capability.
    pub fn close(&self) -> Result<(), Error> {
        system::attach_filter(self.socket.as_fd(), &filter::CLOSED)
            .map_err(Error::at(&self.interface, Step::AttachFilter))
    }

    /// Moves on to the next frames, at most `max`, and says how many; [`frames`](Ring::frames)
    /// has them until the next call. A batch ends where its block ends; the block is given back
    /// by the next call. 0 means that the kernel has handed over no further block: see
    /// [`wait`](Ring::wait).
    pub fn next_frames(&mut self, max: usize) -> usize {
        self.end_batch();
        self.batch = self.take(max, 1);
        self.batch.map_or(0, |batch| batch.count as usize)
    }

    /// The frames of the last [`next_frames`](Ring::next_frames).
    pub fn frames(&self) -> Frames<'_> {
        self.batch.map_or_else(Frames::default, |batch| self.taken(batch))
    }

    /// One of these frames, by its place among them.
    pub fn frame(&self, index: usize) -> Option<Frame<'_>> {
        let batch = self.batch.filter(|batch| index < batch.count as usize)?;
        self.taken_frame(batch.block, batch.first.checked_add(u32::try_from(index).ok()?)?)
    }

    /// Takes the next frames, at most `max` and of one block, without giving back those that were
    /// taken before. None if there are none, or if they are in a further block and `most` blocks
    /// are in hand already: then the kernel could run out of them. What was taken so is not to be
    /// mixed with [`next_frames`](Ring::next_frames).
    pub fn take(&mut self, max: usize, most: usize) -> Option<Taken> {
        // Further than one block only past blocks without a sound frame.
        for _ in 0..=self.blocks {
            self.release();
            if self.walk.is_done() && (self.memory.in_hand() >= most || !self.next_block()) {
                return None;
            }
            let newest = self.in_hand.back_mut()?;
            let first = newest.slots.len();
            let block = self.memory.block_mut(newest.block);
            let walked = self.walk.advance(block, max, &mut newest.slots);
            let count = newest.slots.len() - first;
            newest.outstanding += count;
            let block = newest.block as u32;
            if let Err(malformed) = walked {
                self.count_malformed(malformed.unread);
            }
            if count > 0 {
                self.counts.frames = self.counts.frames.saturating_add(count as u64);
                return Some(Taken { block, first: first as u32, count: count as u32 });
            }
            if max == 0 {
                return None;
            }
        }
        None
    }

    /// Frames that were taken and of which not all are given back.
    pub fn taken(&self, taken: Taken) -> Frames<'_> {
        let Taken { block, first, count } = taken;
        let (first, count) = (first as usize, count as usize);
        let slots = self.slots(block).get(first..first.saturating_add(count)).unwrap_or_default();
        Frames::new(self.memory.block(block as usize), slots)
    }

    /// A frame of a block in hand, by its place among the frames of the block.
    #[inline]
    pub fn taken_frame(&self, block: u32, index: u32) -> Option<Frame<'_>> {
        let slot = self.slots(block).get(index as usize)?;
        Some(slot.frame(self.memory.block(block as usize)))
    }

    /// Gives `count` frames of a block in hand back. Blocks go back to the kernel in their order,
    /// when all frames were given back.
    pub fn give_back(&mut self, block: u32, count: usize) {
        let place = self.place(block);
        if let Some(one) = place.and_then(|place| self.in_hand.get_mut(place)) {
            one.outstanding = one.outstanding.saturating_sub(count);
        }
        self.release();
    }

    /// Blocks in hand.
    pub fn in_hand(&self) -> usize {
        self.memory.in_hand()
    }

    /// Whether there are frames that were not taken yet, also in a block that the kernel has not
    /// handed over. May say so for a moment where there are none.
    pub fn is_pending(&self) -> bool {
        !self.walk.is_done() || self.memory.is_pending()
    }

    /// Whether [`take`](Ring::take) would look at a block.
    pub fn has_frames(&self) -> bool {
        !self.walk.is_done() || self.memory.is_ready()
    }

    /// The next block that the kernel has handed over, or what is left of one begun with
    /// [`next_frames`](Ring::next_frames). It is given back when it is dropped.
    pub fn receive(&mut self) -> Option<Block<'_>> {
        (self.next_frames(usize::MAX) > 0).then_some(Block { ring: self })
    }

    /// Waits until there are frames, at most for `timeout`, and says whether there may be some.
    /// Without frames, an interface that is down or gone is an error (each time, after the wait);
    /// the frames that came before are to be had first.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        if self.has_frames() || self.watch() {
            return Ok(true);
        }
        let failed = |cause| Error::at(&self.interface, Step::Wait)(cause);
        let polled = system::poll(self.socket.as_fd(), timeout).map_err(failed)?;
        if polled.readable && !polled.failed {
            return Ok(true);
        }
        if polled.failed {
            match system::pending_error(self.socket.as_fd()).map_err(failed)? {
                // What it is now is seen below: it may be up again.
                Some(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Some(error) => return Err(failed(error)),
                None => {}
            }
        }
        let Err(error) = self.check() else { return Ok(self.has_frames()) };
        // A block that is not full is handed over a little later, also then.
        system::poll(self.socket.as_fd(), self.block_timeout).map_err(failed)?;
        if self.has_frames() { Ok(true) } else { Err(error) }
    }

    /// Whether the interface is still there and up. Takes the error that makes `poll` come back.
    pub fn check(&self) -> Result<(), Error> {
        // What it tells may be over; what is the case now is asked for.
        let _ = system::pending_error(self.socket.as_fd());
        let failed = |cause| Error::at(&self.interface, Step::ReadInterface)(cause);
        let interface = || self.interface.clone();
        // The kernel unbinds the socket from an interface that goes away, so that another one of
        // the same name is not mistaken for it.
        let Some(index) = system::bound_index(self.socket.as_fd()).map_err(failed)? else {
            return Err(Error::InterfaceGone { interface: interface() });
        };
        let up = system::interface_name(self.socket.as_fd(), index)
            .and_then(|name| system::is_up(self.socket.as_fd(), &name));
        match up {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::InterfaceDown { interface: interface() }),
            Err(error) if is_missing(&error) => {
                Err(Error::InterfaceGone { interface: interface() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Counts since the ring was opened. The kernel counts in 32 bits: ask now and then.
    pub fn statistics(&mut self) -> io::Result<Statistics> {
        let counts = system::statistics(self.socket.as_fd())?;
        self.counts.add_kernel(&counts);
        Ok(self.counts)
    }

    /// Chooses the frames by another program from now on; an empty one takes all. The length to
    /// keep stays. Frames that are in the ring already stay there.
    pub fn set_filter(&mut self, program: &[Instruction]) -> Result<(), Error> {
        if self.started {
            self.apply_filter(program)?;
        }
        self.filter = program.to_vec();
        Ok(())
    }

    /// The form of the frames, as LINKTYPE number of capture files: 1 is Ethernet, 101 bare IP.
    pub fn link_type(&self) -> u16 {
        self.link_type
    }

    /// Name of the interface when the ring was opened.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Binds the socket and makes it a member of its group. It is closed by its filter still:
    /// between these steps it would receive frames that others of the group receive as well.
    fn attach(
        &self,
        settings: &RingSettings,
        index: u32,
        ignore_outgoing: bool,
    ) -> Result<(), Error> {
        let socket = self.socket.as_fd();
        let failed = |step| Error::at(&self.interface, step);
        if ignore_outgoing {
            system::ignore_outgoing(socket).map_err(failed(Step::IgnoreOutgoing))?;
        }
        match system::bind(socket, index) {
            Err(error) if is_missing(&error) => {
                return Err(Error::NoInterface { interface: self.interface.clone() });
            }
            result => result.map_err(failed(Step::Bind))?,
        }
        // A socket can be bound to an interface that is down, but not join a group then.
        self.check()?;
        if let Some(fanout) = &settings.fanout {
            system::join_fanout(socket, fanout, ignore_outgoing)
                .map_err(failed(Step::JoinFanout))?;
            if let FanoutKind::Program(program) = &fanout.kind {
                system::set_fanout_program(socket, program)
                    .map_err(failed(Step::SetFanoutProgram))?;
            }
        }
        if settings.promiscuous {
            system::set_promiscuous(socket, index).map_err(failed(Step::SetPromiscuous))?;
        }
        Ok(())
    }

    fn apply_filter(&self, program: &[Instruction]) -> Result<(), Error> {
        let program = filter::program(program, self.snap_length);
        system::attach_filter(self.socket.as_fd(), &program)
            .map_err(Error::at(&self.interface, Step::AttachFilter))
    }

    /// Watches the ring for the time set. Waking a thread takes the kernel longer than many
    /// frames take to arrive.
    fn watch(&self) -> bool {
        if self.busy_poll.is_zero() {
            return false;
        }
        let begin = Instant::now();
        while begin.elapsed() < self.busy_poll {
            if self.memory.is_ready() {
                return true;
            }
            hint::spin_loop();
        }
        false
    }

    /// Takes the next block in hand.
    fn next_block(&mut self) -> bool {
        let Some(block) = self.memory.take() else { return false };
        self.counts.blocks = self.counts.blocks.saturating_add(1);
        let slots = self.emptied.pop().unwrap_or_default();
        self.in_hand.push_back(InHand { block, slots, outstanding: 0 });
        match Walk::begin(self.memory.block(block), self.link_type == link::ETHERNET) {
            Ok(walk) => self.walk = walk,
            Err(malformed) => self.count_malformed(malformed.unread),
        }
        true
    }

    /// Gives blocks back of which nothing is needed any more, the oldest first.
    fn release(&mut self) {
        while let Some(oldest) = self.in_hand.front() {
            let is_walked = self.in_hand.len() > 1 || self.walk.is_done();
            if oldest.outstanding > 0 || !is_walked {
                break;
            }
            if let Some(InHand { mut slots, .. }) = self.in_hand.pop_front() {
                slots.clear();
                self.emptied.push(slots);
                self.memory.give_back();
            }
        }
    }

    /// The batch of `next_frames` is done with.
    fn end_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.give_back(batch.block, batch.count as usize);
        }
    }

    /// Where a block is among those in hand.
    fn place(&self, block: u32) -> Option<usize> {
        let oldest = self.in_hand.front()?.block;
        let blocks = self.blocks as usize;
        Some((block as usize + blocks).checked_sub(oldest)? % blocks)
    }

    fn slots(&self, block: u32) -> &[Slot] {
        let one = self.place(block).and_then(|place| self.in_hand.get(place));
        one.map_or(&[], |one| &one.slots)
    }

    fn count_malformed(&mut self, unread: u32) {
        self.counts.malformed = self.counts.malformed.saturating_add(1);
        self.counts.unread = self.counts.unread.saturating_add(unread.into());
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A block that the kernel has handed over.
#[derive(Debug)]
pub struct Block<'a> {
    ring: &'a mut Ring,
}

impl Block<'_> {
    /// Its frames.
    pub fn frames(&self) -> Frames<'_> {
        self.ring.frames()
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        self.ring.walk = Walk::default();
        self.ring.end_batch();
    }
}

/// Number, name and hardware type of the interface that is meant.
fn identify(socket: BorrowedFd<'_>, wanted: &Interface) -> Result<(u32, String, u16), Error> {
    let found = match wanted {
        Interface::Name(name) => {
            system::interface_index(socket, name).map(|index| (index, name.clone()))
        }
        Interface::Index(index) => {
            system::interface_name(socket, *index).map(|name| (*index, name))
        }
    };
    let found = found.and_then(|(index, name)| {
        let hardware_type = system::hardware_type(socket, &name)?;
        Ok((index, name, hardware_type))
    });
    found.map_err(|cause| {
        let interface = wanted.to_string();
        if is_missing(&cause) {
            return Error::NoInterface { interface };
        }
        Error::System { interface, step: Step::ReadInterface, cause }
    })
}

/// How long to wait for the hand-over of a block that is not full. The kernel looks at it in
/// steps, and chooses the time itself if it is told 0.
fn block_timeout(settings_ms: u32) -> Duration {
    Duration::from_millis(u64::from(settings_ms.max(10)) * 2).min(LAST_FRAMES_LIMIT)
}

pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO))
}

#[cfg(test)]
mod tests;
