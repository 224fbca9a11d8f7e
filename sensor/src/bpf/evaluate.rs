//! Asks a frame what the tests of a filter want to know.

use super::arithmetic::{Missing, is_ipv4, is_ipv6, transport4};
use super::frame::{Frame, Layers, Short};
use super::{End, Expression, Test};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

type Answer = Result<bool, Short>;

impl Expression {
    pub(super) fn holds(&self, frame: &Frame<'_>) -> Answer {
        match self {
            Self::Always => Ok(true),
            Self::Not(inner) => Ok(!inner.holds(frame)?),
            Self::Chain(first, others) => {
                let mut held = first.holds(frame)?;
                for (and, other) in others {
                    // What is known already is not asked.
                    if held == *and {
                        held = other.holds(frame)?;
                    }
                }
                Ok(held)
            }
            Self::Test(layers, test) => test.holds(frame, *layers),
        }
    }
}

impl Test {
    fn holds(&self, frame: &Frame<'_>, layers: Layers) -> Answer {
        let payload = frame.payload(layers);
        let network = frame.network(layers);
        match self {
            Self::EtherTypes(types) => any(types, |kind| frame.is_type(layers, kind)),
            Self::EtherType(kind) => frame.is_type(layers, *kind),
            Self::AccessPoint(point) => Ok(frame.is_ethernet()
                && frame.load(payload.saturating_sub(2), 2)? <= 1500
                && frame.load(payload, 1)? == u32::from(*point)),
            Self::Protocol(number, version) => protocol(frame, layers, *number, *version),
            Self::Network4(end, address, mask, types) => any(types, |kind| {
                if !frame.is_type(layers, kind)? {
                    return Ok(false);
                }
                // ARP and RARP: sender and target addresses of IPv4 over Ethernet (RFC 826).
                let (source, destination) = if kind == IPV4 { (12, 16) } else { (14, 24) };
                let fits = |at| Ok(frame.load(network + at, 4)? & mask == *address);
                end.of(|| fits(source), || fits(destination))
            }),
            Self::Network6(end, address, mask) => {
                let fits = |at| Ok(frame.address6(network + at)? & mask == *address);
                Ok(frame.is_type(layers, IPV6)? && end.of(|| fits(8), || fits(24))?)
            }
            Self::Ports(end, first, last, transport) => {
                ports(frame, layers, *end, (*first, *last), *transport)
            }
            Self::Hardware(end, address) => {
                let fits = |at| Ok(frame.hardware(at)? == *address);
                Ok(frame.is_ethernet() && end.of(|| fits(6), || fits(0))?)
            }
            Self::Length(true, length) => Ok(frame.wire_len <= *length),
            Self::Length(false, length) => Ok(frame.wire_len >= *length),
            Self::Compare(relation, left, right) => {
                match left.value(frame).and_then(|left| Ok((left, right.value(frame)?))) {
                    Ok((left, right)) => Ok(relation.holds(left, right)),
                    Err(Missing::OtherProtocol) => Ok(false),
                    Err(Missing::Short) => Err(Short),
                }
            }
            Self::Vlan(wanted) => {
                Ok(frame.is_vlan(layers)?
                    && fits(*wanted, || Ok(frame.load(payload, 2)? & 0x0fff))?)
            }
            Self::Label(wanted) => label(frame, layers, *wanted),
            Self::Session(wanted) => {
                Ok(frame.is_type(layers, 0x8864)? && fits(*wanted, || frame.load(payload + 2, 2))?)
            }
            Self::LinkBroadcast => Ok(frame.is_ethernet() && frame.hardware(0)? == [0xff; 6]),
            Self::LinkMulticast => Ok(frame.is_ethernet() && frame.load(0, 1)? & 1 != 0),
            // Suricata compiles filters without a netmask: only these two are broadcast then.
            Self::Ip4Broadcast => Ok(frame.is_type(layers, IPV4)?
                && matches!(frame.load(network + 16, 4)?, 0 | u32::MAX)),
            Self::Ip4Multicast => {
                Ok(frame.is_type(layers, IPV4)? && frame.load(network + 16, 1)? >= 224)
            }
            Self::Ip6Multicast => {
                Ok(frame.is_type(layers, IPV6)? && frame.load(network + 24, 1)? == 255)
            }
        }
    }
}

impl End {
    fn of(self, source: impl Fn() -> Answer, destination: impl Fn() -> Answer) -> Answer {
        Ok(match self {
            Self::Source => source()?,
            Self::Destination => destination()?,
            Self::Either => source()? || destination()?,
            Self::Both => source()? && destination()?,
        })
    }
}

fn any(types: &[u16], mut holds: impl FnMut(u16) -> Answer) -> Answer {
    for kind in types {
        if holds(*kind)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fits<N: Into<u32>>(wanted: Option<N>, own: impl Fn() -> Result<u32, Short>) -> Answer {
    match wanted {
        Some(wanted) => Ok(own()? == wanted.into()),
        None => Ok(true),
    }
}

fn protocol(frame: &Frame<'_>, layers: Layers, number: u8, version: Option<u8>) -> Answer {
    Ok((version != Some(6) && is_ipv4(frame, layers, number)?)
        || (version != Some(4) && is_ipv6(frame, layers, number)?))
}

fn label(frame: &Frame<'_>, layers: Layers, wanted: Option<u32>) -> Answer {
    let there = match layers.labels {
        0 => frame.is_type(layers, 0x8847)?,
        _ => !frame.is_last_label(layers)?,
    };
    Ok(there && fits(wanted, || Ok(frame.load(frame.network(layers), 4)? >> 12))?)
}

fn ports(
    frame: &Frame<'_>,
    layers: Layers,
    end: End,
    (first, last): (u16, u16),
    transport: Option<u8>,
) -> Answer {
    let network = frame.network(layers);
    let (protocol, start) = if frame.is_type(layers, IPV4)? {
        (frame.load(network + 9, 1)?, None)
    } else if frame.is_type(layers, IPV6)? {
        // As libpcap: extension headers are not followed to the ports.
        (frame.load(network + 6, 1)?, Some(network + 40))
    } else {
        return Ok(false);
    };
    let right = match transport {
        Some(transport) => protocol == u32::from(transport),
        None => matches!(protocol, 6 | 17 | 132),
    };
    if !right {
        return Ok(false);
    }
    let start = match start {
        Some(start) => Some(start),
        None => transport4(frame, layers)?,
    };
    let Some(start) = start else { return Ok(false) };
    let range = u32::from(first)..=u32::from(last);
    let fits = |at| Ok(range.contains(&frame.load(at, 2)?));
    end.of(|| fits(start), || fits(start + 2))
}
