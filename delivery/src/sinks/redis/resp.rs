//! The protocol of Redis (RESP 2): commands out, replies in, with limits on what a reply may be.

use std::io;

/// Bytes of a line: status, error, number or length.
const LONGEST_LINE: usize = 16 * 1024;
/// Bytes of a text with a length before it.
const LONGEST_BULK: usize = 1 << 20;
/// Elements of an array: the `ROLE` of a server has one for each of its replicas.
const LONGEST_ARRAY: usize = 4096;
const DEEPEST: usize = 4;
/// Elements of all arrays of a reply, those inside of others too.
const MOST_ELEMENTS: usize = 4 * LONGEST_ARRAY;
/// Bytes of a reply with all that is in it.
const LONGEST_REPLY: usize = LONGEST_BULK + 64 * 1024;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `+OK`
    Status(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Number(i64),
    /// `$3`; none: nothing is there.
    Bulk(Option<Vec<u8>>),
    /// `*2`; none: nothing is there.
    Array(Option<Vec<Reply>>),
}

impl Reply {
    /// Text of a status or bulk.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) => Some(text),
            Self::Bulk(Some(bytes)) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// Puts a command behind what is in `out`.
pub(crate) fn command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    length(out, b'*', arguments.len());
    for argument in arguments {
        length(out, b'$', argument.len());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

fn length(out: &mut Vec<u8>, mark: u8, mut value: usize) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        start -= 1;
        if value == 0 {
            break;
        }
    }
    out.push(mark);
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
}

/// What came in and is not read yet.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
    read: usize,
}

impl Replies {
    /// Takes in what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        } else if self.read > 64 * 1024 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next reply; none: more has to come.
    ///
    /// # Errors
    /// When what came is no reply, or larger than any that is waited for.
    pub(crate) fn next(&mut self) -> io::Result<Option<Reply>> {
        let mut at = self.read;
        let reply = reply(&self.bytes, &mut at, 0, &mut 0)?;
        if reply.is_some() {
            self.read = at;
        } else if self.bytes.len() - self.read > LONGEST_REPLY {
            return Err(wrong("one that is too long"));
        }
        Ok(reply)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is no reply of Redis: {what}"))
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> io::Result<Option<&'a [u8]>> {
    let rest = bytes.get(*at..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        Some(end) if end <= LONGEST_LINE => {
            let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r"));
            *at += end + 1;
            line.map(Some).ok_or_else(|| wrong("a line without its end"))
        }
        None if rest.len() <= LONGEST_LINE => Ok(None),
        _ => Err(wrong("a line that is too long")),
    }
}

fn reply(
    bytes: &[u8],
    at: &mut usize,
    depth: usize,
    elements: &mut usize,
) -> io::Result<Option<Reply>> {
    let Some(line) = line(bytes, at)? else { return Ok(None) };
    let Some((mark, rest)) = line.split_first() else { return Err(wrong("an empty line")) };
    let text = || String::from_utf8_lossy(rest).into_owned();
    Ok(Some(match mark {
        b'+' => Reply::Status(text()),
        b'-' => Reply::Error(text()),
        b':' => Reply::Number(number(rest)?),
        b'$' => match count(rest, LONGEST_BULK)? {
            None => Reply::Bulk(None),
            Some(length) => {
                let Some(all) = bytes.get(*at..*at + length + 2) else { return Ok(None) };
                let text = all.strip_suffix(b"\r\n").ok_or_else(|| wrong("a text's end"))?;
                *at += length + 2;
                Reply::Bulk(Some(text.to_vec()))
            }
        },
        b'*' => match count(rest, LONGEST_ARRAY)? {
            None => Reply::Array(None),
            Some(_) if depth >= DEEPEST => return Err(wrong("arrays that are too deep")),
            Some(length) => {
                *elements += length;
                if *elements > MOST_ELEMENTS {
                    return Err(wrong("arrays of too many elements"));
                }
                let mut found = Vec::new();
                for _ in 0..length {
                    let element = reply(bytes, at, depth + 1, elements)?;
                    let Some(element) = element else { return Ok(None) };
                    found.push(element);
                }
                Reply::Array(Some(found))
            }
        },
        _ => return Err(wrong("an unknown mark")),
    }))
}

fn number(digits: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(digits).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| wrong("a number"))
}

fn count(digits: &[u8], most: usize) -> io::Result<Option<usize>> {
    match number(digits)? {
        -1 => Ok(None),
        value => match usize::try_from(value) {
            Ok(value) if value <= most => Ok(Some(value)),
            _ => Err(wrong("a length")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_written() {
        let mut out = Vec::new();
        command(&mut out, &[b"LPUSH", b"a-list12", b""]);
        assert_eq!(out, b"*3\r\n$5\r\nLPUSH\r\n$8\r\na-list12\r\n$0\r\n\r\n");
    }

    #[test]
    fn replies_are_read_in_any_pieces() {
        let all = b"+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\nb\r\n$-1\r\n*-1\r\n*2\r\n$1\r\nx\r\n*0\r\n";
        let wanted = [
            Reply::Status("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Number(-7),
            Reply::Bulk(Some(b"a\nb".to_vec())),
            Reply::Bulk(None),
            Reply::Array(None),
            Reply::Array(Some(vec![Reply::Bulk(Some(b"x".to_vec())), Reply::Array(Some(vec![]))])),
        ];
        for size in 1..all.len() {
            let mut replies = Replies::default();
            let mut found = Vec::new();
            for piece in all.chunks(size) {
                replies.push(piece);
                while let Some(reply) = replies.next().unwrap() {
                    found.push(reply);
                }
            }
            assert_eq!(found, wanted, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let deep = "*1\r\n".repeat(6);
        let long = format!("+{}", "x".repeat(LONGEST_LINE + 1));
        for wrong in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            ":x\r\n",
            "+no\n",
            "$-2\r\n",
            "$1\r\nabc",
            "$99999999\r\n",
            "*99999\r\n",
            "$9999999999999999999999\r\n",
            &deep,
            &long,
        ] {
            let mut replies = Replies::default();
            replies.push(wrong.as_bytes());
            let shown = wrong.get(..wrong.len().min(20));
            assert!(replies.next().is_err(), "{shown:?}");
        }
    }

    #[test]
    fn replies_without_end_are_given_up() {
        let check = |start: &str, part: &str, says: &str| {
            let mut replies = Replies::default();
            replies.push(start.as_bytes());
            let mut sent = 0;
            let error = loop {
                match replies.next() {
                    Ok(reply) => assert_eq!(reply, None),
                    Err(error) => break error,
                }
                replies.push(part.as_bytes());
                sent += part.len();
                assert!(sent < 3 << 20, "no end after {sent} bytes");
            };
            assert!(error.to_string().contains(says), "{error}");
        };
        let text = format!("${}\r\n{}\r\n", LONGEST_BULK / 4, "x".repeat(LONGEST_BULK / 4));
        check("*4096\r\n", &text, "too long");
        let inner = format!("*4096\r\n{}", "*0\r\n".repeat(4096));
        check("*4096\r\n", &inner, "too many elements");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut replies = Replies::default();
            replies.push(&bytes);
            while let Ok(Some(_)) = replies.next() {}
        }
    }
}
