//! Live capture with the options and messages of Suricata 8.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use capture::live::{Live, Opened};
use delivery::Delivery;
use delivery::reach::Paths;

use crate::bpf::Filter;
use crate::cli::capturing::{Capturing, found};
use crate::cli::confine::{Home, Open, folder_of, sandbox};
use crate::cli::native::{ANNOTATIONS, RightsArguments, SystemCalls};
use crate::cli::plan::with_lack;
use crate::cli::writing::Writing;
use crate::config::suricata::{
    self, CaptureSection, Config, Everything, Fatal, Mode, live_checksums, read_capture,
};
use crate::config::tree::Node;
use crate::control::notify::Notify;
use crate::control::privileges::{enter, raise};
use crate::control::signals::Signals;
use crate::control::socket::{Listener, path_of};
use crate::log::{Level, Log, reason};
use crate::process::live::{Ended, LiveRun, Load, Voice};
use crate::process::load::Loaded;

use super::background::Background;
use super::options::{Live as Asked, Options};
use super::pid_file::PidFile;
use super::run::{empty, filter, greet, mode, outputs, statistics, stores};
use super::{log_dir, rules, sending, told, tree};

const MODULE: &str = "suricata";
/// A worker that stands still for longer is told of.
const STALL: Duration = Duration::from_secs(2);

/// What a run is made of, once everything is open.
struct Ready {
    all: Everything,
    capturing: Capturing,
    filter: Option<Filter>,
    loaded: Loaded,
    live: Live,
    writing: Writing,
    /// The folder of the outputs, as it was before.
    home: Home,
    log_dir: PathBuf,
    /// Seed of the tables of flows: strangers must not guess what comes into which row.
    seed: u64,
}

/// The control socket, its path, and its folder as it was before.
struct Control {
    listener: Listener,
    path: PathBuf,
    folder: Home,
}

/// The engine log hears what the run has to say.
struct Journal<'a>(&'a Log);

impl Voice for Journal<'_> {
    fn say(&self, text: &str) {
        self.0.notice(MODULE, text);
    }

    fn reopen(&self) {
        self.0.reopen();
    }
}

/// Captures until it is told to stop.
///
/// # Errors
/// When something is missing for it; the log says what.
pub(super) fn run(
    options: &Options,
    asked: &Asked,
    root: &Node,
    log: &Arc<Log>,
) -> Result<(), Fatal> {
    // From now on a signal waits to be heard; none ends the process by itself.
    raise();
    let signals = Signals::listen();
    let signals = told(log, MODULE, "signals cannot be handled", signals)?;
    let mut background = told(log, MODULE, "cannot go to the background", Background::enter())?;
    let mode = mode(options, &[]);
    let config = Config { root, log, mode: &mode };
    // Another sensor is noticed before its files are touched.
    let pid_file = pid_file(options, config)?;
    let mut ready = prepare(options, asked, config)?;
    let control = control(options, &ready.capturing, config)?;
    let notify = Notify::from_environment();
    let notify = told(log, MODULE, "the service manager cannot be reached", notify)?;
    let delivering = sending::live(&ready.all, log)?;
    confine(options, config, &ready, control.as_ref(), delivering.reach())?;
    let (workers, management) = (ready.capturing.workers, ready.capturing.management.clone());
    let delivery = sending::start(&mut ready.writing, delivering, workers, &management, log)?;
    let delivered = delivery.as_ref().map(Delivery::figures);
    let opened = ready.live.interfaces.clone();
    let load = reloading(options, &mode, &ready, log);
    let lookup = root.clone();
    let run = LiveRun {
        live: ready.live,
        settings: Arc::new(ready.all.detector),
        rules: ready.loaded,
        load: mode.detection.then_some(load),
        filter: ready.filter,
        outputs: &mut ready.writing.outputs,
        statistics: &mut ready.writing.statistics,
        stores: ready.writing.stores,
        delivery,
        cpus: ready.capturing.cpus,
        management: ready.capturing.management,
        signals,
        notify,
        control: control.map(|control| control.listener),
        lookup: Box::new(move |path| lookup.text(path).map(str::to_owned)),
        drain: ready.capturing.settings.drain,
        stall: STALL,
        quiet: true,
        observer: None,
        voice: &Journal(log),
        on_ready: &mut || started(&opened, ready.capturing.workers, background.as_mut(), log),
    };
    let ended = told(log, MODULE, "the run has failed", run.run())?;
    if let Some(figures) = delivered {
        sending::tell(&figures, ended.is_delivered, log);
    }
    farewell(&ended, log);
    drop(pid_file);
    if ended.deaths > 0 { Err(Fatal) } else { Ok(()) }
}

/// Reads and opens everything. Rules come before rings, which would be full if rules were read
/// only then.
fn prepare(options: &Options, asked: &Asked, config: Config<'_>) -> Result<Ready, Fatal> {
    let log = config.log;
    let log_dir = log_dir(options, config.root, log)?;
    let home = Home::look(&log_dir);
    let log_settings = suricata::log_settings(config, options.verbosity)?;
    log.configure(&log_settings, &log_dir);
    greet(options, log);
    let capturing = capturing(asked, config)?;
    let seed = RandomState::new().hash_one(0u8);
    let mut all = settings(config, asked.section, &capturing, &log_dir, seed)?;
    let filter = frame_filter(options, asked.section, &capturing, log)?;
    let outputs = outputs(&all, &log_dir, log)?;
    let loaded = match config.mode.detection {
        true => rules::read(&mut all.process, log, config.mode.errors_fatal, None)?,
        false => empty(all.process.datasets.clone()),
    };
    let section = asked.section.name();
    let live = LiveRun::open(&capturing.live)
        .map_err(|error| config.fail(section, &with_lack(error, &capturing.notes)))?;
    let known = config.mode.detection.then_some(&loaded);
    let statistics = statistics(&all, known, &log_dir, log)?;
    let stores = stores(&all, &log_dir, log, capturing.workers)?;
    let writing = Writing { outputs, statistics, stores, events: None };
    Ok(Ready { all, capturing, filter, loaded, live, writing, home, log_dir, seed })
}

/// Where and how to capture, by the command line and the section.
fn capturing(asked: &Asked, config: Config<'_>) -> Result<Capturing, Fatal> {
    let section = asked.section.name();
    let mut settings = read_capture(config, asked.section, &asked.devices)?;
    let kind = match asked.section {
        CaptureSection::AfPacket => "AF_PACKET_DEV",
        CaptureSection::AfXdp => "AF_XDP_DEV",
    };
    let runmode = config.text("runmode").unwrap_or("workers");
    if !super::info::has_runmode(kind, runmode) {
        let said = format!("there is no runmode \"{runmode}\" of {kind}: see --list-runmodes");
        return Err(config.fail("runmodes", &said));
    }
    if runmode == "single" {
        settings.workers = Some(1);
    }
    let failed = |error: anyhow::Error| config.fail(section, &format!("{error:#}"));
    let settings = found(settings, Path::new(ANNOTATIONS)).map_err(failed)?;
    let mut capturing = Capturing::with(settings, None, false).map_err(failed)?;
    if !config.truth("threading.set-cpu-affinity", false) {
        // Where workers run is left to the system, as the configuration says.
        capturing.cpus.clear();
    }
    for note in &capturing.notes {
        config.log.say(Level::Perf, "affinity", note);
    }
    Ok(capturing)
}

fn settings(
    config: Config<'_>,
    section: CaptureSection,
    capturing: &Capturing,
    log_dir: &Path,
    seed: u64,
) -> Result<Everything, Fatal> {
    let mut all = suricata::read(config, log_dir)?;
    capturing.apply(&mut all.detector);
    let first = capturing.live.interfaces.first();
    let checks = first.and_then(|one| section.checksum_checks(config.root, &one.name));
    live_checksums(config, checks, &mut all.detector);
    all.detector.seed = seed;
    all.process.engine.seed = seed;
    Ok(all)
}

/// The filter of the command line, else that of the section.
fn frame_filter(
    options: &Options,
    section: CaptureSection,
    capturing: &Capturing,
    log: &Log,
) -> Result<Option<Filter>, Fatal> {
    let parsed = match filter(options, log)? {
        Some(parsed) => Some(parsed),
        None => capturing
            .settings
            .filter
            .as_deref()
            .map(|text| Filter::parse(text).map_err(|error| format!("{error} in \"{text}\""))),
    };
    // A sensor that looks at other frames than it was told to is of no use.
    parsed.transpose().map_err(|said| {
        log.error(section.name(), format!("bpf compilation error {said}"));
        Fatal
    })
}

/// The control socket. That of the configuration may be missing, one that was asked for not.
fn control(
    options: &Options,
    capturing: &Capturing,
    config: Config<'_>,
) -> Result<Option<Control>, Fatal> {
    let configured = config.text("unix-command.filename");
    let asked = options.socket.as_ref().map(|name| path_of(name.as_deref().or(configured)));
    let is_asked = asked.is_some();
    let Some(path) = asked.or_else(|| capturing.settings.control.clone()) else {
        return Ok(None);
    };
    let folder = Home::look(&folder_of(&path));
    match Listener::bind(&path) {
        Ok(listener) => Ok(Some(Control { listener, path, folder })),
        Err(error) => {
            let said = format!("unable to create the control socket: {error}");
            if is_asked || config.mode.errors_fatal {
                return Err(config.fail("unix-manager", &said));
            }
            config.log.warning("unix-manager", said);
            Ok(None)
        }
    }
}

/// The file of `--pidfile`; in the background also that of the configuration, as Suricata 8.
fn pid_file(options: &Options, config: Config<'_>) -> Result<Option<PidFile>, Fatal> {
    let configured = || config.text("pid-file").filter(|_| options.daemon).map(PathBuf::from);
    let path = options.pid_file.clone().or_else(configured);
    path.map(|path| PidFile::write(&path, config.log)).transpose()
}

/// Gives up all rights that are not needed from here on. Without `--user` or `run-as` the process
/// stays who it is, as with Suricata 8, but keeps no capability. Files are refused by Landlock
/// only where `security.landlock` says so.
fn confine(
    options: &Options,
    config: Config<'_>,
    ready: &Ready,
    control: Option<&Control>,
    delivering: Paths,
) -> Result<(), Fatal> {
    let settings = &ready.capturing.settings;
    let (user, group) = (nix::unistd::Uid::effective(), nix::unistd::Gid::effective());
    let named = options.user.clone().or_else(|| settings.user.clone());
    let named_group = options.group.clone().or_else(|| settings.group.clone());
    let own_group = named.is_none().then(|| group.to_string());
    let rights = RightsArguments {
        user: named.or_else(|| Some(user.to_string())),
        group: named_group.or(own_group),
        seccomp: SystemCalls::Enforce,
        no_landlock: !config.truth("security.landlock.enabled", false),
        insecure: false,
    };
    let mut files = ready.writing.files();
    files.extend(config.log.paths());
    let open = Open {
        delivering,
        home: ready.home.clone(),
        files,
        process: &ready.all.process,
        loaded: &ready.loaded,
        config: Some(Path::new(&config.mode.config_file)),
        control: control.map(|control| (control.path.as_path(), control.folder.clone())),
    };
    let mut sandbox = sandbox(&rights, &open);
    let listed = |key: &str| {
        let node = config.root.get(&format!("security.landlock.directories.{key}"));
        let texts = node.map(Node::texts).unwrap_or_default();
        texts.into_iter().map(PathBuf::from).filter(|path| path.exists()).collect::<Vec<_>>()
    };
    sandbox.write.extend(listed("write"));
    sandbox.read.extend(listed("read"));
    let entered = told(config.log, "privs", "rights cannot be given up", enter(&sandbox))?;
    entered.warnings.iter().for_each(|said| config.log.warning("privs", said));
    // The last step has looked at what the kernel says of it.
    entered.done.last().iter().for_each(|said| config.log.info("privs", said));
    Ok(())
}

/// Reads the configuration once more, as Suricata 8 does, and the rules that it names.
fn reloading(options: &Options, mode: &Mode, ready: &Ready, log: &Arc<Log>) -> Load {
    let (options, mode, log) = (options.clone(), mode.clone(), Arc::clone(log));
    let (log_dir, seed) = (ready.log_dir.clone(), ready.seed);
    Arc::new(move |before| {
        let failed = |fatal: Fatal| fatal.to_string();
        let root = tree(&options, &log).map_err(failed)?;
        let config = Config { root: &root, log: &log, mode: &mode };
        let mut process = suricata::read(config, &log_dir).map_err(failed)?.process;
        process.engine.seed = seed;
        rules::read(&mut process, &log, mode.errors_fatal, Some(before)).map_err(failed)
    })
}

/// All workers run.
fn started(interfaces: &[Opened], workers: usize, background: Option<&mut Background>, log: &Log) {
    for interface in interfaces {
        let name = &interface.name;
        log.info("runmodes", format!("{name}: {}, {workers} workers", interface.method));
        for note in &interface.notes {
            log.info("runmodes", format!("{name}: {note}"));
        }
    }
    let said = format!("Threads created -> W: {workers} FM: 1 FR: 1   Engine started.");
    log.notice("threads", said);
    if let Some(Err(error)) = background.map(Background::ready) {
        log.warning(MODULE, format!("the terminal cannot be left: {}", reason(&error)));
    }
}

/// What is said at the end, and what is kept for the next start.
fn farewell(ended: &Ended, log: &Log) {
    let outcome = &ended.outcome;
    log.notice(MODULE, "Signal Received.  Stopping engine.");
    log.info(MODULE, format!("time elapsed {:.3}s", outcome.elapsed.as_secs_f64()));
    for (name, figures) in &ended.interfaces {
        let (packets, drops) = (figures.packets, figures.dropped);
        let share = drops as f64 * 100.0 / (packets + drops).max(1) as f64;
        let invalid = figures.invalid_checksums;
        log.notice(
            "device",
            format!(
                "{name}: packets: {packets}, drops: {drops} ({share:.2}%), invalid chksum: \
                 {invalid}"
            ),
        );
    }
    // The summary counts by the rules in force at the end, these by those of each time.
    let alerts: u64 = ended.alerts.iter().map(|alerts| alerts.count).sum();
    log.info("counters", format!("Alerts: {alerts}"));
    for failure in &outcome.failures {
        log.warning("logopenfile", failure);
    }
    if let Err((file, error)) = ended.loaded.save_datasets() {
        log.error("datasets", format!("saving \"{file}\" failed: {}", reason(&error)));
    }
}
