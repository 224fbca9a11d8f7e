//! The sinks, one file each, and their list.

#[cfg(not(all(feature = "kafka", feature = "parquet")))]
mod absent;
mod file;
mod folder;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod lines;
mod lumberjack;
mod mark;
mod outgoing;
mod outlet;
#[cfg(feature = "parquet")]
mod parquet;
mod redis;
mod stdout;
mod syslog;
mod tickets;
mod unacknowledged;
mod unix;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::activity::Activity;
use crate::duration::Size;
use crate::filter::Filter;
use crate::network::Network;
use crate::reach::Reach;
use crate::settings::Output;
use crate::sink::Sink;

/// What a sink learns of the sensor around it.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The sensor's name; by default that of the host.
    pub sensor: String,
    /// The sink's own name.
    pub name: String,
    /// Where its sockets go out.
    pub network: Network,
    /// What it will open when the process may have given up its rights.
    pub reach: Reach,
    /// Where it tells what it waits for.
    pub activity: Activity,
}

/// Makes `SinkSettings`, of which a configuration sets exactly one of the kinds.
macro_rules! sinks {
    ($($(#[doc = $doc:literal])* $(#[cfg($when:meta)])? $kind:ident: $settings:ty,)*) => {
        /// A sink as a configuration gives it: `- stdout: {}`, with `name`, `records`, `window`.
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        pub struct SinkSettings {
            /// Its name, for counters, the spool and messages; by default that of its kind.
            pub name: Option<String>,
            /// What it gets.
            pub records: Filter,
            /// Where it stands in a configuration, for messages.
            #[serde(skip)]
            pub place: String,
            /// The output that it has to itself; none: it gets what all get.
            #[serde(skip)]
            pub output: Option<Output>,
            /// Bytes of records that may be under way to it.
            pub window: Option<Size>,
            $($(#[doc = $doc])* $(#[cfg($when)])? pub $kind: Option<$settings>,)*
        }

        impl SinkSettings {
            /// Names of all kinds.
            pub const KINDS: &[&str] = &[$($(#[cfg($when)])? stringify!($kind)),*];

            /// The kinds that are set.
            pub fn kinds(&self) -> Vec<&'static str> {
                let mut set = Vec::new();
                $($(#[cfg($when)])? if self.$kind.is_some() { set.push(stringify!($kind)); })*
                set
            }

            /// Its name.
            pub fn name(&self) -> String {
                let kind = self.kinds().first().copied().unwrap_or("sink");
                self.name.clone().unwrap_or_else(|| kind.to_owned())
            }

            /// The file that it writes to, if it does; with places that records fill.
            pub fn file_path(&self) -> Option<&str> {
                self.file.as_ref().map(file::Settings::path)
            }

            /// Makes the sink; nothing is connected yet.
            ///
            /// # Errors
            /// With what is wrong with its settings.
            pub fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
                $($(#[cfg($when)])? if let Some(settings) = &self.$kind {
                    return settings.build(around).map_err(|why| self.placed(why));
                })*
                Err(format!("a sink needs one of {}", Self::KINDS.join(", ")))
            }
        }
    };
}

impl SinkSettings {
    /// Types of records that its settings name, with their keys such as `records.only.0`.
    pub fn types(&self) -> Vec<(String, &str)> {
        let records = self.records.types().map(|(key, name)| (format!("records.{key}"), name));
        let severities = self.syslog.iter().flat_map(|syslog| syslog.severities.keys());
        let severities =
            severities.map(|name| (format!("syslog.severities.{name}"), name.as_str()));
        records.chain(severities).collect()
    }

    /// What is wrong, with the place where it is to be mended.
    fn placed(&self, why: String) -> String {
        if self.place.is_empty() { why } else { format!("{why} ({})", self.place) }
    }
}

// A new sink is one file with `Settings` and a line here.
sinks! {
    /// JSON lines over TCP.
    lines: lines::Settings,
    /// Lumberjack v2, as Logstash's beats input takes it.
    lumberjack: lumberjack::Settings,
    /// HTTP servers that take batches of JSON: OpenSearch, Splunk HEC, a webhook.
    http: http::Settings,
    /// A Redis server: list, channel or stream.
    redis: redis::Settings,
    /// Apache Kafka.
    #[cfg(feature = "kafka")]
    kafka: kafka::Settings,
    /// Apache Kafka, which this program was built without.
    #[cfg(not(feature = "kafka"))]
    kafka: absent::Kafka,
    /// Files of JSON lines.
    file: file::Settings,
    /// Files of Apache Parquet.
    #[cfg(feature = "parquet")]
    parquet: parquet::Settings,
    /// Files of Apache Parquet, which this program was built without.
    #[cfg(not(feature = "parquet"))]
    parquet: absent::Parquet,
    /// Standard output.
    stdout: stdout::Settings,
    /// A syslog server, or the local one.
    syslog: syslog::Settings,
    /// A Unix socket.
    unix: unix::Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_built_has_its_place() {
        let check = |yaml: &str, wanted: &str| {
            let mut sink: SinkSettings = serde_saphyr::from_str(yaml).unwrap();
            sink.place = "gate.yaml:12:7".to_owned();
            let said = sink.build(&Surroundings::default()).err().unwrap_or_default();
            assert_eq!(said, format!("{wanted} (gate.yaml:12:7)"));
            sink.place = String::new();
            assert_eq!(sink.build(&Surroundings::default()).err().unwrap_or_default(), wanted);
        };
        check(
            "http: {urls: ['http://a'], hec: {token: a, token-file: b}}",
            "hec: token and hec: token-file are both set",
        );
        check("lines: {}", "lines: hosts is empty");
    }

    #[test]
    fn named_types_have_their_keys() {
        let yaml = "{records: {only: [dns], except: [tls]}, syslog: {severities: {stats: debug}}}";
        let sink: SinkSettings = serde_saphyr::from_str(yaml).unwrap();
        let expected = [
            ("records.only.0", "dns"),
            ("records.except.0", "tls"),
            ("syslog.severities.stats", "stats"),
        ];
        assert_eq!(sink.types(), expected.map(|(key, name)| (key.to_owned(), name)));
    }
}
