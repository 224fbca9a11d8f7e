//! What is too small loses frames, and counts them.

use std::thread;
use std::time::Duration;

use capture::live::{LiveSettings, Method};

use crate::network::in_network;
use crate::traffic::{Sent, frames, send};
use crate::workers::{Outcome, Workers, settings, until};

/// Sends while a worker stands still; then the rest is delivered.
fn overrun(
    methods: &'static [Method],
    change: impl Fn(&mut LiveSettings) + Send + 'static,
    check: impl Fn(&Outcome, &[Sent]) + Send + 'static,
) {
    if methods.contains(&Method::Xdp) && !cfg!(feature = "xdp") {
        eprintln!("skipped: needs the feature xdp");
        return;
    }
    in_network(methods.len(), 1, 1500, move |network| {
        let mut settings = settings(2, methods);
        change(&mut settings);
        let workers = Workers::start(&settings, true);
        workers.stall(Some(1));
        thread::sleep(Duration::from_millis(50));
        let sent = frames(40, 4000, network.pairs);
        send(&network.senders(), &sent);
        thread::sleep(Duration::from_millis(100));
        workers.stall(None);
        let mut last = 0;
        until(|| {
            thread::sleep(Duration::from_millis(300));
            std::mem::replace(&mut last, workers.count()) == workers.count()
        });
        let outcome = workers.end();
        outcome.check(&sent);
        let lost = outcome.lost() + network.lost();
        assert_eq!(outcome.count() + lost, sent.len() as u64, "{:?}", outcome.lanes);
        check(&outcome, &sent);
    });
}

#[test]
fn a_hand_over_that_is_full_loses_and_counts() {
    overrun(
        &[Method::Xdp],
        |settings| settings.hand_over = 16,
        |outcome, _| assert!(outcome.sum(|lane| lane.hand_over_full) > 100, "{:?}", outcome.lanes),
    );
}

#[test]
fn a_full_ring_loses_and_counts() {
    let small = |settings: &mut LiveSettings| {
        (settings.interfaces[0].packet.block_size, settings.interfaces[0].packet.blocks) =
            (1 << 16, 4);
    };
    let drops = |outcome: &Outcome, _: &[Sent]| {
        assert!(outcome.lanes[1][0].ring_drops > 100, "{:?}", outcome.lanes);
        let offered = outcome.sum(|lane| lane.offered);
        assert_eq!(offered, outcome.count() + outcome.sum(|lane| lane.ring_drops));
    };
    overrun(&[Method::Packet], small, drops);
    let small = |settings: &mut LiveSettings| {
        settings.interfaces[0].xdp.ring = 64;
        settings.interfaces[0].xdp.chunks = 256;
        settings.interfaces[0].xdp.workers = vec![1];
    };
    let drops = |outcome: &Outcome, _: &[Sent]| {
        let lost = outcome.sum(|lane| lane.ring_drops + lane.kernel_drops);
        assert!(lost > 100, "{:?}", outcome.lanes);
    };
    overrun(&[Method::Xdp], small, drops);
}
