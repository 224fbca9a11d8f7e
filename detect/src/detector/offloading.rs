//! Flows that the capture takes over: when they are offered to it, and how they end.

use engine::{Flow, PassedBy};
use flow::{EndReason, FlowAction, FlowId, FlowState, Offloaded};

use super::Detector;
use crate::application;
use crate::offload::{Offload, OffloadKey};

/// Protocols whose flows have ports, by which a capture knows them.
const WITH_PORTS: [u8; 3] = [6, 17, 132];

impl Detector {
    /// Lets a capture take over bypassed flows.
    pub fn set_offload(&mut self, offload: Box<dyn Offload>) {
        self.offload = Some(offload);
        self.watched = true;
    }

    /// Offers a flow to the capture, once, if it needs no inspection any more.
    pub(super) fn offer(&mut self, id: FlowId) {
        let Some(offload) = &mut self.offload else { return };
        let flow = self.flows.get_mut(id);
        if self.settings.bypass_passed
            && flow.action == FlowAction::Pass
            && flow.state != FlowState::Bypassed
        {
            application::bypass(flow, &mut self.stream_counters);
        }
        if flow.state != FlowState::Bypassed || flow.offloaded != Offloaded::Untried {
            return;
        }
        // A flow within a tunnel would be missed in the counts of the tunnel's own.
        let takes = flow.recursion_level == 0
            && WITH_PORTS.contains(&flow.proto)
            && offload.begin(&key(flow));
        flow.offloaded = if takes { Offloaded::Yes } else { Offloaded::Refused };
    }

    /// A flow seemed to have timed out, but the capture saw packets of it.
    pub(super) fn lives_on(&mut self, id: FlowId, reason: EndReason) -> bool {
        if reason != EndReason::Timeout || self.finishing {
            return false;
        }
        let flow = self.flows.get(id);
        let (Some(offload), Offloaded::Yes) = (&mut self.offload, flow.offloaded) else {
            return false;
        };
        let last = offload.totals(&key(flow)).and_then(|totals| totals.last);
        last.is_some_and(|last| {
            !self.flows.is_idle_since(id, last, self.now) && self.flows.revive(id, last)
        })
    }

    /// A flow ends: what the capture kept of it is added to what is known.
    pub(super) fn take_back(&mut self, id: FlowId) {
        let flow = self.flows.get_mut(id);
        let (Some(offload), Offloaded::Yes) = (&mut self.offload, flow.offloaded) else { return };
        let Some(totals) = offload.end(&key(flow)) else { return };
        flow.last = flow.last.max(totals.last.unwrap_or(flow.last));
        let passed = PassedBy { packets: totals.packets, bytes: totals.bytes };
        flow.extension.passed_by = Some(Box::new(passed));
        self.flows.count_passed_by(totals.packets.iter().sum(), totals.bytes.iter().sum());
    }
}

fn key(flow: &Flow) -> OffloadKey {
    OffloadKey {
        client: flow.client,
        server: flow.server,
        client_port: flow.client_port,
        server_port: flow.server_port,
        proto: flow.proto,
        vlan: flow.vlan,
        tunnels: flow.recursion_level,
    }
}
