//! Resets: which ones the receiver believes, and what may have been injected.

use decode::Tcp;
use decode::event::StreamEvent;
use decode::settings::OsPolicy;

use crate::tcp::context::{Checked, Context, Refused};
use crate::tcp::sequence::{geq, leq, lt};
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

impl TcpSession {
    /// Refuses a reset that the receiver would ignore.
    pub(crate) fn check_reset(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.len > 0 {
            // RFC 9293, section 3.10.7.4: such data is a message for humans, never of the stream.
            ctx.event(StreamEvent::RstWithData);
        }
        if self.flags.liberal {
            return Ok(());
        }
        self.check_timestamp(ctx)?;
        if ctx.has(Tcp::ACK) && ctx.ack() != 0 {
            self.check_ack(ctx, StreamEvent::RstInvalidAck)?;
        }
        let (seq, end) = (ctx.seq(), ctx.end());
        let (asynchronous, os) = (self.flags.asynchronous, self.receiver_os(ctx));
        let own = self.own(ctx);
        let believed = match os {
            _ if asynchronous => geq(seq, own.next_seq),
            OsPolicy::Hpux11 => geq(seq, own.next_seq),
            OsPolicy::Linux | OsPolicy::OldLinux | OsPolicy::Solaris | OsPolicy::OldSolaris => {
                geq(end, own.last_ack) && lt(seq, own.next_seq.wrapping_add(own.window))
            }
            _ => seq == own.next_seq,
        };
        if believed { Ok(()) } else { Err(Refused) }
    }

    /// Closes the session by an accepted reset; what both sides had acknowledged can be used.
    pub(crate) fn close_by_reset(&mut self, ctx: &mut Context<'_, '_>) {
        self.before_reset = self.state;
        self.state = TcpState::Closed;
        let (seq, end, ack) = (ctx.seq(), ctx.end(), ctx.ack());
        let authenticated = ctx.tcp.options.authenticated;
        let (own, peer) = self.pair(ctx.direction);
        own.set_next_seq(end);
        own.update_last_ack(seq);
        // Some stacks set the flag and no number; a real 0 lies in the window.
        let in_window = geq(ack, peer.last_ack) && leq(ack, peer.next_win);
        if ctx.has(Tcp::ACK) && (ack != 0 || in_window) {
            peer.set_next_seq(ack);
            peer.update_last_ack(ack);
        }
        if authenticated {
            // Whether the signature is right cannot be told: what follows decides.
            peer.flags.reset_received = true;
        }
        self.take_timestamp(ctx);
    }

    /// In state closed: the side that was reset is ignored, but if the sender of a doubtful
    /// reset goes on the session is looked at as before.
    pub(crate) fn closed(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.has(Tcp::RST) {
            return Ok(());
        }
        let (own, peer) = self.pair(ctx.direction);
        if own.flags.reset_received || !peer.flags.reset_received {
            return Ok(());
        }
        if self.before_reset == TcpState::Closed || self.before_reset == TcpState::None {
            return Ok(());
        }
        self.state = self.before_reset;
        self.handle_state(ctx)
    }

    /// The sender of a doubtful reset goes on: the reset was not its own.
    pub(crate) fn check_after_reset(&mut self, ctx: &mut Context<'_, '_>) {
        if ctx.has(Tcp::RST) {
            return;
        }
        let peer = self.peer(ctx);
        if std::mem::take(&mut peer.flags.reset_received) {
            ctx.event(StreamEvent::SuspectedRstInject);
        }
    }
}
