//! Live capture as the endpoint of metrics sees it.

use std::sync::Arc;
use std::time::Instant;

use capture::live::{LaneFigures, LaneSnapshot, WorkerFigures};

use crate::observe::{Counted, Interface, Lane, Observed, Rules};

use super::balance::Terms;
use super::board::{Board, Request};

impl Observed for Board {
    fn ask(&self) -> bool {
        if self.has_ended() {
            return false;
        }
        if self.condition.want() {
            self.request(Request::Metrics);
        }
        true
    }

    fn counted(&self) -> Option<Arc<Counted>> {
        self.condition.counted()
    }

    fn interfaces(&self) -> Vec<Interface> {
        let down = self.interfaces_down();
        let interfaces = (0u32..).zip(&self.interfaces).map(|(number, opened)| Interface {
            name: opened.name.clone(),
            method: opened.method.clone(),
            is_up: !down.contains(&number),
            counters: terms(&self.balance.interface(&opened.name).unwrap_or_default()),
        });
        interfaces.collect()
    }

    fn lanes(&self) -> Vec<Lane> {
        let name = |number: u32| Some(self.interfaces.get(number as usize)?.name.as_str());
        let of_worker = |(worker, figures): (usize, &WorkerFigures)| {
            let sockets: Vec<LaneSnapshot> =
                figures.lanes.iter().map(LaneFigures::snapshot).collect();
            lanes(worker, &sockets, name)
        };
        (1..).zip(self.figures_of_workers()).flat_map(|(n, f)| of_worker((n, f))).collect()
    }

    fn workers(&self) -> usize {
        self.figures_of_workers().len()
    }

    fn rules(&self) -> Rules {
        let rules = Self::rules(self);
        Rules {
            loaded_at: rules.loaded_at,
            loaded: rules.figures.loaded,
            failed: rules.figures.failed,
            skipped: rules.figures.skipped,
            set: rules.set.as_ref().map(|set| (set.bundle.clone(), set.version)),
        }
    }

    fn troubles(&self) -> Vec<String> {
        // What comes after the last record is no longer its affair.
        if self.has_ended() { Vec::new() } else { self.condition.troubles(Instant::now()) }
    }

    fn obstacles(&self) -> Vec<String> {
        match () {
            () if self.has_ended() => vec!["capture has ended".to_owned()],
            () if self.stopping_for().is_some() => vec!["the sensor drains".to_owned()],
            () if !self.condition.runs() => vec!["workers have not begun".to_owned()],
            () => Vec::new(),
        }
    }
}

/// What one worker has of its interfaces: the sum over its sockets of each, since a series is named
/// by worker and interface alone.
fn lanes<'a>(
    worker: usize,
    sockets: &[LaneSnapshot],
    name: impl Fn(u32) -> Option<&'a str>,
) -> Vec<Lane> {
    let mut all: Vec<Lane> = Vec::new();
    for socket in sockets {
        let Some(interface) = name(socket.interface) else { continue };
        let counters = of_socket(socket);
        match all.iter_mut().find(|lane| lane.interface == interface) {
            Some(lane) => {
                for ((_, sum), (_, value)) in lane.counters.iter_mut().zip(counters) {
                    *sum = sum.saturating_add(value);
                }
            }
            None => all.push(Lane { worker, interface: interface.to_owned(), counters }),
        }
    }
    all
}

/// Under the names of their metrics.
fn of_socket(socket: &LaneSnapshot) -> Vec<(&'static str, u64)> {
    vec![
        ("lane_frames", socket.frames),
        ("lane_bytes", socket.bytes),
        ("lane_kernel_frames", socket.offered),
        ("lane_ring_drops", socket.ring_drops),
        ("lane_kernel_drops", socket.kernel_drops),
        ("lane_handed_over_frames", socket.handed_over),
        ("lane_hand_over_drops", socket.hand_over_full),
        ("lane_reopened", socket.reopened),
    ]
}

/// Under the names of their metrics.
fn terms(terms: &Terms) -> Vec<(&'static str, u64)> {
    vec![
        ("interface_wire_frames", terms.wire),
        ("interface_inspected_frames", terms.inspected),
        ("interface_nic_drops", terms.nic_drops),
        ("interface_empty_slot", terms.xdp.empty_slot),
        ("interface_shunted_frames", terms.xdp.shunted),
        ("interface_shunted_bytes", terms.xdp.shunted_bytes),
        ("interface_shed_frames", terms.xdp.shed),
        ("interface_excluded_frames", terms.xdp.excluded),
        ("interface_no_memory_drops", terms.no_memory),
        ("interface_ring_full_drops", terms.ring_full),
        ("interface_hand_over_drops", terms.hand_over_full),
        ("interface_invalid_frames", terms.invalid),
        ("interface_fill_empty", terms.fill_empty),
        ("interface_joined_frames", terms.joined_frames),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use detect::settings::Settings;

    use super::super::balance::Balance;
    use super::super::figures::of_capture;
    use super::*;
    use crate::observe::catalogue;
    use crate::output::StoreCounters;
    use crate::process::memory::Memory;

    #[test]
    fn every_counter_of_live_capture_is_described() {
        let check = |name: &str| {
            assert!(catalogue::find(name).is_some(), "{name} is not described");
        };
        let figures = WorkerFigures {
            lanes: vec![LaneFigures::default()],
            turns: AtomicU64::new(0),
            impatient: AtomicU64::new(0),
            taken_over: AtomicU64::new(0),
            taken_over_bytes: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
        };
        of_capture(&figures).entries.iter().for_each(|(name, _)| check(name));
        Balance::new(&[], Vec::new()).counters().iter().for_each(|(name, _)| check(name));
        let mut memory = Memory::new(&Settings::default());
        let stores = [StoreCounters::default()];
        memory.counters(&[], &stores).iter().for_each(|(name, _)| check(name));
        terms(&Terms::default()).iter().for_each(|(name, _)| {
            assert!(catalogue::place(name).is_some(), "{name} is not described");
        });
    }

    #[test]
    fn several_sockets_of_a_worker_on_one_interface_are_one_series() {
        let socket = |interface, frames, reopened| LaneSnapshot {
            interface,
            frames,
            reopened,
            ..LaneSnapshot::default()
        };
        // Two queues of the first interface, one of the second; the last one is of no interface.
        let sockets = [socket(0, 103_601, 1), socket(1, 7, 0), socket(0, 12, 2), socket(9, 5, 5)];
        let name = |number: u32| ["s0", "s1"].get(number as usize).copied();
        let lanes = lanes(3, &sockets, name);
        let value = |lane: &Lane, key| {
            lane.counters.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
        };
        let seen: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let (frames, reopened) = (value(lane, "lane_frames"), value(lane, "lane_reopened"));
                (lane.worker, lane.interface.as_str(), frames, reopened)
            })
            .collect();
        assert_eq!(seen, [(3, "s0", Some(103_613), Some(3)), (3, "s1", Some(7), Some(0))]);
        for (name, _) in &lanes[0].counters {
            assert!(catalogue::place(name).is_some(), "{name} is not described");
        }
    }
}
