//! Whole connections: what comes of a stream of requests and responses, in any pieces.

use std::io::Write as _;
use std::sync::Arc;

use decode::{Direction, Timestamp};
use json::Writer;

use super::{BUFFERS, Http1, HttpSettings, Personality};
use crate::file::{FILE_DATA, FILE_NAME};
use crate::parser::{Chunk, Effects, Input, LogOptions, Outcome, Parser};
use crate::settings::ProtocolSettings;

fn settings() -> HttpSettings {
    let mut settings = HttpSettings { layer_limit: 3, ..HttpSettings::default() };
    settings.set_personality(Personality::Ids);
    settings.request_body.limit = 100 * 1024;
    settings.response_body.limit = 100 * 1024;
    settings
}

pub(super) struct Session {
    pub(super) http: Http1,
    left: [Vec<u8>; 2],
    pub(super) effects: Vec<Effects>,
    pub(super) failed: bool,
}

impl Session {
    pub(super) fn new(settings: HttpSettings) -> Self {
        Self::within(settings, &ProtocolSettings::default())
    }

    fn within(settings: HttpSettings, of_all: &ProtocolSettings) -> Self {
        let http = Http1::new(Arc::new(settings), of_all);
        Self { http, left: Default::default(), effects: Vec::new(), failed: false }
    }

    pub(super) fn feed(&mut self, direction: Direction, chunk: Chunk<'_>, eof: bool) {
        if self.failed {
            return;
        }
        let mut left = std::mem::take(&mut self.left[direction.index()]);
        let chunk = match chunk {
            Chunk::Bytes(bytes) => {
                left.extend_from_slice(bytes);
                Chunk::Bytes(&left)
            }
            gap => gap,
        };
        let input = Input { direction, chunk, eof, timestamp: Timestamp(0) };
        let mut effects = Effects::default();
        match self.http.parse(&input, &mut effects) {
            Outcome::Error => self.failed = true,
            Outcome::Consumed(n) => {
                assert!(n <= left.len());
                left.drain(..n);
            }
        }
        self.effects.push(effects);
        self.left[direction.index()] = left;
    }

    pub(super) fn ts(&mut self, bytes: &[u8]) -> &mut Self {
        self.feed(Direction::ToServer, Chunk::Bytes(bytes), false);
        self
    }

    pub(super) fn tc(&mut self, bytes: &[u8]) -> &mut Self {
        self.feed(Direction::ToClient, Chunk::Bytes(bytes), false);
        self
    }

    pub(super) fn end(&mut self) -> &mut Self {
        self.feed(Direction::ToServer, Chunk::Bytes(b""), true);
        self.feed(Direction::ToClient, Chunk::Bytes(b""), true);
        self
    }

    pub(super) fn buffer(&self, tx: u64, direction: Direction, name: &str) -> Option<String> {
        let id = match name {
            "file.data" => FILE_DATA,
            "file.name" => FILE_NAME,
            _ => BUFFERS.iter().find(|spec| spec.name == name).unwrap().id,
        };
        self.instance(tx, direction, id, 0)
    }

    fn instance(
        &self,
        tx: u64,
        direction: Direction,
        id: crate::BufferId,
        index: usize,
    ) -> Option<String> {
        let mut scratch = Vec::new();
        let view = self.http.buffer(tx, id, direction, index, &mut scratch)?;
        Some(String::from_utf8_lossy(view.bytes).into_owned())
    }

    pub(super) fn events(&self, tx: u64) -> String {
        let meta = self.http.meta(tx).unwrap();
        let names: Vec<_> = meta.events.iter().map(|&e| self.http.event_name(e)).collect();
        names.join(" ")
    }

    pub(super) fn log(&self, tx: u64, options: &LogOptions) -> String {
        let mut out = Vec::new();
        self.http.log(tx, options, &mut Writer::new(&mut out));
        String::from_utf8_lossy(&out).into_owned()
    }

    pub(super) fn files(&self, tx: u64, direction: Direction) -> String {
        let files = self.http.files(tx, direction).iter();
        let texts: Vec<_> = files
            .map(|f| {
                let name = f.name.as_deref().map(String::from_utf8_lossy).unwrap_or("-".into());
                let gaps = if f.gaps { " gaps" } else { "" };
                format!("{name} {} {}{gaps}", f.state.name(), f.size)
            })
            .collect();
        texts.join("; ")
    }

    /// Everything that can be asked about all transactions.
    fn dump(&self) -> String {
        let mut out = format!("failed {} next {}\n", self.failed, self.http.next_tx());
        for tx in self.http.first_tx()..self.http.next_tx() {
            for direction in Direction::BOTH {
                out += &format!("{tx} {direction:?} {}\n", self.http.progress(tx, direction));
                for id in BUFFERS.iter().map(|spec| spec.id).chain([FILE_DATA, FILE_NAME]) {
                    for index in 0..8 {
                        if let Some(text) = self.instance(tx, direction, id, index) {
                            out += &format!("  {:x}.{index} {text:?}\n", id.0);
                        }
                    }
                }
                out += &format!("  {}\n", self.files(tx, direction));
            }
            let options = LogOptions { extended: true, ..LogOptions::default() };
            out += &format!("  {}\n  {}\n", self.events(tx), self.log(tx, &options));
        }
        out
    }
}

use Direction::{ToClient, ToServer};

const GET: &[u8] = b"GET /a%20b?c=d HTTP/1.1\r\nHost: A.example:81\r\nUser-Agent: u\r\n\
Cookie: k=v\r\nX-Y: 1\r\nx-y: 2\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK fine \r\nServer: s\r\nSet-Cookie: q\r\n\
Content-Type: text/html; charset=x\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn codings_come_off_bodies_only_for_somebody() {
    let text = [b'a'; 500];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&text).unwrap();
    let body = encoder.finish().unwrap();
    for decode_bodies in [true, false] {
        let of_all = ProtocolSettings { decode_bodies, ..ProtocolSettings::default() };
        let mut session = Session::within(settings(), &of_all);
        session.ts(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        session.tc(head.as_bytes()).tc(&body);
        let size = if decode_bodies { text.len() } else { body.len() };
        assert_eq!(session.files(0, Direction::ToClient), format!("/ CLOSED {size}"));
    }
}

#[test]
fn buffers_of_an_exchange() {
    let mut s = Session::new(settings());
    s.ts(GET).tc(OK).end();
    let check = |direction, name: &str, want: Option<&str>| {
        assert_eq!(s.buffer(0, direction, name).as_deref(), want, "{name}");
    };
    check(ToServer, "http.method", Some("GET"));
    check(ToServer, "http.uri", Some("/a b?c=d"));
    check(ToServer, "http.uri.raw", Some("/a%20b?c=d"));
    check(ToServer, "http.request_line", Some("GET /a%20b?c=d HTTP/1.1"));
    check(ToServer, "http.protocol", Some("HTTP/1.1"));
    check(ToServer, "http.host", Some("a.example"));
    check(ToServer, "http.host.raw", Some("A.example:81"));
    check(ToServer, "http.user_agent", Some("u"));
    check(ToServer, "http.cookie", Some("k=v"));
    check(ToServer, "http.referer", None);
    let headers = "Host: A.example:81\r\nUser-Agent: u\r\nX-Y: 1, 2\r\n";
    check(ToServer, "http.header", Some(headers));
    check(ToServer, "http.header_names", Some("\r\nHost\r\nUser-Agent\r\nCookie\r\nX-Y\r\n\r\n"));
    check(ToServer, "http.request_header", Some("Host: A.example:81"));
    let start = "GET /a%20b?c=d HTTP/1.1\r\nHost: A.example:81\r\nUser-Agent: u\r\nCookie: k=v\r\n\
        X-Y: 1, 2\r\n\r\n";
    check(ToServer, "http.start", Some(start));
    let raw = std::str::from_utf8(&GET[25..]).unwrap();
    check(ToServer, "http.header.raw", Some(raw));
    check(ToServer, "http.request_body", None);
    check(ToClient, "http.response_line", Some("HTTP/1.1 200 OK fine \r\n"));
    check(ToClient, "http.stat_code", Some("200"));
    check(ToClient, "http.stat_msg", Some("OK fine "));
    check(ToClient, "http.server", Some("s"));
    check(ToClient, "http.cookie", Some("q"));
    check(ToClient, "http.content_len", Some("5"));
    check(ToClient, "http.response_body", Some("hello"));
    check(ToClient, "file.data", Some("hello"));
    check(ToClient, "file.name", Some("/a b"));
    assert_eq!(s.events(0), "REQUEST_HEADER_REPETITION");
    assert!(s.http.loggable(0));
    let options = LogOptions { extended: true, dump_response_headers: true, ..Default::default() };
    assert_eq!(
        s.log(0, &options),
        r#""http":{"hostname":"a.example","http_port":81,"url":"/a%20b?c=d","http_user_agent":"u","http_content_type":"text/html","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":5,"response_headers":[{"name":"Server","value":"s"},{"name":"Set-Cookie","value":"q"},{"name":"Content-Type","value":"text/html; charset=x"},{"name":"Content-Length","value":"5"}]}"#
    );
    assert_eq!(s.http.request_header(0, "User-Agent"), Some(&b"u"[..]));
}

/// Body, files and events that come of a response to `GET /f`.
fn response(bytes: &[u8], body: &str, files: &str, events: &str) {
    let mut s = Session::new(settings());
    s.ts(b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n").tc(bytes).end();
    let shown = String::from_utf8_lossy(bytes);
    let got = s.buffer(0, ToClient, "http.response_body").unwrap_or_default();
    assert_eq!((&*got, &*s.files(0, ToClient), &*s.events(0)), (body, files, events), "{shown:?}");
}

#[test]
fn response_framing() {
    response(b"HTTP/1.1 200 OK\r\n\r\nabc", "abc", "/f CLOSED 3", "");
    response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "abc", "/f CLOSED 3", "");
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
    response(chunked, "abcde", "/f CLOSED 5", "RESPONSE_CHUNK_EXTENSION");
    let cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    response(cut, "abc", "/f TRUNCATED 3", "");
    let cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab";
    response(cut, "ab", "/f CLOSED 2", "");
    let raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nrest";
    response(raw, "xyz\r\nrest", "/f CLOSED 9", "INVALID_RESPONSE_CHUNK_LEN");
    let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let events = "RESPONSE_ABNORMAL_TRANSFER_ENCODING RESPONSE_CHUNKED_OLD_PROTO";
    response(old, "a", "/f CLOSED 1", events);
    let more = b"HTTP/1.1 200 OK\r\nContent-Length: 3A\r\n\r\nabcdef";
    let events = "CONTENT_LENGTH_EXTRA_DATA_END";
    response(more, "abcdef", "/f CLOSED 6", events);
    let none = b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc";
    response(none, "abc", "/f CLOSED 3", "RESPONSE_BODY_UNEXPECTED");
    let huge =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n1\r\na\r\n0\r\n\r\n";
    response(huge, "a", "/f CLOSED 1", "");
    response(b"X5O!P%@AP", "X5O!P%@AP", "/f CLOSED 9", "");
    response(b"foobar\r\nHTTP/1.1 200 OK\r\n\r\nabc", "abc", "/f CLOSED 3", "");
    response(b"\t\r\nHTTP/1.1 200 OK\r\n\r\nabc", "abc", "/f CLOSED 3", "");
}

#[test]
fn file_names_and_ranges() {
    let r = |headers: &str| format!("HTTP/1.1 206 OK\r\n{headers}Content-Length: 3\r\n\r\nabc");
    let name = r("Content-Disposition: attachment; filename=\"x;y\"\r\n");
    response(name.as_bytes(), "abc", "x;y CLOSED 3", "");
    let name = r("Content-Disposition: attachment; filename=\"\"\r\n");
    response(name.as_bytes(), "abc", "- CLOSED 3", "");
    response(r("Content-Range: bytes 5-3/9\r\n").as_bytes(), "abc", "/f CLOSED 3", "RANGE_INVALID");
    let mut s = Session::new(settings());
    s.ts(GET).tc(r("Content-Range: bytes 1-3/9\r\n").as_bytes());
    assert_eq!(s.http.files(0, ToClient)[0].range, Some((1, 3)));
    let log = s.log(0, &LogOptions::default());
    assert!(log.contains(r#""content_range":{"raw":"bytes 1-3/9","start":1,"end":3,"size":9}"#));
}

/// Body, files, events and whether the parser goes on, of a request.
fn request(bytes: &[u8], body: &str, files: &str, events: &str, failed: bool) {
    let mut s = Session::new(settings());
    s.ts(bytes).end();
    let shown = String::from_utf8_lossy(bytes);
    let got = s.buffer(0, ToServer, "http.request_body").unwrap_or_default();
    let got = (&*got, &*s.files(0, ToServer), &*s.events(0), s.failed);
    assert_eq!(got, (body, files, events, failed), "{shown:?}");
}

#[test]
fn request_framing() {
    let post = |rest: &str| format!("POST /u HTTP/1.1\r\nHost: h\r\n{rest}").into_bytes();
    let check = |rest: &str, body: &str, files: &str, events: &str, failed| {
        request(&post(rest), body, files, events, failed);
    };
    check("Content-Length: 3\r\n\r\nabc", "abc", "/u CLOSED 3", "", false);
    let plus = "CONTENT_LENGTH_EXTRA_DATA_START";
    check("Content-Length: +3\r\n\r\nabc", "abc", "/u CLOSED 3", plus, false);
    check("Content-Length: x\r\n\r\nabc", "", "", "", true);
    check("Transfer-Encoding: x\r\n\r\nabc", "", "", "", true);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    check(&format!("{chunked}3\r\nabc\r\n0\r\nT: 1\r\n\r\n"), "abc", "/u CLOSED 3", "", false);
    check(&format!("{chunked}3\r\nabc\r\nxx\r\n"), "abc", "/u TRUNCATED 3", "", true);
    let large = "INVALID_REQUEST_CHUNK_LEN";
    check(&format!("{chunked}80000000\r\n"), "", "", large, true);
    check("\r\nfoo bar\r\n", "foo bar\r\n", "/u CLOSED 9", "REQUEST_BODY_UNEXPECTED", false);
    check("Content-Length: 0\r\n\r\n", "", "", "", false);
    request(b"PATCH /u HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na", "a", "", "", false);
    let form = "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 81\r\n\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nhello\r\n--XX--";
    check(form, &form[form.find("--XX").unwrap()..], "a.txt CLOSED 5", "", false);
}

#[test]
fn requests_in_a_row() {
    let mut s = Session::new(settings());
    s.ts(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /3 HTTP/1.1\r\n");
    assert_eq!(s.http.next_tx(), 3);
    s.tc(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nb");
    assert_eq!(s.buffer(1, ToClient, "http.stat_code").as_deref(), Some("404"));
    assert!(s.http.loggable(0) && s.http.loggable(1) && !s.http.loggable(2));
    s.http.free(0);
    s.http.free(1);
    assert_eq!((s.http.first_tx(), s.http.next_tx()), (2, 3));
    s.tc(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    s.tc(b"HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(s.events(3), "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST");
    let log = s.log(3, &LogOptions::default());
    assert_eq!(log, r#""http":{"url":"/libhtp::request_uri_not_seen"}"#);
}

#[test]
fn early_protocols() {
    let mut s = Session::new(settings());
    s.ts(b"GET /x\r\n").tc(b"raw body").end();
    assert_eq!(s.buffer(0, ToClient, "http.response_body").as_deref(), Some("raw body"));
    assert!(s.http.loggable(0));
    let mut s = Session::new(settings());
    s.ts(b"GET /x\r\nHost: h\r\n\r\n");
    assert_eq!(s.events(0), "REQUEST_LINE_MISSING_PROTOCOL");
    assert_eq!(s.buffer(0, ToServer, "http.host").as_deref(), Some("h"));
}

#[test]
fn continue_and_refusal() {
    let expect =
        b"POST /u HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let mut s = Session::new(settings());
    s.ts(expect).tc(b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(s.buffer(0, ToClient, "http.stat_code").as_deref(), Some("100"));
    s.ts(b"abc").tc(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(s.buffer(0, ToClient, "http.stat_code").as_deref(), Some("200"));
    assert!(s.http.loggable(0) && s.http.next_tx() == 1);
    let mut s = Session::new(settings());
    s.ts(expect).tc(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
    assert!(s.http.loggable(0));
    s.ts(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(s.http.next_tx(), 2);
}

#[test]
fn other_protocols_take_over() {
    let mut s = Session::new(settings());
    s.ts(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n\x16\x03");
    assert_eq!(s.buffer(0, ToServer, "http.uri"), None);
    assert_eq!(s.buffer(0, ToServer, "http.uri.raw").as_deref(), Some("h:443"));
    s.tc(b"HTTP/1.1 200 OK\r\n\r\n\x16\x03");
    let change = s.effects.last().unwrap().change.unwrap();
    assert_eq!((change.expected, change.port), (None, 443));
    assert!(s.http.loggable(0));
    assert_eq!(s.left, [b"\x16\x03".to_vec(), b"\x16\x03".to_vec()]);

    let mut s = Session::new(settings());
    s.ts(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    s.tc(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n").ts(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((s.http.next_tx(), s.http.loggable(0)), (2, true));

    let mut s = Session::new(settings());
    s.ts(b"GET /c HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
    s.tc(b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x00");
    let change = s.effects.last().unwrap().change.unwrap();
    assert_eq!(change.expected, Some(crate::AppProto::Websocket));
    assert_eq!(s.left[1], b"\x81\x00");
}

#[test]
fn holes() {
    let mut s = Session::new(settings());
    s.ts(GET).tc(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello");
    s.feed(ToClient, Chunk::Gap(5), false);
    s.tc(b"0123456789");
    assert_eq!(s.files(0, ToClient), "/a b TRUNCATED 20 gaps");
    assert_eq!(s.buffer(0, ToClient, "file.data").as_deref(), Some("hello0123456789"));
    assert!(s.http.loggable(0));
    let mut s = Session::new(settings());
    s.ts(b"GET / HTTP/1.1\r\nHo");
    s.feed(ToServer, Chunk::Gap(5), false);
    s.ts(b"st: h\r\n\r\n");
    assert_eq!(s.events(0), "INVALID_GAP");
    assert_eq!(s.http.progress(0, ToServer), 5);
}

#[test]
fn limits() {
    let mut s = Session::new(settings());
    s.ts(b"GET / HTTP/1.1\r\nA: ").ts(&[b'x'; 18_000]);
    assert!(s.failed);
    assert_eq!(s.events(0), "REQUEST_FIELD_TOO_LONG");
    let mut s = Session::new(HttpSettings { headers_limit: 3, ..settings() });
    s.ts(b"GET / HTTP/1.1\r\nA:1\r\nB:1\r\nC:1\r\nD:1\r\nE:1\r\n\r\n");
    assert_eq!((s.failed, &*s.events(0)), (true, "REQUEST_TOO_MANY_HEADERS"));
    let mut s = Session::new(HttpSettings { max_tx: 2, ..settings() });
    s.ts(GET).ts(GET);
    assert!(!s.failed);
    s.ts(GET);
    assert!(s.failed);
}

/// A server that answers again and again while the first request goes on makes no more
/// transactions than may be alive.
#[test]
fn transactions_are_limited_from_the_oldest_on() {
    let mut s = Session::new(HttpSettings { max_tx: 20, ..settings() });
    s.ts(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx");
    for _ in 0..1000 {
        s.ts(b"x").tc(b"HTTP/1.0 304\r\n\r\n");
        for tx in 1..s.http.next_tx() {
            s.http.free(tx);
        }
    }
    assert!(s.failed);
    assert_eq!((s.http.first_tx(), s.http.next_tx()), (0, 20));
    // Without one that stays open there is no end to them.
    let mut s = Session::new(HttpSettings { max_tx: 20, ..settings() });
    for tx in 0..1000 {
        s.ts(GET).tc(b"HTTP/1.1 304 Not Modified\r\n\r\n");
        s.http.free(tx);
    }
    assert_eq!((s.failed, s.http.first_tx(), s.http.next_tx()), (false, 1000, 1000));
}

#[test]
fn bodies_are_cut_at_the_limit_and_seen_in_windows() {
    let mut s = Session::new(settings());
    s.ts(GET).tc(b"HTTP/1.1 200 OK\r\n\r\n");
    s.tc(&[b'a'; 20_000]);
    assert_eq!(s.buffer(0, ToClient, "file.data"), None);
    s.tc(&[b'b'; 20_000]);
    assert_eq!(s.buffer(0, ToClient, "file.data").unwrap().len(), 40_000);
    s.http.inspected(0, ToClient);
    s.tc(b"tail");
    assert_eq!(s.buffer(0, ToClient, "file.data").unwrap().len(), 4096);
    s.tc(&[b'c'; 120_000]).end();
    assert_eq!(s.files(0, ToClient), "/a b TRUNCATED 102400");
    let log = s.log(0, &LogOptions { extended: true, ..LogOptions::default() });
    assert!(log.contains("\"length\":160004"), "{log}");
}

mod pieces {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::{Session, settings};

    fn requests(which: &[usize]) -> Vec<u8> {
        let all: [&[u8]; 6] = [
            super::GET,
            b"GET /2 HTTP/1.1\r\nHost: h\r\nF: a\r\n b\r\n\tc\r\n\r\n",
            b"POST /p HTTP/1.1\nHost: h\nContent-Length: 4\n\nbody",
            b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
              2;e\r\nab\r\n1\r\nc\r\n0\r\nT: x\r\n\r\n",
            b"POST /m HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=XX\r\n\
              Content-Length: 81\r\n\r\n--XX\r\nContent-Disposition: form-data; name=\"f\"; \
              filename=\"a.txt\"\r\n\r\nhello\r\n--XX--",
            b"OPTIONS /h?x#y HTTP/1.0\r\n\r\n",
        ];
        which.iter().flat_map(|&n| all[n]).copied().collect()
    }

    fn responses(which: &[usize]) -> Vec<u8> {
        let all: [&[u8]; 6] = [
            super::OK,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\r\n2\r\nde\r\n\
              0\r\nA: b\r\n\r\n",
            b"HTTP/1.1 200 OK\rTE\r\n :x\nContent-Length:\n 3\n\nxyz",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n\
              \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\
              \x86\xa6\x10\x36\x05\x00\x00\x00",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ];
        which.iter().flat_map(|&n| all[n]).copied().collect()
    }

    fn run(requests: &[u8], responses: &[u8], cuts: &[usize]) -> Session {
        let mut session = Session::new(settings());
        let mut both = [(0, requests), (0, responses)];
        for (side, (from, data)) in both.iter_mut().enumerate() {
            let mut sorted: Vec<usize> = cuts.iter().map(|cut| cut % (data.len() + 1)).collect();
            sorted.sort_unstable();
            sorted.push(data.len());
            for cut in sorted {
                let piece = &data[*from..cut];
                *from = cut;
                if side == 0 {
                    session.ts(piece)
                } else {
                    session.tc(piece)
                };
            }
        }
        session.end();
        session
    }

    proptest! {
        #[test]
        fn give_the_same(
            sent in vec(0usize..6, 3),
            answered in vec(0usize..6, 3),
            cuts in vec(any::<u16>(), 0..12),
        ) {
            let (requests, responses) = (requests(&sent), responses(&answered));
            let cuts: Vec<usize> = cuts.into_iter().map(usize::from).collect();
            let whole = run(&requests, &responses, &[]).dump();
            prop_assert_eq!(&whole, &run(&requests, &responses, &cuts).dump());
            let all: Vec<usize> = (0..requests.len().max(responses.len())).collect();
            prop_assert_eq!(&whole, &run(&requests, &responses, &all).dump());
        }

        #[test]
        fn of_anything_are_no_reason_to_panic(
            requests in vec(any::<u8>(), 0..300),
            responses in vec(any::<u8>(), 0..300),
            cuts in vec(any::<u16>(), 0..6),
        ) {
            let cuts: Vec<usize> = cuts.into_iter().map(usize::from).collect();
            run(&requests, &responses, &cuts).dump();
        }

        #[test]
        fn of_mutated_messages_are_no_reason_to_panic(
            sent in vec(0usize..6, 3),
            answered in vec(0usize..6, 3),
            changes in vec((any::<u16>(), select(b"\r\n \t\0:;%/x0f\xff".to_vec())), 1..12),
            cuts in vec(any::<u16>(), 0..6),
        ) {
            let (mut requests, mut responses) = (requests(&sent), responses(&answered));
            for (at, byte) in changes {
                for bytes in [&mut requests, &mut responses] {
                    let at = usize::from(at) % bytes.len();
                    bytes[at] = byte;
                }
            }
            let cuts: Vec<usize> = cuts.into_iter().map(usize::from).collect();
            run(&requests, &responses, &cuts).dump();
        }
    }
}

#[test]
fn a_request_that_ends_within_its_headers_has_its_whole_lines() {
    let mut s = Session::new(settings());
    s.ts(b"GET /a HTTP/1.0\r\nHost: a.test\r\nUser-Agent: me\r\nCookie: ha").end();
    let log = s.log(0, &LogOptions { extended: true, ..LogOptions::default() });
    assert!(log.contains(r#""http_user_agent":"me""#), "{log}");
    // The host is settled when the headers are complete.
    assert!(!log.contains("hostname"), "{log}");
}

#[test]
fn an_event_that_happens_again_counts_again() {
    let mut s = Session::new(settings());
    s.ts(b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n");
    s.tc(b"HTTP/1.1 200 OK\r\nX: 1\r\nX: 2\r\nY: 1\r\nY: 2\r\nContent-Length: 0\r\n\r\n");
    let events = s.events(0);
    assert_eq!(events.matches("RESPONSE_HEADER_REPETITION").count(), 2, "{events}");
}

#[test]
fn parts_of_a_file_are_joined() {
    use crate::file::range::{RangeSettings, Ranges};
    let mut ranges = Ranges::new(RangeSettings::default());
    let mut give = |range: &str, body: &str| {
        let mut s = Session::new(settings());
        s.ts(b"GET /f HTTP/1.1\r\nHost: A.test\r\n\r\n");
        let len = body.len();
        let head = format!(
            "HTTP/1.1 206 P\r\nContent-Range: bytes {range}\r\nContent-Length: {len}\r\n\r\n"
        );
        s.tc(head.as_bytes()).tc(body.as_bytes());
        s.http.join(&mut ranges, Timestamp(0));
        (s.effects.iter().any(|e| e.parts), s.files(0, Direction::ToClient))
    };
    let mut check = |range, body, parts: bool, files: &str| {
        assert_eq!(give(range, body), (parts, files.to_owned()), "{range}");
    };
    check("3-5/6", "def", true, "/f CLOSED 3");
    check("0-5/6", "abcdef", false, "/f CLOSED 6");
    check("0-2/*", "abc", false, "/f CLOSED 3");
    check("0-2/6", "abc", true, "/f CLOSED 3; /f CLOSED 6");
}
