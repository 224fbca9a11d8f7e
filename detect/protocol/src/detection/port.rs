//! Which probes look at flows on which ports.

use super::{PROBES, Probe, Transport};
use crate::settings::{ProtocolSettings, Switch};

/// Sets of probes by port, as steps: each entry holds from its port up to the next entry.
#[derive(Clone, Debug, Default)]
struct Steps(Vec<(u16, u32)>);

impl Steps {
    fn new(ranges: &[(u16, u16, u32)]) -> Self {
        let mut starts: Vec<u16> = vec![0];
        for &(first, last, _) in ranges {
            starts.push(first);
            starts.extend(last.checked_add(1));
        }
        starts.sort_unstable();
        starts.dedup();
        let set_at = |port: u16| {
            let covering =
                ranges.iter().filter(|(first, last, _)| (*first..=*last).contains(&port));
            covering.fold(0, |set, (_, _, probe)| set | probe)
        };
        Self(starts.into_iter().map(|port| (port, set_at(port))).collect())
    }

    fn at(&self, port: u16) -> u32 {
        let after = self.0.partition_point(|(start, _)| *start <= port);
        self.0.get(after.wrapping_sub(1)).map_or(0, |(_, set)| *set)
    }
}

/// The probes of one transport by port.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortTable {
    server: Steps,
    client: Steps,
    enabled: u32,
}

impl PortTable {
    pub(crate) fn new(transport: Transport, settings: &ProtocolSettings) -> Self {
        let (mut server, mut client, mut enabled) = (Vec::new(), Vec::new(), 0);
        for (index, probe) in PROBES.iter().enumerate() {
            let off = settings.switch(probe.proto, transport) == Switch::Off;
            if probe.transport != transport || off {
                continue;
            }
            let bit = 1u32 << index;
            enabled |= bit;
            let (to_server, to_client) = ports_of(probe, settings);
            server.extend(to_server.iter().map(|(first, last)| (*first, *last, bit)));
            client.extend(to_client.iter().map(|(first, last)| (*first, *last, bit)));
        }
        Self { server: Steps::new(&server), client: Steps::new(&client), enabled }
    }

    /// The probes that a flow with these ports calls for.
    pub(crate) fn of(&self, server_port: u16, client_port: u16) -> u32 {
        self.server.at(server_port) | self.client.at(client_port)
    }

    /// All probes that are switched on.
    pub(crate) const fn enabled(&self) -> u32 {
        self.enabled
    }
}

type Ranges<'a> = &'a [(u16, u16)];

fn ports_of<'a>(probe: &'a Probe, settings: &'a ProtocolSettings) -> (Ranges<'a>, Ranges<'a>) {
    let configured = settings.ports.iter().find(|ports| {
        ports.proto == probe.proto && ports.transport.is_none_or(|t| t == probe.transport)
    });
    match configured {
        Some(ports) => (&ports.server, &ports.client),
        None => (probe.ports, &[]),
    }
}
