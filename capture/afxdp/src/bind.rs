//! The order of calls from a new socket to one that is bound, and what to try when one is refused.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::area::Inner;
use crate::error::{Error, Step};
use crate::mapping::RingMapping;
use crate::registry::{Kind, Registry};
use crate::ring::{Consumer, Descriptor, Producer};
use crate::system::{self, Held, Place, Ring};

/// How long a bind waits for the kernel to take down a queue that was closed just before.
const PATIENCE: Duration = Duration::from_secs(2);
/// The kernel's most slots in a ring are more, but no queue needs so many.
const MOST_SLOTS: u32 = 1 << 22;

/// How packets come from the network card to the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The network card writes to the area itself.
    ZeroCopy,
    /// The kernel copies.
    Copy,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Mode::ZeroCopy => "zero-copy",
            Mode::Copy => "copy",
        })
    }
}

/// Polling of the network card by the reader of its queue instead of by interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyPoll {
    /// For how long at a time.
    pub microseconds: u32,
    /// How many packets at a time; more than 64 need the capability NET_ADMIN.
    pub budget: u32,
}

/// What a [`Queue`](crate::Queue) shall be. Rings have a power of two of slots.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Index of the interface; see [`interface_index`](crate::interface_index).
    pub interface: u32,
    /// Number of the queue, from 0.
    pub queue: u32,
    /// Slots of the receive ring; 0 for a queue that only sends.
    pub rx: u32,
    /// Slots of the transmit ring; 0 for a queue that only receives.
    pub tx: u32,
    /// Slots of the fill ring; of no use to a queue that only sends.
    pub fill: u32,
    /// Slots of the completion ring; of no use to a queue that only receives.
    pub completion: u32,
    /// How many of the area's free chunks the queue takes, and how many spare ones it keeps.
    pub chunks: u32,
    /// Which modes to try, in this order.
    pub modes: Vec<Mode>,
    /// Lets the kernel sleep until it is woken, which spares interrupts where the reader runs on
    /// the processor of the queue. Call [`Queue::wake_if_needed`](crate::Queue::wake_if_needed).
    pub need_wakeup: bool,
    /// Polling by the reader.
    pub busy_poll: Option<BusyPoll>,
    /// Packets that are larger than a chunk come in several frames; needs kernel 6.6 and an XDP
    /// program that says it can do with them. Without it they are lost, and no counter of the
    /// kernel shows it.
    pub multi_buffer: bool,
}

impl Default for QueueSettings {
    fn default() -> QueueSettings {
        QueueSettings {
            interface: 0,
            queue: 0,
            rx: 2048,
            tx: 0,
            fill: 2048,
            completion: 0,
            chunks: 4096,
            modes: vec![Mode::ZeroCopy, Mode::Copy],
            need_wakeup: true,
            busy_poll: None,
            multi_buffer: false,
        }
    }
}

impl QueueSettings {
    fn check(&self) -> Result<(), Error> {
        let rings = [
            ("receive", self.rx, true),
            ("transmit", self.tx, true),
            ("fill", self.fill, self.rx == 0),
            ("completion", self.completion, self.tx == 0),
        ];
        for (name, slots, may_be_none) in rings {
            let none = slots == 0 && may_be_none;
            if !none && (!slots.is_power_of_two() || slots > MOST_SLOTS) {
                let text = format!("the {name} ring has a power of two of slots, not {slots}");
                return Err(Error::Settings(text));
            }
        }
        let complaint = if self.rx == 0 && self.tx == 0 {
            "a queue without receive and transmit ring has no use"
        } else if self.modes.is_empty() {
            "no mode is allowed"
        } else {
            return Ok(());
        };
        Err(Error::Settings(complaint.into()))
    }
}

/// A bound socket and its rings.
pub(crate) struct Bound {
    pub(crate) socket: Arc<OwnedFd>,
    pub(crate) held: Held,
    pub(crate) rings: Rings,
    pub(crate) mode: Mode,
    pub(crate) tried: Vec<(Mode, io::Error)>,
    pub(crate) multi_buffer: bool,
    /// Why it came to be bound without multi-buffer.
    pub(crate) multi_buffer_error: Option<io::Error>,
}

/// The rings of one socket.
pub(crate) struct Rings {
    pub(crate) receive: Option<Consumer<RingMapping, Descriptor>>,
    pub(crate) transmit: Option<Producer<RingMapping, Descriptor>>,
    pub(crate) fill: Producer<RingMapping, u64>,
    pub(crate) completion: Consumer<RingMapping, u64>,
}

/// Binds a socket in the first mode that is not refused.
pub(crate) fn bind(
    area: &Inner,
    settings: &QueueSettings,
    registry: &mut Registry,
) -> Result<Bound, Error> {
    settings.check()?;
    let mut binder = Binder { area, settings, registry, unbound: None };
    let mut tried = Vec::new();
    for &mode in &settings.modes {
        let mut multi_buffer_error = None;
        let (done, multi_buffer) = binder.in_mode(mode, &mut multi_buffer_error);
        match done {
            Ok((opened, held)) => {
                let zero_copy = system::is_zero_copy(opened.socket.as_fd());
                let zero_copy = zero_copy.map_err(at(Step::Mode))?;
                let mode = if zero_copy { Mode::ZeroCopy } else { Mode::Copy };
                let Opened { socket, rings } = opened;
                return Ok(Bound {
                    socket,
                    held,
                    rings,
                    mode,
                    tried,
                    multi_buffer,
                    multi_buffer_error,
                });
            }
            Err(Refusal::Mode(error)) => tried.push((mode, error)),
            Err(Refusal::Step(error)) => return Err(error),
        }
    }
    let (mode, source) = tried.pop().ok_or_else(|| Error::Settings("no mode is allowed".into()))?;
    Err(Error::Bind { interface: settings.interface, queue: settings.queue, tried, mode, source })
}

/// A socket with rings that is not bound yet.
struct Opened {
    socket: Arc<OwnedFd>,
    rings: Rings,
}

/// Why an attempt failed: in this mode, or before the mode mattered.
enum Refusal {
    Mode(io::Error),
    Step(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Step(error)
    }
}

type Attempt = Result<(Opened, Held), Refusal>;

struct Binder<'a> {
    area: &'a Inner,
    settings: &'a QueueSettings,
    registry: &'a mut Registry,
    /// A socket with memory of its own that was refused, for the next attempt with the same
    /// setting of multi-buffer: registering the memory anew would count twice against the limit
    /// of locked memory until the kernel has taken down the first.
    unbound: Option<(Opened, bool)>,
}

impl Binder<'_> {
    /// Tries a mode, if need be without multi-buffer. Also says which of both it was.
    fn in_mode(&mut self, mode: Mode, refused: &mut Option<io::Error>) -> (Attempt, bool) {
        let need_wakeup = self.settings.need_wakeup;
        if self.settings.multi_buffer {
            let unknown = |error: &io::Error| {
                matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
            };
            match self.attempt(Kind { mode, need_wakeup, multi_buffer: true }) {
                Err(Refusal::Mode(error)) if unknown(&error) => *refused = Some(error),
                done => return (done, true),
            }
        }
        (self.attempt(Kind { mode, need_wakeup, multi_buffer: false }), false)
    }

    /// Shares a registration of the memory if there is one of this kind, else registers it.
    fn attempt(&mut self, kind: Kind) -> Attempt {
        let QueueSettings { interface, queue, .. } = *self.settings;
        if let Some(with) = self.registry.sharer(kind, interface, queue) {
            let opened = self.open(false)?;
            match self.patiently(&opened, system::SHARED_UMEM, Some(&with)) {
                Ok(held) => {
                    self.registry.join(&with, interface, queue, &opened.socket);
                    return Ok((opened, held));
                }
                // Kernels before 5.10 share among the sockets of one queue only.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) => return Err(Refusal::Mode(error)),
            }
        }
        let opened = match self.unbound.take() {
            Some((opened, multi_buffer)) if multi_buffer == kind.multi_buffer => opened,
            _ => self.open(true)?,
        };
        match self.patiently(&opened, flags(kind), None) {
            Ok(held) => {
                self.registry.found(kind, interface, queue, &opened.socket);
                Ok((opened, held))
            }
            Err(error) => {
                self.unbound = Some((opened, kind.multi_buffer));
                Err(Refusal::Mode(error))
            }
        }
    }

    /// Binds; waits for a queue of this area that was closed in the same place to be taken down,
    /// which the kernel does some time after.
    fn patiently(
        &self,
        opened: &Opened,
        flags: u16,
        with: Option<&Arc<OwnedFd>>,
    ) -> io::Result<Held> {
        let QueueSettings { interface, queue, .. } = *self.settings;
        let socket = opened.socket.as_fd();
        let waits = self.registry.parked.waits_for(&Place::of(socket, interface, queue));
        let end = Instant::now() + PATIENCE;
        loop {
            match system::bind(socket, interface, queue, flags, with.map(|with| with.as_fd())) {
                Err(error)
                    if waits
                        && error.raw_os_error() == Some(libc::EBUSY)
                        && Instant::now() < end =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                outcome => return outcome,
            }
        }
    }

    /// A new socket with its rings, and with memory of its own or none yet.
    fn open(&self, own: bool) -> Result<Opened, Error> {
        let (area, settings) = (self.area, self.settings);
        let socket = system::open().map_err(at(Step::Socket))?;
        let fd = socket.as_fd();
        if own {
            let size = area.chunks.geometry().chunk_size();
            system::register(fd, area.chunks.mapping(), size, area.headroom, area.unaligned)
                .map_err(at(Step::Registration))?;
        }
        // The kernel wants a fill and a completion ring even where there is no use for them.
        let (fill, completion) = (settings.fill.max(1), settings.completion.max(1));
        let mut rings = vec![(Ring::Fill, fill), (Ring::Completion, completion)];
        rings.extend((settings.rx > 0).then_some((Ring::Receive, settings.rx)));
        rings.extend((settings.tx > 0).then_some((Ring::Transmit, settings.tx)));
        for (ring, slots) in rings {
            system::make_ring(fd, ring, slots).map_err(at(Step::Rings))?;
        }
        let offsets = system::offsets(fd).map_err(at(Step::Mapping))?;
        let map = |ring, slots| {
            RingMapping::new(fd, ring, offsets.of(ring), slots).map_err(at(Step::Mapping))
        };
        let mut rings = Rings {
            receive: None,
            transmit: None,
            fill: Producer::new(map(Ring::Fill, fill)?).ok_or_else(odd)?,
            completion: Consumer::new(map(Ring::Completion, completion)?).ok_or_else(odd)?,
        };
        if settings.rx > 0 {
            let memory = map(Ring::Receive, settings.rx)?;
            rings.receive = Some(Consumer::new(memory).ok_or_else(odd)?);
        }
        if settings.tx > 0 {
            let memory = map(Ring::Transmit, settings.tx)?;
            rings.transmit = Some(Producer::new(memory).ok_or_else(odd)?);
        }
        if let Some(BusyPoll { microseconds, budget }) = settings.busy_poll {
            system::busy_poll(fd, microseconds, budget).map_err(at(Step::BusyPolling))?;
        }
        Ok(Opened { socket: Arc::new(socket), rings })
    }
}

/// The flags of a socket with memory of its own.
fn flags(kind: Kind) -> u16 {
    let mode = match kind.mode {
        Mode::ZeroCopy => system::ZERO_COPY,
        Mode::Copy => system::COPY,
    };
    let need_wakeup = if kind.need_wakeup { system::USE_NEED_WAKEUP } else { 0 };
    let multi_buffer = if kind.multi_buffer { system::USE_SG } else { 0 };
    mode | need_wakeup | multi_buffer
}

fn at(step: Step) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { step, source }
}

/// A ring whose size is not what was asked for; the settings' check leaves no such.
fn odd() -> Error {
    Error::System { step: Step::Mapping, source: io::ErrorKind::InvalidData.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let good = QueueSettings::default();
        for (settings, part) in [
            (good.clone(), None),
            (QueueSettings { rx: 0, ..good.clone() }, Some("no use")),
            (QueueSettings { rx: 100, ..good.clone() }, Some("receive ring")),
            (QueueSettings { tx: 3, ..good.clone() }, Some("transmit ring")),
            (QueueSettings { tx: 64, ..good.clone() }, Some("completion ring")),
            (QueueSettings { tx: 64, completion: 64, ..good.clone() }, None),
            (QueueSettings { tx: 64, completion: 64, rx: 0, fill: 0, ..good.clone() }, None),
            (QueueSettings { fill: 0, ..good.clone() }, Some("fill ring")),
            (QueueSettings { fill: 1 << 30, ..good.clone() }, Some("fill ring")),
            (QueueSettings { modes: vec![], ..good.clone() }, Some("no mode")),
        ] {
            match (settings.check(), part) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.to_string().contains(part) => {}
                (outcome, part) => panic!("{outcome:?} instead of {part:?} for {settings:?}"),
            }
        }
    }
}
