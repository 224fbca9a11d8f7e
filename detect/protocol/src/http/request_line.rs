//! Reads request lines.

use super::text::{chomp, is_space, trim, trim_end};

/// Version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// Not readable.
    #[default]
    Invalid,
    /// HTTP/0.9, or no protocol in a request.
    V09,
    /// HTTP/1.0.
    V10,
    /// HTTP/1.1.
    V11,
}

/// Methods that the parser treats in their own way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Method {
    /// Not known.
    #[default]
    Unknown,
    /// Known, nothing special.
    Other,
    /// CONNECT.
    Connect,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
}

const METHODS: &[&[u8]] = &[
    b"GET",
    b"TRACE",
    b"OPTIONS",
    b"DELETE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"CHECKOUT",
    b"UNCHECKOUT",
    b"CHECKIN",
    b"UPDATE",
    b"LABEL",
    b"REPORT",
    b"MKWORKSPACE",
    b"MKACTIVITY",
    b"MERGE",
    b"INVALID",
    b"VERSION-CONTROL",
    b"BASELINE-CONTROL",
];

impl Method {
    /// By its exact name.
    pub(crate) fn of(name: &[u8]) -> Self {
        match name {
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ if METHODS.contains(&name) => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// A request line; ranges are within the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestLine {
    /// Length without terminator.
    pub(crate) len: usize,
    /// Method token.
    pub(crate) method: (usize, usize),
    /// Request target; none: nothing after the method.
    pub(crate) uri: Option<(usize, usize)>,
    /// Protocol; none: an HTTP/0.9 request.
    pub(crate) protocol: Option<(usize, usize)>,
    /// Its version.
    pub(crate) version: Version,
    /// Which method.
    pub(crate) kind: Method,
    /// White space before the method.
    pub(crate) leading_space: bool,
    /// Something else than a blank after the method.
    pub(crate) method_delimiter: bool,
    /// Something else than a blank in the target or after it.
    pub(crate) uri_delimiter: bool,
    /// White space or zeros within the protocol.
    pub(crate) protocol_extra: bool,
}

/// Reads a line with its terminator. `apache` keeps leading white space in the method and ends
/// the line at the first NUL.
pub(crate) fn parse(line: &[u8], apache: bool) -> RequestLine {
    let mut text = chomp(line);
    if apache && let Some(nul) = memchr::memchr(0, text) {
        text = text.get(..nul).unwrap_or(text);
    }
    let mut out = RequestLine { len: text.len(), ..RequestLine::default() };
    let mut at = text.iter().take_while(|&&b| is_space(b)).count();
    out.leading_space = at > 0;
    let start = if apache { 0 } else { at };
    at += text.iter().skip(at).take_while(|&&b| !is_space(b)).count();
    out.method = (start, at);
    out.kind = Method::of(text.get(start..at).unwrap_or(&[]));
    let gap = text.iter().skip(at).take_while(|&&b| is_space(b)).count();
    out.method_delimiter = text.iter().skip(at).take(gap).any(|&b| b != b' ');
    at += gap;
    let rest = trim_end(text.get(at..).unwrap_or(&[]));
    if rest.is_empty() {
        out.version = Version::V09;
        return out;
    }
    split_target(rest, at, &mut out);
    match out.protocol {
        None => out.version = Version::V09,
        Some((start, end)) => {
            let (version, extra) = protocol(text.get(start..end).unwrap_or(&[]));
            out.version = version;
            out.protocol_extra = extra;
        }
    }
    out
}

/// Splits target and protocol at the last blank, or at other white space when there is none.
fn split_target(rest: &[u8], at: usize, out: &mut RequestLine) {
    let mut split = memchr::memrchr(b' ', rest);
    let target = trim_end(rest.get(..split.unwrap_or(rest.len())).unwrap_or(&[]));
    if target.iter().any(|&b| b != b' ' && is_space(b)) {
        out.uri_delimiter = true;
        if split.is_none() {
            split = rest.iter().rposition(|&b| is_space(b));
        }
    }
    let Some(split) = split else {
        out.uri = Some((at, at + rest.len()));
        return;
    };
    let uri = trim_end(rest.get(..split).unwrap_or(&[]));
    out.uri = Some((at, at + uri.len()));
    let after = rest.get(split + 1..).unwrap_or(&[]);
    let blanks = after.iter().take_while(|&&b| is_space(b)).count();
    out.protocol = Some((at + split + 1 + blanks, at + rest.len()));
}

/// Version of a protocol text, and whether it has white space or zeros where none belong.
pub(crate) fn protocol(text: &[u8]) -> (Version, bool) {
    let blanks = |t: &[u8]| t.iter().take_while(|&&b| is_space(b)).count();
    let lead = blanks(text);
    let mut rest = text.get(lead..).unwrap_or(&[]);
    let mut extra = lead > 0;
    if !super::text::starts_ignoring_case(rest, b"http") {
        return (Version::Invalid, false);
    }
    rest = rest.get(4..).unwrap_or(&[]);
    let gap = blanks(rest);
    extra |= gap > 0;
    rest = rest.get(gap..).unwrap_or(&[]);
    let Some((b'/', tail)) = rest.split_first() else { return (Version::Invalid, false) };
    let pad = tail.iter().take_while(|&&b| b == b'0' || is_space(b)).count();
    extra |= pad > 0;
    let number = tail.get(pad..).unwrap_or(&[]);
    let version = match trim(number) {
        b".9" => Version::V09,
        b"1.0" => Version::V10,
        b"1.1" => Version::V11,
        _ => return (Version::Invalid, false),
    };
    extra |= trim(number).len() != number.len();
    (version, extra)
}

#[cfg(test)]
mod tests {
    use super::{Method, Version, parse, protocol};

    fn check(line: &str, method: &str, uri: Option<&str>, proto: Option<&str>, version: Version) {
        let got = parse(line.as_bytes(), false);
        let text = |(a, b): (usize, usize)| &line[a..b];
        assert_eq!(text(got.method), method, "{line:?}");
        assert_eq!(got.uri.map(text), uri, "{line:?}");
        assert_eq!(got.protocol.map(text), proto, "{line:?}");
        assert_eq!(got.version, version, "{line:?}");
    }

    #[test]
    fn lines() {
        use Version::{Invalid, V09, V10, V11};
        check("GET / HTTP/1.1\r\n", "GET", Some("/"), Some("HTTP/1.1"), V11);
        check("GET /a b c HTTP/1.1\r\n", "GET", Some("/a b c"), Some("HTTP/1.1"), V11);
        check("  GET / HTTP/1.0\n", "GET", Some("/"), Some("HTTP/1.0"), V10);
        check("GET\t/x\tHTTP/1.1\r\n", "GET", Some("/x"), Some("HTTP/1.1"), V11);
        check("GET /x HTTP/1.2\r\n", "GET", Some("/x"), Some("HTTP/1.2"), Invalid);
        check("GET /x\r\n", "GET", Some("/x"), None, V09);
        check("GET\r\n", "GET", None, None, V09);
        check("get / http/1.1\r\n", "get", Some("/"), Some("http/1.1"), V11);
        check("GET / HTTP/0.9\r\n", "GET", Some("/"), Some("HTTP/0.9"), V09);
        check("GET  /  HTTP/1.1  \r\n", "GET", Some("/"), Some("HTTP/1.1"), V11);
    }

    #[test]
    fn oddities() {
        assert!(parse(b" GET / HTTP/1.1\r\n", false).leading_space);
        assert!(parse(b"GET\t/ HTTP/1.1\r\n", false).method_delimiter);
        assert!(parse(b"GET /\tx HTTP/1.1\r\n", false).uri_delimiter);
        assert_eq!(parse(b" GET / HTTP/1.1\r\n", true).method, (0, 4));
        assert_eq!(parse(b"GET /a\0b HTTP/1.1\r\n", true).uri, Some((4, 6)));
        assert_eq!(protocol(b"HTTP/ 01.1"), (Version::V11, true));
        assert_eq!(protocol(b"HTTP /1.1 "), (Version::V11, true));
        assert_eq!(protocol(b"HTTP/0.9"), (Version::V09, true));
        assert_eq!(protocol(b"HTTP/1.10"), (Version::Invalid, false));
        assert_eq!(parse(b"get / HTTP/1.1", false).kind, Method::Unknown);
    }
}
