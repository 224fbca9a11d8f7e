//! What the tests ask of the kernel beyond the standard library.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The allocator of the system, counting.
struct Counting;

// SAFETY: everything is passed on to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often the calling thread has taken memory.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Gives the calling thread, and those that it starts, a network namespace of their own, and a
/// view of the system's files (/sys) that shows it.
pub(crate) fn enter_namespace() -> io::Result<()> {
    // SAFETY: it changes only the namespaces of this thread.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) })?;
    mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE)?;
    mount(c"sysfs", c"/sys", Some(c"sysfs"), 0)
}

fn mount(
    what: &std::ffi::CStr,
    place: &std::ffi::CStr,
    kind: Option<&std::ffi::CStr>,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let kind = kind.map_or(ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: the texts end in 0 and live through the call; there are no further data.
    check(unsafe { libc::mount(what.as_ptr(), place.as_ptr(), kind, flags, ptr::null()) })
}

/// Takes all capabilities from the calling thread, and makes it nobody's.
pub(crate) fn give_up_privileges() {
    // Version 3 of the interface, this thread; effective, permitted, inheritable, twice.
    let (header, sets) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: the raw calls change the thread alone; both structures have the sizes that version
    // 3 states, and are only read.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534), 0);
        assert_eq!(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()), 0);
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        assert_eq!(socket, -1, "sockets cannot be opened any more");
    }
}

/// Keeps the calling thread on one CPU.
pub(crate) fn stay_on_this_cpu() {
    // SAFETY: the set is a live value of the size stated, all zeroes are valid for it, and
    // CPU_SET writes within it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// A raw socket that sends on one interface.
pub(crate) struct Sender(OwnedFd);

impl Sender {
    pub(crate) fn on(interface: &str) -> Sender {
        let name = CString::new(interface).unwrap();
        // SAFETY: plain system calls; the name ends in 0 and the address is a live value.
        unsafe {
            let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            assert!(socket >= 0, "{}", io::Error::last_os_error());
            let socket = OwnedFd::from_raw_fd(socket);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
            let length = size_of::<libc::sockaddr_ll>() as u32;
            let result = libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length);
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
            Sender(socket)
        }
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        // SAFETY: the pointer and length are those of a live slice.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
