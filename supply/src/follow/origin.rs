//! Where bundles come from: a rule server or any web server, by HTTP, or a folder.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;

use crate::bundle::file_name;
use crate::fetch::address::{scrubbed, told};
use crate::layout::{BUNDLES, CHANNELS, Channel, Layout, LayoutError, MOST};
use crate::manifest::Hash;
use crate::receipt::Receipt;

/// How long a small request may take, and how long a bundle.
const SMALL: Duration = Duration::from_secs(30);
const LARGE: Duration = Duration::from_secs(900);
const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: u32 = 3;

/// What a server says at most: receipts of many sensors, or a roll-out of them.
const MOST_ANSWER: u64 = 64 << 20;
/// Of what a server says to a receipt, or beside a refusal.
const MOST_REMARK: u64 = 64 << 10;

/// Where bundles come from.
pub struct Origin(Kind);

impl fmt::Debug for Origin {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.shown())
    }
}

enum Kind {
    Folder(Layout),
    Server { address: String, agent: Box<Agent>, token: Option<String> },
}

/// Why something can't be had.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The server can't be reached, or breaks off.
    #[error("{0}: {1}")]
    Away(String, String),
    /// It answers with this status.
    #[error("{0}: status {1}: {2}")]
    Status(String, u16, String),
    /// The folder.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// There is no such channel.
    #[error("{0}: there is no channel {1}")]
    NoChannel(String, String),
    /// An address that this program can't ask.
    #[error("{0}: {1}")]
    Address(String, String),
}

impl Origin {
    /// From `http://…`, `https://…`, `file://…` or the path of a folder. A token is shown to
    /// servers.
    ///
    /// # Errors
    /// When the address is of another kind, or TLS is not built in.
    pub fn new(from: &str, token: Option<String>, program: &str) -> Result<Self, OriginError> {
        if let Some(path) = from.strip_prefix("file://") {
            return Ok(Self(Kind::Folder(Layout::at(Path::new(path)))));
        }
        let Some((scheme, rest)) = from.split_once("://") else {
            return Ok(Self(Kind::Folder(Layout::at(Path::new(from)))));
        };
        let wrong = |why: &str| OriginError::Address(told(from), why.to_owned());
        if rest.is_empty() {
            return Err(wrong("there is no server in it"));
        }
        let is_secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("http, https and folders are understood")),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(is_secure)
            .max_redirects(REDIRECTS)
            .user_agent(program)
            .timeout_connect(Some(CONNECT));
        let config = match is_secure {
            #[cfg(feature = "tls")]
            true => config.tls_config(crate::tls::config().map_err(|why| wrong(&why))?),
            #[cfg(not(feature = "tls"))]
            true => return Err(wrong("this program is built without the feature `tls`")),
            false => config,
        };
        let agent = Box::new(config.build().new_agent());
        let address = from.trim_end_matches('/').to_owned();
        Ok(Self(Kind::Server { address, agent, token }))
    }

    /// What a channel says to a sensor.
    pub(super) fn channel(&self, name: &str, sensor: &str) -> Result<Channel, OriginError> {
        let none = |place: String| OriginError::NoChannel(place, name.to_owned());
        match &self.0 {
            Kind::Folder(layout) => {
                let place = layout.folder().display().to_string();
                layout.channel(name)?.ok_or_else(|| none(place))
            }
            Kind::Server { address, .. } => {
                let url = format!("{address}/{CHANNELS}/{name}.json?sensor={sensor}");
                let (status, body) = self.get(&url, MOST)?;
                match status {
                    200 => Ok(Channel::parse(&body, name)?),
                    404 => Err(none(told(address))),
                    _ => Err(refused(&url, status, &body)),
                }
            }
        }
    }

    /// A bundle as it comes.
    pub(super) fn bundle(&self, hash: &Hash, most: u64) -> Result<Box<dyn Read>, OriginError> {
        match &self.0 {
            Kind::Folder(layout) => {
                let path = layout.bundle_file(hash);
                match File::open(&path) {
                    Ok(file) => Ok(Box::new(file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Err(LayoutError::Missing(*hash).into())
                    }
                    Err(error) => Err(LayoutError::File(path, error).into()),
                }
            }
            Kind::Server { address, agent, .. } => {
                let url = format!("{address}/{BUNDLES}/{}", file_name(hash));
                let request = agent.get(&url).config().timeout_global(Some(LARGE)).build();
                let response = request.call().map_err(|error| away(&url, &error))?;
                let status = response.status().as_u16();
                // One byte more than the limit: it is for the reader to complain.
                let body = response.into_body().into_with_config();
                let mut body = body.limit(most.saturating_add(1)).reader();
                if status == 200 {
                    return Ok(Box::new(body));
                }
                let mut text = Vec::new();
                let _ = body.by_ref().take(1000).read_to_end(&mut text);
                Err(refused(&url, status, &text))
            }
        }
    }

    /// Leaves a receipt; a folder takes none.
    pub(super) fn post(&self, receipt: &Receipt) -> Result<(), OriginError> {
        let Kind::Server { address, agent, token } = &self.0 else { return Ok(()) };
        let url = format!("{address}/v1/receipts");
        let body = serde_json::to_vec(receipt).unwrap_or_default();
        let mut request = agent.post(&url).config().timeout_global(Some(SMALL)).build();
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.send(&body[..]).map_err(|error| away(&url, &error))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            // A plain web server, or a bucket: nobody reads receipts there.
            404 | 405 | 501 => Ok(()),
            status => {
                // What it says beside the status is only for people.
                let body = body_of(&url, response, MOST_REMARK).unwrap_or_default();
                Err(refused(&url, status, &body))
            }
        }
    }

    /// Asks a server for something, or orders it.
    ///
    /// # Errors
    /// When it is a folder, or the server does not do it.
    pub fn ask(&self, path: &str, order: Option<&[u8]>) -> Result<Vec<u8>, OriginError> {
        let Kind::Server { address, agent, token } = &self.0 else {
            let why = "a folder answers no questions".to_owned();
            return Err(OriginError::Address("folder".to_owned(), why));
        };
        let url = format!("{address}{path}");
        let (status, body) = match order {
            None => self.get(&url, MOST_ANSWER)?,
            Some(order) => {
                let mut request = agent.post(&url).config().timeout_global(Some(SMALL)).build();
                if let Some(token) = token {
                    request = request.header("authorization", format!("Bearer {token}"));
                }
                let response = request.send(order).map_err(|error| away(&url, &error))?;
                (response.status().as_u16(), body_of(&url, response, MOST_ANSWER)?)
            }
        };
        if status == 200 { Ok(body) } else { Err(refused(&url, status, &body)) }
    }

    fn get(&self, url: &str, most: u64) -> Result<(u16, Vec<u8>), OriginError> {
        let Kind::Server { agent, token, .. } = &self.0 else { return Ok((404, Vec::new())) };
        let mut request = agent.get(url).config().timeout_global(Some(SMALL)).build();
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| away(url, &error))?;
        let status = response.status().as_u16();
        Ok((status, body_of(url, response, most)?))
    }

    /// Where it is, without what is secret.
    pub fn shown(&self) -> String {
        match &self.0 {
            Kind::Folder(layout) => layout.folder().display().to_string(),
            Kind::Server { address, .. } => told(address),
        }
    }

    /// Where a folder is; none for servers.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.0 {
            Kind::Folder(layout) => Some(layout.folder().to_path_buf()),
            Kind::Server { .. } => None,
        }
    }
}

/// What a server says, which is no longer than this.
fn body_of(
    url: &str,
    response: ureq::http::Response<ureq::Body>,
    most: u64,
) -> Result<Vec<u8>, OriginError> {
    let wrong = |why: String| OriginError::Away(told(url), why);
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(most.saturating_add(1));
    reader.read_to_end(&mut body).map_err(|error| wrong(scrubbed(&error.to_string())))?;
    match body.len() as u64 <= most {
        true => Ok(body),
        false => Err(wrong(format!("its answer is larger than {most} bytes"))),
    }
}

fn away(url: &str, error: &ureq::Error) -> OriginError {
    OriginError::Away(told(url), scrubbed(&error.to_string()))
}

/// With what the server says about it.
fn refused(url: &str, status: u16, body: &[u8]) -> OriginError {
    let said = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = said.and_then(|said| Some(said.get("error")?.as_str()?.to_owned()));
    let said = said.unwrap_or_else(|| "no reason was given".to_owned());
    OriginError::Status(told(url), status, said.chars().take(500).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    /// What is asked of a server that answers so.
    fn asked(answer: &'static [u8], padding: usize) -> OriginError {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            let _ = stream.write_all(&vec![b' '; padding]);
        });
        let from = format!("http://u:s3cret@{host}");
        let origin = Origin::new(&from, Some("t0ken".to_owned()), "test").unwrap();
        let shown = format!("{origin:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
        origin.channel("default", "s").unwrap_err()
    }

    #[test]
    fn answers_are_limited_and_errors_keep_secrets() {
        for (answer, padding, expected) in [
            (&b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n{\"error\":\"x\"}"[..], 0, "500: x"),
            (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 0, "no channel default"),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 70_000, "larger than 65536 bytes"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 0, "127.0.0.1"),
            (b"what?\r\n\r\n", 0, "127.0.0.1"),
        ] {
            let said = asked(answer, padding).to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("s3cret") && !said.contains("t0ken"), "{said}");
        }
        let said = Origin::new("ftp://u:s3cret@h", None, "test").unwrap_err().to_string();
        assert!(said.contains("ftp://h") && !said.contains("s3cret"), "{said}");
    }
}
