//! The program's own log: what the native face and delivery say while they work, as text or JSON.
//!
//! Everything goes through `tracing`, whoever says it, and comes out here: to standard error or a
//! file, a line for each message.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

use crate::clock::Civil;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// How important a message must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Threshold {
    /// The sensor cannot do what it should.
    Error,
    /// Somebody should look at it.
    Warn,
    /// What happens.
    Info,
    /// What happens inside.
    Debug,
    /// All of it.
    Trace,
}

/// The log as it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct ProgramLog {
    /// How lines look.
    pub(crate) format: LineFormat,
    /// The least important messages that are told.
    pub(crate) threshold: Threshold,
    /// Lines go to the end of this file; without one to standard error.
    pub(crate) file: Option<PathBuf>,
}

/// Lines on their way.
#[derive(Clone, Debug)]
enum Place {
    StandardError,
    File(Arc<LogFile>),
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    open: Mutex<File>,
}

/// The log at work.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    place: Place,
    level: reload::Handle<LevelFilter, Registry>,
}

impl Default for ProgramLog {
    /// For programs that end: only what somebody should look at.
    fn default() -> Self {
        Self { format: LineFormat::Text, threshold: Threshold::Warn, file: None }
    }
}

impl ProgramLog {
    /// From now on all messages of this process go there. `BATELEUR_DEBUG` wins over the level.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn install(&self) -> io::Result<Installed> {
        let place = match &self.file {
            None => Place::StandardError,
            Some(path) => {
                let open = Mutex::new(append(path)?);
                Place::File(Arc::new(LogFile { path: path.clone(), open }))
            }
        };
        let (filter, level) = reload::Layer::new(LevelFilter::from_level(self.level()));
        let lines = tracing_subscriber::fmt::layer()
            .event_format(Lines(self.format))
            .with_writer(place.clone());
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        // A second log in a process would be a fault of the program, and the first one stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Ok(Installed { place, level })
    }

    /// How important messages must be, by the environment or as it is wanted.
    pub(super) fn level(&self) -> tracing::Level {
        let asked = std::env::var("BATELEUR_DEBUG").ok().and_then(|level| level.parse().ok());
        asked.unwrap_or(self.threshold.into())
    }
}

impl Installed {
    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::StandardError => None,
            Place::File(file) => Some(&file.path),
        }
    }

    /// From now on messages must be as important as this, unless the environment says otherwise.
    pub(crate) fn set_threshold(&self, threshold: Threshold) {
        let level = ProgramLog { threshold, ..ProgramLog::default() }.level();
        // The filter goes with the process.
        let _ = self.level.modify(|filter| *filter = LevelFilter::from_level(level));
    }

    /// Begins the file anew if it was moved away. What cannot be opened goes on as it is.
    pub(crate) fn reopen(&self) {
        let Place::File(file) = &self.place else { return };
        match append(&file.path) {
            Ok(opened) => *file.open.lock().unwrap_or_else(PoisonError::into_inner) = opened,
            Err(error) => tracing::warn!("{} cannot be opened again: {error}", file.path.display()),
        }
    }
}

impl From<Threshold> for tracing::Level {
    fn from(threshold: Threshold) -> Self {
        match threshold {
            Threshold::Error => Self::ERROR,
            Threshold::Warn => Self::WARN,
            Threshold::Info => Self::INFO,
            Threshold::Debug => Self::DEBUG,
            Threshold::Trace => Self::TRACE,
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl<'a> MakeWriter<'a> for Place {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Place {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::StandardError => io::stderr().lock().write(line),
            Self::File(file) => {
                file.open.lock().unwrap_or_else(PoisonError::into_inner).write(line)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a line of an event.
struct Lines(LineFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let about = event.metadata();
        let level = about.level().as_str().to_ascii_lowercase();
        said.line(self.0, &level, about.target(), &mut writer)
    }
}

/// What an event says.
#[derive(Debug, Default)]
pub(super) struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }

    /// The whole line.
    pub(super) fn line(
        &self,
        format: LineFormat,
        level: &str,
        target: &str,
        writer: &mut Writer<'_>,
    ) -> fmt::Result {
        match format {
            LineFormat::Text => self.text(level, target, writer),
            LineFormat::Json => self.json(level, target, writer),
        }
    }

    fn json(&self, level: &str, target: &str, writer: &mut Writer<'_>) -> fmt::Result {
        // The time comes first, where people look for it.
        let (time, message) = (Civil::now().rfc3339(), Value::from(self.message.as_str()));
        let fields = json!(self.fields);
        writeln!(
            writer,
            r#"{{"timestamp":"{time}","level":"{level}","target":"{target}","message":{message},"fields":{fields}}}"#
        )
    }

    fn text(&self, level: &str, target: &str, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{} {level:5} {target}: ", Civil::now().rfc3339())?;
        self.body(writer)?;
        writeln!(writer)
    }

    /// What was said and the names beside it, on one line.
    pub(super) fn body(&self, writer: &mut Writer<'_>) -> fmt::Result {
        plain(writer, &self.message)?;
        for (name, value) in &self.fields {
            write!(writer, " {name}=")?;
            match value {
                Value::String(text) => plain(writer, text)?,
                other => write!(writer, "{other}")?,
            }
        }
        Ok(())
    }
}

/// What others have sent may be part of a message: it must not begin lines, nor move a cursor.
fn plain(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    for letter in text.chars() {
        match letter.is_control() {
            true => write!(writer, "{}", letter.escape_default())?,
            false => writer.write_char(letter)?,
        }
    }
    Ok(())
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the log makes of messages.
    fn lines(format: LineFormat, say: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let open = Mutex::new(append(&path).unwrap());
        let place = Place::File(Arc::new(LogFile { path: path.clone(), open }));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .event_format(Lines(format))
            .with_writer(place)
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn json_lines_hold_all_that_was_said() {
        let text = lines(LineFormat::Json, || {
            tracing::warn!(target: "t", sink = "a\"b", count = 3, ratio = 0.5, ok = true, "it \u{1b}[0m\nbroke");
            tracing::debug!("not told");
            tracing::info!(name = ?Some(1), "second");
        });
        let records: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 2, "{text}");
        let first = &records[0];
        assert_eq!((&first["level"], &first["target"]), (&"warn".into(), &"t".into()));
        assert_eq!(first["message"], "it \u{1b}[0m\nbroke");
        let fields = json!({ "sink": "a\"b", "count": 3, "ratio": 0.5, "ok": true });
        assert_eq!(first["fields"], fields);
        let time = first["timestamp"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        assert_eq!(records[1]["message"], "second");
        assert_eq!(records[1]["fields"], json!({ "name": "Some(1)" }));
        assert!(records[1]["target"].as_str().unwrap().ends_with("log::program::tests"));
    }

    #[test]
    fn text_lines_stay_lines() {
        let text = lines(LineFormat::Text, || {
            tracing::error!(target: "t", sink = "x", lost = 4, "a\n\u{1b}[31mb");
        });
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, "error t: a\\n\\u{1b}[31mb lost=4 sink=x\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let open = Mutex::new(append(&path).unwrap());
        let place = Place::File(Arc::new(LogFile { path: path.clone(), open }));
        let level = reload::Layer::new(LevelFilter::INFO).1;
        let log = Installed { place: place.clone(), level };
        place.clone().write_all(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        place.clone().write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }
}
