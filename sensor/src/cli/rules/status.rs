//! `bateleur rules status`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use supply::store::{Generation, Outcome, Store};
use supply::taken_back::{self, TakenBack};

/// Arguments of `rules status`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct StatusArguments {
    /// Configuration (sensor.yaml) that names the store.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store, instead of `rules.store.directory`.
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &StatusArguments) -> Result<ExitCode> {
    let sensor = super::sensor(arguments.config.as_deref())?;
    let settings = super::store(&sensor, arguments.store.as_deref());
    let current = Store::look(&settings.directory)?;
    let all = Store::list(&settings.directory)?;
    let outcome = Outcome::read(&settings.directory)?;
    let mut back = taken_back::read(&settings.directory);
    // A follower may have put one in force again.
    back.retain(|one| current.as_ref().is_none_or(|current| current.hash != one.set));
    let text = match arguments.json {
        true => {
            let generations: Vec<Value> = all.iter().map(as_json).collect();
            let current = current.as_ref().map(as_json);
            let all = json!({
                "current": current, "generations": generations, "taken-back": back,
                "outcome": outcome,
            });
            format!("{all:#}\n")
        }
        false => as_text(current.as_ref(), &all, &back, outcome.as_ref()),
    };
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(if current.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(one: &Generation) -> Value {
    json!({
        "number": one.number,
        "hash": one.hash,
        "version": one.manifest.version,
        "created": one.manifest.created,
        "counts": one.manifest.counts,
    })
}

fn as_text(
    current: Option<&Generation>,
    all: &[Generation],
    back: &[TakenBack],
    last: Option<&Outcome>,
) -> String {
    let mut out = String::new();
    for one in all {
        let mark = if current.is_some_and(|current| current.hash == one.hash) { '*' } else { ' ' };
        let counts = one.manifest.counts;
        let _ = writeln!(
            out,
            "{mark} {:>4}  {}  {} loaded, {} refused, {} off",
            one.number,
            one.hash.short(),
            counts.loaded,
            counts.refused,
            counts.disabled
        );
    }
    if current.is_none() {
        out.push_str("no rules are in use\n");
    }
    for one in back {
        let (set, number, what) = (one.set.short(), one.number, one.by.words());
        let _ = writeln!(
            out,
            "set {set} (generation {number}) was {what}: `rules update --force` or \
             `rules rollback {set}` puts it in force again"
        );
    }
    if let Some(last) = last {
        let why = last.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let came = format!("{:?}", last.result).to_lowercase();
        let _ = writeln!(out, "last {} at {}: {came}{why}", last.action, super::moment(last.time));
        last.warnings.iter().for_each(|one| {
            let _ = writeln!(out, "  {one}");
        });
    }
    out
}
