//! Defragmentation of IPv4 (RFC 815) and IPv6 (RFC 8200, 4.5) by the destination's rules.

use crate::checksum;
use crate::context::{Child, Context, Inner};
use crate::counters::DefragCounters;
use crate::event::DecodeEvent;
use crate::packet::{IpHeader, Packet};
use crate::settings::DefragSettings;
use crate::time::Timestamp;

mod overlap;
mod table;
mod tracker;

use overlap::DefragPolicy;
use table::{Key, Table};
use tracker::{Fragment, Insertion};

/// Largest packet that fragments can make.
const MAX_PACKET: usize = 65_535;
const IPV6_HEADER_LEN: usize = 40;
const IPV6_FRAGMENT_LEN: usize = 8;

/// The fragments in flight.
#[derive(Debug)]
pub struct Defragmenter {
    table: Table,
}

impl Defragmenter {
    /// Nothing in flight.
    pub fn new(settings: &DefragSettings) -> Self {
        Self { table: Table::new(settings) }
    }

    /// Gives up some of the trackers that have expired; once a second of the packets' time it
    /// begins anew with the first.
    #[inline]
    pub fn sweep(&mut self, now: Timestamp, counters: &mut DefragCounters) {
        if self.table.in_use() != 0 {
            self.table.sweep(now, counters);
        }
    }
}

/// Where things lie in an IPv6 fragment.
pub(crate) struct Ipv6Fragment {
    /// Offset of the IPv6 header.
    pub(crate) network: usize,
    /// Offset of the fragment header.
    pub(crate) fragment_at: usize,
    /// Offset of the next header field that leads to the fragment header.
    pub(crate) next_header_at: usize,
    /// What follows the fragment header.
    pub(crate) next_header: u8,
    /// Offset of the data in the whole, bytes.
    pub(crate) offset: u16,
    /// More fragments follow.
    pub(crate) more: bool,
    /// Identification.
    pub(crate) id: u32,
}

/// Takes in the IPv4 fragment at `at`, which ends where `data` ends.
pub(crate) fn submit_ipv4(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: usize,
    header_len: usize,
) {
    context.counters.defrag.ipv4_fragments += 1;
    let IpHeader::V4 { id, fragment, .. } = packet.ip else { return };
    let offset = usize::from(fragment & crate::ipv4::OFFSET_MASK) * 8;
    let (Some(header), Some(payload)) =
        (data.get(at..at + header_len), data.get(at + header_len..))
    else {
        return;
    };
    if crate::ipv4::HEADER_LEN + offset + payload.len() > MAX_PACKET {
        packet.event(DecodeEvent::Ipv4FragPktTooLarge);
        return;
    }
    let key = Key::new(packet, u32::from(id));
    let fragment = Fragment {
        offset: offset as u32,
        more: fragment & crate::ipv4::MORE_FRAGMENTS != 0,
        header,
        payload,
        next_header: None,
    };
    let events = (DecodeEvent::Ipv4FragOverlap, DecodeEvent::Ipv4FragIgnored);
    let Some(bytes) = submit(context, packet, key, &fragment, events) else { return };
    if let Some(bytes) = finish_ipv4(bytes) {
        context.counters.defrag.ipv4_reassembled += 1;
        context.child = Some(Child::Reassembled { bytes, inner: Inner::Ipv4 });
    }
}

/// Takes in an IPv6 fragment, which ends where `data` ends.
pub(crate) fn submit_ipv6(
    context: &mut Context,
    packet: &mut Packet<'_>,
    data: &[u8],
    at: &Ipv6Fragment,
) {
    context.counters.defrag.ipv6_fragments += 1;
    let (Some(header), Some(payload)) =
        (data.get(at.network..at.fragment_at), data.get(at.fragment_at + IPV6_FRAGMENT_LEN..))
    else {
        return;
    };
    if usize::from(at.offset) + payload.len() > MAX_PACKET {
        packet.event(DecodeEvent::Ipv6FragPktTooLarge);
        return;
    }
    let key = Key::new(packet, at.id);
    let fragment = Fragment {
        offset: u32::from(at.offset),
        more: at.more,
        header,
        payload,
        next_header: Some((at.next_header_at - at.network, at.next_header)),
    };
    let events = (DecodeEvent::Ipv6FragOverlap, DecodeEvent::Ipv6FragIgnored);
    let Some(bytes) = submit(context, packet, key, &fragment, events) else { return };
    if let Some(bytes) = finish_ipv6(bytes) {
        context.counters.defrag.ipv6_reassembled += 1;
        context.child = Some(Child::Reassembled { bytes, inner: Inner::Ipv6 });
    }
}

/// Stores the fragment; the whole packet if that completes it.
fn submit(
    context: &mut Context,
    packet: &mut Packet<'_>,
    key: Key,
    fragment: &Fragment<'_>,
    (overlap, ignored): (DecodeEvent, DecodeEvent),
) -> Option<Vec<u8>> {
    let Context { defrag, counters, settings, .. } = context;
    let counters = &mut counters.defrag;
    let now = packet.timestamp;
    let table = &mut defrag.table;
    let index = table.find(&key, now, counters).or_else(|| {
        let policy = DefragPolicy::from(settings.os_policies.of(packet.dst));
        let timeout = settings.defrag.host_timeouts.get(packet.dst);
        table.create(key, policy, timeout.unwrap_or(settings.defrag.timeout), now, counters)
    });
    let Some(index) = index else {
        packet.flags.defrag_memcap = true;
        return None;
    };
    let (insertion, whole) = table.insert(index, fragment, now, counters);
    match insertion {
        Insertion::Clean => {}
        Insertion::Overlap => packet.event(overlap),
        Insertion::Ignored => packet.event(ignored),
    }
    whole
}

/// Writes length and fragment fields of the whole packet; `None` if it is too long for one.
fn finish_ipv4(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let total_len = u16::try_from(bytes.len()).ok()?;
    let header = bytes.first_chunk_mut::<20>()?;
    let checksum = u16::from_be_bytes([header[10], header[11]]);
    let old_len = u16::from_be_bytes([header[2], header[3]]);
    let old_fragment = u16::from_be_bytes([header[6], header[7]]);
    let checksum = checksum::adjusted(checksum, old_len, total_len);
    let checksum = checksum::adjusted(checksum, old_fragment, 0);
    header[2..4].copy_from_slice(&total_len.to_be_bytes());
    header[6..8].fill(0);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    Some(bytes)
}

/// Writes the payload length of the whole packet; `None` if it is too long for one.
fn finish_ipv6(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let payload_len = u16::try_from(bytes.len().checked_sub(IPV6_HEADER_LEN)?).ok()?;
    bytes.get_mut(4..6)?.copy_from_slice(&payload_len.to_be_bytes());
    Some(bytes)
}
