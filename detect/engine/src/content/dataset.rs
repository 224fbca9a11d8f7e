//! Data sets and reputations that rules ask and fill.
//!
//! A set is shared by all workers; only rules with `dataset` or `datarep` touch it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rules::rule::{Compare, Dataset, DatasetCommand, DatasetFormat, DatasetType};

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
}

impl Default for DatasetLimits {
    fn default() -> Self {
        Self {
            max_values: 4 << 20,
            data_dir: PathBuf::from("/var/lib/suricata"),
            allow_write: true,
            allow_absolute: false,
        }
    }
}

/// Why a rule's set can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// Paths in rules must stay below the data directory.
    #[error("Absolute paths not allowed: {0}")]
    Absolute(String),
    /// `..` in a path.
    #[error("Directory traversals not allowed: {0}")]
    Traversal(String),
    /// Rules may not write.
    #[error("Rules containing save/state datasets have been disabled")]
    NoWriting,
    /// The first rule that names a set must say its type.
    #[error("dataset {0} is not defined yet: add type and, if it is a file, load or state")]
    NoType(String),
    /// Two rules disagree.
    #[error("dataset {0} already exists with a different type")]
    OtherType(String),
    /// The file can't be read.
    #[error("fopen '{path}' failed: {reason}")]
    File {
        /// Path.
        path: String,
        /// Reason.
        reason: String,
    },
    /// A line or document that makes no sense.
    #[error("bad value in {path}: {what}")]
    Value {
        /// Path.
        path: String,
        /// What was found.
        what: String,
    },
}

/// What is kept with a value.
#[derive(Clone, Debug, Default)]
struct Kept {
    reputation: u16,
    json: Option<Arc<[u8]>>,
}

/// A set.
#[derive(Debug)]
pub struct DataSet {
    kind: DatasetType,
    values: RwLock<HashMap<Vec<u8>, Kept>>,
    save: Option<PathBuf>,
    load_only: bool,
}

/// All sets, by name.
#[derive(Debug)]
pub struct Datasets {
    limits: DatasetLimits,
    sets: Mutex<HashMap<String, Arc<DataSet>>>,
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

impl Datasets {
    /// None yet.
    pub fn new(limits: DatasetLimits) -> Self {
        Self { limits, sets: Mutex::new(HashMap::new()) }
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
        let set = match sets.entry(spec.name.clone()) {
            Entry::Occupied(known) => {
                let known = Arc::clone(known.get());
                if spec.kind.is_some_and(|k| k != known.kind) {
                    return Err(DatasetError::OtherType(spec.name.clone()));
                }
                known
            }
            Entry::Vacant(free) => {
                let made = Arc::new(self.load(spec, rule_file, read)?);
                Arc::clone(free.insert(made))
            }
        };
        Ok(SetUse {
            set,
            command: spec.command,
            reputation: spec.reputation,
            context_key: spec.context_key.clone(),
            max_values: self.limits.max_values,
        })
    }

    /// Forgets sets that only load a file, so that a reload reads them anew.
    pub fn forget_loaded(&self) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|_, set| !set.load_only);
    }

    /// Files of sets with `save` or `state`, to be written at exit: path and bytes.
    pub fn to_save(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files: Vec<_> =
            sets.values().filter_map(|s| s.save.clone().map(|path| (path, s.to_text()))).collect();
        files.sort();
        files
    }

    fn load(
        &self,
        spec: &Dataset,
        rule_file: &str,
        read: &ReadFile,
    ) -> Result<DataSet, DatasetError> {
        let kind = spec.kind.ok_or_else(|| DatasetError::NoType(spec.name.clone()))?;
        let save = spec.state.as_ref().or(spec.save.as_ref());
        if save.is_some() && !self.limits.allow_write {
            return Err(DatasetError::NoWriting);
        }
        let save = save.map(|p| self.data_path(p)).transpose()?;
        let mut values = HashMap::new();
        if let Some(load) = &spec.load {
            let path = load_path(load, rule_file);
            let bytes = read(&path).map_err(|e| file_error(&path, &e))?;
            fill(&mut values, kind, spec, &path, &bytes, self.limits.max_values)?;
        }
        if let (Some(_), Some(path)) = (&spec.state, &save) {
            // A state file that is not there yet is an empty set.
            match read(path) {
                Ok(bytes) => fill(&mut values, kind, spec, path, &bytes, self.limits.max_values)?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(file_error(path, &e)),
            }
        }
        Ok(DataSet { kind, values: RwLock::new(values), load_only: save.is_none(), save })
    }

    fn data_path(&self, path: &str) -> Result<PathBuf, DatasetError> {
        let path = Path::new(path);
        if path.is_absolute() && !self.limits.allow_absolute {
            return Err(DatasetError::Absolute(path.display().to_string()));
        }
        if path.components().any(|c| c == std::path::Component::ParentDir) {
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

fn fill(
    values: &mut HashMap<Vec<u8>, Kept>,
    kind: DatasetType,
    spec: &Dataset,
    path: &Path,
    bytes: &[u8],
    max: usize,
) -> Result<(), DatasetError> {
    let bad = |what: String| DatasetError::Value { path: path.display().to_string(), what };
    match spec.format {
        DatasetFormat::Csv => {
            for line in bytes.split(|b| *b == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line.is_empty() || values.len() >= max {
                    continue;
                }
                let (text, reputation) = split_reputation(line);
                let value = parse(kind, text)
                    .ok_or_else(|| bad(String::from_utf8_lossy(line).into_owned()))?;
                values.entry(value).or_insert(Kept { reputation, json: None });
            }
        }
        DatasetFormat::Ndjson => {
            for line in bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()) {
                let object = serde_json::from_slice(line).map_err(|e| bad(e.to_string()))?;
                add_object(values, kind, spec, object, max).map_err(&bad)?;
            }
        }
        DatasetFormat::Json => {
            let document: serde_json::Value =
                serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
            let keys = spec.array_key.as_deref().unwrap_or("");
            let array = walk_keys(&document, keys).and_then(|v| v.as_array());
            let array = array.ok_or_else(|| bad("no array of objects".to_owned()))?;
            for object in array {
                add_object(values, kind, spec, object.clone(), max).map_err(&bad)?;
            }
        }
    }
    Ok(())
}

fn walk_keys<'v>(value: &'v serde_json::Value, keys: &str) -> Option<&'v serde_json::Value> {
    keys.split('.').filter(|k| !k.is_empty()).try_fold(value, |v, key| v.get(key))
}

/// Takes a member out of an object; dots lead into objects in it.
fn remove(object: &mut serde_json::Value, keys: &str) {
    let (path, last) = keys.rsplit_once('.').unwrap_or(("", keys));
    let mut inside = object;
    for key in path.split('.').filter(|k| !k.is_empty()) {
        let Some(next) = inside.get_mut(key) else { return };
        inside = next;
    }
    if let Some(map) = inside.as_object_mut() {
        map.remove(last);
    }
}

fn add_object(
    values: &mut HashMap<Vec<u8>, Kept>,
    kind: DatasetType,
    spec: &Dataset,
    mut object: serde_json::Value,
    max: usize,
) -> Result<(), String> {
    if values.len() >= max {
        return Ok(());
    }
    let key = spec.value_key.as_deref().unwrap_or("");
    let found = walk_keys(&object, key).and_then(|v| v.as_str()).map(str::to_owned);
    let text = found.ok_or_else(|| format!("no text under {key}"))?;
    let value = match kind {
        // JSON holds text as it is, not in base64.
        DatasetType::String => Some(text.into_bytes()),
        _ => parse(kind, text.as_bytes()),
    };
    let value = value.ok_or_else(|| format!("bad value under {key}"))?;
    if spec.remove_key {
        remove(&mut object, key);
    }
    let json = serde_json::to_vec(&object).map_err(|e| e.to_string())?;
    values.entry(value).or_insert(Kept { reputation: 0, json: Some(json.into()) });
    Ok(())
}

fn split_reputation(line: &[u8]) -> (&[u8], u16) {
    let Some(comma) = line.iter().rposition(|b| *b == b',') else { return (line, 0) };
    let number = std::str::from_utf8(&line[comma + 1..]).ok().and_then(|t| t.trim().parse().ok());
    (&line[..comma], number.unwrap_or(0))
}

/// Text of a file to the bytes that are compared.
fn parse(kind: DatasetType, text: &[u8]) -> Option<Vec<u8>> {
    match kind {
        DatasetType::String => {
            use ::base64::Engine;
            ::base64::engine::general_purpose::STANDARD.decode(text).ok()
        }
        DatasetType::Md5 => unhex(text).filter(|v| v.len() == 16),
        DatasetType::Sha256 => unhex(text).filter(|v| v.len() == 32),
        DatasetType::Ipv4 => {
            let address: Ipv4Addr = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
            Some(address.octets().to_vec())
        }
        DatasetType::Ip => {
            let address: IpAddr = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
            Some(mapped(address).to_vec())
        }
    }
}

/// IPv4 addresses as IPv4-mapped IPv6, so that both spellings are one value.
fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            Some((high * 16 + low) as u8)
        })
        .collect()
}

impl DataSet {
    /// The bytes of a buffer as the set compares them; none if they can't be in it.
    fn key<'b>(&self, bytes: &'b [u8]) -> Option<Cow<'b, [u8]>> {
        match (self.kind, bytes.len()) {
            (DatasetType::String, _)
            | (DatasetType::Md5 | DatasetType::Ip, 16)
            | (DatasetType::Sha256, 32)
            | (DatasetType::Ipv4, 4) => Some(Cow::Borrowed(bytes)),
            (DatasetType::Md5, 32) | (DatasetType::Sha256, 64) => unhex(bytes).map(Cow::Owned),
            (DatasetType::Ip, 4) => {
                let octets: [u8; 4] = bytes.try_into().ok()?;
                Some(Cow::Owned(mapped(IpAddr::from(octets)).to_vec()))
            }
            _ => None,
        }
    }

    fn to_text(&self) -> Vec<u8> {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = values.keys().map(|v| self.line(v)).collect();
        lines.sort();
        let mut out = lines.join("\n").into_bytes();
        if !out.is_empty() {
            out.push(b'\n');
        }
        out
    }

    fn line(&self, value: &[u8]) -> String {
        match self.kind {
            DatasetType::String => {
                use ::base64::Engine;
                ::base64::engine::general_purpose::STANDARD.encode(value)
            }
            DatasetType::Md5 | DatasetType::Sha256 => {
                value.iter().map(|b| format!("{b:02x}")).collect()
            }
            DatasetType::Ipv4 => match <[u8; 4]>::try_from(value) {
                Ok(octets) => Ipv4Addr::from(octets).to_string(),
                Err(_) => String::new(),
            },
            DatasetType::Ip => match <[u8; 16]>::try_from(value) {
                Ok(octets) => Ipv6Addr::from(octets).to_string(),
                Err(_) => String::new(),
            },
        }
    }
}

impl SetUse {
    /// Does what the rule says with `bytes`; true when the option holds.
    pub fn check(&self, bytes: &[u8], captured: &mut Vec<Captured>) -> bool {
        let Some(key) = self.set.key(bytes) else {
            return self.command == DatasetCommand::IsNotSet;
        };
        if matches!(self.command, DatasetCommand::Set | DatasetCommand::Unset) {
            let mut values = self.set.values.write().unwrap_or_else(PoisonError::into_inner);
            if self.command == DatasetCommand::Unset {
                return values.remove(&*key).is_some();
            }
            if values.len() >= self.max_values || values.contains_key(&*key) {
                return false;
            }
            values.insert(key.into_owned(), Kept::default());
            return true;
        }
        let values = self.set.values.read().unwrap_or_else(PoisonError::into_inner);
        let found = values.get(&*key);
        if let (Some(compare), Some(kept)) = (self.reputation, found) {
            return compare.matches(u64::from(kept.reputation));
        }
        if let (Some(name), Some(json)) = (&self.context_key, found.and_then(|k| k.json.as_ref())) {
            captured.push(Captured::Context(name.clone(), ContextValue::Json(json.to_vec())));
        }
        found.is_some() == (self.command == DatasetCommand::IsSet)
    }
}
