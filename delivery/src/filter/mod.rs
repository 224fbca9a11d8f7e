//! Which records a sink gets: by event type, and by conditions on their fields.

mod condition;
mod parse;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::record::Record;

pub use condition::{Condition, Literal, Test};

/// What a sink gets; everything when nothing is said.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Filter {
    /// Only these event types.
    only: Option<Vec<String>>,
    /// Not these.
    except: Vec<String>,
    /// Only records of which this is true, e.g. `dest_port = 443 and not src_ip in 10.0.0.0/8`.
    #[serde(rename = "where")]
    condition: Option<Condition>,
    /// Only records of this channel, from this number on.
    #[serde(skip)]
    channel: Option<(u16, u64)>,
}

impl Filter {
    /// Only for the records of one output where several are delivered; those with numbers below
    /// `since` are of another one that had its channel before.
    pub fn on_channel(self, channel: u16, since: u64) -> Self {
        Self { channel: Some((channel, since)), ..self }
    }

    /// Types of records that are named, with their keys such as `only.0`.
    pub fn types(&self) -> impl Iterator<Item = (String, &str)> {
        let only = self.only.iter().flatten().enumerate().map(|(at, name)| ("only", at, name));
        let except = self.except.iter().enumerate().map(|(at, name)| ("except", at, name));
        only.chain(except).map(|(key, at, name)| (format!("{key}.{at}"), name.as_str()))
    }

    /// The condition, if there is one.
    pub const fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// True when the sink gets the record.
    pub fn passes(&self, record: &Record<'_>) -> bool {
        let is_others = |(channel, since)| channel != record.channel() || record.sequence < since;
        if self.channel.is_some_and(is_others) {
            return false;
        }
        if self.only.is_some() || !self.except.is_empty() {
            let kind = record.kind();
            let wanted = self.only.as_ref().is_none_or(|only| only.iter().any(|one| one == kind));
            if !wanted || self.except.iter().any(|one| one == kind) {
                return false;
            }
        }
        let Some(condition) = &self.condition else { return true };
        // What is no JSON has no fields.
        let value = serde_json::from_slice(record.bytes).unwrap_or_default();
        condition.holds(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{process_on, worker_on};

    #[test]
    fn a_channel_is_one_output() {
        let filter = Filter::default().on_channel(2, 7);
        let numbered = |worker, sequence| Record { worker, sequence, bytes: b"{}" };
        let passes = |worker| filter.passes(&numbered(worker, 7));
        assert!(passes(worker_on(2, 3)) && passes(process_on(2)));
        assert!(!passes(3) && !passes(process_on(0)) && !passes(worker_on(4, 3)));
        assert!(!filter.passes(&numbered(worker_on(2, 3), 6)), "another one's");
    }

    fn check(filter: &str, want: &[u64]) {
        let filter: Filter = serde_json::from_str(filter).unwrap();
        let records = [
            r#"{"event_type":"alert","src_ip":"10.1.2.3","dest_port":443,"alert":{"severity":1}}"#,
            r#"{"event_type":"http","src_ip":"2001:db8::1","dest_port":80,"http":{"status":404}}"#,
            r#"{"event_type":"dns","src_ip":"192.0.2.1","dns":{"queries":[{"rrname":"a.example"},{"rrname":"b"}]}}"#,
        ];
        let passed: Vec<u64> = (0..)
            .zip(records)
            .map(|(sequence, text)| Record { worker: 0, sequence, bytes: text.as_bytes() })
            .filter(|record| filter.passes(record))
            .map(|record| record.sequence)
            .collect();
        assert_eq!(passed, want, "{filter:?}");
    }

    #[test]
    fn records_pass_by_type_and_fields() {
        check("{}", &[0, 1, 2]);
        check(r#"{"only":["alert","dns"]}"#, &[0, 2]);
        check(r#"{"except":["alert"]}"#, &[1, 2]);
        check(r#"{"only":["alert","dns"],"except":["dns"]}"#, &[0]);
        check(r#"{"where":"dest_port = 443"}"#, &[0]);
        check(r#"{"where":"dest_port != 443"}"#, &[1, 2]);
        check(r#"{"where":"http.status >= 400 or alert.severity < 2"}"#, &[0, 1]);
        check(r#"{"where":"src_ip in 10.0.0.0/8"}"#, &[0]);
        check(r#"{"where":"src_ip in [10.0.0.0/8, 2001:db8::/32]"}"#, &[0, 1]);
        check(r#"{"where":"not (src_ip in 10.0.0.0/8 or dest_port = 80)"}"#, &[2]);
        check(r#"{"where":"dns.queries.rrname contains \".example\""}"#, &[2]);
        check(r#"{"where":"dns"}"#, &[2]);
        check(r#"{"where":"event_type in [alert, http] and dest_port in [80, 8080]"}"#, &[1]);
    }

    #[test]
    fn what_is_named_can_be_asked_for() {
        let text = r#"{"only":["a","b"],"except":["c"],"where":"a.b = 1 and not (c or event_type in [d, 2])"}"#;
        let filter: Filter = serde_json::from_str(text).unwrap();
        let types: Vec<_> = filter.types().collect();
        let expected = [("only.0", "a"), ("only.1", "b"), ("except.0", "c")];
        assert_eq!(types, expected.map(|(key, name)| (key.to_owned(), name)));
        let (mut paths, mut values) = (Vec::new(), Vec::new());
        filter.condition().unwrap().each_field(&mut |path, test| {
            paths.push(path.join("."));
            values.extend(test.texts().map(str::to_owned));
        });
        assert_eq!(
            (paths, values),
            (["a.b", "c", "event_type"].map(str::to_owned).into(), vec!["d".to_owned()])
        );
    }

    #[test]
    fn what_other_languages_have_is_explained() {
        for (text, want) in [
            ("a == 1", "column 4: = is enough"),
            ("a = 1 && b = 2", "column 7: write `and`"),
            ("a = 1 || b = 2", "column 7: write `or`"),
            ("a = 1 AND b = 2", "column 7: write `and` in small letters"),
            ("a IN [1]", "column 3: write `in` in small letters"),
            ("a not in [1]", "column 3: `not` in small letters stands before"),
            ("(a == 1)", "column 5: = is enough"),
            ("(a = 1 && b)", "column 8: write `and`"),
            ("a = 1 order", "column 7: and, or or the end"),
            ("!a", "column 1: write `not`"),
            ("a = 'tcp'", "column 5: text has double quotes"),
            ("a in (1, 2)", "column 6: a list is in brackets: [1, 2]"),
            ("a <> 1", "column 4: write `!=`"),
            ("a =~ x", "column 4: there are no patterns"),
            ("a ~ x", "column 3: there are no patterns"),
            ("a: 1", "column 1: write `a = ...`"),
        ] {
            let error = parse::parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn a_wrong_condition_is_refused_with_its_place() {
        for (text, want) in [
            ("dest_port = ", "column 13"),
            ("(a = 1", "column 7: ) is missing"),
            ("a = 1 b", "column 7: and, or or the end"),
            ("a in 10.0.0.0/40", "column 6: 10.0.0.0/40 is no network"),
            ("= 3", "column 1: the name of a field"),
            ("a < x", "column 5: a number"),
            ("a = \"a", "column 5: the text has no end"),
        ] {
            let error = parse::parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        let deep = "(".repeat(1000);
        assert!(parse::parse(&deep).unwrap_err().contains("nested"));
    }
}
