//! What live capture counts, under the names of Suricata's statistics and our own.

use std::sync::atomic::Ordering;

use capture::live::WorkerFigures;
use detect::counters::Snapshot;

/// The counters of a worker's capture.
pub(super) fn of_capture(figures: &WorkerFigures) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let lanes: Vec<_> = figures.lanes.iter().map(|lane| lane.snapshot()).collect();
    let sum = |of: &dyn Fn(&capture::live::LaneSnapshot) -> u64| lanes.iter().map(of).sum();
    snapshot.push("capture.kernel_packets", sum(&|lane| lane.offered));
    snapshot.push("capture.kernel_drops", sum(&|lane| lane.ring_drops));
    snapshot.push("capture.errors", sum(&|lane| lane.invalid));
    snapshot.push("capture.filtered", figures.filtered.load(Ordering::Relaxed));
    snapshot.push("capture.out_of_order", figures.impatient.load(Ordering::Relaxed));
    snapshot
}
