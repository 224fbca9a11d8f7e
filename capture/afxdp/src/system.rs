//! The system calls of AF_XDP sockets, with arguments that cannot be wrong by their types.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::mapping::AreaMapping;

/// Bind with the memory of another socket, and no other flag.
pub(crate) const SHARED_UMEM: u16 = 1;
/// Bind in copy mode only.
pub(crate) const COPY: u16 = 2;
/// Bind in zero-copy mode only.
pub(crate) const ZERO_COPY: u16 = 4;
/// Let the kernel sleep until it is woken.
pub(crate) const USE_NEED_WAKEUP: u16 = 8;
/// Packets may span several frames.
pub(crate) const USE_SG: u16 = 16;

const XDP_MMAP_OFFSETS: libc::c_int = 1;
const XDP_UMEM_REG: libc::c_int = 4;
const XDP_STATISTICS: libc::c_int = 7;
const XDP_OPTIONS: libc::c_int = 8;
const XDP_OPTIONS_ZEROCOPY: u32 = 1;
const UMEM_UNALIGNED: u32 = 1;
const SO_BUSY_POLL: libc::c_int = 46;
const SO_PREFER_BUSY_POLL: libc::c_int = 69;
const SO_BUSY_POLL_BUDGET: libc::c_int = 70;
const SO_NETNS_COOKIE: libc::c_int = 71;

/// The four rings of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Receive,
    Transmit,
    Fill,
    Completion,
}

impl Ring {
    /// The socket option that makes the ring.
    fn option(self) -> libc::c_int {
        match self {
            Ring::Receive => 2,
            Ring::Transmit => 3,
            Ring::Fill => 5,
            Ring::Completion => 6,
        }
    }

    /// The file offset at which the ring is mapped.
    pub(crate) fn page_offset(self) -> i64 {
        match self {
            Ring::Receive => 0,
            Ring::Transmit => 0x8000_0000,
            Ring::Fill => 0x1_0000_0000,
            Ring::Completion => 0x1_8000_0000,
        }
    }

    /// Bytes of a slot.
    pub(crate) fn slot(self) -> usize {
        match self {
            Ring::Receive | Ring::Transmit => 16,
            Ring::Fill | Ring::Completion => 8,
        }
    }
}

/// Where the parts of one ring lie in its mapping (`struct xdp_ring_offset`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RingOffsets {
    pub(crate) producer: u64,
    pub(crate) consumer: u64,
    pub(crate) slots: u64,
    pub(crate) flags: u64,
}

/// Where the parts of all rings lie (`struct xdp_mmap_offsets`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offsets {
    receive: RingOffsets,
    transmit: RingOffsets,
    fill: RingOffsets,
    completion: RingOffsets,
}

impl Offsets {
    pub(crate) fn of(&self, ring: Ring) -> &RingOffsets {
        match ring {
            Ring::Receive => &self.receive,
            Ring::Transmit => &self.transmit,
            Ring::Fill => &self.fill,
            Ring::Completion => &self.completion,
        }
    }
}

/// `struct xdp_umem_reg`; older kernels read its beginning only.
#[repr(C)]
struct MemoryRegistration {
    address: u64,
    length: u64,
    chunk_size: u32,
    headroom: u32,
    flags: u32,
    metadata_length: u32,
}

/// `struct xdp_statistics`; older kernels fill its beginning only.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawStatistics([u64; 6]);

/// One queue of one interface of one network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The namespace's identity; kernels before 5.14 do not tell it.
    network: Option<u64>,
    interface: u32,
    queue: u32,
}

impl Place {
    /// The place as seen from the network namespace of a socket.
    pub(crate) fn of(socket: BorrowedFd<'_>, interface: u32, queue: u32) -> Place {
        let network = option::<u64>(socket, libc::SOL_SOCKET, SO_NETNS_COOKIE).ok();
        Place { network: network.map(|(cookie, _)| cookie), interface, queue }
    }

    /// Whether both are certainly the same queue.
    pub(crate) fn is(&self, other: &Place) -> bool {
        self.network.is_some() && self == other
    }

    /// Whether its interface has certainly left its namespace: the calling thread is in the same
    /// namespace and finds no interface of that index.
    pub(crate) fn is_gone(&self) -> bool {
        let Ok(socket) = open() else { return false };
        let here = Place::of(socket.as_fd(), self.interface, self.queue);
        here.is(self) && interface_name(self.interface).is_none()
    }
}

/// Proof that a socket was bound to a place, so that no socket before it is there any more.
#[derive(Debug)]
pub(crate) struct Held(Place);

impl Held {
    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

/// A new AF_XDP socket.
pub(crate) fn open() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    check(fd)?;
    // SAFETY: the descriptor was returned by the kernel just now and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes an area's memory that of a socket (`XDP_UMEM_REG`).
pub(crate) fn register(
    socket: BorrowedFd<'_>,
    area: &AreaMapping,
    chunk_size: u32,
    headroom: u32,
    unaligned: bool,
) -> io::Result<()> {
    let registration = MemoryRegistration {
        address: area.address(),
        length: area.length() as u64,
        chunk_size,
        headroom,
        flags: if unaligned { UMEM_UNALIGNED } else { 0 },
        metadata_length: 0,
    };
    set_option(socket, libc::SOL_XDP, XDP_UMEM_REG, &registration)
}

/// Makes a ring of so many slots.
pub(crate) fn make_ring(socket: BorrowedFd<'_>, ring: Ring, slots: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_XDP, ring.option(), &slots)
}

/// Where the rings' parts lie.
pub(crate) fn offsets(socket: BorrowedFd<'_>) -> io::Result<Offsets> {
    let (offsets, length) = option::<Offsets>(socket, libc::SOL_XDP, XDP_MMAP_OFFSETS)?;
    if length < size_of::<Offsets>() {
        // Kernels before 5.4 have rings without flags.
        return Err(io::Error::from_raw_os_error(libc::ENOSYS));
    }
    Ok(offsets)
}

/// Has the socket's queue polled by its reader instead of by interrupts.
pub(crate) fn busy_poll(socket: BorrowedFd<'_>, microseconds: u32, budget: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, SO_PREFER_BUSY_POLL, &1_u32)?;
    set_option(socket, libc::SOL_SOCKET, SO_BUSY_POLL, &microseconds)?;
    set_option(socket, libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget)
}

/// Binds a socket to a queue, with its own memory or with that of another socket.
pub(crate) fn bind(
    socket: BorrowedFd<'_>,
    interface: u32,
    queue: u32,
    flags: u16,
    shared: Option<BorrowedFd<'_>>,
) -> io::Result<Held> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: interface,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: shared.map_or(0, |shared| shared.as_raw_fd() as u32),
    };
    let length = size_of::<libc::sockaddr_xdp>() as libc::socklen_t;
    // SAFETY: the address is a live structure of the length that is passed.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(Held(Place::of(socket, interface, queue)))
}

/// What the kernel counted: dropped, invalid received, invalid sent, receive ring full, fill ring
/// empty, transmit ring empty.
pub(crate) fn statistics(socket: BorrowedFd<'_>) -> io::Result<[u64; 6]> {
    option::<RawStatistics>(socket, libc::SOL_XDP, XDP_STATISTICS).map(|(raw, _)| raw.0)
}

/// Whether a bound socket got zero-copy mode.
pub(crate) fn is_zero_copy(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let (options, _) = option::<u32>(socket, libc::SOL_XDP, XDP_OPTIONS)?;
    Ok(options & XDP_OPTIONS_ZEROCOPY != 0)
}

/// Waits until there is something to receive (or, if not `receiving`, room to send).
pub(crate) fn wait(socket: BorrowedFd<'_>, receiving: bool, timeout: Duration) -> io::Result<bool> {
    let events = if receiving { libc::POLLIN } else { libc::POLLOUT };
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    };
    // SAFETY: one live pollfd is passed with the count 1, the timeout is live, and a null signal
    // mask is allowed.
    match check(unsafe { libc::ppoll(&raw mut poll, 1, &raw const timeout, std::ptr::null()) }) {
        Ok(_) => Ok(poll.revents & events != 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has the kernel look at the fill ring, or poll the queue in busy-poll mode.
pub(crate) fn wake_receiving(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (fd, none) = (socket.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: a null buffer of length 0 is written to by nobody; the address is not asked for.
    let outcome =
        unsafe { libc::recvfrom(fd, none, 0, libc::MSG_DONTWAIT, none.cast(), none.cast()) };
    match woken(outcome) {
        // Kernels before 5.11 know only poll(2) for this.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            wait(socket, true, Duration::ZERO).map(|_| ())
        }
        outcome => outcome,
    }
}

/// Has the kernel look at the transmit ring.
pub(crate) fn wake_sending(socket: BorrowedFd<'_>) -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: a null buffer of length 0 is not read; no address is passed.
    let outcome =
        unsafe { libc::sendto(socket.as_raw_fd(), none, 0, libc::MSG_DONTWAIT, none.cast(), 0) };
    woken(outcome)
}

/// The index of the interface of a name in the calling thread's network namespace.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a zero byte and lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// The name of an interface of the calling thread's network namespace.
pub(crate) fn interface_name(index: u32) -> Option<String> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the call may write.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    let name = CStr::from_bytes_until_nul(&name).ok()?;
    (!found.is_null()).then(|| name.to_string_lossy().into_owned())
}

/// A wake-up that came while the kernel was busy is as good as one that did its work.
fn woken(outcome: isize) -> io::Result<()> {
    if outcome >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EBUSY | libc::ENOBUFS | libc::EINTR) => Ok(()),
        _ => Err(error),
    }
}

fn check(outcome: libc::c_int) -> io::Result<libc::c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}

/// A type that any bytes are a valid value of, without padding.
///
/// # Safety
/// Implement for such types only.
unsafe trait Plain {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for u64 {}
// SAFETY: `repr(C)`, sixteen u64.
unsafe impl Plain for Offsets {}
// SAFETY: `repr(C)`, two u64 and four u32.
unsafe impl Plain for MemoryRegistration {}
// SAFETY: an array of integers.
unsafe impl Plain for RawStatistics {}

const _: () = assert!(size_of::<Offsets>() == 128 && size_of::<MemoryRegistration>() == 32);
const _: () = assert!(offset_of!(MemoryRegistration, metadata_length) == 28);

fn set_option<T: Plain>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let (pointer, length) = (std::ptr::from_ref(value).cast(), size_of::<T>() as u32);
    // SAFETY: the value lives through the call and has the length that is passed.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, length) })?;
    Ok(())
}

/// An option's value, zero where the kernel wrote less, and how much it wrote.
fn option<T: Plain + Default>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<(T, usize)> {
    let (mut value, mut length) = (T::default(), size_of::<T>() as libc::socklen_t);
    let pointer = (&raw mut value).cast();
    // SAFETY: the kernel writes at most `length` bytes, the size of the value, and any bytes are
    // a valid value (`Plain`).
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, pointer, &raw mut length) })?;
    Ok((value, length as usize))
}
