//! FTP: the server's greeting, and commands shared with POP3.

use crate::app::AppProto;
use crate::detection::{Question, Verdict};
use decode::Direction;

/// `USER ` starts POP3 sessions as well: the server's greeting tells.
pub(crate) fn user(question: &Question<'_>) -> Verdict {
    if question.other == AppProto::Pop3 { Verdict::No } else { Verdict::Yes }
}

/// A greeting `220`, taken for FTP once the client has shown itself.
pub(super) fn probe(question: &Question<'_>) -> Verdict {
    if question.direction == Direction::ToServer {
        return Verdict::Unsure;
    }
    match question.bytes {
        [b'2', b'2', b'0', b' ' | b'-', rest @ ..] if !rest.is_empty() => {
            let client = match question.other {
                AppProto::Ftp => true,
                AppProto::Unknown => question.other_bytes > 4,
                _ => false,
            };
            let line = memchr::memchr(b'\n', rest).is_some();
            if client && line { Verdict::Yes } else { Verdict::Unsure }
        }
        bytes if bytes.len() < 5 => Verdict::Unsure,
        _ => Verdict::No,
    }
}
