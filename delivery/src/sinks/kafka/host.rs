//! Sockets on the event network, and tokens, for librdkafka.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka::{Family, Token};
use serde::Deserialize;
use socket2::{Protocol, Type};

use crate::network::Network;
use crate::secret::SecretFile;
use crate::sinks::Surroundings;

use super::settings::Sasl;

/// How long a token is taken for good that does not say so itself.
const LIFE_OF_OPAQUE_TOKENS: Duration = Duration::from_secs(15 * 60);

/// What librdkafka gets from us.
#[derive(Clone)]
pub(super) struct Host {
    network: Network,
    token: TokenSource,
}

#[derive(Clone)]
enum TokenSource {
    None,
    Text(String),
    File(SecretFile),
}

impl Host {
    pub(super) fn new(around: &Surroundings, sasl: Option<&Sasl>) -> Self {
        let token = match sasl {
            Some(Sasl { token: Some(text), .. }) => TokenSource::Text(text.clone()),
            Some(Sasl { token_file: Some(file), .. }) => TokenSource::File(SecretFile::new(
                "kafka: sasl.token-file",
                file.clone(),
                &around.reach,
            )),
            _ => TokenSource::None,
        };
        Self { network: around.network.clone(), token }
    }
}

impl kafka::Host for Host {
    fn socket(&self, family: Family) -> io::Result<OwnedFd> {
        let socket = self.network.open(family == Family::V4, Type::STREAM, Protocol::TCP)?;
        Ok(socket.into())
    }

    fn token(&self) -> Result<Token, String> {
        let text = match &self.token {
            TokenSource::None => return Err("sasl: neither token nor token-file is set".into()),
            TokenSource::Text(text) => text.clone(),
            TokenSource::File(file) => file.reveal().map_err(|trouble| trouble.what)?,
        };
        Ok(token(text.trim(), SystemTime::now()))
    }
}

/// Claims of a token in JSON (RFC 7519) that matter here.
#[derive(Default, Deserialize)]
struct Claims {
    exp: Option<f64>,
    sub: Option<String>,
}

/// A token, with what it says of itself when it is a JSON web token.
fn token(text: &str, now: SystemTime) -> Token {
    let claims = || -> Option<Claims> {
        let middle = text.split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(middle.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&json).ok()
    };
    let claims = claims().unwrap_or_default();
    let end = claims.exp.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let end = end.and_then(|since| UNIX_EPOCH.checked_add(since));
    Token {
        value: text.to_owned(),
        principal: claims.sub.unwrap_or_default(),
        expires: end.unwrap_or(now + LIFE_OF_OPAQUE_TOKENS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_say_when_they_end() {
        #[track_caller]
        fn check(claims: &str, expires: Duration, principal: &str) {
            let text = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
            let made = token(&text, UNIX_EPOCH);
            assert_eq!(made.expires, UNIX_EPOCH + expires);
            assert_eq!((made.principal.as_str(), made.value), (principal, text));
        }
        check(r#"{"exp":1000,"sub":"sensor"}"#, Duration::from_secs(1000), "sensor");
        check(r#"{"exp":1e300}"#, LIFE_OF_OPAQUE_TOKENS, "");
        check(r#"{"exp":-1}"#, LIFE_OF_OPAQUE_TOKENS, "");
        check("no json", LIFE_OF_OPAQUE_TOKENS, "");
        assert_eq!(token("opaque", UNIX_EPOCH).value, "opaque");
    }
}
