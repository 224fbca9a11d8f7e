//! Any receiver of JSON: lines or an array, signed if wanted.
//!
//! With a secret each request has `X-Bateleur-Timestamp`, seconds since 1970, and
//! `X-Bateleur-Signature`, `sha256=` and the HMAC-SHA256 in hexadecimal of that timestamp, a full
//! stop, and the body as it is sent (compressed, if it is). A receiver that keeps to a window of
//! time can't be shown an old request again.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::http::Answer;
use crate::reach::Reach;
use crate::record::Record;
use crate::secret::{Hidden, Secret};
use crate::sink::Trouble;

use super::job::{self, Job, Outcome};
use super::lane::header;

/// `webhook: {format: lines, secret-file: /run/secrets/webhook}`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The body's format.
    pub format: Format,
    /// Key of the signature.
    pub secret: Option<Hidden>,
    /// File with the key of the signature.
    pub secret_file: Option<PathBuf>,
}

/// Formats of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A record a line.
    #[default]
    Lines,
    /// One array.
    Array,
}

impl Settings {
    pub(super) fn build(&self, reach: &Reach) -> Result<Box<dyn job::Format>, String> {
        let (text, file) = (self.secret.as_ref(), self.secret_file.as_ref());
        let secret = Secret::of(reach, "webhook: secret", text, file)?;
        Ok(Box::new(Webhook { format: self.format, secret }))
    }
}

struct Webhook {
    format: Format,
    secret: Option<Secret>,
}

/// Signature of a body at a time.
fn signature(secret: &str, timestamp: u64, body: &[u8]) -> Result<String, Trouble> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|error| Trouble::lasting(format!("webhook: secret: {error}")))?;
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

impl job::Format for Webhook {
    fn path(&self, base: &str) -> String {
        base.to_owned()
    }

    fn content_type(&self) -> &'static str {
        match self.format {
            Format::Lines => "application/x-ndjson",
            Format::Array => "application/json",
        }
    }

    fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.bytes);
        out.push(if self.format == Format::Lines { b'\n' } else { b',' });
    }

    fn body(&self, text: &[u8]) -> Vec<u8> {
        match self.format {
            Format::Lines => text.to_vec(),
            Format::Array => {
                let inner = text.strip_suffix(b",").unwrap_or(text);
                [&b"["[..], inner, &b"]"[..]].concat()
            }
        }
    }

    fn headers(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        let Some(secret) = &self.secret else { return Ok(()) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = since.as_secs();
        header(out, "X-Bateleur-Timestamp", &timestamp.to_string());
        let signature = signature(&secret.reveal()?, timestamp, body)?;
        header(out, "X-Bateleur-Signature", &signature);
        Ok(())
    }

    fn judge(&mut self, answer: &Answer, job: Job, _: usize) -> Outcome {
        Outcome::of_status(answer, job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_as_openssl_makes_them() {
        // printf '1700000000.{"a":1}\n' | openssl dgst -sha256 -hmac key
        let found = signature("key", 1_700_000_000, b"{\"a\":1}\n").unwrap();
        assert_eq!(
            found,
            "sha256=0824db0a743efa8397a2347eb6ed290fa5dcbcaff7290d44369d5e903acea96e"
        );
    }
}
