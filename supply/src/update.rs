//! An update: sources are fetched and proved, rules selected and put together, tested, and only
//! then in use. Whatever fails on the way leaves the rules that are in use as they are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::data_files;
use crate::difference::Difference;
use crate::fetch::Fetcher;
use crate::layout::LayoutError;
use crate::manifest::{Counts, FORMAT, Hash, Manifest, RULES, SourceRecord};
use crate::merge::{Merged, merge};
use crate::selection::{Candidate, Selected, Selection, SelectionError, Text};
use crate::settings::{StoreSettings, UpdateSettings, Wrong};
use crate::source::{Limits, Taken};
use crate::store::{Came, Generation, Outcome, Store, StoreError};
use crate::taken_back::{self, TakenBack};
use crate::test::{MOST_NAMED, Refused, Test, Tested};

/// Warnings that are told one by one.
const MOST_WARNINGS: usize = 50;

/// What is to be done.
pub struct Update<'a> {
    /// Where to.
    pub store: &'a StoreSettings,
    /// From where, and what of it.
    pub settings: &'a UpdateSettings,
    /// Who makes the set: name and version.
    pub program: &'a str,
    /// Download everything anew, and use what was taken back as well.
    pub force: bool,
    /// The set that a running sensor has in force: it is kept.
    pub in_force: Option<Hash>,
    /// Change nothing but the downloads that are kept.
    pub dry_run: bool,
    /// What is waited for before a download is tried again.
    pub pause: Duration,
    /// Whether rules load.
    pub test: Test<'a>,
    /// Is told what is being done: a line each, without secrets.
    pub tell: &'a dyn Fn(&str),
}

/// What an update came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether other rules are in use than before, or would be.
    pub came: Came,
    /// What is in use now; in a dry run, what was.
    pub current: Option<Generation>,
    /// What was in use before.
    pub before: Option<Generation>,
    /// What is other than in the set before, if there was one that can be read.
    pub difference: Option<Difference>,
    /// What the test said.
    pub tested: Tested,
    /// What selection did.
    pub selected: Selected,
    /// Rules of which there was another one.
    pub duplicates: u64,
    /// Lines that are no rules.
    pub unreadable: u64,
    /// Rules that are off.
    pub disabled: u64,
    /// The new rules are those of a set that was taken back: they are not used.
    pub taken_back: Option<TakenBack>,
    /// Where rules came from.
    pub sources: Vec<SourceRecord>,
    /// What went otherwise than it should.
    pub warnings: Vec<String>,
}

/// Why an update changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept in mind beside it.
    #[error(transparent)]
    Note(#[from] LayoutError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] Wrong),
    /// A source.
    #[error("{name}: {why}")]
    Source {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A selection file that can't be understood.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A selection file that can't be read.
    #[error("{0}")]
    File(String),
    /// Rules that are not good enough.
    #[error("the new rules are not used: {0}")]
    Test(String),
}

/// A set that is put together, before it is written.
struct Made {
    files: BTreeMap<String, Vec<u8>>,
    sources: Vec<SourceRecord>,
    selected: Selected,
    merged: Merged,
    disabled: u64,
    warnings: Vec<String>,
}

impl Update<'_> {
    /// Does it. What it came to is kept in the store, unless somebody else changes it or it is a
    /// dry run.
    ///
    /// # Errors
    /// The rules that were in use are in use still.
    pub fn run(&self) -> Result<Report, UpdateError> {
        self.settings.check()?;
        let mut store = Store::open(&self.store.directory, self.store.keep)?;
        store.protect(self.in_force);
        let done = self.with(&store);
        if !self.dry_run {
            let outcome = match &done {
                Ok(report) => report.outcome(),
                Err(error) => {
                    let mut outcome = Outcome::now("update", Came::Failed);
                    outcome.reason = Some(error.to_string());
                    let current = store.current().ok().flatten();
                    outcome.current = current.map(|current| current.hash.to_string());
                    outcome
                }
            };
            let recorded = store.record(&outcome);
            if done.is_ok() {
                recorded?;
            }
        }
        done
    }

    fn with(&self, store: &Store) -> Result<Report, UpdateError> {
        // What can't be read is told before anything is downloaded.
        let mut warnings = Vec::new();
        let selection = self.selection(&mut warnings)?;
        let mut made = self.make(store, selection, warnings)?;
        let before = store.current().unwrap_or_else(|error| {
            made.warnings.push(format!("the rules in use can't be read: {error}"));
            None
        });
        let staged = store.stage()?;
        let mut files = Vec::new();
        for (path, bytes) in &made.files {
            files.push(staged.write(path, bytes)?);
        }
        let same = before.as_ref().is_some_and(|before| before.manifest.files == files);
        let difference = before.as_ref().and_then(|before| made.difference(before));
        (self.tell)("the rules are tested");
        let mut tested = (self.test)(staged.folder()).map_err(UpdateError::Test)?;
        made.complete(&mut tested);
        tested
            .good_enough(self.settings.most_refused.0 / 100.0)
            .map_err(|why| UpdateError::Test(made.explained(&tested, why)))?;
        let counts =
            Counts { loaded: tested.loaded, refused: tested.refused, disabled: made.disabled };
        let all = store.generations()?;
        let last = all.iter().map(|one| one.manifest.version).max().unwrap_or(0);
        let manifest = Manifest {
            format: FORMAT,
            version: last.saturating_add(1),
            created: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            made_by: self.program.to_owned(),
            sources: made.sources.clone(),
            counts,
            files,
        };
        // Where nothing whole is in use, anything is better.
        let taken_back = before
            .as_ref()
            .filter(|_| !same && !self.force)
            .and_then(|_| taken_back::find(store.directory(), &manifest.files));
        let (came, current) = match (same || taken_back.is_some(), self.dry_run) {
            (true, _) => (Came::Unchanged, before.clone()),
            (false, true) => (Came::Changed, before.clone()),
            (false, false) => {
                taken_back::forget(store.directory(), &manifest.files)?;
                let next = store.put(staged, manifest)?;
                store.switch(&next)?;
                (Came::Changed, Some(next))
            }
        };
        Ok(Report { difference, ..made.report(came, current, before, tested, taken_back) })
    }

    fn make(
        &self,
        store: &Store,
        selection: Selection,
        mut warnings: Vec<String>,
    ) -> Result<Made, UpdateError> {
        let limits = Limits::default();
        let mut fetcher = Fetcher::new(store.directory(), self.program);
        fetcher.timeout = self.settings.timeout.0;
        fetcher.when_unreachable = self.settings.when_unreachable;
        fetcher.force = self.force;
        fetcher.pause = self.pause;
        let mut sources = Vec::new();
        for source in &self.settings.sources {
            let name = &source.name;
            (self.tell)(&match source.local() {
                Some(path) => format!("{name}: {} is read", path.display()),
                None => format!("{name}: {} is fetched", Fetcher::shown(source)),
            });
            let taken = Taken::from(source, &fetcher, &self.settings.ignore, &limits);
            let taken =
                taken.map_err(|why| UpdateError::Source { name: source.name.clone(), why })?;
            if let Some(why) = &taken.stale {
                warnings.push(format!("{name}: the last download is used, because {why}"));
            }
            sources.push(taken);
        }
        let mut merged = merge(&sources);
        for (source, rules) in sources.iter().zip(&merged.of_source) {
            if *rules == 0 {
                let first = merged.remarks.iter().find(|one| {
                    one.strip_prefix(&source.name).is_some_and(|rest| rest.starts_with(':'))
                });
                let first = first.map_or(String::new(), |first| format!("; {first}"));
                let why = format!("{}: there is no rule in it{first}", source.from);
                return Err(UpdateError::Source { name: source.name.clone(), why });
            }
        }
        let selected = selection.apply(&mut merged.rules)?;
        warnings.append(&mut merged.remarks);
        warnings.extend(selected.idle.iter().cloned());
        let files = data_files::carry(&mut merged.rules, &sources, &limits, &mut warnings)
            .map_err(UpdateError::File)?;
        let records = sources.iter().zip(&merged.of_source).map(|(source, rules)| SourceRecord {
            name: source.name.clone(),
            from: source.from.clone(),
            sha256: source.sha256.clone(),
            rules: *rules,
        });
        let mut made = Made {
            files,
            sources: records.collect(),
            selected,
            disabled: merged.rules.iter().filter(|one| !one.rule.enabled).count() as u64,
            merged,
            warnings,
        };
        made.write();
        Ok(made)
    }

    /// What the selection files say. One that is not there is passed over with a warning, as
    /// suricata-update does.
    fn selection(&self, warnings: &mut Vec<String>) -> Result<Selection, UpdateError> {
        let settings = self.settings;
        let mut read = |key: &str, file: &Option<PathBuf>| -> Result<Text, UpdateError> {
            let Some(path) = file else { return Ok(Text::default()) };
            let file = path.display().to_string();
            match fs::read_to_string(path) {
                Ok(text) => Ok(Text { file, text }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    warnings.push(format!("{file}: there is no such file (rules.update.{key})"));
                    Ok(Text::default())
                }
                Err(error) => Err(UpdateError::File(format!("{file}: {error}"))),
            }
        };
        let disable = read("disable", &settings.disable)?;
        let enable = read("enable", &settings.enable)?;
        let drop = read("drop", &settings.drop)?;
        let modify = read("modify", &settings.modify)?;
        Ok(Selection::parse(&disable, &enable, &drop, &modify)?)
    }
}

impl Made {
    /// Rules and what belongs to them, as files.
    fn write(&mut self) {
        let enabled = self.merged.rules.iter().filter(|one| one.rule.enabled);
        let mut rules = String::new();
        for one in enabled {
            rules.push_str(one.rule.text());
            rules.push('\n');
        }
        self.files.insert(RULES.to_owned(), rules.into_bytes());
        for (name, text) in [
            ("classification.config", &self.merged.classification),
            ("reference.config", &self.merged.reference),
        ] {
            if let Some(text) = text {
                self.files.insert(name.to_owned(), text.clone().into_bytes());
            }
        }
    }

    /// What is other than in the set before.
    fn difference(&self, before: &Generation) -> Option<Difference> {
        let before = fs::read(before.folder.join(RULES)).ok()?;
        let after = self.files.get(RULES)?;
        let text = String::from_utf8_lossy;
        Some(Difference::between(&text(&before), &text(after)))
    }

    /// What the test found, with lines that are no rules, and places in sources instead of those in
    /// the set. The refused rules are warned of.
    fn complete(&mut self, tested: &mut Tested) {
        let enabled: Vec<&Candidate> =
            self.merged.rules.iter().filter(|one| one.rule.enabled).collect();
        for refused in &mut tested.named {
            let Some(one) = (refused.line as usize).checked_sub(1).and_then(|at| enabled.get(at))
            else {
                continue;
            };
            let source = self.sources.get(one.source).map_or("", |source| source.name.as_str());
            (refused.file, refused.line) = (format!("{source}: {}", one.file), one.line);
        }
        let warnings = tested.named.iter().map(|one| format!("refused: {one}"));
        self.warnings.splice(0..0, warnings);
        if tested.refused as usize > tested.named.len() && !tested.named.is_empty() {
            let more = tested.refused as usize - tested.named.len();
            self.warnings.insert(tested.named.len(), format!("refused: {more} more"));
        }
        tested.refused = tested.refused.saturating_add(self.merged.unreadable);
        if self.merged.unreadable > 0 {
            tested.reasons.push(("lines that are no rules".to_owned(), self.merged.unreadable));
            tested.reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        }
        let free = MOST_NAMED.saturating_sub(tested.named.len());
        tested.named.extend(self.merged.no_rules.iter().take(free).map(|one| {
            let source = self.sources.get(one.source).map_or("", |source| source.name.as_str());
            let file = format!("{source}: {}", one.file);
            Refused { file, line: one.line, rule: None, why: one.why.to_owned() }
        }));
    }

    /// Why the set is not used, with what could be done.
    fn explained(&self, tested: &Tested, why: String) -> String {
        if tested.loaded > 0 {
            return format!(
                "{why}. Mend or disable them; `rules.update.most-refused` is the share that may be \
                 refused"
            );
        }
        let all =
            format!("there are {} rules in the sources, and all are off", self.merged.rules.len());
        match tested.refused {
            0 if self.selected.disabled > 0 => {
                format!("{all}: `disable` turned off {}", self.selected.disabled)
            }
            0 => format!("{all}; `enable` turns some on"),
            _ => why,
        }
    }

    fn report(
        self,
        came: Came,
        current: Option<Generation>,
        before: Option<Generation>,
        tested: Tested,
        taken_back: Option<TakenBack>,
    ) -> Report {
        let mut warnings = self.warnings;
        if let Some(set) = &taken_back {
            let why = format!(
                "set {} (generation {}) was {}; --force or new rules put it in force",
                set.set.short(),
                set.number,
                set.by.words()
            );
            warnings.insert(0, why);
        }
        let more = warnings.len().saturating_sub(MOST_WARNINGS);
        warnings.truncate(MOST_WARNINGS);
        if more > 0 {
            warnings.push(format!("{more} more of the kind"));
        }
        Report {
            came,
            current,
            before,
            difference: None,
            tested,
            selected: self.selected,
            duplicates: self.merged.duplicates,
            unreadable: self.merged.unreadable,
            disabled: self.disabled,
            taken_back,
            sources: self.sources,
            warnings,
        }
    }
}

impl Report {
    /// What is kept of it.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::now("update", self.came);
        outcome.current = self.current.as_ref().map(|current| current.hash.to_string());
        outcome.warnings.clone_from(&self.warnings);
        let sources: Vec<Value> = self
            .sources
            .iter()
            .map(|one| json!({"name": one.name, "from": one.from, "rules": one.rules}))
            .collect();
        for (key, value) in [
            ("loaded", json!(self.tested.loaded)),
            ("refused", json!(self.tested.refused)),
            ("disabled", json!(self.disabled)),
            ("duplicates", json!(self.duplicates)),
            ("unreadable", json!(self.unreadable)),
            ("enabled-by-choice", json!(self.selected.enabled)),
            ("disabled-by-choice", json!(self.selected.disabled)),
            ("made-to-drop", json!(self.selected.dropping)),
            ("modified", json!(self.selected.modified)),
            ("enabled-for-flowbits", json!(self.selected.needed)),
            ("sources", Value::Array(sources)),
        ] {
            outcome.details.insert(key.to_owned(), value);
        }
        if let Some(difference) = &self.difference {
            for (key, count) in [
                ("added", difference.added),
                ("removed", difference.removed),
                ("changed", difference.modified),
            ] {
                outcome.details.insert(key.to_owned(), json!(count));
            }
        }
        outcome
    }
}
