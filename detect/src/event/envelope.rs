//! The part that all EVE records share: time, flow, endpoints, origin.

use std::net::IpAddr;

use decode::{Direction, Packet, Timestamp, Transport, VlanIds};
use engine::{Flow, Ruleset};
use json::Writer;

use crate::event::{community, text};
use crate::settings::EveSettings;

/// Endpoints of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Source address.
    pub src: IpAddr,
    /// Source port.
    pub src_port: u16,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port.
    pub dst_port: u16,
}

impl Endpoints {
    /// Of a flow, seen in a direction.
    pub fn of_flow(flow: &Flow, direction: Direction) -> Self {
        let own = Self {
            src: flow.client,
            src_port: flow.client_port,
            dst: flow.server,
            dst_port: flow.server_port,
        };
        match direction {
            Direction::ToServer => own,
            Direction::ToClient => own.swapped(),
        }
    }

    /// Of a packet.
    pub const fn of_packet(packet: &Packet<'_>) -> Self {
        Self {
            src: packet.src,
            src_port: packet.src_port,
            dst: packet.dst,
            dst_port: packet.dst_port,
        }
    }

    /// The other way round.
    pub const fn swapped(self) -> Self {
        Self { src: self.dst, src_port: self.dst_port, dst: self.src, dst_port: self.src_port }
    }
}

/// What a record's head is made of.
pub struct Envelope<'a> {
    /// Time of the record.
    pub timestamp: Timestamp,
    /// Its flow.
    pub flow: Option<&'a Flow>,
    /// Its packet.
    pub packet: Option<&'a Packet<'a>>,
    /// Endpoints, where they are not the packet's; none for packets without network layer.
    pub endpoints: Option<Endpoints>,
    /// Names of flow bits and variables.
    pub rules: &'a Ruleset,
    /// Variables that rules captured on the packet.
    pub packet_variables: &'a [(String, Vec<u8>)],
    /// Transaction number at the root.
    pub tx_id: Option<u64>,
    /// Index of the input.
    pub input: u32,
}

/// Text of an IP protocol as records write it.
pub fn protocol_name(proto: u8) -> Option<&'static str> {
    Some(match proto {
        0 => "HOPOPT",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IP-in-IP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        43 => "IPv6-Route",
        44 => "IPv6-Frag",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPv6-ICMP",
        59 => "IPv6-NoNxt",
        60 => "IPv6-Opts",
        88 => "EIGRP",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        115 => "L2TP",
        132 => "SCTP",
        136 => "UDPLite",
        _ => return None,
    })
}

/// Opens a record and writes its head up to and with the common options and `tx_id`.
pub fn open(out: &mut Writer<'_>, eve: &EveSettings, kind: &str, head: &Envelope<'_>) {
    out.open();
    start(out, eve, kind, head.timestamp, head.flow, head.packet, head.input);
    if let Some(packet) = head.packet {
        vlans(out, packet.vlan);
        if let Some(ends) = head.endpoints {
            endpoints(out, eve, ends, has_ports(packet.proto));
            proto(out, packet.proto);
            out.field_u64("ip_v", if ends.src.is_ipv4() { 4 } else { 6 });
        }
        icmp(out, packet);
        out.field_str("pkt_src", packet.origin.name());
    }
    common(out, eve, head);
    if let Some(tx) = head.tx_id {
        out.field_u64("tx_id", tx);
    }
}

/// Writes time, flow number, input, packet number and type.
pub fn start(
    out: &mut Writer<'_>,
    eve: &EveSettings,
    kind: &str,
    time: Timestamp,
    flow: Option<&Flow>,
    packet: Option<&Packet<'_>>,
    input: u32,
) {
    out.key("timestamp").plain(|out| text::timestamp(time, out));
    if let Some(flow) = flow {
        out.field_u64("flow_id", flow.id);
    }
    if let Some(id) = eve.sensor_id {
        out.field_u64("sensor_id", id);
    }
    if let Some(name) = eve.interfaces.get(input as usize) {
        out.field_str("in_iface", name);
    }
    if let Some(packet) = packet
        && eve.interfaces.is_empty()
        && packet.number > 0
        && packet.origin == decode::Origin::Wire
    {
        out.field_u64("pcap_cnt", packet.number);
    }
    out.field_str("event_type", kind);
}

/// Writes the VLAN tags.
pub fn vlans(out: &mut Writer<'_>, vlan: VlanIds) {
    if vlan.count > 0 {
        out.key("vlan").open_array();
        for id in vlan.as_slice() {
            out.u64(u64::from(*id));
        }
        out.close_array();
    }
}

/// True for protocols whose records have ports.
pub const fn has_ports(proto: u8) -> bool {
    matches!(proto, 6 | 17 | 132)
}

/// Writes addresses and ports.
pub fn endpoints(out: &mut Writer<'_>, eve: &EveSettings, ends: Endpoints, ports: bool) {
    address(out, "src_ip", ends.src, eve.ipv6_compress);
    if ports {
        out.field_u64("src_port", u64::from(ends.src_port));
    }
    address(out, "dest_ip", ends.dst, eve.ipv6_compress);
    if ports {
        out.field_u64("dest_port", u64::from(ends.dst_port));
    }
}

/// Writes an address under a key.
pub fn address(out: &mut Writer<'_>, key: &str, address: IpAddr, compress: bool) {
    out.key(key).plain(|out| text::address(address, compress, out));
}

/// Writes the IP protocol.
pub fn proto(out: &mut Writer<'_>, proto: u8) {
    match protocol_name(proto) {
        Some(name) => out.field_str("proto", name),
        None => out.key("proto").str(&proto.to_string()),
    };
}

fn icmp(out: &mut Writer<'_>, packet: &Packet<'_>) {
    match packet.transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
            out.field_u64("icmp_type", u64::from(icmp.kind));
            out.field_u64("icmp_code", u64::from(icmp.code));
        }
        Transport::Esp { spi } => {
            out.field_u64("spi", u64::from(spi));
        }
        _ => {}
    }
}

/// Writes what options of eve-log add to every record with a flow.
pub fn common(out: &mut Writer<'_>, eve: &EveSettings, head: &Envelope<'_>) {
    if let Some(version) = &eve.version {
        out.field_str("suricata_version", version);
    }
    if eve.metadata
        && let Some(flow) = head.flow
    {
        metadata(out, flow, head.rules, head.packet_variables);
    }
    if eve.ethernet
        && let Some(packet) = head.packet
    {
        ethernet(out, packet, head.endpoints);
    }
    if let (Some(seed), Some(flow)) = (eve.community_id, head.flow) {
        out.field_str("community_id", &community::id(seed, flow));
    }
}

/// Writes the Ethernet header of a packet, its addresses beside those of the record: a record
/// may go against its packet.
fn ethernet(out: &mut Writer<'_>, packet: &Packet<'_>, ends: Option<Endpoints>) {
    let Some((destination, source)) = packet.macs() else { return };
    let own = Endpoints::of_packet(packet);
    let against = ends.is_some_and(|ends| ends != own && ends.swapped() == own);
    let (source, destination) = if against { (destination, source) } else { (source, destination) };
    out.key("ether").open();
    out.field_u64("ether_type", u64::from(packet.ethernet_type().unwrap_or_default()));
    out.field_str("src_mac", &mac(source)).field_str("dest_mac", &mac(destination));
    out.close();
}

/// Writes the hardware addresses of a flow, seen in a direction.
pub fn flow_ethernet(out: &mut Writer<'_>, flow: &Flow, direction: Direction) {
    let Some(macs) = &flow.macs else { return };
    out.key("ether").open();
    for (key, direction) in [("dest_macs", direction.opposite()), ("src_macs", direction)] {
        out.key(key).open_array();
        for address in macs.sources(direction) {
            out.str(&mac(*address));
        }
        out.close_array();
    }
    out.close();
}

/// A hardware address as text.
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// Flow bits, integers and variables; `traffic` labels go to the root before it.
pub fn metadata(
    out: &mut Writer<'_>,
    flow: &Flow,
    rules: &Ruleset,
    packet_variables: &[(String, Vec<u8>)],
) {
    let bits = &flow.bits;
    let entropies = &flow.extension.inspection.entropies;
    if bits.is_empty() && packet_variables.is_empty() && entropies.is_empty() {
        return;
    }
    let names = &rules.names;
    let (mut ids, mut labels, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for name in bits.all().iter().filter_map(|id| names.flowbits.name(*id)) {
        if let Some(id) = name.strip_prefix("traffic/id/") {
            ids.push(id);
        } else if let Some(label) = name.strip_prefix("traffic/label/") {
            labels.push(label);
        } else {
            plain.push(name);
        }
    }
    if !ids.is_empty() || !labels.is_empty() {
        out.key("traffic").open();
        list(out, "id", &ids);
        list(out, "label", &labels);
        out.close();
    }
    let others =
        !bits.integers().is_empty() || !bits.variables().is_empty() || !packet_variables.is_empty();
    if plain.is_empty() && !others && entropies.is_empty() {
        return;
    }
    out.key("metadata").open();
    list(out, "flowbits", &plain);
    if !bits.integers().is_empty() {
        out.key("flowints").open();
        for (id, value) in bits.integers() {
            if let Some(name) = names.flowints.name(*id) {
                out.key_text(name.as_bytes()).u64(u64::from(*value));
            }
        }
        out.close();
    }
    if !bits.variables().is_empty() {
        out.key("flowvars").open_array();
        for variable in bits.variables() {
            if let Some(name) = names.flowvars.name(variable.name) {
                out.open().key_text(name.as_bytes()).text(&variable.value).close();
            }
        }
        out.close_array();
    }
    if !packet_variables.is_empty() {
        out.key("pktvars").open_array();
        for (name, value) in packet_variables {
            out.open().key_text(name.as_bytes()).text(value).close();
        }
        out.close_array();
    }
    if !entropies.is_empty() {
        out.key("entropy").open();
        for (buffer, entropy) in entropies {
            out.key_text(buffer.as_bytes()).raw(format!("{entropy:?}").as_bytes());
        }
        out.close();
    }
    out.close();
}

fn list(out: &mut Writer<'_>, key: &str, names: &[&str]) {
    if names.is_empty() {
        return;
    }
    out.key(key).open_array();
    for name in names {
        out.str(name);
    }
    out.close_array();
}

/// Closes a record: root keys that come last, and the line end.
pub fn close(out: &mut Writer<'_>, eve: &EveSettings, input: u32) {
    if let Some(host) = &eve.host {
        out.field_str("host", host);
    }
    if let Some(name) = eve.pcap_files.as_ref().and_then(|files| files.get(input as usize)) {
        out.field_str("pcap_filename", name);
    }
    out.close();
    out.verbatim(b"\n");
}

/// Writes the application protocol of a flow, and of its sides where they differ.
pub fn app_proto(out: &mut Writer<'_>, flow: &Flow) {
    use protocol::AppProto;
    let session = &flow.extension.session;
    let proto = session.proto();
    if proto != AppProto::Unknown {
        out.field_str("app_proto", proto.name());
    }
    for (key, side) in [("app_proto_tc", session.proto_tc()), ("app_proto_ts", session.proto_ts())]
    {
        if side != proto && side != AppProto::Unknown {
            out.field_str(key, side.name());
        }
    }
    let orig = session.orig();
    if orig.is_known() && orig != proto {
        out.field_str("app_proto_orig", orig.name());
    }
    let expected = session.expected();
    if expected.is_known() && expected != proto {
        out.field_str("app_proto_expected", expected.name());
    }
}
