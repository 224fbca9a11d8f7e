//! Metrics of capture: where frames went, by the whole sensor, by interface and by worker.

use crate::observe::metric::{Descriptor, Kind};

const BY_INTERFACE: &[&str] = &["interface"];
const BY_LANE: &[&str] = &["worker", "interface"];

const fn counter(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::counter(name, help)
}

const fn gauge(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::gauge(name, help)
}

const fn interface(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::own(name, Kind::Counter, help).by(BY_INTERFACE)
}

const fn lane(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::own(name, Kind::Counter, help).by(BY_LANE)
}

pub(super) const METRICS: &[Descriptor] = &[
    counter("capture.kernel_packets", "Frames that the kernel or the XDP program received."),
    counter("capture.kernel_drops", "Frames that the kernel dropped: no memory, or a full ring."),
    counter("capture.errors", "Frames whose description by the kernel made no sense, by worker."),
    gauge("capture.down", "Interfaces that are down or gone."),
    gauge("capture.stranded", "Interfaces that no socket is left for when they come back."),
    counter("capture.filtered", "Frames that the capture filter refused."),
    counter("capture.out_of_order", "Frames that waited for others and went on without them."),
    counter("capture.stalls", "Times that a worker stood still for longer than it may."),
    counter("capture.wire", "Frames that came in on the wire, those lost in the NIC included."),
    counter("capture.inspected", "Frames that detectors took."),
    counter("capture.nic_drops", "Frames lost in the NIC or its driver."),
    counter("capture.empty_slot", "Frames of queues that have no socket."),
    counter("capture.shunted", "Frames of flows that need no inspection, counted in the NIC."),
    counter("capture.shunted_bytes", "Bytes of flows that need no inspection, counted in the NIC."),
    counter("capture.shed", "Frames of flows that were left out whole to shed load."),
    counter("capture.excluded", "Frames of networks that the configuration excludes."),
    counter("capture.no_metadata", "Frames without the metadata that the NIC should give."),
    counter("capture.no_memory", "Frames lost in the kernel for lack of free memory."),
    counter("capture.ring_full", "Frames lost in the kernel because a ring was full."),
    counter("capture.fill_empty", "Times that the kernel found a fill ring empty."),
    counter("capture.invalid", "Frames whose description by the kernel made no sense."),
    counter("capture.handed_over", "Frames passed on to the worker that owns their flow."),
    counter("capture.hand_over_full", "Frames lost because the ring to their worker was full."),
    counter("capture.joined_frames", "Frames that were parts of longer packets."),
    gauge("capture.unaccounted", "Frames in rings at the moment, or lost without any counter."),
    Descriptor::own("interface", Kind::Info, "How frames are had from an interface.")
        .by(&["interface", "method"]),
    Descriptor::own("interface_up", Kind::Gauge, "1 when the interface is up, else 0.")
        .by(BY_INTERFACE),
    interface("interface_wire_frames", "Frames received on an interface by kernel or XDP program."),
    interface("interface_inspected_frames", "Frames of an interface that workers took."),
    interface("interface_nic_drops", "Frames lost in the NIC or its driver, by interface."),
    interface("interface_empty_slot", "Frames of queues without a socket, by interface."),
    interface("interface_shunted_frames", "Frames counted in the NIC's program, by interface."),
    interface("interface_shunted_bytes", "Bytes counted in the NIC's program, by interface."),
    interface("interface_shed_frames", "Frames of flows left out whole, by interface."),
    interface("interface_excluded_frames", "Frames of excluded networks, by interface."),
    interface("interface_no_memory_drops", "Frames lost for lack of memory, by interface."),
    interface("interface_ring_full_drops", "Frames lost because a ring was full, by interface."),
    interface("interface_hand_over_drops", "Frames lost between workers, by interface."),
    interface("interface_invalid_frames", "Frames with senseless descriptions, by interface."),
    interface("interface_fill_empty", "Times that a fill ring was found empty, by interface."),
    interface("interface_joined_frames", "Frames that were parts of longer ones, by interface."),
    lane("lane_frames", "Frames of an interface that a worker gave to its detector."),
    lane("lane_bytes", "Bytes on the wire of these frames."),
    lane("lane_kernel_frames", "Frames of an interface that the kernel had for a worker."),
    lane("lane_ring_drops", "Frames of an interface lost because a worker's ring was full."),
    lane("lane_kernel_drops", "Frames of an interface lost for lack of a worker's memory."),
    lane("lane_handed_over_frames", "Frames of an interface that a worker passed on to others."),
    lane("lane_hand_over_drops", "Frames that a worker could not pass on, by interface."),
    lane("lane_reopened", "Times that a worker took up an interface that had come back."),
];
