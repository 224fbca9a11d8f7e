//! Attaches a program to an interface for as long as somebody holds the link.
//!
//! libbpf-rs attaches links without saying in which mode: the one system call is made here.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys;

/// Where in the kernel the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver, before any packet buffer of the kernel exists.
    Native,
    /// In the network stack: every interface has it, at several times the cost.
    Generic,
}

impl AttachMode {
    /// The best first.
    pub const ALL: &[AttachMode] = &[AttachMode::Native, AttachMode::Generic];

    const fn flag(self) -> u32 {
        match self {
            Self::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            Self::Generic => libbpf_sys::XDP_FLAGS_SKB_MODE,
        }
    }
}

impl fmt::Display for AttachMode {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// A mode that the interface refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The mode.
    pub mode: AttachMode,
    /// The system's error number.
    pub errno: i32,
    /// Why, in words.
    pub reason: String,
}

/// Attaches in the first mode that the interface takes; all that it refused.
pub(crate) fn attach(
    program: BorrowedFd<'_>,
    interface: u32,
    modes: &[AttachMode],
) -> (Option<(OwnedFd, AttachMode)>, Vec<Attempt>) {
    let mut refused = Vec::new();
    for &mode in modes {
        match link(program, interface, mode) {
            Ok(link) => return (Some((link, mode)), refused),
            Err(cause) => {
                let errno = cause.raw_os_error().unwrap_or(0);
                let reason = words(errno, mode, interface)
                    .map_or_else(|| cause.to_string(), |words| format!("{cause}: {words}"));
                refused.push(Attempt { mode, errno, reason });
            }
        }
    }
    (None, refused)
}

/// What an error number means when a program is attached.
fn words(errno: i32, mode: AttachMode, interface: u32) -> Option<String> {
    let fixed = match errno {
        libc::ERANGE => {
            "the MTU is too large for a program that takes frames in one buffer: lower it, or let \
             the program take several buffers (Linux 5.18 and a driver that can)"
        }
        libc::EBUSY => {
            return Some(format!(
                "another XDP program is attached: `bpftool net show` and `ip -details link show` \
                 name it (interface {interface}); stop who attached it, or detach it with \
                 `ip link set dev NAME xdp off`"
            ));
        }
        libc::EEXIST => {
            "a program is attached in the other mode: native and generic exclude each other"
        }
        libc::EOPNOTSUPP if matches!(mode, AttachMode::Native) => "the driver has no XDP",
        libc::EPERM => "needs the capabilities NET_ADMIN and BPF",
        libc::ENODEV => "there is no such interface in this network namespace",
        libc::EINVAL => {
            "the driver refuses it in its present set-up: large receive offload, hardware GRO, too \
             few queues or an MTU too large are the usual causes (`dmesg` may tell)"
        }
        libc::ENOMEM | libc::ENOSPC => "the driver has not enough memory or queues left for XDP",
        _ => return None,
    };
    Some(fixed.to_owned())
}

fn link(program: BorrowedFd<'_>, interface: u32, mode: AttachMode) -> io::Result<OwnedFd> {
    let interface =
        i32::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
        flags: mode.flag(),
        ..Default::default()
    };
    // SAFETY: the program's descriptor is open as it is borrowed; the options are whole, their
    // size is stated, and libbpf only reads them during the call.
    let link = unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            interface,
            libbpf_sys::BPF_XDP,
            &raw const options,
        )
    };
    if link < 0 {
        return Err(io::Error::from_raw_os_error(-link));
    }
    // SAFETY: the call returned a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(link) })
}
