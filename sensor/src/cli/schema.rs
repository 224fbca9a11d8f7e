//! `bateleur schema`: what records hold, in forms that other systems take.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use schema::{EVENTS, Event};

/// Arguments of `schema`.
#[derive(Clone, Debug, Args)]
pub(super) struct SchemaArguments {
    /// Type of record, e.g. http. By default all.
    #[arg(value_name = "EVENT_TYPE")]
    event_type: Option<String>,
    /// In which form.
    #[arg(long, short, value_enum, default_value_t = Form::JsonSchema)]
    format: Form,
    /// Hold the records of these files against the schema; the exit status is 1 if one is not as
    /// it says. `-` is the standard input.
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with_all = ["event_type", "format"])]
    check: Vec<PathBuf>,
}

/// Forms of the schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// JSON Schema, draft 2020-12.
    JsonSchema,
    /// Index template for OpenSearch and Elasticsearch; of all types of record.
    IndexTemplate,
    /// Fields with their names in the Elastic Common Schema, separated by tabs.
    Ecs,
    /// CREATE TABLE for ClickHouse; of all types of record.
    Clickhouse,
    /// Fields with type and meaning, separated by tabs.
    Fields,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<ExitCode> {
    if !arguments.check.is_empty() {
        return check(&arguments.check);
    }
    let event = arguments.event_type.as_deref().map(known).transpose()?;
    let text = text(arguments.format, event)?;
    // Whoever closed the pipe does not want the rest.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn known(name: &str) -> Result<&'static Event> {
    schema::event(name).with_context(|| {
        let names: Vec<&str> = EVENTS.iter().map(|event| event.name).collect();
        format!("no record has the type {name}; there are {}", names.join(", "))
    })
}

fn text(form: Form, event: Option<&Event>) -> Result<String> {
    Ok(match (form, event) {
        (Form::JsonSchema, Some(event)) => format!("{:#}\n", schema::json_schema(event)),
        (Form::JsonSchema, None) => format!("{:#}\n", schema::json_schema_of_all()),
        (Form::Ecs, event) => schema::ecs(event),
        (Form::Fields, event) => schema::fields(event),
        (Form::IndexTemplate, None) => format!("{:#}\n", schema::index_template()),
        (Form::Clickhouse, None) => schema::clickhouse::table(),
        (Form::IndexTemplate | Form::Clickhouse, Some(_)) => {
            bail!("records of all types go to one place in this format: leave the type away")
        }
    })
}

/// Prints each kind of violation once, with how often it occurs and where first.
fn check(files: &[PathBuf]) -> Result<ExitCode> {
    let mut records = 0u64;
    let mut found: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for path in files {
        for (number, line) in open(path)?.lines().enumerate() {
            let line = line.with_context(|| path.display().to_string())?;
            records += 1;
            for violation in schema::check_line(&line) {
                let first = || (0, format!("{}:{}", path.display(), number + 1));
                found.entry(violation.to_string()).or_insert_with(first).0 += 1;
            }
        }
    }
    let mut out = io::stdout().lock();
    for (violation, (times, first)) in &found {
        // As above.
        let _ = writeln!(out, "{violation} ({times} times, first in {first})");
    }
    let _ = match found.is_empty() {
        true => writeln!(out, "{records} records as version {} has them", schema::VERSION),
        false => writeln!(out, "{records} records, {} kinds of violation", found.len()),
    };
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
}
