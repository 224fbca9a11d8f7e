//! Batches of records to HTTP servers: OpenSearch and Elasticsearch, Splunk's HEC, or a webhook.
//!
//! A few connections are kept, each with one request under way. When a server fails, its requests
//! go to the next one of `urls`; when all fail, the publisher waits and offers everything again.
//! A batch that a server refuses as a whole is halved until the record that it refuses is alone.

mod bulk;
mod hec;
mod job;
mod lane;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::duration::{Delay, Size};
use crate::http::Answer;
use crate::record::Record;
use crate::secret::Hidden;
use crate::sink::{Health, Settled, Sink, Trouble};
use crate::stream::TlsSettings;

use super::Surroundings;
use job::{Format, Job, Outcome};
use lane::{Lane, Servers, Work};

/// `http: {urls: ['https://search:9200'], bulk: {}}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Servers; connections are spread over them.
    #[serde(deserialize_with = "crate::address::urls")]
    #[schemars(with = "Vec<crate::address::HttpUrl>")]
    pub urls: Vec<String>,
    /// OpenSearch's and Elasticsearch's `_bulk`.
    pub bulk: Option<bulk::Settings>,
    /// Splunk's HTTP event collector.
    pub hec: Option<hec::Settings>,
    /// Any other receiver.
    pub webhook: Option<webhook::Settings>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// User, with a password.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Hidden>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Bearer token.
    pub bearer: Option<Hidden>,
    /// File with the bearer token.
    pub bearer_file: Option<PathBuf>,
    /// API key of Elasticsearch (`Authorization: ApiKey`).
    pub api_key: Option<Hidden>,
    /// File with the API key.
    pub api_key_file: Option<PathBuf>,
    /// TLS to addresses with `https`.
    pub tls: Option<TlsSettings>,
    /// Compress bodies.
    pub gzip: bool,
    /// Records of a request, at most.
    pub batch: usize,
    /// Bytes of a request before compression, about.
    pub batch_size: Size,
    /// How long a batch may wait for more records.
    pub linger: Delay,
    /// Connections, each with one request under way; at least one a server.
    pub connections: usize,
    /// How long connecting, writing, or an answer may take.
    pub timeout: Delay,
    /// Bytes of an answer, at most.
    pub answer_limit: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            bulk: None,
            hec: None,
            webhook: None,
            headers: BTreeMap::new(),
            username: None,
            password: None,
            password_file: None,
            bearer: None,
            bearer_file: None,
            api_key: None,
            api_key_file: None,
            tls: None,
            gzip: false,
            batch: 2000,
            batch_size: Size(4 << 20),
            linger: Delay(Duration::from_millis(200)),
            connections: 2,
            timeout: Delay(Duration::from_secs(30)),
            answer_limit: Size(16 << 20),
        }
    }
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(self.http(around)?))
    }

    fn http(&self, around: &Surroundings) -> Result<Http, String> {
        let mut formats: Vec<Box<dyn Format>> = Vec::new();
        if let Some(bulk) = &self.bulk {
            formats.push(bulk.build(&around.sensor)?);
        }
        if let Some(hec) = &self.hec {
            formats.push(hec.build(&around.sensor)?);
        }
        if let Some(webhook) = &self.webhook {
            formats.push(webhook.build(&around.reach)?);
        }
        let (Some(format), None) = (formats.pop(), formats.pop()) else {
            return Err("http: exactly one of bulk, hec and webhook is to be set".to_owned());
        };
        if self.batch == 0 || self.batch_size.0 == 0 {
            return Err("http: batch and batch-size are at least 1".to_owned());
        }
        let servers = Servers::new(self, around)?;
        let lanes = 0..self.connections.max(self.urls.len());
        let lanes = lanes.map(|at| Lane::new(at % self.urls.len())).collect();
        Ok(Http {
            format,
            servers,
            lanes,
            filling: Job::default(),
            since: Instant::now(),
            ready: VecDeque::new(),
            later: None,
            settings: self.clone(),
            poll_at: Instant::now(),
            asked: 0,
            is_ending: false,
        })
    }
}

struct Http {
    settings: Settings,
    format: Box<dyn Format>,
    servers: Servers,
    lanes: Vec<Lane>,
    /// The batch that records go into, and since when.
    filling: Job,
    since: Instant,
    /// Batches that no connection has yet.
    ready: VecDeque<Job>,
    /// Trouble that is told once what went well has been told.
    later: Option<Trouble>,
    /// When the server is next asked for acknowledgements.
    poll_at: Instant,
    /// The server that was asked last.
    asked: usize,
    /// Nothing more comes until what was taken is settled: there is nothing to linger for.
    is_ending: bool,
}

/// How long to wait while only threads can tell that a server has connected.
const TICK: Duration = Duration::from_millis(5);

impl Http {
    fn is_full(&self) -> bool {
        self.filling.len() >= self.settings.batch
            || self.filling.text.len() as u64 >= self.settings.batch_size.0
    }

    fn close_batch(&mut self) {
        if !self.filling.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.filling));
        }
    }

    /// How long the batch that is filled waits for more records.
    fn linger(&self) -> Duration {
        if self.is_full() || self.is_ending {
            return Duration::ZERO;
        }
        self.settings.linger.0.saturating_sub(self.since.elapsed())
    }

    /// Gives batches to idle connections, as far as there are servers for them.
    fn start(&mut self) {
        if self.format.unacknowledged(self.asked).is_none() {
            self.poll_at = Instant::now() + self.format.poll_interval();
        }
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(at) else { break };
            if lane.work.is_none() {
                lane.collect(&mut self.servers);
            }
            if !lane.is_idle() {
                continue;
            }
            if Instant::now() >= self.poll_at
                && let Some(server) = self.format.unacknowledged(self.asked)
            {
                self.poll_at = Instant::now() + self.format.poll_interval();
                self.asked = server;
                // One that can't be reached does not get all connections.
                if !self.lanes.iter().any(|lane| lane.is_dialing(Some(server))) {
                    self.send(at, Work::Acknowledgements(server));
                }
            } else if self.servers.rest().is_none()
                && let Some(job) = self.ready.pop_front()
            {
                self.send(at, Work::Records(job));
            }
        }
    }

    fn send(&mut self, at: usize, work: Work) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if let Err(work) = lane.send(work, &mut self.servers, self.format.as_ref()) {
            self.keep(work);
        }
    }

    /// A request that no server takes now. Questions are asked again when it is time.
    fn keep(&mut self, work: Work) {
        if let Work::Records(job) = work {
            self.ready.push_front(job);
        }
    }

    /// How long there is nothing to do but wait.
    fn rest(&self, patience: Duration) -> Duration {
        let mut rest = patience;
        // A batch that is due waits for a connection, not for time.
        if !self.filling.is_empty() && self.ready.is_empty() && self.format.has_room() {
            rest = rest.min(self.linger());
        }
        let has_idle = self.lanes.iter().any(Lane::is_idle);
        if has_idle && self.format.unacknowledged(self.asked).is_some() {
            rest = rest.min(self.poll_at.saturating_duration_since(Instant::now()));
        }
        if has_idle && !self.ready.is_empty() {
            rest = rest.min(self.servers.rest().unwrap_or_default());
        }
        if self.lanes.iter().any(|lane| lane.is_dialing(None)) {
            rest = rest.min(TICK);
        }
        rest
    }

    /// Waits until something comes on any connection.
    fn wait(&self, patience: Duration) {
        let streams = self.lanes.iter().filter(|lane| lane.work.is_some());
        let streams = streams.filter_map(|lane| lane.stream.as_ref());
        let mut fds: Vec<_> = streams.map(|s| PollFd::new(s, PollFlags::IN)).collect();
        if let Ok(patience) = Timespec::try_from(patience) {
            // What it found is seen by reading.
            let _ = rustix::event::poll(&mut fds, Some(&patience));
        }
    }

    /// Reads from a connection; true when an answer came.
    fn receive(&mut self, at: usize, settled: &mut Settled) -> bool {
        let Some(lane) = self.lanes.get_mut(at) else { return false };
        match lane.receive(&mut self.servers, self.format.as_ref()) {
            Ok(None) => return false,
            Ok(Some((answer, work, server))) => {
                if let Err(trouble) = self.take_answer(&answer, work, server, settled) {
                    self.later = Some(trouble);
                }
            }
            Err(work) => self.keep(work),
        }
        true
    }

    fn take_answer(
        &mut self,
        answer: &Answer,
        work: Work,
        server: usize,
        settled: &mut Settled,
    ) -> Result<(), Trouble> {
        let name = self.servers.name(server);
        let job = match work {
            Work::Acknowledgements(_) if answer.status == 200 => {
                return self.format.acknowledge(server, &answer.body, settled);
            }
            Work::Acknowledgements(_) => {
                let why = format!("{name}: asked for acknowledgements: {}", answer.shown());
                return Err(Trouble::passing(why));
            }
            Work::Records(job) => job,
        };
        let outcome = self.format.judge(answer, job, server);
        if !matches!(outcome, Outcome::Busy(_) | Outcome::Misdirected(_)) {
            self.servers.praise(server);
        }
        match outcome {
            Outcome::Told { delivered, refused, trouble } => {
                delivered.into_iter().for_each(|ticket| settled.deliver(ticket, ticket + 1));
                settled.refused.extend(refused);
                if let Some(what) = trouble {
                    self.later = Some(Trouble::passing(format!("{name}: {what}")));
                }
            }
            Outcome::Waits => {}
            Outcome::Refused(job, why) => match job.halves() {
                Ok((first, second)) => {
                    self.ready.push_front(second);
                    self.ready.push_front(first);
                }
                Err(job) => settled.refused.extend(job.tickets.iter().map(|t| (*t, why.clone()))),
            },
            Outcome::Busy(job) => {
                let trouble = Trouble::passing(format!("{name}: {}", answer.shown()));
                self.servers.set_aside(server, answer.retry_after, trouble);
                self.ready.push_front(job);
            }
            Outcome::Misdirected(job) => {
                let hint = self.servers.hint(answer.status);
                let what = format!("{name}: {}{hint}", answer.shown());
                self.servers.set_aside(server, None, Trouble::lasting(what));
                self.lanes.iter_mut().for_each(|lane| lane.leave(server));
                self.ready.push_front(job);
            }
        }
        Ok(())
    }
}

impl Sink for Http {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        if let Some(trouble) = self.later.take() {
            return Err(trouble);
        }
        let mut taken = 0;
        for (ticket, record) in (first..).zip(records) {
            if self.is_full() {
                // One batch waits for a connection; more would only take memory.
                if self.ready.len() > 1 || !self.format.has_room() {
                    break;
                }
                self.close_batch();
                self.start();
            }
            if self.filling.is_empty() {
                self.since = Instant::now();
            }
            self.format.write(record, &mut self.filling.text);
            self.filling.close(ticket);
            self.is_ending = false;
            taken += 1;
        }
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        if let Some(trouble) = self.later.take() {
            return Err(trouble);
        }
        let end = Instant::now() + patience;
        loop {
            if self.linger().is_zero() && self.ready.is_empty() && self.format.has_room() {
                self.close_batch();
            }
            self.start();
            let is_idle = self.lanes.iter().all(|lane| lane.work.is_none());
            let is_empty = self.filling.is_empty() && self.ready.is_empty();
            if is_idle && is_empty && self.format.unacknowledged(self.asked).is_none() {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            self.wait(self.rest(left));
            let mut any = false;
            for at in 0..self.lanes.len() {
                any |= self.receive(at, settled);
            }
            self.format.check_patience()?;
            if any {
                // What went well is told first.
                self.start();
                return Ok(());
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn forget(&mut self) {
        self.lanes.iter_mut().for_each(Lane::forget);
        self.filling = Job::default();
        self.ready.clear();
        self.later = None;
        self.is_ending = false;
        self.format.forget();
    }

    fn finish(&mut self) {
        self.is_ending = true;
    }

    fn again(&self) -> u64 {
        self.servers.again()
    }

    fn unsent(&self) -> u64 {
        let waiting = self.ready.iter().map(Job::unsent).sum::<usize>();
        let dialing = self.lanes.iter().map(Lane::unsent).sum::<usize>();
        (self.filling.len() + waiting + dialing) as u64
    }

    fn troubles(&self) -> u64 {
        self.servers.troubles
    }

    fn health(&self) -> Health {
        self.servers.health()
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        out("requests", self.servers.requests);
    }
}
