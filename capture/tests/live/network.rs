//! A network namespace with pairs of connected interfaces, which go with its last thread.

use std::process::Command;
use std::{fs, thread};

use crate::system::{Sender, enter_namespace};

/// Pairs of interfaces: frames sent on `near0` arrive at `far0`, and so on.
pub(crate) struct Network {
    pub(crate) pairs: usize,
    queues: u32,
    mtu: u32,
}

/// Runs a test in a namespace of its own with so many pairs, or says why that is impossible.
pub(crate) fn in_network(
    pairs: usize,
    queues: u32,
    mtu: u32,
    test: impl FnOnce(&Network) + Send + 'static,
) {
    let run = move || {
        if let Err(error) = enter_namespace() {
            eprintln!("skipped: needs root for a network namespace: {error}");
            return;
        }
        if Command::new("ip").arg("-V").output().is_err() {
            eprintln!("skipped: needs the `ip` tool");
            return;
        }
        for scope in ["all", "default"] {
            // Without IPv6 nobody else sends anything.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        let network = Network { pairs, queues, mtu };
        (0..pairs).for_each(|pair| network.connect(pair));
        test(&network);
    };
    if let Err(failure) = thread::spawn(run).join() {
        std::panic::resume_unwind(failure);
    }
}

impl Network {
    /// Makes a pair.
    pub(crate) fn connect(&self, pair: usize) {
        let Network { queues, mtu, .. } = self;
        let queues = format!("numrxqueues {queues} numtxqueues {queues}");
        ip(&format!("link add near{pair} {queues} type veth peer name far{pair} {queues}"));
        for name in [format!("near{pair}"), format!("far{pair}")] {
            ip(&format!("link set {name} mtu {mtu} arp off multicast off"));
            ip(&format!("link set {name} up"));
        }
    }

    /// Removes a pair.
    pub(crate) fn remove(&self, pair: usize) {
        ip(&format!("link del near{pair}"));
    }

    pub(crate) fn senders(&self) -> Vec<Sender> {
        (0..self.pairs).map(|pair| Sender::on(&format!("near{pair}"))).collect()
    }

    /// Frames that were lost before they got to the capture.
    pub(crate) fn lost(&self) -> u64 {
        let read = |name: String| fs::read_to_string(name).unwrap().trim().parse::<u64>().unwrap();
        let file = |end, pair, what| format!("/sys/class/net/{end}{pair}/statistics/{what}");
        (0..self.pairs).map(|pair| read(file("near", pair, "tx_dropped"))).sum()
    }
}

/// Runs `ip` with these arguments in the namespace of this thread.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {arguments}: {errors}");
}
