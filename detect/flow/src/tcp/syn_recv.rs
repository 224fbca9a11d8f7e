//! State `syn_recv`: waiting for the last packet of the handshake.

use decode::event::StreamEvent;
use decode::settings::OsPolicy;
use decode::{Direction, Tcp};

use crate::tcp::context::{Checked, Context};
use crate::tcp::pickup::handshake_of;
use crate::tcp::sequence::{geq, gt, leq};
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

impl TcpSession {
    /// Handles a packet in state `syn_recv`.
    pub(crate) fn syn_recv(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.has(Tcp::RST) {
            return self.reset_in_syn_recv(ctx);
        }
        if ctx.has(Tcp::FIN) {
            self.check_timestamp(ctx)?;
            return self.fin(ctx);
        }
        match (ctx.has(Tcp::SYN), ctx.has(Tcp::ACK)) {
            (true, true) => self.another_synack(ctx),
            (true, false) => self.syn_in_syn_recv(ctx),
            (false, true) => self.last_of_handshake(ctx),
            (false, false) => Ok(()),
        }
    }

    /// Some receivers take a reset after an attempt at evasion for a stray packet.
    fn reset_in_syn_recv(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        self.check_reset(ctx)?;
        let stray = matches!(
            self.receiver_os(ctx),
            OsPolicy::Linux | OsPolicy::OldLinux | OsPolicy::Solaris | OsPolicy::OldSolaris
        );
        if !(self.flags.evasion && stray) {
            self.close_by_reset(ctx);
        }
        Ok(())
    }

    fn another_synack(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.to_server() {
            if self.flags.four_way {
                return Ok(());
            }
            return ctx.refuse(StreamEvent::ThreeWhsSynackToserverOnSynRecv);
        }
        let [client, server] = &self.streams;
        if self.flags.four_way {
            return Ok(());
        }
        if ctx.ack() != client.last_ack {
            return ctx.refuse(StreamEvent::ThreeWhsSynackResendWithDiffAck);
        }
        let synack = handshake_of(ctx);
        if synack.seq == server.isn || self.queue.contains(&synack) {
            return Ok(());
        }
        if self.queue.len() >= usize::from(ctx.settings.max_synack_queued) {
            return ctx.refuse(StreamEvent::ThreeWhsSynackFlood);
        }
        self.queue.push(synack);
        Ok(())
    }

    fn syn_in_syn_recv(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if !ctx.to_server() {
            return ctx.refuse(StreamEvent::ThreeWhsSynToclientOnSynRecv);
        }
        if ctx.seq() != self.streams[0].isn {
            return ctx.refuse(StreamEvent::ThreeWhsSynResendDiffSeqOnSynRecv);
        }
        Ok(())
    }

    fn last_of_handshake(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.to_server() {
            self.choose_queued_synack(ctx);
        }
        self.check_timestamp(ctx)?;
        if self.flags.four_way && !ctx.to_server() {
            return self.last_of_four(ctx);
        }
        if !ctx.to_server() {
            return self.ack_of_server(ctx);
        }
        let [client, server] = &self.streams;
        let (seq, ack) = (ctx.seq(), ctx.ack());
        let in_sequence = seq == client.next_seq;
        let right_ack = ack == server.next_seq;
        let ahead = gt(seq, client.next_seq) && leq(seq, client.next_win);
        if (in_sequence || ahead) && right_ack {
            // With a hole before it, packets were lost on the way to the sensor.
            self.establish(ctx);
            return Ok(());
        }
        if ctx.settings.async_oneside && seq == server.next_seq {
            self.flags.asynchronous = true;
            self.establish(ctx);
            return Ok(());
        }
        if in_sequence {
            // The server answers with a reset, or, as some systems do, not at all.
            self.flags.evasion = true;
            return ctx.refuse(StreamEvent::ThreeWhsRightSeqWrongAckEvasion);
        }
        ctx.refuse(StreamEvent::ThreeWhsWrongSeqWrongAck)
    }

    /// If the acknowledgement is for another SYN/ACK than the first, that one counts.
    fn choose_queued_synack(&mut self, ctx: &Context<'_, '_>) {
        if self.queue.is_empty() {
            return;
        }
        let found = self.queue.iter().position(|known| ctx.ack() == known.seq.wrapping_add(1));
        if let Some(at) = found {
            let synack = self.queue.swap_remove(at);
            let acked = self.streams[0].last_ack;
            self.set_synack(synack, acked, ctx);
        }
        self.queue.clear();
    }

    fn last_of_four(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.seq() != self.streams[1].next_seq {
            return ctx.refuse(StreamEvent::FourWhsWrongSeq);
        }
        self.check_ack(ctx, StreamEvent::FourWhsInvalidAck)?;
        self.establish(ctx);
        Ok(())
    }

    /// The server goes on although the client's last packet was not seen.
    fn ack_of_server(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let [client, server] = &self.streams;
        let (seq, ack) = (ctx.seq(), ctx.ack());
        let exact = ack == client.last_ack && seq == server.next_seq;
        if ctx.settings.inline && !self.flags.midstream_synack && !self.flags.fast_open {
            // Inline every packet is seen, so this is nothing that the client could have caused.
            let injected = ctx.len > 0 && exact;
            return ctx.refuse(if injected {
                StreamEvent::ThreeWhsAckDataInject
            } else {
                StreamEvent::ThreeWhsAckInWrongDir
            });
        }
        let fits = geq(ack, client.last_ack)
            && leq(ack, client.next_win)
            && geq(seq, server.next_seq)
            && leq(seq, server.next_win);
        if exact || fits {
            self.establish(ctx);
            return Ok(());
        }
        if ctx.settings.async_oneside && seq == server.next_seq {
            self.flags.asynchronous = true;
            self.establish(ctx);
            return Ok(());
        }
        ctx.refuse(StreamEvent::ThreeWhsWrongSeqWrongAck)
    }

    /// The handshake is complete; the packet may carry data already.
    fn establish(&mut self, ctx: &mut Context<'_, '_>) {
        self.state = TcpState::Established;
        self.queue.clear();
        if ctx.direction == Direction::ToClient {
            self.flags.confirmed = true;
        }
        let end = ctx.end();
        self.own(ctx).set_next_seq(end);
        self.take_window(ctx);
        self.take_ack(ctx);
        self.take_timestamp(ctx);
        self.move_window(ctx);
        if self.flags.midstream {
            // The client's window was never seen before.
            let (own, _) = self.pair(ctx.direction);
            if own.window == 0 {
                own.window = ctx.window(own.window_scale);
            }
            let win = own.last_ack.wrapping_add(own.window);
            own.update_next_win(win);
        }
        self.reassemble(ctx);
    }

    /// A FIN of an established session, or of one whose handshake was nearly complete.
    pub(crate) fn fin(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        self.check_ack(ctx, StreamEvent::FinInvalidAck)?;
        let (seq, end) = (ctx.seq(), ctx.end());
        let own = self.own(ctx);
        if !(geq(seq, own.last_ack) && leq(end, own.next_win)) {
            return ctx.refuse(StreamEvent::FinOutOfWindow);
        }
        if ctx.has(Tcp::SYN) {
            return ctx.refuse(StreamEvent::FinSyn);
        }
        if own.next_seq == seq {
            own.set_next_seq(end);
        }
        self.state = if ctx.to_server() { TcpState::CloseWait } else { TcpState::FinWait1 };
        self.take_window(ctx);
        self.take_ack(ctx);
        self.take_timestamp(ctx);
        self.catch_up(ctx);
        self.reassemble(ctx);
        self.own(ctx).note_fin(end);
        Ok(())
    }
}
