//! A program that takes part: how it is called, and the folder that it sees.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::measure::{Cost, measured};

/// A capture (pcap 2.4, Ethernet) of a single frame that nothing inspects: programs may refuse one
/// without any.
fn least_capture() -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    bytes.extend([1, 0, 0, 0, 0, 0xf1, 0x53, 0x65, 0, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]);
    // IEEE 802: addresses, the type for local experiments, padding.
    bytes.extend([2; 12]);
    bytes.extend([0x88, 0xb5]);
    bytes.extend([0; 46]);
    bytes
}

/// What both programs get.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The capture.
    pub(crate) capture: PathBuf,
    /// The rules; none: detection is off.
    pub(crate) rules: Option<PathBuf>,
    /// The configuration.
    pub(crate) configuration: String,
    /// Further options for both.
    pub(crate) options: Vec<String>,
}

/// A program with its own copy of the task.
#[derive(Debug)]
pub(crate) struct Contestant {
    command: Vec<String>,
    /// Its folder as we see it, and as it does (it may live in another root).
    outside: PathBuf,
    inside: PathBuf,
    has_rules: bool,
    options: Vec<String>,
    core: usize,
}

impl Contestant {
    /// Lays out a folder for the program. `seen_as`: the name of `folder` as the program sees it.
    pub(crate) fn new(
        command: &str,
        folder: &Path,
        seen_as: &Path,
        task: &Task,
        core: usize,
    ) -> Result<Self> {
        let output = folder.join("out");
        fs::create_dir_all(&output).with_context(|| format!("{}", output.display()))?;
        link(&task.capture, &folder.join("capture"))?;
        fs::write(folder.join("least"), least_capture())?;
        fs::write(folder.join("suricata.yaml"), &task.configuration)?;
        if let Some(rules) = &task.rules {
            link(rules, &folder.join("rules"))?;
        }
        Ok(Self {
            command: command.split_whitespace().map(str::to_owned).collect(),
            outside: folder.to_owned(),
            inside: seen_as.to_owned(),
            has_rules: task.rules.is_some(),
            options: task.options.clone(),
            core,
        })
    }

    /// Replays the capture.
    pub(crate) fn replay(&self) -> Result<Cost> {
        self.run("capture")
    }

    /// Replays next to nothing: what a start takes.
    pub(crate) fn start(&self) -> Result<Cost> {
        self.run("least")
    }

    /// The records of the last run.
    pub(crate) fn records(&self) -> PathBuf {
        self.outside.join("out/eve.json")
    }

    fn run(&self, capture: &str) -> Result<Cost> {
        let output = self.outside.join("out");
        for entry in fs::read_dir(&output)?.flatten() {
            if entry.path().is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        measured(&self.line(capture), self.core, &self.outside)
    }

    fn line(&self, capture: &str) -> Vec<String> {
        let inside = |name: &str| self.inside.join(name).display().to_string();
        let mut line = self.command.clone();
        line.extend(["-c".into(), inside("suricata.yaml"), "-l".into(), inside("out")]);
        line.extend(["-k", "none", "--runmode", "single"].map(str::to_owned));
        match self.has_rules {
            true => line.extend(["-S".into(), inside("rules")]),
            false => line.push("--disable-detection".into()),
        }
        line.extend(self.options.iter().cloned());
        line.extend(["-r".into(), inside(capture)]);
        line
    }
}

/// The same file under another name; a copy where the file system cannot link.
fn link(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_file(to)?;
    }
    let real = from.canonicalize().with_context(|| format!("{}", from.display()))?;
    if fs::hard_link(&real, to).is_err() {
        fs::copy(&real, to).with_context(|| format!("{}", to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Contestant, Task};

    fn check(rules: bool, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("a.pcap");
        fs::write(&capture, b"x").unwrap();
        let task = Task {
            rules: rules.then(|| capture.clone()),
            capture,
            configuration: String::new(),
            options: vec!["-v".into()],
        };
        let work = folder.path().join("work");
        let made = Contestant::new("peer sub", &work, Path::new("/w"), &task, 0).unwrap();
        assert_eq!(made.line("capture").join(" "), expected);
        assert_eq!(fs::read(work.join("capture")).unwrap(), b"x");
    }

    #[test]
    fn command_lines() {
        let start = "peer sub -c /w/suricata.yaml -l /w/out -k none --runmode single";
        check(true, &format!("{start} -S /w/rules -v -r /w/capture"));
        check(false, &format!("{start} --disable-detection -v -r /w/capture"));
    }
}
