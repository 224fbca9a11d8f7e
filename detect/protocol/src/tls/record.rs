//! The record layer (RFC 5246, 6.2.1): headers, checks, and where each content goes.

use decode::Direction;

use super::Tls;
use super::events::Event;
use super::state::{progress, version};
use crate::parser::{Effects, Encrypted, Outcome};
use crate::settings::EncryptionHandling;

/// Length of a record header.
const HEADER: usize = 5;

/// Longest record: what is compressed or encrypted may grow by 1024 bytes.
const MAX_LENGTH: usize = (1 << 14) + 1024;

/// Shortest possible record, for the limit on the number of records in one piece.
const MIN_RECORD: usize = 6;

/// Content types.
mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
    pub(super) const HEARTBEAT: u8 = 24;
}

/// Ends the parsing of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fatal(pub(super) Event);

/// What came of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes are done with.
    Done(usize),
    /// The record is not complete.
    Wait,
}

impl Tls {
    /// Takes records of one direction.
    pub(super) fn records(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Outcome {
        let most = (bytes.len() / MIN_RECORD).max(1) + 1;
        let mut count = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let side = self.side_mut(direction);
            if side.skip > 0 {
                let skipped = rest.len().min(side.skip as usize);
                side.skip -= u32::try_from(skipped).unwrap_or(u32::MAX).min(side.skip);
                rest = rest.get(skipped..).unwrap_or_default();
                continue;
            }
            if count == most {
                self.event(Event::TooManyRecordsInPacket);
                return Outcome::Error;
            }
            count += 1;
            match self.record(direction, rest, effects) {
                Ok(Next::Done(length)) => rest = rest.get(length..).unwrap_or_default(),
                Ok(Next::Wait) => return Outcome::Consumed(bytes.len() - rest.len()),
                Err(Fatal(event)) => {
                    self.event(event);
                    return Outcome::Error;
                }
            }
        }
        self.settle_handshake();
        self.stop_when_encrypted(effects);
        Outcome::Consumed(bytes.len())
    }

    fn record(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<Next, Fatal> {
        if bytes.first().is_some_and(|first| first & 0xc0 != 0) {
            return self.sslv2_record(direction, bytes, effects);
        }
        let Some(&[kind, major, minor, high, low]) = bytes.first_chunk::<HEADER>() else {
            return Ok(Next::Wait);
        };
        let number = u16::from_be_bytes([major, minor]);
        let length = usize::from(u16::from_be_bytes([high, low]));
        let side = self.side_mut(direction);
        let before = side.version;
        // The header's version counts until a hello tells, even when the record is refused.
        if !side.version_is_final {
            side.version = number;
        }
        if !(content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind) {
            if matches!(before, version::TLS_1_0 | version::TLS_1_1) {
                side.version = before;
                self.event(Event::InvalidRecordType);
                return Ok(Next::Done(bytes.len()));
            }
            return Err(Fatal(Event::InvalidRecordType));
        }
        // Once a hello told the version it is that which is judged (Suricata 8).
        check_header(side.version, length).map_err(Fatal)?;
        if kind == content::APPLICATION_DATA {
            side.skip = u32::from(u16::from_be_bytes([high, low]));
            self.application_data(direction, effects);
            return Ok(Next::Done(HEADER));
        }
        let Some(body) = bytes.get(HEADER..HEADER + length) else {
            return Ok(Next::Wait);
        };
        self.content(direction, kind, body, effects)?;
        Ok(Next::Done(HEADER + length))
    }

    fn content(
        &mut self,
        direction: Direction,
        kind: u8,
        body: &[u8],
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        match kind {
            content::CHANGE_CIPHER_SPEC => {
                self.flags.cipher_changed = true;
                self.side_mut(direction).cipher_changed = true;
                if direction == Direction::ToServer {
                    self.client_mut().reach(progress::CLIENT_HANDSHAKE);
                }
                Ok(())
            }
            content::ALERT => self.alert(body),
            content::HANDSHAKE => {
                if self.is_handshake_encrypted() {
                    return Ok(());
                }
                if body.len() < 4 {
                    return Err(Fatal(Event::InvalidSslRecord));
                }
                effects.flush[direction.index()] = true;
                self.handshake(direction, body)
            }
            _ => {
                effects.flush[direction.index()] = true;
                let encrypted = self.flags.cipher_changed;
                self.heartbeat.record(direction, body, encrypted).map_err(Fatal)
            }
        }
    }

    /// After ChangeCipherSpec handshake messages can't be read, except in TLS 1.3, where it
    /// only deceives middleboxes (RFC 8446, D.4) and a second client hello may follow.
    fn is_handshake_encrypted(&self) -> bool {
        let retry = self.flags.client_hello
            && self.client().version > version::TLS_1_2
            && !self.flags.server_hello;
        self.flags.cipher_changed && !retry
    }

    fn alert(&mut self, body: &[u8]) -> Result<(), Fatal> {
        match body {
            [] | [_] => return Err(Fatal(Event::InvalidAlertMessage)),
            // A fatal alert ends the session.
            [2, _] => {
                self.client_mut().reach(progress::CLIENT_FINISHED);
                self.server_mut().reach(progress::SERVER_FINISHED);
            }
            // A warning, or encrypted.
            _ => {}
        }
        Ok(())
    }

    /// A record of application data begins.
    fn application_data(&mut self, direction: Direction, effects: &mut Effects) {
        // Early data (RFC 8446, 2.3) says nothing about the handshake.
        if self.flags.early_data && !self.flags.server_hello {
            return;
        }
        self.flags.application_data = true;
        match direction {
            Direction::ToServer => self.client_mut().reach(progress::CLIENT_HANDSHAKE),
            Direction::ToClient => self.server_mut().reach(progress::SERVER_HANDSHAKE),
        }
        self.set_encrypted(effects);
    }

    /// Tells the session around that the payload is of no use any more.
    pub(super) fn set_encrypted(&self, effects: &mut Effects) {
        effects.encrypted = match self.settings.encryption_handling {
            EncryptionHandling::TrackOnly => Some(Encrypted::TrackOnly),
            EncryptionHandling::Bypass => Some(Encrypted::Bypass),
            EncryptionHandling::Full => None,
        };
    }

    /// Once the certificate that is waited for is known, both sides count as through.
    fn settle_handshake(&mut self) {
        let certificate = if self.flags.client_certificate_wanted {
            self.client().has_certificate()
        } else {
            self.server().has_certificate()
        };
        if certificate {
            self.client_mut().reach(progress::CLIENT_HANDSHAKE);
            self.server_mut().reach(progress::SERVER_HANDSHAKE);
        }
    }

    /// When both sides are through and application data flows, there is nothing left to read.
    fn stop_when_encrypted(&self, effects: &mut Effects) {
        if self.flags.application_data
            && self.is_handshake_over()
            && self.settings.encryption_handling != EncryptionHandling::Full
        {
            effects.stop = [true; 2];
        }
    }

    /// True when both sides are through with the handshake.
    pub(super) fn is_handshake_over(&self) -> bool {
        self.client().progress >= progress::CLIENT_HANDSHAKE
            && self.server().progress >= progress::SERVER_HANDSHAKE
    }
}

fn check_header(number: u16, length: usize) -> Result<(), Event> {
    if length == 0 {
        return Err(Event::InvalidRecordLength);
    }
    if !version::is_known(number) {
        return Err(Event::InvalidRecordVersion);
    }
    if length > MAX_LENGTH {
        return Err(Event::InvalidRecordLength);
    }
    Ok(())
}
