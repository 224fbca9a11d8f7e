//! The whole configuration in force: defaults, file and environment in one tree.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::document::{Document, Kind, Origin, Value, below};
use super::masked::{HIDDEN, is_secret, names_a_secret, without_users};
use super::reload::{self, Reload};
use super::schema;
use super::{DEFAULTS, DOCUMENTED, Sensor};

/// A key whose value is not the same in two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: String,
    /// What it was and where that was said; none: it was not set.
    pub(crate) before: Option<(String, String)>,
    pub(crate) after: Option<(String, String)>,
    pub(crate) reload: Reload,
}

impl Sensor {
    /// What it says, with the defaults of all else.
    pub(crate) fn effective(&self) -> Document {
        let mut all = defaults();
        if let Some(own) = &self.document.root {
            merge(&mut all, own);
        }
        if self.networks.home.is_empty()
            && let Some(home) = defaults().get("networks.home")
        {
            let path = ["networks".to_owned(), "home".to_owned()];
            // There is a map of this name.
            let _ = all.put(&path, home.clone());
        }
        let mut document = Document { file: self.document.file.clone(), root: Some(all) };
        // What follows from other keys is said where these are.
        if self.document.get("capture.af-xdp.ring").is_some()
            && self.document.get("capture.af-xdp.chunks").is_none()
        {
            document.remove("capture.af-xdp.chunks");
        }
        if self.inline
            && self.document.get("events.records").is_none()
            && let Some(root) = &mut document.root
            && let Some(Kind::List(records)) = root.get("events.records").map(|v| v.kind.clone())
        {
            let place = records.len().to_string();
            let path = ["events".to_owned(), "records".to_owned(), place];
            // The end of a list is a place in it.
            let _ = root.put(&path, Value::word("drop", Origin::Default));
        }
        if let Some(root) = &mut document.root {
            complete(root, schema::schema());
        }
        document
    }
}

/// Defaults alone.
fn defaults() -> Value {
    let read = |text| Document::of(text, "").ok().and_then(|document| document.root);
    let mut all = read(DOCUMENTED).unwrap_or_default().from(&Origin::Default);
    let built_in = read(DEFAULTS).unwrap_or_default().from(&Origin::Default);
    for (group, name) in [("address-groups", "addresses"), ("port-groups", "ports")] {
        let Some(Value { kind: Kind::Map(pairs), .. }) = built_in.get(&format!("vars.{group}"))
        else {
            continue;
        };
        for (variable, value) in pairs.iter().filter(|(variable, _)| variable != "HOME_NET") {
            let path = ["networks".to_owned(), name.to_owned(), variable.clone()];
            let mut value = value.clone();
            if let Kind::Scalar { is_plain, .. } = &mut value.kind {
                *is_plain = false;
            }
            // Both are maps.
            let _ = all.put(&path, value);
        }
    }
    all
}

/// Puts what is said over what is there; nothing said leaves it.
fn merge(into: &mut Value, own: &Value) {
    if own.is_null() {
        return;
    }
    match (&mut into.kind, &own.kind) {
        (Kind::Map(all), Kind::Map(pairs)) => {
            for (key, value) in pairs {
                match all.iter_mut().find(|(known, _)| known == key) {
                    Some((_, known)) => merge(known, value),
                    None if value.is_null() => {}
                    None => all.push((key.clone(), value.clone())),
                }
            }
            into.origin = own.origin.clone();
        }
        _ => *into = own.clone(),
    }
}

/// Adds the defaults of keys that the schema knows, in maps that are there.
fn complete(value: &mut Value, schema: &Json) {
    match &mut value.kind {
        Kind::Map(pairs) => {
            for (key, value) in pairs.iter_mut() {
                if let Some(schema) = schema::member(schema, key) {
                    complete(value, schema);
                }
            }
            for one in schema::alternatives(schema) {
                for (key, about) in one["properties"].as_object().into_iter().flatten() {
                    let default = word(&about["default"]);
                    if let Some(default) = default.filter(|_| !pairs.iter().any(|(k, _)| k == key))
                    {
                        pairs.push((key.clone(), default));
                    }
                }
            }
        }
        Kind::List(items) => {
            if let Some(schema) = schema::member(schema, "0") {
                items.iter_mut().for_each(|item| complete(item, schema));
            }
        }
        Kind::Scalar { .. } => {}
    }
}

/// A default of the schema, if it says anything.
fn word(json: &Json) -> Option<Value> {
    let plain = |text: String| Kind::Scalar { text, is_plain: true };
    let kind = match json {
        Json::Bool(_) | Json::Number(_) => plain(json.to_string()),
        Json::String(text) if !text.is_empty() => {
            return Some(Value::word(text.clone(), Origin::Default));
        }
        _ => return None,
    };
    Some(Value { kind, ..Value::default() })
}

/// The same without secrets; it still is a configuration.
pub(crate) fn masked(value: &Value) -> Value {
    fn hide(value: &mut Value, path: &str) {
        match &mut value.kind {
            // No secret is a yes or no: `shunt.pass` is one.
            Kind::Scalar { text, is_plain }
                if is_secret(path) && !(*is_plain && is_truth(text)) =>
            {
                HIDDEN.clone_into(text);
                *is_plain = false;
            }
            Kind::Scalar { text, .. } => *text = without_users(text),
            Kind::List(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    hide(item, &below(path, &at.to_string()));
                }
            }
            Kind::Map(pairs) => {
                pairs.iter_mut().for_each(|(key, value)| hide(value, &below(path, key)));
            }
        }
    }
    let mut shown = value.clone();
    hide(&mut shown, "");
    shown
}

/// Whether this is a secret, and not a yes or no below a key that is called like one.
pub(super) fn is_hidden(path: &str, value: &Value) -> bool {
    let is_switch = matches!(&value.kind, Kind::Scalar { text, is_plain: true } if is_truth(text));
    is_secret(path) && !is_switch
}

fn is_truth(text: &str) -> bool {
    matches!(text, "true" | "false")
}

/// Whether a key names a file that has a secret in it.
pub(crate) fn is_secret_file(path: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or(path);
    let is_named = key.strip_suffix("-file").is_some_and(names_a_secret);
    is_named || !is_secret(path) && path.split('.').any(names_a_secret)
}

/// A value of another configuration than `sensor.yaml` as it may be shown. In that, `header` is a
/// part of names of keys that are no secrets.
pub(crate) fn masked_foreign(path: &str, value: &Value) -> String {
    let text = value.to_string();
    let parts: Vec<&str> = path.split('.').collect();
    let is_secret = parts.iter().enumerate().any(|(at, part)| {
        let of_headers = *part == "headers" && at + 1 < parts.len();
        names_a_secret(part) && (of_headers || !part.contains("header"))
    });
    match is_secret && !is_truth(&text) {
        true => HIDDEN.to_owned(),
        false => without_users(&text),
    }
}

/// What is in force in a sensor that was started by one configuration and has taken over of another
/// one what it can.
pub(crate) fn in_force(start: &Document, wanted: &Document) -> Document {
    let mut document = start.clone();
    let mut keys: Vec<_> = reload::KEYS.iter().collect();
    // What is further down is another word about a part of what is above it.
    keys.sort_by_key(|(key, ..)| key.len());
    for (key, reload, _) in keys {
        let from = if *reload == Reload::Restart { start } else { wanted };
        let path: Vec<String> = key.split('.').map(ToOwned::to_owned).collect();
        match (from.get(key), &mut document.root) {
            // Sections are maps: there is nothing else on the way.
            (Some(value), Some(root)) => drop(root.put(&path, value.clone())),
            _ => drop(document.remove(key)),
        }
    }
    document
}

/// Keys that nobody set and that have no default, in sections that are there.
pub(crate) fn unset(value: &Value) -> Vec<String> {
    fn look(value: &Value, schema: &Json, path: &str, found: &mut Vec<String>) {
        let Kind::Map(pairs) = &value.kind else { return };
        for key in schema::keys(schema) {
            let path = below(path, key);
            match (pairs.iter().find(|(known, _)| known == key), schema::member(schema, key)) {
                (Some((_, value)), Some(schema)) => look(value, schema, &path, found),
                (None, _) => found.push(path),
                (Some(_), None) => {}
            }
        }
    }
    let mut found = Vec::new();
    look(value, schema::schema(), "", &mut found);
    found
}

/// Values by their keys; a list of words is one.
fn flat(document: &Document) -> BTreeMap<String, (String, String)> {
    fn look(
        value: &Value,
        path: &str,
        document: &Document,
        all: &mut BTreeMap<String, (String, String)>,
    ) {
        match &value.kind {
            Kind::Map(pairs) if !pairs.is_empty() => {
                pairs.iter().for_each(|(key, value)| look(value, &below(path, key), document, all));
            }
            Kind::List(items)
                if items.iter().any(|item| !matches!(item.kind, Kind::Scalar { .. })) =>
            {
                for (at, item) in items.iter().enumerate() {
                    look(item, &below(path, &at.to_string()), document, all);
                }
            }
            _ => {
                let _ =
                    all.insert(path.to_owned(), (value.to_string(), document.name(&value.origin)));
            }
        }
    }
    let mut all = BTreeMap::new();
    if let Some(root) = &document.root {
        look(root, "", document, &mut all);
    }
    all
}

/// What is not the same in two trees that have all keys.
pub(crate) fn changes(before: &Document, after: &Document) -> Vec<Change> {
    let (mut old, new) = (flat(before), flat(after));
    let mut changes: Vec<Change> = Vec::new();
    for (path, (value, place)) in new {
        let known = old.remove(&path);
        if known.as_ref().is_none_or(|(known, _)| *known != value) {
            let reload = reload::of(&path);
            changes.push(Change { path, before: known, after: Some((value, place)), reload });
        }
    }
    for (path, known) in old {
        let reload = reload::of(&path);
        changes.push(Change { path, before: Some(known), after: None, reload });
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

impl Change {
    /// Without secrets.
    pub(crate) fn masked(&self) -> Self {
        let is_secret = is_secret(&self.path);
        let hide = |side: &Option<(String, String)>| {
            side.clone().map(|(value, place)| match is_secret && !is_truth(&value) {
                true => (HIDDEN.to_owned(), place),
                false => (without_users(&value), place),
            })
        };
        Self { before: hide(&self.before), after: hide(&self.after), ..self.clone() }
    }
}
