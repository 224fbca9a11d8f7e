//! Options of the hop-by-hop and destination options headers (RFC 8200, 4.2).

use crate::event::DecodeEvent;
use crate::packet::Packet;

const PAD_1: u8 = 0;
const PAD_N: u8 = 1;
const ROUTER_ALERT: u8 = 5;
const JUMBO: u8 = 0xc2;
const HOME_ADDRESS: u8 = 0xc9;

/// Which of the two headers it is.
#[derive(Clone, Copy)]
pub(super) enum Place {
    HopByHop,
    Destination,
}

impl Place {
    const fn unknown_option(self) -> DecodeEvent {
        match self {
            Self::HopByHop => DecodeEvent::Ipv6HopoptsUnknownOpt,
            Self::Destination => DecodeEvent::Ipv6DstoptsUnknownOpt,
        }
    }

    const fn only_padding(self) -> DecodeEvent {
        match self {
            Self::HopByHop => DecodeEvent::Ipv6HopoptsOnlyPadding,
            Self::Destination => DecodeEvent::Ipv6DstoptsOnlyPadding,
        }
    }
}

/// Looks the options of the extension header `bytes` over and sets events.
pub(super) fn check(packet: &mut Packet<'_>, bytes: &[u8], place: Place) {
    let mut options = bytes.get(2..).unwrap_or(&[]);
    let (mut padding, mut other) = (false, false);
    while let Some((&kind, rest)) = options.split_first() {
        if kind == PAD_1 {
            padding = true;
            options = rest;
            continue;
        }
        let split = rest.split_first().and_then(|(&len, rest)| {
            rest.split_at_checked(usize::from(len)).map(|(data, rest)| (data.len(), rest))
        });
        let Some((len, rest)) = split else {
            packet.invalid(DecodeEvent::Ipv6ExthdrInvalidOptlen);
            break;
        };
        let least = match kind {
            PAD_N => {
                padding = true;
                if len == 0 {
                    packet.event(DecodeEvent::Ipv6ZeroLenPadn);
                }
                0
            }
            ROUTER_ALERT => {
                other = true;
                2
            }
            HOME_ADDRESS => {
                other = true;
                16
            }
            JUMBO => 4,
            _ => {
                other = true;
                packet.event(place.unknown_option());
                0
            }
        };
        if len < least {
            packet.invalid(DecodeEvent::Ipv6ExthdrInvalidOptlen);
            break;
        }
        options = rest;
    }
    if padding && !other {
        packet.event(place.only_padding());
    }
}
