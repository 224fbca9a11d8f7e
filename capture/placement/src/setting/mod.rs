//! One thing of the host that a plan sets: what it should be, what it is, and the command.

mod hash;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    cpus::CpuSet,
    facts::{Coalescing, Facts, Interface, Pause},
};

pub use hash::{Flow, HashKey, Indirection, Transform};

/// One thing of the host and the value that it should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Whether an interface is set up.
    Up {
        /// The interface.
        interface: String,
        /// Whether it is up.
        up: bool,
    },
    /// Whether an interface receives what is not addressed to it.
    Promiscuous {
        /// The interface.
        interface: String,
        /// Whether it does.
        on: bool,
    },
    /// How many channels an interface has.
    Channels {
        /// The interface.
        interface: String,
        /// Channels that only receive.
        rx: u32,
        /// Channels that only send.
        tx: u32,
        /// Channels that do both.
        combined: u32,
    },
    /// How many descriptors a queue has.
    Rings {
        /// The interface.
        interface: String,
        /// Receive descriptors.
        rx: u32,
        /// Transmit descriptors.
        tx: u32,
    },
    /// An offload.
    Offload {
        /// The interface.
        interface: String,
        /// The kernel's name of it.
        feature: String,
        /// Whether it is on.
        on: bool,
    },
    /// How frames are spread over receive queues.
    ReceiveHash {
        /// The interface.
        interface: String,
        /// The hash function; empty for the present one.
        function: String,
        /// What is done to the addresses before.
        transform: Transform,
        /// The key.
        key: HashKey,
        /// Which queue each value gets.
        indirection: Indirection,
    },
    /// Which fields are hashed for a kind of flow.
    FlowHash {
        /// The interface.
        interface: String,
        /// The kind of flow.
        flow: Flow,
        /// ethtool's letters of the fields, such as `sdfn`.
        fields: String,
    },
    /// Ethernet flow control.
    Pause {
        /// The interface.
        interface: String,
        /// What it should be.
        pause: Pause,
    },
    /// Interrupt moderation.
    Coalescing {
        /// The interface.
        interface: String,
        /// What it should be.
        coalescing: Coalescing,
    },
    /// The CPUs that take the interrupts of a queue, whatever their numbers.
    QueueInterrupts {
        /// The interface.
        interface: String,
        /// The queue.
        queue: u32,
        /// The CPUs.
        cpus: CpuSet,
    },
    /// The CPUs that take one interrupt of an interface.
    Interrupt {
        /// The interface.
        interface: String,
        /// The kernel's number.
        irq: u32,
        /// The CPUs.
        cpus: CpuSet,
    },
    /// How many huge pages a node has.
    HugePages {
        /// The node.
        node: u32,
        /// The size of one in KiB.
        size_kib: u64,
        /// How many.
        pages: u64,
    },
}

impl Setting {
    /// What the facts say of the same thing; nothing where the host has no such thing.
    #[must_use]
    pub fn now(&self, facts: &Facts) -> Option<Self> {
        match self {
            Self::HugePages { node, size_kib, .. } => {
                let node_facts = facts.machine.node(*node)?;
                let pages = node_facts.huge_pages.iter().find(|p| p.size_kib == *size_kib)?;
                Some(Self::HugePages { node: *node, size_kib: *size_kib, pages: pages.total })
            }
            _ => self.of_interface(facts.interface(self.interface()?)?),
        }
    }

    /// Whether what there is now is as good as what this asks for.
    #[must_use]
    pub fn met_by(&self, now: &Self) -> bool {
        match (self, now) {
            (
                Self::ReceiveHash { function, transform, key, indirection, .. },
                Self::ReceiveHash {
                    function: now_function,
                    transform: now_transform,
                    key: HashKey::Bytes(now_key),
                    indirection: Indirection::Table(table),
                    ..
                },
            ) => {
                (function.is_empty() || function == now_function)
                    && transform == now_transform
                    && key.met_by(now_key)
                    && indirection.met_by(table)
            }
            (Self::HugePages { pages, .. }, Self::HugePages { pages: now, .. }) => now >= pages,
            _ => self == now,
        }
    }

    /// The interface that this is about.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Up { interface, .. }
            | Self::Promiscuous { interface, .. }
            | Self::Channels { interface, .. }
            | Self::Rings { interface, .. }
            | Self::Offload { interface, .. }
            | Self::ReceiveHash { interface, .. }
            | Self::FlowHash { interface, .. }
            | Self::Pause { interface, .. }
            | Self::Coalescing { interface, .. }
            | Self::QueueInterrupts { interface, .. }
            | Self::Interrupt { interface, .. } => Some(interface),
            Self::HugePages { .. } => None,
        }
    }

    /// The value alone, for a line that already says of what.
    #[must_use]
    pub fn value(&self) -> String {
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        match self {
            Self::Up { up, .. } => if *up { "up" } else { "down" }.to_owned(),
            Self::Promiscuous { on, .. } | Self::Offload { on, .. } => switch(*on),
            Self::Channels { rx, tx, combined, .. } => channels(*rx, *tx, *combined),
            Self::Rings { rx, tx, .. } => format!("rx {rx} tx {tx}"),
            Self::ReceiveHash { function, transform, key, indirection, .. } => {
                let function = if function.is_empty() { "same function" } else { function };
                format!("{function}, {transform}, {key}, {indirection}")
            }
            Self::FlowHash { fields, .. } => fields.clone(),
            Self::Pause { pause, .. } => format!("rx {} tx {}", switch(pause.rx), switch(pause.tx)),
            Self::Coalescing { coalescing, .. } => format!(
                "adaptive-rx {} rx-usecs {}",
                switch(coalescing.adaptive_rx),
                coalescing.rx_usecs
            ),
            Self::QueueInterrupts { cpus, .. } | Self::Interrupt { cpus, .. } => {
                format!("cpu {cpus}")
            }
            Self::HugePages { pages, .. } => pages.to_string(),
        }
    }

    fn of_interface(&self, facts: &Interface) -> Option<Self> {
        let interface = facts.name.clone();
        Some(match self {
            Self::Up { .. } => Self::Up { interface, up: facts.up },
            Self::Promiscuous { .. } => Self::Promiscuous { interface, on: facts.promiscuous },
            Self::Channels { .. } => {
                let now = facts.channels?;
                Self::Channels { interface, rx: now.rx, tx: now.tx, combined: now.combined }
            }
            Self::Rings { .. } => {
                let now = facts.rings?;
                Self::Rings { interface, rx: now.rx, tx: now.tx }
            }
            Self::Offload { feature, .. } => {
                let on = facts.offloads.get(feature)?.on;
                Self::Offload { interface, feature: feature.clone(), on }
            }
            Self::ReceiveHash { .. } => {
                let now = facts.rss.clone()?;
                Self::ReceiveHash {
                    interface,
                    function: now.function,
                    transform: now.transform,
                    key: HashKey::Bytes(now.key),
                    indirection: Indirection::Table(now.indirection),
                }
            }
            Self::FlowHash { flow, .. } => {
                let fields = facts.flow_hash.get(flow)?.clone();
                Self::FlowHash { interface, flow: *flow, fields }
            }
            Self::Pause { .. } => Self::Pause { interface, pause: facts.pause? },
            Self::Coalescing { .. } => {
                Self::Coalescing { interface, coalescing: facts.coalescing? }
            }
            Self::QueueInterrupts { queue, .. } => {
                let mut cpus: Option<CpuSet> = None;
                for interrupt in facts.interrupts.iter().filter(|i| i.queue == Some(*queue)) {
                    let so_far = cpus.unwrap_or_default();
                    cpus = Some(so_far.union(&interrupt.affinity));
                }
                Self::QueueInterrupts { interface, queue: *queue, cpus: cpus? }
            }
            Self::Interrupt { irq, .. } => {
                let now = facts.interrupts.iter().find(|interrupt| interrupt.irq == *irq)?;
                Self::Interrupt { interface, irq: *irq, cpus: now.affinity.clone() }
            }
            Self::HugePages { .. } => return None,
        })
    }
}

/// The command that sets the same by hand.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Up { interface, .. } => format!("ip link set {interface} {}", self.value()),
            Self::Promiscuous { interface, .. } => {
                format!("ip link set {interface} promisc {}", self.value())
            }
            Self::Channels { interface, .. } => format!("ethtool -L {interface} {}", self.value()),
            Self::Rings { interface, .. } => format!("ethtool -G {interface} {}", self.value()),
            Self::Offload { interface, feature, .. } => {
                format!("ethtool -K {interface} {feature} {}", self.value())
            }
            Self::ReceiveHash { interface, function, transform, key, indirection } => {
                receive_hash(interface, function, *transform, key, indirection)
            }
            Self::FlowHash { interface, flow, fields } => {
                format!("ethtool -N {interface} rx-flow-hash {} {fields}", flow.name())
            }
            Self::Pause { interface, .. } => format!("ethtool -A {interface} {}", self.value()),
            Self::Coalescing { interface, .. } => {
                format!("ethtool -C {interface} {}", self.value())
            }
            Self::QueueInterrupts { interface, queue, cpus } => {
                format!("interrupts of {interface} queue {queue} to cpu {cpus}")
            }
            Self::Interrupt { irq, cpus, .. } => {
                format!("echo {cpus} > /proc/irq/{irq}/smp_affinity_list")
            }
            Self::HugePages { node, size_kib, pages } => format!(
                "echo {pages} > /sys/devices/system/node/node{node}/hugepages/\
                 hugepages-{size_kib}kB/nr_hugepages"
            ),
        };
        f.pad(&text)
    }
}

fn channels(rx: u32, tx: u32, combined: u32) -> String {
    let named = [("combined", combined), ("rx", rx), ("tx", tx)];
    let parts = named.iter().filter(|(_, count)| *count > 0);
    parts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(" ")
}

fn receive_hash(
    interface: &str,
    function: &str,
    transform: Transform,
    key: &HashKey,
    indirection: &Indirection,
) -> String {
    let mut text = format!("ethtool -X {interface}");
    if let Indirection::Even(queues) = indirection {
        text.push_str(&format!(" equal {queues}"));
    }
    match key {
        HashKey::Unchanged => {}
        HashKey::Symmetric => text.push_str(" hkey 6d:5a:…"),
        HashKey::Bytes(_) => text.push_str(&format!(" hkey ({key})")),
    }
    if !function.is_empty() {
        text.push_str(&format!(" hfunc {function}"));
    }
    if transform != Transform::None {
        text.push_str(&format!(" xfrm {transform}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: HashKey, indirection: Indirection) -> Setting {
        Setting::ReceiveHash {
            interface: "a".into(),
            function: "toeplitz".into(),
            transform: Transform::None,
            key,
            indirection,
        }
    }

    fn check(wanted: &Setting, key: &str, table: &[u32], expected: bool) {
        let now = hash(HashKey::Bytes(key.into()), Indirection::Table(table.to_vec()));
        assert_eq!(wanted.met_by(&now), expected, "{wanted} by {now}");
    }

    #[test]
    fn a_receive_hash_is_met_by_what_does_the_same() {
        let wanted = hash(HashKey::Symmetric, Indirection::Even(2));
        check(&wanted, "6d5a6d5a6d5a", &[0, 1, 0, 1], true);
        check(&wanted, "6d5a6d5a6d5a", &[0, 0, 1, 1], true);
        check(&wanted, "6d5a6d5a6d5a", &[0, 0, 0, 1], false);
        check(&wanted, "6d5a6d5a6d", &[1, 0, 0], true);
        check(&wanted, "6d5a6d5b", &[0, 1], false);
        check(&wanted, "6d5a", &[0, 1, 2], false);
        check(&wanted, "odd", &[0, 1], false);
        let wanted = hash(HashKey::Unchanged, Indirection::Even(1));
        check(&wanted, "00", &[0, 0], true);
        check(&wanted, "00", &[0, 1], false);
    }

    #[test]
    fn interrupts_of_a_queue_are_met_when_all_go_to_the_cpu() {
        let interrupt = |irq, cpus: &str| crate::facts::Interrupt {
            irq,
            queue: Some(1),
            affinity: cpus.parse().unwrap(),
            ..Default::default()
        };
        for (affinities, expected) in
            [(vec!["3", "3"], true), (vec!["3", "0-3"], false), (vec!["2"], false)]
        {
            let interrupts =
                affinities.iter().zip(0..).map(|(cpus, irq)| interrupt(irq, cpus)).collect();
            let interface = Interface { name: "a".into(), interrupts, ..Default::default() };
            let facts = Facts { interfaces: vec![interface], ..Default::default() };
            let wanted = Setting::QueueInterrupts {
                interface: "a".into(),
                queue: 1,
                cpus: "3".parse().unwrap(),
            };
            assert_eq!(wanted.met_by(&wanted.now(&facts).unwrap()), expected, "{affinities:?}");
        }
    }
}
