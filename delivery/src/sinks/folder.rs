//! Folders that sinks write files into: rights, names that records choose, and what goes wrong.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::io::Errno;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::calendar::Moment;
use crate::reach::Reach;
use crate::sink::Trouble;

/// Bytes of a name that a record may choose.
const LONGEST: usize = 64;

/// Rights of a file or folder: `"0640"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if is_octal => Ok(Self(mode)),
            _ => Err(D::Error::custom(format!("{text}: a mode is octal, such as \"0640\""))),
        }
    }
}

crate::described! {
    Mode, "Mode": {
        "description": "Rights of a file or folder, octal, such as \"0640\".",
        "type": ["string", "integer"], "pattern": "^[0-7]{3,4}$",
    };
}

/// Puts a text from a record into a path: it stays one name, is not hidden, and is not long.
pub(super) fn put_name(text: &str, out: &mut String) {
    for (at, letter) in text.chars().take(LONGEST).enumerate() {
        let is_plain = letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        out.push(if is_plain || (letter == '.' && at > 0) { letter } else { '_' });
    }
}

/// A time in a name: `20261122T053000Z`.
pub(super) fn stamp(seconds: u64) -> String {
    let at = Moment::from_unix(i64::try_from(seconds).unwrap_or_default(), 0);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// True for what [`stamp`] makes.
pub(super) fn is_stamp(text: &str) -> bool {
    text.len() == 16
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

/// Makes a folder and those above it that are missing.
pub(super) fn make(folder: &Path, mode: Mode) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make(above, mode)?;
    }
    match DirBuilder::new().mode(mode.0).create(folder) {
        // What the process masks out of modes does not count: this one was asked for.
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode.0)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match folder.is_dir() {
            true => Ok(()),
            false => Err(io::ErrorKind::NotADirectory.into()),
        },
        Err(error) => Err(error),
    }
}

/// Makes a folder while the process may, and notes that files will be made below it.
pub(super) fn claim(folder: &Path, mode: Mode, reach: &Reach) -> Result<(), String> {
    make(folder, mode).map_err(|error| format!("{}: cannot be made: {error}", folder.display()))?;
    reach.writes_below(folder);
    Ok(())
}

/// The folder that a path is in.
pub(super) fn of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Forces names in a folder to the disk.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What an error means for somebody who can mend it.
pub(super) fn explain(path: &Path, error: &io::Error) -> Trouble {
    let path = path.display();
    let number = match error.kind() {
        io::ErrorKind::NotADirectory => Some(Errno::NOTDIR),
        _ => error.raw_os_error().map(Errno::from_raw_os_error),
    };
    match number {
        Some(Errno::NOSPC) => Trouble::passing(format!(
            "{path}: the file system is full, or out of inodes: make room (`df`, `df -i`), or keep \
             less"
        )),
        Some(Errno::DQUOT) => Trouble::passing(format!(
            "{path}: the user's quota is used up: see `quota`, or keep less"
        )),
        Some(Errno::IO) => Trouble::passing(format!(
            "{path}: the disk reports an error: see the kernel's log (`dmesg`)"
        )),
        Some(Errno::FBIG) => Trouble::passing(format!(
            "{path}: the file may not grow further: see `ulimit -f`, or rotate by size"
        )),
        Some(Errno::ACCESS | Errno::PERM) => Trouble::lasting(format!(
            "{path}: {error}: the sensor's user has to be allowed to write there"
        )),
        Some(Errno::ROFS | Errno::NOTDIR | Errno::ISDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
            Trouble::lasting(format!("{path}: {error}"))
        }
        _ => Trouble::passing(format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_choose_plain_names_only() {
        let check = |text: &str, want: &str| {
            let mut name = String::new();
            put_name(text, &mut name);
            assert_eq!(name, want, "{text:?}");
        };
        check("http", "http");
        check("../../etc/passwd", "_._.._etc_passwd");
        check("a\0b\nc", "a_b_c");
        check("..", "_.");
        check("grüße", "gr__e");
        check(&"x".repeat(300), &"x".repeat(64));
    }

    #[test]
    fn modes_are_octal() {
        let check = |text: &str, want: Option<u32>| {
            let mode: Option<Mode> = serde_saphyr::from_str(text).ok();
            assert_eq!(mode.map(|mode| mode.0), want, "{text}");
        };
        check("\"0640\"", Some(0o640));
        check("'750'", Some(0o750));
        check("0640", Some(0o640));
        for wrong in ["\"0999\"", "rw-r-----", "\"+640\"", "64", "\"\"", "00640"] {
            check(wrong, None);
        }
    }

    #[test]
    fn missing_folders_are_made_with_their_mode() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a/b");
        make(&folder, Mode(0o711)).unwrap();
        make(&folder, Mode(0o700)).unwrap();
        for made in [base.path().join("a"), folder] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o711);
        }
        fs::write(base.path().join("file"), "").unwrap();
        let error = make(&base.path().join("file/c"), Mode(0o700)).unwrap_err();
        assert!(explain(base.path(), &error).is_lasting, "{error}");
    }
}
