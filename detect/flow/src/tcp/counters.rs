//! What the stream engine counts, and the memory that it accounts for.

use crate::counters::counters;
use crate::reassembly::BufferPool;
use crate::tcp::TcpSession;
use crate::tcp::settings::StreamSettings;

counters! {
    /// `tcp.*`, without the flag counters of decoding.
    TcpCounters,
    [
        active_sessions "tcp.active_sessions" "Sessions alive.",
        sessions "tcp.sessions" "Sessions begun.",
        ssn_memcap_drop "tcp.ssn_memcap_drop" "Sessions not begun for lack of memory.",
        ssn_from_cache "tcp.ssn_from_cache" "Sessions made from a used one.",
        ssn_from_pool "tcp.ssn_from_pool" "Sessions made anew.",
        pseudo "tcp.pseudo" "Packets made to finish inspection.",
        invalid_checksum "tcp.invalid_checksum" "Packets with a wrong checksum.",
        midstream_pickups "tcp.midstream_pickups" "Sessions begun without a handshake.",
        pkt_on_wrong_thread "tcp.pkt_on_wrong_thread" "Packets of another thread's flow.",
        ack_unseen_data "tcp.ack_unseen_data" "Acknowledgements of data that was not seen.",
        segment_memcap_drop "tcp.segment_memcap_drop" "Segments not kept for lack of memory.",
        segment_from_cache "tcp.segment_from_cache" "Buffers taken from the pool.",
        segment_from_pool "tcp.segment_from_pool" "Buffers made anew.",
        stream_depth_reached "tcp.stream_depth_reached" "Data packets beyond the depth.",
        reassembly_gap "tcp.reassembly_gap" "Gaps passed to a parser.",
        overlap "tcp.overlap" "Segments that overlap stored ones.",
        overlap_diff_data "tcp.overlap_diff_data" "Of these, with other content.",
        insert_data_normal_fail "tcp.insert_data_normal_fail" "Segments that could not be kept.",
        insert_data_overlap_fail "tcp.insert_data_overlap_fail"
            "Overlapping segments that could not be kept.",
        urgent_oob_data "tcp.urgent_oob_data" "Urgent bytes taken out of streams.",
        memuse "tcp.memuse" "Bytes that sessions take.",
        reassembly_memuse "tcp.reassembly_memuse" "Bytes that segments and their data take.",
    ]
}

/// Counters of a worker's stream engine, with the sessions and buffers that it keeps for reuse.
#[derive(Debug, Default)]
pub struct StreamCounters {
    /// The counters.
    pub tcp: TcpCounters,
    pub(crate) buffers: BufferPool,
    /// Room to put the winning data of an overlap together.
    pub(crate) scratch: Vec<u8>,
    #[expect(clippy::vec_box, reason = "flows hold their session in the same box")]
    sessions: Vec<Box<TcpSession>>,
    /// Sessions kept at most.
    keep: usize,
}

impl StreamCounters {
    /// Calls `visit` with each counter's full name and value, in the order of `stats`.
    pub fn for_each(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.tcp.for_each(visit);
    }

    /// Takes back what a flow that ended held of TCP: its memory is free again.
    pub fn recycle(&mut self, session: Option<Box<TcpSession>>) {
        let Some(mut session) = session else { return };
        session.release(self);
        self.tcp.active_sessions = self.tcp.active_sessions.saturating_sub(1);
        self.tcp.memuse = self.tcp.memuse.saturating_sub(SESSION_COST);
        if self.sessions.len() < self.keep {
            self.sessions.push(session);
        }
    }

    /// A session, unless memory is exhausted.
    pub(crate) fn new_session(&mut self, settings: &StreamSettings) -> Option<Box<TcpSession>> {
        if self.tcp.memuse + SESSION_COST > settings.memcap {
            self.tcp.ssn_memcap_drop += 1;
            return None;
        }
        self.keep = settings.prealloc_sessions as usize;
        self.tcp.memuse += SESSION_COST;
        self.tcp.sessions += 1;
        self.tcp.active_sessions += 1;
        let mut session = match self.sessions.pop() {
            Some(session) => {
                self.tcp.ssn_from_cache += 1;
                session
            }
            None => {
                self.tcp.ssn_from_pool += 1;
                Box::default()
            }
        };
        session.reset(settings);
        Some(session)
    }

    /// Accounts for `bytes` more of reassembly, if `memcap` allows.
    pub(crate) fn reserve(&mut self, bytes: usize, memcap: u64) -> bool {
        let sum = self.tcp.reassembly_memuse + bytes as u64;
        let fits = sum <= memcap;
        if fits {
            self.tcp.reassembly_memuse = sum;
        }
        fits
    }

    /// Accounts for `bytes` less of reassembly.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.tcp.reassembly_memuse = self.tcp.reassembly_memuse.saturating_sub(bytes as u64);
    }
}

const SESSION_COST: u64 = size_of::<TcpSession>() as u64;
