//! What can go wrong with a ring: the step, what the system says, and what to do about it.

use std::{fmt, io};

/// Why a ring cannot be opened or goes on no more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting makes no sense.
    #[error("packet ring: {setting}: {problem}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no interface of this name or number.
    #[error("{interface}: no such interface in this network namespace: see `ip link`")]
    NoInterface {
        /// Its name or number.
        interface: String,
    },
    /// The frames of the interface have a form that no decoder knows.
    #[error("{interface}: hardware type {hardware_type} (ARPHRD) has no link type to decode it as")]
    LinkType {
        /// Its name.
        interface: String,
        /// Number of the hardware type.
        hardware_type: u16,
    },
    /// The interface is down. The ring receives again by itself when it comes up.
    #[error("{interface}: is down: bring it up with `ip link set {interface} up`")]
    InterfaceDown {
        /// Its name.
        interface: String,
    },
    /// The interface was removed or moved away. The ring receives nothing more; open another.
    #[error("{interface}: is gone: it was removed or moved to another network namespace")]
    InterfaceGone {
        /// Its name when the ring was opened.
        interface: String,
    },
    /// A system call failed.
    #[error("{interface}: cannot {step}: {cause}{}", advice(*step, cause))]
    System {
        /// Name or number of the interface.
        interface: String,
        /// What was tried.
        step: Step,
        /// What the system says.
        cause: io::Error,
    },
}

impl Error {
    pub(crate) fn setting(setting: &'static str, problem: String) -> Error {
        Error::Setting { setting, problem }
    }

    /// For `map_err` after a step on an interface.
    pub(crate) fn at(interface: &str, step: Step) -> impl FnOnce(io::Error) -> Error {
        move |cause| Error::System { interface: interface.to_owned(), step, cause }
    }
}

/// A step of opening or using a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// socket(AF_PACKET).
    OpenSocket,
    /// Reading name, type and state of the interface.
    ReadInterface,
    /// SO_ATTACH_FILTER.
    AttachFilter,
    /// PACKET_VERSION, PACKET_RESERVE, PACKET_RX_RING.
    SetRing,
    /// mmap.
    MapRing,
    /// PACKET_IGNORE_OUTGOING.
    IgnoreOutgoing,
    /// bind.
    Bind,
    /// PACKET_FANOUT.
    JoinFanout,
    /// PACKET_FANOUT_DATA.
    SetFanoutProgram,
    /// PACKET_ADD_MEMBERSHIP.
    SetPromiscuous,
    /// poll and SO_ERROR.
    Wait,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Step::OpenSocket => "open a packet socket",
            Step::ReadInterface => "read the state of the interface",
            Step::AttachFilter => "attach the filter program",
            Step::SetRing => "set up the packet ring",
            Step::MapRing => "map the packet ring",
            Step::IgnoreOutgoing => "leave out outgoing frames",
            Step::Bind => "bind the packet socket",
            Step::JoinFanout => "join the fanout group",
            Step::SetFanoutProgram => "set the program of the fanout group",
            Step::SetPromiscuous => "set promiscuous mode",
            Step::Wait => "wait for frames",
        })
    }
}

/// What to do about a failure, ready to follow the system's words.
fn advice(step: Step, cause: &io::Error) -> &'static str {
    match (step, cause.raw_os_error().unwrap_or(0)) {
        (_, libc::EPERM | libc::EACCES) => {
            ": the process needs the capability CAP_NET_RAW (and a sandbox that lets it)"
        }
        (Step::OpenSocket, libc::EAFNOSUPPORT) => {
            ": the kernel lacks packet sockets (CONFIG_PACKET) or a sandbox forbids them"
        }
        (_, libc::EMFILE | libc::ENFILE) => ": raise the limit of open files (ulimit -n)",
        (Step::SetRing, libc::ENOMEM) => {
            ": the kernel has not that much memory in pieces of a block: \
             use smaller blocks or fewer of them"
        }
        (Step::SetRing, libc::EINVAL) => ": use larger blocks, or fewer of them",
        (Step::MapRing, libc::ENOMEM) => {
            ": the address space of the process is limited (ulimit -v): use fewer blocks"
        }
        (Step::MapRing, libc::EAGAIN) => {
            ": more memory than may be locked (ulimit -l): use fewer blocks or CAP_IPC_LOCK"
        }
        (Step::IgnoreOutgoing, libc::ENOPROTOOPT) => ": this needs Linux 4.20",
        (Step::JoinFanout, libc::EINVAL | libc::EEXIST) => {
            ": other sockets use this group number with another interface or other settings: \
             choose another number"
        }
        (Step::JoinFanout, libc::ENOSPC) => {
            ": the group has all its members: another process uses this number"
        }
        (Step::AttachFilter | Step::SetFanoutProgram, libc::EINVAL) => {
            ": the kernel refuses the program"
        }
        (Step::AttachFilter | Step::SetFanoutProgram, libc::ENOMEM) => {
            ": the program is too large for net.core.optmem_max"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_the_step_the_cause_and_what_to_do() {
        let check = |step, code, words: [&str; 3]| {
            let text = Error::at("eth1", step)(io::Error::from_raw_os_error(code)).to_string();
            assert!(text.starts_with("eth1: cannot "), "{text}");
            for word in words {
                assert!(text.contains(word), "{text}: {word}");
            }
        };
        check(Step::OpenSocket, libc::EPERM, ["open a packet socket", "permitted", "CAP_NET_RAW"]);
        check(Step::SetRing, libc::ENOMEM, ["set up", "allocate", "smaller blocks"]);
        check(Step::MapRing, libc::EAGAIN, ["map", "unavailable", "ulimit -l"]);
        check(Step::JoinFanout, libc::EINVAL, ["fanout", "argument", "another number"]);
        check(Step::JoinFanout, libc::ENOSPC, ["fanout", "space", "all its members"]);
        check(Step::AttachFilter, libc::EINVAL, ["filter", "argument", "refuses"]);
        check(Step::Bind, libc::EIO, ["bind", "Input/output", "error"]);
    }
}
