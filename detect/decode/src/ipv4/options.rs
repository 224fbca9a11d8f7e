//! IPv4 options (RFC 791, 1108, 2113, 4782, CIPSO): which there are and whether they are sound.

use crate::context::Failed;
use crate::event::DecodeEvent;
use crate::packet::Packet;

/// Record route.
pub const RR: u16 = 1 << 0;
/// End of options.
pub const EOL: u16 = 1 << 1;
/// No operation.
pub const NOP: u16 = 1 << 2;
/// Timestamp.
pub const TS: u16 = 1 << 3;
/// Security.
pub const SEC: u16 = 1 << 4;
/// Extended security.
pub const ESEC: u16 = 1 << 5;
/// Loose source route.
pub const LSRR: u16 = 1 << 6;
/// Strict source route.
pub const SSRR: u16 = 1 << 7;
/// Stream identifier.
pub const SATID: u16 = 1 << 8;
/// Quick start.
pub const QS: u16 = 1 << 9;
/// Commercial IP security option.
pub const CIPSO: u16 = 1 << 10;
/// Router alert.
pub const RTRALT: u16 = 1 << 11;

/// The bits by their names in the rule keyword `ipopts`; `any` is any of them.
pub const NAMES: [(&str, u16); 12] = [
    ("rr", RR),
    ("lsrr", LSRR),
    ("eol", EOL),
    ("nop", NOP),
    ("ts", TS),
    ("sec", SEC),
    ("ssrr", SSRR),
    ("satid", SATID),
    ("esec", ESEC),
    ("qs", QS),
    ("cipso", CIPSO),
    ("rtralt", RTRALT),
];

const KIND_END: u8 = 0;
const KIND_NOP: u8 = 1;
const KIND_RECORD_ROUTE: u8 = 7;
const KIND_QUICK_START: u8 = 25;
const KIND_TIMESTAMP: u8 = 68;
const KIND_SECURITY: u8 = 130;
const KIND_LOOSE_ROUTE: u8 = 131;
const KIND_EXTENDED_SECURITY: u8 = 133;
const KIND_CIPSO: u8 = 134;
const KIND_STREAM: u8 = 136;
const KIND_STRICT_ROUTE: u8 = 137;
const KIND_ROUTER_ALERT: u8 = 148;

/// Reads the options; the bits of those found, or an error if a length makes the rest unreadable.
pub(crate) fn read(packet: &mut Packet<'_>, mut bytes: &[u8]) -> Result<u16, Failed> {
    if !bytes.len().is_multiple_of(8) {
        packet.event(DecodeEvent::Ipv4OptPadRequired);
    }
    let mut found = 0;
    while let Some(&kind) = bytes.first() {
        match kind {
            KIND_END => {
                found |= EOL;
                break;
            }
            KIND_NOP => {
                found |= NOP;
                bytes = bytes.get(1..).unwrap_or(&[]);
                continue;
            }
            _ => {}
        }
        let Some(&len) = bytes.get(1) else {
            packet.event(DecodeEvent::Ipv4OptEolRequired);
            break;
        };
        let Some((option, rest)) =
            bytes.split_at_checked(usize::from(len)).filter(|(option, _)| option.len() >= 2)
        else {
            return Err(packet.invalid(DecodeEvent::Ipv4OptInvalidLen));
        };
        read_one(packet, option, &mut found);
        bytes = rest;
    }
    Ok(found)
}

/// Notes the option's bit, unless it is a second one or unsound.
fn read_one(packet: &mut Packet<'_>, option: &[u8], found: &mut u16) {
    let (bit, check): (u16, fn(&[u8]) -> Check) = match option.first() {
        Some(&KIND_RECORD_ROUTE) => (RR, check_route),
        Some(&KIND_LOOSE_ROUTE) => (LSRR, check_route),
        Some(&KIND_STRICT_ROUTE) => (SSRR, check_route),
        Some(&KIND_TIMESTAMP) => (TS, check_timestamp),
        Some(&KIND_CIPSO) => (CIPSO, check_cipso),
        Some(&KIND_QUICK_START) => (QS, |option| check_len(option.len() >= 8)),
        Some(&KIND_SECURITY) => (SEC, |option| check_len(option.len() >= 3)),
        Some(&KIND_EXTENDED_SECURITY) => (ESEC, |option| check_len(option.len() >= 3)),
        Some(&KIND_STREAM) => (SATID, |option| check_len(option.len() == 4)),
        Some(&KIND_ROUTER_ALERT) => (RTRALT, |option| check_len(option.len() == 4)),
        _ => {
            packet.event(DecodeEvent::Ipv4OptInvalid);
            return;
        }
    };
    if *found & bit != 0 {
        packet.event(DecodeEvent::Ipv4OptDuplicate);
        return;
    }
    match check(option) {
        Ok(()) => *found |= bit,
        Err(event) => {
            packet.invalid(event);
        }
    }
}

type Check = Result<(), DecodeEvent>;

fn check_len(fits: bool) -> Check {
    if fits { Ok(()) } else { Err(DecodeEvent::Ipv4OptInvalidLen) }
}

fn check_form(sound: bool) -> Check {
    if sound { Ok(()) } else { Err(DecodeEvent::Ipv4OptMalformed) }
}

/// Record route and source routes: the pointer goes in steps of an address from 4 on.
fn check_route(option: &[u8]) -> Check {
    let [_, _, pointer, ..] = option else {
        return Err(DecodeEvent::Ipv4OptInvalidLen);
    };
    let pointer = usize::from(*pointer);
    check_form(pointer >= 4 && pointer % 4 == 0 && pointer <= option.len() + 1)
}

/// Timestamp: the pointer goes in steps of a record from 5 on.
fn check_timestamp(option: &[u8]) -> Check {
    let [_, _, pointer, flags, _, ..] = option else {
        return Err(DecodeEvent::Ipv4OptInvalidLen);
    };
    let record_len = if matches!(flags & 0x0f, 1 | 3) { 8 } else { 4 };
    let pointer = usize::from(*pointer);
    check_form(pointer >= 5 && (pointer - 5) % record_len == 0 && pointer <= option.len() + 1)
}

/// CIPSO: domain of interpretation, then tags of type, length and data.
fn check_cipso(option: &[u8]) -> Check {
    check_len(option.len() >= 10)?;
    let mut tags = option.get(6..).unwrap_or(&[]);
    while let Some(&kind) = tags.first() {
        let len = tags.get(1).map_or(0, |&len| usize::from(len));
        let Some((tag, rest)) = tags.split_at_checked(len).filter(|(tag, _)| tag.len() >= 2) else {
            return Err(DecodeEvent::Ipv4OptMalformed);
        };
        match kind {
            // Bit map, enumerated and ranged categories: an alignment octet of zero comes first.
            1 | 2 | 5 => check_form(tag.len() >= 4 && tag.get(2) == Some(&0))?,
            6 | 7 => {}
            _ => return Err(DecodeEvent::Ipv4OptMalformed),
        }
        tags = rest;
    }
    Ok(())
}
