//! Takes first lines and fields into a transaction, with the events they raise.

use super::events::Event;
use super::field::Field;
use super::host;
use super::message::{Known, Span};
use super::request_line::{self, Method, RequestLine, Version};
use super::settings::Personality;
use super::status_line;
use super::text::{starts_ignoring_case, trim};
use super::transaction::{Context, HostSource, Transaction};
use super::uri;

/// The parser can't go on: the data is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Bytes of a header block besides what the limits of fields allow.
const BLOCK_LIMIT: usize = 8 << 20;

fn span((start, end): (usize, usize)) -> Span {
    Span::sent(start, end)
}

impl Transaction {
    /// Takes a request line with its terminator.
    pub(crate) fn take_request_line(&mut self, line: &[u8], context: &mut Context) {
        let apache = context.settings.personality == Personality::Apache2;
        let parsed = request_line::parse(line, apache);
        let request = &mut self.request;
        request.message.set_line(line, parsed.len);
        request.method = Some(span(parsed.method));
        request.kind = parsed.kind;
        request.uri = parsed.uri.map(span);
        request.protocol = parsed.protocol.map(span);
        request.version = parsed.version;
        self.request_line_events(&parsed, context);
        self.take_target(context);
    }

    fn request_line_events(&mut self, line: &RequestLine, context: &mut Context) {
        self.event_if(context, line.leading_space, Event::RequestLineLeadingWhitespace);
        self.event_if(context, line.method_delimiter, Event::MethodDelimNonCompliant);
        self.event_if(context, line.uri_delimiter, Event::UriDelimNonCompliant);
        self.event_if(context, line.protocol_extra, Event::ProtocolContainsExtraData);
        if line.kind != Method::Unknown {
            return;
        }
        let event = match (line.uri, line.protocol, line.version) {
            (None, ..) => Event::RequestLineUnknownMethod,
            (_, None, _) => Event::RequestLineUnknownMethodNoProtocol,
            (_, _, Version::Invalid) => Event::RequestLineUnknownMethodInvalidProtocol,
            _ => return,
        };
        self.event(context, event);
    }

    /// Splits and normalises the target.
    fn take_target(&mut self, context: &mut Context) {
        let Some(target) = self.request.uri else { return };
        let request = &mut self.request;
        let text = request.message.bytes(target);
        if request.kind == Method::Connect {
            let found = host::split(text);
            if text.starts_with(b"/") {
                return;
            }
            let valid = found.valid;
            host::normalise(found.host, true, &mut request.host);
            request.host_source = HostSource::Target;
            request.port = found.port;
            self.event_if(context, !valid, Event::RequestUriHostInvalid);
            return;
        }
        let parts = uri::split(text);
        let mut valid = true;
        if let Some(authority) = parts.authority {
            let found = host::split(authority);
            host::normalise(found.host, true, &mut request.host);
            request.host_source = HostSource::Target;
            request.port = found.port;
            valid = found.valid;
        }
        let host = (request.host_source == HostSource::Target).then_some(&*request.host);
        uri::normalise(&parts, host, &context.settings.uri, &mut request.normalised);
        request.has_path = true;
        let double = request.normalised.double_encoded;
        self.event_if(context, !valid, Event::RequestUriHostInvalid);
        self.event_if(context, double, Event::DoubleEncodedUri);
    }

    /// Looks at the Host header when the headers are complete.
    pub(crate) fn take_host(&mut self, context: &mut Context) {
        let request = &mut self.request;
        let Some(value) = request.message.value(Known::Host) else {
            // The target of CONNECT is a host.
            let missing = request.version >= Version::V11 && request.kind != Method::Connect;
            self.event_if(context, missing, Event::MissingHostHeader);
            return;
        };
        let found = host::split(value);
        let (valid, mut ambiguous) = (found.valid || found.host.is_empty(), false);
        if request.host_source == HostSource::Target {
            let ports = request.port.zip(found.port);
            ambiguous = !found.host.eq_ignore_ascii_case(&request.host)
                || ports.is_some_and(|(target, header)| target != header);
        } else {
            host::normalise(found.host, false, &mut request.host);
            request.host_source = HostSource::Header;
            request.port = found.port;
        }
        self.event_if(context, !valid, Event::RequestHeaderHostInvalid);
        self.event_if(context, ambiguous, Event::HostHeaderAmbiguous);
    }

    /// Looks at Authorization when the headers are complete.
    pub(crate) fn take_authorization(&mut self, context: &mut Context) {
        let Some(value) = self.request.message.value(Known::Authorization) else { return };
        let schemes: [&[u8]; 3] = [b"basic", b"digest", b"bearer"];
        let known = schemes.iter().any(|scheme| starts_ignoring_case(trim(value), scheme));
        self.event_if(context, !known, Event::RequestAuthUnrecognized);
    }

    /// Takes a status line with its terminator.
    pub(crate) fn take_status_line(&mut self, line: &[u8], context: &mut Context) {
        let parsed = status_line::parse(line);
        let response = &mut self.response;
        response.message.set_line(line, parsed.len);
        response.protocol = Some(span(parsed.protocol));
        response.version = parsed.version;
        response.code = Some(span(parsed.code));
        response.status = parsed.status;
        response.reason = Some(span(parsed.reason));
        let invalid = parsed.version == Version::Invalid;
        self.event_if(context, invalid, Event::ResponseLineInvalidProtocol);
        self.event_if(context, parsed.protocol_extra, Event::ProtocolContainsExtraData);
        self.event_if(context, parsed.status.is_none(), Event::ResponseLineInvalidStatus);
    }

    /// Takes a field that stands at the start of `data`.
    pub(crate) fn take_field(
        &mut self,
        direction: usize,
        data: &[u8],
        field: &Field,
        context: &mut Context,
    ) -> Result<(), Broken> {
        let request = direction == 0;
        let pick = |of_request, of_response| if request { of_request } else { of_response };
        let message = self.message_mut(direction);
        let added = message.add(data, field, !request);
        let too_many = message.headers().len() > context.settings.headers_limit.saturating_add(1)
            || message.sent_len() > BLOCK_LIMIT.max(context.settings.meta_field_limit);
        self.event_if(context, field.deformed && !request, Event::DeformedEol);
        if !field.colon || added.name.empty {
            if !self.field_unparseable {
                let event = pick(Event::RequestFieldMissingColon, Event::ResponseFieldMissingColon);
                self.event(context, event);
            }
            self.field_unparseable = true;
        } else {
            self.name_events(request, added.name, context);
        }
        let repetition = pick(Event::RequestHeaderRepetition, Event::ResponseHeaderRepetition);
        self.event_if(context, added.repetition, repetition);
        let length =
            pick(Event::DuplicateContentLengthInRequest, Event::DuplicateContentLengthInResponse);
        self.event_if(context, added.other_length, length);
        if too_many {
            self.event(context, pick(Event::RequestTooManyHeaders, Event::ResponseTooManyHeaders));
            return Err(Broken);
        }
        Ok(())
    }

    /// One event for the first odd name of the transaction.
    fn name_events(
        &mut self,
        request: bool,
        faults: super::field::NameFaults,
        context: &mut Context,
    ) {
        let event = match (request, faults) {
            (true, f) if f.leading => Event::InvalidRequestFieldFolding,
            (true, f) if f.not_token => Event::RequestHeaderInvalid,
            (true, f) if f.trailing => Event::RequestInvalidLwsAfterName,
            (false, f) if f.not_token => Event::ResponseHeaderNameNotToken,
            (false, f) if f.trailing => Event::ResponseInvalidLwsAfterName,
            _ => return,
        };
        if !self.field_invalid {
            self.event(context, event);
        }
        self.field_invalid = true;
    }
}
