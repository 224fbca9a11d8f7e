//! Splunk's HTTP event collector: one object around each record, and acknowledgements if wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::calendar::Moment;
use crate::duration::Delay;
use crate::http::Answer;
use crate::reach::Reach;
use crate::record::{PROCESS, Record};
use crate::secret::{Hidden, Secret};
use crate::sink::{Settled, Trouble};

use super::job::{Format, Job, Outcome};
use super::lane::header;

/// `hec: {token-file: /run/secrets/hec, channel: 5f3c…, ack: true}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Token.
    pub token: Option<Hidden>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// Channel, a GUID of one's own.
    pub channel: Option<String>,
    /// Deliver only what the indexer acknowledges; needs a channel.
    pub ack: bool,
    /// How often acknowledgements are asked for.
    pub ack_interval: Delay,
    /// After how long records without acknowledgement are sent again.
    pub ack_timeout: Delay,
    /// Index, when it is not the token's.
    pub index: Option<String>,
    /// `source` of events.
    pub source: String,
    /// `sourcetype` of events.
    pub sourcetype: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            channel: None,
            ack: false,
            ack_interval: Delay(Duration::from_secs(1)),
            ack_timeout: Delay(Duration::from_secs(120)),
            index: None,
            source: "bateleur".to_owned(),
            sourcetype: "suricata".to_owned(),
        }
    }
}

impl Settings {
    pub(super) fn token(&self, reach: &Reach) -> Result<Secret, String> {
        let token = Secret::of(reach, "hec: token", self.token.as_ref(), self.token_file.as_ref())?;
        token.ok_or_else(|| "hec: there is no token".to_owned())
    }

    pub(super) fn build(&self, sensor: &str) -> Result<Box<dyn Format>, String> {
        if self.ack && self.channel.is_none() {
            return Err("hec: ack needs a channel".to_owned());
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.channel.as_ref().is_some_and(|c| c.is_empty() || !c.chars().all(fits)) {
            return Err("hec: a channel is a GUID".to_owned());
        }
        let mut about = json!({
            "host": sensor, "source": self.source, "sourcetype": self.sourcetype,
        });
        if let Some(index) = &self.index {
            about["index"] = Value::from(index.as_str());
        }
        let about = about.to_string();
        let about = about.trim_start_matches('{').trim_end_matches('}').to_owned();
        Ok(Box::new(Hec { settings: self.clone(), about, waiting: BTreeMap::new() }))
    }
}

struct Hec {
    settings: Settings,
    /// What all events share, as members of an object.
    about: String,
    /// Tickets by server and number of acknowledgement, and since when they wait.
    waiting: BTreeMap<(usize, u64), (Vec<u64>, Instant)>,
}

/// Batches that may wait for acknowledgement.
const MOST_WAITING: usize = 1000;

impl Hec {
    fn path_of(base: &str, rest: &str) -> String {
        let base = match base.trim_end_matches('/') {
            "" => "/services/collector",
            base => base.strip_suffix("/event").unwrap_or(base),
        };
        format!("{base}/{rest}")
    }
}

impl Format for Hec {
    fn path(&self, base: &str) -> String {
        Self::path_of(base, "event")
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(moment) = record.timestamp().and_then(Moment::parse) {
            let time = format!("\"time\":{}.{:06},", moment.unix(), moment.microsecond);
            out.extend_from_slice(time.as_bytes());
        }
        let worker = match record.worker {
            PROCESS => "process".to_owned(),
            worker => worker.to_string(),
        };
        let fields = format!(
            "{},\"fields\":{{\"worker\":\"{worker}\",\"sequence\":\"{}\"}},\"event\":",
            self.about, record.sequence
        );
        out.extend_from_slice(fields.as_bytes());
        out.extend_from_slice(record.bytes);
        out.extend_from_slice(b"}\n");
    }

    fn headers(&self, _: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        if let Some(channel) = &self.settings.channel {
            header(out, "X-Splunk-Request-Channel", channel);
        }
        Ok(())
    }

    fn judge(&mut self, answer: &Answer, mut job: Job, server: usize) -> Outcome {
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = said.get("code").and_then(Value::as_u64);
        match (answer.status, code) {
            (200, _) if self.settings.ack => match said.get("ackId").and_then(Value::as_u64) {
                // It numbers anew: what it has of the earlier ones will never be known.
                Some(id) if self.waiting.contains_key(&(server, id)) => Outcome::Told {
                    delivered: Vec::new(),
                    refused: Vec::new(),
                    trouble: Some("hec: the server has begun anew".to_owned()),
                },
                Some(id) => {
                    self.waiting.insert((server, id), (job.tickets, Instant::now()));
                    Outcome::Waits
                }
                // The token has no acknowledgements.
                None => Outcome::Misdirected(job),
            },
            (200, _) => Outcome::all(job),
            // Codes of data that can't be taken: none, invalid, no event field, blank event, and
            // fields that can't be indexed. All others are about the token, index or channel.
            (400, Some(5 | 6 | 12 | 13 | 15)) => {
                let at = said.get("invalid-event-number").and_then(Value::as_u64);
                let at = at.and_then(|at| usize::try_from(at).ok());
                // Events before it may be there; those of the rest are sent again.
                match at.filter(|_| job.len() > 1).and_then(|at| job.remove(at)) {
                    Some(ticket) => Outcome::Told {
                        delivered: Vec::new(),
                        refused: vec![(ticket, answer.shown())],
                        trouble: Some(answer.shown()),
                    },
                    None => Outcome::Refused(job, answer.shown()),
                }
            }
            (400, Some(_)) => Outcome::Misdirected(job),
            _ => Outcome::of_status(answer, job),
        }
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    fn unacknowledged(&self, after: usize) -> Option<usize> {
        let mut behind = self.waiting.range((after + 1, 0)..);
        let next = behind.next().or_else(|| self.waiting.iter().next());
        next.map(|((server, _), _)| *server)
    }

    fn poll_interval(&self) -> Duration {
        self.settings.ack_interval.0
    }

    fn question(&self, server: usize, base: &str) -> (String, Vec<u8>) {
        let ids: Vec<u64> =
            self.waiting.keys().filter(|(of, _)| *of == server).map(|(_, id)| *id).collect();
        (Self::path_of(base, "ack"), json!({ "acks": ids }).to_string().into_bytes())
    }

    fn acknowledge(
        &mut self,
        server: usize,
        body: &[u8],
        settled: &mut Settled,
    ) -> Result<(), Trouble> {
        #[derive(Deserialize)]
        struct Said {
            acks: BTreeMap<String, bool>,
        }
        let said: Said = serde_json::from_slice(body)
            .map_err(|error| Trouble::lasting(format!("hec: acknowledgements: {error}")))?;
        for (id, _) in said.acks.iter().filter(|(_, done)| **done) {
            let done = id.parse().ok().and_then(|id| self.waiting.remove(&(server, id)));
            for ticket in done.map(|(tickets, _)| tickets).unwrap_or_default() {
                settled.deliver(ticket, ticket + 1);
            }
        }
        Ok(())
    }

    fn check_patience(&self) -> Result<(), Trouble> {
        let limit = self.settings.ack_timeout.0;
        if self.waiting.values().any(|(_, since)| since.elapsed() > limit) {
            return Err(Trouble::passing(format!("hec: no acknowledgement for {limit:?}")));
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.waiting.clear();
    }
}
