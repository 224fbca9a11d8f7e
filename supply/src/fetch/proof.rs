//! Whether a download is what its maker made: by a sum beside it, or by a signature of minisign.

use std::fs::File;
use std::path::Path;

use crate::settings::Checksum;
use crate::sign::PublicKeys;

impl Checksum {
    /// What is put behind an address for the address of the sum.
    pub(super) const fn ending(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Md5 => Some(".md5"),
            Self::Sha256 => Some(".sha256"),
        }
    }

    /// Hexadecimal digits of such a sum.
    const fn digits(self) -> usize {
        match self {
            Self::Off => 0,
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }
}

/// The sum in a file as `md5sum` and `sha256sum` write it, or alone.
pub(super) fn sum_in(text: &[u8], kind: Checksum) -> Result<String, String> {
    let text = String::from_utf8_lossy(text);
    let word = text.split_whitespace().next().unwrap_or_default().trim_start_matches('\\');
    let is_sum = word.len() == kind.digits() && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_sum {
        true => Ok(word.to_ascii_lowercase()),
        false => Err(format!("holds no sum of {} hexadecimal digits", kind.digits())),
    }
}

/// Whether the signature of a file is one by a key of the key's file.
///
/// # Errors
/// When it is not, or a file is not what it should be.
pub(super) fn signed(key: &Path, file: &Path, signature: &[u8]) -> Result<(), String> {
    let shown = key.display();
    let keys = PublicKeys::read(key).map_err(|error| format!("key {shown}: {error}"))?;
    let signature = String::from_utf8_lossy(signature);
    let data = File::open(file).map_err(|error| error.to_string())?;
    keys.verify_read(data, &signature)
        .map(drop)
        .map_err(|error| format!("its signature is not one by the key {shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::sign::{SecretKey, generate};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever a server sends as a signature.
        #[test]
        fn no_bytes_are_a_signature(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let folder = tempfile::tempdir().unwrap();
            let (key, file) = (folder.path().join("a.pub"), folder.path().join("a"));
            let pair = generate(None).unwrap();
            fs::write(&key, &pair.public).unwrap();
            fs::write(&file, "rules").unwrap();
            let good = SecretKey::parse(&pair.secret, None).unwrap().sign(b"rules", "").unwrap();
            prop_assert_eq!(signed(&key, &file, good.as_bytes()), Ok(()));
            prop_assert!(signed(&key, &file, &bytes).is_err());
            let cut = bytes.len() % (good.len() - 1);
            prop_assert!(signed(&key, &file, &good.as_bytes()[..cut]).is_err());
            fs::write(&key, &bytes).unwrap();
            prop_assert!(signed(&key, &file, good.as_bytes()).is_err());
        }
    }

    #[test]
    fn sums_are_found_in_their_files() {
        let md5 = "D41D8CD98F00B204E9800998ECF8427E";
        let check = |text: &str, expected: bool| {
            let sum = sum_in(text.as_bytes(), Checksum::Md5);
            assert_eq!(sum.is_ok(), expected, "{text}");
            assert!(sum.is_err() || sum == Ok(md5.to_ascii_lowercase()), "{text}");
        };
        check(md5, true);
        check(&format!("{md5}  emerging.rules.tar.gz\n"), true);
        check(&format!("\n {md5} *x"), true);
        check("", false);
        check("<html>", false);
        check(&md5[1..], false);
        check(&format!("{md5}{md5}"), false);
    }
}
