//! Settings of the sink for Kafka, and the options of librdkafka that they stand for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Delay, Size};
use crate::network::Network;
use crate::stream::TlsSettings;

/// `kafka: {brokers: ["kafka-1:9092"]}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Some of the cluster's brokers, as `host:port`; they name the others.
    pub brokers: Vec<String>,
    /// Where records go; `{event_type}` and `{sensor}` stand for those of the record.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// What decides on the partition: records of one key keep their order.
    #[serde(default)]
    pub key: Key,
    /// How batches are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// How hard they are; that of the library when absent.
    pub compression_level: Option<i8>,
    /// Records that may wait in memory for their confirmation.
    #[serde(default = "default_queue_records")]
    pub queue_records: u32,
    /// Bytes of them.
    #[serde(default = "default_queue_size")]
    pub queue_size: Size,
    /// How long a record may wait for others of its batch.
    #[serde(default = "default_linger")]
    pub linger: Delay,
    /// Most records of a batch.
    #[serde(default = "default_batch_records")]
    pub batch_records: u32,
    /// Most bytes of a batch; not more than the topics' `max.message.bytes`.
    #[serde(default = "default_batch_size")]
    pub batch_size: Size,
    /// TLS to brokers.
    pub tls: Option<TlsSettings>,
    /// Who we are to brokers.
    pub sasl: Option<Sasl>,
    /// How often librdkafka counts for the statistics; zero for never.
    #[serde(default = "default_statistics_interval")]
    pub statistics_interval: Delay,
    /// More options of librdkafka, by its names for them; they win over those above.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
}

/// What decides on the partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// `flow_id`: records of a flow stay in order.
    #[default]
    FlowId,
    /// `community_id`: those of a flow do also when other sensors see it.
    CommunityId,
    /// The sensor's name.
    Sensor,
    /// None: librdkafka fills one partition after the other.
    None,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Zstandard
    #[default]
    Zstd,
    /// LZ4
    Lz4,
    /// Snappy
    Snappy,
    /// gzip
    Gzip,
    /// Not at all.
    None,
}

/// Who we are to brokers (RFC 4422).
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sasl {
    /// How that is proved.
    pub mechanism: Mechanism,
    /// Our name.
    pub username: Option<String>,
    /// Our password.
    #[schemars(with = "Option<crate::secret::Hidden>")]
    pub password: Option<String>,
    /// A file whose first line is our password.
    pub password_file: Option<PathBuf>,
    /// A token of OAuth 2, for `oauthbearer`.
    #[schemars(with = "Option<crate::secret::Hidden>")]
    pub token: Option<String>,
    /// A file with the token, which is read again whenever it is about to end.
    pub token_file: Option<PathBuf>,
}

/// Mechanisms of SASL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The password itself (RFC 4616).
    Plain,
    /// A challenge (RFC 7677).
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The same, with SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// A token (RFC 7628).
    Oauthbearer,
}

/// An option's value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`
    Switch(bool),
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
}

impl std::fmt::Debug for Sasl {
    /// Without password and token.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The options of librdkafka. Reads the files that are named.
    pub(super) fn options(
        &self,
        sensor: &str,
        network: &Network,
    ) -> Result<Vec<(String, String)>, String> {
        if self.brokers.is_empty() {
            return Err("brokers: name at least one, as HOST:PORT".into());
        }
        let mut options = Options::default();
        options.set("bootstrap.servers", self.brokers.join(","));
        options.set("client.id", format!("bateleur-{sensor}"));
        // Nothing is given up: records that can't be sent wait here, the others in the spool.
        options.set("message.timeout.ms", "0");
        options.set("acks", "all");
        options.set("enable.idempotence", "true");
        // As Java's clients do, so that streams can be joined by key.
        options.set("partitioner", "murmur2_random");
        options.set("queue.buffering.max.messages", self.queue_records.max(1));
        let kilobytes = self.queue_size.0.div_ceil(1024).clamp(1, i32::MAX as u64);
        options.set("queue.buffering.max.kbytes", kilobytes);
        options.set("linger.ms", self.linger.0.as_millis());
        options.set("batch.num.messages", self.batch_records.max(1));
        options.set("batch.size", self.batch_size.0.max(1));
        options.set("compression.type", self.compression.name());
        if let Some(level) = self.compression_level {
            options.set("compression.level", level);
        }
        options.set("statistics.interval.ms", self.statistics_interval.0.as_millis());
        options.set("socket.keepalive.enable", "true");
        // Idle connections end often; that is no news.
        options.set("log.connection.close", "false");
        // Sockets of another family than our source addresses can't be made.
        let families = network.source_address.iter().map(|address| address.is_ipv4());
        match (families.clone().any(|is_v4| is_v4), families.clone().any(|is_v4| !is_v4)) {
            (true, false) => options.set("broker.address.family", "v4"),
            (false, true) => options.set("broker.address.family", "v6"),
            _ => {}
        }
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        options.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            options.tls(tls)?;
        }
        if let Some(sasl) = &self.sasl {
            options.sasl(sasl)?;
        }
        for (name, value) in &self.options {
            options.set(name, value.text());
        }
        Ok(options.0)
    }
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Switch(is_on) => is_on.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[derive(Default)]
struct Options(Vec<(String, String)>);

impl Options {
    fn set(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// Files are read now: later there may be no right to.
    fn tls(&mut self, tls: &TlsSettings) -> Result<(), String> {
        if tls.server_name.is_some() {
            return Err("tls.server-name: brokers of Kafka have names of their own".into());
        }
        if tls.certificate.is_some() != tls.key.is_some() {
            return Err("tls: certificate and key go together".into());
        }
        let files = [
            ("ssl.ca.pem", "tls.ca", &tls.ca),
            ("ssl.certificate.pem", "tls.certificate", &tls.certificate),
            ("ssl.key.pem", "tls.key", &tls.key),
        ];
        for (option, name, file) in files {
            if let Some(file) = file {
                self.set(option, read(name, file)?);
            }
        }
        if tls.insecure {
            self.set("enable.ssl.certificate.verification", "false");
            self.set("ssl.endpoint.identification.algorithm", "none");
        }
        Ok(())
    }

    fn sasl(&mut self, sasl: &Sasl) -> Result<(), String> {
        let mechanism = match sasl.mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::Oauthbearer => "OAUTHBEARER",
        };
        self.set("sasl.mechanism", mechanism);
        if sasl.mechanism == Mechanism::Oauthbearer {
            return match (&sasl.token, &sasl.token_file) {
                (Some(_), Some(_)) => {
                    Err("sasl: token and token-file are both set; one is enough".into())
                }
                (None, None) => Err("sasl: oauthbearer needs token or token-file".into()),
                _ => Ok(()),
            };
        }
        let username = sasl.username.as_ref().ok_or("sasl: username is missing")?;
        let password = match (&sasl.password, &sasl.password_file) {
            (Some(password), None) => password.clone(),
            (None, Some(file)) => read("sasl.password-file", file)?
                .lines()
                .next()
                .ok_or("sasl.password-file: it is empty")?
                .to_owned(),
            (Some(_), Some(_)) => {
                return Err("sasl: password and password-file are both set; one is enough".into());
            }
            (None, None) => return Err("sasl: it needs password or password-file".into()),
        };
        self.set("sasl.username", username);
        self.set("sasl.password", password);
        Ok(())
    }
}

fn read(name: &str, file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{name}: {}: {error}", file.display()))
}

fn default_topic() -> String {
    "bateleur".into()
}

fn default_queue_records() -> u32 {
    100_000
}

fn default_queue_size() -> Size {
    Size(64 << 20)
}

fn default_linger() -> Delay {
    Delay(Duration::from_millis(50))
}

fn default_batch_records() -> u32 {
    10_000
}

fn default_batch_size() -> Size {
    Size(1_000_000)
}

fn default_statistics_interval() -> Delay {
    Delay(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<Vec<(String, String)>, String> {
        let settings: Settings = serde_json::from_str(json).map_err(|error| error.to_string())?;
        settings.options("s1", &Network::default())
    }

    /// The last value of an option, which is the one that counts.
    fn last(options: &[(String, String)], name: &str) -> Option<String> {
        options.iter().rev().find(|option| option.0 == name).map(|option| option.1.clone())
    }

    #[test]
    fn settings_become_options() {
        #[track_caller]
        fn check(more: &str, name: &str, wanted: Option<&str>) {
            let made = options(&format!(r#"{{"brokers":["a:1","b:2"]{more}}}"#)).expect("good");
            assert_eq!(last(&made, name).as_deref(), wanted, "{name}");
        }
        check("", "bootstrap.servers", Some("a:1,b:2"));
        check("", "client.id", Some("bateleur-s1"));
        check("", "message.timeout.ms", Some("0"));
        check("", "acks", Some("all"));
        check("", "enable.idempotence", Some("true"));
        check("", "compression.type", Some("zstd"));
        check("", "compression.level", None);
        check("", "security.protocol", Some("plaintext"));
        check("", "queue.buffering.max.kbytes", Some("65536"));
        check("", "broker.address.family", None);
        check(r#","queue-size":"1 B""#, "queue.buffering.max.kbytes", Some("1"));
        check(r#","compression":"lz4""#, "compression.type", Some("lz4"));
        check(r#","compression-level":3"#, "compression.level", Some("3"));
        check(r#","linger":"2 s""#, "linger.ms", Some("2000"));
        check(r#","tls":{}"#, "security.protocol", Some("ssl"));
        check(r#","tls":{"insecure":true}"#, "ssl.endpoint.identification.algorithm", Some("none"));
        check(r#","options":{"linger.ms":7}"#, "linger.ms", Some("7"));
        check(r#","options":{"enable.idempotence":false}"#, "enable.idempotence", Some("false"));
        let sasl = r#","sasl":{"mechanism":"scram-sha-512","username":"u","password":"p"}"#;
        check(sasl, "sasl.mechanism", Some("SCRAM-SHA-512"));
        check(sasl, "sasl.password", Some("p"));
        check(sasl, "security.protocol", Some("sasl_plaintext"));
        check(&format!(r#","tls":{{}}{sasl}"#), "security.protocol", Some("sasl_ssl"));
    }

    #[test]
    fn wrong_settings_are_named() {
        #[track_caller]
        fn check(json: &str, wanted: &str) {
            let error = options(json).expect_err("refused");
            assert!(error.contains(wanted), "{error}");
        }
        check(r#"{}"#, "brokers");
        check(r#"{"brokers":[]}"#, "brokers");
        check(r#"{"brokers":["a:1"],"topics":"x"}"#, "topics");
        check(r#"{"brokers":["a:1"],"key":"host"}"#, "host");
        check(r#"{"brokers":["a:1"],"tls":{"certificate":"/c"}}"#, "go together");
        check(r#"{"brokers":["a:1"],"tls":{"server-name":"k"}}"#, "tls.server-name");
        check(r#"{"brokers":["a:1"],"tls":{"ca":"/no/such/file"}}"#, "tls.ca: /no/such/file");
        let sasl = |more: &str| format!(r#"{{"brokers":["a:1"],"sasl":{{"mechanism":{more}}}}}"#);
        check(&sasl(r#""kerberos""#), "kerberos");
        check(&sasl(r#""plain""#), "username");
        check(&sasl(r#""plain","username":"u""#), "password");
        check(&sasl(r#""oauthbearer""#), "token-file");
        let both = r#""plain","username":"u","password":"p","password-file":"/f""#;
        check(&sasl(both), "password and password-file are both set; one is enough");
        let both = r#""oauthbearer","token":"t","token-file":"/f""#;
        check(&sasl(both), "token and token-file are both set; one is enough");
    }

    #[test]
    fn source_addresses_decide_on_the_family() {
        let settings: Settings = serde_json::from_str(r#"{"brokers":["a:1"]}"#).expect("good");
        let family = |addresses: &[&str]| {
            let source_address =
                addresses.iter().map(|text| text.parse().expect("address")).collect();
            let network = Network { source_address, ..Network::default() };
            last(&settings.options("s", &network).expect("good"), "broker.address.family")
        };
        assert_eq!(family(&["10.0.0.1"]).as_deref(), Some("v4"));
        assert_eq!(family(&["::1"]).as_deref(), Some("v6"));
        assert_eq!(family(&["::1", "10.0.0.1"]), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let json = r#"{"mechanism":"plain","username":"u","password":"hidden","token":"hidden"}"#;
        let sasl: Sasl = serde_json::from_str(json).expect("good");
        assert!(!format!("{sasl:?}").contains("hidden"));
    }
}
