//! Splits and normalises request targets as the configured server would.

use super::bestfit;
use super::settings::{InvalidEncoding, UriSettings};
use super::text::hex;

/// Parts of a request target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// Before the first colon, unless the target begins with `/`.
    pub(crate) scheme: Option<&'a [u8]>,
    /// `user[:password]` of the authority.
    pub(crate) user: Option<&'a [u8]>,
    /// Host and port of the authority.
    pub(crate) authority: Option<&'a [u8]>,
    /// Path.
    pub(crate) path: &'a [u8],
    /// After `?`, up to `#`.
    pub(crate) query: Option<&'a [u8]>,
    /// After `#`.
    pub(crate) fragment: Option<&'a [u8]>,
}

/// Splits a target.
pub(crate) fn split(target: &[u8]) -> Parts<'_> {
    let mut parts = Parts::default();
    let mut rest = target;
    if rest.first() != Some(&b'/')
        && let Some(colon) = memchr::memchr(b':', rest)
    {
        parts.scheme = rest.get(..colon);
        rest = rest.get(colon + 1..).unwrap_or(&[]);
        let slashes = rest.starts_with(b"//") && rest.get(2) != Some(&b'/');
        // Suricata 8 takes an authority without slashes too.
        if slashes || rest.first() != Some(&b'/') {
            rest = rest.get(if slashes { 2 } else { 0 }..).unwrap_or(&[]);
            let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
            let (authority, after) = rest.split_at(end);
            rest = after;
            let at = memchr::memchr(b'@', authority);
            parts.user = at.and_then(|at| authority.get(..at));
            parts.authority = authority.get(at.map_or(0, |at| at + 1)..);
        }
    }
    if let Some(hash) = memchr::memchr(b'#', rest) {
        parts.fragment = rest.get(hash + 1..);
        rest = rest.get(..hash).unwrap_or(&[]);
    }
    if let Some(mark) = memchr::memchr(b'?', rest) {
        parts.query = rest.get(mark + 1..);
        rest = rest.get(..mark).unwrap_or(&[]);
    }
    parts.path = rest;
    parts
}

/// A normalised target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Normalised {
    /// The whole text.
    pub(crate) text: Vec<u8>,
    /// Where the path is in it.
    pub(crate) path: (usize, usize),
    /// Decoding a second time changed it.
    pub(crate) double_encoded: bool,
}

/// Normalises a target that was split; `host` is its normalised host. The result replaces `out`.
pub(crate) fn normalise(
    parts: &Parts<'_>,
    host: Option<&[u8]>,
    settings: &UriSettings,
    out: &mut Normalised,
) {
    out.text.clear();
    out.double_encoded = false;
    if settings.include_all {
        if let Some(scheme) = parts.scheme {
            out.text.extend_from_slice(scheme);
            out.text.extend_from_slice(b"://");
        }
        if let Some(user) = parts.user {
            out.text.extend_from_slice(user);
            out.text.push(b'@');
        }
        out.text.extend_from_slice(host.unwrap_or(&[]));
    }
    let start = out.text.len();
    path(parts.path, settings, out, start);
    out.path = (start, out.text.len());
    if let Some(query) = parts.query {
        out.text.push(b'?');
        let start = out.text.len();
        decode(query, settings, &mut out.text);
        if settings.double_decode_query {
            decode_again(settings, out, start);
        }
    }
    if let Some(fragment) = parts.fragment {
        out.text.push(b'#');
        let plain = UriSettings { query_plusspace: false, ..*settings };
        decode(fragment, &plain, &mut out.text);
    }
}

fn path(raw: &[u8], settings: &UriSettings, out: &mut Normalised, start: usize) {
    if is_plain(raw, settings) {
        out.text.extend_from_slice(raw);
        return;
    }
    decode_path(raw, settings, &mut out.text);
    if settings.utf8_bestfit {
        bestfit::fold_utf8(&mut out.text, start, settings.bestfit_replacement);
    }
    remove_dot_segments(&mut out.text, start);
    if settings.double_decode_path {
        decode_again(&UriSettings { query_plusspace: false, ..*settings }, out, start);
    }
}

/// True when normalisation would leave the path as it is.
fn is_plain(path: &[u8], settings: &UriSettings) -> bool {
    let mut before = 0;
    path.iter().all(|&b| {
        let plain = match b {
            b'%' | b'\\' | 0 => false,
            b'/' | b'.' => before != b'/' && (b != b'.' || before != 0),
            b'A'..=b'Z' => !settings.lowercase,
            0x80.. => !settings.utf8_bestfit,
            _ => true,
        };
        before = b;
        plain
    })
}

fn decode_again(settings: &UriSettings, out: &mut Normalised, start: usize) {
    let once = out.text.split_off(start);
    decode(&once, settings, &mut out.text);
    out.double_encoded |= out.text.len() - start < once.len();
}

/// What stands at a percent sign.
enum Percent {
    /// A byte, and how long the sequence is.
    Byte(u8, usize),
    /// No valid sequence; this comes out and so many bytes are used up.
    Invalid(Option<u8>, usize),
}

/// `at` is a percent sign.
fn percent(text: &[u8], at: usize, settings: &UriSettings) -> Percent {
    let rest = text.get(at + 1..).unwrap_or(&[]);
    let digits = |from: usize, count: usize| {
        let digits = rest.get(from..from + count)?;
        digits.iter().try_fold(0u16, |v, &b| Some(v << 4 | u16::from(hex(b)?)))
    };
    if settings.u_encoding && matches!(rest.first(), Some(b'u' | b'U')) {
        if let Some(code) = digits(1, 4) {
            let byte = bestfit::lookup(code.into()).unwrap_or(settings.bestfit_replacement);
            return Percent::Byte(byte, 6);
        }
        if settings.invalid == InvalidEncoding::Decode
            && let Some(&[a, b, c, d]) = rest.get(1..5)
        {
            let code = u16::from_be_bytes([sloppy_hex(a, b), sloppy_hex(c, d)]);
            let byte = bestfit::lookup(code.into()).unwrap_or(settings.bestfit_replacement);
            return Percent::Byte(byte, 6);
        }
    } else {
        if let Some(byte) = digits(0, 2) {
            return Percent::Byte(byte as u8, 3);
        }
        if settings.invalid == InvalidEncoding::Decode
            && let Some(&[a, b]) = rest.get(..2)
        {
            return Percent::Byte(sloppy_hex(a, b), 3);
        }
    }
    match settings.invalid {
        InvalidEncoding::RemovePercent => Percent::Invalid(None, 1),
        _ => Percent::Invalid(Some(b'%'), 1),
    }
}

/// Two bytes read as hexadecimal digits whatever they are.
fn sloppy_hex(high: u8, low: u8) -> u8 {
    let digit = |b: u8| {
        if b >= b'A' {
            (b & 0xdf).wrapping_sub(b'A').wrapping_add(10)
        } else {
            b.wrapping_sub(b'0')
        }
    };
    digit(high).wrapping_mul(16).wrapping_add(digit(low))
}

fn decode_path(raw: &[u8], settings: &UriSettings, out: &mut Vec<u8>) {
    let start = out.len();
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let mut byte = byte;
        let mut len = 1;
        if byte == b'%' {
            match percent(raw, at, settings) {
                Percent::Invalid(None, used) => {
                    at += used;
                    continue;
                }
                Percent::Invalid(Some(b), used) => (byte, len) = (b, used),
                Percent::Byte(b, used) => {
                    let separator = b == b'/' || (b == b'\\' && settings.backslash_separators);
                    if separator && !settings.separators_decode {
                        (byte, len) = (b'%', 1);
                    } else if b == 0 && settings.nul_encoded_terminates {
                        return;
                    } else {
                        (byte, len) = (b, used);
                    }
                }
            }
        } else if byte == 0 && settings.nul_raw_terminates {
            return;
        }
        at += len;
        if byte == b'\\' && settings.backslash_separators {
            byte = b'/';
        }
        if settings.lowercase {
            byte = byte.to_ascii_lowercase();
        }
        let doubled = byte == b'/' && out.len() > start && out.last() == Some(&b'/');
        if !(doubled && settings.separators_compress) {
            out.push(byte);
        }
    }
}

/// One pass of percent decoding over a query or fragment.
fn decode(raw: &[u8], settings: &UriSettings, out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        match byte {
            b'%' => match percent(raw, at, settings) {
                Percent::Byte(b, len) => {
                    out.push(b);
                    at += len;
                }
                Percent::Invalid(b, len) => {
                    out.extend(b);
                    at += len;
                }
            },
            b'+' if settings.query_plusspace => {
                out.push(b' ');
                at += 1;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// Dot segments go, in place (RFC 3986, 5.2.4, but no slash stays at the end).
fn remove_dot_segments(text: &mut Vec<u8>, start: usize) {
    let (mut read, mut write) = (start, start);
    while read < text.len() {
        let rest = text.get(read..).unwrap_or(&[]);
        if read == start || text.get(read - 1) == Some(&b'/') && write == start {
            let skip = match rest {
                [b'.', b'.', b'/', ..] => 3,
                [b'.', b'/', ..] => 2,
                [b'.', b'.'] => 2,
                [b'.'] => 1,
                _ => 0,
            };
            if skip > 0 {
                read += skip;
                continue;
            }
        }
        match rest {
            [b'/', b'.', b'/', ..] => read += 2,
            [b'/', b'.'] => read += 2,
            [b'/', b'.', b'.', b'/', ..] => {
                read += 3;
                write = parent(text, start, write);
            }
            [b'/', b'.', b'.'] => {
                read += 3;
                write = parent(text, start, write);
            }
            _ => {
                let tail = rest.get(1..).unwrap_or(&[]);
                let end = read + 1 + memchr::memchr(b'/', tail).unwrap_or(tail.len());
                text.copy_within(read..end, write);
                write += end - read;
                read = end;
            }
        }
    }
    text.truncate(write);
}

/// Where the last segment of what was written begins.
fn parent(text: &[u8], start: usize, write: usize) -> usize {
    let written = text.get(start..write).unwrap_or(&[]);
    start + memchr::memrchr(b'/', written).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::settings::{HttpSettings, InvalidEncoding, Personality, UriSettings};
    use super::{Normalised, normalise, split};

    fn with(personality: Personality) -> UriSettings {
        let mut settings = HttpSettings::default();
        settings.set_personality(personality);
        settings.uri
    }

    fn check(settings: &UriSettings, raw: &str, want: &str) {
        let mut out = Normalised::default();
        let parts = split(raw.as_bytes());
        normalise(&parts, parts.authority, settings, &mut out);
        assert_eq!(String::from_utf8_lossy(&out.text), want, "{raw}");
    }

    #[test]
    fn ids() {
        let s = with(Personality::Ids);
        let raw = "/A%2fb\\c//d%u0041%zz%41/%00x?a=%2541+b";
        check(&s, raw, "/A/b/c/dA%zzA/\0x?a=%41+b");
        check(&s, "/%c0%af/%c1%9c/%e2%82%ac", "///\\/?");
        check(&s, "/x/.", "/x");
        check(&s, "/x/y/..", "/x");
        check(&s, "/..%2f..%2fetc", "/etc");
        check(&s, "/a/./b/../c", "/a/c");
        check(&s, "/../../../a", "/a");
        check(&s, "./a", "a");
        check(&s, "../a/b", "a/b");
        check(&s, "/a?x#y?z", "/a?x#y?z");
        check(&s, "/a#y?z", "/a#y?z");
        check(&s, "/%uff41%uFF2f", "/aO");
        check(&s, "/%u2603", "/?");
        check(&s, "/a..b/.c/d.", "/a..b/.c/d.");
        check(&s, "http://u:p@h:80/p?q", "/p?q");
        check(&s, "ftp:x/y", "/y");
    }

    #[test]
    fn other_personalities() {
        let raw = "/A%2fb\\c//d%u0041%zz%41/%00x?a=%2541+b";
        check(&with(Personality::Apache2), raw, "/A%2fb\\c/d%u0041%zzA/\0x?a=%41+b");
        check(&with(Personality::Minimal), "//a/%2f/%5c", "//a/%2f/\\");
        check(&with(Personality::Generic), "//a\\%5cb%u0041", "/a/b%u0041");
    }

    #[test]
    fn switches() {
        let ids = with(Personality::Ids);
        let s = UriSettings { invalid: InvalidEncoding::RemovePercent, ..ids };
        check(&s, "/a%zzb%", "/azzb");
        let s = UriSettings { invalid: InvalidEncoding::Decode, ..ids };
        check(&s, "/a%4Gb", "/aPb");
        let s = UriSettings { nul_encoded_terminates: true, ..ids };
        check(&s, "/a%00b?q", "/a?q");
        let s = UriSettings { query_plusspace: true, lowercase: true, ..ids };
        check(&s, "/A+b?A+b", "/a+b?A b");
        let s = UriSettings { include_all: true, ..ids };
        check(&s, "http://u:p@h/p?q", "http://u:p@h/p?q");
        let s = UriSettings { double_decode_path: true, double_decode_query: true, ..ids };
        check(&s, "/%2541?%2542", "/A?B");
        let mut out = Normalised::default();
        normalise(&split(b"/%2541"), None, &s, &mut out);
        assert!(out.double_encoded);
        normalise(&split(b"/%41"), None, &s, &mut out);
        assert!(!out.double_encoded);
    }

    proptest::proptest! {
        #[test]
        fn never_longer_and_never_panics(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut out = Normalised::default();
            normalise(&split(&raw), None, &with(Personality::Ids), &mut out);
            proptest::prop_assert!(out.text.len() <= raw.len());
        }
    }
}
