//! The program that lets the kernel deal out the frames of packet sockets by our hash.
//!
//! `PACKET_FANOUT_CBPF` runs it on each frame and takes the result modulo the number of sockets.
//! What the kernel shows of a frame differs from what it delivers: the bytes of a received frame
//! begin behind the Ethernet header and the outermost VLAN tag, which are known apart; those of a
//! frame sent by this machine begin with the Ethernet header. The program reads both.

use crate::assembler::{Assembler, If, Instruction, Label, Width};
use crate::hash::{self, HashSettings, Tunnels};
use crate::header::{EXTENSIONS, LABELS, REACH, ether_type, ppp, protocol};
use crate::tags::Tags;

impl HashSettings {
    /// What a program of [`fanout_program`] with these settings really computes.
    ///
    /// It does not enter tunnels: their frames go by the outermost addresses.
    pub const fn in_fanout(&self) -> HashSettings {
        HashSettings { tunnels: Tunnels::Outer, ..*self }
    }
}

/// A program for `PACKET_FANOUT_CBPF` that returns the hash of [`HashSettings::steering`] with
/// the settings of [`HashSettings::in_fanout`]: 0 for frames without IP.
///
/// It serves Ethernet and links whose frames begin with an IP header; the kind of the interface
/// tells which.
pub fn fanout_program(settings: &HashSettings) -> Vec<Instruction> {
    let mut code = Assembler::default();
    let labels = Labels {
        ipv4: code.label(),
        ipv6: code.label(),
        by_version: code.label(),
        pair4: code.label(),
        ends4: code.label(),
        ends6: code.label(),
        other: code.label(),
    };
    let mut program = Program { code, settings, labels };
    program.initial_values();
    program.link();
    program.version();
    program.ipv4();
    program.ipv6();
    program.code.place(labels.other);
    program.code.end_with(0);
    program.code.finish()
}

/// Values of which the kernel knows more than the bytes say: `SKF_AD_OFF` and offsets.
mod ancillary {
    const OFF: u32 = -0x1000_i32 as u32;
    pub(super) const PROTOCOL: u32 = OFF;
    pub(super) const PACKET_TYPE: u32 = OFF + 4;
    pub(super) const HARDWARE_TYPE: u32 = OFF + 28;
    pub(super) const VLAN_TAG: u32 = OFF + 44;
    pub(super) const VLAN_TAG_PRESENT: u32 = OFF + 48;
}
/// `PACKET_OUTGOING`.
const OUTGOING: u32 = 4;
/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK`, whose frames have Ethernet headers.
const ETHERNET_KINDS: [u32; 2] = [1, 772];
const ETHERNET_LEN: u32 = 14;

/// What the words of the program's memory are for.
mod slot {
    /// Where the header at hand begins; X, unless it is used for something else.
    pub(super) const BASE: u32 = 0;
    /// A hash that is being made.
    pub(super) const HASH: u32 = 1;
    /// A value half done.
    pub(super) const HALF: u32 = 2;
    /// A value kept over a change of X.
    pub(super) const KEPT: u32 = 3;
    /// The hash of the VLAN identifiers.
    pub(super) const TAGS: u32 = 4;
    /// 1 if there are ports, then the ports.
    pub(super) const HAS_PORTS: u32 = 5;
    pub(super) const SOURCE_PORT: u32 = 6;
    pub(super) const DESTINATION_PORT: u32 = 7;
    /// Where the bytes end that are looked at.
    pub(super) const LIMIT: u32 = 8;
    /// Protocol number of the next IPv6 header.
    pub(super) const NEXT: u32 = 9;
    /// The hash of the source.
    pub(super) const SOURCE: u32 = 10;
}

/// Places that are reached from several others.
#[derive(Clone, Copy)]
struct Labels {
    /// An IPv4 header is at X.
    ipv4: Label,
    /// An IPv6 header is at X.
    ipv6: Label,
    /// An IP header of some version is at X.
    by_version: Label,
    /// An IPv4 header whose addresses count is at BASE.
    pair4: Label,
    /// The same, and the ports are known.
    ends4: Label,
    /// An IPv6 header is at BASE, and the ports are known.
    ends6: Label,
    /// There is no IP.
    other: Label,
}

struct Program<'s> {
    code: Assembler,
    settings: &'s HashSettings,
    labels: Labels,
}

impl Program<'_> {
    /// The kernel refuses programs that could read memory before it is written.
    fn initial_values(&mut self) {
        let code = &mut self.code;
        code.constant(self.settings.seed);
        code.store(slot::TAGS);
        code.constant(0);
        code.set_index();
        for at in [slot::BASE, slot::HAS_PORTS, slot::SOURCE_PORT, slot::DESTINATION_PORT] {
            code.store(at);
        }
    }

    /// From the beginning to the IP header.
    fn link(&mut self) {
        let (code, labels) = (&mut self.code, self.labels);
        let (ethernet, received, typed) = (code.label(), code.label(), code.label());
        code.load_ancillary(ancillary::HARDWARE_TYPE);
        for kind in ETHERNET_KINDS {
            code.jump_if(If::Is(kind), ethernet);
        }
        code.jump(labels.by_version);
        code.place(ethernet);
        code.load_ancillary(ancillary::PACKET_TYPE);
        code.jump_unless(If::Is(OUTGOING), received);
        code.load(Width::Half, 12);
        code.store(slot::KEPT);
        self.advance(ETHERNET_LEN);
        let code = &mut self.code;
        code.jump(typed);
        code.place(received);
        code.load_ancillary(ancillary::PROTOCOL);
        code.store(slot::KEPT);
        code.place(typed);
        self.tags();
        self.payload();
    }

    /// Behind the tags; KEPT is the type that the header before X states.
    fn tags(&mut self) {
        let (in_bytes, behind) = (self.code.label(), self.code.label());
        let levels: Vec<Label> = (0..=Tags::LIMIT).map(|_| self.code.label()).collect();
        let at_level = |level: usize| levels.get(level).copied().unwrap_or(behind);
        self.code.load_ancillary(ancillary::VLAN_TAG_PRESENT);
        self.code.jump_if(If::Is(0), in_bytes);
        self.code.load_ancillary(ancillary::VLAN_TAG);
        self.count_tag();
        // The tag that the kernel took away is the first of those that are understood.
        self.code.jump(at_level(1));
        self.code.place(in_bytes);
        for level in 0..Tags::LIMIT {
            self.code.place(at_level(level));
            let tagged = self.code.label();
            self.code.recall(slot::KEPT);
            for tag in ether_type::TAGS {
                self.code.jump_if(If::Is(u32::from(tag)), tagged);
            }
            self.code.jump(behind);
            self.code.place(tagged);
            self.code.load(Width::Half, 2);
            self.code.store(slot::KEPT);
            self.code.load(Width::Half, 0);
            self.count_tag();
            self.advance(4);
        }
        self.code.place(at_level(Tags::LIMIT));
        self.code.place(behind);
    }

    /// A is a tag control field.
    fn count_tag(&mut self) {
        if self.settings.vlans {
            self.code.and(0x0fff);
            self.code.recall_index(slot::TAGS);
            self.code.xor_index();
            self.mix();
            self.code.store(slot::TAGS);
            self.code.recall_index(slot::BASE);
        }
    }

    /// What follows at X, of the type in KEPT.
    fn payload(&mut self) {
        let (pppoe, mpls) = (self.code.label(), self.code.label());
        let labels = self.labels;
        self.code.recall(slot::KEPT);
        self.code.jump_if(If::Is(ether_type::IPV4.into()), labels.ipv4);
        self.code.jump_if(If::Is(ether_type::IPV6.into()), labels.ipv6);
        self.code.jump_if(If::Is(ether_type::PPPOE.into()), pppoe);
        for label in ether_type::MPLS {
            self.code.jump_if(If::Is(label.into()), mpls);
        }
        self.code.jump(labels.other);

        self.code.place(pppoe);
        self.code.load(Width::Half, 6);
        self.code.store(slot::KEPT);
        self.advance(8);
        self.code.recall(slot::KEPT);
        self.code.jump_if(If::Is(ppp::IPV4.into()), labels.ipv4);
        self.code.jump_if(If::Is(ppp::IPV6.into()), labels.ipv6);
        self.code.jump(labels.other);

        self.code.place(mpls);
        for _ in 0..LABELS {
            self.code.load(Width::Byte, 2);
            self.code.store(slot::KEPT);
            self.advance(4);
            self.code.recall(slot::KEPT);
            self.code.jump_if(If::Has(1), labels.by_version);
        }
        self.code.jump(labels.other);
    }

    fn version(&mut self) {
        let labels = self.labels;
        self.code.place(labels.by_version);
        self.code.load(Width::Byte, 0);
        self.code.right(4);
        self.code.jump_if(If::Is(4), labels.ipv4);
        self.code.jump_if(If::Is(6), labels.ipv6);
        self.code.jump(labels.other);
    }

    fn ipv4(&mut self) {
        let labels = self.labels;
        self.code.place(labels.ipv4);
        self.limit();
        self.require_ipv4(labels.other);
        // The whole header is there if its last word is.
        self.code.load(Width::Word, 16);
        self.icmp_error();
        self.code.place(labels.pair4);
        self.code.recall_index(slot::BASE);
        if self.settings.ports {
            self.code.load(Width::Half, 6);
            self.code.jump_if(If::Has(0x3fff), labels.ends4);
            self.code.load(Width::Byte, 9);
            self.require_ports_of(labels.ends4);
            self.header_end();
            self.take_ports(labels.ends4);
        }
        self.code.place(labels.ends4);
        self.code.recall_index(slot::BASE);
        self.pair(&[12], &[16]);
    }

    /// Goes to `otherwise` unless the first byte at X is that of an IPv4 header.
    fn require_ipv4(&mut self, otherwise: Label) {
        self.code.load(Width::Byte, 0);
        self.code.and(0xf0);
        self.code.jump_unless(If::Is(0x40), otherwise);
        self.code.load(Width::Byte, 0);
        self.code.and(0x0f);
        self.code.jump_unless(If::AtLeast(5), otherwise);
    }

    /// BASE becomes that of the packet that an ICMP "unreachable" is about.
    fn icmp_error(&mut self) {
        let plain = self.labels.pair4;
        self.code.load(Width::Byte, 9);
        self.code.jump_unless(If::Is(protocol::ICMP.into()), plain);
        self.code.load(Width::Half, 6);
        self.code.jump_if(If::Has(0x1fff), plain);
        self.header_end();
        // The ICMP header and the embedded IPv4 header must be there.
        self.require_bytes(8 + 20, plain);
        self.code.load(Width::Byte, 0);
        self.code.jump_unless(If::Is(3), plain);
        self.code.take_index();
        self.code.add(8);
        self.code.set_index();
        self.require_ipv4(plain);
        self.code.store_index(slot::BASE);
    }

    /// X goes from the beginning of an IPv4 header to its end.
    fn header_end(&mut self) {
        self.code.load(Width::Byte, 0);
        self.code.and(0x0f);
        self.code.left(2);
        self.code.add_index();
        self.code.set_index();
    }

    fn ipv6(&mut self) {
        let labels = self.labels;
        self.code.place(labels.ipv6);
        self.limit();
        self.code.load(Width::Byte, 0);
        self.code.and(0xf0);
        self.code.jump_unless(If::Is(0x60), labels.other);
        self.code.load(Width::Word, 36);
        if self.settings.ports {
            self.ipv6_ports();
        }
        self.code.place(labels.ends6);
        self.code.recall_index(slot::BASE);
        self.pair(&[8, 12, 16, 20], &[24, 28, 32, 36]);
    }

    /// Walks along the extension headers to the ports.
    fn ipv6_ports(&mut self) {
        let (without, last) = (self.labels.ends6, self.code.label());
        self.code.load(Width::Byte, 6);
        self.code.store(slot::NEXT);
        self.code.take_index();
        self.code.add(40);
        self.code.set_index();
        for _ in 0..EXTENSIONS {
            self.extension(without, last);
        }
        self.code.place(last);
        self.code.recall(slot::NEXT);
        self.require_ports_of(without);
        self.take_ports(without);
    }

    /// X and NEXT go past one extension header; to `last` if there is none.
    fn extension(&mut self, without: Label, last: Label) {
        let code = &mut self.code;
        let (by_eight, by_four, fragment, past) =
            (code.label(), code.label(), code.label(), code.label());
        code.recall(slot::NEXT);
        for header in protocol::EXTENSIONS {
            code.jump_if(If::Is(header.into()), by_eight);
        }
        code.jump_if(If::Is(protocol::AUTHENTICATION.into()), by_four);
        code.jump_if(If::Is(protocol::FRAGMENT.into()), fragment);
        code.jump(last);
        for (label, shift) in [(by_eight, 3), (by_four, 2)] {
            self.code.place(label);
            self.require_bytes(2, without);
            let code = &mut self.code;
            code.load(Width::Byte, 0);
            code.store(slot::NEXT);
            code.load(Width::Byte, 1);
            code.left(shift);
            code.add(8);
            code.add_index();
            code.set_index();
            code.jump(past);
        }
        self.code.place(fragment);
        self.require_bytes(8, without);
        self.code.load(Width::Half, 2);
        self.code.jump_if(If::Has(0xfff9), without);
        self.code.load(Width::Byte, 0);
        self.code.store(slot::NEXT);
        self.code.take_index();
        self.code.add(8);
        self.code.set_index();
        self.code.place(past);
    }

    /// Goes to `otherwise` unless A is a protocol with ports.
    fn require_ports_of(&mut self, otherwise: Label) {
        let has = self.code.label();
        for number in [protocol::TCP, protocol::UDP, protocol::SCTP] {
            self.code.jump_if(If::Is(number.into()), has);
        }
        self.code.jump(otherwise);
        self.code.place(has);
    }

    /// The ports at X.
    fn take_ports(&mut self, otherwise: Label) {
        self.require_bytes(4, otherwise);
        self.code.load(Width::Half, 0);
        self.code.store(slot::SOURCE_PORT);
        self.code.load(Width::Half, 2);
        self.code.store(slot::DESTINATION_PORT);
        self.code.constant(1);
        self.code.store(slot::HAS_PORTS);
    }

    /// LIMIT is so far behind X, or where the packet ends.
    fn limit(&mut self) {
        let near = self.code.label();
        self.code.take_index();
        self.code.add(REACH as u32);
        self.code.store(slot::LIMIT);
        self.code.recall_index(slot::LIMIT);
        self.code.load_length();
        self.code.jump_if(If::AtLeastIndex, near);
        self.code.store(slot::LIMIT);
        self.code.place(near);
        self.code.recall_index(slot::BASE);
    }

    /// Goes to `otherwise` unless there are `count` bytes at X before LIMIT.
    fn require_bytes(&mut self, count: u32, otherwise: Label) {
        let (enough, code) = (self.code.label(), &mut self.code);
        code.store_index(slot::KEPT);
        code.take_index();
        code.add(count);
        code.set_index();
        code.recall(slot::LIMIT);
        code.jump_if(If::AtLeastIndex, enough);
        code.jump(otherwise);
        code.place(enough);
        code.recall_index(slot::KEPT);
    }

    /// Ends with the hash of the addresses whose words are at these places from X on.
    fn pair(&mut self, source: &[u32], destination: &[u32]) {
        self.end_point(source, slot::SOURCE_PORT);
        self.code.store(slot::SOURCE);
        self.end_point(destination, slot::DESTINATION_PORT);
        self.code.recall_index(slot::SOURCE);
        self.code.add_index();
        if self.settings.vlans {
            self.code.recall_index(slot::TAGS);
            self.code.add_index();
        }
        self.xor_shifted(16);
        self.code.multiply(hash::FINISH_FIRST);
        self.xor_shifted(13);
        self.code.multiply(hash::FINISH_SECOND);
        self.xor_shifted(16);
        self.code.end();
    }

    /// A = the hash of one address, and of the port if there are ports.
    fn end_point(&mut self, words: &[u32], port: u32) {
        self.code.constant(self.settings.seed);
        self.code.store(slot::HASH);
        for &at in words {
            self.code.load(Width::Word, at);
            self.fold();
        }
        if self.settings.ports {
            let without = self.code.label();
            self.code.recall(slot::HAS_PORTS);
            self.code.jump_if(If::Is(0), without);
            self.code.recall(port);
            self.fold();
            self.code.place(without);
        }
        self.code.recall(slot::HASH);
    }

    /// HASH takes the word in A.
    fn fold(&mut self) {
        self.code.recall_index(slot::HASH);
        self.code.xor_index();
        self.mix();
        self.code.store(slot::HASH);
        self.code.recall_index(slot::BASE);
    }

    /// The step of the hash on A; X is lost.
    fn mix(&mut self) {
        self.code.multiply(hash::FOLD_FIRST);
        self.xor_shifted(hash::FOLD_FIRST_SHIFT);
        self.code.multiply(hash::FOLD_SECOND);
        self.xor_shifted(hash::FOLD_SECOND_SHIFT);
    }

    /// A ^= A >> bits; X is lost.
    fn xor_shifted(&mut self, bits: u32) {
        self.code.store(slot::HALF);
        self.code.right(bits);
        self.code.recall_index(slot::HALF);
        self.code.xor_index();
    }

    /// X, and with it BASE, goes on by so many bytes.
    fn advance(&mut self, bytes: u32) {
        self.code.take_index();
        self.code.add(bytes);
        self.code.set_index();
        self.code.store_index(slot::BASE);
    }
}
