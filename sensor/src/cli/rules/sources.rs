//! `bateleur rules sources`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use supply::fetch::Fetcher;

/// Arguments of `rules sources`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct SourcesArguments {
    /// Configuration (sensor.yaml) that names them.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &SourcesArguments) -> Result<ExitCode> {
    let sensor = super::sensor(arguments.config.as_deref())?;
    let store = super::store(&sensor, None);
    for source in &sensor.rules.update.sources {
        let line = match (source.local(), Fetcher::remembered(&store.directory, &source.name)) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(known)) => format!(
                "{}  {} bytes, fetched at {}, the same at {}",
                known.from,
                known.bytes,
                super::moment(known.fetched),
                super::moment(known.checked)
            ),
            (None, None) => format!("{}  not fetched yet", Fetcher::shown(source)),
        };
        let _ = writeln!(io::stdout(), "{:<16}{line}", source.name);
    }
    Ok(ExitCode::SUCCESS)
}
