//! Client and server hello messages: fields, and lists that are read again when asked for.

use smallvec::SmallVec;

use super::events::Event;
use super::extension::{self, Extensions};
use super::state::version;

/// Length of the random value.
const RANDOM: usize = 32;

/// Which hello it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a client.
    Client,
    /// Of a server.
    Server,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Of `length` bytes from `start` on.
    pub(super) fn new(start: usize, length: usize) -> Self {
        let limit = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: limit(start), end: limit(start.saturating_add(length)) }
    }

    /// The part's bytes.
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// How much of a hello is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The version.
    Version,
    /// The version and the cipher suites.
    Ciphers,
    /// All of it.
    Whole,
}

/// A hello. The message is kept as it came; lists in it are read from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    body: Box<[u8]>,
    /// Whose it is by its type.
    pub(super) kind: Kind,
    /// How much of it can be relied on.
    pub(super) part: Part,
    /// The version field as sent.
    pub(super) legacy_version: u16,
    /// The version that counts: the extension's, if there is a valid one.
    pub(super) version: u16,
    /// The highest number of the version field and, of a client, the extension.
    pub(super) highest_version: u16,
    session_id: Span,
    ciphers: Span,
    extensions: Span,
    server_name: Option<Span>,
    cut_protocols: Span,
}

/// What the extensions of a hello said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The version of the extension (client: the first that is valid).
    pub(super) version: Option<u16>,
    /// There is an extension with versions.
    pub(super) has_versions: bool,
    /// There is a session ticket.
    pub(super) session_ticket: bool,
    /// Early data is announced.
    pub(super) early_data: bool,
    /// Where the server's name stands.
    pub(super) server_name: Option<Span>,
    /// A list of application protocols that is cut short.
    pub(super) cut_protocols: Span,
    /// What is wrong.
    pub(super) events: SmallVec<[Event; 2]>,
}

/// A cursor over a message that remembers its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// At the start of `bytes`, whose first byte is at `at` of the message.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// True when nothing is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Place in the message.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// The next bytes.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        self.at += length;
        Some(taken)
    }

    /// A byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Two bytes as a number.
    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// The span of all that is left.
    pub(super) fn rest(&self) -> Span {
        Span::new(self.at, self.bytes.len())
    }

    /// The span of the next `length` bytes.
    pub(super) fn span(&mut self, length: usize) -> Option<Span> {
        let span = Span::new(self.at, length);
        self.take(length).map(|_| span)
    }
}

/// Reads a hello. `named` tells that the side gave a server name before. What comes behind a
/// wrong length is lost, and the hello is not whole. None: not even a version.
pub(super) fn read(kind: Kind, body: &[u8], named: bool) -> Option<(Hello, Facts)> {
    let mut fields = Fields::new(body, 0);
    let legacy_version = fields.u16()?;
    let mut facts = Facts::default();
    let mut hello = Hello {
        body: body.into(),
        kind,
        part: Part::Version,
        legacy_version,
        version: 0,
        highest_version: 0,
        session_id: Span::default(),
        ciphers: Span::default(),
        extensions: Span::default(),
        server_name: None,
        cut_protocols: Span::default(),
    };
    if hello.fill(&mut fields, named, &mut facts).is_none() {
        facts.events.push(Event::HandshakeInvalidLength);
    }
    hello.server_name = facts.server_name;
    hello.cut_protocols = facts.cut_protocols;
    hello.version = facts.version.unwrap_or(version::of_hello(legacy_version));
    let extension = facts.version.filter(|_| kind == Kind::Client);
    hello.highest_version = legacy_version.max(extension.unwrap_or(0));
    Some((hello, facts))
}

impl Hello {
    /// Reads what follows the version; none when a length is wrong.
    fn fill(&mut self, fields: &mut Fields<'_>, named: bool, facts: &mut Facts) -> Option<()> {
        fields.take(RANDOM)?;
        // Drafts of TLS 1.3 before 22 have neither session nor compression in the server's hello.
        let short = self.kind == Kind::Server && version::is_early_draft(self.legacy_version);
        if !short {
            self.session_id = length8(fields)?;
        }
        match self.kind {
            Kind::Client => {
                let length = fields.u16().filter(|length| length % 2 == 0)?;
                self.ciphers = fields.span(usize::from(length))?;
                self.part = Part::Ciphers;
                length8(fields)?;
            }
            Kind::Server => {
                self.ciphers = fields.span(2)?;
                self.part = Part::Ciphers;
                if !short {
                    fields.u8()?;
                }
            }
        }
        // Extensions may be missing (RFC 5246, 7.4.1.2).
        if fields.left() >= 2 {
            let length = usize::from(fields.u16()?);
            let start = fields.position();
            let checked = extension::check(self.kind, fields.take(length)?, start, named, facts);
            self.extensions = Span::new(start, checked.end - start);
            if checked.broken {
                return None;
            }
        }
        self.part = Part::Whole;
        Some(())
    }
}

fn length8(fields: &mut Fields<'_>) -> Option<Span> {
    let length = fields.u8()?;
    fields.span(usize::from(length))
}

impl Hello {
    /// The random value.
    pub(super) fn random(&self) -> &[u8] {
        self.body.get(2..2 + RANDOM).unwrap_or_default()
    }

    /// The session's identifier.
    pub(super) fn session_id(&self) -> &[u8] {
        self.session_id.of(&self.body)
    }

    /// The name of the server.
    pub(super) fn server_name(&self) -> Option<&[u8]> {
        self.server_name.map(|span| span.of(&self.body))
    }

    /// Cipher suites without GREASE; the server's is one.
    pub(super) fn ciphers(&self) -> impl Iterator<Item = u16> {
        numbers(self.ciphers.of(&self.body))
    }

    /// Extensions in their order, without GREASE, up to the first that was malformed.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (u16, &[u8])> {
        Extensions::new(self.extensions.of(&self.body)).filter(|(kind, _)| !is_grease(*kind))
    }

    /// The contents of all extensions of a kind.
    pub(super) fn extension(&self, kind: u16) -> impl Iterator<Item = &[u8]> {
        self.extensions().filter(move |(k, _)| *k == kind).map(|(_, content)| content)
    }

    /// Application protocols: the client's list or the server's choice.
    pub(super) fn protocols(&self) -> impl Iterator<Item = &[u8]> {
        let cut = self.cut_protocols.of(&self.body);
        self.extension(extension::ALPN).chain([cut]).flat_map(extension::protocols)
    }

    /// Signature algorithms without GREASE.
    pub(super) fn signature_algorithms(&self) -> impl Iterator<Item = u16> {
        self.extension(extension::SIGNATURE_ALGORITHMS)
            .flat_map(|content| numbers(extension::list16(content)))
    }

    /// Named groups without GREASE.
    pub(super) fn groups(&self) -> impl Iterator<Item = u16> {
        self.extension(extension::GROUPS).flat_map(|content| numbers(extension::groups(content)))
    }

    /// Point formats.
    pub(super) fn point_formats(&self) -> impl Iterator<Item = u8> {
        self.extension(extension::POINT_FORMATS)
            .flat_map(|content| extension::list8(content).iter().copied())
    }
}

/// Numbers of 16 bits, without those that are there to keep others tolerant (RFC 8701).
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair)).filter(|n| !is_grease(*n))
}

/// True for 0x0a0a, 0x1a1a, ... 0xfafa (RFC 8701).
pub(super) const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

#[cfg(test)]
mod tests {
    use super::{Kind, Part, is_grease, read};
    use crate::tls::events::Event;

    /// A client hello with these extensions.
    fn client(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[2, 0xaa, 0xbb, 0, 4, 0x13, 0x01, 0x1a, 0x1a, 1, 0]);
        body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend_from_slice(extensions);
        body
    }

    #[test]
    fn grease_is_known() {
        let all: Vec<u16> = (0..=u16::MAX).filter(|n| is_grease(*n)).collect();
        assert_eq!(all.len(), 16);
        assert!(all.contains(&0x0a0a) && all.contains(&0xfafa) && !all.contains(&0x0a1a));
    }

    #[test]
    fn fields_of_a_client_hello() {
        let body = client(b"\0\0\0\x08\0\x06\0\0\x03a.b\0\x2b\0\x05\x04\x1a\x1a\x03\x04");
        let (hello, facts) = read(Kind::Client, &body, false).unwrap();
        assert_eq!((hello.legacy_version, hello.version, hello.highest_version), (771, 772, 772));
        assert_eq!(hello.random(), [7; 32]);
        assert_eq!(hello.session_id(), [0xaa, 0xbb]);
        assert_eq!(hello.ciphers().collect::<Vec<_>>(), [0x1301]);
        assert_eq!(hello.server_name(), Some(&b"a.b"[..]));
        assert_eq!(hello.extensions().map(|(kind, _)| kind).collect::<Vec<_>>(), [0, 43]);
        assert!(facts.has_versions && facts.events.is_empty());
    }

    #[test]
    fn every_cut_is_noticed() {
        let body = client(b"\0\x17\0\0");
        let without = body.len() - 6;
        for length in 2..body.len() {
            let (hello, facts) = read(Kind::Client, &body[..length], false).unwrap();
            let whole = length == without || length == without + 1;
            assert_eq!(hello.part == Part::Whole, whole, "{length}");
            assert_eq!(facts.events.is_empty(), whole, "{length}");
            assert_eq!(hello.part >= Part::Ciphers, length >= 43, "{length}");
        }
        let mut odd = body;
        odd[38] = 3;
        assert_eq!(read(Kind::Client, &odd, false).unwrap().0.part, Part::Version);
        assert_eq!(read(Kind::Client, &odd[..1], false), None);
    }

    #[test]
    fn a_bad_extension_ends_the_list() {
        for (extensions, kinds, event) in [
            (
                &b"\0\x17\0\0\0\0\0\x06\0\x04\x01\0\x01a\0\x23\0\0"[..],
                &[23][..],
                Event::InvalidSniType,
            ),
            (b"\0\x17\0\0\0\0\0\x05\0\x03\0\0\0", &[23], Event::InvalidSniLength),
            (b"\0\x17\0\0\0\0\0\x05\0\x03\0\0\x09", &[23], Event::InvalidSniLength),
            (b"\0\x17\0\0\0\0\0\x07\0\x05\0\x01\0aa", &[23], Event::InvalidSniLength),
            (b"\0\x17\0\0\0\x2b\0\x01\x02", &[23], Event::HandshakeInvalidLength),
        ] {
            let (hello, facts) = read(Kind::Client, &client(extensions), false).unwrap();
            assert_eq!(hello.extensions().map(|(kind, _)| kind).collect::<Vec<_>>(), kinds);
            assert_eq!(facts.events.as_slice(), [event]);
        }
    }

    #[test]
    fn a_second_name_is_noticed_and_dropped() {
        let two = b"\0\0\0\x06\0\x04\0\0\x01a\0\0\0\x06\0\x04\0\0\x01b\0\x17\0\0";
        let (hello, facts) = read(Kind::Client, &client(two), false).unwrap();
        assert_eq!(hello.server_name(), Some(&b"a"[..]));
        assert_eq!(facts.events.as_slice(), [Event::MultipleSniExtensions]);
        assert_eq!(hello.extensions().count(), 3);
        let (_, facts) = read(Kind::Client, &client(&two[..10]), true).unwrap();
        assert_eq!(facts.events.as_slice(), [Event::MultipleSniExtensions]);
    }
}
