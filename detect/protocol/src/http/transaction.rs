//! A request with its response.

use std::sync::Arc;

use super::body::Body;
use super::buffers::progress;
use super::events::Event;
use super::message::{Known, Message, Span};
use super::request_line::{Method, Version};
use super::settings::HttpSettings;
use super::uri::Normalised;
use crate::file::FileSettings;
use crate::transaction::TxMeta;

/// Target of a transaction whose request was not seen.
pub(crate) const NOT_SEEN: &[u8] = b"/libhtp::request_uri_not_seen";

/// Messages of the parser on one connection that become events.
const WARNINGS: u32 = 512;

/// What all transactions of a flow share.
pub(crate) struct Context {
    /// Choices.
    pub(crate) settings: Arc<HttpSettings>,
    /// How files are tracked.
    pub(crate) files: FileSettings,
    /// Rules or outputs look at bodies.
    pub(crate) keep_bodies: bool,
    /// Somebody learns what is in bodies.
    pub(crate) decode_bodies: bool,
    /// Events so far.
    pub(crate) warnings: u32,
    /// Compression bombs so far.
    pub(crate) bombs: u32,
    /// A transaction has news of a part of a file.
    pub(crate) parts: bool,
}

/// Where the host comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostSource {
    /// There is none.
    #[default]
    None,
    /// The target.
    Target,
    /// The Host header.
    Header,
}

/// The request.
#[derive(Default)]
pub(crate) struct Request {
    /// First line and headers.
    pub(crate) message: Message,
    /// Method as sent.
    pub(crate) method: Option<Span>,
    /// Which method.
    pub(crate) kind: Method,
    /// Target as sent.
    pub(crate) uri: Option<Span>,
    /// Protocol as sent.
    pub(crate) protocol: Option<Span>,
    /// Its version.
    pub(crate) version: Version,
    /// It is an HTTP/0.9 request: the response has no head.
    pub(crate) headless: bool,
    /// Target, normalised; only with `has_path`.
    pub(crate) normalised: Normalised,
    /// The target has a path (CONNECT has none).
    pub(crate) has_path: bool,
    /// Host, lower case, without port.
    pub(crate) host: Vec<u8>,
    /// Where it comes from.
    pub(crate) host_source: HostSource,
    /// Port that was written.
    pub(crate) port: Option<u16>,
}

/// The response.
#[derive(Default)]
pub(crate) struct Response {
    /// First line and headers.
    pub(crate) message: Message,
    /// Protocol as sent.
    pub(crate) protocol: Option<Span>,
    /// Its version.
    pub(crate) version: Version,
    /// Code as sent.
    pub(crate) code: Option<Span>,
    /// Code, 100 to 999.
    pub(crate) status: Option<u16>,
    /// Reason as sent.
    pub(crate) reason: Option<Span>,
    /// A `100 Continue` came before.
    pub(crate) continued: bool,
}

impl Response {
    /// Forgets a response that is not the final one.
    pub(crate) fn clear(&mut self) {
        self.message.clear();
        self.protocol = None;
        self.version = Version::Invalid;
        self.code = None;
        self.status = None;
        self.reason = None;
    }
}

/// A request with its response.
#[derive(Default)]
pub(crate) struct Transaction {
    /// What the engine keeps with it.
    pub(crate) meta: TxMeta,
    /// Progress by direction.
    pub(crate) progress: [u8; 2],
    /// The request.
    pub(crate) request: Request,
    /// The response.
    pub(crate) response: Response,
    /// Bodies by direction.
    pub(crate) bodies: [Body; 2],
    /// A name with bytes that no token has was met.
    pub(crate) field_invalid: bool,
    /// A line without colon was met.
    pub(crate) field_unparseable: bool,
}

impl Transaction {
    /// Begins anew, with the memory of a transaction that is done with.
    pub(crate) fn reset(&mut self, id: u64) {
        let mut request = std::mem::take(&mut self.request.message);
        let mut response = std::mem::take(&mut self.response.message);
        let normalised = std::mem::take(&mut self.request.normalised);
        let mut host = std::mem::take(&mut self.request.host);
        let mut bodies = std::mem::take(&mut self.bodies);
        request.clear();
        response.clear();
        host.clear();
        bodies.iter_mut().for_each(Body::clear);
        *self = Self {
            meta: TxMeta::new(id),
            request: Request { message: request, normalised, host, ..Request::default() },
            response: Response { message: response, ..Response::default() },
            bodies,
            ..Self::default()
        };
    }

    /// Sets an event, within the limit of the connection.
    pub(crate) fn event(&mut self, context: &mut Context, event: Event) {
        context.warnings = context.warnings.saturating_add(1);
        match context.warnings {
            ..=WARNINGS => self.meta.set_event(event as u8),
            513 => self.meta.set_event(Event::TooManyWarnings as u8),
            _ => {}
        }
    }

    /// Sets an event when something holds.
    pub(crate) fn event_if(&mut self, context: &mut Context, holds: bool, event: Event) {
        if holds {
            self.event(context, event);
        }
    }

    /// The message of a direction.
    pub(crate) fn message(&self, direction: usize) -> &Message {
        if direction == 0 { &self.request.message } else { &self.response.message }
    }

    /// The message of a direction, to change.
    pub(crate) fn message_mut(&mut self, direction: usize) -> &mut Message {
        if direction == 0 { &mut self.request.message } else { &mut self.response.message }
    }

    /// Text of the request.
    pub(crate) fn request_text(&self, span: Option<Span>) -> Option<&[u8]> {
        span.map(|span| self.request.message.bytes(span))
    }

    /// Text of the response.
    pub(crate) fn response_text(&self, span: Option<Span>) -> Option<&[u8]> {
        span.map(|span| self.response.message.bytes(span))
    }

    /// The normalised path: the name of files without a name of their own.
    pub(crate) fn path(&self) -> &[u8] {
        let (start, end) = self.request.normalised.path;
        if !self.request.has_path {
            return &[];
        }
        self.request.normalised.text.get(start..end).unwrap_or(&[])
    }

    /// The host as it was written: from the header when the target has none.
    pub(crate) fn raw_host(&self) -> Option<&[u8]> {
        match self.request.host_source {
            HostSource::Target => Some(&self.request.host),
            _ => self.request.message.value(Known::Host),
        }
    }

    /// Sets progress; new data has come.
    pub(crate) fn advance(&mut self, direction: usize, value: u8) {
        if let Some(progress) = self.progress.get_mut(direction) {
            *progress = value;
        }
        self.touch(direction);
    }

    /// New data has come.
    pub(crate) fn touch(&mut self, direction: usize) {
        if let Some(updated) = self.meta.updated.get_mut(direction) {
            *updated = true;
        }
    }

    /// True when a direction is complete.
    pub(crate) fn is_complete(&self, direction: usize) -> bool {
        self.progress.get(direction) == Some(&progress::COMPLETE)
    }

    /// Makes it the transaction of a response without request.
    pub(crate) fn set_unseen(&mut self) {
        self.request.message.clear();
        self.request.uri = Some(self.request.message.compose(NOT_SEEN));
        self.request.normalised.text.clear();
        self.request.normalised.text.extend_from_slice(NOT_SEEN);
        self.request.normalised.path = (0, NOT_SEEN.len());
        self.request.has_path = true;
        self.advance(0, progress::COMPLETE);
    }
}
