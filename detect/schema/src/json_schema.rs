//! The tables as JSON Schema, draft 2020-12.

use serde_json::{Map, Value, json};

use crate::VERSION;
use crate::event::{EVENTS, Event};
use crate::field::{Field, Kind};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of one type of record.
pub fn json_schema(event: &Event) -> Value {
    let mut schema = record(event);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".to_owned(), json!(DRAFT));
        members.insert("$id".to_owned(), json!(id(event.name)));
        members.insert("$defs".to_owned(), definitions());
    }
    schema
}

/// The schema of a line of `eve.json`, whatever its type.
pub fn json_schema_of_all() -> Value {
    let names: Vec<&str> = EVENTS.iter().map(|event| event.name).collect();
    let choices: Vec<Value> = EVENTS
        .iter()
        .map(|event| {
            json!({
                "if": { "properties": { "event_type": { "const": event.name } } },
                "then": { "$ref": format!("#/$defs/{}", event.name) },
            })
        })
        .collect();
    let mut defs = definitions();
    if let Value::Object(members) = &mut defs {
        for event in EVENTS {
            members.insert(event.name.to_owned(), record(event));
        }
    }
    json!({
        "$schema": DRAFT,
        "$id": id("eve"),
        "title": "EVE record",
        "description": format!("A line of eve.json; version {VERSION} of its schema."),
        "type": "object",
        "required": ["event_type"],
        "properties": { "event_type": { "enum": names } },
        "allOf": choices,
        "$defs": defs,
    })
}

fn id(name: &str) -> String {
    format!("urn:bateleur:eve:{VERSION}:{name}")
}

/// What tables cannot say in one place: counters have groups of counters.
fn definitions() -> Value {
    json!({
        "counters": {
            "anyOf": [
                { "type": "integer" },
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/counters" } },
            ],
        },
    })
}

fn record(event: &Event) -> Value {
    let mut schema = object(event.fields(), Some(json!(false)));
    if let Value::Object(members) = &mut schema {
        members.insert("title".to_owned(), json!(event.name));
        members.insert("description".to_owned(), json!(event.doc));
        if let Some(Value::Object(own)) =
            members.get_mut("properties").and_then(|p| p.get_mut("event_type"))
        {
            own.insert("const".to_owned(), json!(event.name));
        }
    }
    schema
}

fn object<'f>(fields: impl Iterator<Item = &'f Field> + Clone, rest: Option<Value>) -> Value {
    let mut properties = Map::new();
    for field in fields.clone() {
        let mut schema = value(field.kind);
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), json!(field.doc));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    let required: Vec<&str> = fields.filter(|field| field.always).map(|field| field.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if let Some(rest) = rest {
        schema["additionalProperties"] = rest;
    }
    schema
}

fn value(kind: Kind) -> Value {
    match kind {
        Kind::Word | Kind::Keyword | Kind::Text => json!({ "type": "string" }),
        Kind::Bytes => json!({
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        }),
        Kind::Unsigned(bits) => {
            let most = u64::MAX.checked_shr(64 - u32::from(bits.clamp(1, 64))).unwrap_or(0);
            json!({ "type": "integer", "minimum": 0, "maximum": most })
        }
        Kind::Float => json!({ "type": "number" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Ip => json!({
            "type": "string",
            "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }],
        }),
        Kind::Time => json!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}[+-][0-9]{4}$",
        }),
        Kind::Date => json!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$",
        }),
        Kind::Object(fields) => object(fields.iter(), Some(json!(false))),
        Kind::Open(fields, rest) => object(fields.iter(), Some(value(*rest))),
        Kind::Map(of) => json!({ "type": "object", "additionalProperties": value(*of) }),
        Kind::Counters => json!({ "$ref": "#/$defs/counters" }),
        Kind::List(of) => json!({ "type": "array", "items": value(*of) }),
        Kind::Any => json!({}),
    }
}
