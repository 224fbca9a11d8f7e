//! Environment variables that say what `sensor.yaml` would: `BATELEUR__EVENTS__COMMUNITY_ID=0`.
//!
//! A value is what the key takes: text stands as it is, a list is `a,b` or YAML's `[a, b]`, all else is
//! YAML. Other variables whose names begin with `BATELEUR_` are the environment's own: two underscores
//! are what tells these, so that each of them is either a key or a mistake.

use super::document::{Document, Kind, Origin, Value};
use super::schema::{self, Takes};

/// What all of them begin with.
pub(crate) const PREFIX: &str = "BATELEUR__";

/// A variable: its name, the path of its key, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    value: Value,
}

/// Longer names are not tried.
const MOST_PARTS: usize = 9;

/// Those of this process.
pub(crate) fn variables() -> Vec<(String, String)> {
    let all = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    let mut all: Vec<_> = all.collect();
    // What is nearer to the root is said first, and items by their numbers, whatever order the
    // environment has.
    all.sort_by_cached_key(|(name, _)| order(name));
    all
}

/// Words of a name, numbers by their value.
fn order(name: &str) -> Vec<(Option<u64>, String)> {
    name.split("__").map(|word| (word.parse().ok(), word.to_owned())).collect()
}

impl Variable {
    /// What a variable says.
    ///
    /// # Errors
    /// With what is wrong with its name or its value.
    pub(crate) fn read(name: &str, value: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("environment variable {name}: {what}");
        let words: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or(name).split("__").collect();
        let path = schema::path_of(&words).map_err(|(what, near)| {
            let near = near.map(|words| format!(": did you mean {PREFIX}{}?", words.join("__")));
            wrong(format!("{what}{}", near.unwrap_or_default()))
        })?;
        if value.trim().is_empty() {
            return Err(wrong("it has no value".to_owned()));
        }
        let value = match schema::takes(&path) {
            Takes::Text => text(value),
            Takes::Words => list(value).map_err(wrong)?,
            Takes::Maps => maps(value, name).map_err(wrong)?,
            Takes::Other => yaml(value).map_err(wrong)?,
        };
        let origin = Origin::Variable(name.to_owned());
        Ok(Self { name: name.to_owned(), path, value: value.from(&origin) })
    }

    /// Puts it over what is there.
    ///
    /// # Errors
    /// When there is no such place.
    pub(crate) fn apply(&self, document: &mut Document) -> Result<(), String> {
        let wrong = |why| format!("environment variable {}: {why}", self.name);
        let root = document.root.get_or_insert_default();
        // An item may be the first of a list that nobody has begun.
        for (at, _) in self.path.iter().enumerate().skip(1) {
            let (list, _) = self.path.split_at(at);
            let is_there = root.get(&list.join(".")).is_some_and(|value| !value.is_null());
            if !is_there && matches!(schema::takes(list), Takes::Words | Takes::Maps) {
                let empty = Value {
                    kind: Kind::List(Vec::new()),
                    origin: self.value.origin.clone(),
                    ..Value::default()
                };
                root.put(list, empty).map_err(wrong)?;
            }
        }
        root.put(&self.path, self.value.clone()).map_err(wrong)
    }
}

/// Text as it is but for blanks around it, or in quotes as YAML has it.
fn text(value: &str) -> Value {
    let value = value.trim();
    let read = Document::of(value, "").ok().and_then(|document| document.root);
    let in_quotes = value.starts_with(['"', '\'']);
    match read {
        // A number, or a word without signs: what it stands for is for the key to say.
        Some(read) if in_quotes && matches!(read.kind, Kind::Scalar { .. }) => read,
        Some(Value { kind: Kind::Scalar { text, is_plain: true }, .. }) if text == value => {
            Value { kind: Kind::Scalar { text, is_plain: true }, ..Value::default() }
        }
        _ => Value::word(value, Origin::Default),
    }
}

/// Words behind commas, or a list of YAML.
fn list(value: &str) -> Result<Value, String> {
    if is_yaml(value) {
        return yaml(value);
    }
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    if words.iter().any(|word| word.is_empty()) {
        return Err("an item is empty: write items as a,b or as [a, b]".to_owned());
    }
    let items = words.into_iter().map(text).collect();
    Ok(Value { kind: Kind::List(items), ..Value::default() })
}

/// A list of YAML: there is no other way to write maps on one line.
fn maps(value: &str, name: &str) -> Result<Value, String> {
    match is_yaml(value) {
        true => yaml(value),
        false => Err(format!(
            "it is a list of maps: write [{{key: value}}], or a variable such as {name}__0__KEY for \
             each value"
        )),
    }
}

/// Looks as a list or map of YAML does; `[::]:9464` is neither.
fn is_yaml(value: &str) -> bool {
    let value = value.trim();
    let is_between = |begin, end| value.starts_with(begin) && value.ends_with(end);
    is_between('[', ']') || is_between('{', '}') || value.starts_with("- ")
}

fn yaml(value: &str) -> Result<Value, String> {
    let document = Document::of(value, "").map_err(|why| {
        // The value is not repeated: it may be a secret.
        let why = why.lines().next().unwrap_or_default().to_owned();
        format!("{why}; its value is YAML: put quotes around text with signs")
    })?;
    document.root.ok_or_else(|| "it has no value".to_owned())
}

/// Variables that look as if they were meant, but have too few underscores in front.
pub(crate) fn missed() -> Vec<(String, String)> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter_map(|name| meant(&name).map(|meant| (name, meant))).collect()
}

fn meant(name: &str) -> Option<String> {
    let rest = name.strip_prefix("BATELEUR_").filter(|rest| !rest.starts_with('_'))?;
    let parts: Vec<&str> = rest.split('_').filter(|part| !part.is_empty()).collect();
    if parts.len() < 2 || parts.len() > MOST_PARTS {
        return None;
    }
    // Each underscore may be one of a name, or stand between two.
    (0..1usize << (parts.len() - 1)).rev().find_map(|ways| {
        let mut words = vec![String::new()];
        for (at, part) in parts.iter().enumerate() {
            let begins = at > 0 && ways >> (at - 1) & 1 == 1;
            match words.last_mut() {
                Some(word) if !begins => {
                    let between = if word.is_empty() { "" } else { "_" };
                    word.push_str(&format!("{between}{part}"));
                }
                _ => words.push((*part).to_owned()),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let is_key = words.len() > 1 && schema::path_of(&words).is_ok();
        is_key.then(|| format!("{PREFIX}{}", words.join("__")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths() {
        let check = |name: &str, expected: &str| {
            let read = Variable::read(name, "1").unwrap();
            assert_eq!(read.path.join("."), expected);
        };
        check("BATELEUR__EVENTS__COMMUNITY_ID", "events.community-id");
        check("BATELEUR__CAPTURE__AF_XDP__RING", "capture.af-xdp.ring");
        check("BATELEUR__NAME", "name");
        check("BATELEUR__NETWORKS__PORTS__HTTP_PORTS", "networks.ports.HTTP_PORTS");
        check("BATELEUR__EVENTS__VOLUME__SAMPLE__dns", "events.volume.sample.dns");
        check(
            "BATELEUR__EVENTS__SINKS__0__REDIS__PASSWORD_FILE",
            "events.sinks.0.redis.password-file",
        );
        check("BATELEUR__CAPTURE__INTERFACES__1__QUEUES", "capture.interfaces.1.queues");
    }

    #[test]
    fn unknown_names_are_refused_with_the_likely_one() {
        let check = |name: &str, value: &str, expected: &str| {
            let said = Variable::read(name, value).unwrap_err();
            assert_eq!(said, format!("environment variable {name}: {expected}"));
        };
        check(
            "BATELEUR__EVENTS__COMUNITY_ID",
            "0",
            "events has no key `comunity-id`: did you mean BATELEUR__EVENTS__COMMUNITY_ID?",
        );
        check("BATELEUR__XYZZY__A", "0", "sensor.yaml has no key `xyzzy`");
        check("BATELEUR__", "0", "sensor.yaml has no key ``");
        check("BATELEUR__NAME__X", "0", "name has no key `x`");
        check("BATELEUR__NAME", "", "it has no value");
        check(
            "BATELEUR__RULES__FILES",
            "a,,b",
            "an item is empty: write items as a,b or as [a, b]",
        );
        check(
            "BATELEUR__EVENTS__SINKS",
            "redis",
            "it is a list of maps: write [{key: value}], or a variable such as \
             BATELEUR__EVENTS__SINKS__0__KEY for each value",
        );
    }

    #[test]
    fn values_are_what_the_key_takes() {
        let check = |name: &str, value: &str, expected: &str| {
            let read = Variable::read(name, value).unwrap();
            assert_eq!(read.value.to_string(), expected, "{name}={value}");
        };
        for (value, expected) in [
            ("eth1", "[eth1]"),
            ("eth1,eth2", "[eth1, eth2]"),
            (" eth1 , eth2 ", "[eth1, eth2]"),
            ("[eth1, eth2]", "[eth1, eth2]"),
            ("[eth1, {name: eth2}]", "[eth1, {name: eth2}]"),
            ("- eth1\n- eth2\n", "[eth1, eth2]"),
            ("[]", "[]"),
        ] {
            check("BATELEUR__CAPTURE__INTERFACES", value, expected);
        }
        check("BATELEUR__RULES__FILES", "*.rules,a/*.rules", "[\"*.rules\", a/*.rules]");
        check(
            "BATELEUR__NETWORKS__HOME",
            "10.0.0.0/8,!10.1.0.0/16",
            "[10.0.0.0/8, \"!10.1.0.0/16\"]",
        );
        check("BATELEUR__EVENTS__RECORDS", "alert,dns", "[alert, dns]");
        check("BATELEUR__METRICS__LISTEN", "127.0.0.1:9464", "[127.0.0.1:9464]");
        check("BATELEUR__METRICS__LISTEN", "[::]:9464", "[\"[::]:9464\"]");
        // Text needs no quotes of YAML, and may have them.
        let word = "BATELEUR__EVENTS__SINKS__0__REDIS__PASSWORD";
        check(word, "a #b: !c", "\"a #b: !c\"");
        check(word, "!hunter2", "\"!hunter2\"");
        check(word, "{hunter2", "\"{hunter2\"");
        check(word, "\"a b\"", "a b");
        check(word, "12", "12");
        check("BATELEUR__NETWORKS__ADDRESSES__DMZ", "!$HOME_NET", "\"!$HOME_NET\"");
        check("BATELEUR__EVENTS__PAYLOAD", "true", "true");
        check("BATELEUR__CAPTURE", "{workers: 2}", "{workers: 2}");
        check("BATELEUR__EVENTS__SINKS", "[{stdout: {}}]", "[{stdout: {}}]");
    }

    #[test]
    fn items_are_put_into_lists_that_nobody_began() {
        let mut variables = [
            "BATELEUR__EVENTS__SINKS__10__STDOUT",
            "BATELEUR__EVENTS__SINKS__2__STDOUT",
            "BATELEUR__EVENTS__SINKS",
        ];
        variables.sort_by_cached_key(|name| order(name));
        assert!(variables[1].contains("__2__"), "{variables:?}");
        let check = |pairs: &[(&str, &str)], expected: &str| {
            let mut document = Document::of("name: a\n", "gate.yaml").unwrap();
            for (name, value) in pairs {
                Variable::read(name, value).unwrap().apply(&mut document).unwrap();
            }
            assert_eq!(document.text().0, format!("name: a\n{expected}"));
            super::super::Sensor::built(document).map(|_| ()).map_err(|_| ()).unwrap();
        };
        check(
            &[
                ("BATELEUR__EVENTS__SINKS__0__REDIS__SERVER", "redis:6379"),
                ("BATELEUR__EVENTS__SINKS__0__REDIS__PASSWORD", "x"),
                ("BATELEUR__EVENTS__SINKS__1__STDOUT", "{}"),
            ],
            "events:\n  sinks:\n    - redis:\n        server: redis:6379\n        password: x\n\
             \u{20}   - stdout: {}\n",
        );
        check(
            &[("BATELEUR__CAPTURE__INTERFACES__0__NAME", "eth1")],
            "capture:\n  interfaces:\n    - name: eth1\n",
        );
        check(&[("BATELEUR__RULES__FILES__0", "a.rules")], "rules:\n  files:\n    - a.rules\n");
        let mut document = Document::default();
        let far = Variable::read("BATELEUR__RULES__FILES__1", "z").unwrap().apply(&mut document);
        assert_eq!(
            far.unwrap_err(),
            "environment variable BATELEUR__RULES__FILES__1: the list has 0 items: 1 is none of \
             them, and the next one is 0"
        );
    }

    #[test]
    fn what_was_likely_meant_is_found() {
        assert_eq!(meant("BATELEUR_EVENTS__FILE").as_deref(), Some("BATELEUR__EVENTS__FILE"));
        for (name, expected) in [
            ("BATELEUR_LOG_LEVEL", "BATELEUR__LOG__LEVEL"),
            ("BATELEUR_CAPTURE_WORKERS", "BATELEUR__CAPTURE__WORKERS"),
            ("BATELEUR_EVENTS_COMMUNITY_ID", "BATELEUR__EVENTS__COMMUNITY_ID"),
            ("BATELEUR_CAPTURE_AF_XDP_RING", "BATELEUR__CAPTURE__AF_XDP__RING"),
            ("BATELEUR_CAPTURE__AF_XDP_RING", "BATELEUR__CAPTURE__AF_XDP__RING"),
        ] {
            assert_eq!(meant(name).as_deref(), Some(expected), "{name}");
        }
        // A service manager, a cluster and the program itself have such ones.
        for name in [
            "BATELEUR_IN_BACKGROUND",
            "BATELEUR_RULES_SERVICE_HOST",
            "BATELEUR_METRICS_PORT_9464_TCP_ADDR",
        ] {
            assert_eq!(meant(name), None, "{name}");
        }
        for name in ["BATELEUR_SENSOR", "BATELEUR_NAME", "BATELEUR__NAME", "BATELEUR_A__B", "X"] {
            assert_eq!(meant(name), None, "{name}");
        }
    }

    #[test]
    fn they_win_over_the_file() {
        let mut document =
            Document::of("events: {file: a}\nrules:\n  files: [x]\n", "gate.yaml").unwrap();
        for (name, value) in [
            ("BATELEUR__EVENTS__FILE", "b.json"),
            ("BATELEUR__RULES__FILES__1", "y"),
            ("BATELEUR__CAPTURE__INTERFACES", "[eth1, {name: eth2}]"),
        ] {
            Variable::read(name, value).unwrap().apply(&mut document).unwrap();
        }
        let (text, _) = document.text();
        let expected = "events:\n  file: b.json\nrules:\n  files:\n    - x\n    - y\n\
                        capture:\n  interfaces:\n    - eth1\n    - name: eth2\n";
        assert_eq!(text, expected);
        let place = |path: &str| document.place(path);
        assert_eq!(place("events.file"), "environment variable BATELEUR__EVENTS__FILE");
        assert_eq!(place("rules.files.0"), "gate.yaml:3:11");
        let far = Variable::read("BATELEUR__RULES__FILES__7", "z").unwrap().apply(&mut document);
        assert!(
            far.unwrap_err()
                .contains("the list has 2 items: 7 is none of them, and the next one is 2")
        );
    }
}
