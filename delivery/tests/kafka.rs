//! The sink for Kafka against a real broker, which `bench/events/kafka` runs:
//! `bench/events/kafka cargo test -p delivery --features kafka --test kafka`.

use std::collections::HashMap;
use std::env;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use delivery::Delivery;
use delivery::network::Network;
use delivery::record::{Batch, Record};
use delivery::settings::{DeliverySettings, QUEUE};
use delivery::sink::{Health, Settled, Sink, Trouble};
use delivery::sinks::{SinkSettings, Surroundings};
use delivery::spool::SpoolSettings;
use serde_json::{Value, json};

const SENSOR: &str = "test-sensor";

/// One test at a time: one of them kills the broker.
static TURN: Mutex<()> = Mutex::new(());

/// Where the broker is; none without one, with a line that says so.
fn broker() -> Option<(String, MutexGuard<'static, ()>)> {
    let Ok(address) = env::var("BATELEUR_KAFKA") else {
        eprintln!("skipped: BATELEUR_KAFKA is not set (run it by bench/events/kafka)");
        return None;
    };
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Some((address, turn))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run it by bench/events/kafka"))
}

/// A topic of this run only.
fn topic(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

fn build(settings: Value, network: Network) -> Result<Box<dyn Sink>, String> {
    let kind: SinkSettings =
        serde_json::from_value(json!({ "kafka": settings })).expect("settings");
    let around = Surroundings {
        sensor: SENSOR.into(),
        name: "kafka".into(),
        network,
        ..Surroundings::default()
    };
    kind.build(&around)
}

/// A record as workers make them; `flow` decides on its partition.
fn text(worker: u16, sequence: u64, flow: u64) -> Vec<u8> {
    let port = 1024 + sequence % 50_000;
    format!(
        r#"{{"timestamp":"2026-01-02T03:04:05.{:06}+0000","flow_id":{flow},"in_iface":"eth0","event_type":"dns","src_ip":"192.0.2.{}","src_port":{port},"dest_ip":"198.51.100.7","dest_port":53,"proto":"UDP","pkt_src":"wire/pcap","dns":{{"version":3,"type":"request","tx_id":0,"id":{port},"flags":"100","rd":true,"opcode":0,"rcode":"NOERROR","queries":[{{"rrname":"host-{sequence}.example.org","rrtype":"A"}}]}},"test":"{worker}/{sequence}"}}"#,
        sequence % 1_000_000,
        sequence % 250,
    )
    .into_bytes()
}

/// Offers records as a publisher does, and says how many were delivered and which were refused.
struct Feeder {
    sink: Box<dyn Sink>,
    records: Vec<(u16, u64, Vec<u8>)>,
    taken: usize,
    delivered: Vec<bool>,
    refused: Vec<(u64, String)>,
}

impl Feeder {
    fn new(sink: Box<dyn Sink>, records: Vec<(u16, u64, Vec<u8>)>) -> Self {
        let delivered = vec![false; records.len()];
        Self { sink, records, taken: 0, delivered, refused: Vec::new() }
    }

    fn settled(&self) -> usize {
        self.delivered.iter().filter(|is_done| **is_done).count() + self.refused.len()
    }

    fn step(&mut self) -> Result<(), Trouble> {
        let end = self.records.len().min(self.taken + 2000);
        let batch: Vec<Record<'_>> = self.records[self.taken..end]
            .iter()
            .map(|(worker, sequence, bytes)| Record { worker: *worker, sequence: *sequence, bytes })
            .collect();
        if !batch.is_empty() {
            self.taken += self.sink.offer(&batch, self.taken as u64)?;
        }
        let mut settled = Settled::default();
        self.sink.settle(Duration::from_millis(20), &mut settled)?;
        for (first, end) in settled.delivered {
            for ticket in first..end {
                let slot = &mut self.delivered[usize::try_from(ticket).expect("fits")];
                assert!(!*slot, "ticket {ticket} is settled twice");
                *slot = true;
            }
        }
        self.refused.extend(settled.refused);
        Ok(())
    }

    /// As [`Self::step`]; after trouble that passes, all that is not settled is offered again.
    fn step_through(&mut self) {
        let Err(trouble) = self.step() else { return };
        assert!(!trouble.is_lasting, "{trouble}");
        self.sink.forget();
        self.records = (0..)
            .zip(std::mem::take(&mut self.records))
            .filter(|(at, _)| !self.delivered[*at])
            .map(|(_, record)| record)
            .collect();
        self.delivered = vec![false; self.records.len()];
        self.taken = 0;
        thread::sleep(Duration::from_millis(200));
    }

    /// Until all are settled.
    fn run(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        while self.settled() < self.records.len() {
            self.step().expect("no trouble");
            assert!(
                Instant::now() < end,
                "{} of {} are settled; health: {:?}",
                self.settled(),
                self.records.len(),
                self.sink.health()
            );
        }
    }

    /// Until the sink says that somebody has to mend something.
    fn run_into_lasting_trouble(&mut self) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            self.step().expect("connections are no trouble");
            if let Health::Down { trouble, .. } = self.sink.health()
                && trouble.is_lasting
            {
                assert_eq!(self.settled(), 0);
                eprintln!("{trouble}");
                return trouble.what;
            }
        }
        panic!("no lasting trouble; health: {:?}", self.sink.health());
    }
}

fn records(count: u64) -> Vec<(u16, u64, Vec<u8>)> {
    (0..count)
        .map(|at| {
            let (worker, sequence) = (u16::try_from(at % 4).expect("small"), at / 4);
            (worker, sequence, text(worker, sequence, at / 20))
        })
        .collect()
}

/// How often each (sensor, worker, sequence) is in a topic, by another client.
fn consume(broker: &str, topic: &str) -> HashMap<(String, u16, u64), u32> {
    let out = Command::new("kcat")
        .args(["-C", "-b", broker, "-t", topic, "-e", "-q", "-f", "%h\t%s\n"])
        .output()
        .expect("kcat runs: install the package kcat");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut seen = HashMap::new();
    for line in String::from_utf8(out.stdout).expect("text").lines() {
        let (headers, body) = line.split_once('\t').expect("headers and body");
        let headers: HashMap<&str, &str> =
            headers.split(',').map(|header| header.split_once('=').expect("a value")).collect();
        assert_eq!((headers["schema"], headers["event_type"]), ("1", "dns"));
        let (worker, sequence) = (headers["worker"], headers["sequence"]);
        assert!(body.ends_with(&format!(r#""test":"{worker}/{sequence}"}}"#)), "{line}");
        let key = (
            headers["sensor"].to_owned(),
            worker.parse().expect("number"),
            sequence.parse().expect("number"),
        );
        *seen.entry(key).or_default() += 1;
    }
    seen
}

#[track_caller]
fn check_none_lost_or_doubled(broker: &str, topic: &str, count: usize) {
    let seen = consume(broker, topic);
    let doubled = seen.values().filter(|times| **times > 1).count();
    let per_worker = count as u64 / 4;
    let lost = (0..4)
        .flat_map(|worker| (0..per_worker).map(move |sequence| (worker, sequence)))
        .filter(|(worker, sequence)| !seen.contains_key(&(SENSOR.to_owned(), *worker, *sequence)))
        .count();
    eprintln!("{topic}: {} records, {lost} lost, {doubled} doubled", seen.len());
    assert_eq!((seen.len(), lost, doubled), (count, 0, 0));
}

/// CPU time of this process in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let after = stat.rsplit_once(") ").expect("a name").1;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().expect("number")).sum();
    ticks / 100.0
}

#[test]
fn all_records_arrive_once_by_every_compression() {
    let Some((broker, _turn)) = broker() else { return };
    for compression in ["zstd", "lz4", "snappy", "gzip", "none"] {
        let count = if compression == "zstd" { 100_000 } else { 4_000 };
        let template = topic(&format!("{{event_type}}-{compression}"));
        let settings = json!({"brokers": [broker], "topic": template, "compression": compression});
        let mut feeder =
            Feeder::new(build(settings, Network::default()).expect("builds"), records(count));
        let (start, cpu) = (Instant::now(), cpu_seconds());
        feeder.run(Duration::from_secs(120));
        let (cpu, wall) = (cpu_seconds() - cpu, start.elapsed().as_secs_f64());
        assert_eq!(feeder.refused, []);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = count as f64 / cpu;
        eprintln!("{compression}: {count} records, {cpu:.2} CPU s, {wall:.2} s, {rate:.0}/CPU s");
        let named = template.replace("{event_type}", "dns");
        check_none_lost_or_doubled(&broker, &named, usize::try_from(count).expect("fits"));
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_the_broker_dies() {
    let Some((broker, _turn)) = broker() else { return };
    let supervisor = variable("BATELEUR_KAFKA_SUPERVISOR");
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &supervisor]).status().expect("kill runs");
        assert!(done.success());
    };
    let name = topic("killed");
    // A small queue, so that the broker dies while there is more to come.
    let settings = json!({"brokers": [broker], "topic": name, "queue-records": 5000,
        "batch-records": 200, "linger": "1 ms"});
    let mut feeder =
        Feeder::new(build(settings, Network::default()).expect("builds"), records(100_000));
    while feeder.settled() < 20_000 {
        feeder.step().expect("no trouble");
    }
    signal("-USR1");
    let dead = Instant::now();
    let mut was_down = false;
    while dead.elapsed() < Duration::from_secs(22) {
        feeder.step().expect("a dead broker is no trouble");
        was_down |= matches!(feeder.sink.health(), Health::Down { .. });
    }
    assert!(was_down, "health tells of it");
    let unsettled = feeder.records.len() - feeder.settled();
    eprintln!("broker dead for 22 s with {unsettled} records to go: {:?}", feeder.sink.health());
    assert!(unsettled > 10_000, "it died in the middle");
    signal("-USR2");
    feeder.run(Duration::from_secs(120));
    assert_eq!((feeder.refused.len(), feeder.sink.health()), (0, Health::Up));
    check_none_lost_or_doubled(&broker, &name, 100_000);
}

#[test]
fn a_topic_that_makes_itself_is_waited_for_after_brokers_were_away() {
    let Some((broker, _turn)) = broker() else { return };
    let supervisor = variable("BATELEUR_KAFKA_SUPERVISOR");
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &supervisor]).status().expect("kill runs");
        assert!(done.success());
    };
    let name = topic("late");
    signal("-USR1");
    let settings = json!({"brokers": [broker], "topic": name});
    let mut feeder =
        Feeder::new(build(settings, Network::default()).expect("builds"), records(3000));
    let dead = Instant::now();
    // Longer than librdkafka waits for a topic.
    while dead.elapsed() < Duration::from_secs(35) {
        feeder.step().expect("a dead broker is no trouble");
    }
    assert_eq!(feeder.settled(), 0);
    signal("-USR2");
    let back = Instant::now();
    while feeder.settled() < feeder.records.len() {
        feeder.step_through();
        assert!(back.elapsed() < Duration::from_secs(120), "health: {:?}", feeder.sink.health());
    }
    assert_eq!(feeder.refused, []);
    check_none_lost_or_doubled(&broker, &name, 3000);
}

#[test]
fn workers_are_not_held_while_the_broker_is_dead() {
    let Some((broker, _turn)) = broker() else { return };
    let supervisor = variable("BATELEUR_KAFKA_SUPERVISOR");
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &supervisor]).status().expect("kill runs");
        assert!(done.success());
    };
    let folder = tempfile::tempdir().expect("a folder");
    let kafka = json!({"kafka": {"brokers": [broker], "topic": topic("held")}});
    let settings = DeliverySettings {
        queue: QUEUE,
        spool: SpoolSettings { directory: folder.path().join("spool"), ..SpoolSettings::default() },
        sinks: vec![serde_json::from_value(kafka).expect("settings")],
        ..DeliverySettings::default()
    };
    let delivery =
        Delivery::prepare(&settings, SENSOR).expect("settings").start(1, || {}).expect("it starts");
    let (queue, figures) = (delivery.queue(), delivery.figures());
    let lines: Vec<u8> =
        records(20).into_iter().flat_map(|(_, _, text)| [text, vec![b'\n']].concat()).collect();
    let mut first = delivery.first_sequence(0);
    let start = Instant::now();
    let mut turn = 0;
    // Batches of 20 records, 500 a second: as a live worker brings them.
    while start.elapsed() < Duration::from_secs(20) {
        match turn {
            2000 => signal("-USR1"),
            7000 => signal("-USR2"),
            _ => {}
        }
        turn += 1;
        let begin = Instant::now();
        let mut bytes = queue.buffer();
        bytes.extend_from_slice(&lines);
        queue.offer(Batch { worker: 0, first, bytes });
        queue.figures().held.add(begin.elapsed(), 1);
        first += 20;
        std::thread::sleep((Duration::from_millis(2) * turn).saturating_sub(start.elapsed()));
    }
    assert!(turn > 7000, "the broker was dead and is back");
    let held = queue.figures().held.quantile(0.99);
    let made = queue.figures().offered.get();
    eprintln!("{turn} batches, {made} records, p99 at most {held:?} us");
    assert!(held.is_some_and(|us| us <= 1000), "{held:?}");
    assert!(delivery.stop(Duration::from_secs(120)), "all is delivered");
    assert_eq!((figures.sinks[0].delivered.get(), queue.figures().shed.total()), (made, 0));
}

#[test]
fn only_records_that_are_too_large_are_refused() {
    let Some((broker, _turn)) = broker() else { return };
    // The topic takes no batch of more than 2000 bytes: good records share batches that do not go.
    let settings = json!({"brokers": [broker], "topic": "small", "compression": "none",
        "linger": "100 ms"});
    let mut all = records(40);
    let large = all[17].2.clone();
    all[17].2 = [large.as_slice(), &vec![b' '; 5000]].concat();
    let mut feeder = Feeder::new(build(settings, Network::default()).expect("builds"), all);
    feeder.run(Duration::from_secs(60));
    assert_eq!(feeder.refused.len(), 1, "{:?}", feeder.refused);
    let (ticket, why) = &feeder.refused[0];
    eprintln!("{why}");
    assert!(*ticket == 17 && why.contains("max.message.bytes") && why.contains("small"), "{why}");
    let seen = consume(&broker, "small");
    assert!(seen.len() == 39 && seen.values().all(|times| *times == 1), "{seen:?}");
    let huge = json!({"brokers": [broker], "topic": topic("huge")});
    let too_large = vec![(0, 0, vec![b'x'; 2_000_000])];
    let mut feeder = Feeder::new(build(huge, Network::default()).expect("builds"), too_large);
    feeder.run(Duration::from_secs(30));
    assert!(feeder.refused[0].1.contains("message.max.bytes"), "{:?}", feeder.refused);
}

#[test]
fn passwords_prove_who_we_are() {
    let Some((broker, _turn)) = broker() else { return };
    let name = topic("sasl");
    let settings = |mechanism: &str, password: &str| {
        json!({"brokers": [variable("BATELEUR_KAFKA_SASL")], "topic": name,
            "sasl": {"mechanism": mechanism, "username": "sensor", "password": password}})
    };
    let feeder =
        |settings| Feeder::new(build(settings, Network::default()).expect("builds"), records(400));
    feeder(settings("scram-sha-512", "secret")).run(Duration::from_secs(30));
    check_none_lost_or_doubled(&broker, &name, 400);
    let why = feeder(settings("scram-sha-512", "wrong")).run_into_lasting_trouble();
    assert!(why.contains("sasl.password") && !why.contains("wrong"), "{why}");
    let why = feeder(settings("scram-sha-256", "secret")).run_into_lasting_trouble();
    assert!(why.contains("sasl.mechanism"), "{why}");
    let mut nobody = settings("plain", "");
    nobody.as_object_mut().expect("an object").remove("sasl");
    // What the broker says to strangers depends on its version; that nothing goes is always told.
    let mut stranger = feeder(nobody);
    let end = Instant::now() + Duration::from_secs(30);
    let why = loop {
        stranger.step().expect("connections are no trouble");
        match stranger.sink.health() {
            Health::Down { trouble, .. } => break trouble.what,
            Health::Up => assert!(Instant::now() < end, "nothing is told"),
        }
    };
    assert!(why.contains("tls and sasl"), "{why}");
}

#[test]
fn certificates_prove_who_both_are() {
    let Some((broker, _turn)) = broker() else { return };
    let files = variable("BATELEUR_KAFKA_FILES");
    let name = topic("tls");
    let settings = |ca: &str, client: Option<&str>| {
        let mut tls = json!({ "ca": format!("{files}/{ca}.pem") });
        if let Some(client) = client {
            tls["certificate"] = format!("{files}/{client}.pem").into();
            tls["key"] = format!("{files}/{client}.key").into();
        }
        json!({"brokers": [variable("BATELEUR_KAFKA_TLS")], "topic": name, "tls": tls})
    };
    let feeder =
        |settings| Feeder::new(build(settings, Network::default()).expect("builds"), records(400));
    feeder(settings("ca", Some("client"))).run(Duration::from_secs(30));
    check_none_lost_or_doubled(&broker, &name, 400);
    let why = feeder(settings("stranger-ca", Some("client"))).run_into_lasting_trouble();
    assert!(why.contains("tls.ca"), "{why}");
    let why = feeder(settings("ca", Some("stranger"))).run_into_lasting_trouble();
    assert!(why.contains("tls.certificate"), "{why}");
    let why = feeder(settings("ca", None)).run_into_lasting_trouble();
    assert!(why.contains("tls.certificate"), "{why}");
    let no_certificate = build(settings("client.key", None), Network::default());
    assert!(no_certificate.is_err());
    let broken = json!({"brokers": [broker], "tls": {"ca": format!("{files}/broker.log")}});
    let error = build(broken, Network::default()).err().expect("refused");
    eprintln!("{error}");
    assert!(error.contains("tls.ca"), "{error}");
}

#[test]
fn connections_are_made_on_the_event_network() {
    let Some((broker, _turn)) = broker() else { return };
    let network = Network {
        source_address: vec!["127.0.0.9".parse().expect("address")],
        ..Network::default()
    };
    let settings =
        json!({"brokers": [broker], "topic": topic("source"), "statistics-interval": "1 s"});
    let mut feeder = Feeder::new(build(settings, network).expect("builds"), records(400));
    feeder.run(Duration::from_secs(30));
    // As the kernel writes 127.0.0.9, on our side of a connection.
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("procfs");
    let port: u16 = broker.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let remote = format!("0100007F:{port:04X}");
    assert!(table.lines().any(|line| line.contains("0900007F:") && line.contains(&remote)));
    let mut counters = HashMap::new();
    let end = Instant::now() + Duration::from_secs(10);
    while counters.get("sent_records") != Some(&400) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
        feeder.step().expect("no trouble");
        feeder.sink.counters(&mut |name, value| {
            counters.insert(name.to_owned(), value);
        });
    }
    assert_eq!((counters["sent_records"], counters["broker_1_up"]), (400, 1), "{counters:?}");
    let none = Network { interface: Some("no-such-0".into()), ..Network::default() };
    let settings = json!({"brokers": [broker], "topic": topic("source")});
    let mut feeder = Feeder::new(build(settings, none).expect("builds"), records(4));
    let end = Instant::now() + Duration::from_secs(20);
    let is_told = |health: Health| match health {
        Health::Down { trouble, .. } => trouble.what.contains("events.interface no-such-0"),
        Health::Up => false,
    };
    while !is_told(feeder.sink.health()) {
        feeder.step().expect("no trouble");
        assert!(Instant::now() < end, "{:?}", feeder.sink.health());
    }
}
