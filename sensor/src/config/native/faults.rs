//! What is said about a `sensor.yaml` that can't be understood: place, reason, hint, excerpt.

use std::borrow::Cow;

use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter as _};

use super::nearest::nearest;
use super::{document, masked};

/// Lines before the faulty one that are shown.
const BEFORE: usize = 2;
/// Letters of a line that are shown.
const WIDTH: usize = 100;

/// Keys that people look for, and what is meant by them here.
const HINTS: [(&str, &str); 14] = [
    ("elasticsearch", "Elasticsearch is `http: {urls: [...], bulk: {}}`"),
    ("opensearch", "OpenSearch is `http: {urls: [...], bulk: {}}`"),
    ("splunk", "Splunk is `http: {urls: [...], hec: {token-file: ...}}`"),
    ("hec", "Splunk is `http: {urls: [...], hec: {token-file: ...}}`"),
    ("bulk", "this goes below `http`: `http: {urls: [...], bulk: {}}`"),
    ("webhook", "this goes below `http`: `http: {urls: [...], webhook: {}}`"),
    ("https", "`http` has `https://` addresses in `urls`"),
    ("logstash", "Logstash is `lumberjack: {hosts: [\"HOST:5044\"]}`"),
    ("beats", "Logstash's beats input is `lumberjack: {hosts: [\"HOST:5044\"]}`"),
    ("tcp", "JSON lines over TCP are `lines: {hosts: [\"HOST:PORT\"]}`"),
    ("type", "the kind of a sink is its key, such as `redis: {server: \"HOST:6379\"}`"),
    ("filetype", "the kind of a sink is its key, such as `redis: {server: \"HOST:6379\"}`"),
    ("kind", "the kind of a sink is its key, such as `redis: {server: \"HOST:6379\"}`"),
    ("where", "this goes into `records`: `records: {where: \"dest_port = 443\"}`"),
];

/// What is wrong with a text.
pub(super) struct Fault {
    /// Line and column.
    pub(super) at: Option<(usize, usize)>,
    /// Without secrets.
    pub(super) what: String,
    /// Something is not there: the place is that of the map that lacks it.
    pub(super) is_missing: bool,
}

/// The message, with the place in front and the faulty line below.
pub(super) fn render(error: &Error, text: &str, file: &str) -> String {
    let fault = fault(error, text);
    match fault.at {
        None => format!("{file}: {}", fault.what),
        Some(at) => format!("{file}:{}:{}: {}{}", at.0, at.1, fault.what, excerpt(at, text)),
    }
}

/// What an error says.
pub(super) fn fault(error: &Error, text: &str) -> Fault {
    let error = plain(error);
    let is_missing = matches!(error, Error::SerdeMissingField { .. });
    let Some(location) = error.location() else {
        return Fault { at: None, what: reason(error, "").into_owned(), is_missing };
    };
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    if let Some(at) = tab(error, line, text) {
        let what = "a tab is no indentation in YAML: write blanks".to_owned();
        return Fault { at: Some(at), what, is_missing };
    }
    let (line, column) = match error {
        // The parser names the first of two keys; the second is the one too many.
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            document::again(text, key, (line, column)).unwrap_or((line, column))
        }
        _ => (line, column),
    };
    let shown = masked::lines(text);
    let line_of = |at: usize| shown.get(at.saturating_sub(1)).map_or("", String::as_str);
    let value: String = line_of(line).chars().skip(column - 1).collect();
    let own = text.lines().nth(line - 1).unwrap_or_default();
    let said = masked::message(&reason(error, &value), own, line_of(line));
    let what = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Fault { at: Some((line, column)), what, is_missing }
}

/// The tab that an error is about, which the parser finds while it is at the value in front.
fn tab(error: &Error, line: usize, text: &str) -> Option<(usize, usize)> {
    let said = DefaultMessageFormatter.format_message(error);
    if !said.contains("found a tab") && !said.starts_with("tabs ") {
        return None;
    }
    let lines = (1..).zip(text.lines()).skip(line.saturating_sub(1));
    let column = |line: &str| {
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..blanks)?.find('\t').map(|at| at + 1)
    };
    lines.filter_map(|(number, line)| Some((number, column(line)?))).next()
}

/// The line of a place and those before it, without secrets.
pub(super) fn excerpt((line, column): (usize, usize), text: &str) -> String {
    let shown = masked::lines(text);
    let line_of = |at: usize| shown.get(at.saturating_sub(1)).map_or("", String::as_str);
    let mut out = String::new();
    let width = line.to_string().len();
    let length = line_of(line).chars().count();
    let skipped = if length > WIDTH { column.saturating_sub(WIDTH / 2).min(length) } else { 0 };
    for at in line.saturating_sub(BEFORE).max(1)..=line {
        let part = line_of(at).chars().skip(skipped).take(WIDTH);
        let part: String = part.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let shown = format!("\n{at:>width$} | {part}");
        out.push_str(shown.trim_end());
    }
    // What is hidden is shorter or longer than it was.
    let caret = column.saturating_sub(1).min(length).saturating_sub(skipped);
    out.push_str(&format!("\n{:width$} | {:caret$}^", "", ""));
    out
}

/// The error itself.
fn plain(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => plain(error),
        error => error,
    }
}

/// Why, and what to write; `value` is the line from where the error is.
fn reason<'a>(error: &'a Error, value: &str) -> Cow<'a, str> {
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` is given twice").into()
        }
        Error::DuplicateMappingKey { .. } => "a key is given twice".into(),
        Error::SerdeUnknownField { field, expected, .. } => {
            let field = masked::lines(field).join(" ");
            let hint = HINTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&field));
            // Only sinks have these kinds.
            let is_of_sink = expected.contains(&"lumberjack");
            match hint.filter(|_| is_of_sink) {
                Some((_, hint)) => format!("`{field}` is no key here: {hint}").into(),
                None => format!("`{field}` is no key here: {}", likely(&field, expected)).into(),
            }
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not possible here: {}", likely(variant, expected)).into()
        }
        Error::SerdeMissingField { field, .. } => format!("`{field}` is missing").into(),
        Error::Unexpected { expected: "sequence start", .. } => list(value).into(),
        Error::Unexpected { expected: "mapping start", .. } => {
            "keys with values are expected, as in {key: value}; for `records` of a sink \
             {only: [alert]}"
                .into()
        }
        other => DefaultMessageFormatter.format_message(other),
    }
}

fn likely(word: &str, expected: &[&'static str]) -> String {
    match nearest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", expected.join(", ")),
    }
}

/// How what stands there is written as a list.
fn list(value: &str) -> String {
    let value = value.trim();
    let end = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            value.get(1..).and_then(|rest| rest.find(quote)).map_or(0, |at| at + 2)
        }
        _ => value.find([',', '}', ']', '#']).unwrap_or(value.len()),
    };
    let one = value.get(..end).unwrap_or_default().trim();
    let is_scalar = !one.is_empty()
        && !one.starts_with(['{', '[', '&', '*', '|', '>'])
        && !one.contains(": ")
        && !one.ends_with(':');
    if is_scalar {
        format!("a list is expected: [{one}]")
    } else {
        "a list is expected: put `- ` before each of its entries, or [ and ] around them".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::below;
    use super::super::{Finding, Kind, Origin, Sensor, Value, inspect, schema};
    use super::masked;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let said = Sensor::parse(text, "gate.yaml").unwrap_err();
        assert_eq!(said, expected, "{text}");
    }

    /// Only the first line of what is said.
    #[track_caller]
    fn first(text: &str, expected: &str) {
        let said = Sensor::parse(text, "gate.yaml").unwrap_err();
        assert_eq!(said.lines().next(), Some(expected), "{said}");
    }

    #[test]
    fn messages_have_a_place_and_an_excerpt_without_secrets() {
        check(
            "events:\n  sinks:\n    - redis: {server: \"a:1\", password: hunter2, timeout: 10}\n",
            "gate.yaml:3:58: 10 has no unit: us, ms, s, min, h or d\n\
             1 | events:\n\
             2 |   sinks:\n\
             3 |     - redis: {server: \"a:1\", password: (hidden)\n  \
               |                                                ^",
        );
        let long =
            format!("events: {{sinks: [{{redis: {{key: {}, batch: x}}}}]}}\n", "k".repeat(150));
        let said = Sensor::parse(&long, "gate.yaml").unwrap_err();
        let column = long.find("x}").unwrap() + 1;
        assert!(said.starts_with(&format!("gate.yaml:1:{column}: ")), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        let caret = lines[2].find('^').unwrap();
        assert_eq!(lines[1].get(caret..caret + 2), Some("x}"), "{said}");
    }

    #[test]
    fn tabs_and_second_keys_have_their_own_place() {
        first("name: a\nname: b\n", "gate.yaml:2:1: `name` is given twice");
        first(
            "name: a\nevents:\n  file: x\n  payload: true\n  file: y\n",
            "gate.yaml:5:3: `file` is given twice",
        );
        let tab = "a tab is no indentation in YAML: write blanks";
        first("name: a\n\tb: c\n", &format!("gate.yaml:2:1: {tab}"));
        first("name: a\nrules:\n\tfiles: []\n", &format!("gate.yaml:3:1: {tab}"));
    }

    #[test]
    fn secrets_are_in_no_message() {
        for sink in [
            "redis: {server: \"a:1\", password: S3CRET, timeout: 10}",
            "redis: {pasword: S3CRET}",
            "redis: {password: [S3CRET]}",
            "redis: {password: {S3CRET: 1}}",
            "redis: {password: \"S3CRET}",
            "redis: {password S3CRET}",
            "redis: {password=S3CRET}",
            "redis:\n        password: S3CRET\n        timeout: 10",
            "http:\n        headers:\n          x-api: [S3CRET]\n        timeout: 10",
            "kafka: {brokers: [\"a:1\"], sasl: {mechanism: PLAIN, password: S3CRET}}",
            "http: {urls: [\"ftp://u:S3CRET@h\"]}",
            "http: {urls: [\"http://u:S3CRET@h\"], bulk: {}, timeout: 3}",
            "http: {bearer: S3CRET, hec: {token: S3CRET, sauce: x}}",
        ] {
            let text = format!("events:\n  sinks:\n    - {sink}\n");
            let said = Sensor::parse(&text, "gate.yaml").unwrap_err();
            assert!(!said.contains("S3CRET") && said.starts_with("gate.yaml:"), "{text}{said}");
        }
        let otel = "otel:\n  endpoint: http://a\n  headers: {x-api-key: S3CRET}\n  timeout: 3\n";
        let said = Sensor::parse(otel, "gate.yaml").unwrap_err();
        assert!(!said.contains("S3CRET"), "{said}");
    }

    /// Paths of all keys whose values are secrets.
    fn secrets(about: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        for one in schema::alternatives(about) {
            for (key, about) in one["properties"].as_object().into_iter().flatten() {
                secrets(about, &below(path, key), found);
            }
            if one["items"].is_object() {
                secrets(&one["items"], &below(path, "0"), found);
            }
            if one["additionalProperties"].is_object() {
                secrets(&one["additionalProperties"], &below(path, "x-own"), found);
            }
        }
        let is_leaf = schema::keys(about).is_empty() && about["type"] != "array";
        if is_leaf && about["additionalProperties"].is_null() && masked::is_secret(path) {
            found.push(path.to_owned());
        }
    }

    /// A file of one key.
    fn file_with(path: &str, value: &str) -> String {
        let word = Value::word("PLACEHOLDER", Origin::Default);
        let tree = path.rsplit('.').fold(word, |inner, part| {
            let kind = match part {
                "0" => Kind::List(vec![inner]),
                part => Kind::Map(vec![(part.to_owned(), inner)]),
            };
            Value { kind, ..Value::default() }
        });
        tree.yaml(&mut |_, _| None).replace("PLACEHOLDER", value)
    }

    #[test]
    fn what_yaml_makes_of_secrets_is_in_no_message() {
        let mut all = Vec::new();
        secrets(schema::schema(), "", &mut all);
        all.retain(|path| path != "capture.shunt.pass");
        for known in ["events.sinks.0.redis.password", "events.sinks.0.http.headers.x-own"] {
            assert!(all.iter().any(|path| path == known), "{known} in {all:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gate.yaml");
        for path in &all {
            for value in [
                "S3CRET",
                "!S3CRET",
                "!S3CRET x",
                "!<S3CRET> x",
                "!S3CRET {a: b}",
                "*S3CRET",
                "&S3CRET x",
                "&S3CRET *S3CRET",
                "%S3CRET",
                "@S3CRET",
                "`S3CRET",
                "\"S3CRET",
                "'S3CRET",
                "\"\\S3CRET\"",
                "[S3CRET",
                "{S3CRET",
                "[S3CRET]",
                "{S3CRET: 1}",
                "|S3CRET",
                ">S3CRET",
                "? S3CRET",
                "- S3CRET",
                "a: S3CRET: b",
            ] {
                let text = file_with(path, value);
                let said = Sensor::parse(&text, "gate.yaml").err().unwrap_or_default();
                assert!(!said.contains("S3CRET"), "{text}{said}");
                std::fs::write(&file, &text).unwrap();
                let check = |file: Option<&std::path::Path>, variables: &[(String, String)]| {
                    let looked = inspect(file, variables, folder.path(), &|_| Vec::new());
                    let mut all: Vec<Finding> = looked.findings;
                    all.extend(looked.sensor.iter().flat_map(Sensor::warnings));
                    for said in all {
                        let whole = format!("{said}{}", said.excerpt);
                        assert!(!whole.contains("S3CRET"), "{path}: {value}: {whole}");
                    }
                };
                check(Some(&file), &[]);
                let name = path.to_uppercase().replace('-', "_").replace('.', "__");
                check(None, &[(format!("BATELEUR__{name}"), value.to_owned())]);
            }
        }
    }

    #[test]
    fn what_is_likely_meant_is_said() {
        let sink = |sink: &str| format!("events: {{sinks: [{{{sink}}}]}}\n");
        let elastic = "Elasticsearch is `http: {urls: [...], bulk: {}}`";
        first(
            &sink("elasticsearch: {}"),
            &format!("gate.yaml:1:19: `elasticsearch` is no key here: {elastic}"),
        );
        first(
            &sink("logstash: {}"),
            "gate.yaml:1:19: `logstash` is no key here: Logstash is \
             `lumberjack: {hosts: [\"HOST:5044\"]}`",
        );
        first(
            &sink("type: redis"),
            "gate.yaml:1:19: `type` is no key here: the kind of a sink is its key, such as \
             `redis: {server: \"HOST:6379\"}`",
        );
        first(
            &sink("rediss: {}"),
            "gate.yaml:1:19: `rediss` is no key here: did you mean `redis`?",
        );
        first(
            "checksums: maybe\n",
            "gate.yaml:1:12: `maybe` is not possible here: there are auto, check, ignore",
        );
        first(&sink("lines: {hosts: \"a:9\"}"), "gate.yaml:1:34: a list is expected: [\"a:9\"]");
        first("rules: {files: a.rules}\n", "gate.yaml:1:16: a list is expected: [a.rules]");
        let said = Sensor::parse("events: {sinks: {redis: {}}}\n", "gate.yaml").unwrap_err();
        assert!(said.contains("a list is expected: put `- `"), "{said}");
        let said = Sensor::parse(&sink("stdout: {}, records: [alert]"), "gate.yaml").unwrap_err();
        assert!(said.contains("keys with values") && said.contains("{only: [alert]}"), "{said}");
        let said = Sensor::parse("otel: 3\n", "gate.yaml").unwrap_err();
        #[cfg(not(feature = "otel"))]
        assert!(said.contains("build it with `--features otel`"), "{said}");
        #[cfg(feature = "otel")]
        assert!(said.contains("gate.yaml:1:7: keys with values"), "{said}");
    }
}
