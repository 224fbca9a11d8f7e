//! Tables of what rules can ask of HTTP transactions: buffers, numbers, hooks.

use decode::Direction::{self, ToClient, ToServer};

use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec, NumberId, NumberSpec};

/// Family of the HTTP buffers and numbers.
pub const FAMILY: u8 = 0;

/// Progress values of both directions; 0: nothing of the message was seen.
pub(crate) mod progress {
    /// In the first line.
    pub(crate) const LINE: u8 = 1;
    /// In the header block.
    pub(crate) const HEADERS: u8 = 2;
    /// In the body.
    pub(crate) const BODY: u8 = 3;
    /// In the headers after a chunked body.
    pub(crate) const TRAILER: u8 = 4;
    /// Complete.
    pub(crate) const COMPLETE: u8 = 5;
}

/// Names of the progress values, by direction.
pub(crate) const PROGRESS_NAMES: [[&str; 6]; 2] = [
    [
        "request_started",
        "request_line",
        "request_headers",
        "request_body",
        "request_trailer",
        "request_complete",
    ],
    [
        "response_started",
        "response_line",
        "response_headers",
        "response_body",
        "response_trailer",
        "response_complete",
    ],
];

/// Hooks of rules (`http1:<name>`): name, direction, progress.
pub const HOOKS: &[(&str, Direction, u8)] = &[
    ("request_started", ToServer, 0),
    ("request_line", ToServer, 1),
    ("request_headers", ToServer, 2),
    ("request_body", ToServer, 3),
    ("request_trailer", ToServer, 4),
    ("request_complete", ToServer, 5),
    ("response_started", ToClient, 0),
    ("response_line", ToClient, 1),
    ("response_headers", ToClient, 2),
    ("response_body", ToClient, 3),
    ("response_trailer", ToClient, 4),
    ("response_complete", ToClient, 5),
];

/// Indices of buffers within the family.
pub(crate) mod index {
    pub(crate) const METHOD: u8 = 0;
    pub(crate) const URI: u8 = 1;
    pub(crate) const URI_RAW: u8 = 2;
    pub(crate) const REQUEST_LINE: u8 = 3;
    pub(crate) const RESPONSE_LINE: u8 = 4;
    pub(crate) const PROTOCOL: u8 = 5;
    pub(crate) const STAT_CODE: u8 = 6;
    pub(crate) const STAT_MSG: u8 = 7;
    pub(crate) const HEADER: u8 = 8;
    pub(crate) const HEADER_RAW: u8 = 9;
    pub(crate) const HEADER_NAMES: u8 = 10;
    pub(crate) const REQUEST_HEADER: u8 = 11;
    pub(crate) const RESPONSE_HEADER: u8 = 12;
    pub(crate) const START: u8 = 13;
    pub(crate) const COOKIE: u8 = 14;
    pub(crate) const USER_AGENT: u8 = 15;
    pub(crate) const REFERER: u8 = 16;
    pub(crate) const ACCEPT: u8 = 17;
    pub(crate) const ACCEPT_ENC: u8 = 18;
    pub(crate) const ACCEPT_LANG: u8 = 19;
    pub(crate) const LOCATION: u8 = 20;
    pub(crate) const SERVER: u8 = 21;
    pub(crate) const CONNECTION: u8 = 22;
    pub(crate) const CONTENT_TYPE: u8 = 23;
    pub(crate) const CONTENT_LEN: u8 = 24;
    pub(crate) const HOST: u8 = 25;
    pub(crate) const HOST_RAW: u8 = 26;
    pub(crate) const REQUEST_BODY: u8 = 27;
    pub(crate) const RESPONSE_BODY: u8 = 28;
}

const BOTH: &[AppProto] = &[AppProto::Http1, AppProto::Http2];
const FIRST: &[AppProto] = &[AppProto::Http1];

/// A buffer that is whole, not repeated, of ordinary priority; the table states what differs.
const fn plain(
    index: u8,
    name: &'static str,
    to_server: Option<u8>,
    to_client: Option<u8>,
    doc: &'static str,
) -> BufferSpec {
    BufferSpec {
        id: BufferId::new(FAMILY, index),
        name,
        aliases: &[],
        modifier: "",
        pcre_letter: '\0',
        protocols: BOTH,
        to_server,
        to_client,
        multi: false,
        streaming: false,
        priority: 2,
        doc,
    }
}

const LINE: Option<u8> = Some(progress::LINE);
const HEADERS: Option<u8> = Some(progress::HEADERS);
const BODY: Option<u8> = Some(progress::BODY);

/// All buffers of HTTP/1 (those that HTTP/2 shares included).
pub const BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        modifier: "http_method",
        pcre_letter: 'M',
        priority: 4,
        ..plain(index::METHOD, "http.method", LINE, None, "Method of the request, as sent.")
    },
    BufferSpec {
        modifier: "http_uri",
        pcre_letter: 'U',
        ..plain(index::URI, "http.uri", LINE, None, "Request target, normalised.")
    },
    BufferSpec {
        modifier: "http_raw_uri",
        pcre_letter: 'I',
        ..plain(index::URI_RAW, "http.uri.raw", LINE, None, "Request target, as sent.")
    },
    BufferSpec {
        aliases: &["http_request_line"],
        ..plain(index::REQUEST_LINE, "http.request_line", LINE, None, "Request line.")
    },
    BufferSpec {
        aliases: &["http_response_line"],
        ..plain(
            index::RESPONSE_LINE,
            "http.response_line",
            None,
            LINE,
            "Status line with its terminator.",
        )
    },
    BufferSpec {
        aliases: &["http_protocol"],
        ..plain(index::PROTOCOL, "http.protocol", LINE, LINE, "Protocol of the first line.")
    },
    BufferSpec {
        modifier: "http_stat_code",
        pcre_letter: 'S',
        priority: 4,
        ..plain(index::STAT_CODE, "http.stat_code", None, LINE, "Status code.")
    },
    BufferSpec {
        modifier: "http_stat_msg",
        pcre_letter: 'Y',
        priority: 3,
        ..plain(index::STAT_MSG, "http.stat_msg", None, LINE, "Reason of the status line.")
    },
    BufferSpec {
        modifier: "http_header",
        pcre_letter: 'H',
        ..plain(
            index::HEADER,
            "http.header",
            HEADERS,
            HEADERS,
            "Headers without cookies, one a line, values trimmed.",
        )
    },
    BufferSpec {
        modifier: "http_raw_header",
        pcre_letter: 'D',
        ..plain(index::HEADER_RAW, "http.header.raw", HEADERS, HEADERS, "Headers, as sent.")
    },
    BufferSpec {
        aliases: &["http_header_names"],
        ..plain(
            index::HEADER_NAMES,
            "http.header_names",
            HEADERS,
            HEADERS,
            "Names of the headers, one a line.",
        )
    },
    BufferSpec {
        multi: true,
        ..plain(
            index::REQUEST_HEADER,
            "http.request_header",
            HEADERS,
            None,
            "Each header of the request.",
        )
    },
    BufferSpec {
        multi: true,
        ..plain(
            index::RESPONSE_HEADER,
            "http.response_header",
            None,
            HEADERS,
            "Each header of the response.",
        )
    },
    BufferSpec {
        aliases: &["http_start"],
        protocols: FIRST,
        ..plain(index::START, "http.start", HEADERS, HEADERS, "First line and headers.")
    },
    BufferSpec {
        modifier: "http_cookie",
        pcre_letter: 'C',
        ..plain(index::COOKIE, "http.cookie", HEADERS, HEADERS, "Cookie or Set-Cookie.")
    },
    BufferSpec {
        modifier: "http_user_agent",
        pcre_letter: 'V',
        ..plain(index::USER_AGENT, "http.user_agent", HEADERS, None, "User-Agent.")
    },
    BufferSpec {
        aliases: &["http_referer"],
        ..plain(index::REFERER, "http.referer", HEADERS, None, "Referer.")
    },
    BufferSpec {
        aliases: &["http_accept"],
        ..plain(index::ACCEPT, "http.accept", HEADERS, None, "Accept.")
    },
    BufferSpec {
        aliases: &["http_accept_enc"],
        ..plain(index::ACCEPT_ENC, "http.accept_enc", HEADERS, None, "Accept-Encoding.")
    },
    BufferSpec {
        aliases: &["http_accept_lang"],
        ..plain(index::ACCEPT_LANG, "http.accept_lang", HEADERS, None, "Accept-Language.")
    },
    plain(index::LOCATION, "http.location", None, HEADERS, "Location."),
    plain(index::SERVER, "http.server", None, HEADERS, "Server."),
    BufferSpec {
        aliases: &["http_connection"],
        ..plain(index::CONNECTION, "http.connection", HEADERS, HEADERS, "Connection.")
    },
    BufferSpec {
        aliases: &["http_content_type"],
        ..plain(index::CONTENT_TYPE, "http.content_type", HEADERS, HEADERS, "Content-Type.")
    },
    BufferSpec {
        aliases: &["http_content_len"],
        ..plain(index::CONTENT_LEN, "http.content_len", HEADERS, HEADERS, "Content-Length.")
    },
    BufferSpec {
        modifier: "http_host",
        pcre_letter: 'W',
        ..plain(index::HOST, "http.host", HEADERS, None, "Host, lower case, without port.")
    },
    BufferSpec {
        modifier: "http_raw_host",
        pcre_letter: 'Z',
        ..plain(index::HOST_RAW, "http.host.raw", HEADERS, None, "Host, as sent.")
    },
    BufferSpec {
        modifier: "http_client_body",
        pcre_letter: 'P',
        streaming: true,
        ..plain(index::REQUEST_BODY, "http.request_body", BODY, None, "Body of the request.")
    },
    BufferSpec {
        modifier: "http_server_body",
        pcre_letter: 'Q',
        streaming: true,
        ..plain(index::RESPONSE_BODY, "http.response_body", None, BODY, "Body of the response.")
    },
];

/// Number: length of the normalised request target.
pub(crate) const URILEN: u8 = 0;
/// Number: length of the request target as sent.
pub(crate) const URILEN_RAW: u8 = 1;

const fn length(index: u8, name: &'static str, doc: &'static str) -> NumberSpec {
    NumberSpec {
        id: NumberId::new(FAMILY, index),
        name,
        aliases: &[],
        protocols: BOTH,
        to_server: LINE,
        to_client: None,
        multi: false,
        bits: 16,
        names: &[],
        doc,
    }
}

/// All numbers of HTTP.
pub const NUMBERS: &[NumberSpec] = &[
    length(URILEN, "urilen", "Length of the normalised request target."),
    length(URILEN_RAW, "urilen.raw", "Length of the request target as sent."),
];

#[cfg(test)]
mod tests {
    use super::{BUFFERS, HOOKS, NUMBERS, PROGRESS_NAMES};

    #[test]
    fn places_are_indices() {
        for (at, spec) in BUFFERS.iter().enumerate() {
            assert_eq!(usize::from(spec.id.index()), at, "{}", spec.name);
        }
        for (at, spec) in NUMBERS.iter().enumerate() {
            assert_eq!(usize::from(spec.id.index()), at, "{}", spec.name);
        }
        for &(name, direction, value) in HOOKS {
            assert_eq!(PROGRESS_NAMES[direction.index()][usize::from(value)], name);
        }
    }
}
