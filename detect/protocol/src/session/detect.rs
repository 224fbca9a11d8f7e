//! How a session comes to its protocol.

use super::{Anomaly, Call, Session, SessionOutcome, Side, consumed};
use crate::app::AppProto;
use crate::detection::{self, Found, Question};
use crate::parser::Chunk;

/// Bytes that may be looked at for the protocol after a change.
const CHANGE_LIMIT: usize = 4096;

impl Session {
    /// Detection on the start of a stream.
    pub(super) fn detect_stream(
        &mut self,
        call: &mut Call<'_, '_>,
        bytes: &[u8],
    ) -> SessionOutcome {
        self.sides[call.direction.index()].waiting = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match self.ask(call, bytes, call.cx.server_port, AppProto::Unknown) {
            Some(found) => {
                self.found(call, found);
                self.feed_in_order(call, bytes)
            }
            None if call.eof && self.proto.is_known() && !bytes.is_empty() => {
                self.only_one_side(call, bytes)
            }
            None if call.eof && self.proto.is_known() => {
                let at = call.direction.index();
                self.sides[at].proto = self.proto;
                self.sides[at].done = true;
                call.counters.flow(self.proto, self.transport);
                self.feed_in_order(call, bytes)
            }
            None => self.not_found(call, bytes),
        }
    }

    fn ask(
        &mut self,
        call: &Call<'_, '_>,
        bytes: &[u8],
        server_port: u16,
        expected: AppProto,
    ) -> Option<Found> {
        if bytes.is_empty() {
            return None;
        }
        let at = call.direction.index();
        let other = self.sides[1 - at];
        let hint = if expected.is_known() { expected } else { other.proto };
        let question = Question {
            transport: self.transport,
            direction: call.direction,
            bytes,
            client_port: call.cx.client_port,
            server_port,
            hint,
            other: other.proto,
            other_bytes: u64::from(other.waiting),
        };
        call.cx.detector.detect(&question, &mut self.sides[at].progress)
    }

    /// A direction is recognised: settles the protocol of the flow.
    fn found(&mut self, call: &mut Call<'_, '_>, found: Found) {
        let unknown = self.sides[call.direction.opposite().index()].proto == AppProto::Unknown;
        if found.reverse && call.cx.midstream && unknown {
            call.effects.reverse = true;
            self.sides.swap(0, 1);
            call.direction = call.direction.opposite();
            self.first = self.first.map(decode::Direction::opposite);
        }
        let at = call.direction.index();
        self.sides[at].proto = found.proto;
        self.sides[at].done = true;
        let other = self.sides[1 - at].proto;
        if other == AppProto::Unknown {
            self.proto = found.proto;
            return;
        }
        if other == found.proto {
            self.proto = found.proto;
        } else {
            self.anomalies.set(Anomaly::MismatchBothDirections);
            // What the parser was given can't be taken back; else the server's side counts more.
            self.proto = if self.fed { other } else { self.sides[1].proto };
        }
        call.counters.flow(self.proto, self.transport);
    }

    /// Nothing was recognised in this direction so far.
    fn not_found(&mut self, call: &mut Call<'_, '_>, bytes: &[u8]) -> SessionOutcome {
        let at = call.direction.index();
        let client = &self.sides[0];
        if call.cx.midstream && !client.proto.is_known() && client.progress.finished() {
            // The start of the requests was missed: what follows can't be trusted.
            self.fail(call);
            return consumed(bytes.len());
        }
        let other = self.sides[1 - at].proto;
        if other == AppProto::Unknown {
            return self.give_up_by_size(call, bytes);
        }
        let wanted = detection::first_direction(other).filter(|_| !self.fed);
        if wanted.is_some_and(|wanted| wanted != call.direction) {
            self.fail(call);
            return consumed(bytes.len());
        }
        if !self.sides[at].progress.finished() {
            return SessionOutcome::default();
        }
        self.only_one_side(call, bytes)
    }

    /// The protocol of the other direction is that of the flow.
    fn only_one_side(&mut self, call: &mut Call<'_, '_>, bytes: &[u8]) -> SessionOutcome {
        let at = call.direction.index();
        self.anomalies.set(Anomaly::OnlyOneDirection);
        self.sides[at].proto = AppProto::Failed;
        self.sides[at].done = true;
        call.counters.flow(self.proto, self.transport);
        self.feed_in_order(call, bytes)
    }

    /// Both directions are unknown: how long is it worth waiting?
    fn give_up_by_size(&mut self, call: &mut Call<'_, '_>, bytes: &[u8]) -> SessionOutcome {
        let finished = |side: &Side| side.done || side.progress.finished();
        let half = |side: &Side| side.progress.probing_done && !side.progress.patterns_done;
        let [client, server] = &self.sides;
        let over = |side: &Side, at: usize| side.waiting > call.cx.limits[at];
        let far_over = |side: &Side, at: usize| side.waiting / 2 > call.cx.limits[at];
        let skip = far_over(client, 0)
            || far_over(server, 1)
            || (finished(client) && over(client, 0) && server.waiting == 0)
            || (finished(server) && over(server, 1) && client.waiting == 0)
            || (half(client) && over(server, 1))
            || (half(server) && over(client, 0) && finished(client));
        if finished(client) && finished(server) {
            self.fail(call);
        } else if skip {
            self.skipped = true;
            self.anomalies.set(Anomaly::ProtoDetectionSkipped);
            self.fail(call);
        } else {
            return SessionOutcome::default();
        }
        consumed(bytes.len())
    }

    /// Detection after a change of protocol was asked for.
    pub(super) fn detect_change(
        &mut self,
        call: &mut Call<'_, '_>,
        bytes: &[u8],
    ) -> SessionOutcome {
        let Some(change) = &mut self.change else { return SessionOutcome::default() };
        if bytes.is_empty() {
            return SessionOutcome::default();
        }
        if !change.begun {
            change.begun = true;
            self.sides = [Side::default(); 2];
        }
        let change = *change;
        let expected = change.expected.unwrap_or_default();
        self.sides[call.direction.index()].waiting = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let found = self.ask(call, bytes, change.port, expected);
        let finished = self.sides.iter().all(|side| side.progress.finished());
        let Some(found) = found else {
            if !finished && !call.eof && bytes.len() < CHANGE_LIMIT {
                return SessionOutcome::default();
            }
            self.judge_change(expected, AppProto::Failed);
            self.retired = self.parser.take();
            self.fail(call);
            return consumed(bytes.len());
        };
        self.change = None;
        self.retired = self.parser.take();
        self.parserless = false;
        self.judge_change(expected, found.proto);
        self.found(call, Found { reverse: false, ..found });
        self.feed(call, Chunk::Bytes(bytes))
    }

    fn judge_change(&mut self, expected: AppProto, found: AppProto) {
        if expected == AppProto::Unknown || expected == found {
            return;
        }
        self.anomalies.set(Anomaly::UnexpectedProtocol);
        if expected == AppProto::Tls {
            self.anomalies.set(Anomaly::NoTlsAfterStarttls);
        }
    }

    /// Detection on the first datagram of a direction.
    pub(super) fn detect_datagram(&mut self, call: &mut Call<'_, '_>, bytes: &[u8]) {
        let found = self.ask(call, bytes, call.cx.server_port, AppProto::Unknown);
        let at = call.direction.index();
        let other = self.sides[1 - at];
        self.sides[at].done = true;
        match found {
            Some(found) if !other.proto.is_known() => {
                self.sides[at].proto = found.proto;
                self.proto = found.proto;
            }
            Some(found) => {
                self.sides[at].proto = found.proto;
                if other.proto != found.proto {
                    self.anomalies.set(Anomaly::MismatchBothDirections);
                }
            }
            None if other.done => self.sides[at].proto = other.proto,
            None => self.sides[at].proto = AppProto::Failed,
        }
        if !other.done {
            // The first datagram of the flow decides what it is counted as.
            if self.proto == AppProto::Unknown {
                self.proto = AppProto::Failed;
            }
            call.counters.flow(self.proto, self.transport);
        }
        if found.is_some_and(|found| found.reverse) {
            call.effects.reverse = true;
            self.sides.swap(0, 1);
            call.direction = call.direction.opposite();
        }
    }
}
