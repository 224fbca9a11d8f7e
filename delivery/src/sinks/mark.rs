//! Fields in front of a record's own: which sensor and worker it is from and its number there, so
//! that the far end can prove that none is missing.

use std::io::Write as _;

use crate::record::{Record, SCHEMA_VERSION};

/// What Beats put in front of events: Logstash's beats input and `@metadata` references in its
/// pipelines expect it.
const BEATS: &[u8] = br#""@metadata":{"beat":"bateleur","type":"_doc","version":"1"},"#;

/// Writes marked records.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// `"bateleur":{"sensor":"…","worker":`
    start: Vec<u8>,
    is_for_beats: bool,
}

impl Mark {
    /// For records of `sensor`; with `is_for_beats` also with `@metadata` and `@timestamp`.
    pub(super) fn new(sensor: &str, is_for_beats: bool) -> Self {
        let mut start = b"\"bateleur\":{\"sensor\":\"".to_vec();
        for letter in sensor.chars() {
            match letter {
                '"' | '\\' => start.extend([b'\\', letter as u8]),
                '\0'..='\x1f' => start.extend(format!("\\u{:04x}", letter as u32).bytes()),
                _ => start.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        start.extend(b"\",\"worker\":");
        Self { start, is_for_beats }
    }

    /// Appends the record with its mark. False, and nothing appended, when it is not an object.
    pub(super) fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
        let Some(fields) = record.bytes.trim_ascii().strip_prefix(b"{") else { return false };
        let fields = fields.trim_ascii_start();
        if !fields.ends_with(b"}") {
            return false;
        }
        out.push(b'{');
        if self.is_for_beats {
            out.extend(BEATS);
            write_timestamp(record, fields, out);
        }
        out.extend(&self.start);
        let Record { worker, sequence, .. } = record;
        let numbers =
            write!(out, "{worker},\"sequence\":{sequence},\"schema\":\"{SCHEMA_VERSION}\"}}");
        debug_assert!(numbers.is_ok(), "memory takes all that is written to it");
        if fields != b"}" {
            out.push(b',');
        }
        out.extend(fields);
        true
    }
}

/// Appends `@timestamp` in the form of RFC 3339, which wants a colon in the zone's offset.
fn write_timestamp(record: &Record<'_>, fields: &[u8], out: &mut Vec<u8>) {
    let Some(timestamp) = record.timestamp() else { return };
    let is_plain = timestamp.bytes().all(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b':' | b'.' | b'T' | b'Z')
    });
    if fields.starts_with(b"\"@timestamp\"") || !is_plain {
        return;
    }
    out.extend(b"\"@timestamp\":\"");
    match timestamp.as_bytes().split_last_chunk() {
        Some((local, b"+0000" | b"-0000")) => {
            out.extend(local);
            out.push(b'Z');
        }
        Some((local, [sign @ (b'+' | b'-'), a, b, c, d])) => {
            out.extend(local);
            out.extend([*sign, *a, *b, b':', *c, *d]);
        }
        _ => out.extend(timestamp.as_bytes()),
    }
    out.extend(b"\",");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str, expected: Option<&str>) {
        let mark = Mark::new("a\"b\u{1}", true);
        let record = Record { worker: 2, sequence: 7, bytes: record.as_bytes() };
        let mut out = Vec::new();
        let written = mark.write(&record, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        match expected {
            None => assert_eq!((written, text.as_str()), (false, "")),
            Some(expected) => {
                let all = format!(
                    "{{\"@metadata\":{{\"beat\":\"bateleur\",\"type\":\"_doc\",\"version\":\"1\"}},{expected}"
                );
                assert_eq!(text.replace(r#""bateleur":{"sensor":"a\"b\u0001","worker":2,"sequence":7,"schema":"1"}"#, "M"), all);
                serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
            }
        }
    }

    #[test]
    fn fields_come_in_front() {
        check("{}", Some("M}"));
        check(" { } ", Some("M}"));
        check("{\"a\":1}", Some("M,\"a\":1}"));
        check(
            "{\"timestamp\":\"2016-07-13T22:42:07.573103+0000\"}",
            Some(
                "\"@timestamp\":\"2016-07-13T22:42:07.573103Z\",M,\
                 \"timestamp\":\"2016-07-13T22:42:07.573103+0000\"}",
            ),
        );
        check(
            "{\"timestamp\":\"2016-07-13T22:42:07-0330\"}",
            Some(
                "\"@timestamp\":\"2016-07-13T22:42:07-03:30\",M,\
                 \"timestamp\":\"2016-07-13T22:42:07-0330\"}",
            ),
        );
        check(
            "{\"timestamp\":\"2016-07-13T22:42:07-03:30\"}",
            Some(
                "\"@timestamp\":\"2016-07-13T22:42:07-03:30\",M,\
                 \"timestamp\":\"2016-07-13T22:42:07-03:30\"}",
            ),
        );
        check("{\"timestamp\":\"now\"}", Some("M,\"timestamp\":\"now\"}"));
        check(
            "{\"@timestamp\":\"2016-07-13T22:42:07Z\",\"timestamp\":\"2016-07-13T22:42:07Z\"}",
            Some(
                "M,\"@timestamp\":\"2016-07-13T22:42:07Z\",\"timestamp\":\"2016-07-13T22:42:07Z\"}",
            ),
        );
        for wrong in ["", "[1]", "text", "{\"cut\":"] {
            check(wrong, None);
        }
    }

    #[test]
    fn without_beats_there_is_only_the_mark() {
        let mut out = Vec::new();
        let record = Record { worker: 0, sequence: 1, bytes: b"{\"a\":1}" };
        assert!(Mark::new("s", false).write(&record, &mut out));
        let text = r#"{"bateleur":{"sensor":"s","worker":0,"sequence":1,"schema":"1"},"a":1}"#;
        assert_eq!(String::from_utf8(out).expect("UTF-8"), text);
    }
}
