//! Passwords and tokens: from the configuration, or from a file, and never in a log.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use crate::sink::Trouble;

/// Text that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

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
    File(PathBuf),
}

impl Secret {
    /// One of a pair of settings, `name` and `name-file`.
    ///
    /// # Errors
    /// When both are set.
    pub(crate) fn of(
        name: &str,
        text: Option<&Hidden>,
        file: Option<&PathBuf>,
    ) -> Result<Option<Self>, String> {
        match (text, file) {
            (Some(_), Some(_)) => Err(format!("{name} and {name}-file are both set")),
            (Some(text), None) => Ok(Some(Self::Text(text.clone()))),
            (None, Some(file)) => Ok(Some(Self::File(file.clone()))),
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
            Self::File(file) => {
                let text = fs::read_to_string(file)
                    .map_err(|error| Trouble::lasting(format!("{}: {error}", file.display())))?;
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    return Err(Trouble::lasting(format!("{} is empty", file.display())));
                }
                Ok(text.to_owned())
            }
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
        assert!(Secret::of("password", Some(&text), Some(&file)).is_err());
        assert!(Secret::of("password", None, None).unwrap().is_none());
        let secret = Secret::of("password", Some(&text), None).unwrap().unwrap();
        assert_eq!(secret.reveal().unwrap(), "from text");
        assert!(!format!("{secret:?}").contains("text\""), "{secret:?}");
        let secret = Secret::of("password", None, Some(&file)).unwrap().unwrap();
        assert_eq!(secret.reveal().unwrap(), "from file");
        fs::write(&file, "\n").unwrap();
        assert!(secret.reveal().unwrap_err().is_lasting);
    }
}
