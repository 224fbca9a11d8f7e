//! Records that go elsewhere than to files, as `filetype` in Suricata's configuration has it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::craft::Place;

const RULE: &str =
    "alert tcp any any -> any 80 (msg:\"seen\"; content:\"/secret\"; sid:1; rev:2;)\n";

fn place(config: &str) -> Place {
    let place = Place::new();
    place.config(config);
    place.write("a.rules", RULE);
    place
}

fn replay(place: &Place, parts: &[&str]) {
    place.suricata(&["-v", "-r", "web.pcap", "-S", "a.rules"]).expect(0, parts);
}

/// Types of records; alerts and others come in no common order.
fn kinds(records: &[String]) -> Vec<&'static str> {
    let kind = |record: &String| {
        let is = |kind: &&str| record.contains(&format!("\"event_type\":\"{kind}\""));
        ["alert", "http", "flow", "stats"].into_iter().find(is).unwrap_or("?")
    };
    let mut kinds: Vec<_> = records.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds
}

/// Lines that come to a stream socket until it is closed.
fn stream(place: &Place, name: &str) -> JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(place.path(name)).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        BufReader::new(stream).lines().map(|line| line.unwrap()).collect()
    })
}

#[test]
fn a_stream_socket_gets_lines() {
    let place = place(
        "outputs:\n  - eve-log:\n      enabled: yes\n      filetype: unix_stream\n      filename: eve.sock\n      \
         prefix: '@cee: '\n      types: [alert, http, flow, stats]\nstats: {enabled: yes}\n",
    );
    let reader = stream(&place, "out/eve.sock");
    replay(&place, &["unix_stream (unix): 4 delivered, 0 filtered, 0 refused, 0 missed, 0 wait"]);
    let lines = reader.join().unwrap();
    assert_eq!(kinds(&lines), ["alert", "flow", "http", "stats"]);
    assert!(lines.iter().all(|line| line.starts_with("@cee: {") && line.ends_with('}')));
    assert!(!place.path("out/eve.json").exists());
}

#[test]
fn a_datagram_socket_gets_a_record_at_a_time() {
    let place = place(
        "outputs:\n  - eve-log:\n      enabled: yes\n      filetype: unix_dgram\n      \
         types: [alert, http, flow]\n",
    );
    let socket = UnixDatagram::bind(place.path("out/eve.json")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        let mut record = || {
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        (0..3).map(|_| record()).collect::<Vec<_>>()
    });
    replay(&place, &["unix_dgram (unix): 3 delivered"]);
    let records = reader.join().unwrap();
    assert_eq!(kinds(&records), ["alert", "flow", "http"]);
    assert!(records.iter().all(|record| record.ends_with("}\n") && record.lines().count() == 1));
}

/// Words of one command, as Redis has them.
fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut number = |kind: char| -> Option<usize> {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        line.trim_end().strip_prefix(kind)?.parse().ok()
    };
    let count = number('*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let length: usize = line.trim_end().strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).ok()?;
        word.truncate(length);
        words.push(String::from_utf8(word).unwrap());
    }
    Some(words)
}

/// Commands that a server gets, each answered as Redis would.
fn redis() -> (u16, JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut writer, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(writer.try_clone().unwrap());
        let mut commands = Vec::new();
        while let Some(words) = command(&mut reader) {
            let answer: &[u8] = match words[0].as_str() {
                "LPUSH" | "RPUSH" | "PUBLISH" => b":1\r\n",
                "XADD" => b"$3\r\n1-0\r\n",
                _ => b"+OK\r\n",
            };
            writer.write_all(answer).unwrap();
            commands.push(words);
        }
        commands
    });
    (port, server)
}

#[test]
fn redis_gets_suricatas_commands() {
    let check = |options: &str, wanted: &[&str], before: &[&str]| {
        let (port, server) = redis();
        let place = place(&format!(
            "outputs:\n  - eve-log:\n      enabled: yes\n      filetype: redis\n      types: [alert, http]\n      \
             redis:\n        server: 127.0.0.1\n        port: {port}\n{options}",
        ));
        replay(&place, &["redis (redis): 2 delivered, 0 filtered"]);
        let commands = server.join().unwrap();
        let (first, records) = commands.split_at(before.len() / 3);
        assert_eq!(first.concat(), before, "{options}");
        assert_eq!(records.len(), 2, "{options}: {commands:?}");
        for words in records {
            let (record, front) = words.split_last().unwrap();
            assert_eq!(front, wanted, "{options}");
            assert!(record.starts_with("{\"timestamp\"") && record.ends_with('}'), "{record}");
        }
    };
    check("", &["LPUSH", "suricata"], &[]);
    let pipelining = "        mode: rpush\n        async: yes\n        key: k\n        pipelining: {enabled: yes, batch-size: 1}\n";
    check(pipelining, &["RPUSH", "k"], &[]);
    let account = "        mode: publish\n        username: me\n        password: word\n";
    check(account, &["PUBLISH", "suricata"], &["AUTH", "me", "word"]);
    let stream = "        mode: xadd\n        stream-maxlen: 500\n        stream-trim-exact: yes\n";
    check(stream, &["XADD", "suricata", "MAXLEN", "=", "500", "*", "eve"], &[]);
    let all = "        mode: stream\n        stream-maxlen: 0\n";
    check(all, &["XADD", "suricata", "*", "eve"], &[]);
}

#[test]
fn each_output_has_its_own_records() {
    let place = place(
        "outputs:\n\
         \x20 - eve-log: {enabled: yes, types: [flow]}\n\
         \x20 - eve-log: {enabled: yes, filetype: unix_stream, filename: a.sock, types: [alert, stats]}\n\
         \x20 - fast: {enabled: yes}\n\
         \x20 - eve-log: {enabled: yes, filetype: unix_stream, filename: b.sock, types: [http, flow, stats]}\n\
         stats: {enabled: yes}\n",
    );
    let first = stream(&place, "out/a.sock");
    let second = stream(&place, "out/b.sock");
    replay(
        &place,
        &[
            "unix_stream (unix): 2 delivered, 3 filtered",
            "unix_stream-2 (unix): 3 delivered, 2 filtered",
        ],
    );
    assert_eq!(kinds(&first.join().unwrap()), ["alert", "stats"]);
    assert_eq!(kinds(&second.join().unwrap()), ["flow", "http", "stats"]);
    let eve = place.read("out/eve.json");
    assert!(eve.lines().count() == 1 && eve.contains("\"event_type\":\"flow\""), "{eve}");
    assert_eq!(place.read("out/fast.log").lines().count(), 1);
}

#[test]
fn what_cannot_be_had_is_told_with_its_place() {
    let check = |options: &str, parts: &[&str]| {
        let place =
            place(&format!("outputs:\n  - eve-log: {{enabled: yes, types: [alert], {options}}}\n"));
        place.suricata(&["-T", "-S", "a.rules"]).expect(1, parts);
        assert!(!place.path("out/spool").exists());
    };
    check(
        "filetype: my-plugin",
        &["Invalid JSON output option: my-plugin", "suricata.yaml: outputs.eve-log.filetype"],
    );
    check(
        "filetype: redis, redis: {mode: push}",
        &["Invalid redis mode: push", "suricata.yaml: outputs.eve-log.redis"],
    );
    check("filetype: redis, redis: {port: 70000}", &["Invalid value for redis port: 70000"]);
    check("filetype: redis, threaded: yes", &["redis does not support threaded output"]);
    check("filetype: redis, redis: {key: 'a{b}'}", &["{b} is not known"]);
    let place = place("outputs:\n  - fast: {enabled: yes, filetype: redis}\n");
    place
        .suricata(&["-T", "-S", "a.rules"])
        .expect(1, &["filetype redis is not available, use regular", "outputs.fast.filetype"]);
}
