//! How many queues each interface gets, and which worker serves which of them.

use super::{Home, Ring, Wishes, cores::Place};
use crate::facts::Facts;

/// The receive queues of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queues {
    pub(super) count: u32,
    pub(super) why: String,
}

/// As many queues as workers near the interface, so that each has one of its own; with several
/// interfaces each worker has the same queue of each, and so both directions of a flow that
/// arrive on two of them.
pub(super) fn queues(home: &Home, wishes: &Wishes, workers: &[Place], facts: &Facts) -> Queues {
    let interface = home.interface;
    let (now, most) = (interface.queues(), interface.max_queues());
    if interface.channels.is_none() || most <= 1 {
        let why = match now {
            1 => "the driver has one queue",
            _ => "the driver does not let their number be changed",
        };
        return Queues { count: now, why: why.to_owned() };
    }
    if let Some(wished) = wishes.queues {
        let count = wished.clamp(1, most);
        let why = if count == wished { "as asked" } else { "as near as the driver allows" };
        return Queues { count, why: why.to_owned() };
    }
    let near = on_node(home, workers).len();
    let serving = u32::try_from(serving(home, workers).len()).unwrap_or(u32::MAX);
    let count = serving.clamp(1, most);
    let why = match home.node {
        _ if most < serving => "the most that the driver has".to_owned(),
        Some(node) if near > 0 && facts.machine.nodes.len() > 1 => {
            format!("one for each worker on node {node}")
        }
        _ => "one for each worker".to_owned(),
    };
    Queues { count, why }
}

/// Gives each ring to the worker with the fewest so far, near the interface where there is one.
pub(super) fn share(homes: &[Home], queues: &[Queues], workers: &[Place]) -> Vec<Vec<Ring>> {
    let mut shares: Vec<Vec<Ring>> = vec![Vec::new(); workers.len()];
    for (home, queues) in homes.iter().zip(queues) {
        let near = serving(home, workers);
        for queue in 0..queues.count {
            let load = |at: &&usize| shares.get(**at).map_or(usize::MAX, Vec::len);
            let Some(next) = near.iter().min_by_key(load).copied() else { return shares };
            if let Some(rings) = shares.get_mut(next) {
                rings.push(Ring { interface: home.interface.name.clone(), queue });
            }
        }
    }
    shares
}

/// The workers that serve the interface: those on its node, or all when none is.
fn serving(home: &Home, workers: &[Place]) -> Vec<usize> {
    let near = on_node(home, workers);
    if near.is_empty() { (0..workers.len()).collect() } else { near }
}

fn on_node(home: &Home, workers: &[Place]) -> Vec<usize> {
    let near = |place: &Place| home.node.is_some() && place.node == home.node;
    workers.iter().enumerate().filter(|(_, place)| near(place)).map(|(at, _)| at).collect()
}
