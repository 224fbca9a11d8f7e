//! `bateleur run`.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use capture::live::Opened;
use delivery::Delivery;

use crate::bpf::Filter;
use crate::config::native::Sensor;
use crate::config::suricata::{Everything, Mode};
use crate::control::notify::Notify;
use crate::control::privileges::{Error, enter, raise};
use crate::control::signals::Signals;
use crate::control::socket::{Listener, path_of};
use crate::log::Log;
use crate::process::live::{Ended, LiveRun};
use crate::process::summary;

use super::capturing::Capturing;
use super::confine::{Home, Open, folder_of, sandbox, warnings};
use super::delivered;
use super::marking;
use super::native::{RightsArguments, RunArguments};
use super::plan::with_lack;
use super::reloading::Reloading;
use super::replay::{rules, tell_refused};
use super::watching::{self, Watching};
use super::writing::{Delivering, Writing};

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode> {
    // From now on a signal waits to be heard. Until rules are loaded, which may take long, a wish
    // to stop ends the process by itself.
    let signals = Signals::listen_from_start().context("signals cannot be handled")?;
    raise();
    let sensor = Sensor::of(arguments.config.as_deref())?;
    let home = Home::look(&arguments.output);
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("{}: cannot be made", arguments.output.display()))?;
    let log = watching::log(arguments, &sensor)?;
    let mut capturing = Capturing::of(arguments, &sensor)?;
    // Brings the host back when this goes, after all else.
    let _restorer = capturing.restorer.take();
    let mut all = settings(arguments, &sensor, &capturing)?;
    let spool = all.process.delivery.as_ref().map(|delivery| &delivery.spool);
    spool.map(|spool| spool.make_directory()).transpose().context("events.spool.directory")?;
    let filter = arguments.filter.as_deref().or(capturing.settings.filter.as_deref());
    let filter = filter.map(Filter::parse).transpose()?;
    let workers = capturing.workers;
    let loaded = rules(&mut all.process)?;
    tell_refused(&loaded, &|line| tracing::warn!("{line}"));
    signals.begin();
    // Frames come from here on: rings would be full if rules were read only now.
    let live = LiveRun::open(&capturing.live)
        .map_err(|error| anyhow::anyhow!(with_lack(error, &capturing.notes)))?;
    let mut writing = Writing::open(&all, &loaded, &arguments.output, workers)?;
    // A file that can't be written for a while is told of and does not end a sensor.
    writing.outputs = writing.outputs.go_on();
    let configured = capturing.settings.control.clone();
    let asked = arguments.control.as_ref().map(|name| path_of(name.as_deref()));
    let socket = asked.or(configured);
    // Certificates and secrets are read here, with all rights.
    let network = marking::marked(sensor.event_network())?;
    let delivering = Delivering::live(&all, network.marker.clone())?;
    let socket_folder = socket.as_deref().map(|path| Home::look(&folder_of(path)));
    let control = socket.as_deref().map(Listener::bind).transpose()?;
    let notify = Notify::from_environment().context("the service manager cannot be reached")?;
    let watching = Watching::open(arguments, &sensor, &network)?;
    let open = Open {
        home,
        files: writing.files().into_iter().chain(log.path().map(PathBuf::from)).collect(),
        process: &all.process,
        loaded: &loaded,
        config: arguments.config.as_deref(),
        control: socket.as_deref().zip(socket_folder),
        delivering: delivering.reach(),
    };
    let stands = confine(&rights(arguments, &capturing), &open)?;
    let watched = watching.begin(&capturing.management)?;
    let delivery = writing.deliver(delivering, workers, &capturing.management)?;
    let delivered = delivery.as_ref().map(Delivery::figures);
    if let Some(figures) = &delivered {
        watched.observer.attach_delivery(Arc::clone(figures));
    }
    let drain = arguments.drain.map(|seconds| Duration::from_secs(seconds.into()));
    let drain = drain.unwrap_or(capturing.settings.drain);
    let accepted = loaded.accepted;
    let opened = live.interfaces.clone();
    let notes = capturing.notes;
    let reloading = Reloading::new(arguments, &sensor, all.process, log.clone());
    let run = LiveRun {
        live,
        settings: Arc::new(all.detector),
        rules: loaded,
        load: Some(reloading.load()),
        filter,
        outputs: &mut writing.outputs,
        statistics: &mut writing.statistics,
        stores: writing.stores,
        delivery,
        cpus: capturing.cpus,
        management: capturing.management,
        signals,
        notify,
        control,
        lookup: reloading.lookup(),
        drain,
        stall: Duration::from_secs(arguments.stall.into()),
        quiet: arguments.quiet,
        observer: Some(Arc::clone(&watched.observer)),
        voice: &log,
        on_ready: &mut || {
            greet(&opened, &notes, &stands);
            tracing::info!("bateleur runs with {workers} workers and {accepted} rules");
        },
    };
    let ended = run.run();
    let lines = delivered.iter().flat_map(|figures| delivered::lines(figures));
    lines.for_each(|line| tracing::info!("{line}"));
    let ended = ended?;
    if !ended.is_delivered {
        tracing::warn!("what was not delivered stays in the spool for the next start");
    }
    tell(arguments, ended, writing.events.as_deref())
}

/// Who the process becomes.
fn rights(arguments: &RunArguments, capturing: &Capturing) -> RightsArguments {
    let mut rights = arguments.rights.clone();
    rights.user = rights.user.or(capturing.settings.user.clone());
    rights.group = rights.group.or(capturing.settings.group.clone());
    rights
}

/// Says how frames are had, and where the process stands.
fn greet(interfaces: &[Opened], notes: &[String], stands: &str) {
    for interface in interfaces {
        let name = &interface.name;
        tracing::info!("{name}: {}", interface.method);
        interface.notes.iter().for_each(|note| tracing::info!("{name}: {note}"));
    }
    notes.iter().for_each(|note| tracing::info!("note: {note}"));
    tracing::info!("{stands}");
}

/// What configuration and command line say together.
fn settings(
    arguments: &RunArguments,
    sensor: &Sensor,
    capturing: &Capturing,
) -> Result<Everything> {
    let mode = Mode { inline: sensor.inline, detection: true, ..Mode::default() };
    let mut all = sensor.settings(&arguments.output, &mode, &Log::errors())?;
    all.process.rules.patterns.extend(arguments.rules.iter().cloned());
    all.process.rules.allow_refused = arguments.allow_refused;
    if arguments.no_checksums {
        all.detector.ignore_checksums = true;
        all.detector.checksum_auto = false;
        all.detector.stream.checksum_validation = false;
    }
    capturing.apply(&mut all.detector);
    // Nobody outside may know which flows fall into one place of the tables.
    let seed = RandomState::new().hash_one(0u8);
    all.detector.seed = seed;
    all.process.engine.seed = seed;
    Ok(all)
}

/// Gives up all rights that are not needed from here on; says where the process stands.
fn confine(rights: &RightsArguments, open: &Open<'_>) -> Result<String> {
    let links = warnings(rights, &open.delivering);
    links.iter().for_each(|warning| tracing::warn!("{warning}"));
    let sandbox = sandbox(rights, open);
    let entered = enter(&sandbox).map_err(|error| match error {
        // A wrong name is no reason to go on with all rights.
        Error::Unknown { .. } => anyhow!(error),
        _ => anyhow!(error).context("rights cannot be given up; --insecure goes on"),
    })?;
    for warning in &entered.warnings {
        tracing::warn!("{warning}");
    }
    // The last step has looked at what the kernel says of it.
    Ok(entered.done.last().cloned().unwrap_or_default())
}

/// The summary, what failed, and data sets.
fn tell(arguments: &RunArguments, ended: Ended, events: Option<&Path>) -> Result<ExitCode> {
    let Ended { outcome, loaded, alerts, lost, .. } = ended;
    if !arguments.quiet {
        let text = summary::of_alerts(&outcome, alerts, events);
        // Whoever closed the pipe does not want it.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    if let Some(lost) = lost {
        tracing::warn!("frames were lost: {lost}; `bateleur doctor` says what helps");
    }
    let unsaved = loaded.save_datasets().err().map(|(file, error)| format!("{file}: {error}"));
    let failures: Vec<String> = outcome.failures.into_iter().chain(unsaved).collect();
    for failure in &failures {
        tracing::error!("{failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
