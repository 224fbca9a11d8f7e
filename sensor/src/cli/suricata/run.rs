//! A run: start, replay, end, with the messages of Suricata 8.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use capture::{ReadError, Source, Watch, WatchSettings};
use detect::settings::OutputSettings;
use engine::Ruleset;
use engine::content::dataset::{DatasetLimits, Datasets};

use crate::bpf::Filter;
use crate::cli::writing::Writing;
use crate::config::suricata::{self, Config, Everything, Fatal, Mode};
use crate::config::tree::Node;
use crate::log::{Log, reason};
use crate::output::{Engine, FileStore, Outputs, Statistics};
use crate::process::input;
use crate::process::load::Loaded;
use crate::process::progress::Progress;
use crate::process::replay::{Outcome, Replay};
use crate::process::stop::Stop;

use super::options::Options;
use super::pid_file::PidFile;
use super::{VERSION, log_dir, rules, sending};

const MODULE: &str = "suricata";

pub(super) fn run(options: &Options, root: &Node, log: &Log) -> Result<(), Fatal> {
    let log_dir = log_dir(options, root, log)?;
    let files = files(options, root, log)?;
    let mode = mode(options, &files);
    let config = Config { root, log, mode: &mode };
    let log_settings = suricata::log_settings(config, options.verbosity)?;
    log.configure(&log_settings, &log_dir);
    greet(options, log);
    let mut all = suricata::read(config, &log_dir)?;
    all.process.log = log_settings;
    let outputs = outputs(&all, &log_dir, log)?;
    let loaded = match mode.detection {
        true => Some(rules::read(&mut all.process, log, mode.errors_fatal, None)?),
        false => None,
    };
    let statistics = statistics(&all, loaded.as_ref(), &log_dir, log)?;
    let stores = stores(&all, &log_dir, log, 1)?;
    let mut writing = Writing { outputs, statistics, stores, events: None };
    if options.test {
        log.notice(MODULE, "Configuration provided was successfully loaded. Exiting.");
        return Ok(());
    }
    let _pid_file =
        options.pid_file.as_deref().map(|path| PidFile::write(path, log)).transpose()?;
    let filter = filter(options, log)?;
    let delivery = sending::start_replay(&all, &mut writing, log)?;
    let run = Running { options, log, files, config };
    let done = run.replay(all, loaded.as_ref(), filter, &mut writing);
    if let Some(delivery) = delivery {
        sending::end_replay(delivery, log);
    }
    if let (Some(loaded), Ok(())) = (&loaded, &done)
        && let Err((file, error)) = loaded.save_datasets()
    {
        log.error("datasets", format!("saving \"{file}\" failed: {}", reason(&error)));
    }
    done
}

pub(super) fn greet(options: &Options, log: &Log) {
    let user = if options.test || options.live.is_some() { "SYSTEM" } else { "USER" };
    log.notice(
        MODULE,
        format!("This is Suricata version {VERSION} RELEASE running in {user} mode"),
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    log.info("cpu", format!("CPUs/cores online: {cores}"));
    let said = match options.simulate_ips {
        true => "Setting IPS mode",
        false => "Setting engine mode to IDS mode by default",
    };
    log.info(MODULE, said);
}

fn files(options: &Options, root: &Node, log: &Log) -> Result<Vec<PathBuf>, Fatal> {
    let Some(input) = &options.input else { return Ok(Vec::new()) };
    if !input.is_dir() {
        return Ok(vec![input.clone()]);
    }
    let recursive = options.recursive || root.truth("pcap-file.recursive").unwrap_or(false);
    input::files_by_time(input, recursive).map_err(|error| {
        let said = format!("failed to open directory {}: {}", input.display(), reason(&error));
        log.error("pcap", said);
        Fatal
    })
}

pub(super) fn mode(options: &Options, files: &[PathBuf]) -> Mode {
    let full = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let list = |text: &String| vec![text.clone()];
    Mode {
        inline: options.simulate_ips,
        errors_fatal: options.errors_fatal || options.test,
        detection: !options.disable_detection,
        rules_only: options.rules_only.as_ref().map(list),
        rules_also: options.rules_also.as_ref().map(list).unwrap_or_default(),
        inputs: files.iter().map(|file| full(file).display().to_string()).collect(),
        config_file: options
            .config
            .as_deref()
            .unwrap_or(Path::new("/etc/suricata/suricata.yaml"))
            .display()
            .to_string(),
        ordered: false,
    }
}

/// Opens the files of records.
pub(super) fn outputs(all: &Everything, log_dir: &Path, log: &Log) -> Result<Outputs, Fatal> {
    let outputs = Outputs::open(&all.process.files, log_dir).map_err(|(file, error)| {
        log.error("logopenfile", format!("Error opening file: \"{file}\": {}", reason(&error)));
        Fatal
    })?;
    Ok(outputs.go_on())
}

pub(super) fn statistics(
    all: &Everything,
    loaded: Option<&Loaded>,
    log_dir: &Path,
    log: &Log,
) -> Result<Statistics, Fatal> {
    let engine = loaded.map(Engine::of);
    let settings = &all.process.statistics;
    let mut statistics = Statistics::open(settings, log_dir, engine).map_err(|(file, error)| {
        let said = format!("Error opening file: \"{file}\": {}", reason(&error));
        log.error("logopenfile", said);
        Fatal
    })?;
    let first = settings.eve.first().and_then(|(at, _)| all.detector.outputs.get(*at));
    if let Some(OutputSettings::Eve(eve)) = first {
        statistics.envelope(&eve.prefix, eve.host.as_deref());
    }
    Ok(statistics)
}

/// One for each worker; none when files are not stored.
pub(super) fn stores(
    all: &Everything,
    log_dir: &Path,
    log: &Log,
    workers: usize,
) -> Result<Vec<FileStore>, Fatal> {
    let Some(output) = &all.process.file_store else { return Ok(Vec::new()) };
    let failed = |(path, error): (PathBuf, std::io::Error)| {
        let said = format!(
            "Filestore (v2) failed to create directory {}: {}",
            path.display(),
            reason(&error)
        );
        log.error("output-filestore", said);
        Fatal
    };
    let open = |worker| FileStore::open(output, log_dir, worker).map_err(failed);
    (0..workers).map(open).collect()
}

/// The words behind the options, or the file of `-F`, without its comments.
pub(super) fn filter(
    options: &Options,
    log: &Log,
) -> Result<Option<Result<Filter, String>>, Fatal> {
    let text = match &options.filter_file {
        Some(path) => match fs::read_to_string(path) {
            Ok(text) => {
                let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
                lines.collect::<Vec<_>>().join(" ")
            }
            Err(error) => {
                let said = format!("Failed to open file {}: {}", path.display(), reason(&error));
                log.error(MODULE, said);
                return Err(Fatal);
            }
        },
        None => options.filter.join(" "),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(Filter::parse(&text).map_err(|error| format!("{error} in \"{text}\""))))
}

/// A run whose parts are all there.
struct Running<'a> {
    options: &'a Options,
    log: &'a Log,
    files: Vec<PathBuf>,
    config: Config<'a>,
}

impl Running<'_> {
    /// The files of `-r`, or what comes into its directory, by options and `pcap-file`.
    fn source(&self, files: Vec<PathBuf>) -> Result<Box<dyn Source>, Fatal> {
        let (options, config) = (self.options, &self.config);
        let delete = match config.text("pcap-file.delete-when-done") {
            Some("non-alerts") => {
                let said = "pcap-file.delete-when-done: non-alerts is not available: no is taken";
                self.log.warning("pcap", said);
                false
            }
            _ => config.truth("pcap-file.delete-when-done", false),
        };
        let delete = options.delete || delete;
        let continuous = options.continuous || config.truth("pcap-file.continuous", false);
        let directory = options.input.as_ref().filter(|input| continuous && input.is_dir());
        // Without files there was a filter that nothing can pass.
        let Some(directory) = directory.filter(|_| !files.is_empty() || self.files.is_empty())
        else {
            return Ok(input::in_sequence(files, delete));
        };
        let settings = WatchSettings {
            recursive: self.options.recursive || config.truth("pcap-file.recursive", false),
            delay: Duration::from_secs(config.number("pcap-file.delay", 30)),
            poll: Duration::from_secs(config.number("pcap-file.poll-interval", 5)),
            delete,
        };
        let watch = Watch::new(directory, settings).map_err(|error| {
            self.log.error("pcap", error.to_string());
            Fatal
        })?;
        Ok(Box::new(watch))
    }

    fn replay(
        self,
        all: Everything,
        loaded: Option<&Loaded>,
        filter: Option<Result<Filter, String>>,
        writing: &mut Writing,
    ) -> Result<(), Fatal> {
        let log = self.log;
        if let Some(input) = &self.options.input {
            log.info("pcap", format!("Starting file run for {}", input.display()));
        }
        let receivers = if all.process.single { "" } else { "RX: 1 " };
        log.notice(
            "threads",
            format!("Threads created -> {receivers}W: 1 FM: 1 FR: 1   Engine started."),
        );
        // A filter that cannot be compiled keeps the input unread, but is no failed run.
        let (filter, files) = match filter {
            None => (None, self.files.clone()),
            Some(Ok(filter)) => (Some(filter), self.files.clone()),
            Some(Err(said)) => {
                log.error("pcap", format!("bpf compilation error {said}"));
                for file in &self.files {
                    let file = file.display();
                    log.warning("pcap", format!("Failed to init pcap file {file}, skipping"));
                }
                (None, Vec::new())
            }
        };
        let rules = loaded.map_or_else(no_rules, |loaded| Arc::clone(&loaded.ruleset));
        let replay = Replay {
            source: self.source(files)?,
            settings: Arc::new(all.detector),
            rules,
            filter,
            outputs: &mut writing.outputs,
            statistics: &mut writing.statistics,
            stores: std::mem::take(&mut writing.stores),
            workers: 1,
            stop: Stop::on_signals().map_err(|error| {
                log.error(MODULE, format!("signals cannot be handled: {}", reason(&error)));
                Fatal
            })?,
            on_fault: &mut |error| fault(error, log),
            progress: Progress::default(),
        };
        let outcome = replay.run().map_err(|error| {
            log.error("logopenfile", format!("writing failed: {}", reason(&error)));
            Fatal
        })?;
        for failure in &outcome.failures {
            log.warning("logopenfile", failure);
        }
        farewell(&outcome, log);
        Ok(())
    }
}

/// No rules, for a sensor without detection.
pub(super) fn empty(limits: DatasetLimits) -> Loaded {
    Loaded {
        ruleset: no_rules(),
        accepted: 0,
        failures: Vec::new(),
        skipped: Vec::new(),
        warnings: Vec::new(),
        datasets: Arc::new(Datasets::new(limits)),
        remarks: Vec::new(),
        settings: ::rules::Settings::default(),
        pending: Vec::new(),
        set: None,
    }
}

fn no_rules() -> Arc<Ruleset> {
    let mut resources = engine::Resources::without_files();
    let (ruleset, _) = Ruleset::new(
        Vec::new(),
        &::rules::threshold::ThresholdFile::default(),
        Arc::default(),
        engine::EngineSettings::default(),
        &mut resources,
    );
    Arc::new(ruleset)
}

/// Inputs that are no captures are passed over; broken ones end early.
fn fault(error: &ReadError, log: &Log) {
    let skipped = match error {
        ReadError::NotCapture { file, .. } => {
            log.error("pcap", "unknown file format");
            file
        }
        ReadError::Empty { file } => {
            log.error(
                "pcap",
                "truncated dump file; tried to read 24 file header bytes, only got 0",
            );
            file
        }
        ReadError::Open { file, cause } => {
            log.error("pcap", format!("{file}: {}", reason(cause)));
            file
        }
        other => {
            log.error("pcap", other.to_string());
            return;
        }
    };
    log.warning("pcap", format!("Failed to init pcap file {skipped}, skipping"));
}

fn farewell(outcome: &Outcome, log: &Log) {
    log.notice(MODULE, "Signal Received.  Stopping engine.");
    log.info(MODULE, format!("time elapsed {:.3}s", outcome.elapsed.as_secs_f64()));
    let packets = outcome.summary.packets;
    if let Some(share) = packets.checked_div(outcome.invalid_checksums) {
        let said = format!(
            "1/{share}th of packets have an invalid checksum, consider setting \
             pcap-file.checksum-checks variable to no or use '-k none' option on command line."
        );
        match share {
            0..10 => log.warning("pcap", said),
            _ => log.info("pcap", said),
        }
    }
    let read = &outcome.read;
    let plural = if read.files == 1 { "" } else { "s" };
    log.notice(
        "pcap",
        format!(
            "read {} file{plural}, {packets} packets, {} bytes",
            read.files, outcome.summary.bytes
        ),
    );
    let alerts: u64 = outcome.summary.alerts.values().sum();
    log.info("counters", format!("Alerts: {alerts}"));
}
