//! The balance of capture: what came in on the wire, and where each frame went.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use capture::live::{LaneSnapshot, Opened, SteererCounters, WorkerFigures};

/// Counters of a NIC for frames that never got as far as we can see.
const LOSSES: [&str; 4] = ["rx_missed_errors", "rx_dropped", "rx_over_errors", "rx_fifo_errors"];

/// All interfaces and workers of a run.
#[derive(Debug)]
pub(super) struct Balance {
    interfaces: Vec<Interface>,
    workers: Vec<Arc<WorkerFigures>>,
}

/// An interface, and how its losses are found out.
#[derive(Debug)]
struct Interface {
    opened: Opened,
    losses: Mutex<Losses>,
    /// What they said when reception ended: beyond that frames are the host's own affair.
    lost_at_end: OnceLock<u64>,
    /// The driver's losses include what the sockets of AF_XDP refused and count themselves.
    counts_refused: bool,
}

/// What the system says of an interface's losses, also when it goes and another comes.
#[derive(Debug, Default)]
struct Losses {
    /// Of interfaces of its name that are gone.
    earlier: u64,
    /// Of the present one.
    now: u64,
    /// Open, so that they can be read without any rights; and what they said at the start.
    files: Vec<(File, u64)>,
}

impl Losses {
    /// Those of an interface that is captured from by XDP or by packet sockets, from now on.
    fn open(name: &str, by_xdp: bool) -> Vec<(File, u64)> {
        let open = |loss: &&str| {
            let file = File::open(format!("/sys/class/net/{name}/statistics/{loss}")).ok()?;
            let start = read(&file)?;
            Some((file, start))
        };
        // Beside packet sockets the host's own stack drops frames that nobody else wants, which
        // the sensor has all the same.
        LOSSES.iter().filter(|loss| by_xdp || **loss != "rx_dropped").filter_map(open).collect()
    }

    /// Frames lost since the start.
    fn look(&mut self, reopen: impl FnOnce() -> Vec<(File, u64)>) -> u64 {
        let lost = |(file, start): &(File, u64)| Some(read(file)?.saturating_sub(*start));
        let found: Option<Vec<u64>> = self.files.iter().map(lost).collect();
        match found {
            // A driver may count a frame under two names; the largest is what is surely lost.
            Some(found) => self.now = found.into_iter().max().unwrap_or(0),
            None => {
                self.earlier += std::mem::take(&mut self.now);
                self.files = reopen();
            }
        }
        self.earlier + self.now
    }
}

/// Where the frames of one interface, or of all, went. Every one but the last is a counter of
/// its own; at rest the last is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Frames that came in on the wire.
    pub(crate) wire: u64,
    /// Lost in the NIC or its driver.
    pub(crate) nic_drops: u64,
    /// What the XDP program did, if there is one.
    pub(crate) xdp: SteererCounters,
    /// Frames that detectors took.
    pub(crate) inspected: u64,
    /// Frames that workers took and the filter refused.
    pub(crate) filtered: u64,
    /// Lost in the kernel: no free memory, or too long for it.
    pub(crate) no_memory: u64,
    /// Lost in the kernel: the ring was full.
    pub(crate) ring_full: u64,
    /// Times that the kernel found the fill ring empty.
    pub(crate) fill_empty: u64,
    /// Senseless descriptions of frames.
    pub(crate) invalid: u64,
    /// Passed on to the worker that owns the flow.
    pub(crate) handed_over: u64,
    /// Lost because that worker's ring was full.
    pub(crate) hand_over_full: u64,
    /// Frames that were parts of longer packets.
    pub(crate) joined_frames: u64,
    /// In rings at the moment, or lost without any counter.
    pub(crate) unaccounted: u64,
}

impl Balance {
    /// From now on.
    pub(super) fn new(interfaces: &[Opened], workers: Vec<Arc<WorkerFigures>>) -> Self {
        let interfaces = interfaces.iter().map(|opened| {
            let by_xdp = opened.steerer.is_some();
            let files = Losses::open(&opened.name, by_xdp);
            Interface {
                opened: opened.clone(),
                losses: Mutex::new(Losses { files, ..Losses::default() }),
                lost_at_end: OnceLock::new(),
                counts_refused: by_xdp && counts_refused(&opened.name),
            }
        });
        Self { interfaces: interfaces.collect(), workers }
    }

    /// Reception ends: XDP programs go from their interfaces, so that nothing comes in any more
    /// that no socket is there for. What the sockets have is still to be taken.
    pub(super) fn detach(&self) {
        for interface in &self.interfaces {
            if let Some(steerer) = &interface.opened.steerer {
                let _ = interface.lost_at_end.set(interface.lost());
                steerer.detach();
            }
        }
    }

    /// The terms of all interfaces together.
    pub(super) fn terms(&self) -> Terms {
        let mut sum = Terms::default();
        for number in 0..self.interfaces.len() {
            sum.add(&self.of_interface(number));
        }
        // Frames passed on count where they are taken; on their way they are in no one's hands.
        let taken: u64 = self.workers.iter().map(|one| one.taken_over.load(Relaxed)).sum();
        sum.filtered = self.workers.iter().map(|one| one.filtered.load(Relaxed)).sum();
        sum.inspected = (sum.inspected + taken).saturating_sub(sum.filtered);
        sum.settle();
        sum
    }

    /// The terms as counters of statistics.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        let terms = self.terms();
        vec![
            ("capture.kernel_packets", terms.wire),
            ("capture.kernel_drops", terms.no_memory + terms.ring_full),
            ("capture.wire", terms.wire + terms.nic_drops),
            ("capture.inspected", terms.inspected),
            ("capture.filtered", terms.filtered),
            ("capture.nic_drops", terms.nic_drops),
            ("capture.empty_slot", terms.xdp.empty_slot),
            ("capture.shunted", terms.xdp.shunted),
            ("capture.shunted_bytes", terms.xdp.shunted_bytes),
            ("capture.shed", terms.xdp.shed),
            ("capture.excluded", terms.xdp.excluded),
            ("capture.no_metadata", terms.xdp.no_metadata),
            ("capture.no_memory", terms.no_memory),
            ("capture.ring_full", terms.ring_full),
            ("capture.fill_empty", terms.fill_empty),
            ("capture.invalid", terms.invalid),
            ("capture.handed_over", terms.handed_over),
            ("capture.hand_over_full", terms.hand_over_full),
            ("capture.joined_frames", terms.joined_frames),
            ("capture.unaccounted", terms.unaccounted),
            ("capture.down", self.count(|lane| lane.down)),
            ("capture.stranded", self.count(|lane| lane.stranded)),
        ]
    }

    /// Interfaces of which this is true of a lane.
    fn count(&self, is: impl Fn(&LaneSnapshot) -> bool) -> u64 {
        let lanes = || self.workers.iter().flat_map(|worker| &worker.lanes);
        let has = |number: &usize| {
            lanes().map(|lane| lane.snapshot()).any(|l| l.interface as usize == *number && is(&l))
        };
        (0..self.interfaces.len()).filter(has).count() as u64
    }

    /// What is known of one interface: its name, frames and drops, for Suricata's `iface-stat`.
    pub(super) fn interface(&self, name: &str) -> Option<Terms> {
        let number = self.interfaces.iter().position(|one| one.opened.name == name)?;
        let mut terms = self.of_interface(number);
        terms.inspected += terms.handed_over;
        Some(terms)
    }

    /// Without `unaccounted`, and with frames that were passed on apart.
    fn of_interface(&self, number: usize) -> Terms {
        let Some(interface) = self.interfaces.get(number) else { return Terms::default() };
        let mut terms = Terms::default();
        let lanes = self.workers.iter().flat_map(|worker| &worker.lanes);
        let lanes =
            lanes.map(|lane| lane.snapshot()).filter(|lane| lane.interface as usize == number);
        for LaneSnapshot { frames, offered, ring_drops, kernel_drops, fill_empty, .. } in
            lanes.clone()
        {
            terms.inspected += frames;
            terms.wire += offered;
            terms.ring_full += ring_drops;
            terms.no_memory += kernel_drops;
            terms.fill_empty += fill_empty;
        }
        for lane in lanes {
            terms.invalid += lane.invalid;
            terms.handed_over += lane.handed_over;
            terms.hand_over_full += lane.hand_over_full;
            terms.joined_frames += lane.joined_frames;
        }
        if let Some(steerer) = &interface.opened.steerer {
            terms.xdp = steerer.counters().unwrap_or_default();
            // Packet sockets take over where a program went with its interface.
            terms.wire += terms.xdp.received;
        }
        let lost = interface.lost_at_end.get().copied().unwrap_or_else(|| interface.lost());
        let ours = if interface.counts_refused { terms.no_memory + terms.ring_full } else { 0 };
        terms.nic_drops = lost.saturating_sub(ours);
        terms
    }
}

impl Interface {
    /// Frames that the NIC or its driver has lost since the start.
    fn lost(&self) -> u64 {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.look(|| Losses::open(&self.opened.name, self.opened.steerer.is_some()))
    }
}

impl Terms {
    /// Frames that came in on the wire and to nobody, other than by somebody's wish.
    pub(crate) fn lost(&self) -> u64 {
        self.nic_drops
            + self.xdp.empty_slot
            + self.no_memory
            + self.ring_full
            + self.invalid
            + self.hand_over_full
    }

    fn add(&mut self, other: &Terms) {
        let pairs = [
            (&mut self.wire, other.wire),
            (&mut self.nic_drops, other.nic_drops),
            (&mut self.xdp.received, other.xdp.received),
            (&mut self.xdp.redirected, other.xdp.redirected),
            (&mut self.xdp.empty_slot, other.xdp.empty_slot),
            (&mut self.xdp.shunted, other.xdp.shunted),
            (&mut self.xdp.shunted_bytes, other.xdp.shunted_bytes),
            (&mut self.xdp.shed, other.xdp.shed),
            (&mut self.xdp.excluded, other.xdp.excluded),
            (&mut self.xdp.no_metadata, other.xdp.no_metadata),
            (&mut self.inspected, other.inspected),
            (&mut self.filtered, other.filtered),
            (&mut self.no_memory, other.no_memory),
            (&mut self.ring_full, other.ring_full),
            (&mut self.fill_empty, other.fill_empty),
            (&mut self.invalid, other.invalid),
            (&mut self.handed_over, other.handed_over),
            (&mut self.hand_over_full, other.hand_over_full),
            (&mut self.joined_frames, other.joined_frames),
        ];
        for (own, more) in pairs {
            *own += more;
        }
    }

    /// What is left when everything that has a counter is taken off.
    fn settle(&mut self) {
        let known = self.inspected
            + self.filtered
            + self.xdp.empty_slot
            + self.xdp.shunted
            + self.xdp.shed
            + self.xdp.excluded
            + self.no_memory
            + self.ring_full
            + self.invalid
            + self.hand_over_full;
        self.unaccounted = self.wire.saturating_sub(known);
    }
}

/// Frames that came to a lane and to no detector.
pub(super) const fn lost(lane: &LaneSnapshot) -> u64 {
    lane.ring_drops + lane.kernel_drops + lane.hand_over_full + lane.invalid
}

/// veth, which has no device, and virtio count frames that a redirection failed for as dropped.
fn counts_refused(interface: &str) -> bool {
    let driver = fs::read_link(format!("/sys/class/net/{interface}/device/driver"));
    driver.map_or(true, |driver| driver.ends_with("virtio_net"))
}

fn read(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_stay_when_their_interface_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rx_missed_errors");
        let write = |text: &str| fs::write(&path, text).unwrap();
        let open = || vec![(File::open(&path).unwrap(), 5)];
        write("5\n");
        let mut losses = Losses { files: open(), ..Losses::default() };
        assert_eq!(losses.look(Vec::new), 0);
        write("12\n");
        assert_eq!(losses.look(Vec::new), 7);
        // What is read of a device that is gone is no number.
        write("");
        assert_eq!(losses.look(open), 7);
        write("8\n");
        assert_eq!(losses.look(Vec::new), 10);
    }

    #[test]
    fn what_has_no_counter_is_left_over() {
        let xdp = SteererCounters { shunted: 10, shed: 5, excluded: 3, ..Default::default() };
        let mut terms = Terms {
            wire: 100,
            xdp,
            inspected: 50,
            filtered: 10,
            no_memory: 7,
            ring_full: 6,
            hand_over_full: 5,
            ..Terms::default()
        };
        terms.settle();
        assert_eq!(terms.unaccounted, 4);
        let mut sum = Terms::default();
        sum.add(&terms);
        sum.add(&terms);
        sum.settle();
        assert_eq!((sum.wire, sum.unaccounted), (200, 8));
    }
}
