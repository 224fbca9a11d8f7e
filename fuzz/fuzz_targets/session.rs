//! Protocol detection and the parser that it chooses, on streams and datagrams.
#![no_main]

use decode::{Direction, Timestamp};
use libfuzzer_sys::fuzz_target;
use protocol::session::SessionContext;
use protocol::{AppCounters, Chunk, Detector, Effects, Session};

const PORTS: [u16; 8] = [80, 443, 53, 25, 22, 445, 5353, 4000];

fuzz_target!(|data: &[u8]| {
    let [first, choice, rest @ ..] = data else { return };
    let settings = fuzz::protocol_settings(*choice);
    let detector = Detector::new(&settings);
    let cx = SessionContext {
        settings: &settings,
        detector: &detector,
        client_port: 40_000,
        server_port: PORTS[usize::from(*first & 7)],
        server: None,
        timestamp: Timestamp(0),
        midstream: first & 8 != 0,
        first_data: None,
        limits: [100_000; 2],
    };
    let (mut session, mut effects, mut counters) =
        (Session::default(), Effects::default(), AppCounters::default());
    let mut waiting: [Vec<u8>; 2] = Default::default();
    for (control, piece) in fuzz::pieces(rest) {
        let direction = Direction::BOTH[usize::from(control & 0x20 != 0)];
        if first & 16 != 0 {
            session.udp(&cx, direction, piece, &mut effects, &mut counters);
            session.parser().into_iter().for_each(fuzz::ask);
            continue;
        }
        let kept = &mut waiting[direction.index()];
        kept.extend_from_slice(piece);
        let chunk = match control & 0xc0 == 0xc0 {
            true => Chunk::Gap(kept.len() as u64),
            false => Chunk::Bytes(kept),
        };
        let eof = control & 0xc0 == 0x80;
        let outcome = session.tcp(&cx, direction, chunk, eof, &mut effects, &mut counters);
        let done = usize::try_from(outcome.consumed).unwrap_or(usize::MAX);
        assert!(done <= kept.len(), "consumed {done} of {}", kept.len());
        kept.drain(..done);
        if let Some(parser) = session.take_retired() {
            fuzz::ask(&parser);
        }
    }
    session.parser().into_iter().for_each(fuzz::ask);
});
