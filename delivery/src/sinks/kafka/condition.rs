//! How the brokers are, from what librdkafka tells of its connections.

use std::time::{Duration, Instant, SystemTime};

use kafka::Code;

use crate::sink::{Health, Trouble};

/// How long a refused password or certificate stays the reason that is told, while connections
/// fail in other ways, too.
const LASTING: Duration = Duration::from_secs(60);

/// How long brokers have to be there before they are believed that a topic is not: one that makes
/// itself takes a while. Less than what librdkafka itself gives a topic, 30 s from its first record.
const TOPICS: Duration = Duration::from_secs(20);

/// Rounds of statistics without any broker after which that is told without a reason.
const SILENT: u32 = 2;

/// How the brokers are.
pub(super) struct Condition {
    health: Health,
    /// Since when brokers answer, if they do.
    up: Option<Instant>,
    /// When a broker refused us last.
    refused: Option<SystemTime>,
    /// The last reason why a connection failed.
    last: String,
    /// How often in a row no broker was connected.
    silent: u32,
    /// The interface that sockets are bound to.
    interface: Option<String>,
}

impl Condition {
    pub(super) fn new(interface: Option<String>) -> Self {
        let (refused, last) = (None, String::new());
        Self { health: Health::Up, up: None, refused, last, silent: 0, interface }
    }

    pub(super) fn health(&self) -> Health {
        self.health.clone()
    }

    /// True when brokers have been there for long enough to know all topics.
    pub(super) fn knows_topics(&self) -> bool {
        self.up.is_some_and(|since| since.elapsed() >= TOPICS)
    }

    /// A broker answers.
    pub(super) fn up(&mut self) {
        self.up.get_or_insert_with(Instant::now);
        if let Health::Down { since, .. } = self.health {
            let seconds = since.elapsed().unwrap_or_default().as_secs();
            tracing::info!("kafka: brokers are back after {seconds} s");
            self.health = Health::Up;
            self.refused = None;
        }
        self.last.clear();
        self.silent = 0;
    }

    /// No broker is connected. librdkafka asks for the brokers anew then and does not say so.
    pub(super) fn none_up(&mut self) {
        self.silent += 1;
        self.up = None;
        if !self.last.is_empty() {
            self.down(Trouble::passing(self.last.clone()));
        } else if self.silent >= SILENT {
            // A broker that wants SASL may close connections without a word.
            self.down(Trouble::passing("no broker answers: look at brokers, tls and sasl"));
        }
    }

    /// Something is wrong with a connection.
    pub(super) fn error(&mut self, code: Code, text: &str) {
        let what = self.explain(code, text);
        match code {
            Code::ALL_BROKERS_DOWN if self.last.is_empty() => self.down(Trouble::passing(what)),
            Code::ALL_BROKERS_DOWN => self.down(Trouble::passing(self.last.clone())),
            _ if is_lasting(code, text) => self.down(Trouble::lasting(what)),
            Code::TRANSPORT | Code::RESOLVE => {
                self.last.clone_from(&what);
                if matches!(self.health, Health::Down { .. }) {
                    self.down(Trouble::passing(what));
                }
            }
            _ => tracing::warn!("kafka: {what}"),
        }
    }

    fn down(&mut self, trouble: Trouble) {
        let now = SystemTime::now();
        self.up = None;
        if trouble.is_lasting {
            self.refused = Some(now);
        }
        // librdkafka repeats itself twice a minute.
        let age = self.refused.and_then(|refused| now.duration_since(refused).ok());
        let is_fresh = age.is_some_and(|age| age < LASTING);
        match &mut self.health {
            // The publisher, which looks at this, says so.
            Health::Up => self.health = Health::Down { since: now, trouble },
            Health::Down { trouble: old, .. } => {
                if *old == trouble || (old.is_lasting && !trouble.is_lasting && is_fresh) {
                    return;
                }
                *old = trouble;
            }
        }
    }

    /// librdkafka's words, and which of our settings to look at.
    fn explain(&self, code: Code, text: &str) -> String {
        let text = in_our_words(text);
        let hint = if is_authentication(code) {
            "look at sasl.username, sasl.password and sasl.mechanism"
        } else if is_certificate_of_ours(&text) {
            "the broker does not accept our certificate: look at tls.certificate and tls.key"
        } else if code == Code::TLS {
            "look at tls.ca, and at the names in the broker's certificate"
        } else if text.contains("security.protocol") {
            "look at tls and sasl: what the broker wants there"
        } else if text.contains("No such device") {
            return match &self.interface {
                Some(name) => format!("{text} (events.interface {name} is not there)"),
                None => text,
            };
        } else {
            return text;
        };
        format!("{text} ({hint})")
    }
}

/// librdkafka's words with our names for the files that we read for it.
pub(super) fn in_our_words(text: &str) -> String {
    text.replace("ssl.ca.pem", "tls.ca")
        .replace("ssl.ca.location", "tls.ca")
        .replace("ssl.certificate.pem", "tls.certificate")
        .replace("ssl.key.pem", "tls.key")
}

/// True when somebody has to mend something.
fn is_lasting(code: Code, text: &str) -> bool {
    is_authentication(code)
        || matches!(code, Code::TLS | Code::CLUSTER_AUTHORIZATION | Code::TOPIC_AUTHORIZATION)
        || is_certificate_of_ours(text)
        || text.contains("security.protocol")
}

fn is_authentication(code: Code) -> bool {
    matches!(code, Code::AUTHENTICATION | Code::SASL_AUTHENTICATION | Code::SASL_MECHANISM)
}

/// True when the broker has ended the handshake: alerts of TLS (RFC 8446, 6.2) about certificates.
fn is_certificate_of_ours(text: &str) -> bool {
    text.contains("alert")
        && ["certificate", "unknown ca", "handshake failure"]
            .iter()
            .any(|sign| text.to_ascii_lowercase().contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(condition: &Condition) -> Trouble {
        match condition.health() {
            Health::Down { trouble, .. } => trouble,
            Health::Up => panic!("is up"),
        }
    }

    #[test]
    fn lost_connections_pass_and_wrong_passwords_last() {
        let mut condition = Condition::new(Some("eth9".into()));
        condition.error(Code::TRANSPORT, "a:1: Connection refused");
        assert_eq!(condition.health(), Health::Up, "another broker may do");
        condition.error(Code::ALL_BROKERS_DOWN, "1/1 brokers are down");
        assert_eq!(trouble(&condition), Trouble::passing("a:1: Connection refused"));
        condition.error(Code::AUTHENTICATION, "a:1: bad password");
        condition.error(Code::TRANSPORT, "a:1: Disconnected");
        let lasting = trouble(&condition);
        assert!(lasting.is_lasting && lasting.what.contains("sasl.password"), "{lasting}");
        condition.up();
        assert_eq!(condition.health(), Health::Up);
        assert!(!condition.knows_topics(), "brokers are only just back");
        let long_ago = Instant::now().checked_sub(TOPICS);
        condition.up = long_ago;
        condition.up();
        assert_eq!(condition.knows_topics(), long_ago.is_some());
        condition.error(Code::AUTHENTICATION, "a:1: bad password");
        assert!(!condition.knows_topics());
        condition.up();
        condition.error(Code::ALL_BROKERS_DOWN, "1/1 brokers are down");
        assert_eq!(trouble(&condition).what, "1/1 brokers are down", "old reasons are gone");
        condition.up();
        condition.none_up();
        assert_eq!(condition.health(), Health::Up, "nothing has failed yet");
        condition.none_up();
        assert!(trouble(&condition).what.contains("look at brokers"));
        condition.up();
        condition.error(Code::TRANSPORT, "a:1: Connection refused");
        assert_eq!(condition.health(), Health::Up, "others may answer");
        condition.none_up();
        assert_eq!(trouble(&condition).what, "a:1: Connection refused");
        condition.error(Code::TRANSPORT, "Failed to create socket: No such device");
        assert!(trouble(&condition).what.contains("events.interface eth9"));
    }

    #[test]
    fn what_the_health_tells_is_not_logged_as_well() {
        #[derive(Clone, Default)]
        struct Counting(std::sync::Arc<std::sync::atomic::AtomicU64>);
        impl tracing::Subscriber for Counting {
            fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
                *metadata.level() == tracing::Level::WARN
            }
            fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
                tracing::span::Id::from_u64(1)
            }
            fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
            fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
            fn event(&self, _: &tracing::Event<'_>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            fn enter(&self, _: &tracing::span::Id) {}
            fn exit(&self, _: &tracing::span::Id) {}
        }
        let logged = Counting::default();
        let _guard = tracing::subscriber::set_default(logged.clone());
        let mut condition = Condition::new(None);
        condition.error(Code::AUTHENTICATION, "a:1: bad password");
        condition.error(Code::TLS, "a:1: bad certificate");
        assert!(trouble(&condition).what.contains("bad certificate"));
        assert_eq!(logged.0.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[test]
    fn words_name_our_settings() {
        #[track_caller]
        fn check(code: Code, text: &str, wanted: &str, is_lasting: bool) {
            let mut condition = Condition::new(None);
            condition.error(Code::ALL_BROKERS_DOWN, "");
            condition.error(code, text);
            let trouble = trouble(&condition);
            assert!(trouble.what.contains(wanted), "{trouble}");
            assert_eq!(trouble.is_lasting, is_lasting, "{trouble}");
        }
        check(Code::TLS, "verify that ssl.ca.location is right", "verify that tls.ca", true);
        check(Code::TRANSPORT, "ssl/tls alert certificate required", "tls.certificate", true);
        check(Code::TRANSPORT, "sslv3 alert unknown CA", "tls.certificate", true);
        check(Code::TRANSPORT, "incorrect security.protocol?", "look at tls and sasl", true);
        check(Code::RESOLVE, "a:1: Name or service not known", "not known", false);
    }
}
