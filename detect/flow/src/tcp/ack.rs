//! Acknowledgements and windows: which are believable, and what they change.

use decode::Tcp;
use decode::event::StreamEvent;

use crate::tcp::context::{Checked, Context};
use crate::tcp::sequence::{geq, gt, leq, lt};
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

impl TcpSession {
    /// True if the packet's acknowledgement can be one of the peer's data.
    pub(crate) fn ack_ok(&mut self, ctx: &mut Context<'_, '_>) -> bool {
        if !ctx.has(Tcp::ACK) {
            return true;
        }
        let (ack, state, asynchronous) = (ctx.ack(), self.state, self.flags.asynchronous);
        let peer = self.peer(ctx);
        if geq(ack, peer.last_ack) && leq(ack, peer.next_win) {
            return true;
        }
        if lt(ack, peer.last_ack) {
            // Old, but from the window before; a closed window says nothing.
            let oldest = peer.last_ack.wrapping_sub(peer.window);
            if peer.window == 0 || geq(ack, oldest) {
                return true;
            }
        } else if asynchronous {
            return true;
        } else if state == TcpState::SynSent {
            // Nothing is known of the window yet; a reset answers the SYN.
            let answers = ctx.has(Tcp::RST) && !ctx.to_server() && ack == peer.isn.wrapping_add(1);
            if answers {
                return true;
            }
        }
        ctx.event(StreamEvent::PktInvalidAck);
        false
    }

    /// As [`TcpSession::ack_ok`], refusing the packet with `event` otherwise.
    #[inline]
    pub(crate) fn check_ack(&mut self, ctx: &mut Context<'_, '_>, event: StreamEvent) -> Checked {
        if self.ack_ok(ctx) { Ok(()) } else { ctx.refuse(event) }
    }

    /// The packet repeats data; sets the event.
    pub(crate) fn is_retransmission(&mut self, ctx: &mut Context<'_, '_>) -> bool {
        if ctx.len == 0 {
            return false;
        }
        let (seq, end) = (ctx.seq(), ctx.end());
        let own = self.own(ctx);
        let partly_acked = lt(seq, own.last_ack) && gt(end, own.last_ack);
        let repeats = partly_acked || leq(end, own.last_ack) || leq(end, own.next_seq);
        if repeats {
            ctx.event(StreamEvent::PktRetransmission);
        }
        repeats
    }

    /// Takes over the acknowledgement of an accepted packet, and what selective ones it has.
    #[inline]
    pub(crate) fn take_ack(&mut self, ctx: &mut Context<'_, '_>) {
        if ctx.has(Tcp::ACK) {
            let ack = ctx.ack();
            self.peer(ctx).update_last_ack(ack);
        }
        if self.flags.sack && ctx.tcp.options.sack_blocks > 0 {
            self.take_sack(ctx);
        }
    }

    /// Takes over the window of an accepted packet.
    #[inline]
    pub(crate) fn take_window(&mut self, ctx: &Context<'_, '_>) {
        let peer = self.peer(ctx);
        peer.window = ctx.window(peer.window_scale);
    }

    /// The peer may send up to the end of its window.
    #[inline]
    pub(crate) fn move_window(&mut self, ctx: &Context<'_, '_>) {
        let peer = self.peer(ctx);
        peer.update_next_win(peer.last_ack.wrapping_add(peer.window));
    }

    /// If the peer's next packets were missed but acknowledged, it is as far as that.
    #[inline]
    pub(crate) fn catch_up(&mut self, ctx: &Context<'_, '_>) {
        let ack = ctx.ack();
        let peer = self.peer(ctx);
        if ctx.has(Tcp::ACK) && lt(peer.next_seq, ack) {
            peer.set_next_seq(ack);
        }
    }

    fn take_sack(&mut self, ctx: &mut Context<'_, '_>) {
        for at in 0..ctx.tcp.options.sack_blocks.min(4) {
            let Some((left, right)) = sack_block(ctx, at) else { return };
            let peer = self.peer(ctx);
            let plausible = geq(right, peer.last_ack) && leq(right, peer.next_win);
            if plausible && geq(left, peer.last_ack) {
                peer.sack.add(left, right);
            }
        }
    }
}

/// The borders of a block of the SACK option.
pub(super) fn sack_block(ctx: &Context<'_, '_>, at: u8) -> Option<(u32, u32)> {
    let start = ctx.tcp.options.sack_offset as usize + 8 * usize::from(at);
    let block = ctx.packet.bytes.get(start..start + 8)?;
    let (left, right) = block.split_at(4);
    Some((u32::from_be_bytes(left.try_into().ok()?), u32::from_be_bytes(right.try_into().ok()?)))
}
