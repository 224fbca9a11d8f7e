//! The files that the process may still open (Landlock).

use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::Error;

/// Rights that are ruled; older kernels rule those that they know.
const RULED: ABI = ABI::V6;

/// What the C library, name resolution and the sensor's own figures read. What a system does
/// not have is left out.
const SYSTEM: [&str; 19] = [
    "/proc",
    "/sys/class/net",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/usr/lib",
    "/lib",
    "/lib64",
];

/// Devices that give and take nothing of others.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// Files that stay in reach, opened while they are.
#[derive(Debug, Default)]
pub(super) struct Territory {
    kept: Vec<(PathFd, BitFlags<AccessFs>)>,
}

impl Territory {
    /// What every process needs.
    pub(super) fn of_system() -> Self {
        let mut territory = Self::default();
        for path in SYSTEM {
            let _ = territory.keep(Path::new(path), reading());
        }
        for path in DEVICES {
            let _ = territory.keep(Path::new(path), AccessFs::ReadFile | AccessFs::WriteFile);
        }
        territory
    }

    /// Keeps a file or everything below a folder, to be written.
    pub(super) fn keep_writing(&mut self, path: &Path) -> Result<Vec<String>, Error> {
        self.keep(path, writing())
            .map(|()| vec![format!("{} is kept to be written", path.display())])
            .map_err(|reason| Error::step(format!("keep writing {}", path.display()), reason))
    }

    /// Keeps a file or everything below a folder, to be read.
    pub(super) fn keep_reading(&mut self, path: &Path) -> Result<Vec<String>, Error> {
        self.keep(path, reading())
            .map(|()| vec![format!("{} is kept to be read", path.display())])
            .map_err(|reason| Error::step(format!("keep reading {}", path.display()), reason))
    }

    /// Refuses all other files to the calling thread and those that it starts.
    pub(super) fn enclose(self) -> Result<Vec<String>, Error> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(RULED))
            .and_then(|rules| rules.scope(Scope::from_all(RULED)))
            .and_then(Ruleset::create)
            .map_err(refused)?;
        for (path, access) in self.kept {
            rules = rules.add_rule(PathBeneath::new(path, access)).map_err(refused)?;
        }
        let status = rules.restrict_self().map_err(refused)?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err(refused(level(&status))),
            RulesetStatus::PartiallyEnforced => {
                Ok(vec![format!("other files are refused as far as {} goes", level(&status))])
            }
            RulesetStatus::FullyEnforced => {
                Ok(vec![format!("other files are refused ({})", level(&status))])
            }
        }
    }

    fn keep(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<(), String> {
        // With it everything would be kept.
        if fs::canonicalize(path).is_ok_and(|real| real == Path::new("/")) {
            return Err("it is /, which is everything: give another folder".to_owned());
        }
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        let opened = PathFd::new(path).map_err(|error| error.to_string())?;
        let access = match metadata.is_dir() {
            true => access,
            false => access & AccessFs::from_file(RULED),
        };
        self.kept.push((opened, access));
        Ok(())
    }
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// All that is done with outputs; devices and programs are none.
fn writing() -> BitFlags<AccessFs> {
    let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    AccessFs::from_all(RULED) & !never
}

fn refused(reason: impl ToString) -> Error {
    Error::step("refuse other files", reason)
}

/// What the kernel knows of it.
fn level(status: &RestrictionStatus) -> String {
    match &status.landlock {
        LandlockStatus::NotImplemented => "the kernel is built without Landlock".to_owned(),
        LandlockStatus::NotEnabled => "Landlock is switched off in the kernel".to_owned(),
        LandlockStatus::Available { effective_abi, kernel_abi } => match kernel_abi {
            Some(newer) => format!("Landlock ABI {newer}, used as {effective_abi}"),
            None => format!("Landlock ABI {effective_abi}"),
        },
    }
}
