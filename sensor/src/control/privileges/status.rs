//! What the kernel says about the process's rights.

use std::fmt;
use std::fs;
use std::io;

/// Rights of a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Real, effective, saved and file system user.
    pub(crate) users: [u32; 4],
    /// Real, effective, saved and file system group.
    pub(crate) groups: [u32; 4],
    /// Number of further groups.
    pub(crate) further_groups: usize,
    /// Capabilities that it could use.
    pub(crate) capabilities_permitted: u64,
    /// Capabilities in use.
    pub(crate) capabilities_effective: u64,
    /// Capabilities that it could ever gain.
    pub(crate) capabilities_bounding: u64,
    /// Programs cannot give rights.
    pub(crate) no_new_privileges: bool,
    /// 0 none, 1 strict, 2 filter.
    pub(crate) seccomp: u8,
    /// Threads of its process.
    pub(crate) threads: usize,
}

/// Reads the status of the calling thread.
///
/// # Errors
/// When `/proc` is not there.
pub(crate) fn status() -> io::Result<Status> {
    fs::read_to_string("/proc/thread-self/status").map(|text| Status::parse(&text))
}

impl Status {
    /// From the text of a `/proc/PID/status`; what is missing stays 0.
    pub(crate) fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            let hex = || u64::from_str_radix(value, 16).unwrap_or_default();
            match name {
                "Uid" => status.users = four(value),
                "Gid" => status.groups = four(value),
                "Groups" => status.further_groups = value.split_whitespace().count(),
                "CapPrm" => status.capabilities_permitted = hex(),
                "CapEff" => status.capabilities_effective = hex(),
                "CapBnd" => status.capabilities_bounding = hex(),
                "NoNewPrivs" => status.no_new_privileges = value == "1",
                "Seccomp" => status.seccomp = value.parse().unwrap_or_default(),
                "Threads" => status.threads = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        status
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Uid {}, Gid {}, CapEff {:016x}, NoNewPrivs {}, Seccomp {}",
            self.users[1],
            self.groups[1],
            self.capabilities_effective,
            u8::from(self.no_new_privileges),
            self.seccomp,
        )
    }
}

fn four(value: &str) -> [u32; 4] {
    let mut numbers = [0; 4];
    for (number, word) in numbers.iter_mut().zip(value.split_whitespace()) {
        *number = word.parse().unwrap_or_default();
    }
    numbers
}
