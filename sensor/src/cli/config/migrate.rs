//! `bateleur config migrate`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::config::migration;
use crate::config::native::Severity;
use crate::log::reason;

/// Arguments of `config migrate`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct MigrateArguments {
    /// The configuration of Suricata (suricata.yaml).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write sensor.yaml; a file that is there is not written over. By default the
    /// standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &MigrateArguments) -> Result<ExitCode> {
    let migrated = migration::migrate(&arguments.file).map_err(anyhow::Error::msg)?;
    let Some(path) = &arguments.output else {
        super::print(&migrated.text);
        tell_left_out(migrated.left_out);
        return Ok(ExitCode::SUCCESS);
    };
    let name = path.display();
    // It may have passwords in it.
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o640).open(path).map_err(|error| match error
            .kind()
        {
            ErrorKind::AlreadyExists => {
                anyhow::anyhow!("{name} is there already: name another file, or remove it")
            }
            _ => anyhow::anyhow!("{name}: cannot be made: {}", reason(&error)),
        })?;
    file.write_all(migrated.text.as_bytes())
        .with_context(|| format!("{name}: cannot be written"))?;
    let findings = super::check::findings(Some(path));
    for finding in &findings {
        eprintln!("{finding}");
    }
    eprintln!("{name} is made");
    tell_left_out(migrated.left_out);
    let is_good = findings.iter().all(|finding| finding.severity != Severity::Error);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many keys say something that the new file does not.
fn tell_left_out(count: usize) {
    match count {
        0 => {}
        1 => eprintln!("1 key was left out that says other than the default: it is at the end"),
        _ => eprintln!(
            "{count} keys were left out that say other than the defaults: they are at the end"
        ),
    }
}
