//! Base64 as rules decode it, where it need not be whole.

/// Decodes until the first byte that is not of the alphabet (RFC 4648); three, or two, characters
/// at the end need no padding. False, with nothing decoded, where groups make no sense: padding
/// before characters, one character alone.
pub fn decode_until(text: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let mut group = Group::default();
    for &byte in text {
        if !group.take(byte) {
            break;
        }
        if group.is_full() && !group.decode(out) {
            out.truncate(before);
            return false;
        }
    }
    let whole = group.is_empty() || group.decode(out);
    if !whole {
        out.truncate(before);
    }
    whole && out.len() > before
}

/// Decodes text in which bytes outside the alphabet are skipped (RFC 2045); what is no whole group
/// at the end is left out.
pub fn decode_skipping(text: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let mut group = Group::default();
    for &byte in text {
        if group.take(byte) && group.is_full() && !group.decode(out) {
            out.truncate(before);
            return false;
        }
    }
    out.len() > before
}

/// Four characters, the last of which may be padding.
#[derive(Default)]
struct Group {
    bits: u32,
    characters: u8,
    padding: u8,
    /// A character came after padding.
    broken: bool,
}

impl Group {
    /// Takes a character or padding; false for other bytes.
    fn take(&mut self, byte: u8) -> bool {
        if byte == b'=' {
            self.padding += 1;
            return true;
        }
        let Some(value) = value(byte) else { return false };
        self.broken |= self.padding > 0;
        self.bits = self.bits << 6 | u32::from(value);
        self.characters += 1;
        true
    }

    const fn is_full(&self) -> bool {
        self.characters + self.padding == 4
    }

    const fn is_empty(&self) -> bool {
        self.characters + self.padding == 0
    }

    /// Adds the bytes of the group and begins the next; false if it makes no sense.
    fn decode(&mut self, out: &mut Vec<u8>) -> bool {
        let Self { bits, characters, broken, .. } = std::mem::take(self);
        let bytes = bits.checked_shl(32 - u32::from(characters) * 6).unwrap_or(0).to_be_bytes();
        match characters {
            2..=4 if !broken => {
                out.extend_from_slice(&bytes[..usize::from(characters) - 1]);
                true
            }
            _ => false,
        }
    }
}

const fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, what comes of it up to the first other byte, and with other bytes skipped; all as
    /// Suricata 8 does it.
    const TABLE: &[(&str, Option<&str>, Option<&str>)] = &[
        ("aGVsbG8=", Some("hello"), Some("hello")),
        ("aGVs bG8=", Some("hel"), Some("hello")),
        ("YWJjZA", Some("abcd"), Some("abc")),
        ("YWJjZA=", Some("abcd"), Some("abc")),
        ("YWJjZA= =", Some("abcd"), Some("abcd")),
        ("YWJjZGVmZ", None, Some("abcdef")),
        ("YQ==YQ==", Some("aa"), Some("aa")),
        ("YQ=", Some("a"), None),
        ("YQ", Some("a"), None),
        ("Y", None, None),
        ("Y WJ", None, None),
        ("YW Jj", Some("a"), Some("abc")),
        ("*YWJj", None, Some("abc")),
        ("YWJj*", Some("abc"), Some("abc")),
        ("YWJj====", None, None),
        ("YWJj=YWJj", None, None),
        ("=", None, None),
        ("*", None, None),
        ("", None, None),
    ];

    #[test]
    fn decodes_as_far_as_it_goes() {
        for &(text, until, skipping) in TABLE {
            let mut out = Vec::new();
            let done = decode_until(text.as_bytes(), &mut out);
            assert_eq!(done.then_some(&*out), until.map(str::as_bytes), "{text}");
            let mut out = Vec::new();
            let done = decode_skipping(text.as_bytes(), &mut out);
            assert_eq!(done.then_some(&*out), skipping.map(str::as_bytes), "{text}");
        }
    }
}
