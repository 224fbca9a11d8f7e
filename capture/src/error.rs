//! What can be wrong with a capture file, in words that help to find it.

use std::{fmt, io};

/// Why no more frames can be had from an input.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("{file}: cannot be opened: {cause}")]
    Open {
        /// Name of the file.
        file: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The file has no bytes at all.
    #[error("{file}: is empty: a capture file has at least a header of 24 bytes")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// The file does not begin like a capture.
    #[error("{file}: is not a capture file: {what}")]
    NotCapture {
        /// Name of the file.
        file: String,
        /// What it seems to be.
        what: String,
    },
    /// The contents break the rules of their format or end too early.
    #[error("{file}: at {position}: {what}")]
    Fault {
        /// Name of the file.
        file: String,
        /// Where the record or block with the fault begins.
        position: Position,
        /// What is wrong there.
        what: String,
    },
    /// Reading failed, or decompression did.
    #[error("{file}: at {position}: {cause}")]
    Read {
        /// Name of the file.
        file: String,
        /// Up to where there are bytes.
        position: Position,
        /// What the system or the decompressor says.
        cause: io::Error,
    },
    /// A directory cannot be listed.
    #[error("{directory}: cannot be listed: {cause}")]
    List {
        /// Name of the directory.
        directory: String,
        /// What the system says.
        cause: io::Error,
    },
    /// A file that was read cannot be removed.
    #[error("{file}: cannot be removed: {cause}")]
    Remove {
        /// Name of the file.
        file: String,
        /// What the system says.
        cause: io::Error,
    },
    /// More files than can be open together.
    #[error("{count} files cannot be merged at once, the limit is {limit}")]
    TooManyFiles {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// A place in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes before the place.
    pub byte: u64,
    /// Whether these are counted after decompression.
    pub decompressed: bool,
}

impl ReadError {
    /// The place in the input, for faults that have one.
    pub fn position(&self) -> Option<Position> {
        match self {
            ReadError::Fault { position, .. } | ReadError::Read { position, .. } => Some(*position),
            _ => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "byte {}", self.byte)?;
        if self.decompressed {
            formatter.write_str(" of the decompressed data")?;
        }
        Ok(())
    }
}
