//! Records as messages of Apache Kafka, by an idempotent producer.
//!
//! librdkafka keeps what it was given and connects again by itself for as long as it takes, so a
//! broker that is away is no [`Trouble`]: nothing is forgotten and offered again, which could
//! double what is under way. [`Sink::health`] tells of it.

mod condition;
mod host;
mod settings;
mod statistics;
mod topic;

use std::time::Duration;

use kafka::{Code, Event, Message, Producer, Refusal, Report};

use crate::record::{Record, SCHEMA_VERSION};
use crate::sink::{Health, Settled, Sink, Trouble};

use super::Surroundings;
use condition::Condition;
use host::Host;
use settings::Key;
pub(super) use settings::Settings;
use statistics::Statistics;
use topic::Template;

/// Records on their way alone before no more are taken.
const ALONE: u64 = 1000;

/// How long a producer that can't go on is asked what became of its records.
const LAST_REPORTS: Duration = Duration::from_secs(2);

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        let options = self.options(&around.sensor, &around.network)?;
        let topic = Template::new(&self.topic, &around.sensor)?;
        kafka::check(&options).map_err(|error| condition::in_our_words(&error))?;
        let host = Host::new(around, self.sasl.as_ref());
        let interface = around.network.interface.clone();
        Ok(Box::new(Kafka {
            key: self.key,
            sensor: around.sensor.clone(),
            topic,
            producer: None,
            ledger: Ledger {
                options,
                host,
                outstanding: 0,
                is_answered: false,
                alone: None,
                waiting_alone: 0,
                sent_alone: 0,
                is_told_of_batches: false,
                delivered: Vec::new(),
                refused: Vec::new(),
                is_dying: false,
                awaits: None,
                restarts: 0,
                condition: Condition::new(interface),
                statistics: Statistics::default(),
            },
        }))
    }
}

struct Kafka {
    key: Key,
    sensor: String,
    topic: Template,
    /// Made with the first records, in the sink's own thread.
    producer: Option<Producer>,
    ledger: Ledger,
}

/// What became of records, and how the brokers are.
struct Ledger {
    options: Vec<(String, String)>,
    host: Host,
    /// Records that are taken and not settled.
    outstanding: u64,
    /// A broker has answered this producer.
    is_answered: bool,
    /// Sends each record in a batch of its own: a broker refuses whole batches for one record, or
    /// for their size.
    alone: Option<Producer>,
    waiting_alone: u64,
    sent_alone: u64,
    is_told_of_batches: bool,
    delivered: Vec<(u64, u64)>,
    refused: Vec<(u64, String)>,
    /// The producer can't go on; what it fails now will be offered again.
    is_dying: bool,
    /// What somebody has to make or allow before it is of use to go on.
    awaits: Option<Trouble>,
    restarts: u64,
    condition: Condition,
    statistics: Statistics,
}

impl Sink for Kafka {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        if self.ledger.is_dying || self.ledger.waiting_alone >= ALONE {
            return Ok(0);
        }
        if self.producer.is_none() {
            let host = Box::new(self.ledger.host.clone());
            let made = Producer::new(&self.ledger.options, host);
            let made = made.map_err(|error| Trouble::lasting(condition::in_our_words(&error)))?;
            self.producer = Some(made);
        }
        let mut taken = 0;
        for (record, ticket) in records.iter().zip(first..) {
            match self.produce(record, ticket) {
                Ok(()) => {}
                Err(Refusal::QueueFull) => break,
                Err(Refusal::Never(code)) if is_awaited(code) => {
                    let topic = self.topic.name(record.kind());
                    self.ledger.wait_for(code, reason(code, topic, record.bytes.len()));
                    break;
                }
                Err(Refusal::Never(Code::FATAL)) => {
                    self.ledger.is_dying = true;
                    break;
                }
                Err(Refusal::Never(code)) => {
                    let topic = self.topic.name(record.kind());
                    let why = reason(code, topic, record.bytes.len());
                    self.ledger.refused.push((ticket, why));
                }
            }
            self.ledger.outstanding += 1;
            taken += 1;
        }
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        let Some(producer) = &mut self.producer else { return Ok(()) };
        let ledger = &mut self.ledger;
        let patience = match (ledger.refused.is_empty(), ledger.outstanding, ledger.waiting_alone) {
            (false, _, _) | (_, 0, _) => Duration::ZERO,
            (_, _, 0) => patience,
            _ => patience.min(Duration::from_millis(20)),
        };
        producer.poll(patience, &mut |event| ledger.take(event, Way::Batch));
        ledger.with_alone(|alone, ledger| {
            alone.poll(Duration::ZERO, &mut |event| ledger.take(event, Way::Alone));
        });
        let end = ledger.is_dying.then(|| wind_up(producer, ledger));
        ledger.hand_out(settled);
        end.map_or(Ok(()), Err)
    }

    fn forget(&mut self) {
        let ledger = &mut self.ledger;
        ledger.restarts += u64::from(self.producer.is_some());
        self.producer = None;
        ledger.alone = None;
        (ledger.outstanding, ledger.waiting_alone, ledger.is_dying) = (0, 0, false);
        ledger.is_answered = false;
        ledger.awaits = None;
        ledger.delivered.clear();
        ledger.refused.clear();
    }

    fn health(&self) -> Health {
        self.ledger.condition.health()
    }

    fn unsent(&self) -> u64 {
        if self.ledger.is_answered { 0 } else { self.ledger.outstanding }
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        out("unconfirmed", self.ledger.outstanding);
        out("sent_alone", self.ledger.sent_alone);
        out("restarts", self.ledger.restarts);
        self.ledger.statistics.tell(out);
    }
}

impl Kafka {
    fn produce(&mut self, record: &Record<'_>, ticket: u64) -> Result<(), Refusal> {
        let Some(producer) = &mut self.producer else { return Err(Refusal::QueueFull) };
        let (mut worker, mut sequence, mut flow) =
            (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
        let kind = record.kind();
        let key = match self.key {
            Key::FlowId => record.flow_id().map(|id| flow.format(id).as_bytes()),
            Key::CommunityId => record.community_id().map(str::as_bytes),
            Key::Sensor => Some(self.sensor.as_bytes()),
            Key::None => None,
        };
        producer.produce(&Message {
            topic: self.topic.name(kind),
            key,
            headers: &[
                (c"sensor", self.sensor.as_bytes()),
                (c"worker", worker.format(record.worker).as_bytes()),
                (c"sequence", sequence.format(record.sequence).as_bytes()),
                (c"schema", SCHEMA_VERSION.as_bytes()),
                (c"event_type", kind.as_bytes()),
            ],
            payload: record.bytes,
            opaque: ticket,
        })
    }
}

/// How a record went to the broker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Among others.
    Batch,
    /// By itself.
    Alone,
}

impl Ledger {
    fn take(&mut self, event: Event<'_>, way: Way) {
        match event {
            Event::Report(report) => match report.result() {
                Ok(()) => {
                    self.settle_alone(way);
                    self.is_answered = true;
                    self.delivered.push((report.opaque(), report.opaque() + 1));
                    self.condition.up();
                }
                // These will be offered again.
                Err(_) if self.is_dying => {}
                Err(code) => self.take_failure(&report, code, way),
            },
            Event::Error { text, is_fatal: true, .. } => {
                tracing::warn!("kafka: the producer starts anew: {text}");
                self.is_dying = true;
            }
            Event::Error { code, text, .. } => self.condition.error(code, text),
            Event::Statistics(json) => {
                if let Some(statistics) = Statistics::read(json) {
                    match statistics.is_up() {
                        true => {
                            self.is_answered = true;
                            self.condition.up();
                        }
                        false => self.condition.none_up(),
                    }
                    self.statistics = statistics;
                }
            }
        }
    }

    /// A broker refuses a batch as a whole, so that good records fail beside a bad one: all get a
    /// second chance alone. What fails there is bad itself.
    fn take_failure(&mut self, report: &Report<'_>, code: Code, way: Way) {
        let mut why = reason(code, report.topic(), report.payload().len());
        if is_awaited(code) {
            self.wait_for(code, why);
            return;
        }
        if way == Way::Batch && !is_final(code) {
            match self.send_alone(report, code) {
                Ok(()) => return,
                Err(error) => why = error,
            }
        }
        self.settle_alone(way);
        self.refused.push((report.opaque(), why));
    }

    /// Nothing more goes out until the other side is ready: with a topic that is missing, records
    /// would be lost that can be delivered once it is made. Brokers that are only just back may be
    /// about to make it: librdkafka gives a new topic some time from the first record on, and
    /// then believes the first broker that it hears of.
    fn wait_for(&mut self, code: Code, why: String) {
        self.is_dying = true;
        let is_soon = is_of_topic(code) && !self.condition.knows_topics();
        let trouble = if is_soon { Trouble::passing(why) } else { Trouble::lasting(why) };
        self.awaits.get_or_insert(trouble);
    }

    fn send_alone(&mut self, report: &Report<'_>, code: Code) -> Result<(), String> {
        if !self.is_told_of_batches {
            self.is_told_of_batches = true;
            tracing::warn!(
                "kafka: topic {} refuses a batch ({code}); its records are sent one by one. If \
                 that goes on, make batch-size smaller than the topic's max.message.bytes",
                report.topic(),
            );
        }
        if self.alone.is_none() {
            let mut options = self.options.clone();
            // No limits: `ALONE`, and the room for all records, limit it.
            for (name, value) in [
                ("batch.num.messages", "1"),
                ("linger.ms", "0"),
                ("queue.buffering.max.messages", "0"),
                ("queue.buffering.max.kbytes", "2147483647"),
                ("statistics.interval.ms", "0"),
            ] {
                options.push((name.into(), value.into()));
            }
            self.alone = Some(Producer::new(&options, Box::new(self.host.clone()))?);
        }
        let Some(alone) = &mut self.alone else { return Ok(()) };
        report.repeat(alone).map_err(|refusal| match refusal {
            Refusal::QueueFull => "there is no room to send it by itself".into(),
            Refusal::Never(code) => reason(code, report.topic(), report.payload().len()),
        })?;
        self.waiting_alone += 1;
        self.sent_alone += 1;
        Ok(())
    }

    fn settle_alone(&mut self, way: Way) {
        let count = u64::from(way == Way::Alone);
        self.waiting_alone = self.waiting_alone.saturating_sub(count);
    }

    /// Calls with the producer for single records, if there is one.
    fn with_alone(&mut self, call: impl FnOnce(&mut Producer, &mut Self)) {
        if let Some(mut alone) = self.alone.take() {
            call(&mut alone, self);
            self.alone = Some(alone);
        }
    }

    fn hand_out(&mut self, settled: &mut Settled) {
        self.delivered.sort_unstable();
        let count: u64 = self.delivered.iter().map(|(first, end)| end - first).sum();
        self.outstanding = self.outstanding.saturating_sub(count + self.refused.len() as u64);
        for (first, end) in self.delivered.drain(..) {
            settled.deliver(first, end);
        }
        settled.refused.append(&mut self.refused);
    }
}

/// Hears of as many records as possible before the producer goes: what is not confirmed by then is
/// offered again.
fn wind_up(producer: &mut Producer, ledger: &mut Ledger) -> Trouble {
    let is_alive = ledger.awaits.is_some();
    for way in [Way::Batch, Way::Alone] {
        let end = |producer: &mut Producer, ledger: &mut Ledger| {
            if is_alive {
                // What is under way to other topics will arrive.
                producer.flush(LAST_REPORTS, &mut |event| ledger.take(event, way));
            }
            producer.purge();
            producer.flush(LAST_REPORTS, &mut |event| ledger.take(event, way));
        };
        match way {
            Way::Batch => end(producer, ledger),
            Way::Alone => ledger.with_alone(end),
        }
    }
    if let Some(trouble) = ledger.awaits.take() {
        return trouble;
    }
    let (code, why) = producer.fatal().unwrap_or((Code::FATAL, String::new()));
    let what = format!("the producer can't go on: {why}");
    if code == Code::CLUSTER_AUTHORIZATION || code == Code::TOPIC_AUTHORIZATION {
        return Trouble::lasting(what);
    }
    Trouble::passing(what)
}

/// True for failures that a second try does not mend.
fn is_final(code: Code) -> bool {
    matches!(code, Code::INVALID_TOPIC | Code::TIMED_OUT)
}

/// True when a topic is not there.
fn is_of_topic(code: Code) -> bool {
    matches!(code, Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PARTITION)
}

/// True for failures that are over once somebody makes a topic or allows us to write to it.
fn is_awaited(code: Code) -> bool {
    is_of_topic(code) || matches!(code, Code::TOPIC_AUTHORIZATION | Code::CLUSTER_AUTHORIZATION)
}

/// Why a record is refused, and what to look at.
fn reason(code: Code, topic: &str, size: usize) -> String {
    let hint = match code {
        Code::MESSAGE_TOO_LARGE => format!(
            " ({size} bytes; look at the topic's max.message.bytes and the option \
             message.max.bytes)"
        ),
        Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PARTITION => {
            " (create it, or let brokers do so by auto.create.topics.enable)".into()
        }
        Code::TOPIC_AUTHORIZATION | Code::CLUSTER_AUTHORIZATION => {
            " (look at the broker's access control lists for our user)".into()
        }
        Code::TIMED_OUT => " (look at the option message.timeout.ms)".into(),
        _ => String::new(),
    };
    format!("topic {topic}: {code}{hint}")
}
