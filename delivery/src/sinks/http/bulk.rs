//! OpenSearch's and Elasticsearch's `_bulk`: a line of what to do and a line of record, in turn.
//!
//! Each record is created under the id `sensor-worker-sequence`, so that one that is offered twice
//! is there once: the second time the server answers 409, which counts as delivered.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::http::Answer;
use crate::record::{PROCESS, Record};
use crate::template::Template;

use super::job::{Format, Job, Outcome};

/// `bulk: {index: 'eve-{event_type}-{yyyy.MM.dd}'}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Index or data stream; a template.
    pub index: String,
    /// Ingest pipeline.
    pub pipeline: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        // `eve-*` is what the index template of `bateleur schema` is for.
        Self { index: "eve-{event_type}-{yyyy.MM.dd}".to_owned(), pipeline: None }
    }
}

impl Settings {
    pub(super) fn build(&self, sensor: &str) -> Result<Box<dyn Format>, String> {
        // What must stay for what to look at: answers have no more than this.
        let mut query = "_bulk?filter_path=errors,items.*.status,items.*.error.type,\
                         items.*.error.reason"
            .to_owned();
        if let Some(pipeline) = &self.pipeline {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if !pipeline.chars().all(fits) {
                return Err(format!("http: {pipeline} can't be the name of a pipeline"));
            }
            query.push_str("&pipeline=");
            query.push_str(pipeline);
        }
        // Ids have up to 512 bytes.
        let sensor: String = sensor.chars().take(100).collect();
        Ok(Box::new(Bulk { index: Template::new(&self.index, &sensor)?, sensor, query }))
    }
}

struct Bulk {
    index: Template,
    sensor: String,
    query: String,
}

#[derive(Deserialize)]
struct Told {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Status,
}

#[derive(Deserialize)]
struct Status {
    status: u16,
    #[serde(default)]
    error: Value,
}

impl Format for Bulk {
    fn path(&self, base: &str) -> String {
        format!("{}/{}", base.trim_end_matches('/'), self.query)
    }

    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        let mut index = String::new();
        self.index.fill(record, &mut index);
        let index = index
            .to_lowercase()
            .replace(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'], "_");
        let worker = match record.worker {
            PROCESS => "process".to_owned(),
            worker => worker.to_string(),
        };
        let id = format!("{}-{worker}-{}", self.sensor, record.sequence);
        let (index, id) = (Value::from(index), Value::from(id));
        out.extend_from_slice(
            format!("{{\"create\":{{\"_index\":{index},\"_id\":{id}}}}}\n").as_bytes(),
        );
        out.extend_from_slice(record.bytes);
        out.push(b'\n');
    }

    fn judge(&mut self, answer: &Answer, job: Job, _: usize) -> Outcome {
        if !(200..300).contains(&answer.status) {
            return Outcome::of_status(answer, job);
        }
        match serde_json::from_slice::<Told>(&answer.body) {
            Ok(told) if !told.errors => Outcome::all(job),
            Ok(told) if told.items.len() == job.len() => of_items(&told.items, &job),
            _ => Outcome::Misdirected(job),
        }
    }
}

fn of_items(items: &[Item], job: &Job) -> Outcome {
    let (mut delivered, mut refused, mut trouble) = (Vec::new(), Vec::new(), None);
    for (ticket, item) in job.tickets.iter().zip(items) {
        let error = &item.create.error;
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let why = || {
            let shown = format!("{} {}: {}", item.create.status, text("type"), text("reason"));
            shown.chars().take(300).collect::<String>()
        };
        match item.create.status {
            // 409: it is there already.
            200..=299 | 409 => delivered.push(*ticket),
            // What passes, or what somebody has to allow or make.
            401 | 403 | 404 | 408 | 429 | 500.. => trouble = Some(why()),
            // A pipeline that is not there is no fault of the record.
            400 if text("reason").contains("pipeline with id") => trouble = Some(why()),
            _ => refused.push((*ticket, why())),
        }
    }
    Outcome::Told { delivered, refused, trouble }
}
