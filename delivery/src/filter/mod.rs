//! Which records a sink gets: by event type, and by conditions on their fields.

mod condition;
mod parse;

use serde::Deserialize;

use crate::record::Record;

pub use condition::{Condition, Literal, Test};

/// What a sink gets; everything when nothing is said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Filter {
    /// Only these event types.
    only: Option<Vec<String>>,
    /// Not these.
    except: Vec<String>,
    /// Only records of which this is true, e.g. `dest_port = 443 and not src_ip in 10.0.0.0/8`.
    #[serde(rename = "where")]
    condition: Option<Condition>,
    /// Only records of this channel.
    #[serde(skip)]
    channel: Option<u16>,
}

impl Filter {
    /// Of one output where several are delivered.
    pub fn of_channel(channel: u16) -> Self {
        Self { channel: Some(channel), ..Self::default() }
    }

    /// True when the sink gets the record.
    pub fn passes(&self, record: &Record<'_>) -> bool {
        if self.channel.is_some_and(|channel| channel != record.channel()) {
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
        let filter = Filter::of_channel(1);
        let passes = |worker| filter.passes(&Record { worker, sequence: 0, bytes: b"{}" });
        assert!(passes(worker_on(1, 3)) && passes(process_on(1)));
        assert!(!passes(3) && !passes(process_on(0)) && !passes(worker_on(2, 3)));
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
