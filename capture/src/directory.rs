//! The captures in a directory, in the order of their names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::ReadError;
use crate::open::objection;

/// Directories within directories are followed down to here.
const DEEPEST: usize = 64;

/// What a directory holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The captures, by name; those of a directory within are where its name belongs.
    pub captures: Vec<PathBuf>,
    /// Everything else, in the same order.
    pub skipped: Vec<Skipped>,
}

/// Something in a directory that is no capture.
#[derive(Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path.
    pub path: PathBuf,
    /// Why it is not read, to be put after "skipped:".
    pub reason: String,
}

/// Lists the captures in a directory, and in those within it if `recursive`.
///
/// Files are told apart by their first bytes, not by their names. Symbolic links to files are
/// followed; those to directories are not, as they may lead in circles.
pub fn list_captures(directory: &Path, recursive: bool) -> Result<Listing, ReadError> {
    let mut listing = Listing::default();
    list(directory, recursive, 0, &mut listing)?;
    Ok(listing)
}

fn list(
    directory: &Path,
    recursive: bool,
    depth: usize,
    listing: &mut Listing,
) -> Result<(), ReadError> {
    let entries = fs::read_dir(directory).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<PathBuf>>>()
    });
    let mut entries = entries
        .map_err(|cause| ReadError::List { directory: directory.display().to_string(), cause })?;
    entries.sort();
    for path in entries {
        match classify(&path) {
            Ok(Entry::Capture) => listing.captures.push(path),
            Ok(Entry::Directory) if !recursive => {
                skip(listing, path, "it is a directory, and only the files of one are asked for");
            }
            Ok(Entry::Directory) if depth >= DEEPEST => {
                skip(listing, path, "it lies too deep");
            }
            Ok(Entry::Directory) => {
                if let Err(ReadError::List { cause, .. }) =
                    list(&path, recursive, depth + 1, listing)
                {
                    skip(listing, path, &format!("it cannot be listed: {cause}"));
                }
            }
            Ok(Entry::Other(reason)) => skip(listing, path, &reason),
            Err(cause) => skip(listing, path, &format!("it cannot be read: {cause}")),
        }
    }
    Ok(())
}

enum Entry {
    Capture,
    Directory,
    Other(String),
}

fn classify(path: &Path) -> io::Result<Entry> {
    let linked = fs::symlink_metadata(path)?.is_symlink();
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Ok(match linked {
            true => Entry::Other("it is a link to a directory".into()),
            false => Entry::Directory,
        });
    }
    if !kind.is_file() {
        // Opening a named pipe would wait for its writer.
        return Ok(Entry::Other("it is not a regular file".into()));
    }
    let mut start = Vec::with_capacity(16);
    File::open(path)?.take(16).read_to_end(&mut start)?;
    Ok(objection(&start).map_or(Entry::Capture, Entry::Other))
}

fn skip(listing: &mut Listing, path: PathBuf, reason: &str) {
    listing.skipped.push(Skipped { path, reason: reason.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let capture = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        fs::create_dir(root.join("b.d")).unwrap();
        for (name, bytes) in [
            ("c.pcap", &capture[..]),
            ("a.pcapng", &[0x0a, 0x0d, 0x0d, 0x0a]),
            ("b.d/inner.gz", &[0x1f, 0x8b, 8, 0]),
            ("notes.txt", b"hello"),
            ("empty.pcap", b""),
            ("tiny", b"abc"),
        ] {
            fs::write(root.join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b.d/loop")).unwrap();

        let flat = list_captures(root, false).unwrap();
        assert_eq!(flat.captures, [root.join("a.pcapng"), root.join("c.pcap")]);
        let names: Vec<_> = flat.skipped.iter().map(|skipped| skipped.path.clone()).collect();
        assert_eq!(names, ["b.d", "empty.pcap", "notes.txt", "tiny"].map(|name| root.join(name)));
        assert_eq!(flat.skipped[1].reason, "it is empty");
        assert_eq!(flat.skipped[2].reason, "it begins with the bytes 68 65 6c 6c");
        assert_eq!(flat.skipped[3].reason, "it has only 3 bytes");

        let deep = list_captures(root, true).unwrap();
        let expected = ["a.pcapng", "b.d/inner.gz", "c.pcap"].map(|name| root.join(name));
        assert_eq!(deep.captures, expected);
        assert_eq!(deep.skipped[0].reason, "it is a link to a directory");
        assert!(matches!(list_captures(&root.join("none"), true), Err(ReadError::List { .. })));
    }
}
