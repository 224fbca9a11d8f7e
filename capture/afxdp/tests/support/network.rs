//! A network namespace of a test's own, which goes with the thread that is in it.

use std::fs;
use std::process::Command;
use std::thread;

/// Runs a test in a thread with a network namespace of its own, or says why that is impossible.
pub(crate) fn in_network(test: fn()) {
    // SAFETY: no arguments, no failure.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: needs root");
        return;
    }
    if Command::new("ip").arg("-V").output().is_err() {
        eprintln!("skipped: needs the program ip");
        return;
    }
    let in_namespace = move || {
        // SAFETY: takes no pointers; only the new thread changes its namespace.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            eprintln!("skipped: no network namespace: {}", std::io::Error::last_os_error());
            return;
        }
        for scope in ["all", "default"] {
            // Without IPv6 nobody else sends anything.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        test();
    };
    if let Err(panic) = thread::spawn(in_namespace).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Makes two interfaces that are connected, with so many queues each, and returns their indices.
pub(crate) fn connect(names: [&str; 2], queues: u32, mtu: u32) -> [u32; 2] {
    let [one, other] = names;
    let queues = format!("numrxqueues {queues} numtxqueues {queues}");
    ip(&format!("link add {one} {queues} type veth peer name {other} {queues}"));
    names.map(|name| {
        ip(&format!("link set {name} mtu {mtu} promisc on up"));
        afxdp::interface_index(name).unwrap()
    })
}

/// Runs `ip` with the given arguments.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Takes a capability away from the calling thread, and from no other.
pub(crate) fn give_up(capability: u32) {
    // Version 3 of the interface: a header, and two times effective, permitted, inheritable.
    let header = [0x2008_0522_u32, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: the kernel reads the header and writes as many words as there are.
    let read = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) };
    sets[capability as usize / 32 * 3] &= !(1 << (capability % 32));
    // SAFETY: the kernel reads the header and as many words as there are.
    let written = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    assert_eq!((read, written), (0, 0), "{}", std::io::Error::last_os_error());
}

/// How many bytes the process may lock without the capability to lock more.
pub(crate) fn lockable() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure that is passed.
    let read = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    assert_eq!(read, 0, "{}", std::io::Error::last_os_error());
    limit.rlim_cur
}
