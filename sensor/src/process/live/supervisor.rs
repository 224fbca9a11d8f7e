//! The supervisor: starts the workers, writes their records, looks after them, ends them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::SourceStatistics;
use crossbeam::channel::Receiver;
use crossbeam::select;
use delivery::Delivery;
use detect::counters::{Snapshot, Summary};
use detect::output::Events;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::control::notify::Notify;
use crate::control::socket::{Limits, Listener, Sensor, Server};
use crate::observe::Counted;
use crate::output::{DeliveryCounters, Engine, FileStore, Outputs, Statistics};
use crate::process::memory::Memory;
use crate::process::replay::Outcome;
use crate::process::workers::share_of;

use super::backlog;
use super::balance::Balance;
use super::board::{Board, Facts, ReloadAnswer, Request, memcaps};
use super::display::{Detected, Display};
use super::line::{Command, Report};
use super::losses::{self, Losses};
use super::pulse::{Change, Links};
use super::question::Question;
use super::reload::{Reloader, Step};
use super::tally::Tally;
use super::team::{Arriving, Contract, Team};
use super::{Ended, LiveRun, guard};

/// The supervisor looks around this often.
const BEAT: Duration = Duration::from_millis(100);
/// It tells the service manager how it goes this often.
const STATUS: Duration = Duration::from_secs(10);
/// Time to end in beyond that of draining: for statistics, data sets and the like.
const REST: Duration = Duration::from_secs(5);
/// Delivery ends so long before the guard would end the process.
const MARGIN: Duration = Duration::from_millis(250);

/// Runs live capture to its end.
pub(super) fn run(run: LiveRun<'_>) -> io::Result<Ended> {
    let loaded = Arc::new(run.rules);
    let taps = (0..run.live.sources.len()).map(|worker| run.outputs.taps_of(worker)).collect();
    let (mut team, arriving) = Team::hire(Contract {
        sources: run.live.sources,
        settings: Arc::clone(&run.settings),
        rules: Arc::clone(&loaded.ruleset),
        filter: run.filter,
        stores: run.stores,
        taps,
        shunts: run.live.shunts,
        cpus: run.cpus,
        stall: run.stall,
    })?;
    // Threads run where those that start them do: this one, and all that it starts from here on.
    let settled = settle(&run.management);
    let facts = Facts {
        balance: Balance::new(&run.live.interfaces, team.captures()),
        interfaces: run.live.interfaces,
        workers: team.captures(),
        ledgers: team.ledgers(),
        can_reload: run.load.is_some(),
        memcaps: memcaps(&run.settings),
        lookup: run.lookup,
        delivery: run.delivery.as_ref().map(Delivery::figures),
    };
    let (board, requests) = Board::new(facts, &loaded);
    if let Some(observer) = run.observer {
        observer.attach(Arc::<Board>::clone(&board));
    }
    let drain = run.drain;
    let guard = guard::watch(run.signals, Arc::clone(&board), drain)?;
    let sensor: Arc<dyn Sensor> = Arc::<Board>::clone(&board);
    let serve = |listener: Listener| listener.serve(sensor, Limits::default());
    let server = run.control.map(serve).transpose()?;
    let mut supervisor = Supervisor {
        links: Links::new(board.interfaces.iter().map(|one| one.name.clone()).collect()),
        display: Display::new(team.captures(), run.quiet, run.voice),
        memory: Memory::new(&share_of(&run.settings, team.len())),
        reload: Reloader::new(run.load, loaded),
        board: Arc::clone(&board),
        server,
        requests,
        outputs: run.outputs,
        statistics: run.statistics,
        notify: run.notify,
        on_ready: Some(run.on_ready),
        drain: run.drain,
        question: Question::default(),
        tally: Tally::default(),
        summary: Summary::default(),
        stores: Vec::new(),
        counters: run.delivery.as_ref().map(|one| DeliveryCounters::new(one.figures())),
        delivery: run.delivery,
        unflushed: 0,
        told_at: Instant::now(),
        losses: Losses::default(),
        stage: Stage::Working,
        deaths: Vec::new(),
    };
    if let Err(why) = settled {
        supervisor.display.warn(&why);
    }
    let done = supervisor.supervise(&mut team, &arriving);
    // Workers that are still there find that nobody listens.
    drop(arriving);
    team.tell(&Command::End);
    team.join();
    let delivery = supervisor.delivery.take();
    let ended = done.and_then(|()| supervisor.outcome(&team));
    // Whatever has failed, what was made goes out. The guard goes on watching.
    let is_delivered = delivery.is_none_or(|delivery| delivery.stop(rest_of(drain, &board)));
    board.end();
    // The guard looks around often; it cannot panic.
    let _ = guard.join();
    ended.map(|ended| Ended { is_delivered, ..ended })
}

/// How long sinks may take to deliver what is left.
fn rest_of(drain: Duration, board: &Board) -> Duration {
    drain.saturating_sub(board.stopping_for().unwrap_or_default() + MARGIN)
}

/// Counters of each thread, and those that are counted once for all.
type Counters = (Vec<(String, Snapshot)>, Vec<(&'static str, u64)>);

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Working,
    /// Workers take what had come in.
    Draining,
    /// Flows end.
    Ending,
}

struct Supervisor<'a> {
    board: Arc<Board>,
    /// The control socket; its clients are sent away when this goes.
    server: Option<Server>,
    requests: Receiver<Request>,
    links: Links,
    display: Display<'a>,
    outputs: &'a mut Outputs,
    statistics: &'a mut Statistics,
    memory: Memory,
    reload: Reloader,
    notify: Notify,
    /// Told once all workers run.
    on_ready: Option<&'a mut dyn FnMut()>,
    drain: Duration,
    question: Question,
    tally: Tally,
    summary: Summary,
    stores: Vec<FileStore>,
    /// Delivery, and what it counts.
    delivery: Option<Delivery>,
    counters: Option<DeliveryCounters>,
    /// Records that were given to outputs and may not be in their files.
    unflushed: u64,
    /// When the service manager was last told how it goes.
    told_at: Instant,
    losses: Losses,
    stage: Stage,
    /// Workers that have panicked.
    deaths: Vec<usize>,
}

impl Supervisor<'_> {
    /// Works until all workers have ended.
    fn supervise(&mut self, team: &mut Team, arriving: &Arriving) -> io::Result<()> {
        let mut beat = Instant::now();
        while !team.have_ended() {
            select! {
                recv(arriving.reports) -> report => match report {
                    Ok(report) => self.take(team, report),
                    Err(_) => break,
                },
                recv(arriving.records) -> events => match events {
                    Ok(events) => self.write(team, events)?,
                    // All workers have ended; what they have reported may not be heard yet.
                    Err(_) => match arriving.reports.recv() {
                        Ok(report) => self.take(team, report),
                        Err(_) => break,
                    },
                },
                default(BEAT) => {}
            }
            let now = Instant::now();
            if now.saturating_duration_since(beat) >= BEAT {
                beat = now;
                self.look_around(team, now)?;
            }
        }
        // A worker that has ended has sent all its records.
        while let Ok(events) = arriving.records.try_recv() {
            self.write(team, events)?;
        }
        Ok(())
    }

    fn write(&mut self, team: &Team, events: Events) -> io::Result<()> {
        self.outputs.write(&events)?;
        self.unflushed += backlog::count(&events);
        team.recycle(events);
        Ok(())
    }

    fn take(&mut self, team: &mut Team, report: Report) {
        match report {
            Report::Figures { worker, figures } => team.note(worker, *figures),
            Report::Reloaded { worker, alerts } => self.changed_over(team, worker, &alerts),
            Report::Drained { worker } => {
                team.drained(worker);
                self.end_flows(team);
            }
            Report::Finished { worker, figures, summary, store } => {
                team.note(worker, *figures);
                if let Some(rules) = team.rules(worker) {
                    self.tally.add(&rules, &summary.alerts);
                }
                self.summary.merge(&summary);
                self.stores.extend(store);
                team.ended(worker);
                self.end_flows(team);
            }
            Report::Died { worker } => {
                self.display.warn(&format!("worker {} has panicked; the sensor ends", worker + 1));
                self.deaths.push(worker);
                team.ended(worker);
                self.board.stop();
                self.end_flows(team);
            }
            Report::Note(said) => self.display.say(&said),
        }
    }

    /// Everything that is done from time to time.
    fn look_around(&mut self, team: &mut Team, now: Instant) -> io::Result<()> {
        self.outputs.flush()?;
        self.board.add_written(std::mem::take(&mut self.unflushed));
        while let Ok(request) = self.requests.try_recv() {
            self.serve(request);
        }
        self.watch(team, now);
        if self.stage == Stage::Working {
            self.load_rules(team);
            if self.board.stopping_for().is_some() {
                self.stop(team);
            }
        }
        self.count(team, now)?;
        if self.on_ready.is_none() && team.all_move() {
            self.report(team, now);
        }
        Ok(())
    }

    /// Who moves, and which interfaces are there.
    fn watch(&mut self, team: &mut Team, now: Instant) {
        for (worker, change) in team.look(now) {
            let worker = worker + 1;
            self.display.warn(&match change {
                Change::Stalled => format!("worker {worker} stands still; its packets wait"),
                Change::GoesOn(after) => {
                    format!("worker {worker} goes on after {:.1} s", after.as_secs_f32())
                }
            });
        }
        // At the end reception stops by itself.
        if self.stage == Stage::Working {
            let (down, stranded) = (self.board.interfaces_down(), self.board.interfaces_stranded());
            for said in self.links.look(&down, &stranded) {
                self.display.warn(&said);
            }
        }
        let still = team.standing().map(|worker| format!("worker {} stands still", worker + 1));
        let dead = self.deaths.iter().map(|worker| format!("worker {} has panicked", worker + 1));
        self.board.condition.beat(now, still.chain(dead).collect());
        if team.have_begun()
            && let Some(on_ready) = self.on_ready.take()
        {
            on_ready();
            self.board.condition.set_runs();
            if let Some(server) = &self.server {
                self.display.say(&format!("takes commands at {}", server.path().display()));
            }
            self.tell_ready();
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Counters(answer) => self.question.want(answer),
            Request::Metrics => self.question.want_figures(),
            Request::Reopen => {
                self.display.reopen();
                let reopened = self.outputs.reopen().into_iter();
                let failures = reopened.chain(self.statistics.reopen());
                let failures: Vec<String> = failures.collect();
                if let Some(delivery) = &self.delivery {
                    delivery.reopen();
                }
                failures.iter().for_each(|why| self.display.warn(why));
                if failures.is_empty() {
                    self.display.say("output files are opened anew");
                }
            }
            // What is refused at the end is the wish to wait for it: the answer is dropped.
            Request::Reload { .. } if self.stage != Stage::Working => {}
            Request::Reload { answer, waits } => self.begin_reload(answer, waits),
        }
    }

    fn begin_reload(&mut self, answer: Option<ReloadAnswer>, waits: bool) {
        if self.reload.begin(answer, waits) {
            self.display.say("rules are being loaded anew");
            let _ = self.notify.reloading("rules are being loaded anew");
        }
    }

    fn load_rules(&mut self, team: &Team) {
        match self.reload.poll(team.len()) {
            Step::None => {}
            Step::Spread(rules) => team.tell(&Command::Rules(rules)),
            Step::Failed(why) => {
                self.display.warn(&format!("the old rules stay in force: {why}"));
                self.tell_ready();
            }
        }
        if self.reload.is_wanted_again() {
            self.begin_reload(None, false);
        }
    }

    /// A worker inspects by the new rules.
    fn changed_over(&mut self, team: &mut Team, worker: usize, alerts: &HashMap<u32, u64>) {
        let Some(next) = self.reload.next() else { return };
        if let Some(before) = team.change_rules(worker, next) {
            self.tally.add(&before, alerts);
        }
        let Some(done) = self.reload.changed_over() else { return };
        self.statistics.set_engine(Engine::of(&done.loaded));
        self.board.set_rules(&done.loaded);
        self.reload.tell_done();
        let (rules, refused) = (done.loaded.accepted, done.loaded.failures.len());
        let seconds = done.took.as_secs_f32();
        self.display.say(&format!(
            "new rules are in force after {seconds:.1} s: {rules} loaded, {refused} refused"
        ));
        done.loaded.remarks.iter().for_each(|line| self.display.say(line));
        self.tell_ready();
    }

    /// The workers take what has come in, then their flows end.
    fn stop(&mut self, team: &Team) {
        self.stage = Stage::Draining;
        let _ = self.notify.stopping("inspecting what has come in, ending flows");
        let _ = self.notify.extend(self.drain + REST);
        self.board.balance.detach();
        team.tell(&Command::Drain);
        self.end_flows(team);
    }

    /// Flows end when all workers have taken everything: until then they may pass on frames.
    fn end_flows(&mut self, team: &Team) {
        if self.stage == Stage::Draining && team.have_drained() {
            self.stage = Stage::Ending;
            team.tell(&Command::End);
        }
    }

    /// Asks the workers for counters when somebody needs them, and passes them on.
    fn count(&mut self, team: &mut Team, now: Instant) -> io::Result<()> {
        let is_working = self.stage == Stage::Working;
        if is_working && self.statistics.is_due() {
            self.question.want_statistics();
        }
        if is_working && self.display.is_due(now) {
            self.question.want_figures();
        }
        if self.question.is_to_be_asked(now) {
            team.ask();
        }
        let Some(answered) = self.question.answered(team.have_answered(), now) else {
            return Ok(());
        };
        let (threads, extra) = self.counters(team);
        if answered.statistics {
            self.statistics.write(&threads, &extra, self.outputs)?;
        }
        for answer in answered.waiting {
            // A client may have left meanwhile.
            let _ = answer.send(self.statistics.object(&threads, &extra));
        }
        let totals = total(&threads);
        let of = |name| totals.get(name).unwrap_or(0);
        let detected = Detected { flows: of("flow.active"), alerts: of("detect.alert") };
        *self.board.totals() = totals;
        if self.display.is_due(now) {
            self.display.show(detected, now);
        }
        if self.board.condition.is_wanted() {
            self.board.condition.publish(Counted { at: now, threads, extra });
        }
        Ok(())
    }

    /// Tells the service manager that all is well. Who calls this has seen that it is.
    fn report(&mut self, team: &Team, now: Instant) {
        let _ = self.notify.alive(now);
        if self.stage == Stage::Working && now.saturating_duration_since(self.told_at) >= STATUS {
            self.told_at = now;
            if let Some(said) = self.losses.look(&self.board.balance.terms(), now) {
                self.display.say(&said);
            }
            let (workers, status) = (team.at_work(), self.display.status());
            let _ = self.notify.status(&format!("{workers} workers, {status}"));
        }
    }

    fn tell_ready(&self) {
        let rules = self.reload.loaded().accepted;
        let _ = self.notify.ready(&format!("{rules} rules"));
    }

    fn counters(&mut self, team: &Team) -> Counters {
        let threads = team.counters();
        let mut extra = self.memory.counters(&threads, &team.stored());
        extra.extend(self.board.balance.counters());
        let unwritten = self.outputs.lost();
        extra.push(("events.unwritten", unwritten));
        extra.push(("events.written", self.board.written().saturating_sub(unwritten)));
        if let Some(counters) = &self.counters {
            extra.extend(counters.counters());
        }
        let reloads = self.reload.figures();
        extra.push(("rules.reloads", reloads.done));
        extra.push(("rules.reloads_failed", reloads.failed));
        extra.push(("rules.reload_ms", reloads.last_ms));
        if let Some(clients) = self.server.as_ref().map(Server::figures) {
            extra.push(("control.clients", clients.accepted));
            extra.push(("control.refused", clients.refused));
            extra.push(("control.evicted", clients.evicted));
            extra.push(("control.malformed", clients.malformed));
            extra.push(("control.late", clients.late));
            extra.push(("control.commands", clients.commands));
        }
        (threads, extra)
    }

    /// The last statistics, and what it came to.
    fn outcome(mut self, team: &Team) -> io::Result<Ended> {
        self.outputs.flush()?;
        self.board.add_written(std::mem::take(&mut self.unflushed));
        let (threads, extra) = self.counters(team);
        if self.statistics.wanted() {
            self.statistics.write(&threads, &extra, self.outputs)?;
        }
        self.outputs.flush()?;
        self.display.finish();
        let mut read = SourceStatistics::default();
        for worker in team.captures() {
            for lane in worker.lanes.iter().map(|lane| lane.snapshot()) {
                read.frames += lane.frames;
                read.wire_bytes += lane.bytes;
            }
        }
        let mut outcome = Outcome::of(self.summary, read, 0);
        outcome.elapsed = self.board.started.elapsed();
        outcome.invalid_checksums = total(&threads).get("tcp.invalid_checksum").unwrap_or(0);
        self.board.condition.publish(Counted { at: Instant::now(), threads, extra });
        outcome.failures = self.outputs.failures().collect();
        outcome.failures.extend(self.stores.iter().filter_map(FileStore::failure));
        outcome.failures.extend(
            self.deaths
                .iter()
                .map(|worker| format!("worker {} has panicked; what it knew is lost", worker + 1)),
        );
        let dropped = team.dropped();
        if dropped > 0 {
            let why = "because the outputs did not keep up";
            self.display.warn(&format!("{dropped} records were dropped {why}"));
        }
        let loaded = Arc::clone(self.reload.loaded());
        let of = |name: String| self.board.interface(&name).map(|figures| (name, figures));
        Ok(Ended {
            outcome,
            loaded,
            interfaces: self.board.interfaces().into_iter().filter_map(of).collect(),
            deaths: self.deaths.len(),
            alerts: self.tally.into_alerts(),
            is_delivered: true,
            lost: Some(self.board.balance.terms())
                .filter(|terms| terms.lost() > 0)
                .map(|terms| losses::in_words(&terms)),
        })
    }
}

/// Keeps this thread on some CPUs.
pub(super) fn settle(cpus: &[usize]) -> Result<(), String> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus.iter().copied().filter(|cpu| *cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    let list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let refused = |error| format!("the writer cannot be kept on CPUs {}: {error}", list.join(","));
    sched_setaffinity(None, &set).map_err(refused)
}

fn total(threads: &[(String, Snapshot)]) -> Snapshot {
    let mut total = Snapshot::default();
    threads.iter().for_each(|(_, snapshot)| total.merge(snapshot));
    total
}
