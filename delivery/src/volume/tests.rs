//! Volume control as a whole: nothing goes without a trace, alerts stay unless it was said, and
//! weights make estimates without bias.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn volume(settings: &str) -> Volume {
    let settings: VolumeSettings = serde_saphyr::from_str(settings).unwrap();
    settings.build().unwrap().expect("something is to be done")
}

/// A time of microseconds since 1970 as records write it.
fn timestamp(time: u64) -> String {
    let (second, rest) = (time / 1_000_000, time % 1_000_000);
    let (minute, second) = (second / 60, second % 60);
    format!("1970-01-01T{:02}:{:02}:{second:02}.{rest:06}+0000", minute / 60, minute % 60)
}

/// What a record is made from.
#[derive(Clone, Debug)]
struct Event {
    kind: &'static str,
    worker: u16,
    /// Microseconds.
    time: u64,
    flow: u64,
    key: u64,
}

fn text(event: &Event) -> String {
    let mut record = json!({
        "timestamp": timestamp(event.time), "flow_id": event.flow, "event_type": event.kind,
        "src_ip": format!("192.0.2.{}", event.key), "dest_ip": "198.51.100.1", "dest_port": 80,
        "proto": "TCP", "app_proto": "http",
    });
    match event.kind {
        "alert" => record["alert"] = json!({"gid": 1, "signature_id": event.key % 3}),
        "flow" => {
            record["flow"] = json!({
                "pkts_toserver": event.flow % 7, "pkts_toclient": 1,
                "bytes_toserver": event.flow, "bytes_toclient": event.key,
                "start": timestamp(event.time.saturating_sub(event.flow * 1000)),
                "end": timestamp(event.time), "age": 0, "alerted": false,
            });
        }
        _ => {}
    }
    record.to_string()
}

/// Events as batches of their workers, and the records by worker and number.
fn batches(events: &[Event]) -> (Vec<Batch>, BTreeMap<(u16, u64), String>) {
    let mut batches: Vec<Batch> = Vec::new();
    let mut next: BTreeMap<u16, u64> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for event in events {
        let sequence = next.entry(event.worker).or_insert(100);
        let line = text(event);
        let is_new = batches.last().is_none_or(|last| last.worker != event.worker);
        if is_new || event.flow.is_multiple_of(5) {
            batches.push(Batch { worker: event.worker, first: *sequence, bytes: Vec::new() });
        }
        let last = batches.last_mut().unwrap();
        last.bytes.extend_from_slice(line.as_bytes());
        last.bytes.push(b'\n');
        all.insert((event.worker, *sequence), line);
        *sequence += 1;
    }
    (batches, all)
}

fn run(volume: &mut Volume, batches: Vec<Batch>) -> Vec<(u16, u64, Value)> {
    let now = Instant::now();
    let mut out = Vec::new();
    let mut rest = batches.into_iter();
    loop {
        let some: Vec<Batch> = rest.by_ref().take(3).collect();
        if some.is_empty() {
            break;
        }
        out.extend(volume.apply(some, now));
        assert!(volume.spent().count() <= 3);
    }
    out.extend(volume.finish());
    let read = |record: Record<'_>| {
        let value = serde_json::from_slice(record.bytes).expect("records stay JSON");
        (record.worker, record.sequence, value)
    };
    out.iter().flat_map(Batch::records).map(read).collect()
}

fn any_event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![Just("alert"), Just("http"), Just("dns"), Just("flow"), Just("tls")];
    (kind, 0u16..3, 0u64..200_000_000, 0u64..30, 0u64..4)
        .prop_map(|(kind, worker, time, flow, key)| Event { kind, worker, time, flow, key })
}

/// Mostly in order, as records are.
fn any_events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 0..300).prop_map(|mut events| {
        let order: Vec<u64> = {
            let mut times: Vec<u64> = events.iter().map(|event| event.time).collect();
            times.sort_unstable();
            times
        };
        for (at, (event, time)) in events.iter_mut().zip(order).enumerate() {
            // Every eleventh comes at the wrong time.
            event.time = if at % 11 == 10 { event.time } else { time };
        }
        events
    })
}

const EVERYTHING: &str = "\
budgets: {http: {rate: 1/s, burst: 3, over: sample}, tls: {rate: 1/s, burst: 2}, flow: {rate: 1/s}}
sample: {dns: 1/3, http: 1/2}
fold-alerts: {within: 20 s, keys: 3}
fold-flows: {within: 30 s}
";

proptest! {
    #[test]
    fn the_balance_is_exact(events in any_events()) {
        let mut volume = volume(EVERYTHING);
        let (batches, all) = batches(&events);
        let out = run(&mut volume, batches);
        let figures = volume.figures();
        let gone: u64 = figures.totals().iter().sum();
        prop_assert_eq!(out.len() as u64 + gone, all.len() as u64);
        prop_assert_eq!(figures.held.get(), 0);
        // By type as well, and folded ones say how many they are.
        for one in &figures.types {
            let of_type = |value: &Value| value["event_type"] == one.name.as_str();
            let offered = events.iter().filter(|event| event.kind == one.name).count() as u64;
            let left: Vec<_> = out.iter().filter(|(_, _, value)| of_type(value)).collect();
            let counts = [&one.sampled, &one.over_budget, &one.folded].map(|count| count.get());
            prop_assert_eq!(left.len() as u64 + counts.iter().sum::<u64>(), offered, "{}", one.name);
            if counts[1] == 0 {
                let more = |value: &Value| value["folded"]["count"].as_u64().unwrap_or(1) - 1;
                let said: u64 = left.iter().map(|(_, _, value)| more(value)).sum();
                prop_assert_eq!(said, counts[2], "{}", one.name);
            }
        }
        // Nothing comes twice, and what says nothing of itself is as it was.
        let mut seen = std::collections::HashSet::new();
        for (worker, sequence, value) in &out {
            prop_assert!(seen.insert((*worker, *sequence)));
            let mut plain = value.clone();
            let object = plain.as_object_mut().unwrap();
            object.remove("sample_weight");
            let is_sum = object.remove("folded").is_some() && value["event_type"] == "flow";
            let was: Value = serde_json::from_str(&all[&(*worker, *sequence)]).unwrap();
            if is_sum {
                plain["flow"] = was["flow"].clone();
            }
            prop_assert_eq!(plain, was);
        }
    }

    #[test]
    fn alerts_are_untouched_unless_told(events in any_events()) {
        let mut volume = volume(
            "budgets: {http: {rate: 1/h}, flow: {rate: 1/h, over: sample}}\n\
             sample: {dns: 1/100, tls: 1/100}\nfold-flows: {}\n",
        );
        let (batches, all) = batches(&events);
        let alerts: Vec<_> = batches.iter().flat_map(Batch::records)
            .filter(|record| record.is_alert())
            .map(|record| (record.worker, record.sequence, all[&(record.worker, record.sequence)].clone()))
            .collect();
        let out = volume.apply(batches, Instant::now());
        let left: Vec<_> = out.iter().flat_map(Batch::records)
            .filter(|record| record.is_alert())
            .map(|record| (record.worker, record.sequence, String::from_utf8_lossy(record.bytes).into_owned()))
            .collect();
        prop_assert_eq!(left, alerts);
    }

    #[test]
    fn folded_flows_have_the_sums_of_all(events in any_events()) {
        let mut volume = volume("fold-flows: {within: 40 s}");
        let (batches, all) = batches(&events);
        let out = run(&mut volume, batches);
        let sums = |records: &mut dyn Iterator<Item = Value>| {
            let mut sums: BTreeMap<String, [u64; 4]> = BTreeMap::new();
            for value in records.filter(|value| value["event_type"] == "flow") {
                let of = |key: &str| value["flow"][key].as_u64().unwrap();
                let sum = sums.entry(value["src_ip"].to_string()).or_default();
                let keys = ["pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient"];
                sum.iter_mut().zip(keys).for_each(|(sum, key)| *sum += of(key));
            }
            sums
        };
        let before = sums(&mut all.values().map(|text| serde_json::from_str(text).unwrap()));
        prop_assert_eq!(sums(&mut out.iter().map(|(_, _, value)| value.clone())), before);
        for (_, _, value) in out.iter().filter(|(_, _, value)| value["event_type"] == "flow") {
            let is_more = value["folded"]["count"].as_u64().is_some_and(|count| count > 1);
            prop_assert!(is_more || value.get("folded").is_none(), "{}", value);
        }
    }
}

/// What the weights of a type make of what is left.
fn estimate(out: &[(u16, u64, Value)], kind: &str) -> f64 {
    let stands_for = |value: &Value| {
        let weight = value["sample_weight"].as_u64().unwrap_or(1);
        weight * value["folded"]["count"].as_u64().unwrap_or(1)
    };
    let of_kind = out.iter().filter(|(_, _, value)| value["event_type"] == kind);
    of_kind.map(|(_, _, value)| stands_for(value)).sum::<u64>() as f64
}

#[test]
fn weights_estimate_totals_without_bias() {
    // Bursts of many per second, over and over: levels go up and down. One heavy flow is in it.
    let per_run: u64 = 2000;
    let (mut budget, mut sample, mut both, mut left) = (0.0, 0.0, 0.0, 0);
    let runs = 60;
    for number in 0..runs {
        let mut volume = volume(
            "budgets: {http: {rate: 10/s, burst: 10, over: sample}, tls: {rate: 20/s, burst: 20, over: sample}}\n\
             sample: {dns: 1/10, tls: 1/4}\n",
        );
        let mut events = Vec::new();
        for at in 0..per_run {
            let time = at / 500 * 10_000_000 + at % 500 * 4000;
            let flow = if at % 3 == 0 { 7 } else { number * per_run + at };
            for kind in ["http", "dns", "tls"] {
                // Flows that are all alike would make one choice of many.
                let flow = if kind == "http" { flow } else { number * per_run + at };
                events.push(Event { kind, worker: (number % 3) as u16, time, flow, key: 0 });
            }
        }
        let (mut batches, _) = batches(&events);
        batches.iter_mut().for_each(|batch| batch.first += number * 1_000_000);
        let out = run(&mut volume, batches);
        budget += estimate(&out, "http");
        sample += estimate(&out, "dns");
        both += estimate(&out, "tls");
        left += out.iter().filter(|(_, _, value)| value["event_type"] == "http").count();
    }
    let total = (per_run * runs) as f64;
    for (name, estimate, tolerance) in
        [("budget", budget, 0.04), ("sample", sample, 0.05), ("both", both, 0.06)]
    {
        let off = (estimate - total).abs() / total;
        assert!(off < tolerance, "{name}: {estimate} of {total}");
    }
    // Four bursts of 2 seconds and 8 of rest: at most about 4 * (2 * burst + 2 s * rate) a run.
    assert!(left as u64 <= runs * 4 * 42, "{left} is more than the budget");
    assert!(left as u64 >= runs * 4 * 20, "{left} is less than the budget");
}

#[test]
fn records_of_a_flow_stay_together_with_their_weight() {
    let mut volume = volume("sample: {dns: 1/4}");
    let event = |at: u64| Event { kind: "dns", worker: 0, time: at, flow: at % 50, key: 0 };
    let events: Vec<Event> = (0..500).map(event).collect();
    let (batches, _) = batches(&events);
    let out = run(&mut volume, batches);
    let mut flows: BTreeMap<u64, u64> = BTreeMap::new();
    for (_, _, value) in &out {
        assert_eq!(value["sample_weight"], 4);
        *flows.entry(value["flow_id"].as_u64().unwrap()).or_default() += 1;
    }
    assert!(flows.values().all(|count| *count == 10), "{flows:?}");
    assert!((5..=20).contains(&flows.len()), "{}", flows.len());
}

#[test]
fn what_nothing_is_done_about_is_not_copied() {
    let mut volume = volume("sample: {dns: 1/1000000000}");
    let http = Event { kind: "http", worker: 0, time: 0, flow: 1, key: 0 };
    let (batches, _) = batches(&[http.clone(), http]);
    let place = batches[0].bytes.as_ptr();
    let out = volume.apply(batches, Instant::now());
    assert_eq!((out.len(), out[0].bytes.as_ptr()), (1, place));
    assert_eq!(volume.spent().count(), 0);
    // What is no record passes, too.
    for odd in ["{\"event_type\":\"dns\"\n", "x\n", "\n"] {
        let batch = Batch { worker: 0, first: 9, bytes: odd.as_bytes().to_vec() };
        assert_eq!(volume.apply(vec![batch.clone()], Instant::now()), [batch]);
    }
}

#[test]
fn duplicates_come_out_when_nothing_more_comes() {
    let mut volume = volume("fold-alerts: {within: 10 s}");
    let alert = |worker: u16, time: u64| Event { kind: "alert", worker, time, flow: 1, key: 1 };
    let (batches, _) = batches(&[alert(0, 1), alert(1, 2), alert(2, 3), alert(1, 4)]);
    let now = Instant::now();
    let first = volume.apply(batches, now);
    assert_eq!(first.iter().map(Batch::count).sum::<u64>(), 1);
    assert_eq!(volume.figures().held.get(), 3);
    assert!(volume.apply(Vec::new(), now + Duration::from_secs(9)).is_empty());
    let late = volume.apply(Vec::new(), now + Duration::from_secs(10));
    let [batch] = late.as_slice() else { panic!("{late:?}") };
    let record: Value = serde_json::from_slice(&batch.bytes).unwrap();
    assert_eq!((batch.worker, batch.first), (1, 101), "the last one's");
    assert_eq!(record["folded"]["count"], 3);
    assert_eq!(record["folded"]["first"], timestamp(2));
    assert_eq!(record["folded"]["last"], timestamp(4));
    assert_eq!((volume.figures().held.get(), volume.figures().totals()), (0, [0, 0, 2]));
}

#[test]
fn an_older_capture_behind_a_newer_one_has_its_budget() {
    let mut volume = volume("budgets: {http: {rate: 10/s, burst: 10}}\nfold-alerts: {}");
    let hour = 3_600_000_000;
    let http = |time: u64| Event { kind: "http", worker: 0, time, flow: 1, key: 0 };
    let newer = (0..100).map(|at| http(2 * hour + at * 1_000_000));
    let older = (0..3000).map(|at| http(at * 1_000_000));
    let events: Vec<Event> = newer.chain(older).collect();
    let (batches, _) = batches(&events);
    let out = run(&mut volume, batches);
    // What comes until it is sure that the clock was set back shares a burst.
    assert!((2100..=2112).contains(&out.len()), "{}", out.len());
}
