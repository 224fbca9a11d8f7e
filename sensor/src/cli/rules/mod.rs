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

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Serialize;
use supply::settings::StoreSettings;

use crate::clock::Civil;
use crate::config::native::Sensor;
use crate::log::program::Installed;

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

impl RulesCommand {
    /// Whether it works on until it is ended, and has a log that says what happens.
    pub(super) const fn has_own_log(&self) -> bool {
        matches!(self, Self::Follow(_) | Self::Serve(_))
    }
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

/// The store that is named, or that of the configuration, or the usual one.
fn store(sensor: &Sensor, named: Option<&Path>) -> StoreSettings {
    let mut store = sensor.rules.store.clone().unwrap_or_default();
    if let Some(directory) = named {
        store.directory = directory.to_path_buf();
    }
    store
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

/// A time for people, from seconds since 1970.
fn moment(seconds: u64) -> String {
    format!("{} UTC", Civil::from_us(seconds.saturating_mul(1_000_000)).log())
}

fn print_line(text: &str) {
    // Whoever closed the pipe does not want it.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn times_are_told_as_dates() {
        assert_eq!(moment(1_795_370_502), "2026-11-22 18:01:42 UTC");
        assert!(moment(u64::MAX).ends_with(" UTC"));
    }
}
