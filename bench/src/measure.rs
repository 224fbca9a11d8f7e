//! One run of a command: what it took.
//!
//! The kernel keeps CPU time and peak memory of finished children per parent. So each run has a
//! parent of its own: this program, called again, which starts the command, waits and tells.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use serde_json::{Value, json};

/// What to run, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The core to run on.
    #[arg(long)]
    core: usize,
    /// File for the figures.
    #[arg(long)]
    to: std::path::PathBuf,
    /// The command.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// User and system time.
    pub(crate) cpu_s: f64,
    /// By the clock.
    pub(crate) wall_s: f64,
    /// Most memory at a time.
    pub(crate) peak_mb: f64,
}

/// Runs the command of the arguments and writes its cost to a file.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut cores = CpuSet::new();
    cores.set(arguments.core).context("there is no such core")?;
    sched_setaffinity(Pid::from_raw(0), &cores).context("cannot stay on one core")?;
    let (program, words) = arguments.command.split_first().context("nothing to run")?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("{program}: cannot be run"))?;
    let wall_s = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu_us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let figures = json!({
        "cpu_s": cpu_us as f64 / 1e6,
        "wall_s": wall_s,
        "peak_mb": usage.max_rss() as f64 / 1024.0,
    });
    std::fs::File::create(&arguments.to)?.write_all(figures.to_string().as_bytes())?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a command in a process of its own kind and gives its cost. What it prints goes to `log`.
pub(crate) fn measured(command: &[String], core: usize, work: &Path) -> Result<Cost> {
    let to = work.join("cost.json");
    let log = work.join("printed.txt");
    let file = std::fs::File::create(&log)?;
    let status = Command::new(std::env::current_exe()?)
        .args(["measure", "--core", &core.to_string(), "--to"])
        .arg(&to)
        .arg("--")
        .args(command)
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()?;
    if !status.success() {
        let printed = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = printed.lines().collect();
        let end = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
        bail!("{} failed:\n{}", command.join(" "), end.join("\n"));
    }
    let text = std::fs::read_to_string(&to)?;
    parse(&text).with_context(|| format!("unreadable figures: {text}"))
}

fn parse(text: &str) -> Option<Cost> {
    let value: Value = serde_json::from_str(text).ok()?;
    let figure = |name: &str| value.get(name)?.as_f64();
    Some(Cost { cpu_s: figure("cpu_s")?, wall_s: figure("wall_s")?, peak_mb: figure("peak_mb")? })
}

#[cfg(test)]
mod tests {
    use super::{Cost, parse};

    #[test]
    fn figures_are_read() {
        let cost = Cost { cpu_s: 1.5, wall_s: 2.0, peak_mb: 10.25 };
        assert_eq!(parse(r#"{"cpu_s":1.5,"wall_s":2,"peak_mb":10.25}"#), Some(cost));
        assert_eq!(parse(r#"{"cpu_s":1.5}"#), None);
        assert_eq!(parse("nothing"), None);
    }
}
