//! The same work in two programs, in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::alerts;
use crate::contestant::{Contestant, Task};
use crate::report::{self, Runs};

/// The configuration of both; its line OUTPUTS is replaced.
const CONFIGURATION: &str = include_str!("../compare.yaml");

/// Alert lines, and the records of the peer's default configuration but for statistics.
const OUTPUTS: &str = "\
outputs:
  - fast: {enabled: yes, filename: fast.log}
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [alert, anomaly, http, dns, tls, files, smtp, ftp, rdp, nfs, smb, tftp, ike, dcerpc,
              krb5, snmp, rfb, sip, quic, dhcp, ssh, mqtt, ldap, flow]
";

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The peer's command, which takes Suricata's options.
    #[arg(long, value_name = "CMD")]
    peer: String,
    /// The sensor's command, which takes Suricata's options.
    #[arg(long, value_name = "CMD", default_value = "target/release/bateleur suricata")]
    sensor: String,
    /// The capture.
    #[arg(long, value_name = "FILE")]
    capture: PathBuf,
    /// The rules.
    #[arg(long, value_name = "FILE", required_unless_present = "no_rules")]
    rules: Option<PathBuf>,
    /// Detection off.
    #[arg(long, conflicts_with = "rules")]
    no_rules: bool,
    /// No records and no alert lines.
    #[arg(long)]
    no_outputs: bool,
    /// A suricata.yaml for both, instead of one with the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A folder that the peer sees under another name, if it lives in another root.
    #[arg(long, value_name = "OUTSIDE=INSIDE", value_parser = shared_folder)]
    peer_folder: Option<(PathBuf, PathBuf)>,
    /// Measured replays of each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The core that both run on.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// File for the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Further options for both, after `--`.
    #[arg(last = true)]
    options: Vec<String>,
}

fn shared_folder(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let (outside, inside) = text.split_once('=').ok_or("write OUTSIDE=INSIDE")?;
    Ok((outside.into(), inside.into()))
}

/// Compares and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let task = task(arguments)?;
    let scratch = tempfile::tempdir()?;
    let own = scratch.path().join("sensor");
    let sensor = Contestant::new(&arguments.sensor, &own, &own, &task, arguments.core)?;
    let (outside, inside) = match &arguments.peer_folder {
        Some((outside, inside)) => (outside.join("bench"), inside.join("bench")),
        None => (scratch.path().join("peer"), scratch.path().join("peer")),
    };
    let peer = Contestant::new(&arguments.peer, &outside, &inside, &task, arguments.core)?;
    let measured = alternate(&sensor, &peer, arguments.runs);
    if arguments.peer_folder.is_some() {
        fs::remove_dir_all(&outside)?;
    }
    let (ours, theirs) = measured?;
    print!("{}", report::text(&ours, &theirs));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report::json(&ours, &theirs))?;
        fs::write(path, text).with_context(|| format!("{}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn task(arguments: &Arguments) -> Result<Task> {
    let read =
        |path: &Path| fs::read_to_string(path).with_context(|| format!("{}", path.display()));
    let configuration = match &arguments.config {
        Some(path) if arguments.no_outputs => {
            bail!("{}: --no-outputs works without --config only", path.display())
        }
        Some(path) => read(path)?,
        None if arguments.no_outputs => CONFIGURATION.replace("\nOUTPUTS\n", "\noutputs: []\n"),
        None => CONFIGURATION.replace("\nOUTPUTS\n", &format!("\n{OUTPUTS}")),
    };
    Ok(Task {
        capture: arguments.capture.clone(),
        rules: arguments.rules.clone(),
        configuration,
        options: arguments.options.clone(),
    })
}

/// One run of each that is not counted (it warms caches), then start and replay in turn.
fn alternate(sensor: &Contestant, peer: &Contestant, runs: u32) -> Result<(Runs, Runs)> {
    let mut both = [(sensor, Runs::default()), (peer, Runs::default())];
    for (contestant, _) in &both {
        contestant.start()?;
    }
    for _ in 0..runs {
        for (contestant, result) in &mut both {
            result.starts.push(contestant.start()?);
            result.replays.push(contestant.replay()?);
        }
    }
    for (contestant, result) in &mut both {
        result.alerts = alerts::count(&contestant.records())?;
    }
    let [(_, ours), (_, theirs)] = both;
    Ok((ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::{CONFIGURATION, OUTPUTS, shared_folder};

    #[test]
    fn the_place_of_outputs_is_there_once() {
        assert_eq!(CONFIGURATION.matches("\nOUTPUTS\n").count(), 1);
        assert!(OUTPUTS.ends_with('\n'));
    }

    #[test]
    fn folders_in_another_root() {
        assert_eq!(shared_folder("/a/w=/w").unwrap(), ("/a/w".into(), "/w".into()));
        assert!(shared_folder("/a/w").is_err());
    }
}
