//! Data sets and reputations that rules ask and fill.
//!
//! A set is shared by all workers; only rules with `dataset` or `datarep` touch it. Where workers
//! take turns, they do so at a set that some rule changes.

mod again;
mod error;
mod json;
mod order;
mod text;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rules::rule::{Compare, Dataset, DatasetCommand, DatasetFormat, DatasetType};

use again::Source;
pub use error::DatasetError;
pub(super) use text::unhex;

use crate::content::resources::ReadFile;
use crate::content::run::Captured;
use crate::queue::ContextValue;

/// Limits and directories of all sets.
#[derive(Clone, Debug)]
pub struct DatasetLimits {
    /// Most values of one set.
    pub max_values: usize,
    /// `default-data-dir`: where `save` and `state` files lie.
    pub data_dir: PathBuf,
    /// `datasets.rules.allow-write`.
    pub allow_write: bool,
    /// `datasets.rules.allow-absolute-filenames`.
    pub allow_absolute: bool,
    /// Values of files that can't be read refuse the rule, instead of being passed over.
    pub strict: bool,
    /// `datasets.defaults.memcap`: bytes that a set may take.
    pub memcap: u64,
    /// `datasets.defaults.hashsize`: rows of a set; they give the order of its saved values.
    pub hashsize: u32,
    /// `datasets.limits.single-hashsize`: most rows of one set.
    pub single_hashsize: u32,
    /// `datasets.limits.total-hashsizes`: most rows of all sets.
    pub total_hashsizes: u32,
    /// Sets that the configuration declares.
    pub declared: Vec<Dataset>,
}

impl Default for DatasetLimits {
    fn default() -> Self {
        Self {
            max_values: 4 << 20,
            data_dir: PathBuf::from("/var/lib/suricata"),
            allow_write: true,
            allow_absolute: false,
            strict: false,
            memcap: 100 << 20,
            hashsize: 4096,
            single_hashsize: 65_536,
            total_hashsizes: 16_777_216,
            declared: Vec::new(),
        }
    }
}

/// Bytes that a row, and a value beside its own bytes, stand for in the limit on memory.
const ROW_BYTES: u64 = 64;
const VALUE_BYTES: u64 = 80;

/// What is kept with a value.
#[derive(Clone, Debug, Default)]
struct Kept {
    reputation: u16,
    json: Option<Arc<[u8]>>,
    /// How many values came before it.
    number: u64,
}

/// The values of a set.
#[derive(Debug, Default)]
struct Values {
    known: HashMap<Vec<u8>, Kept>,
    /// Values that ever came.
    came: u64,
    /// Bytes, as the limit counts them.
    memory: u64,
}

impl Values {
    /// Adds a value; false if it was there.
    fn add(&mut self, value: Vec<u8>, kept: Kept) -> bool {
        let size = VALUE_BYTES + value.len() as u64;
        let Entry::Vacant(free) = self.known.entry(value) else { return false };
        free.insert(Kept { number: self.came, ..kept });
        self.came += 1;
        self.memory = self.memory.saturating_add(size);
        true
    }

    fn remove(&mut self, value: &[u8]) -> bool {
        let there = self.known.remove(value).is_some();
        if there {
            self.memory = self.memory.saturating_sub(VALUE_BYTES + value.len() as u64);
        }
        there
    }
}

/// A set.
#[derive(Debug)]
pub struct DataSet {
    kind: DatasetType,
    values: RwLock<Values>,
    rows: u32,
    memcap: u64,
    save: Option<PathBuf>,
    /// Some rule sets or unsets values.
    written: AtomicBool,
    /// What it was filled from, for one that a reload fills anew.
    source: Option<Source>,
}

/// All sets, by name.
#[derive(Debug)]
pub struct Datasets {
    limits: DatasetLimits,
    sets: Mutex<HashMap<String, Arc<DataSet>>>,
    /// Sets of the rules that these rules take the place of: taken over where their files are what
    /// they were.
    earlier: Mutex<HashMap<String, Arc<DataSet>>>,
    notes: Mutex<Vec<String>>,
}

/// One rule's use of a set.
#[derive(Debug)]
pub struct SetUse {
    set: Arc<DataSet>,
    command: DatasetCommand,
    reputation: Option<Compare>,
    context_key: Option<String>,
    max_values: usize,
}

/// A set that is being filled from a file.
struct Filling<'f> {
    kind: DatasetType,
    name: &'f str,
    path: &'f Path,
    strict: bool,
    /// The file is one that was saved.
    own: bool,
    max: usize,
    values: &'f mut Values,
    added: usize,
    notes: Vec<String>,
    failed: Option<DatasetError>,
}

impl Filling<'_> {
    fn add(&mut self, value: Vec<u8>, kept: Kept) {
        if self.values.known.len() < self.max {
            self.values.add(value, kept);
            self.added += 1;
        }
    }

    /// Tells what was passed over.
    fn note(&mut self, what: String) {
        self.notes.push(format!("dataset {}: {what} in {}", self.name, self.path.display()));
    }

    /// The same, for what refuses the rule when that is asked for.
    fn fault(&mut self, what: String) {
        if self.strict && self.failed.is_none() {
            let (name, path) = (self.name.to_owned(), self.path.display().to_string());
            self.failed = Some(DatasetError::Value { name, path, what });
        } else {
            self.note(what);
        }
    }
}

impl Datasets {
    /// None yet.
    pub fn new(limits: DatasetLimits) -> Self {
        Self { limits, sets: Mutex::default(), earlier: Mutex::default(), notes: Mutex::default() }
    }

    /// Loads the sets that the configuration declares; what is wrong with one becomes a note.
    pub fn open_declared(&self, read: &ReadFile) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        for spec in &self.limits.declared {
            if sets.contains_key(&spec.name) {
                continue;
            }
            let beside = self.limits.data_dir.join(spec.load.as_deref().unwrap_or(""));
            let path = match read(&beside) {
                Ok(_) => beside,
                Err(_) => PathBuf::from(spec.load.as_deref().unwrap_or("")),
            };
            match self.load(&sets, spec, &path, read) {
                Ok(mut set) => {
                    // As with Suricata 8, a reload leaves these as they are.
                    set.source = None;
                    sets.insert(spec.name.clone(), Arc::new(set));
                }
                Err(error) => self.note(error.to_string()),
            }
        }
    }

    /// The set that a rule names, loaded if it is new.
    ///
    /// # Errors
    /// See [`DatasetError`].
    pub fn open(
        &self,
        spec: &Dataset,
        rule_file: &str,
        read: &ReadFile,
    ) -> Result<SetUse, DatasetError> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let set = match sets.get(&spec.name) {
            Some(known) if spec.kind.is_some_and(|kind| kind != known.kind) => {
                return Err(DatasetError::OtherType(spec.name.clone()));
            }
            Some(known) => Arc::clone(known),
            None => {
                let path = load_path(spec.load.as_deref().unwrap_or(""), rule_file);
                let made = match self.unchanged(&sets, spec, &path, read) {
                    Some(earlier) => earlier,
                    None => Arc::new(self.load(&sets, spec, &path, read)?),
                };
                sets.insert(spec.name.clone(), Arc::clone(&made));
                made
            }
        };
        if matches!(spec.command, DatasetCommand::Set | DatasetCommand::Unset) {
            set.written.store(true, Ordering::Relaxed);
        }
        Ok(SetUse {
            set,
            command: spec.command,
            reputation: spec.reputation,
            context_key: spec.context_key.clone(),
            max_values: self.limits.max_values,
        })
    }

    /// Files of sets with `save` or `state`, to be written at exit: path and bytes.
    pub fn to_save(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files: Vec<_> =
            sets.values().filter_map(|s| s.save.clone().map(|path| (path, s.to_text()))).collect();
        files.sort();
        files
    }

    /// What was passed over in files since it was last asked.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, what: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn load(
        &self,
        sets: &HashMap<String, Arc<DataSet>>,
        spec: &Dataset,
        load: &Path,
        read: &ReadFile,
    ) -> Result<DataSet, DatasetError> {
        let kind = spec.kind.ok_or_else(|| DatasetError::NoType(spec.name.clone()))?;
        let save = spec.state.as_ref().or(spec.save.as_ref());
        if save.is_some() && !self.limits.allow_write {
            return Err(DatasetError::NoWriting);
        }
        let (rows, memcap) = self.size(sets, spec)?;
        let save = save.map(|p| self.data_path(p)).transpose()?;
        let mut values = Values::default();
        let mut source = None;
        if spec.load.is_some() {
            match read(load) {
                Ok(bytes) => {
                    source = save.is_none().then(|| Source::new(spec, &bytes));
                    self.fill(&mut values, kind, spec, load, &bytes)?;
                }
                // Suricata 8 tells of a missing file of objects and takes the rule all the same.
                Err(_) if spec.format == DatasetFormat::Ndjson => self.note(format!(
                    "dataset: {} failed to open file '{}'",
                    spec.name,
                    load.display()
                )),
                Err(error) => return Err(file_error(load, &error)),
            }
        }
        if let (Some(_), Some(path)) = (&spec.state, &save) {
            // A state file that is not there yet is an empty set.
            match read(path) {
                Ok(bytes) => self.fill(&mut values, kind, spec, path, &bytes)?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(file_error(path, &e)),
            }
        }
        let values = RwLock::new(values);
        let written = AtomicBool::new(false);
        Ok(DataSet { kind, values, rows, memcap, save, written, source })
    }

    /// Rows and memory of a new set.
    fn size(
        &self,
        sets: &HashMap<String, Arc<DataSet>>,
        spec: &Dataset,
    ) -> Result<(u32, u64), DatasetError> {
        let limits = &self.limits;
        let rows = spec.hashsize.filter(|rows| *rows > 0).unwrap_or(limits.hashsize).max(1);
        let memcap = spec.memcap.filter(|bytes| *bytes > 0).unwrap_or(limits.memcap);
        let name = || spec.name.clone();
        if rows > limits.single_hashsize {
            return Err(DatasetError::Rows { name: name(), rows, limit: limits.single_hashsize });
        }
        let used = sets.values().fold(0u32, |sum, set| sum.saturating_add(set.rows));
        if used.saturating_add(rows) > limits.total_hashsizes {
            let limit = limits.total_hashsizes;
            return Err(DatasetError::AllRows { name: name(), limit, used });
        }
        if memcap < u64::from(rows) * ROW_BYTES {
            return Err(DatasetError::Memcap { name: name(), memcap, rows });
        }
        Ok((rows, memcap))
    }

    fn fill(
        &self,
        values: &mut Values,
        kind: DatasetType,
        spec: &Dataset,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(), DatasetError> {
        let mut filling = Filling {
            kind,
            name: &spec.name,
            path,
            strict: self.limits.strict,
            own: spec.state.is_some(),
            max: self.limits.max_values,
            values,
            added: 0,
            notes: Vec::new(),
            failed: None,
        };
        match spec.format {
            DatasetFormat::Csv => text::fill(&mut filling, bytes),
            DatasetFormat::Ndjson => json::fill_lines(&mut filling, spec, bytes),
            DatasetFormat::Json => json::fill_document(&mut filling, spec, bytes),
        }
        filling.notes.into_iter().for_each(|note| self.note(note));
        filling.failed.map_or(Ok(()), Err)
    }

    fn data_path(&self, path: &str) -> Result<PathBuf, DatasetError> {
        let path = Path::new(path);
        if path.is_absolute() && !self.limits.allow_absolute {
            return Err(DatasetError::Absolute(path.display().to_string()));
        }
        if path.components().any(|c| c == Component::ParentDir) {
            return Err(DatasetError::Traversal(path.display().to_string()));
        }
        Ok(self.limits.data_dir.join(path))
    }
}

/// Files to load lie beside the rule file unless their path is absolute.
pub(super) fn load_path(path: &str, rule_file: &str) -> PathBuf {
    let dir = Path::new(rule_file).parent().unwrap_or_else(|| Path::new(""));
    dir.join(path)
}

fn file_error(path: &Path, error: &std::io::Error) -> DatasetError {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        _ => error.to_string(),
    };
    DatasetError::File { path: path.display().to_string(), reason }
}

impl DataSet {
    /// The values, one a line, in the order of Suricata 8's table.
    fn to_text(&self) -> Vec<u8> {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<_> = values.known.iter().collect();
        known.sort_by_cached_key(|(value, kept)| (order::row(value, self.rows), kept.number));
        let mut out = Vec::new();
        for (value, _) in known {
            out.extend_from_slice(text::line(self.kind, value).as_bytes());
            out.push(b'\n');
        }
        out
    }
}

impl SetUse {
    /// True when some rule changes the set. Known once all rules are compiled.
    pub fn is_written(&self) -> bool {
        self.set.written.load(Ordering::Relaxed)
    }

    /// Does what the rule says with `bytes`; true when the option holds. `refused` counts values
    /// that a full set did not take.
    pub fn check(&self, bytes: &[u8], captured: &mut Vec<Captured>, refused: &mut u64) -> bool {
        match self.command {
            DatasetCommand::Set => self.add(bytes, refused),
            DatasetCommand::Unset => {
                let Some(key) = text::key(self.set.kind, bytes) else { return false };
                self.set.values.write().unwrap_or_else(PoisonError::into_inner).remove(&key)
            }
            DatasetCommand::IsSet => self.is_set(bytes, captured),
            DatasetCommand::IsNotSet => !self.is_set(bytes, captured),
        }
    }

    fn add(&self, bytes: &[u8], refused: &mut u64) -> bool {
        let Some(key) = text::key_to_add(self.set.kind, bytes) else { return false };
        {
            // Most of what comes is known; that much can be found out side by side.
            let values = self.set.values.read().unwrap_or_else(PoisonError::into_inner);
            if values.known.contains_key(&*key) {
                return false;
            }
        }
        let mut values = self.set.values.write().unwrap_or_else(PoisonError::into_inner);
        let rows = u64::from(self.set.rows) * ROW_BYTES;
        let memory = values.memory.saturating_add(rows + VALUE_BYTES + key.len() as u64);
        if values.known.len() >= self.max_values || memory > self.set.memcap {
            *refused = refused.saturating_add(1);
            return false;
        }
        values.add(key.into_owned(), Kept::default())
    }

    fn is_set(&self, bytes: &[u8], captured: &mut Vec<Captured>) -> bool {
        let Some(key) = text::key(self.set.kind, bytes) else { return false };
        let values = self.set.values.read().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = values.known.get(&*key) else { return false };
        if let Some(compare) = self.reputation {
            return compare.matches(u64::from(kept.reputation));
        }
        if let (Some(name), Some(json)) = (&self.context_key, &kept.json) {
            captured.push(Captured::Context(name.clone(), ContextValue::Json(json.to_vec())));
        }
        true
    }
}
