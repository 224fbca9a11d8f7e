//! Decides how a message's body is delimited, as Suricata 8 does rather than RFC 9112.

use super::events::Event;
use super::head::Broken;
use super::message::Known;
use super::request_line::{Method, Version};
use super::text::{contains_without_nul, equals_without_nul, loose_number, starts_ignoring_case};
use super::transaction::{Context, Transaction};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Everything until the connection closes.
    UntilClose,
}

/// What follows the headers of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// A body.
    Body(Framing),
    /// Another status line for the same request.
    Continue,
    /// No HTTP any more.
    Tunnel,
}

impl Transaction {
    /// The framing of the request's body.
    pub(crate) fn request_framing(&mut self, context: &mut Context) -> Result<Framing, Broken> {
        let message = &self.request.message;
        if let Some(value) = message.value(Known::TransferEncoding) {
            if !contains_without_nul(value, b"chunked") {
                return Err(Broken);
            }
            let old = self.request.version < Version::V11;
            self.event_if(context, old, Event::InvalidTransferEncodingInRequest);
            return Ok(Framing::Chunked);
        }
        let Some(value) = message.value(Known::ContentLength) else { return Ok(Framing::None) };
        match loose_number(value) {
            None => Err(Broken),
            Some(number) => {
                self.event_if(context, number.before, Event::ContentLengthExtraDataStart);
                self.event_if(context, number.after, Event::ContentLengthExtraDataEnd);
                Ok(Framing::Length(number.value))
            }
        }
    }

    /// What follows the headers of the response.
    pub(crate) fn response_framing(&mut self, context: &mut Context) -> Result<After, Broken> {
        let message = &self.response.message;
        let transfer = message.value(Known::TransferEncoding).is_some();
        let length = message.value(Known::ContentLength);
        let status = self.response.status.unwrap_or(0);
        if self.request.kind == Method::Connect && (200..300).contains(&status) {
            return Ok(After::Tunnel);
        }
        if status == 101 {
            if !transfer && length.is_none() {
                return Ok(After::Tunnel);
            }
            self.event(context, Event::SwitchingProtoWithContentLength);
        } else if status == 100 && !transfer {
            let empty = length.is_none_or(|v| loose_number(v).is_some_and(|n| n.value == 0));
            if empty {
                return Ok(After::Continue);
            }
        }
        if self.request.kind == Method::Head {
            return Ok(After::Body(Framing::None));
        }
        if status == 204 || status == 304 || (100..200).contains(&status) {
            let announced = transfer || self.response.message.value(Known::ContentLength).is_some();
            if !announced {
                return Ok(After::Body(Framing::None));
            }
            self.event(context, Event::ResponseBodyUnexpected);
        }
        self.response_body_framing(context).map(After::Body)
    }

    fn response_body_framing(&mut self, context: &mut Context) -> Result<Framing, Broken> {
        let message = &self.response.message;
        if let Some(value) = message.value(Known::TransferEncoding)
            && contains_without_nul(value, b"chunked")
        {
            let abnormal = !value.eq_ignore_ascii_case(b"chunked");
            let old = self.response.version < Version::V11;
            self.event_if(context, abnormal, Event::ResponseAbnormalTransferEncoding);
            self.event_if(context, old, Event::ResponseChunkedOldProtocol);
            return Ok(Framing::Chunked);
        }
        if let Some(value) = message.value(Known::ContentLength) {
            let Some(number) = loose_number(value) else {
                self.event(context, Event::InvalidContentLengthInResponse);
                return Err(Broken);
            };
            self.event_if(context, number.before, Event::ContentLengthExtraDataStart);
            self.event_if(context, number.after, Event::ContentLengthExtraDataEnd);
            return Ok(Framing::Length(number.value));
        }
        let ranges = message
            .value(Known::ContentType)
            .is_some_and(|v| starts_ignoring_case(v, b"multipart/byteranges"));
        if ranges {
            self.event(context, Event::ResponseMultipartByteranges);
            return Err(Broken);
        }
        Ok(Framing::UntilClose)
    }

    /// True when the request waits for `100 Continue` with its body.
    pub(crate) fn expects_continue(&self) -> bool {
        let message = &self.request.message;
        message.value(Known::Expect).is_some_and(|v| equals_without_nul(v, b"100-continue"))
    }
}
