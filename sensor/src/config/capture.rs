//! Settings of live capture: `sensor.yaml` and `suricata.yaml` make the same.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use capture::live::{
    LiveInterface, LiveSettings, Method, OrderSettings, PacketSettings, Prefix, ShuntSettings,
    XdpSettings,
};
use placement::{
    Capture, CpuSet, FindError, Inventory, OwnWishes, Plan, Selector, Surroundings, Wishes,
};
use steer::HashSettings;

/// Everything about live capture that a configuration can say.
#[derive(Clone, Debug)]
pub(crate) struct CaptureSettings {
    /// Where to capture.
    pub(crate) interfaces: Vec<InterfaceSettings>,
    /// Rings of packet sockets, for interfaces that say nothing else.
    pub(crate) packet: PacketSettings,
    /// Rings and memory of AF_XDP, for interfaces that say nothing else.
    pub(crate) xdp: XdpSettings,
    /// Workers; none: as many as there are CPUs for them.
    pub(crate) workers: Option<usize>,
    /// CPUs of workers; none: chosen.
    pub(crate) cpus: Option<CpuSet>,
    /// CPUs of everything else; none: chosen.
    pub(crate) management_cpus: Option<CpuSet>,
    /// Frames that may wait to be handed over, from each worker to each other one.
    pub(crate) hand_over: usize,
    /// How frames of several lanes are put in order.
    pub(crate) order: OrderSettings,
    /// What decides which worker a frame belongs to; the seed is chosen when it runs.
    pub(crate) hash: HashSettings,
    /// Which flows the kernel drops once they need no more inspection.
    pub(crate) shunt: Shunting,
    /// Of a thousand flows so many are not inspected.
    pub(crate) shed: u32,
    /// Networks whose frames are not inspected.
    pub(crate) exclude: Vec<Network>,
    /// A filter for all interfaces.
    pub(crate) filter: Option<String>,
    /// Number of the first group of packet sockets; none: chosen when it runs.
    pub(crate) group_number: Option<u16>,
    /// Who the process becomes.
    pub(crate) user: Option<String>,
    /// Its group.
    pub(crate) group: Option<String>,
    /// The control socket; none: there is none.
    pub(crate) control: Option<PathBuf>,
    /// Stopping takes no longer than this.
    pub(crate) drain: Duration,
    /// Whether the host is prepared.
    pub(crate) plan: PlanUse,
}

/// One interface.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceSettings {
    /// How it is opened; the name may be anything that tells an interface.
    pub(crate) live: LiveInterface,
    /// Receive queues that it shall have; none: chosen.
    pub(crate) queues: Option<u32>,
}

/// Which flows the kernel drops once they need no more inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shunting {
    /// After so many bytes; none: however long they are.
    pub(crate) after: Option<u64>,
    /// Once they are encrypted.
    pub(crate) encrypted: bool,
    /// Once a rule lets them pass.
    pub(crate) pass: bool,
    /// How many flows find room in the table.
    pub(crate) flows: u32,
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Its first address.
    pub(crate) address: IpAddr,
    /// How many leading bits its addresses have in common.
    pub(crate) length: u8,
}

/// Whether the host is prepared for capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PlanUse {
    /// It is taken as it is.
    #[default]
    None,
    /// The plan is applied at the start and undone at the end.
    Apply,
    /// The plan is applied at the start and stays applied.
    Keep,
}

/// What a run knows and no file says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunChoices<'a> {
    /// Workers.
    pub(crate) workers: usize,
    /// The plan that says which worker serves which queue.
    pub(crate) plan: Option<&'a Plan>,
    /// Seed of the hash.
    pub(crate) seed: u32,
    /// Number of the first group of packet sockets, where the configuration has none.
    pub(crate) group_number: u16,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            packet: PacketSettings::default(),
            xdp: XdpSettings::default(),
            workers: None,
            cpus: None,
            management_cpus: None,
            hand_over: 4096,
            order: OrderSettings::default(),
            hash: HashSettings::default(),
            shunt: Shunting::default(),
            shed: 0,
            exclude: Vec::new(),
            filter: None,
            group_number: None,
            user: None,
            group: None,
            control: None,
            drain: Duration::from_secs(10),
            plan: PlanUse::default(),
        }
    }
}

impl Default for Shunting {
    fn default() -> Self {
        Self { after: None, encrypted: false, pass: false, flows: 65536 }
    }
}

impl CaptureSettings {
    /// An interface with the settings of those that say nothing else.
    pub(crate) fn interface(&self, name: &str) -> InterfaceSettings {
        let (packet, xdp) = (self.packet.clone(), self.xdp.clone());
        let live = LiveInterface { packet, xdp, ..LiveInterface::new(name) };
        InterfaceSettings { live, queues: None }
    }

    /// With these interfaces, if there are any, instead of those of the configuration. What the
    /// configuration says of them holds.
    pub(crate) fn with_interfaces(mut self, names: &[String]) -> Self {
        if !names.is_empty() {
            let own = |name: &String| {
                let known = self.interfaces.iter().find(|one| one.live.name == *name);
                known.cloned().unwrap_or_else(|| self.interface(name))
            };
            self.interfaces = names.iter().map(own).collect();
        }
        self
    }

    /// With the names of interfaces in place of addresses and what else tells them. A resource or
    /// network may stand for several.
    ///
    /// # Errors
    /// When there is no such interface; the error says what there is.
    pub(crate) fn resolve(
        mut self,
        inventory: &Inventory,
        surroundings: &Surroundings,
    ) -> Result<Self, FindError> {
        let mut found: Vec<InterfaceSettings> = Vec::new();
        for one in &self.interfaces {
            let selector: Selector = one.live.name.parse()?;
            for name in inventory.find(&selector, surroundings)? {
                if !found.iter().any(|other| other.live.name == name) {
                    let live = LiveInterface { name, ..one.live.clone() };
                    found.push(InterfaceSettings { live, ..one.clone() });
                }
            }
        }
        self.interfaces = found;
        Ok(self)
    }

    /// What the plan is to bring about, once interfaces have their names.
    pub(crate) fn wishes(&self) -> Wishes {
        // Where there are both, AF_XDP is what needs more of the host.
        let captures = self.interfaces.iter().map(InterfaceSettings::capture);
        let capture = captures.clone().find(|one| *one == Capture::ZeroCopy);
        let capture = capture.or_else(|| captures.clone().find(|one| *one == Capture::Copy));
        let capture = capture.unwrap_or(Capture::Packet);
        let own = |one: &InterfaceSettings| {
            let own = OwnWishes {
                queues: one.queues,
                capture: Some(one.capture()),
                promiscuous: Some(one.live.promiscuous),
            };
            (one.live.name.clone(), own)
        };
        Wishes {
            interfaces: self.interfaces.iter().map(|one| one.live.name.clone()).collect(),
            workers: self.workers,
            worker_cpus: self.cpus.clone(),
            management: self.management_cpus.clone(),
            frames_per_ring: (capture != Capture::Packet).then_some(self.xdp.chunks),
            capture,
            own: self.interfaces.iter().map(own).collect(),
            ..Wishes::default()
        }
    }

    /// What capture is opened with, once interfaces have their names.
    pub(crate) fn live(&self, choices: &RunChoices<'_>) -> LiveSettings {
        let interface = |one: &InterfaceSettings| {
            let mut live = one.live.clone();
            if let Some(plan) = choices.plan {
                live.xdp.workers = owners(plan, &live.name);
                let own = plan.interfaces.iter().find(|own| own.name == live.name);
                live.node = own.and_then(|own| own.node);
            }
            let prefix = |one: &Network| Prefix { address: one.address, length: one.length };
            live.xdp.exclude = self.exclude.iter().map(prefix).collect();
            live.xdp.shed_permille = Some(self.shed).filter(|shed| *shed > 0);
            live
        };
        LiveSettings {
            interfaces: self.interfaces.iter().map(interface).collect(),
            workers: choices.workers,
            hash: HashSettings { seed: choices.seed, ..self.hash },
            order: self.order,
            hand_over: self.hand_over,
            shunts: self.shunt.settings(),
            group: self.group_number.unwrap_or(choices.group_number),
        }
    }
}

impl Shunting {
    /// The table, if anything is to come into it.
    fn settings(self) -> Option<ShuntSettings> {
        let wanted = self.after.is_some() || self.encrypted || self.pass;
        wanted.then_some(ShuntSettings { capacity: self.flows, vlans: true })
    }
}

impl InterfaceSettings {
    fn capture(&self) -> Capture {
        match (self.live.method, &self.live.xdp) {
            (Method::Packet, _) => Capture::Packet,
            (_, xdp) if xdp.zero_copy && !xdp.generic => Capture::ZeroCopy,
            _ => Capture::Copy,
        }
    }
}

/// The worker of each queue of an interface, up to the first queue that has none.
fn owners(plan: &Plan, interface: &str) -> Vec<usize> {
    let owner = |queue: u32| {
        let serves = |ring: &placement::Ring| ring.interface == interface && ring.queue == queue;
        plan.workers.iter().find(|worker| worker.rings.iter().any(serves))
    };
    (0..).map_while(owner).map(|worker| worker.index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement::{Candidate, Ring, Worker};

    fn settings(interfaces: &[&str]) -> CaptureSettings {
        let names: Vec<String> = interfaces.iter().map(|name| (*name).to_owned()).collect();
        CaptureSettings::default().with_interfaces(&names)
    }

    fn names(settings: &CaptureSettings) -> Vec<&str> {
        settings.interfaces.iter().map(|one| one.live.name.as_str()).collect()
    }

    #[test]
    fn interfaces_get_their_names() {
        let candidate = |name: &str, pci: &str, mac: &str| Candidate {
            name: name.to_owned(),
            altnames: vec![format!("{name}-port")],
            pci: Some(pci.to_owned()),
            mac: Some(mac.to_owned()),
        };
        let inventory = Inventory {
            interfaces: vec![
                candidate("ens1", "0000:81:00.0", "52:54:00:00:00:01"),
                candidate("ens2", "0000:81:00.1", "52:54:00:00:00:02"),
            ],
            ..Inventory::default()
        };
        let devices = ("PCIDEVICE_EXAMPLE_COM_TAP", "0000:81:00.0,0000:81:00.1");
        let environment = [(devices.0.to_owned(), devices.1.to_owned())].into();
        let surroundings = Surroundings { environment, ..Surroundings::default() };
        let check = |given: &[&str], expected: Result<&[&str], &str>| {
            let found = settings(given).resolve(&inventory, &surroundings);
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(names(found), expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                _ => panic!("{given:?}: {found:?}"),
            }
        };
        check(&["ens2", "ens1"], Ok(&["ens2", "ens1"]));
        check(&["ens1-port", "81:00.0", "52:54:00:00:00:01"], Ok(&["ens1"]));
        check(&["resource:example.com/tap"], Ok(&["ens1", "ens2"]));
        check(&["ens3"], Err("there is ens1"));
        check(&["network:tap"], Err("not known"));
    }

    #[test]
    fn the_command_line_keeps_what_is_known_of_an_interface() {
        let mut configured = settings(&["ens1", "ens2"]);
        configured.interfaces[1].live.promiscuous = false;
        configured.xdp.ring = 512;
        assert_eq!(names(&configured.clone().with_interfaces(&[])), ["ens1", "ens2"]);
        let chosen = configured.with_interfaces(&["ens2".to_owned(), "ens3".to_owned()]);
        assert_eq!(names(&chosen), ["ens2", "ens3"]);
        let live: Vec<&LiveInterface> = chosen.interfaces.iter().map(|one| &one.live).collect();
        assert!(!live[0].promiscuous && live[1].promiscuous);
        assert_eq!((live[0].xdp.ring, live[1].xdp.ring), (4096, 512));
    }

    #[test]
    fn what_is_opened_is_what_is_said() {
        let mut settings = settings(&["ens1", "ens2"]);
        settings.hash.ports = true;
        settings.interfaces[0].live.method = Method::Packet;
        let ring = |interface: &str, queue| Ring { interface: interface.to_owned(), queue };
        let worker = |index, rings| Worker { index, rings, ..Worker::default() };
        let plan = Plan {
            workers: vec![
                worker(0, vec![ring("ens2", 1), ring("ens1", 0)]),
                worker(1, vec![ring("ens2", 0), ring("ens2", 2), ring("ens2", 4)]),
            ],
            ..Plan::default()
        };
        let choices = RunChoices { workers: 2, plan: Some(&plan), seed: 7, group_number: 9 };
        let live = settings.live(&choices);
        assert_eq!((live.workers, live.group, live.hand_over), (2, 9, 4096));
        assert!(live.hash.ports && live.hash.seed == 7);
        assert_eq!(live.interfaces[0].method, Method::Packet);
        assert_eq!(live.interfaces[1].xdp.workers, [1, 0, 1]);
        assert!(live.shunts.is_none());
        settings.group_number = Some(99);
        settings.shunt.pass = true;
        let live = settings.live(&RunChoices { plan: None, ..choices });
        assert_eq!((live.group, live.shunts.map(|table| table.capacity)), (99, Some(65536)));
        assert!(live.interfaces[1].xdp.workers.is_empty());
    }

    #[test]
    fn wishes_are_those_of_the_interfaces() {
        let check = |methods: [(Method, bool); 2], expected: Capture| {
            let mut settings = settings(&["ens1", "ens2"]);
            for (interface, (method, zero_copy)) in settings.interfaces.iter_mut().zip(methods) {
                interface.live.method = method;
                interface.live.xdp.zero_copy = zero_copy;
            }
            settings.interfaces[0].queues = Some(3);
            let wishes = settings.wishes();
            assert_eq!(wishes.capture, expected, "{methods:?}");
            assert_eq!(wishes.own["ens1"].queues, Some(3));
            assert_eq!(wishes.interfaces, ["ens1", "ens2"]);
        };
        check([(Method::Packet, true), (Method::Packet, true)], Capture::Packet);
        check([(Method::Packet, true), (Method::Auto, true)], Capture::ZeroCopy);
        check([(Method::Xdp, false), (Method::Packet, true)], Capture::Copy);
    }
}
