//! Reads status lines, and tells them from junk before them.

use super::request_line::{Version, protocol};
use super::text::{chomp, is_space, starts_ignoring_case};

/// A status line; ranges are within the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusLine {
    /// Length without terminator.
    pub(crate) len: usize,
    /// Protocol.
    pub(crate) protocol: (usize, usize),
    /// Its version.
    pub(crate) version: Version,
    /// White space or zeros within the protocol.
    pub(crate) protocol_extra: bool,
    /// Code as sent.
    pub(crate) code: (usize, usize),
    /// Code, 100 to 999.
    pub(crate) status: Option<u16>,
    /// Reason.
    pub(crate) reason: (usize, usize),
}

const fn is_padding(byte: u8) -> bool {
    is_space(byte) || byte == 0
}

/// True when a line can't be a status line: it does not begin with `http`.
pub(crate) fn is_junk(line: &[u8]) -> bool {
    let skip = line.iter().take_while(|&&b| is_padding(b)).count();
    !starts_ignoring_case(line.get(skip..).unwrap_or(&[]), b"http")
}

/// Reads a line with its terminator.
pub(crate) fn parse(line: &[u8]) -> StatusLine {
    let text = chomp(line);
    let mut out = StatusLine { len: text.len(), ..StatusLine::default() };
    let take = |from: usize, what: fn(u8) -> bool| {
        from + text.iter().skip(from).take_while(|&&b| what(b)).count()
    };
    let start = take(0, is_padding);
    let end = take(start, |b| !is_space(b));
    out.protocol = (start, end);
    (out.version, out.protocol_extra) = protocol(text.get(start..end).unwrap_or(&[]));
    let start = take(end, is_space);
    let end = take(start, |b| !is_space(b));
    out.code = (start, end);
    out.status = code(text.get(start..end).unwrap_or(&[]));
    out.reason = (take(end, is_space), text.len());
    out
}

fn code(text: &[u8]) -> Option<u16> {
    if text.len() != 3 {
        return None;
    }
    super::text::decimal(text).and_then(|n| u16::try_from(n).ok()).filter(|&n| n >= 100)
}

#[cfg(test)]
mod tests {
    use super::{is_junk, parse};
    use crate::http::request_line::Version;

    fn check(line: &str, proto: &str, code: &str, status: Option<u16>, reason: &str) {
        let got = parse(line.as_bytes());
        let text = |(a, b): (usize, usize)| &line[a..b];
        assert_eq!(
            (text(got.protocol), text(got.code), got.status, text(got.reason)),
            (proto, code, status, reason),
            "{line:?}"
        );
    }

    #[test]
    fn lines() {
        check("HTTP/1.1 200 OK\r\n", "HTTP/1.1", "200", Some(200), "OK");
        check("HTTP/1.1 200 OK  \r\n", "HTTP/1.1", "200", Some(200), "OK  ");
        check("HTTP/1.1 404\r\n", "HTTP/1.1", "404", Some(404), "");
        check("HTTP/1.1\r", "HTTP/1.1", "", None, "");
        check("HTTP/1.1  200\tvery ok\n", "HTTP/1.1", "200", Some(200), "very ok");
        check("\0 HTTP/1.1 000 no", "HTTP/1.1", "000", None, "no");
        check("http/1.1 2xx x", "http/1.1", "2xx", None, "x");
    }

    #[test]
    fn versions_and_junk() {
        assert_eq!(parse(b"HTTP/1.2 200").version, Version::Invalid);
        assert_eq!(parse(b"HTTP/1.0 200").version, Version::V10);
        assert!(is_junk(b"foobar\r\n") && is_junk(b"\t\r\n") && is_junk(b""));
        assert!(!is_junk(b"\0 hTTp/"));
    }
}
