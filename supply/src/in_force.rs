//! Which set of rules a file is of that was loaded: what its manifest beside it says, and only if
//! the file is what that manifest says it is.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::layout::read_some;
use crate::manifest::{FILE, Hash, Manifest, hexadecimal};

/// Bytes of a manifest that is looked at.
const MOST: u64 = 16 << 20;

/// The set that a file of rules is of; none if there is no manifest, or the file has another
/// content than it says.
pub fn set_of(rules: &Path, text: &[u8]) -> Option<(Hash, Manifest)> {
    let bytes = read_some(&rules.parent()?.join(FILE), MOST).ok()?;
    let manifest = Manifest::parse(&bytes).ok()?;
    let name = rules.file_name()?.to_str()?;
    let record = manifest.files.iter().find(|file| file.path == name)?;
    let sum = hexadecimal(&Sha256::digest(text));
    let is_it = record.bytes == text.len() as u64 && record.sha256.eq_ignore_ascii_case(&sum);
    is_it.then(|| (Hash::of(&bytes), manifest))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bundle::describe;

    #[test]
    fn a_file_is_of_a_set_only_as_the_set_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bateleur.rules");
        fs::write(&path, "# one\n").unwrap();
        assert!(set_of(&path, b"# one\n").is_none(), "there is no manifest");
        let manifest = describe(folder.path(), 3, 1, "test").unwrap();
        fs::write(folder.path().join(FILE), manifest.to_bytes()).unwrap();
        let (hash, found) = set_of(&path, b"# one\n").unwrap();
        assert_eq!((hash, found.version), (manifest.hash(), 3));
        assert!(set_of(&path, b"# two\n").is_none());
        assert!(set_of(&folder.path().join("other.rules"), b"# one\n").is_none());
        fs::write(folder.path().join(FILE), "{}").unwrap();
        assert!(set_of(&path, b"# one\n").is_none());
    }
}
