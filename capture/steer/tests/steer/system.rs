//! What the tests ask of the kernel beyond the standard library.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use steer::Instruction;

/// Lets the kernel check a filter and put it on a socket.
pub(crate) fn attach_filter(socket: &impl AsRawFd, program: &[Instruction]) -> io::Result<()> {
    with_program(program, |program| set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program))
}

/// The program as the kernel takes it, for the time of some work.
fn with_program<R>(program: &[Instruction], work: impl FnOnce(&libc::sock_fprog) -> R) -> R {
    let mut filters: Vec<libc::sock_filter> = program
        .iter()
        .map(|line| libc::sock_filter { code: line.code, jt: line.jt, jf: line.jf, k: line.k })
        .collect();
    let len = u16::try_from(filters.len()).expect("a short program");
    work(&libc::sock_fprog { len, filter: filters.as_mut_ptr() })
}

/// Sets an option whose value is a structure of the kernel.
fn set<T>(socket: &impl AsRawFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the kernel only reads the value, of the length given, during the call; what the
    // values used here point to lives as long.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(crate) use network::*;

/// Interfaces, namespaces, and sockets of other families.
mod network {
    use std::ffi::CString;
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::process::Command;
    use std::time::{Duration, Instant};

    use steer::Instruction;

    use super::{set, with_program};

    pub(crate) fn is_root() -> bool {
        // SAFETY: the call has no arguments and always succeeds.
        unsafe { libc::geteuid() == 0 }
    }

    #[cfg(feature = "xdp")]
    pub(crate) fn xdp_socket() -> io::Result<OwnedFd> {
        socket(libc::AF_XDP, 0)
    }

    /// Takes all capabilities from the calling thread.
    #[cfg(feature = "xdp")]
    pub(crate) fn give_up_capabilities() -> io::Result<()> {
        // Version 3 of the interface, this thread; effective, permitted, inheritable, twice.
        let (header, sets) = ([0x2008_0522u32, 0], [0u32; 6]);
        // SAFETY: both structures have the sizes that version 3 states, and are only read.
        let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Does something in a network namespace of its own, in which `one` and `two` are joined.
    /// The namespace goes with its thread, whatever happens.
    pub(crate) fn between_interfaces(work: impl FnOnce(u32, u32) + Send + 'static) {
        if !is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let thread = std::thread::spawn(|| {
            let made = own_network().and_then(|()| {
                ip("link add one type veth peer name two")?;
                ip("link set one up")?;
                ip("link set two up")
            });
            match made {
                Ok(_) => work(index("one"), index("two")),
                Err(cause) => eprintln!("skipped: no virtual interfaces: {cause}"),
            }
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }

    /// Gives the calling thread a network namespace of its own.
    fn own_network() -> io::Result<()> {
        // SAFETY: the call takes flags only; it concerns this thread alone.
        let done = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Runs `ip` in the network namespace of this thread; what it prints.
    pub(crate) fn ip(arguments: &str) -> io::Result<String> {
        let output = Command::new("ip").args(arguments.split(' ')).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn index(interface: &str) -> u32 {
        let name = CString::new(interface).expect("a name");
        // SAFETY: the name ends with a zero byte.
        unsafe { libc::if_nametoindex(name.as_ptr()) }
    }

    /// Sends a frame out of an interface.
    pub(crate) fn send(interface: u32, frame: &[u8]) -> io::Result<()> {
        let socket = socket(libc::AF_PACKET, 0)?;
        let address = address(interface);
        // SAFETY: frame and address are read, of the lengths given, during the call.
        let sent = unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sockets among which the kernel deals out the frames of an interface by a program.
    pub(crate) fn fanout(
        interface: u32,
        group: u16,
        count: usize,
        program: &[Instruction],
    ) -> io::Result<Vec<OwnedFd>> {
        let mut sockets = Vec::new();
        for _ in 0..count {
            let every = (libc::ETH_P_ALL as u16).to_be();
            let socket = socket(libc::AF_PACKET, i32::from(every))?;
            let address = libc::sockaddr_ll { sll_protocol: every, ..address(interface) };
            // SAFETY: the address is read, of the length given, during the call.
            let bound = unsafe {
                libc::bind(
                    socket.as_raw_fd(),
                    (&raw const address).cast(),
                    size_of::<libc::sockaddr_ll>() as libc::socklen_t,
                )
            };
            if bound < 0 {
                return Err(io::Error::last_os_error());
            }
            let join = u32::from(group) | libc::PACKET_FANOUT_CBPF << 16;
            set(&socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &join)?;
            sockets.push(socket);
        }
        let first = sockets.first().ok_or(io::ErrorKind::InvalidInput)?;
        with_program(program, |program| {
            set(first, libc::SOL_PACKET, libc::PACKET_FANOUT_DATA, program)
        })?;
        Ok(sockets)
    }

    /// A frame that waits in a socket.
    pub(crate) fn receive(socket: &OwnedFd) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 4096];
        // SAFETY: at most as many bytes are written as there is room for.
        let length = unsafe {
            libc::recv(
                socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT,
            )
        };
        bytes.truncate(usize::try_from(length).ok()?);
        Some(bytes)
    }

    fn address(interface: u32) -> libc::sockaddr_ll {
        // SAFETY: all-zero bytes are a valid address structure.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = interface as i32;
        address
    }

    /// Waits for something, but not for ever.
    pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match look() {
                None if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                found => return found,
            }
        }
    }

    fn socket(family: i32, protocol: i32) -> io::Result<OwnedFd> {
        // SAFETY: the call takes numbers only.
        let socket = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(socket) })
    }
}
