//! `bateleur run`.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use capture::live::{LiveInterface, LiveSettings, Method, OrderSettings};
use steer::HashSettings;

use crate::bpf::Filter;
use crate::config::native::Sensor;
use crate::config::suricata::Mode;
use crate::log::Log;
use crate::process::live::LiveRun;
use crate::process::stop::Stop;
use crate::process::summary;

use super::native::{CaptureMethod, RunArguments};
use super::replay::{rules, tell_refused};
use super::writing::Writing;

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    let sensor = match &arguments.config {
        Some(path) => Sensor::read(path)?,
        None => Sensor::default(),
    };
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("{}: cannot be made", arguments.output.display()))?;
    let mode = Mode {
        inline: sensor.inline,
        detection: true,
        inputs: arguments.interface.clone(),
        ..Mode::default()
    };
    let mut all = sensor.settings(&arguments.output, &mode, &Log::errors())?;
    all.process.rules.patterns.extend(arguments.rules.iter().cloned());
    if arguments.no_checksums {
        all.detector.ignore_checksums = true;
        all.detector.checksum_auto = false;
        all.detector.stream.checksum_validation = false;
    }
    let filter = arguments.filter.as_deref().map(Filter::parse).transpose()?;
    let workers = workers(arguments);
    // What is wrong with an interface is found out before rules are read.
    let live = LiveRun::open(&live_settings(arguments, workers))?;
    let loaded = rules(&mut all.process)?;
    tell_refused(&loaded);
    let mut writing = Writing::open(&all, &loaded, &arguments.output, workers)?;
    let opened = live.interfaces.clone();
    let run = LiveRun {
        live,
        settings: Arc::new(all.detector),
        rules: Arc::clone(&loaded.ruleset),
        filter,
        outputs: &mut writing.outputs,
        statistics: &mut writing.statistics,
        stores: writing.stores,
        stop: Stop::on_signals().context("signals cannot be handled")?,
        on_ready: &mut || {
            for interface in &opened {
                eprintln!("{}: {}", interface.name, interface.method);
                interface.notes.iter().for_each(|note| eprintln!("  {note}"));
            }
            eprintln!("bateleur runs with {workers} workers and {} rules", loaded.accepted);
        },
    };
    let outcome = run.run()?;
    if !arguments.quiet {
        let text = summary::text(&outcome, &loaded.ruleset, writing.events.as_deref());
        // Whoever closed the pipe does not want it.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    loaded.save_datasets().map_err(|(file, error)| anyhow::anyhow!("{file}: {error}"))?;
    for failure in &outcome.failures {
        eprintln!("bateleur: {failure}");
    }
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As many as asked for, or one for each CPU but one, which writes.
fn workers(arguments: &RunArguments) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.workers.map_or((cpus - 1).max(1), usize::from)
}

fn live_settings(arguments: &RunArguments, workers: usize) -> LiveSettings {
    // The hash table's seed only has to be unknown to strangers.
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8) as u32;
    let interface = |name: &String| LiveInterface {
        method: match arguments.method {
            CaptureMethod::Auto => Method::Auto,
            CaptureMethod::AfXdp => Method::Xdp,
            CaptureMethod::AfPacket => Method::Packet,
        },
        ..LiveInterface::new(name)
    };
    LiveSettings {
        interfaces: arguments.interface.iter().map(interface).collect(),
        workers,
        hash: HashSettings { seed, ..HashSettings::default() },
        order: OrderSettings::default(),
        hand_over: 4096,
        group: (std::process::id() & 0xffff) as u16,
    }
}
