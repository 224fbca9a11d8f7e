//! What can fail while an area or a queue is made, and what to do about it.

use std::fmt;
use std::io;

use crate::bind::Mode;
use crate::system::interface_name;

/// The step of making a queue that the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// `socket(AF_XDP)`.
    Socket,
    /// Registering the area's memory with the socket.
    Registration,
    /// Making the rings.
    Rings,
    /// Mapping the rings.
    Mapping,
    /// Asking for busy polling.
    BusyPolling,
    /// Binding to a queue.
    Bind,
    /// Asking which mode a bound socket got.
    Mode,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Step::Socket => "opening an AF_XDP socket",
            Step::Registration => "registering the packet memory",
            Step::Rings => "making the rings",
            Step::Mapping => "mapping the rings",
            Step::BusyPolling => "asking for busy polling",
            Step::Bind => "binding to the queue",
            Step::Mode => "asking for the mode",
        })
    }
}

/// Why there is no area or no queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings contradict themselves or the kernel's limits.
    #[error("AF_XDP settings: {0}")]
    Settings(String),
    /// There is not so much memory.
    #[error(
        "mapping {bytes} bytes of packet memory{}: {source}{}",
        if *huge { " in huge pages" } else { "" },
        if *huge { "; reserve huge pages (vm.nr_hugepages) or do not require them" } else { "" },
    )]
    Memory {
        /// How much was wanted.
        bytes: u64,
        /// Whether it had to be of huge pages.
        huge: bool,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The area has fewer free chunks than the queue wants.
    #[error("the queue wants {wanted} chunks and the area has {free} free: make the area larger")]
    Chunks {
        /// How many the queue wants.
        wanted: u32,
        /// How many there are.
        free: usize,
    },
    /// A step before binding failed; it is the same in all modes.
    #[error("{step}: {source}{}", Advice(*step, source))]
    System {
        /// Which one.
        step: Step,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The queue was refused in all modes.
    #[error(
        "binding to queue {queue} of {}:{} {mode}: {source}{}",
        Interface(*interface), Tried(tried), Advice(Step::Bind, source),
    )]
    Bind {
        /// Index of the interface.
        interface: u32,
        /// Number of the queue.
        queue: u32,
        /// The modes that were refused first.
        tried: Vec<(Mode, io::Error)>,
        /// The mode that was refused last.
        mode: Mode,
        /// Why it was.
        source: io::Error,
    },
}

impl Error {
    /// The kernel's error number, if the kernel refused something.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Settings(_) | Error::Chunks { .. } => None,
            Error::Memory { source, .. }
            | Error::System { source, .. }
            | Error::Bind { source, .. } => source.raw_os_error(),
        }
    }
}

/// What to do about a step that failed, behind a colon; nothing if nothing is known.
struct Advice<'a>(Step, &'a io::Error);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match (self.0, self.1.raw_os_error().unwrap_or(0)) {
            (Step::Socket, libc::EPERM) => "the process needs the capability NET_RAW",
            (Step::Socket, libc::EAFNOSUPPORT) => {
                "the kernel is built without AF_XDP (CONFIG_XDP_SOCKETS)"
            }
            (Step::Registration, libc::ENOBUFS) => {
                "the memory is more than may be locked: give the process the capability IPC_LOCK \
                 or raise its limit (LimitMEMLOCK=, ulimit -l), or make the area smaller"
            }
            (Step::Registration, libc::EINVAL) => {
                "the kernel does not know chunks of this kind; try aligned ones of 2048 bytes"
            }
            (Step::Mapping, libc::ENOSYS) => "AF_XDP of this kernel is too old: take 5.4 or later",
            (Step::Rings | Step::Mapping, libc::ENOMEM | libc::EAGAIN) => {
                "make the rings smaller, or raise the limit of locked memory"
            }
            (Step::BusyPolling, libc::EPERM) => {
                "so large a budget needs the capability NET_ADMIN; take 64 or less"
            }
            (Step::BusyPolling, libc::ENOPROTOOPT) => {
                "the kernel has no preferred busy polling: take 5.11 or later, or do without"
            }
            (Step::Bind, libc::EPERM) => "the process needs the capability NET_RAW",
            (Step::Bind, libc::ENODEV) => {
                "there is no interface of this index in the process's network namespace"
            }
            (Step::Bind, libc::EBUSY) => {
                "another AF_XDP socket has this queue: end that program or take another queue"
            }
            (Step::Bind, libc::EOPNOTSUPP) => {
                "the driver cannot do this mode: allow copy mode, which every driver can"
            }
            (Step::Bind, libc::EINVAL) => {
                "the interface has no such queue (see ethtool -l), or kernel or driver do not know \
                 a setting: try without multi-buffer or in copy mode"
            }
            (Step::Bind, libc::ENETDOWN) => "set the interface up first (ip link set ... up)",
            _ => return Ok(()),
        };
        write!(formatter, ": {advice}")
    }
}

/// An interface by its name where it has one.
struct Interface(u32);

impl fmt::Display for Interface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match interface_name(self.0) {
            Some(name) => write!(formatter, "{name}"),
            None => write!(formatter, "interface {}", self.0),
        }
    }
}

/// The modes that were tried before, each with its error.
struct Tried<'a>(&'a [(Mode, io::Error)]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mode, error) in self.0 {
            write!(formatter, " {mode}: {error};")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let errno = io::Error::from_raw_os_error;
        let system = |step, number| Error::System { step, source: errno(number) };
        let bind = |number| Error::Bind {
            interface: u32::MAX,
            queue: 3,
            tried: vec![(Mode::ZeroCopy, errno(libc::EOPNOTSUPP))],
            mode: Mode::Copy,
            source: errno(number),
        };
        for (error, parts) in [
            (system(Step::Socket, libc::EPERM), &["NET_RAW", "not permitted"][..]),
            (system(Step::Socket, libc::EAFNOSUPPORT), &["CONFIG_XDP_SOCKETS"]),
            (system(Step::Registration, libc::ENOBUFS), &["IPC_LOCK", "LimitMEMLOCK"]),
            (system(Step::BusyPolling, libc::EPERM), &["NET_ADMIN"]),
            (system(Step::Mapping, libc::ENOSYS), &["5.4"]),
            (bind(libc::EBUSY), &["queue 3", "another AF_XDP socket", "zero-copy: Operation not"]),
            (bind(libc::EOPNOTSUPP), &["copy: Operation not supported", "allow copy mode"]),
            (bind(libc::EINVAL), &["ethtool -l", "multi-buffer", &format!("{}", u32::MAX)]),
            (bind(libc::ENODEV), &["no interface"]),
            (Error::Chunks { wanted: 8, free: 3 }, &["8 chunks", "3 free"]),
            (
                Error::Memory { bytes: 4096, huge: true, source: errno(libc::ENOMEM) },
                &["4096", "vm.nr_hugepages", "allocate memory"],
            ),
        ] {
            let text = error.to_string();
            for part in parts {
                assert!(text.contains(part), "no {part:?} in {text:?}");
            }
        }
        assert_eq!(bind(libc::EBUSY).errno(), Some(libc::EBUSY));
        assert_eq!(Error::Settings("no".into()).to_string(), "AF_XDP settings: no");
    }
}
