//! Messages out of a stream of bytes, in whatever pieces they come.

use serde_json::{Deserializer, Value};

/// The stream holds something that is no message, or one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Bytes that have come and are not fetched as messages yet.
#[derive(Debug, Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    /// What was looked at in vain: no message ends there.
    searched: usize,
}

impl Messages {
    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a message has begun.
    pub(super) const fn is_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next message, an object of at most so many bytes; none: it is not complete.
    pub(super) fn next(&mut self, longest: usize) -> Result<Option<Value>, Malformed> {
        let blank = self.bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blank > 0 {
            self.bytes.drain(..blank);
            self.searched = 0;
        }
        match self.bytes.first() {
            None => return Ok(None),
            Some(b'{') => {}
            Some(_) => return Err(Malformed),
        }
        // Only a brace can end an object.
        let fresh = self.bytes.get(self.searched..).unwrap_or_default();
        if fresh.contains(&b'}') {
            let mut values = Deserializer::from_slice(&self.bytes).into_iter::<Value>();
            match values.next() {
                Some(Ok(value)) => {
                    let length = values.byte_offset();
                    if length > longest {
                        return Err(Malformed);
                    }
                    self.bytes.drain(..length);
                    self.searched = 0;
                    return Ok(Some(value));
                }
                Some(Err(error)) if error.is_eof() => {}
                _ => return Err(Malformed),
            }
        }
        self.searched = self.bytes.len();
        if self.bytes.len() >= longest { Err(Malformed) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds pieces, and compares the messages that come out; an error ends it.
    fn check(pieces: &[&[u8]], expected: &[&str], malformed: bool) {
        let mut messages = Messages::default();
        let mut got = Vec::new();
        let mut end = Ok(());
        'pieces: for piece in pieces {
            messages.push(piece);
            loop {
                match messages.next(64) {
                    Ok(Some(value)) => got.push(value.to_string()),
                    Ok(None) => break,
                    Err(error) => {
                        end = Err(error);
                        break 'pieces;
                    }
                }
            }
        }
        let said: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
        assert_eq!(got, expected, "{said:?}");
        assert_eq!(end.is_err(), malformed, "{said:?}");
    }

    #[test]
    fn messages_come_in_any_pieces() {
        check(&[br#"{"a":1}"#], &[r#"{"a":1}"#], false);
        check(&[b" \n", b"{\"a\"", b":{}", b"\n}\n"], &[r#"{"a":{}}"#], false);
        check(&[b"{\"a\":1}\n{\"b\":2}\n{"], &[r#"{"a":1}"#, r#"{"b":2}"#], false);
        let one_by_one: Vec<&[u8]> = br#"{"a":"}{"}"#.chunks(1).collect();
        check(&one_by_one, &[r#"{"a":"}{"}"#], false);
        check(&[b"{\"a\":\"\xc3", b"\xa4\"}"], &["{\"a\":\"ä\"}"], false);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        check(&[b"garbage"], &[], true);
        check(&[b"[]"], &[], true);
        check(&[b"\"a\""], &[], true);
        check(&[b"{a}"], &[], true);
        check(&[b"{\"a\":1}x"], &[r#"{"a":1}"#], true);
        check(&[b"{\"a\":\"\xff\"}"], &[], true);
        check(&[&[b'{'; 70]], &[], true);
        check(&[b"{\"a\":\"", &[b'x'; 60]], &[], true);
        check(&[format!("{{\"a\":\"{}\"}}", "x".repeat(60)).as_bytes()], &[], true);
        check(&[b"{\"a\":", &[b'['; 50], b"}"], &[], true);
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let good = br#"{"a":[{"b":"\u0041}"},-1.5e3,null]} "#;
        for at in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = good.to_vec();
                bytes[at] = byte;
                let (first, second) = bytes.split_at(at);
                let mut messages = Messages::default();
                messages.push(first);
                let begun = messages.next(64);
                messages.push(second);
                let whole = messages.next(64);
                // A cut makes no difference to what comes out; an error may show itself later.
                let mut uncut = Messages::default();
                uncut.push(&bytes);
                let expected = uncut.next(64);
                let got = if matches!(begun, Ok(None)) { whole } else { begun };
                let is_late = got == Ok(None) && expected.is_err();
                assert!(got == expected || is_late, "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}
