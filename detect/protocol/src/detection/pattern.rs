//! Patterns that give a protocol away on any port.

use decode::Direction;

use super::{Found, Question, Transport, Verdict, probes};
use crate::app::AppProto;

type Confirm = fn(&Question<'_>) -> Verdict;

/// Where a pattern is looked for, and what it means.
#[derive(Clone, Debug)]
struct Pattern {
    proto: AppProto,
    bytes: Vec<u8>,
    offset: usize,
    /// The pattern ends at or before this byte; equal to offset and length for a fixed place.
    depth: usize,
    confirm: Option<Confirm>,
}

impl Pattern {
    fn matches(&self, data: &[u8]) -> bool {
        let len = self.bytes.len();
        let last = self.depth.min(data.len()).saturating_sub(len);
        (self.offset..=last.max(self.offset)).any(|at| {
            let place = data.get(at..at + len);
            place.is_some_and(|place| place.eq_ignore_ascii_case(&self.bytes))
        })
    }
}

/// The patterns of one transport and direction.
#[derive(Clone, Debug)]
pub(crate) struct PatternSet {
    /// Those at the very start, by their first byte.
    at_start: Vec<Pattern>,
    first: Box<[u8; 256]>,
    elsewhere: Vec<Pattern>,
    longest: usize,
}

impl PatternSet {
    /// The patterns of the protocols that are wanted.
    pub(crate) fn new(
        transport: Transport,
        direction: Direction,
        wanted: impl Fn(AppProto) -> bool,
    ) -> Self {
        let mut all = Vec::new();
        match (transport, direction) {
            (Transport::Tcp, Direction::ToServer) => tcp_to_server(&mut all),
            (Transport::Tcp, Direction::ToClient) => tcp_to_client(&mut all),
            (Transport::Udp, Direction::ToServer) => udp_to_server(&mut all),
            (Transport::Udp, Direction::ToClient) => udp_to_client(&mut all),
        }
        all.retain(|pattern| wanted(pattern.proto));
        let longest = all.iter().map(|pattern| pattern.depth).max().unwrap_or(0);
        let (mut at_start, elsewhere): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|p| p.offset == 0 && p.depth == p.bytes.len());
        at_start.sort_by_key(first_byte);
        let mut first = Box::new([u8::MAX; 256]);
        for (index, pattern) in at_start.iter().enumerate().rev() {
            let byte = first_byte(pattern);
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            first[usize::from(byte)] = index;
            first[usize::from(byte.to_ascii_uppercase())] = index;
        }
        Self { at_start, first, elsewhere, longest }
    }

    /// Bytes after which no pattern can match any more.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// The first pattern that matches and is confirmed.
    pub(crate) fn find(&self, question: &Question<'_>) -> Option<Found> {
        let byte = *question.bytes.first()?;
        let start = usize::from(self.first[usize::from(byte)]);
        let bucket = self.at_start.get(start..).unwrap_or(&[]);
        let folded = byte.to_ascii_lowercase();
        let bucket = bucket.iter().take_while(|pattern| first_byte(pattern) == folded);
        let matching = bucket.chain(&self.elsewhere).filter(|p| p.matches(question.bytes));
        matching.into_iter().find_map(|pattern| confirmed(pattern, question))
    }
}

fn first_byte(pattern: &Pattern) -> u8 {
    pattern.bytes.first().map_or(0, u8::to_ascii_lowercase)
}

fn confirmed(pattern: &Pattern, question: &Question<'_>) -> Option<Found> {
    let reverse = match pattern.confirm.map_or(Verdict::Yes, |confirm| confirm(question)) {
        Verdict::Yes => false,
        Verdict::From(direction) => direction != question.direction,
        Verdict::No | Verdict::Unsure => return None,
    };
    Some(Found { proto: pattern.proto, reverse })
}

fn add(all: &mut Vec<Pattern>, proto: AppProto, texts: &[&[u8]], confirm: Option<Confirm>) {
    all.extend(texts.iter().map(|text| Pattern {
        proto,
        bytes: text.to_vec(),
        offset: 0,
        depth: text.len(),
        confirm,
    }));
}

fn add_at(
    all: &mut Vec<Pattern>,
    proto: AppProto,
    text: &[u8],
    place: (usize, usize),
    confirm: Option<Confirm>,
) {
    let (offset, depth) = place;
    all.push(Pattern { proto, bytes: text.to_vec(), offset, depth, confirm });
}

const HTTP_METHODS: &[&str] = &[
    "GET",
    "PUT",
    "POST",
    "HEAD",
    "TRACE",
    "OPTIONS",
    "CONNECT",
    "DELETE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "MERGE",
    "INVALID",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
];

const SIP_METHODS: &[&[u8]] = &[
    b"REGISTER ",
    b"INVITE ",
    b"ACK ",
    b"OPTIONS ",
    b"BYE ",
    b"CANCEL ",
    b"UPDATE ",
    b"REFER ",
    b"PRACK ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"PUBLISH ",
    b"MESSAGE ",
    b"INFO ",
];

fn tcp_to_server(all: &mut Vec<Pattern>) {
    // SIP shares methods with HTTP and is confirmed by its URI: it comes first.
    add(all, AppProto::Sip, SIP_METHODS, Some(probes::sip::probe));
    for method in HTTP_METHODS {
        for blank in [" ", "\t"] {
            add(all, AppProto::Http1, &[format!("{method}{blank}").as_bytes()], None);
        }
    }
    add(all, AppProto::Http2, &[b"PRI * HTTP/2.0\r\n"], None);
    add(all, AppProto::Ssh, &[b"SSH-"], None);
    add(all, AppProto::Smtp, &[b"EHLO", b"HELO", b"QUIT"], None);
    add(all, AppProto::Ftp, &[b"FEAT", b"PASS ", b"PORT "], None);
    add(all, AppProto::Ftp, &[b"USER "], Some(probes::ftp::user));
    add_at(all, AppProto::Imap, b" CAPABILITY", (0, 17), None);
    add(all, AppProto::Rfb, &[b"RFB "], None);
    for minor in 0..=3 {
        add(all, AppProto::Tls, &[&[0x01, 0x03, minor], &[0x16, 0x03, minor]], None);
    }
    add_at(all, AppProto::Tls, &[0x01, 0x00, 0x02], (2, 5), Some(probes::tls::probe));
    both_tcp(all);
}

fn tcp_to_client(all: &mut Vec<Pattern>) {
    add(all, AppProto::Http1, &[b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.1"], None);
    add_at(all, AppProto::Sip, b"SIP/2.0", (0, 8), None);
    add(all, AppProto::Ssh, &[b"SSH-"], None);
    add(all, AppProto::Ftp, &[b"220 ("], None);
    let imap: [&[u8]; 7] =
        [b"* OK ", b"* NO ", b"* BAD ", b"* LIST ", b"* ESEARCH ", b"* STATUS ", b"* FLAGS "];
    add(all, AppProto::Imap, &imap, None);
    add(all, AppProto::Rfb, &[b"RFB "], None);
    for minor in 0..=3 {
        let records: [&[u8]; 3] = [&[0x15, 0x03, minor], &[0x16, 0x03, minor], &[0x17, 3, minor]];
        add(all, AppProto::Tls, &records, None);
    }
    both_tcp(all);
    add_at(all, AppProto::Tls, &[0x00, 0x02], (5, 7), None);
}

fn both_tcp(all: &mut Vec<Pattern>) {
    for magic in [0xff, 0xfe, 0xfd] {
        let text = [magic, b'S', b'M', b'B'];
        add_at(all, AppProto::Smb, &text, (4, 8), Some(probes::smb::begins));
    }
    add(all, AppProto::Dcerpc, &[&[0x05, 0x00]], Some(probes::dcerpc::tcp));
}

fn udp_to_server(all: &mut Vec<Pattern>) {
    add(all, AppProto::Sip, SIP_METHODS, Some(probes::sip::probe));
    add(all, AppProto::Dcerpc, &[&[0x04, 0x00]], Some(probes::dcerpc::udp));
    add(all, AppProto::BittorrentDht, &[b"d1:ad2:id20:"], None);
}

fn udp_to_client(all: &mut Vec<Pattern>) {
    add_at(all, AppProto::Sip, b"SIP/2.0", (0, 8), None);
    add(all, AppProto::BittorrentDht, &[b"d1:ad2:id20:"], None);
}
