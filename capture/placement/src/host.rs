//! The host that a plan is applied to: what it is told and asked, and the real one.

use std::{fs, io};

use crate::{
    cpus::CpuSet,
    ethtool::Ethtool,
    facts::{self, Facts, Interface, Outlook},
    setting::{HashKey, Indirection, Setting},
    tree::Tree,
};

/// What a plan is applied to.
pub trait Host {
    /// What the same thing is now.
    ///
    /// # Errors
    /// There is no such thing, or it can't be read.
    fn now(&mut self, setting: &Setting) -> io::Result<Setting>;

    /// Makes it so.
    ///
    /// # Errors
    /// The kernel or the driver refuses.
    fn set(&mut self, setting: &Setting) -> io::Result<()>;

    /// The numbers of the interrupts of a queue; they may be others after its channels changed.
    ///
    /// # Errors
    /// There is no such interface.
    fn interrupts(&mut self, interface: &str, queue: u32) -> io::Result<Vec<u32>>;
}

/// The running host.
pub struct Kernel {
    tree: Tree,
    ethtool: Ethtool,
}

impl Kernel {
    /// The host that this process runs on.
    ///
    /// # Errors
    /// There is no socket to ask drivers.
    pub fn open() -> io::Result<Self> {
        Ok(Self { tree: Tree::new("/".as_ref()), ethtool: Ethtool::open()? })
    }

    fn interface(&self, name: &str) -> io::Result<Interface> {
        let outlook = Outlook::new(&self.tree, &mut Vec::new());
        facts::gather_interface(&self.tree, &outlook, name)
            .ok_or_else(|| not_found(format!("no interface `{name}`")))
    }

    fn facts_for(&self, setting: &Setting) -> io::Result<Facts> {
        let mut facts = Facts::default();
        match setting.interface() {
            Some(name) => facts.interfaces.push(self.interface(name)?),
            None => facts.machine = facts::machine(&self.tree),
        }
        Ok(facts)
    }

    fn set_receive_hash(
        &self,
        interface: &str,
        how: (&str, crate::setting::Transform),
        key: &HashKey,
        indirection: &Indirection,
    ) -> io::Result<()> {
        let table = |slots| Some(indirection.table(slots));
        self.ethtool.set_rss(interface, how, |length| key.bytes(length), table)
    }

    fn set_affinity(&self, irq: u32, cpus: &CpuSet) -> io::Result<()> {
        let path = self.tree.path(format!("proc/irq/{irq}/smp_affinity_list"));
        fs::write(path, cpus.to_string())
    }
}

impl Host for Kernel {
    fn now(&mut self, setting: &Setting) -> io::Result<Setting> {
        let facts = self.facts_for(setting)?;
        setting.now(&facts).ok_or_else(|| not_found("the driver doesn't tell".to_owned()))
    }

    fn set(&mut self, setting: &Setting) -> io::Result<()> {
        match setting {
            Setting::Up { interface, up } => self.ethtool.set_flag(interface, libc::IFF_UP, *up),
            Setting::Promiscuous { interface, on } => {
                self.ethtool.set_flag(interface, libc::IFF_PROMISC, *on)
            }
            Setting::Channels { interface, rx, tx, combined } => {
                self.ethtool.set_channels(interface, (*rx, *tx, *combined))
            }
            Setting::Rings { interface, rx, tx } => self.ethtool.set_rings(interface, *rx, *tx),
            Setting::Offload { interface, feature, on } => {
                self.ethtool.set_offload(interface, feature, *on)
            }
            Setting::ReceiveHash { interface, function, transform, key, indirection } => {
                self.set_receive_hash(interface, (function, *transform), key, indirection)
            }
            Setting::FlowHash { interface, flow, fields } => {
                self.ethtool.set_flow_hash(interface, *flow, fields)
            }
            Setting::Pause { interface, pause } => self.ethtool.set_pause(interface, *pause),
            Setting::Coalescing { interface, coalescing } => {
                self.ethtool.set_coalescing(interface, *coalescing)
            }
            Setting::QueueInterrupts { interface, queue, cpus } => {
                for irq in self.interrupts(interface, *queue)? {
                    self.set_affinity(irq, cpus)?;
                }
                Ok(())
            }
            Setting::Interrupt { irq, cpus, .. } => self.set_affinity(*irq, cpus),
            Setting::HugePages { node, size_kib, pages } => {
                let file = facts::huge_page_file(&self.tree, *node, *size_kib);
                fs::write(file, pages.to_string())
            }
        }
    }

    fn interrupts(&mut self, interface: &str, queue: u32) -> io::Result<Vec<u32>> {
        let facts = self.interface(interface)?;
        let of_queue = facts.interrupts.iter().filter(|one| one.queue == Some(queue));
        Ok(of_queue.map(|one| one.irq).collect())
    }
}

fn not_found(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, what)
}
