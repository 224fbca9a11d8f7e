//! What the layers share while they decode: settings, counters, and the packet found inside.

use crate::counters::DecodeCounters;
use crate::defrag::Defragmenter;
use crate::event::DecodeEvent;
use crate::packet::{Origin, Packet};
use crate::settings::DecodeSettings;

/// Outcome of a layer; an error means that the packet is not one of this layer.
pub(crate) type Decoded = Result<(), Failed>;

/// The layer could not be decoded; the event that says why is on the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// First layer of an inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inner {
    Ipv4,
    Ipv6,
    Ethernet,
    Vlan,
    Arp,
    Ppp,
    ErspanI,
    ErspanII,
}

/// A packet found within the one being decoded. There is at most one in each.
#[derive(Debug)]
pub(crate) enum Child {
    /// A tunnelled packet, in bytes `start..end` of its carrier.
    Tunnel { origin: Origin, inner: Inner, start: usize, end: usize },
    /// A packet rebuilt from fragments, the carrier being the last of them to arrive.
    Reassembled { bytes: Vec<u8>, inner: Inner },
}

/// State of a decoder that the layers work with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: DecodeSettings,
    pub(crate) counters: DecodeCounters,
    pub(crate) defrag: Defragmenter,
    /// The packet found inside, for the decoder to go on with.
    pub(crate) child: Option<Child>,
    /// The next IPv4 header came in a Van Jacobson uncompressed frame: its protocol field holds
    /// a connection number (RFC 1144), and 0 stands for TCP.
    pub(crate) van_jacobson: bool,
}

impl Context {
    pub(crate) fn new(settings: DecodeSettings) -> Self {
        Self {
            defrag: Defragmenter::new(&settings.defrag),
            counters: DecodeCounters::default(),
            child: None,
            van_jacobson: false,
            settings,
        }
    }

    /// Counts a layer of the packet against `decoder.max-layers`.
    #[inline]
    pub(crate) fn enter_layer(&self, packet: &mut Packet<'_>) -> Decoded {
        packet.layers = packet.layers.saturating_add(1);
        if packet.layers < self.settings.max_layers {
            return Ok(());
        }
        Err(packet.invalid(DecodeEvent::TooManyLayers))
    }

    /// Notes a tunnelled packet in `start..end`; false if that would be one layer too many.
    pub(crate) fn open_tunnel(
        &mut self,
        packet: &mut Packet<'_>,
        origin: Origin,
        inner: Inner,
        range: std::ops::Range<usize>,
    ) -> bool {
        if packet.layers.saturating_add(1) >= self.settings.max_layers {
            packet.invalid(DecodeEvent::TooManyLayers);
            return false;
        }
        let (start, end) = (range.start, range.end);
        self.child = Some(Child::Tunnel { origin, inner, start, end });
        true
    }
}

impl Packet<'_> {
    /// Sets a decoder event.
    #[cold]
    pub(crate) fn event(&mut self, event: DecodeEvent) {
        self.events.push(event.code());
    }

    /// Sets a decoder event that makes the packet invalid.
    #[cold]
    pub(crate) fn invalid(&mut self, event: DecodeEvent) -> Failed {
        self.flags.invalid = true;
        self.event(event);
        Failed
    }
}

/// The `N` bytes at `at`, if they are all there.
#[inline]
pub(crate) fn header<const N: usize>(data: &[u8], at: usize) -> Option<&[u8; N]> {
    data.get(at..)?.first_chunk()
}

/// The big-endian 16-bit field at `at`.
#[inline]
pub(crate) fn be16(data: &[u8], at: usize) -> Option<u16> {
    header(data, at).map(|bytes| u16::from_be_bytes(*bytes))
}

/// The big-endian 32-bit field at `at`.
#[inline]
pub(crate) fn be32(data: &[u8], at: usize) -> Option<u32> {
    header(data, at).map(|bytes| u32::from_be_bytes(*bytes))
}

impl Packet<'_> {
    /// Sets where the transport header of `header_len` bytes at `at` lies and its payload,
    /// which goes on to `end`.
    #[inline]
    pub(crate) fn set_transport(&mut self, at: usize, header_len: usize, end: usize) {
        let payload = at.saturating_add(header_len).min(end);
        self.transport_offset = at as u32;
        self.payload_offset = payload as u32;
        self.payload_len = (end - payload) as u32;
    }
}
