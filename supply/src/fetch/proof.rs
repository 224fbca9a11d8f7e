//! Whether a download is what its maker made: by a sum beside it, or by a signature of minisign.

use std::fs::{self, File};
use std::path::Path;

use minisign::{PublicKeyBox, SignatureBox};

use crate::settings::Checksum;

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

/// Whether the signature of a file is one by the key.
///
/// # Errors
/// When it is not, or a file is not what it should be.
pub(super) fn signed(key: &Path, file: &Path, signature: &[u8]) -> Result<(), String> {
    let of_key = |error: String| format!("key {}: {error}", key.display());
    let text = fs::read_to_string(key).map_err(|error| of_key(error.to_string()))?;
    // The file has a remark in its first line; the key alone is understood as well.
    let public = match text.trim().contains('\n') {
        true => PublicKeyBox::from_string(&text).and_then(PublicKeyBox::into_public_key),
        false => minisign::PublicKey::from_base64(text.trim()),
    };
    let public = public.map_err(|error| of_key(format!("no public key of minisign: {error}")))?;
    let signature = String::from_utf8_lossy(signature);
    let signature = SignatureBox::from_string(&signature)
        .map_err(|error| format!("its signature is none of minisign: {error}"))?;
    let data = File::open(file).map_err(|error| error.to_string())?;
    minisign::verify(&public, &signature, data, true, false, true)
        .map_err(|error| format!("its signature is not one by the key {}: {error}", key.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
