//! The DNS and mDNS parsers, over UDP and TCP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{AppProto, Transport};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    match first % 3 {
        0 => fuzz::parse(AppProto::Dns, Transport::Udp, rest),
        1 => fuzz::parse(AppProto::Dns, Transport::Tcp, rest),
        _ => fuzz::parse(AppProto::Mdns, Transport::Udp, rest),
    }
});
