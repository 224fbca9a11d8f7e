//! DNS messages of all kinds: what becomes of them, what records and rules see.

use decode::{Direction, Timestamp};
use json::Writer;

use super::{Dns, EVENTS, table};
use crate::buffer::{BufferId, NumberId};
use crate::parser::{Chunk, Effects, Input, LogOptions, Outcome, Parser};

/// A message: identifier, flags, then the sections as made by `question` and `record`.
fn message(flags: u16, sections: [&[Vec<u8>]; 4]) -> Vec<u8> {
    let mut bytes = 0x1234u16.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    for section in sections {
        bytes.extend(u16::try_from(section.len()).unwrap().to_be_bytes());
    }
    for entry in sections.into_iter().flatten() {
        bytes.extend(entry);
    }
    bytes
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn question(text: &str, rrtype: u16) -> Vec<u8> {
    let mut bytes = name(text);
    bytes.extend(rrtype.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

fn record(text: &str, rrtype: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = question(text, rrtype);
    bytes.extend(60u32.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

fn request(text: &str) -> Vec<u8> {
    message(0x0100, [&[question(text, 1)], &[], &[], &[]])
}

fn give(dns: &mut Dns, direction: Direction, bytes: &[u8]) -> Outcome {
    let chunk = Chunk::Bytes(bytes);
    let input = Input { direction, chunk, eof: false, timestamp: Timestamp::default() };
    dns.parse(&input, &mut Effects::default())
}

#[test]
fn a_record_that_is_switched_off_is_so_for_the_answer() {
    use crate::Parser;
    let mut dns = Dns::new(false);
    let answer = message(0x8180, [&[question("a.test", 1)], &[], &[], &[]]);
    give(&mut dns, Direction::ToServer, &request("a.test"));
    dns.meta_mut(0).unwrap().log_disabled = true;
    dns.free(0);
    for off in [true, false] {
        give(&mut dns, Direction::ToClient, &answer);
        let last = dns.next_tx() - 1;
        assert_eq!(dns.meta(last).unwrap().log_disabled, off);
    }
}

fn one(direction: Direction, bytes: &[u8]) -> Dns {
    let mut dns = Dns::new(false);
    assert_eq!(give(&mut dns, direction, bytes), Outcome::Consumed(bytes.len()));
    assert_eq!(dns.next_tx(), 1);
    dns
}

fn logged(dns: &Dns, tx: u64, options: &LogOptions) -> String {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.open();
    if !dns.log(tx, options, &mut writer) {
        return String::new();
    }
    writer.close();
    let text = String::from_utf8(out).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["dns"].is_object());
    text
}

fn events(dns: &Dns, tx: u64) -> Vec<&'static str> {
    dns.meta(tx).unwrap().events.iter().map(|event| dns.event_name(*event)).collect()
}

fn names(dns: &Dns, direction: Direction, buffer: BufferId) -> Vec<String> {
    let mut all = Vec::new();
    for index in 0.. {
        let mut scratch = Vec::new();
        match dns.buffer(0, buffer, direction, index, &mut scratch) {
            Some(view) => all.push(String::from_utf8_lossy(view.bytes).into_owned()),
            None => break,
        }
    }
    all
}

#[test]
fn request_record() {
    let additional = record("", 41, b"\x00\x0a\x00\x02\xab\xcd");
    let bytes = message(0x0120, [&[question("Www.example.org", 28)], &[], &[], &[additional]]);
    let dns = one(Direction::ToServer, &bytes);
    assert_eq!(
        logged(&dns, 0, &LogOptions::default()),
        concat!(
            r#"{"dns":{"version":3,"type":"request","tx_id":0,"id":4660,"flags":"120","rd":true,"#,
            r#""opcode":0,"rcode":"NOERROR","queries":[{"rrname":"Www.example.org","#,
            r#""rrtype":"AAAA"}],"additionals":[{"rrname":"","rrtype":"OPT","ttl":60,"#,
            r#""opt":[{"code":10,"data":"abcd"}]}]}}"#
        )
    );
    let version_two = LogOptions { version: 2, ..LogOptions::default() };
    assert_eq!(
        logged(&dns, 0, &version_two),
        concat!(
            r#"{"dns":{"version":2,"type":"query","id":4660,"rrname":"Www.example.org","#,
            r#""rrtype":"AAAA","tx_id":0,"opcode":0}}"#
        )
    );
}

fn soa() -> Vec<u8> {
    let mut data = name("ns.a");
    data.extend(name("root.a"));
    for number in [1u32, 2, 3, 4, 5] {
        data.extend(number.to_be_bytes());
    }
    data
}

#[test]
fn response_record_with_all_decoded_types() {
    let answers = [
        record("a", 1, &[192, 0, 2, 1]),
        record("a", 1, &[1, 2]),
        record("a", 28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        record("a", 5, &name("b.c")),
        record("a", 15, &[[0, 10].to_vec(), name("mx.c")].concat()),
        record("a", 16, b"\x02hi\x05there"),
        record("a", 16, b""),
        record("a", 33, &[[0, 1, 0, 2, 0, 80].to_vec(), name("s.c")].concat()),
        record("a", 44, &[1, 2, 0xab, 0xcd]),
        record("a", 43, &[1, 2, 3]),
        record("a", 10, b"\xffz"),
    ];
    let additionals = [record("", 41, b"")];
    let bytes =
        message(0x8583, [&[question("a", 255)], &answers, &[record("", 6, &soa())], &additionals]);
    let dns = one(Direction::ToClient, &bytes);
    insta::assert_snapshot!(logged(&dns, 0, &LogOptions::default()), @r#"{"dns":{"version":3,"type":"response","tx_id":0,"id":4660,"flags":"8583","qr":true,"aa":true,"rd":true,"ra":true,"opcode":0,"rcode":"NXDOMAIN","queries":[{"rrname":"a","rrtype":"ANY"}],"answers":[{"rrname":"a","rrtype":"A","ttl":60,"rdata":"192.0.2.1"},{"rrname":"a","rrtype":"A","ttl":60,"rdata":""},{"rrname":"a","rrtype":"AAAA","ttl":60,"rdata":"2001:0db8:0000:0000:0000:0000:0000:0001"},{"rrname":"a","rrtype":"CNAME","ttl":60,"rdata":"b.c"},{"rrname":"a","rrtype":"MX","ttl":60,"rdata":"mx.c"},{"rrname":"a","rrtype":"TXT","ttl":60,"rdata":"hi"},{"rrname":"a","rrtype":"TXT","ttl":60,"rdata":"there"},{"rrname":"a","rrtype":"SRV","ttl":60,"srv":{"priority":1,"weight":2,"port":80,"name":"s.c"}},{"rrname":"a","rrtype":"SSHFP","ttl":60,"sshfp":{"fingerprint":"ab:cd","algo":1,"type":2}},{"rrname":"a","rrtype":"DS","ttl":60},{"rrname":"a","rrtype":"NULL","ttl":60,"rdata":"\\xffz"}],"grouped":{"A":["192.0.2.1",""],"AAAA":["2001:0db8:0000:0000:0000:0000:0000:0001"],"CNAME":["b.c"],"MX":["mx.c"],"NULL":["\\xffz"],"SRV":[{"priority":1,"weight":2,"port":80,"name":"s.c"}],"SSHFP":[{"fingerprint":"ab:cd","algo":1,"type":2}],"TXT":["hi","there"]},"authorities":[{"rrname":"","rrtype":"SOA","ttl":60,"soa":{"mname":"ns.a","rname":"root.a","serial":1,"refresh":2,"retry":3,"expire":4,"minimum":5}}]}}"#);
    let text = logged(&dns, 0, &LogOptions { embedded: true, ..LogOptions::default() });
    assert!(text.contains("answers") && !text.contains("grouped"));
}

#[test]
fn records_are_left_out_as_configured() {
    let bytes = message(0x0100, [&[question("a", 1), question("b", 16)], &[], &[], &[]]);
    let dns = one(Direction::ToServer, &bytes);
    let check = |types: &[&str], off: &[&str], expected: &str| {
        let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let options =
            LogOptions { types: strings(types), off: strings(off), ..LogOptions::default() };
        let text = logged(&dns, 0, &options);
        let at = text.find("\"queries\"").map_or("", |at| &text[at..]);
        assert_eq!(at, expected);
    };
    check(&["txt"], &[], r#""queries":[{"rrname":"b","rrtype":"TXT"}]}}"#);
    check(&["aaaa"], &[], "");
    check(&[], &["requests"], "");
    check(
        &[],
        &["responses"],
        r#""queries":[{"rrname":"a","rrtype":"A"},{"rrname":"b","rrtype":"TXT"}]}}"#,
    );
    let empty = message(0x8180, [&[], &[record("a", 1, &[1, 2, 3, 4])], &[], &[]]);
    assert_eq!(logged(&one(Direction::ToClient, &empty), 0, &LogOptions::default()), "");
}

#[test]
fn what_rules_see() {
    let answers = [record("a.b", 5, &name("c.d")), record("", 1, &[1, 2, 3, 4])];
    let bytes =
        message(0x8183, [&[question("a.b", 1)], &answers, &[record("z", 2, &name("ns.z"))], &[]]);
    let dns = one(Direction::ToClient, &bytes);
    let check = |buffer, expected: &[&str]| {
        assert_eq!(names(&dns, Direction::ToClient, buffer), expected);
        assert!(names(&dns, Direction::ToServer, buffer).is_empty());
    };
    check(table::QUERY, &[]);
    check(table::QUERIES_RRNAME, &["a.b"]);
    check(table::ANSWER_NAME, &["a.b"]);
    check(table::ANSWERS_RRNAME, &["a.b"]);
    check(table::AUTHORITIES_RRNAME, &["z"]);
    check(table::ADDITIONALS_RRNAME, &[]);
    check(table::RESPONSE_RRNAME, &["a.b", "a.b", "c.d", "z", "ns.z"]);
    let number = |number: NumberId, index| dns.number(0, number, Direction::ToClient, index);
    assert_eq!(number(table::RCODE, 0), Some(3));
    assert_eq!(number(table::RCODE, 1), None);
    assert_eq!(number(table::OPCODE, 0), Some(0));
    assert_eq!([0, 1, 2].map(|i| number(table::RRTYPE, i)), [Some(5), Some(1), None]);
    // Out of order as well.
    assert_eq!(number(table::RRTYPE, 0), Some(5));
    let request = one(Direction::ToServer, &request("a.b"));
    assert_eq!(names(&request, Direction::ToServer, table::QUERY), ["a.b"]);
    assert_eq!(request.number(0, table::RRTYPE, Direction::ToServer, 0), Some(1));
    assert_eq!(request.number(0, table::RRTYPE, Direction::ToClient, 0), None);
}

#[test]
fn messages_with_faults() {
    let check = |direction, bytes: &[u8], expected: &[&str]| {
        assert_eq!(events(&one(direction, bytes), 0), expected);
    };
    let a = || question("a", 1);
    let ts = Direction::ToServer;
    check(ts, &message(0x0140, [&[a()], &[], &[], &[]]), &["z_flag_set"]);
    check(ts, &message(0x3900, [&[a()], &[], &[], &[]]), &["invalid_opcode"]);
    check(Direction::ToClient, &request("a"), &["not_response"]);
    let bad = || record("a", 15, &[1]);
    check(ts, &message(0, [&[a()], &[], &[bad()], &[bad()]]), &["invalid_authorities"]);
    check(ts, &message(0, [&[a()], &[], &[], &[bad()]]), &["invalid_additionals"]);
    let long = vec!["x".repeat(60); 20].join(".");
    let bytes = request(&long);
    check(ts, &bytes, &["name_too_long"]);
    let dns = one(ts, &bytes);
    assert!(logged(&dns, 0, &LogOptions::default()).contains(r#""rrname_truncated":true"#));
    // Trailing bytes are nobody's business.
    check(ts, &[request("a"), b"xyz".to_vec()].concat(), &[]);
}

#[test]
fn messages_that_are_refused() {
    let check = |tcp: bool, direction, bytes: &[u8], expected| {
        let mut dns = Dns::new(tcp);
        let mut stream = bytes.to_vec();
        if tcp {
            stream.splice(0..0, u16::try_from(bytes.len()).unwrap().to_be_bytes());
        }
        assert_eq!(give(&mut dns, direction, &stream), expected);
        assert_eq!(dns.next_tx(), 0);
    };
    let ts = Direction::ToServer;
    let invalid = message(0, [&[], &[], &[], &[]]);
    check(false, ts, &invalid, Outcome::Consumed(invalid.len()));
    check(true, ts, &invalid, Outcome::Error);
    check(false, ts, &message(0x8000, [&[question("a", 1)], &[], &[], &[]]), Outcome::Error);
    check(false, ts, &request("a")[..17], Outcome::Error);
    let bad = message(0x8000, [&[], &[record("a", 5, b"\x40")], &[], &[]]);
    check(false, Direction::ToClient, &bad, Outcome::Error);
    // The fault goes to the newest message that is still there.
    let mut dns = one(ts, &request("a"));
    give(&mut dns, ts, &request("a")[..17]);
    assert_eq!(events(&dns, 0), ["malformed_data"]);
    dns.free(0);
    give(&mut dns, ts, &request("a")[..17]);
    assert!(dns.meta(0).is_none());
    assert_eq!((dns.first_tx(), dns.next_tx()), (1, 1));
}

#[test]
fn streams_go_on_after_a_hole() {
    let mut stream = vec![0, 0];
    for text in ["a", "b"] {
        let bytes = request(text);
        stream.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        stream.extend(bytes);
    }
    let mut dns = Dns::new(true);
    assert_eq!(give(&mut dns, Direction::ToServer, &stream), Outcome::Consumed(stream.len()));
    assert_eq!(dns.next_tx(), 2);
    assert!(dns.accepts_gaps());
    let gap = Input {
        direction: Direction::ToServer,
        chunk: Chunk::Gap(5),
        eof: false,
        timestamp: Timestamp::default(),
    };
    dns.parse(&gap, &mut Effects::default());
    let junk = b"\xff\x00 the middle of something else entirely";
    assert_eq!(give(&mut dns, Direction::ToServer, &junk[1..]), Outcome::Consumed(junk.len() - 1));
    assert_eq!(dns.next_tx(), 2);
    assert_eq!(
        give(&mut dns, Direction::ToServer, &stream[2..]),
        Outcome::Consumed(stream.len() - 2)
    );
    assert_eq!(dns.next_tx(), 4);
}

#[test]
fn live_messages_are_limited() {
    let mut dns = Dns::new(false);
    let bytes = request("a");
    for _ in 0..5000 {
        give(&mut dns, Direction::ToServer, &bytes);
    }
    assert_eq!(dns.next_tx(), 5000);
    assert_eq!(dns.first_tx(), 5000 - 4096);
    assert_eq!(EVENTS.len(), 10);
}

/// One that is not done with does not keep the places of all that come after it.
#[test]
fn messages_are_limited_from_the_oldest_on() {
    let mut dns = Dns::new(false);
    let bytes = request("a");
    give(&mut dns, Direction::ToServer, &bytes);
    for tx in 1..10_000 {
        give(&mut dns, Direction::ToServer, &bytes);
        dns.free(tx);
        assert!(dns.next_tx() - dns.first_tx() <= 4096);
    }
    assert_eq!((dns.first_tx(), dns.next_tx()), (10_000, 10_000));
}

proptest::proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_messages(
        texts in proptest::collection::vec("[a-z]{1,9}", 1..9),
        cuts in proptest::collection::vec(1usize..40, 1..30),
    ) {
        let mut stream = Vec::new();
        for text in &texts {
            let bytes = request(text);
            stream.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
            stream.extend(bytes);
        }
        let mut dns = Dns::new(true);
        let (mut done, mut end) = (0usize, 0usize);
        for cut in cuts.into_iter().chain([usize::MAX]) {
            end = stream.len().min(end.saturating_add(cut));
            match give(&mut dns, Direction::ToServer, &stream[done..end]) {
                Outcome::Consumed(count) => done += count,
                Outcome::Error => panic!("refused"),
            }
        }
        proptest::prop_assert_eq!(done, stream.len());
        proptest::prop_assert_eq!(dns.next_tx(), texts.len() as u64);
        for (tx, text) in texts.iter().enumerate() {
            let text = format!(r#""rrname":"{text}""#);
            proptest::prop_assert!(logged(&dns, tx as u64, &LogOptions::default()).contains(&text));
        }
    }

    #[test]
    fn any_bytes_are_survived(
        head in proptest::collection::vec(0u8..4, 8..9),
        body in proptest::collection::vec(0u8.., 0..200),
        low in proptest::bool::ANY,
    ) {
        let mut bytes = vec![0, 1, 0x81, 0x80];
        bytes.extend(head);
        // Small values make labels and counts that fit more likely.
        bytes.extend(body.iter().map(|byte| if low { byte % 7 } else { *byte }));
        for tcp in [false, true] {
            let mut dns = Dns::new(tcp);
            give(&mut dns, Direction::ToClient, &bytes);
            give(&mut dns, Direction::ToServer, &bytes);
            for tx in dns.first_tx()..dns.next_tx() {
                for version in [2, 3] {
                    logged(&dns, tx, &LogOptions { version, ..LogOptions::default() });
                }
                for spec in super::BUFFERS {
                    for index in 0..50 {
                        let mut scratch = Vec::new();
                        dns.buffer(tx, spec.id, Direction::ToClient, index, &mut scratch);
                    }
                }
            }
        }
    }
}
