//! `bateleur config diff`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::config::native::reload::Reload;
use crate::config::native::{Change, Document, Sensor, Value, changes, masked};
use crate::control::client;

/// Arguments of `config diff`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct DiffArguments {
    /// A configuration (sensor.yaml).
    #[arg(value_name = "FILE")]
    first: PathBuf,
    /// Another one, which the first one would give way to. Without it, and without --control, the
    /// first one is held against the defaults.
    #[arg(value_name = "FILE", conflicts_with = "control")]
    second: Option<PathBuf>,
    /// Hold the file, with the environment, against the sensor that runs with this control socket.
    /// Secrets cannot be compared.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// The name that a sensor tells its whole configuration by.
pub(in crate::cli) const WHOLE: &str = "sensor.yaml";

pub(super) fn run(arguments: &DiffArguments) -> ExitCode {
    let changes = match compare(arguments) {
        Ok(changes) => changes,
        Err(error) => {
            eprintln!("bateleur: {error:#}");
            return ExitCode::from(2);
        }
    };
    let text = match arguments.json {
        true => format!("{:#}\n", in_json(&changes)),
        false => in_words(&changes),
    };
    super::print(&text);
    if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn compare(arguments: &DiffArguments) -> Result<Vec<Change>> {
    let of = |path: Option<&Path>| Ok::<_, anyhow::Error>(Sensor::with(path, &[])?.effective());
    let first = Some(arguments.first.as_path());
    Ok(match (&arguments.control, &arguments.second) {
        (Some(socket), _) => {
            let ours = Sensor::of(first)?.effective();
            let ours = Document { root: ours.root.as_ref().map(masked), ..ours };
            changes(&running(socket)?, &ours)
        }
        (None, Some(second)) => changes(&of(first)?, &of(Some(second))?),
        (None, None) => changes(&of(None)?, &of(first)?),
    })
}

/// What a sensor runs by.
fn running(socket: &Path) -> Result<Document> {
    let place = || socket.display().to_string();
    let arguments = json!({"variable": WHOLE});
    let said = client::ask(socket, "conf-get", Some(arguments)).with_context(place)?;
    let text = said.as_str().context("the sensor does not tell its configuration")?;
    let document = Document::of(text, "the running sensor").map_err(anyhow::Error::msg)?;
    let root = document.root.map(|root: Value| root);
    Ok(Document { root, ..document })
}

fn in_words(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes.iter().map(Change::masked) {
        let side = |side: &Option<(String, String)>| {
            side.as_ref()
                .map_or("not set".to_owned(), |(value, place)| format!("{value} ({place})"))
        };
        let _ = writeln!(
            text,
            "{}: {} -> {}: {}",
            change.path,
            side(&change.before),
            side(&change.after),
            when(change.reload)
        );
    }
    let of = |reload| changes.iter().filter(|change| change.reload == reload).count();
    let _ = match changes.len() {
        0 => writeln!(text, "no difference"),
        all => writeln!(
            text,
            "{all} differences: {} with a reload, {} with a restart, {} of no concern to a running \
             sensor",
            of(Reload::Now),
            of(Reload::Restart),
            of(Reload::Elsewhere)
        ),
    };
    text
}

const fn when(reload: Reload) -> &'static str {
    match reload {
        Reload::Now => "with a reload",
        Reload::Restart => "with a restart",
        Reload::Elsewhere => "of no concern to a running sensor",
    }
}

fn in_json(changes: &[Change]) -> serde_json::Value {
    let side = |side: &Option<(String, String)>| match side {
        Some((value, place)) => json!({"value": value, "origin": place}),
        None => serde_json::Value::Null,
    };
    let all = changes.iter().map(Change::masked).map(|change| {
        json!({
            "key": change.path,
            "before": side(&change.before),
            "after": side(&change.after),
            "reload": change.reload,
        })
    });
    all.collect()
}
