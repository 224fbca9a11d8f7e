//! Who holds which chunk: frames are the only way to an area's memory, and there is one per chunk.
//!
//! Every chunk is at any time either in user space, where exactly one [`Frame`] stands for it, or
//! in the kernel's hands through one queue. A table says which. It is written when a frame is
//! handed to the kernel (which consumes the frame) and when the kernel gives the chunk back (which
//! makes a frame, if and only if the table says that this queue had handed it over). So whatever
//! the rings contain, a chunk cannot have two frames.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use crate::geometry::{Aligned, Geometry};
use crate::mapping::AreaMapping;
use crate::ring::{Descriptor, Memory, Producer};

/// The packet goes on in the next descriptor (`XDP_PKT_CONTD`).
const CONTINUES: u32 = 1;
/// The chunk is in user space: a frame stands for it.
const USER: u16 = 0;

/// Which area a frame is of; no two areas of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AreaId(NonZeroU32);

impl AreaId {
    fn new() -> Option<AreaId> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let order = Ordering::Relaxed;
        let last = LAST.fetch_update(order, order, |last| last.checked_add(1)).ok()?;
        NonZeroU32::new(last + 1).map(AreaId)
    }
}

/// A packet, or a piece of one, in a chunk of an [`Area`](crate::Area).
///
/// There is at most one frame per chunk: a frame can be neither cloned nor made, only received or
/// taken from a queue. Its bytes are reached through the area. Give it back to a queue of its area
/// (or to the area itself) when it is done with; a frame that is dropped instead leaks its chunk
/// until the area goes, which is safe, but the queue will run dry.
///
/// Its bytes cannot be looked at after it was given back:
///
/// ```compile_fail,E0505
/// fn late(area: &afxdp::Area, queue: &mut afxdp::Queue, frame: afxdp::Frame) -> usize {
///     let bytes = area.bytes(&frame);
///     queue.give_back([frame]);
///     bytes.len()
/// }
/// ```
///
/// nor while somebody writes to them, and a frame cannot be given back twice:
///
/// ```compile_fail,E0382
/// fn twice(queue: &mut afxdp::Queue, frame: afxdp::Frame) {
///     queue.give_back([frame]);
///     queue.give_back([frame]);
/// }
/// ```
#[derive(Debug)]
#[must_use = "a frame that is dropped leaks its chunk until the area goes"]
pub struct Frame {
    /// Where the bytes begin in the area.
    address: u64,
    length: u32,
    options: u32,
    chunk: u32,
    area: AreaId,
}

const _: () = assert!(size_of::<Frame>() <= 24 && size_of::<Option<Frame>>() <= 24);

impl Frame {
    /// How many bytes of a packet it holds.
    #[inline]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether it holds none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the packet goes on in the next frame.
    #[inline]
    pub fn continues(&self) -> bool {
        self.options & CONTINUES != 0
    }

    /// For sending: says whether the packet goes on in the next frame.
    #[inline]
    pub fn set_continues(&mut self, continues: bool) {
        self.options = if continues { CONTINUES } else { 0 };
    }
}

/// The right to hand chunks to the kernel and to have them back, one per queue.
#[derive(Debug)]
pub(crate) struct Holder {
    number: NonZeroU16,
    area: AreaId,
}

/// An area's memory and the table of who holds what of it.
pub(crate) struct Chunks {
    mapping: AreaMapping,
    geometry: Geometry,
    owners: Box<[AtomicU16]>,
    holders: AtomicU16,
    id: AreaId,
}

impl Chunks {
    /// Takes memory as laid out in `geometry`, with a frame for every chunk. None if the memory
    /// is too small for that, or after four thousand million areas.
    pub(crate) fn new(mapping: AreaMapping, geometry: Geometry) -> Option<(Chunks, Vec<Frame>)> {
        if geometry.length() > mapping.length() as u64 {
            return None;
        }
        let id = AreaId::new()?;
        let owners = (0..geometry.chunks()).map(|_| AtomicU16::new(USER)).collect();
        let chunks = Chunks { mapping, geometry, owners, holders: AtomicU16::new(0), id };
        let frames = (0..geometry.chunks()).rev().map(|chunk| chunks.whole(chunk)).collect();
        Some((chunks, frames))
    }

    pub(crate) fn mapping(&self) -> &AreaMapping {
        &self.mapping
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// A new holder; none after 65535.
    pub(crate) fn holder(&self) -> Option<Holder> {
        let order = Ordering::Relaxed;
        let last = self.holders.fetch_update(order, order, |last| last.checked_add(1)).ok()?;
        NonZeroU16::new(last + 1).map(|number| Holder { number, area: self.id })
    }

    /// Whether a frame is of this area.
    #[inline]
    pub(crate) fn owns(&self, frame: &Frame) -> bool {
        frame.area == self.id
    }

    /// A frame's bytes; none for a frame of another area.
    #[inline]
    pub(crate) fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        debug_assert!(self.owns(frame), "the frame is of another area");
        if !self.owns(frame) {
            return &[];
        }
        // SAFETY: `address` and `length` of a frame of this area lie in its chunk (`claim`,
        // `whole`, `set_len`), which lies in the mapping (`new`), which is initialised memory and
        // lives as long as `self`. The frame is the only one of its chunk and is borrowed, so
        // there is neither a mutable slice of the chunk nor can it be handed to the kernel.
        unsafe {
            let start = self.mapping.base().add(frame.address as usize);
            std::slice::from_raw_parts(start.as_ptr(), frame.length as usize)
        }
    }

    /// All bytes from where a frame begins to the end of its chunk; none for another area's.
    #[inline]
    pub(crate) fn bytes_mut<'a>(&'a self, frame: &'a mut Frame) -> &'a mut [u8] {
        debug_assert!(self.owns(frame), "the frame is of another area");
        if !self.owns(frame) {
            return &mut [];
        }
        let room = self.room(frame);
        // SAFETY: as in `bytes`, to the end of the chunk; the frame is borrowed mutably, so this
        // is the only slice of the chunk.
        unsafe {
            let start = self.mapping.base().add(frame.address as usize);
            std::slice::from_raw_parts_mut(start.as_ptr(), room)
        }
    }

    /// The `N` bytes in front of a frame's, if they are in its chunk.
    #[inline]
    pub(crate) fn before<const N: usize>(&self, frame: &Frame) -> Option<[u8; N]> {
        debug_assert!(self.owns(frame), "the frame is of another area");
        let start = self.geometry.start(frame.chunk);
        let first = frame.address.checked_sub(N as u64).filter(|&first| first >= start)?;
        if !self.owns(frame) {
            return None;
        }
        // SAFETY: as in `bytes`: the range is in the frame's chunk, and the frame is borrowed.
        Some(unsafe { self.mapping.base().add(first as usize).cast::<[u8; N]>().read() })
    }

    /// The `N` bytes in front of a frame's, if they are in its chunk, which are zeroes afterwards.
    #[inline]
    pub(crate) fn take_before<const N: usize>(&self, frame: &mut Frame) -> Option<[u8; N]> {
        let bytes = self.before(frame)?;
        let first = frame.address - N as u64;
        // SAFETY: `before` has found the range in the chunk of this frame of this area; the frame
        // is borrowed mutably, so there is no slice of the chunk.
        unsafe { self.mapping.base().add(first as usize).cast::<[u8; N]>().write([0; N]) };
        Some(bytes)
    }

    /// Says how many bytes a frame holds. False, without effect, if its chunk has no room.
    #[inline]
    pub(crate) fn set_len(&self, frame: &mut Frame, length: usize) -> bool {
        let fits = self.owns(frame) && length <= self.room(frame);
        if fits {
            frame.length = length as u32;
        }
        fits
    }

    /// The same chunk as an empty frame that begins with the chunk.
    pub(crate) fn emptied(&self, frame: Frame) -> Frame {
        if self.owns(&frame) { self.whole(frame.chunk) } else { frame }
    }

    /// What goes to the kernel and comes back through the queue of `holder`. Nothing does for a
    /// holder of another area.
    #[inline]
    pub(crate) fn transfer<'a>(&'a self, holder: &'a mut Holder) -> Transfer<'a> {
        let is_own = holder.area == self.id;
        Transfer {
            owners: if is_own { &self.owners } else { &[] },
            geometry: &self.geometry,
            aligned: self.geometry.aligned(),
            holder: holder.number.get(),
            area: self.id,
            _holder: PhantomData,
        }
    }

    /// Takes everything back that was handed over by a holder.
    ///
    /// # Safety
    /// Neither kernel nor hardware may still write to, or later give back, what was handed over.
    pub(crate) unsafe fn recover(&self, holder: &mut Holder, into: &mut Vec<Frame>) {
        if holder.area != self.id {
            return;
        }
        for (chunk, owner) in (0_u32..).zip(&self.owners) {
            if owner.load(Ordering::Relaxed) == holder.number.get() {
                owner.store(USER, Ordering::Relaxed);
                into.push(self.whole(chunk));
            }
        }
    }

    /// How many chunks a holder has handed to the kernel and not got back.
    pub(crate) fn held(&self, holder: &Holder) -> usize {
        let holds = |owner: &&AtomicU16| owner.load(Ordering::Relaxed) == holder.number.get();
        self.owners.iter().filter(holds).count()
    }

    /// The frame of a chunk that has none.
    fn whole(&self, chunk: u32) -> Frame {
        let address = self.geometry.start(chunk);
        Frame { address, length: 0, options: 0, chunk, area: self.id }
    }

    /// Bytes from where a frame of this area begins to the end of its chunk.
    #[inline]
    fn room(&self, frame: &Frame) -> usize {
        let end = self.geometry.start(frame.chunk) + u64::from(self.geometry.chunk_size());
        (end - frame.address) as usize
    }
}

/// What passes between user space and the kernel through one queue. It has copies of what does not
/// change, so that it is read once for many frames.
pub(crate) struct Transfer<'a> {
    owners: &'a [AtomicU16],
    geometry: &'a Geometry,
    aligned: Option<Aligned>,
    holder: u16,
    area: AreaId,
    /// While this lasts, nothing else takes or hands over in this holder's name.
    _holder: PhantomData<&'a mut Holder>,
}

impl Transfer<'_> {
    /// Hands a frame's chunk to the kernel to be filled: its address in the area. None, and the
    /// frame is lost, if it is of another area.
    #[inline]
    pub(crate) fn hand_chunk(&mut self, frame: Frame) -> Option<u64> {
        self.mark(&frame)?;
        Some(match self.aligned {
            Some(aligned) => aligned.start_of(frame.address),
            None => self.geometry.start(frame.chunk),
        })
    }

    /// Hands a frame to the kernel to be sent. None, and the frame is lost, if it is of another
    /// area.
    #[inline]
    pub(crate) fn hand_packet(&mut self, frame: Frame) -> Option<Descriptor> {
        self.mark(&frame)?;
        let (length, options) = (frame.length, frame.options & CONTINUES);
        Some(Descriptor { address: frame.address, length, options })
    }

    /// Takes back what the kernel gives. None if it is not wholly in a chunk that was handed over
    /// here.
    #[inline]
    pub(crate) fn claim(&mut self, given: Descriptor) -> Option<Frame> {
        let (chunk, address) = match self.aligned {
            Some(aligned) => (aligned.chunk_of(given.address, given.length)?, given.address),
            None => {
                let (chunk, position) = self.geometry.locate(given.address, given.length)?;
                (chunk.into(), position)
            }
        };
        // The table is as long as there are chunks, which 32 bits count.
        let owner = self.owners.get(chunk as usize)?;
        // A load and a store suffice: from this owner only its holder takes, of which there is
        // one, borrowed mutably.
        if owner.load(Ordering::Relaxed) != self.holder {
            return None;
        }
        owner.store(USER, Ordering::Relaxed);
        let (length, options) = (given.length, given.options);
        Some(Frame { address, length, options, chunk: chunk as u32, area: self.area })
    }

    /// Takes back a batch and says how many could not be taken. Out of line, and with the room made
    /// before, so that all that the loop needs is in registers.
    #[inline(never)]
    pub(crate) fn claim_all(
        &mut self,
        given: impl ExactSizeIterator<Item = Descriptor>,
        into: &mut Vec<Frame>,
    ) -> u64 {
        let count = given.len();
        into.reserve(count);
        let mut room = into.spare_capacity_mut().iter_mut();
        let before = room.len();
        let mut invalid = 0;
        for descriptor in given.take(count) {
            match self.claim(descriptor) {
                Some(frame) => {
                    let Some(place) = room.next() else { break };
                    place.write(frame);
                }
                None => invalid += 1,
            }
        }
        let written = before - room.len();
        // SAFETY: so many places, from the first one behind the vector's frames on, were written.
        unsafe { into.set_len(into.len() + written) };
        invalid
    }

    /// Hands the chunks of a batch to the kernel while the fill ring has known room. Gives the
    /// frames that are left, how many were taken and how many could not be. Out of line as above.
    #[inline(never)]
    pub(crate) fn hand_all<M: Memory, I: Iterator<Item = Frame>>(
        &mut self,
        mut frames: I,
        ring: &mut Producer<M, u64>,
    ) -> (I, u32, u64) {
        let (mut handed, mut foreign) = (0, 0);
        'all: for part in ring.known_free() {
            for slot in part {
                let address = loop {
                    let Some(frame) = frames.next() else { break 'all };
                    match self.hand_chunk(frame) {
                        Some(address) => break address,
                        None => foreign += 1,
                    }
                };
                // In the steady state a chunk comes back to its slot. The kernel only reads these
                // lines; what is not written need not go from one processor's cache to another's.
                if slot.load(Ordering::Relaxed) != address {
                    slot.store(address, Ordering::Relaxed);
                }
                handed += 1;
            }
        }
        ring.advance(handed);
        (frames, handed, foreign)
    }

    /// Writes in the table that a frame's chunk is with the kernel.
    #[inline]
    fn mark(&mut self, frame: &Frame) -> Option<()> {
        let owner = self.owners.get(frame.chunk as usize)?;
        if frame.area != self.area {
            return None;
        }
        owner.store(self.holder, Ordering::Relaxed);
        Some(())
    }
}

#[cfg(test)]
mod tests;
