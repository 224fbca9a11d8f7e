//! `bateleur rules`: where rules come from, which are in use, and which load.

mod bundle;
mod check;
mod follow;
mod keygen;
mod rollback;
mod rollout;
mod serve;
mod sources;
mod status;
pub(in crate::cli) mod stored;
mod test;
mod update;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Serialize;
use supply::settings::StoreSettings;

use crate::config::native::Sensor;
use crate::log::program::Installed;

/// A sensor that has not loaded rules after so long has not loaded them.
const RELOAD: Duration = Duration::from_secs(300);

/// What is done with rules.
#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Say which rules load, and why others do not.
    Check(check::CheckArguments),
    /// Fetch rules, select, test, and put them in use; what fails leaves those in use as they are.
    Update(update::UpdateArguments),
    /// Say which rules are in use, which one can go back to, and what the last change came to.
    Status(status::StatusArguments),
    /// Put earlier rules in use again.
    Rollback(rollback::RollbackArguments),
    /// Say where rules come from, and when they were fetched.
    Sources(sources::SourcesArguments),
    /// Make keys to sign bundles with.
    Keygen(keygen::KeygenArguments),
    /// Pack a set of rules into a signed bundle for many sensors.
    Bundle(bundle::BundleArguments),
    /// Serve bundles to sensors, in stages.
    Serve(serve::ServeArguments),
    /// Keep the rules of a sensor as its channel says.
    Follow(follow::FollowArguments),
    /// Watch and drive roll-outs.
    #[command(subcommand)]
    Rollout(rollout::RolloutCommand),
}

pub(super) fn run(command: &RulesCommand) -> Result<ExitCode> {
    match command {
        RulesCommand::Check(arguments) => check::run(arguments),
        RulesCommand::Update(arguments) => update::run(arguments),
        RulesCommand::Status(arguments) => status::run(arguments),
        RulesCommand::Rollback(arguments) => rollback::run(arguments),
        RulesCommand::Sources(arguments) => sources::run(arguments),
        RulesCommand::Keygen(arguments) => keygen::run(arguments),
        RulesCommand::Bundle(arguments) => bundle::run(arguments),
        RulesCommand::Serve(arguments) => serve::run(arguments),
        RulesCommand::Follow(arguments) => follow::run(arguments),
        RulesCommand::Rollout(command) => rollout::run(command),
    }
}

fn sensor(config: Option<&Path>) -> Result<Sensor> {
    Ok(Sensor::of(config)?)
}

fn store(sensor: &Sensor) -> StoreSettings {
    sensor.rules.store.clone().unwrap_or_default()
}

/// The log of a program beside the sensor: its file is the sensor's, so that this one has none.
fn log(sensor: &Sensor) -> Result<Installed> {
    let mut log = sensor.program_log(Path::new("."));
    log.file = None;
    log.install().context("the log cannot be opened")
}

/// One line of JSON for programs.
fn print_json(value: &impl Serialize) {
    let text = serde_json::to_string(value).unwrap_or_default();
    print_line(&text);
}

fn print_line(text: &str) {
    // Whoever closed the pipe does not want it.
    let _ = writeln!(io::stdout().lock(), "{text}");
}
