//! Metrics of flows, TCP and streams.

use crate::observe::metric::Descriptor;

const fn counter(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::counter(name, help)
}

const fn gauge(name: &'static str, help: &'static str) -> Descriptor {
    Descriptor::gauge(name, help)
}

pub(super) const METRICS: &[Descriptor] = &[
    counter("tcp.syn", "TCP packets with SYN."),
    counter("tcp.synack", "TCP packets with SYN and ACK."),
    counter("tcp.rst", "TCP packets with RST."),
    counter("tcp.urg", "TCP packets with URG."),
    gauge("tcp.active_sessions", "TCP sessions alive."),
    counter("tcp.sessions", "TCP sessions begun."),
    counter("tcp.ssn_memcap_drop", "TCP sessions not begun for lack of memory."),
    counter("tcp.ssn_from_cache", "TCP sessions kept in the memory of an ended one."),
    counter("tcp.ssn_from_pool", "TCP sessions that got memory of their own."),
    counter("tcp.pseudo", "Packets made up to finish the inspection of a session."),
    counter("tcp.invalid_checksum", "TCP packets with a wrong checksum."),
    counter("tcp.midstream_pickups", "TCP sessions begun without a handshake."),
    counter("tcp.pkt_on_wrong_thread", "TCP packets of another worker's flow."),
    counter("tcp.ack_unseen_data", "Acknowledgements of data that was not seen."),
    counter("tcp.segment_memcap_drop", "TCP segments not kept for lack of memory."),
    counter("tcp.segment_from_cache", "TCP segments kept in a buffer used before."),
    counter("tcp.segment_from_pool", "TCP segments kept in a new buffer."),
    counter("tcp.stream_depth_reached", "TCP packets with data beyond the depth of reassembly."),
    counter("tcp.reassembly_gap", "Holes in streams that were passed to a parser."),
    counter("tcp.overlap", "TCP segments that overlap stored ones."),
    counter("tcp.overlap_diff_data", "TCP segments that overlap stored ones with other content."),
    counter("tcp.insert_data_normal_fail", "TCP segments that could not be kept."),
    counter("tcp.insert_data_overlap_fail", "Overlapping TCP segments that could not be kept."),
    counter("tcp.urgent_oob_data", "Urgent bytes taken out of streams."),
    gauge("tcp.memuse", "Bytes that TCP sessions take."),
    gauge("tcp.reassembly_memuse", "Bytes that TCP segments and their data take."),
    counter("stream.*", "Packets that broke a rule of TCP, by the rule.")
        .named("stream_events")
        .by(&["event"]),
    counter("flow.memcap", "Packets that got no flow for lack of memory."),
    counter("flow.total", "Flows begun.").named("flows"),
    gauge("flow.active", "Flows alive."),
    counter("flow.tcp", "TCP flows begun."),
    counter("flow.udp", "UDP flows begun."),
    counter("flow.icmpv4", "ICMPv4 flows begun."),
    counter("flow.icmpv6", "ICMPv6 flows begun."),
    counter("flow.tcp_reuse", "TCP flows replaced by a new session of the same ports."),
    counter("flow.elephant", "Flows that grew beyond the elephant threshold."),
    counter("flow.get_used", "Flows ended early because memory was short."),
    counter("flow.get_used_eval", "Flows considered for an early end."),
    counter("flow.get_used_eval_reject", "Flows spared an early end: they were not idle enough."),
    counter("flow.get_used_eval_busy", "Flows spared an early end: they were in use."),
    counter("flow.get_used_failed", "Searches for a flow to end early that found none."),
    gauge("flow.wrk.spare_sync_avg", "Mean number of spare flows got at a time."),
    counter("flow.wrk.spare_sync", "Times that spare flows were got."),
    counter("flow.wrk.spare_sync_incomplete", "Times that fewer spare flows were got than wanted."),
    counter("flow.wrk.spare_sync_empty", "Times that no spare flow was got."),
    counter("flow.wrk.flows_evicted_needs_work", "Timed-out flows with data left to inspect."),
    counter("flow.wrk.flows_evicted_pkt_inject", "Packets made up to inspect such data."),
    counter("flow.wrk.flows_evicted", "Flows that workers found timed out."),
    counter("flow.wrk.flows_injected", "Flows handed over by another thread."),
    gauge("flow.wrk.flows_injected_max", "Most flows handed over at a time."),
    counter("flow.end.state.*", "Flows that ended, by the state that they were in.")
        .named("flow_ends")
        .by(&["state"]),
    counter("flow.end.tcp_state.*", "TCP sessions that ended, by the state that they were in.")
        .named("flow_tcp_ends")
        .by(&["state"]),
    counter("flow.end.tcp_liberal", "TCP sessions that ended and had lost data."),
    counter("flow.mgr.full_hash_pass", "Turns of the wheel of timers."),
    gauge("flow.mgr.rows_per_sec", "Slots of the wheel of timers passed in a second."),
    gauge("flow.mgr.rows_maxlen", "Most flows that were due in one second."),
    counter("flow.mgr.flows_checked", "Flows whose time the wheel looked at."),
    counter("flow.mgr.flows_notimeout", "Flows looked at that had not timed out."),
    counter("flow.mgr.flows_timeout", "Flows looked at that had timed out."),
    counter("flow.mgr.flows_evicted", "Flows that the wheel took out of the table."),
    counter("flow.mgr.flows_evicted_needs_work", "Flows taken out with data left to inspect."),
    gauge("flow.spare", "Flows that are ready for use."),
    counter("flow.emerg_mode_entered", "Times that short memory shortened the flows' timeouts."),
    counter("flow.emerg_mode_over", "Times that timeouts were as long again as they should be."),
    counter("flow.recycler.recycled", "Flows whose end was recorded and whose place is free."),
    gauge("flow.recycler.queue_avg", "Mean number of ended flows that waited for that."),
    gauge("flow.recycler.queue_max", "Most ended flows that waited for that."),
    gauge("flow.memuse", "Bytes that flows take."),
    counter("flow_bypassed.local_pkts", "Packets of bypassed flows that workers passed over."),
    counter("flow_bypassed.local_bytes", "Bytes of bypassed flows that workers passed over."),
    counter("flow_bypassed.local_capture_pkts", "Packets of flows that the NIC was to bypass."),
    counter("flow_bypassed.local_capture_bytes", "Bytes of flows that the NIC was to bypass."),
    counter("flow_bypassed.closed", "Bypassed flows that ended."),
    counter("flow_bypassed.pkts", "Packets of flows that were bypassed in the NIC."),
    counter("flow_bypassed.bytes", "Bytes of flows that were bypassed in the NIC."),
    counter("exception_policy.*.*", "Times that a policy for exceptions was applied.")
        .named("exception_policy")
        .by(&["target", "policy"]),
];
