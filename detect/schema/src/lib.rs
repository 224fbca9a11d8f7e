//! What EVE records hold: every field with its type, and what other systems make of it.
//!
//! The tables in `event/` are the one source. From them come a JSON Schema, an index template for
//! OpenSearch and Elasticsearch, a list of names in the Elastic Common Schema, and a table for
//! ClickHouse; and [`check`] holds a record against them.
#![forbid(unsafe_code)]

mod check;
pub mod clickhouse;
mod ecs;
mod event;
pub mod field;
mod fields;
mod index_template;
mod json_schema;
pub mod lock;
mod twins;

pub use check::{Violation, check, check_line};
pub use ecs::ecs;
pub use event::{EVENTS, Event, event};
pub use fields::{Leaf, fields, leaves};
pub use index_template::index_template;
pub use json_schema::{json_schema, json_schema_of_all};

/// Version of what the tables say. The second number rises when fields are added, the first when
/// one goes, changes its type, or is no longer always there; the test of `schema.lock` insists.
pub const VERSION: &str = "1.2";

/// The files in `deploy/schema/` with their contents.
pub fn files() -> [(&'static str, String); 4] {
    let pretty = |value| format!("{value:#}\n");
    [
        ("eve.schema.json", pretty(json_schema_of_all())),
        ("index-template.json", pretty(index_template())),
        ("ecs.tsv", ecs(None)),
        ("clickhouse.sql", clickhouse::table()),
    ]
}
