//! Sources: where rules come from, and what is in them.

mod archive;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::fetch::Fetcher;
use crate::glob;
use crate::manifest::{below, hexadecimal};
use crate::settings::SourceSettings;

pub use self::archive::Limits;

/// What was taken from a source.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The source's name.
    pub name: String,
    /// Where it is, without what is secret.
    pub from: String,
    /// SHA-256 of what was fetched or read.
    pub sha256: String,
    /// Files of rules: paths with texts, in the order of their paths.
    pub rules: Vec<(String, String)>,
    /// Texts of classification.config.
    pub classification: Vec<String>,
    /// Texts of reference.config.
    pub reference: Vec<String>,
    /// Why an earlier download is used.
    pub stale: Option<String>,
    place: Place,
}

/// Where other files of the source are had.
#[derive(Clone, Debug)]
enum Place {
    Archive { file: PathBuf, name: String },
    Disk,
}

/// What is kept of a source while it is read.
#[derive(Default)]
struct Kept {
    rules: Vec<(String, String)>,
    classification: Vec<String>,
    reference: Vec<String>,
    bytes: u64,
}

impl Taken {
    /// Fetches a source, or reads it.
    ///
    /// # Errors
    /// Says why not, without the source's name.
    pub fn from(
        source: &SourceSettings,
        fetcher: &Fetcher,
        ignore: &[String],
        limits: &Limits,
    ) -> Result<Self, String> {
        let mut kept = Kept::default();
        let (from, sha256, stale, place) = match &source.local() {
            Some(path) => {
                let (sha256, place) = of_disk(path, ignore, limits, &mut kept)?;
                (path.display().to_string(), sha256, None, place)
            }
            None => {
                let fetched = fetcher.fetch(source)?;
                let name = last_part(&fetched.from).to_owned();
                kept.archive(&fetched.file, &name, ignore, limits)
                    .map_err(|why| format!("{}: {why}", fetched.from))?;
                let place = Place::Archive { file: fetched.file, name };
                (fetched.from, fetched.sha256, fetched.stale, place)
            }
        };
        if kept.rules.is_empty() {
            return Err(format!("{from}: there is no file of rules in it"));
        }
        kept.rules.sort();
        Ok(Self {
            name: source.name.clone(),
            from,
            sha256,
            rules: kept.rules,
            classification: kept.classification,
            reference: kept.reference,
            stale,
            place,
        })
    }

    /// Other files of the source, by their paths; those that are not there are left out.
    ///
    /// # Errors
    /// When a file can't be read, or is too large.
    pub(crate) fn data(
        &self,
        wanted: &BTreeSet<String>,
        limits: &Limits,
    ) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let mut found = BTreeMap::new();
        let mut bytes = 0;
        match &self.place {
            Place::Archive { file, name } => {
                archive::each(file, name, limits, &mut |path, content| {
                    if wanted.contains(path) {
                        found.insert(path.to_owned(), within(content, limits, &mut bytes)?);
                    }
                    Ok(())
                })?;
            }
            Place::Disk => {
                for path in wanted {
                    let mut file = match fs::File::open(path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        file => file.map_err(|error| format!("{path}: {error}"))?,
                    };
                    let content = within(&mut file, limits, &mut bytes);
                    found.insert(path.clone(), content.map_err(|why| format!("{path}: {why}"))?);
                }
            }
        }
        Ok(found)
    }

    /// Where a file may be that a rule file names: beside it, or below the source's folder.
    pub(crate) fn places_of(&self, named: &str, rule_file: &str) -> Vec<String> {
        let folder = rule_file.rsplit_once('/').map(|(folder, _)| folder);
        let beside = folder.map(|folder| format!("{folder}/{named}"));
        match self.place {
            _ if below(named).is_none() => Vec::new(),
            Place::Archive { .. } => beside.into_iter().chain([named.to_owned()]).collect(),
            Place::Disk => beside.into_iter().collect(),
        }
    }
}

impl Kept {
    fn archive(
        &mut self,
        file: &Path,
        name: &str,
        ignore: &[String],
        limits: &Limits,
    ) -> Result<(), String> {
        let plain = archive::plain_name(name);
        archive::each(file, name, limits, &mut |path, content| {
            self.file(path, content, ignore, limits, path == plain)
        })
    }

    /// Keeps a file's text if it is of interest; `named`: whatever its name, it holds rules.
    fn file(
        &mut self,
        path: &str,
        content: &mut dyn Read,
        ignore: &[String],
        limits: &Limits,
        named: bool,
    ) -> Result<(), String> {
        let name = last_part(path);
        let list = match name {
            "classification.config" => &mut self.classification,
            "reference.config" => &mut self.reference,
            _ if named || name.ends_with(".rules") => {
                if ignore.iter().any(|pattern| glob::fits(pattern, name)) {
                    return Ok(());
                }
                let text = text(within(content, limits, &mut self.bytes)?);
                self.rules.push((path.to_owned(), text));
                return Ok(());
            }
            _ => return Ok(()),
        };
        list.push(text(within(content, limits, &mut self.bytes)?));
        Ok(())
    }
}

/// Files of this machine: one, an archive, a folder, or those of a pattern.
fn of_disk(
    path: &Path,
    ignore: &[String],
    limits: &Limits,
    kept: &mut Kept,
) -> Result<(String, Place), String> {
    let shown = path.display().to_string();
    let files = match path.is_dir() {
        true => of_folder(path).map_err(|error| format!("{shown}: {error}"))?,
        false => glob::expand(&shown),
    };
    if files.is_empty() {
        return Err(match glob::obstacle(&shown) {
            Some((path, error)) => format!("{}: {error}", path.display()),
            None => format!("{shown}: there is no such file"),
        });
    }
    if files.len() as u64 > limits.files {
        return Err(format!("{shown}: there are more than {} files", limits.files));
    }
    let mut digest = Sha256::new();
    let alone = files.len() == 1 && !path.is_dir();
    for file in &files {
        let name = file.display().to_string();
        let wrong = |why: String| format!("{name}: {why}");
        let mut content = fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
        if !alone {
            digest.update(name.as_bytes());
            digest.update([0]);
        }
        io::copy(&mut content, &mut digest).map_err(|error| wrong(error.to_string()))?;
        if alone && is_packed(&name) {
            kept.archive(file, last_part(&name), ignore, limits).map_err(wrong)?;
            let place = Place::Archive { file: file.clone(), name: last_part(&name).to_owned() };
            return Ok((hexadecimal(&digest.finalize()), place));
        }
        let mut content = fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
        kept.file(&name, &mut content, ignore, limits, !path.is_dir()).map_err(wrong)?;
    }
    Ok((hexadecimal(&digest.finalize()), Place::Disk))
}

fn is_packed(name: &str) -> bool {
    [".tar", ".tgz", ".gz", ".zst", ".zip", ".xz", ".bz2", ".7z"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

fn of_folder(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let wanted = name.ends_with(".rules") && !name.starts_with('.')
            || matches!(&*name, "classification.config" | "reference.config");
        if wanted && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The content, if it still fits into what may be kept.
fn within(content: &mut dyn Read, limits: &Limits, kept: &mut u64) -> Result<Vec<u8>, String> {
    let left = limits.kept.saturating_sub(*kept);
    let mut bytes = Vec::new();
    content
        .take(left.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it can't be read: {error}"))?;
    *kept = kept.saturating_add(bytes.len() as u64);
    match bytes.len() as u64 > left {
        true => Err(format!("with it there are more than {} bytes to keep", limits.kept)),
        false => Ok(bytes),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What stands behind the last slash, without a query.
fn last_part(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
impl Taken {
    /// Of a source that was read from files of this machine.
    pub(crate) fn of_texts(name: &str, files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self {
            name: name.to_owned(),
            from: name.to_owned(),
            sha256: "00".repeat(32),
            rules: files.iter().map(own).collect(),
            classification: Vec::new(),
            reference: Vec::new(),
            stale: None,
            place: Place::Disk,
        }
    }
}
