//! Values of sets as text: lines of files, and the bytes that are compared.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use rules::rule::DatasetType;

use super::{Filling, Kept};

/// Fills a set from a file with a value a line, or a value and its reputation.
///
/// A line that can't be read is passed over. Lines of both kinds do not go together: the first
/// of the other kind ends the file.
pub(super) fn fill(filling: &mut Filling<'_>, bytes: &[u8]) {
    let mut rated = None;
    for line in bytes.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let comma = line.iter().position(|b| *b == b',');
        if *rated.get_or_insert(comma.is_some()) != comma.is_some() {
            filling.fault("Cannot mix dataset and datarep values".to_owned());
            return;
        }
        let (text, reputation) = match comma {
            Some(comma) => (&line[..comma], reputation(&line[comma + 1..])),
            None => (line, Some(0)),
        };
        // Suricata 8 writes IPv4 addresses of such a set plainly, and reads them mapped only. What
        // was written can be read here.
        let plain = filling.kind == DatasetType::Ip && !filling.own && !text.contains(&b':');
        let value = if plain { None } else { parse(filling.kind, text) };
        match (value, reputation) {
            (Some(value), Some(reputation)) => {
                filling.add(value, Kept { reputation, ..Kept::default() });
            }
            (None, _) => {
                let line = String::from_utf8_lossy(line);
                filling.fault(format!("invalid {} value '{line}'", name(filling.kind)));
            }
            (_, None) => {
                let line = String::from_utf8_lossy(line);
                filling.fault(format!("invalid datarep value '{line}'"));
            }
        }
    }
}

fn reputation(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The type's name in rules.
pub(super) const fn name(kind: DatasetType) -> &'static str {
    match kind {
        DatasetType::String => "string",
        DatasetType::Md5 => "md5",
        DatasetType::Sha256 => "sha256",
        DatasetType::Ipv4 => "ipv4",
        DatasetType::Ip => "ip",
    }
}

/// Text of a file to the bytes that are compared.
pub(super) fn parse(kind: DatasetType, text: &[u8]) -> Option<Vec<u8>> {
    match kind {
        DatasetType::String => STANDARD.decode(text).ok(),
        DatasetType::Md5 => unhex(text).filter(|v| v.len() == 16),
        DatasetType::Sha256 => unhex(text).filter(|v| v.len() == 32),
        DatasetType::Ipv4 => {
            let address: Ipv4Addr = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
            Some(address.octets().to_vec())
        }
        DatasetType::Ip => {
            let address: IpAddr = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
            Some(match address.to_canonical() {
                IpAddr::V4(v4) => padded(v4.octets()).to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            })
        }
    }
}

/// Sets of addresses of both versions hold IPv4 in the first four bytes, as Suricata 8's do.
fn padded(octets: [u8; 4]) -> [u8; 16] {
    let mut all = [0; 16];
    all[..4].copy_from_slice(&octets);
    all
}

/// The bytes of a buffer as a set compares them; none if they can't be in it.
pub(super) fn key(kind: DatasetType, bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    match (kind, bytes.len()) {
        // No bytes are no value.
        (_, 0) => None,
        (DatasetType::String, _)
        | (DatasetType::Md5 | DatasetType::Ip, 16)
        | (DatasetType::Sha256, 32)
        | (DatasetType::Ipv4, 4) => Some(Cow::Borrowed(bytes)),
        (DatasetType::Md5, 32) | (DatasetType::Sha256, 64) => unhex(bytes).map(Cow::Owned),
        (DatasetType::Ip, 4) => {
            let octets: [u8; 4] = bytes.try_into().ok()?;
            Some(Cow::Owned(padded(octets).to_vec()))
        }
        _ => None,
    }
}

/// The bytes of a buffer as they are put into a set: of longer ones a set of IPv4 addresses
/// takes the first four.
pub(super) fn key_to_add(kind: DatasetType, bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    match (kind, bytes.get(..4)) {
        (DatasetType::Ipv4, Some(first)) => Some(Cow::Borrowed(first)),
        _ => key(kind, bytes),
    }
}

/// A value as a line of a file.
pub(super) fn line(kind: DatasetType, value: &[u8]) -> String {
    match kind {
        DatasetType::String => STANDARD.encode(value),
        DatasetType::Md5 | DatasetType::Sha256 => {
            value.iter().map(|b| format!("{b:02x}")).collect()
        }
        DatasetType::Ipv4 => match <[u8; 4]>::try_from(value) {
            Ok(octets) => Ipv4Addr::from(octets).to_string(),
            Err(_) => String::new(),
        },
        DatasetType::Ip => match (<[u8; 16]>::try_from(value), value) {
            (Ok(_), [a, b, c, d, rest @ ..]) if rest.iter().all(|byte| *byte == 0) => {
                Ipv4Addr::new(*a, *b, *c, *d).to_string()
            }
            (Ok(octets), _) => {
                let groups = Ipv6Addr::from(octets).segments();
                groups.map(|group| format!("{group:04x}")).join(":")
            }
            (Err(_), _) => String::new(),
        },
    }
}

/// Hexadecimal digits to bytes.
pub(in crate::content) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            Some((high * 16 + low) as u8)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_can_be_read() {
        for (kind, text, written) in [
            (DatasetType::String, "YWJj", "YWJj"),
            (DatasetType::Ipv4, "192.0.2.1", "192.0.2.1"),
            (DatasetType::Ip, "::ffff:192.0.2.1", "192.0.2.1"),
            (DatasetType::Ip, "192.0.2.1", "192.0.2.1"),
            (DatasetType::Ip, "2001:DB8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
            (
                DatasetType::Md5,
                "00112233445566778899AABBCCDDEEFF",
                "00112233445566778899aabbccddeeff",
            ),
        ] {
            let value = parse(kind, text.as_bytes()).expect(text);
            assert_eq!(line(kind, &value), written);
            assert_eq!(parse(kind, written.as_bytes()), Some(value), "{written}");
        }
        for (kind, text) in [
            (DatasetType::String, "YWJ"),
            (DatasetType::Ipv4, "::1"),
            (DatasetType::Ip, "192.0.2.1/24"),
            (DatasetType::Md5, "0011"),
        ] {
            assert_eq!(parse(kind, text.as_bytes()), None, "{text}");
        }
    }
}
