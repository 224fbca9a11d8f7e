//! The tables as one table of ClickHouse, which takes lines of `eve.json` as they are.
//!
//! One wide table, with a tuple for each object: columns of tuples are stored apart, so absent ones
//! cost next to nothing, queries use the names that EVE has (`http.status`), and a join between
//! types of record is one by `flow_id` within a table. A table for each type would need a program
//! that takes records apart. Numbers, addresses and times may be NULL, since 0 means something;
//! absent text is empty.

use std::fmt::Write as _;

use crate::VERSION;
use crate::event::EVENTS;
use crate::field::{Field, Kind};

/// Settings with which lines of `eve.json` are inserted.
pub const INSERT_SETTINGS: &[(&str, &str)] = &[
    ("date_time_input_format", "'best_effort'"),
    ("input_format_skip_unknown_fields", "1"),
    ("input_format_null_as_default", "1"),
    ("input_format_json_defaults_for_missing_elements_in_named_tuple", "1"),
    ("input_format_json_ignore_unknown_keys_in_named_tuple", "1"),
    ("input_format_json_read_objects_as_strings", "1"),
];

/// The statement that makes the table.
pub fn table() -> String {
    let columns = columns();
    let mut out = format!(
        "-- EVE records, version {VERSION} of their schema. To insert lines of eve.json:\n"
    );
    out.push_str("--     clickhouse-client --query \"INSERT INTO eve SETTINGS\n");
    for (at, (name, value)) in INSERT_SETTINGS.iter().enumerate() {
        let comma = if at + 1 < INSERT_SETTINGS.len() { "," } else { "" };
        // Writing to a string can't fail.
        let _ = writeln!(out, "--         {name} = {value}{comma}");
    }
    out.push_str("--         FORMAT JSONEachRow\" < eve.json\n");
    out.push_str("CREATE TABLE IF NOT EXISTS eve\n(\n");
    for (at, column) in columns.iter().enumerate() {
        let comma = if at + 1 < columns.len() { "," } else { "" };
        let comment = column.doc.replace('\'', "''");
        let _ = writeln!(
            out,
            "    {} {}{} COMMENT '{comment}'{comma}",
            quoted(column.name),
            column.kind(),
            codec(column)
        );
    }
    out.push_str(
        ")\nENGINE = MergeTree\nPARTITION BY toDate(timestamp)\nORDER BY (event_type, timestamp)\n\
         TTL toDateTime(timestamp) + INTERVAL 90 DAY DELETE\nSETTINGS index_granularity = 8192;\n",
    );
    out
}

/// A column, or an element of a tuple.
struct Column {
    name: &'static str,
    doc: &'static str,
    of: Type,
}

enum Type {
    Plain(Kind),
    Tuple(Vec<Column>),
    Tuples(Vec<Column>),
}

/// The fields of all types of record, each once.
fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for event in EVENTS {
        merge(&mut columns, event.fields());
    }
    columns
}

fn merge(columns: &mut Vec<Column>, fields: impl Iterator<Item = &'static Field>) {
    for field in fields {
        let at = columns.iter().position(|column| column.name == field.name);
        let at = at.unwrap_or_else(|| {
            let of = match field.kind {
                Kind::Object(_) => Type::Tuple(Vec::new()),
                Kind::List(Kind::Object(_)) => Type::Tuples(Vec::new()),
                kind => Type::Plain(kind),
            };
            columns.push(Column { name: field.name, doc: field.doc, of });
            columns.len() - 1
        });
        if let Some(Column { of: Type::Tuple(inner) | Type::Tuples(inner), .. }) =
            columns.get_mut(at)
        {
            merge(inner, field.kind.members().iter());
        }
    }
}

impl Column {
    fn kind(&self) -> String {
        match &self.of {
            Type::Plain(_) if self.name == "timestamp" => scalar(Kind::Time).to_owned(),
            Type::Plain(kind) => plain(*kind),
            Type::Tuple(columns) => tuple(columns),
            Type::Tuples(columns) => format!("Array({})", tuple(columns)),
        }
    }
}

fn tuple(columns: &[Column]) -> String {
    let elements: Vec<String> =
        columns.iter().map(|column| format!("{} {}", quoted(column.name), column.kind())).collect();
    format!("Tuple({})", elements.join(", "))
}

fn plain(kind: Kind) -> String {
    match kind {
        Kind::Word => "LowCardinality(String)".to_owned(),
        Kind::List(of) => format!("Array({})", element(*of)),
        Kind::Map(of) => format!("Map(String, {})", element(*of)),
        // Objects whose members are not known stay JSON.
        Kind::Object(_) | Kind::Open(..) | Kind::Counters | Kind::Any => "String".to_owned(),
        Kind::Keyword | Kind::Text | Kind::Bytes => "String".to_owned(),
        kind => format!("Nullable({})", scalar(kind)),
    }
}

/// An item of an array, a value of a map.
fn element(kind: Kind) -> String {
    match kind {
        Kind::List(of) => format!("Array({})", element(*of)),
        Kind::Map(of) => format!("Map(String, {})", element(*of)),
        kind => scalar(kind).to_owned(),
    }
}

const fn scalar(kind: Kind) -> &'static str {
    match kind {
        Kind::Word => "LowCardinality(String)",
        Kind::Unsigned(8) => "UInt8",
        Kind::Unsigned(16) => "UInt16",
        Kind::Unsigned(32) => "UInt32",
        Kind::Unsigned(_) => "UInt64",
        Kind::Float => "Float64",
        Kind::Boolean => "Bool",
        Kind::Ip => "IPv6",
        Kind::Time => "DateTime64(6, 'UTC')",
        Kind::Date => "DateTime64(0, 'UTC')",
        _ => "String",
    }
}

fn codec(column: &Column) -> &'static str {
    match (&column.of, column.name) {
        (_, "timestamp") => " CODEC(Delta, ZSTD(1))",
        (Type::Plain(Kind::Bytes | Kind::Text), _) => " CODEC(ZSTD(3))",
        _ => "",
    }
}

/// A name as it stands where it is a plain word, otherwise between backticks.
fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { name.to_owned() } else { format!("`{name}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_types_of_their_fields() {
        let table = table();
        let column = |name: &str| {
            let start = format!("    {name} ");
            table.lines().find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
        };
        for (name, part) in [
            ("timestamp", "timestamp DateTime64(6, 'UTC') CODEC"),
            ("src_ip", "Nullable(IPv6)"),
            ("vlan", "Array(UInt16)"),
            ("proto", "LowCardinality(String)"),
            ("http", "status Nullable(UInt16)"),
            ("http", "request_headers Array(Tuple(name String, value String))"),
            ("verdict", "`reject-target` LowCardinality(String)"),
            ("alert", "metadata Map(String, Array(String))"),
            ("alert", "context Map(String, String)"),
            ("metadata", "flowvars Array(Map(String, String))"),
            ("stats", "stats String"),
        ] {
            assert!(column(name).contains(part), "{part} in {:?}", column(name));
        }
    }
}
