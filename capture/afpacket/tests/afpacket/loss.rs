//! A ring that is too small: what is lost is counted, and what is in hand stays as it is.

use afpacket::{Ring, RingSettings};

use crate::namespace::{NEAR, in_namespace};
use crate::sender::{PATIENCE, Sender, collect, frame, settings};

#[test]
fn what_is_not_delivered_is_counted() {
    let check = |block_size, blocks, count: usize| {
        in_namespace(move || {
            let small = RingSettings { block_size, blocks, ..settings() };
            let mut ring = Ring::open(&small).unwrap();
            let sender = Sender::on(NEAR);
            let sent: Vec<_> = (0..count).map(|i| frame(i, 60 + i % 1000)).collect();
            sender.send(&sent);
            let received = collect(&mut ring, 1);
            for frame in &received {
                assert!(sent.contains(&frame.bytes));
            }
            // The kernel says so in later blocks until it is asked.
            sender.send(&sent[..1]);
            assert!(collect(&mut ring, 1)[0].losing);
            let counts = ring.statistics().unwrap();
            assert_eq!(counts.packets as usize, count + 1);
            assert_eq!(counts.frames as usize, received.len() + 1);
            assert_eq!(counts.packets, counts.frames + counts.drops);
            assert!(counts.drops > 0 && counts.freezes > 0 && counts.unread == 0, "{counts:?}");
            sender.send(&sent[..1]);
            assert!(!collect(&mut ring, 1)[0].losing);
            sender.send(&sent);
            let again = collect(&mut ring, 1).len();
            let both = ring.statistics().unwrap();
            assert_eq!(both.packets as usize, 2 * count + 2);
            assert_eq!(both.frames as usize, received.len() + again + 2);
            assert_eq!(both.packets, both.frames + both.drops);
            assert!(both.drops > counts.drops && both.freezes > counts.freezes);
        });
    };
    check(4096, 2, 1000);
    check(4096, 16, 3000);
    check(65536, 4, 3000);
}

#[test]
fn a_block_in_hand_is_left_alone() {
    in_namespace(|| {
        // The first frames are all in one block, as it is handed over late.
        let block_timeout_ms = 300;
        let small = RingSettings { block_size: 4096, blocks: 3, block_timeout_ms, ..settings() };
        let mut ring = Ring::open(&small).unwrap();
        let sender = Sender::on(NEAR);
        let sent: Vec<_> = (0..400).map(|i| frame(i, 200)).collect();
        sender.send(&sent[..5]);
        assert!(ring.wait(PATIENCE).unwrap());
        assert_eq!(ring.next_frames(2), 2);
        sender.send(&sent[5..]);
        assert!(ring.frames().map(|frame| frame.bytes).eq(&sent[..2]));
        // The rest of a block that was begun comes next, here in the other form.
        let block = ring.receive().unwrap();
        assert!(block.frames().map(|frame| frame.bytes).eq(&sent[2..5]));
        drop(block);
        assert_eq!(ring.frames().len(), 0);
        let rest = collect(&mut ring, 1);
        assert!(!rest.is_empty());
        for (frame, sent) in rest.iter().zip(&sent[5..]) {
            assert_eq!(&frame.bytes, sent);
        }
        let counts = ring.statistics().unwrap();
        assert_eq!(counts.packets, 400);
        assert_eq!(counts.frames as usize, 5 + rest.len());
        assert_eq!(counts.packets, counts.frames + counts.drops);
        assert!(counts.drops > 0);
    });
}

#[test]
fn reading_at_pace_goes_many_times_around_the_ring() {
    in_namespace(|| {
        let small = RingSettings { block_size: 4096, blocks: 4, ..settings() };
        let mut ring = Ring::open(&small).unwrap();
        let sender = Sender::on(NEAR);
        for round in 0..60 {
            let sent: Vec<_> = (0..20).map(|i| frame(round * 20 + i, 60 + round)).collect();
            sender.send(&sent);
            let mut received = Vec::new();
            while received.len() < sent.len() && ring.wait(PATIENCE).unwrap() {
                while ring.next_frames(7) > 0 {
                    received.extend(ring.frames().map(|frame| frame.bytes.to_vec()));
                }
            }
            assert_eq!(received, sent);
        }
        let counts = ring.statistics().unwrap();
        assert_eq!((counts.packets, counts.drops, counts.frames), (1200, 0, 1200));
        assert!(counts.blocks >= 60);
    });
}
