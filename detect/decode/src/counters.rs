//! What a decoder counts: `decoder.*`, `defrag.*` and the TCP flag counters.

use crate::event::{self, DecodeEvent};
use crate::packet::Packet;

/// Declares the counters of a group with their names, a visitor and a sum.
macro_rules! counters {
    ($(#[$about:meta])* $name:ident, [$($field:ident $text:literal $doc:literal,)*]) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $doc] pub $field: u64,)*
        }

        impl $name {
            /// Calls `visit` with each counter's full name and value, in the order of `stats`.
            pub fn for_each(&self, visit: &mut dyn FnMut(&str, u64)) {
                $(visit($text, self.$field);)*
            }

            fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
            }
        }
    };
}

counters! {
    /// Packets by layer.
    LayerCounters,
    [
        pkts "decoder.pkts" "Frames read.",
        bytes "decoder.bytes" "Bytes of the frames read.",
        invalid "decoder.invalid" "Frames found invalid.",
        ipv4 "decoder.ipv4" "IPv4 headers.",
        ipv6 "decoder.ipv6" "IPv6 headers.",
        ethernet "decoder.ethernet" "Ethernet headers.",
        arp "decoder.arp" "ARP messages.",
        unknown_ethertype "decoder.unknown_ethertype" "Ethertypes without a decoder.",
        chdlc "decoder.chdlc" "Cisco HDLC headers.",
        raw "decoder.raw" "Frames without a link layer.",
        null "decoder.null" "BSD loopback headers.",
        sll "decoder.sll" "Linux cooked headers.",
        sll2 "decoder.sll2" "Linux cooked headers, version 2.",
        tcp "decoder.tcp" "TCP headers.",
        udp "decoder.udp" "UDP headers.",
        sctp "decoder.sctp" "SCTP headers.",
        esp "decoder.esp" "ESP headers.",
        icmpv4 "decoder.icmpv4" "ICMPv4 messages.",
        icmpv6 "decoder.icmpv6" "ICMPv6 messages.",
        ppp "decoder.ppp" "PPP headers.",
        pppoe "decoder.pppoe" "PPPoE headers.",
        geneve "decoder.geneve" "Geneve headers.",
        gre "decoder.gre" "GRE headers.",
        vlan "decoder.vlan" "Packets with a VLAN tag.",
        vlan_qinq "decoder.vlan_qinq" "Packets with two VLAN tags or more.",
        vlan_qinqinq "decoder.vlan_qinqinq" "Packets with three VLAN tags or more.",
        vxlan "decoder.vxlan" "VXLAN headers.",
        vntag "decoder.vntag" "VN-tags.",
        ieee8021ah "decoder.ieee8021ah" "802.1ah headers.",
        teredo "decoder.teredo" "Teredo packets.",
        ipv4_in_ipv4 "decoder.ipv4_in_ipv4" "IPv4 tunnelled in IPv4.",
        ipv6_in_ipv4 "decoder.ipv6_in_ipv4" "IPv6 tunnelled in IPv4.",
        ipv4_in_ipv6 "decoder.ipv4_in_ipv6" "IPv4 tunnelled in IPv6.",
        ipv6_in_ipv6 "decoder.ipv6_in_ipv6" "IPv6 tunnelled in IPv6.",
        mpls "decoder.mpls" "MPLS stacks.",
        avg_pkt_size "decoder.avg_pkt_size" "Mean frame size; see `DecodeCounters::for_each`.",
        max_pkt_size "decoder.max_pkt_size" "Largest frame.",
        max_mac_addrs_src "decoder.max_mac_addrs_src" "Most source MAC addresses of a flow.",
        max_mac_addrs_dst "decoder.max_mac_addrs_dst" "Most destination MAC addresses of a flow.",
        erspan "decoder.erspan" "ERSPAN headers.",
        nsh "decoder.nsh" "Network service headers.",
    ]
}

counters! {
    /// Defragmentation.
    DefragCounters,
    [
        ipv4_fragments "defrag.ipv4.fragments" "IPv4 fragments.",
        ipv4_reassembled "defrag.ipv4.reassembled" "IPv4 packets put together.",
        ipv6_fragments "defrag.ipv6.fragments" "IPv6 fragments.",
        ipv6_reassembled "defrag.ipv6.reassembled" "IPv6 packets put together.",
        max_trackers_reached "defrag.max_trackers_reached" "Fragments for want of a tracker.",
        max_frags_reached "defrag.max_frags_reached" "Fragments for want of room.",
        tracker_soft_reuse "defrag.tracker_soft_reuse" "Finished trackers taken for others.",
        tracker_hard_reuse "defrag.tracker_hard_reuse" "Unfinished trackers taken for others.",
        wrk_tracker_timeout "defrag.wrk.tracker_timeout" "Trackers found expired at lookup.",
        mgr_tracker_timeout "defrag.mgr.tracker_timeout" "Trackers swept.",
        memuse "defrag.memuse" "Bytes that trackers and fragments take now.",
    ]
}

counters! {
    /// TCP packets by flags, whatever their flow; they belong to the `tcp` group of `stats`.
    TcpFlagCounters,
    [
        syn "tcp.syn" "SYN without ACK.",
        synack "tcp.synack" "SYN and ACK.",
        rst "tcp.rst" "RST.",
        urg "tcp.urg" "URG.",
    ]
}

/// Everything that a decoder counts.
#[derive(Clone, Debug)]
pub struct DecodeCounters {
    /// `decoder.*`.
    pub layers: LayerCounters,
    /// `defrag.*`.
    pub defrag: DefragCounters,
    /// `tcp.syn` and the like.
    pub tcp_flags: TcpFlagCounters,
    /// Packets carrying each decoder event, by its code.
    pub events: [u64; event::DECODE_COUNT],
}

impl Default for DecodeCounters {
    fn default() -> Self {
        Self {
            layers: LayerCounters::default(),
            defrag: DefragCounters::default(),
            tcp_flags: TcpFlagCounters::default(),
            events: [0; event::DECODE_COUNT],
        }
    }
}

impl DecodeCounters {
    /// The usual `stats.decoder-events-prefix`.
    pub const EVENTS_PREFIX: &'static str = "decoder.event";

    /// Calls `visit` with every `decoder.*` counter: layers, then the events if
    /// `events_prefix` names where they go.
    pub fn for_each_decoder(&self, events_prefix: Option<&str>, visit: &mut dyn FnMut(&str, u64)) {
        let mut layers = self.layers.clone();
        layers.avg_pkt_size = layers.bytes.checked_div(layers.pkts).unwrap_or(0);
        layers.for_each(visit);
        let Some(prefix) = events_prefix else { return };
        let mut name = String::new();
        for (code, &count) in self.events.iter().enumerate() {
            let code = code as u16;
            if code == DecodeEvent::TooManyLayers.code() {
                // The one event without a layer in its name keeps it (Suricata 8).
                visit(event::name(code), count);
                continue;
            }
            name.clear();
            name.push_str(prefix);
            name.push('.');
            name.push_str(event::rule_name(code));
            visit(&name, count);
        }
    }

    /// Calls `visit` with every `decoder.*` counter including events, then every `defrag.*` one.
    pub fn for_each(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.for_each_decoder(Some(Self::EVENTS_PREFIX), visit);
        self.defrag.for_each(visit);
    }

    /// Adds another decoder's counters.
    pub fn merge(&mut self, other: &Self) {
        let high = |a: u64, b: u64| a.max(b);
        let (mine, theirs) = (self.layers.clone(), &other.layers);
        self.layers.add(theirs);
        self.layers.max_pkt_size = high(mine.max_pkt_size, theirs.max_pkt_size);
        self.layers.max_mac_addrs_src = high(mine.max_mac_addrs_src, theirs.max_mac_addrs_src);
        self.layers.max_mac_addrs_dst = high(mine.max_mac_addrs_dst, theirs.max_mac_addrs_dst);
        self.defrag.add(&other.defrag);
        self.tcp_flags.add(&other.tcp_flags);
        for (mine, theirs) in self.events.iter_mut().zip(&other.events) {
            *mine = mine.wrapping_add(*theirs);
        }
    }

    /// Counts the packet's decoder events.
    pub(crate) fn count_events(&mut self, packet: &Packet<'_>) {
        for &code in packet.events.as_slice() {
            if let Some(count) = self.events.get_mut(usize::from(code)) {
                *count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(events_prefix: Option<&str>) -> Vec<(String, u64)> {
        let mut counters = DecodeCounters::default();
        counters.layers.pkts = 2;
        counters.layers.bytes = 301;
        let mut names = Vec::new();
        counters.for_each_decoder(events_prefix, &mut |name, value| {
            names.push((name.to_owned(), value));
        });
        names
    }

    #[test]
    fn the_order_is_that_of_stats() {
        let listed = names(Some("decoder.event"));
        assert_eq!(listed[0], ("decoder.pkts".to_owned(), 2));
        assert!(listed.contains(&("decoder.avg_pkt_size".to_owned(), 150)));
        let at = |name: &str| listed.iter().position(|entry| entry.0 == name).unwrap();
        assert!(at("decoder.nsh") < at("decoder.event.afpacket.trunc_pkt"));
        assert_eq!(at("decoder.too_many_layers"), listed.len() - 1);
        assert_eq!(names(None).len(), 41);
    }

    #[test]
    fn merging_adds_counts_and_keeps_the_highest_sizes() {
        let mut a = DecodeCounters::default();
        a.layers.pkts = 1;
        a.layers.max_pkt_size = 100;
        a.events[3] = 1;
        let mut b = a.clone();
        b.layers.max_pkt_size = 70;
        a.merge(&b);
        assert_eq!((a.layers.pkts, a.layers.max_pkt_size, a.events[3]), (2, 100, 2));
    }
}
