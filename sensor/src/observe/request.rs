//! Requests as far as the endpoint needs them: three paths, GET and HEAD, within limits.

use httparse::{EMPTY_HEADER, Request, Status};

use super::accept::Form;

/// Headers that a request may have.
const HEADERS: usize = 64;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The page of metrics.
    Metrics(Form),
    /// Whether the sensor is well.
    Health,
    /// Whether it inspects.
    Readiness,
}

impl Path {
    /// As a label has it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Metrics(_) => "/metrics",
            Self::Health => "/healthz",
            Self::Readiness => "/readyz",
        }
    }
}

/// What there is to do about what came so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Wait for more.
    Part,
    /// Answer this; without body for HEAD.
    Whole { path: Path, is_head: bool },
    /// Answer with this status.
    Refused { status: u16, is_head: bool },
}

/// Reads the head of a request of no more than `limit` bytes.
pub(super) fn hear(bytes: &[u8], limit: usize) -> Heard {
    let refused = |status| Heard::Refused { status, is_head: false };
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes.get(..limit).unwrap_or(bytes)) {
        Ok(Status::Complete(_)) => judge(&request),
        Ok(Status::Partial) if bytes.len() >= limit => refused(431),
        Ok(Status::Partial) => Heard::Part,
        Err(httparse::Error::TooManyHeaders) => refused(431),
        Err(httparse::Error::Version) => refused(505),
        Err(_) => refused(400),
    }
}

fn judge(request: &Request<'_, '_>) -> Heard {
    let method = request.method.unwrap_or_default();
    let is_head = method == "HEAD";
    let refused = |status| Heard::Refused { status, is_head };
    let of = |name: &str| {
        let named = request.headers.iter().filter(move |one| one.name.eq_ignore_ascii_case(name));
        named
            .map(|header| std::str::from_utf8(header.value).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    // RFC 9112, 3.2: of HTTP/1.1 one `Host`, no more and no less.
    let hosts = of("host").len();
    if hosts > 1 || (request.version == Some(1) && hosts == 0) {
        return refused(400);
    }
    let path = match route(request.path.unwrap_or_default()) {
        Some("/metrics") => Path::Metrics(Form::wanted(&of("accept").join(","))),
        Some("/healthz") => Path::Health,
        Some("/readyz") => Path::Readiness,
        _ => return refused(404),
    };
    match method {
        "GET" | "HEAD" => Heard::Whole { path, is_head },
        _ => refused(405),
    }
}

/// The path of a target, which may be a whole address (RFC 9112, 3.2.2), without its query.
fn route(target: &str) -> Option<&str> {
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.get(rest.find('/')?..)?,
        None => target,
    };
    target.split(['?', '#']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: Heard = Heard::Whole { path: Path::Metrics(Form::Text), is_head: false };

    #[test]
    fn requests_are_told_apart() {
        let check =
            |text: &str, wanted: Heard| assert_eq!(hear(text.as_bytes(), 200), wanted, "{text}");
        let no = |status| Heard::Refused { status, is_head: false };
        let host = "Host: a\r\n\r\n";
        check(&format!("GET /metrics HTTP/1.1\r\n{host}"), METRICS);
        check("GET /metrics HTTP/1.0\r\n\r\n", METRICS);
        check(&format!("GET /metrics?name=x HTTP/1.1\r\n{host}"), METRICS);
        check(&format!("GET http://a:1/metrics HTTP/1.1\r\n{host}"), METRICS);
        check(
            &format!("HEAD /healthz HTTP/1.1\r\n{host}"),
            Heard::Whole { path: Path::Health, is_head: true },
        );
        check(
            &format!("GET /readyz HTTP/1.1\r\n{host}"),
            Heard::Whole { path: Path::Readiness, is_head: false },
        );
        check("GET /metrics HTTP/1.1\r\nHost", Heard::Part);
        check("", Heard::Part);
        check("GET /metrics HTTP/1.1\r\n\r\n", no(400));
        check(&format!("GET /metrics HTTP/1.1\r\nHost: b\r\n{host}"), no(400));
        check(&format!("POST /metrics HTTP/1.1\r\n{host}"), no(405));
        check(&format!("DELETE /healthz HTTP/1.1\r\n{host}"), no(405));
        check(&format!("GET / HTTP/1.1\r\n{host}"), no(404));
        check(&format!("GET /metrics/.. HTTP/1.1\r\n{host}"), no(404));
        check(&format!("GET * HTTP/1.1\r\n{host}"), no(404));
        check("\u{16}\u{3}\u{1}\u{2}", no(400));
        check(&format!("GET /metrics HTTP/2.0\r\n{host}"), no(505));
        check(&format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(200)), no(431));
        let headers = "A: b\r\n".repeat(65);
        assert_eq!(hear(format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes(), 8192), no(431));
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut state = 1u64;
        for _ in 0..2000 {
            let mut bytes = b"GET /metrics HTTP/1.1\r\n".to_vec();
            for _ in 0..40 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((state >> 33) as u8);
            }
            let _ = hear(&bytes, 50);
        }
    }
}
