//! The producer: a safe face of librdkafka's.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::mem;
use std::os::fd::IntoRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rdkafka_sys as native;

use crate::code::Code;
use crate::event::{Event, Received, rd_kafka_error_code, rd_kafka_fatal_error, text};
use crate::host::{Family, Host, Token};

// Numbers of messages travel as pointers.
const _: () = assert!(size_of::<*mut c_void>() == size_of::<u64>());

/// Topics whose handles are kept; others are looked up for each message.
const TOPICS: usize = 256;

/// Events told by one call of [`Producer::poll`], each with up to a batch of reports.
const EVENTS_AT_ONCE: usize = 64;

/// A message on its way in. Its bytes are copied.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Where it goes.
    pub topic: &'a str,
    /// Decides on the partition.
    pub key: Option<&'a [u8]>,
    /// Names and values beside it.
    pub headers: &'a [(&'a CStr, &'a [u8])],
    /// The message.
    pub payload: &'a [u8],
    /// Comes back with the report.
    pub opaque: u64,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room; [`Producer::poll`] makes some.
    QueueFull,
    /// It will never be taken.
    Never(Code),
}

/// A connection to a cluster, to which messages are written.
pub struct Producer {
    handle: NonNull<native::rd_kafka_t>,
    events: NonNull<native::rd_kafka_queue_t>,
    topics: HashMap<Box<str>, NonNull<native::rd_kafka_topic_t>>,
    /// Place for the parts of a message while it is handed over; empty between calls.
    parts: Vec<native::rd_kafka_vu_t>,
    host: NonNull<Box<dyn Host>>,
}

// SAFETY: librdkafka's handles may be used from any thread; `host` is `Send` and `Sync`; `parts`
// is empty between calls.
unsafe impl Send for Producer {}

impl Producer {
    /// Starts a producer with options of librdkafka; later ones win. It connects by itself, in
    /// threads of its own.
    ///
    /// # Errors
    /// With the option that is wrong.
    pub fn new(options: &[(String, String)], host: Box<dyn Host>) -> Result<Self, String> {
        let conf = Conf::new(options)?;
        let host = NonNull::from(Box::leak(Box::new(host)));
        // SAFETY: the configuration is ours; `host` lives until `drop` has ended librdkafka's
        // threads, or is freed below when there are none.
        let started = unsafe {
            native::rd_kafka_conf_set_opaque(conf.0.as_ptr(), host.as_ptr().cast());
            native::rd_kafka_conf_set_socket_cb(conf.0.as_ptr(), Some(make_socket));
            conf.start()
        };
        let handle = started.inspect_err(|_| {
            // SAFETY: it comes from the box above; without a client nothing calls it.
            drop(unsafe { Box::from_raw(host.as_ptr()) });
        })?;
        // SAFETY: the handle is a new client's. Its main queue is never null; lines for the log
        // go there, too.
        let events = unsafe {
            native::rd_kafka_set_log_queue(handle.as_ptr(), ptr::null_mut());
            native::rd_kafka_queue_get_main(handle.as_ptr())
        };
        let events = NonNull::new(events).ok_or("librdkafka has no queue of events")?;
        Ok(Self { handle, events, topics: HashMap::new(), parts: Vec::new(), host })
    }

    /// Takes a message, to be sent soon.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn produce(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let Ok(topic) = self.topic(message.topic) else {
            return Err(Refusal::Never(Code::INVALID_TOPIC));
        };
        self.parts.push(topic);
        self.push_bytes(message.key, message.payload, message.opaque);
        for (name, value) in message.headers {
            let header = native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                size: value.len().cast_signed(),
            };
            self.push(native::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADER, |part| part.header = header);
        }
        // SAFETY: each part is of its kind and points to memory that outlives this call: names
        // and bytes of `message`, which librdkafka copies by `RD_KAFKA_MSG_F_COPY` and for
        // headers always; and a topic's handle that is kept, or name (see `topic`).
        unsafe { self.hand_over() }
    }

    /// Gives a message of another producer to this one.
    ///
    /// # Safety
    /// The message lives, and is one of a report.
    pub(crate) unsafe fn produce_again(
        &mut self,
        message: NonNull<native::rd_kafka_message_t>,
    ) -> Result<(), Refusal> {
        let message = message.as_ptr();
        let mut headers: *mut native::rd_kafka_headers_t = ptr::null_mut();
        // SAFETY: the message lives, by the caller; so do its parts. Fields are read one by one,
        // without a reference to the whole. Slices are made of non-null places only.
        let (topic, key, payload, opaque) = unsafe {
            let name = text(native::rd_kafka_topic_name((&raw const (*message).rkt).read()));
            let bytes = |at: *mut c_void, length: usize| {
                (!at.is_null()).then(|| std::slice::from_raw_parts(at.cast::<u8>(), length))
            };
            let key = bytes((*message).key, (*message).key_len);
            let payload = bytes((*message).payload, (*message).len).unwrap_or_default();
            // Stays null when there are none.
            native::rd_kafka_message_headers(message, &raw mut headers);
            (name, key, payload, (*message)._private.addr() as u64)
        };
        let Ok(topic) = self.topic(topic) else {
            return Err(Refusal::Never(Code::INVALID_TOPIC));
        };
        self.parts.push(topic);
        self.push_bytes(key, payload, opaque);
        if !headers.is_null() {
            // SAFETY: they are the message's, which lives. The copy is ours until it is taken.
            headers = unsafe { native::rd_kafka_headers_copy(headers) };
            self.push(native::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS, |p| p.headers = headers);
        }
        // SAFETY: as in `produce`; the copied headers belong to librdkafka when it succeeds.
        let taken = unsafe { self.hand_over() };
        if taken.is_err() && !headers.is_null() {
            // SAFETY: the copy is still ours: it only goes over with a message that is taken.
            unsafe { native::rd_kafka_headers_destroy(headers) };
        }
        taken
    }

    /// Waits up to `patience` for events, and tells those that are there.
    pub fn poll(&mut self, patience: Duration, take: &mut dyn FnMut(Event<'_>)) {
        let mut wait = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
        for _ in 0..EVENTS_AT_ONCE {
            // SAFETY: the queue is ours and alive.
            let event = unsafe { native::rd_kafka_queue_poll(self.events.as_ptr(), wait) };
            let Some(event) = NonNull::new(event) else { return };
            // SAFETY: it comes from a queue just now.
            let mut event = unsafe { Received::new(event) };
            if event.asks_for_token() {
                self.answer_with_token();
            } else {
                event.tell(take);
            }
            wait = 0;
        }
    }

    /// Polls until everything is reported, or `patience` ends. True when everything is.
    pub fn flush(&mut self, patience: Duration, take: &mut dyn FnMut(Event<'_>)) -> bool {
        let end = Instant::now() + patience;
        while self.outstanding() > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.poll(left.min(Duration::from_millis(100)), take);
        }
        true
    }

    /// Messages without report, and events that were not told yet.
    pub fn outstanding(&self) -> u64 {
        // SAFETY: the handle is alive.
        let length = unsafe { native::rd_kafka_outq_len(self.handle.as_ptr()) };
        u64::try_from(length).unwrap_or(0)
    }

    /// Drops all messages, those that are under way included; [`Producer::poll`] reports them.
    pub fn purge(&mut self) {
        let all = native::RD_KAFKA_PURGE_F_QUEUE | native::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: the handle is alive. It only fails for flags that do not exist.
        unsafe { native::rd_kafka_purge(self.handle.as_ptr(), all) };
    }

    /// Why the producer can't be used any more, if so.
    pub fn fatal(&self) -> Option<(Code, String)> {
        let mut why = [0; 512];
        // SAFETY: the handle is alive, the place for the text is ours and of that size.
        let code =
            unsafe { rd_kafka_fatal_error(self.handle.as_ptr(), why.as_mut_ptr(), why.len()) };
        let code = Code(code);
        // SAFETY: librdkafka has ended the text.
        (code != Code::NONE).then(|| (code, unsafe { text(why.as_ptr()) }.to_owned()))
    }

    /// Ends it as a broker would that has lost count of messages.
    #[cfg(test)]
    fn fail(&mut self) {
        let code = native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the handle is alive, the text is copied.
        unsafe {
            native::rd_kafka_test_fatal_error(self.handle.as_ptr(), code, c"a test".as_ptr())
        };
    }

    /// The part that names a topic: by its handle when there is one.
    fn topic(&mut self, name: &str) -> Result<native::rd_kafka_vu_t, ()> {
        if !self.topics.contains_key(name) {
            // Forgets them all rather than keep a list of who was used last: nobody has so many.
            if self.topics.len() >= TOPICS {
                self.forget_topics();
            }
            let text = CString::new(name).map_err(|_| ())?;
            // SAFETY: the handle is alive, the name is copied; null takes the client's options.
            let topic = unsafe {
                native::rd_kafka_topic_new(self.handle.as_ptr(), text.as_ptr(), ptr::null_mut())
            };
            self.topics.insert(name.into(), NonNull::new(topic).ok_or(())?);
        }
        let topic = self.topics.get(name).ok_or(())?;
        Ok(part(native::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic.as_ptr()))
    }

    fn push_bytes(&mut self, key: Option<&[u8]>, payload: &[u8], opaque: u64) {
        use native::rd_kafka_vtype_t as Kind;
        let memory = |bytes: &[u8]| native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: bytes.as_ptr().cast_mut().cast(),
            size: bytes.len(),
        };
        if let Some(key) = key {
            self.push(Kind::RD_KAFKA_VTYPE_KEY, |part| part.mem = memory(key));
        }
        self.push(Kind::RD_KAFKA_VTYPE_VALUE, |part| part.mem = memory(payload));
        self.push(Kind::RD_KAFKA_VTYPE_MSGFLAGS, |part| part.i = native::RD_KAFKA_MSG_F_COPY);
        let opaque = ptr::without_provenance_mut(opaque as usize);
        self.push(Kind::RD_KAFKA_VTYPE_OPAQUE, |part| part.ptr = opaque);
    }

    fn push(&mut self, kind: native::rd_kafka_vtype_t, set: impl FnOnce(&mut Value)) {
        self.parts.push(part(kind, set));
    }

    /// # Safety
    /// What `parts` points to is alive and of the kind that each part says.
    unsafe fn hand_over(&mut self) -> Result<(), Refusal> {
        // SAFETY: the handle is alive; the parts are good, by the caller.
        let error = unsafe {
            native::rd_kafka_produceva(self.handle.as_ptr(), self.parts.as_ptr(), self.parts.len())
        };
        self.parts.clear();
        let Some(error) = NonNull::new(error) else { return Ok(()) };
        // SAFETY: the error is ours, and not used after it is destroyed.
        let code = unsafe {
            let code = Code(rd_kafka_error_code(error.as_ptr()));
            native::rd_kafka_error_destroy(error.as_ptr());
            code
        };
        Err(match code {
            Code::QUEUE_FULL => Refusal::QueueFull,
            // A producer that can't go on refuses all with the reason of that.
            _ if self.fatal().is_some() => Refusal::Never(Code::FATAL),
            _ => Refusal::Never(code),
        })
    }

    fn answer_with_token(&mut self) {
        // SAFETY: `host` lives until `drop`.
        let answer = unsafe { self.host.as_ref() }.token().and_then(|token| self.set_token(&token));
        if let Err(why) = answer {
            let why = CString::new(why.replace('\0', " ")).unwrap_or_default();
            // SAFETY: the handle is alive, the text is copied.
            unsafe {
                native::rd_kafka_oauthbearer_set_token_failure(self.handle.as_ptr(), why.as_ptr());
            }
        }
    }

    fn set_token(&self, token: &Token) -> Result<(), String> {
        let bad = |_| "it has a zero byte".to_owned();
        let value = CString::new(token.value.as_str()).map_err(bad)?;
        let principal = CString::new(token.principal.as_str()).map_err(bad)?;
        let expires = token.expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut why = [0; 512];
        // SAFETY: the handle is alive; all texts are copied; there are no extensions, so that
        // null is right for them; the place for the error is ours and of that size.
        let code = unsafe {
            native::rd_kafka_oauthbearer_set_token(
                self.handle.as_ptr(),
                value.as_ptr(),
                i64::try_from(expires).unwrap_or(i64::MAX),
                principal.as_ptr(),
                ptr::null_mut(),
                0,
                why.as_mut_ptr(),
                why.len(),
            )
        };
        if Code(code as i32) == Code::NONE {
            return Ok(());
        }
        // SAFETY: librdkafka has ended the text.
        Err(unsafe { text(why.as_ptr()) }.to_owned())
    }

    fn forget_topics(&mut self) {
        for (_, topic) in self.topics.drain() {
            // SAFETY: the handle is ours and counted; messages have counts of their own.
            unsafe { native::rd_kafka_topic_destroy(topic.as_ptr()) };
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.forget_topics();
        // SAFETY: everything that was taken from the client is given back before it ends; its end
        // waits for all of its threads, so that nothing calls the host afterwards.
        unsafe {
            native::rd_kafka_queue_destroy(self.events.as_ptr());
            native::rd_kafka_destroy(self.handle.as_ptr());
            drop(Box::from_raw(self.host.as_ptr()));
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Producer").field("outstanding", &self.outstanding()).finish()
    }
}

/// Says whether a producer can have these options, files of certificates included. Connects
/// nowhere.
///
/// # Errors
/// With the option that is wrong.
pub fn check(options: &[(String, String)]) -> Result<(), String> {
    let conf = Conf::new(options)?;
    // SAFETY: the callback uses no opaque.
    let handle = unsafe {
        native::rd_kafka_conf_set_socket_cb(conf.0.as_ptr(), Some(make_no_socket));
        conf.start()?
    };
    // SAFETY: it is ours and not used any more.
    unsafe { native::rd_kafka_destroy(handle.as_ptr()) };
    Ok(())
}

type Value = native::rd_kafka_vu_s__bindgen_ty_1;

fn part(kind: native::rd_kafka_vtype_t, set: impl FnOnce(&mut Value)) -> native::rd_kafka_vu_t {
    // librdkafka reads only what `kind` says.
    let mut value = Value { _pad: [0; 64] };
    set(&mut value);
    native::rd_kafka_vu_t { vtype: kind, u: value }
}

/// Options of librdkafka.
struct Conf(NonNull<native::rd_kafka_conf_t>);

impl Conf {
    fn new(options: &[(String, String)]) -> Result<Self, String> {
        // SAFETY: it needs nothing.
        let conf = NonNull::new(unsafe { native::rd_kafka_conf_new() }).ok_or("out of memory")?;
        let conf = Self(conf);
        conf.set("log.queue", "true")?;
        for (name, value) in options {
            conf.set(name, value)?;
        }
        let events = native::RD_KAFKA_EVENT_DR
            | native::RD_KAFKA_EVENT_ERROR
            | native::RD_KAFKA_EVENT_STATS
            | native::RD_KAFKA_EVENT_LOG
            | native::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH;
        // SAFETY: the configuration is ours.
        unsafe { native::rd_kafka_conf_set_events(conf.0.as_ptr(), events) };
        Ok(conf)
    }

    fn set(&self, name: &str, value: &str) -> Result<(), String> {
        let bad = |_| format!("{name}: it has a zero byte");
        let (key, text_of_value) =
            (CString::new(name).map_err(bad)?, CString::new(value).map_err(bad)?);
        let mut why: [c_char; 512] = [0; 512];
        // SAFETY: the configuration is ours, both texts are copied, the place for the error is
        // ours and of that size.
        let set = unsafe {
            native::rd_kafka_conf_set(
                self.0.as_ptr(),
                key.as_ptr(),
                text_of_value.as_ptr(),
                why.as_mut_ptr(),
                why.len(),
            )
        };
        if set == native::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        // SAFETY: librdkafka has ended the text.
        Err(format!("{name}: {}", unsafe { text(why.as_ptr()) }))
    }

    /// # Safety
    /// The opaque of callbacks that are set lives until the client is destroyed.
    unsafe fn start(self) -> Result<NonNull<native::rd_kafka_t>, String> {
        let mut why: [c_char; 512] = [0; 512];
        // SAFETY: the configuration is ours, and goes over to the client if there will be one;
        // the place for the error is ours and of that size.
        let handle = unsafe {
            native::rd_kafka_new(
                native::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                self.0.as_ptr(),
                why.as_mut_ptr(),
                why.len(),
            )
        };
        // SAFETY: librdkafka has ended the text.
        let handle =
            NonNull::new(handle).ok_or_else(|| unsafe { text(why.as_ptr()) }.to_owned())?;
        mem::forget(self);
        Ok(handle)
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: it is ours, unless a client took it, in which case it is forgotten.
        unsafe { native::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}

/// Makes a socket, in a thread of librdkafka. It has the descriptor then, and closes it.
unsafe extern "C" fn make_socket(
    family: c_int,
    kind: c_int,
    _: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: the opaque is the host of `Producer::new`, which lives as long as these threads.
    let host = unsafe { &*opaque.cast_const().cast::<Box<dyn Host>>() };
    let family = match (family, kind) {
        (libc::AF_INET, libc::SOCK_STREAM) => Some(Family::V4),
        (libc::AF_INET6, libc::SOCK_STREAM) => Some(Family::V6),
        _ => None,
    };
    // A panic must not go through C.
    let made = catch_unwind(AssertUnwindSafe(|| family.map(|family| host.socket(family))));
    let error = match made {
        Ok(Some(Ok(socket))) => return socket.into_raw_fd(),
        Ok(Some(Err(error))) => error.raw_os_error().unwrap_or(libc::EADDRNOTAVAIL),
        Ok(None) => libc::EAFNOSUPPORT,
        Err(_) => libc::EIO,
    };
    // SAFETY: it is this thread's own.
    unsafe { *libc::__errno_location() = error };
    -1
}

unsafe extern "C" fn make_no_socket(_: c_int, _: c_int, _: c_int, _: *mut c_void) -> c_int {
    -1
}

#[cfg(test)]
mod tests;
