//! From a bundle that anybody may have sent to files of which each is what was signed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::pack::digits;
use super::{BLOCK, BundleError, Limits, SIGNATURE};
use crate::manifest::{self, FileRecord, Hash, Manifest, below};
use crate::sign::{self, PublicKeys, Signed};

/// Zero bytes that may follow the archive's end: tar programs fill up records.
const PADDING: u64 = 64 * 1024;
/// Temporary folders that others have left.
const MOST_LEFT: u32 = 1000;

/// Which bundle is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// Only this one.
    pub hash: Option<Hash>,
    /// None with a lower version than this.
    pub newest: Option<u64>,
}

/// A bundle whose files lie in their folder.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// Signed.
    pub manifest: Manifest,
    /// Of the manifest.
    pub hash: Hash,
    /// The signature's text.
    pub signature: String,
    /// Who signed.
    pub signed: Signed,
}

/// Unpacks into a folder that is there, is empty, and that nobody else writes to. The signature is
/// checked before anything else is believed; a file is written as it comes and given up when its
/// size or sum is another than the manifest's. After an error the folder is to be thrown away.
///
/// # Errors
/// With the first thing that is not as it should be.
pub fn unpack(
    archive: impl Read,
    keys: &PublicKeys,
    accept: &Accept,
    limits: &Limits,
    folder: &Path,
) -> Result<Unpacked, BundleError> {
    let packed = Bounded { inner: archive, left: limits.packed, what: "bytes as fetched" };
    let mut decoder = zstd::Decoder::new(packed).map_err(damaged)?;
    decoder.window_log_max(limits.window).map_err(damaged)?;
    let headers = (limits.files as u64 + 4) * 2 * BLOCK as u64;
    let left = limits.unpacked.saturating_add(limits.manifest).saturating_add(headers + PADDING);
    let unpacked = Bounded { inner: decoder, left, what: "bytes as unpacked" };
    let mut archive = Archive::new(unpacked);
    let found = entries(&mut archive, keys, accept, limits, folder)?;
    ends(archive.into_inner())?;
    Ok(found)
}

/// What a bundle says of itself, unpacked no further than that. Nobody has vouched for it.
///
/// # Errors
/// When it does not begin as a bundle does.
pub fn peek(archive: impl Read, limits: &Limits) -> Result<(Hash, Manifest), BundleError> {
    let mut decoder = zstd::Decoder::new(archive).map_err(damaged)?;
    decoder.window_log_max(limits.window).map_err(damaged)?;
    let mut archive = Archive::new(decoder);
    let mut entries = archive.entries().map_err(damaged)?.raw(true);
    let first = entries.next().ok_or_else(|| BundleError::Damaged("it is empty".to_owned()))?;
    let first = expect(first.map_err(damaged)?, manifest::FILE)?;
    let bytes = whole(first, manifest::FILE, limits.manifest)?;
    Ok((Hash::of(&bytes), Manifest::parse(&bytes)?))
}

/// Checks a whole bundle as [`unpack`] does, and keeps nothing of it.
///
/// # Errors
/// With the first thing that is not as it should be.
pub fn check(archive: impl Read, keys: &PublicKeys, limits: &Limits) -> Result<Hash, BundleError> {
    let failed = |error| BundleError::File("temporary folder".to_owned(), error);
    // One that was left by a program with the same number, such as 1 in a container, is in nobody's
    // way.
    let mut attempt = 0;
    let folder = loop {
        let name = format!("bateleur-check-{}-{attempt}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < MOST_LEFT => {
                attempt += 1;
            }
            Err(error) => return Err(failed(error)),
        }
    };
    let checked = unpack(archive, keys, &Accept::default(), limits, &folder);
    let _ = fs::remove_dir_all(&folder);
    checked.map(|unpacked| unpacked.hash)
}

fn entries<R: Read>(
    archive: &mut Archive<R>,
    keys: &PublicKeys,
    accept: &Accept,
    limits: &Limits,
    folder: &Path,
) -> Result<Unpacked, BundleError> {
    // Raw: long names and extended headers are entries like others, and refused as such.
    let mut entries = archive.entries().map_err(damaged)?.raw(true);
    let mut next = |wanted: &str| match entries.next() {
        None => {
            Err(BundleError::Order { found: "the end".to_owned(), wanted: format!("{wanted:?}") })
        }
        Some(entry) => expect(entry.map_err(damaged)?, wanted),
    };
    let bytes = whole(next(manifest::FILE)?, manifest::FILE, limits.manifest)?;
    let signature = whole(next(SIGNATURE)?, SIGNATURE, sign::MOST)?;
    let signature = String::from_utf8(signature)
        .map_err(|_| BundleError::Damaged("the signature is not UTF-8".to_owned()))?;
    // Nothing is looked at before this.
    let signed = keys.verify(&bytes, &signature)?;
    let hash = Hash::of(&bytes);
    if let Some(wanted) = accept.hash.filter(|wanted| *wanted != hash) {
        return Err(BundleError::Other { found: hash, wanted });
    }
    let manifest = Manifest::parse(&bytes)?;
    if manifest.to_bytes() != bytes {
        return Err(BundleError::Form);
    }
    let found = manifest.version;
    if let Some(newest) = accept.newest.filter(|newest| found < *newest) {
        return Err(BundleError::Older { found, newest });
    }
    fits(&manifest, bytes.len() as u64, limits)?;
    for file in &manifest.files {
        store(next(&file.path)?, file, folder)?;
    }
    if let Some(entry) = entries.next() {
        let found = name(&entry.map_err(damaged)?);
        return Err(BundleError::Order { found, wanted: "the end".to_owned() });
    }
    Ok(Unpacked { manifest, hash, signature, signed })
}

/// Whether a set is within limits.
pub(super) fn fits(manifest: &Manifest, bytes: u64, limits: &Limits) -> Result<(), BundleError> {
    let large = |what: String| Err(BundleError::Large(what));
    if bytes > limits.manifest {
        return large(format!("a manifest of {bytes} bytes"));
    }
    if manifest.files.len() > limits.files {
        return large(format!("{} files", manifest.files.len()));
    }
    let mut total = 0u64;
    for file in &manifest.files {
        total = total.saturating_add(file.bytes);
        if total > limits.unpacked {
            return large(format!("more than {} bytes", limits.unpacked));
        }
        if file.path.len() > limits.path {
            return large(format!("a path of {} bytes", file.path.len()));
        }
        if file.path == SIGNATURE {
            let found = format!("{SIGNATURE:?}");
            return Err(BundleError::Order { found, wanted: "a file of the set".to_owned() });
        }
    }
    Ok(())
}

/// Only what is a regular file by exactly this name.
fn expect<'a, R: Read>(entry: Entry<'a, R>, wanted: &str) -> Result<Entry<'a, R>, BundleError> {
    let is_regular = entry.header().entry_type() == EntryType::Regular;
    if is_regular && *entry.path_bytes() == *wanted.as_bytes() {
        return Ok(entry);
    }
    let kind = entry.header().entry_type();
    let found = match is_regular {
        true => name(&entry),
        false => format!("{} (of kind {:?})", name(&entry), char::from(kind.as_byte())),
    };
    Err(BundleError::Order { found, wanted: format!("{wanted:?}") })
}

fn name<R: Read>(entry: &Entry<'_, R>) -> String {
    let bytes = entry.path_bytes();
    let shown: String = String::from_utf8_lossy(&bytes).chars().take(100).collect();
    format!("{shown:?}")
}

/// A small file, in memory.
fn whole<R: Read>(mut entry: Entry<'_, R>, name: &str, most: u64) -> Result<Vec<u8>, BundleError> {
    let size = entry.header().entry_size().map_err(damaged)?;
    if size > most {
        return Err(BundleError::Large(format!("{name} of {size} bytes")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(damaged)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(BundleError::Damaged(format!("it ends within {name}"))),
    }
}

/// A file of the set, onto the disk.
fn store<R: Read>(
    mut entry: Entry<'_, R>,
    file: &FileRecord,
    folder: &Path,
) -> Result<(), BundleError> {
    let content = || BundleError::Content(file.path.clone());
    if entry.header().entry_size().map_err(damaged)? != file.bytes {
        return Err(content());
    }
    let named = |error| BundleError::File(file.path.clone(), error);
    // The manifest was read by whoever looks at this as well; twice is better than once.
    let relative = below(&file.path)
        .ok_or_else(|| BundleError::Manifest(manifest::ManifestError::Path(file.path.clone())))?;
    let path = folder.join(relative);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(named)?;
    }
    let mut options = OpenOptions::new();
    let mut written =
        options.write(true).create_new(true).mode(0o644).open(&path).map_err(named)?;
    let (mut sum, mut left) = (Sha256::new(), file.bytes);
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let room = buffer.get_mut(..room).unwrap_or_default();
        let count = match entry.read(room) {
            Ok(0) => {
                return Err(BundleError::Damaged(format!("it ends within {}", file.path)));
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        let piece = room.get(..count).unwrap_or_default();
        sum.update(piece);
        written.write_all(piece).map_err(named)?;
        left = left.saturating_sub(count as u64);
    }
    if digits(sum) == file.sha256 {
        return written.flush().map_err(named);
    }
    drop(written);
    // It is not what was signed: nobody shall find it.
    let _ = fs::remove_file(&path);
    Err(content())
}

/// Nothing but zeros follows.
fn ends(mut rest: impl Read) -> Result<(), BundleError> {
    let (mut buffer, mut read) = ([0; 4096], 0u64);
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                read += count as u64;
                let is_zero = buffer.iter().take(count).all(|byte| *byte == 0);
                if !is_zero || read > PADDING {
                    let found = "something".to_owned();
                    return Err(BundleError::Order { found, wanted: "the end".to_owned() });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error)),
        }
    }
}

/// A reader's error is the bundle's, but for that of a limit.
fn damaged(error: io::Error) -> BundleError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => BundleError::Large(error.to_string()),
        _ => BundleError::Damaged(error.to_string()),
    }
}

/// Reads no more than a limit: more is an error, not an end.
struct Bounded<R> {
    inner: R,
    left: u64,
    what: &'static str,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                let text = format!("more {} than the limit", self.what);
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
        }
        Ok(count)
    }
}
