//! Workers that take what their sources have, and what came of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use capture::live::{
    LaneSnapshot, Live, LiveInterface, LiveSettings, LiveSource, Method, OrderSettings,
    PacketSettings, WorkerFigures, XdpSettings,
};
use capture::{Received, Source};
use steer::HashSettings;

use crate::system::give_up_privileges;
use crate::traffic::{Mark, Sent, mark};

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A frame as a worker got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) mark: Mark,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) timestamp_us: u64,
    pub(crate) interface: u32,
    pub(crate) file: u32,
}

/// Running workers.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<(LiveSource, Vec<Got>)>>,
    pub(crate) figures: Vec<Arc<WorkerFigures>>,
    shared: Arc<Shared>,
    pub(crate) interfaces: Vec<capture::live::Opened>,
}

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    stop: AtomicBool,
    ended: AtomicUsize,
    /// The worker that stands still, plus 1.
    stalled: AtomicUsize,
    workers: usize,
}

/// What workers came to.
pub(crate) struct Outcome {
    /// Of each worker, in the order in which it got them.
    pub(crate) frames: Vec<Vec<Got>>,
    pub(crate) lanes: Vec<Vec<LaneSnapshot>>,
    pub(crate) taken_over: u64,
    pub(crate) impatient: u64,
}

/// Settings for a test: `methods` are those of far0, far1, …
pub(crate) fn settings(workers: usize, methods: &[Method]) -> LiveSettings {
    let interface = |(number, method): (usize, &Method)| LiveInterface {
        method: *method,
        packet: PacketSettings { block_size: 1 << 17, blocks: 32, ..PacketSettings::default() },
        xdp: XdpSettings { ring: 1024, chunks: 4096, zero_copy: false, ..XdpSettings::default() },
        ..LiveInterface::new(format!("far{number}"))
    };
    LiveSettings {
        interfaces: methods.iter().enumerate().map(interface).collect(),
        workers,
        hash: HashSettings { seed: 7, ..HashSettings::default() },
        // The machine of the test may be busy; order is not to depend on that.
        order: OrderSettings { longest_us: 5_000_000, ..OrderSettings::default() },
        hand_over: 4096,
        shunts: None,
        group: (std::process::id() & 0xffff) as u16,
    }
}

/// The combinations of methods that this build and this system have, for two interfaces.
pub(crate) fn methods() -> Vec<[Method; 2]> {
    let mut all = vec![[Method::Packet; 2]];
    if cfg!(feature = "xdp") {
        all.extend([[Method::Xdp; 2], [Method::Xdp, Method::Packet]]);
    } else {
        eprintln!("skipped: AF_XDP: this build is without it (--features xdp)");
    }
    all
}

impl Workers {
    /// Opens everything and starts the workers, which give up all privileges if they are to.
    pub(crate) fn start(settings: &LiveSettings, privileged: bool) -> Workers {
        let Live { sources, interfaces, .. } = Live::open(settings).unwrap();
        let figures = sources.iter().map(LiveSource::figures).collect();
        let shared = Arc::new(Shared { workers: settings.workers, ..Shared::default() });
        let start = |(number, source): (usize, LiveSource)| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if !privileged {
                    give_up_privileges();
                }
                work(number, source, &shared)
            })
        };
        let threads = sources.into_iter().enumerate().map(start).collect();
        Workers { threads, figures, shared, interfaces }
    }

    /// Frames that all workers have got.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.load(SeqCst)
    }

    /// Waits until there are so many frames.
    pub(crate) fn wait_for(&self, count: usize) {
        until(|| self.count() >= count);
    }

    /// A worker stands still, or goes on.
    pub(crate) fn stall(&self, worker: Option<usize>) {
        self.shared.stalled.store(worker.map_or(0, |worker| worker + 1), SeqCst);
    }

    /// Ends the workers when all that is in flight has been delivered.
    pub(crate) fn end(self) -> Outcome {
        self.stall(None);
        self.shared.stop.store(true, SeqCst);
        let mut frames = Vec::new();
        let mut sources = Vec::new();
        for thread in self.threads {
            match thread.join() {
                Ok((source, got)) => {
                    sources.push(source);
                    frames.push(got);
                }
                Err(failure) => std::panic::resume_unwind(failure),
            }
        }
        let sum = |of: fn(&WorkerFigures) -> u64| self.figures.iter().map(|one| of(one)).sum();
        let snapshots =
            |one: &Arc<WorkerFigures>| one.lanes.iter().map(|lane| lane.snapshot()).collect();
        Outcome {
            frames,
            lanes: self.figures.iter().map(snapshots).collect(),
            taken_over: sum(|one| one.taken_over.load(SeqCst)),
            impatient: sum(|one| one.impatient.load(SeqCst)),
        }
    }
}

fn work(number: usize, mut source: LiveSource, shared: &Shared) -> (LiveSource, Vec<Got>) {
    let mut frames = Vec::new();
    while !shared.stop.load(SeqCst) {
        if shared.stalled.load(SeqCst) == number + 1 {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        if source.receive(64).unwrap() == Received::Frames {
            keep(&source, &mut frames, shared);
        }
    }
    let (mut has_ended, figures) = (false, source.figures());
    let end = Instant::now() + PATIENCE;
    loop {
        // Others may pass something on until they have ended as well.
        let all = shared.ended.load(SeqCst) >= shared.workers;
        let turns = figures.turns.load(SeqCst);
        let received = source.finish(64);
        assert_eq!(figures.turns.load(SeqCst), turns + 1, "who watches sees that it moves");
        match received {
            Received::Frames => keep(&source, &mut frames, shared),
            Received::End if all => return (source, frames),
            Received::End if !has_ended => {
                has_ended = true;
                shared.ended.fetch_add(1, SeqCst);
            }
            Received::Idle | Received::End => thread::sleep(Duration::from_millis(1)),
        }
        assert!(Instant::now() < end, "it ends");
    }
}

fn keep(source: &LiveSource, frames: &mut Vec<Got>, shared: &Shared) {
    let before = frames.len();
    frames.extend(source.batch().frames().filter_map(|frame| {
        Some(Got {
            mark: mark(frame.bytes)?,
            bytes: frame.bytes.to_vec(),
            wire_len: frame.wire_len,
            timestamp_us: frame.timestamp_us,
            interface: frame.interface,
            file: frame.file,
        })
    }));
    shared.count.fetch_add(frames.len() - before, SeqCst);
}

/// Waits until something is the case, or for too long.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

impl Outcome {
    /// Frames that the workers got.
    pub(crate) fn count(&self) -> u64 {
        self.frames.iter().map(|got| got.len() as u64).sum()
    }

    /// Sum over all lanes.
    pub(crate) fn sum(&self, of: impl Fn(&LaneSnapshot) -> u64) -> u64 {
        self.lanes.iter().flatten().map(of).sum()
    }

    /// Frames that were lost, by the figures.
    pub(crate) fn lost(&self) -> u64 {
        self.sum(|lane| lane.ring_drops + lane.kernel_drops + lane.hand_over_full + lane.invalid)
    }

    /// What they got is what was sent: whole, once at most, each flow at one worker; and the
    /// figures say the same.
    pub(crate) fn check(&self, sent: &[Sent]) {
        let mut expected: HashMap<Mark, &Sent> =
            sent.iter().filter_map(|sent| Some((mark(&sent.bytes)?, sent))).collect();
        assert_eq!(expected.len(), sent.len(), "every frame has a mark of its own");
        let mut owners: HashMap<u32, usize> = HashMap::new();
        for (worker, got) in self.frames.iter().enumerate() {
            for got in got {
                let Some(sent) = expected.remove(&got.mark) else {
                    panic!("{:?} was not sent, or came twice", got.mark);
                };
                assert!(got.bytes == sent.bytes, "{:?} is another", got.mark);
                assert_eq!(got.wire_len as usize, sent.bytes.len());
                assert_eq!((got.interface as usize, got.file as usize), (sent.pair, sent.pair));
                let owner = *owners.entry(got.mark.flow).or_insert(worker);
                assert_eq!(owner, worker, "flow {} is at two workers", got.mark.flow);
            }
            let in_order = got.is_sorted_by_key(|got| got.timestamp_us);
            assert!(in_order, "the time of worker {worker} goes back");
        }
        assert_eq!(self.sum(|lane| lane.frames) + self.taken_over, self.count());
        assert_eq!(self.sum(|lane| lane.handed_over), self.taken_over);
    }

    /// The frames of each flow came in the order in which they were sent. Where queues are served
    /// one after the other that holds for those of one kind, which go by one queue.
    pub(crate) fn check_order(&self, kind: impl Fn(Mark) -> u32) {
        for got in &self.frames {
            let mut last: HashMap<(u32, u32), u32> = HashMap::new();
            for Got { mark, .. } in got {
                let before = last.insert((mark.flow, kind(*mark)), mark.number);
                assert!(before < Some(mark.number), "{mark:?} after {before:?}");
            }
        }
    }
}
