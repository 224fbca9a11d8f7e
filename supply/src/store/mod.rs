//! Generations of rules in a folder: which is in use, which one can go back to, and how a new one
//! takes its place so that a crash at any moment leaves the old or the new one, whole.

mod disk;
mod lock;
mod outcome;
mod staged;

#[cfg(test)]
pub(crate) mod tests;

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::manifest::{self, Hash, Manifest, ManifestError};

use self::disk::{Disk, step};
use self::lock::Lock;

/// A moment at which a test may end the program.
pub(crate) use self::disk::step as moment;

pub use self::outcome::{Came, Outcome};
pub use self::staged::Staged;

/// The link to the generation in use.
const CURRENT: &str = "current";
const GENERATIONS: &str = "generations";
/// What a follower has to know after it was killed; the sets that it names stay.
pub(crate) const NOTES: &str = "follow.json";
const MOST_NOTES: u64 = 1 << 20;
/// Folders that begin so are unfinished or to be removed; whoever has the lock removes them.
const STAGING: &str = "staging-";

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or changed.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else changes the store.
    #[error("{}: process {pid} changes these rules at the moment; try again when it is done", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// Who has it, as far as it says.
        pid: String,
    },
    /// A manifest is none.
    #[error("{}: {error}", path.display())]
    Manifest {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// Something is not as its manifest says.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// What.
        path: PathBuf,
        /// In which way.
        why: String,
    },
    /// A name that would leave the folder.
    #[error("{0:?} is no path below the folder of a set of rules")]
    Path(String),
}

/// A set of rules in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Rises with each one that is put.
    pub number: u64,
    /// By what it is known everywhere.
    pub hash: Hash,
    /// What it consists of.
    pub manifest: Manifest,
    /// Where its files are.
    pub folder: PathBuf,
}

impl Generation {
    /// Reads every file and compares it with its sum.
    ///
    /// # Errors
    /// Names the first file that is missing or is not what the manifest says.
    pub fn verify(&self) -> Result<(), StoreError> {
        staged::verify(&self.folder, &self.manifest)
    }

    /// The generation in a folder; its files are looked at, not read.
    fn read(folder: &Path) -> Result<Self, StoreError> {
        let damaged = |why: &str| StoreError::Damaged { path: folder.into(), why: why.into() };
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let parts =
            name.split_once('-').and_then(|(number, hash)| Some((number.parse().ok()?, hash)));
        let Some((number, short)) = parts else {
            return Err(damaged("not named NUMBER-HASH"));
        };
        let path = folder.join(manifest::FILE);
        let bytes = disk::read_at_most(&path, manifest::MOST)?;
        let manifest = Manifest::parse(&bytes)
            .map_err(|error| StoreError::Manifest { path: path.clone(), error })?;
        let hash = Hash::of(&bytes);
        if hash.short() != short {
            return Err(damaged("its manifest was changed: the hash is not that of its name"));
        }
        for file in &manifest.files {
            staged::look(folder, file)?;
        }
        Ok(Self { number, hash, manifest, folder: folder.to_path_buf() })
    }
}

/// A folder with generations of rules, locked for a change.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    keep: usize,
    protected: Vec<Hash>,
    _lock: Lock,
}

impl Store {
    /// Takes the store for a change; makes its folders where they are missing.
    ///
    /// `keep` is how many generations are kept at least; never fewer than two.
    ///
    /// # Errors
    /// When somebody else has it, or a folder can't be made.
    pub fn open(directory: &Path, keep: usize) -> Result<Self, StoreError> {
        let generations = directory.join(GENERATIONS);
        fs::create_dir_all(&generations).at(&generations)?;
        let lock = Lock::take(&directory.join("lock"))?;
        let store = Self {
            directory: directory.to_path_buf(),
            keep: keep.max(2),
            protected: Vec::new(),
            _lock: lock,
        };
        store.clear_away();
        Ok(store)
    }

    /// Has a set stay whatever its age, such as one that a running sensor has in force.
    pub fn protect(&mut self, hash: Option<Hash>) {
        self.protected.extend(hash);
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The generation in use.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn current(&self) -> Result<Option<Generation>, StoreError> {
        Self::look(&self.directory)
    }

    /// The generation in use, for those who only read: without the lock.
    ///
    /// # Errors
    /// When it is damaged, or the link points elsewhere than to a generation.
    pub fn look(directory: &Path) -> Result<Option<Generation>, StoreError> {
        match target(directory)? {
            Some(folder) => Generation::read(&folder).map(Some),
            None => Ok(None),
        }
    }

    /// All generations, newest first; damaged ones are left out with a warning.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        Self::list(&self.directory)
    }

    /// The same without the lock; none if the store was never made.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn list(directory: &Path) -> Result<Vec<Generation>, StoreError> {
        let mut all = Vec::new();
        for folder in folders(&directory.join(GENERATIONS))? {
            match Generation::read(&folder) {
                Ok(generation) => all.push(generation),
                Err(error) => tracing::warn!("a generation of rules is left out: {error}"),
            }
        }
        all.sort_by_key(|generation| Reverse((generation.number, generation.hash)));
        Ok(all)
    }

    /// A temporary folder in the store for what is to become a generation; gone when dropped.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn stage(&self) -> Result<Staged, StoreError> {
        for number in 0_u64.. {
            let folder = self.directory.join(format!("{STAGING}{}-{number}", std::process::id()));
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.at(&folder).map(|()| Staged::new(folder)),
            }
        }
        Err(StoreError::Path(STAGING.to_owned()))
    }

    /// Makes a generation of a staged folder; it is not in use before [`Store::switch`].
    ///
    /// A set with the same hash that is there already, whole, is given back instead.
    ///
    /// # Errors
    /// When a file is not what the manifest says, or can't be written.
    pub fn put(&self, staged: Staged, manifest: Manifest) -> Result<Generation, StoreError> {
        staged::verify(staged.folder(), &manifest)?;
        let bytes = manifest.to_bytes();
        // What was written is what will be read.
        let manifest = Manifest::parse(&bytes).map_err(|error| StoreError::Manifest {
            path: staged.folder().join(manifest::FILE),
            error,
        })?;
        let hash = Hash::of(&bytes);
        let there = self.generations()?.into_iter().find(|other| other.hash == hash);
        if let Some(there) = there.filter(|there| there.verify().is_ok()) {
            return Ok(there);
        }
        disk::write(&staged.folder().join(manifest::FILE), &bytes)?;
        step();
        disk::sync_all(staged.folder())?;
        step();
        let number = self.next_number()?;
        let generations = self.directory.join(GENERATIONS);
        let folder = generations.join(format!("{number}-{}", hash.short()));
        staged.become_folder(&folder)?;
        step();
        disk::sync(&generations)?;
        step();
        Ok(Generation { number, hash, manifest, folder })
    }

    /// Makes a generation the one in use, at once and for good; then removes those that are more
    /// than are kept, never the one in use, the one that was in use, the one before it, one that a
    /// follower may go back to, or a protected one.
    ///
    /// # Errors
    /// When it is not whole, or the link can't be changed: what was in use stays so.
    pub fn switch(&self, to: &Generation) -> Result<(), StoreError> {
        to.verify()?;
        let before = target(&self.directory).ok().flatten();
        let name = to.folder.file_name().unwrap_or_default();
        let link = self.directory.join(format!("{STAGING}link"));
        disk::remove(&link)?;
        let to_folder = Path::new(GENERATIONS).join(name);
        std::os::unix::fs::symlink(&to_folder, &link).at(&link)?;
        step();
        let current = self.directory.join(CURRENT);
        fs::rename(&link, &current).at(&current)?;
        step();
        disk::sync(&self.directory)?;
        step();
        self.prune(to, before.as_deref());
        Ok(())
    }

    /// Keeps what the last change came to beside the rules.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn record(&self, outcome: &Outcome) -> Result<(), StoreError> {
        outcome.write(&self.directory)
    }

    /// What is in use is so by now: that an old set stays is no reason to say otherwise.
    fn prune(&self, current: &Generation, before: Option<&Path>) {
        let all = match self.generations() {
            Ok(all) => all,
            Err(error) => return tracing::warn!("old generations of rules stay: {error}"),
        };
        let older = all.iter().find(|other| other.number < current.number);
        let noted = self.noted();
        let kept = |generation: &Generation| {
            generation.folder == current.folder
                || Some(generation.folder.as_path()) == before
                || older.is_some_and(|older| older.folder == generation.folder)
                || self.protected.contains(&generation.hash)
                || noted.contains(&generation.hash)
        };
        for generation in all.iter().skip(self.keep).filter(|generation| !kept(generation)) {
            if let Err(error) = self.discard(generation) {
                tracing::warn!("an old generation of rules stays: {error}");
            }
        }
    }

    /// It goes at once, and what a crash leaves of it is nobody's generation.
    fn discard(&self, generation: &Generation) -> Result<(), StoreError> {
        let name = generation.folder.file_name().unwrap_or_default().to_string_lossy();
        let away = self.directory.join(format!("{STAGING}old-{name}"));
        fs::rename(&generation.folder, &away).at(&generation.folder)?;
        step();
        fs::remove_dir_all(&away).at(&away)?;
        step();
        Ok(())
    }

    /// Every set that a follower's notes name, whatever for.
    fn noted(&self) -> Vec<Hash> {
        let bytes = disk::read_at_most(&self.directory.join(NOTES), MOST_NOTES);
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        text.split('"').filter_map(Hash::parse).collect()
    }

    /// Numbers are not used twice while a folder with a higher one is there, damaged or not.
    fn next_number(&self) -> Result<u64, StoreError> {
        let numbers = folders(&self.directory.join(GENERATIONS))?
            .into_iter()
            .filter_map(|path| path.file_name()?.to_str()?.split_once('-')?.0.parse::<u64>().ok());
        Ok(numbers.max().unwrap_or(0).saturating_add(1))
    }

    /// Removes what a crash left.
    fn clear_away(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(STAGING)
                && let Err(error) = disk::remove(&path)
            {
                tracing::warn!("left from an earlier change: {error}");
            }
        }
    }
}

/// Where the link leads; none if there is no link.
fn target(directory: &Path) -> Result<Option<PathBuf>, StoreError> {
    let link = directory.join(CURRENT);
    let to = match fs::read_link(&link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        to => to.at(&link)?,
    };
    match (to.parent(), to.file_name()) {
        (Some(parent), Some(name)) if parent == Path::new(GENERATIONS) => {
            Ok(Some(directory.join(GENERATIONS).join(name)))
        }
        _ => Err(StoreError::Damaged {
            path: link,
            why: format!("leads to {}, which is no generation", to.display()),
        }),
    }
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at(path)?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).at(path)).collect()
}
