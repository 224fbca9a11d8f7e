//! One file of Parquet at work: rows gather, row groups are written, and at the end it gets its
//! name.

use std::error::Error;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use serde_json::{Map, Value};

use super::rows::Rows;
use super::table::Table;
use crate::record::Record;
use crate::sink::Trouble;
use crate::sinks::folder::{self, Mode};
use crate::sinks::tickets::Tickets;

/// Ends the name of a file that is not finished.
pub(super) const PART: &str = ".parquet.part";
/// Rows of a row group, at most.
const GROUP_ROWS: usize = 128 << 10;

/// A file at work. Dropped before it is finished, it goes.
pub(super) struct Partition {
    /// None once it is finished.
    writer: Option<SerializedFileWriter<File>>,
    part: PathBuf,
    table: Arc<Table>,
    rows: Rows,
    group_bytes: usize,
    /// Rows that are written.
    written: usize,
    tickets: Tickets,
    began: Instant,
    /// The higher, the later it was used.
    pub(super) used: u64,
}

/// Where a file goes and with what rights.
pub(super) struct Target<'a> {
    pub(super) directory: &'a Path,
    /// Below the directory.
    pub(super) folder: &'a str,
    pub(super) mode: Mode,
    pub(super) directory_mode: Mode,
    /// Bytes of records that a row group is made of, at most.
    pub(super) group_bytes: usize,
}

impl Partition {
    /// Begins a file; `stem` is its name without what follows the full stop.
    pub(super) fn begin(
        target: &Target<'_>,
        stem: &str,
        table: Arc<Table>,
        properties: WriterPropertiesPtr,
    ) -> Result<Self, Trouble> {
        folder::make(target.directory, target.directory_mode)
            .map_err(|error| folder::explain(target.directory, &error))?;
        let part = target.directory.join(format!("{stem}{PART}"));
        let open = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(target.mode.0).open(&part)?;
            file.set_permissions(Permissions::from_mode(target.mode.0))?;
            // So that another sensor can tell that somebody is at work on it.
            let _ = file.try_lock();
            Ok(file)
        };
        let file = open().map_err(|error| folder::explain(&part, &error))?;
        let mut begun = Self {
            writer: None,
            part,
            rows: Rows::new(&table),
            table,
            group_bytes: target.group_bytes,
            written: 0,
            tickets: Tickets::default(),
            began: Instant::now(),
            used: 0,
        };
        let schema = Arc::clone(&begun.table.schema);
        let writer = SerializedFileWriter::new(file, schema, properties);
        begun.writer = Some(writer.map_err(|error| begun.explain(&error))?);
        Ok(begun)
    }

    /// Adds a record.
    pub(super) fn add(
        &mut self,
        sensor: &str,
        record: &Record<'_>,
        members: Map<String, Value>,
        ticket: u64,
    ) -> Result<(), Trouble> {
        self.rows.add(&self.table, sensor, record, members);
        self.tickets.push(ticket);
        if self.rows.count() >= GROUP_ROWS || self.rows.bytes() >= self.group_bytes {
            self.write_group()?;
        }
        Ok(())
    }

    /// Rows so far.
    pub(super) fn count(&self) -> usize {
        self.written + self.rows.count()
    }

    /// Bytes of the file so far.
    pub(super) fn size(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.bytes_written() as u64)
    }

    /// Bytes of records in memory.
    pub(super) fn held(&self) -> usize {
        self.rows.bytes()
    }

    /// How long ago it was begun.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes the rows in memory.
    pub(super) fn write_group(&mut self) -> Result<(), Trouble> {
        if self.rows.count() == 0 {
            return Ok(());
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let count = self.rows.count();
        if let Err(error) = writer.next_row_group().and_then(|group| self.rows.write(group)) {
            // Some of the rows are lost; without a writer nothing of this file is settled.
            self.writer = None;
            return Err(self.removed(self.explain(&error)));
        }
        self.written += count;
        Ok(())
    }

    /// Finishes the file: it is whole and on the disk before it has its name. Returns its records'
    /// tickets, and its bytes.
    pub(super) fn finish(mut self, target: &Target<'_>) -> Result<(Tickets, u64), Trouble> {
        self.write_group()?;
        let Some(writer) = self.writer.take() else { return Ok((Tickets::default(), 0)) };
        let outcome = writer.into_inner();
        let file = outcome.map_err(|error| self.removed(self.explain(&error)))?;
        let whole = target.directory.join(target.folder);
        let name = self.part.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let path = whole.join(name.strip_suffix(".part").unwrap_or(name));
        let put = || -> io::Result<u64> {
            file.sync_all()?;
            let is_new = !whole.is_dir();
            folder::make(&whole, target.directory_mode)?;
            fs::rename(&self.part, &path)?;
            let above = if is_new { target.folder.split('/').count() } else { 0 };
            for folder in whole.ancestors().take(1 + above) {
                folder::sync(folder)?;
            }
            Ok(file.metadata()?.len())
        };
        let bytes = put().map_err(|error| self.removed(folder::explain(&path, &error)))?;
        Ok((std::mem::take(&mut self.tickets), bytes))
    }

    /// Removes the file, which has come to grief.
    fn removed(&self, trouble: Trouble) -> Trouble {
        let _ = fs::remove_file(&self.part);
        trouble
    }

    fn explain(&self, error: &ParquetError) -> Trouble {
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(inner) = source {
            if let Some(error) = inner.downcast_ref::<io::Error>() {
                return folder::explain(&self.part, error);
            }
            source = inner.source();
        }
        Trouble::passing(format!("{}: {error}", self.part.display()))
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            let _ = fs::remove_file(&self.part);
        }
    }
}
