//! Loading rules with the log records of Suricata 8.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use engine::reputation::Reputation;
use rules::classification::Classifications;
use rules::reference::References;
use rules::threshold::{ThresholdError, ThresholdFile};
use supply::glob;

use crate::config::native::{CLASSIFICATION, REFERENCE};
use crate::config::process::ProcessSettings;
use crate::config::suricata::Fatal;
use crate::log::{Level, Log, reason};
use crate::process::load::{Loaded, Texts, load};

const MODULE: &str = "detect";

/// Loads everything; with `fatal`, a refused rule ends the start. With `before`, the rules take
/// the place of these in a running sensor.
///
/// # Errors
/// When errors are fatal and there are some; the log says which.
pub(super) fn read(
    process: &mut ProcessSettings,
    log: &Log,
    fatal: bool,
    before: Option<&Loaded>,
) -> Result<Loaded, Fatal> {
    let classified = classes(process, log, fatal);
    let referenced = references(process, log, fatal);
    if fatal && !(classified && referenced) {
        log.error("suricata", "initializing detection engine failed.");
        return Err(Fatal);
    }
    let rated = reputations(process, log);
    let (texts, files, missing) = texts(&process.rules.patterns, log);
    let thresholds = threshold_file(process, log, fatal)?;
    let loaded = load(
        &texts,
        process.loader.clone(),
        &thresholds,
        process.engine.clone(),
        process.datasets.clone(),
        before,
    );
    for note in loaded.datasets.take_notes() {
        log.warning("datasets", note);
    }
    report(&loaded, files, log);
    if fatal && (!loaded.failures.is_empty() || missing || !rated) {
        log.error("suricata", "Loading signatures failed.");
        return Err(Fatal);
    }
    let counts = loaded.counts();
    let total = loaded.ruleset.rules().len();
    log.info(
        MODULE,
        format!(
            "{total} signatures processed. {} are IP-only rules, {} are inspecting packet \
             payload, {} inspect application layer, {} are decoder event only",
            counts.ip_only, counts.payload, counts.app_layer, counts.decoder_event
        ),
    );
    Ok(loaded)
}

/// Texts of all files; how many files and patterns there are; whether a pattern fits none.
fn texts(patterns: &[String], log: &Log) -> (Texts, usize, bool) {
    let mut texts = Texts::new();
    let (mut files, mut missing) = (0, false);
    for pattern in patterns {
        let paths = glob::expand(pattern);
        if paths.is_empty() {
            log.warning(MODULE, format!("No rule files match the pattern {pattern}"));
            missing = true;
            files += 1;
        }
        for path in paths {
            files += 1;
            let name = path.display().to_string();
            match fs::read(&path) {
                Ok(text) => texts.push((name, Arc::new(text))),
                Err(error) => {
                    missing = true;
                    let why = reason(&error);
                    log.error(MODULE, format!("opening rule file {name}: {why}."));
                }
            }
        }
    }
    (texts, files, missing)
}

fn report(loaded: &Loaded, files: usize, log: &Log) {
    for oddity in &loaded.warnings {
        log.warning(module(&oddity.warning.module), &oddity.warning.message);
    }
    for failure in &loaded.failures {
        let error = &failure.error;
        for warning in &failure.warnings {
            log.warning(module(&warning.module), &warning.message);
        }
        if !error.silent {
            log.error(module(&error.module), &error.message);
        }
        let said = format!(
            "error parsing signature \"{}\" from file {} at line {}",
            failure.text, failure.file, failure.line
        );
        log.error(MODULE, said);
    }
    for entry in &loaded.ruleset.idle_thresholds {
        let (sid, gid) = (entry.sid, entry.gid);
        let said = format!("can't suppress sid {sid}, gid {gid}: unknown rule");
        log.warning("threshold-config", said);
    }
    for skipped in &loaded.skipped {
        log.info(
            "detect-parse",
            format!(
                "Skipping signature from {} at line {}: {}",
                skipped.file, skipped.line, skipped.reason
            ),
        );
    }
    if loaded.accepted == 0 {
        match files {
            0 => log.info(MODULE, "No signatures supplied."),
            _ => log.warning(
                MODULE,
                format!("{files} rule files specified, but no rules were loaded!"),
            ),
        }
        return;
    }
    log.info(
        MODULE,
        format!(
            "{files} rule files processed. {} rules successfully loaded, {} rules failed, {} \
             rules skipped",
            loaded.accepted,
            loaded.failures.len(),
            loaded.skipped.len()
        ),
    );
}

fn module(name: &str) -> &str {
    if name.is_empty() { "detect-parse" } else { name }
}

/// The text of a file beside the rules; none, with a record, when it cannot be read. The record is
/// that of an error where this ends the start.
fn beside(path: Option<&Path>, module: &str, log: &Log, fatal: bool) -> Option<String> {
    let path = path?;
    let level = if fatal { Level::Error } else { Level::Warning };
    match fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => {
            let said = format!("could not open: \"{}\": {}", path.display(), reason(&error));
            log.say(level, module, &said);
            None
        }
    }
}

/// Where neither a list was named nor Suricata's usual one is there.
fn built_in(key: &str) -> String {
    format!("{key} is not set and Suricata's usual file is not there: the built-in list is used")
}

fn classes(process: &mut ProcessSettings, log: &Log, fatal: bool) -> bool {
    const MODULE: &str = "classification-config";
    if process.rules.classification.is_none() {
        log.warning(MODULE, built_in("classification-file"));
        process.loader.classifications = Classifications::parse(CLASSIFICATION).0;
        return true;
    }
    let Some(text) = beside(process.rules.classification.as_deref(), MODULE, log, fatal) else {
        return false;
    };
    let (classes, bad) = Classifications::parse(&text);
    for line in bad {
        log.warning(
            MODULE,
            format!("Invalid Classtype in classification.config file, line {line}"),
        );
    }
    process.loader.classifications = classes;
    true
}

fn references(process: &mut ProcessSettings, log: &Log, fatal: bool) -> bool {
    const MODULE: &str = "reference-config";
    if process.rules.reference.is_none() {
        log.warning(MODULE, built_in("reference-config-file"));
        process.loader.references = References::parse(REFERENCE).0;
        return true;
    }
    let Some(text) = beside(process.rules.reference.as_deref(), MODULE, log, fatal) else {
        return false;
    };
    let (references, bad) = References::parse(&text);
    for line in bad {
        log.warning(
            MODULE,
            format!("Invalid Reference Config in reference.config file, line {line}"),
        );
    }
    process.loader.references = references;
    true
}

/// Categories and values of `iprep`; false if one of the files can't be read.
fn reputations(process: &mut ProcessSettings, log: &Log) -> bool {
    const MODULE: &str = "reputation";
    let Some(path) = process.rules.reputation_categories.as_deref() else { return true };
    let open = |path: &Path| match fs::read(path) {
        Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        Err(error) => {
            log.error(MODULE, format!("opening {}: {}", path.display(), reason(&error)));
            None
        }
    };
    let tell = |path: &Path, bad: Vec<u32>| {
        for line in bad {
            log.warning(MODULE, format!("bad line {line} in {}", path.display()));
        }
    };
    let Some(text) = open(path) else { return false };
    let (categories, bad) = engine::reputation::categories(&text);
    tell(path, bad);
    process.loader.reputation_categories = categories;
    let mut all = Reputation::default();
    let mut complete = true;
    for path in &process.rules.reputations {
        match open(path) {
            Some(text) => tell(path, all.read(&text)),
            None => complete = false,
        }
    }
    process.engine.reputation = Some(Arc::new(all));
    complete
}

/// A threshold file that is not there is no reason to stop; a bad line in it is one for `-T`.
fn threshold_file(
    process: &ProcessSettings,
    log: &Log,
    fatal: bool,
) -> Result<ThresholdFile, Fatal> {
    const MODULE: &str = "threshold-config";
    let Some(path) = &process.rules.threshold else { return Ok(ThresholdFile::default()) };
    let text = match fs::read(path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            let said = format!("Error opening file: \"{}\": {}", path.display(), reason(&error));
            log.warning(MODULE, said);
            return Ok(ThresholdFile::default());
        }
    };
    let (file, bad) = ThresholdFile::parse(&text, &process.loader.variables);
    for ThresholdError { line, message } in &bad {
        log.error(MODULE, format!("failed to parse line {line} of threshold file: {message}"));
    }
    if fatal && !bad.is_empty() {
        log.error("suricata", "Loading signatures failed.");
        return Err(Fatal);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn built_in_lists_stand_in_for_suricatas_usual_ones() {
        let log = Log::keeping(Level::Warning);
        let mut process = ProcessSettings::default();
        assert!(classes(&mut process, &log, true) && references(&mut process, &log, true));
        let class = process.loader.classifications.get("trojan-activity").unwrap();
        assert_eq!(class.priority, 1);
        assert!(process.loader.references.prefix("cve").is_some());
        let said = log.take_kept();
        let begins =
            |at: usize, key: &str| said[at].1.starts_with(&format!("{key} is not set and"));
        assert!(begins(0, "classification-file") && begins(1, "reference-config-file"), "{said:?}");
        // One that was named and is not there ends a test of the configuration.
        process.rules.classification = Some(PathBuf::from("/nonexistent/classification.config"));
        assert!(!classes(&mut process, &log, true));
        let said = log.take_kept();
        assert!(said[0].1.contains("could not open: \"/nonexistent/"), "{said:?}");
    }
}
