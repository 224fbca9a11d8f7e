//! Records to Logstash's beats input by Lumberjack v2: windows of events, acknowledged by number.

mod frame;
mod host;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dial::Dialer;
use crate::duration::Delay;
use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};
use crate::stream::TlsSettings;

use super::Surroundings;
use super::mark::Mark;
use frame::{Encoder, Window};
use host::{Host, Limits};

/// How long to sleep while only threads can tell that a receiver has connected.
const TICK: Duration = Duration::from_millis(5);

/// `lumberjack: {hosts: [logstash:5044]}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Receivers, `HOST:PORT` each.
    #[serde(deserialize_with = "crate::address::list")]
    #[schemars(with = "Vec<crate::address::HostPort>")]
    pub hosts: Vec<String>,
    /// Which of them get windows.
    pub mode: Mode,
    /// Events of a window at most. Windows start small and double while they are acknowledged.
    pub window: usize,
    /// Windows that may be on their way to a receiver at the same time.
    pub pipeline: usize,
    /// Level of zlib, 0 to 9; 0 sends plain frames.
    pub compression: u32,
    /// How long a receiver may be silent while windows are on their way to it, and how long
    /// connecting may take.
    pub timeout: Delay,
    /// TLS; absent: plain TCP.
    pub tls: Option<TlsSettings>,
}

/// Which receivers get windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// All that are up, in turn.
    LoadBalance,
    /// One; the next one when it fails.
    FailOver,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            mode: Mode::LoadBalance,
            window: 2048,
            pipeline: 2,
            compression: 3,
            timeout: Delay(Duration::from_secs(30)),
            tls: None,
        }
    }
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(self.lumberjack(around)?))
    }

    fn lumberjack(&self, around: &Surroundings) -> Result<Lumberjack, String> {
        let wrong = |what: &str| Err(format!("lumberjack: {what}"));
        if self.hosts.is_empty() {
            return wrong("hosts is empty");
        }
        if !(1..=65536).contains(&self.window) {
            return wrong("window is from 1 to 65536");
        }
        if !(1..=64).contains(&self.pipeline) {
            return wrong("pipeline is from 1 to 64");
        }
        if self.compression > 9 {
            return wrong("compression is from 0 to 9");
        }
        let Delay(timeout) = self.timeout;
        let dialer = Dialer::new(&around.network, self.tls.as_ref(), timeout)
            .map_err(|error| format!("lumberjack: {error}"))?
            .telling(&around.activity);
        let hosts = self.hosts.iter().map(|target| Host::new(target.clone(), self.window));
        Ok(Lumberjack {
            hosts: hosts.collect(),
            turn: 0,
            failures: 0,
            mode: self.mode,
            limits: Limits { window: self.window, pipeline: self.pipeline, timeout },
            dialer,
            mark: Mark::new(&around.sensor, true),
            encoder: Encoder::new(self.compression),
            returned: VecDeque::new(),
            settled: Settled::default(),
            later: None,
            figures: Figures::default(),
        })
    }
}

/// Counters for the statistics.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    connections: u64,
    windows: u64,
    acknowledged: u64,
    keep_alives: u64,
    timeouts: u64,
    protocol_errors: u64,
    /// Events that came back unacknowledged from a connection.
    returned: u64,
    /// Those of them that were sent to another receiver, or on another connection.
    again: u64,
}

struct Lumberjack {
    hosts: Vec<Host>,
    /// The receiver whose turn it is; with [`Mode::FailOver`] the one that gets everything.
    turn: usize,
    /// How often receivers failed since one acknowledged something or all were forgotten.
    failures: usize,
    mode: Mode,
    limits: Limits,
    dialer: Dialer,
    mark: Mark,
    encoder: Encoder,
    /// What other receivers did not acknowledge. Nothing new is taken while there is something:
    /// so all that is kept fits into the windows of all receivers.
    returned: VecDeque<Window>,
    /// What became of records and has not been told yet.
    settled: Settled,
    /// Trouble that is told once that has been.
    later: Option<Trouble>,
    figures: Figures,
}

impl Sink for Lumberjack {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        self.advance();
        if self.later.is_some() {
            return Ok(0);
        }
        if let Err(trouble) = self.be_connected() {
            if self.has_news() {
                // What the last connection has acknowledged is told first: it need not go again.
                self.later = Some(trouble);
                return Ok(0);
            }
            return Err(trouble);
        }
        self.launch_returned();
        let mut taken = 0;
        while let Some(at) = self.free_host().filter(|_| self.returned.is_empty()) {
            let Some(host) = self.hosts.get_mut(at) else { break };
            let mut window = Window::default();
            let (size, before) = (host.window(), taken);
            while let Some(record) = records.get(taken).filter(|_| !window.is_full(size)) {
                let ticket = first + taken as u64;
                if let Err(why) = window.push(record, ticket, &self.mark) {
                    self.settled.refused.push((ticket, why));
                }
                taken += 1;
            }
            if window.count() > 0 {
                host.launch(window, &mut self.encoder);
            }
            if taken == before {
                break;
            }
        }
        self.advance();
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        let deadline = Instant::now() + patience;
        loop {
            self.advance();
            self.launch_returned();
            if self.has_news() {
                settled.delivered.append(&mut self.settled.delivered);
                settled.refused.append(&mut self.settled.refused);
                return self.later.take().map_or(Ok(()), Err);
            }
            if self.returned.is_empty() && !self.hosts.iter().any(Host::is_busy) {
                return Ok(());
            }
            self.start_due();
            if !self.is_alive() {
                return Err(self.trouble());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.wait(left);
        }
    }

    fn forget(&mut self) {
        self.hosts.iter_mut().for_each(Host::forget);
        self.returned.clear();
        self.settled = Settled::default();
        self.later = None;
        self.failures = 0;
    }

    fn again(&self) -> u64 {
        self.figures.again
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        let figures = &self.figures;
        out("hosts_up", self.hosts.iter().filter(|host| host.is_up()).count() as u64);
        out("connections", figures.connections);
        out("windows", figures.windows);
        out("acknowledged", figures.acknowledged);
        out("returned", figures.returned);
        out("keep_alives", figures.keep_alives);
        out("timeouts", figures.timeouts);
        out("protocol_errors", figures.protocol_errors);
    }
}

impl Lumberjack {
    /// True when there is something to tell.
    fn has_news(&self) -> bool {
        !self.settled.delivered.is_empty() || !self.settled.refused.is_empty()
    }

    /// Does what is possible without waiting: new connections, writes, acknowledgements.
    fn advance(&mut self) {
        for at in 0..self.hosts.len() {
            let Some(host) = self.hosts.get_mut(at) else { break };
            let before = self.figures.acknowledged;
            let is_well = host.collect(&mut self.figures)
                && host.advance(
                    &self.dialer,
                    &self.limits,
                    &mut self.settled.delivered,
                    &mut self.returned,
                    &mut self.figures,
                );
            if self.figures.acknowledged > before {
                self.failures = 0;
            }
            if !is_well {
                self.failures += 1;
                if self.mode == Mode::FailOver && at == self.turn {
                    self.turn = (at + 1) % self.hosts.len();
                }
            }
        }
    }

    /// Begins to connect to receivers that are down and have rested. With [`Mode::FailOver`] the
    /// next one is tried at once, until each had its turn.
    fn start_due(&mut self) {
        let now = Instant::now();
        match self.mode {
            Mode::LoadBalance => {
                for host in self.hosts.iter_mut().filter(|host| host.is_due(now)) {
                    host.connect(&self.dialer);
                }
            }
            Mode::FailOver if self.failures < self.hosts.len() => {
                if let Some(host) = self.hosts.get_mut(self.turn)
                    && !host.is_up()
                    && !host.is_connecting()
                {
                    host.connect(&self.dialer);
                }
            }
            Mode::FailOver => {}
        }
    }

    /// Waits until a receiver is up.
    fn be_connected(&mut self) -> Result<(), Trouble> {
        if !self.is_alive() {
            if !self.returned.is_empty() {
                return Err(self.trouble());
            }
            self.failures = 0;
            self.hosts.iter_mut().for_each(Host::forget);
        }
        loop {
            self.start_due();
            if self.hosts.iter().any(Host::is_up) {
                return Ok(());
            }
            if !self.is_alive() {
                return Err(self.trouble());
            }
            self.wait(self.limits.timeout);
            self.advance();
        }
    }

    /// True when a receiver is up or may soon be.
    fn is_alive(&self) -> bool {
        self.hosts.iter().any(|host| host.is_up() || host.is_connecting())
    }

    /// What all receivers complain about.
    fn trouble(&self) -> Trouble {
        let troubles: Vec<_> = self.hosts.iter().filter_map(Host::trouble).collect();
        let texts: Vec<_> = troubles.iter().map(|trouble| trouble.what.as_str()).collect();
        Trouble {
            what: format!("no receiver of Lumberjack: {}", texts.join("; ")),
            is_lasting: troubles.len() == self.hosts.len() && troubles.iter().all(|t| t.is_lasting),
        }
    }

    /// A receiver that may get a window, the next one in turn.
    fn free_host(&mut self) -> Option<usize> {
        let pipeline = self.limits.pipeline;
        let count = self.hosts.len();
        let mut order = (0..count).map(|step| (self.turn + step) % count);
        let found = order.find(|at| self.hosts.get(*at).is_some_and(|h| h.room(pipeline) > 0))?;
        if self.mode == Mode::LoadBalance {
            self.turn = (found + 1) % count;
        }
        Some(found)
    }

    /// Sends again what came back.
    fn launch_returned(&mut self) {
        while !self.returned.is_empty() {
            let Some(host) = self.free_host().and_then(|at| self.hosts.get_mut(at)) else { return };
            let Some(mut window) = self.returned.pop_front() else { return };
            if window.count() > host.window() {
                self.returned.push_front(window.split_off(host.window()));
            }
            self.figures.again += window.count() as u64;
            host.launch(window, &mut self.encoder);
        }
    }

    /// Sleeps until a receiver can be read from or written to, or time is up.
    fn wait(&self, patience: Duration) {
        let now = Instant::now();
        let timeouts = self.hosts.iter().filter_map(|host| host.deadline(self.limits.timeout));
        let next = timeouts.map(|at| at.saturating_duration_since(now)).min();
        let mut patience = patience.min(next.unwrap_or(patience));
        if self.hosts.iter().any(|host| host.is_connecting() || host.is_due(now)) {
            patience = patience.min(TICK);
        }
        let mut sockets: Vec<_> = self
            .hosts
            .iter()
            .filter_map(Host::socket)
            .map(|(stream, is_writing)| {
                let out = if is_writing { PollFlags::OUT } else { PollFlags::empty() };
                PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN | out)
            })
            .collect();
        let limit = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        // Interrupted or not: whoever calls looks at all sockets again.
        let _ = poll(&mut sockets, Some(&limit));
    }
}
