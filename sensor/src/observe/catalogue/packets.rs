//! Metrics of decoding and defragmentation.

use crate::observe::metric::Descriptor;

const fn counter(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::counter(name, help)
}

const fn gauge(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::gauge(name, help)
}

pub(super) const METRICS: &[Descriptor] = &[
    counter("decoder.pkts", "Frames decoded, with packets put together or taken out of tunnels."),
    counter("decoder.bytes", "Bytes of the frames decoded."),
    counter("decoder.invalid", "Packets that broke a rule of their protocol."),
    counter("decoder.ipv4", "IPv4 headers."),
    counter("decoder.ipv6", "IPv6 headers."),
    counter("decoder.ethernet", "Ethernet headers."),
    counter("decoder.arp", "ARP messages."),
    counter("decoder.unknown_ethertype", "Ethertypes without a decoder."),
    counter("decoder.chdlc", "Cisco HDLC headers."),
    counter("decoder.raw", "Frames without a link layer."),
    counter("decoder.null", "BSD loopback headers."),
    counter("decoder.sll", "Linux cooked headers, version 1."),
    counter("decoder.sll2", "Linux cooked headers, version 2."),
    counter("decoder.tcp", "TCP headers."),
    counter("decoder.udp", "UDP headers."),
    counter("decoder.sctp", "SCTP headers."),
    counter("decoder.esp", "ESP headers."),
    counter("decoder.icmpv4", "ICMPv4 messages."),
    counter("decoder.icmpv6", "ICMPv6 messages."),
    counter("decoder.ppp", "PPP headers."),
    counter("decoder.pppoe", "PPPoE headers."),
    counter("decoder.geneve", "Geneve headers."),
    counter("decoder.gre", "GRE headers."),
    counter("decoder.vlan", "Packets with a VLAN tag."),
    counter("decoder.vlan_qinq", "Packets with two VLAN tags or more."),
    counter("decoder.vlan_qinqinq", "Packets with three VLAN tags or more."),
    counter("decoder.vxlan", "VXLAN headers."),
    counter("decoder.vntag", "VN-tags (802.1Qbh)."),
    counter("decoder.ieee8021ah", "802.1ah headers."),
    counter("decoder.teredo", "Teredo packets."),
    counter("decoder.ipv4_in_ipv4", "IPv4 packets in IPv4."),
    counter("decoder.ipv6_in_ipv4", "IPv6 packets in IPv4."),
    counter("decoder.ipv4_in_ipv6", "IPv4 packets in IPv6."),
    counter("decoder.ipv6_in_ipv6", "IPv6 packets in IPv6."),
    counter("decoder.mpls", "MPLS label stacks."),
    gauge("decoder.avg_pkt_size", "Mean size of frames in bytes."),
    gauge("decoder.max_pkt_size", "Size of the largest frame in bytes."),
    gauge("decoder.max_mac_addrs_src", "Most source MAC addresses that a flow had."),
    gauge("decoder.max_mac_addrs_dst", "Most destination MAC addresses that a flow had."),
    counter("decoder.erspan", "ERSPAN headers."),
    counter("decoder.nsh", "Network service headers."),
    counter("decoder.too_many_layers", "Packets with more layers than are decoded."),
    counter("decoder.event.*", "Packets that broke a rule of their protocol, by the rule.")
        .named("decoder_events")
        .by(&["event"]),
    counter("defrag.ipv4.fragments", "IPv4 fragments."),
    counter("defrag.ipv4.reassembled", "IPv4 packets put together."),
    counter("defrag.ipv6.fragments", "IPv6 fragments."),
    counter("defrag.ipv6.reassembled", "IPv6 packets put together."),
    counter(
        "defrag.max_trackers_reached",
        "Fragments refused: too many packets are in the making.",
    ),
    counter("defrag.max_frags_reached", "Fragments refused: too many are kept."),
    counter("defrag.tracker_soft_reuse", "Places of finished packets taken for others."),
    counter("defrag.tracker_hard_reuse", "Places of unfinished packets taken for others."),
    counter("defrag.wrk.tracker_timeout", "Packets whose fragments took too long, met by workers."),
    counter("defrag.mgr.tracker_timeout", "Packets whose fragments took too long, met by a timer."),
    gauge("defrag.memuse", "Bytes that fragments take."),
];
