//! The system calls on a packet socket.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use crate::settings::{Fanout, FanoutKind, Instruction};

/// All protocols, in network order as the kernel wants it.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();

/// What `poll` found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polled {
    /// There may be a block.
    pub(crate) readable: bool,
    /// The socket has an error to be asked for.
    pub(crate) failed: bool,
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> u32 {
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u32::try_from(size).unwrap_or(4096)
}

/// A packet socket that receives nothing before it is bound.
pub(crate) fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket takes no pointers.
    let number = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    check(number)?;
    // SAFETY: the number was just opened and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The number of an interface in the network namespace of the socket.
pub(crate) fn interface_index(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut request = named_request(name)?;
    interface_request(socket, libc::SIOCGIFINDEX as _, &mut request)?;
    // SAFETY: SIOCGIFINDEX fills this member; the request was all zeroes before.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    u32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))
}

/// The name that an interface has now.
pub(crate) fn interface_name(socket: BorrowedFd<'_>, index: u32) -> io::Result<String> {
    let mut request = empty_request();
    let index = c_int::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    request.ifr_ifru.ifru_ifindex = index;
    interface_request(socket, libc::SIOCGIFNAME as _, &mut request)?;
    let bytes = request.ifr_name.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0);
    Ok(String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned())
}

/// The ARPHRD number of an interface.
pub(crate) fn hardware_type(socket: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    let mut request = named_request(name)?;
    interface_request(socket, libc::SIOCGIFHWADDR as _, &mut request)?;
    // SAFETY: SIOCGIFHWADDR fills this member; the request was all zeroes before.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// Whether an interface is up.
pub(crate) fn is_up(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let mut request = named_request(name)?;
    interface_request(socket, libc::SIOCGIFFLAGS as _, &mut request)?;
    // SAFETY: SIOCGIFFLAGS fills this member; the request was all zeroes before.
    let flags = c_int::from(unsafe { request.ifr_ifru.ifru_flags });
    Ok(flags & libc::IFF_UP != 0)
}

/// Binds a socket to the frames of all protocols on one interface.
pub(crate) fn bind(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let mut address = empty_address();
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = ALL_PROTOCOLS;
    address.sll_ifindex = index as c_int;
    // SAFETY: the pointer and length are those of a live sockaddr_ll, which bind only reads.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    check(result)
}

/// The number of the interface that a socket is bound to; none when it was removed.
pub(crate) fn bound_index(socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut address = empty_address();
    let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of the address.
    let result = unsafe {
        libc::getsockname(socket.as_raw_fd(), ptr::from_mut(&mut address).cast(), &mut length)
    };
    check(result)?;
    Ok(u32::try_from(address.sll_ifindex).ok().filter(|index| *index != 0))
}

/// Takes the error that waits at a socket, if any.
pub(crate) fn pending_error(socket: BorrowedFd<'_>) -> io::Result<Option<io::Error>> {
    let mut error: c_int = 0;
    read_option(socket, libc::SOL_SOCKET, libc::SO_ERROR, &mut error)?;
    Ok((error != 0).then(|| io::Error::from_raw_os_error(error)))
}

/// What the kernel counted since it was last asked.
pub(crate) fn statistics(socket: BorrowedFd<'_>) -> io::Result<libc::tpacket_stats_v3> {
    let mut counts = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    read_option(socket, libc::SOL_PACKET, libc::PACKET_STATISTICS, &mut counts)?;
    Ok(counts)
}

/// Sleeps until there is something at the socket. A signal ends the sleep too.
pub(crate) fn poll(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<Polled> {
    let mut entry = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as _,
    };
    // SAFETY: one live entry and a live time; no signal mask is changed.
    let result = unsafe { libc::ppoll(&mut entry, 1, &time, ptr::null()) };
    if result < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        entry.revents = 0;
    }
    Ok(Polled {
        readable: entry.revents & libc::POLLIN != 0,
        failed: entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0,
    })
}

/// Lets a program choose the frames of a socket; an empty one takes all.
pub(crate) fn attach_filter(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    if program.is_empty() {
        let unused: c_int = 0;
        return match set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &unused) {
            // There was none.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            result => result,
        };
    }
    with_program(program, |program| {
        set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program)
    })
}

/// Leaves out what this host sends.
pub(crate) fn ignore_outgoing(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_packet_option(socket, libc::PACKET_IGNORE_OUTGOING, &(1 as c_int))
}

/// Receives frames for other hosts too, as long as the socket is open.
pub(crate) fn set_promiscuous(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: index as c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_packet_option(socket, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// Makes a bound socket a member of a group, without the group's program.
pub(crate) fn join_fanout(
    socket: BorrowedFd<'_>,
    fanout: &Fanout,
    ignore_outgoing: bool,
) -> io::Result<()> {
    let mut kind = match fanout.kind {
        FanoutKind::Program(_) => libc::PACKET_FANOUT_CBPF,
        FanoutKind::Hash => libc::PACKET_FANOUT_HASH,
        FanoutKind::Cpu => libc::PACKET_FANOUT_CPU,
        FanoutKind::QueueMapping => libc::PACKET_FANOUT_QM,
        FanoutKind::RoundRobin => libc::PACKET_FANOUT_LB,
    };
    if fanout.defragment {
        kind |= libc::PACKET_FANOUT_FLAG_DEFRAG;
    }
    if fanout.rollover {
        kind |= libc::PACKET_FANOUT_FLAG_ROLLOVER;
    }
    // The group receives in place of its sockets: what they ask for does not count.
    if ignore_outgoing {
        kind |= libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
    }
    let request = libc::fanout_args {
        id: fanout.group,
        type_flags: kind as u16,
        max_num_members: fanout.members.into(),
    };
    match set_packet_option(socket, libc::PACKET_FANOUT, &request) {
        // Before Linux 5.10 there is no number of members in the request.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            let short = u32::from(fanout.group) | kind << 16;
            set_packet_option(socket, libc::PACKET_FANOUT, &short)
        }
        result => result,
    }
}

/// Gives a group its program.
pub(crate) fn set_fanout_program(
    socket: BorrowedFd<'_>,
    program: &[Instruction],
) -> io::Result<()> {
    with_program(program, |program| set_packet_option(socket, libc::PACKET_FANOUT_DATA, program))
}

/// Sets an option of a packet socket that is a plain structure of numbers.
pub(crate) fn set_packet_option<T: Copy>(
    socket: BorrowedFd<'_>,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, option, value)
}

fn set_option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the kernel only reads the value, and no more of it than its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_ref(value).cast(),
            size_of_val(value) as libc::socklen_t,
        )
    };
    check(result)
}

fn read_option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &mut T,
) -> io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of the value; both callers pass
    // numbers, which may have any bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_mut(value).cast(),
            &mut length,
        )
    };
    check(result)
}

/// Calls `use_it` with a program in the kernel's form.
fn with_program(
    program: &[Instruction],
    use_it: impl FnOnce(&libc::sock_fprog) -> io::Result<()>,
) -> io::Result<()> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|&Instruction { code, jt, jf, k }| libc::sock_filter { code, jt, jf, k })
        .collect();
    let len = libc::c_ushort::try_from(instructions.len())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    use_it(&libc::sock_fprog { len, filter: instructions.as_mut_ptr() })
}

fn interface_request(
    socket: BorrowedFd<'_>,
    request: libc::c_ulong,
    argument: &mut libc::ifreq,
) -> io::Result<()> {
    // SAFETY: the requests of this module read and write nothing but one ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, ptr::from_mut(argument)) })
}

fn named_request(name: &str) -> io::Result<libc::ifreq> {
    let mut request = empty_request();
    // The last byte stays 0.
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn empty_request() -> libc::ifreq {
    // SAFETY: an ifreq is made of numbers and null pointers, for which all zeroes are valid.
    unsafe { std::mem::zeroed() }
}

fn empty_address() -> libc::sockaddr_ll {
    // SAFETY: a sockaddr_ll is made of numbers, for which all zeroes are valid.
    unsafe { std::mem::zeroed() }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
