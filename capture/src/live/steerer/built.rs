//! The XDP programs, by the crate `steer`.

use std::os::fd::BorrowedFd;

use steer::{Action, AttachMode, Counters, FlowKey, Program, ProgramSettings, Tags};

use super::{ShuntedFlow, ShuntedTotals, SteererSettings};
use crate::live::xdp::clock_offset;
use crate::live::{Prefix, ShuntSettings};

/// The program of an interface; it goes from the interface when it is detached or dropped.
#[derive(Debug)]
pub struct Steerer(Program);

/// The flows whose packets the programs of all interfaces count and do not deliver.
#[derive(Debug)]
pub struct Shunts {
    table: steer::Shunts,
}

impl Steerer {
    /// What the program did so far.
    ///
    /// # Errors
    /// In words, when the kernel does not tell.
    pub fn counters(&self) -> Result<Counters, String> {
        self.0.counters().map_err(|error| error.to_string())
    }

    /// Takes the program from the interface. What the sockets have stays there to be taken.
    pub fn detach(&self) {
        self.0.detach();
    }

    /// Keeps so many thousandths of the flows from now on.
    ///
    /// # Errors
    /// In words.
    pub fn set_shed(&self, keep_permille: u32) -> Result<(), String> {
        self.0.set_shed(keep_permille).map_err(|error| error.to_string())
    }

    /// Loads it on an interface, native if the driver can.
    pub(crate) fn load(settings: &SteererSettings<'_>) -> Result<Steerer, String> {
        let modes: &[AttachMode] =
            if settings.generic { &[AttachMode::Generic] } else { AttachMode::ALL };
        let prefix = |one: &Prefix| steer::Prefix { address: one.address, length: one.length };
        let program = Program::load(&ProgramSettings {
            interface: settings.interface,
            hash: settings.hash,
            // A sensor's interface has no other use; nothing of its traffic is the host's.
            empty_slot: Action::Drop,
            exclude: settings.exclude.iter().map(prefix).collect(),
            excluded: Action::Drop,
            multi_buffer: settings.buffers,
            modes,
            shunts: settings.shunts.map(|shunts| &shunts.table),
        });
        program.map(Steerer).map_err(|error| error.to_string())
    }

    /// The modes that were refused, and why.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.0.tried().iter().map(|one| format!("no {:?} mode: {}", one.mode, one.reason))
    }

    /// `native` or `generic`.
    pub(crate) fn mode(&self) -> &'static str {
        match self.0.mode() {
            AttachMode::Native => "native",
            AttachMode::Generic => "generic",
        }
    }

    /// What metadata of this program begin with.
    pub(crate) fn magic(&self) -> u32 {
        self.0.metadata_magic()
    }

    /// Frames of a queue go to this socket.
    pub(crate) fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), String> {
        self.0.set_socket(queue, socket).map_err(|error| error.to_string())
    }
}

impl Shunts {
    pub(crate) fn new(settings: ShuntSettings) -> Result<Shunts, String> {
        let ShuntSettings { capacity, vlans } = settings;
        let table = steer::Shunts::new(steer::ShuntSettings { capacity, vlans });
        let table = table.map_err(|error| error.to_string())?;
        Ok(Shunts { table })
    }

    /// Packets of the flow are not delivered any more, but for those that begin or end a TCP
    /// session.
    ///
    /// # Errors
    /// In words, when the kernel refuses it.
    pub fn insert(&self, flow: &ShuntedFlow) -> Result<(), String> {
        self.table.insert(&key(flow)).map_err(|error| error.to_string())
    }

    /// What was not delivered of the flow; none if it is not in the table any more.
    pub fn get(&self, flow: &ShuntedFlow) -> Option<ShuntedTotals> {
        self.table.get(&key(flow)).ok()?.map(|found| self.totals(&found))
    }

    /// Packets of the flow are delivered again.
    pub fn remove(&self, flow: &ShuntedFlow) -> Option<ShuntedTotals> {
        self.table.remove(&key(flow)).ok()?.map(|found| self.totals(&found))
    }

    fn totals(&self, found: &steer::Shunted) -> ShuntedTotals {
        let last_us = || found.last_seen.wrapping_add(clock_offset()) / 1000;
        ShuntedTotals {
            packets: [found.forward.packets, found.backward.packets],
            bytes: [found.forward.bytes, found.backward.bytes],
            last_us: (found.last_seen > 0).then(last_us),
        }
    }
}

fn key(flow: &ShuntedFlow) -> FlowKey {
    let [source, destination] = flow.addresses;
    let [source_port, destination_port] = flow.ports;
    let vlans = flow.vlans.get(..usize::from(flow.vlan_count)).unwrap_or(&flow.vlans);
    let tags = Tags::new(vlans);
    FlowKey {
        source,
        destination,
        source_port,
        destination_port,
        protocol: flow.protocol,
        tags,
        tunnels: flow.tunnels,
    }
}
