//! TCP sessions: the state machine of both ends as an observer sees it, and their data.
//!
//! One file a state or a check. A packet goes through `track`: checksum, checks that need no
//! state machine, the handler of the session's state, and from there into reassembly.

mod ack;
mod closing;
mod context;
pub(crate) mod counters;
mod describe;
mod established;
mod handshake;
mod pickup;
mod precheck;
mod replace;
mod rst;
pub(crate) mod sack;
pub(crate) mod sequence;
mod session;
pub(crate) mod settings;
mod state;
mod syn_recv;
#[cfg(test)]
mod tests;
mod timestamp;

use decode::event::StreamEvent;
use decode::{Direction, Packet, Tcp, checksum};

use crate::entry::{AppAction, Flow, FlowAction, FlowState};
use crate::policy::{DropReason, PolicyHit};
use context::{Checked, Context};
pub use counters::{StreamCounters, TcpCounters};
use pickup::Pickup;
pub use session::TcpSession;
pub use settings::{StreamSettings, UrgentLimitPolicy, UrgentPolicy};
pub use state::TcpState;

/// What tracking a packet came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// Inline: the packet is dropped for this reason.
    pub dropped: Option<DropReason>,
    /// The state machine refused the packet; inline with `drop-invalid`, `dropped` says so too.
    pub refused: bool,
    /// The payload was put into its stream.
    pub added_to_stream: bool,
    /// The packet came from the server: the caller must reverse the flow, see
    /// [`crate::FlowTable::reverse`], and then the packet goes the other way.
    pub reverse: bool,
    /// There is something new for the application layer in this direction, by direction.
    pub ready: [bool; 2],
    /// State of the session before the packet.
    pub before: TcpState,
    /// The session is established or beyond.
    pub established: bool,
    /// The packet's bytes were changed to what the stream already had.
    pub replaced: bool,
    /// `stream.bypass`: nothing more is put together, the flow can be bypassed.
    pub bypass: bool,
    /// Conditions with an exception policy that arose.
    pub policies: [Option<PolicyHit>; 2],
}

/// Runs a TCP packet through its flow's session: state machine and reassembly. Sets stream
/// events on the packet and updates the flow's state.
pub fn track<X>(
    flow: &mut Flow<X>,
    p: &mut Packet<'_>,
    direction: Direction,
    settings: &StreamSettings,
    counters: &mut StreamCounters,
) -> Tracked {
    let mut tracked = Tracked::default();
    if p.origin.is_pseudo() {
        return pseudo(flow, direction);
    }
    let Some(&tcp) = p.tcp() else { return tracked };
    tracked.established = flow.tcp.as_ref().is_some_and(|session| session.is_established());
    let verify = settings.checksum_validation && !p.flags.ignore_checksum;
    if verify && checksum::tcp_ok(p) == Some(false) {
        counters.tcp.invalid_checksum += 1;
        return tracked;
    }
    let mut pickup = Pickup { session: flow.tcp.take(), reverse: false };
    let before = pickup.session.as_ref().map_or(TcpState::None, |session| session.state);
    tracked.before = before;
    let mut ctx = Context::new(p, tcp, direction, settings, counters);
    let result = run(&mut ctx, &mut pickup, flow.action);
    tracked.refused = result.is_err();
    tracked.added_to_stream = ctx.added;
    tracked.replaced = ctx.replaced;
    tracked.policies = ctx.hits;
    tracked.dropped = ctx.dropped;
    if tracked.refused && settings.inline && settings.drop_invalid {
        tracked.dropped = tracked.dropped.or(Some(DropReason::StreamError));
    }
    if let Some(session) = &mut pickup.session {
        tracked.established = session.is_established();
        tracked.ready = session.ready(&tcp, direction, before, settings.inline);
        tracked.bypass = settings.bypass && session.is_spent();
        if let Some(state) = session.state.flow_state()
            && flow.state != FlowState::Bypassed
        {
            flow.state = state;
        }
    }
    if pickup.reverse {
        tracked.reverse = true;
    }
    flow.tcp = pickup.session;
    tracked
}

/// The packet through the checks and the state machine.
fn run(ctx: &mut Context<'_, '_>, pickup: &mut Pickup, action: FlowAction) -> Checked {
    if let Some(session) = &mut pickup.session {
        session.note_flags(ctx);
    }
    if !ctx.has(Tcp::ACK) && ctx.ack() != 0 {
        ctx.event(StreamEvent::PktBrokenAck);
    }
    if ctx.settings.inline && action == FlowAction::Drop {
        ctx.dropped = Some(DropReason::FlowDrop);
        return Ok(());
    }
    let urgent = ctx.settings.urgent == UrgentPolicy::Drop && ctx.has(Tcp::URG);
    if ctx.settings.inline && urgent {
        ctx.dropped = Some(DropReason::StreamUrgent);
        return Ok(());
    }
    match &mut pickup.session {
        Some(session) if session.state != TcpState::None => session.packet(ctx),
        _ => pickup::pick_up(ctx, pickup),
    }
}

/// A packet made to finish the inspection of its direction.
fn pseudo<X>(flow: &mut Flow<X>, direction: Direction) -> Tracked {
    let mut tracked = Tracked::default();
    if let Some(session) = &flow.tcp {
        tracked.established = session.is_established();
        tracked.ready[direction.index()] =
            flow.app == AppAction::Parse && session.stream(direction).app_active();
    }
    tracked
}

impl TcpSession {
    /// A packet of a session that exists.
    fn packet(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if !self.is_settled_before(ctx) {
            self.handle_state(ctx)?;
        }
        self.check_after_reset(ctx);
        Ok(())
    }

    /// The handler of the session's state.
    pub(crate) fn handle_state(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        match self.state {
            TcpState::None => Ok(()),
            TcpState::SynSent => self.syn_sent(ctx),
            TcpState::SynRecv => self.syn_recv(ctx),
            TcpState::Established => self.established(ctx),
            TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::TimeWait
            | TcpState::LastAck
            | TcpState::CloseWait
            | TcpState::Closing => self.shutting_down(ctx),
            TcpState::Closed => self.closed(ctx),
        }
    }

    /// In which directions there is something new to use.
    ///
    /// An acknowledgement makes the other side's data usable; the packet's own side is looked
    /// at when nothing more will come for it, or nobody acknowledges. Inline it is the packet's
    /// own data, at once.
    fn ready(
        &mut self,
        tcp: &Tcp,
        direction: Direction,
        before: TcpState,
        inline: bool,
    ) -> [bool; 2] {
        let closed = self.state == TcpState::Closed;
        let over = closed && before != TcpState::Closed;
        let finished = tcp.has(Tcp::FIN) && self.state > TcpState::TimeWait;
        let asynchronous = self.flags.asynchronous;
        let mut ready = [false; 2];
        let (own, peer) = self.pair(direction);
        let depth = own.flags.depth_reached;
        // At the end, and when the depth is reached, parsers are called even without data.
        if inline || closed || finished || asynchronous || depth {
            ready[direction.index()] = own.offers(over || depth);
        }
        if !inline || closed {
            ready[direction.opposite().index()] = peer.offers(over);
        }
        ready
    }

    /// True if neither side is put together any more, or a depth is reached.
    fn is_spent(&self) -> bool {
        let [client, server] = &self.streams;
        client.depth_reached() || server.depth_reached() || (client.is_off() && server.is_off())
    }
}
