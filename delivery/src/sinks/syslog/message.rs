//! Messages of syslog: facility and severity, header, structured data, and the record as its text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use memchr::memmem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calendar::{MONTHS, Moment};
use crate::record::{PROCESS, Record, SCHEMA_VERSION};

use super::{Format, Settings, Transport};

/// Facilities of RFC 5424, by their usual names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Facility {
    Kern,
    User,
    Mail,
    Daemon,
    Auth,
    Syslog,
    Lpr,
    News,
    Uucp,
    Cron,
    Authpriv,
    Ftp,
    Ntp,
    Security,
    Console,
    Clock,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

/// Severities of RFC 5424, by their usual names and those of Suricata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("enum" = [
    "emergency", "emerg", "alert", "critical", "crit", "error", "err", "warning", "warn", "notice",
    "info", "information", "debug",
]))]
pub enum Severity {
    #[serde(alias = "emerg")]
    Emergency,
    Alert,
    #[serde(alias = "crit")]
    Critical,
    #[serde(alias = "err")]
    Error,
    #[serde(alias = "warn")]
    Warning,
    Notice,
    #[serde(alias = "information")]
    Info,
    Debug,
}

/// Writes messages.
pub(super) struct Writer {
    format: Format,
    /// Local servers want no name of the host in RFC 3164.
    has_host: bool,
    facility: Facility,
    severity: Severity,
    severities: BTreeMap<String, Severity>,
    host: String,
    identity: String,
    process: u32,
    /// `[id sensor="…"`
    data: String,
    longest: usize,
}

impl Writer {
    pub(super) fn new(settings: &Settings, sensor: &str) -> Result<Self, String> {
        let is_local =
            matches!(settings.transport, Transport::UnixDatagram | Transport::UnixStream);
        let usual = if is_local { Format::Rfc3164 } else { Format::Rfc5424 };
        let longest = usize::try_from(settings.max_length.0).unwrap_or(usize::MAX);
        if longest < 480 {
            // RFC 5424, 6.1: every receiver takes as much.
            return Err("syslog: max-length is at least 480".to_owned());
        }
        let id = &settings.structured_id;
        let fits = |c: char| c.is_ascii_graphic() && !"=]\"".contains(c);
        if id.is_empty() || id.len() > 32 || !id.chars().all(fits) {
            return Err(format!("syslog: {id} can't be the id of structured data"));
        }
        let escaped = sensor.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        Ok(Self {
            format: settings.format.unwrap_or(usual),
            has_host: !is_local,
            facility: settings.facility,
            severity: settings.severity,
            severities: settings.severities.clone(),
            host: word(settings.hostname.as_deref().unwrap_or(sensor), 255),
            identity: word(&settings.identity, if is_local { 32 } else { 48 }),
            process: std::process::id(),
            data: format!("[{id} sensor=\"{escaped}\""),
            longest,
        })
    }

    /// Puts a message into `out`, which is empty; true when its end had to be cut off.
    pub(super) fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
        let kind = record.kind();
        let priority = self.facility as u16 * 8 + self.severity(record, kind) as u16;
        let moment = record.timestamp().and_then(Moment::parse).unwrap_or_else(Moment::now);
        let mut head = String::with_capacity(256);
        // Writing to a string can't fail.
        let _ = match self.format {
            Format::Rfc5424 => self.head_5424(&mut head, priority, &moment, record, kind),
            Format::Rfc3164 => self.head_3164(&mut head, priority, &moment),
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(record.bytes);
        let is_cut = out.len() > self.longest;
        if is_cut {
            out.truncate(whole_letters(out, self.longest));
        }
        is_cut
    }

    fn head_5424(
        &self,
        out: &mut String,
        priority: u16,
        moment: &Moment,
        record: &Record<'_>,
        kind: &str,
    ) -> std::fmt::Result {
        let Moment { year, month, day, hour, minute, second, microsecond, offset } = *moment;
        // RFC 5424 knows no leap seconds.
        let second = second.min(59);
        write!(out, "<{priority}>1 {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:")?;
        write!(out, "{second:02}.{microsecond:06}")?;
        let (sign, ahead) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
        write!(out, "{sign}{:02}:{:02}", ahead / 60, ahead % 60)?;
        let kind = word(kind, 32);
        write!(out, " {} {} {} {kind} ", self.host, self.identity, self.process)?;
        out.push_str(&self.data);
        match record.worker {
            PROCESS => out.push_str(" worker=\"process\""),
            worker => write!(out, " worker=\"{worker}\"")?,
        }
        write!(out, " sequence=\"{}\" schema=\"{SCHEMA_VERSION}\"] ", record.sequence)
    }

    fn head_3164(&self, out: &mut String, priority: u16, moment: &Moment) -> std::fmt::Result {
        let Moment { day, hour, minute, second, .. } = *moment;
        let month = MONTHS.get(usize::from(moment.month.wrapping_sub(1))).unwrap_or(&"Jan");
        write!(out, "<{priority}>{month} {day:2} {hour:02}:{minute:02}:{second:02} ")?;
        if self.has_host {
            write!(out, "{} ", self.host)?;
        }
        write!(out, "{}[{}]: ", self.identity, self.process)
    }

    fn severity(&self, record: &Record<'_>, kind: &str) -> Severity {
        if let Some(severity) = self.severities.get(kind) {
            return *severity;
        }
        if kind != "alert" {
            return self.severity;
        }
        match alert_severity(record.bytes) {
            Some(1) => Severity::Critical,
            Some(2) => Severity::Error,
            Some(3) => Severity::Warning,
            _ => Severity::Notice,
        }
    }
}

/// `alert.severity`: the rule's priority, 1 being the highest.
fn alert_severity(record: &[u8]) -> Option<u32> {
    let alert = record.get(memmem::find(record, b"\"alert\":{")?..)?;
    let key = b"\"severity\":";
    let rest = alert.get(memmem::find(alert, key)? + key.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

/// A word of a header: letters that are seen, no more than `most`; `-` when there are none.
fn word(text: &str, most: usize) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' });
    let word: String = letters.take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// The largest length up to `most` at which no letter of UTF-8 is broken.
fn whole_letters(text: &[u8], most: usize) -> usize {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    (most.saturating_sub(3)..=most).rev().find(|at| !is_inside(*at)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(yaml: &str, record: &str) -> (String, bool) {
        let settings: Settings = serde_saphyr::from_str(yaml).unwrap();
        let mut writer = Writer::new(&settings, "no\"rth").unwrap();
        writer.process = 77;
        let record = Record { worker: 2, sequence: 9, bytes: record.as_bytes() };
        let mut out = Vec::new();
        let is_cut = writer.write(&record, &mut out);
        (String::from_utf8(out).unwrap(), is_cut)
    }

    #[test]
    fn messages_have_their_headers() {
        let dns = r#"{"timestamp":"2016-07-03T22:42:07.573103+0200","event_type":"dns"}"#;
        let check = |yaml: &str, record: &str, wanted: &str| {
            assert_eq!(written(yaml, record), (format!("{wanted}{record}"), false), "{yaml}");
        };
        let data = r#"[bateleur@32473 sensor="no\"rth" worker="2" sequence="9" schema="1"] "#;
        let full =
            format!("<174>1 2016-07-03T22:42:07.573103+02:00 no\"rth suricata 77 dns {data}");
        check("transport: udp", dns, &full);
        check("format: rfc3164\nhostname: a b", dns, "<174>Jul  3 22:42:07 a_b suricata[77]: ");
        check("transport: unix-datagram", dns, "<174>Jul  3 22:42:07 suricata[77]: ");
        let lower = "transport: unix-stream\nfacility: daemon\nseverities: {dns: debug}";
        check(lower, dns, "<31>Jul  3 22:42:07 suricata[77]: ");
    }

    #[test]
    fn severity_follows_the_alert() {
        let check = |severity: &str, yaml: &str, priority: u32| {
            let alert = format!(
                r#"{{"timestamp":"2016-07-03T22:42:07Z","event_type":"alert","severity":1,"alert":{{"signature":"\"severity\":1","severity":{severity},"metadata":{{}}}}}}"#
            );
            let (text, _) = written(&format!("facility: kern\n{yaml}"), &alert);
            assert!(text.starts_with(&format!("<{priority}>")), "{severity} {yaml}: {text}");
        };
        check("1", "", 2);
        check("2", "", 3);
        check("3", "", 4);
        check("200", "", 5);
        check("1", "severities: {alert: emerg}", 0);
    }

    #[test]
    fn long_messages_are_cut_between_letters() {
        let record = format!("{{\"event_type\":\"x\",\"text\":\"{}\"}}", "é".repeat(600));
        for length in 480..490 {
            let (text, is_cut) = written(&format!("max-length: {length} B"), &record);
            assert!(is_cut && (length - 1..=length).contains(&text.len()), "{}", text.len());
        }
        let settings: Settings = serde_saphyr::from_str("max-length: 100 B").unwrap();
        assert!(Writer::new(&settings, "").is_err());
    }
}
