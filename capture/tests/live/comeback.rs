//! Interfaces that go down, or are removed and come back, while nobody has privileges any more.

use std::sync::atomic::Ordering::SeqCst;

use capture::live::Method;

use crate::network::{Network, in_network, ip};
use crate::traffic::{Sent, frame, send};
use crate::workers::{Workers, methods, settings, until};

/// So many frames of 20 flows, from `first` on.
fn batch(first: u32) -> Vec<Sent> {
    (0..400).map(|at| frame(at % 20, first + at / 20, 200, 2)).collect()
}

/// Whether any lane is down.
fn is_down(workers: &Workers) -> bool {
    workers.figures.iter().flat_map(|one| &one.lanes).any(|lane| lane.down.load(SeqCst))
}

fn is_stranded(workers: &Workers) -> bool {
    workers.figures.iter().flat_map(|one| &one.lanes).any(|lane| lane.stranded.load(SeqCst))
}

fn reopened(workers: &Workers) -> u64 {
    let lanes = workers.figures.iter().flat_map(|one| &one.lanes);
    lanes.map(|lane| lane.reopened.load(SeqCst)).sum()
}

fn pass(network: &Network, workers: &Workers, sent: &mut Vec<Sent>) {
    let more = batch(sent.len() as u32 / 20);
    send(&network.senders(), &more);
    sent.extend(more);
    workers.wait_for(sent.len());
    assert_eq!(workers.count() as u64 + network.lost(), sent.len() as u64);
}

#[test]
fn an_interface_that_is_removed_and_made_anew_is_taken_up_again() {
    for methods in methods() {
        for count in [1, 3] {
            in_network(2, 2, 1500, move |network| {
                let workers = Workers::start(&settings(count, &methods), false);
                let mut sent = Vec::new();
                pass(network, &workers, &mut sent);
                for round in 1..=2 {
                    network.remove(0);
                    assert!(until(|| is_down(&workers)), "{methods:?}");
                    network.connect(0);
                    assert!(until(|| !is_down(&workers)), "{methods:?} {count}");
                    assert!(until(|| reopened(&workers) == round * count as u64));
                    pass(network, &workers, &mut sent);
                }
                let outcome = workers.end();
                outcome.check(&sent);
                assert_eq!(outcome.lost(), 0, "{:?}", outcome.lanes);
            });
        }
    }
}

#[test]
fn an_interface_that_goes_down_and_up_keeps_its_lanes() {
    for methods in methods() {
        in_network(2, 2, 1500, move |network| {
            let workers = Workers::start(&settings(2, &methods), false);
            let mut sent = Vec::new();
            pass(network, &workers, &mut sent);
            for _ in 0..2 {
                ip("link set far0 down");
                assert!(until(|| is_down(&workers)), "{methods:?}");
                ip("link set far0 up");
                assert!(until(|| !is_down(&workers)), "{methods:?}");
                pass(network, &workers, &mut sent);
            }
            assert_eq!(reopened(&workers), 0);
            let outcome = workers.end();
            outcome.check(&sent);
            assert_eq!(outcome.lost(), 0, "{:?}", outcome.lanes);
        });
    }
}

#[test]
fn when_no_spare_sockets_are_left_it_stays_away() {
    in_network(2, 1, 1500, |network| {
        let mut settings = settings(2, &[Method::Packet; 2]);
        settings.interfaces[0].spares = 1;
        let workers = Workers::start(&settings, false);
        for (round, comes_back) in [(1, true), (2, false)] {
            network.remove(0);
            assert!(until(|| is_down(&workers)));
            network.connect(0);
            assert_eq!(until(|| !is_down(&workers)), comes_back, "{round}");
            assert_eq!(is_stranded(&workers), !comes_back, "{round}");
        }
        assert_eq!(reopened(&workers), 2);
        let mut sent = batch(0);
        send(&network.senders(), &sent);
        sent.retain(|sent| sent.pair == 1);
        workers.wait_for(sent.len());
        workers.end().check(&sent);
    });
}
