//! The subject's other names in a certificate (RFC 5280, 4.2.1.6).

use std::fmt::Write as _;

use super::der::{CONTEXT, Reader, tag, write_object_id};
use super::name;

/// How many names of a certificate are kept.
const MAX_NAMES: usize = 65_535;

/// Other names of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AltNames {
    /// As text, in their order.
    pub(super) list: Vec<String>,
    /// There are more than are kept.
    pub(super) too_many: bool,
}

/// Reads the extension's value; none when any part of it is malformed.
pub(super) fn read(value: &[u8]) -> Option<AltNames> {
    let mut names = Reader::new(value).enter(tag::SEQUENCE).ok()?;
    let mut found = AltNames::default();
    while !names.is_empty() {
        let element = names.element().ok()?;
        if element.class != CONTEXT {
            return None;
        }
        let text = general_name(element.tag, element.content)?;
        if found.list.len() == MAX_NAMES {
            found.too_many = true;
            break;
        }
        found.list.push(text);
    }
    Some(found)
}

/// One name in the form in which Suricata 8 shows it.
fn general_name(kind: u32, content: &[u8]) -> Option<String> {
    let mut text = String::new();
    match kind {
        0 => {
            text.push_str("OtherName(");
            write_object_id(Reader::new(content).object_id().ok()?, &mut text);
            text.push_str(", [...])");
        }
        1 => {
            text.push_str("RFC822Name(");
            text.push_str(std::str::from_utf8(content).ok()?);
            text.push(')');
        }
        2 | 6 => text.push_str(std::str::from_utf8(content).ok()?),
        3 => text.push_str("X400Address(<unparsed>)"),
        4 => {
            text.push_str("DirectoryName(");
            text.push_str(&name::read_whole(content)?);
            text.push(')');
        }
        5 => text.push_str("EDIPartyName(<unparsed>)"),
        // An address is shown as the list of its bytes; writing to a string can't fail.
        7 => {
            let _ = write!(text, "{content:?}");
        }
        8 => {
            text.push_str("RegisteredID(");
            write_object_id(content, &mut text);
            text.push(')');
        }
        _ => return None,
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn every_kind_of_name() {
        let cases: &[(&[u8], Option<&[&str]>)] = &[
            (b"\x30\x00", Some(&[])),
            (b"\x30\x05\x82\x03a.b", Some(&["a.b"])),
            (b"\x30\x05\x82\x03a\0b", Some(&["a\0b"])),
            (b"\x30\x05\x86\x03x:y", Some(&["x:y"])),
            (b"\x30\x06\x87\x04\x01\x02\x03\x04", Some(&["[1, 2, 3, 4]"])),
            (b"\x30\x05\x81\x03e@f", Some(&["RFC822Name(e@f)"])),
            (b"\x30\x05\x88\x03\x2a\x03\x04", Some(&["RegisteredID(1.2.3.4)"])),
            (
                b"\x30\x0a\xa0\x08\x06\x03\x2a\x03\x04\xa0\x01\x00",
                Some(&["OtherName(1.2.3.4, [...])"]),
            ),
            (
                b"\x30\x10\xa4\x0e\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01d",
                Some(&["DirectoryName(CN=d)"]),
            ),
            (b"\x30\x02\xa3\x00", Some(&["X400Address(<unparsed>)"])),
            (b"\x30\x02\xa5\x00", Some(&["EDIPartyName(<unparsed>)"])),
            (b"\x30\x05\x82\x01a\x82\x02", None),
            (b"\x30\x03\x82\x01\xff", None),
            (b"\x30\x02\x89\x00", None),
            (b"\x30\x02\x02\x00", None),
            (b"\x04\x00", None),
        ];
        for (bytes, want) in cases {
            let got = read(bytes).map(|names| names.list);
            let want = want.map(|list| list.iter().map(ToString::to_string).collect());
            assert_eq!(got, want, "{bytes:02x?}");
        }
    }

    #[test]
    fn names_beyond_the_limit_are_told() {
        for (count, kept, too_many) in [(65_535, 65_535, false), (65_536, 65_535, true)] {
            let names = b"\x82\x00".repeat(count);
            let length = u32::try_from(names.len()).unwrap().to_be_bytes();
            let bytes = [&b"\x30\x84"[..], &length, &names].concat();
            let found = read(&bytes).unwrap();
            assert_eq!((found.list.len(), found.too_many), (kept, too_many));
        }
    }
}
