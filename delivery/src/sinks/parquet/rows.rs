//! Records taken apart into columns.

use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedRowGroupWriter;
use serde_json::{Map, Value};
use std::io::Write;

use super::table::{Cell, Group, OTHER, Place, SENSOR, SEQUENCE, Table, WORKER};
use crate::calendar::Moment;
use crate::record::Record;

/// Rows that wait to be written.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Vec<Column>,
    count: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Column {
    cell: Cell,
    values: Values,
    /// For each row 1 if it has a value, otherwise 0.
    levels: Vec<i16>,
}

#[derive(Debug)]
enum Values {
    Boolean(Vec<bool>),
    Short(Vec<i32>),
    Long(Vec<i64>),
    Double(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl Rows {
    /// None yet.
    pub(super) fn new(table: &Table) -> Self {
        let columns = table.cells.iter().map(|cell| Column::new(*cell)).collect();
        Self { columns, count: 0, bytes: 0 }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of their records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a record, whose object is `members`.
    pub(super) fn add(
        &mut self,
        table: &Table,
        sensor: &str,
        record: &Record<'_>,
        mut members: Map<String, Value>,
    ) {
        let mut other = Map::new();
        // Columns of ours are not the record's to fill.
        for name in [SENSOR, WORKER, SEQUENCE, OTHER] {
            if let Some(value) = members.remove(name) {
                other.insert(name.to_owned(), value);
            }
        }
        self.take_apart(&table.members, members, &mut other);
        let mut put = |name: &str, value: Value| {
            if let Some(column) = table.column(name).and_then(|at| self.columns.get_mut(at)) {
                let _ = column.put(value);
            }
        };
        put(SENSOR, sensor.into());
        put(WORKER, record.worker.into());
        put(SEQUENCE, record.sequence.into());
        if !other.is_empty() {
            put(OTHER, Value::Object(other));
        }
        self.count += 1;
        self.bytes += record.bytes.len();
        for column in &mut self.columns {
            column.levels.resize(self.count, 0);
        }
    }

    /// Puts members of an object into their columns; what has none goes to `other`.
    fn take_apart(
        &mut self,
        group: &Group,
        members: Map<String, Value>,
        other: &mut Map<String, Value>,
    ) {
        for (name, value) in members {
            let left = match (group.get(name.as_str()), value) {
                (Some(Place::Column(at)), value) => match self.columns.get_mut(*at) {
                    Some(column) => column.put(value).err(),
                    None => Some(value),
                },
                (Some(Place::Group(group)), Value::Object(members)) if !members.is_empty() => {
                    let mut rest = Map::new();
                    self.take_apart(group, members, &mut rest);
                    (!rest.is_empty()).then_some(Value::Object(rest))
                }
                (_, value) => Some(value),
            };
            if let Some(value) = left {
                other.insert(name, value);
            }
        }
    }

    /// Writes all rows as a row group; none is left.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        mut group: SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(writer.untyped())?;
            writer.close()?;
            *column = Column::new(column.cell);
        }
        group.close()?;
        (self.count, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Column {
    fn new(cell: Cell) -> Self {
        let values = match cell {
            Cell::Boolean => Values::Boolean(Vec::new()),
            Cell::Unsigned(64) | Cell::Time => Values::Long(Vec::new()),
            Cell::Unsigned(_) => Values::Short(Vec::new()),
            Cell::Float => Values::Double(Vec::new()),
            Cell::Text | Cell::Json => Values::Text(Vec::new()),
        };
        Self { cell, values, levels: Vec::new() }
    }

    /// Puts the value of a row in; gives back one that is not of the column's type.
    fn put(&mut self, value: Value) -> Result<(), Value> {
        match (&mut self.values, self.cell) {
            (Values::Boolean(values), _) => values.push(value.as_bool().ok_or(value)?),
            (Values::Short(values), Cell::Unsigned(bits)) => {
                let number = value.as_u64().filter(|number| *number < 1 << bits);
                let number = number.and_then(|number| u32::try_from(number).ok()).ok_or(value)?;
                // As Parquet has unsigned numbers.
                values.push(number.cast_signed());
            }
            (Values::Long(values), Cell::Time) => {
                let text = value.as_str().unwrap_or_default();
                let time = Moment::parse(text).and_then(|moment| moment.microseconds());
                values.push(time.and_then(|time| i64::try_from(time).ok()).ok_or(value)?);
            }
            (Values::Long(values), _) => {
                values.push(value.as_u64().ok_or(value)?.cast_signed());
            }
            (Values::Double(values), _) => values.push(value.as_f64().ok_or(value)?),
            (Values::Text(values), Cell::Json) => {
                values.push(value.to_string().into_bytes().into());
            }
            (Values::Text(values), _) => match value {
                Value::String(text) => values.push(text.into_bytes().into()),
                value => return Err(value),
            },
            (Values::Short(_), _) => return Err(value),
        }
        self.levels.push(1);
        Ok(())
    }

    fn write(&self, writer: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = Some(self.levels.as_slice());
        match (&self.values, writer) {
            (Values::Boolean(values), ColumnWriter::BoolColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
            }
            (Values::Short(values), ColumnWriter::Int32ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
            }
            (Values::Long(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
            }
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
            }
            _ => return Err(ParquetError::General("a column of another type".to_owned())),
        }
        Ok(())
    }
}
