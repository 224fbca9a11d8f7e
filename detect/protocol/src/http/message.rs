//! The head of a message: first line and headers in two byte stores, without an allocation per
//! header.

use memchr::memchr;

use super::field::{Field, NameFaults, trim_name};
use super::text::{equals_without_nul, loose_number, trim};

/// Bytes of a message: within what was sent, or (top bit set) within what was composed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

const COMPOSED: u32 = 1 << 31;

impl Span {
    /// A range of the bytes that were sent.
    pub(crate) fn sent(start: usize, end: usize) -> Self {
        Self { start: start as u32 & !COMPOSED, len: end.saturating_sub(start) as u32 }
    }
}

/// Headers that the parser or a rule buffer looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Known {
    #[default]
    Other,
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    Authorization,
    Connection,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentRange,
    ContentType,
    Cookie,
    Expect,
    Host,
    Location,
    Referer,
    Server,
    SetCookie,
    TransferEncoding,
    Upgrade,
    UserAgent,
}

const NAMES: &[(&[u8], Known)] = &[
    (b"accept", Known::Accept),
    (b"accept-encoding", Known::AcceptEncoding),
    (b"accept-language", Known::AcceptLanguage),
    (b"authorization", Known::Authorization),
    (b"connection", Known::Connection),
    (b"content-disposition", Known::ContentDisposition),
    (b"content-encoding", Known::ContentEncoding),
    (b"content-length", Known::ContentLength),
    (b"content-range", Known::ContentRange),
    (b"content-type", Known::ContentType),
    (b"cookie", Known::Cookie),
    (b"expect", Known::Expect),
    (b"host", Known::Host),
    (b"location", Known::Location),
    (b"referer", Known::Referer),
    (b"server", Known::Server),
    (b"set-cookie", Known::SetCookie),
    (b"transfer-encoding", Known::TransferEncoding),
    (b"upgrade", Known::Upgrade),
    (b"user-agent", Known::UserAgent),
];

impl Known {
    /// By name, without regard to case and NUL bytes.
    pub(crate) fn of(name: &[u8]) -> Self {
        let clean = memchr(0, name).is_none();
        let found = NAMES.iter().find(|(known, _)| {
            if clean {
                name.len() == known.len() && name.eq_ignore_ascii_case(known)
            } else {
                equals_without_nul(name, known)
            }
        });
        found.map_or(Self::Other, |&(_, kind)| kind)
    }
}

/// One header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Its name, trimmed.
    pub(crate) name: Span,
    /// Its value, unfolded, joined with repetitions.
    pub(crate) value: Span,
    /// Which header it is.
    pub(crate) kind: Known,
    hash: u32,
    repeated: bool,
}

/// What was odd about a field that was added.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Added {
    /// The name.
    pub(crate) name: NameFaults,
    /// The first repetition of a header.
    pub(crate) repetition: bool,
    /// A second Content-Length that says something else.
    pub(crate) other_length: bool,
    /// A new header (no repetition).
    pub(crate) new: bool,
}

/// Repetitions of headers that are joined, all names together, besides the first of each name.
const REPETITIONS: u8 = 64;

/// Bytes of composed values.
const COMPOSED_LIMIT: usize = 2 << 20;

/// First line and headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    store: Vec<u8>,
    composed: Vec<u8>,
    headers: Vec<Header>,
    line_len: u32,
    head_start: u32,
    repetitions: u8,
}

impl Message {
    /// Forgets everything, keeps the memory unless it is much.
    pub(crate) fn clear(&mut self) {
        if self.store.capacity() + self.composed.capacity() > 32 * 1024 {
            *self = Self::default();
            return;
        }
        self.store.clear();
        self.composed.clear();
        self.headers.clear();
        (self.line_len, self.head_start, self.repetitions) = (0, 0, 0);
    }

    /// Sets the first line; `stripped` is its length without the terminator.
    pub(crate) fn set_line(&mut self, line: &[u8], stripped: usize) {
        self.store.clear();
        self.store.extend_from_slice(line);
        self.line_len = stripped.min(line.len()) as u32;
        self.head_start = line.len() as u32;
    }

    /// The first line without terminator.
    pub(crate) fn line(&self) -> &[u8] {
        self.store.get(..self.line_len as usize).unwrap_or(&[])
    }

    /// The first line with its terminator.
    pub(crate) fn terminated_line(&self) -> &[u8] {
        self.store.get(..self.head_start as usize).unwrap_or(&[])
    }

    /// True when there is a first line.
    pub(crate) fn has_line(&self) -> bool {
        self.head_start > 0
    }

    /// The header block as sent, trailers included.
    pub(crate) fn raw_headers(&self) -> &[u8] {
        self.store.get(self.head_start as usize..).unwrap_or(&[])
    }

    /// Bytes that were sent.
    pub(crate) fn sent_len(&self) -> usize {
        self.store.len()
    }

    /// Appends bytes of the block that are no field (its end).
    pub(crate) fn append_raw(&mut self, bytes: &[u8]) {
        self.store.extend_from_slice(bytes);
    }

    /// Text that stands in the message and nowhere else.
    pub(crate) fn compose(&mut self, bytes: &[u8]) -> Span {
        let start = self.composed.len() as u32 | COMPOSED;
        self.composed.extend_from_slice(bytes);
        Span { start, len: bytes.len() as u32 }
    }

    /// Bytes of a span.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        let store = if span.start & COMPOSED == 0 { &self.store } else { &self.composed };
        let start = (span.start & !COMPOSED) as usize;
        store.get(start..start + span.len as usize).unwrap_or(&[])
    }

    /// All headers, in the order of their first appearance.
    pub(crate) fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Value of a known header.
    pub(crate) fn value(&self, kind: Known) -> Option<&[u8]> {
        self.headers.iter().find(|h| h.kind == kind).map(|h| self.bytes(h.value))
    }

    /// Value by any name, lower case.
    pub(crate) fn value_by_name(&self, lower: &[u8]) -> Option<&[u8]> {
        let found = self.headers.iter().find(|h| equals_without_nul(self.bytes(h.name), lower));
        found.map(|h| self.bytes(h.value))
    }

    /// Adds a field that was scanned at the start of `data`.
    pub(crate) fn add(&mut self, data: &[u8], field: &Field, response: bool) -> Added {
        let base = self.store.len();
        self.store.extend_from_slice(data.get(..field.end).unwrap_or(data));
        let raw = data.get(field.name.0..field.name.1).unwrap_or(&[]);
        let ((start, end), name) = trim_name(raw, response);
        let name_at = base + field.name.0;
        let header_name = Span::sent(name_at + start, name_at + end);
        let value = self.field_value(data, base, field);
        self.insert(header_name, value, name)
    }

    /// The value: a range of what was sent, or composed when it was folded.
    fn field_value(&mut self, data: &[u8], base: usize, field: &Field) -> Span {
        if let [(start, end)] = field.parts[..] {
            let text = data.get(start..end).unwrap_or(&[]);
            let trimmed = trim(text);
            if trimmed.is_empty() {
                return Span::default();
            }
            let lead = text.len() - trim_start_len(text);
            let at = base + start + lead;
            return Span::sent(at, at + trimmed.len());
        }
        let mut value = Vec::new();
        for (n, &(start, end)) in field.parts.iter().enumerate() {
            let part = data.get(start..end).unwrap_or(&[]);
            let fold = n > 0 && value.is_empty();
            value.extend_from_slice(part.get(usize::from(fold)..).unwrap_or(&[]));
        }
        self.compose(trim(&value))
    }

    fn insert(&mut self, name: Span, value: Span, faults: NameFaults) -> Added {
        let text = self.bytes(name);
        let (kind, hash) = (Known::of(text), hash(text));
        let same = self.headers.iter().position(|h| {
            h.hash == hash && self.bytes(h.name).eq_ignore_ascii_case(self.bytes(name))
        });
        let mut added = Added { name: faults, ..Added::default() };
        let Some(at) = same else {
            self.headers.push(Header { name, value, kind, hash, repeated: false });
            added.new = true;
            return added;
        };
        let Some(&first) = self.headers.get(at) else { return added };
        if first.repeated {
            if self.repetitions >= REPETITIONS {
                return added;
            }
            self.repetitions += 1;
        }
        added.repetition = !first.repeated;
        let mut joined = first.value;
        if kind == Known::ContentLength {
            let number = |span| loose_number(self.bytes(span)).map(|n| n.value);
            let (old, new) = (number(first.value), number(value));
            added.other_length = old.is_none() || old != new;
        } else {
            joined = self.join(first.value, value);
        }
        if let Some(header) = self.headers.get_mut(at) {
            header.repeated = true;
            header.value = joined;
        }
        added
    }

    /// `first, second`, in place when the first was composed last.
    fn join(&mut self, first: Span, second: Span) -> Span {
        let len = first.len as usize + second.len as usize + 2;
        if self.composed.len() + len > COMPOSED_LIMIT {
            return first;
        }
        let second = self.bytes(second).to_vec();
        let last = first.start & COMPOSED != 0
            && (first.start & !COMPOSED) as usize + first.len as usize == self.composed.len();
        let start = if last {
            first.start
        } else {
            let first = self.bytes(first).to_vec();
            self.compose(&first).start
        };
        self.composed.extend_from_slice(b", ");
        self.composed.extend_from_slice(&second);
        Span { start, len: len as u32 }
    }
}

fn trim_start_len(text: &[u8]) -> usize {
    text.len() - text.iter().take_while(|&&b| super::text::is_space(b)).count()
}

/// FNV-1a of the lower-case name.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |h: u32, b| {
        (h ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::super::field::{Scan, scan};
    use super::{Known, Message};

    fn message(block: &[u8], response: bool) -> Message {
        let mut message = Message::default();
        message.set_line(b"GET / HTTP/1.1\r\n", 14);
        let (mut at, mut first) = (0, true);
        while let Scan::Field(field) = scan(&block[at..], response, first) {
            message.add(&block[at..], &field, response);
            at += field.end;
            first = false;
        }
        message
    }

    fn check(block: &[u8], want: &[(&str, &str)]) {
        let m = message(block, false);
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let got: Vec<_> =
            m.headers().iter().map(|h| (text(m.bytes(h.name)), text(m.bytes(h.value)))).collect();
        let want: Vec<_> = want.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(got, want, "{}", text(block));
    }

    #[test]
    fn values() {
        check(b"Host: a \r\nX:\t b\r\n\r\n", &[("Host", "a"), ("X", "b")]);
        check(b"F: l1\r\n  l2\r\n\r\n", &[("F", "l1  l2")]);
        check(b"F:\r\n l2\r\n\r\n", &[("F", "l2")]);
        check(b"junk\r\n\r\n", &[("", "junk")]);
        check(b"A: 1\r\nB: 2\r\na: 3\r\nb: 4\r\nA: 5\r\n\r\n", &[("A", "1, 3, 5"), ("B", "2, 4")]);
        check(b"Content-Length: 5\r\ncontent-length: 6\r\n\r\n", &[("Content-Length", "5")]);
        check(b"A:\r\nA: x\r\n\r\n", &[("A", ", x")]);
    }

    #[test]
    fn repetitions_are_limited() {
        let block: Vec<u8> = b"X: v\r\n".repeat(80).into_iter().chain(*b"\r\n").collect();
        let m = message(&block, false);
        let value = m.bytes(m.headers()[0].value);
        assert_eq!(value.split(|&b| b == b',').count(), 66);
    }

    #[test]
    fn known_names_ignore_nul() {
        let m = message(b"User\0-Agent: x\r\n\r\n", false);
        assert_eq!(m.value(Known::UserAgent), Some(&b"x"[..]));
    }
}
