//! `bateleur rules rollback`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use supply::apply::{Applied, Patience, load_current};
use supply::rollback::rollback;
use supply::store::Store;

use crate::control::rules::Socket;

/// Arguments of `rules rollback`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct RollbackArguments {
    /// Configuration (sensor.yaml) that names the store.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store, instead of `rules.store.directory`.
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<PathBuf>,
    /// Control socket of a running sensor, which then loads them.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Number or beginning of the hash; by default the generation before the one in use.
    #[arg(value_name = "GENERATION")]
    to: Option<String>,
}

pub(super) fn run(arguments: &RollbackArguments) -> Result<ExitCode> {
    let sensor = super::sensor(arguments.config.as_deref())?;
    let settings = super::store(&sensor, arguments.store.as_deref());
    let store = Store::open(&settings.directory, settings.keep)?;
    let to = rollback(&store, arguments.to.as_deref())?;
    let _ = writeln!(io::stdout(), "generation {} ({}) is in use", to.number, to.hash.short());
    drop(store);
    if sensor.rules.follow.is_some() {
        tracing::warn!(
            "a follower keeps this store as its channel says and will undo this; \
             `bateleur rules rollout back` takes a bundle back for all of its sensors"
        );
    }
    if let Some(control) = &arguments.control {
        let control = Socket::at(control.clone());
        let done = load_current(&control, &settings, &to, &Patience::default());
        match done.map_err(anyhow::Error::msg)? {
            Applied::InForce => {
                let _ = writeln!(io::stdout(), "the sensor has loaded generation {}", to.number);
            }
            Applied::AtItsStart(why) => {
                tracing::warn!("{why}; the sensor loads it when it starts");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
