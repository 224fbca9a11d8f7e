//! What the flow table counts: `flow.*` and `flow_bypassed.*`.

use crate::entry::FlowState;
use crate::tcp::TcpState;

/// Declares counters with their names and a visitor in the order of `stats`.
macro_rules! counters {
    ($(#[$about:meta])* $name:ident, [$($field:ident $text:literal $doc:literal,)*]) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $doc] pub $field: u64,)*
        }

        impl $name {
            /// Calls `visit` with each counter's full name and value, in the order of `stats`.
            pub fn for_each(&self, visit: &mut dyn FnMut(&str, u64)) {
                $(visit($text, self.$field);)*
            }
        }
    };
}

pub(crate) use counters;

counters! {
    /// Flows by protocol, end and place.
    FlowCounters,
    [
        memcap "flow.memcap" "Packets that got no flow for lack of memory.",
        total "flow.total" "Flows made.",
        active "flow.active" "Flows alive.",
        tcp "flow.tcp" "TCP flows made.",
        udp "flow.udp" "UDP flows made.",
        icmpv4 "flow.icmpv4" "ICMPv4 flows made.",
        icmpv6 "flow.icmpv6" "ICMPv6 flows made.",
        tcp_reuse "flow.tcp_reuse" "TCP flows replaced by a new session.",
        elephant "flow.elephant" "Flows over the elephant threshold.",
        get_used "flow.get_used" "Flows taken because memory was short.",
        get_used_eval "flow.get_used_eval" "Flows considered for that.",
        get_used_eval_reject "flow.get_used_eval_reject" "Of these, flows not idle enough.",
        get_used_eval_busy "flow.get_used_eval_busy" "Of these, flows in use.",
        get_used_failed "flow.get_used_failed" "Searches that found none.",
        wrk_spare_sync_avg "flow.wrk.spare_sync_avg" "Spare flows got at a time.",
        wrk_spare_sync "flow.wrk.spare_sync" "Times spare flows were got.",
        wrk_spare_sync_incomplete "flow.wrk.spare_sync_incomplete" "Times fewer were got.",
        wrk_spare_sync_empty "flow.wrk.spare_sync_empty" "Times none was got.",
        wrk_flows_evicted_needs_work "flow.wrk.flows_evicted_needs_work"
            "Flows timed out with data to inspect.",
        wrk_flows_evicted_pkt_inject "flow.wrk.flows_evicted_pkt_inject"
            "Packets made to inspect it.",
        wrk_flows_evicted "flow.wrk.flows_evicted" "Flows timed out.",
        wrk_flows_injected "flow.wrk.flows_injected" "Flows handed over by another thread.",
        wrk_flows_injected_max "flow.wrk.flows_injected_max" "Most of these at a time.",
        end_state_new "flow.end.state.new" "Flows ended in state new.",
        end_state_established "flow.end.state.established" "Flows ended in state established.",
        end_state_closed "flow.end.state.closed" "Flows ended in state closed.",
        end_state_local_bypassed "flow.end.state.local_bypassed" "Flows ended bypassed.",
        end_state_capture_bypassed "flow.end.state.capture_bypassed"
            "Flows ended bypassed by the capture.",
        end_tcp_none "flow.end.tcp_state.none" "Sessions ended in this state.",
        end_tcp_syn_sent "flow.end.tcp_state.syn_sent" "Sessions ended in this state.",
        end_tcp_syn_recv "flow.end.tcp_state.syn_recv" "Sessions ended in this state.",
        end_tcp_established "flow.end.tcp_state.established" "Sessions ended in this state.",
        end_tcp_fin_wait1 "flow.end.tcp_state.fin_wait1" "Sessions ended in this state.",
        end_tcp_fin_wait2 "flow.end.tcp_state.fin_wait2" "Sessions ended in this state.",
        end_tcp_time_wait "flow.end.tcp_state.time_wait" "Sessions ended in this state.",
        end_tcp_last_ack "flow.end.tcp_state.last_ack" "Sessions ended in this state.",
        end_tcp_close_wait "flow.end.tcp_state.close_wait" "Sessions ended in this state.",
        end_tcp_closing "flow.end.tcp_state.closing" "Sessions ended in this state.",
        end_tcp_closed "flow.end.tcp_state.closed" "Sessions ended in this state.",
        end_tcp_liberal "flow.end.tcp_liberal" "Sessions ended that had lost data.",
        mgr_full_hash_pass "flow.mgr.full_hash_pass" "Turns of the timer wheel.",
        mgr_rows_per_sec "flow.mgr.rows_per_sec" "Slots of the wheel passed in a second.",
        mgr_rows_maxlen "flow.mgr.rows_maxlen" "Most flows due in one second.",
        mgr_flows_checked "flow.mgr.flows_checked" "Flows looked at by the wheel.",
        mgr_flows_notimeout "flow.mgr.flows_notimeout" "Of these, flows not timed out.",
        mgr_flows_timeout "flow.mgr.flows_timeout" "Of these, flows timed out.",
        mgr_flows_evicted "flow.mgr.flows_evicted" "Of these, flows taken out.",
        mgr_flows_evicted_needs_work "flow.mgr.flows_evicted_needs_work"
            "Of these, flows with data to inspect.",
        spare "flow.spare" "Flows allocated and unused.",
        emerg_mode_entered "flow.emerg_mode_entered" "Times emergency mode began.",
        emerg_mode_over "flow.emerg_mode_over" "Times emergency mode ended.",
        recycler_recycled "flow.recycler.recycled" "Flows removed.",
        recycler_queue_avg "flow.recycler.queue_avg" "Flows waiting for removal, mean.",
        recycler_queue_max "flow.recycler.queue_max" "Flows waiting for removal, most.",
        memuse "flow.memuse" "Bytes that flows take.",
        bypassed_local_pkts "flow_bypassed.local_pkts" "Packets of bypassed flows.",
        bypassed_local_bytes "flow_bypassed.local_bytes" "Bytes of bypassed flows.",
        bypassed_local_capture_pkts "flow_bypassed.local_capture_pkts"
            "Packets seen of flows that the capture bypasses.",
        bypassed_local_capture_bytes "flow_bypassed.local_capture_bytes"
            "Bytes seen of flows that the capture bypasses.",
        bypassed_closed "flow_bypassed.closed" "Bypassed flows ended by the capture.",
        bypassed_pkts "flow_bypassed.pkts" "Packets that the capture bypassed.",
        bypassed_bytes "flow_bypassed.bytes" "Bytes that the capture bypassed.",
    ]
}

impl FlowCounters {
    /// Counts a new flow of `proto`.
    pub(crate) fn made(&mut self, proto: u8) {
        self.total += 1;
        self.active += 1;
        match proto {
            1 => self.icmpv4 += 1,
            6 => self.tcp += 1,
            17 => self.udp += 1,
            58 => self.icmpv6 += 1,
            _ => {}
        }
    }

    /// Counts the end of a flow by its state and, for TCP, its session's.
    pub(crate) fn ended(
        &mut self,
        state: FlowState,
        offloaded: bool,
        session: Option<(TcpState, bool)>,
    ) {
        match state {
            FlowState::Bypassed if offloaded => self.end_state_capture_bypassed += 1,
            FlowState::New => self.end_state_new += 1,
            FlowState::Established => self.end_state_established += 1,
            FlowState::Closed => self.end_state_closed += 1,
            FlowState::Bypassed => self.end_state_local_bypassed += 1,
        }
        let Some((tcp, liberal)) = session else { return };
        self.end_tcp_liberal += u64::from(liberal);
        *match tcp {
            TcpState::None => &mut self.end_tcp_none,
            TcpState::SynSent => &mut self.end_tcp_syn_sent,
            TcpState::SynRecv => &mut self.end_tcp_syn_recv,
            TcpState::Established => &mut self.end_tcp_established,
            TcpState::FinWait1 => &mut self.end_tcp_fin_wait1,
            TcpState::FinWait2 => &mut self.end_tcp_fin_wait2,
            TcpState::TimeWait => &mut self.end_tcp_time_wait,
            TcpState::LastAck => &mut self.end_tcp_last_ack,
            TcpState::CloseWait => &mut self.end_tcp_close_wait,
            TcpState::Closing => &mut self.end_tcp_closing,
            TcpState::Closed => &mut self.end_tcp_closed,
        } += 1;
    }
}
