//! The packet at hand, as the state handlers see it, and what comes of it.

use decode::event::StreamEvent;
use decode::settings::OsPolicy;
use decode::{Direction, Packet, Tcp};

use crate::policy::{DropReason, Policy, PolicyHit, Target};
use crate::tcp::counters::StreamCounters;
use crate::tcp::settings::StreamSettings;
use crate::tcp::timestamp::Verdict;

/// A check failed: inline, the packet is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// Outcome of a state handler.
pub(crate) type Checked = Result<(), Refused>;

/// A packet, its surroundings and its outcome so far.
#[derive(Debug)]
pub(crate) struct Context<'p, 'a> {
    pub(crate) packet: &'p mut Packet<'a>,
    pub(crate) settings: &'p StreamSettings,
    pub(crate) counters: &'p mut StreamCounters,
    pub(crate) tcp: Tcp,
    pub(crate) direction: Direction,
    /// Payload length.
    pub(crate) len: u32,
    /// Whole seconds of the packet's time.
    pub(crate) second: u32,
    /// What the timestamp was found to be.
    pub(crate) timestamp: Option<Verdict>,
    pub(crate) added: bool,
    pub(crate) replaced: bool,
    pub(crate) dropped: Option<DropReason>,
    pub(crate) hits: [Option<PolicyHit>; 2],
}

impl<'p, 'a> Context<'p, 'a> {
    pub(crate) fn new(
        packet: &'p mut Packet<'a>,
        tcp: Tcp,
        direction: Direction,
        settings: &'p StreamSettings,
        counters: &'p mut StreamCounters,
    ) -> Self {
        let len = packet.payload_len;
        let second = packet.timestamp.seconds() as u32;
        Self {
            packet,
            settings,
            counters,
            tcp,
            direction,
            len,
            second,
            timestamp: None,
            added: false,
            replaced: false,
            dropped: None,
            hits: [None; 2],
        }
    }

    /// True if any flag of `mask` is set.
    pub(crate) const fn has(&self, mask: u8) -> bool {
        self.tcp.has(mask)
    }

    pub(crate) const fn seq(&self) -> u32 {
        self.tcp.seq
    }

    pub(crate) const fn ack(&self) -> u32 {
        self.tcp.ack
    }

    /// Sequence number after the payload.
    pub(crate) const fn end(&self) -> u32 {
        self.tcp.seq.wrapping_add(self.len)
    }

    /// Sequence number of the first payload byte: SYN takes one.
    pub(crate) const fn data_seq(&self) -> u32 {
        self.tcp.seq.wrapping_add(if self.has(Tcp::SYN) { 1 } else { 0 })
    }

    pub(crate) const fn to_server(&self) -> bool {
        matches!(self.direction, Direction::ToServer)
    }

    /// Window as on the wire, scaled.
    pub(crate) fn window(&self, scale: u8) -> u32 {
        u32::from(self.tcp.window) << scale.min(14)
    }

    /// How the packet's receiver behaves, looked up.
    pub(crate) fn os_of_receiver(&self) -> OsPolicy {
        self.settings.os_policies.of(self.packet.dst)
    }

    /// Sets an event on the packet.
    pub(crate) fn event(&mut self, event: StreamEvent) {
        self.packet.events.push(event.code());
    }

    /// Sets an event and refuses the packet.
    pub(crate) fn refuse(&mut self, event: StreamEvent) -> Checked {
        self.event(event);
        Err(Refused)
    }

    /// Notes that a condition with a policy arose.
    pub(crate) fn hit(&mut self, target: Target, policy: Policy) {
        let hit = PolicyHit { target, policy };
        if let Some(slot) = self.hits.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(hit);
        }
    }
}
