//! Events of single packets, and which of them drop the packet inline.

use decode::settings::OsPolicy;

use crate::policy::DropReason;
use crate::tcp::{StreamSettings, TcpState, UrgentPolicy};

use super::{HANDSHAKE, ISNS, Wire, settings};

/// After a handshake; each packet that is dropped inline for an error is counted.
#[track_caller]
fn check(script: &str, events: &[&str], errors: usize) {
    for isns in ISNS {
        let mut wire = Wire::new(settings(|_| {}));
        wire.isns = isns;
        wire.play(HANDSHAKE).play(script);
        assert_eq!(wire.events, events, "events of {script} with {isns:?}");
        let mut wire = Wire::new(settings(|settings| settings.inline = true));
        wire.isns = isns;
        wire.play(HANDSHAKE).play(script);
        assert_eq!(wire.drops, vec![DropReason::StreamError; errors], "drops of {script}");
    }
}

#[test]
fn events_in_established() {
    check("C PA 1 1 hello; S A 1 6; S PA 1 6 hi; C A 6 3", &[], 0);
    check("C SA 1 1", &["est_synack_toserver"], 1);
    check("S SA 0 9", &["est_synack_resend_with_diff_ack"], 1);
    check("S SA 9 1", &["est_synack_resend_with_diff_seq"], 1);
    check("S SA 0 1", &[], 0);
    check("S A 1 1; S SA 0 1", &["est_synack_resend"], 1);
    check("S S 0 0", &["est_syn_toclient"], 1);
    check("C PA 1 1 hello; C A 6 99999", &["pkt_invalid_ack", "est_invalid_ack"], 0);
    check("C PA 90000 1 hello", &["est_packet_out_of_window"], 0);
    check("C - 1 5", &["pkt_broken_ack"], 0);
    check("C FA 99999 1", &["fin_out_of_window"], 1);
}

#[test]
fn a_repeated_syn_is_compared_by_its_acknowledgement_field() {
    let mut wire = Wire::new(settings(|_| {}));
    wire.play(HANDSHAKE).play("C S 0 0; C S 0 =1000");
    assert_eq!(wire.events, ["est_syn_resend_diff_seq", "pkt_broken_ack", "est_syn_resend"]);
}

#[test]
fn repeated_and_old_data() {
    check("C PA 1 1 hello; S A 1 6; C PA 1 1 hello", &["pkt_spurious_retransmission"], 0);
    check(
        "C PA 1 1 hello; S A 1 6; C PA 1 1 hell",
        &["pkt_spurious_retransmission", "est_pkt_before_last_ack"],
        0,
    );
    check("C PA 1 1 hello; C PA 1 1 hello", &[], 0);
    check("C FA 1 1; S PA 1 2 hi; S PA 1 2 hi", &["pkt_retransmission"], 0);
}

#[test]
fn keep_alives_and_probes_are_no_events() {
    check("C PA 1 1 hello; S A 1 6; C A 5 1; S A 1 6; C A 5 1 x; S A 1 6", &[], 0);
    check("S A 1 1 win=0; C PA 1 1 x; S A 1 1 win=0", &[], 0);
    check("S A 1 1 win=0; C PA 1 1 x; S A 1 2 win=100", &["est_ack_zwp_data"], 0);
    check("S A 1 1 win=0; S A 1 1 win=500; C PA 1 1 hello", &[], 0);
}

#[test]
fn a_window_that_collapses_ahead_of_everything_is_not_taken() {
    check("C A 50 40 win=10", &["pkt_bad_window_update"], 0);
}

#[test]
fn timestamps() {
    let with =
        |first: &str| format!("C S 0 0 ts=100/0; S SA 0 1 ts=500/100; C A 1 1 ts=101/500; {first}");
    #[track_caller]
    fn check(liberal: bool, os: Option<OsPolicy>, script: &str, events: &[&str]) {
        let mut wire = Wire::new(settings(|settings| {
            settings.liberal_timestamps = liberal;
            if let Some(os) = os {
                settings.os_policies.insert("0.0.0.0/0", os).unwrap();
            }
        }));
        wire.play(script);
        assert_eq!(wire.events, events, "{script}");
    }
    let bad = &["pkt_invalid_timestamp"][..];
    check(true, None, &with("C PA 1 1 ts=100/500 hello"), &[]);
    check(true, None, &with("C PA 1 1 ts=99/500 hello"), bad);
    check(false, None, &with("C PA 1 1 ts=100/500 hello"), bad);
    check(false, Some(OsPolicy::Linux), &with("C PA 1 1 ts=100/500 hello"), &[]);
    check(true, None, &with("C PA 1 1 ts=0/500 hello"), bad);
    check(true, Some(OsPolicy::Solaris), &with("C PA 1 1 ts=0/500 hello"), bad);
    check(true, Some(OsPolicy::Hpux11), &with("C PA 5 1 ts=50/500 hello"), &[]);
    check(true, Some(OsPolicy::Solaris), &with("C A 1 1; C PA 1 1 ts=5/500 hello"), &[]);
    check(true, None, &with("wait 2073601; C PA 1 1 ts=5/500 hello"), &[]);
    check(true, None, &with("wait 2073601; C PA 9 1 ts=5/500 hello"), bad);
    check(true, None, &with("C R 1 0 ts=5/500"), bad);
    // Echoes are compared only without liberal timestamps.
    let echo = "C S 0 0 ts=100/0; S SA 0 1 ts=500/7";
    check(true, None, echo, &[]);
    check(false, None, echo, bad);
    // Zero in the handshake.
    let zero = "C S 0 0 ts=0/0; S SA 0 1 ts=500/0; C A 1 1 ts=101/500; C PA 1 1 ts=5/500 hello";
    check(true, None, zero, bad);
    check(true, Some(OsPolicy::Linux), zero, &[]);
}

#[test]
fn resets_are_judged_by_the_receiver() {
    #[track_caller]
    fn check(os: OsPolicy, seq: u32, closes: bool) {
        let mut wire = Wire::new(settings(|settings| {
            settings.os_policies.insert("192.0.2.2", os).unwrap();
        }));
        wire.play(HANDSHAKE).play("C PA 1 1 hello");
        wire.play(&format!("C R {seq} 0"));
        assert_eq!(wire.state() == TcpState::Closed, closes, "{os:?} at {seq}");
        assert_eq!(wire.events, [""; 0]);
    }
    for os in OsPolicy::ALL {
        check(os, 6, true);
        let ahead = matches!(
            os,
            OsPolicy::Hpux11
                | OsPolicy::Linux
                | OsPolicy::OldLinux
                | OsPolicy::Solaris
                | OsPolicy::OldSolaris
        );
        check(os, 100, ahead);
        check(os, 99_999, os == OsPolicy::Hpux11);
        check(os, 3, ahead && os != OsPolicy::Hpux11);
    }
}

#[test]
fn some_receivers_ignore_a_reset_after_evasion() {
    let check = |os, state| {
        let mut wire = Wire::new(settings(|settings| {
            settings.os_policies.insert("0.0.0.0/0", os).unwrap();
        }));
        wire.play("C S 0 0; S SA 0 1; C A 1 77; C R 1 0");
        assert_eq!(wire.state(), state);
    };
    check(OsPolicy::Bsd, TcpState::Closed);
    check(OsPolicy::Linux, TcpState::SynRecv);
}

#[test]
fn inline_the_server_cannot_go_first() {
    let inline = |settings: &mut StreamSettings| settings.inline = true;
    let check = |script: &str, event: &str| {
        let mut wire = Wire::new(settings(inline));
        wire.play("C S 0 0; S SA 0 1").play(script);
        assert_eq!(wire.events, [event]);
        assert_eq!(wire.drops, [DropReason::StreamError]);
    };
    check("S PA 1 1 hello", "3whs_ack_data_inject");
    check("S A 1 1", "3whs_ack_in_wrong_dir");
}

#[test]
fn dropping_what_is_urgent_needs_inline_mode() {
    let check = |inline, drops: &[DropReason]| {
        let mut wire = Wire::new(settings(|settings| {
            settings.inline = inline;
            settings.urgent = UrgentPolicy::Drop;
        }));
        wire.play(HANDSHAKE).play("C PAU 1 1 urg=3 abc");
        assert_eq!(wire.drops, drops);
    };
    check(true, &[DropReason::StreamUrgent]);
    check(false, &[]);
}

#[test]
fn without_drop_invalid_nothing_is_dropped() {
    let mut wire = Wire::new(settings(|settings| {
        settings.inline = true;
        settings.drop_invalid = false;
    }));
    wire.play(HANDSHAKE).play("C SA 1 1");
    assert!(wire.drops.is_empty() && wire.last.refused);
}
