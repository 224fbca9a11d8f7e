//! What a client of the rule server says: a request in whatever pieces it comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use supply::server::request::{Heard, hear};

const HEAD: usize = 1024;
const BODY: usize = 512;

fuzz_target!(|data: &[u8]| {
    let whole = hear(data, HEAD, BODY);
    if let Heard::Whole(request) = &whole {
        assert!(request.body.len() <= BODY);
        assert!(!request.path.contains('?'));
    }
    // What is answered before all of it has come does not change with what follows.
    for end in [data.len() / 3, data.len() / 2] {
        match hear(&data[..end], HEAD, BODY) {
            Heard::Part => {}
            early => assert_eq!(early, whole),
        }
    }
});
