//! `bateleur doctor`: where frames and events went, and what to do about those that were lost.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::control::client;

/// Arguments of `doctor`.
#[derive(Clone, Debug, Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["control", "events"])))]
pub(super) struct DoctorArguments {
    /// Control socket of a running sensor.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// A file of records with statistics; the last one counts.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Print the terms as JSON.
    #[arg(long)]
    json: bool,
}

/// A term of a balance: the counter, what it says, and the knob to turn if it is not 0.
struct Term {
    counter: &'static str,
    says: &'static str,
    knob: &'static str,
}

const fn term(counter: &'static str, says: &'static str, knob: &'static str) -> Term {
    Term { counter, says, knob }
}

/// What comes in, and where it goes.
struct Balance {
    name: &'static str,
    whole: Term,
    parts: &'static [Term],
    /// What is left when all parts are taken off.
    rest: &'static str,
}

const FRAMES: Balance = Balance {
    name: "frames",
    whole: term("capture.wire", "on the wire", ""),
    parts: &[
        term("capture.inspected", "inspected", ""),
        term("capture.filtered", "refused by the filter", ""),
        term(
            "capture.shunted",
            "of flows that need no inspection, counted in the NIC's program",
            "",
        ),
        term(
            "capture.shed",
            "shed with their whole flows",
            "raise the share that is kept, or add workers",
        ),
        term("capture.excluded", "of excluded networks", ""),
        term(
            "capture.empty_slot",
            "of queues without a socket",
            "give every queue of the interface to the sensor",
        ),
        term(
            "capture.nic_drops",
            "lost in the NIC",
            "more and longer queues: `bateleur plan --apply`; check the MTU",
        ),
        term(
            "capture.no_memory",
            "lost for lack of free memory",
            "more --chunks, or a worker that keeps up",
        ),
        term(
            "capture.ring_full",
            "lost because a ring was full",
            "a longer --ring (af-packet: more blocks), more --workers",
        ),
        term(
            "capture.hand_over_full",
            "lost on the way to the worker of their flow",
            "a longer --hand-over; RSS that spreads as the workers do",
        ),
        term(
            "capture.invalid",
            "with senseless descriptions",
            "report it: that is a fault of driver or sensor",
        ),
    ],
    rest: "in rings at the moment, or lost without a counter",
};

const EVENTS: Balance = Balance {
    name: "events",
    whole: term("events.made", "made", ""),
    parts: &[
        term("events.written", "written", ""),
        term("events.delivered_only", "delivered and in no file", ""),
        term("events.unwritten", "lost because a file could not be written", "room on its disk"),
        term(
            "events.shed",
            "lost because the writer did not keep up",
            "a faster disk, or fewer kinds of records",
        ),
    ],
    rest: "on their way",
};

const DELIVERY: Balance = Balance {
    name: "delivery",
    whole: term("events.queue.offered", "offered to the sinks", ""),
    parts: &[
        term("events.spool.appended", "in the spool", ""),
        term("events.volume.sampled", "left out by events.volume.sample", ""),
        term("events.volume.over_budget", "left out by events.volume.budgets", ""),
        term("events.volume.folded", "told by other records (events.volume.fold-…)", ""),
        term("events.volume.held", "held to be folded", ""),
        term(
            "events.queue.shed",
            "lost because the spool did not keep up",
            "a faster disk for events.spool.directory, a larger events.queue",
        ),
        term(
            "events.spool.shed",
            "refused by the spool, which is full or cannot be written",
            "a larger events.spool.limit, room on its disk, receivers that keep up",
        ),
    ],
    rest: "in the queue",
};

/// What is wrong with interfaces.
const INTERFACES: [Term; 2] = [
    term("capture.down", "down or gone: frames are missing", "`ip link show`; cable, port, driver"),
    term(
        "capture.stranded",
        "gone, and not captured from if they come back",
        "start the sensor anew once they are there",
    ),
];

/// What limits of memory turned away, with the keys of `sensor.yaml`.
const LIMITS: [Term; 5] = [
    term("flow.memcap", "packets without a flow", "raise limits.flow-memory"),
    term("tcp.ssn_memcap_drop", "TCP sessions not looked into", "raise limits.stream-memory"),
    term("tcp.segment_memcap_drop", "TCP segments not kept", "raise limits.reassembly-memory"),
    term(
        "defrag.max_trackers_reached",
        "fragments of packets that found no room",
        "raise limits.fragment-memory",
    ),
    term(
        "defrag.max_frags_reached",
        "fragments that found no room",
        "raise limits.fragment-memory",
    ),
];

/// What each sink lost.
const LOST_BY_SINKS: [Term; 2] = [
    term(
        "refused",
        "refused by its receiver for good",
        "the reasons are in refused-NAME.json of the spool's folder",
    ),
    term(
        "missed",
        "gone from the spool before it took them",
        "a larger events.spool.limit, a longer events.spool.age, a receiver that keeps up",
    ),
];

const REPLAY: &str = "these are statistics of a replay: nothing was captured";

pub(super) fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    let counters = match (&arguments.control, &arguments.events) {
        (Some(path), _) => client::ask(path, "dump-counters", None)?,
        (None, Some(path)) => last_record(path)?,
        (None, None) => bail!("say where counters are: --control PATH or --events FILE"),
    };
    let text = if arguments.json { as_json(&counters) } else { as_text(&counters) };
    // Whoever closed the pipe does not want it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(if is_well(&counters) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// True when nothing was lost and nothing is missing.
fn is_well(counters: &Value) -> bool {
    let parts = [FRAMES, EVENTS, DELIVERY].into_iter().flat_map(|balance| balance.parts);
    let mut terms = parts.chain(&INTERFACES).chain(&LIMITS);
    !terms.any(|term| !term.knob.is_empty() && value(counters, term) > 0)
        && lost_by_sinks(counters).is_empty()
}

/// Balances of which there are counters: a replay captures nothing, and not every sensor delivers.
fn balances(counters: &Value) -> impl Iterator<Item = &'static Balance> {
    let is_there = |balance: &&Balance| match balance.name {
        "frames" => !is_of_replay(counters),
        _ => find(counters, balance.whole.counter).is_some(),
    };
    [&FRAMES, &EVENTS, &DELIVERY].into_iter().filter(is_there).collect::<Vec<_>>().into_iter()
}

fn is_of_replay(counters: &Value) -> bool {
    counters.get("capture").is_none()
}

/// Sinks that lost records: the name, what it is, how many.
fn lost_by_sinks(counters: &Value) -> Vec<(&str, &'static Term, u64)> {
    let sinks = counters.get("sinks").and_then(Value::as_object).into_iter().flatten();
    let terms = sinks.flat_map(|(name, sink)| {
        LOST_BY_SINKS.iter().map(move |term| (name.as_str(), term, value(sink, term)))
    });
    terms.filter(|(_, _, count)| *count > 0).collect()
}

fn find<'a>(counters: &'a Value, name: &str) -> Option<&'a Value> {
    name.split('.').try_fold(counters, |node, key| node.get(key))
}

fn value(counters: &Value, term: &Term) -> u64 {
    find(counters, term.counter).and_then(Value::as_u64).unwrap_or(0)
}

fn rest(counters: &Value, balance: &Balance) -> u64 {
    let parts: u64 = balance.parts.iter().map(|part| value(counters, part)).sum();
    value(counters, &balance.whole).saturating_sub(parts)
}

/// Records that were given up, by their type.
fn shed_by_type(counters: &Value) -> impl Iterator<Item = (String, u64)> {
    let types = counters["events"]["shed_by_type"].as_object().into_iter().flatten();
    types.filter_map(|(kind, count)| Some((kind.clone(), count.as_u64()?)))
}

fn as_text(counters: &Value) -> String {
    let mut out = String::new();
    if is_of_replay(counters) {
        let _ = writeln!(out, "{REPLAY}");
    }
    for balance in balances(counters) {
        let whole = value(counters, &balance.whole);
        let _ = writeln!(out, "{:<8}{whole:>16}  {}", balance.name, balance.whole.says);
        for part in balance.parts {
            let count = value(counters, part);
            if count == 0 && part.counter != "capture.inspected" {
                continue;
            }
            let share = count as f64 * 100.0 / whole.max(1) as f64;
            let _ = writeln!(out, "        {count:>16}  {} ({share:.2} %)", part.says);
            if !part.knob.is_empty() {
                let _ = writeln!(out, "        {:>16}    -> {}", "", part.knob);
            }
            if part.counter == "events.shed" {
                for (kind, count) in shed_by_type(counters) {
                    let _ = writeln!(out, "        {count:>16}    {kind}");
                }
            }
        }
        let left = rest(counters, balance);
        let _ = writeln!(out, "        {left:>16}  {}", balance.rest);
    }
    sinks(counters, &mut out);
    problems(counters, &mut out);
    out
}

/// How far each sink is.
fn sinks(counters: &Value, out: &mut String) {
    for (name, sink) in counters.get("sinks").and_then(Value::as_object).into_iter().flatten() {
        let of = |what| sink.get(what).and_then(Value::as_u64).unwrap_or(0);
        let waits = of("lag");
        let _ = writeln!(out, "sinks   {:>16}  {name}: delivered", of("delivered"));
        if waits > 0 {
            let _ = writeln!(out, "        {waits:>16}  wait in the spool for it");
        }
        if of("down") > 0 {
            let _ = writeln!(
                out,
                "        {:>16}    -> its receiver takes nothing; the sensor's log says why",
                ""
            );
        }
    }
}

/// What is wrong beside what is missing in a balance.
fn problems(counters: &Value, out: &mut String) {
    let mut say = |name: &str, count: u64, says: &str, knob: &str| {
        let _ = writeln!(out, "{name:<8}{count:>16}  {says}");
        let _ = writeln!(out, "        {:>16}    -> {knob}", "");
    };
    for (name, terms) in [("NICs", &INTERFACES[..]), ("limits", &LIMITS[..])] {
        for term in terms {
            let count = value(counters, term);
            if count > 0 {
                say(name, count, term.says, term.knob);
            }
        }
    }
    for (sink, term, count) in lost_by_sinks(counters) {
        say("sinks", count, &format!("{sink}: {}", term.says), &term.knob.replace("NAME", sink));
    }
}

fn as_json(counters: &Value) -> String {
    let mut all = serde_json::Map::new();
    for balance in balances(counters) {
        let mut terms = serde_json::Map::new();
        for term in std::iter::once(&balance.whole).chain(balance.parts) {
            terms.insert(term.counter.to_owned(), json!(value(counters, term)));
        }
        if balance.name == "events" {
            terms.insert("events.shed_by_type".to_owned(), shed_by_type(counters).collect());
        }
        terms.insert("difference".to_owned(), json!(rest(counters, balance)));
        all.insert(balance.name.to_owned(), Value::Object(terms));
    }
    for (name, terms) in [("interfaces", &INTERFACES[..]), ("limits", &LIMITS[..])] {
        let term = |term: &Term| (term.counter.to_owned(), json!(value(counters, term)));
        all.insert(name.to_owned(), terms.iter().map(term).collect());
    }
    all.insert("sinks".to_owned(), counters.get("sinks").cloned().unwrap_or_else(|| json!({})));
    all.insert("replay".to_owned(), json!(is_of_replay(counters)));
    format!("{}\n", Value::Object(all))
}

/// How much of the end of a file is searched for statistics.
const TAIL: u64 = 4 << 20;

/// The counters of the last record of statistics in a file.
fn last_record(path: &Path) -> Result<Value> {
    let name = path.display();
    let mut file = File::open(path).with_context(|| format!("{name}: cannot be read"))?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let lines = text.split(|byte| *byte == b'\n').rev();
    let mut records = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let found = records.find(|record| record["event_type"] == "stats");
    let mut found =
        found.with_context(|| format!("{name}: there is no record of statistics at its end"))?;
    Ok(found["stats"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Value {
        json!({
            "capture": { "wire": 1000, "inspected": 900, "shunted": 40, "ring_full": 50 },
            "events": { "made": 7, "written": 7, "shed": 0 }
        })
    }

    #[test]
    fn losses_are_named_with_the_knob_to_turn() {
        insta::assert_snapshot!(as_text(&counters()), @r"
        frames              1000  on the wire
                             900  inspected (90.00 %)
                              40  of flows that need no inspection, counted in the NIC's program (4.00 %)
                              50  lost because a ring was full (5.00 %)
                                    -> a longer --ring (af-packet: more blocks), more --workers
                              10  in rings at the moment, or lost without a counter
        events                 7  made
                               7  written (100.00 %)
                               0  on their way
        ");
    }

    #[test]
    fn what_is_wrong_is_named_and_tells_in_the_status() {
        let check = |more: Value, parts: &[&str]| {
            let mut all = json!({
                "capture": { "wire": 100, "inspected": 100 },
                "events": { "made": 7, "written": 7 }
            });
            for (key, value) in more.as_object().unwrap() {
                let group = all.as_object_mut().unwrap().entry(key).or_insert_with(|| json!({}));
                for (name, value) in value.as_object().unwrap() {
                    group[name] = value.clone();
                }
            }
            let text = as_text(&all);
            for part in parts {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert_eq!(is_well(&all), parts.is_empty(), "{text}");
            assert_eq!(text.contains("->"), !parts.is_empty(), "{text}");
        };
        check(json!({}), &[]);
        check(json!({ "capture": { "down": 0, "stranded": 0 } }), &[]);
        check(json!({ "capture": { "down": 2 } }), &["NICs", "2  down or gone", "`ip link show`"]);
        check(json!({ "capture": { "down": 1, "stranded": 1 } }), &["start the sensor anew"]);
        check(json!({ "flow": { "memcap": 3 } }), &["3  packets without", "limits.flow-memory"]);
        check(json!({ "tcp": { "ssn_memcap_drop": 1 } }), &["limits.stream-memory"]);
        check(json!({ "tcp": { "segment_memcap_drop": 1 } }), &["limits.reassembly-memory"]);
        check(json!({ "defrag": { "max_frags_reached": 1 } }), &["limits.fragment-memory"]);
        check(
            json!({ "sinks": { "a": { "refused": 2, "missed": 0, "delivered": 9 } } }),
            &["2  a: refused by its receiver", "refused-a.json"],
        );
        check(json!({ "sinks": { "b": { "missed": 4 } } }), &["4  b: gone", "events.spool.limit"]);
        check(json!({ "sinks": { "b": { "missed": 0, "refused": 0 } } }), &[]);
    }

    #[test]
    fn delivery_has_a_balance() {
        let events = json!({ "made": 9, "written": 9,
            "queue": { "offered": 9, "shed": 2 }, "spool": { "appended": 5, "shed": 1 } });
        let counters = json!({ "capture": { "wire": 0 }, "events": events });
        let text = as_text(&counters);
        for line in ["9  offered to the sinks", "5  in the spool", "2  lost because the spool"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("1  refused by the spool") && text.contains("1  in the queue"));
        let all: Value = serde_json::from_str(&as_json(&counters)).unwrap();
        assert_eq!(all["delivery"]["difference"], 1);
        assert!(!is_well(&counters));
    }

    #[test]
    fn sinks_that_wait_are_named() {
        let sinks = json!({
            "far": { "delivered": 40, "lag": 63, "down": 1 },
            "near": { "delivered": 103, "lag": 0, "down": 0 },
        });
        let counters = json!({ "capture": { "wire": 0 }, "sinks": sinks });
        let text = as_text(&counters);
        for line in ["40  far: delivered", "63  wait in the spool", "103  near: delivered"] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(text.matches("takes nothing").count(), 1, "{text}");
        let all: Value = serde_json::from_str(&as_json(&counters)).unwrap();
        assert_eq!(all["sinks"]["far"]["lag"], 63);
        // Nothing is lost.
        assert!(is_well(&counters));
    }

    #[test]
    fn a_replay_has_captured_nothing() {
        let counters = json!({ "decoder": { "pkts": 9 }, "flow": { "memcap": 0 } });
        assert_eq!(as_text(&counters), format!("{REPLAY}\n"));
        assert!(is_well(&counters));
        let all: Value = serde_json::from_str(&as_json(&counters)).unwrap();
        assert!(all["replay"] == true && all.get("frames").is_none());
    }

    #[test]
    fn records_that_were_given_up_are_told_by_type() {
        let events = json!({ "made": 9, "written": 4, "shed": 5,
            "shed_by_type": { "alert": 1, "flow": 4 } });
        let counters = json!({ "events": events });
        let text = as_text(&counters);
        for line in ["5  lost because the writer did not keep up", "1    alert", "4    flow"] {
            assert!(text.contains(line), "{text}");
        }
        let all: Value = serde_json::from_str(&as_json(&counters)).unwrap();
        assert_eq!(all["events"]["events.shed_by_type"]["flow"], 4);
        assert_eq!(all["events"]["difference"], 0);
    }

    #[test]
    fn json_has_every_term_and_the_difference() {
        let all: Value = serde_json::from_str(&as_json(&counters())).unwrap();
        assert_eq!(all["frames"]["difference"], 10);
        assert_eq!(all["frames"]["capture.hand_over_full"], 0);
        assert_eq!(all["events"]["difference"], 0);
    }

    #[test]
    fn the_last_statistics_of_a_file_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        let line = |wire: u64| {
            json!({ "event_type": "stats", "stats": { "capture": { "wire": wire } } }).to_string()
        };
        let text = format!("{}\n{}\n{{\"event_type\":\"flow\"}}\nhalf a li", line(1), line(2));
        std::fs::write(&path, text).unwrap();
        assert_eq!(last_record(&path).unwrap()["capture"]["wire"], 2);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(last_record(&path).is_err());
    }
}
