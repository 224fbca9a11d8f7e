//! The folder's files: their names, the lock, and replacing one as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::SpoolError;

/// Which of the two rows of segment files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Alerts: read first, dropped last.
    Alerts,
    /// All other records.
    Events,
}

impl Lane {
    /// Both, in the order in which they are read.
    pub(super) const ALL: [Self; 2] = [Self::Alerts, Self::Events];

    /// The lane with or without alerts.
    pub(super) fn of(alerts: bool) -> Self {
        if alerts { Self::Alerts } else { Self::Events }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Events => "events",
        }
    }
}

/// What a file in the folder is, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A segment.
    Segment(Lane, u64),
    /// A reader's cursor, with the reader's name.
    Cursor(String),
    /// Left by a crash while a file was being replaced.
    Unfinished,
    /// Something else.
    Other,
}

/// Path of a segment.
pub(super) fn segment(directory: &Path, lane: Lane, number: u64) -> PathBuf {
    directory.join(format!("{}-{number:08}.spool", lane.name()))
}

/// Path of a reader's file.
pub(super) fn of_reader(directory: &Path, reader: &str, suffix: &str) -> PathBuf {
    let mut name = String::new();
    for byte in reader.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    directory.join(name + suffix)
}

/// What a file name stands for.
pub(super) fn named(name: &str) -> Named {
    if name.ends_with(".new") {
        return Named::Unfinished;
    }
    if let Some(reader) = name.strip_suffix(".cursor").and_then(unescape) {
        return Named::Cursor(reader);
    }
    let Some((lane, number)) = name.strip_suffix(".spool").and_then(|name| name.split_once('-'))
    else {
        return Named::Other;
    };
    let Some(lane) = Lane::ALL.into_iter().find(|known| known.name() == lane) else {
        return Named::Other;
    };
    // No more than 18 digits: counting on can't overflow.
    let is_number = (8..=18).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    match number.parse() {
        Ok(parsed @ 1..) if is_number => Named::Segment(lane, parsed),
        _ => Named::Other,
    }
}

fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// Makes the folder, readable for its owner only.
pub(super) fn make(directory: &Path) -> Result<(), SpoolError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|why| SpoolError::File { path: directory.to_path_buf(), why })
}

/// The spool's own files, and the folder if it has no others.
pub(super) fn belongings(directory: &Path) -> Vec<PathBuf> {
    let (mut own, mut is_alone) = (Vec::new(), true);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_name().to_str().is_some_and(is_own) {
            true => own.push(entry.path()),
            false => is_alone = false,
        }
    }
    if is_alone {
        own.push(directory.to_path_buf());
    }
    own
}

fn is_own(name: &str) -> bool {
    let refused = name.strip_prefix("refused-").and_then(|rest| rest.strip_suffix(".json"));
    let is_known = ["lock", "sequences", "channels"].contains(&name) || name.ends_with(".handed");
    is_known || refused.is_some() || named(name) != Named::Other
}

/// Makes the folder and takes its lock.
pub(super) fn lock(directory: &Path) -> Result<File, SpoolError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |why| SpoolError::File { path, why }
    };
    make(directory)?;
    let path = directory.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = (&file).take(32).read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(SpoolError::Locked { directory: directory.to_path_buf(), pid });
        }
        Err(TryLockError::Error(why)) => return Err(SpoolError::File { path, why }),
    }
    // Who has it is only for the message above: a full disk is no reason to stop.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Puts bytes in the place of a file, so that there is the old one or the new one at any time.
pub(super) fn replace(path: &Path, bytes: &[u8], forced: bool) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_os_string();
    unfinished.push(".new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    if forced {
        file.sync_data()?;
    }
    fs::rename(&unfinished, path)?;
    if forced && let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    Ok(())
}

/// True when the disk, or what of it a user may have, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Forces the names in a folder to the disk.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The bytes of a small file, at most so many; none when it is not there.
pub(super) fn read_small(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Removes a file; one that is gone already is no trouble.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("spool: {} can't be removed: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_stand_for() {
        let directory = Path::new("d");
        let name = |path: PathBuf| named(&path.file_name().unwrap().to_string_lossy());
        for lane in Lane::ALL {
            for number in [1, 99_999_999, 123_456_789_012] {
                let path = segment(directory, lane, number);
                assert_eq!(name(path), Named::Segment(lane, number));
            }
        }
        for reader in ["kafka", "a b/c.%", "..", "ä"] {
            let path = of_reader(directory, reader, ".cursor");
            assert_eq!(path.parent(), Some(directory));
            assert_eq!(name(path), Named::Cursor(reader.into()));
        }
        assert_eq!(named("sequences.new"), Named::Unfinished);
        for other in [
            "lock",
            "alerts-1.spool",
            "alerts-00000000.spool",
            "alerts-+0000001.spool",
            "events-9999999999999999999.spool",
            "others-00000001.spool",
            "%f.cursor",
        ] {
            assert_eq!(named(other), Named::Other, "{other}");
        }
    }

    #[test]
    fn the_folder_is_ours_when_it_has_no_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let own = ["lock", "sequences", "a.cursor", "a.handed", "alerts-00000001.spool"];
        for name in own.iter().chain(&["refused-a.json", "channels"]) {
            fs::write(path(name), "").unwrap();
        }
        let mut found = belongings(folder.path());
        found.sort();
        assert_eq!((found.len(), &found[0]), (8, &folder.path().to_path_buf()));
        fs::write(path("passwords"), "").unwrap();
        let found = belongings(folder.path());
        assert_eq!((found.len(), found.contains(&path("passwords"))), (7, false));
    }
}
