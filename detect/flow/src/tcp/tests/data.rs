//! What the application layer and raw inspection get to see, and when.

use decode::Direction::{ToClient, ToServer};

use crate::tcp::{StreamSettings, TcpState, UrgentPolicy};

use super::{HANDSHAKE, ISNS, Wire, settings};

#[track_caller]
fn check(change: fn(&mut StreamSettings), script: &str, to_server: &str) {
    for isns in ISNS {
        let mut wire = Wire::new(settings(change));
        wire.isns = isns;
        wire.play(HANDSHAKE).play(script);
        assert_eq!(wire.app(ToServer), to_server, "{script} with {isns:?}");
    }
}

#[test]
fn data_is_usable_when_acknowledged() {
    let none = |_: &mut StreamSettings| {};
    check(none, "C PA 1 1 hello", "");
    check(none, "C PA 1 1 hello; S A 1 3", "he");
    check(none, "C PA 1 1 hello; S A 1 6", "hello");
    check(none, "C PA 1 1 hello; S PA 1 6 there", "hello");
    check(none, "C PA 6 1 world; C PA 1 1 hello; S A 1 11", "helloworld");
    check(none, "C PA 1 1 hello; C RA 6 1", "hello");
    check(none, "C PA 1 1 hello; S RA 1 6", "hello");
    check(none, "C PA 1 1 hello; C FA 6 1", "");
    check(none, "C PA 1 1 hello; C FA 6 1; S A 1 7", "hello");
    check(none, "C FPA 1 1 hello; S A 1 7", "hello");
}

#[test]
fn inline_data_is_usable_at_once() {
    let inline = |settings: &mut StreamSettings| settings.inline = true;
    check(inline, "C PA 1 1 hello", "hello");
    check(inline, "C PA 6 1 world", "");
    check(inline, "C PA 6 1 world; C PA 1 1 hello", "helloworld");
}

#[test]
fn a_gap_ends_where_the_acknowledgement_does() {
    let mut wire = Wire::new(settings(|_| {}));
    wire.play(HANDSHAKE).play("C PA 7 1 xyz; S A 1 4");
    assert_eq!(wire.app(ToServer), "___");
    // What was sent again in the meantime fills the rest.
    wire.play("C PA 4 1 abc; S A 1 10");
    assert_eq!(wire.app(ToServer), "___abcxyz");
}

#[test]
fn what_was_acknowledged_and_not_seen_is_a_gap() {
    let none = |_: &mut StreamSettings| {};
    check(none, "C PA 1 1 abc; C PA 6 1 fgh; S A 1 9", "abc__fgh");
    check(none, "C PA 1 1 abc; C PA 6 1 fgh; S A 1 4", "abc");
    check(none, "S A 1 4", "");
    check(none, "C PA 4 1 def; S A 1 7", "___def");
    let mut wire = Wire::new(settings(none));
    wire.play(HANDSHAKE).play("C PA 1 1 abc; C PA 6 1 fgh; S A 1 9");
    assert_eq!(wire.events, ["reassembly_seq_gap"]);
    assert_eq!((wire.counters.tcp.reassembly_gap, wire.counters.tcp.ack_unseen_data), (1, 1));
    let session = wire.flow.tcp.as_ref().unwrap();
    assert!(session.stream(ToServer).gap_seen() && !session.stream(ToClient).gap_seen());
    assert!(session.is_liberal());
}

#[test]
fn the_end_of_the_flow_shows_the_rest() {
    let mut wire = Wire::new(settings(|_| {}));
    wire.play(HANDSHAKE).play("C PA 1 1 hello; S A 1 3");
    assert!(wire.flow.tcp.as_ref().unwrap().needs_finish());
    wire.finish();
    assert_eq!(wire.app(ToServer), "hello");
}

#[test]
fn urgent_bytes() {
    let oob = |settings: &mut StreamSettings| settings.urgent = UrgentPolicy::Oob;
    let gap = |settings: &mut StreamSettings| settings.urgent = UrgentPolicy::Gap;
    let script = "C PAU 1 1 urg=4 abcZ; C PA 5 1 def; S A 1 8";
    check(oob, script, "abcdef");
    check(gap, script, "abc_def");
    check(|_| {}, script, "abcZdef");
    check(oob, "C PAU 1 1 urg=9 abcZ; C PA 5 1 def; S A 1 8", "abcZdef");
    // What is stored already stays where it is.
    check(oob, "C PA 5 1 def; C PAU 1 1 urg=4 abcZ; S A 1 8", "abc_def");
    check(oob, "C PAU 1 1 urg=4 abcZ; C PAU 1 1 urg=4 abcZ; C PA 5 1 def; S A 1 8", "abcdef");
    let mut wire = Wire::new(settings(oob));
    wire.play(HANDSHAKE).play(script);
    assert_eq!(wire.flow.tcp.as_ref().unwrap().stream(ToServer).urgent_oob(), 1);
    assert_eq!(wire.counters.tcp.urgent_oob_data, 1);
}

#[test]
fn the_depth_ends_reassembly() {
    let mut wire = Wire::new(settings(|settings| settings.depth = 8));
    wire.play(HANDSHAKE).play("C PA 1 1 hello; S A 1 6");
    assert_eq!((wire.app(ToServer), wire.events.len()), ("hello", 0));
    wire.play("C PA 6 1 world");
    assert_eq!(wire.events, ["reassembly_depth_reached"]);
    assert!(wire.last.added_to_stream);
    wire.play("C PA 11 1 later; S A 1 16");
    assert!(!wire.last.added_to_stream);
    assert_eq!(wire.events, ["reassembly_depth_reached"]);
    let session = wire.flow.tcp.as_ref().unwrap();
    assert!(session.stream(ToServer).depth_reached() && session.stream(ToServer).is_off());
    assert_eq!(wire.counters.tcp.stream_depth_reached, 1);
}

#[test]
fn the_depth_can_be_raised_before_it_is_reached() {
    let check = |before, raised, want: &str| {
        let mut wire = Wire::new(settings(|settings| settings.depth = before));
        wire.play(HANDSHAKE).play("C PA 1 1 hello; S A 1 6");
        wire.flow.tcp.as_mut().unwrap().raise_depth(raised);
        wire.play("C PA 6 1 world; S A 1 11; C PA 11 1 later; S A 1 16");
        assert_eq!(wire.app(ToServer), want, "{before} {raised}");
    };
    check(8, 0, "helloworldlater");
    // The segment that would cross the depth is left out.
    check(8, 12, "helloworld");
    check(8, 4, "hello");
    // A stream without a depth gets one, but never loses it.
    check(0, 12, "helloworld");
    check(0, 0, "helloworldlater");
}

#[test]
fn a_direction_that_nobody_wants_is_not_kept() {
    let mut wire = Wire::new(settings(|_| {}));
    wire.play(HANDSHAKE).play("C PA 1 1 hello");
    let stream = wire.flow.tcp.as_mut().unwrap().stream_mut(ToServer);
    stream.app_stop();
    stream.raw_stop();
    wire.play("C PA 6 1 world; S A 1 11");
    assert!(!wire.last.added_to_stream);
    assert_eq!(wire.counters.tcp.reassembly_memuse - segment_memory(&wire), 0);
}

/// What the lists of segments take.
fn segment_memory(wire: &Wire) -> u64 {
    let session = wire.flow.tcp.as_ref().unwrap();
    [ToServer, ToClient].iter().map(|&at| session.stream(at).segment_memory() as u64).sum()
}

#[test]
fn memory_is_given_back() {
    let mut wire = Wire::new(settings(|_| {}));
    wire.play(HANDSHAKE).play("C PA 1 1 #700; C PA 9000 1 #100; S PA 1 1 #90; C A 701 91");
    assert!(wire.counters.tcp.reassembly_memuse > 0 && wire.counters.tcp.memuse > 0);
    let session = wire.flow.tcp.take();
    wire.counters.recycle(session);
    assert_eq!((wire.counters.tcp.reassembly_memuse, wire.counters.tcp.memuse), (0, 0));
    assert_eq!(wire.counters.tcp.active_sessions, 0);
    wire.play("C S 0 0");
    assert_eq!(wire.counters.tcp.ssn_from_cache, 1);
}

#[test]
fn memory_for_data_is_limited() {
    let mut wire = Wire::new(settings(|settings| settings.reassembly_memcap = 100));
    wire.play(HANDSHAKE).play("C PA 1 1 #700");
    assert_eq!(wire.events, ["reassembly_insert_memcap"]);
    assert_eq!(wire.hits.len(), 1);
    assert_eq!(wire.counters.tcp.segment_memcap_drop, 1);
    assert!(!wire.last.added_to_stream);
}

#[test]
fn raw_chunks_wait_for_enough_data() {
    let mut wire = Wire::new(settings(|settings| settings.raw = false));
    wire.settings.raw = true;
    wire.play(HANDSHAKE);
    let ready = |wire: &Wire| wire.flow.tcp.as_ref().unwrap().raw_ready(ToServer, false);
    let mut seq = 1;
    for number in 1..=3 {
        wire.settings.raw = false;
        wire.play(&format!("C PA {seq} 1 #1000; S A 1 {}", seq + 1000));
        wire.settings.raw = true;
        seq += 1000;
        assert_eq!(ready(&wire), number == 3, "after {number}");
    }
    let stream = wire.flow.tcp.as_mut().unwrap().stream_mut(ToServer);
    let chunks: Vec<_> = stream.raw_data(false).map(|(at, bytes)| (at, bytes.len())).collect();
    assert_eq!(chunks, [(0, 3000)]);
    stream.raw_mark_inspected(3000);
    assert!(!ready(&wire));
    wire.settings.raw = false;
    wire.play("C PA 3001 1 #10; S A 1 3011");
    assert!(!ready(&wire));
    wire.flow.tcp.as_mut().unwrap().stream_mut(ToServer).raw_flush();
    assert!(ready(&wire));
}

#[test]
fn inline_windows_surround_the_packet() {
    let mut wire = Wire::new(settings(|settings| settings.inline = true));
    wire.settings.raw = false;
    wire.play(HANDSHAKE);
    wire.play("C PA 1 1 #2000; C PA 2001 1 #2000; C PA 4001 1 #30");
    let stream = wire.flow.tcp.as_ref().unwrap().stream(ToServer);
    let payload = [b'x'; 30];
    let (offset, bytes) = stream.raw_window(wire.isns.0 + 4001, &payload);
    assert_eq!((offset, bytes.len()), (4030 - 2560, 2560));
    let large = [b'x'; 2000];
    let (offset, bytes) = stream.raw_window(wire.isns.0 + 2001, &large);
    assert_eq!((offset, bytes.len()), (4000 - 2853, 2853));
    let (offset, bytes) = stream.raw_window(wire.isns.0 + 90_001, &payload);
    assert_eq!((offset, bytes.len()), (90_000, 30), "not in the stream: the payload itself");
}

#[test]
fn inline_what_came_first_is_forwarded() {
    let mut wire = Wire::new(settings(|settings| settings.inline = true));
    wire.play(HANDSHAKE).play("C PA 6 1 world; C PA 1 1 helloWORLD");
    assert_eq!(wire.forwarded, b"helloworld");
    assert!(wire.last.replaced);
    assert_eq!(wire.events, ["reassembly_overlap_different_data"]);
    assert_eq!(wire.app(ToServer), "helloworld");
}

#[test]
fn a_session_closed_by_reset_is_ready_once() {
    let mut wire = Wire::new(settings(|_| {}));
    wire.play(HANDSHAKE).play("C RA 1 1");
    assert_eq!((wire.state(), wire.last.ready), (TcpState::Closed, [true, true]));
    wire.play("C RA 1 1");
    assert_eq!(wire.last.ready, [false, false]);
}
