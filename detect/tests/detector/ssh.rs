//! SSH from its packets to alerts and records.

use detect::settings::AlertSettings;
use protocol::settings::EncryptionHandling;
use protocol::{AppProto, LogOptions};
use serde_json::Value;

use crate::bench::{Bench, settings};

fn bench(rules: &str) -> Bench {
    let settings = settings(|_, eve| {
        eve.alert = Some(AlertSettings::default());
        eve.protocols.push((AppProto::Ssh, LogOptions::default()));
    });
    Bench::new(settings, rules)
}

fn record(message: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(2 + body.len() + 4).unwrap().to_be_bytes();
    [&length[..], &[4, message], body, &[0; 4]].concat()
}

fn key_exchange() -> Vec<u8> {
    let mut body = vec![1; 16];
    for list in ["kex", "key", "up", "down", "mac-up", "mac-down", "zip-up", "zip-down", "", ""] {
        body.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list.as_bytes());
    }
    record(20, &[&body[..], &[0; 5]].concat())
}

fn talk(bench: &mut Bench) {
    bench.open().ask(b"SSH-2.0-asker one\r\n").answer(b"SSH-1.99-answerer\r\n");
    bench.ask(&key_exchange()).answer(&key_exchange());
    bench.answer(&record(21, &[])).ask(&record(21, &[])).ask(&[9; 100]).answer(&[9; 100]);
}

fn one(records: Vec<Value>) -> Value {
    assert_eq!(records.len(), 1, "{records:?}");
    records.into_iter().next().unwrap()["ssh"].take()
}

const BANNERS: &str = r#"
alert ssh any any -> any any (flow:to_server; ssh.proto; content:"2.0"; ssh.software; content:"asker"; bsize:5; sid:1;)
alert ssh any any -> any any (flow:to_client; ssh_proto; content:"1.99"; ssh_software; content:"answerer"; sid:2;)
alert tcp any any -> any any (app-layer-protocol:ssh; ssh.software; content:"asker"; flow:to_client; sid:3;)
alert ssh:request_finished any any -> any any (ssh.software; content:"asker"; sid:4;)
"#;

#[test]
fn banners_alert_and_are_recorded_without_fingerprints() {
    let mut bench = bench(BANNERS);
    talk(&mut bench);
    assert_eq!(bench.alerts(), [1, 2, 4]);
    let ssh = one(bench.records("ssh"));
    let expected = serde_json::json!({
        "client": {"proto_version": "2.0", "software_version": "asker"},
        "server": {"proto_version": "1.99", "software_version": "answerer"},
    });
    assert_eq!(ssh, expected);
}

/// What comes after the keys is nobody's: a hole in it is no error, and no rule looks at it.
#[test]
fn encrypted_data_is_left_alone() {
    let mut bench = bench(BANNERS);
    talk(&mut bench);
    bench.lose(500).answer(&[9; 100]).ask(&[0; 100]);
    assert_eq!(bench.counter("app_layer.error.ssh.gap"), 0);
    assert_eq!(bench.counter("app_layer.error.ssh.parser"), 0);
    assert_eq!(bench.alerts(), [1, 2, 4]);
}

/// Both sides are finished at once, and both are looked at before the flow is let go.
#[test]
fn bypassed_sessions_are_looked_at_once_more() {
    let rules = r#"
alert ssh:request_finished any any -> any any (ssh.software; content:"asker"; sid:1;)
alert ssh:response_finished any any -> any any (ssh.software; content:"answerer"; sid:2;)
"#;
    for inline in [false, true] {
        for handling in [EncryptionHandling::TrackOnly, EncryptionHandling::Bypass] {
            let settings = settings(|settings, eve| {
                eve.alert = Some(AlertSettings::default());
                (settings.inline, settings.stream.inline) = (inline, inline);
                settings.protocol.ssh.encryption_handling = handling;
            });
            let mut bench = Bench::new(settings, rules);
            talk(&mut bench);
            bench.records("flow");
            let mut alerts = bench.alerts();
            alerts.sort_unstable();
            assert_eq!(alerts, [1, 2], "{inline} {handling:?}");
        }
    }
}

/// A rule that asks for fingerprints has them made, in records as well.
#[test]
fn fingerprints_alert_and_are_recorded() {
    let mut bench = bench(
        r#"
alert ssh any any -> any any (ssh.hassh; content:"f653bfb75ec6d44d8234b5274eb39df2"; sid:1;)
alert ssh any any -> any any (ssh-hassh-string; content:"kex|3b|up|3b|mac-up|3b|zip-up"; sid:2;)
alert ssh any any -> any any (ssh.hassh.server; content:"00000000000000000000000000000000"; sid:3;)
alert ssh any any -> any any (ssh.hassh.server.string; content:"zip-down"; endswith; sid:4;)
"#,
    );
    talk(&mut bench);
    assert_eq!(bench.alerts(), [1, 2, 4]);
    let ssh = one(bench.records("ssh"));
    assert_eq!(ssh["client"]["hassh"]["hash"], "f653bfb75ec6d44d8234b5274eb39df2");
    assert_eq!(ssh["server"]["hassh"]["string"], "kex;down;mac-down;zip-down");
}

#[test]
fn what_is_no_ssh_after_the_banner_is_an_event() {
    let mut bench = bench(
        "alert ssh any any -> any any (flow:to_server; app-layer-event:ssh.invalid_record; sid:1;)\n",
    );
    bench.open().ask(b"SSH-2.0-asker\r\n").answer(b"SSH-2.0-answerer\r\n").ask(&[0; 40]);
    bench.pause();
    assert_eq!(bench.alerts(), [1]);
}
