//! What a session looks like from outside, for records about it.

use crate::reassembly::Stream;
use crate::tcp::TcpSession;

impl TcpSession {
    /// Names of the facts that hold about the session, as records of Suricata 8 write them.
    pub fn fact_names(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.flags;
        let facts = [
            (flags.midstream, "midstream"),
            (flags.midstream_synack, "midstream_synack"),
            (flags.timestamps, "timestamp"),
            (flags.scale_offered, "server_wscale"),
            (flags.sack_offered, "client_sackok"),
            (flags.sack, "sackok"),
            (flags.confirmed, "3whs_confirmed"),
            (flags.four_way, "4whs"),
            (flags.fast_open, "tcp_fast_open"),
            (flags.fast_open_ignored, "tfo_data_ignored"),
        ];
        facts.into_iter().filter_map(|(holds, name)| holds.then_some(name))
    }
}

impl Stream {
    /// Highest acknowledgement by the receiver.
    pub fn last_ack(&self) -> u32 {
        self.last_ack
    }

    /// Where the receiver's window ends.
    pub fn next_win(&self) -> u32 {
        self.next_win
    }

    /// Scale of the receiver's window.
    pub fn window_scale(&self) -> u8 {
        self.window_scale
    }

    /// Sequence number of the first byte that is still kept, or will be.
    pub fn base_seq(&self) -> u32 {
        // Sequence numbers wrap: only the lower half of the offset counts.
        self.isn.wrapping_add(1).wrapping_add(self.base_offset() as u32)
    }
}
