//! Whole sessions through the parser.

use decode::{Direction, Timestamp};
use json::Writer;
use proptest::prelude::*;

use super::*;
use crate::parser::Encrypted;
use crate::settings::{EncryptionHandling, Fingerprints};
use Direction::{ToClient as C, ToServer as S};

const HOST: &[u8] = include_bytes!("testdata/host.der");
const AUTHORITY: &[u8] = include_bytes!("testdata/authority.der");

fn u16s(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_be_bytes()
}

fn u24s(value: usize) -> Vec<u8> {
    u32::try_from(value).unwrap().to_be_bytes()[1..].to_vec()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &u16s(body.len()), body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &u24s(body.len()), body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &message(kind, body))
}

fn extension(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0, kind][..], &u16s(body.len()), body].concat()
}

fn name(name: &[u8]) -> Vec<u8> {
    extension(0, &[&u16s(name.len() + 3)[..], &[0], &u16s(name.len()), name].concat())
}

fn alpn(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|name| [&[u8::try_from(name.len()).unwrap()][..], name].concat())
        .collect();
    extension(16, &[&u16s(list.len())[..], &list].concat())
}

fn client_body(session: &[u8], extensions: &[u8]) -> Vec<u8> {
    let random: Vec<u8> = (0..32).collect();
    [
        &[3, 3][..],
        &random,
        &[u8::try_from(session.len()).unwrap()],
        session,
        &[0, 4, 0x13, 0x01, 0xc0, 0x2f, 1, 0],
        &u16s(extensions.len()),
        extensions,
    ]
    .concat()
}

fn client_hello(session: &[u8], extensions: &[u8]) -> Vec<u8> {
    handshake(1, &client_body(session, extensions))
}

/// A client hello with a name, groups, point formats, algorithms, protocols and a ticket.
fn full_hello() -> Vec<u8> {
    let list = [
        name(b"a.b"),
        extension(10, &[0, 4, 0, 29, 0, 23]),
        extension(11, &[1, 0]),
        extension(13, &[0, 4, 4, 3, 8, 4]),
        alpn(&[b"h2", b"http/1.1"]),
        extension(35, &[]),
    ];
    client_hello(&[], &list.concat())
}

fn server_hello(session: &[u8], extensions: &[u8]) -> Vec<u8> {
    let random: Vec<u8> = (32..64).collect();
    let body = [
        &[3, 3][..],
        &random,
        &[u8::try_from(session.len()).unwrap()],
        session,
        &[0xc0, 0x2f, 0],
        &u16s(extensions.len()),
        extensions,
    ];
    handshake(2, &body.concat())
}

fn renegotiation() -> Vec<u8> {
    [&[0xff, 1][..], &[0, 1, 0]].concat()
}

fn certificates(list: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = list.iter().flat_map(|one| [&u24s(one.len())[..], one].concat()).collect();
    handshake(11, &[&u24s(list.len())[..], &list].concat())
}

fn change_cipher() -> Vec<u8> {
    record(20, &[1])
}

fn data() -> Vec<u8> {
    record(23, &[0; 40])
}

/// Gives a piece to the parser.
fn give(tls: &mut Tls, direction: Direction, bytes: &[u8], eof: bool) -> (Outcome, Effects) {
    let mut effects = Effects::default();
    let input =
        Input { direction, chunk: Chunk::Bytes(bytes), eof, timestamp: Timestamp::default() };
    let outcome = tls.parse(&input, &mut effects);
    (outcome, effects)
}

/// A session with all fingerprints.
fn session() -> Tls {
    let (ja3, ja4) = (Fingerprints::Yes, Fingerprints::Yes);
    Tls::new(TlsSettings { ja3, ja4, ..TlsSettings::default() }, None)
}

fn run(pieces: &[(Direction, Vec<u8>)]) -> Tls {
    let mut tls = session();
    for (direction, bytes) in pieces {
        if give(&mut tls, *direction, bytes, false).0 == Outcome::Error {
            break;
        }
    }
    tls
}

fn events(tls: &Tls) -> Vec<&'static str> {
    tls.meta.events.iter().map(|event| EVENTS[usize::from(*event)]).collect()
}

fn logged(tls: &Tls, options: &LogOptions) -> Option<serde_json::Value> {
    let mut out = b"{".to_vec();
    let written = tls.log(0, options, &mut Writer::new(&mut out));
    out.push(b'}');
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(written, value.get("tls").is_some());
    value.get("tls").cloned()
}

fn extended() -> LogOptions {
    LogOptions { extended: true, ..LogOptions::default() }
}

fn buffer(tls: &Tls, id: BufferId, direction: Direction, index: usize) -> Option<String> {
    let mut scratch = Vec::new();
    let view = tls.buffer(0, id, direction, index, &mut scratch)?;
    Some(String::from_utf8_lossy(view.bytes).into_owned())
}

fn certificate_session() -> Vec<(Direction, Vec<u8>)> {
    let flight =
        [server_hello(&[], &renegotiation()), certificates(&[HOST, AUTHORITY]), handshake(14, &[])];
    vec![
        (S, full_hello()),
        (C, flight.concat()),
        (S, [handshake(16, b"\x01x"), change_cipher(), record(22, &[7; 40])].concat()),
        (C, [change_cipher(), record(22, &[7; 40])].concat()),
        (S, data()),
        (C, data()),
    ]
}

#[test]
fn a_session_with_certificates_is_shown() {
    let tls = run(&certificate_session());
    assert!(events(&tls).is_empty());
    let record = logged(&tls, &extended()).unwrap();
    let want = serde_json::json!({
        "subject": "C=DE, ST=Bavaria, O=Ex, Inc, CN=host.example",
        "issuerdn": "C=DE, ST=Bavaria, O=Ex, Inc, CN=host.example",
        "subjectaltname": [
            "a.example", "*.b.example", "[1, 2, 3, 4]",
            "[32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]", "RFC822Name(e@f.g)",
            "http://u/", "RegisteredID(1.2.3.4)", "DirectoryName(C=US, CN=dir)",
            "OtherName(1.2.3.4, [...])"
        ],
        "serial": "00:80:FF:01",
        "fingerprint": "fa:c8:6e:a0:24:53:ec:b7:c8:dd:c5:d6:06:e7:21:bb:da:07:f9:25",
        "sni": "a.b",
        "version": "TLS 1.2",
        "notbefore": "2026-11-21T15:50:46",
        "notafter": "2036-11-18T15:50:46",
        "ja3": {
            "hash": "61ebc5b6585b5d3c80513230f4e64e86",
            "string": "771,4865-49199,0-10-11-13-16-35,29-23,0"
        },
        "ja3s": {"hash": "fbe78c619e7ea20046131294ad087f05", "string": "771,49199,65281"},
        "ja4": "t12d0206h2_c1929292aa6b_76614379002b",
        "client_alpns": ["h2", "http/1.1"]
    });
    assert_eq!(record, want);
    let basic = logged(&tls, &LogOptions::default()).unwrap();
    let keys: Vec<&String> = basic.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn buffers_and_numbers_of_a_session() {
    let tls = run(&certificate_session());
    for (id, direction, index, want) in [
        (TLS_SNI, S, 0, Some("a.b")),
        (TLS_SNI, S, 1, None),
        (TLS_ALPN, S, 1, Some("http/1.1")),
        (TLS_ALPN, C, 0, None),
        (JA3_HASH, S, 0, Some("61ebc5b6585b5d3c80513230f4e64e86")),
        (JA3S_STRING, C, 0, Some("771,49199,65281")),
        (JA4_HASH, S, 0, Some("t12d0206h2_c1929292aa6b_76614379002b")),
        (TLS_RANDOM_TIME, S, 0, Some("\0\x01\x02\x03")),
        (TLS_RANDOM_TIME, C, 0, Some(" !\"#")),
        (TLS_CERT_SERIAL, C, 0, Some("00:80:FF:01")),
        (TLS_CERT_SERIAL, S, 0, None),
        (TLS_SUBJECT_ALT_NAME, C, 5, Some("http://u/")),
        (TLS_SUBJECT_ALT_NAME, C, 9, None),
    ] {
        assert_eq!(buffer(&tls, id, direction, index).as_deref(), want, "{id:?} {index}");
    }
    let mut scratch = Vec::new();
    let second = tls.buffer(0, TLS_CERTS, C, 1, &mut scratch);
    assert_eq!(second, Some(View::whole(AUTHORITY)));
    for (id, direction, want) in [
        (TLS_CERT_CHAIN_LEN, C, Some(2)),
        (TLS_CERT_CHAIN_LEN, S, None),
        (TLS_VERSION, S, Some(0x0303)),
        (TLS_CERT_NOT_BEFORE, C, Some(1_795_276_246)),
        (TLS_MESSAGE_FLAGS, C, Some(u64::from(message_flag::CLIENT_KEYX))),
    ] {
        assert_eq!(tls.number(0, id, direction, 0), want, "{id:?}");
    }
    assert!(BUFFERS.iter().enumerate().all(|(at, spec)| usize::from(spec.id.index()) == at));
}

#[test]
fn fingerprints_are_made_when_asked_for() {
    let mut tls = Tls::new(TlsSettings::default(), Some(AppProto::Smtp));
    for (direction, bytes) in certificate_session() {
        give(&mut tls, direction, &bytes, false);
    }
    assert_eq!(buffer(&tls, JA3_HASH, S, 0), None);
    assert_eq!(buffer(&tls, JA4_HASH, S, 0), None);
    let record = logged(&tls, &extended()).unwrap();
    assert!(record.get("ja3").is_none() && record.get("ja4").is_some());
    assert_eq!(record["from_proto"], "smtp");
    assert!(Fingerprints::Auto.settle(true).is_on() && !Fingerprints::No.settle(true).is_on());
}

#[test]
fn tls_1_3_is_shown_without_certificate_and_ends_the_reading() {
    let versions = extension(43, &[2, 3, 4]);
    let hello = client_hello(&[], &[name(b"a.b"), versions, alpn(&[b"h2"])].concat());
    let mut tls = session();
    give(&mut tls, S, &hello, false);
    let flight = [server_hello(&[], &extension(43, &[3, 4])), change_cipher(), data()].concat();
    let (_, effects) = give(&mut tls, C, &flight, false);
    assert_eq!(effects.encrypted, Some(Encrypted::TrackOnly));
    assert_eq!(effects.stop, [false; 2]);
    assert!(!tls.loggable(0));
    let (_, effects) = give(&mut tls, S, &[change_cipher(), data()].concat(), false);
    assert_eq!(effects.stop, [true; 2]);
    assert!(tls.loggable(0));
    let record = logged(&tls, &extended()).unwrap();
    assert_eq!(record["version"], "TLS 1.3");
    assert_eq!(record["ja4"], "t13d0203h2_c1929292aa6b_9b00d4eb1ff0");
    assert_eq!(record.get("session_resumed"), None);
}

#[test]
fn encryption_handling_is_passed_on() {
    for (handling, encrypted, stop) in [
        (EncryptionHandling::TrackOnly, Some(Encrypted::TrackOnly), true),
        (EncryptionHandling::Bypass, Some(Encrypted::Bypass), true),
        (EncryptionHandling::Full, None, false),
    ] {
        let settings = TlsSettings { encryption_handling: handling, ..TlsSettings::default() };
        let mut tls = Tls::new(settings, None);
        let effects: Vec<Effects> =
            certificate_session().iter().map(|(d, b)| give(&mut tls, *d, b, false).1).collect();
        assert_eq!(effects[3].encrypted, None);
        assert_eq!(effects[4].encrypted, encrypted);
        assert_eq!(effects[4].stop, [stop; 2]);
        assert!(effects[0].flush[0] && !effects[4].flush[0]);
    }
}

#[test]
fn resumed_sessions_are_shown_when_wanted() {
    let finish = [change_cipher(), record(22, &[7; 40])].concat();
    let resumed = |server: &[u8]| {
        run(&[
            (S, client_hello(&[9; 16], &[])),
            (C, [server_hello(server, &[]), finish.clone()].concat()),
            (S, [finish.clone(), data()].concat()),
            (C, data()),
        ])
    };
    let record = logged(&resumed(&[9; 16]), &extended()).unwrap();
    assert_eq!(record["session_resumed"], true);
    assert_eq!(logged(&resumed(&[8; 16]), &extended()), None);
    let off = LogOptions { off: vec!["session-resumption".into()], ..extended() };
    assert_eq!(logged(&resumed(&[9; 16]), &off), None);
    let alert = LogOptions { embedded: true, ..LogOptions::default() };
    let embedded = logged(&resumed(&[8; 16]), &alert).unwrap();
    assert_eq!(embedded["version"], "TLS 1.2");
}

#[test]
fn certificates_of_clients_are_shown_apart() {
    let mut pieces = certificate_session();
    pieces[1].1.extend(handshake(13, &[1, 1, 0, 0]));
    pieces.truncate(2);
    let mut tls = run(&pieces);
    assert_eq!(tls.progress(0, S), progress::HELLO);
    give(&mut tls, S, &certificates(&[AUTHORITY]), false);
    assert_eq!(tls.progress(0, S), progress::CLIENT_HANDSHAKE);
    let custom = vec!["client_chain".into(), "server_handshake".into()];
    let record = logged(&tls, &LogOptions { custom, ..LogOptions::default() }).unwrap();
    assert_eq!(record["client"]["subject"], "CN=ca.example");
    assert_eq!(record["client"]["serial"], "01");
    assert_eq!(record["client"]["chain"].as_array().unwrap().len(), 1);
    assert_eq!(record["client"].get("certificate"), None);
    assert_eq!(record["server_handshake"]["cipher"], 49199);
}

#[test]
fn sslv2_hellos_may_open_a_session() {
    let mut hello = vec![0x80, 0x1c, 1, 3, 1, 0, 3, 0, 0, 0, 16];
    hello.resize(30, b'c');
    let tls = run(&[(S, hello), certificate_session().remove(1)]);
    assert_eq!(tls.version(S), Some(0x0301));
    assert_eq!(tls.progress(0, S), progress::CLIENT_HANDSHAKE);
    let record = logged(&tls, &extended()).unwrap();
    assert_eq!(record["ja4"], "t00i000000_e3b0c44298fc_d2e2adf7177b");
}

/// Bytes from the server after a client hello, the event they give, and whether they end it.
fn check(server: &[&[u8]], want: &[&str], fatal: bool) {
    let mut tls = session();
    give(&mut tls, S, &full_hello(), false);
    let (outcome, _) = give(&mut tls, C, &server.concat(), false);
    assert_eq!(events(&tls), want, "{server:02x?}");
    assert_eq!(outcome == Outcome::Error, fatal, "{server:02x?}");
}

#[test]
fn malformed_records_give_events() {
    let hello = server_hello(&[], &[]);
    let chain = certificates(&[HOST]);
    check(&[&hello, &record(30, b"abcdef")], &["invalid_record_type"], true);
    check(&[&hello, &record(22, b"")], &["invalid_record_length"], true);
    check(&[&record(22, &[0; 17_409])], &["invalid_record_length"], true);
    check(&[&[22, 5, 5, 0, 1, 0]], &["invalid_record_version"], true);
    check(&[&hello, &[22, 5, 5, 0, 4, 0, 0, 0, 0]], &[], false);
    check(&[&hello, &record(22, b"abc")], &["invalid_ssl_record"], true);
    check(&[&hello, &handshake(77, b"zz"), &chain], &["invalid_handshake_message"], false);
    check(&[&change_cipher(), &handshake(77, b"zz")], &[], false);
    check(&[&record(21, &[2])], &["invalid_alert_message"], true);
    check(&[&record(24, &[1, 0x40, 0])], &["overflow_heartbeat_message"], true);
    check(&[&[0x80, 0, 0]], &["invalid_sslv2_header", "invalid_ssl_record"], true);
    check(&[&[0x80, 3, 0, 0, 1]], &["error_message_encountered"], false);
    check(&[&b"\x80\x01\x09".repeat(40)], &["too_many_records_in_packet"], true);
}

#[test]
fn certificates_that_cannot_be_read_are_passed_over() {
    let hello = server_hello(&[], &[]);
    let bad = &HOST[..300];
    let good = certificates(&[bad, AUTHORITY]);
    check(&[&hello, &good], &["invalid_certificate"], false);
    let tls = run(&[(S, full_hello()), (C, [hello.clone(), good].concat())]);
    assert_eq!(tls.subject(C), Some("CN=ca.example"));
    assert_eq!(tls.number(0, TLS_CERT_CHAIN_LEN, C, 0), Some(1));
    check(&[&hello, &certificates(&[HOST, bad])], &[], false);
    check(&[&hello, &certificates(&[b""])], &["certificate_invalid_length"], false);
    check(&[&hello, &handshake(11, &[0, 0, 9, 0, 0, 1, 0])], &[], false);
    check(&[&hello, &handshake(11, &[0, 0, 4, 0, 0, 9, 0])], &["invalid_certificate"], false);
}

#[test]
fn later_hellos_add_to_ja4_only() {
    let tls = run(&[(S, full_hello()), (S, full_hello()), certificate_session().remove(1)]);
    assert_eq!(events(&tls), ["multiple_sni_extensions"]);
    assert!(buffer(&tls, JA4_HASH, S, 0).unwrap().starts_with("t12d0412h2_"));
    assert_eq!(buffer(&tls, JA3_HASH, S, 0).as_deref(), Some("61ebc5b6585b5d3c80513230f4e64e86"));
    assert_eq!(buffer(&tls, TLS_SNI, S, 0).as_deref(), Some("a.b"));
}

#[test]
fn ends_finish_the_sides() {
    let mut tls = run(&certificate_session());
    assert_eq!(tls.progress(0, S), progress::CLIENT_HANDSHAKE);
    give(&mut tls, S, &[], true);
    assert_eq!(tls.progress(0, S), tls.end_progress(S));
    assert_ne!(tls.progress(0, C), tls.end_progress(C));
    give(&mut tls, C, &[], true);
    assert_eq!(tls.progress_name(tls.progress(0, C), C), "server_finished");
    tls.free(0);
    assert_eq!((tls.first_tx(), tls.next_tx()), (1, 1));
    assert!(tls.meta(0).is_none());
}

#[test]
fn a_fatal_alert_finishes_both_sides() {
    let tls = run(&[(S, full_hello()), (C, record(21, &[2, 40]))]);
    assert!(Direction::BOTH.iter().all(|d| tls.progress(0, *d) == tls.end_progress(*d)));
    let tls = run(&[(S, full_hello()), (C, record(21, &[1, 40]))]);
    assert_eq!(tls.progress(0, S), progress::HELLO);
}

/// The server's flight in records of this size.
fn fragmented(size: usize) -> Vec<u8> {
    let messages = [message(11, &certificates(&[HOST, AUTHORITY])[9..]), message(14, &[])].concat();
    let mut out = server_hello(&[], &renegotiation());
    for part in messages.chunks(size) {
        out.extend(record(22, part));
    }
    out
}

/// Gives bytes in pieces as a stream does: what is not consumed comes again.
fn stream(tls: &mut Tls, direction: Direction, bytes: &[u8], cuts: &[usize]) {
    let mut start = 0;
    let ends = cuts.iter().copied().chain([bytes.len()]);
    for end in ends.map(|end| end.min(bytes.len())) {
        if end < start {
            continue;
        }
        match give(tls, direction, &bytes[start..end], false).0 {
            Outcome::Consumed(length) => start += length,
            Outcome::Error => return,
        }
    }
}

#[test]
fn messages_are_put_together_from_records() {
    for size in [40, 97, 500, 1000] {
        let tls = run(&[(S, full_hello()), (C, fragmented(size))]);
        assert_eq!(tls.serial(C), Some("00:80:FF:01"), "{size}");
        assert_eq!(tls.number(0, TLS_CERT_CHAIN_LEN, C, 0), Some(2));
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        mut cuts in proptest::collection::vec(0usize..1300, 0..12),
        size in 60usize..1100,
    ) {
        cuts.sort_unstable();
        let mut tls = session();
        stream(&mut tls, S, &full_hello(), &cuts);
        stream(&mut tls, C, &fragmented(size), &cuts);
        let whole = run(&[(S, full_hello()), (C, fragmented(size))]);
        prop_assert_eq!(logged(&tls, &extended()), logged(&whole, &extended()));
        prop_assert_eq!(events(&tls), events(&whole));
        prop_assert_eq!(tls.loggable(0), whole.loggable(0));
    }

    #[test]
    fn mutated_sessions_never_panic(
        changes in proptest::collection::vec((0usize..6, 0usize..1200, any::<u8>()), 0..8),
        cuts in proptest::collection::vec(0usize..1300, 0..4),
    ) {
        let mut pieces = certificate_session();
        for (piece, at, byte) in changes {
            if let Some(place) = pieces[piece].1.get_mut(at) {
                *place = byte;
            }
        }
        let mut tls = session();
        for (direction, bytes) in &pieces {
            stream(&mut tls, *direction, bytes, &cuts);
        }
        logged(&tls, &LogOptions { embedded: true, ..LogOptions::default() });
        for spec in BUFFERS {
            buffer(&tls, spec.id, S, 0);
            buffer(&tls, spec.id, C, 1);
        }
    }

    #[test]
    fn random_bytes_never_panic(
        client in proptest::collection::vec(any::<u8>(), 0..200),
        server in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 20u8..25,
    ) {
        for body in [&client[..], &record(kind, &[&client[..], &[0]].concat())] {
            let mut tls = session();
            stream(&mut tls, S, body, &[]);
            stream(&mut tls, C, &server, &[]);
            logged(&tls, &extended());
        }
    }

    #[test]
    fn random_extensions_never_panic(list in proptest::collection::vec(any::<u8>(), 0..120)) {
        let mut tls = session();
        stream(&mut tls, S, &client_hello(&[], &list), &[]);
        stream(&mut tls, C, &server_hello(&[], &list), &[]);
        let custom = vec!["client_handshake".into(), "ja3".into(), "server_alpns".into()];
        logged(&tls, &LogOptions { custom, ..LogOptions::default() });
        buffer(&tls, TLS_ALPN, S, 0);
    }
}
