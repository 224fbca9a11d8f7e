//! From a folder with a set of rules to a bundle: the same set and signature give the same bytes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::{BundleError, Limits, SIGNATURE};
use crate::manifest::{self, Counts, FileRecord, Manifest};
use crate::sign::SecretKey;

/// Some 30 MB of rules are packed in some seconds, once; higher levels gain little.
const LEVEL: i32 = 12;

/// Signs a set and packs it. Gives the signature's text.
///
/// # Errors
/// When a file is not as the manifest says, or can't be read or written.
pub fn bundle(
    folder: &Path,
    manifest: &Manifest,
    key: &SecretKey,
    to: &mut dyn Write,
) -> Result<String, BundleError> {
    let bytes = manifest.to_bytes();
    let comment = format!(
        "timestamp:{}\tfile:{}\tversion:{}\thashed",
        manifest.created,
        manifest::FILE,
        manifest.version
    );
    let signature = key.sign(&bytes, &comment)?;
    pack(folder, manifest, &signature, to)?;
    Ok(signature)
}

/// Packs a set that is signed already.
///
/// # Errors
/// When a file is not as the manifest says, or can't be read or written.
pub fn pack(
    folder: &Path,
    manifest: &Manifest,
    signature: &str,
    to: &mut dyn Write,
) -> Result<(), BundleError> {
    let bytes = manifest.to_bytes();
    // What nobody would unpack is not packed.
    let limits = Limits::default();
    Manifest::parse(&bytes)?;
    super::unpack::fits(manifest, bytes.len() as u64, &limits)?;
    let failed = |error| BundleError::File("bundle".to_owned(), error);
    let mut encoder = zstd::Encoder::new(to, LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let mut archive = Builder::new(encoder);
    let mut add = |path: &str, size: u64, content: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_path(path)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(manifest.created);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        archive.append(&header, content)
    };
    add(manifest::FILE, bytes.len() as u64, &mut bytes.as_slice()).map_err(failed)?;
    add(SIGNATURE, signature.len() as u64, &mut signature.as_bytes()).map_err(failed)?;
    for file in &manifest.files {
        let named = |error| BundleError::File(file.path.clone(), error);
        let path = folder.join(&file.path);
        // A link could lead to what is none of the set's.
        let found = fs::symlink_metadata(&path).map_err(named)?;
        if !found.is_file() {
            return Err(named(io::Error::other("it is no regular file")));
        }
        if found.len() != file.bytes {
            return Err(BundleError::Content(file.path.clone()));
        }
        let opened = File::open(&path).map_err(named)?;
        let mut content = Summing { inner: opened.take(file.bytes), sum: Sha256::new(), bytes: 0 };
        add(&file.path, file.bytes, &mut content).map_err(named)?;
        if content.bytes != file.bytes || digits(content.sum) != file.sha256 {
            return Err(BundleError::Content(file.path.clone()));
        }
    }
    let encoder = archive.into_inner().map_err(failed)?;
    encoder.finish().and_then(|to| to.flush()).map_err(failed)
}

/// The manifest of a folder that has none: all its files, in the order of their paths.
///
/// # Errors
/// When a file can't be read, is none, or has a name that is not UTF-8.
pub fn describe(
    folder: &Path,
    version: u64,
    created: u64,
    made_by: &str,
) -> Result<Manifest, BundleError> {
    let mut files = Vec::new();
    walk(folder, "", &mut files)?;
    files.sort_by(|a: &FileRecord, b| a.path.cmp(&b.path));
    Ok(Manifest {
        format: manifest::FORMAT,
        version,
        created,
        made_by: made_by.to_owned(),
        sources: Vec::new(),
        counts: Counts::default(),
        files,
    })
}

/// The time that things are made at, where `SOURCE_DATE_EPOCH` says so
/// (reproducible-builds.org/specs/source-date-epoch).
pub fn source_date(now: u64) -> u64 {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok();
    set.and_then(|text| text.trim().parse().ok()).unwrap_or(now)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<FileRecord>) -> Result<(), BundleError> {
    let named = |error| BundleError::File(folder.display().to_string(), error);
    for entry in fs::read_dir(folder).map_err(named)? {
        let entry = entry.map_err(named)?;
        let name = entry.file_name();
        let odd = |why: &str| {
            let error = io::Error::other(why.to_owned());
            BundleError::File(entry.path().display().to_string(), error)
        };
        let name = name.to_str().ok_or_else(|| odd("its name is not UTF-8"))?;
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(named)?;
        if path == manifest::FILE || path == SIGNATURE {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let opened = File::open(entry.path()).map_err(named)?;
            let mut content = Summing { inner: opened, sum: Sha256::new(), bytes: 0 };
            io::copy(&mut content, &mut io::sink()).map_err(named)?;
            let (bytes, sha256) = (content.bytes, digits(content.sum));
            files.push(FileRecord { path, bytes, sha256 });
        } else {
            return Err(odd("it is neither a file nor a folder"));
        }
        if files.len() > Limits::default().files {
            return Err(BundleError::Large(format!("more than {} files", Limits::default().files)));
        }
    }
    Ok(())
}

/// Sums up what is read through it.
struct Summing<R> {
    inner: R,
    sum: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sum.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}

pub(super) fn digits(sum: Sha256) -> String {
    crate::manifest::hexadecimal(&sum.finalize())
}
