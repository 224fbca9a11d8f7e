//! The HTTP sink against servers that answer as they should and as they should not.

use super::*;
use crate::record::Batch;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// A request as a crafted server has read it.
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body })
}

/// A server that gives these answers, one a request, whatever the connection; an empty one is
/// none: it closes the connection.
fn serve(answers: Vec<String>) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut answers = answers.into_iter();
        while answers.len() > 0 {
            let Ok((stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream);
            while let Some(request) = read_request(&mut reader) {
                let _ = sender.send(request);
                match answers.next() {
                    Some(answer) if !answer.is_empty() => {
                        reader.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                    _ => break,
                }
            }
        }
    });
    (address, receiver)
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn sink(yaml: &str, address: &str) -> Box<dyn Sink> {
    Box::new(http(yaml, address))
}

fn http(yaml: &str, address: &str) -> Http {
    let usual = [("linger", "1 ms"), ("timeout", "300 ms"), ("connections", "1")];
    let usual = usual.iter().filter(|(name, _)| !yaml.contains(&format!("{name}:")));
    let common: String = usual.map(|(name, value)| format!("{name}: {value}\n")).collect();
    let urls =
        if yaml.contains("urls:") { String::new() } else { format!("urls: ['http://{address}']") };
    let settings: Settings = serde_saphyr::from_str(&format!("{common}\n{urls}\n{yaml}")).unwrap();
    settings.http(&Surroundings { sensor: "s".into(), ..Surroundings::default() }).unwrap()
}

fn records(count: usize) -> Batch {
    let line = |at| {
        format!(
            "{{\"timestamp\":\"2016-07-13T22:42:07.5+0000\",\"event_type\":\"dns\",\"n\":{at}}}\n"
        )
    };
    let bytes = (0..count).map(line).collect::<String>().into_bytes();
    Batch { worker: 1, first: 40, bytes }
}

/// Offers records and settles until all are settled or there is trouble.
fn run(sink: &mut dyn Sink, count: usize) -> (Vec<u64>, Vec<u64>, Option<Trouble>) {
    let batch = records(count);
    let all: Vec<_> = batch.records().collect();
    let mut settled = Settled::default();
    let end = Instant::now() + Duration::from_secs(5);
    let mut next = 0;
    let mut trouble = None;
    let sum =
        |s: &Settled| s.delivered.iter().map(|(a, b)| b - a).sum::<u64>() + s.refused.len() as u64;
    while trouble.is_none() && sum(&settled) < count as u64 && Instant::now() < end {
        trouble = match sink.offer(&all[next..], next as u64) {
            Ok(taken) => {
                next += taken;
                sink.settle(Duration::from_millis(20), &mut settled).err()
            }
            Err(trouble) => Some(trouble),
        };
        if let (None, Health::Down { trouble: told, .. }) = (&trouble, sink.health()) {
            trouble = Some(told);
        }
    }
    let mut delivered: Vec<u64> = settled.delivered.iter().flat_map(|(a, b)| *a..*b).collect();
    delivered.sort_unstable();
    let mut refused: Vec<u64> = settled.refused.iter().map(|(ticket, _)| *ticket).collect();
    refused.sort_unstable();
    (delivered, refused, trouble)
}

#[test]
fn bulk_creates_each_record_once() {
    let (address, requests) = serve(vec![answer(200, "{\"errors\":false}")]);
    let (delivered, _, trouble) = run(sink("bulk: {pipeline: p}", &address).as_mut(), 2);
    assert_eq!((delivered, trouble), (vec![0, 1], None));
    let request = requests.recv().unwrap();
    assert!(request.path.starts_with("/_bulk?") && request.path.ends_with("&pipeline=p"));
    let text = request.text();
    let lines: Vec<_> = text.lines().collect();
    let wanted = r#"{"create":{"_index":"eve-dns-2016.07.13","_id":"s-1-40"}}"#;
    assert_eq!((lines[0], lines.len()), (wanted, 4));
    assert!(lines[3].ends_with("\"n\":1}"));
}

#[test]
fn answers_settle_records() {
    // Answers to requests, settings, records, delivered, refused, trouble and whether it lasts.
    type Row = (Vec<String>, &'static str, usize, Vec<u64>, Vec<u64>, Option<(&'static str, bool)>);
    let items = |statuses: &[u16]| {
        let item = |status: &u16| {
            let error = r#""error":{"type":"mapper","reason":"bad"}"#;
            format!("{{\"create\":{{\"status\":{status},{error}}}}}")
        };
        let all: Vec<_> = statuses.iter().map(item).collect();
        answer(200, &format!("{{\"errors\":true,\"items\":[{}]}}", all.join(",")))
    };
    let bulk = "bulk: {}";
    let hook = "webhook: {}";
    let rows: Vec<Row> = vec![
        (vec![items(&[201, 409, 400])], bulk, 3, vec![0, 1], vec![2], None),
        (vec![items(&[201, 429])], bulk, 2, vec![0], vec![], Some(("429 mapper: bad", false))),
        (vec![items(&[503, 201])], bulk, 2, vec![1], vec![], Some(("503", false))),
        (vec![items(&[201])], bulk, 2, vec![], vec![], Some(("200", true))),
        (vec![answer(200, "<html>")], bulk, 1, vec![], vec![], Some(("<html>", true))),
        (vec![answer(429, "")], bulk, 1, vec![], vec![], Some(("429", false))),
        (vec![answer(503, "")], hook, 1, vec![], vec![], Some(("503", false))),
        (vec![answer(401, "who")], hook, 1, vec![], vec![], Some(("401 who", true))),
        (vec![answer(302, "")], hook, 1, vec![], vec![], Some(("302", true))),
        (vec![answer(204, "")], hook, 2, vec![0, 1], vec![], None),
        // The second of three is refused: the batch is halved until it is alone.
        (
            vec![
                answer(400, ""),
                answer(200, ""),
                answer(413, ""),
                answer(400, "no"),
                answer(200, ""),
            ],
            hook,
            3,
            vec![0, 2],
            vec![1],
            None,
        ),
        // Kept connections may close: the request goes out once more.
        (
            vec![answer(200, ""), String::new(), answer(200, "")],
            "webhook: {}\nbatch: 1",
            2,
            vec![0, 1],
            vec![],
            None,
        ),
        (vec![String::new()], hook, 1, vec![], vec![], Some(("closed the connection", false))),
        (
            vec!["HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nab".into()],
            hook,
            1,
            vec![],
            vec![],
            Some(("no answer for", false)),
        ),
        (vec!["+OK\r\n".into()], hook, 1, vec![], vec![], Some(("no answer of HTTP", false))),
        (
            vec![answer(200, &"x".repeat(2000))],
            "webhook: {}\nanswer-limit: 1 KiB",
            1,
            vec![],
            vec![],
            Some(("larger than 1024", false)),
        ),
    ];
    for (answers, yaml, count, delivered, refused, wanted) in rows {
        let shown = format!("{answers:?}").chars().take(200).collect::<String>();
        let (address, _requests) = serve(answers);
        let found = run(sink(yaml, &address).as_mut(), count);
        assert_eq!((found.0, found.1), (delivered, refused), "{shown}");
        let what = found.2.as_ref().map_or("", |trouble| &trouble.what);
        assert!(wanted.is_none_or(|(part, _)| what.contains(part)), "{shown}: {what}");
        assert_eq!(found.2.as_ref().map(|t| t.is_lasting), wanted.map(|w| w.1), "{shown}: {what}");
    }
}

#[test]
fn the_next_server_takes_over() {
    let (bad, _one) = serve(vec![answer(503, "")]);
    let (good, requests) = serve(vec![answer(200, "")]);
    let yaml = format!(
        "urls: ['http://127.0.0.1:1/', 'http://{bad}/', 'http://{good}/in']\nwebhook: {{}}\nbatch: 1"
    );
    let (delivered, _, trouble) = run(sink(&yaml, "").as_mut(), 1);
    assert_eq!((delivered, trouble), (vec![0], None));
    assert_eq!(requests.recv().unwrap().path, "/in");
}

#[test]
fn requests_say_who_we_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t");
    std::fs::write(&file, "tok\n").unwrap();
    let check = |yaml: &str, name: &str, value: Option<&str>| {
        let (address, requests) = serve(vec![answer(200, "{\"errors\":false}")]);
        assert_eq!(run(sink(yaml, &address).as_mut(), 1).0, [0], "{yaml}");
        let request = requests.recv().unwrap();
        assert_eq!(request.headers.get(name).map(String::as_str), value, "{yaml}");
    };
    let name = "authorization";
    check("bulk: {}", name, None);
    check("bulk: {}\nusername: u\npassword: p", name, Some("Basic dTpw"));
    check(&format!("webhook: {{}}\nbearer-file: {}", file.display()), name, Some("Bearer tok"));
    check("bulk: {}\napi-key: k", name, Some("ApiKey k"));
    check("hec: {token: t, channel: a-1}", name, Some("Splunk t"));
    check("hec: {token: t, channel: a-1}", "x-splunk-request-channel", Some("a-1"));
    check("webhook: {}\nheaders: {X-Org: me}", "x-org", Some("me"));
    check("webhook: {}\ngzip: true", "content-encoding", Some("gzip"));
    check("webhook: {format: array}", "content-type", Some("application/json"));
}

#[test]
fn bodies_are_what_they_say() {
    let (address, requests) = serve(vec![answer(200, "")]);
    run(sink("webhook: {format: array, secret: key}\ngzip: true", &address).as_mut(), 2);
    let request = requests.recv().unwrap();
    assert!(request.headers["x-bateleur-signature"].starts_with("sha256="));
    let mut text = String::new();
    flate2::read::GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).unwrap();
    let array: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!((array.len(), array[1]["n"].as_u64()), (2, Some(1)));
}

#[test]
fn hec_delivers_what_is_acknowledged() {
    let (address, requests) = serve(vec![
        answer(200, "{\"text\":\"Success\",\"code\":0,\"ackId\":7}"),
        answer(200, "{\"acks\":{\"7\":false}}"),
        answer(200, "{\"acks\":{\"7\":true}}"),
    ]);
    let yaml = "hec: {token: t, channel: a, ack: true, ack-interval: 10 ms, index: main}";
    let (delivered, _, trouble) = run(sink(yaml, &address).as_mut(), 1);
    assert_eq!((delivered, trouble), (vec![0], None));
    let event: serde_json::Value = serde_json::from_slice(&requests.recv().unwrap().body).unwrap();
    assert_eq!(event["time"].as_f64(), Some(1_468_449_727.5));
    assert_eq!((event["host"].as_str(), event["index"].as_str()), (Some("s"), Some("main")));
    assert_eq!(
        (event["event"]["n"].as_u64(), event["fields"]["sequence"].as_str()),
        (Some(0), Some("40"))
    );
    let question = requests.recv().unwrap();
    assert_eq!(question.path, "/services/collector/ack");
    assert_eq!(question.text(), "{\"acks\":[7]}");
    let (address, _requests) = serve(vec![answer(400, "{\"code\":6,\"invalid-event-number\":1}")]);
    let (_, refused, trouble) = run(sink("hec: {token: t}", &address).as_mut(), 3);
    assert_eq!((refused, trouble.map(|t| t.is_lasting)), (vec![1], Some(false)));
    let (address, _requests) = serve(vec![answer(403, "{\"code\":4}")]);
    assert!(run(sink("hec: {token: t}", &address).as_mut(), 1).2.unwrap().is_lasting);
}

/// Settles until something is delivered, whatever the sink says of its health.
fn wait(sink: &mut dyn Sink, count: usize) -> (Vec<(u64, u64)>, bool) {
    let batch = records(count);
    let all: Vec<_> = batch.records().collect();
    assert_eq!(sink.offer(&all, 0), Ok(count));
    let (mut settled, mut was_down) = (Settled::default(), false);
    let end = Instant::now() + Duration::from_secs(10);
    while settled.delivered.is_empty() && Instant::now() < end {
        sink.settle(Duration::from_millis(20), &mut settled).unwrap();
        was_down |= sink.health() != Health::Up;
    }
    (settled.delivered, was_down)
}

#[test]
fn a_busy_server_is_waited_for_as_long_as_it_asks() {
    let busy = "HTTP/1.1 429 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_owned();
    let (address, requests) = serve(vec![busy, answer(200, "")]);
    let mut sink = sink("webhook: {}", &address);
    let start = Instant::now();
    assert_eq!(wait(sink.as_mut(), 2), (vec![(0, 2)], true));
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!(sink.health(), Health::Up);
    assert_eq!(requests.try_iter().count(), 2, "nothing was sent while it was busy");
}

#[test]
fn hec_asks_all_servers_for_acknowledgements() {
    let one = || {
        serve(vec![answer(200, "{\"code\":0,\"ackId\":7}"), answer(200, "{\"acks\":{\"7\":true}}")])
    };
    let ((first, _one), (second, _two)) = (one(), one());
    let yaml = format!(
        "urls: ['http://{first}', 'http://{second}']\nbatch: 1\n\
         hec: {{token: t, channel: a, ack: true, ack-interval: 10 ms}}"
    );
    let (mut delivered, _, trouble) = run(sink(&yaml, "").as_mut(), 2);
    delivered.sort_unstable();
    assert_eq!((delivered, trouble), (vec![0, 1], None));
}

#[test]
fn hec_offers_again_what_a_server_has_forgotten() {
    let taken = || answer(200, "{\"code\":0,\"ackId\":0}");
    let (address, _requests) = serve(vec![taken(), taken()]);
    let yaml = "batch: 1\nhec: {token: t, channel: a, ack: true, ack-interval: 10 s}";
    let (delivered, _, trouble) = run(sink(yaml, &address).as_mut(), 2);
    assert_eq!(delivered, [] as [u64; 0]);
    assert!(trouble.is_some_and(|trouble| trouble.what.contains("begun anew")));
}

#[test]
fn a_new_token_is_taken_on_after_the_old_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t");
    std::fs::write(&file, "old\n").unwrap();
    for refusal in [401, 403] {
        let (address, requests) = serve(vec![answer(refusal, "who"), answer(200, "")]);
        let mut sink = http(&format!("webhook: {{}}\nbearer-file: {}", file.display()), &address);
        let (_, _, trouble) = run(&mut sink, 2);
        assert!(trouble.is_some_and(|trouble| trouble.is_lasting));
        std::fs::write(&file, "new\n").unwrap();
        // The wait of a quarter of a minute is over.
        sink.servers.praise(0);
        let mut settled = Settled::default();
        sink.settle(Duration::from_secs(5), &mut settled).unwrap();
        assert_eq!(settled.delivered, [(0, 2)], "{:?}", sink.health());
        let said: Vec<_> =
            requests.iter().take(2).map(|r| r.headers["authorization"].clone()).collect();
        assert_eq!(said, ["Bearer old", "Bearer new"]);
        std::fs::write(&file, "old\n").unwrap();
    }
}

#[test]
fn nothing_is_waited_for_at_the_end() {
    let (address, _requests) = serve(vec![answer(200, ""), answer(200, "")]);
    let mut sink = sink("webhook: {}\nlinger: 20 s", &address);
    let batch = records(3);
    let all: Vec<_> = batch.records().collect();
    let mut settled = Settled::default();
    assert_eq!(sink.offer(&all[..2], 0), Ok(2));
    sink.settle(Duration::from_millis(50), &mut settled).unwrap();
    assert!(settled.delivered.is_empty(), "more may come");
    sink.finish();
    sink.settle(Duration::from_secs(5), &mut settled).unwrap();
    assert_eq!(settled.delivered, [(0, 2)]);
    // What comes afterwards lingers again.
    assert_eq!(sink.offer(&all[2..], 2), Ok(1));
    sink.settle(Duration::from_millis(50), &mut settled).unwrap();
    assert_eq!(settled.delivered, [(0, 2)]);
}

#[test]
fn records_that_were_sent_again_are_counted() {
    let check = |answers: Vec<String>, yaml: &str, wanted: u64| {
        let shown = format!("{answers:?}");
        let (address, _requests) = serve(answers);
        let (second, _others) = serve(vec![answer(200, ""), answer(200, "")]);
        let urls = format!("urls: ['http://{address}', 'http://{second}']\n{yaml}");
        let mut sink = sink(&urls, "");
        let (delivered, _, trouble) = run(sink.as_mut(), 2);
        assert_eq!((delivered, trouble), (vec![0, 1], None), "{shown}");
        assert_eq!(sink.again(), wanted, "{shown}");
    };
    // Closed without an answer; no answer in time; half of one.
    check(vec![String::new()], "webhook: {}", 2);
    check(vec!["HTTP/1.1 200 x\r\n".into(), String::new()], "webhook: {}", 2);
    check(vec!["HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n".into()], "webhook: {}", 2);
    // One that says no has not taken them.
    check(vec![answer(503, "")], "webhook: {}", 0);
    check(vec![answer(400, ""), answer(200, ""), answer(200, "")], "webhook: {}", 0);
    // A kept connection that closes.
    let (address, _requests) = serve(vec![answer(200, ""), String::new(), answer(200, "")]);
    let mut sink = sink("webhook: {}\nbatch: 1", &address);
    assert_eq!(run(sink.as_mut(), 2).0, [0, 1]);
    assert_eq!(sink.again(), 1);
}

/// An address that answers nobody: its queue of connections is full. Who has it keeps it so.
fn blackhole() -> (String, Vec<Box<dyn Send>>) {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut all: Vec<Box<dyn Send>> = vec![Box::new(listener)];
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        all.push(Box::new(stream));
    }
    (address.to_string(), all)
}

#[test]
fn a_server_that_answers_nobody_does_not_stop_the_others() {
    let (nobody, _queue) = blackhole();
    let (good, _requests) = serve(vec![answer(200, ""); 6]);
    for connections in [1, 3] {
        let yaml = format!(
            "urls: ['http://{nobody}', 'http://{good}']\nwebhook: {{}}\nbatch: 1\n\
             timeout: 60 s\nconnections: {connections}"
        );
        let mut sink = sink(&yaml, "");
        let batch = records(3);
        let all: Vec<_> = batch.records().collect();
        let (mut settled, mut next) = (Settled::default(), 0);
        let start = Instant::now();
        while settled.delivered.iter().map(|(first, end)| end - first).sum::<u64>() < 3 {
            let before = Instant::now();
            next += sink.offer(&all[next..], next as u64).unwrap();
            sink.settle(Duration::from_millis(10), &mut settled).unwrap();
            assert!(before.elapsed() < Duration::from_millis(700), "it stood still");
            assert!(start.elapsed() < Duration::from_secs(10), "{settled:?}");
        }
        assert_eq!((sink.health(), sink.again()), (Health::Up, 0));
        // Nothing is left to wait for, though a connection is still being made.
        let before = Instant::now();
        sink.settle(Duration::from_secs(5), &mut settled).unwrap();
        assert!(before.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn answers_without_end_take_no_longer_than_others() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\nx\r\n").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let start = Instant::now();
    let (_, _, trouble) = run(sink("webhook: {}", &address).as_mut(), 1);
    assert!(trouble.is_some_and(|trouble| trouble.what.contains("no answer for 300ms")));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn settings_are_checked() {
    let check = |yaml: &str, part: &str| {
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        let error = settings.build(&Surroundings::default()).err().unwrap_or_default();
        assert!(error.contains(part), "{yaml}: {error}");
    };
    check("bulk: {}", "no address");
    check("urls: ['http://a']", "exactly one");
    check("urls: ['http://a']\nbulk: {}\nwebhook: {}", "exactly one");
    check("urls: ['http://a']\nbulk: {}\nusername: a", "go together");
    check("urls: ['http://a']\nbulk: {}\nbearer: a\napi-key: b", "more than one way");
    check("urls: ['http://a']\nhec: {}", "no token");
    check("urls: ['http://a']\nhec: {token: a, ack: true}", "needs a channel");
    check("urls: ['http://a']\nwebhook: {}\nheaders: {'a b': c}", "no name of a header");
    check("urls: ['http://a']\nwebhook: {}\nheaders: {Host: c}", "can't be a further header");
    check("urls: ['http://a']\nwebhook: {}\nheaders: {a: \"b\\nc\"}", "control characters");
    check("urls: ['http://a']\nwebhook: {}\ntls: {}", "no address begins");
    #[cfg(feature = "tls")]
    for (tls, part) in [
        ("ca: /nope.pem", "tls.ca: /nope.pem"),
        ("insecure: true, certificate: /nope.pem, key: /nope.key", "tls.certificate: /nope.pem"),
    ] {
        check(&format!("urls: ['https://a']\nwebhook: {{}}\ntls: {{{tls}}}"), part);
    }
    for (urls, part) in [("['a']", "begins with"), ("['http://a:x']", "no port"), ("[]", "no addr")]
    {
        let read = serde_saphyr::from_str::<Settings>(&format!("urls: {urls}\nbulk: {{}}"));
        let error = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(part) && error.contains("line 1"), "{urls}: {error}");
    }
}
