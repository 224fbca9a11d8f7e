//! The constant part of a rule's alert, prepared once.

use std::collections::HashMap;

use engine::compile::Compiled;
use json::Writer;
use rules::Rule;

/// The members of an alert after `action` up to `severity`; made when the rule first alerts.
pub fn constant(compiled: &Compiled) -> &[u8] {
    compiled.prepared.get_or_init(|| {
        let mut bytes = Vec::with_capacity(256);
        write_constant(&compiled.rule, &mut bytes);
        bytes.into_boxed_slice()
    })
}

/// Writes `gid` to `severity`.
fn write_constant(rule: &Rule, bytes: &mut Vec<u8>) {
    let mut out = Writer::new(bytes);
    // The first member is preceded by the action's comma.
    out.verbatim(b",\"gid\":").verbatim(rule.gid.to_string().as_bytes());
    out.field_u64("signature_id", u64::from(rule.sid));
    out.field_u64("rev", u64::from(rule.rev));
    out.field_str("signature", &rule.msg);
    out.field_str("category", &rule.category);
    out.field_u64("severity", u64::from(rule.priority));
}

/// Writes the `metadata` of a rule: values as arrays, repeated keys newest first.
pub fn metadata(rule: &Rule, out: &mut Writer<'_>) {
    let mut keys: Vec<&str> = Vec::new();
    let mut values: HashMap<&str, Vec<&str>> = HashMap::new();
    for (key, value) in rule.metadata() {
        let list = values.entry(key).or_default();
        if list.is_empty() {
            keys.push(key);
        }
        list.push(value);
    }
    if keys.is_empty() {
        return;
    }
    out.key("metadata").open();
    for key in keys {
        out.key_text(key.as_bytes()).open_array();
        for value in values.get(key).into_iter().flatten().rev() {
            out.str(value);
        }
        out.close_array();
    }
    out.close();
}

/// Writes the references of a rule as URLs or as they are.
pub fn references(rule: &Rule, out: &mut Writer<'_>) {
    if rule.references.is_empty() {
        return;
    }
    out.key("references").open_array();
    for (prefix, value) in &rule.references {
        out.str(&format!("{prefix}{value}"));
    }
    out.close_array();
}
