//! Addresses of receivers in configurations, refused where they stand when they can't be right.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::http::Url;

/// `HOST:PORT`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostPort(String);

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |what: &str| {
            Err(format!("{text} {what}: write HOST:PORT, an IPv6 address in brackets"))
        };
        if text.contains("://") {
            // It may have a password in it.
            return Err("this is a URL: write HOST:PORT".to_owned());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, port),
            _ => return wrong("has no port"),
        };
        if host.is_empty() {
            return wrong("has no host");
        }
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return wrong("has no port, or no brackets");
        }
        if port.parse::<u16>().is_err() {
            return wrong("has no port from 0 to 65535");
        }
        Ok(Self(text))
    }
}

/// `http://host:port/path`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HttpUrl(String);

impl TryFrom<String> for HttpUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Url::parse(&text)?;
        Ok(Self(text))
    }
}

/// One `HOST:PORT`.
pub(crate) fn one<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    HostPort::deserialize(source).map(|address| address.0)
}

/// One `HOST:PORT`, or none.
pub(crate) fn optional<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    Option::<HostPort>::deserialize(source).map(|address| address.map(|address| address.0))
}

/// A list of `HOST:PORT`.
pub(crate) fn list<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<HostPort>::deserialize(source)?;
    Ok(list.into_iter().map(|address| address.0).collect())
}

/// A list of URLs, with one at least.
pub(crate) fn urls<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<HttpUrl>::deserialize(source)?;
    if list.is_empty() {
        return Err(D::Error::custom("there is no address in this list"));
    }
    Ok(list.into_iter().map(|url| url.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_hosts_and_ports() {
        let check = |text: &str, wanted: Option<&str>| {
            let said = HostPort::try_from(text.to_owned()).err();
            match (said, wanted) {
                (None, None) => {}
                (Some(said), Some(part)) => assert!(said.contains(part), "{text}: {said}"),
                (said, _) => panic!("{text}: {said:?}"),
            }
        };
        check("127.0.0.1:6379", None);
        check("logs:514", None);
        check("[2001:db8::1]:514", None);
        check("127.0.0.1", Some("127.0.0.1 has no port: write HOST:PORT"));
        check("logs", Some("has no port"));
        check("[::1]", Some("has no port"));
        check("2001:db8::1:514", Some("brackets"));
        check(":514", Some("has no host"));
        check("logs:syslog", Some("has no port from"));
        check("logs:70000", Some("has no port from"));
        check("", Some("has no port"));
        check("tcp://u:secret@logs:1", Some("URL"));
        assert!(
            !HostPort::try_from("tcp://u:secret@a".to_owned()).err().unwrap().contains("secret")
        );
    }
}
