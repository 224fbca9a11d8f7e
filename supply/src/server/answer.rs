//! What the server answers to which request.

use std::fs::File;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::json;

use super::request::Request;
use super::{DeskError, Order, Shared, metrics, now};
use crate::bundle::{ENDING, MEDIA_TYPE};
use crate::layout::LayoutError;
use crate::manifest::Hash;
use crate::receipt::{self, Receipt, is_name};

const JSON: &str = "application/json";

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    kind: &'static str,
    pub(super) body: Body,
}

/// What follows the head.
pub(super) enum Body {
    Bytes(Vec<u8>),
    /// So many bytes of a file.
    File(File, u64),
}

impl Answer {
    fn json(value: &impl serde::Serialize) -> Self {
        let mut bytes = serde_json::to_vec(value).unwrap_or_default();
        bytes.push(b'\n');
        Self { status: 200, kind: JSON, body: Body::Bytes(bytes) }
    }

    /// With the reason in words, or those of the status.
    pub(super) fn refusal(status: u16, why: &str) -> Self {
        let why = if why.is_empty() { reason(status) } else { why };
        let body = Body::Bytes(format!("{}\n", json!({ "error": why })).into_bytes());
        Self { status, kind: JSON, body }
    }

    /// As it is sent before the body. There is one answer on a connection.
    pub(super) fn head(&self) -> String {
        let length = match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(_, length) => *length,
        };
        let more = match self.status {
            401 => "WWW-Authenticate: Bearer\r\n",
            405 => "Allow: GET, HEAD, POST\r\n",
            _ => "",
        };
        format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\
             Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n{more}\
             Connection: close\r\n\r\n",
            self.status,
            reason(self.status),
            self.kind
        )
    }
}

/// Answers a request.
pub(super) fn to(request: &Request, shared: &Shared) -> Answer {
    let path = request.path.as_str();
    let json = path.strip_prefix("/v1/channels/").and_then(|rest| rest.strip_suffix(".json"));
    let bundle = path.strip_prefix("/v1/bundles/").and_then(|rest| rest.strip_suffix(ENDING));
    let rollout = path.strip_prefix("/v1/rollouts/");
    // What changes something: receipts, orders, and what is asked in the name of a sensor.
    if (request.is_post || request.sensor.is_some()) && !is_trusted(request, shared) {
        return Answer::refusal(401, "a token is wanted (Authorization: Bearer)");
    }
    match (request.is_post, path) {
        (false, "/healthz") => health(shared),
        (false, "/metrics") => {
            let body = Body::Bytes(metrics::page(shared, now()).into_bytes());
            Answer { status: 200, kind: metrics::CONTENT_TYPE, body }
        }
        (false, "/v1/receipts") => {
            let desk = shared.desk();
            Answer::json(&desk.receipts().collect::<Vec<_>>())
        }
        (true, "/v1/receipts") => take_receipt(request, shared),
        _ => match (request.is_post, json, bundle, rollout) {
            (false, Some(name), ..) => channel(name, request, shared),
            (false, _, Some(hash), _) => serve_bundle(hash, shared),
            (false, .., Some(name)) => match shared.desk().rollout(name) {
                Some(rollout) => Answer::json(rollout),
                None => Answer::refusal(404, "this channel has no roll-out"),
            },
            (true, .., Some(name)) => take_order(name, request, shared),
            (true, Some(_), ..) | (true, _, Some(_), _) => Answer::refusal(405, ""),
            _ => Answer::refusal(404, ""),
        },
    }
}

/// Without a token everybody is. All of it is looked at, wherever the first difference is.
fn is_trusted(request: &Request, shared: &Shared) -> bool {
    let Some(wanted) = &shared.token else { return true };
    let shown = request.token.as_deref().unwrap_or_default();
    let differs = wanted.bytes().zip(shown.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    shown.len() == wanted.len() && differs == 0
}

fn health(shared: &Shared) -> Answer {
    let desk = shared.desk();
    let mut answer = match desk.trouble() {
        None => Answer::json(&json!({ "status": "healthy" })),
        Some(why) => Answer::json(&json!({ "status": "not healthy", "reasons": [why] })),
    };
    answer.status = if desk.trouble().is_none() { 200 } else { 503 };
    answer
}

fn channel(name: &str, request: &Request, shared: &Shared) -> Answer {
    let sensor = request.sensor.as_deref();
    if !is_name(name) || sensor.is_some_and(|sensor| !is_name(sensor)) {
        return Answer::refusal(400, "that is no name of a channel or a sensor");
    }
    match shared.desk().channel(name, sensor, now()) {
        Ok(Some(channel)) => {
            Answer { status: 200, kind: JSON, body: Body::Bytes(channel.to_bytes()) }
        }
        Ok(None) => Answer::refusal(404, "there is no such channel"),
        Err(error) => failed(&error),
    }
}

fn serve_bundle(hash: &str, shared: &Shared) -> Answer {
    let Some(hash) = Hash::parse(hash) else { return Answer::refusal(404, "") };
    let path = shared.desk().layout().bundle_file(&hash);
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((length, file)) => {
            shared.figures.bundles.fetch_add(1, Relaxed);
            Answer { status: 200, kind: MEDIA_TYPE, body: Body::File(file, length) }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Answer::refusal(404, "there is no such bundle")
        }
        Err(error) => Answer::refusal(500, &error.to_string()),
    }
}

fn take_receipt(request: &Request, shared: &Shared) -> Answer {
    if request.body.len() > receipt::MOST {
        return Answer::refusal(413, "");
    }
    let receipt = match Receipt::parse(&request.body) {
        Ok(receipt) => receipt,
        Err(error) => return Answer::refusal(400, &error.to_string()),
    };
    match shared.desk().hear(receipt, now()) {
        Ok(true) => Answer::json(&json!({ "status": "taken" })),
        Ok(false) => Answer::refusal(503, "there are too many sensors"),
        Err(error) => failed(&error),
    }
}

fn take_order(name: &str, request: &Request, shared: &Shared) -> Answer {
    let order: Order = match serde_json::from_slice(&request.body) {
        Ok(order) => order,
        Err(error) => return Answer::refusal(400, &error.to_string()),
    };
    if !is_name(name) {
        return Answer::refusal(400, "that is no name of a channel");
    }
    match shared.desk().order(name, order, now()) {
        Ok(rollout) => Answer::json(rollout),
        Err(error) => failed(&error),
    }
}

fn failed(error: &DeskError) -> Answer {
    let status = match error {
        DeskError::Plan(_)
        | DeskError::Layout(
            LayoutError::Name(_) | LayoutError::NoSum(_) | LayoutError::SeveralBegin(..),
        ) => 400,
        DeskError::NoRollout(_)
        | DeskError::Layout(LayoutError::Missing(_) | LayoutError::NoneBegins(_)) => 404,
        DeskError::Order(_) | DeskError::UnderWay(..) | DeskError::Same(..) => 409,
        _ => 500,
    };
    Answer::refusal(status, &error.to_string())
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
