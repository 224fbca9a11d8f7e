//! Whole connections: the states they end in and the events on the way.

use crate::entry::FlowState;
use crate::policy::{Policy, Target};
use crate::tcp::TcpState::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, None as NoState, SynRecv,
    SynSent, TimeWait,
};
use crate::tcp::{StreamSettings, TcpState};

use super::{HANDSHAKE, ISNS, Wire, settings};

#[track_caller]
fn check_with(change: fn(&mut StreamSettings), script: &str, state: TcpState, events: &[&str]) {
    for isns in ISNS {
        let mut wire = Wire::new(settings(change));
        wire.isns = isns;
        wire.play(script);
        assert_eq!(wire.events, events, "events of {script} with {isns:?}");
        assert_eq!(wire.state(), state, "state of {script} with {isns:?}");
    }
}

/// After a handshake.
#[track_caller]
fn check(script: &str, state: TcpState, events: &[&str]) {
    check_with(|_| {}, &format!("{HANDSHAKE}; {script}"), state, events);
}

#[test]
fn ordinary_shutdowns() {
    check("", Established, &[]);
    check("C FA 1 1", CloseWait, &[]);
    check("C FA 1 1; S A 1 2", CloseWait, &[]);
    check("C FA 1 1; S FA 1 2", LastAck, &[]);
    check("C FA 1 1; S FA 1 2; C A 2 2", Closed, &[]);
    check("C FA 1 1; S A 1 2; S FA 1 2; C A 2 2", Closed, &[]);
    check("S FA 1 1", FinWait1, &[]);
    check("S FA 1 1; C A 1 2", FinWait2, &[]);
    check("S FA 1 1; C A 1 2; C FA 1 2", TimeWait, &[]);
    check("S FA 1 1; C A 1 2; C FA 1 2; S A 2 2", Closed, &[]);
    check("S FA 1 1; C FA 1 2", TimeWait, &[]);
    check("S FA 1 1; C F 1 0", Closing, &[]);
    check("C FA 1 1; S FA 1 1; C A 2 2; S A 2 2", Closed, &[]);
    check("C PA 1 1 hello; S A 1 6; C FA 6 1; S FA 1 7; C A 7 2", Closed, &[]);
    check("S FA 1 1; C FA 1 2; C FA 1 2; S FA 1 1", TimeWait, &[]);
}

#[test]
fn what_goes_wrong_in_shutdowns() {
    check("C FA 1 1; S A 1 2; C FA 1 1", CloseWait, &["closewait_fin_out_of_window"]);
    check("C FA 1 1; C S 0 0", CloseWait, &["shutdown_syn_resend"]);
    check("S FA 1 1; C A 1 2; C FA 1 2; C S 77 0", TimeWait, &["shutdown_syn_resend"]);
    check("C FA 99999 1", Established, &["fin_out_of_window"]);
    check("C FA 1 99999", Established, &["pkt_invalid_ack", "fin_invalid_ack"]);
    check("C SFA 1 1", Established, &["fin_syn"]);
    check("S FA 1 1; C FA 99999 2", FinWait1, &["fin1_fin_wrong_seq"]);
    check("S FA 1 1; C FA 1 99999", FinWait1, &["pkt_invalid_ack", "fin1_invalid_ack"]);
    check("S FA 1 1; C A 99999 2", FinWait1, &["fin1_ack_wrong_seq"]);
    check("S FA 1 1; C A 1 2; C FA 99999 2", FinWait2, &["fin2_fin_wrong_seq"]);
    check("S FA 1 1; C A 1 2; C A 99999 2", FinWait2, &["fin2_ack_wrong_seq"]);
    check("S FA 1 1; C A 1 2; C A 1 99999", FinWait2, &["pkt_invalid_ack", "fin2_invalid_ack"]);
    check("C FA 1 1; S FA 99999 2", CloseWait, &["closewait_fin_out_of_window"]);
    check("C FA 1 1; S FA 1 99999", CloseWait, &["pkt_invalid_ack", "closewait_invalid_ack"]);
    check("C FA 1 1; S A 99999 2", CloseWait, &["closewait_ack_out_of_window"]);
    check("C FA 1 1; S FA 1 2; C A 77 2", LastAck, &["lastack_ack_wrong_seq"]);
    check("C FA 1 1; S FA 1 2; C A 2 99999", LastAck, &["pkt_invalid_ack", "lastack_invalid_ack"]);
    check("S FA 1 1; C F 1 0; S A 77 2", Closing, &["closing_ack_wrong_seq"]);
    check("S FA 1 1; C FA 1 2; S A 77 2", TimeWait, &["timewait_ack_wrong_seq"]);
}

#[test]
fn handshakes() {
    let plain = |script: &str, state, events: &[&str]| check_with(|_| {}, script, state, events);
    plain("C S 0 0", SynSent, &[]);
    plain("C S 0 0; wait 5; C S 77 0", SynSent, &[]);
    plain("C S 0 0; S SA 0 1", SynRecv, &[]);
    plain("C S 0 0; S SA 0 9", SynSent, &["3whs_synack_with_wrong_ack"]);
    plain("C S 0 0; C S 77 0; S SA 0 1", SynRecv, &[]);
    plain("C S 0 0; C S 77 0; S SA 0 78; C A 78 1", Established, &[]);
    plain("C S 0 0; C SA 0 1", SynSent, &["3whs_synack_in_wrong_direction"]);
    plain("C S 0 0; S SA 0 1; C SA 0 1", SynRecv, &["3whs_synack_toserver_on_syn_recv"]);
    plain("C S 0 0; S SA 0 1; S SA 0 9", SynRecv, &["3whs_synack_resend_with_diff_ack"]);
    plain("C S 0 0; S SA 0 1; S S 0 0", SynRecv, &["3whs_syn_toclient_on_syn_recv"]);
    plain("C S 0 0; S SA 0 1; C S 9 0", SynRecv, &["3whs_syn_resend_diff_seq_on_syn_recv"]);
    plain("C S 0 0; S SA 0 1; C S 0 0; C A 1 1", Established, &[]);
    plain("C S 0 0; S SA 0 1; S SA 50 1; C A 1 51", Established, &[]);
    plain("C S 0 0; S SA 0 1; S SA 50 1; C A 1 1", Established, &[]);
    plain("C S 0 0; S SA 0 1; C A 1 77", SynRecv, &["3whs_right_seq_wrong_ack_evasion"]);
    plain("C S 0 0; S SA 0 1; C A 9999 77", SynRecv, &["3whs_wrong_seq_wrong_ack"]);
    plain("C S 0 0; S SA 0 1; C A 100 1", Established, &[]);
    plain("C S 0 0; S SA 0 1; S PA 1 1 hello", Established, &[]);
    plain("C S 0 0; S SA 0 1; S PA 101 1 hello", Established, &[]);
    plain("C S 0 0; S RA =0 1", Closed, &[]);
    plain("C S 0 0; S RA =0 9", SynSent, &["pkt_invalid_ack", "rst_invalid_ack"]);
    plain("C S 0 0; C A 1 1", SynSent, &[]);
}

#[test]
fn simultaneous_opens() {
    let plain = |script: &str, state, events: &[&str]| check_with(|_| {}, script, state, events);
    let open = "C S 0 0; S S 0 0";
    plain(&format!("{open}; C SA 0 1"), SynRecv, &[]);
    plain(&format!("{open}; C SA 0 1; S A 1 1"), Established, &[]);
    plain(&format!("{open}; C SA 0 9"), SynSent, &["4whs_synack_with_wrong_ack"]);
    plain(&format!("{open}; C SA 9 1"), SynSent, &["4whs_synack_with_wrong_syn"]);
    plain(&format!("{open}; C SA 0 1; S A 9 1"), SynRecv, &["4whs_wrong_seq"]);
    plain(
        &format!("{open}; C SA 0 1; S A 1 99999"),
        SynRecv,
        &["pkt_invalid_ack", "4whs_invalid_ack"],
    );
}

#[test]
fn floods_of_syn() {
    let mut wire = Wire::new(settings(|_| {}));
    for isn in 0..11 {
        wire.play(&format!("C S {isn} 0"));
    }
    assert_eq!(wire.events, [""; 0]);
    wire.play("C S 11 0; C S 11 0; C S 12 0");
    assert_eq!(wire.events, ["3whs_syn_flood"; 2]);
    wire.play("S SA 0 3");
    assert_eq!(wire.state(), SynRecv, "a remembered SYN is answered");

    let mut wire = Wire::new(settings(|_| {}));
    wire.play("C S 0 0; S SA 0 1");
    for isn in 1..=5 {
        wire.play(&format!("S SA {isn} 1"));
    }
    assert_eq!(wire.events, [""; 0]);
    wire.play("S SA 6 1; C A 1 4");
    assert_eq!(
        (wire.state(), wire.events.as_slice()),
        (Established, &["3whs_synack_flood".to_owned()][..])
    );
}

#[test]
fn fast_open() {
    let plain = |script: &str, state, events: &[&str]| check_with(|_| {}, script, state, events);
    plain("C S 0 0 tfo hello; S SA 0 6; C A 6 1", Established, &[]);
    plain(
        "C S 0 0 tfo hello; S SA 0 1; C PA 1 1 hello; S A 1 6",
        Established,
        &["3whs_synack_tfo_data_ignored"],
    );
    plain("C S 0 0 tfo hello; S SA 0 3", SynSent, &["3whs_synack_with_wrong_ack"]);
    let mut wire = Wire::new(settings(|_| {}));
    wire.play("C S 0 0 tfo hello; S SA 0 6; C A 6 1; C PA 6 1 world; S A 1 11");
    assert_eq!(wire.app(decode::Direction::ToServer), "helloworld");
}

#[test]
fn one_sided_sessions() {
    let one = |settings: &mut StreamSettings| settings.async_oneside = true;
    check_with(one, "C S 0 0; C A 1 1; C PA 1 1 hello", Established, &[]);
    check_with(one, "C S 0 0; C A 9 1", SynSent, &["3whs_async_wrong_seq"]);
    check_with(|_| {}, "C S 0 0; C A 1 1; C PA 1 1 hello", SynSent, &[]);
    let mut wire = Wire::new(settings(one));
    wire.play("C S 0 0; C A 1 1; C PA 1 1 one; C PA 4 1 two; C PA 7 1 three");
    assert_eq!(wire.app(decode::Direction::ToServer), "onetwothree");
    // The window that the client announced once is never moved by an acknowledgement.
    let late = "C S 0 0; C A 1 1 win=256; C PA 1 1 #300; C FA 301 1";
    check_with(one, late, Established, &["fin_out_of_window"]);
    check_with(one, "C S 0 0; C A 1 1 win=512; C PA 1 1 #300; C FA 301 1", CloseWait, &[]);
}

#[test]
fn answers_to_a_syn_echo_its_timestamp() {
    let bad = &["pkt_invalid_timestamp"][..];
    let check = |script, state, events| check_with(|_| {}, script, state, events);
    check("C S 0 0 ts=50; S RA =0 1 ts=100/100", SynSent, bad);
    check("C S 0 0; S RA =0 1 ts=100/100", SynSent, bad);
    check("C S 0 0; S FA =0 1 ts=100/100", SynSent, bad);
    check("C S 0 0 ts=50; S RA =0 1 ts=100/50", Closed, &[]);
    check("C S 0 0 ts=50; S RA =0 1 ts=100/0", Closed, &[]);
    check("C S 0 0 ts=0; S RA =0 1 ts=100/9", Closed, &[]);
}

#[test]
fn resets() {
    check("C R 1 0", Closed, &[]);
    check("C RA 1 1", Closed, &[]);
    check("S RA 1 1", Closed, &[]);
    check("C RA 1 99999", Established, &["pkt_invalid_ack", "rst_invalid_ack"]);
    check("C RA 1 1 bye", Closed, &["rst_with_data"]);
    check("C R 2 0", Established, &[]);
    check("C R 1 0; S PA 1 1 late", Closed, &[]);
    check("C RA 1 1 md5; C PA 1 1 hello; S A 1 6", Established, &["suspected_rst_inject"]);
    check_with(
        |_| {},
        "C S 0 0; S RA =0 1; S SA 0 1; C A 1 1",
        Established,
        &["suspected_rst_inject"],
    );
}

#[test]
fn flow_states_follow() {
    let check = |script: &str, state| {
        let mut wire = Wire::new(settings(|_| {}));
        wire.play(script);
        assert_eq!(wire.flow.state, state, "{script}");
    };
    check("C S 0 0; S SA 0 1", FlowState::New);
    check(HANDSHAKE, FlowState::Established);
    check(&format!("{HANDSHAKE}; C FA 1 1; S A 1 2"), FlowState::Established);
    check(&format!("{HANDSHAKE}; C FA 1 1; S FA 1 2"), FlowState::Closed);
    check(&format!("{HANDSHAKE}; C R 1 0"), FlowState::Closed);
    check("C A 1 1", FlowState::New);
}

#[test]
fn sessions_without_a_beginning() {
    let nothing = |_: &mut StreamSettings| {};
    let pick_up = |settings: &mut StreamSettings| settings.midstream = true;
    check_with(nothing, "C R 1 0", NoState, &["rst_but_no_session"]);
    check_with(nothing, "C FA 1 1 data", NoState, &["fin_but_no_session"]);
    check_with(nothing, "C A 1 1 data", NoState, &[]);
    check_with(nothing, "S SA 0 1", NoState, &[]);
    check_with(pick_up, "C FA 1 1", NoState, &["fin_but_no_session"]);
    check_with(pick_up, "C FA 1 1 data", FinWait1, &[]);
    check_with(pick_up, "C A 1 1 data", Established, &[]);
    check_with(pick_up, "S SA 0 1", SynRecv, &[]);
    check_with(pick_up, "S SA 0 1; C A 1 1", Established, &[]);
    check_with(pick_up, "S SA 0 1; C A 1 1; C PA 1 1 hi; S A 1 3; C R 3 0", Closed, &[]);
    let mut wire = Wire::new(settings(pick_up));
    wire.play("S SA 0 1; C A 1 1; C PA 1 1 hi; S A 1 3");
    assert!(!wire.reversed, "who answers is the server");
    assert_eq!(wire.app(decode::Direction::ToServer), "hi");
    assert_eq!(wire.counters.tcp.midstream_pickups, 1);
    assert_eq!(wire.counters.tcp.sessions, 1);
}

#[test]
fn policies_decide_about_pick_ups() {
    let check = |policy, midstream, script: &str, state, hits: usize| {
        let mut wire = Wire::new(settings(|settings| {
            settings.midstream = midstream;
            settings.midstream_policy = policy;
        }));
        wire.play(script);
        assert_eq!(wire.state(), state);
        assert_eq!(wire.hits.len(), hits);
        let of = |hit: &crate::policy::PolicyHit| (hit.target, hit.policy);
        assert!(wire.hits.iter().all(|hit| of(hit) == (Target::StreamMidstream, policy)));
    };
    check(Policy::Ignore, false, "C A 1 1 hi; S A 1 3", NoState, 2);
    check(Policy::PassFlow, true, "C A 1 1 hi; S A 1 3", Established, 1);
    check(Policy::DropFlow, true, "C A 1 1 hi", NoState, 1);
    check(Policy::DropFlow, true, "C S 0 0", SynSent, 0);
}

#[test]
fn memory_for_sessions_is_limited() {
    let mut wire = Wire::new(settings(|settings| {
        settings.memcap = 10;
        settings.memcap_policy = Policy::PassFlow;
    }));
    wire.play("C S 0 0");
    assert_eq!((wire.state(), wire.counters.tcp.ssn_memcap_drop), (NoState, 1));
    assert_eq!(wire.hits[0].target, Target::StreamMemcap);
}
