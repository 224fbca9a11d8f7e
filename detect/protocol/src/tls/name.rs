//! Distinguished names of certificates as one line of text.

use super::der::{Fault, Reader, tag, write_object_id};

/// Text for a name that holds a value which is no text in its own encoding.
const UNREADABLE: &str = "<X509Error: Invalid X.509 name>";

/// Reads a name (RFC 5280, 4.1.2.4) and gives it as text: `C=US, O=Example, CN=host`.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<String, Fault> {
    let relative_names = reader.enter(tag::SEQUENCE)?;
    let mut text = String::new();
    if write(relative_names, &mut text).is_none() {
        text.clear();
        text.push_str(UNREADABLE);
    }
    Ok(text)
}

/// A name that must fill `bytes`.
pub(super) fn read_whole(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader::new(bytes);
    let text = read(&mut reader).ok()?;
    reader.is_empty().then_some(text)
}

/// Writes relative names up to the first that is malformed: what follows it is not looked at.
fn write(mut relative_names: Reader<'_>, out: &mut String) -> Option<()> {
    while let Ok(attributes) = relative_names.enter(tag::SET) {
        let start = out.len();
        if !write_attributes(attributes, out)? {
            out.truncate(start);
            break;
        }
    }
    Some(())
}

/// Writes one relative name, false when it has no attribute.
fn write_attributes(mut attributes: Reader<'_>, out: &mut String) -> Option<bool> {
    let mut any = false;
    while let Ok((id, kind, value)) = attribute(&mut attributes) {
        out.push_str(if any {
            " + "
        } else if out.is_empty() {
            ""
        } else {
            ", "
        });
        write_type(id, out);
        out.push('=');
        write_value(kind, value, out)?;
        any = true;
    }
    Some(any)
}

fn attribute<'a>(attributes: &mut Reader<'a>) -> Result<(&'a [u8], u32, &'a [u8]), Fault> {
    let mut ahead = *attributes;
    let mut parts = ahead.enter(tag::SEQUENCE)?;
    let id = parts.object_id()?;
    let value = parts.element()?;
    *attributes = ahead;
    Ok((id, value.tag, value.content))
}

fn write_type(id: &[u8], out: &mut String) {
    match abbreviation(id) {
        Some(name) => out.push_str(name),
        None => {
            out.push_str("OID(");
            write_object_id(id, out);
            out.push(')');
        }
    }
}

/// Writes a value: strings as they are, other types in hexadecimal. None: a string that isn't.
fn write_value(kind: u32, value: &[u8], out: &mut String) -> Option<()> {
    use std::fmt::Write as _;
    match kind {
        // ObjectDescriptor, UTF8String and the string types up to GeneralString.
        7 | 12 | 18..=22 | 25..=27 => out.push_str(std::str::from_utf8(value).ok()?),
        tag::BMP_STRING => {
            let (pairs, rest) = value.as_chunks::<2>();
            if !rest.is_empty() {
                return None;
            }
            for unit in char::decode_utf16(pairs.iter().map(|&pair| u16::from_be_bytes(pair))) {
                out.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        _ => {
            for byte in value {
                // Writing to a string can't fail.
                let _ = write!(out, "{byte:02X}");
            }
        }
    }
    Some(())
}

/// What an attribute type is called in Suricata 8's one-line names.
fn abbreviation(id: &[u8]) -> Option<&'static str> {
    let name = match id {
        [0x55, 0x04, last] => match last {
            0 => "objectClass",
            1 => "aliasedEntryName",
            2 => "knowledgeInformation",
            3 => "CN",
            4 => "surname",
            5 => "serialNumber",
            6 => "C",
            7 => "L",
            8 => "ST",
            9 => "streetAddress",
            10 => "O",
            11 => "OU",
            12 => "title",
            13 => "description",
            14 => "searchGuide",
            15 => "businessCategory",
            16 => "postalAddress",
            17 => "postalCode",
            41 => "name",
            42 => "givenName",
            43 => "initials",
            44 => "generationQualifier",
            45 => "uniqueIdentifier",
            46 => "dnQualifier",
            _ => return None,
        },
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01" => "Email",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02" => "unstructuredName",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07" => "challengePassword",
        b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01" => "uid",
        b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19" => "DC",
        b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01" => "msJurisdictionLocality",
        b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02" => "msJurisdictionStateOrProvince",
        b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03" => "msJurisdictionCountry",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::{UNREADABLE, read_whole};

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    fn attribute(id: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
        element(0x30, &[element(6, id), element(kind, value)].concat())
    }

    fn check(relative_names: &[Vec<Vec<u8>>], want: &str) {
        let sets: Vec<u8> =
            relative_names.iter().flat_map(|set| element(0x31, &set.concat())).collect();
        assert_eq!(read_whole(&element(0x30, &sets)).as_deref(), Some(want));
    }

    #[test]
    fn names_become_one_line() {
        let (cn, o, other) = (&b"\x55\x04\x03"[..], &b"\x55\x04\x0a"[..], &b"\x2a\x03"[..]);
        check(&[], "");
        check(&[vec![attribute(cn, 12, b"a, b=c")]], "CN=a, b=c");
        check(
            &[
                vec![attribute(o, 19, b"X*"), attribute(cn, 12, b"y")],
                vec![attribute(other, 4, b"\x01z")],
            ],
            "O=X* + CN=y, OID(1.2.3)=017A",
        );
        check(&[vec![attribute(cn, 30, b"\x00h\x20\xac")]], "CN=h\u{20ac}");
        check(&[vec![attribute(cn, 12, "ü\0".as_bytes())]], "CN=ü\0");
        check(&[vec![attribute(cn, 12, b"\xff")]], UNREADABLE);
        check(&[vec![attribute(cn, 30, b"\x00")]], UNREADABLE);
    }

    #[test]
    fn a_malformed_relative_name_ends_the_line() {
        let good = vec![attribute(b"\x55\x04\x03", 12, b"a")];
        check(&[good.clone(), vec![element(6, b"\x01")], good.clone()], "CN=a");
        check(&[good.clone(), vec![], good], "CN=a");
        assert_eq!(read_whole(b"\x30\x05\x31"), None);
        assert_eq!(read_whole(b"\x30\x00\x00"), None);
    }
}
