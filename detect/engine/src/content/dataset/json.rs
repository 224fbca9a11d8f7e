//! Sets from JSON: a document, or an object a line.

use std::sync::Arc;

use rules::rule::{Dataset, DatasetType};
use serde_json::Value;

use super::{Filling, Kept, text};

/// Fills a set from one document: an array of objects, itself or under `array_key`.
pub(super) fn fill_document(filling: &mut Filling<'_>, spec: &Dataset, bytes: &[u8]) {
    let document: Value = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => return filling.fault(format!("can't load JSON: {error}")),
    };
    let keys = spec.array_key.as_deref().unwrap_or("");
    let Some(array) = walk(&document, keys) else {
        return filling.fault(format!("failed to get key '{keys}'"));
    };
    let Some(array) = array.as_array() else {
        return filling.fault("not an array".to_owned());
    };
    for object in array {
        add(filling, spec, object.clone());
    }
    warn_empty(filling, spec);
}

/// Fills a set from lines that are objects; a line that is not JSON ends the file.
pub(super) fn fill_lines(filling: &mut Filling<'_>, spec: &Dataset, bytes: &[u8]) {
    for line in bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice(line) {
            Ok(object) => add(filling, spec, object),
            Err(_) => {
                let line = String::from_utf8_lossy(line);
                return filling.note(format!("failed to parse line '{line}'"));
            }
        }
    }
    warn_empty(filling, spec);
}

fn warn_empty(filling: &mut Filling<'_>, spec: &Dataset) {
    if filling.added == 0 {
        let key = spec.value_key.as_deref().unwrap_or("");
        filling.fault(format!("No valid entries for key '{key}' found"));
    }
}

/// Adds the value of an object; one without it is passed over.
fn add(filling: &mut Filling<'_>, spec: &Dataset, mut object: Value) {
    let key = spec.value_key.as_deref().unwrap_or("");
    let Some(found) = walk(&object, key) else { return };
    let Some(found) = found.as_str() else {
        return filling.note("failed to get value because it is not a string".to_owned());
    };
    let value = match filling.kind {
        // JSON holds text as it is, not in base64.
        DatasetType::String => Some(found.as_bytes().to_vec()),
        kind => text::parse(kind, found.as_bytes()),
    };
    let Some(value) = value else {
        return filling.note(format!("invalid {} value '{found}'", text::name(filling.kind)));
    };
    if spec.remove_key {
        remove(&mut object, key);
    }
    let json: Arc<[u8]> = serde_json::to_vec(&object).unwrap_or_default().into();
    filling.add(value, Kept { json: Some(json), ..Kept::default() });
}

/// The member of an object that a key with dots leads to; the value itself for an empty key.
fn walk<'v>(value: &'v Value, keys: &str) -> Option<&'v Value> {
    keys.split('.').filter(|k| !k.is_empty()).try_fold(value, |v, key| v.get(key))
}

/// Takes a member out of an object; dots lead into objects in it.
fn remove(object: &mut Value, keys: &str) {
    let (path, last) = keys.rsplit_once('.').unwrap_or(("", keys));
    let mut inside = object;
    for key in path.split('.').filter(|k| !k.is_empty()) {
        let Some(next) = inside.get_mut(key) else { return };
        inside = next;
    }
    if let Some(map) = inside.as_object_mut() {
        map.remove(last);
    }
}
