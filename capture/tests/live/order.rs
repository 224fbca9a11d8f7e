//! A lane without frames, or a worker that stands still, holds up the others for a while only.

use std::thread;
use std::time::{Duration, Instant};

use capture::live::{Method, OrderSettings};

use crate::network::in_network;
use crate::traffic::{frames, send};
use crate::workers::{Workers, methods, settings, until};

#[test]
fn an_idle_interface_holds_up_nobody() {
    for methods in methods() {
        in_network(2, 1, 1500, move |network| {
            let settings = settings(2, &methods);
            let workers = Workers::start(&settings, true);
            // Both ends of all flows by the first pair.
            let sent = frames(40, 6000, 1);
            let begin = Instant::now();
            send(&network.senders(), &sent);
            workers.wait_for(sent.len());
            let took = begin.elapsed();
            let outcome = workers.end();
            outcome.check(&sent);
            assert_eq!(outcome.count() + network.lost(), sent.len() as u64, "{:?}", outcome.lanes);
            assert_eq!(outcome.impatient, 0);
            assert!(took < Duration::from_secs(4), "{took:?}");
        });
    }
}

#[test]
fn nobody_waits_long_for_a_worker_that_stands_still() {
    if !cfg!(feature = "xdp") {
        eprintln!("skipped: needs the feature xdp");
        return;
    }
    in_network(1, 2, 1500, |network| {
        let mut settings = settings(2, &[Method::Xdp]);
        settings.order = OrderSettings { longest_us: 50_000, ..OrderSettings::default() };
        let workers = Workers::start(&settings, true);
        workers.stall(Some(1));
        thread::sleep(Duration::from_millis(20));
        let sent = frames(40, 1000, 1);
        send(&network.senders(), &sent);
        // Those of the first queue that are worker 0's own.
        assert!(until(|| workers.count() > 100));
        workers.stall(None);
        workers.wait_for(sent.len());
        let outcome = workers.end();
        outcome.check(&sent);
        assert_eq!(outcome.count() + network.lost(), sent.len() as u64, "{:?}", outcome.lanes);
        assert!(outcome.impatient > 100, "{}", outcome.impatient);
    });
}

#[test]
fn all_chunks_held_is_no_standstill() {
    if !cfg!(feature = "xdp") {
        eprintln!("skipped: needs the feature xdp");
        return;
    }
    in_network(1, 2, 1500, |network| {
        let mut settings = settings(2, &[Method::Xdp]);
        settings.order = OrderSettings { longest_us: 3_600_000_000, ..OrderSettings::default() };
        (settings.interfaces[0].xdp.ring, settings.interfaces[0].xdp.chunks) = (256, 512);
        let workers = Workers::start(&settings, true);
        workers.stall(Some(1));
        thread::sleep(Duration::from_millis(20));
        let sent = frames(40, 4000, 1);
        send(&network.senders(), &sent);
        assert!(until(|| workers.count() > 300), "{}", workers.count());
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
    });
}
