//! TLS and SSL: what can be read of a session before it is encrypted.
//!
//! A flow has one transaction. Records are cut in `record`, handshake messages put together in
//! `handshake`; hellos and certificates are kept as they came, and what rules and records ask of
//! them is made when it is first asked for.

mod buffers;
mod certificate;
mod der;
mod events;
mod extension;
mod fingerprint;
mod handshake;
mod heartbeat;
mod hello;
mod log;
mod name;
mod record;
mod san;
mod settings;
mod sslv2;
mod state;
mod time;
mod x509;

#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use decode::Direction;
use json::Writer;

pub use buffers::{
    BUFFERS, FAMILY, JA3_HASH, JA3_STRING, JA3S_HASH, JA3S_STRING, JA4_HASH, NUMBERS, TLS_ALPN,
    TLS_CERT_CHAIN_LEN, TLS_CERT_FINGERPRINT, TLS_CERT_ISSUER, TLS_CERT_NOT_AFTER,
    TLS_CERT_NOT_BEFORE, TLS_CERT_SERIAL, TLS_CERT_SUBJECT, TLS_CERTS, TLS_MESSAGE_FLAGS,
    TLS_RANDOM, TLS_RANDOM_BYTES, TLS_RANDOM_TIME, TLS_SNI, TLS_SUBJECT_ALT_NAME, TLS_VERSION,
};
pub use events::EVENTS;
pub use handshake::message_flag;
pub use log::is_custom_field;
pub use settings::TlsSettings;

use crate::app::AppProto;
use crate::buffer::{BufferId, NumberId, View};
use crate::parser::{Chunk, Effects, Input, LogOptions, Outcome, Parser};
use crate::transaction::TxMeta;
use events::Event;
use fingerprint::Ja3;
use state::{Flags, Side, progress};

/// A TLS session.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    /// The protocol that the flow had before (STARTTLS).
    origin: Option<AppProto>,
    meta: TxMeta,
    freed: bool,
    sides: [Side; 2],
    ended: [bool; 2],
    flags: Flags,
    message_flags: u8,
    heartbeat: heartbeat::Heartbeat,
    ja4: OnceCell<String>,
}

impl Tls {
    /// A new session; `origin` is the protocol that changed to TLS, if one did.
    pub fn new(settings: TlsSettings, origin: Option<AppProto>) -> Self {
        Self {
            settings,
            origin,
            meta: TxMeta::new(0),
            freed: false,
            sides: [Side::default(), Side::default()],
            ended: [false; 2],
            flags: Flags::default(),
            message_flags: 0,
            heartbeat: heartbeat::Heartbeat::default(),
            ja4: OnceCell::new(),
        }
    }

    /// The version of a side, once it is known.
    pub fn version(&self, direction: Direction) -> Option<u16> {
        Some(self.side(direction).version).filter(|number| *number != 0)
    }

    /// Flags (`message_flag`) of the last handshake message that has one.
    pub fn message_flags(&self) -> u8 {
        self.message_flags
    }

    /// First second of validity of the certificate of the side that sends in this direction.
    pub fn not_before(&self, direction: Direction) -> Option<i64> {
        self.certificate(direction).map(|certificate| certificate.not_before)
    }

    /// Last second of validity.
    pub fn not_after(&self, direction: Direction) -> Option<i64> {
        self.certificate(direction).map(|certificate| certificate.not_after)
    }

    /// The subject's name on one line.
    pub fn subject(&self, direction: Direction) -> Option<&str> {
        self.certificate(direction).map(|certificate| certificate.subject.as_str())
    }

    /// The issuer's name on one line.
    pub fn issuer(&self, direction: Direction) -> Option<&str> {
        self.certificate(direction).map(|certificate| certificate.issuer.as_str())
    }

    /// SHA-1 of the certificate: lower-case hexadecimal pairs with colons.
    pub fn fingerprint(&self, direction: Direction) -> Option<&str> {
        self.side(direction).chain.as_ref()?.fingerprint()
    }

    /// The serial number: upper-case hexadecimal pairs with colons.
    pub fn serial(&self, direction: Direction) -> Option<&str> {
        self.certificate(direction).map(|certificate| certificate.serial.as_str())
    }

    /// The server name that the client asked for.
    pub fn server_name(&self) -> Option<&[u8]> {
        self.client().server_name()
    }

    /// Certificates of the side that sends in this direction, as they came.
    pub fn certificates(&self, direction: Direction) -> impl Iterator<Item = &[u8]> {
        self.side(direction).chain.iter().flat_map(|chain| chain.certificates())
    }

    fn certificate(&self, direction: Direction) -> Option<&x509::Certificate> {
        self.side(direction).chain.as_ref()?.certificate()
    }

    fn side(&self, direction: Direction) -> &Side {
        let [client, server] = &self.sides;
        match direction {
            Direction::ToServer => client,
            Direction::ToClient => server,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        let [client, server] = &mut self.sides;
        match direction {
            Direction::ToServer => client,
            Direction::ToClient => server,
        }
    }

    fn client(&self) -> &Side {
        self.side(Direction::ToServer)
    }

    fn server(&self) -> &Side {
        self.side(Direction::ToClient)
    }

    fn client_mut(&mut self) -> &mut Side {
        self.side_mut(Direction::ToServer)
    }

    fn server_mut(&mut self) -> &mut Side {
        self.side_mut(Direction::ToClient)
    }

    fn event(&mut self, event: Event) {
        self.meta.set_event(event as u8);
    }

    /// JA3 of the client or JA3S of the server, when they are made at all.
    fn ja3(&self, direction: Direction) -> Option<&Ja3> {
        let side = self.side(direction);
        let hello = side.hello.as_ref().filter(|_| self.settings.ja3.is_on())?;
        Some(side.ja3.get_or_init(|| fingerprint::ja3(hello)))
    }

    fn ja4(&self) -> &str {
        self.ja4.get_or_init(|| fingerprint::ja4(self.client().hellos()))
    }

    /// Nothing comes any more in a direction.
    fn end(&mut self, direction: Direction, without_data: bool) {
        let [client_ended, server_ended] = &mut self.ended;
        match direction {
            Direction::ToServer => *client_ended = true,
            Direction::ToClient => *server_ended = true,
        }
        let both = *client_ended && *server_ended;
        if both || (without_data && direction == Direction::ToServer) {
            self.client_mut().reach(progress::CLIENT_FINISHED);
        }
        if both || (without_data && direction == Direction::ToClient) {
            self.server_mut().reach(progress::SERVER_FINISHED);
        }
    }
}

impl Parser for Tls {
    fn proto(&self) -> AppProto {
        AppProto::Tls
    }

    fn parse(&mut self, input: &Input<'_>, effects: &mut Effects) -> Outcome {
        let Chunk::Bytes(bytes) = input.chunk else {
            return Outcome::Error;
        };
        if let Some(updated) = self.meta.updated.get_mut(input.direction.index()) {
            *updated = true;
        }
        let outcome = self.records(input.direction, bytes, effects);
        if input.eof && outcome != Outcome::Error {
            self.end(input.direction, bytes.is_empty());
        }
        outcome
    }

    fn first_tx(&self) -> u64 {
        u64::from(self.freed)
    }

    fn next_tx(&self) -> u64 {
        1
    }

    fn meta(&self, tx: u64) -> Option<&TxMeta> {
        (tx == 0 && !self.freed).then_some(&self.meta)
    }

    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta> {
        (tx == 0 && !self.freed).then_some(&mut self.meta)
    }

    fn progress(&self, _tx: u64, direction: Direction) -> u8 {
        self.side(direction).progress
    }

    fn end_progress(&self, direction: Direction) -> u8 {
        match direction {
            Direction::ToServer => progress::CLIENT_FINISHED,
            Direction::ToClient => progress::SERVER_FINISHED,
        }
    }

    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str {
        let names = match direction {
            Direction::ToServer => progress::CLIENT,
            Direction::ToClient => progress::SERVER,
        };
        names.get(usize::from(progress)).copied().unwrap_or("unknown")
    }

    fn buffer<'a>(
        &'a self,
        _tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        _scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        buffers::bytes(self, buffer, direction, index).map(View::whole)
    }

    fn number(
        &self,
        _tx: u64,
        number: NumberId,
        direction: Direction,
        index: usize,
    ) -> Option<u64> {
        buffers::number(self, number, direction).filter(|_| index == 0)
    }

    fn event_name(&self, event: u8) -> &'static str {
        events::record_name(event)
    }

    fn loggable(&self, _tx: u64) -> bool {
        self.is_handshake_over()
    }

    fn log(&self, _tx: u64, options: &LogOptions, out: &mut Writer<'_>) -> bool {
        log::write(self, options, out)
    }

    fn tx_id_at_root(&self) -> bool {
        false
    }

    fn free(&mut self, _tx: u64) {
        self.freed = true;
        self.sides = [Side::default(), Side::default()];
        self.ja4.take();
    }
}
