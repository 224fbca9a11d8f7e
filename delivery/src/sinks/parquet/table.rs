//! The columns of a type of record: what all types have, then what the schema says of this one.

use std::collections::HashMap;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use schema::field::{Field, Kind};

/// Numbers of a record that stand beside it, and what has no column.
pub(super) const SENSOR: &str = "sensor";
pub(super) const WORKER: &str = "worker";
pub(super) const SEQUENCE: &str = "sequence";
pub(super) const OTHER: &str = "other";

/// In records of all types, in this order, so that queries over several types find them.
const SHARED: &[(&str, Cell)] = &[
    (SENSOR, Cell::Text),
    (WORKER, Cell::Unsigned(16)),
    (SEQUENCE, Cell::Unsigned(64)),
    ("timestamp", Cell::Time),
    ("flow_id", Cell::Unsigned(64)),
    ("event_type", Cell::Text),
    ("src_ip", Cell::Text),
    ("src_port", Cell::Unsigned(16)),
    ("dest_ip", Cell::Text),
    ("dest_port", Cell::Unsigned(16)),
    ("proto", Cell::Text),
    ("app_proto", Cell::Text),
    ("community_id", Cell::Text),
];

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text,
    /// Text that is JSON: arrays, and objects whose keys are data.
    Json,
    Unsigned(u8),
    Float,
    Boolean,
    /// Microseconds since 1970, UTC.
    Time,
}

/// Where a member of an object goes.
#[derive(Debug)]
pub(super) enum Place {
    /// The column of this number.
    Column(usize),
    Group(Group),
}

/// Members by their name.
pub(super) type Group = HashMap<&'static str, Place>;

/// The columns of a type of record.
#[derive(Debug)]
pub(super) struct Table {
    /// Types of the columns, in order.
    pub(super) cells: Vec<Cell>,
    pub(super) members: Group,
    pub(super) schema: TypePtr,
}

/// A column or group, before it has a number.
struct Member {
    name: &'static str,
    shape: Shape,
}

enum Shape {
    Column(Cell),
    Group(Vec<Member>),
}

impl Table {
    /// That of a type of record; of one that the schema does not know, what all have.
    pub(super) fn new(event_type: &str) -> Result<Self, ParquetError> {
        let column =
            |(name, cell): &(&'static str, Cell)| Member { name, shape: Shape::Column(*cell) };
        let mut members: Vec<Member> = SHARED.iter().map(column).collect();
        if let Some(event) = schema::event(event_type) {
            for field in event.fields() {
                let is_new = members.iter().all(|member| member.name != field.name);
                if is_new && field.name != OTHER {
                    members.push(member(field));
                }
            }
        }
        members.push(Member { name: OTHER, shape: Shape::Column(Cell::Json) });
        let mut cells = Vec::new();
        let (fields, places) = place(members, &mut cells)?;
        let schema = Arc::new(Type::group_type_builder("record").with_fields(fields).build()?);
        Ok(Self { cells, members: places, schema })
    }

    /// The number of a column that all tables have.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        match self.members.get(name) {
            Some(Place::Column(at)) => Some(*at),
            _ => None,
        }
    }
}

fn member(field: &Field) -> Member {
    Member { name: field.name, shape: shape(field.kind) }
}

fn shape(kind: Kind) -> Shape {
    Shape::Column(match kind {
        Kind::Object(fields) | Kind::Open(fields, _) if !fields.is_empty() => {
            return Shape::Group(fields.iter().map(member).collect());
        }
        Kind::Word | Kind::Keyword | Kind::Text | Kind::Bytes | Kind::Ip | Kind::Date => Cell::Text,
        Kind::Unsigned(bits) => Cell::Unsigned(bits),
        Kind::Float => Cell::Float,
        Kind::Boolean => Cell::Boolean,
        Kind::Time => Cell::Time,
        Kind::Object(_) | Kind::Open(..) => Cell::Json,
        Kind::Map(_) | Kind::Counters | Kind::List(_) | Kind::Any => Cell::Json,
    })
}

/// Numbers columns in the order in which the file has them.
fn place(
    members: Vec<Member>,
    cells: &mut Vec<Cell>,
) -> Result<(Vec<TypePtr>, Group), ParquetError> {
    let (mut fields, mut places) = (Vec::new(), Group::new());
    for Member { name, shape } in members {
        let (field, at) = match shape {
            Shape::Column(cell) => {
                cells.push(cell);
                (primitive(name, cell)?, Place::Column(cells.len() - 1))
            }
            Shape::Group(members) => {
                let (fields, group) = place(members, cells)?;
                // The group itself is always there: then only leaves can be absent, and a
                // column's levels are 0 and 1.
                let builder = Type::group_type_builder(name);
                let builder = builder.with_repetition(Repetition::REQUIRED);
                (builder.with_fields(fields).build()?, Place::Group(group))
            }
        };
        fields.push(Arc::new(field));
        places.insert(name, at);
    }
    Ok((fields, places))
}

fn primitive(name: &str, cell: Cell) -> Result<Type, ParquetError> {
    let integer = |bits: u8| {
        let bits = i8::try_from(bits).unwrap_or(64);
        Some(LogicalType::integer(bits, false))
    };
    let (physical, logical) = match cell {
        Cell::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Cell::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        Cell::Unsigned(64) => (Physical::INT64, integer(64)),
        Cell::Unsigned(bits) => (Physical::INT32, integer(bits)),
        Cell::Float => (Physical::DOUBLE, None),
        Cell::Boolean => (Physical::BOOLEAN, None),
        Cell::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_record_has_a_table() {
        for event in schema::EVENTS {
            let table = Table::new(event.name).unwrap();
            assert_eq!(table.column(SENSOR), Some(0), "{}", event.name);
            assert_eq!(table.column(OTHER), Some(table.cells.len() - 1), "{}", event.name);
        }
        assert_eq!(Table::new("unheard").unwrap().cells.len(), SHARED.len() + 1);
    }

    #[test]
    fn shared_columns_have_the_types_of_the_schema() {
        for event in schema::EVENTS {
            for field in event.fields() {
                let Some((_, cell)) = SHARED.iter().find(|(name, _)| *name == field.name) else {
                    continue;
                };
                let Shape::Column(of) = shape(field.kind) else { panic!("{}", field.name) };
                assert_eq!(*cell, of, "{} of {}", field.name, event.name);
            }
        }
    }

    #[test]
    fn columns_have_types() {
        let table = Table::new("http").unwrap();
        let mut text = Vec::new();
        parquet::schema::printer::print_schema(&mut text, &table.schema);
        let text = String::from_utf8(text).unwrap();
        for line in [
            "OPTIONAL INT64 timestamp (TIMESTAMP(MICROS,true));",
            "OPTIONAL INT32 src_port (INTEGER(16,false));",
            "OPTIONAL INT64 flow_id (INTEGER(64,false));",
            "REQUIRED group http {",
            "OPTIONAL BYTE_ARRAY hostname (STRING);",
            "OPTIONAL BYTE_ARRAY request_headers (JSON);",
            "OPTIONAL BYTE_ARRAY vlan (JSON);",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
