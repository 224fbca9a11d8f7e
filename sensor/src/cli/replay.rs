//! `bateleur replay`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use delivery::Delivery;
use supply::glob;

use crate::bpf::Filter;
use crate::config::native::Sensor;
use crate::config::process::{ProcessSettings, RuleSources};
use crate::config::suricata::{Everything, Mode};
use crate::log::Log;
use crate::process::file_kind::FileKind;
use crate::process::load::{Loaded, Texts, complaint, load};
use crate::process::progress::Progress;
use crate::process::replay::Replay;
use crate::process::stop::Stop;
use crate::process::{input, summary};

use super::delivered;
use super::native::ReplayArguments;
use super::rules::stored;
use super::thresholds;
use super::writing::{Delivering, Writing};

pub(super) fn run(mut arguments: ReplayArguments) -> Result<ExitCode> {
    tell_captures(&mut arguments);
    let arguments = &arguments;
    let sensor = Sensor::of(arguments.config.as_deref())?;
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
    all.process.rules.allow_refused = arguments.allow_refused;
    if arguments.no_checksums {
        all.detector.ignore_checksums = true;
        all.detector.checksum_auto = false;
        all.detector.stream.checksum_validation = false;
    }
    let filter = arguments.filter.as_deref().map(Filter::parse).transpose()?;
    let loaded = rules(&mut all.process)?;
    tell_refused(&loaded, &|line| eprintln!("bateleur: {line}"));
    let (outcome, events, delivered) = replay(arguments, all, &loaded, files, filter)?;
    if !arguments.quiet {
        let text = summary::text(&outcome, &loaded.ruleset, events.as_deref());
        // Whoever closed the pipe does not want it.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    let unsaved = loaded.save_datasets().err().map(|(file, error)| format!("{file}: {error}"));
    let failures: Vec<String> = outcome.failures.into_iter().chain(unsaved).collect();
    for failure in &failures {
        eprintln!("bateleur: {failure}");
    }
    let whole = outcome.faults == 0 && failures.is_empty() && delivered;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Done = (crate::process::replay::Outcome, Option<PathBuf>, bool);

fn replay(
    arguments: &ReplayArguments,
    all: Everything,
    loaded: &Loaded,
    files: Vec<PathBuf>,
    filter: Option<Filter>,
) -> Result<Done> {
    let workers = usize::from(arguments.workers);
    let mut writing = Writing::open(&all, loaded, &arguments.output, workers)?;
    if let Some(events) = writing.events.as_ref().filter(|_| !arguments.quiet)
        && fs::metadata(events).is_ok_and(|about| about.len() > 0)
    {
        let name = events.display();
        eprintln!("bateleur: {name} has records already: those of this replay go behind them");
    }
    let delivery = writing.deliver(Delivering::replay(&all)?, workers, &[])?;
    let progress = Progress::of_files(&files);
    let run = Replay {
        source: input::merged(files)?,
        settings: Arc::new(all.detector),
        rules: Arc::clone(&loaded.ruleset),
        filter,
        outputs: &mut writing.outputs,
        statistics: &mut writing.statistics,
        stores: writing.stores,
        workers,
        on_fault: &mut |error| eprintln!("bateleur: {error}"),
        stop: Stop::on_signals().context("signals cannot be handled")?,
        progress,
    };
    let outcome = run.run();
    // What was made goes out, whatever has failed.
    let delivered = delivery.is_none_or(|delivery| deliver(delivery, arguments));
    Ok((outcome?, writing.events, delivered))
}

/// Waits until sinks have what the replay made; false when something stays behind in the spool.
fn deliver(delivery: Delivery, arguments: &ReplayArguments) -> bool {
    let figures = delivery.figures();
    let whole = delivery.stop(Duration::from_secs(arguments.deliver_within));
    if !arguments.quiet || !whole {
        for line in delivered::lines(&figures) {
            eprintln!("bateleur: {line}");
        }
    }
    whole
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

/// Says which rules were refused, and which thresholds have no rule.
pub(super) fn tell_refused(loaded: &Loaded, say: &dyn Fn(&str)) {
    loaded.complaints().iter().for_each(|line| say(line));
    if let Some(dead) = loaded.dead_in_short() {
        say(&dead);
    }
    for entry in &loaded.ruleset.idle_thresholds {
        let (line, sid, gid) = (entry.line, entry.sid, entry.gid);
        let file = entry.file.as_deref().unwrap_or("the threshold file");
        say(&format!("{file}:{line}: there is no rule {sid} of gid {gid}"));
    }
}

/// Loads the rules of configuration and command line.
pub(super) fn rules(process: &mut ProcessSettings) -> Result<Loaded> {
    load_rules(process, None)
}

/// Loads them; with `before` they take the place of these in a running sensor.
pub(super) fn load_rules(process: &mut ProcessSettings, before: Option<&Loaded>) -> Result<Loaded> {
    let loaded = loaded(process, before);
    loaded.map_err(|error| if before.is_some() { without_rights(error) } else { error })
}

/// An error of a running sensor, with why it may not what its start may.
fn without_rights(error: Error) -> Error {
    let is_denied = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    match is_denied.map(io::Error::kind).any(|kind| kind == io::ErrorKind::PermissionDenied) {
        true => anyhow!(
            "{error:#}; after its start the sensor is another user and reads only folders that the \
             configuration named then: restart it to read this one"
        ),
        false => error,
    }
}

fn loaded(process: &mut ProcessSettings, before: Option<&Loaded>) -> Result<Loaded> {
    let (sources, set) = stored::with_current(&process.rules)?;
    let sources = &sources;
    let read = |path: &PathBuf| {
        fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .with_context(|| format!("{}: cannot be read", placed(sources, &path_name(path))))
    };
    let configured = sources.classification.as_ref().map(read).transpose()?;
    if let Some(text) = stored::classes(configured, set.as_ref()) {
        process.loader.classifications = ::rules::classification::Classifications::parse(&text).0;
    }
    let configured = sources.reference.as_ref().map(read).transpose()?;
    if let Some(text) = stored::references(configured, set.as_ref()) {
        process.loader.references = ::rules::reference::References::parse(&text).0;
    }
    let entries = thresholds::entries(sources, set.as_deref(), &process.loader.variables)?;
    let texts = texts(sources)?;
    let mut loaded = load(
        &texts,
        process.loader.clone(),
        &entries,
        process.engine.clone(),
        process.datasets.clone(),
        before,
    );
    for note in loaded.datasets.take_notes() {
        tracing::warn!("{note}");
    }
    if let Some(said) = without_rules(&texts, &loaded) {
        tracing::warn!("{said}");
    }
    if !process.rules.allow_refused {
        has_rules(sources, &texts, &loaded)?;
    }
    if before.is_some() {
        loaded.remarks = loaded.complaints();
    }
    Ok(loaded)
}

/// That files of rules have none; nothing where a rule was loaded or refused.
fn without_rules(texts: &Texts, loaded: &Loaded) -> Option<String> {
    let (first, _) = texts.first()?;
    let is_empty = loaded.accepted == 0 && loaded.failures.is_empty() && loaded.skipped.is_empty();
    is_empty.then(|| match texts.len() {
        1 => format!("no rules are loaded: there is none in {first}"),
        more => format!("no rules are loaded: there is none in {more} files, the first is {first}"),
    })
}

/// A file that was named, of which not a single rule is good, is likely none of rules.
fn has_rules(sources: &RuleSources, texts: &Texts, loaded: &Loaded) -> Result<()> {
    for (name, text) in texts.iter().filter(|(name, _)| sources.patterns.contains(name)) {
        if let Some((first, count)) = loaded.wholly_refused(name, text) {
            let place = placed(sources, name);
            let rules = if count == 1 { "its only rule" } else { "every rule" };
            bail!(
                "{place}: {rules} was refused ({count}), the first: {}; --allow-refused starts all \
                 the same",
                complaint(first)
            );
        }
    }
    Ok(())
}

fn path_name(path: &Path) -> String {
    path.display().to_string()
}

/// The name of a file or pattern, behind the place where the configuration names it.
fn placed(sources: &RuleSources, name: &str) -> String {
    match sources.places.get(name) {
        Some(place) => format!("{place}: {name}"),
        None => name.to_owned(),
    }
}

pub(super) fn texts(sources: &RuleSources) -> Result<Texts> {
    let mut texts = Texts::new();
    for pattern in &sources.patterns {
        let paths = glob::expand(pattern);
        if paths.is_empty() {
            let place = placed(sources, pattern);
            match glob::obstacle(pattern) {
                Some((path, error)) => {
                    let said = format!("{place}: {} cannot be looked at", path.display());
                    return Err(Error::from(error).context(said));
                }
                None => bail!("{place}: there is no such rule file"),
            }
        }
        for path in paths {
            let name = path_name(&path);
            let text = fs::read(&path)
                .with_context(|| format!("{}: cannot be read", placed(sources, &name)))?;
            if let Some(kind) = FileKind::of(&text) {
                bail!("{}: {}", placed(sources, &name), kind.advice(&name));
            }
            texts.push((name, Arc::new(text)));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_running_sensor_may_not_read_is_explained() {
        let error = |kind: io::ErrorKind| {
            let inner = Error::from(io::Error::from(kind)).context("/x cannot be looked at");
            format!("{:#}", without_rights(inner))
        };
        let said = error(io::ErrorKind::PermissionDenied);
        assert!(said.starts_with("/x cannot be looked at: permission denied; after its"), "{said}");
        assert!(said.ends_with("restart it to read this one"), "{said}");
        assert_eq!(error(io::ErrorKind::NotFound), "/x cannot be looked at: entity not found");
    }

    #[test]
    fn files_without_rules_are_told() {
        let check = |texts: &[(&str, &str)], expected: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let mut process = ProcessSettings::default();
            for (name, text) in texts {
                let path = folder.path().join(name);
                fs::write(&path, text).unwrap();
                process.rules.patterns.push(path_name(&path));
            }
            process.rules.allow_refused = true;
            let texts = super::texts(&process.rules).unwrap();
            let loaded = rules(&mut process).unwrap();
            let said = without_rules(&texts, &loaded);
            assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
            if let (Some(said), Some(part)) = (said, expected) {
                assert!(said.contains(part), "{said}");
            }
        };
        let good = "alert ip any any -> any any (sid:1;)\n";
        check(&[("a.rules", "# nothing\n")], Some("a.rules"));
        check(&[("a.rules", ""), ("b.rules", "# b\n")], Some("there is none in 2 files"));
        check(&[("a.rules", ""), ("b.rules", good)], None);
        check(&[("a.rules", "alert nonsense\n")], None);
        check(&[], None);
    }
}
