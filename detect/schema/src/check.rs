//! Holds records against the tables.

use std::fmt;

use serde_json::{Map, Value};

use crate::event::event;
use crate::field::{Field, Kind};
use crate::twins::twins;

/// A place where a record is not as the tables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: names with dots, `[]` for items of arrays.
    pub path: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// All that is wrong with a line of `eve.json`; a prefix before the record is left aside.
pub fn check_line(line: &str) -> Vec<Violation> {
    let wrong = |what: String| vec![Violation { path: String::new(), what }];
    let Some(start) = line.find('{') else { return wrong("no JSON object".to_owned()) };
    let text = &line[start..];
    let record = match serde_json::from_str(text) {
        Ok(record) => record,
        Err(error) => return wrong(error.to_string()),
    };
    let mut found = check(&record);
    found.extend(
        twins(text)
            .into_iter()
            .map(|path| Violation { path, what: "the key stands twice in one object".to_owned() }),
    );
    found
}

/// All that is wrong with a record.
pub fn check(record: &Value) -> Vec<Violation> {
    let mut checker = Checker { path: String::new(), found: Vec::new() };
    let Value::Object(members) = record else {
        checker.report("a record is an object");
        return checker.found;
    };
    let kind = members.get("event_type").and_then(Value::as_str);
    match kind.and_then(event) {
        Some(event) => checker.members(members, event.fields(), None),
        None => checker.report(&format!("no record has the type {kind:?}")),
    }
    checker.found
}

struct Checker {
    path: String,
    found: Vec<Violation>,
}

impl Checker {
    fn report(&mut self, what: &str) {
        self.found.push(Violation { path: self.path.clone(), what: what.to_owned() });
    }

    /// Goes to a member for the time of `with`.
    fn at(&mut self, name: &str, with: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        if len > 0 && name != "[]" {
            self.path.push('.');
        }
        self.path.push_str(name);
        with(self);
        self.path.truncate(len);
    }

    fn members<'f>(
        &mut self,
        members: &Map<String, Value>,
        fields: impl Iterator<Item = &'f Field> + Clone,
        rest: Option<Kind>,
    ) {
        for field in fields.clone().filter(|f| f.always && !members.contains_key(f.name)) {
            self.at(field.name, |checker| checker.report("is always there, but not here"));
        }
        for (name, value) in members {
            let known = fields.clone().find(|field| field.name == name).map(|field| field.kind);
            self.at(name, |checker| match known.or(rest) {
                Some(kind) => checker.value(value, kind),
                None => checker.report("no such field"),
            });
        }
    }

    fn value(&mut self, value: &Value, kind: Kind) {
        match (kind, value) {
            (Kind::Object(fields), Value::Object(members)) => {
                self.members(members, fields.iter(), None);
            }
            (Kind::Open(fields, rest), Value::Object(members)) => {
                self.members(members, fields.iter(), Some(*rest));
            }
            (Kind::Map(of), Value::Object(members)) => self.members(members, [].iter(), Some(*of)),
            (Kind::Counters, Value::Object(members)) => {
                self.members(members, [].iter(), Some(Kind::Counters));
            }
            (Kind::List(of), Value::Array(items)) => {
                self.at("[]", |checker| {
                    for item in items {
                        checker.value(item, *of);
                    }
                });
            }
            _ if scalar(value, kind) => {}
            _ => {
                let mut shown = value.to_string();
                if let Some((end, _)) = shown.char_indices().nth(80) {
                    shown.truncate(end);
                }
                self.report(&format!("{shown} is not of type {}", kind.name()));
            }
        }
    }
}

fn scalar(value: &Value, kind: Kind) -> bool {
    let text = value.as_str();
    match kind {
        Kind::Word | Kind::Keyword | Kind::Text => text.is_some(),
        Kind::Bytes => text.is_some_and(is_base64),
        Kind::Unsigned(bits) => {
            value.as_u64().is_some_and(|n| n.checked_shr(u32::from(bits)).unwrap_or(0) == 0)
        }
        Kind::Counters => value.is_u64() || value.is_i64(),
        Kind::Float => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Ip => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        Kind::Time => text.is_some_and(|text| has_form(text, TIME)),
        Kind::Date => text.is_some_and(|text| has_form(text, DATE)),
        Kind::Any => true,
        Kind::Object(_) | Kind::Open(..) | Kind::Map(_) | Kind::List(_) => false,
    }
}

/// `0` stands for a digit, `+` for a sign.
const TIME: &str = "0000-00-00T00:00:00.000000+0000";
const DATE: &str = "0000-00-00T00:00:00";

fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            _ => byte == form,
        })
}

/// RFC 4648, section 4, with padding.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    text.len().is_multiple_of(4)
        && padding <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::check_line;

    const HEAD: &str = r#""timestamp":"2026-11-21T16:15:06.798878+0000""#;

    #[track_caller]
    fn check(rest: &str, want: &[&str]) {
        let found = check_line(&format!("{{{HEAD},{rest}}}"));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, want, "{rest}");
    }

    #[test]
    fn says_where_a_record_is_wrong() {
        check(r#""event_type":"http","http":{"status":200,"length":1}"#, &[]);
        check(r#""event_type":"http""#, &["http: is always there, but not here"]);
        check(r#""event_type":"htp""#, &[r#": no record has the type Some("htp")"#]);
        check(
            r#""event_type":"http","http":{"status":"200","sattus":1},"src_ip":"1.2.3","ip_v":256"#,
            &[
                "http.sattus: no such field",
                "http.status: \"200\" is not of type u16",
                "ip_v: 256 is not of type u8",
                "src_ip: \"1.2.3\" is not of type ip",
            ],
        );
        check(
            r#""event_type":"dns","dns":{"version":3,"type":"request","id":1,"opcode":0,"queries":[{"rrname":null,"rrtype":"A"}]}"#,
            &["dns.queries[].rrname: null is not of type keyword"],
        );
        check(
            r#""event_type":"stats","stats":{"uptime":1,"tcp":{"x":{"y":-1},"z":1.5},"threads":{"W#01":{"a":"b"}}}"#,
            &[
                "stats.tcp.z: 1.5 is not of type counters",
                "stats.threads.W#01.a: \"b\" is not of type counters",
            ],
        );
        check(
            r#""event_type":"metadata","metadata":{"flowints":{"a":1,"b":4294967296},"entropy":{"x":1.5}}"#,
            &["metadata.flowints.b: 4294967296 is not of type u32"],
        );
        check(
            r#""event_type":"packet","packet":"YWI=","packet":"a","ip_v":4"#,
            &["packet: \"a\" is not of type base64", "packet: the key stands twice in one object"],
        );
    }

    #[test]
    fn lines_may_have_a_prefix_but_must_be_json() {
        let line = format!("@cee: {{{HEAD},\"event_type\":\"metadata\"}}");
        assert_eq!(check_line(&line), []);
        assert_eq!(check_line(&line[..line.len() - 1]).len(), 1);
        assert_eq!(check_line("").len(), 1);
        let other = line.replace("06.798878+0000", "06+00:00");
        assert_eq!(check_line(&other)[0].path, "timestamp");
    }
}
