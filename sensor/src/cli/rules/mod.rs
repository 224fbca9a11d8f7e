//! `bateleur rules`: where rules come from, which are in use, and which load.

mod check;
mod rollback;
mod sources;
mod status;
pub(in crate::cli) mod stored;
mod test;
mod update;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use supply::settings::StoreSettings;

use crate::config::native::Sensor;

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
}

pub(super) fn run(command: &RulesCommand) -> Result<ExitCode> {
    match command {
        RulesCommand::Check(arguments) => check::run(arguments),
        RulesCommand::Update(arguments) => update::run(arguments),
        RulesCommand::Status(arguments) => status::run(arguments),
        RulesCommand::Rollback(arguments) => rollback::run(arguments),
        RulesCommand::Sources(arguments) => sources::run(arguments),
    }
}

fn sensor(config: Option<&Path>) -> Result<Sensor> {
    Ok(match config {
        Some(path) => Sensor::read(path)?,
        None => Sensor::default(),
    })
}

fn store(sensor: &Sensor) -> StoreSettings {
    sensor.rules.store.clone().unwrap_or_default()
}
