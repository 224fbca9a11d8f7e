//! Packets that are dealt with before the state machine: probes, keep-alives, repetitions.

use decode::Tcp;
use decode::event::StreamEvent;

use crate::tcp::ack::sack_block;
use crate::tcp::context::Context;
use crate::tcp::sequence::{gt, leq, lt};
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

const CONTROL: u8 = Tcp::SYN | Tcp::FIN | Tcp::RST;

impl TcpSession {
    /// True if the state machine has nothing to do with the packet.
    pub(crate) fn is_settled_before(&mut self, ctx: &mut Context<'_, '_>) -> bool {
        let plain = !ctx.has(CONTROL);
        if plain && self.is_keep_alive(ctx) {
            return true;
        }
        if plain && ctx.len == 0 && (self.is_keep_alive_ack(ctx) || self.is_probe_ack(ctx)) {
            return true;
        }
        let opposite = ctx.direction.opposite();
        self.stream_mut(opposite).flags.keep_alive = false;
        if plain
            && self.state >= TcpState::Established
            && !self.is_fin_shutdown_ack(ctx)
            && !self.is_window_update(ctx)
        {
            if self.is_bad_window_update(ctx) {
                ctx.event(StreamEvent::PktBadWindowUpdate);
                return true;
            }
            if ctx.len == 0 && self.is_outdated_ack(ctx) {
                return true;
            }
        }
        ctx.len > 0 && self.is_spurious(ctx)
    }

    /// RFC 9293, section 3.8.4: at most a byte, just before what is expected.
    fn is_keep_alive(&mut self, ctx: &Context<'_, '_>) -> bool {
        if ctx.len > 1 {
            return false;
        }
        let (own, peer) = self.pair(ctx.direction);
        let found = ctx.seq() == own.next_seq.wrapping_sub(1) && ctx.ack() == peer.last_ack;
        if found {
            own.flags.keep_alive = true;
        }
        found
    }

    fn is_keep_alive_ack(&mut self, ctx: &Context<'_, '_>) -> bool {
        let (own, peer) = self.pair(ctx.direction);
        let found = peer.flags.keep_alive
            && ctx.tcp.window != 0
            && ctx.window(peer.window_scale) == peer.window
            && ctx.ack() == peer.last_ack
            && ctx.seq() == own.next_seq;
        if found {
            peer.flags.keep_alive = false;
        }
        found
    }

    /// The answer to a zero-window probe: the window is still closed.
    fn is_probe_ack(&mut self, ctx: &Context<'_, '_>) -> bool {
        let established = self.state >= TcpState::Established;
        let (own, peer) = self.pair(ctx.direction);
        established
            && ctx.tcp.window == 0
            && peer.window == 0
            && peer.flags.window_probe
            && ctx.ack() == peer.last_ack
            && ctx.seq() == own.next_seq
    }

    /// The acknowledgement of both FINs.
    fn is_fin_shutdown_ack(&mut self, ctx: &Context<'_, '_>) -> bool {
        let ending =
            matches!(self.state, TcpState::TimeWait | TcpState::CloseWait | TcpState::LastAck);
        if !ending || ctx.len > 0 || ctx.tcp.flags != Tcp::ACK {
            return false;
        }
        let (own, peer) = self.pair(ctx.direction);
        ctx.seq() == own.next_seq.wrapping_add(1) && ctx.ack() == peer.next_seq.wrapping_add(1)
    }

    fn is_window_update(&mut self, ctx: &Context<'_, '_>) -> bool {
        let (own, peer) = self.pair(ctx.direction);
        ctx.len == 0
            && ctx.tcp.window != 0
            && ctx.window(peer.window_scale) != peer.window
            && ctx.ack() == peer.last_ack
            && ctx.seq() == own.next_seq
    }

    /// A window that shrinks by more than was acknowledged, on a packet that is ahead of both
    /// sides.
    fn is_bad_window_update(&mut self, ctx: &Context<'_, '_>) -> bool {
        if self.state == TcpState::Closed {
            return false;
        }
        let (own, peer) = self.pair(ctx.direction);
        let window = ctx.window(peer.window_scale);
        let Some(shrunk) = peer.window.checked_sub(window) else { return false };
        if shrunk <= ctx.len
            || !gt(ctx.ack(), peer.next_seq)
            || !gt(ctx.seq(), own.next_seq)
            || !gt(ctx.ack(), peer.last_ack)
        {
            return false;
        }
        let acked = ctx.ack().wrapping_sub(peer.last_ack);
        let slack = if window > 1024 { 32 } else { 0 };
        shrunk > acked.saturating_add(slack)
    }

    /// A bare acknowledgement that later ones overtook, without news in its SACK option.
    fn is_outdated_ack(&mut self, ctx: &Context<'_, '_>) -> bool {
        let (own, peer) = self.pair(ctx.direction);
        if ctx.seq() != own.next_seq || !lt(ctx.ack(), peer.last_ack) || !ctx.has(Tcp::ACK) {
            return false;
        }
        (0..ctx.tcp.options.sack_blocks.min(4)).all(|at| match sack_block(ctx, at) {
            Some((left, right)) => leq(right, peer.last_ack) || peer.sack.contains(left, right),
            None => true,
        })
    }

    /// Data that was acknowledged already. True if it lies before all that is still held.
    fn is_spurious(&mut self, ctx: &mut Context<'_, '_>) -> bool {
        if self.state <= TcpState::SynSent {
            return false;
        }
        let end = ctx.data_seq().wrapping_add(ctx.len);
        let own = self.own(ctx);
        let base = own.base_offset();
        let before_base = base > 0 && !own.flags.no_reassembly && own.data_offset(end) <= base;
        if before_base || leq(end, own.last_ack) {
            ctx.event(StreamEvent::PktSpuriousRetransmission);
        }
        before_base
    }
}
