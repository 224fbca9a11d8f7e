//! `metrics`, `log`, `otel`: what the sensor tells about itself, and to whom.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use schemars::JsonSchema;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::log::program::{LineFormat, ProgramLog, Threshold};

use super::words::FileName;

/// `metrics`: the endpoint for Prometheus.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Metrics {
    /// Addresses with ports; none: there is no endpoint.
    pub(crate) listen: Listen,
    /// Counters of each worker, not their sums.
    pub(crate) per_worker: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: Listen::default(), per_worker: true }
    }
}

/// `log`: the program's own log.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Log {
    /// How lines look.
    format: LineFormat,
    /// The least important messages that are told.
    level: Option<Threshold>,
    /// The file, relative to the folder of outputs; standard error by default.
    file: Option<FileName>,
}

impl Log {
    /// What it says, with the file below `base`.
    pub(super) fn settings(&self, base: &Path) -> ProgramLog {
        ProgramLog {
            format: self.format,
            threshold: self.level.unwrap_or(Threshold::Info),
            file: self.file.as_ref().map(|FileName(name)| base.join(name)),
        }
    }
}

/// One address with its port, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) Vec<SocketAddr>);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenVisitor)
    }
}

::delivery::described! {
    Listen, "Listen": {
        "description": "ADDRESS:PORT, an IPv6 address in brackets, or a list of them.",
        "anyOf": [
            {"type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]{1,5}$"},
            {"type": "array", "items": {
                "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]{1,5}$",
            }},
        ],
    };
}

#[derive(Clone, Copy)]
struct ListenVisitor;

impl<'de> Visitor<'de> for ListenVisitor {
    type Value = Listen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ADDRESS:PORT, an IPv6 address in brackets, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Listen, E> {
        let wrong =
            |_| E::custom(format!("{text} is no ADDRESS:PORT such as 127.0.0.1:9464 or [::]:9464"));
        Ok(Listen(vec![text.parse().map_err(wrong)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listen, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            addresses.extend(self.visit_str::<A::Error>(&text)?.0);
        }
        Ok(Listen(addresses))
    }
}

/// `otel`: metrics to a collector.
#[cfg(feature = "otel")]
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Otel {
    /// `http://host:4318`; `/v1/metrics` is put behind it.
    pub(crate) endpoint: String,
    /// Between two of them.
    #[serde(default = "ten_seconds")]
    pub(crate) interval: delivery::duration::Delay,
    /// How long connecting, or an answer, may take.
    #[serde(default = "ten_seconds")]
    pub(crate) timeout: delivery::duration::Delay,
    /// Further headers.
    #[serde(default)]
    pub(crate) headers: std::collections::BTreeMap<String, delivery::secret::Hidden>,
    /// TLS to `https`.
    pub(crate) tls: Option<delivery::stream::TlsSettings>,
}

#[cfg(feature = "otel")]
const fn ten_seconds() -> delivery::duration::Delay {
    delivery::duration::Delay(std::time::Duration::from_secs(10))
}

/// `otel`, which this program was built without.
#[cfg(not(feature = "otel"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Otel;

#[cfg(not(feature = "otel"))]
::delivery::described! {
    Otel, "Otel": {"not": {}};
}

#[cfg(not(feature = "otel"))]
impl<'de> Deserialize<'de> for Otel {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        let why = "this program was built without it; build it with `--features otel`";
        Err(D::Error::custom(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read() {
        let check = |text: &str, wanted: Option<&[&str]>| {
            let read: Result<Metrics, _> = serde_saphyr::from_str(text);
            let listen = read.ok().map(|metrics| metrics.listen.0);
            let wanted = wanted.map(|all| all.iter().map(|one| one.parse().unwrap()).collect());
            assert_eq!(listen, wanted, "{text}");
        };
        check("{}", Some(&[]));
        check("listen: 127.0.0.1:9464", Some(&["127.0.0.1:9464"]));
        check("listen: \"[::]:9464\"", Some(&["[::]:9464"]));
        check("listen: [\"127.0.0.1:1\", \"[::1]:1\"]", Some(&["127.0.0.1:1", "[::1]:1"]));
        check("listen: 9464", None);
        check("listen: localhost:9464", None);
        check("lisen: 127.0.0.1:9464", None);
    }

    #[test]
    fn the_log_is_text_at_info_unless_said_otherwise() {
        let of = |text: &str| {
            let log: Log = serde_saphyr::from_str(text).unwrap();
            log.settings(Path::new("/out"))
        };
        let usual = of("{}");
        assert_eq!((usual.format, usual.threshold), (LineFormat::Text, Threshold::Info));
        assert_eq!(usual.file, None);
        let other = of("{format: json, level: warn, file: sensor.log}");
        assert_eq!((other.format, other.threshold), (LineFormat::Json, Threshold::Warn));
        assert_eq!(other.file.as_deref(), Some(Path::new("/out/sensor.log")));
        assert!(serde_saphyr::from_str::<Log>("{format: xml}").is_err());
    }
}
