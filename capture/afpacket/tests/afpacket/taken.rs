//! Frames that are kept while others are taken, and rings of sockets that were opened before.

use std::thread;
use std::time::{Duration, Instant};

use afpacket::{Error, Fanout, FanoutKind, Found, Ring, RingSettings, Spare, Taken};

use crate::namespace::{FAR, NEAR, in_namespace, ip};
use crate::sender::{PATIENCE, Sender, collect, frame, settings};

/// Takes until there are so many frames or no more blocks may be in hand.
fn take(ring: &mut Ring, count: usize, most: usize) -> Vec<Taken> {
    let (mut all, mut frames) = (Vec::new(), 0);
    let begin = Instant::now();
    while frames < count && begin.elapsed() < PATIENCE && ring.in_hand() <= most {
        match ring.take(7, most) {
            Some(taken) => {
                frames += taken.count as usize;
                all.push(taken);
            }
            None if ring.in_hand() == most && ring.has_frames() => break,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    all
}

#[test]
fn frames_of_several_blocks_stay_until_they_are_given_back() {
    in_namespace(|| {
        let small = RingSettings { block_size: 4096, blocks: 8, ..settings() };
        let mut ring = Ring::open(&small).unwrap();
        let sender = Sender::on(NEAR);
        for round in 0..5 {
            let sent: Vec<_> = (0..30).map(|i| frame(round * 30 + i, 500)).collect();
            sender.send(&sent);
            let taken = take(&mut ring, sent.len(), 6);
            assert!(ring.in_hand() > 3, "{}", ring.in_hand());
            let bytes = taken.iter().flat_map(|taken| ring.taken(*taken)).map(|frame| frame.bytes);
            assert!(bytes.eq(&sent));
            let single = taken.iter().flat_map(|&Taken { block, first, count }| {
                (first..first + count).map(move |index| (block, index))
            });
            for ((block, index), sent) in single.zip(&sent) {
                assert_eq!(ring.taken_frame(block, index).unwrap().bytes, sent);
            }
            // Blocks go back in order: as long as the first is needed, all are kept.
            let in_hand = ring.in_hand();
            for taken in &taken[1..] {
                ring.give_back(taken.block, taken.count as usize);
            }
            assert_eq!(ring.in_hand(), in_hand);
            ring.give_back(taken[0].block, taken[0].count as usize);
            assert_eq!(ring.in_hand(), 0);
            assert!(ring.taken_frame(taken[0].block, 0).is_none());
            // Once more is once too often, and does nothing.
            ring.give_back(taken[0].block, 1);
        }
        let counts = ring.statistics().unwrap();
        assert_eq!((counts.packets, counts.drops, counts.frames), (150, 0, 150));
    });
}

#[test]
fn no_more_blocks_are_taken_than_wanted() {
    in_namespace(|| {
        let small = RingSettings { block_size: 4096, blocks: 8, ..settings() };
        let mut ring = Ring::open(&small).unwrap();
        let sent: Vec<_> = (0..200).map(|i| frame(i, 500)).collect();
        Sender::on(NEAR).send(&sent);
        thread::sleep(Duration::from_millis(50));
        let taken = take(&mut ring, sent.len(), 3);
        assert_eq!(ring.in_hand(), 3);
        assert!(ring.has_frames() && ring.is_pending());
        for Taken { block, count, .. } in taken {
            ring.give_back(block, count as usize);
        }
        // The other form goes on with the next block.
        let rest = collect(&mut ring, 1).len();
        assert!(rest > 0);
        let counts = ring.statistics().unwrap();
        assert_eq!(counts.packets, counts.frames + counts.drops);
        assert!(counts.drops > 0);
    });
}

#[test]
fn frames_that_are_not_handed_over_yet_show() {
    in_namespace(|| {
        let mut ring = Ring::open(&RingSettings { block_timeout_ms: 300, ..settings() }).unwrap();
        assert!(!ring.is_pending());
        for number in 0..3 {
            Sender::on(NEAR).send(&[frame(number, 60)]);
            let begin = Instant::now();
            while !ring.is_pending() {
                assert!(begin.elapsed() < PATIENCE);
                thread::yield_now();
            }
            assert!(!ring.has_frames());
            let taken = take(&mut ring, 1, 2);
            assert!(begin.elapsed() > Duration::from_millis(20));
            ring.give_back(taken[0].block, 1);
            assert!(!ring.is_pending());
        }
    });
}

#[test]
fn a_spare_socket_needs_no_privilege() {
    in_namespace(|| {
        let nothing = afpacket::Instruction { code: 6, jt: 0, jf: 0, k: 0 };
        let kind = FanoutKind::Program(vec![nothing]);
        let fanout = Fanout { group: 9, members: 1, kind, defragment: false, rollover: false };
        for fanout in [None, Some(fanout)] {
            let (one, other, lost) =
                (Spare::open().unwrap(), Spare::open().unwrap(), Spare::open().unwrap());
            let settings = RingSettings { fanout, snap_length: Some(200), ..settings() };
            let open = move || {
                // SAFETY: the raw call changes the user of this thread alone, and with it what the
                // thread may do.
                let result = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
                assert_eq!(result, 0);
                assert!(Ring::open(&settings).is_err());
                let found = one.find(FAR).unwrap().unwrap();
                assert!(found.is_up && one.has(found.index));
                assert_eq!(one.find("afp7").unwrap(), None);
                assert!(!one.has(found.index + 100));
                let wrong = RingSettings { interface: "afp7".into(), ..settings.clone() };
                let error = Ring::prepare_with(lost, &wrong).unwrap_err();
                assert!(matches!(error, Error::NoInterface { .. }), "{error}");
                let mut ring = Ring::prepare_with(one, &settings).unwrap();
                ring.start().unwrap();
                ring
            };
            let mut ring = thread::spawn(open).join().unwrap();
            Sender::on(NEAR).send(&[frame(0, 300)]);
            let received = collect(&mut ring, 1);
            assert_eq!(received[0].bytes, &frame(0, 300)[..200]);
            ip(&format!("link set {FAR} down"));
            assert!(matches!(other.find(FAR).unwrap(), Some(Found { is_up: false, .. })));
            ip(&format!("link set {FAR} up"));
        }
    });
}
