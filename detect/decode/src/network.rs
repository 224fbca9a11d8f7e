//! Ethertypes: which decoder comes after a link header.

use crate::context::Context;
use crate::event::DecodeEvent;
use crate::packet::Packet;
use crate::{arp, dce, ieee8021ah, ipv4, ipv6, mpls, nsh, pppoe, vlan, vntag};

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const ETHERNET_BRIDGE: u16 = 0x6558;
pub(crate) const VLAN: u16 = 0x8100;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const PPP: u16 = 0x880b;
pub(crate) const VLAN_88A8: u16 = 0x88a8;
pub(crate) const ERSPAN: u16 = 0x88be;
pub(crate) const VLAN_9100: u16 = 0x9100;
const MPLS_UNICAST: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_DISCOVERY: u16 = 0x8863;
const PPPOE_SESSION: u16 = 0x8864;
const IEEE8021AH: u16 = 0x88e7;
const DCE: u16 = 0x8903;
const VNTAG: u16 = 0x8926;
const NSH: u16 = 0x894f;

/// Most bytes that are handed on behind a link header.
const MAX_PAYLOAD: usize = 65_535;

/// Decodes what `ethertype` says to be at `at`; false if there is no decoder for it.
#[inline]
pub(crate) fn decode(
    context: &mut Context,
    packet: &mut Packet<'_>,
    ethertype: u16,
    data: &[u8],
    at: usize,
) -> bool {
    packet.ethertype = ethertype;
    let data = data.get(..at.saturating_add(MAX_PAYLOAD)).unwrap_or(data);
    // A layer that fails leaves its event on the packet; the link layer is fine all the same.
    let _outcome = match ethertype {
        IPV4 => ipv4::decode(context, packet, data, at),
        IPV6 => ipv6::decode(context, packet, data, at),
        _ => return decode_other(context, packet, ethertype, data, at),
    };
    true
}

fn decode_other(
    context: &mut Context,
    packet: &mut Packet<'_>,
    ethertype: u16,
    data: &[u8],
    at: usize,
) -> bool {
    let _outcome = match ethertype {
        VLAN | VLAN_88A8 | VLAN_9100 => vlan::decode(context, packet, data, at),
        ARP => arp::decode(context, packet, data, at),
        MPLS_UNICAST | MPLS_MULTICAST => mpls::decode(context, packet, data, at),
        PPPOE_DISCOVERY => pppoe::decode_discovery(context, packet, data, at),
        PPPOE_SESSION => pppoe::decode_session(context, packet, data, at),
        IEEE8021AH => ieee8021ah::decode(context, packet, data, at),
        VNTAG => vntag::decode(context, packet, data, at),
        NSH => nsh::decode(context, packet, data, at),
        DCE => dce::decode(context, packet, data, at),
        _ => {
            context.counters.layers.unknown_ethertype += 1;
            packet.event(DecodeEvent::EthernetUnknownEthertype);
            return false;
        }
    };
    true
}
