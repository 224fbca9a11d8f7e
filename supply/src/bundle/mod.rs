//! Bundles: a set of rules as one signed file that sensors fetch.
//!
//! A bundle is a tar archive, compressed by zstd, of regular files in one possible order:
//! `manifest.json`, `manifest.json.minisig`, then the files of the manifest as it lists them. It is
//! known by the sum of its manifest. Whoever unpacks one believes nothing but the signature.

mod pack;
#[cfg(test)]
mod tests;
mod unpack;

pub use pack::{bundle, describe, pack, source_date};
pub use unpack::{Accept, Unpacked, check, peek, unpack};

use std::io;

use crate::manifest::{Hash, ManifestError};
use crate::sign::SignError;

/// The name of the signature's file in a generation and in a bundle.
pub const SIGNATURE: &str = "manifest.json.minisig";
/// What the name of a bundle's file ends with.
pub const ENDING: &str = ".tar.zst";
/// Media type of a bundle.
pub const MEDIA_TYPE: &str = "application/zstd";
/// Bytes of a tar block.
const BLOCK: usize = 512;

/// What a bundle may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes as fetched.
    pub packed: u64,
    /// Bytes of all files.
    pub unpacked: u64,
    /// Files.
    pub files: usize,
    /// Bytes of the manifest.
    pub manifest: u64,
    /// Bytes of a path.
    pub path: usize,
    /// The window of the compression, as a power of two: memory for reading.
    pub window: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packed: 256 << 20,
            unpacked: 1 << 30,
            files: 4096,
            manifest: 4 << 20,
            path: 200,
            window: 24,
        }
    }
}

/// Why a bundle is not taken, or not made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It can't be read or written.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// It ends too early, or is no archive.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It takes up too much.
    #[error("too large: {0}")]
    Large(String),
    /// What is in it is not what should be.
    #[error("{found} where {wanted} should be")]
    Order {
        /// What there is.
        found: String,
        /// What there should be.
        wanted: String,
    },
    /// A file's content is not what the manifest says.
    #[error("{0}: its content is not what the manifest says")]
    Content(String),
    /// The signature says nothing good.
    #[error(transparent)]
    Signature(#[from] SignError),
    /// The manifest is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest is not written as this program does, so that its sum would be another.
    #[error("the manifest is not written as this program writes it")]
    Form,
    /// It is another bundle than the one that was asked for.
    #[error("this is bundle {found}, not {wanted}")]
    Other {
        /// What there is.
        found: Hash,
        /// What there should be.
        wanted: Hash,
    },
    /// It is older than one that was in use.
    #[error("version {found} is older than {newest}, and the channel does not say `allow-older`")]
    Older {
        /// The bundle's.
        found: u64,
        /// The newest one.
        newest: u64,
    },
}

/// The name of a bundle's file.
pub fn file_name(hash: &Hash) -> String {
    format!("{hash}{ENDING}")
}
