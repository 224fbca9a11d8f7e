//! The tables as a composable index template that OpenSearch and Elasticsearch 8 both take.
//!
//! A record must never be refused. So what the tables do not know stays in the source without
//! being indexed (`dynamic: false`), what is malformed is skipped field by field
//! (`ignore_malformed`), text too long for a term is not indexed as one (`ignore_above`), and
//! objects whose keys are data are kept but not indexed (`enabled: false`), since every key would
//! become a field, and those with dots contradict each other. Only counters, whose names are the
//! sensor's own, become fields as they come.

use serde_json::{Map, Value, json};

use crate::VERSION;
use crate::event::EVENTS;
use crate::field::{Field, Kind};

/// Longest keyword in characters: terms have up to 32766 bytes, characters up to four.
const LONGEST_KEYWORD: u32 = 8191;

/// Fields of an index: those of the tables, and counters with their differences.
const MOST_FIELDS: u32 = 5000;

/// The template, for indices called `eve-*`.
pub fn index_template() -> Value {
    let mut properties = Map::new();
    for event in EVENTS {
        merge(&mut properties, event.fields());
    }
    properties.insert("@timestamp".to_owned(), json!({ "type": "date" }));
    json!({
        "index_patterns": ["eve-*"],
        "priority": 200,
        "version": number(),
        "_meta": { "description": "EVE records", "schema": VERSION },
        "template": {
            "settings": {
                "index.mapping.ignore_malformed": true,
                "index.mapping.total_fields.limit": MOST_FIELDS,
            },
            "mappings": {
                "dynamic": false,
                "date_detection": false,
                "numeric_detection": false,
                "_meta": { "schema": VERSION },
                "dynamic_templates": [
                    { "counters": { "path_match": "stats.*", "match_mapping_type": "long", "mapping": { "type": "long" } } },
                ],
                "properties": properties,
            },
        },
    })
}

/// The version as one number that grows.
fn number() -> u32 {
    let mut parts = VERSION.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    parts.next().unwrap_or(0) * 1000 + parts.next().unwrap_or(0)
}

/// Puts fields into properties, where another type of record may have put some before.
fn merge<'f>(properties: &mut Map<String, Value>, fields: impl Iterator<Item = &'f Field>) {
    for field in fields {
        let new = mapping(field.kind);
        match (properties.get_mut(field.name), new) {
            (Some(Value::Object(known)), Value::Object(_)) if !field.kind.members().is_empty() => {
                if let Some(Value::Object(inner)) = known.get_mut("properties") {
                    merge(inner, field.kind.members().iter());
                }
            }
            (Some(_), _) => {}
            (None, new) => {
                properties.insert(field.name.to_owned(), new);
            }
        }
    }
}

fn mapping(kind: Kind) -> Value {
    match kind {
        Kind::Word | Kind::Keyword => json!({ "type": "keyword", "ignore_above": LONGEST_KEYWORD }),
        Kind::Text => json!({ "type": "text" }),
        Kind::Bytes => json!({ "type": "keyword", "index": false, "doc_values": false }),
        Kind::Unsigned(8) => json!({ "type": "short" }),
        Kind::Unsigned(16) => json!({ "type": "integer" }),
        // Numbers of 64 bits are counts and ids of 51 bits, far from the sign.
        Kind::Unsigned(_) => json!({ "type": "long" }),
        Kind::Float => json!({ "type": "double" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Ip => json!({ "type": "ip" }),
        Kind::Time => json!({
            "type": "date_nanos",
            "format": "uuuu-MM-dd'T'HH:mm:ss.SSSSSSZ||strict_date_optional_time||epoch_millis",
        }),
        Kind::Date => json!({ "type": "date" }),
        Kind::Object(fields) => object(fields, false),
        Kind::Open(fields, Kind::Counters) => object(fields, true),
        Kind::Open(fields, _) => object(fields, false),
        Kind::Counters => json!({ "type": "object", "dynamic": true }),
        Kind::Map(_) | Kind::Any => json!({ "type": "object", "enabled": false }),
        Kind::List(of) => mapping(*of),
    }
}

fn object(fields: &[Field], dynamic: bool) -> Value {
    let mut properties = Map::new();
    merge(&mut properties, fields.iter());
    json!({ "type": "object", "dynamic": dynamic, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_types_share_the_properties() {
        let template = index_template();
        let properties = &template["template"]["mappings"]["properties"];
        let at =
            |pointer: &str| properties.pointer(pointer).unwrap_or(&Value::Null)["type"].clone();
        for (pointer, kind) in [
            ("/src_ip", "ip"),
            ("/flow/properties/start", "date_nanos"),
            ("/flow/properties/src_ip", "ip"),
            ("/flow/properties/alerted", "boolean"),
            ("/http/properties/http_request_body", "keyword"),
            ("/http/properties/request_headers/properties/name", "keyword"),
            ("/dns/properties/answers/properties/soa/properties/serial", "long"),
            ("/vlan", "integer"),
            ("/tcp/properties/state", "keyword"),
        ] {
            assert_eq!(at(pointer), kind, "{pointer}");
        }
        assert_eq!(properties["stats"]["dynamic"], true);
        assert_eq!(properties["stats"]["properties"]["threads"]["enabled"], false);
        assert_eq!(properties["alert"]["properties"]["metadata"]["enabled"], false);
    }
}
