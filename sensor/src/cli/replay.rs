//! `bateleur replay`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use detect::settings::OutputSettings;
use rules::threshold::ThresholdFile;

use crate::bpf::Filter;
use crate::clock::Civil;
use crate::config::native::Sensor;
use crate::config::suricata::{Everything, Mode};
use crate::log::Log;
use crate::output::{Engine, FileStore, Outputs, Statistics};
use crate::process::load::{Loaded, Texts, load};
use crate::process::progress::Progress;
use crate::process::replay::Replay;
use crate::process::stop::Stop;
use crate::process::{glob, input, summary};

use super::native::ReplayArguments;

pub(super) fn run(mut arguments: ReplayArguments) -> Result<ExitCode> {
    tell_captures(&mut arguments);
    let arguments = &arguments;
    let sensor = match &arguments.config {
        Some(path) => Sensor::read(path)?,
        None => Sensor::default(),
    };
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("{}: cannot be made", arguments.output.display()))?;
    let log = Log::errors();
    let files = captures(arguments)?;
    let mode = Mode {
        inline: sensor.inline,
        detection: true,
        inputs: files.iter().map(|file| file.display().to_string()).collect(),
        ordered: arguments.ordered,
        ..Mode::default()
    };
    let mut all = sensor.settings(&arguments.output, &mode, &log)?;
    all.process.rules.patterns.extend(arguments.rules.iter().cloned());
    if arguments.no_checksums {
        all.detector.ignore_checksums = true;
        all.detector.checksum_auto = false;
        all.detector.stream.checksum_validation = false;
    }
    let filter = arguments.filter.as_deref().map(Filter::parse).transpose()?;
    let loaded = rules(&mut all)?;
    let refused = loaded.failures.len();
    if refused > 0 {
        let rules = if refused == 1 { "rule was" } else { "rules were" };
        eprintln!("{refused} {rules} refused; `bateleur rules check` says why");
    }
    for entry in &loaded.ruleset.idle_thresholds {
        let (line, sid, gid) = (entry.line, entry.sid, entry.gid);
        eprintln!("line {line} of the threshold file: there is no rule {sid} of gid {gid}");
    }
    let (outcome, events) = replay(arguments, all, &loaded, files, filter)?;
    if !arguments.quiet {
        let text = summary::text(&outcome, &loaded.ruleset, events.as_deref());
        // Whoever closed the pipe does not want it.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    loaded.save_datasets().map_err(|(file, error)| anyhow::anyhow!("{file}: {error}"))?;
    for failure in &outcome.failures {
        eprintln!("bateleur: {failure}");
    }
    let whole = outcome.faults == 0 && outcome.failures.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Done = (crate::process::replay::Outcome, Option<PathBuf>);

fn replay(
    arguments: &ReplayArguments,
    all: Everything,
    loaded: &Loaded,
    files: Vec<PathBuf>,
    filter: Option<Filter>,
) -> Result<Done> {
    let workers = usize::from(arguments.workers);
    let directory = &arguments.output;
    let opened = |(file, error): (String, std::io::Error)| anyhow::anyhow!("{file}: {error}");
    let mut outputs = Outputs::open(&all.process.files, directory).map_err(opened)?;
    let engine = Engine {
        loaded_at: Civil::now().eve(),
        loaded: loaded.accepted,
        failed: loaded.failures.len(),
        skipped: loaded.skipped.len(),
    };
    let mut statistics =
        Statistics::open(&all.process.statistics, directory, Some(engine)).map_err(opened)?;
    let mut stores = Vec::new();
    if let Some(output) = &all.process.file_store {
        for worker in 0..workers {
            let store = FileStore::open(output, directory, worker);
            stores.push(
                store.map_err(|(path, error)| anyhow::anyhow!("{}: {error}", path.display()))?,
            );
        }
    }
    let eve = all.detector.outputs.iter().position(|o| matches!(o, OutputSettings::Eve(_)));
    let events =
        eve.and_then(|at| all.process.files.get(at)).map(|file| directory.join(&file.filename));
    let progress = Progress::of_files(&files);
    let run = Replay {
        source: input::merged(files)?,
        settings: Arc::new(all.detector),
        rules: Arc::clone(&loaded.ruleset),
        filter,
        outputs: &mut outputs,
        statistics: &mut statistics,
        stores,
        workers,
        on_fault: &mut |error| eprintln!("bateleur: {error}"),
        stop: Stop::on_signals().context("signals cannot be handled")?,
        progress,
    };
    Ok((run.run()?, events))
}

/// `--rules` takes all words that follow; those at the end that are captures by name are meant so.
fn tell_captures(arguments: &mut ReplayArguments) {
    let is_capture = |word: &String| {
        let path = Path::new(word);
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        path.is_dir()
            || name.is_some_and(|name| {
                name.split('.').skip(1).any(|part| matches!(part, "pcap" | "pcapng" | "cap"))
            })
    };
    while arguments.rules.last().is_some_and(is_capture) {
        let word = arguments.rules.pop().unwrap_or_default();
        arguments.captures.insert(0, word.into());
    }
}

fn captures(arguments: &ReplayArguments) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in &arguments.captures {
        if path.is_dir() {
            let listing = capture::list_captures(path, true)?;
            for skipped in &listing.skipped {
                eprintln!("{} skipped: {}", skipped.path.display(), skipped.reason);
            }
            files.extend(listing.captures);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        bail!("there are no captures to replay; `--` ends the list of rule files before them");
    }
    Ok(files)
}

/// Loads the rules of configuration and command line.
pub(super) fn rules(all: &mut Everything) -> Result<Loaded> {
    let process = &mut all.process;
    let read = |path: &PathBuf| {
        fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .with_context(|| format!("{}: cannot be read", path.display()))
    };
    if let Some(path) = &process.rules.classification {
        let text = read(path)?;
        process.loader.classifications = rules::classification::Classifications::parse(&text).0;
    }
    if let Some(path) = &process.rules.reference {
        process.loader.references = rules::reference::References::parse(&read(path)?).0;
    }
    let mut entries = ThresholdFile::default();
    if let Some(path) = &process.rules.threshold {
        let (file, bad) = ThresholdFile::parse(&read(path)?, &process.loader.variables);
        if let Some(bad) = bad.first() {
            bail!("{}:{}: {}", path.display(), bad.line, bad.message);
        }
        entries = file;
    }
    let texts = texts(&process.rules.patterns)?;
    let loaded = load(
        &texts,
        process.loader.clone(),
        &entries,
        process.engine.clone(),
        process.datasets.clone(),
    );
    for note in loaded.datasets.take_notes() {
        eprintln!("{note}");
    }
    Ok(loaded)
}

fn texts(patterns: &[String]) -> Result<Texts> {
    let mut texts = Texts::new();
    for pattern in patterns {
        let paths = glob::expand(pattern);
        if paths.is_empty() {
            bail!("{pattern}: there is no such rule file");
        }
        for path in paths {
            let name = path.display().to_string();
            let text = fs::read(&path).with_context(|| format!("{name}: cannot be read"))?;
            texts.push((name, Arc::new(text)));
        }
    }
    Ok(texts)
}
