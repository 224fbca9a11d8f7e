//! Passwords and tokens: from the configuration, or from a file, and never in a log.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::reach::Reach;
use crate::sink::Trouble;

/// Text that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The text itself.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Where a secret is.
#[derive(Clone, Debug)]
pub(crate) enum Secret {
    /// In the configuration.
    Text(Hidden),
    /// In a file, read anew for each connection, so that it may change.
    File(SecretFile),
}

/// A file with a secret in it.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile {
    /// The setting that names it.
    key: String,
    path: PathBuf,
    last: Arc<Mutex<Last>>,
}

/// What was in a file when it could last be read: the user that the process has become may not be
/// allowed to.
#[derive(Debug, Default)]
struct Last {
    text: Option<Hidden>,
    /// The file, as it was when it was said that it can't be read any more.
    told: Option<Stamp>,
}

/// What changes when a file is replaced or written; nothing when that can't be told either.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

impl SecretFile {
    /// Reads it if it is there already.
    pub(crate) fn new(key: &str, path: PathBuf, reach: &Reach) -> Self {
        reach.reads_secret(&path);
        let file = Self { key: key.to_owned(), path, last: Arc::default() };
        // Whoever needs it is told.
        let _ = file.reveal();
        file
    }

    /// What is in it, without a line end behind it.
    ///
    /// # Errors
    /// When it can't be read and never could, or has nothing in it.
    pub(crate) fn reveal(&self) -> Result<String, Trouble> {
        self.take(fs::read_to_string(&self.path), stamp(&self.path))
    }

    /// What is to be used when reading the file gave this.
    fn take(&self, read: io::Result<String>, stamp: Stamp) -> Result<String, Trouble> {
        let name = || format!("{} {}", self.key, self.path.display());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match (read, last.text.as_ref()) {
            (Ok(text), _) => text.trim_end_matches(['\r', '\n']).to_owned(),
            (Err(error), Some(known)) if error.kind() == io::ErrorKind::PermissionDenied => {
                let known = known.0.clone();
                // Told again when another file has taken its place: what is in that is not used.
                if last.told.replace(stamp) != Some(stamp) {
                    tracing::warn!("{}: {error}; what was last read from it is used", name());
                }
                return Ok(known);
            }
            (Err(error), _) => {
                return Err(Trouble::lasting(format!("{}: {error}", name())));
            }
        };
        if text.is_empty() {
            return Err(Trouble::lasting(format!("{} is empty", name())));
        }
        *last = Last { text: Some(Hidden(text.clone())), told: None };
        Ok(text)
    }
}

impl Secret {
    /// One of a pair of settings, `name` and `name-file`.
    ///
    /// # Errors
    /// When both are set, or no file is named.
    pub(crate) fn of(
        reach: &Reach,
        name: &str,
        text: Option<&Hidden>,
        file: Option<&PathBuf>,
    ) -> Result<Option<Self>, String> {
        match (text, file) {
            (Some(_), Some(_)) => Err(format!("{name} and {name}-file are both set")),
            (Some(text), None) => Ok(Some(Self::Text(text.clone()))),
            (None, Some(file)) if file.as_os_str().is_empty() => {
                Err(format!("{name}-file is empty: it names a file"))
            }
            (None, Some(file)) => {
                let key = format!("{name}-file");
                Ok(Some(Self::File(SecretFile::new(&key, file.clone(), reach))))
            }
            (None, None) => Ok(None),
        }
    }

    /// The secret itself, without a line end behind it.
    ///
    /// # Errors
    /// When its file can't be read, or has nothing in it.
    pub(crate) fn reveal(&self) -> Result<String, Trouble> {
        match self {
            Self::Text(text) => Ok(text.0.clone()),
            Self::File(file) => file.reveal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what is logged.
    #[derive(Clone, Default)]
    struct Counting(Arc<std::sync::atomic::AtomicU64>);

    impl tracing::Subscriber for Counting {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn a_file_that_became_unreadable_is_told_once() {
        let logged = Counting::default();
        let _guard = tracing::subscriber::set_default(logged.clone());
        let count = || logged.0.load(std::sync::atomic::Ordering::Relaxed);
        let (key, path) = ("http: bearer-file".to_owned(), PathBuf::from("/s"));
        let file = SecretFile { key, path, last: Arc::default() };
        let denied = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let is = |inode: u64| Some((inode, 4, 0, 0));
        let trouble = file.take(denied(), is(1)).unwrap_err();
        assert!(trouble.is_lasting, "it could never be read");
        assert!(trouble.what.starts_with("http: bearer-file /s: "), "{trouble}");
        for (round, text) in [(0, "old"), (2, "new")] {
            assert_eq!(file.take(Ok(format!("{text}\n")), is(1)).unwrap(), text);
            // Another file in its place is told, too.
            for (inode, told) in [(1, 1), (2, 2)] {
                for _ in 0..3 {
                    assert_eq!(file.take(denied(), is(inode)).unwrap(), text);
                    assert_eq!(count(), round + told);
                }
            }
        }
    }

    #[test]
    fn secrets_come_from_text_or_file_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s");
        fs::write(&file, "from file\r\n").unwrap();
        let text = Hidden("from text".into());
        let reach = Reach::default();
        assert!(Secret::of(&reach, "password", Some(&text), Some(&file)).is_err());
        let nameless = Secret::of(&reach, "password", None, Some(&PathBuf::new()));
        assert!(nameless.unwrap_err().starts_with("password-file is empty"));
        assert!(Secret::of(&reach, "password", None, None).unwrap().is_none());
        let secret = Secret::of(&reach, "password", Some(&text), None).unwrap().unwrap();
        assert_eq!(secret.reveal().unwrap(), "from text");
        assert!(!format!("{secret:?}").contains("text\""), "{secret:?}");
        let secret = Secret::of(&reach, "password", None, Some(&file)).unwrap().unwrap();
        assert_eq!(reach.paths().read, [folder.path()]);
        assert_eq!(reach.paths().secrets, std::slice::from_ref(&file));
        assert_eq!(secret.reveal().unwrap(), "from file");
        fs::write(&file, "\n").unwrap();
        assert!(secret.reveal().unwrap_err().is_lasting);
        fs::remove_file(&file).unwrap();
        assert!(secret.reveal().unwrap_err().is_lasting, "a file that is gone is told");
    }
}
