//! Requests as far as the server needs them: GET, HEAD and POST with a length, within limits.

use httparse::{EMPTY_HEADER, Status};

/// Headers that a request may have.
const HEADERS: usize = 64;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Something is sent.
    pub is_post: bool,
    /// Only what comes before the body is wanted.
    pub is_head: bool,
    /// Without what is asked of it.
    pub path: String,
    /// `?sensor=NAME`.
    pub sensor: Option<String>,
    /// What `Authorization: Bearer` shows.
    pub token: Option<String>,
    /// What is sent.
    pub body: Vec<u8>,
}

/// What there is to do about what came so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Wait for more.
    Part,
    /// Answer this.
    Whole(Request),
    /// Answer with this status.
    Refused(u16),
}

/// Reads a request with a head and a body of no more than so many bytes.
pub fn hear(bytes: &[u8], most_head: usize, most_body: usize) -> Heard {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(Status::Complete(length)) if length <= most_head => length,
        Ok(Status::Partial) if bytes.len() < most_head => return Heard::Part,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Heard::Refused(431),
        Err(httparse::Error::Version) => return Heard::Refused(505),
        Err(_) => return Heard::Refused(400),
    };
    let (is_post, is_head) = match parsed.method {
        Some("GET") => (false, false),
        Some("HEAD") => (false, true),
        Some("POST") => (true, false),
        _ => return Heard::Refused(405),
    };
    let of = |name: &str| {
        let found = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.trim_ascii()).collect::<Vec<_>>()
    };
    // RFC 9112, 3.2: exactly one, in HTTP/1.1.
    if of("host").len() > 1 || (of("host").is_empty() && parsed.version == Some(1)) {
        return Heard::Refused(400);
    }
    if !of("transfer-encoding").is_empty() {
        return Heard::Refused(501);
    }
    let length = match of("content-length").as_slice() {
        [] if is_post => return Heard::Refused(411),
        [] => 0,
        [digits] if digits.len() <= 10 && digits.iter().all(u8::is_ascii_digit) => {
            let text = std::str::from_utf8(digits).unwrap_or_default();
            text.parse().unwrap_or(usize::MAX)
        }
        _ => return Heard::Refused(400),
    };
    if length > most_body {
        return Heard::Refused(413);
    }
    let body = bytes.get(head..).unwrap_or_default();
    let Some(body) = body.get(..length) else { return Heard::Part };
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let sensor = query.split('&').find_map(|pair| pair.strip_prefix("sensor="));
    let bearer = |value: &&[u8]| {
        let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    };
    Heard::Whole(Request {
        is_post,
        is_head,
        path: path.to_owned(),
        sensor: sensor.map(str::to_owned),
        token: of("authorization").first().and_then(bearer),
        body: body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Heard) {
        assert_eq!(hear(text.as_bytes(), 200, 20), *expected, "{text}");
    }

    fn plain(path: &str) -> Request {
        Request {
            is_post: false,
            is_head: false,
            path: path.to_owned(),
            sensor: None,
            token: None,
            body: Vec::new(),
        }
    }

    #[test]
    fn requests_are_understood() {
        let host = "Host: a\r\n\r\n";
        check(&format!("GET /healthz HTTP/1.1\r\n{host}"), &Heard::Whole(plain("/healthz")));
        let head = Request { is_head: true, ..plain("/a") };
        check("HEAD /a HTTP/1.0\r\n\r\n", &Heard::Whole(head));
        let asks = Request { sensor: Some("s-1".to_owned()), ..plain("/c.json") };
        check(&format!("GET /c.json?x=1&sensor=s-1 HTTP/1.1\r\n{host}"), &Heard::Whole(asks));
        let post = Request {
            is_post: true,
            token: Some("abc".to_owned()),
            body: b"{}".to_vec(),
            ..plain("/v1/receipts")
        };
        let begin = "POST /v1/receipts HTTP/1.1\r\nAuthorization: bearer abc\r\nContent-Length: 2";
        check(&format!("{begin}\r\n{host}{{}}"), &Heard::Whole(post));
        check(&format!("{begin}\r\n{host}{{"), &Heard::Part);
        check(begin, &Heard::Part);
        check("", &Heard::Part);
    }

    #[test]
    fn others_are_refused() {
        let host = "Host: a\r\n\r\n";
        for (text, status) in [
            (format!("DELETE / HTTP/1.1\r\n{host}"), 405),
            (format!("POST / HTTP/1.1\r\n{host}"), 411),
            (format!("POST / HTTP/1.1\r\nContent-Length: 21\r\n{host}"), 413),
            (format!("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n{host}"), 400),
            (format!("POST / HTTP/1.1\r\nContent-Length: +1\r\n{host}"), 400),
            (format!("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n{host}"), 400),
            (format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{host}"), 501),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
            (format!("GET / HTTP/1.1\r\nHost: b\r\n{host}"), 400),
            (format!("GET / HTTP/2.0\r\n{host}"), 505),
            (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(200)), 431),
            ("\u{16}\u{3}\u{1}".to_owned(), 400),
        ] {
            check(&text, &Heard::Refused(status));
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 1u64;
        for _ in 0..2000 {
            let mut bytes = b"POST /v1 HTTP/1.1\r\nContent-Length: 5\r\n".to_vec();
            for _ in 0..60 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((state >> 33) as u8);
            }
            let _ = hear(&bytes, 90, 20);
        }
    }
}
