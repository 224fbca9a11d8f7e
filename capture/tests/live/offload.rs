//! What AF_XDP is told to do: drop networks and flows, poll, use the memory of a NUMA node.

use std::net::IpAddr;

use capture::live::{LiveSettings, Method, Prefix};

use crate::network::in_network;
use crate::traffic::{Mark, frames, mark, send};
use crate::workers::{Outcome, Workers, settings};

/// Sends frames of which those that are `kept` arrive; looks at the notes of the interfaces.
fn run(
    change: fn(&mut LiveSettings),
    kept: fn(Mark) -> bool,
    note: &'static str,
    dropped: fn(&steer::Counters) -> u64,
) {
    if !cfg!(feature = "xdp") {
        eprintln!("skipped: needs the feature xdp");
        return;
    }
    in_network(2, 1, 1500, move |network| {
        let mut settings = settings(2, &[Method::Xdp; 2]);
        change(&mut settings);
        let workers = Workers::start(&settings, true);
        let mut sent = frames(40, 2000, 2);
        send(&network.senders(), &sent);
        let all = sent.len();
        sent.retain(|sent| mark(&sent.bytes).is_some_and(kept));
        workers.wait_for(sent.len());
        let interfaces = workers.interfaces.clone();
        let outcome: Outcome = workers.end();
        outcome.check(&sent);
        assert_eq!(outcome.count() + network.lost(), sent.len() as u64, "{:?}", outcome.lanes);
        let steerers = interfaces.iter().flat_map(|one| &one.steerer);
        let counted: u64 = steerers.map(|one| dropped(&one.counters().unwrap())).sum();
        assert_eq!(counted + network.lost(), (all - sent.len()) as u64);
        let notes: Vec<&String> = interfaces.iter().flat_map(|one| &one.notes).collect();
        assert!(notes.iter().any(|text| text.contains(note)), "{notes:?}");
        assert!(notes.iter().any(|text| text.contains("huge pages")), "{notes:?}");
    });
}

#[test]
fn networks_are_excluded() {
    let exclude = |settings: &mut LiveSettings| {
        for interface in &mut settings.interfaces {
            let address: IpAddr = [10, 0, 0, 0].into();
            interface.xdp.exclude = vec![Prefix { address, length: 8 }];
        }
    };
    run(exclude, |mark| mark.flow % 2 == 1, "memory", |counts| counts.excluded);
}

#[test]
fn flows_are_shed_from_the_start() {
    let shed = |settings: &mut LiveSettings| {
        for interface in &mut settings.interfaces {
            interface.xdp.shed_permille = Some(1000);
        }
    };
    run(shed, |_| false, "memory", |counts| counts.shed);
}

#[test]
fn frames_of_several_areas_go_to_any_worker() {
    let nodes = |settings: &mut LiveSettings| settings.interfaces[0].node = Some(0);
    run(nodes, |_| true, "NUMA node 0", |counts| counts.shed);
}

#[test]
fn workers_may_poll_themselves() {
    let poll = |settings: &mut LiveSettings| {
        for interface in &mut settings.interfaces {
            interface.xdp.busy_poll = Some((20, 64));
        }
    };
    run(poll, |_| true, "packet sockets take over", |counts| counts.empty_slot);
}

#[test]
fn a_program_that_is_detached_counts_no_more() {
    if !cfg!(feature = "xdp") {
        eprintln!("skipped: needs the feature xdp");
        return;
    }
    in_network(2, 1, 1500, |network| {
        let workers = Workers::start(&settings(2, &[Method::Xdp; 2]), true);
        let sent = frames(40, 400, 2);
        let (first, later) = sent.split_at(200);
        send(&network.senders(), first);
        workers.wait_for(first.len());
        let lost = network.lost();
        let steerers: Vec<_> =
            workers.interfaces.iter().filter_map(|one| one.steerer.clone()).collect();
        assert_eq!(steerers.len(), 2);
        steerers.iter().for_each(|one| one.detach());
        send(&network.senders(), later);
        let outcome = workers.end();
        outcome.check(first);
        assert_eq!(outcome.count() + lost, first.len() as u64, "{:?}", outcome.lanes);
        let counted = steerers.iter().map(|one| one.counters().unwrap());
        let (received, empty) = counted.fold((0, 0), |(received, empty), one| {
            (received + one.received, empty + one.empty_slot)
        });
        assert_eq!((received + lost, empty), (first.len() as u64, 0));
    });
}
