//! Keys and signatures in the format of minisign, so that its own program checks them as well.
//!
//! Signatures are over the BLAKE2b sum of a text (minisign's `ED`); the older kind is refused.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Cursor, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use minisign::{KeyPair, PError, PublicKeyBox, SecretKeyBox, SignatureBox};

/// Bytes that a file with keys or a signature may have.
pub const MOST: u64 = 16 * 1024;
/// Public keys that a file may name.
pub const MOST_KEYS: usize = 16;
/// Only the owner may read a secret key.
const SECRET_MODE: u32 = 0o600;
/// Digits of the two lines of a signature: algorithm, number of the key and signature (74 bytes);
/// the signature of the comment (64 bytes).
const SIGNATURE_DIGITS: usize = 100;
const COMMENT_DIGITS: usize = 88;

/// Why a key or a signature is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A file that is there is not made.
    #[error(
        "{}: it is there already, and keys are never written over: move it away, or name other files",
        .0.display()
    )]
    Taken(PathBuf),
    /// A file can't be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// Others may read a secret key.
    #[error("{}: others may read this secret key (mode {mode:o}); `chmod 600` it", .0.display(), mode = .1)]
    Open(PathBuf, u32),
    /// It is none.
    #[error("{0}: {1}")]
    Malformed(&'static str, String),
    /// A secret key wants its password.
    #[error("the secret key is protected by a password, and none was given")]
    Password,
    /// Somebody else signed, or nobody.
    #[error("signed with key {found}, of which this is none: {known}")]
    Unknown {
        /// The signature's key.
        found: String,
        /// Those that are trusted.
        known: String,
    },
    /// The text is not what was signed.
    #[error("the signature does not fit: {0}")]
    Wrong(String),
}

/// A secret key. It is not shown by `{:?}`.
pub struct SecretKey(minisign::SecretKey);

/// Keys of which each may sign.
#[derive(Clone, Debug)]
pub struct PublicKeys(Vec<minisign::PublicKey>);

/// A new pair of keys as the texts of their files.
pub struct Pair {
    /// For whoever signs.
    pub secret: String,
    /// For everybody.
    pub public: String,
    /// The number of both.
    pub id: String,
}

/// What a good signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The number of the key that signed.
    pub key: String,
    /// The comment that is signed too.
    pub comment: String,
}

/// Makes a pair of keys; with a password the secret one is protected by it.
///
/// # Errors
/// When the system has no random numbers.
pub fn generate(password: Option<String>) -> Result<Pair, SignError> {
    let malformed = |error: PError| SignError::Malformed("new key", error.to_string());
    // The public key's number is in the clear only before the secret one is locked.
    let KeyPair { pk, sk } = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    }
    .map_err(malformed)?;
    let id = number(pk.keynum());
    let secret = sk.to_box(Some("bateleur secret key of rules")).map_err(malformed)?;
    let public = pk.to_box().map_err(malformed)?;
    Ok(Pair { secret: secret.into_string(), public: public.into_string(), id })
}

impl Pair {
    /// Writes both files, neither of which may be there.
    ///
    /// # Errors
    /// When one is, or can't be written.
    pub fn write(&self, secret: &Path, public: &Path) -> Result<(), SignError> {
        let write = |path: &Path, text: &str, mode| {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(mode).open(path);
            file.and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => SignError::Taken(path.to_path_buf()),
                _ => SignError::File(path.to_path_buf(), error),
            })
        };
        if public.exists() {
            return Err(SignError::Taken(public.to_path_buf()));
        }
        write(secret, &self.secret, SECRET_MODE)?;
        write(public, &self.public, 0o644)
    }
}

impl SecretKey {
    /// From a file that only its owner may read (or that root's group may, as Kubernetes mounts
    /// secrets).
    ///
    /// # Errors
    /// When it can't be read, others may read it, or it is no key, or the password is wrong.
    pub fn read(path: &Path, password: Option<String>) -> Result<Self, SignError> {
        let failed = |error| SignError::File(path.to_path_buf(), error);
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(SignError::Open(path.to_path_buf(), mode));
        }
        Self::parse(&read(path)?, password)
    }

    /// From the text of its file.
    ///
    /// # Errors
    /// When it is no key, or the password is wrong.
    pub fn parse(text: &str, password: Option<String>) -> Result<Self, SignError> {
        let malformed = |error: PError| SignError::Malformed("secret key", error.to_string());
        let boxed = || SecretKeyBox::from_string(text).map_err(malformed);
        match boxed()?.into_unencrypted_secret_key() {
            Ok(key) => Ok(Self(key)),
            Err(error) if error.to_string().contains("might be encrypted") => match password {
                Some(password) => {
                    boxed()?.into_secret_key(Some(password)).map(Self).map_err(malformed)
                }
                None => Err(SignError::Password),
            },
            Err(error) => Err(malformed(error)),
        }
    }

    /// Signs a text, and with it a comment of one line.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn sign(&self, text: &[u8], comment: &str) -> Result<String, SignError> {
        let comment: String = comment.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        let about = "signature from bateleur, checked by minisign -Vm";
        minisign::sign(None, &self.0, Cursor::new(text), Some(&comment), Some(about))
            .map(SignatureBox::into_string)
            .map_err(|error| SignError::Malformed("secret key", error.to_string()))
    }

    /// The key by which its signatures are checked.
    ///
    /// # Errors
    /// When the key has none.
    pub fn public(&self) -> Result<PublicKeys, SignError> {
        minisign::PublicKey::from_secret_key(&self.0)
            .map(|key| PublicKeys(vec![key]))
            .map_err(|error| SignError::Malformed("secret key", error.to_string()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", number(self.0.keynum()))
    }
}

impl PublicKeys {
    /// From a file with one key or several below each other, so that keys can be changed.
    ///
    /// # Errors
    /// When it can't be read or names no key.
    pub fn read(path: &Path) -> Result<Self, SignError> {
        Self::parse(&read(path)?).map_err(|error| match error {
            SignError::Malformed(what, why) => {
                SignError::Malformed(what, format!("{}: {why}", path.display()))
            }
            other => other,
        })
    }

    /// From the text of such a file: lines of comments and keys.
    ///
    /// # Errors
    /// When a line is neither, or there is no key.
    pub fn parse(text: &str) -> Result<Self, SignError> {
        let mut keys = Vec::new();
        let malformed = |why: String| SignError::Malformed("public key", why);
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("untrusted comment:") {
                continue;
            }
            let boxed = format!("untrusted comment:\n{line}\n");
            let key = PublicKeyBox::from_string(&boxed)
                .and_then(PublicKeyBox::into_public_key)
                .map_err(|error| malformed(error.to_string()))?;
            keys.push(key);
            if keys.len() > MOST_KEYS {
                return Err(malformed(format!("more than {MOST_KEYS} keys")));
            }
        }
        if keys.is_empty() { Err(malformed("there is none".to_owned())) } else { Ok(Self(keys)) }
    }

    /// The numbers of the keys.
    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(|key| number(key.keynum())).collect()
    }

    /// Checks the signature of a text.
    ///
    /// # Errors
    /// When it is none, of an unknown key, or of another text.
    pub fn verify(&self, text: &[u8], signature: &str) -> Result<Signed, SignError> {
        self.verify_read(Cursor::new(text), signature)
    }

    /// The same of what is read.
    ///
    /// # Errors
    /// When it can't be read, or the signature is none, of an unknown key, or of another text.
    pub fn verify_read(
        &self,
        mut text: impl Read + Seek,
        signature: &str,
    ) -> Result<Signed, SignError> {
        let malformed = |why: String| SignError::Malformed("signature", why);
        has_form(signature)?;
        let boxed =
            SignatureBox::from_string(signature).map_err(|error| malformed(error.to_string()))?;
        let key = number(boxed.keynum());
        let comment = boxed.trusted_comment().map_err(|error| malformed(error.to_string()))?;
        let known = self.0.iter().filter(|known| known.keynum() == boxed.keynum());
        let mut error = None;
        for known in known {
            text.rewind().map_err(|error| SignError::Wrong(error.to_string()))?;
            match minisign::verify(known, &boxed, &mut text, true, false, false) {
                Ok(()) => return Ok(Signed { key, comment }),
                Err(why) => error = Some(why),
            }
        }
        Err(match error {
            Some(why) => SignError::Wrong(why.to_string()),
            None => SignError::Unknown { found: key, known: self.ids().join(", ") },
        })
    }
}

/// A password from the first line of a file.
///
/// # Errors
/// When it can't be read.
pub fn password(path: &Path) -> Result<String, SignError> {
    Ok(read(path)?.lines().next().unwrap_or_default().to_owned())
}

/// The lengths of the parts: what checks signatures takes them for granted.
fn has_form(signature: &str) -> Result<(), SignError> {
    let lines: Vec<&str> = signature.lines().collect();
    let length = |at: usize| lines.get(at).map_or(0, |line: &&str| line.trim().len());
    let padding = |at: usize| {
        let line = lines.get(at).map_or("", |line| line.trim());
        line.bytes().rev().take_while(|byte| *byte == b'=').count()
    };
    let is_good = signature.len() as u64 <= MOST
        && (lines.len() == 4 || lines.iter().skip(4).all(|line| line.trim().is_empty()))
        && length(1) == SIGNATURE_DIGITS
        && length(3) == COMMENT_DIGITS
        && padding(1) == 1
        && padding(3) == 2;
    let why = || "it has not the four lines of one".to_owned();
    if is_good { Ok(()) } else { Err(SignError::Malformed("signature", why())) }
}

/// As minisign shows numbers of keys.
fn number(bytes: &[u8]) -> String {
    bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

fn read(path: &Path) -> Result<String, SignError> {
    let failed = |error| SignError::File(path.to_path_buf(), error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MOST {
        return Err(failed(io::Error::other(format!("{size} bytes are no key"))));
    }
    fs::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    static PAIR: LazyLock<Pair> = LazyLock::new(|| generate(None).unwrap());
    static GOOD: LazyLock<String> =
        LazyLock::new(|| keys(&PAIR).0.sign(TEXT, "version 7").unwrap());

    /// Bytes that look like a signature or a key to some extent.
    fn near(good: String) -> impl Strategy<Value = String> {
        let lines = good.lines().count();
        let line = prop_oneof![
            "[A-Za-z0-9+/]{0,104}={0,3}",
            "(un)?trusted comment: [ -~]{0,40}",
            any::<String>(),
        ];
        let changed = (0..lines, line, any::<bool>()).prop_map(move |(at, line, cut)| {
            let mut all: Vec<&str> = good.lines().collect();
            all[at] = &line;
            if cut {
                all.truncate(at + 1);
            }
            all.join("\n")
        });
        let bytes = proptest::collection::vec(any::<u8>(), 0..400);
        prop_oneof![changed, bytes.prop_map(|b| String::from_utf8_lossy(&b).into_owned())]
    }

    proptest! {
        /// Whatever bytes come as a signature: an error, and no panic.
        #[test]
        fn no_bytes_are_a_signature(text in near(GOOD.clone())) {
            let (_, public) = keys(&PAIR);
            // Its first line is a remark that nobody signs.
            let is_good = text.lines().skip(1).eq(GOOD.lines().skip(1));
            prop_assert!(public.verify(TEXT, &text).is_err() || is_good, "{}", text);
        }

        /// The same of keys.
        #[test]
        fn no_bytes_as_a_key_do_harm(text in near(PAIR.public.clone())) {
            let _ = PublicKeys::parse(&text).map(|keys| keys.verify(TEXT, &GOOD));
            let _ = SecretKey::parse(&text, None);
        }

        #[test]
        fn no_bytes_as_a_secret_key_do_harm(text in near(PAIR.secret.clone())) {
            let _ = SecretKey::parse(&text, None);
        }
    }

    const TEXT: &[u8] = b"{\"format\":1}\n";

    fn keys(pair: &Pair) -> (SecretKey, PublicKeys) {
        (SecretKey::parse(&pair.secret, None).unwrap(), PublicKeys::parse(&pair.public).unwrap())
    }

    #[test]
    fn what_was_signed_is_known_by_its_key() {
        let pair = generate(None).unwrap();
        let (secret, public) = keys(&pair);
        let signature = secret.sign(TEXT, "version 7\nforged: line").unwrap();
        let signed = public.verify(TEXT, &signature).unwrap();
        assert_eq!(signed.key, pair.id);
        assert_eq!(signed.comment, "version 7forged: line");
        assert_eq!(public.ids(), secret.public().unwrap().ids());
        assert!(matches!(public.verify(b"other", &signature), Err(SignError::Wrong(_))));
        let (_, others) = keys(&generate(None).unwrap());
        assert!(matches!(others.verify(TEXT, &signature), Err(SignError::Unknown { .. })));
        assert!(!format!("{secret:?}").contains(&pair.secret[60..80]));
    }

    #[test]
    fn several_keys_are_accepted() {
        let (old, new) = (generate(None).unwrap(), generate(None).unwrap());
        let both =
            PublicKeys::parse(&format!("# in turn\n{}\n{}", old.public, new.public)).unwrap();
        assert_eq!(both.ids(), [old.id.clone(), new.id.clone()]);
        for pair in [&old, &new] {
            let signature = keys(pair).0.sign(TEXT, "").unwrap();
            assert_eq!(both.verify(TEXT, &signature).unwrap().key, pair.id);
        }
        for text in ["", "untrusted comment: x\n", "RWQ", &"A".repeat(56)] {
            let parsed = PublicKeys::parse(text);
            assert!(parsed.is_err() || text.len() == 56, "{text}");
        }
        assert!(PublicKeys::parse(&new.public.repeat(MOST_KEYS + 1)).is_err());
    }

    #[test]
    fn a_password_is_asked_for() {
        let pair = generate(Some("open sesame".to_owned())).unwrap();
        let with =
            |password: Option<&str>| SecretKey::parse(&pair.secret, password.map(str::to_owned));
        assert!(matches!(with(None), Err(SignError::Password)));
        assert!(matches!(with(Some("wrong")), Err(SignError::Malformed(..))));
        let signature = with(Some("open sesame")).unwrap().sign(TEXT, "").unwrap();
        PublicKeys::parse(&pair.public).unwrap().verify(TEXT, &signature).unwrap();
    }

    #[test]
    fn damaged_signatures_are_refused_and_do_no_harm() {
        let (secret, public) = keys(&generate(None).unwrap());
        let good = secret.sign(TEXT, "version 7").unwrap();
        for end in 0..good.len() - 1 {
            assert!(public.verify(TEXT, &good[..end]).is_err(), "{end}");
        }
        let first_line = good.find('\n').unwrap();
        for at in first_line..good.len() - 1 {
            for byte in [b'A', b'=', b'\n', b'0'] {
                let mut bytes = good.clone().into_bytes();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let text = String::from_utf8(bytes).unwrap();
                let found = public.verify(TEXT, &text);
                assert!(found.is_err(), "{at} {byte}: {text}");
            }
        }
        let long = format!("{good}{}", "x".repeat(100));
        assert!(public.verify(TEXT, &long).is_err());
    }

    #[test]
    fn secret_keys_are_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, public) = (folder.path().join("a.key"), folder.path().join("a.pub"));
        let pair = generate(None).unwrap();
        pair.write(&secret, &public).unwrap();
        for public in [&public, &folder.path().join("b.pub")] {
            let said = pair.write(&secret, public).unwrap_err().to_string();
            assert!(said.contains("is there already, and keys are never written over"), "{said}");
        }
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        SecretKey::read(&secret, None).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(SecretKey::read(&secret, None), Err(SignError::Open(_, 0o644))));
        PublicKeys::read(&public).unwrap();
    }

    /// The program whose format this is.
    #[test]
    fn minisign_agrees() {
        if Command::new("minisign").arg("-v").output().is_err() {
            eprintln!("skipped: no minisign");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pair = generate(None).unwrap();
        pair.write(&path("a.key"), &path("a.pub")).unwrap();
        fs::write(path("manifest.json"), TEXT).unwrap();
        let signature = keys(&pair).0.sign(TEXT, "version 7").unwrap();
        fs::write(path("manifest.json.minisig"), &signature).unwrap();
        let run = |words: &[&str]| {
            let mut command = Command::new("minisign");
            let done = command.args(words).current_dir(folder.path()).output().unwrap();
            (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
        };
        let (good, said) = run(&["-Vm", "manifest.json", "-p", "a.pub"]);
        assert!(good && said.contains("version 7"), "{said}");
        let (good, said) = run(&["-Sm", "manifest.json", "-s", "a.key", "-x", "theirs", "-W"]);
        assert!(good, "{said}");
        let theirs = fs::read_to_string(path("theirs")).unwrap();
        keys(&pair).1.verify(TEXT, &theirs).unwrap();
    }
}
