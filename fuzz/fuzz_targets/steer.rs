//! Which worker a frame belongs to, whatever its bytes are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steer::{HashSettings, Link, Tunnels};

fuzz_target!(|bytes: &[u8]| {
    let Some((&[choice, seed], frame)) = bytes.split_first_chunk::<2>() else { return };
    let settings = HashSettings {
        seed: seed.into(),
        ports: choice & 1 != 0,
        vlans: choice & 2 != 0,
        tunnels: if choice & 4 != 0 { Tunnels::Inner } else { Tunnels::Outer },
    };
    let link = if choice & 8 != 0 { Link::Raw } else { Link::Ethernet };
    let found = settings.steering(link, frame);
    assert!(found.ip || found.hash == 0);
    assert!(found.worker(7) < 7 && found.worker(0) == 0);
    // What follows the bytes that are looked at does not matter.
    let longer = [frame, &[0; 64]].concat();
    if frame.len() > 2048 {
        assert_eq!(found, settings.steering(link, &longer));
    }
});
