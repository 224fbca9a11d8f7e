//! `bateleur config show`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::config::native::{Document, Kind, Sensor, Value, is_secret_file, masked, unset};

/// Arguments of `config show`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ShowArguments {
    /// Configuration (sensor.yaml). Without one the environment and defaults are shown.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say where each value comes from.
    #[arg(long)]
    origin: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ShowArguments) -> Result<ExitCode> {
    let sensor = Sensor::of(arguments.config.as_deref())?;
    let text = match arguments.json {
        true => format!("{:#}\n", in_json(&sensor.effective(), arguments.origin)),
        false => in_yaml(&sensor.effective(), arguments.origin),
    };
    super::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// All of it, as a sensor.yaml.
pub(in crate::cli) fn in_yaml(document: &Document, has_origins: bool) -> String {
    let Some(root) = &document.root else { return String::new() };
    let mut text =
        masked(root).yaml(&mut |path, value| has_origins.then(|| origin(document, path, value)));
    let unset = unset(root);
    if !unset.is_empty() {
        text.push_str("# Not set, and without a default:\n");
        unset.iter().for_each(|key| text.push_str(&format!("#   {key}\n")));
    }
    text
}

fn in_json(document: &Document, has_origins: bool) -> serde_json::Value {
    let root = document.root.as_ref().map(masked).unwrap_or_default();
    if !has_origins {
        return root.json();
    }
    let mut all = serde_json::Map::new();
    root.leaves("", &mut |path, value| {
        let entry = json!({"value": value.json(), "origin": origin(document, path, value)});
        all.insert(path.to_owned(), entry);
    });
    all.into()
}

/// Where a value comes from, for people. The column is of no use to them.
fn origin(document: &Document, path: &str, value: &Value) -> String {
    let name = document.name(&value.origin);
    let is_named = matches!(&value.kind, Kind::Scalar { .. }) && is_secret_file(path);
    let name = match value.origin {
        crate::config::native::Origin::File(..) => {
            name.rsplit_once(':').map_or(name.clone(), |(line, _)| line.to_owned())
        }
        _ => name,
    };
    if is_named { format!("{name}; the secret is in this file") } else { name }
}
