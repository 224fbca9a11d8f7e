//! `checksum-checks: auto`: whether bad checksums come from the capture and not from the network.

use decode::{Packet, Transport, checksum};

/// So many packets decide.
const SAMPLE: u32 = 1000;
/// More bad ones among them, and checksums are looked at no longer.
const MOST_BAD: u32 = 100;

/// The share of bad checksums among the first 1,000 packets, as Suricata 8 counts them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChecksumSample {
    packets: u32,
    bad: u32,
    /// The last frame that was counted.
    last: u64,
    /// Frame from which on checksums are ignored.
    ignored_from: Option<u64>,
}

impl ChecksumSample {
    /// Nothing more to find out.
    pub const fn is_over(&self) -> bool {
        self.packets >= SAMPLE
    }

    /// Counts a packet.
    pub fn take(&mut self, packet: &Packet<'_>) {
        if self.is_over() || packet.flags.ignore_checksum {
            return;
        }
        self.packets += 1;
        // Packets within packets have no number of their own.
        self.last = self.last.max(packet.number);
        let bad = match packet.transport {
            Transport::Tcp(_) => checksum::tcp_ok(packet) == Some(false),
            Transport::Udp(_) => checksum::udp_ok(packet) == Some(false),
            _ => false,
        };
        self.bad += u32::from(bad);
        if self.is_over() && self.bad > MOST_BAD {
            self.ignored_from = Some(self.last);
        }
    }

    /// The sample as another reader of the same frames took it; it takes no more packets.
    pub const fn ended(self) -> Self {
        Self { packets: SAMPLE, ..self }
    }

    /// Whether checksums of this frame's packets are ignored.
    pub fn ignores(&self, number: u64) -> bool {
        self.ignored_from.is_some_and(|from| number >= from)
    }
}
