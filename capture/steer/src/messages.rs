//! Keeps what libbpf has to say for those who ask, instead of printing it.

use std::cell::RefCell;
use std::sync::Once;

use libbpf_rs::PrintLevel;

/// How many bytes of messages are kept.
const LIMIT: usize = 64 * 1024;

thread_local! {
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something with libbpf; returns what it said meanwhile, apart from details.
pub(crate) fn kept<R>(work: impl FnOnce() -> R) -> (R, String) {
    static SET: Once = Once::new();
    SET.call_once(|| {
        libbpf_rs::set_print(Some((PrintLevel::Info, keep)));
    });
    KEPT.with_borrow_mut(|kept| *kept = Some(String::new()));
    let result = work();
    (result, KEPT.with_borrow_mut(Option::take).unwrap_or_default())
}

fn keep(_level: PrintLevel, message: String) {
    KEPT.with_borrow_mut(|kept| {
        if let Some(text) = kept.as_mut().filter(|text| text.len() + message.len() <= LIMIT) {
            text.push_str(&message);
        }
    });
}
