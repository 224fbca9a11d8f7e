//! Data of resource records as text.

use json::Writer;
use smallvec::SmallVec;

use super::message::{Record, read_name, rrtype, word};
use super::name::NameText;

/// How a record's data is written.
pub(crate) enum Data<'a> {
    /// An address, as text.
    Address(SmallVec<[u8; 64]>),
    /// A name, and whether it was cut.
    Name(NameText, bool),
    /// Strings.
    Strings(Strings<'a>),
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// Start of authority: names, numbers.
    Soa(Box<Soa>),
    /// Service: priority, weight, port, target.
    Service([u16; 3], NameText),
    /// Fingerprint of an SSH key: algorithm, kind, digest.
    Fingerprint(u8, u8, &'a [u8]),
    /// Options: codes with data.
    Options(&'a [u8]),
    /// Types that are not decoded.
    Opaque(&'a [u8]),
}

/// Start of authority.
pub(crate) struct Soa {
    primary: NameText,
    mailbox: NameText,
    numbers: [u32; 5],
}

/// Strings with their lengths before them.
#[derive(Clone)]
pub(crate) struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(text)
    }
}

/// Decodes a record's data; none when it can't be read.
pub(crate) fn decode<'a>(message: &'a [u8], record: &Record) -> Option<Data<'a>> {
    let bytes = record.bytes(message);
    let (start, end) = (record.data, record.end);
    Some(match record.rrtype {
        rrtype::A | rrtype::AAAA => Data::Address(address(bytes)),
        rrtype::CNAME | rrtype::NS | rrtype::PTR => name(message, start, end)?,
        rrtype::MX => name(message, start + 2, end)?,
        rrtype::TXT => Data::Strings(Strings(bytes)),
        rrtype::NULL => Data::Bytes(bytes),
        rrtype::SOA => soa(message, start, end)?,
        rrtype::SRV => {
            let words = [word(bytes, 0)?, word(bytes, 2)?, word(bytes, 4)?];
            let mut target = NameText::new();
            read_name(message, start + 6, end, &mut target)?;
            Data::Service(words, target)
        }
        rrtype::SSHFP => {
            let (&[algorithm, kind], digest) = bytes.split_first_chunk()?;
            Data::Fingerprint(algorithm, kind, digest)
        }
        rrtype::OPT => Data::Options(bytes),
        _ => Data::Opaque(bytes),
    })
}

fn name<'a>(message: &'a [u8], start: usize, end: usize) -> Option<Data<'a>> {
    let mut text = NameText::new();
    let read = read_name(message, start, end, &mut text)?;
    Some(Data::Name(text, read.truncated))
}

fn soa<'a>(message: &'a [u8], start: usize, end: usize) -> Option<Data<'a>> {
    let (mut primary, mut mailbox) = (NameText::new(), NameText::new());
    let read = read_name(message, start, end, &mut primary)?;
    let read = read_name(message, read.next, end, &mut mailbox)?;
    let words = message.get(read.next..end)?.first_chunk::<20>()?;
    let mut numbers = [0; 5];
    for (number, bytes) in numbers.iter_mut().zip(words.as_chunks::<4>().0) {
        *number = u32::from_be_bytes(*bytes);
    }
    Some(Data::Soa(Box::new(Soa { primary, mailbox, numbers })))
}

/// Four or sixteen bytes as an address, without abbreviation; other lengths are empty.
fn address(bytes: &[u8]) -> SmallVec<[u8; 64]> {
    let mut text = SmallVec::new();
    match bytes.len() {
        4 => {
            for (at, byte) in bytes.iter().enumerate() {
                if at > 0 {
                    text.push(b'.');
                }
                push_decimal(&mut text, *byte);
            }
        }
        16 => {
            for (at, byte) in bytes.iter().enumerate() {
                if at > 0 && at % 2 == 0 {
                    text.push(b':');
                }
                text.extend_from_slice(&hex(*byte));
            }
        }
        _ => {}
    }
    text
}

fn push_decimal(text: &mut SmallVec<[u8; 64]>, byte: u8) {
    if byte >= 100 {
        text.push(b'0' + byte / 100);
    }
    if byte >= 10 {
        text.push(b'0' + byte / 10 % 10);
    }
    text.push(b'0' + byte % 10);
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Bytes as hexadecimal digits, with something between them.
fn hex_text(bytes: &[u8], between: &[u8]) -> SmallVec<[u8; 128]> {
    let mut text = SmallVec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            text.extend_from_slice(between);
        }
        text.extend_from_slice(&hex(*byte));
    }
    text
}

/// Writes the object of a start of authority.
pub(crate) fn write_soa(soa: &Soa, out: &mut Writer<'_>) {
    out.open().field_text("mname", &soa.primary).field_text("rname", &soa.mailbox);
    let keys = ["serial", "refresh", "retry", "expire", "minimum"];
    for (key, number) in keys.into_iter().zip(soa.numbers) {
        out.field_u64(key, u64::from(number));
    }
    out.close();
}

/// Writes the object of a service.
pub(crate) fn write_service(words: [u16; 3], target: &[u8], out: &mut Writer<'_>) {
    out.open();
    for (key, word) in ["priority", "weight", "port"].into_iter().zip(words) {
        out.field_u64(key, u64::from(word));
    }
    out.field_text("name", target).close();
}

/// Writes the object of a fingerprint.
pub(crate) fn write_fingerprint(algorithm: u8, kind: u8, digest: &[u8], out: &mut Writer<'_>) {
    out.open().field_text("fingerprint", &hex_text(digest, b":"));
    out.field_u64("algo", u64::from(algorithm)).field_u64("type", u64::from(kind)).close();
}

/// Writes the array of options.
pub(crate) fn write_options(bytes: &[u8], out: &mut Writer<'_>) {
    out.open_array();
    let mut rest = bytes;
    while let (Some(code), Some(len)) = (word(rest, 0), word(rest, 2)) {
        let end = 4 + usize::from(len);
        let Some(data) = rest.get(4..end) else { break };
        out.open().field_u64("code", u64::from(code));
        out.field_text("data", &hex_text(data, b"")).close();
        rest = rest.get(end..).unwrap_or(&[]);
    }
    out.close_array();
}
