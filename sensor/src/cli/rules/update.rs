//! `bateleur rules update`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use supply::store::{Came, Generation, Outcome, Store};
use supply::update::{Report, Update};

const PROGRAM: &str = concat!("bateleur/", env!("CARGO_PKG_VERSION"));
use crate::control::client::ask_within;

/// Arguments of `rules update`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct UpdateArguments {
    /// Configuration (sensor.yaml); without one ET Open in /var/lib/bateleur/rules.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Download everything anew.
    #[arg(long)]
    force: bool,
    /// Fetch, select and test, but change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Control socket of a running sensor, which then loads the new rules.
    #[arg(long, value_name = "PATH", conflicts_with = "dry_run")]
    control: Option<PathBuf>,
}

pub(super) fn run(arguments: &UpdateArguments) -> Result<ExitCode> {
    let sensor = super::sensor(arguments.config.as_deref())?;
    let store = super::store(&sensor);
    let test = |folder: &Path| super::test::load(&sensor, folder);
    let report = Update {
        store: &store,
        settings: &sensor.rules.update,
        program: PROGRAM,
        force: arguments.force,
        dry_run: arguments.dry_run,
        pause: Duration::from_secs(1),
        test: &test,
    }
    .run()?;
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let _ = io::stdout().lock().write_all(text(&report, arguments.dry_run).as_bytes());
    if report.came == Came::Changed
        && let Some(control) = &arguments.control
    {
        reload(control, &store.directory, store.keep, report.before.as_ref())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(report: &Report, dry_run: bool) -> String {
    let tested = &report.tested;
    let state = match (report.came, dry_run) {
        (Came::Unchanged, _) => "nothing new",
        (_, true) => "there are new rules; nothing was changed",
        _ => "new rules are in use",
    };
    let figures = format!(
        "{} loaded, {} refused, {} off, {} twice",
        tested.loaded, tested.refused, report.disabled, report.duplicates
    );
    let current = report.current.as_ref().map_or(String::new(), |current| {
        format!(", generation {} ({})", current.number, current.hash.short())
    });
    format!("{state}{current}: {figures}\n")
}

/// Lets a running sensor load what is in use; goes back when it does not.
fn reload(
    control: &Path,
    directory: &Path,
    keep: usize,
    before: Option<&Generation>,
) -> Result<()> {
    let Err(error) = ask_within(control, "reload-rules", None, super::RELOAD) else {
        let _ = writeln!(io::stdout(), "the sensor has loaded them");
        return Ok(());
    };
    let Some(before) = before else {
        bail!("the sensor has not loaded them: {error:#}; there are no earlier ones to go back to");
    };
    let store = Store::open(directory, keep)?;
    store.switch(before)?;
    let mut outcome = Outcome::now("update", Came::Failed);
    outcome.reason = Some(format!("the sensor has not loaded the new rules: {error:#}"));
    outcome.current = Some(before.hash.to_string());
    store.record(&outcome)?;
    bail!("the sensor has not loaded them: {error:#}; generation {} is in use again", before.number)
}
