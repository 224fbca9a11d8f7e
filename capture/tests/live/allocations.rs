//! Once capture is in use it takes no memory for its frames.

use std::time::Instant;

use capture::live::Live;
use capture::{Received, Source};

use crate::network::in_network;
use crate::system::allocations;
use crate::traffic::{Sent, frame, send};
use crate::workers::{PATIENCE, methods, settings};

#[test]
fn frames_take_no_memory() {
    for methods in methods() {
        in_network(2, 2, 9000, move |network| {
            let mut source = Live::open(&settings(1, &methods)).unwrap().sources.remove(0);
            let senders = network.senders();
            let length = |at: u32| if at.is_multiple_of(50) { 4000 } else { 300 };
            let (mut taken, mut quarters) = ([0; 4], 0);
            for (round, taken) in (0..).zip(&mut taken) {
                let number = |at: u32| (at + round * 2000) / 40;
                let sent: Vec<Sent> =
                    (0..2000).map(|at| frame(at % 40, number(at), length(at), 2)).collect();
                send(&senders, &sent);
                let (before, begin) = (allocations(), Instant::now());
                let (mut frames, mut bytes) = (0, 0);
                while frames < sent.len() && begin.elapsed() < PATIENCE {
                    if source.receive(64).unwrap() == Received::Frames {
                        frames += source.batch().len();
                        bytes += source.batch().frames().map(|one| one.bytes.len()).sum::<usize>();
                    }
                }
                *taken = allocations() - before;
                quarters = begin.elapsed().as_millis() as u64 / 250;
                assert_eq!(frames + network.lost() as usize, sent.len());
                assert!(bytes > frames * 299);
            }
            assert!(taken[0] > 20, "the counter counts: {taken:?}");
            // Four times a second the system is asked for the names of the interfaces.
            let most = 20 * (1 + quarters);
            assert!(taken[3] < most && most < 1000, "{methods:?} {taken:?} of {most}");
        });
    }
}
