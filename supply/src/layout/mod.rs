//! The folder from which sensors take bundles: what a rule server serves, and what a volume, a
//! bucket or a plain web server may hold as well.
//!
//! ```text
//! v1/channels/NAME.json            which bundle the sensors of a channel are to have
//! v1/bundles/HASH.tar.zst          bundles by the sum of their manifests
//! state/…                          what a rule server keeps: receipts, roll-outs, its lock
//! ```
//!
//! A channel's file is replaced at once, and only when its bundle lies there whole.

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::bundle::{BundleError, ENDING, Limits, file_name, peek};
use crate::manifest::{Hash, Manifest};
use crate::receipt::is_name;

/// The layout that this program writes and reads.
pub const FORMAT: u32 = 1;
/// Where the channels' files are, below the layout's folder and a server's address.
pub const CHANNELS: &str = "v1/channels";
/// Where the bundles are.
pub const BUNDLES: &str = "v1/bundles";
/// What a server keeps for itself.
pub const STATE: &str = "state";
/// Of it, the roll-outs.
const ROLLOUTS: &str = "state/rollouts";
/// Bytes of a channel's file.
pub const MOST: u64 = 64 * 1024;
/// Bytes of a file of a server's state.
pub(crate) const MOST_STATE: u64 = 64 << 20;
/// What names of unfinished files begin with.
const UNFINISHED: &str = ".unfinished-";
/// So many names are tried for one.
const MOST_TRIES: u32 = 16;
/// Digits of a bundle's sum that are enough to name it, if no other begins so.
const FEWEST_DIGITS: usize = 4;

/// Which bundle the sensors of a channel are to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// [`FORMAT`].
    pub format: u32,
    /// Its name.
    pub channel: String,
    /// The bundle.
    pub bundle: Hash,
    /// Its version.
    pub version: u64,
    /// The bundle before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Hash>,
    /// Sensors may go back to it from a newer one.
    #[serde(default, rename = "allow-older", skip_serializing_if = "is_false")]
    pub allow_older: bool,
    /// Rises when sensors are to try again what they refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
}

/// Why the layout can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// A channel's file is none.
    #[error("{0}: {1}")]
    Channel(String, String),
    /// A name that no file shall have.
    #[error("{0:?} is no name of a channel: letters, digits and . - _ : are")]
    Name(String),
    /// A bundle is not there.
    #[error("there is no bundle {0}")]
    Missing(Hash),
    /// What names no bundle.
    #[error("{0:?} is no beginning of a bundle's sum: 4 to 64 hexadecimal digits are")]
    NoSum(String),
    /// No bundle that lies here begins so.
    #[error("there is no bundle whose sum begins with {0}")]
    NoneBegins(String),
    /// Several do.
    #[error("the sums of several bundles begin with {0}: {1}; write more digits")]
    SeveralBegin(String, String),
    /// A bundle is damaged.
    #[error("bundle {0}: {1}")]
    Bundle(String, BundleError),
    /// Sensors would refuse it.
    #[error(
        "version {found} is older than {newest}, which channel {channel} names: sensors refuse it \
         unless the channel allows an older one (`--allow-older`); `--version` gives it another"
    )]
    Older {
        /// The channel's name.
        channel: String,
        /// The bundle's version.
        found: u64,
        /// The channel's.
        newest: u64,
    },
    /// A roll-out would be passed over.
    #[error("a roll-out of channel {0} is under way; take it back or let it end before")]
    Busy(String),
}

/// A folder with the layout.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Channel {
    /// From its file.
    ///
    /// # Errors
    /// When it is none, or of another format or channel.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, LayoutError> {
        let wrong = |why: String| LayoutError::Channel(format!("channel {name}"), why);
        let channel: Self =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if channel.format != FORMAT {
            return Err(wrong(format!("format {}, this program reads {FORMAT}", channel.format)));
        }
        match channel.channel == name {
            true => Ok(channel),
            false => Err(wrong("it is of another channel".to_owned())),
        }
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl Layout {
    /// A folder with the layout, which may be empty; what is missing is made when it is needed.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bundle that a channel names, if there is such a channel.
    ///
    /// # Errors
    /// When its file can't be read or is none.
    pub fn channel(&self, name: &str) -> Result<Option<Channel>, LayoutError> {
        let path = self.channel_file(name)?;
        match read_some(&path, MOST) {
            Ok(bytes) => Channel::parse(&bytes, name).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LayoutError::File(path, error)),
        }
    }

    /// All channels that can be read, by name.
    pub fn channels(&self) -> Vec<Channel> {
        let entries = fs::read_dir(self.folder.join(CHANNELS)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".json").map(str::to_owned)
        });
        let mut found: Vec<Channel> =
            names.filter_map(|name| self.channel(&name).ok().flatten()).collect();
        found.sort_by(|a, b| a.channel.cmp(&b.channel));
        found
    }

    /// Where a bundle's file is, or would be.
    pub fn bundle_file(&self, hash: &Hash) -> PathBuf {
        self.folder.join(BUNDLES).join(file_name(hash))
    }

    /// Adds a bundle, which `write` writes; it is there under its name when it is whole.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(
        &self,
        hash: &Hash,
        write: impl FnOnce(&mut dyn Write) -> Result<(), BundleError>,
    ) -> Result<PathBuf, LayoutError> {
        let path = self.bundle_file(hash);
        replace(&path, |file| {
            let mut buffered = BufWriter::with_capacity(1 << 16, file);
            write(&mut buffered).map_err(|error| LayoutError::Bundle(hash.short(), error))?;
            buffered.flush().map_err(|error| LayoutError::File(path.clone(), error))
        })?;
        Ok(path)
    }

    /// What a bundle that lies here says of itself. The signature is not looked at.
    ///
    /// # Errors
    /// When it is not there, or damaged, or another one than its name says.
    pub fn manifest(&self, hash: &Hash) -> Result<Manifest, LayoutError> {
        let path = self.bundle_file(hash);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LayoutError::Missing(*hash));
            }
            Err(error) => return Err(LayoutError::File(path, error)),
        };
        let of_bundle = |error| LayoutError::Bundle(hash.short(), error);
        let (found, manifest) = peek(file, &Limits::default()).map_err(of_bundle)?;
        match found == *hash {
            true => Ok(manifest),
            false => Err(of_bundle(BundleError::Other { found, wanted: *hash })),
        }
    }

    /// The bundle with the highest version that lies here: its version and, where it is whole enough
    /// to say so, what it says of itself. Channels may name one that was removed; their versions
    /// count as well.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn newest(&self) -> Result<(u64, Option<Manifest>), LayoutError> {
        let named = self.channels().iter().map(|channel| channel.version).max().unwrap_or(0);
        let mut newest: Option<Manifest> = None;
        for (_, hash, _) in self.bundles()? {
            match self.manifest(&hash) {
                Ok(manifest) if newest.as_ref().is_none_or(|n| n.version < manifest.version) => {
                    newest = Some(manifest);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("{error}"),
            }
        }
        let there = newest.as_ref().map_or(0, |newest| newest.version);
        Ok((there.max(named), newest.filter(|_| there >= named)))
    }

    /// The bundle whose sum begins so. A whole sum is taken as it is.
    ///
    /// # Errors
    /// When it is no beginning of one, or none or several of those that lie here begin so.
    pub fn find(&self, beginning: &str) -> Result<Hash, LayoutError> {
        if let Some(hash) = Hash::parse(beginning) {
            return Ok(hash);
        }
        let digits = beginning.to_ascii_lowercase();
        let is_long_enough = (FEWEST_DIGITS..64).contains(&digits.len());
        if !is_long_enough || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(LayoutError::NoSum(beginning.chars().take(80).collect()));
        }
        let all = self.bundles()?.into_iter().map(|(_, hash, _)| hash);
        let found: Vec<Hash> = all.filter(|hash| hash.to_string().starts_with(&digits)).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(LayoutError::NoneBegins(digits)),
            many => {
                let many: Vec<String> = many.iter().take(5).map(Hash::short).collect();
                Err(LayoutError::SeveralBegin(digits, many.join(", ")))
            }
        }
    }

    /// Bundles that lie here, with their times and files.
    fn bundles(&self) -> Result<Vec<(SystemTime, Hash, PathBuf)>, LayoutError> {
        let folder = self.folder.join(BUNDLES);
        let failed = |error| LayoutError::File(folder.clone(), error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let hash = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            let Some(hash) = hash.and_then(Hash::parse) else { continue };
            let time = entry.metadata().and_then(|about| about.modified()).map_err(failed)?;
            found.push((time, hash, entry.path()));
        }
        Ok(found)
    }

    /// Has a channel name a bundle that lies here. An older one than before has to be wanted.
    ///
    /// # Errors
    /// When the bundle is not there, or older, or the file can't be written, or a roll-out is under
    /// way.
    pub fn publish(
        &self,
        name: &str,
        hash: &Hash,
        allow_older: bool,
    ) -> Result<Channel, LayoutError> {
        if self.is_rolling_out(name)? {
            return Err(LayoutError::Busy(name.to_owned()));
        }
        let newest = self.channel(name)?.map_or(0, |channel| channel.version);
        let found = self.manifest(hash)?.version;
        if found < newest && !allow_older {
            return Err(LayoutError::Older { channel: name.to_owned(), found, newest });
        }
        self.set(name, hash, allow_older)
    }

    /// The same, for whoever rolls out.
    pub(crate) fn set(
        &self,
        name: &str,
        hash: &Hash,
        allow_older: bool,
    ) -> Result<Channel, LayoutError> {
        let version = self.manifest(hash)?.version;
        let before = self.channel(name)?;
        let previous = match &before {
            Some(before) if before.bundle == *hash => before.previous,
            Some(before) => Some(before.bundle),
            None => None,
        };
        let channel = Channel {
            format: FORMAT,
            channel: name.to_owned(),
            bundle: *hash,
            version,
            previous,
            allow_older,
            attempt: 0,
        };
        let path = self.channel_file(name)?;
        let bytes = channel.to_bytes();
        let failed = |error| LayoutError::File(path.clone(), error);
        replace(&path, |file| file.write_all(&bytes).map_err(failed))?;
        Ok(channel)
    }

    /// Removes old bundles: all but the newest, and those that channels or roll-outs name. Gives
    /// the files that are gone.
    ///
    /// # Errors
    /// When the folder can't be read. What can't be removed stays.
    pub fn prune(&self, keep: usize) -> Result<Vec<PathBuf>, LayoutError> {
        let named = self.named()?;
        let mut found = self.bundles()?;
        found.sort_by(|a, b| b.cmp(a));
        let old = found.into_iter().skip(keep).filter(|(_, hash, _)| !named.contains(hash));
        Ok(old.filter(|(.., path)| fs::remove_file(path).is_ok()).map(|(.., path)| path).collect())
    }

    /// Every sum that a channel or a roll-out names, whatever for. A roll-out may be of a channel
    /// that has no file yet.
    fn named(&self) -> Result<Vec<Hash>, LayoutError> {
        let mut named = Vec::new();
        for (folder, most) in
            [(self.folder.join(CHANNELS), MOST), (self.folder.join(ROLLOUTS), MOST_STATE)]
        {
            let failed = |error| LayoutError::File(folder.clone(), error);
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let path = entry.map_err(failed)?.path();
                let bytes = match read_some(&path, most) {
                    // An unfinished one that is in its place by now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    bytes => bytes.map_err(|error| LayoutError::File(path.clone(), error))?,
                };
                named.extend(String::from_utf8_lossy(&bytes).split('"').filter_map(Hash::parse));
            }
        }
        Ok(named)
    }

    /// Where the state of a channel's roll-out is.
    pub(crate) fn rollout_file(&self, channel: &str) -> PathBuf {
        self.folder.join(ROLLOUTS).join(format!("{channel}.json"))
    }

    fn is_rolling_out(&self, channel: &str) -> Result<bool, LayoutError> {
        self.channel_file(channel)?;
        let path = self.rollout_file(channel);
        let bytes = match read_some(&path, MOST_STATE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            bytes => bytes.map_err(|error| LayoutError::File(path, error))?,
        };
        let state = serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_default();
        Ok(matches!(
            state.get("state").and_then(|state| state.as_str()),
            Some("running" | "stopped")
        ))
    }

    fn channel_file(&self, name: &str) -> Result<PathBuf, LayoutError> {
        match is_name(name) {
            true => Ok(self.folder.join(CHANNELS).join(format!("{name}.json"))),
            false => Err(LayoutError::Name(name.chars().take(40).collect())),
        }
    }
}

/// Puts a file in the place of another at once, on the disk when this returns.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), LayoutError>,
) -> Result<(), LayoutError> {
    let failed = |error| LayoutError::File(path.to_path_buf(), error);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (unfinished, mut file) = unfinished(folder, &name).map_err(failed)?;
    let written = (|| {
        write(&mut file)?;
        file.sync_all().map_err(failed)?;
        drop(file);
        fs::rename(&unfinished, path).map_err(failed)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    })();
    if written.is_err() {
        // Nobody looks for it.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// A new file that nobody else writes: containers on one volume may have the same process id.
fn unfinished(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let mut tries = 0;
    loop {
        // Each state is seeded anew.
        let lot = RandomState::new().hash_one((std::process::id(), tries));
        let path = folder.join(format!("{UNFINISHED}{lot:016x}-{name}"));
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < MOST_TRIES => {
                tries += 1;
            }
            file => return Ok((path, file?)),
        }
    }
}

/// A file that is not larger than this.
pub(crate) fn read_some(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 <= most {
        true => Ok(bytes),
        false => Err(io::Error::other(format!("more than {most} bytes"))),
    }
}

// serde asks for these.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
