//! The application layer of one flow: finds the protocol, feeds its parser, survives both.
//!
//! The caller offers the unconsumed bytes of a direction each time more of them are usable and
//! drops what is consumed. Until the protocol of a direction is known nothing is consumed, so that
//! detection always sees a direction from its first byte on.

mod anomaly;
mod detect;

use std::net::IpAddr;

use decode::{Direction, Timestamp};

use crate::app::AppProto;
use crate::counters::{AppCounters, Failure};
use crate::detection::{Detector, Progress, Transport};
use crate::parser::{Chunk, Effects, Input, Outcome, Parser};
use crate::registry::{AnyParser, Opening};
use crate::settings::{ProtocolSettings, Switch};

pub use anomaly::{Anomalies, Anomaly};

/// What a session is told about its flow with each call.
#[derive(Clone, Copy, Debug)]
pub struct SessionContext<'a> {
    /// Choices.
    pub settings: &'a ProtocolSettings,
    /// Detection, prepared from them.
    pub detector: &'a Detector,
    /// Port of the client.
    pub client_port: u16,
    /// Port of the server.
    pub server_port: u16,
    /// The server.
    pub server: Option<IpAddr>,
    /// Time of the packet that brought the data on.
    pub timestamp: Timestamp,
    /// Picked up in the middle, and not at a SYN/ACK, which would tell who the server is.
    pub midstream: bool,
    /// The direction whose data was seen on the wire first; none: the one that is offered first.
    pub first_data: Option<Direction>,
    /// Most bytes of each direction that detection waits for; see [`detection_limit`].
    pub limits: [u32; 2],
}

/// Bytes of one direction that detection waits for: 100000 or the window of the receiver, as far
/// as the reassembly depth (0: none) allows.
pub fn detection_limit(receiver_window: u32, depth: u32) -> u32 {
    let depth = if depth == 0 { u32::MAX } else { depth };
    receiver_window.min(depth).max(100_000)
}

/// What came of offering data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOutcome {
    /// Bytes that are done with (of a hole: its length).
    pub consumed: u64,
    /// Offer the other direction's data now, then this direction's again: it came first.
    pub feed_opposite_first: bool,
    /// The parser gave up: the error policy applies.
    pub error: bool,
    /// A change of protocol began: inspect and record what the old parser has.
    pub change: bool,
    /// The application layer ended with this call.
    pub disabled: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// What it was found to be; unknown while detection goes on or when a hole ended that.
    proto: AppProto,
    progress: Progress,
    /// Detection is over.
    done: bool,
    /// The parser wants no more of it.
    stopped: bool,
    /// Bytes that were offered while detection went on.
    waiting: u32,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    expected: Option<AppProto>,
    port: u16,
    /// Data was seen since.
    begun: bool,
}

/// The application layer of a flow.
#[derive(Debug, Default)]
pub struct Session {
    sides: [Side; 2],
    proto: AppProto,
    orig: AppProto,
    expected: AppProto,
    transport: Transport,
    change: Option<Change>,
    first: Option<Direction>,
    /// The parser was given data.
    fed: bool,
    asked_opposite: bool,
    disabled: bool,
    skipped: bool,
    /// The protocol has no parser, or it is switched off.
    parserless: bool,
    anomalies: Anomalies,
    parser: Option<AnyParser>,
    retired: Option<AnyParser>,
}

impl Session {
    /// Protocol of the flow, as records show it.
    pub fn proto(&self) -> AppProto {
        self.proto
    }

    /// What the client's side was found to be.
    pub fn proto_ts(&self) -> AppProto {
        self.sides[0].proto
    }

    /// What the server's side was found to be.
    pub fn proto_tc(&self) -> AppProto {
        self.sides[1].proto
    }

    /// The protocol before the last change; unknown: there was none.
    pub fn orig(&self) -> AppProto {
        self.orig
    }

    /// The protocol that the last change was to bring; unknown: it named none.
    pub fn expected(&self) -> AppProto {
        self.expected
    }

    /// The parser.
    pub fn parser(&self) -> Option<&AnyParser> {
        self.parser.as_ref()
    }

    /// The parser, to change.
    pub fn parser_mut(&mut self) -> Option<&mut AnyParser> {
        self.parser.as_mut()
    }

    /// The parser of the protocol before a change, once, for what was not recorded yet.
    pub fn take_retired(&mut self) -> Option<AnyParser> {
        self.retired.take()
    }

    /// Whether the protocol of a direction is decided.
    pub fn detection_done(&self, direction: Direction) -> bool {
        self.disabled || (self.sides[direction.index()].done && self.change.is_none())
    }

    /// Transactions made so far.
    pub fn tx_count(&self) -> u64 {
        self.parser.as_ref().map_or(0, Parser::next_tx)
    }

    /// Whether more data of a direction is of use; false means it need not be reassembled.
    pub fn wants_data(&self, direction: Direction) -> bool {
        let side = &self.sides[direction.index()];
        let useless = side.done && self.parserless && self.change.is_none();
        !(self.disabled || side.stopped || useless)
    }

    /// The application layer was ended: by an error, by giving up, or from outside.
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Ends the application layer (exception policy, bypass); transactions stay.
    pub fn disable(&mut self) {
        self.disabled = true;
    }

    /// Ends the application layer with its transactions.
    pub fn forget(&mut self) {
        self.disabled = true;
        self.parser = None;
    }

    /// Anomalies of detection that were not taken yet.
    pub fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// True when there is something to take by [`Session::take_anomalies`].
    #[inline]
    pub const fn has_anomalies(&self) -> bool {
        !self.anomalies.is_empty()
    }

    /// Takes the anomalies of detection; once a packet.
    pub fn take_anomalies(&mut self) -> Anomalies {
        std::mem::take(&mut self.anomalies)
    }

    /// Takes data of a TCP stream. `effects` is cleared first.
    pub fn tcp(
        &mut self,
        cx: &SessionContext<'_>,
        direction: Direction,
        chunk: Chunk<'_>,
        eof: bool,
        effects: &mut Effects,
        counters: &mut AppCounters,
    ) -> SessionOutcome {
        *effects = Effects::default();
        self.transport = Transport::Tcp;
        let was_disabled = self.disabled;
        let mut call = Call { cx, direction, eof, effects, counters };
        let mut outcome = match chunk {
            _ if self.disabled => self.refuse(chunk),
            Chunk::Gap(len) => self.gap(&mut call, len),
            Chunk::Bytes(bytes) => self.bytes(&mut call, bytes),
        };
        outcome.disabled = self.disabled && !was_disabled;
        outcome
    }

    /// Takes a datagram; all of it is always consumed. `effects` is cleared first.
    pub fn udp(
        &mut self,
        cx: &SessionContext<'_>,
        direction: Direction,
        bytes: &[u8],
        effects: &mut Effects,
        counters: &mut AppCounters,
    ) -> SessionOutcome {
        *effects = Effects::default();
        self.transport = Transport::Udp;
        if self.disabled {
            return self.refuse(Chunk::Bytes(bytes));
        }
        let mut call = Call { cx, direction, eof: false, effects, counters };
        if !self.sides[direction.index()].done {
            self.detect_datagram(&mut call, bytes);
        }
        let mut outcome = SessionOutcome::default();
        if self.proto.is_known() {
            outcome = self.feed(&mut call, Chunk::Bytes(bytes));
        }
        outcome.consumed = bytes.len() as u64;
        outcome.disabled = self.disabled;
        outcome
    }

    fn refuse(&mut self, chunk: Chunk<'_>) -> SessionOutcome {
        let consumed = chunk_len(chunk);
        if self.skipped && consumed > 0 {
            self.anomalies.set(Anomaly::ProtoDetectionSkipped);
        }
        SessionOutcome { consumed, ..SessionOutcome::default() }
    }

    fn bytes(&mut self, call: &mut Call<'_, '_>, bytes: &[u8]) -> SessionOutcome {
        if !bytes.is_empty() {
            self.first = self.first.or(call.cx.first_data).or(Some(call.direction));
        }
        if self.change.is_some() {
            self.detect_change(call, bytes)
        } else if self.sides[call.direction.index()].done {
            self.feed_in_order(call, bytes)
        } else {
            self.detect_stream(call, bytes)
        }
    }

    fn gap(&mut self, call: &mut Call<'_, '_>, len: u64) -> SessionOutcome {
        let outcome = SessionOutcome { consumed: len, ..SessionOutcome::default() };
        let at = call.direction.index();
        if self.change.is_some() {
            self.fail(call);
            return outcome;
        }
        if !self.sides[at].done {
            // Nothing can be found any more in this direction; the other may still tell.
            self.sides[at].done = true;
            if self.sides[1 - at].proto == AppProto::Unknown {
                call.counters.error(AppProto::Failed, self.transport, Failure::Gap);
                self.fail(call);
            }
            return outcome;
        }
        if self.sides[at].stopped {
            return outcome;
        }
        match &self.parser {
            Some(parser) if !parser.accepts_gaps() => {
                call.counters.error(self.proto, self.transport, Failure::Gap);
                self.disabled = true;
                SessionOutcome { error: true, ..outcome }
            }
            Some(_) => SessionOutcome { consumed: len, ..self.feed(call, Chunk::Gap(len)) },
            None => outcome,
        }
    }

    /// Gives data to the parser, unless the order in which the directions began forbids it.
    fn feed_in_order(&mut self, call: &mut Call<'_, '_>, bytes: &[u8]) -> SessionOutcome {
        if !self.fed && !bytes.is_empty() {
            let opposite = call.direction.opposite();
            if self.first == Some(opposite)
                && !self.asked_opposite
                && !self.sides[opposite.index()].stopped
            {
                self.asked_opposite = true;
                return SessionOutcome { feed_opposite_first: true, ..SessionOutcome::default() };
            }
            if let Some(wanted) = crate::detection::first_direction(self.proto) {
                if self.first != Some(wanted) {
                    self.anomalies.set(Anomaly::WrongDirectionFirstData);
                    self.fail(call);
                    return consumed(bytes.len());
                }
                if wanted != call.direction {
                    // The data that must come first is on its way.
                    return SessionOutcome::default();
                }
            }
        }
        self.feed(call, Chunk::Bytes(bytes))
    }

    fn feed(&mut self, call: &mut Call<'_, '_>, chunk: Chunk<'_>) -> SessionOutcome {
        let at = call.direction.index();
        if self.parser.is_none() && !self.parserless {
            self.open(call.cx);
        }
        let all = chunk_len(chunk);
        let Some(parser) = self.parser.as_mut().filter(|_| !self.sides[at].stopped) else {
            self.fed = true;
            return SessionOutcome { consumed: all, ..SessionOutcome::default() };
        };
        let input =
            Input { direction: call.direction, chunk, eof: call.eof, timestamp: call.cx.timestamp };
        let reversed = std::mem::take(&mut call.effects.reverse);
        let before = parser.next_tx();
        let outcome = parser.parse(&input, call.effects);
        let made = parser.next_tx().saturating_sub(before);
        call.counters.transactions(self.proto, self.transport, made);
        self.fed |= all > 0;
        if call.effects.reverse {
            self.sides.swap(0, 1);
        }
        call.effects.reverse |= reversed;
        for direction in Direction::BOTH {
            self.sides[direction.index()].stopped |= call.effects.stop[direction.index()];
        }
        match outcome {
            Outcome::Consumed(count) => {
                let change = self.begin_change(call.effects);
                let consumed = (count as u64).min(all);
                SessionOutcome { consumed, change, ..SessionOutcome::default() }
            }
            Outcome::Error => {
                call.counters.error(self.proto, self.transport, Failure::Parser);
                self.disabled = true;
                SessionOutcome { consumed: all, error: true, ..SessionOutcome::default() }
            }
        }
    }

    fn open(&mut self, cx: &SessionContext<'_>) {
        let opening = Opening {
            settings: cx.settings,
            transport: self.transport,
            server: cx.server,
            origin: Some(self.orig).filter(|proto| proto.is_known()),
        };
        if cx.settings.switch(self.proto, self.transport) == Switch::On {
            self.parser = AnyParser::open(self.proto, &opening);
        }
        self.parserless = self.parser.is_none();
    }

    /// Takes up a parser's wish for another protocol; one at a time.
    fn begin_change(&mut self, effects: &Effects) -> bool {
        let Some(wish) = effects.change.filter(|_| self.change.is_none()) else { return false };
        self.orig = self.proto;
        self.expected = wish.expected.unwrap_or_default();
        self.change = Some(Change { expected: wish.expected, port: wish.port, begun: false });
        true
    }

    /// Ends the application layer without a protocol.
    fn fail(&mut self, call: &mut Call<'_, '_>) {
        self.proto = AppProto::Failed;
        self.change = None;
        call.counters.flow(AppProto::Failed, self.transport);
        for side in &mut self.sides {
            side.done = true;
            if side.proto == AppProto::Unknown {
                side.proto = AppProto::Failed;
            }
        }
        self.disabled = true;
    }
}

/// What one call of a session works with.
struct Call<'a, 'cx> {
    cx: &'a SessionContext<'cx>,
    direction: Direction,
    eof: bool,
    effects: &'a mut Effects,
    counters: &'a mut AppCounters,
}

fn consumed(len: usize) -> SessionOutcome {
    SessionOutcome { consumed: len as u64, ..SessionOutcome::default() }
}

const fn chunk_len(chunk: Chunk<'_>) -> u64 {
    match chunk {
        Chunk::Bytes(bytes) => bytes.len() as u64,
        Chunk::Gap(len) => len,
    }
}

#[cfg(test)]
mod tests;
