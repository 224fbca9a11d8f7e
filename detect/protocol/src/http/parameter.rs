//! Reads parameters of header values: file names of Content-Disposition, boundaries.

use super::text::{is_space, starts_ignoring_case};

/// The part of `value` before the next `;` that is not within quotes, and what follows it.
fn next_token(value: &[u8]) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                let (token, rest) = value.split_at(at);
                return (token, rest.get(1..).unwrap_or(&[]));
            }
            _ => {}
        }
    }
    (value, &[])
}

/// Without quotes; none: a quote that is not closed.
fn unquote(text: &[u8]) -> Option<&[u8]> {
    match text.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\""),
        None => Some(text),
    }
}

/// Value of the first token that is `name=`, quotes taken off. The value must follow the sign at
/// once; `name*=` is something else. `name` is lower case.
pub(crate) fn parameter<'a>(mut value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    while !value.is_empty() {
        let (token, rest) = next_token(value);
        value = rest;
        let token = super::text::trim(token);
        if starts_ignoring_case(token, name)
            && let Some((b'=', text)) = token.get(name.len()..)?.split_first()
            && text.first().is_none_or(|&b| !is_space(b))
        {
            return unquote(text);
        }
    }
    None
}

/// Without backslashes.
pub(crate) fn without_backslashes(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().copied().filter(|&b| b != b'\\'));
}

/// The boundary of a multipart Content-Type, sections of RFC 2231 joined; none: no usable one.
pub(crate) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if let Some(plain) = parameter(content_type, b"boundary") {
        without_backslashes(plain, &mut out);
    } else {
        for section in 0..16 {
            let name = format!("boundary*{section}");
            let Some(part) = parameter(content_type, name.as_bytes()) else { break };
            without_backslashes(part, &mut out);
        }
    }
    (1..=255).contains(&out.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{boundary, parameter};

    fn check(value: &str, want: Option<&str>) {
        let got = parameter(value.as_bytes(), b"filename");
        assert_eq!(got, want.map(str::as_bytes), "{value}");
    }

    #[test]
    fn file_names() {
        check("attachment; filename=a.txt", Some("a.txt"));
        check("attachment; FileName=\"a;b.txt\"; x=y", Some("a;b.txt"));
        check("filename=only", Some("only"));
        check("attachment; filename=\"\"", Some(""));
        check("attachment; filename*=UTF-8''x", None);
        check("attachment; filename = x", None);
        check("attachment; filename=\"a\\\"b\"", Some("a\\\"b"));
        check("attachment; filename=\"a", None);
        check("attachment", None);
    }

    #[test]
    fn boundaries() {
        let of = |text: &str| boundary(text.as_bytes());
        assert_eq!(of("multipart/form-data; boundary=abc"), Some(b"abc".to_vec()));
        assert_eq!(of("x; boundary=\"a b\""), Some(b"a b".to_vec()));
        assert_eq!(of("x; boundary*0=a; boundary*1=b"), Some(b"ab".to_vec()));
        assert_eq!(of("text/plain"), None);
        assert_eq!(of(&format!("x; boundary={}", "a".repeat(256))), None);
    }
}
