//! Community ID version 1: the same number for a flow in every tool.

use std::net::IpAddr;

use base64::Engine;
use engine::Flow;
use sha1::{Digest, Sha1};

/// The identifier of a flow.
pub fn id(seed: u16, flow: &Flow) -> String {
    let (mut a, mut b) = ((flow.client, flow.client_port), (flow.server, flow.server_port));
    if b < a {
        std::mem::swap(&mut a, &mut b);
    }
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    octets(a.0, &mut hash);
    octets(b.0, &mut hash);
    hash.update([flow.proto, 0]);
    hash.update(a.1.to_be_bytes());
    hash.update(b.1.to_be_bytes());
    let engine = base64::engine::general_purpose::STANDARD;
    format!("1:{}", engine.encode(hash.finalize()))
}

fn octets(address: IpAddr, hash: &mut Sha1) {
    match address {
        IpAddr::V4(v4) => hash.update(v4.octets()),
        IpAddr::V6(v6) => hash.update(v6.octets()),
    }
}
