//! Hashes of a file, computed as its bytes come.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// Running hashes; each only when wanted.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Digests {
    /// Starts the hashes that are wanted.
    pub fn new(md5: bool, sha1: bool, sha256: bool) -> Self {
        Self {
            md5: md5.then(Md5::new),
            sha1: sha1.then(Sha1::new),
            sha256: sha256.then(Sha256::new),
        }
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.md5 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha1 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
    }

    /// Ends all hashes.
    pub fn finish(self) -> FileHashes {
        FileHashes {
            md5: self.md5.map(|h| h.finalize().into()),
            sha1: self.sha1.map(|h| h.finalize().into()),
            sha256: self.sha256.map(|h| h.finalize().into()),
        }
    }
}

/// Finished hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileHashes {
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
}
