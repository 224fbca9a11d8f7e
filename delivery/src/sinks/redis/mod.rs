//! Records to a Redis server, as Suricata's own output writes them: list, channel or stream.
//!
//! Commands go out in batches without waiting for replies; each reply settles its record. A push
//! is confirmed when the server has taken it into its memory; whether it survives the server's end
//! is up to the server's `appendonly`, and whether it survives a fail-over up to `replicas` here.
//! A message on a channel that nobody listens to counts as delivered, as Redis sees it.

mod connect;
mod resp;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Delay;
use crate::record::Record;
use crate::secret::Hidden;
use crate::sink::{Settled, Sink, Trouble};
use crate::stream::{Stream, TlsSettings};
use crate::template::Template;

use super::Surroundings;
use connect::Finder;
use resp::{Replies, Reply};

/// `redis: {server: 127.0.0.1:6379, mode: list, key: suricata}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// `host:port`.
    #[serde(deserialize_with = "crate::address::one")]
    #[schemars(with = "crate::address::HostPort")]
    pub server: String,
    /// A Unix socket in place of it.
    pub path: Option<PathBuf>,
    /// Sentinels that know who the master is, in place of it.
    #[serde(deserialize_with = "crate::address::list")]
    #[schemars(with = "Vec<crate::address::HostPort>")]
    pub sentinels: Vec<String>,
    /// The name that sentinels have for the master.
    pub master: String,
    /// What is done with each record.
    pub mode: Mode,
    /// Name of the list, channel or stream; a template.
    pub key: String,
    /// Entries that a stream keeps; 0: all.
    pub stream_maxlen: u64,
    /// Keep exactly so many, at a price; otherwise a few more.
    pub stream_trim_exact: bool,
    /// User of the server's access lists.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Hidden>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// User at the sentinels.
    pub sentinel_username: Option<String>,
    /// Password at the sentinels.
    pub sentinel_password: Option<Hidden>,
    /// File with the password at the sentinels.
    pub sentinel_password_file: Option<PathBuf>,
    /// Number of the database.
    pub database: u32,
    /// TLS to servers and sentinels.
    pub tls: Option<TlsSettings>,
    /// Records that are written at once.
    pub batch: usize,
    /// Records that wait for their replies, at most.
    pub in_flight: usize,
    /// Replicas that must have a batch before it counts as delivered.
    pub replicas: u32,
    /// How long connecting, writing, or waiting for a reply may take.
    pub timeout: Delay,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: "127.0.0.1:6379".to_owned(),
            path: None,
            sentinels: Vec::new(),
            master: String::new(),
            mode: Mode::List,
            key: "suricata".to_owned(),
            stream_maxlen: 100_000,
            stream_trim_exact: false,
            username: None,
            password: None,
            password_file: None,
            sentinel_username: None,
            sentinel_password: None,
            sentinel_password_file: None,
            database: 0,
            tls: None,
            batch: 500,
            in_flight: 10_000,
            replicas: 0,
            timeout: Delay(Duration::from_secs(10)),
        }
    }
}

/// What is done with a record, by Suricata's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// `LPUSH`: the newest is the first of the list.
    #[default]
    #[serde(alias = "lpush")]
    List,
    /// `RPUSH`: the newest is the last of the list.
    Rpush,
    /// `PUBLISH` on a channel.
    #[serde(alias = "publish")]
    Channel,
    /// `XADD` to a stream, as its field `eve`.
    #[serde(alias = "xadd")]
    Stream,
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(self.sink(around)?))
    }

    fn sink(&self, around: &Surroundings) -> Result<Redis, String> {
        if self.batch == 0 || self.in_flight == 0 {
            return Err("redis: batch and in-flight are at least 1".to_owned());
        }
        Ok(Redis {
            finder: Finder::new(self, around)?,
            key: Template::new(&self.key, &around.sensor)?,
            maxlen: self.stream_maxlen.to_string().into_bytes(),
            settings: self.clone(),
            link: None,
            text: Vec::new(),
            unwritten: 0,
            pending: VecDeque::new(),
            waiting: VecDeque::new(),
            name: String::new(),
            no_receiver: 0,
        })
    }
}

struct Link {
    stream: Stream,
    replies: Replies,
    server: String,
    /// When something last came, or began to be waited for.
    alive: Instant,
}

/// What a reply is the answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Record(u64),
    /// `WAIT`: how many replicas have everything before it.
    Replicas,
}

struct Redis {
    settings: Settings,
    finder: Finder,
    key: Template,
    maxlen: Vec<u8>,
    link: Option<Link>,
    /// Commands that are not written yet, and how many.
    text: Vec<u8>,
    unwritten: usize,
    /// What replies are waited for, in order.
    pending: VecDeque<Asked>,
    /// Records that the server has and replicas may not have yet.
    waiting: VecDeque<u64>,
    name: String,
    no_receiver: u64,
}

impl Redis {
    fn link(&mut self) -> Result<&mut Link, Trouble> {
        if self.link.is_none() {
            let (stream, server) = self.finder.connect()?;
            let link = Link { stream, replies: Replies::default(), server, alive: Instant::now() };
            return Ok(self.link.insert(link));
        }
        self.link.as_mut().ok_or_else(|| Trouble::passing("redis: no connection"))
    }

    fn write_command(&mut self, record: &Record<'_>) {
        self.name.clear();
        self.key.fill(record, &mut self.name);
        let key = self.name.as_bytes();
        let out = &mut self.text;
        match self.settings.mode {
            Mode::List => resp::command(out, &[b"LPUSH", key, record.bytes]),
            Mode::Rpush => resp::command(out, &[b"RPUSH", key, record.bytes]),
            Mode::Channel => resp::command(out, &[b"PUBLISH", key, record.bytes]),
            Mode::Stream if self.settings.stream_maxlen == 0 => {
                resp::command(out, &[b"XADD", key, b"*", b"eve", record.bytes]);
            }
            Mode::Stream => {
                let about: &[u8] = if self.settings.stream_trim_exact { b"=" } else { b"~" };
                let limit = self.maxlen.as_slice();
                let all = [b"XADD", key, b"MAXLEN", about, limit, b"*", b"eve", record.bytes];
                resp::command(out, &all);
            }
        }
    }

    /// Writes what has been gathered, with the question for replicas behind it.
    fn write(&mut self) -> Result<(), Trouble> {
        if self.unwritten == 0 {
            return Ok(());
        }
        if self.settings.replicas > 0 {
            let replicas = self.settings.replicas.to_string();
            // Half of our own patience: its answer must come before we give up.
            let limit = (self.settings.timeout.0.as_millis() / 2).max(1).to_string();
            resp::command(&mut self.text, &[b"WAIT", replicas.as_bytes(), limit.as_bytes()]);
            self.pending.push_back(Asked::Replicas);
        }
        let text = std::mem::take(&mut self.text);
        let link = self.link()?;
        let result = link.stream.write_all(&text).and_then(|()| link.stream.flush());
        let server = link.server.clone();
        self.unwritten = 0;
        self.text = text;
        self.text.clear();
        result.map_err(|error| Trouble::passing(format!("redis {server}: {error}")))
    }

    fn take_reply(&mut self, reply: Reply, settled: &mut Settled) -> Result<(), Trouble> {
        let server = self.link.as_ref().map_or("", |link| link.server.as_str());
        let Some(asked) = self.pending.pop_front() else {
            let why = format!("redis {server}: a reply to nothing: {reply:?}");
            return Err(Trouble::passing(why));
        };
        match (asked, reply) {
            (_, Reply::Error(why)) => match (judge(&why), asked) {
                (Verdict::Refused, Asked::Record(ticket)) => settled.refused.push((ticket, why)),
                (Verdict::Passing, _) => {
                    return Err(Trouble::passing(format!("redis {server}: {why}")));
                }
                _ => return Err(Trouble::lasting(format!("redis {server}: {why}"))),
            },
            (Asked::Replicas, Reply::Number(count)) => {
                let wanted = self.settings.replicas;
                if count < i64::from(wanted) {
                    let why = format!("redis {server}: {count} replicas of {wanted} have the data");
                    return Err(Trouble::passing(why));
                }
                self.waiting.drain(..).for_each(|ticket| settled.deliver(ticket, ticket + 1));
            }
            (Asked::Record(ticket), reply) => {
                if reply == Reply::Number(0) && self.settings.mode == Mode::Channel {
                    self.no_receiver += 1;
                }
                if self.settings.replicas > 0 {
                    self.waiting.push_back(ticket);
                } else {
                    settled.deliver(ticket, ticket + 1);
                }
            }
            (Asked::Replicas, other) => {
                return Err(Trouble::lasting(format!("redis {server}: WAIT gives {other:?}")));
            }
        }
        Ok(())
    }
}

/// What an error of the server means for the record that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Refused,
    Passing,
    Lasting,
}

fn judge(error: &str) -> Verdict {
    let (code, rest) = error.split_once(' ').unwrap_or((error, ""));
    match code {
        // Passing states of a server: full, starting, no longer or not yet the master, busy.
        "OOM" | "READONLY" | "LOADING" | "MISCONF" | "MASTERDOWN" | "NOREPLICAS" | "BUSY"
        | "TRYAGAIN" | "CLUSTERDOWN" | "UNBLOCKED" => Verdict::Passing,
        "WRONGTYPE" | "NOPERM" | "NOAUTH" | "WRONGPASS" | "MOVED" | "ASK" | "DENIED" => {
            Verdict::Lasting
        }
        "ERR" if rest.starts_with("max number of clients") => Verdict::Passing,
        "ERR"
            if ["unknown command", "Protocol error", "wrong number"]
                .iter()
                .any(|start| rest.starts_with(start)) =>
        {
            Verdict::Lasting
        }
        _ => Verdict::Refused,
    }
}

impl Sink for Redis {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        self.link()?;
        if self.pending.is_empty() {
            // Silence counts from now.
            self.link()?.alive = Instant::now();
        }
        let waiting = self.pending.len() + self.waiting.len();
        let room = self.settings.in_flight.saturating_sub(waiting);
        let mut taken = 0;
        for (ticket, record) in (first..).zip(records.iter().take(room)) {
            self.write_command(record);
            self.pending.push_back(Asked::Record(ticket));
            self.unwritten += 1;
            taken += 1;
            if self.unwritten >= self.settings.batch {
                self.write()?;
            }
        }
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        self.write()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let timeout = self.settings.timeout.0;
        let mut patience = patience;
        let mut buffer = [0; 16 * 1024];
        loop {
            let link = self.link()?;
            let got = link.stream.read_within(&mut buffer, patience);
            let got = got.map_err(|e| Trouble::passing(format!("redis {}: {e}", link.server)))?;
            match got {
                Some(0) => {
                    let why =
                        format!("redis {}: the server has closed the connection", link.server);
                    return Err(Trouble::passing(why));
                }
                Some(count) => {
                    link.alive = Instant::now();
                    link.replies.push(buffer.get(..count).unwrap_or_default());
                }
                None if link.alive.elapsed() > timeout => {
                    let why = format!("redis {}: no reply for {timeout:?}", link.server);
                    return Err(Trouble::passing(why));
                }
                None => return Ok(()),
            }
            while let Some(reply) = self.next_reply()? {
                self.take_reply(reply, settled)?;
            }
            if self.pending.is_empty() {
                return Ok(());
            }
            // What else is there by now, but no further waiting.
            patience = Duration::ZERO;
        }
    }

    fn forget(&mut self) {
        if let Some(mut link) = self.link.take() {
            link.stream.shut_down();
        }
        self.text.clear();
        self.unwritten = 0;
        self.pending.clear();
        self.waiting.clear();
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        if self.settings.mode == Mode::Channel {
            out("without-receiver", self.no_receiver);
        }
    }
}

impl Redis {
    fn next_reply(&mut self) -> Result<Option<Reply>, Trouble> {
        let Some(link) = self.link.as_mut() else { return Ok(None) };
        let server = &link.server;
        link.replies.next().map_err(|error| Trouble::lasting(format!("redis {server}: {error}")))
    }
}
