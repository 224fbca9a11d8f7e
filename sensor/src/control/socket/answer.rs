//! Answers: `{"message":…,"return":"OK"}`, or `"NOK"`, in this order. Where programs have to tell
//! refusals apart, `"reason"` follows, which Suricata does not have.

use json::Writer;

/// An answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    done: bool,
    /// A JSON value.
    message: Vec<u8>,
    /// A word for programs.
    reason: Option<&'static str>,
}

impl Answer {
    /// Done; this is to be said.
    pub(super) fn text(text: &str) -> Self {
        Self::of(|writer| {
            writer.str(text);
        })
    }

    /// Done; this is the number.
    pub(super) fn number(number: u64) -> Self {
        Self::of(|writer| {
            writer.u64(number);
        })
    }

    /// Done; here is a value.
    pub(super) fn of(write: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut message = Vec::new();
        write(&mut Writer::new(&mut message));
        Self { done: true, message: escape_slashes(message), reason: None }
    }

    /// Done; here is a value that is JSON text already.
    pub(super) fn json(text: String) -> Self {
        Self { done: true, message: text.into_bytes(), reason: None }
    }

    /// Not done; this is why.
    pub(super) fn refused(why: &str) -> Self {
        Self { done: false, ..Self::text(why) }
    }

    /// Not done; this is why, and in a word of letters for programs.
    pub(super) fn refused_for(reason: &'static str, why: &str) -> Self {
        Self { reason: Some(reason), ..Self::refused(why) }
    }

    /// As it is sent, without an end.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = b"{\"message\":".to_vec();
        bytes.extend(self.message);
        bytes.extend_from_slice(if self.done {
            b",\"return\":\"OK\""
        } else {
            b",\"return\":\"NOK\""
        });
        if let Some(reason) = self.reason {
            bytes.extend_from_slice(format!(",\"reason\":\"{reason}\"").as_bytes());
        }
        bytes.push(b'}');
        bytes
    }
}

/// Slashes stand only in texts, where Suricata 8 writes them with a backslash.
fn escape_slashes(value: Vec<u8>) -> Vec<u8> {
    if !value.contains(&b'/') {
        return value;
    }
    let mut escaped = Vec::with_capacity(value.len() + 16);
    for byte in value {
        if byte == b'/' {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}
