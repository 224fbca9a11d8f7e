//! Index arithmetic of the rings shared with the kernel: one side produces, the other consumes.
//!
//! Both indices run freely through all 32 bits and wrap; an index selects a slot by its low bits.
//! Each side writes its own index only, with release ordering after the slots, and reads the other
//! side's with acquire ordering before the slots. The slots themselves are accessed as relaxed
//! atomics, which cost nothing and leave no undefined behaviour even if the other side errs.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::marker::PhantomData;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Set in a ring's flags while the kernel waits for a system call before it goes on.
const NEED_WAKEUP: u32 = 1;

/// The memory of one ring, wherever it lies.
pub(crate) trait Memory {
    /// Index of the next slot to be produced.
    fn producer(&self) -> &AtomicU32;
    /// Index of the next slot to be consumed.
    fn consumer(&self) -> &AtomicU32;
    /// What the kernel says about the ring.
    fn flags(&self) -> &AtomicU32;
    /// The slots, a power of two of them.
    fn words(&self) -> &[AtomicU64];
}

/// What a slot of a ring holds.
pub(crate) trait Slot: Copy {
    /// How many 64-bit words it occupies.
    const WORDS: usize;
    /// From exactly [`Slot::WORDS`] words.
    fn read(words: &[AtomicU64]) -> Self;
    /// To exactly [`Slot::WORDS`] words.
    fn write(self, words: &[AtomicU64]);
}

/// Fill and completion rings hold addresses.
impl Slot for u64 {
    const WORDS: usize = 1;

    #[inline]
    fn read(words: &[AtomicU64]) -> u64 {
        words[0].load(Ordering::Relaxed)
    }

    #[inline]
    fn write(self, words: &[AtomicU64]) {
        words[0].store(self, Ordering::Relaxed);
    }
}

/// Receive and transmit rings hold descriptors (`struct xdp_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) options: u32,
}

impl Slot for Descriptor {
    const WORDS: usize = 2;

    #[inline]
    fn read(words: &[AtomicU64]) -> Descriptor {
        let [a, b, c, d, e, f, g, h] = words[1].load(Ordering::Relaxed).to_ne_bytes();
        Descriptor {
            address: words[0].load(Ordering::Relaxed),
            length: u32::from_ne_bytes([a, b, c, d]),
            options: u32::from_ne_bytes([e, f, g, h]),
        }
    }

    #[inline]
    fn write(self, words: &[AtomicU64]) {
        let [a, b, c, d] = self.length.to_ne_bytes();
        let [e, f, g, h] = self.options.to_ne_bytes();
        words[0].store(self.address, Ordering::Relaxed);
        words[1].store(u64::from_ne_bytes([a, b, c, d, e, f, g, h]), Ordering::Relaxed);
    }
}

/// Number of slots, if the memory holds a power of two of them.
fn slots<M: Memory, S: Slot>(memory: &M) -> Option<u32> {
    let words = memory.words().len();
    let count = u32::try_from(words / S::WORDS).ok()?;
    (words.is_multiple_of(S::WORDS) && count.is_power_of_two()).then_some(count)
}

/// The words of the slot that an index selects.
#[inline]
fn slot<M: Memory, S: Slot>(memory: &M, size: u32, index: u32) -> &[AtomicU64] {
    // In bounds: the mask leaves less than `size`, and there are `size * WORDS` words.
    let first = (index & (size - 1)) as usize * S::WORDS;
    &memory.words()[first..first + S::WORDS]
}

/// The words of `count` slots from an index on, no more than there are: up to the end of the
/// memory, and those that go on at its beginning.
#[inline]
fn span<M: Memory, S: Slot>(memory: &M, size: u32, index: u32, count: u32) -> [&[AtomicU64]; 2] {
    let first = index & (size - 1);
    let straight = count.min(size - first);
    let words = memory.words();
    let at = |slot: u32| slot as usize * S::WORDS;
    // In bounds: `first + straight` is at most `size`, and what is left is less than `first`.
    [&words[at(first)..at(first + straight)], &words[..at(count - straight)]]
}

/// Our end of a ring that the kernel consumes: fill and transmit.
pub(crate) struct Producer<M, S> {
    memory: M,
    size: u32,
    /// The next slot that is written.
    next: u32,
    /// Up to here the slots have been shown to the other side.
    published: u32,
    /// The other side's index when it was last looked at.
    consumed: u32,
    holds: PhantomData<S>,
}

impl<M: Memory, S: Slot> Producer<M, S> {
    /// Goes on where the memory's indices stand. None if it does not hold a power of two of slots.
    pub(crate) fn new(memory: M) -> Option<Self> {
        let size = slots::<M, S>(&memory)?;
        let next = memory.producer().load(Ordering::Relaxed);
        let consumed = memory.consumer().load(Ordering::Acquire);
        Some(Producer { memory, size, next, published: next, consumed, holds: PhantomData })
    }

    /// How many slots there are.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// How many slots can be written now, up to `wanted`; looks at the other side's index only if
    /// what is known of it does not suffice.
    #[inline]
    pub(crate) fn room(&mut self, wanted: u32) -> u32 {
        let mut room = self.known_room();
        if room < wanted {
            self.consumed = self.memory.consumer().load(Ordering::Acquire);
            room = self.known_room();
        }
        room.min(wanted)
    }

    /// How many slots can be written without another look at the other side's index. If that makes
    /// no sense, none.
    #[inline]
    pub(crate) fn known_room(&self) -> u32 {
        self.size.saturating_sub(self.next.wrapping_sub(self.consumed))
    }

    /// The words of the slots that are known to be free, in two parts. What was written there
    /// counts once [`Producer::advance`] says so.
    #[inline]
    pub(crate) fn known_free(&self) -> [&[AtomicU64]; 2] {
        span::<M, S>(&self.memory, self.size, self.next, self.known_room())
    }

    /// Says how many of the known free slots were written, from the first on. They are not shown
    /// yet.
    #[inline]
    pub(crate) fn advance(&mut self, written: u32) {
        debug_assert!(written <= self.known_room(), "there was room");
        self.next = self.next.wrapping_add(written);
    }

    /// Writes one slot, which is not shown yet. False, without effect, when there is no room.
    #[inline]
    #[must_use]
    pub(crate) fn push(&mut self, value: S) -> bool {
        if self.room(1) == 0 {
            return false;
        }
        value.write(slot::<M, S>(&self.memory, self.size, self.next));
        self.next = self.next.wrapping_add(1);
        true
    }

    /// Shows what was written to the other side.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if self.published != self.next {
            self.memory.producer().store(self.next, Ordering::Release);
            self.published = self.next;
        }
    }

    /// Whether the kernel waits for a system call before it looks at the ring again.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> bool {
        self.memory.flags().load(Ordering::Relaxed) & NEED_WAKEUP != 0
    }
}

/// Our end of a ring that the kernel produces: receive and completion.
pub(crate) struct Consumer<M, S> {
    memory: M,
    size: u32,
    /// The next slot that is read.
    next: u32,
    /// Up to here the slots have been given back to the other side.
    released: u32,
    /// The other side's index when it was last looked at.
    produced: u32,
    holds: PhantomData<S>,
}

impl<M: Memory, S: Slot> Consumer<M, S> {
    /// Goes on where the memory's indices stand. None if it does not hold a power of two of slots.
    pub(crate) fn new(memory: M) -> Option<Self> {
        let size = slots::<M, S>(&memory)?;
        let next = memory.consumer().load(Ordering::Relaxed);
        let produced = memory.producer().load(Ordering::Acquire);
        Some(Consumer { memory, size, next, released: next, produced, holds: PhantomData })
    }

    /// How many slots there are.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// How many slots can be read now, up to `wanted`; looks at the other side's index only if
    /// what is known of it does not suffice.
    #[inline]
    pub(crate) fn ready(&mut self, wanted: u32) -> u32 {
        let mut ready = self.known_ready();
        if ready < wanted {
            self.produced = self.memory.producer().load(Ordering::Acquire);
            ready = self.known_ready();
        }
        ready.min(wanted)
    }

    /// Reads one slot, which stays ours until [`Consumer::release`].
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<S> {
        if self.ready(1) == 0 {
            return None;
        }
        let value = S::read(slot::<M, S>(&self.memory, self.size, self.next));
        self.next = self.next.wrapping_add(1);
        Some(value)
    }

    /// Takes up to `wanted` slots, in two parts, which stay ours until [`Consumer::release`]. Those
    /// that are not read are passed over.
    #[inline]
    pub(crate) fn pop_up_to(&mut self, wanted: u32) -> [impl ExactSizeIterator<Item = S>; 2] {
        let count = self.ready(wanted);
        let first = self.next;
        self.next = first.wrapping_add(count);
        let parts = span::<M, S>(&self.memory, self.size, first, count);
        parts.map(|part| part.chunks_exact(S::WORDS).map(S::read))
    }

    /// Gives the slots that were read back to the other side.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.released != self.next {
            self.memory.consumer().store(self.next, Ordering::Release);
            self.released = self.next;
        }
    }

    /// How many slots can be read without another look at the other side's index. If that makes no
    /// sense, none.
    #[inline]
    pub(crate) fn known_ready(&self) -> u32 {
        let ready = self.produced.wrapping_sub(self.next);
        if ready > self.size { 0 } else { ready }
    }
}

#[cfg(test)]
mod tests;
