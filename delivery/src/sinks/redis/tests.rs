//! The Redis sink against servers that answer as they should and as they should not.

use super::*;
use crate::record::Batch;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// What a crafted server does.
#[derive(Clone, Debug)]
enum Act {
    /// Reads commands until this many of them are there.
    Read(usize),
    Say(&'static str),
    Wait(u64),
}

/// Takes a connection for each script, and returns all that it read.
fn serve(scripts: Vec<Vec<Act>>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let mut read = String::new();
        for script in scripts {
            let (mut stream, _) = listener.accept().unwrap();
            for act in script {
                play(&mut stream, &act, &mut read);
            }
        }
        read
    });
    (address, thread)
}

fn play(stream: &mut TcpStream, act: &Act, read: &mut String) {
    match act {
        Act::Read(count) => {
            let mut replies = Replies::default();
            let mut left = *count;
            let mut byte = [0; 1];
            while left > 0 && stream.read(&mut byte).unwrap_or(0) > 0 {
                replies.push(&byte);
                // A command is an array of texts, as some replies are.
                while let Ok(Some(Reply::Array(Some(words)))) = replies.next() {
                    let words: Vec<_> = words.iter().filter_map(Reply::text).collect();
                    read.push_str(&words.join(" "));
                    read.push('\n');
                    left -= 1;
                }
            }
        }
        Act::Say(text) => {
            let _ = stream.write_all(text.as_bytes());
        }
        Act::Wait(time) => thread::sleep(Duration::from_millis(*time)),
    }
}

fn settings(yaml: &str, server: &str) -> Settings {
    serde_saphyr::from_str(&format!("{yaml}\nserver: '{server}'\ntimeout: 300 ms")).unwrap()
}

fn sink(settings: &Settings) -> Redis {
    let around = Surroundings { sensor: "north".into(), ..Surroundings::default() };
    settings.sink(&around).unwrap()
}

fn three() -> Batch {
    let kinds = ["alert", "dns", "http"].map(|kind| format!("{{\"event_type\":\"{kind}\"}}\n"));
    Batch { worker: 0, first: 5, bytes: kinds.concat().into_bytes() }
}

/// Offers three records and settles until all are settled or there is trouble.
fn run(sink: &mut Redis, first: u64) -> (Settled, Option<Trouble>) {
    let batch = three();
    let records: Vec<_> = batch.records().collect();
    let mut settled = Settled::default();
    let end = Instant::now() + Duration::from_secs(5);
    let mut trouble = sink.offer(&records, first).err();
    let open = |s: &Settled| {
        s.delivered.iter().map(|(a, b)| b - a).sum::<u64>() + s.refused.len() as u64 != 3
    };
    while trouble.is_none() && open(&settled) && Instant::now() < end {
        trouble = sink.settle(Duration::from_millis(20), &mut settled).err();
    }
    (settled, trouble)
}

#[test]
fn commands_are_suricatas() {
    let check = |yaml: &str, wanted: &str| {
        let (address, thread) = serve(vec![vec![Act::Read(3), Act::Say(":1\r\n:2\r\n:3\r\n")]]);
        let (settled, trouble) = run(&mut sink(&settings(yaml, &address)), 0);
        assert_eq!((settled.delivered, trouble), (vec![(0, 3)], None), "{yaml}");
        let read = thread.join().unwrap();
        assert_eq!(read.lines().nth(1), Some(wanted), "{yaml}");
    };
    let dns = r#"{"event_type":"dns"}"#;
    check("mode: list", &format!("LPUSH suricata {dns}"));
    check("mode: lpush", &format!("LPUSH suricata {dns}"));
    check("mode: rpush\nkey: '{event_type}-{sensor}'", &format!("RPUSH dns-north {dns}"));
    check("mode: publish", &format!("PUBLISH suricata {dns}"));
    check("mode: xadd", &format!("XADD suricata MAXLEN ~ 100000 * eve {dns}"));
    let exact = "mode: stream\nstream-trim-exact: true\nstream-maxlen: 9";
    check(exact, &format!("XADD suricata MAXLEN = 9 * eve {dns}"));
    check("mode: stream\nstream-maxlen: 0", &format!("XADD suricata * eve {dns}"));
}

#[test]
fn each_reply_settles_its_record() {
    // Script, delivered, refused, part of the trouble and whether it lasts.
    type Row = (Vec<Act>, Vec<(u64, u64)>, Vec<u64>, Option<(&'static str, bool)>);
    use Act::{Read, Say, Wait};
    let rows: Vec<Row> = vec![
        (vec![Read(3), Say(":1\r"), Wait(30), Say("\n:2\r\n:3\r\n")], vec![(7, 10)], vec![], None),
        (vec![Read(3), Say(":0\r\n-ERR bad\r\n:0\r\n")], vec![(7, 8), (9, 10)], vec![8], None),
        (vec![Read(3), Say(":1\r\n")], vec![(7, 8)], vec![], Some(("closed", false))),
        (
            vec![Read(3), Say(":1\r\n-OOM full\r\n:1\r\n")],
            vec![(7, 8)],
            vec![],
            Some(("OOM", false)),
        ),
        (vec![Read(3), Say("-READONLY x\r\n")], vec![], vec![], Some(("READONLY", false))),
        (vec![Read(3), Say("-LOADING x\r\n")], vec![], vec![], Some(("LOADING", false))),
        (vec![Read(3), Say("-WRONGTYPE x\r\n")], vec![], vec![], Some(("WRONGTYPE", true))),
        (vec![Read(3), Say("-NOPERM x\r\n")], vec![], vec![], Some(("NOPERM", true))),
        (vec![Read(3), Say("-NOAUTH x\r\n")], vec![], vec![], Some(("NOAUTH", true))),
        (vec![Read(3), Say("-ERR unknown command\r\n")], vec![], vec![], Some(("unknown", true))),
        (vec![Read(3), Say("HTTP/1.1 400\r\n")], vec![], vec![], Some(("no reply of Redis", true))),
        (
            vec![Read(3), Say(":1\r\n:1\r\n:1\r\n:1\r\n")],
            vec![(7, 10)],
            vec![],
            Some(("to nothing", false)),
        ),
        (vec![Read(3), Wait(1500)], vec![], vec![], Some(("no reply for", false))),
    ];
    for (script, delivered, refused, wanted) in rows {
        let shown = format!("{script:?}");
        let (address, thread) = serve(vec![script]);
        let (settled, trouble) = run(&mut sink(&settings("", &address)), 7);
        assert_eq!(settled.delivered, delivered, "{shown}");
        let tickets: Vec<_> = settled.refused.iter().map(|(ticket, _)| *ticket).collect();
        assert_eq!(tickets, refused, "{shown}");
        let what = trouble.as_ref().map_or("", |trouble| &trouble.what);
        assert!(wanted.is_none_or(|(part, _)| what.contains(part)), "{shown}: {what}");
        assert_eq!(trouble.map(|t| t.is_lasting), wanted.map(|(_, lasts)| lasts), "{shown}");
        let _ = thread.join();
    }
}

#[test]
fn it_signs_in_and_takes_its_database() {
    let check = |yaml: &str, say: &'static str, wanted: &str, lasting: Option<bool>| {
        let mut script = vec![Act::Say(say), Act::Read(wanted.lines().count())];
        if lasting.is_none() {
            script.extend([Act::Read(3), Act::Say(":1\r\n:1\r\n:1\r\n")]);
        }
        let (address, thread) = serve(vec![script]);
        let (_, trouble) = run(&mut sink(&settings(yaml, &address)), 0);
        assert_eq!(trouble.map(|t| t.is_lasting), lasting, "{yaml} {say}");
        assert!(thread.join().unwrap().starts_with(wanted), "{yaml}");
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p");
    std::fs::write(&file, "s3\n").unwrap();
    let by_file = format!("username: u\npassword-file: {}\ndatabase: 4", file.display());
    check(&by_file, "+OK\r\n+OK\r\n", "AUTH u s3\nSELECT 4\n", None);
    check("password: s3", "-WRONGPASS no\r\n", "AUTH s3\n", Some(true));
    check("password: s3", "-ERR invalid password\r\n", "AUTH s3\n", Some(true));
    check("database: 99", "-ERR DB index is out of range\r\n", "SELECT 99\n", Some(true));
    check("password: s3", "-LOADING\r\n", "AUTH s3\n", Some(false));
}

#[test]
fn passwords_are_not_repeated() {
    let check = |yaml: &str, say: &'static str, wanted: &str| {
        let (address, thread) = serve(vec![vec![Act::Read(1), Act::Say(say)]]);
        let what = run(&mut sink(&settings(yaml, &address)), 0).1.unwrap().what;
        thread.join().unwrap();
        assert!(what.ends_with(wanted) && !what.contains("s3"), "{what}");
    };
    let old = "-ERR unknown command 'AUTH', with args beginning with: 's3'\r\n";
    check("password: s3", old, "it refuses AUTH (ERR)");
    check("username: u\npassword: s3", "-WRONGPASS s3\r\n", "it refuses AUTH (WRONGPASS)");
    check("password: s3", "-s3\r\n", "it refuses AUTH");
}

#[test]
fn a_server_that_talks_without_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"*4096\r\n");
        // Its answer never ends, and something comes all the time.
        while stream.write_all(b"$1\r\nx\r\n").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let start = Instant::now();
    let what = run(&mut sink(&settings("database: 3", &address)), 0).1.unwrap().what;
    assert!(what.contains("does not answer"), "{what}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn batches_are_in_flight_up_to_the_limit() {
    let (address, thread) = serve(vec![vec![
        Act::Read(2),
        Act::Say(":1\r\n"),
        Act::Wait(100),
        Act::Say(":1\r\n"),
        Act::Read(1),
        Act::Say(":1\r\n"),
    ]]);
    let mut sink = sink(&settings("batch: 1\nin-flight: 2", &address));
    let batch = three();
    let records: Vec<_> = batch.records().collect();
    assert_eq!(sink.offer(&records, 0).unwrap(), 2);
    assert_eq!(sink.offer(&records[2..], 2).unwrap(), 0);
    let mut settled = Settled::default();
    while settled.delivered.iter().map(|(_, end)| *end).max() != Some(2) {
        sink.settle(Duration::from_millis(50), &mut settled).unwrap();
    }
    assert_eq!(sink.offer(&records[2..], 2).unwrap(), 1);
    sink.settle(Duration::from_secs(2), &mut settled).unwrap();
    assert_eq!(settled.delivered.last().map(|(_, end)| *end), Some(3));
    thread.join().unwrap();
}

#[test]
fn replicas_confirm_a_batch() {
    let check = |count: &'static str, delivered: &[(u64, u64)]| {
        let script = vec![Act::Read(4), Act::Say(":1\r\n:2\r\n:3\r\n"), Act::Say(count)];
        let (address, thread) = serve(vec![script]);
        let (settled, trouble) = run(&mut sink(&settings("replicas: 1", &address)), 0);
        assert_eq!(settled.delivered, delivered);
        assert_eq!(trouble.is_some(), delivered.is_empty());
        assert!(thread.join().unwrap().ends_with("WAIT 1 150\n"));
    };
    check(":1\r\n", &[(0, 3)]);
    check(":0\r\n", &[]);
}

#[test]
fn sentinels_name_the_master() {
    use Act::{Read, Say};
    let replies = ":1\r\n:2\r\n:3\r\n";
    let master = vec![Read(1), Say("*1\r\n$6\r\nmaster\r\n"), Read(3), Say(replies)];
    let (new, new_thread) = serve(vec![master]);
    let slave = vec![Read(1), Say("*1\r\n$5\r\nslave\r\n")];
    let (old, old_thread) = serve(vec![slave]);
    let address = |server: &str| -> &'static str {
        let (host, port) = server.rsplit_once(':').unwrap();
        let (host_length, length) = (host.len(), port.len());
        format!("*2\r\n${host_length}\r\n{host}\r\n${length}\r\n{port}\r\n").leak()
    };
    let scripts = vec![vec![Read(1), Say(address(&old))], vec![Read(1), Say(address(&new))]];
    let (sentinel, thread) = serve(scripts);
    // Nobody is at the first one.
    let yaml = format!("sentinels: ['127.0.0.1:1', '{sentinel}']\nmaster: mymaster");
    let mut sink = sink(&settings(&yaml, "127.0.0.1:1"));
    let (_, trouble) = run(&mut sink, 0);
    let trouble = trouble.expect("the old master is none");
    assert!(trouble.what.contains("but it is slave") && !trouble.is_lasting, "{trouble}");
    sink.forget();
    let (settled, trouble) = run(&mut sink, 0);
    assert_eq!((settled.delivered, trouble), (vec![(0, 3)], None));
    let asked = "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster\n".repeat(2);
    assert_eq!(thread.join().unwrap(), asked);
    assert_eq!(old_thread.join().unwrap(), "ROLE\n");
    assert!(new_thread.join().unwrap().starts_with("ROLE\nLPUSH"));
}

#[test]
fn settings_are_checked() {
    let check = |yaml: &str, part: &str| {
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        let error = settings.build(&Surroundings::default()).err().unwrap_or_default();
        assert!(error.contains(part), "{yaml}: {error}");
    };
    check("sentinels: ['a:1']", "go together");
    check("password: a\npassword-file: b", "both set");
    check("username: a", "needs a password");
    check("key: '{what}'", "not known");
    check("batch: 0", "at least 1");
    check("path: /a\ntls: {}", "neither");
    assert!(serde_saphyr::from_str::<Settings>("pasword: a").is_err());
}
