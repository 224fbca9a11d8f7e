//! Handshake messages: put together from records, and what each of them changes.

use decode::Direction;

use super::Tls;
use super::certificate;
use super::events::Event;
use super::hello::{self, Hello, Kind, Part};
use super::record::Fatal;
use super::state::{progress, version};

/// Longest message that is put together; longer ones are passed over.
const MAX_MESSAGE: usize = 256 * 1024;

/// Hellos that are kept beyond the first.
const MAX_LATER_HELLOS: usize = 3;

/// Length of a message header.
const HEADER: usize = 4;

/// Message types.
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;

    /// True for types that may come in clear text.
    pub(super) const fn is_known(kind: u8) -> bool {
        matches!(kind, 0 | 1 | 2 | 4 | 11..=16 | 20..=22)
    }

    /// True for types whose content is read.
    pub(super) const fn is_read(kind: u8) -> bool {
        matches!(kind, CLIENT_HELLO | SERVER_HELLO | CERTIFICATE)
    }
}

/// Flags of the last handshake message, for `ssl_state`.
pub mod message_flag {
    /// Client hello.
    pub const CLIENT_HELLO: u8 = 1;
    /// Server hello.
    pub const SERVER_HELLO: u8 = 2;
    /// Client key exchange.
    pub const CLIENT_KEYX: u8 = 4;
    /// Server key exchange.
    pub const SERVER_KEYX: u8 = 8;
    /// Unknown.
    pub const UNKNOWN: u8 = 16;
}

/// A message that is under way over several records.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    kind: u8,
    /// Content so far; stays empty for messages that are not read.
    content: Vec<u8>,
    /// Bytes of content that are to come; 0: no message is under way.
    missing: usize,
}

/// The type and the length of the content.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let &[kind, high, middle, low] = bytes.first_chunk::<HEADER>()?;
    Some((kind, usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)))
}

impl Assembly {
    /// Begins a message whose content goes beyond the record.
    fn start(&mut self, kind: u8, length: usize) {
        *self = Self { kind, content: Vec::new(), missing: length };
    }

    /// Takes content, gives what is behind it.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (content, rest) = bytes.split_at(self.missing.min(bytes.len()));
        self.missing -= content.len();
        if kind::is_read(self.kind) && self.content.len() < MAX_MESSAGE {
            self.content.extend_from_slice(content);
        }
        rest
    }
}

impl Tls {
    /// Takes the content of a handshake record.
    pub(super) fn handshake(&mut self, direction: Direction, record: &[u8]) -> Result<(), Fatal> {
        let mut rest = record;
        while !rest.is_empty() {
            let assembly = &mut self.side_mut(direction).assembly;
            if assembly.missing > 0 {
                rest = assembly.fill(rest);
                if assembly.missing == 0 {
                    let Assembly { kind, content, .. } = std::mem::take(assembly);
                    self.message(direction, kind, &content);
                }
                continue;
            }
            let Some((kind, length)) = header(rest) else {
                // A header can't go over two records (Suricata 8).
                self.event(Event::InvalidSslRecord);
                return Err(Fatal(Event::InvalidHandshakeMessage));
            };
            let content = rest.get(HEADER..).unwrap_or_default();
            if !kind::is_known(kind) {
                self.unknown_message(direction);
                // A length beyond the record can't be trusted: the rest is passed over.
                rest = content.get(length..).unwrap_or_default();
            } else if let Some((content, behind)) = content.split_at_checked(length) {
                self.message(direction, kind, content);
                rest = behind;
            } else {
                self.side_mut(direction).assembly.start(kind, length);
                rest = content;
            }
        }
        Ok(())
    }

    fn unknown_message(&mut self, direction: Direction) {
        if !self.side(direction).cipher_changed {
            self.event(Event::InvalidHandshakeMessage);
        }
    }

    fn message(&mut self, direction: Direction, kind: u8, content: &[u8]) {
        match kind {
            kind::CLIENT_HELLO => {
                self.message_flags = message_flag::CLIENT_HELLO;
                self.hello(direction, Kind::Client, content);
            }
            kind::SERVER_HELLO => {
                self.message_flags = message_flag::SERVER_HELLO;
                self.hello(direction, Kind::Server, content);
            }
            kind::SERVER_KEY_EXCHANGE => self.message_flags = message_flag::SERVER_KEYX,
            kind::CLIENT_KEY_EXCHANGE => self.message_flags = message_flag::CLIENT_KEYX,
            kind::CERTIFICATE => self.take_certificates(direction, content),
            kind::CERTIFICATE_REQUEST if direction == Direction::ToClient => {
                self.message_flags = 0;
                self.flags.client_certificate_wanted = true;
            }
            kind::SERVER_HELLO_DONE if direction == Direction::ToClient => {
                self.server_mut().reach(progress::SERVER_HELLO_DONE);
            }
            _ => {}
        }
    }

    fn hello(&mut self, direction: Direction, kind: Kind, content: &[u8]) {
        let named = self.side(direction).server_name().is_some();
        let Some((hello, facts)) = hello::read(kind, content, named) else {
            self.event(Event::HandshakeInvalidLength);
            return;
        };
        for event in &facts.events {
            self.event(*event);
        }
        let whole = hello.part == Part::Whole;
        match kind {
            Kind::Client => {
                self.flags.client_hello = true;
                self.flags.client_versions |= facts.has_versions;
                // Whether it is resumed shows when the server sends no certificate.
                self.flags.resumed |= facts.session_ticket;
                self.flags.early_data |= facts.early_data;
                if whole {
                    self.client_mut().reach(progress::HELLO);
                }
            }
            Kind::Server => {
                self.flags.server_hello = true;
                let extended = facts.version.is_some_and(|number| number > version::TLS_1_2);
                let early_draft = version::is_early_draft(hello.legacy_version);
                self.flags.log_without_certificate |=
                    early_draft || (extended && self.flags.client_versions);
                self.flags.resumed |= self.echoes_session(&hello);
                if whole {
                    self.server_mut().reach(progress::HELLO);
                }
            }
        }
        self.keep_hello(direction, hello);
    }

    /// True when the server took up the session that the client offered.
    fn echoes_session(&self, hello: &Hello) -> bool {
        let mut offered = self.client().hellos().map(Hello::session_id);
        offered.any(|id| !id.is_empty() && id == hello.session_id())
    }

    fn keep_hello(&mut self, direction: Direction, hello: Hello) {
        let side = self.side_mut(direction);
        side.version = hello.version;
        side.version_is_final = true;
        if side.hello.is_none() {
            side.hello = Some(hello);
        } else if side.later_hellos.len() < MAX_LATER_HELLOS {
            side.later_hellos.push(hello);
            // JA4 counts all hellos (Suricata 8).
            self.ja4.take();
        }
    }

    /// Takes the certificates of a side, once.
    fn take_certificates(&mut self, direction: Direction, content: &[u8]) {
        if self.side(direction).chain.is_some() {
            return;
        }
        let Some((chain, events)) = certificate::read(content) else {
            return;
        };
        for event in events {
            self.event(event);
        }
        let side = self.side_mut(direction);
        side.chain = Some(Box::new(chain));
        side.reach(progress::CERTIFICATE);
    }
}
