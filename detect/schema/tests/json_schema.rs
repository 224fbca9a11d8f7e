//! The JSON Schema says what `check` says, of records that are right and of records that are not.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may unwrap like the tests")]

use jsonschema::Validator;
use serde_json::{Value, json};

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// A value that is as a property's schema says, all that may be there present.
fn example(schema: &Value) -> Value {
    if let Some(of) = schema["$ref"].as_str() {
        assert_eq!(of, "#/$defs/counters");
        return json!({ "group": { "counter": 1 } });
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let mut object = json!({});
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                object[name.as_str()] = example(property);
            }
            if schema["additionalProperties"].is_object() {
                object["free"] = example(&schema["additionalProperties"]);
            }
            object
        }
        Some("array") => json!([example(&schema["items"])]),
        Some("integer") => schema["maximum"].clone(),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("string") if schema.get("anyOf").is_some() => json!("2001:0db8::1"),
        Some("string") => match schema["pattern"].as_str() {
            None => json!("text"),
            Some(pattern) if pattern.contains("A-Z") => json!("YWI="),
            Some(pattern) if pattern.contains("{6}") => json!("2026-11-21T16:15:06.798878+0000"),
            Some(_) => json!("2026-11-21T16:15:06"),
        },
        _ => json!(null),
    }
}

/// Pointers to all values in a record.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let at = format!("{at}/{name}");
                found.push(at.clone());
                places(member, &at, found);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn schema_and_check_agree() {
    let whole = validator(&schema::json_schema_of_all());
    let mut refused = 0;
    for event in schema::EVENTS {
        let text = schema::json_schema(event);
        let one = validator(&text);
        let full = example(&text);
        let agree = |record: &Value, why: &str| {
            let found = schema::check(record);
            let good = found.is_empty();
            assert_eq!(one.is_valid(record), good, "{} {why}: {found:?}", event.name);
            assert_eq!(whole.is_valid(record), good, "{} {why}: {found:?}", event.name);
            good
        };
        assert!(agree(&full, "with everything"));
        let mut pointers = Vec::new();
        places(&full, "", &mut pointers);
        for pointer in pointers {
            let wrong = [
                json!({ "other": "x" }),
                json!("x"),
                json!(-1),
                json!(1.25),
                json!([null]),
                json!(null),
            ];
            for value in wrong {
                let mut record = full.clone();
                *record.pointer_mut(&pointer).unwrap() = value;
                refused += usize::from(!agree(&record, &pointer));
            }
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let mut record = full.clone();
            let Value::Object(members) = record.pointer_mut(parent).unwrap() else { continue };
            let value = members.remove(name).unwrap();
            agree(&record, &format!("without {pointer}"));
            record.pointer_mut(parent).unwrap()[format!("{name}-other")] = value;
            agree(&record, &format!("with another name for {pointer}"));
        }
    }
    assert!(refused > 1000, "only {refused} records were refused");
}
