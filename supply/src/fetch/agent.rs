//! Requests: one at a time, with limits, by proxies of the environment, and by TLS where it is
//! built in.

use std::io::{self, Read, Write};
use std::time::Duration;

use ureq::Agent;

use super::address::{Address, scrubbed};

/// Redirects that are followed.
const MOST_REDIRECTS: u32 = 10;
/// A server that takes no connection for so long is not there.
const CONNECT: Duration = Duration::from_secs(30);

/// Why a request ended that took too long.
const LATE: &str = "the time for one request is over (rules.update.timeout)";

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is the same as before.
    NotModified,
    /// Its body was written; these are what to ask with next time.
    Body { etag: Option<String>, modified: Option<String> },
}

/// Why there is no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// For people.
    pub(super) why: String,
    /// True when it may be otherwise soon.
    pub(super) passes: bool,
    /// True when the server or the way to it is the reason, not what it sent.
    pub(super) unreachable: bool,
}

impl Trouble {
    fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), passes: true, unreachable: true }
    }

    fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), passes: false, unreachable: true }
    }
}

/// What to ask with, so that only what is new is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known<'a> {
    pub(super) etag: Option<&'a str>,
    pub(super) modified: Option<&'a str>,
}

/// An agent for an address: one that begins with https is not left for http.
///
/// # Errors
/// When TLS is needed and not there.
pub(super) fn agent(address: &Address, timeout: Duration, program: &str) -> Result<Agent, String> {
    let secure = address.url.starts_with("https:");
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .timeout_connect(Some(CONNECT.min(timeout)))
        .max_redirects(MOST_REDIRECTS)
        .http_status_as_error(false)
        .https_only(secure)
        .user_agent(program);
    #[cfg(feature = "tls")]
    let config = if secure { config.tls_config(crate::tls::config()?) } else { config };
    #[cfg(not(feature = "tls"))]
    if secure {
        return Err("https needs a program that is built with the feature `tls`".to_owned());
    }
    Ok(config.build().into())
}

/// Asks, and writes at most `most` bytes of what comes.
pub(super) fn get(
    agent: &Agent,
    address: &Address,
    known: Known<'_>,
    most: u64,
    to: &mut dyn Write,
) -> Result<Answer, Trouble> {
    let mut request = agent.get(&address.url);
    if let Some(authorization) = &address.authorization {
        request = request.header("authorization", authorization);
    }
    if let Some(etag) = known.etag {
        request = request.header("if-none-match", etag);
    }
    if let Some(modified) = known.modified {
        request = request.header("if-modified-since", modified);
    }
    let response = request.call().map_err(of_request)?;
    let status = response.status().as_u16();
    match status {
        200 => {}
        304 if known.etag.is_some() || known.modified.is_some() => return Ok(Answer::NotModified),
        408 | 429 | 500..=599 => return Err(Trouble::passing(said(status))),
        _ => return Err(Trouble::lasting(said(status))),
    }
    let header = |name: &str| {
        let value = response.headers().get(name)?.to_str().ok()?;
        (value.len() <= 1024).then(|| value.to_owned())
    };
    let (etag, modified) = (header("etag"), header("last-modified"));
    let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
    let too_large = || Trouble {
        why: format!("it is larger than {most} bytes"),
        passes: false,
        unreachable: false,
    };
    if length.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut reader = response.into_body().into_reader().take(most.saturating_add(1));
    let got = copy(&mut reader, to)?;
    if got > most {
        return Err(too_large());
    }
    match length {
        Some(length) if got < length => {
            Err(Trouble::passing(format!("it ended after {got} of {length} bytes")))
        }
        _ => Ok(Answer::Body { etag, modified }),
    }
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<u64, Trouble> {
    let mut buffer = vec![0; 64 * 1024];
    let mut got = 0_u64;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(got),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let of_request = error.get_ref().and_then(|why| why.downcast_ref::<ureq::Error>());
                let why = match of_request {
                    Some(ureq::Error::Timeout(_)) => LATE.to_owned(),
                    _ => scrubbed(&error.to_string()),
                };
                return Err(Trouble::passing(format!("it broke off after {got} bytes: {why}")));
            }
        };
        got = got.saturating_add(read as u64);
        to.write_all(buffer.get(..read).unwrap_or_default()).map_err(|error| Trouble {
            why: format!("it can't be kept: {error}"),
            passes: false,
            unreachable: false,
        })?;
    }
}

fn of_request(error: ureq::Error) -> Trouble {
    match &error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Trouble::lasting("this is no address"),
        ureq::Error::RequireHttpsOnly(_) => {
            Trouble::lasting("it leads from https to http, which is not followed")
        }
        ureq::Error::TooManyRedirects => {
            Trouble::lasting(format!("it leads on and on, more than {MOST_REDIRECTS} times"))
        }
        ureq::Error::Timeout(ureq::Timeout::Global) => {
            Trouble::passing(format!("no answer: {LATE}"))
        }
        ureq::Error::Timeout(what) => Trouble::passing(format!("no answer in time ({what})")),
        ureq::Error::Io(error) => Trouble::passing(scrubbed(&error.to_string())),
        ureq::Error::HostNotFound => Trouble::passing("there is no such host"),
        // It may name where a redirect led, with a key in it.
        _ => Trouble::passing(scrubbed(&error.to_string())),
    }
}

fn said(status: u16) -> String {
    let word = match status {
        401 => " (it wants a user and a password, or others)",
        403 => " (it is not allowed)",
        404 => " (there is no such file)",
        429 => " (too many requests)",
        _ => "",
    };
    format!("the server says {status}{word}")
}
