//! `bateleur config`: check, show, compare and make configurations.

mod check;
mod diff;
mod migrate;

mod show;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::config::native::schema;

pub(super) use diff::WHOLE;
pub(super) use show::in_yaml;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say all that is wrong with configurations. The exit status is 1 if a sensor would not start.
    Check(check::CheckArguments),
    /// Show the whole configuration that a sensor would run by, without secrets.
    Show(show::ShowArguments),
    /// Say which keys are not the same in two configurations, and what it takes to take them over.
    /// The exit status is 1 if there are any, and 2 if they cannot be compared.
    Diff(diff::DiffArguments),
    /// Make a sensor.yaml of a suricata.yaml.
    Migrate(migrate::MigrateArguments),
    /// Print the JSON schema of sensor.yaml.
    Schema,
}

pub(super) fn run(command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Check(arguments) => Ok(check::run(arguments)),
        ConfigCommand::Show(arguments) => show::run(arguments),
        ConfigCommand::Diff(arguments) => Ok(diff::run(arguments)),
        ConfigCommand::Migrate(arguments) => migrate::run(arguments),
        ConfigCommand::Schema => {
            print(&format!("{:#}\n", schema::schema()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whoever closed the pipe does not want the rest.
fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}
