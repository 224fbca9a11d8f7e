//! Pieces of an input as the packets of a conversation, so that application data reaches parsers
//! and rules without the fuzzer having to invent TCP.

use crate::{Segment, ipv4};

const FIN_ACK: u8 = 0x11;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const PSH_ACK: u8 = 0x18;
const ACK: u8 = 0x10;
/// Segments of a piece are not longer.
const MSS: usize = 1400;

/// The packets of a conversation over TCP or UDP, with the microseconds at which each comes.
///
/// The upper bits of a piece's control say what becomes of it: 0x10 it is an IP packet as it is;
/// 0x20 it goes to the client; 0x40 it comes after the next piece (in TCP), or a long time later;
/// 0x80 a segment with other bytes goes before it (in TCP), and FIN with both.
#[derive(Debug)]
pub struct Conversation {
    udp: bool,
    port: u16,
    next: [u32; 2],
    now: u64,
    held: Vec<Vec<u8>>,
    packets: Vec<(u64, Vec<u8>)>,
}

impl Conversation {
    /// With a server's port; TCP begins with its handshake.
    pub fn new(udp: bool, port: u16) -> Self {
        let packets = Vec::new();
        let mut this = Self { udp, port, next: [1000, 2000], now: 0, held: Vec::new(), packets };
        if !udp {
            this.segment(true, SYN, &[]);
            this.next[0] += 1;
            this.segment(false, SYN_ACK, &[]);
            this.next[1] += 1;
            this.segment(true, ACK, &[]);
        }
        this
    }

    /// Adds a piece.
    pub fn piece(&mut self, control: u8, piece: &[u8]) {
        let to_server = control & 0x20 == 0;
        let what = control >> 6;
        if control & 0x10 != 0 {
            self.now += [0, 1_000, 1_000_000, 90_000_000][usize::from(what)];
            self.push(piece.to_vec());
        } else if self.udp {
            self.now += [0, 1_000, 1_000_000, 90_000_000][usize::from(what)];
            let mut bytes = ipv4(to_server, 17, 1, [0, 0], 8 + piece.len());
            let (from, to) = if to_server { (40_000, self.port) } else { (self.port, 40_000) };
            bytes.extend(u16::to_be_bytes(from));
            bytes.extend(u16::to_be_bytes(to));
            bytes.extend(u16::try_from(8 + piece.len()).unwrap_or(0).to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(piece);
            self.push(bytes);
        } else {
            self.data(to_server, what, piece);
        }
    }

    /// All packets.
    pub fn finish(mut self) -> Vec<(u64, Vec<u8>)> {
        self.release();
        self.packets
    }

    fn data(&mut self, to_server: bool, what: u8, piece: &[u8]) {
        let side = usize::from(!to_server);
        let earlier = std::mem::take(&mut self.held);
        for part in piece.chunks(MSS) {
            if what == 2 {
                let other: Vec<u8> = part.iter().map(|byte| byte ^ 0x20).collect();
                self.segment(to_server, PSH_ACK, &other[..other.len() / 2]);
            }
            let packet = self.build(to_server, PSH_ACK, part);
            self.next[side] = self.next[side].wrapping_add(part.len() as u32);
            match what {
                1 => self.held.push(packet),
                _ => self.push(packet),
            }
        }
        for packet in earlier {
            self.push(packet);
        }
        if what == 3 {
            self.segment(to_server, FIN_ACK, &[]);
            self.next[side] = self.next[side].wrapping_add(1);
        }
        if self.held.is_empty() {
            // The receiver has it all: without this nothing would be inspected.
            self.segment(!to_server, ACK, &[]);
        }
    }

    fn release(&mut self) {
        for packet in std::mem::take(&mut self.held) {
            self.push(packet);
        }
        if !self.udp {
            self.segment(true, ACK, &[]);
            self.segment(false, ACK, &[]);
        }
    }

    fn build(&self, to_server: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
        let side = usize::from(!to_server);
        let ack = if flags == SYN { 0 } else { self.next[1 - side] };
        let (port, seq, window) = (self.port, self.next[side], 0xffff);
        Segment { to_server, port, flags, seq, ack, window, payload }.packet()
    }

    fn segment(&mut self, to_server: bool, flags: u8, payload: &[u8]) {
        let packet = self.build(to_server, flags, payload);
        self.push(packet);
    }

    fn push(&mut self, packet: Vec<u8>) {
        self.now += 100;
        self.packets.push((self.now, packet));
    }
}
