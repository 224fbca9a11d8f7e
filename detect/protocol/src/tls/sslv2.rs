//! SSLv2 records, which may open a session that goes on in SSLv3 or TLS (RFC 5246, E.2).

use decode::Direction;

use super::Tls;
use super::events::Event;
use super::record::{Fatal, Next};
use super::state::{progress, version};
use crate::parser::Effects;

/// Message types.
mod kind {
    pub(super) const ERROR: u8 = 0;
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const CLIENT_FINISHED: u8 = 3;
    pub(super) const SERVER_HELLO: u8 = 4;
    pub(super) const CLIENT_CERTIFICATE: u8 = 8;
}

/// Shortest content of a client's hello behind its type.
const MIN_HELLO: usize = 6;

impl Tls {
    /// Takes one SSLv2 record.
    pub(super) fn sslv2_record(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<Next, Fatal> {
        self.side_mut(direction).version = version::SSL_2;
        let (header, length) = match bytes {
            // Two bytes: no padding.
            [high, low, _, ..] if high & 0x80 != 0 => (2, length(high & 0x7f, *low)),
            // Three bytes: the third is the length of the padding.
            [high, low, _, _, ..] => (3, length(high & 0x3f, *low)),
            _ => return Ok(Next::Wait),
        };
        if length == 0 {
            self.event(Event::InvalidSslv2Header);
            return Err(Fatal(Event::InvalidSslRecord));
        }
        let Some(message) = bytes.get(header..header + length) else {
            return Ok(Next::Wait);
        };
        self.sslv2_message(direction, message)?;
        if self.client().sslv2_encrypted && self.server().sslv2_encrypted {
            self.set_encrypted(effects);
        }
        Ok(Next::Done(header + length))
    }

    fn sslv2_message(&mut self, direction: Direction, message: &[u8]) -> Result<(), Fatal> {
        let Some((&kind, content)) = message.split_first() else {
            return Ok(());
        };
        match kind {
            kind::ERROR => self.event(Event::ErrorMessageEncountered),
            kind::CLIENT_HELLO if content.len() < MIN_HELLO => {
                return Err(Fatal(Event::InvalidSslRecord));
            }
            kind::CLIENT_HELLO => {
                self.message_flags = super::message_flag::CLIENT_HELLO;
                self.flags.client_hello = true;
                if let Some(&[major, minor]) = content.first_chunk::<2>() {
                    self.side_mut(direction).version = u16::from_be_bytes([major, minor]);
                }
                self.client_mut().reach(progress::HELLO);
            }
            kind::SERVER_HELLO => {
                self.message_flags = super::message_flag::SERVER_HELLO;
                self.flags.server_hello = true;
                self.server_mut().reach(progress::HELLO);
            }
            // From the client's finish on, and for the certificate exchange, all is encrypted.
            kind::CLIENT_FINISHED..=kind::CLIENT_CERTIFICATE => {
                self.side_mut(direction).sslv2_encrypted = true;
            }
            _ => {}
        }
        Ok(())
    }
}

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}
