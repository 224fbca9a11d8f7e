//! The TLS parser, in both directions, in pieces, with holes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{AppProto, Transport};

fuzz_target!(|data: &[u8]| fuzz::parse(AppProto::Tls, Transport::Tcp, data));
