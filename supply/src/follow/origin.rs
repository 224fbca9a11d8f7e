//! Where bundles come from: a rule server or any web server, by HTTP, or a folder.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;

use crate::bundle::file_name;
use crate::layout::{BUNDLES, CHANNELS, Channel, Layout, LayoutError, MOST};
use crate::manifest::Hash;
use crate::receipt::Receipt;

/// How long a small request may take, and how long a bundle.
const SMALL: Duration = Duration::from_secs(30);
const LARGE: Duration = Duration::from_secs(900);
const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: u32 = 3;

/// Where bundles come from.
#[derive(Debug)]
pub struct Origin(Kind);

#[derive(Debug)]
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
        let wrong = |why: &str| OriginError::Address(from.to_owned(), why.to_owned());
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
            true => config.tls_config(super::tls::config().map_err(|why| wrong(&why))?),
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
                let (status, body) = self.get(&url)?;
                match status {
                    200 => Ok(Channel::parse(&body, name)?),
                    404 => Err(none(address.clone())),
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
            status => Err(refused(&url, status, &body_of(response))),
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
            None => self.get(&url)?,
            Some(order) => {
                let mut request = agent.post(&url).config().timeout_global(Some(SMALL)).build();
                if let Some(token) = token {
                    request = request.header("authorization", format!("Bearer {token}"));
                }
                let response = request.send(order).map_err(|error| away(&url, &error))?;
                (response.status().as_u16(), body_of(response))
            }
        };
        if status == 200 { Ok(body) } else { Err(refused(&url, status, &body)) }
    }

    fn get(&self, url: &str) -> Result<(u16, Vec<u8>), OriginError> {
        let Kind::Server { agent, token, .. } = &self.0 else { return Ok((404, Vec::new())) };
        let mut request = agent.get(url).config().timeout_global(Some(SMALL)).build();
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| away(url, &error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let reader = response.into_body().into_reader();
        // A channel is small; receipts of many sensors are not.
        reader
            .take(MOST * 512)
            .read_to_end(&mut body)
            .map_err(|error| OriginError::Away(url.to_owned(), error.to_string()))?;
        Ok((status, body))
    }

    /// Where a folder is; none for servers.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.0 {
            Kind::Folder(layout) => Some(layout.folder().to_path_buf()),
            Kind::Server { .. } => None,
        }
    }
}

fn body_of(response: ureq::http::Response<ureq::Body>) -> Vec<u8> {
    let mut body = Vec::new();
    // What it says beside the status is only for people.
    let _ = response.into_body().into_reader().take(MOST * 512).read_to_end(&mut body);
    body
}

fn away(url: &str, error: &ureq::Error) -> OriginError {
    OriginError::Away(url.to_owned(), error.to_string())
}

/// With what the server says about it.
fn refused(url: &str, status: u16, body: &[u8]) -> OriginError {
    let said = serde_json::from_slice::<serde_json::Value>(body).ok();
    let said = said.and_then(|said| Some(said.get("error")?.as_str()?.to_owned()));
    let said = said.unwrap_or_else(|| "no reason was given".to_owned());
    OriginError::Status(url.to_owned(), status, said.chars().take(500).collect())
}
