//! The file with the number of the process.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

use crate::config::suricata::Fatal;
use crate::log::{Log, reason};

const MODULE: &str = "util-pidfile";

/// The file. It goes when this does.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Writes the number of this process, in the place of one that has ended.
    ///
    /// # Errors
    /// When that is not possible, or the other process still runs; the log says so.
    pub(super) fn write(path: &Path, log: &Log) -> Result<Self, Fatal> {
        let name = path.display();
        if let Some(other) = owner(path) {
            let said = format!("pid file '{name}' belongs to process {other}, which runs");
            log.error(MODULE, said);
            return Err(Fatal);
        }
        let written = File::create(path)
            .and_then(|mut file| writeln!(file, "{}", process::id()).map(|()| file));
        match written {
            Ok(file) => Ok(Self { path: path.to_path_buf(), file }),
            Err(error) => {
                log.error(MODULE, format!("unable to set pidfile '{name}': {}", reason(&error)));
                Err(Fatal)
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A process without rights may have to leave it there; an empty one names nobody.
        if fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

/// The other process of this program that a file names, if it runs. In a container, process
/// numbers begin anew at each start: the number alone says little.
fn owner(path: &Path) -> Option<u32> {
    let number: u32 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    let of = |process: &str, file: &str| fs::read(format!("/proc/{process}/{file}")).ok();
    let other = number.to_string();
    let is_ours = number != process::id() && of(&other, "comm") == Some(of("self", "comm")?);
    // One that has ended and was not waited for still has a name, but no command line.
    let runs = is_ours && of(&other, "cmdline").is_some_and(|words| !words.is_empty());
    runs.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_dead_process_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let own = format!("{}\n", process::id());
        for before in [None, Some(""), Some("no number\n"), Some("4194305\n"), Some(&*own)] {
            if let Some(text) = before {
                fs::write(&path, text).unwrap();
            }
            let file = PidFile::write(&path, &Log::errors()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), own, "{before:?}");
            drop(file);
            assert!(!path.exists(), "{before:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_ends_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/pid");
        assert_eq!(PidFile::write(&path, &Log::errors()).err(), Some(Fatal));
    }
}
