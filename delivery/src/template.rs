//! Names that depend on the record: `suricata`, `eve-{event_type}`, `{sensor}-{yyyy.MM.dd}`.

use crate::calendar::Moment;
use crate::record::Record;

/// A text with places that each record fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    EventType,
    Worker,
    /// The date in UTC; `yyyy`, `MM`, `dd` and `HH` stand for its parts.
    Date(String),
}

impl Template {
    /// Reads a template; `{sensor}` is filled at once.
    ///
    /// # Errors
    /// When a brace is not closed, or what it holds is not known.
    pub(crate) fn new(text: &str, sensor: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) =
                behind.split_once('}').ok_or_else(|| format!("{text}: a brace stays open"))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name {
                "sensor" => Part::Text(sensor.to_owned()),
                "event_type" => Part::EventType,
                "worker" => Part::Worker,
                _ if is_date(name) => Part::Date(name.to_owned()),
                _ => {
                    return Err(format!(
                        "{text}: {{{name}}} is not known; there are {{sensor}}, {{event_type}}, \
                         {{worker}} and dates such as {{yyyy.MM.dd}}"
                    ));
                }
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self { parts })
    }

    /// True when all records have the same name.
    pub(crate) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Puts the name for a record behind what is in `out`. A record without `event_type` or
    /// `timestamp` is `unknown` there, or of today.
    pub(crate) fn fill(&self, record: &Record<'_>, out: &mut String) {
        self.fill_through(record, out, |text, out| out.push_str(text));
    }

    /// The same, with texts of the record put there by `put`.
    pub(crate) fn fill_through(
        &self,
        record: &Record<'_>,
        out: &mut String,
        put: impl Fn(&str, &mut String),
    ) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::EventType => match record.kind() {
                    "" => out.push_str("unknown"),
                    kind => put(kind, out),
                },
                Part::Worker => out.push_str(&record.worker.to_string()),
                Part::Date(pattern) => {
                    let moment = record.timestamp().and_then(Moment::parse);
                    let moment = moment.unwrap_or_else(Moment::now).in_utc();
                    let date = pattern
                        .replace("yyyy", &format!("{:04}", moment.year))
                        .replace("MM", &format!("{:02}", moment.month))
                        .replace("dd", &format!("{:02}", moment.day))
                        .replace("HH", &format!("{:02}", moment.hour));
                    out.push_str(&date);
                }
            }
        }
    }
}

fn is_date(name: &str) -> bool {
    let rest = name.replace("yyyy", "").replace("MM", "").replace("dd", "").replace("HH", "");
    rest.len() < name.len() && rest.bytes().all(|byte| b".-_/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let bytes = br#"{"timestamp":"2016-07-13T22:42:07.573103-0200","event_type":"dns"}"#;
        let record = Record { worker: 3, sequence: 9, bytes };
        let check = |text: &str, wanted: &str| {
            let mut name = String::new();
            Template::new(text, "north").expect("is known").fill(&record, &mut name);
            assert_eq!(name, wanted);
        };
        check("suricata", "suricata");
        check("bateleur-{event_type}-{yyyy.MM.dd}", "bateleur-dns-2016.07.14");
        check("{sensor}:{worker}/{yyyy-MM}{HH}", "north:3/2016-0700");
        check("", "");
        for wrong in ["{", "a{event_type", "{kind}", "{}", "{yy}"] {
            assert!(Template::new(wrong, "").is_err(), "{wrong}");
        }
        let mut name = String::new();
        let bare = Record { bytes: b"{}", ..record };
        Template::new("{event_type}", "").expect("is known").fill(&bare, &mut name);
        assert_eq!(name, "unknown");
    }
}
