//! TCP (RFC 9293) with its options (RFC 7323, 2018, 7413, 2385, 5925).

use crate::context::{Context, Decoded, be16, be32, header};
use crate::event::DecodeEvent;
use crate::packet::{Packet, Tcp, TcpOptions, Transport};

const HEADER_LEN: usize = 20;
const SYN_ACK: u8 = Tcp::SYN | Tcp::ACK;
/// Highest window scale that means anything (RFC 7323, 2.3).
const MAX_WINDOW_SCALE: u8 = 14;
/// What marks a fast open cookie in an experimental option (RFC 7413, 4.1.1).
const FAST_OPEN_MAGIC: u16 = 0xf989;

mod option {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMP: u8 = 8;
    pub(super) const MD5: u8 = 19;
    pub(super) const AUTHENTICATION: u8 = 29;
    pub(super) const FAST_OPEN: u8 = 34;
    pub(super) const EXPERIMENT_1: u8 = 253;
    pub(super) const EXPERIMENT_2: u8 = 254;
}

/// Decodes the header at `at`; the payload ends where `data` ends.
#[inline]
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
) -> Decoded {
    context.counters.layers.tcp += 1;
    let Some(h) = header::<HEADER_LEN>(data, at) else {
        return Err(packet.invalid(DecodeEvent::TcpPktTooSmall));
    };
    let header_len = usize::from(h[12] >> 4) * 4;
    if data.len() - at < header_len {
        return Err(packet.invalid(DecodeEvent::TcpHlenTooSmall));
    }
    if header_len < HEADER_LEN {
        return Err(packet.invalid(DecodeEvent::TcpInvalidOptlen));
    }
    let flags = h[13];
    count_flags(context, flags);
    packet.src_port = u16::from_be_bytes([h[0], h[1]]);
    packet.dst_port = u16::from_be_bytes([h[2], h[3]]);
    let timestamp = only_timestamp(h, data, at);
    packet.transport = Transport::Tcp(Tcp {
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags,
        reserved: h[12] & 0x0f,
        window: u16::from_be_bytes([h[14], h[15]]),
        urgent: u16::from_be_bytes([h[18], h[19]]),
        checksum: u16::from_be_bytes([h[16], h[17]]),
        header_len: header_len as u8,
        options: TcpOptions { timestamp, ..TcpOptions::default() },
    });
    packet.set_transport(at, header_len, data.len());
    packet.flags.wants_flow = true;
    if header_len > HEADER_LEN && timestamp.is_none() {
        let options = Options { packet, data, seen: Seen::default(), found: TcpOptions::default() }
            .read(at + HEADER_LEN, at + header_len);
        if let Transport::Tcp(tcp) = &mut packet.transport {
            tcp.options = options;
        }
    }
    Ok(())
}

/// The timestamp, if the options are two NOPs and a timestamp: by far the most frequent ones.
#[inline]
fn only_timestamp(h: &[u8; HEADER_LEN], data: &[u8], at: usize) -> Option<(u32, u32)> {
    if h[12] >> 4 != 8 {
        return None;
    }
    let [1, 1, 8, 10, v @ ..] = header::<12>(data, at + HEADER_LEN)? else { return None };
    let value = u32::from_be_bytes([v[0], v[1], v[2], v[3]]);
    Some((value, u32::from_be_bytes([v[4], v[5], v[6], v[7]])))
}

#[inline]
fn count_flags(context: &mut Context, flags: u8) {
    if flags & (Tcp::SYN | Tcp::RST | Tcp::URG) == 0 {
        return;
    }
    let counters = &mut context.counters.tcp_flags;
    match flags & (Tcp::SYN | Tcp::ACK) {
        Tcp::SYN => counters.syn += 1,
        SYN_ACK => counters.synack += 1,
        _ => {}
    }
    counters.rst += u64::from(flags & Tcp::RST != 0);
    counters.urg += u64::from(flags & Tcp::URG != 0);
}

/// Options of which only the first is taken, one bit each.
#[derive(Default)]
struct Seen(u8);

impl Seen {
    const MSS: u8 = 1;
    const WINDOW_SCALE: u8 = 2;
    const SACK_PERMITTED: u8 = 4;
    const SACK: u8 = 8;
    const TIMESTAMP: u8 = 16;
    const FAST_OPEN: u8 = 32;

    /// Notes `bit`; true if it was there already.
    fn again(&mut self, bit: u8) -> bool {
        let again = self.0 & bit != 0;
        self.0 |= bit;
        again
    }
}

/// A walk over the options of a packet.
struct Options<'p, 'a, 'd> {
    packet: &'p mut Packet<'a>,
    data: &'d [u8],
    seen: Seen,
    found: TcpOptions,
}

impl Options<'_, '_, '_> {
    fn read(mut self, mut at: usize, end: usize) -> TcpOptions {
        while at < end {
            let Some(&kind) = self.data.get(at) else { break };
            match kind {
                option::END => break,
                option::NOP => {
                    at += 1;
                    continue;
                }
                _ => {}
            }
            // A lone last byte is tolerated.
            if end - at < 2 {
                break;
            }
            let len = usize::from(self.data.get(at + 1).copied().unwrap_or(0));
            if len < 2 || len > end - at {
                self.packet.invalid(DecodeEvent::TcpOptInvalidLen);
                break;
            }
            self.one(kind, at, len);
            at += len;
        }
        self.found
    }

    fn one(&mut self, kind: u8, at: usize, len: usize) {
        match kind {
            option::WINDOW_SCALE if self.admit(len == 3, Seen::WINDOW_SCALE) => {
                let scale = self.data.get(at + 2).copied().unwrap_or(0);
                self.found.window_scale = Some(if scale > MAX_WINDOW_SCALE { 0 } else { scale });
            }
            option::MSS if self.admit(len == 4, Seen::MSS) => {
                self.found.mss = be16(self.data, at + 2);
            }
            option::SACK_PERMITTED if self.admit(len == 2, Seen::SACK_PERMITTED) => {
                self.found.sack_permitted = true;
            }
            option::TIMESTAMP if self.admit(len == 10, Seen::TIMESTAMP) => {
                self.found.timestamp = be32(self.data, at + 2).zip(be32(self.data, at + 6));
            }
            option::SACK => self.sack(at, len),
            option::FAST_OPEN if self.admit(fast_open_fits(len), Seen::FAST_OPEN) => {
                self.found.fast_open = true;
            }
            option::EXPERIMENT_1 | option::EXPERIMENT_2 => self.experiment(at, len),
            option::MD5 => self.authentication(len == 18),
            option::AUTHENTICATION => self.authentication(len >= 4),
            _ => {}
        }
    }

    /// Whether an option is taken: it has the right length and is the first of its kind.
    fn admit(&mut self, fits: bool, bit: u8) -> bool {
        if !fits {
            self.packet.event(DecodeEvent::TcpOptInvalidLen);
            return false;
        }
        if self.seen.again(bit) {
            self.packet.event(DecodeEvent::TcpOptDuplicate);
            return false;
        }
        true
    }

    fn sack(&mut self, at: usize, len: usize) {
        // Without any block: seen in the wild and harmless (Suricata 8).
        let fits = matches!(len, 2 | 10 | 18 | 26 | 34);
        if self.admit(fits, Seen::SACK) && len > 2 {
            self.found.sack_blocks = ((len - 2) / 8) as u8;
            self.found.sack_offset = (at + 2) as u32;
        }
    }

    fn experiment(&mut self, at: usize, len: usize) {
        if len != 4 && len != 12 {
            self.packet.event(DecodeEvent::TcpOptInvalidLen);
            return;
        }
        if be16(self.data, at + 2) == Some(FAST_OPEN_MAGIC) && self.admit(true, Seen::FAST_OPEN) {
            self.found.fast_open = true;
        }
    }

    fn authentication(&mut self, fits: bool) {
        if fits {
            self.found.authenticated = true;
        } else {
            self.packet.invalid(DecodeEvent::TcpOptInvalidLen);
        }
    }
}

/// A fast open option has no cookie, or one of 4 to 16 bytes and even length (RFC 7413, 4.1.1);
/// Suricata 8 lets it have as few as 2.
const fn fast_open_fits(len: usize) -> bool {
    len == 2 || (len >= 4 && len <= 18 && len.is_multiple_of(2))
}
