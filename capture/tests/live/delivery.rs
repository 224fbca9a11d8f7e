//! Every frame arrives, once, whole, at the worker of its flow, in order.

use std::thread;
use std::time::Duration;

use capture::live::{LiveSettings, Method};

use crate::network::{Network, in_network};
use crate::system::stay_on_this_cpu;
use crate::traffic::{Mark, Sent, frame, frames, send};
use crate::workers::{Outcome, Workers, methods, settings};

/// Sends frames to workers and checks what they got.
fn deliver(network: &Network, settings: &LiveSettings, sent: &[Sent]) -> Outcome {
    stay_on_this_cpu();
    let workers = Workers::start(settings, true);
    let senders = network.senders();
    send(&senders, sent);
    workers.wait_for(sent.len());
    let what = format!("{:?}", workers.interfaces);
    let outcome = workers.end();
    outcome.check(sent);
    let lost = outcome.lost() + network.lost();
    assert_eq!(outcome.count() + lost, sent.len() as u64, "{what} {:?}", outcome.lanes);
    assert_eq!(lost, 0, "{what} {:?}", outcome.lanes);
    outcome
}

/// Frames of one kind of a flow go by one queue.
fn kind(mark: Mark) -> u32 {
    let part = mark.flow.is_multiple_of(2) && mark.number % 4 == 3;
    u32::from(mark.number % 3 == 1) * 2 + u32::from(part)
}

#[test]
fn every_frame_arrives_once_and_in_order() {
    for methods in methods() {
        for workers in [1, 2, 3] {
            in_network(2, 2, 1500, move |network| {
                let settings = settings(workers, &methods);
                let sent = frames(40, 6000, 2);
                let outcome = deliver(network, &settings, &sent);
                let all_packet = methods == [Method::Packet; 2];
                outcome.check_order(|mark| if all_packet { 0 } else { kind(mark) });
                if workers > 1 {
                    assert!(outcome.frames.iter().all(|got| !got.is_empty()));
                    assert!(all_packet || outcome.taken_over > 0);
                }
                let offered = outcome.sum(|lane| lane.offered);
                assert!(!all_packet || offered == sent.len() as u64, "{offered}");
            });
        }
    }
}

#[test]
fn both_directions_are_in_order_over_two_interfaces() {
    for methods in methods() {
        in_network(2, 1, 1500, move |network| {
            stay_on_this_cpu();
            let settings = settings(2, &methods);
            let workers = Workers::start(&settings, true);
            let senders = network.senders();
            let sent: Vec<Sent> = (0..90).map(|at| frame(at % 3, at / 3, 200, 2)).collect();
            for sent in &sent {
                send(&senders, std::slice::from_ref(sent));
                thread::sleep(Duration::from_millis(3));
            }
            workers.wait_for(sent.len());
            let outcome = workers.end();
            outcome.check(&sent);
            outcome.check_order(|_| 0);
            assert_eq!(outcome.count(), sent.len() as u64);
            assert_eq!(outcome.impatient, 0);
        });
    }
}

#[test]
fn all_queues_may_be_at_one_worker() {
    if !cfg!(feature = "xdp") {
        eprintln!("skipped: needs the feature xdp");
        return;
    }
    in_network(1, 2, 1500, |network| {
        let mut settings = settings(3, &[Method::Xdp]);
        settings.interfaces[0].xdp.workers = vec![1, 4];
        let outcome = deliver(network, &settings, &frames(40, 4000, 1));
        outcome.check_order(kind);
        let handed: Vec<u64> =
            outcome.lanes.iter().map(|own| own.iter().map(|lane| lane.handed_over).sum()).collect();
        assert!(handed[0] == 0 && handed[1] > 0 && handed[2] == 0, "{handed:?}");
    });
}

#[test]
fn long_frames_are_whole() {
    for methods in methods() {
        in_network(2, 1, 9000, move |network| {
            let settings = settings(2, &methods);
            let length = |at: u32| 100 + (at as usize * 677) % 8800;
            let sent: Vec<Sent> =
                (0..1500).map(|at| frame(at % 20, at / 20, length(at), 2)).collect();
            let outcome = deliver(network, &settings, &sent);
            let joined = outcome.sum(|lane| lane.joined_frames);
            assert_eq!(joined > 0, methods[0] == Method::Xdp, "{joined}");
        });
    }
}

#[test]
fn what_is_in_flight_at_the_end_is_delivered() {
    for methods in methods() {
        in_network(2, 2, 1500, move |network| {
            let mut settings = settings(2, &methods);
            for interface in &mut settings.interfaces {
                interface.packet.block_timeout_ms = 60;
            }
            let workers = Workers::start(&settings, true);
            let senders = network.senders();
            let sent = frames(20, 400, 2);
            send(&senders, &sent);
            let outcome = workers.end();
            outcome.check(&sent);
            assert_eq!(outcome.count(), sent.len() as u64, "{:?}", outcome.lanes);
        });
    }
}
