//! The first packet of a session: its SYN, or what is picked up without one.

use decode::Tcp;
use decode::event::StreamEvent;

use crate::policy::{Policy, Target};
use crate::reassembly::{Handshake, Stream};
use crate::tcp::context::{Checked, Context};
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

/// The largest window scale (RFC 7323), assumed where the handshake was missed.
const LARGEST_SCALE: u8 = 14;

/// What a packet without a session leads to.
#[derive(Debug, Default)]
pub(super) struct Pickup {
    pub(super) session: Option<Box<TcpSession>>,
    /// The packet comes from the server.
    pub(super) reverse: bool,
}

/// Looks whether the packet begins a session.
pub(super) fn pick_up(ctx: &mut Context<'_, '_>, pickup: &mut Pickup) -> Checked {
    let midstream = ctx.settings.midstream;
    if ctx.has(Tcp::RST) {
        return ctx.refuse(StreamEvent::RstButNoSession);
    }
    if ctx.has(Tcp::FIN) {
        let allowed = policy_allows(ctx);
        if !midstream || ctx.len == 0 {
            return ctx.refuse(StreamEvent::FinButNoSession);
        }
        if allowed {
            from_the_middle(ctx, pickup, TcpState::FinWait1);
        }
        return Ok(());
    }
    match (ctx.has(Tcp::SYN), ctx.has(Tcp::ACK)) {
        (true, true) => {
            let allowed = policy_allows(ctx);
            if allowed && (midstream || ctx.settings.async_oneside) {
                from_synack(ctx, pickup);
            }
        }
        (true, false) => from_syn(ctx, pickup),
        (false, true) => {
            let allowed = policy_allows(ctx);
            if allowed && midstream {
                from_the_middle(ctx, pickup, TcpState::Established);
            }
        }
        (false, false) => {}
    }
    Ok(())
}

/// Applies the midstream policy; false if it prevents a pick-up.
fn policy_allows(ctx: &mut Context<'_, '_>) -> bool {
    let policy = ctx.settings.midstream_policy;
    ctx.hit(Target::StreamMidstream, policy);
    matches!(policy, Policy::Ignore | Policy::PassFlow)
}

/// A session, or the policy for having no memory.
fn new_session(ctx: &mut Context<'_, '_>) -> Option<Box<TcpSession>> {
    let session = ctx.counters.new_session(ctx.settings);
    match session {
        Some(mut session) => {
            session.flags.asynchronous = ctx.settings.async_oneside;
            session.packet_flags = ctx.tcp.flags;
            Some(session)
        }
        None => {
            ctx.hit(Target::StreamMemcap, ctx.settings.memcap_policy);
            None
        }
    }
}

/// What the packet says of its sender's side.
pub(super) fn handshake_of(ctx: &Context<'_, '_>) -> Handshake {
    Handshake {
        seq: ctx.seq(),
        window: ctx.tcp.window,
        window_scale: ctx.tcp.options.window_scale,
        timestamp: ctx.tcp.options.timestamp.map(|(value, _)| value),
        sack: ctx.tcp.options.sack_permitted,
    }
}

fn from_syn(ctx: &mut Context<'_, '_>, pickup: &mut Pickup) {
    let Some(mut session) = new_session(ctx) else { return };
    session.state = TcpState::SynSent;
    session.own(ctx).tcp_flags = ctx.tcp.flags;
    let syn = handshake_of(ctx);
    session.set_syn(syn, ctx);
    if ctx.tcp.options.fast_open {
        session.flags.fast_open = true;
        if ctx.len > 0 {
            let next = ctx.data_seq().wrapping_add(ctx.len);
            session.own(ctx).set_next_seq(next);
            session.reassemble(ctx);
        }
    }
    pickup.session = Some(session);
}

/// The packet comes from the server: the session is made for the flow as it is, and turned
/// together with the flow.
fn from_synack(ctx: &mut Context<'_, '_>, pickup: &mut Pickup) {
    let Some(mut session) = new_session(ctx) else { return };
    session.state = TcpState::SynRecv;
    session.flags.midstream = true;
    session.flags.midstream_synack = true;
    ctx.counters.tcp.midstream_pickups += 1;
    let (seq, ack, window) = (ctx.seq(), ctx.ack(), u32::from(ctx.tcp.window));
    let scale = ctx.tcp.options.window_scale;
    let timestamp = ctx.tcp.options.timestamp;
    session.flags.sack = ctx.tcp.options.sack_permitted;
    let (server, client) = session.pair(ctx.direction);
    server.tcp_flags = ctx.tcp.flags;
    server.start(seq);
    server.last_ack = seq;
    client.start(ack.wrapping_sub(1));
    client.last_ack = ack;
    client.window = window;
    client.next_win = ack.wrapping_add(window);
    server.window = window;
    server.next_win = seq.wrapping_add(window);
    if let Some(scale) = scale {
        // The server scales only if the client offered it.
        client.window_scale = scale.min(LARGEST_SCALE);
        server.window_scale = LARGEST_SCALE;
    }
    if let Some((value, echo)) = timestamp {
        start_timestamps(server, value, ctx.second);
        start_timestamps(client, echo, ctx.second);
        session.flags.timestamps = true;
    }
    pickup.session = Some(session);
    pickup.reverse = true;
}

fn from_the_middle(ctx: &mut Context<'_, '_>, pickup: &mut Pickup, state: TcpState) {
    let Some(mut session) = new_session(ctx) else { return };
    session.state = state;
    session.flags.midstream = true;
    session.flags.sack = true;
    ctx.counters.tcp.midstream_pickups += 1;
    let (seq, end, ack) = (ctx.seq(), ctx.end(), ctx.ack());
    let window = ctx.window(LARGEST_SCALE);
    let timestamp = ctx.tcp.options.timestamp;
    let (own, peer) = session.pair(ctx.direction);
    own.tcp_flags = ctx.tcp.flags;
    own.start(seq.wrapping_sub(1));
    own.set_next_seq(end);
    own.last_ack = seq;
    own.window = window;
    own.next_win = seq.wrapping_add(window);
    own.window_scale = LARGEST_SCALE;
    peer.start(ack.wrapping_sub(1));
    peer.last_ack = ack;
    peer.window = window;
    peer.next_win = ack.wrapping_add(window);
    peer.window_scale = LARGEST_SCALE;
    if let Some((value, echo)) = timestamp {
        start_timestamps(own, value, ctx.second);
        start_timestamps(peer, echo, 0);
        session.flags.timestamps = true;
    }
    session.reassemble(ctx);
    if state == TcpState::FinWait1 {
        session.own(ctx).note_fin(end);
    }
    pickup.session = Some(session);
}

fn start_timestamps(stream: &mut Stream, value: u32, second: u32) {
    stream.last_ts = value;
    stream.last_ts_second = second;
    stream.flags.zero_timestamp = value == 0;
}

impl TcpSession {
    /// Takes a SYN of the client, or one of its earlier ones, as the one that counts.
    pub(super) fn set_syn(&mut self, syn: Handshake, ctx: &Context<'_, '_>) {
        self.syn = syn;
        self.flags.timestamp_offered = syn.timestamp.is_some();
        self.flags.scale_offered = syn.window_scale.is_some();
        self.flags.sack_offered = syn.sack;
        let [client, server] = &mut self.streams;
        client.start(syn.seq);
        server.window = u32::from(syn.window);
        server.window_scale = syn.window_scale.unwrap_or(0).min(LARGEST_SCALE);
        if let Some(value) = syn.timestamp {
            start_timestamps(client, value, ctx.second);
        }
    }

    /// Takes a SYN/ACK of the server: both sides' options are settled.
    pub(super) fn set_synack(&mut self, synack: Handshake, ack: u32, ctx: &Context<'_, '_>) {
        self.state = TcpState::SynRecv;
        self.flags.timestamps = false;
        let [client, server] = &mut self.streams;
        server.start(synack.seq);
        server.last_ack = synack.seq.wrapping_add(1);
        client.window = u32::from(synack.window);
        client.last_ack = ack;
        match synack.timestamp {
            Some(value) if self.flags.timestamp_offered => {
                start_timestamps(server, value, ctx.second);
                self.flags.timestamps = true;
            }
            _ => {
                client.last_ts = 0;
                server.last_ts = 0;
                client.flags.zero_timestamp = false;
            }
        }
        match synack.window_scale {
            Some(scale) if self.flags.scale_offered => {
                client.window_scale = scale.min(LARGEST_SCALE);
            }
            // RFC 7323: both sides scale or none does.
            _ => {
                client.window_scale = 0;
                server.window_scale = 0;
            }
        }
        self.flags.sack = self.flags.sack_offered && synack.sack;
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.next_win = server.last_ack.wrapping_add(server.window);
    }
}
