//! The supervisor: starts the workers, writes their records, asks for counters, ends them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use capture::SourceStatistics;
use capture::live::WorkerFigures;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use detect::counters::{Snapshot, Summary};
use detect::output::Events;

use crate::output::{FileStore, Outputs, Statistics};
use crate::process::memory::Memory;
use crate::process::replay::Outcome;
use crate::process::workers::share_of;
use crate::process::writer::Figures;

use super::LiveRun;
use super::figures;
use super::worker::{Line, Order, Report, Start};

/// Reports of a worker that may wait for the supervisor.
const WAITING: usize = 16;
/// The supervisor looks around this often.
const BEAT: Duration = Duration::from_millis(100);

/// A worker as the supervisor sees it.
struct Held {
    orders: Sender<Order>,
    rung: Arc<AtomicU64>,
    shed: Arc<AtomicU64>,
    capture: Arc<WorkerFigures>,
    figures: Option<Figures>,
}

impl Held {
    fn tell(&self, order: Order) {
        // A worker that has ended needs no orders.
        let _ = self.orders.send(order);
        self.rung.fetch_add(1, Ordering::Release);
    }
}

/// Runs live capture to its end.
pub(super) fn run(run: LiveRun<'_>) -> io::Result<Outcome> {
    let count = run.live.sources.len();
    let settings = Arc::new(share_of(&run.settings, count));
    let common = Arc::new(detect::Shared::new(&run.settings, &run.rules));
    let (reports, received) = bounded(count * WAITING);
    let (spare, spares) = unbounded();
    let filter = run.filter.map(Arc::new);
    let mut stores: Vec<Option<FileStore>> = run.stores.into_iter().map(Some).collect();
    stores.resize_with(count, || None);
    let mut held = Vec::with_capacity(count);
    let mut threads = Vec::with_capacity(count);
    let sources = run.live.sources.into_iter().zip(stores);
    for (number, (source, store)) in sources.enumerate() {
        let capture = source.figures();
        let (orders, taken) = unbounded();
        let (rung, shed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        held.push(Held {
            orders,
            rung: Arc::clone(&rung),
            shed: Arc::clone(&shed),
            capture,
            figures: None,
        });
        let (reports, spare) = (reports.clone(), spares.clone());
        let line = Line { orders: taken, rung, reports, spare, shed };
        let (settings, rules) = (Arc::clone(&settings), Arc::clone(&run.rules));
        let (common, filter) = (Arc::clone(&common), filter.clone());
        let worker = Start { number, source, settings, rules, common, filter, store, line };
        let name = format!("W#{:02}", number + 1);
        threads.push(thread::Builder::new().name(name).spawn(move || worker.run())?);
    }
    drop(reports);
    (run.on_ready)();
    let mut supervisor = Supervisor {
        held,
        outputs: run.outputs,
        statistics: run.statistics,
        memory: Memory::new(&settings),
        spare,
        started: Instant::now(),
        asked: false,
        summary: Summary::default(),
        stores: Vec::new(),
    };
    let done = supervisor.supervise(&received, &run.stop);
    drop(received);
    for thread in threads {
        if thread.join().is_err() {
            return Err(io::Error::other("a worker has panicked"));
        }
    }
    done?;
    supervisor.outcome()
}

struct Supervisor<'a> {
    held: Vec<Held>,
    outputs: &'a mut Outputs,
    statistics: &'a mut Statistics,
    memory: Memory,
    spare: Sender<Events>,
    started: Instant,
    /// Counters were asked for and have not come from all.
    asked: bool,
    summary: Summary,
    stores: Vec<FileStore>,
}

impl Supervisor<'_> {
    /// Works until all workers have ended.
    fn supervise(
        &mut self,
        reports: &Receiver<Report>,
        stop: &crate::process::stop::Stop,
    ) -> io::Result<()> {
        let mut stopping = false;
        let mut beat = Instant::now();
        loop {
            match reports.recv_timeout(BEAT) {
                Ok(report) => self.take(report)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if beat.elapsed() < BEAT {
                continue;
            }
            beat = Instant::now();
            self.outputs.flush()?;
            if stop.is_wanted() && !stopping {
                stopping = true;
                self.held.iter().for_each(|worker| worker.tell(Order::Stop));
            }
            if !stopping && !self.asked && self.statistics.is_due() {
                self.ask();
            }
        }
    }

    fn take(&mut self, report: Report) -> io::Result<()> {
        match report {
            Report::Events(mut events) => {
                self.outputs.write(&events)?;
                events.clear();
                // Workers that have ended need no buffers.
                let _ = self.spare.send(events);
            }
            Report::Figures { worker, figures } => {
                self.note(worker, *figures);
                if self.asked && self.held.iter().all(|one| one.figures.is_some()) {
                    self.asked = false;
                    self.write_statistics()?;
                }
            }
            Report::Reloaded { worker } => tracing::debug!(worker, "new rules are in force"),
            Report::Finished { worker, figures, summary, store } => {
                self.note(worker, *figures);
                self.summary.merge(&summary);
                self.stores.extend(store);
            }
        }
        Ok(())
    }

    fn note(&mut self, worker: usize, figures: Figures) {
        if let Some(held) = self.held.get_mut(worker) {
            held.figures = Some(figures);
        }
    }

    /// Asks all workers for their counters.
    fn ask(&mut self) {
        self.asked = true;
        for worker in &mut self.held {
            worker.figures = None;
            worker.tell(Order::Figures);
        }
    }

    /// Counters of each worker, those of capture first.
    fn counters(&self) -> Vec<(String, Snapshot)> {
        let mut threads = Vec::with_capacity(self.held.len());
        for (number, worker) in (1..).zip(&self.held) {
            let Some(figures) = &worker.figures else { continue };
            let mut all = figures::of_capture(&worker.capture);
            all.entries.extend(figures.counters.entries.iter().cloned());
            all.push("events.shed", worker.shed.load(Ordering::Relaxed));
            threads.push((format!("W#{number:02}"), all));
        }
        threads
    }

    fn write_statistics(&mut self) -> io::Result<()> {
        let threads = self.counters();
        let stored: Vec<_> =
            self.held.iter().filter_map(|one| Some(one.figures.as_ref()?.stored)).collect();
        let extra = self.memory.counters(&threads, &stored);
        self.statistics.write(&threads, &extra, self.outputs)
    }

    /// The last statistics, and what it came to.
    fn outcome(mut self) -> io::Result<Outcome> {
        if self.statistics.wanted() {
            self.write_statistics()?;
        }
        self.outputs.flush()?;
        let mut read = SourceStatistics::default();
        for lane in self.held.iter().flat_map(|one| &one.capture.lanes) {
            let lane = lane.snapshot();
            read.frames += lane.frames;
            read.wire_bytes += lane.bytes;
        }
        let mut outcome = Outcome::of(self.summary, read, 0);
        outcome.elapsed = self.started.elapsed();
        outcome.failures = self.outputs.failures().collect();
        outcome.failures.extend(self.stores.iter().filter_map(FileStore::failure));
        Ok(outcome)
    }
}
