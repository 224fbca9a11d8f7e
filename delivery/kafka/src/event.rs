//! What librdkafka tells: what became of messages, errors, statistics, lines for the log.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka_sys as native;

use crate::code::Code;
use crate::producer::{Producer, Refusal};

// The bindings have an enumeration for these codes, which must not hold the codes of brokers that
// are newer than librdkafka; so the functions are declared anew, with plain integers.
unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut native::rd_kafka_event_t) -> c_int;
    pub(crate) fn rd_kafka_error_code(error: *const native::rd_kafka_error_t) -> c_int;
    pub(crate) fn rd_kafka_fatal_error(
        client: *mut native::rd_kafka_t,
        text: *mut c_char,
        size: usize,
    ) -> c_int;
    fn rd_kafka_err2str(code: c_int) -> *const c_char;
}

/// Something that [`Producer::poll`] tells.
#[derive(Debug)]
pub enum Event<'a> {
    /// What became of a message.
    Report(Report<'a>),
    /// Something is wrong with a connection, or with the whole producer.
    Error {
        /// What it is.
        code: Code,
        /// For people.
        text: &'a str,
        /// The producer can't be used any more; make a new one.
        is_fatal: bool,
    },
    /// librdkafka's statistics, in JSON.
    Statistics(&'a str),
}

/// What became of a message.
#[derive(Debug)]
pub struct Report<'a> {
    message: NonNull<native::rd_kafka_message_t>,
    event: PhantomData<&'a Received>,
}

impl Report<'_> {
    /// The number that was given with the message.
    pub fn opaque(&self) -> u64 {
        // SAFETY: the message lives as long as its event does, which is borrowed. The field is
        // read by its place: no reference to the whole is made, see `result`.
        let opaque = unsafe { (&raw const (*self.message.as_ptr())._private).read() };
        opaque.addr() as u64
    }

    /// Good when a broker has confirmed it.
    ///
    /// # Errors
    /// Why it is not known to have been stored.
    pub fn result(&self) -> Result<(), Code> {
        // SAFETY: as in `opaque`; the field is an integer to C, and is read as one: the binding's
        // enumeration does not have all values that brokers may send.
        let code = unsafe { (&raw const (*self.message.as_ptr()).err).cast::<c_int>().read() };
        if Code(code) == Code::NONE { Ok(()) } else { Err(Code(code)) }
    }

    /// The message's bytes.
    pub fn payload(&self) -> &[u8] {
        let message = self.message.as_ptr();
        // SAFETY: as in `opaque`.
        let (bytes, length) = unsafe { ((&raw const (*message).payload).read(), (*message).len) };
        if bytes.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: librdkafka holds `length` bytes there, in its own copy, as long as the message
        // lives; nothing writes to them.
        unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) }
    }

    /// Where it was to go.
    pub fn topic(&self) -> &str {
        // SAFETY: as in `opaque`; the message keeps its topic, whose name does not change.
        unsafe {
            let topic = (&raw const (*self.message.as_ptr()).rkt).read();
            if topic.is_null() { "" } else { text(native::rd_kafka_topic_name(topic)) }
        }
    }

    /// Gives the same message, under the same number, to another producer.
    ///
    /// # Errors
    /// As [`Producer::produce`].
    pub fn repeat(&self, on: &mut Producer) -> Result<(), Refusal> {
        // SAFETY: the message lives as long as its event does, which is borrowed.
        unsafe { on.produce_again(self.message) }
    }
}

/// An event, destroyed when it is dropped.
#[derive(Debug)]
pub(crate) struct Received(NonNull<native::rd_kafka_event_t>);

impl Received {
    /// # Safety
    /// The event comes from a queue, and nothing else destroys it.
    pub(crate) unsafe fn new(event: NonNull<native::rd_kafka_event_t>) -> Self {
        Self(event)
    }

    /// True when librdkafka asks for a token.
    pub(crate) fn asks_for_token(&self) -> bool {
        self.kind() == native::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH
    }

    fn kind(&self) -> c_int {
        // SAFETY: the event is ours and alive.
        unsafe { native::rd_kafka_event_type(self.0.as_ptr()) }
    }

    /// Tells what is in it.
    pub(crate) fn tell(&mut self, take: &mut dyn FnMut(Event<'_>)) {
        match self.kind() {
            native::RD_KAFKA_EVENT_DR => self.tell_reports(take),
            native::RD_KAFKA_EVENT_ERROR => {
                let event = self.0.as_ptr();
                // SAFETY: the event is ours and alive, and an error; the text lives with it.
                let (code, text, is_fatal) = unsafe {
                    let text = text(native::rd_kafka_event_error_string(event));
                    let is_fatal = native::rd_kafka_event_error_is_fatal(event) != 0;
                    (rd_kafka_event_error(event), text, is_fatal)
                };
                take(Event::Error { code: Code(code), text, is_fatal });
            }
            native::RD_KAFKA_EVENT_STATS => {
                // SAFETY: as above, with statistics in it.
                take(Event::Statistics(unsafe {
                    text(native::rd_kafka_event_stats(self.0.as_ptr()))
                }));
            }
            native::RD_KAFKA_EVENT_LOG => self.log(),
            _ => {}
        }
    }

    fn tell_reports(&mut self, take: &mut dyn FnMut(Event<'_>)) {
        loop {
            // SAFETY: the event is ours and alive, and has reports; each message lives as long as
            // the event, which can't be dropped while `self` is borrowed.
            let message = unsafe { native::rd_kafka_event_message_next(self.0.as_ptr()) };
            let Some(message) = NonNull::new(message.cast_mut()) else { return };
            take(Event::Report(Report { message, event: PhantomData }));
        }
    }

    fn log(&self) {
        let (mut facility, mut line) = (ptr::null(), ptr::null());
        let mut level: c_int = 0;
        // SAFETY: the event is ours and alive; the places for the answers are ours. The texts live
        // with the event; when it has no line they stay null, which `text` takes for empty.
        let (facility, line) = unsafe {
            native::rd_kafka_event_log(
                self.0.as_ptr(),
                &raw mut facility,
                &raw mut line,
                &raw mut level,
            );
            (text(facility), text(line))
        };
        match level {
            // Broken connections are errors to librdkafka; they come as events, too.
            _ if comes_as_event(facility) => tracing::debug!("librdkafka: {facility}: {line}"),
            ..=4 => tracing::warn!("librdkafka: {facility}: {line}"),
            5..=6 => tracing::debug!("librdkafka: {facility}: {line}"),
            _ => tracing::trace!("librdkafka: {facility}: {line}"),
        }
    }
}

/// True for what librdkafka logs of errors that it tells of as well.
fn comes_as_event(facility: &str) -> bool {
    matches!(facility, "FAIL" | "ERROR")
}

impl Drop for Received {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing borrows from it any more.
        unsafe { native::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// librdkafka's words for a code.
pub(crate) fn text_of(code: Code) -> &'static str {
    // SAFETY: any integer is allowed; the text is constant (or, for unknown codes, in memory of
    // the thread that librdkafka reuses: those we do not show).
    let words = unsafe { text::<'static>(rd_kafka_err2str(code.0)) };
    if words.starts_with("Err-") { "an error that librdkafka does not know" } else { words }
}

/// C text as ours; what is not UTF-8 is left out.
///
/// # Safety
/// Null, or text with an end that lives as long as `'a` and does not change.
pub(crate) unsafe fn text<'a>(from: *const c_char) -> &'a str {
    if from.is_null() {
        return "";
    }
    // SAFETY: by the caller.
    let bytes = unsafe { CStr::from_ptr(from) }.to_bytes();
    match std::str::from_utf8(bytes) {
        Ok(whole) => whole,
        Err(error) => {
            std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or("")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_come_as_events_are_not_logged_aloud() {
        assert!(["FAIL", "ERROR"].into_iter().all(comes_as_event));
        assert!(!["CONFWARN", "BUFQ", "TERMINATE"].into_iter().any(comes_as_event));
    }
}
