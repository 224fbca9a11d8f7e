//! `bateleur rules rollback`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use supply::rollback::rollback;
use supply::store::Store;

use crate::control::client::ask_within;

/// Arguments of `rules rollback`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct RollbackArguments {
    /// Configuration (sensor.yaml) that names the store.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Control socket of a running sensor, which then loads them.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Number or beginning of the hash; by default the generation before the one in use.
    #[arg(value_name = "GENERATION")]
    to: Option<String>,
}

pub(super) fn run(arguments: &RollbackArguments) -> Result<ExitCode> {
    let settings = super::store(&super::sensor(arguments.config.as_deref())?);
    let store = Store::open(&settings.directory, settings.keep)?;
    let to = rollback(&store, arguments.to.as_deref())?;
    let _ = writeln!(io::stdout(), "generation {} ({}) is in use", to.number, to.hash.short());
    if let Some(control) = &arguments.control {
        ask_within(control, "reload-rules", None, super::RELOAD)
            .context("the sensor has not loaded it")?;
        let _ = writeln!(io::stdout(), "the sensor has loaded it");
    }
    Ok(ExitCode::SUCCESS)
}
