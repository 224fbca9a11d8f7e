//! Checks on packets and flows: one variant per member that has some.

use super::subject::Subject;

/// Declares the enum of checks and its dispatch from the members' types.
macro_rules! checks {
    ($($(#[$about:meta])* $variant:ident($module:ident::$type:ident)),+ $(,)?) => {
        /// A check on a packet or its flow.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Check {
            $($(#[$about])* $variant(super::$module::$type)),+
        }

        impl Check {
            /// Whether the packet and its flow satisfy it.
            pub fn matches(&self, subject: &Subject<'_>) -> bool {
                match self {
                    $(Self::$variant(check) => check.matches(subject)),+
                }
            }
        }

        $(impl From<super::$module::$type> for Check {
            fn from(check: super::$module::$type) -> Self {
                Self::$variant(check)
            }
        })+
    };
}

checks! {
    /// `dsize`
    Dsize(dsize::Dsize),
    /// `itype`
    IcmpType(icmp::IcmpType),
    /// `icode`
    IcmpCode(icmp::IcmpCode),
    /// `icmp_id`
    IcmpId(icmp::IcmpId),
    /// `icmp_seq`
    IcmpSeq(icmp::IcmpSeq),
    /// `icmpv6.mtu`
    Icmp6Mtu(icmp::Icmp6Mtu),
    /// `ip_proto`
    IpProto(ip_proto::IpProto),
    /// `l3_proto`
    Layer3(ip_proto::Layer3),
    /// `ttl`
    Ttl(ip::Ttl),
    /// `tos`
    Tos(ip::Tos),
    /// `id`
    Id(ip::Id),
    /// `ipopts`
    IpOptions(ip::IpOptions),
    /// `fragbits`
    FragBits(ip::FragBits),
    /// `fragoffset`
    FragOffset(ip::FragOffset),
    /// `sameip`
    SameIp(ip::SameIp),
    /// `tcp.flags`
    TcpFlags(tcp_flags::TcpFlags),
    /// `tcp.seq`
    TcpSeq(tcp::TcpSeq),
    /// `tcp.ack`
    TcpAck(tcp::TcpAck),
    /// `tcp.window`
    TcpWindow(tcp::TcpWindow),
    /// `tcp.mss`
    TcpMss(tcp::TcpMss),
    /// `tcp.wscale`
    TcpScale(tcp::TcpScale),
    /// `stream_size`
    StreamSize(stream_size::StreamSize),
    /// `decode-event`, `stream-event`, `engine-event`
    Event(event::PacketEvent),
    /// `app-layer-event` of the application layer itself
    AppEvent(event::AppLayerEvent),
    /// `app-layer-protocol`
    AppProtocol(app_layer_protocol::AppProtocol),
    /// `vlan.id`
    VlanId(vlan::VlanId),
    /// `vlan.layers`
    VlanLayers(vlan::VlanLayers),
    /// `ipv4-csum` and its kind
    Checksum(checksum::Checksum),
    /// `flow.age`
    FlowAge(flow_counters::FlowAge),
    /// `flow.pkts`, `flow.bytes`
    FlowCount(flow_counters::FlowCount),
    /// `iprep`
    IpReputation(iprep::IpReputation),
    /// `geoip`
    GeoIp(geoip::GeoIp),
}
