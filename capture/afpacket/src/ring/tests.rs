//! A ring whose blocks have impossible headers goes on, and counts them.

use std::net::UdpSocket;

use super::*;
use crate::namespace::{in_namespace, ip};

const DATAGRAMS: u64 = 200;
/// Where the number of frames is in a block's header.
const COUNT: std::ops::Range<usize> = 12..16;

/// A ring on the loopback interface with some blocks that are handed over.
fn filled() -> Ring {
    ip("link set lo up");
    let settings = RingSettings {
        block_size: 4096,
        blocks: 64,
        // Blocks are to be full: a machine that is busy takes its time between datagrams.
        block_timeout_ms: 100,
        ..RingSettings::new("lo")
    };
    let ring = Ring::open(&settings).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..DATAGRAMS {
        socket.send_to(&[7; 100], socket.local_addr().unwrap()).unwrap();
    }
    ring
}

/// Changes the first block before the ring looks at it; returns how many frames it had.
fn change(ring: &mut Ring, change: impl FnOnce(&mut [u8])) -> u64 {
    let block = ring.memory.take().unwrap();
    let block = ring.memory.block_mut(block);
    let count = u32::from_ne_bytes(block[COUNT].try_into().unwrap());
    change(block);
    ring.memory.put_down();
    count.into()
}

fn drain(ring: &mut Ring) -> u64 {
    let mut frames = 0;
    while ring.wait(Duration::from_millis(500)).unwrap() {
        while ring.next_frames(8) > 0 {
            assert!(ring.frames().all(|frame| frame.bytes[42..] == [7; 100]));
            frames += ring.frames().len() as u64;
        }
    }
    frames
}

#[test]
fn malformed_blocks_are_counted_and_passed() {
    let check = |what: fn(&mut [u8]), delivered: Option<u64>| {
        in_namespace(move || {
            let mut ring = filled();
            let had = change(&mut ring, what);
            assert!(had > 2, "a block of several frames");
            // Not 0: there are further blocks.
            assert!(ring.next_frames(1) == 1);
            let frames = 1 + drain(&mut ring);
            let unread = delivered.map_or(0, |delivered| had - delivered);
            assert_eq!(frames, DATAGRAMS - unread);
            let counts = ring.statistics().unwrap();
            assert_eq!((counts.packets, counts.drops, counts.frames), (DATAGRAMS, 0, frames));
            assert_eq!((counts.malformed, counts.unread), (delivered.is_some().into(), unread));
        });
    };
    check(|_| {}, None);
    // The block's length, and the first and the second frame's distance to the next.
    check(|block| block[20..24].fill(0xff), Some(0));
    check(|block| block[48..52].fill(0xff), Some(0));
    check(
        |block| {
            let second = 48 + usize::from(block[48]);
            block[second..second + 4].fill(0);
        },
        Some(2),
    );
}

#[test]
fn rings_go_to_other_threads() {
    fn check<T: Send>() {}
    check::<Ring>();
}
