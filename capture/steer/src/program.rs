//! The XDP program of one NIC, loaded, tried and attached.
//!
//! A program can only hand frames to sockets of the queue that they came in on, so every NIC has
//! a program and a table of sockets of its own; the table of shunted flows may be shared.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use libbpf_rs::{
    MapCore, MapFlags, MapHandle, Object, ObjectBuilder, OpenMapMut, OpenObject, ProgramInput,
};

use crate::attach::{self, AttachMode, Attempt};
use crate::counters::Counters;
use crate::error::Error;
use crate::hash::{HashSettings, Steering, Tunnels};
use crate::messages;
use crate::metadata::{METADATA_LEN, read_metadata};
use crate::shunt::Shunts;

/// What becomes of a frame that is not inspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// The kernel's network stack gets it.
    #[default]
    Pass,
    /// Nobody gets it.
    Drop,
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// An address in it.
    pub address: IpAddr,
    /// How many leading bits its addresses have in common.
    pub length: u8,
}

/// How a program is made.
#[derive(Clone, Debug, Default)]
pub struct ProgramSettings<'s> {
    /// Index of the interface.
    pub interface: u32,
    /// The hash that goes along with frames, and that load is shed by.
    pub hash: HashSettings,
    /// What becomes of frames from queues without a socket.
    pub empty_slot: Action,
    /// Networks whose frames are not inspected, by the outermost addresses.
    pub exclude: Vec<Prefix>,
    /// What becomes of those.
    pub excluded: Action,
    /// Frames may come in several buffers: large MTUs. Needs Linux 5.18, a driver that can, and
    /// sockets that ask for it: others never see such a frame, and nothing counts it.
    pub multi_buffer: bool,
    /// What to try, in this order; nothing means native, then generic.
    pub modes: &'s [AttachMode],
    /// The flows that need no inspection.
    pub shunts: Option<&'s Shunts>,
}

/// How many queues of an interface can have sockets.
pub const QUEUE_LIMIT: u32 = 1024;

const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/steer.bpf.o"));
const LINEAR: &str = "steer_linear";
const BUFFERS: &str = "steer_buffers";
const SOCKETS: &str = "sockets";
const COUNTS: &str = "counts";
const KEEP: &str = "keep";
const SHUNTS: &str = "shunts";
const EXCLUDED: [&str; 2] = ["excluded4", "excluded6"];
const SETTINGS: &str = ".rodata";
const FIRST: [u8; 4] = [0; 4];
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// A program that the kernel has accepted and that no interface runs yet.
#[derive(Debug)]
pub struct Loaded {
    object: Object,
    name: &'static str,
    interface: u32,
    modes: Vec<AttachMode>,
    tables: Tables,
}

/// A program that an interface runs, until it is detached, this is dropped or the process ends.
#[derive(Debug)]
pub struct Program {
    /// Closing it detaches the program.
    link: Mutex<Option<OwnedFd>>,
    mode: AttachMode,
    tried: Vec<Attempt>,
    tables: Tables,
}

/// What a program made of a frame when it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The action: `XDP_DROP` 1, `XDP_PASS` 2, `XDP_REDIRECT` 4.
    pub action: u32,
    /// What stands before the frame if it goes to a socket.
    pub metadata: Option<Steering>,
}

#[derive(Debug)]
struct Tables {
    sockets: MapHandle,
    counts: MapHandle,
    keep: MapHandle,
    magic: u32,
}

impl Program {
    /// Loads a program and attaches it to its interface.
    pub fn load(settings: &ProgramSettings<'_>) -> Result<Self, Error> {
        Loaded::new(settings)?.attach()
    }

    /// How it is attached.
    pub fn mode(&self) -> AttachMode {
        self.mode
    }

    /// The modes that the interface refused before it took this one.
    pub fn tried(&self) -> &[Attempt] {
        &self.tried
    }

    /// From now on the frames of a queue go to this AF_XDP socket, which is bound to it.
    pub fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        self.tables.set_socket(queue, socket)
    }

    /// The frames of a queue go to no socket any more.
    pub fn clear_socket(&self, queue: u32) -> Result<(), Error> {
        let deleted = self.tables.sockets.delete(&queue.to_ne_bytes());
        match deleted {
            Err(cause) if cause.kind() != libbpf_rs::ErrorKind::NotFound => {
                Err(Error::Table { table: SOCKETS, cause })
            }
            _ => Ok(()),
        }
    }

    /// Takes the program from its interface; the counters stay. It takes no rights.
    pub fn detach(&self) {
        drop(self.link.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// What the program did so far.
    pub fn counters(&self) -> Result<Counters, Error> {
        self.tables.counters()
    }

    /// Keeps so many thousandths of the flows from now on, and drops the others.
    pub fn set_shed(&self, keep_permille: u32) -> Result<(), Error> {
        self.tables.set_shed(keep_permille)
    }

    /// What `read_metadata` knows this program's metadata by.
    pub fn metadata_magic(&self) -> u32 {
        self.tables.magic
    }
}

impl Loaded {
    /// Loads a program, for which the kernel verifies it.
    pub fn new(settings: &ProgramSettings<'_>) -> Result<Self, Error> {
        let name = if settings.multi_buffer { BUFFERS } else { LINEAR };
        let magic = RandomState::new().build_hasher().finish() as u32;
        let (object, log) = messages::kept(|| {
            let mut builder = ObjectBuilder::default();
            let named = builder.name("steer").map_err(Either::Load)?;
            let mut open = named.open_memory(OBJECT).map_err(Either::Load)?;
            for mut program in open.progs_mut() {
                let wanted = program.name() == name;
                program.set_autoload(wanted);
            }
            prepare(&mut open, settings, magic).map_err(Either::Other)?;
            open.load().map_err(Either::Load)
        });
        let object = object.map_err(|fault| match fault {
            Either::Load(cause) => Error::Load { cause, log },
            Either::Other(error) => error,
        })?;
        exclude(&object, &settings.exclude)?;
        let tables = Tables {
            sockets: handle(&object, SOCKETS)?,
            counts: handle(&object, COUNTS)?,
            keep: handle(&object, KEEP)?,
            magic,
        };
        tables.set_shed(1000)?;
        // libbpf now learns the number of processors, which it cannot once files are forbidden.
        tables.counters()?;
        let modes = if settings.modes.is_empty() { AttachMode::ALL } else { settings.modes };
        Ok(Self { object, name, interface: settings.interface, modes: modes.to_vec(), tables })
    }

    /// Attaches the program to its interface in the first mode that it takes.
    pub fn attach(self) -> Result<Program, Error> {
        let attached = self
            .object
            .progs_mut()
            .find(|program| program.name() == self.name)
            .map(|program| attach::attach(program.as_fd(), self.interface, &self.modes));
        let (link, tried) = attached.ok_or(Error::Form { table: self.name })?;
        let Some((link, mode)) = link else {
            return Err(Error::Attach { interface: self.interface, tried });
        };
        Ok(Program { link: Mutex::new(Some(link)), mode, tried, tables: self.tables })
    }

    /// Runs the program on a frame of at least an Ethernet header as if it came in on queue 0.
    ///
    /// The frame goes nowhere, but counters and shunted flows count it. An AF_XDP socket for
    /// queue 0 is needed to see metadata: see [`Loaded::set_socket`].
    pub fn run(&self, frame: &[u8]) -> Result<Trial, Error> {
        let mut output = vec![0; METADATA_LEN + frame.len()];
        let program = self.object.progs_mut().find(|program| program.name() == self.name);
        let program = program.ok_or(Error::Form { table: self.name })?;
        let input = ProgramInput {
            data_in: Some(frame),
            data_out: Some(&mut output),
            ..ProgramInput::default()
        };
        let output = program.test_run(input).map_err(|cause| Error::Trial { cause })?;
        let bytes = output.data.as_deref().unwrap_or(&[]);
        let before = bytes.len().checked_sub(frame.len()).and_then(|_| bytes.first_chunk());
        let has_metadata = bytes.len() > frame.len();
        let metadata = before
            .filter(|_| has_metadata)
            .and_then(|metadata| read_metadata(self.tables.magic, metadata))
            .map(|metadata| metadata.steering);
        Ok(Trial { action: output.return_value, metadata })
    }

    /// Frames of a queue go to this AF_XDP socket.
    pub fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        self.tables.set_socket(queue, socket)
    }

    /// What the program did so far.
    pub fn counters(&self) -> Result<Counters, Error> {
        self.tables.counters()
    }

    /// Keeps so many thousandths of the flows from now on, and drops the others.
    pub fn set_shed(&self, keep_permille: u32) -> Result<(), Error> {
        self.tables.set_shed(keep_permille)
    }
}

impl Tables {
    fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        if queue >= QUEUE_LIMIT {
            return Err(Error::Queue { queue, limit: QUEUE_LIMIT });
        }
        let descriptor = socket.as_raw_fd().to_ne_bytes();
        self.sockets
            .update(&queue.to_ne_bytes(), &descriptor, MapFlags::ANY)
            .map_err(|cause| Error::Table { table: SOCKETS, cause })
    }

    fn set_shed(&self, keep_permille: u32) -> Result<(), Error> {
        self.keep
            .update(&FIRST, &keep_permille.to_ne_bytes(), MapFlags::ANY)
            .map_err(|cause| Error::Table { table: KEEP, cause })
    }

    fn counters(&self) -> Result<Counters, Error> {
        let found = self
            .counts
            .lookup_percpu(&FIRST, MapFlags::ANY)
            .map_err(|cause| Error::Table { table: COUNTS, cause })?;
        let mut counters = Counters::default();
        found.iter().flatten().for_each(|numbers| counters.add(numbers));
        Ok(counters)
    }
}

/// What may fail before a program is loaded, and when it is.
enum Either {
    Load(libbpf_rs::Error),
    Other(Error),
}

/// Sizes the tables, shares the shunted flows, writes the settings.
fn prepare(open: &mut OpenObject, settings: &ProgramSettings<'_>, magic: u32) -> Result<(), Error> {
    let sizes = counts_of(&settings.exclude)?;
    for (table, size) in EXCLUDED.into_iter().zip(sizes) {
        let mut map = open_map(open, table)?;
        map.set_max_entries(size.max(1)).map_err(|cause| Error::Table { table, cause })?;
    }
    if let Some(shunts) = settings.shunts {
        let shared = open_map(open, SHUNTS)?.reuse_fd(shunts.as_fd());
        shared.map_err(|cause| Error::Table { table: SHUNTS, cause })?;
    }
    let action = |action: Action| match action {
        Action::Drop => XDP_DROP,
        Action::Pass => XDP_PASS,
    };
    let words = [
        settings.hash.seed,
        magic,
        options(settings, sizes),
        action(settings.empty_slot),
        action(settings.excluded),
    ];
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    let mut map = open_map(open, SETTINGS)?;
    if map.initial_value_mut().map(|value| value.len()) != Some(bytes.len()) {
        return Err(Error::Form { table: SETTINGS });
    }
    map.set_initial_value(&bytes).map_err(|cause| Error::Table { table: SETTINGS, cause })
}

/// The bits of `enum option` of the program.
fn options(settings: &ProgramSettings<'_>, excluded: [u32; 2]) -> u32 {
    let hash = settings.hash;
    [
        hash.ports,
        hash.vlans,
        hash.tunnels == Tunnels::Inner,
        settings.shunts.is_some(),
        settings.shunts.is_some_and(|shunts| shunts.settings().vlans),
        excluded[0] > 0,
        excluded[1] > 0,
    ]
    .iter()
    .enumerate()
    .fold(0, |bits, (at, &set)| bits | u32::from(set) << at)
}

/// How many prefixes there are of IPv4 and IPv6.
fn counts_of(prefixes: &[Prefix]) -> Result<[u32; 2], Error> {
    let mut counts = [0, 0];
    for &Prefix { address, length } in prefixes {
        let (count, limit) = match address {
            IpAddr::V4(_) => (&mut counts[0], 32),
            IpAddr::V6(_) => (&mut counts[1], 128),
        };
        if length > limit {
            return Err(Error::Prefix { address, length, limit });
        }
        *count += 1;
    }
    Ok(counts)
}

/// Writes the networks that are not inspected.
fn exclude(object: &Object, prefixes: &[Prefix]) -> Result<(), Error> {
    for prefix in prefixes {
        let (table, address) = match prefix.address {
            IpAddr::V4(address) => (EXCLUDED[0], address.octets().to_vec()),
            IpAddr::V6(address) => (EXCLUDED[1], address.octets().to_vec()),
        };
        let key = [&u32::from(prefix.length).to_ne_bytes(), &address[..]].concat();
        handle(object, table)?
            .update(&key, &1u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(|cause| Error::Table { table, cause })?;
    }
    Ok(())
}

fn open_map<'o>(open: &'o mut OpenObject, table: &'static str) -> Result<OpenMapMut<'o>, Error> {
    open.maps_mut()
        .find(|map| map.name().to_str().is_some_and(|name| is_named(name, table)))
        .ok_or(Error::Form { table })
}

fn handle(object: &Object, table: &'static str) -> Result<MapHandle, Error> {
    let map = object
        .maps()
        .find(|map| map.name().to_str().is_some_and(|name| is_named(name, table)))
        .ok_or(Error::Form { table })?;
    MapHandle::try_from(&map).map_err(|cause| Error::Table { table, cause })
}

/// libbpf puts the object's name before those of sections.
fn is_named(name: &str, table: &str) -> bool {
    if table.starts_with('.') { name.ends_with(table) } else { name == table }
}
