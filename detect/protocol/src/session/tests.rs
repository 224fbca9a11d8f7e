//! Flows from their first bytes on: detection in both directions, changes, errors, giving up.

use decode::{Direction, Timestamp};

use super::{Anomalies, Anomaly, Session, SessionContext, SessionOutcome, detection_limit};
use crate::app::AppProto;
use crate::counters::AppCounters;
use crate::detection::Detector;
use crate::parser::{Chunk, Effects, ProtocolChange};
use crate::settings::{ProtocolSettings, Switch};

const TS: Direction = Direction::ToServer;
const TC: Direction = Direction::ToClient;

/// A flow with streams that are offered as a worker would.
struct Flow {
    settings: ProtocolSettings,
    detector: Detector,
    session: Session,
    counters: AppCounters,
    effects: Effects,
    server_port: u16,
    midstream: bool,
    waiting: [Vec<u8>; 2],
    seen: Anomalies,
    outcome: SessionOutcome,
}

impl Flow {
    fn new(server_port: u16) -> Self {
        Self::with(server_port, ProtocolSettings::default())
    }

    fn with(server_port: u16, settings: ProtocolSettings) -> Self {
        Self {
            detector: Detector::new(&settings),
            settings,
            session: Session::default(),
            counters: AppCounters::default(),
            effects: Effects::default(),
            server_port,
            midstream: false,
            waiting: [Vec::new(), Vec::new()],
            seen: Anomalies::default(),
            outcome: SessionOutcome::default(),
        }
    }

    fn call(&mut self, direction: Direction, chunk: Chunk<'_>, eof: bool) -> SessionOutcome {
        let cx = SessionContext {
            settings: &self.settings,
            detector: &self.detector,
            client_port: 40000,
            server_port: self.server_port,
            server: None,
            timestamp: Timestamp::default(),
            midstream: self.midstream,
            first_data: None,
            limits: [detection_limit(65535, 0); 2],
        };
        let (effects, counters) = (&mut self.effects, &mut self.counters);
        let outcome = self.session.tcp(&cx, direction, chunk, eof, effects, counters);
        self.seen.merge(self.session.take_anomalies());
        self.outcome = outcome;
        outcome
    }

    fn offer(&mut self, direction: Direction, eof: bool) {
        for _ in 0..4 {
            let bytes = self.waiting[direction.index()].clone();
            let outcome = self.call(direction, Chunk::Bytes(&bytes), eof);
            let count = usize::try_from(outcome.consumed).unwrap();
            self.waiting[direction.index()].drain(..count);
            if outcome.feed_opposite_first {
                let other = self.waiting[direction.opposite().index()].clone();
                let outcome = self.call(direction.opposite(), Chunk::Bytes(&other), false);
                let count = usize::try_from(outcome.consumed).unwrap();
                self.waiting[direction.opposite().index()].drain(..count);
            } else if count == 0 || count == bytes.len() {
                return;
            }
        }
    }

    fn send(&mut self, direction: Direction, bytes: &[u8]) -> &mut Self {
        self.waiting[direction.index()].extend_from_slice(bytes);
        self.offer(direction, false);
        self
    }

    fn end(&mut self) -> &mut Self {
        self.offer(TS, true);
        self.offer(TC, true);
        self
    }

    fn counted(&self) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        self.counters.for_each(&self.settings, &mut |name, value| {
            if value > 0 {
                let name = name.trim_start_matches("app_layer.").to_owned();
                all.push((name, value));
            }
        });
        all
    }

    #[track_caller]
    fn check(&self, protos: [AppProto; 3], anomalies: &[Anomaly], counted: &[(&str, u64)]) {
        let session = &self.session;
        assert_eq!([session.proto(), session.proto_ts(), session.proto_tc()], protos);
        let mut expected = Anomalies::default();
        anomalies.iter().for_each(|anomaly| expected.set(*anomaly));
        assert_eq!(self.seen, expected);
        let counted: Vec<_> = counted.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        assert_eq!(self.counted(), counted);
    }
}

use AppProto::{Dns, Failed, Ssh, Tls, Unknown};

const QUERY: &[u8] =
    b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02de\x00\x00\x01\x00\x01";
const REPLY: &[u8] =
    b"\x00\x01\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02de\x00\x00\x01\x00\x01";

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}

#[test]
fn both_sides_recognised() {
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY)).send(TC, &framed(REPLY)[..5]);
    flow.check([Dns, Dns, Unknown], &[], &[("tx.dns_tcp", 1)]);
    assert!(!flow.session.detection_done(TC));
    flow.send(TC, &framed(REPLY)[5..]);
    flow.check([Dns, Dns, Dns], &[], &[("flow.dns_tcp", 1), ("tx.dns_tcp", 2)]);
    assert_eq!(flow.session.tx_count(), 2);
    assert!(flow.session.wants_data(TS) && flow.session.detection_done(TC));
}

#[test]
fn nothing_recognised() {
    let mut flow = Flow::new(9999);
    flow.send(TS, b"some words that are long enough");
    flow.check([Unknown; 3], &[], &[]);
    flow.send(TC, b"and an answer to them");
    flow.check([Failed; 3], &[], &[("flow.failed_tcp", 1)]);
    assert!(flow.outcome.disabled && !flow.session.wants_data(TS));
    assert!(flow.waiting[1].is_empty());
}

#[test]
fn one_side_recognised() {
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY)).send(TC, b"\xff\xff and a lot of other bytes that are no answer");
    let anomalies = [Anomaly::OnlyOneDirection];
    flow.check([Dns, Dns, Failed], &anomalies, &[("flow.dns_tcp", 1), ("tx.dns_tcp", 1)]);
    // The end of a silent side settles it without an oddity.
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY)).end();
    flow.check([Dns, Dns, Dns], &[], &[("flow.dns_tcp", 1), ("tx.dns_tcp", 1)]);
}

#[test]
fn sides_that_differ() {
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY)).send(TC, b"SSH-2.0-x\r\n");
    flow.check(
        [Dns, Dns, Ssh],
        &[Anomaly::MismatchBothDirections],
        // "SSH" is no message: its length is not reached.
        &[("flow.dns_tcp", 1), ("tx.dns_tcp", 1)],
    );
}

#[test]
fn data_that_came_first_is_processed_first() {
    let mut flow = Flow::new(53);
    flow.send(TC, &framed(REPLY)[..1]);
    flow.waiting[1].extend_from_slice(&framed(REPLY)[1..]);
    flow.send(TS, &framed(QUERY));
    flow.check([Dns, Dns, Dns], &[], &[("flow.dns_tcp", 1), ("tx.dns_tcp", 2)]);
    use crate::parser::Parser;
    let parser = flow.session.parser().unwrap();
    assert_eq!(parser.record_direction(0), Some(TC));
    assert_eq!(parser.record_direction(1), Some(TS));
}

#[test]
fn tls_server_may_not_begin() {
    let mut flow = Flow::new(443);
    flow.send(TC, b"\x16\x03\x03\x00\x04\x02\x00\x00\x00");
    let anomalies = [Anomaly::WrongDirectionFirstData];
    flow.check([Failed, Failed, Tls], &anomalies, &[("flow.failed_tcp", 1)]);
}

#[test]
fn holes() {
    let mut flow = Flow::new(53);
    flow.call(TS, Chunk::Gap(10), false);
    let counted = [("flow.failed_tcp", 1), ("error.failed_tcp.gap", 1)];
    flow.check([Failed; 3], &[], &counted);
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY));
    flow.call(TC, Chunk::Gap(10), false);
    flow.send(TC, &framed(REPLY));
    flow.check([Dns, Dns, Unknown], &[], &[("tx.dns_tcp", 2)]);
    assert_eq!(flow.call(TS, Chunk::Gap(7), false).consumed, 7);
    assert!(!flow.session.is_disabled());
}

#[test]
fn parser_errors_end_it_and_leave_what_was_read() {
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY)).send(TS, &framed(REPLY));
    assert!(flow.outcome.error && flow.outcome.disabled);
    flow.send(TS, &framed(QUERY));
    flow.check([Dns, Dns, Unknown], &[], &[("error.dns_tcp.parser", 1), ("tx.dns_tcp", 1)]);
    assert!(!flow.session.wants_data(TC));
    assert!(flow.session.parser().is_some());
}

#[test]
fn giving_up_by_size() {
    let mut flow = Flow::new(9999);
    flow.send(TC, &[b'x'; 100_000]);
    flow.check([Unknown; 3], &[], &[]);
    flow.send(TC, b"x");
    let anomalies = [Anomaly::ProtoDetectionSkipped];
    flow.check([Failed; 3], &anomalies, &[("flow.failed_tcp", 1)]);
    flow.seen = Anomalies::default();
    flow.send(TC, b"x");
    flow.check([Failed; 3], &anomalies, &[("flow.failed_tcp", 1)]);
}

#[test]
fn detection_only_names_the_flow() {
    let mut settings = ProtocolSettings::default();
    settings.set_switch(Dns, None, Switch::DetectionOnly);
    let mut flow = Flow::with(53, settings);
    flow.send(TS, &framed(QUERY)).send(TC, &framed(REPLY));
    flow.check([Dns; 3], &[], &[("flow.dns_tcp", 1)]);
    assert!(flow.session.parser().is_none() && !flow.session.wants_data(TS));
    assert!(flow.waiting[0].is_empty());
}

#[test]
fn midstream_must_find_the_clients_side() {
    let settings = ProtocolSettings { midstream: true, ..ProtocolSettings::default() };
    let mut flow = Flow::with(9999, settings.clone());
    flow.midstream = true;
    flow.send(TS, b"the middle of something long enough");
    flow.check([Failed; 3], &[], &[("flow.failed_tcp", 1)]);
    // The server's side seen first turns the flow round.
    let mut flow = Flow::with(40000, settings);
    flow.server_port = 40000;
    flow.midstream = true;
    flow.send(TS, b"HTTP/1.1 200 OK\r\n");
    assert!(flow.effects.reverse);
    assert_eq!(flow.session.proto_tc(), AppProto::Http1);
    assert_eq!(flow.session.proto_ts(), Unknown);
}

fn changing(expected: Option<AppProto>) -> Flow {
    let mut flow = Flow::new(53);
    flow.send(TS, &framed(QUERY)).send(TC, &framed(REPLY));
    let effects =
        Effects { change: Some(ProtocolChange { expected, port: 443 }), ..Effects::default() };
    assert!(flow.session.begin_change(&effects));
    assert!(!flow.session.begin_change(&effects));
    flow
}

const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x02\x01\x00";

#[test]
fn protocol_changes() {
    let both = [("flow.dns_tcp", 1), ("tx.dns_tcp", 2)];
    let mut flow = changing(Some(Tls));
    flow.check([Dns; 3], &[], &both);
    flow.send(TS, CLIENT_HELLO);
    assert_eq!(flow.session.proto(), Tls);
    assert_eq!((flow.session.orig(), flow.session.expected()), (Dns, Tls));
    assert!(flow.session.take_retired().is_some());
    assert!(flow.seen.is_empty());
    // Something else than was announced.
    let mut flow = changing(Some(Tls));
    flow.send(TC, b"SSH-2.0-x\r\n");
    assert_eq!(flow.session.proto(), Ssh);
    assert!(flow.seen.contains(Anomaly::UnexpectedProtocol));
    assert!(flow.seen.contains(Anomaly::NoTlsAfterStarttls));
    // Nothing to be found.
    let mut flow = changing(None);
    flow.send(TS, &[b'x'; 4095]);
    assert_eq!(flow.session.proto(), Dns);
    flow.send(TS, b"x");
    assert_eq!(flow.session.proto(), Failed);
    assert!(flow.seen.is_empty() && flow.session.take_retired().is_some());
    // A hole.
    let mut flow = changing(None);
    flow.call(TS, Chunk::Gap(4), false);
    assert_eq!(flow.session.proto(), Failed);
}

fn datagrams(list: &[(Direction, &[u8])]) -> Flow {
    let mut flow = Flow::new(53);
    for (direction, bytes) in list {
        let cx = SessionContext {
            settings: &flow.settings,
            detector: &flow.detector,
            client_port: 40000,
            server_port: 53,
            server: None,
            timestamp: Timestamp::default(),
            midstream: false,
            first_data: None,
            limits: [0; 2],
        };
        let (effects, counters) = (&mut flow.effects, &mut flow.counters);
        flow.outcome = flow.session.udp(&cx, *direction, bytes, effects, counters);
        flow.seen.merge(flow.session.take_anomalies());
    }
    flow
}

#[test]
fn datagram_flows() {
    datagrams(&[(TS, QUERY), (TC, REPLY)]).check(
        [Dns; 3],
        &[],
        &[("flow.dns_udp", 1), ("tx.dns_udp", 2)],
    );
    // Junk, then DNS, from the client: stays unknown.
    let failed = [("flow.failed_udp", 1)];
    datagrams(&[(TS, b"junk"), (TS, QUERY)]).check([Failed, Failed, Unknown], &[], &failed);
    // Junk, but the server's side tells: both are parsed then.
    datagrams(&[(TS, b"junk"), (TC, REPLY), (TS, QUERY)]).check(
        [Dns, Failed, Dns],
        &[],
        &[("flow.failed_udp", 1), ("tx.dns_udp", 2)],
    );
    // A response seen first turns the flow round.
    let flow = datagrams(&[(TS, REPLY)]);
    assert!(flow.effects.reverse);
    flow.check([Dns, Unknown, Dns], &[], &[("flow.dns_udp", 1), ("tx.dns_udp", 1)]);
    let flow = datagrams(&[(TS, QUERY), (TS, REPLY), (TS, QUERY)]);
    flow.check(
        [Dns, Dns, Unknown],
        &[],
        &[("flow.dns_udp", 1), ("error.dns_udp.parser", 1), ("tx.dns_udp", 1)],
    );
}

proptest::proptest! {
    #[test]
    fn any_streams_are_survived(
        calls in proptest::collection::vec(
            (proptest::bool::ANY, proptest::collection::vec(0u8.., 0..60), 0u8..12),
            1..20,
        ),
        port in proptest::sample::select(vec![53u16, 443, 80, 9999]),
    ) {
        let mut flow = Flow::new(port);
        for (client, bytes, kind) in calls {
            let direction = if client { TS } else { TC };
            match kind {
                0 => { flow.call(direction, Chunk::Gap(3), false); }
                1 => flow.offer(direction, true),
                2 => { flow.send(direction, CLIENT_HELLO); }
                3 => { flow.send(direction, &framed(QUERY)); }
                _ => { flow.send(direction, &bytes); }
            }
        }
        flow.end();
    }
}
