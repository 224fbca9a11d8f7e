//! Delivery as a whole: from the queue into the spool, and a publisher for each sink.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::activity::Activity;
use crate::figures::{Counter, SinkFigures};
use crate::publisher::{Publisher, Wishes};
use crate::queue::Queue;
use crate::reach::{Paths, Reach};
use crate::record::{Batch, process_on, worker_on};
use crate::refused::RefusedFile;
use crate::settings::DeliverySettings;
use crate::sink::Sink;
use crate::sinks::Surroundings;
use crate::spool::{Channels, Lags, Recovery, Spool, Usage, Writer};
use crate::volume::{Volume, VolumeFigures};

/// Bytes of records that a sink's receiver refused, kept in a file.
const REFUSED: u64 = 16 << 20;
/// Of the time for a stop so much is for the leave of sinks that still have something to deliver:
/// this part, but no more than half a second.
const LEAVE: (u32, Duration) = (4, Duration::from_millis(500));
/// Sinks that were told to end at once are waited for so long beyond the time for the stop: who
/// starts anew finds the spool free, but for a sink that hangs in the system.
const GRACE: Duration = Duration::from_millis(250);
/// How long the queue is waited for.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often the spool's state is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why delivery can't begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings do not fit together.
    #[error("{0}")]
    Settings(String),
    /// The spool can't be used.
    #[error(transparent)]
    Spool(#[from] crate::spool::SpoolError),
    /// The system gives no thread.
    #[error("no thread for delivery: {0}")]
    Thread(#[from] std::io::Error),
}

/// Delivery that is about to begin: its sinks have read what they need of certificates and secrets.
pub struct Prepared {
    settings: DeliverySettings,
    names: Vec<String>,
    channels: Channels,
    /// The sinks, and where they tell what they wait for.
    sinks: Vec<(Box<dyn Sink>, Activity)>,
    volume: Option<Volume>,
    reach: Reach,
}

/// Delivery at work.
#[derive(Debug)]
pub struct Delivery {
    queue: Queue,
    figures: Arc<Figures>,
    recovery: Recovery,
    /// Sinks of an earlier run that are there no more.
    forgotten: Vec<String>,
    /// Sinks of others for which the spool keeps records.
    others: Vec<String>,
    /// Of the outputs, in the order of the sinks that have one to themselves.
    channels: Vec<u16>,
    /// First free sequence number by the number of a worker or the process.
    sequences: BTreeMap<u16, u64>,
    keeper: JoinHandle<()>,
    publishers: Vec<JoinHandle<()>>,
    wishes: Arc<Wishes>,
}

/// What all of delivery counts.
#[derive(Debug)]
pub struct Figures {
    queue: Queue,
    /// The sinks.
    pub sinks: Vec<Arc<SinkFigures>>,
    /// Records that are in the spool's files or were.
    pub spooled: Counter,
    /// Records that were taken out of the queue, whatever became of them then.
    taken: Counter,
    /// What was done about records that were too many; none when nothing is.
    pub volume: Option<Arc<VolumeFigures>>,
    usage: Mutex<Usage>,
    lags: Lags,
}

impl Figures {
    /// Of the queue.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// How full the spool is, and what it dropped.
    pub fn spool(&self) -> Usage {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records that are in memory alone: in the queue, or held to be folded.
    pub fn in_memory(&self) -> u64 {
        let queue = self.queue.figures();
        let gone = queue.shed.total() + self.taken.get();
        let held = self.volume.as_ref().map_or(0, |volume| volume.held.get());
        queue.offered.get().saturating_sub(gone) + held
    }

    fn look_at(&self, writer: &Writer) {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = writer.usage();
        self.look_at_lags();
    }

    /// A publisher can't tell what waits while its sink is connecting.
    fn look_at_lags(&self) {
        for sink in &self.sinks {
            if let Some(lag) = self.lags.of(&sink.name) {
                sink.lag.set(lag.records);
            }
        }
    }
}

impl Prepared {
    /// What sinks open later; the spool's folder is not among it.
    pub fn reach(&self) -> Paths {
        self.reach.paths()
    }

    /// Opens the spool and starts the threads; `workers` is how many will bring records, and
    /// `in_thread` is called first in each thread that is started.
    ///
    /// # Errors
    /// When the spool can't be used.
    pub fn start(
        self,
        workers: u16,
        in_thread: impl Fn() + Clone + Send + 'static,
    ) -> Result<Delivery, StartError> {
        let Self { settings, names, mut channels, sinks, volume, .. } = self;
        let (mut writer, recovery) = Spool::open(&settings.spool)?;
        let next = |number| writer.next_sequence(number);
        channels.allot(settings.keeps_others, next).map_err(StartError::Settings)?;
        let numbers = channels.all().into_iter().flat_map(|(channel, since)| {
            let workers = (0..workers).map(move |worker| worker_on(channel, worker));
            workers.chain([process_on(channel)]).map(move |number| (number, since))
        });
        let sequences = numbers.map(|(number, since)| (number, next(number).max(since))).collect();
        let mut publishers = Vec::new();
        let mut figures = Vec::new();
        let wishes = Arc::new(Wishes::default());
        for (at, ((sink, name), built)) in settings.sinks.iter().zip(&names).zip(sinks).enumerate()
        {
            let (built, activity) = built;
            let filter = sink.records.clone();
            let filter = match channels.of(at) {
                Some((channel, since)) => filter.on_channel(channel, since),
                None => filter,
            };
            let kind = sink.kinds().first().copied().unwrap_or_default();
            let own = Arc::new(SinkFigures::new(name, kind, activity));
            let refused = settings.spool.directory.join(format!("refused-{name}.json"));
            let usual = built.window();
            let publisher = Publisher::new(
                writer.register(name)?,
                built,
                filter,
                Arc::clone(&own),
                RefusedFile::new(refused, REFUSED),
                Arc::clone(&wishes),
                sink.window.map_or(usual, |size| usize::try_from(size.0).unwrap_or(usual)),
            );
            figures.push(own);
            publishers.push((name.clone(), publisher));
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let (others, forgotten) = match settings.keeps_others {
            true => (writer.readers_except(&known), Vec::new()),
            false => (Vec::new(), writer.forget_readers_except(&known)),
        };
        let queue = Queue::new(settings.queue.max(1 << 20));
        let usage = Mutex::new(writer.usage());
        let figures = Figures {
            queue: queue.clone(),
            sinks: figures,
            spooled: Counter::default(),
            taken: Counter::default(),
            volume: volume.as_ref().map(Volume::figures),
            usage,
            lags: writer.lags(),
        };
        let figures = Arc::new(figures);
        let keeper = {
            let (figures, first) = (Arc::clone(&figures), in_thread.clone());
            Builder::new().name("spool".to_owned()).spawn(move || {
                first();
                keep(writer, volume, &figures);
            })?
        };
        let mut threads = Vec::new();
        for (name, publisher) in publishers {
            let first = in_thread.clone();
            // Names of threads have 15 bytes.
            let thread = Builder::new().name(format!("to-{name}").chars().take(15).collect());
            threads.push(thread.spawn(move || {
                first();
                publisher.run();
            })?);
        }
        let publishers = threads;
        let channels = channels.all().into_iter().map(|(channel, _)| channel).collect();
        Ok(Delivery {
            queue,
            figures,
            recovery,
            forgotten,
            others,
            channels,
            sequences,
            keeper,
            publishers,
            wishes,
        })
    }
}

impl Delivery {
    /// Makes the sinks, which read certificates and secrets: a process that gives up its rights
    /// does so after this, and starts the rest then.
    ///
    /// # Errors
    /// When settings are wrong, or name files that can't be read.
    pub fn prepare(settings: &DeliverySettings, sensor: &str) -> Result<Prepared, StartError> {
        settings.check().map_err(StartError::Settings)?;
        let channels = Channels::load(&settings.spool.directory, &settings.sinks);
        let names = channels.names(&settings.sinks);
        let volume = settings.volume.build().map_err(StartError::Settings)?;
        let reach = Reach::default();
        for warning in settings.network.warnings() {
            tracing::warn!("{warning}");
        }
        let mut sinks = Vec::new();
        for (sink, name) in settings.sinks.iter().zip(&names) {
            let activity = Activity::default();
            let built = sink.build(&Surroundings {
                sensor: sensor.to_owned(),
                name: name.clone(),
                network: settings.network.clone(),
                reach: reach.clone(),
                activity: activity.clone(),
            });
            let wrong = |why| StartError::Settings(format!("sink {name}: {why}"));
            sinks.push((built.map_err(wrong)?, activity));
        }
        Ok(Prepared { settings: settings.clone(), names, channels, sinks, volume, reach })
    }

    /// Where records go in.
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// The channels that records of outputs go by, in the order of the sinks that have an output
    /// to themselves; else the one of all.
    pub fn channels(&self) -> &[u16] {
        &self.channels
    }

    /// Tells the sinks that files were moved away and others of their names are wanted.
    pub fn reopen(&self) {
        self.wishes.reopen();
    }

    /// What is counted.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// What an earlier run left behind, for people.
    pub fn left_behind(&self) -> Vec<String> {
        let found = &self.recovery;
        let mut lines = Vec::new();
        if found.records_found > 0 {
            lines.push(format!("spool: {} records of an earlier run wait", found.records_found));
        }
        if found.torn_bytes > 0 {
            lines.push(format!(
                "spool: {} bytes of a write that was not finished were cut off",
                found.torn_bytes
            ));
        }
        if found.damaged > 0 {
            lines.push(format!("spool: {} damaged places were skipped", found.damaged));
        }
        for name in &self.forgotten {
            lines.push(format!("spool: sink {name} is there no more; nothing is kept for it"));
        }
        for name in &self.others {
            lines.push(format!("spool: what is there for {name}, which is no sink here, stays"));
        }
        if found.sequences_lost {
            lines.push("spool: sequence numbers were damaged and begin far ahead".to_owned());
        }
        lines
    }

    /// The number of the first record of a worker or the process, by its own number.
    pub fn first_sequence(&self, number: u16) -> u64 {
        self.sequences.get(&number).copied().unwrap_or_default()
    }

    /// Spools what waits, gives sinks so long to deliver, and ends: they try until the end, but for
    /// half a second at most in which they leave. What is not delivered stays in the spool for the
    /// next start. True when everything was delivered.
    ///
    /// However short the time, it ends only once nothing is in memory alone any more: a disk that
    /// hangs hangs it, and [`Figures::in_memory`] says how much there is.
    pub fn stop(self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let until = end - (patience / LEAVE.0).min(LEAVE.1);
        self.queue.close();
        while !self.keeper.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Sinks that have nothing to do before all is in the spool have not delivered everything.
        let mut done = self.keeper.is_finished();
        self.wishes.end_when_done();
        while !self.publishers.iter().all(JoinHandle::is_finished) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.wishes.end_at_once();
        let end = end.max(Instant::now() + GRACE);
        while !self.publishers.iter().all(JoinHandle::is_finished) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.keeper.join().is_err() {
            done = false;
            let lost = self.figures.in_memory();
            tracing::error!("the spool's thread has panicked: {lost} records are lost");
        }
        for publisher in self.publishers {
            // One that has panicked, or hangs, has not delivered what waits for it.
            done &= publisher.is_finished() && publisher.join().is_ok();
        }
        self.figures.look_at_lags();
        done && self.figures.sinks.iter().all(|sink| sink.lag.get() == 0)
    }
}

/// Takes batches from the queue into the spool until the queue ends.
fn keep(mut writer: Writer, mut volume: Option<Volume>, figures: &Figures) {
    let mut looked = Instant::now();
    while !figures.queue.is_finished() {
        let taken = figures.queue.take(PATIENCE);
        let count = taken.iter().flatten().map(Batch::count).sum();
        let batches = match (&mut volume, taken) {
            // What it holds may be due also when nothing comes.
            (Some(volume), taken) => volume.apply(taken.unwrap_or_default(), Instant::now()),
            (None, taken) => taken.unwrap_or_default(),
        };
        if !batches.is_empty() {
            figures.spooled.add(writer.append(&batches).records);
        }
        figures.taken.add(count);
        let spent = volume.iter_mut().flat_map(Volume::spent);
        figures.queue.give_back(batches.into_iter().map(|batch| batch.bytes).chain(spent));
        writer.tick(Instant::now());
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            figures.look_at(&writer);
        }
    }
    if let Some(volume) = &mut volume {
        figures.spooled.add(writer.append(&volume.finish()).records);
    }
    for (worker, next) in figures.queue.reached() {
        writer.reach_sequence(worker, next);
    }
    figures.look_at(&writer);
    if let Err(error) = writer.close() {
        tracing::error!("the spool can't be closed: {error}");
    }
}
