//! `bateleur config check`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use delivery::sinks::Surroundings;
use serde_json::json;

use crate::cli::{replay, thresholds};
use crate::config::native::{Finding, Inspected, Sensor, Severity, inspect, variables};
use crate::config::process::RuleSources;
use crate::config::suricata::Mode;
use crate::log::{Level, Log};

/// Arguments of `config check`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    /// Configurations (sensor.yaml). Without one the environment alone is looked at.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// An object for each file, a line each.
    #[arg(long)]
    json: bool,
    /// Nothing but the exit status.
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

pub(super) fn run(arguments: &CheckArguments) -> ExitCode {
    let mut is_good = true;
    let files: Vec<Option<&Path>> = match arguments.files.as_slice() {
        [] => vec![None],
        files => files.iter().map(|file| Some(file.as_path())).collect(),
    };
    for file in files {
        let findings = findings(file);
        let of = |severity| findings.iter().filter(|one| one.severity == severity).count();
        let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
        let name = file.map_or("environment".to_owned(), |file| file.display().to_string());
        if arguments.json {
            let file = json!({"file": name, "good": errors == 0, "findings": findings});
            super::print(&format!("{file}\n"));
        } else if !arguments.quiet {
            let mut text: String = findings.iter().map(|one| format!("{one}\n")).collect();
            text.push_str(&match (errors, warnings) {
                (0, 0) => format!("{name}: good\n"),
                (0, warnings) => format!("{name}: good, {}\n", count(warnings, "warning")),
                (errors, 0) => format!("{name}: {}\n", count(errors, "error")),
                _ => {
                    format!("{name}: {}, {}\n", count(errors, "error"), count(warnings, "warning"))
                }
            });
            super::print(&text);
        }
        is_good &= errors == 0 && (warnings == 0 || !arguments.strict);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All that is to be said about a configuration.
pub(super) fn findings(file: Option<&Path>) -> Vec<Finding> {
    let Inspected { mut findings, sensor } =
        inspect(file, &variables(), Path::new("."), &|sensor| further(sensor));
    if let Some(sensor) = sensor {
        findings.extend(sensor.warnings());
    }
    findings
}

/// What a start would find beside the configuration: files of rules, certificates, secrets.
fn further(sensor: &Sensor) -> Vec<(Option<String>, String)> {
    let mode = Mode { inline: sensor.inline, detection: true, ..Mode::default() };
    let log = Log::keeping(Level::Error);
    let Ok(all) = sensor.settings(Path::new("."), &mode, &log) else { return Vec::new() };
    let mut found = Vec::new();
    let sources = &all.process.rules;
    for (key, path) in [
        ("rules.classification", &sources.classification),
        ("rules.reference", &sources.reference),
        ("rules.thresholds", &sources.threshold),
    ] {
        if let Some(path) = path
            && let Err(error) = File::open(path)
        {
            found.push((
                Some(key.to_owned()),
                format!("{}: cannot be read: {error}", path.display()),
            ));
        }
    }
    if sources.threshold.as_ref().is_some_and(|path| File::open(path).is_ok()) {
        // What a set brings along is no affair of the configuration, and the place is told by the key.
        let own = RuleSources { store: None, places: BTreeMap::new(), ..sources.clone() };
        if let Err(error) = thresholds::entries(&own, None, &all.process.loader.variables) {
            found.push((Some("rules.thresholds".to_owned()), format!("{error:#}")));
        }
    }
    for (at, pattern) in sources.patterns.iter().enumerate() {
        let mut one = sources.clone();
        one.patterns = vec![pattern.clone()];
        // The place is told by the key.
        one.places.clear();
        if let Err(error) = replay::texts(&one) {
            found.push((Some(format!("rules.files.{at}")), format!("{error:#}")));
        }
    }
    let sinks = all.process.delivery.iter().flat_map(|delivery| &delivery.sinks);
    for (at, sink) in sinks.enumerate() {
        let mut sink = sink.clone();
        sink.place.clear();
        let around = Surroundings {
            sensor: "sensor".to_owned(),
            name: sink.name(),
            network: sensor.event_network(),
            ..Surroundings::default()
        };
        if let Err(why) = sink.build(&around) {
            found.push((Some(format!("events.sinks.{at}")), format!("events.sinks: {why}")));
        }
    }
    found
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn bad_lines_of_thresholds_are_told_as_a_start_would() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.yaml");
        fs::write(&path, "name: a\nrules: {thresholds: th.config}\n").unwrap();
        let check = |thresholds: &str, expected: &str| {
            fs::write(folder.path().join("th.config"), thresholds).unwrap();
            let found = findings(Some(&path));
            let said: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), usize::from(!expected.is_empty()), "{said:#?}");
            let first = said.first().map_or("", String::as_str);
            assert!(first.contains(expected), "{first}");
            assert!(found.iter().all(|one| one.severity == Severity::Error && one.line == Some(2)));
        };
        check("# none\nsupress gen_id 1, sig_id 5\n", "th.config:2: unknown rule type 'supress'");
        check("suppress gen_id 1, sig_id 5\n", "");
    }
}
