//! What an XDP program did with the frames of its interface.

/// Counts since the program was loaded, summed over the processors.
///
/// Every frame received was redirected, found no socket, or was shunted, shed or excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that the program saw.
    pub received: u64,
    /// Handed to the socket of their queue; what the socket had no room for, it counts itself.
    pub redirected: u64,
    /// Came in on a queue without a socket.
    pub empty_slot: u64,
    /// Dropped as part of flows that need no inspection.
    pub shunted: u64,
    /// Bytes of those, as the detector would have counted them.
    pub shunted_bytes: u64,
    /// Delivered although their flow is shunted: they begin or end it.
    pub control_of_shunted: u64,
    /// Dropped to shed load.
    pub shed: u64,
    /// From or to networks that are not inspected.
    pub excluded: u64,
    /// Without IP.
    pub not_ip: u64,
    /// Whose headers are cut or contradict each other.
    pub malformed: u64,
    /// Handed over without metadata, for which the driver leaves no room.
    pub no_metadata: u64,
    /// Parts of datagrams.
    pub fragments: u64,
}

#[cfg(feature = "xdp")]
impl Counters {
    /// How many numbers there are.
    pub(crate) const COUNT: usize = 12;

    /// Adds what one processor counted: the numbers in the order of the program's own structure.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let fields: [&mut u64; Self::COUNT] = [
            &mut self.received,
            &mut self.redirected,
            &mut self.empty_slot,
            &mut self.shunted,
            &mut self.shunted_bytes,
            &mut self.control_of_shunted,
            &mut self.shed,
            &mut self.excluded,
            &mut self.not_ip,
            &mut self.malformed,
            &mut self.no_metadata,
            &mut self.fragments,
        ];
        for (field, number) in fields.into_iter().zip(bytes.as_chunks::<8>().0) {
            *field = field.wrapping_add(u64::from_ne_bytes(*number));
        }
    }
}
