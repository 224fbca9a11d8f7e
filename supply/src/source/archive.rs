//! What is in a downloaded file: rules as text, or an archive of them, packed or not, within limits.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::manifest::below;

/// What a file may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of everything that is in it.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes of what is kept in memory of it.
    pub kept: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 30, files: 10_000, kept: 256 << 20 }
    }
}

const MOST_NAME: u64 = 4096;
const MOST_EXTENSIONS: u64 = 64 << 10;
/// The largest window that a frame of zstd may ask for, as a power of two.
const MOST_WINDOW: u32 = 27;

/// Takes a file's path and content.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str, &mut dyn Read) -> Result<(), String>;

/// Shows each file in an archive; a file that is none is shown under the given name.
pub(super) fn each(
    file: &Path,
    name: &str,
    limits: &Limits,
    visit: Visit<'_>,
) -> Result<(), String> {
    let mut reader = unpacked(file, limits)?;
    let mut head = Vec::new();
    (&mut reader).take(512).read_to_end(&mut head).map_err(broken)?;
    let is_tar = head.get(257..262) == Some(b"ustar");
    let mut reader = Cursor::new(head).chain(reader);
    match is_tar {
        true => of_tar(reader, limits, visit),
        false => visit(plain_name(name), &mut reader),
    }
}

/// What was packed is named without the packing's ending.
pub(super) fn plain_name(name: &str) -> &str {
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    if name.is_empty() { "rules" } else { name }
}

fn unpacked(path: &Path, limits: &Limits) -> Result<Box<dyn Read>, String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let mut magic = Vec::new();
    (&mut file).take(6).read_to_end(&mut magic).map_err(broken)?;
    file.seek(SeekFrom::Start(0)).map_err(broken)?;
    let file = BufReader::with_capacity(64 * 1024, file);
    let reader: Box<dyn Read> = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(file).map_err(broken)?;
            decoder.window_log_max(MOST_WINDOW).map_err(broken)?;
            Box::new(decoder)
        }
        [b'P', b'K', 3 | 5, ..] => return Err(unread("zip")),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(unread("xz")),
        [b'B', b'Z', b'h', ..] => return Err(unread("bzip2")),
        [b'7', b'z', 0xbc, 0xaf, ..] => return Err(unread("7z")),
        _ => Box::new(file),
    };
    Ok(Box::new(Limited { reader, left: limits.bytes, most: limits.bytes }))
}

fn unread(kind: &str) -> String {
    format!("files of {kind} are not read: a .tar.gz, .tar, .gz, .zst or the rules as text are")
}

fn broken(error: io::Error) -> String {
    format!("it can't be read: {error}")
}

/// Fails when more comes than there may be.
struct Limited {
    reader: Box<dyn Read>,
    left: u64,
    most: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} bytes", self.most))
        })?;
        Ok(read)
    }
}

fn of_tar(reader: impl Read, limits: &Limits, visit: Visit<'_>) -> Result<(), String> {
    let mut archive = tar::Archive::new(reader);
    let mut files = 0_u64;
    let mut named = None;
    // Raw, because names of any length would be kept in memory otherwise.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let name = small(&mut entry, MOST_NAME)?;
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                named = Some(text(name.get(..end).unwrap_or_default()));
            }
            EntryType::XHeader => {
                named = path_of(&small(&mut entry, MOST_EXTENSIONS)?).or(named);
            }
            kind => {
                files += 1;
                if files > limits.files {
                    return Err(format!("there are more than {} files in it", limits.files));
                }
                let name = named.take().unwrap_or_else(|| text(&entry.header().path_bytes()));
                if matches!(kind, EntryType::Regular | EntryType::Continuous) {
                    let name = name.trim_start_matches("./");
                    if below(name).is_none() {
                        return Err(format!("{name:?} in it would lie outside"));
                    }
                    visit(name, &mut entry).map_err(|why| format!("{name}: {why}"))?;
                }
            }
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn small(entry: &mut dyn Read, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes).map_err(broken)?;
    match bytes.len() as u64 > most {
        true => Err(format!("a name in it is longer than {most} bytes")),
        false => Ok(bytes),
    }
}

/// The path of extended headers (POSIX.1-2001 pax): lines of `LENGTH KEY=VALUE`.
fn path_of(headers: &[u8]) -> Option<String> {
    let mut rest = headers;
    let mut path = None;
    while let Some(blank) = rest.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(rest.get(..blank)?).ok()?.parse::<usize>().ok()?;
        let pair = rest.get(blank + 1..length)?;
        let pair = pair.strip_suffix(b"\n").unwrap_or(pair);
        if let Some(value) = pair.strip_prefix(b"path=") {
            path = Some(text(value));
        }
        rest = rest.get(length..)?;
    }
    path
}
