//! A network namespace with a veth pair, which is gone when its last thread and socket are.
#![allow(unsafe_code)]

use std::io;
use std::process::Command;
use std::thread;

/// The interface frames are sent on.
pub(crate) const NEAR: &str = "afp0";
/// Its peer, where they arrive.
pub(crate) const FAR: &str = "afp1";

/// Runs a test in a new network namespace with the veth pair up. The namespace has no name: no
/// other run can meet it, and the kernel removes it when the test ends, however it ends.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let run = || {
        // SAFETY: unshare changes only the namespace of this thread.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            let error = io::Error::last_os_error();
            eprintln!("skipped: needs root for a network namespace: {error}");
            return;
        }
        if Command::new("ip").arg("-V").output().is_err() {
            eprintln!("skipped: needs the `ip` tool");
            return;
        }
        // No neighbour discovery and the like between the frames of the test.
        let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        ip(&format!("link add {NEAR} type veth peer name {FAR}"));
        for interface in [NEAR, FAR] {
            ip(&format!("link set {interface} arp off multicast off"));
            ip(&format!("link set {interface} up"));
        }
        test();
    };
    if let Err(failure) = thread::spawn(run).join() {
        std::panic::resume_unwind(failure);
    }
}

/// Runs `ip` with these arguments in the namespace of this thread.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
