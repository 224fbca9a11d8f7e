//! The JSON schema of `sensor.yaml`: what keys there are, made from the types that read them.

use std::sync::LazyLock;

use serde_json::Value;

use super::document::{self, Document, Kind};
use super::nearest::nearest;
use super::{DOCUMENTED, Sensor};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let generator = settings.into_generator();
    let mut made = generator.into_root_schema_for::<Sensor>().to_value();
    tidy(&mut made);
    made["title"] = "sensor.yaml".into();
    made["description"] = "The configuration of a Bateleur sensor.".into();
    // The documents have each key with its default, and a test holds them against the program.
    if let Some(root) = Document::of(DOCUMENTED, "").ok().and_then(|document| document.root) {
        add_defaults(&mut made, &root);
    }
    made
});

/// The schema of what this program takes: kinds of sinks that it was built without are not there.
pub(crate) fn schema() -> &'static Value {
    &SCHEMA
}

/// Nothing is not a default; the widths of numbers are not to be seen.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| {
                !(key == "default" && value.is_null() || key == "format" && value.is_string())
            });
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn add_defaults(schema: &mut Value, value: &document::Value) {
    let Kind::Map(pairs) = &value.kind else { return };
    for (key, value) in pairs {
        let about = schema.get_mut("properties").and_then(|all| all.get_mut(key));
        match (about, &value.kind) {
            (Some(about), Kind::Map(_)) => add_defaults(about, value),
            (Some(Value::Object(about)), _) => {
                let _ = about.insert("default".to_owned(), value.json());
            }
            _ => {}
        }
    }
}

/// The part of a schema and those that are possible in its place.
pub(crate) fn alternatives(schema: &Value) -> Vec<&Value> {
    let others = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema[key].as_array());
    let others = others.flatten().flat_map(alternatives);
    std::iter::once(schema).chain(others).collect()
}

/// What is said about a key of a map or an item of a list.
pub(crate) fn member<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    alternatives(schema).into_iter().find_map(|one| {
        let is_item = || name.bytes().all(|byte| byte.is_ascii_digit());
        let of = |key: &str| one.get(key).filter(|value| value.is_object());
        one["properties"]
            .get(name)
            .or_else(|| of("additionalProperties"))
            .or_else(|| of("items").filter(|_| is_item()))
    })
}

/// Names of keys that a map can have.
pub(crate) fn keys(schema: &Value) -> Vec<&str> {
    let maps = alternatives(schema).into_iter().filter_map(|one| one["properties"].as_object());
    maps.flat_map(|map| map.keys().map(String::as_str)).collect()
}

/// What a key takes, as far as it can be written on one line without YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Text or a number.
    Text,
    /// A list whose items may be words.
    Words,
    /// A list of maps.
    Maps,
    /// Anything else.
    Other,
}

/// What is said about the key at a path.
pub(super) fn at<S: AsRef<str>>(path: &[S]) -> Option<&'static Value> {
    path.iter().try_fold(schema(), |at, key| member(at, key.as_ref()))
}

/// What the key at a path takes.
pub(super) fn takes(path: &[String]) -> Takes {
    let Some(at) = at(path) else { return Takes::Other };
    let is_of = |schema: &Value, kind: &str| alternatives(schema).iter().any(|one| is(one, kind));
    let items = alternatives(at).into_iter().find_map(|one| one.get("items"));
    match items {
        Some(items) if is_of(items, "string") || is_of(items, "integer") => Takes::Words,
        Some(_) => Takes::Maps,
        None if is_of(at, "object") || is_of(at, "array") => Takes::Other,
        None if is_of(at, "string") => Takes::Text,
        None => Takes::Other,
    }
}

/// Whether a schema allows values of a kind. One that names its words allows text.
fn is(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(only) => only == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => kind == "string" && (schema.get("enum").is_some() || schema.get("const").is_some()),
    }
}

/// The path that words of a variable's name mean, in upper case with `_` for `-`.
///
/// # Errors
/// With what is wrong with one of the words, and the words that are likely meant.
pub(super) fn path_of(words: &[&str]) -> Result<Vec<String>, (String, Option<Vec<String>>)> {
    let mut at = schema();
    let mut path: Vec<String> = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let upper = |key: &str| key.to_ascii_uppercase().replace('-', "_");
        let names = keys(at);
        let known = names.iter().copied().find(|key| upper(key) == word.to_ascii_uppercase());
        let key = known.unwrap_or(word);
        // Names of variables of rules and the like are as they are written.
        match member(at, key) {
            Some(inner) if !word.is_empty() => {
                at = inner;
                path.push(key.to_owned());
            }
            _ => {
                let all: Vec<String> = names.iter().map(|key| upper(key)).collect();
                let near = nearest(&word.to_ascii_uppercase(), all.iter().map(String::as_str));
                let near = near.map(|near| {
                    let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
                    if let Some(word) = words.get_mut(number) {
                        near.clone_into(word);
                    }
                    words
                });
                let place = match path.is_empty() {
                    true => "sensor.yaml".to_owned(),
                    false => path.join("."),
                };
                let key = word.to_ascii_lowercase().replace('_', "-");
                return Err((format!("{place} has no key `{key}`"), near));
            }
        }
    }
    match path.is_empty() {
        true => Err(("it names no key".to_owned(), None)),
        false => Ok(path),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
