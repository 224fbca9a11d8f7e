//! Passwords and tokens: from the configuration, or from a file, and never in a log.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
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
    path: PathBuf,
    /// What was in it when it could last be read: the user that the process has become may not
    /// be allowed to.
    last: Arc<Mutex<Option<Hidden>>>,
}

impl SecretFile {
    /// Reads it if it is there already.
    pub(crate) fn new(path: PathBuf, reach: &Reach) -> Self {
        reach.reads(&path);
        let file = Self { path, last: Arc::default() };
        // Whoever needs it is told.
        let _ = file.reveal();
        file
    }

    /// What is in it, without a line end behind it.
    ///
    /// # Errors
    /// When it can't be read and never could, or has nothing in it.
    pub(crate) fn reveal(&self) -> Result<String, Trouble> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match (fs::read_to_string(&self.path), last.as_ref()) {
            (Ok(text), _) => text.trim_end_matches(['\r', '\n']).to_owned(),
            (Err(error), Some(known)) if error.kind() == io::ErrorKind::PermissionDenied => {
                known.0.clone()
            }
            (Err(error), _) => {
                return Err(Trouble::lasting(format!("{}: {error}", self.path.display())));
            }
        };
        if text.is_empty() {
            return Err(Trouble::lasting(format!("{} is empty", self.path.display())));
        }
        *last = Some(Hidden(text.clone()));
        Ok(text)
    }
}

impl Secret {
    /// One of a pair of settings, `name` and `name-file`.
    ///
    /// # Errors
    /// When both are set.
    pub(crate) fn of(
        reach: &Reach,
        name: &str,
        text: Option<&Hidden>,
        file: Option<&PathBuf>,
    ) -> Result<Option<Self>, String> {
        match (text, file) {
            (Some(_), Some(_)) => Err(format!("{name} and {name}-file are both set")),
            (Some(text), None) => Ok(Some(Self::Text(text.clone()))),
            (None, Some(file)) => Ok(Some(Self::File(SecretFile::new(file.clone(), reach)))),
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

    #[test]
    fn secrets_come_from_text_or_file_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s");
        fs::write(&file, "from file\r\n").unwrap();
        let text = Hidden("from text".into());
        let reach = Reach::default();
        assert!(Secret::of(&reach, "password", Some(&text), Some(&file)).is_err());
        assert!(Secret::of(&reach, "password", None, None).unwrap().is_none());
        let secret = Secret::of(&reach, "password", Some(&text), None).unwrap().unwrap();
        assert_eq!(secret.reveal().unwrap(), "from text");
        assert!(!format!("{secret:?}").contains("text\""), "{secret:?}");
        let secret = Secret::of(&reach, "password", None, Some(&file)).unwrap().unwrap();
        assert_eq!(reach.paths().read, [folder.path()]);
        assert_eq!(secret.reveal().unwrap(), "from file");
        fs::write(&file, "\n").unwrap();
        assert!(secret.reveal().unwrap_err().is_lasting);
        fs::remove_file(&file).unwrap();
        assert!(secret.reveal().unwrap_err().is_lasting, "a file that is gone is told");
    }
}
