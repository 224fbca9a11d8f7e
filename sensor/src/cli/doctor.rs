//! `bateleur doctor`: where frames and events went, and what to do about those that were lost.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

/// Arguments of `doctor`.
#[derive(Clone, Debug, Args)]
pub(super) struct DoctorArguments {
    /// Control socket of a running sensor.
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "events",
        required_unless_present = "events"
    )]
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

pub(super) fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    let counters = match (&arguments.control, &arguments.events) {
        (Some(path), _) => ask(path)?,
        (None, Some(path)) => last_record(path)?,
        (None, None) => bail!("say where counters are: --control PATH or --events FILE"),
    };
    let text = if arguments.json { as_json(&counters) } else { as_text(&counters) };
    // Whoever closed the pipe does not want it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let lost = [FRAMES, EVENTS].iter().any(|balance| {
        balance.parts.iter().any(|part| !part.knob.is_empty() && value(&counters, part) > 0)
    });
    Ok(if lost { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn value(counters: &Value, term: &Term) -> u64 {
    let found = term.counter.split('.').try_fold(counters, |node, key| node.get(key));
    found.and_then(Value::as_u64).unwrap_or(0)
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
    for balance in [&FRAMES, &EVENTS] {
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
    out
}

fn as_json(counters: &Value) -> String {
    let mut all = serde_json::Map::new();
    for balance in [&FRAMES, &EVENTS] {
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
    format!("{}\n", Value::Object(all))
}

/// The counters of a running sensor, by the protocol of Suricata's command socket.
fn ask(path: &Path) -> Result<Value> {
    let name = path.display();
    let mut socket =
        UnixStream::connect(path).with_context(|| format!("{name}: no sensor answers"))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut answers = BufReader::new(socket.try_clone()?);
    let mut call = |message: Value| -> Result<Value> {
        socket.write_all(format!("{message}\n").as_bytes())?;
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("the answer is not JSON")?;
        if answer["return"] != "OK" {
            bail!("{name}: the sensor refuses: {}", answer["message"]);
        }
        Ok(answer)
    };
    call(json!({ "version": "0.2" }))?;
    Ok(call(json!({ "command": "dump-counters" }))?["message"].take())
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
