//! Live capture as the endpoint of metrics sees it.

use std::sync::Arc;
use std::time::Instant;

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
        let mut lanes = Vec::new();
        for (worker, figures) in (1..).zip(self.figures_of_workers()) {
            for lane in figures.lanes.iter().map(|lane| lane.snapshot()) {
                let Some(opened) = self.interfaces.get(lane.interface as usize) else { continue };
                let counters = vec![
                    ("lane_frames", lane.frames),
                    ("lane_bytes", lane.bytes),
                    ("lane_kernel_frames", lane.offered),
                    ("lane_ring_drops", lane.ring_drops),
                    ("lane_kernel_drops", lane.kernel_drops),
                    ("lane_handed_over_frames", lane.handed_over),
                    ("lane_hand_over_drops", lane.hand_over_full),
                    ("lane_reopened", lane.reopened),
                ];
                lanes.push(Lane { worker, interface: opened.name.clone(), counters });
            }
        }
        lanes
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

    use capture::live::{LaneFigures, WorkerFigures};
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
}
