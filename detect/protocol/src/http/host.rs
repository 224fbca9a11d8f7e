//! Hosts of requests: from the target or the Host header, split, normalised, validated.

use std::net::Ipv6Addr;

use super::text::{decimal, trim};

/// Host and port as they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    /// Host, with brackets when it is an IPv6 address.
    pub(crate) host: &'a [u8],
    /// A port was written (it may be no number).
    pub(crate) port_text: Option<&'a [u8]>,
    /// The port, 1 to 65535.
    pub(crate) port: Option<u16>,
    /// Valid as a whole.
    pub(crate) valid: bool,
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(crate) fn split(text: &[u8]) -> HostPort<'_> {
    let text = trim(text);
    let end = if text.first() == Some(&b'[') {
        match memchr::memchr(b']', text) {
            Some(close) => close + 1,
            None => return HostPort { host: text, ..HostPort::default() },
        }
    } else {
        memchr::memchr2(b':', b'/', text).unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    let Some((first, port_text)) = rest.split_first() else {
        return HostPort { host, valid: is_valid(host), ..HostPort::default() };
    };
    if *first != b':' || host.is_empty() {
        return HostPort { host, ..HostPort::default() };
    }
    let number = decimal(trim(port_text)).and_then(|n| u16::try_from(n).ok()).filter(|&n| n > 0);
    HostPort {
        host,
        port_text: Some(port_text),
        port: number,
        valid: number.is_some() && is_valid(host),
    }
}

/// Lower case; `strip_dots` takes dots off the end.
pub(crate) fn normalise(host: &[u8], strip_dots: bool, out: &mut Vec<u8>) {
    out.clear();
    out.extend(host.iter().map(u8::to_ascii_lowercase));
    while strip_dots && out.last() == Some(&b'.') {
        out.pop();
    }
}

/// A name of labels, or a bracketed IPv6 address.
pub(crate) fn is_valid(host: &[u8]) -> bool {
    if let Some(inner) = host.strip_prefix(b"[") {
        let Some(address) = inner.strip_suffix(b"]") else { return false };
        return std::str::from_utf8(address).is_ok_and(|t| t.parse::<Ipv6Addr>().is_ok());
    }
    if host.is_empty() || host.len() > 255 {
        return false;
    }
    let name = host.strip_suffix(b".").unwrap_or(host);
    name.split(|&b| b == b'.').all(|label| {
        (1..=63).contains(&label.len())
            && label.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::{is_valid, normalise, split};

    fn check(text: &str, host: &str, port: Option<u16>, valid: bool) {
        let got = split(text.as_bytes());
        let want = (host.as_bytes(), port, valid);
        assert_eq!((got.host, got.port, got.valid), want, "{text}");
    }

    #[test]
    fn splits() {
        check("a.b", "a.b", None, true);
        check("a.b:80", "a.b", Some(80), true);
        check("a.b:", "a.b", None, false);
        check("a.b:99999", "a.b", None, false);
        check("[::1]", "[::1]", None, true);
        check("[::1]:8000", "[::1]", Some(8000), true);
        check("[::1]x", "[::1]", None, false);
        check("[::1", "[::1", None, false);
    }

    #[test]
    fn validity() {
        for good in ["a", "a.b.", "x_y-z.com", "1.2.3.4"] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in ["", ".a", "a..b", "a b", "a/b", "[1.2.3.4]"] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
        assert!(!is_valid(&[b'a'; 64]));
    }

    #[test]
    fn normalisation() {
        let mut out = Vec::new();
        normalise(b"HoSt.COM.", true, &mut out);
        assert_eq!(out, b"host.com");
        normalise(b"HoSt.COM.", false, &mut out);
        assert_eq!(out, b"host.com.");
    }
}
