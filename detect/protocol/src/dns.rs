//! DNS over UDP and TCP.

pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod rdata;
pub(crate) mod store;
mod table;
pub(crate) mod walk;

use decode::Direction;
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, NumberId, View};
use crate::parser::{Chunk, Effects, Input, LogOptions, Outcome, Parser};
use crate::transaction::TxMeta;
use message::{Guess, HEADER_LEN, Header, Outline};
use store::{Store, Transaction};
pub(crate) use table::{event, rcode_name, rrtype_name};
use walk::Names;

pub use table::{BUFFERS, EVENTS, FAMILY, NUMBERS};

/// DNS on one flow.
#[derive(Debug, Default)]
pub struct Dns {
    tcp: bool,
    /// A hole was met in this direction: the next message must be found again.
    lost: [bool; 2],
    store: Store,
}

impl Dns {
    /// For a flow over TCP (messages have a length before them) or UDP.
    pub fn new(tcp: bool) -> Self {
        Self { tcp, ..Self::default() }
    }

    fn parse_stream(&mut self, direction: Direction, stream: &[u8]) -> Outcome {
        let lost = &mut self.lost[direction.index()];
        if *lost && message::guess_tcp(stream) == Guess::Other {
            return Outcome::Consumed(stream.len());
        }
        if !stream.is_empty() {
            *lost = false;
        }
        let mut done = 0;
        while let Some((prefix, rest)) = stream.get(done..).and_then(<[u8]>::split_first_chunk) {
            let len = usize::from(u16::from_be_bytes(*prefix));
            let Some(message) = rest.get(..len) else { break };
            done += 2 + len;
            if len > 0 && !self.message(direction, message) {
                return Outcome::Error;
            }
        }
        Outcome::Consumed(done)
    }

    /// Takes one message; false when the flow is to be given up.
    fn message(&mut self, direction: Direction, message: &[u8]) -> bool {
        match read(message) {
            Reading::Invalid => !self.tcp,
            Reading::Malformed => {
                self.store.event(event::MALFORMED_DATA);
                false
            }
            Reading::Good(outline) => {
                let response = outline.header.is_response();
                if response && direction == Direction::ToServer {
                    self.store.event(event::NOT_REQUEST);
                    return false;
                }
                self.store.push(direction, message, outline);
                if !response && direction == Direction::ToClient {
                    self.store.event(event::NOT_RESPONSE);
                }
                true
            }
        }
    }
}

/// What a message turned out to be.
pub(crate) enum Reading {
    /// The header can't be that of a message.
    Invalid,
    /// The body can't be read.
    Malformed,
    /// Readable.
    Good(Outline),
}

/// Reads a message.
pub(crate) fn read(message: &[u8]) -> Reading {
    match Header::read(message) {
        Some(header) if header.fits(message.len()) && message.len() >= HEADER_LEN => {
            Outline::read(message).map_or(Reading::Malformed, Reading::Good)
        }
        _ => Reading::Invalid,
    }
}

impl Parser for Dns {
    fn proto(&self) -> AppProto {
        AppProto::Dns
    }

    fn parse(&mut self, input: &Input<'_>, _effects: &mut Effects) -> Outcome {
        match input.chunk {
            Chunk::Gap(_) => {
                self.lost[input.direction.index()] = true;
                Outcome::Consumed(0)
            }
            Chunk::Bytes(bytes) if self.tcp => self.parse_stream(input.direction, bytes),
            Chunk::Bytes([]) => Outcome::Consumed(0),
            Chunk::Bytes(bytes) => {
                if self.message(input.direction, bytes) {
                    Outcome::Consumed(bytes.len())
                } else {
                    Outcome::Error
                }
            }
        }
    }

    fn accepts_gaps(&self) -> bool {
        self.tcp
    }

    fn first_tx(&self) -> u64 {
        self.store.first()
    }

    fn next_tx(&self) -> u64 {
        self.store.next()
    }

    fn meta(&self, tx: u64) -> Option<&TxMeta> {
        self.store.get(tx).map(|tx| &tx.meta)
    }

    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta> {
        self.store.get_mut(tx).map(|tx| &mut tx.meta)
    }

    fn progress(&self, _tx: u64, _direction: Direction) -> u8 {
        1
    }

    fn end_progress(&self, _direction: Direction) -> u8 {
        1
    }

    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str {
        progress_name(progress, direction)
    }

    fn names_progress(&self) -> bool {
        false
    }

    fn buffer<'a>(
        &'a self,
        tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        let tx = self.store.get(tx).filter(|tx| tx.direction == direction)?;
        let response = direction == Direction::ToClient;
        let wanted = match buffer {
            table::QUERY if !response => Names::Section(0),
            table::QUERIES_RRNAME => Names::Section(0),
            table::ANSWER_NAME => Names::Section(1),
            table::ANSWERS_RRNAME => Names::Section(1),
            table::AUTHORITIES_RRNAME => Names::Section(2),
            table::ADDITIONALS_RRNAME => Names::Section(3),
            table::RESPONSE_RRNAME if response => Names::Response,
            _ => return None,
        };
        tx.name(wanted, index, scratch)
    }

    fn number(&self, tx: u64, number: NumberId, direction: Direction, index: usize) -> Option<u64> {
        let tx = self.store.get(tx).filter(|tx| tx.direction == direction)?;
        match (number, index) {
            (table::OPCODE, 0) => Some(u64::from(tx.outline.header.opcode())),
            (table::RCODE, 0) => Some(u64::from(tx.outline.header.rcode())),
            (table::RRTYPE, _) => {
                let section = u8::from(direction == Direction::ToClient);
                tx.rrtype(section, index).map(u64::from)
            }
            _ => None,
        }
    }

    fn event_name(&self, event: u8) -> &'static str {
        event_name(event)
    }

    fn loggable(&self, tx: u64) -> bool {
        self.store.get(tx).is_some()
    }

    fn log(&self, tx: u64, options: &LogOptions, out: &mut Writer<'_>) -> bool {
        self.store.get(tx).is_some_and(|tx| log::write(tx, options, out))
    }

    fn tx_id_at_root(&self) -> bool {
        false
    }

    fn record_direction(&self, tx: u64) -> Option<Direction> {
        self.store.get(tx).map(|tx| tx.direction)
    }

    fn free(&mut self, tx: u64) {
        self.store.free(tx);
    }
}

/// Names of the two states that a message can be in.
pub(crate) const fn progress_name(progress: u8, direction: Direction) -> &'static str {
    match (progress, direction) {
        (0, Direction::ToServer) => "request_started",
        (_, Direction::ToServer) => "request_complete",
        (0, Direction::ToClient) => "response_started",
        (_, Direction::ToClient) => "response_complete",
    }
}

/// Name of an event as records write it.
pub(crate) fn event_name(event: u8) -> &'static str {
    EVENTS.get(usize::from(event)).copied().unwrap_or("unknown")
}

/// True for a message that was sent as a request.
fn is_request(tx: &Transaction) -> bool {
    tx.direction == Direction::ToServer
}

#[cfg(test)]
mod tests;
