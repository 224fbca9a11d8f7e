//! HTTP transactions.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN, TX_ID, XFF};
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "http",
    doc: "an HTTP transaction",
    groups: &[COMMON, ORIGIN, ON_PACKET, TX_ID, WITH_HEADERS, XFF],
};

macro_rules! http {
    ($($more:expr,)*) => {
        &[
            keyword("hostname", "host asked for").ecs("url.domain"),
            u16("http_port", "port asked for, if the request names one").ecs("url.port"),
            keyword("url", "target of the request as it came").ecs("url.original"),
            keyword("http_user_agent", "what the client calls itself").ecs("user_agent.original"),
            keyword("xff", "the header X-Forwarded-For"),
            keyword("http_content_type", "type of the response's body")
                .ecs("http.response.mime_type"),
            object("content_range", RANGE, "the part that the response's body is"),
            keyword("http_refer", "where the client came from").ecs("http.request.referrer"),
            keyword("http_method", "method of the request").ecs("http.request.method"),
            keyword("protocol", "protocol of the request"),
            u16("status", "status of the response").ecs("http.response.status_code"),
            keyword("status_string", "status of the response that is no number"),
            keyword("redirect", "where the response sends the client"),
            u64("length", "bytes of the response's body on the wire")
                .ecs("http.response.body.bytes"),
            $($more,)*
        ]
    };
}

/// In other records as well.
pub(super) const OBJECT: &[Field] = &[object("http", http! {}, "the HTTP transaction")];

const WITH_HEADERS: &[Field] = &[object(
    "http",
    http! {
        field("request_headers", HEADERS, "headers of the request, if asked for"),
        field("response_headers", HEADERS, "headers of the response, if asked for"),
    },
    "the HTTP transaction",
)
.always()];

/// In alerts.
pub(super) const WITH_BODIES: &[Field] = http! {
    base64("http_request_body", "body of the request as far as it is held")
        .ecs("http.request.body.content"),
    text("http_request_body_printable", "the same as text"),
    base64("http_response_body", "body of the response as far as it is held")
        .ecs("http.response.body.content"),
    text("http_response_body_printable", "the same as text"),
};

const RANGE: &[Field] = &[
    keyword("raw", "the header as it came").always(),
    u64("start", "first byte"),
    u64("end", "last byte"),
    u64("size", "bytes of the whole"),
];

const HEADERS: Kind = Kind::List(&Kind::Object(&[
    keyword("name", "name of the header").always(),
    keyword("value", "its value").always(),
]));
