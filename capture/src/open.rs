//! Finds out by its first bytes what an input is, and opens it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::classic::{Classic, FILE_HEADER};
use crate::compressed::Compression;
use crate::pcapng::{self, PcapNg};
use crate::reader::Reader;
use crate::window::{WINDOW, Window};
use crate::{Position, ReadError, Source};

/// Opens a capture file, or standard input if the path is `-`.
pub fn open(path: &Path) -> Result<Box<dyn Source>, ReadError> {
    open_numbered(path, 0, WINDOW)
}

/// Reads a capture from anything that has bytes; the name is for messages.
pub fn open_reader(name: &str, reader: Box<dyn Read + Send>) -> Result<Box<dyn Source>, ReadError> {
    recognise(name.to_owned(), reader, 0, WINDOW, false)
}

/// Reads a capture that is in memory; the name is for messages.
pub fn open_bytes(name: &str, bytes: Vec<u8>) -> Result<Box<dyn Source>, ReadError> {
    open_reader(name, Box::new(io::Cursor::new(bytes)))
}

/// Opens a file whose frames carry its index among several, with a buffer of a certain size.
pub(crate) fn open_numbered(
    path: &Path,
    file: u32,
    window: usize,
) -> Result<Box<dyn Source>, ReadError> {
    if path.as_os_str() == "-" {
        return recognise("standard input".into(), Box::new(io::stdin()), file, window, false);
    }
    let name = path.display().to_string();
    match open_file(path) {
        Ok(reader) => recognise(name, Box::new(reader), file, window, false),
        Err(cause) => Err(ReadError::Open { file: name, cause }),
    }
}

/// What keeps a file that begins with these bytes from being a capture, `None` if it may be one.
pub(crate) fn objection(start: &[u8]) -> Option<String> {
    let Some(magic) = start.first_chunk::<4>().copied() else {
        return Some(match start {
            [] => "it is empty".into(),
            _ => format!("it has only {} bytes", start.len()),
        });
    };
    if Classic::recognises(magic)
        || magic == pcapng::MAGIC
        || Compression::recognise(magic).is_some()
    {
        return None;
    }
    let named = OTHERS.iter().find(|(other, _)| start.starts_with(other));
    Some(match named {
        Some((_, what)) => format!("it seems to be {what}"),
        None => {
            let [a, b, c, d] = magic;
            format!("it begins with the bytes {a:02x} {b:02x} {c:02x} {d:02x}")
        }
    })
}

/// Files that may be taken for captures, or hold one in a form that is not read.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ\0", "xz data, unpack it first"),
    (b"BZh", "bzip2 data, unpack it first"),
    (b"PK\x03\x04", "a zip archive, unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive, unpack it first"),
    (b"\x02\x21\x4c\x18", "lz4 data of the legacy format, unpack it first"),
    (b"snoop\0\0\0", "a snoop capture, convert it to pcap first"),
    (b"GMBU", "a Network Monitor capture, convert it to pcap first"),
    (b"RTSS", "a Network Monitor capture, convert it to pcap first"),
    (b"TRSNIFF data", "a Sniffer capture, convert it to pcap first"),
];

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        // Linux opens directories and fails at the first read.
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    Ok(file)
}

/// The registry of formats: each is known by its first four bytes.
fn recognise(
    name: String,
    reader: Box<dyn Read + Send>,
    file: u32,
    window: usize,
    decompressed: bool,
) -> Result<Box<dyn Source>, ReadError> {
    let mut window_of_file = Window::new(reader, window);
    window_of_file.require(4);
    let start = window_of_file.rest();
    let magic = start.first_chunk::<4>().copied();
    let compression = magic.and_then(Compression::recognise);
    if let (Some(compression), false) = (compression, decompressed) {
        let unpacked = compression.unpack(window_of_file.into_reader());
        return recognise(name, unpacked, file, window, true);
    }
    let what = match (magic, objection(start)) {
        (Some(_), None) if compression.is_some() => Some("it is compressed twice".to_owned()),
        (_, what) => what,
    };
    if let Some(what) = what {
        return Err(not_capture(name, window_of_file, what, decompressed));
    }
    if magic == Some(pcapng::MAGIC) {
        return Ok(Box::new(Reader::new(name, decompressed, window_of_file, PcapNg::new(file))));
    }
    classic(name, window_of_file, file, decompressed)
}

fn classic(
    name: String,
    mut window: Window,
    file: u32,
    decompressed: bool,
) -> Result<Box<dyn Source>, ReadError> {
    let position = Position { byte: 0, decompressed };
    window.require(FILE_HEADER);
    let Some(header) = window.rest().first_chunk::<FILE_HEADER>() else {
        if let Some(cause) = window.take_failure() {
            let position = Position { byte: window.end_position(), decompressed };
            return Err(ReadError::Read { file: name, position, cause });
        }
        let left = window.rest().len();
        let what = format!(
            "the file ends too early: its header needs {FILE_HEADER} bytes, only {left} are there"
        );
        return Err(ReadError::Fault { file: name, position, what });
    };
    match Classic::new(header, file) {
        Ok(format) => {
            window.advance_to(FILE_HEADER);
            Ok(Box::new(Reader::new(name, decompressed, window, format)))
        }
        Err(what) => Err(ReadError::Fault { file: name, position, what }),
    }
}

fn not_capture(file: String, mut window: Window, what: String, decompressed: bool) -> ReadError {
    if let Some(cause) = window.take_failure() {
        let position = Position { byte: window.end_position(), decompressed };
        return ReadError::Read { file, position, cause };
    }
    if window.rest().is_empty() && !decompressed {
        return ReadError::Empty { file };
    }
    let what = if decompressed { format!("unpacked, {what}") } else { what };
    ReadError::NotCapture { file, what }
}
