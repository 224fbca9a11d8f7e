//! One received frame, and the frames of a batch.

use std::slice;

use crate::block::Slot;

/// A frame in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its bytes as on the wire, from the link layer on.
    pub bytes: &'a [u8],
    /// Its length on the wire; more than `bytes` if it was cut.
    pub wire_len: u32,
    /// When it was received or sent, since 1970.
    pub timestamp_ns: u64,
    /// The kernel had taken the outermost VLAN tag out; it is in `bytes` again.
    pub vlan_restored: bool,
    /// Its transport checksum is not computed yet (checksum offload): do not check it.
    pub checksum_not_ready: bool,
    /// Its transport checksum was found valid.
    pub checksum_valid: bool,
    /// The kernel dropped packets of this socket since its statistics were last read.
    pub losing: bool,
    /// This host sent it.
    pub outgoing: bool,
}

/// The frames of a batch, in the order in which they were received.
#[derive(Clone, Debug, Default)]
pub struct Frames<'a> {
    block: &'a [u8],
    slots: slice::Iter<'a, Slot>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(block: &'a [u8], slots: &'a [Slot]) -> Frames<'a> {
        Frames { block, slots: slots.iter() }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        Some(self.slots.next()?.frame(self.block))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.slots.size_hint()
    }
}

impl ExactSizeIterator for Frames<'_> {}
