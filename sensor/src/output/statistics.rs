//! Statistics records: when they are due, and their EVE form.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use detect::counters::Snapshot;
use json::Writer;

use crate::clock::Civil;
use crate::config::process::{StatisticsForm, StatisticsSettings};
use crate::process::load::Loaded;

use super::tree::Branch;
use super::{FileSink, Outputs, table};

/// What is known of the rules, for `detect.engines`.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    /// When they were loaded.
    pub(crate) loaded_at: String,
    /// Rules accepted.
    pub(crate) loaded: usize,
    /// Rules refused.
    pub(crate) failed: usize,
    /// Rules for other sensors.
    pub(crate) skipped: usize,
}

/// Writes statistics to all outputs that ask for them.
#[derive(Debug)]
pub(crate) struct Statistics {
    settings: StatisticsSettings,
    tables: Vec<(FileSink, StatisticsForm)>,
    engine: Option<Engine>,
    started: Instant,
    due: Instant,
    /// Values of the last record, for changes.
    before: HashMap<String, u64>,
    /// Root keys around the record: prefix of the line, and the sensor's name.
    prefix: String,
    host: Option<String>,
}

impl Statistics {
    /// Opens the tables. Time runs from now on.
    ///
    /// # Errors
    /// With the name of the file that cannot be opened.
    pub(crate) fn open(
        settings: &StatisticsSettings,
        log_dir: &Path,
        engine: Option<Engine>,
    ) -> Result<Self, (String, io::Error)> {
        let mut tables = Vec::new();
        for (file, form) in &settings.tables {
            let sink = FileSink::open(file, log_dir);
            tables.push((sink.map_err(|error| (file.filename.clone(), error))?, *form));
        }
        let started = Instant::now();
        Ok(Self {
            due: started + Duration::from_secs(settings.interval),
            settings: settings.clone(),
            tables,
            engine,
            started,
            before: HashMap::new(),
            prefix: String::new(),
            host: None,
        })
    }

    /// Puts a prefix before EVE lines, and the sensor's name into them.
    pub(crate) fn envelope(&mut self, prefix: &str, host: Option<&str>) {
        self.prefix = prefix.to_owned();
        self.host = host.map(str::to_owned);
    }

    /// Other rules are in force.
    pub(crate) fn set_engine(&mut self, engine: Engine) {
        self.engine = Some(engine);
    }

    /// Closes the tables and opens them by name again; says which could not be.
    pub(crate) fn reopen(&mut self) -> Vec<String> {
        self.tables.iter_mut().filter_map(|(sink, _)| sink.reopen().err()).collect()
    }

    /// Names of the open tables.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.tables.iter().map(|(sink, _)| sink.path())
    }

    /// The counters as one JSON object: sums and each thread's.
    pub(crate) fn object(&self, threads: &[(String, Snapshot)], extra: &[(&str, u64)]) -> String {
        let form = StatisticsForm { totals: true, threads: true, deltas: false, null_values: true };
        let totals = self.selected(&totals(threads, extra));
        let threads = self.selected_of(threads);
        let mut object = Vec::with_capacity(32 * 1024);
        let uptime = self.started.elapsed().as_secs();
        self.groups(&form, uptime, &totals, &threads, Writer::new(&mut object).open());
        String::from_utf8_lossy(&object).into_owned()
    }

    /// Somebody asks for statistics.
    pub(crate) fn wanted(&self) -> bool {
        !self.settings.eve.is_empty() || !self.tables.is_empty()
    }

    /// Whether a record should be written now; then the next is due an interval later.
    pub(crate) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.wanted() && now >= self.due;
        if due {
            self.due = now + Duration::from_secs(self.settings.interval);
        }
        due
    }

    /// Writes a record of each thread's counters and their sums.
    ///
    /// # Errors
    /// When an output cannot be written.
    pub(crate) fn write(
        &mut self,
        threads: &[(String, Snapshot)],
        extra: &[(&str, u64)],
        outputs: &mut Outputs,
    ) -> io::Result<()> {
        let totals = self.selected(&totals(threads, extra));
        let threads = self.selected_of(threads);
        let uptime = self.started.elapsed().as_secs();
        for (output, form) in self.settings.eve.clone() {
            let line = self.line(&form, uptime, &totals, &threads);
            outputs.write_to(output, &line)?;
        }
        for (sink, form) in &mut self.tables {
            sink.write(table::text(form, uptime, &totals, &threads).as_bytes())?;
            sink.flush()?;
        }
        self.before = totals.entries.iter().map(|(name, v)| (name.to_string(), *v)).collect();
        Ok(())
    }

    /// Without the events that are not asked for, and with the prefix of the configuration.
    fn selected(&self, snapshot: &Snapshot) -> Snapshot {
        let prefix = &self.settings.decoder_events_prefix;
        let mut selected = Snapshot::default();
        for (name, value) in &snapshot.entries {
            if let Some(event) = name.strip_prefix("decoder.event.") {
                if self.settings.decoder_events {
                    selected.push(&format!("{prefix}.{event}"), *value);
                }
            } else if !name.starts_with("stream.") || self.settings.stream_events {
                selected.push(name, *value);
            }
        }
        selected
    }

    fn line(
        &self,
        form: &StatisticsForm,
        uptime: u64,
        totals: &Snapshot,
        threads: &[(String, Snapshot)],
    ) -> Vec<u8> {
        let mut line = self.prefix.clone().into_bytes();
        let mut object = Vec::with_capacity(32 * 1024);
        let mut writer = Writer::new(&mut object);
        writer.open();
        writer.field_str("timestamp", &Civil::now().eve());
        writer.field_str("event_type", "stats");
        self.groups(form, uptime, totals, threads, writer.key("stats").open());
        if let Some(host) = &self.host {
            writer.field_str("host", host);
        }
        writer.close();
        line.append(&mut object);
        line.push(b'\n');
        line
    }

    fn selected_of(&self, threads: &[(String, Snapshot)]) -> Vec<(String, Snapshot)> {
        threads.iter().map(|(name, of)| (name.clone(), self.selected(of))).collect()
    }

    /// The members of an object that has been opened, and its end.
    fn groups(
        &self,
        form: &StatisticsForm,
        uptime: u64,
        totals: &Snapshot,
        threads: &[(String, Snapshot)],
        writer: &mut Writer<'_>,
    ) {
        writer.field_u64("uptime", uptime);
        if form.totals {
            self.counters(form, totals, form.deltas, writer);
        }
        if form.threads {
            writer.key("threads").open();
            for (name, snapshot) in threads {
                writer.key(name).open();
                self.counters(form, snapshot, false, writer);
                writer.close();
            }
            writer.close();
        }
        writer.close();
    }

    fn counters(
        &self,
        form: &StatisticsForm,
        snapshot: &Snapshot,
        deltas: bool,
        writer: &mut Writer<'_>,
    ) {
        let mut root = Branch::default();
        for (name, value) in &snapshot.entries {
            if *value == 0 && !form.null_values {
                continue;
            }
            let before = self.before.get(&**name).copied().unwrap_or(0);
            let delta = deltas.then(|| value.wrapping_sub(before) as i64);
            root.insert(name, *value, delta);
        }
        root.write("", writer, &|path, writer| {
            if let ("detect", Some(engine)) = (path, &self.engine) {
                engine.write(writer);
            }
        });
    }
}

/// Sums over all threads, and what is counted once for all.
fn totals(threads: &[(String, Snapshot)], extra: &[(&str, u64)]) -> Snapshot {
    let mut parts = threads.iter().map(|(_, snapshot)| snapshot);
    let mut totals = parts.next().cloned().unwrap_or_default();
    parts.for_each(|snapshot| totals.merge(snapshot));
    for (name, value) in extra {
        match totals.entries.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1 = *value,
            None => totals.push(name, *value),
        }
    }
    totals
}

impl Engine {
    /// Of rules that have just been loaded.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        Self {
            loaded_at: Civil::now().eve(),
            loaded: loaded.accepted,
            failed: loaded.failures.len(),
            skipped: loaded.skipped.len(),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.key("engines").open_array().open();
        writer.field_u64("id", 0);
        writer.field_str("last_reload", &self.loaded_at);
        writer.field_u64("rules_loaded", self.loaded as u64);
        writer.field_u64("rules_failed", self.failed as u64);
        writer.field_u64("rules_skipped", self.skipped as u64);
        writer.close().close_array();
    }
}
