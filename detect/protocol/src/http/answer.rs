//! Answers what rules ask of a transaction.

use super::buffers::{FAMILY, URILEN, URILEN_RAW, index, progress};
use super::message::{Header, Known, Message};
use super::transaction::{Context, Transaction};
use crate::buffer::{BufferId, NumberId, View};
use crate::file;

/// The `at`-th instance of a buffer.
pub(crate) fn buffer<'a>(
    tx: &'a Transaction,
    context: &Context,
    id: BufferId,
    direction: usize,
    at: usize,
    scratch: &'a mut Vec<u8>,
) -> Option<View<'a>> {
    if id.family() == file::FAMILY {
        return file_buffer(tx, context, id, direction, at, scratch);
    }
    if id.family() != FAMILY {
        return None;
    }
    match id.index() {
        index::REQUEST_HEADER if direction == 0 => return nth_header(tx, 0, at, scratch),
        index::RESPONSE_HEADER if direction == 1 => return nth_header(tx, 1, at, scratch),
        _ if at > 0 => return None,
        index::REQUEST_BODY if direction == 0 => return tx.bodies[0].held_view(0, context),
        index::RESPONSE_BODY if direction == 1 => {
            return tx.bodies[1].response_view(context);
        }
        index::HEADER | index::HEADER_NAMES | index::START => {
            compose(tx, id.index(), direction, scratch)?;
            return Some(View::whole(scratch));
        }
        _ => {}
    }
    let bytes =
        if direction == 0 { of_request(tx, id.index()) } else { of_response(tx, id.index()) };
    bytes.map(View::whole)
}

/// Buffers of a request that need not be composed.
fn of_request(tx: &Transaction, which: u8) -> Option<&[u8]> {
    let request = &tx.request;
    let message = &request.message;
    match which {
        index::METHOD => tx.request_text(request.method),
        index::URI => request.has_path.then_some(&*request.normalised.text),
        index::URI_RAW => tx.request_text(request.uri),
        index::PROTOCOL => tx.request_text(request.protocol),
        index::REQUEST_LINE => message.has_line().then(|| message.line()),
        _ if !tx.has_headers(0) => None,
        index::HEADER_RAW => some_bytes(message.raw_headers()),
        index::COOKIE => message.value(Known::Cookie),
        index::USER_AGENT => message.value(Known::UserAgent),
        index::REFERER => message.value(Known::Referer),
        index::ACCEPT => message.value(Known::Accept),
        index::ACCEPT_ENC => message.value(Known::AcceptEncoding),
        index::ACCEPT_LANG => message.value(Known::AcceptLanguage),
        index::HOST => some_bytes(&request.host),
        index::HOST_RAW => tx.raw_host(),
        _ => of_both(message, which),
    }
}

/// Buffers of a response that need not be composed.
fn of_response(tx: &Transaction, which: u8) -> Option<&[u8]> {
    let response = &tx.response;
    let message = &response.message;
    match which {
        index::RESPONSE_LINE => message.has_line().then(|| message.terminated_line()),
        index::PROTOCOL => tx.response_text(response.protocol),
        index::STAT_CODE => tx.response_text(response.code),
        index::STAT_MSG => tx.response_text(response.reason),
        _ if !tx.has_headers(1) => None,
        index::HEADER_RAW => some_bytes(message.raw_headers()),
        index::COOKIE => message.value(Known::SetCookie),
        index::LOCATION => message.value(Known::Location),
        index::SERVER => message.value(Known::Server),
        _ => of_both(message, which),
    }
}

fn of_both(message: &Message, which: u8) -> Option<&[u8]> {
    match which {
        index::CONNECTION => message.value(Known::Connection),
        index::CONTENT_TYPE => message.value(Known::ContentType),
        index::CONTENT_LEN => message.value(Known::ContentLength),
        _ => None,
    }
}

fn some_bytes(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

fn push_header(message: &Message, header: &Header, out: &mut Vec<u8>) {
    out.extend_from_slice(message.bytes(header.name));
    out.extend_from_slice(b": ");
    out.extend_from_slice(message.bytes(header.value));
}

fn nth_header<'a>(
    tx: &'a Transaction,
    direction: usize,
    at: usize,
    scratch: &'a mut Vec<u8>,
) -> Option<View<'a>> {
    if !tx.has_headers(direction) {
        return None;
    }
    let message = tx.message(direction);
    push_header(message, message.headers().get(at)?, scratch);
    Some(View::whole(scratch))
}

/// Buffers that are put together of all headers.
fn compose(tx: &Transaction, which: u8, direction: usize, out: &mut Vec<u8>) -> Option<()> {
    let message = tx.message(direction);
    if !tx.has_headers(direction) || (which != index::START && message.headers().is_empty()) {
        return None;
    }
    let cookie = if direction == 0 { Known::Cookie } else { Known::SetCookie };
    match which {
        index::START => {
            let line = if direction == 0 { message.line() } else { message.terminated_line() };
            if !message.has_line() {
                return None;
            }
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
        index::HEADER_NAMES => out.extend_from_slice(b"\r\n"),
        _ => {}
    }
    for header in message.headers() {
        match which {
            index::HEADER_NAMES => out.extend_from_slice(message.bytes(header.name)),
            index::HEADER if header.kind == cookie => continue,
            _ => push_header(message, header, out),
        }
        out.extend_from_slice(b"\r\n");
    }
    if which != index::HEADER {
        out.extend_from_slice(b"\r\n");
    }
    (!out.is_empty()).then_some(())
}

/// Buffers of files.
fn file_buffer<'a>(
    tx: &'a Transaction,
    context: &Context,
    id: BufferId,
    direction: usize,
    at: usize,
    scratch: &'a mut Vec<u8>,
) -> Option<View<'a>> {
    let body = tx.bodies.get(direction)?;
    if id == file::FILE_DATA && direction == 1 && at == 0 {
        return body.response_view(context);
    }
    let file = body.files.get(at)?;
    match id {
        file::FILE_DATA => body.file_view(at, direction, context),
        file::FILE_NAME => file.name.as_deref().map(View::whole),
        file::FILE_MAGIC if !file.head().is_empty() => {
            scratch.extend_from_slice(file::magic::describe(file.head()).as_bytes());
            Some(View::whole(scratch))
        }
        _ => None,
    }
}

/// The `at`-th instance of a number.
pub(crate) fn number(tx: &Transaction, id: NumberId, at: usize) -> Option<u64> {
    if id.family() != FAMILY || at > 0 || tx.progress[0] <= progress::LINE {
        return None;
    }
    match id.index() {
        URILEN if tx.request.has_path => Some(tx.request.normalised.text.len() as u64),
        URILEN_RAW => tx.request_text(tx.request.uri).map(|uri| uri.len() as u64),
        _ => None,
    }
}
