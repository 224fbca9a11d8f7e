//! Writes the `http` object of EVE records.

use json::Writer;

use super::message::{Known, Message};
use super::range;
use super::transaction::Transaction;
use crate::parser::LogOptions;

/// Longest name in a header array.
const NAME_LIMIT: usize = 255;

/// Longest value in a header array.
const VALUE_LIMIT: usize = 2047;

/// Writes key and object.
pub(crate) fn write(tx: &Transaction, options: &LogOptions, out: &mut Writer<'_>) -> bool {
    out.key("http").open();
    basic(tx, out);
    let extended = options.extended || options.embedded;
    if extended {
        write_extended(tx, out);
    }
    if !options.embedded {
        let skip_referer = options.extended;
        let request = Array { all: options.dump_request_headers, skip_referer };
        let response = Array { all: options.dump_response_headers, skip_referer };
        request.write("request_headers", &tx.request.message, options, out);
        response.write("response_headers", &tx.response.message, options, out);
    }
    out.close();
    true
}

fn basic(tx: &Transaction, out: &mut Writer<'_>) {
    let request = &tx.request;
    text("hostname", &request.host, out);
    if let Some(port) = request.port {
        out.field_u64("http_port", port.into());
    }
    if let Some(uri) = tx.request_text(request.uri) {
        text("url", uri, out);
    }
    if let Some(agent) = request.message.value(Known::UserAgent) {
        text("http_user_agent", agent, out);
    }
    if let Some(value) = request.message.value_by_name(b"x-forwarded-for") {
        text("xff", value, out);
    }
    let response = &tx.response.message;
    if let Some(value) = response.value(Known::ContentType) {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        text("http_content_type", value.get(..end).unwrap_or(value), out);
    }
    if let Some(value) = response.value(Known::ContentRange) {
        content_range(value, out);
    }
}

fn content_range(value: &[u8], out: &mut Writer<'_>) {
    out.key("content_range").open().field_text("raw", value);
    if let Some(range) = range::parse(value) {
        for (key, number) in [("start", range.start), ("end", range.end), ("size", range.size)] {
            if let Some(number) = number {
                out.field_u64(key, number);
            }
        }
    }
    out.close();
}

fn write_extended(tx: &Transaction, out: &mut Writer<'_>) {
    let request = &tx.request;
    if let Some(value) = request.message.value(Known::Referer) {
        text("http_refer", value, out);
    }
    if let Some(method) = tx.request_text(request.method) {
        text("http_method", method, out);
    }
    if let Some(protocol) = tx.request_text(request.protocol) {
        text("protocol", protocol, out);
    }
    let response = &tx.response;
    if let Some(status) = response.status {
        out.field_u64("status", status.into());
    } else if let Some(code) = tx.response_text(response.code) {
        text("status_string", code, out);
    }
    if let Some(value) = response.message.value(Known::Location) {
        text("redirect", value, out);
    }
    out.field_u64("length", tx.bodies[1].wire);
}

/// Key and text; nothing for empty text.
fn text(key: &str, value: &[u8], out: &mut Writer<'_>) {
    if !value.is_empty() {
        out.field_text(key, value);
    }
}

/// Which headers go into an array.
struct Array {
    all: bool,
    skip_referer: bool,
}

impl Array {
    fn takes(&self, name: &[u8], options: &LogOptions) -> bool {
        if self.all {
            return true;
        }
        if self.skip_referer && name.eq_ignore_ascii_case(b"referer") {
            return false;
        }
        options.custom.iter().any(|wanted| is_custom(wanted.as_bytes(), name))
    }

    fn write(&self, key: &str, message: &Message, options: &LogOptions, out: &mut Writer<'_>) {
        if !self.all && options.custom.is_empty() {
            return;
        }
        let mark = out.mark();
        let mut any = false;
        out.key(key).open_array();
        for header in message.headers() {
            let name = message.bytes(header.name);
            if !self.takes(name, options) {
                continue;
            }
            any = true;
            let value = message.bytes(header.value);
            out.open()
                .field_text("name", name.get(..NAME_LIMIT).unwrap_or(name))
                .field_text("value", value.get(..VALUE_LIMIT).unwrap_or(value))
                .close();
        }
        out.close_array();
        if !any {
            out.truncate(mark);
        }
    }
}

/// True when a name of the configuration, which may have underscores, stands for a header.
fn is_custom(wanted: &[u8], name: &[u8]) -> bool {
    let wanted = if wanted.eq_ignore_ascii_case(b"etag") { b"etags" } else { wanted };
    let same = |(a, b): (&u8, &u8)| {
        let a = if *a == b'_' { b'-' } else { a.to_ascii_lowercase() };
        a == b.to_ascii_lowercase()
    };
    wanted.len() == name.len() && wanted.iter().zip(name).all(same)
}
