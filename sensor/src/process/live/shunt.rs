//! Flows that need no inspection, in the hands of the XDP programs.

use std::sync::Arc;

use capture::live::{ShuntedFlow, Shunts};
use decode::Timestamp;
use detect::offload::{Offload, OffloadKey, OffloadTotals};

/// A worker's way to the table of flows that are not delivered.
#[derive(Debug)]
pub(super) struct Shunter(pub(super) Arc<Shunts>);

impl Offload for Shunter {
    fn begin(&mut self, flow: &OffloadKey) -> bool {
        self.0.insert(&shunted(flow)).is_ok()
    }

    fn totals(&mut self, flow: &OffloadKey) -> Option<OffloadTotals> {
        self.0.get(&shunted(flow)).map(totals)
    }

    fn end(&mut self, flow: &OffloadKey) -> Option<OffloadTotals> {
        self.0.remove(&shunted(flow)).map(totals)
    }
}

fn shunted(flow: &OffloadKey) -> ShuntedFlow {
    ShuntedFlow {
        addresses: [flow.client, flow.server],
        ports: [flow.client_port, flow.server_port],
        protocol: flow.proto,
        vlans: flow.vlan.ids,
        vlan_count: flow.vlan.count,
        tunnels: flow.tunnels,
    }
}

fn totals(found: capture::live::ShuntedTotals) -> OffloadTotals {
    OffloadTotals { packets: found.packets, bytes: found.bytes, last: found.last_us.map(Timestamp) }
}
