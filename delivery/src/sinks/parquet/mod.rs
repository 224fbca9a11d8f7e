//! Files of Apache Parquet, in folders by type of record, day and hour.

mod partition;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Surroundings;
use super::folder::{Mode, is_stamp, put_name, stamp};
use super::tickets::Tickets;
use crate::calendar::Moment;
use crate::duration::{Delay, Size};
use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};

use partition::{PART, Partition, Target};
use table::Table;

/// Bytes of records that are held in memory for all files together.
const HELD: usize = 64 << 20;
/// Bytes of records that a row group is made of, at most.
const GROUP_BYTES: usize = 32 << 20;
/// Bytes of records that may be under way: they are until their file is finished.
const WINDOW: usize = 64 << 20;

/// `parquet: {directory: /var/lib/bateleur/parquet}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The folder.
    directory: PathBuf,
    /// A file is finished when it has so many rows,
    rows: usize,
    /// or so many bytes,
    size: Size,
    /// or is so old.
    every: Delay,
    /// Files that are open at a time.
    open_files: usize,
    /// How pages are compressed.
    compression: Codec,
    /// How hard zstd compresses.
    level: i32,
    /// Rights of files.
    mode: Mode,
    /// Rights of folders.
    directory_mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Codec {
    None,
    Zstd,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            rows: 1_000_000,
            size: Size(128 << 20),
            every: Delay(Duration::from_secs(600)),
            open_files: 64,
            compression: Codec::Zstd,
            level: 3,
            mode: Mode(0o640),
            directory_mode: Mode(0o750),
        }
    }
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        let archive = self.archive(&around.sensor)?;
        super::folder::claim(&self.directory, self.directory_mode, &around.reach)?;
        Ok(Box::new(archive))
    }

    fn archive(&self, sensor: &str) -> Result<Archive, String> {
        if self.directory.as_os_str().is_empty() {
            return Err("directory: it has to be given".to_owned());
        }
        if self.rows == 0 || self.size.0 == 0 || self.every.0.is_zero() {
            return Err("rows, size and every have to be more than nothing".to_owned());
        }
        if !(1..=1024).contains(&self.open_files) {
            return Err("open-files is from 1 to 1024".to_owned());
        }
        if !(1..=19).contains(&self.level) {
            return Err("level: zstd has levels from 1 to 19".to_owned());
        }
        let compression = match self.compression {
            Codec::None => Compression::UNCOMPRESSED,
            Codec::Zstd => {
                let level = ZstdLevel::try_new(self.level).map_err(|error| error.to_string())?;
                Compression::ZSTD(level)
            }
        };
        let version = KeyValue::new("schema".to_owned(), schema::VERSION.to_owned());
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_key_value_metadata(Some(vec![version]))
            .build();
        let mut prefix = String::new();
        put_name(if sensor.is_empty() { "sensor" } else { sensor }, &mut prefix);
        prefix.push('-');
        Ok(Archive {
            settings: self.clone(),
            properties: Arc::new(properties),
            sensor: sensor.to_owned(),
            prefix,
            tables: HashMap::new(),
            open: HashMap::new(),
            is_clean: false,
            number: 0,
            uses: 0,
            done: Tickets::default(),
            refused: Vec::new(),
            trouble: None,
            figures: Figures::default(),
        })
    }
}

/// The files at work, by the folder they will be in.
struct Archive {
    settings: Settings,
    properties: WriterPropertiesPtr,
    sensor: String,
    /// Begins the names of all files.
    prefix: String,
    /// By type of record, those that the schema knows; the others have that of "".
    tables: HashMap<&'static str, Arc<Table>>,
    open: HashMap<String, Partition>,
    /// What an earlier run left was removed.
    is_clean: bool,
    number: u64,
    uses: u64,
    /// Records whose file is finished, and not told of yet.
    done: Tickets,
    refused: Vec<(u64, String)>,
    trouble: Option<Trouble>,
    figures: Figures,
}

/// What is counted.
#[derive(Debug, Default)]
struct Figures {
    bytes: u64,
    files: u64,
    closed: u64,
    leftovers: u64,
}

/// The folder of a record: `event_type=http/date=2026-11-22/hour=05`.
fn folder_of(record: &Record<'_>) -> String {
    let at = record.timestamp().and_then(Moment::parse).unwrap_or_else(Moment::now).in_utc();
    let mut folder = "event_type=".to_owned();
    put_name(if record.kind().is_empty() { "unknown" } else { record.kind() }, &mut folder);
    let (year, month, day, hour) = (at.year, at.month, at.day, at.hour);
    folder + &format!("/date={year:04}-{month:02}-{day:02}/hour={hour:02}")
}

impl Archive {
    fn target<'a>(settings: &'a Settings, folder: &'a str) -> Target<'a> {
        Target {
            directory: &settings.directory,
            folder,
            mode: settings.mode,
            directory_mode: settings.directory_mode,
            group_bytes: GROUP_BYTES.min(usize::try_from(settings.size.0).unwrap_or(GROUP_BYTES)),
        }
    }

    fn put(&mut self, record: &Record<'_>, ticket: u64) -> Result<(), Trouble> {
        let members: Map<String, Value> = match serde_json::from_slice(record.bytes) {
            Ok(members) => members,
            Err(error) => {
                self.refused.push((ticket, format!("no JSON object: {error}")));
                return Ok(());
            }
        };
        let folder = folder_of(record);
        if !self.open.contains_key(&folder) {
            self.begin(&folder, record.kind())?;
        }
        let Some(partition) = self.open.get_mut(&folder) else { return Ok(()) };
        self.uses += 1;
        partition.used = self.uses;
        partition.add(&self.sensor, record, members, ticket)?;
        let is_full = partition.count() >= self.settings.rows;
        if is_full || partition.size() >= self.settings.size.0 {
            return self.end(&folder);
        }
        let held = |partition: &Partition| partition.held();
        if self.open.values().map(held).sum::<usize>() >= HELD
            && let Some(largest) = self.open.values_mut().max_by_key(|partition| held(partition))
        {
            largest.write_group()?;
        }
        Ok(())
    }

    fn begin(&mut self, folder: &str, event_type: &str) -> Result<(), Trouble> {
        self.clean();
        while self.open.len() >= self.settings.open_files {
            let oldest = self.open.iter().min_by_key(|(_, partition)| partition.used);
            let Some(oldest) = oldest.map(|(folder, _)| folder.clone()) else { break };
            self.end(&oldest)?;
            self.figures.closed += 1;
        }
        let known = schema::event(event_type).map_or("", |event| event.name);
        let table = match self.tables.get(known) {
            Some(table) => Arc::clone(table),
            None => {
                let table =
                    Table::new(known).map_err(|error| Trouble::lasting(error.to_string()))?;
                let table = Arc::new(table);
                self.tables.insert(known, Arc::clone(&table));
                table
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let stem = loop {
            self.number += 1;
            let stem = format!("{}{}-{}", self.prefix, stamp(now), self.number);
            let path = self.settings.directory.join(folder).join(format!("{stem}.parquet"));
            let part = self.settings.directory.join(format!("{stem}{PART}"));
            let is_free = |path| fs::symlink_metadata(path).is_err();
            if is_free(path) && is_free(part) {
                break stem;
            }
        };
        let target = Self::target(&self.settings, folder);
        let properties = Arc::clone(&self.properties);
        let begun = Partition::begin(&target, &stem, table, properties)?;
        self.open.insert(folder.to_owned(), begun);
        Ok(())
    }

    /// Finishes a file.
    fn end(&mut self, folder: &str) -> Result<(), Trouble> {
        let Some(partition) = self.open.remove(folder) else { return Ok(()) };
        let target = Self::target(&self.settings, folder);
        let (mut tickets, bytes) = partition.finish(&target)?;
        self.done.append(&mut tickets);
        self.figures.files += 1;
        self.figures.bytes += bytes;
        Ok(())
    }

    /// Finishes the files that are so old.
    fn end_older_than(&mut self, age: Duration) {
        let is_old = |(_, partition): &(&String, &Partition)| partition.age() >= age;
        let old: Vec<String> =
            self.open.iter().filter(is_old).map(|(folder, _)| folder.clone()).collect();
        for folder in old {
            if let Err(trouble) = self.end(&folder) {
                self.trouble.get_or_insert(trouble);
            }
        }
    }

    /// Removes unfinished files that an earlier run of this sensor left; their records come again.
    fn clean(&mut self) {
        if std::mem::replace(&mut self.is_clean, true) {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.settings.directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| self.is_part(name)) {
                continue;
            }
            let remove = || -> io::Result<()> {
                // Another sensor of this name may be at work on it.
                File::open(entry.path())?.try_lock()?;
                fs::remove_file(entry.path())
            };
            match remove() {
                Ok(()) => self.figures.leftovers += 1,
                Err(error) => tracing::warn!("{}: not removed: {error}", entry.path().display()),
            }
        }
    }

    /// True for names of unfinished files of this sensor.
    fn is_part(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.prefix).and_then(|rest| rest.strip_suffix(PART));
        let parts = rest.and_then(|rest| rest.split_once('-'));
        let is_number = |text: &str| text.parse::<u64>().is_ok();
        parts.is_some_and(|(time, number)| is_stamp(time) && is_number(number))
    }
}

impl Sink for Archive {
    /// Trouble is told by [`Sink::settle`], together with what is settled all the same.
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        for (at, record) in records.iter().enumerate() {
            if self.trouble.is_some() {
                return Ok(at);
            }
            if let Err(trouble) = self.put(record, first + at as u64) {
                self.trouble = Some(trouble);
                return Ok(at);
            }
        }
        Ok(records.len())
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        let every = self.settings.every.0;
        self.end_older_than(every);
        let has_news = !self.done.is_empty() || !self.refused.is_empty();
        let oldest = self.open.values().map(Partition::age).max();
        if let Some(oldest) = oldest
            && !has_news
            && self.trouble.is_none()
        {
            let until = Instant::now() + patience.min(every.saturating_sub(oldest));
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            self.end_older_than(every);
        }
        self.done.settle(settled);
        settled.refused.append(&mut self.refused);
        self.trouble.take().map_or(Ok(()), Err)
    }

    fn forget(&mut self) {
        self.open.clear();
        self.refused.clear();
        self.trouble = None;
    }

    fn finish(&mut self) {
        self.end_older_than(Duration::ZERO);
    }

    fn reopen(&mut self) {
        self.finish();
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        out("bytes-written", self.figures.bytes);
        out("files-made", self.figures.files);
        out("files-open", self.open.len() as u64);
        out("files-closed-early", self.figures.closed);
        out("leftovers-removed", self.figures.leftovers);
    }
}
