//! State `established`: data, acknowledgements and windows.

use decode::Tcp;
use decode::event::StreamEvent;

use crate::tcp::context::{Checked, Context};
use crate::tcp::sequence::{geq, gt, leq, lt};
use crate::tcp::session::TcpSession;

impl TcpSession {
    /// Handles a packet in state `established`.
    pub(crate) fn established(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.has(Tcp::RST) {
            self.check_reset(ctx)?;
            self.close_by_reset(ctx);
            return Ok(());
        }
        if ctx.has(Tcp::FIN) {
            self.check_timestamp(ctx)?;
            return self.fin(ctx);
        }
        match (ctx.has(Tcp::SYN), ctx.has(Tcp::ACK)) {
            (true, true) => self.synack_in_established(ctx),
            (true, false) => self.syn_in_established(ctx),
            (false, true) => {
                self.check_timestamp(ctx)?;
                if !ctx.to_server() {
                    self.flags.confirmed = true;
                }
                // What is wrong with such a packet is told, but it is no reason to drop it.
                let _accepted = self.data_in_established(ctx);
                Ok(())
            }
            (false, false) => Ok(()),
        }
    }

    fn synack_in_established(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.to_server() {
            return ctx.refuse(StreamEvent::EstSynackToserver);
        }
        let [client, server] = &self.streams;
        if ctx.ack() != client.last_ack {
            return ctx.refuse(StreamEvent::EstSynackResendWithDiffAck);
        }
        if ctx.seq() != server.isn {
            return ctx.refuse(StreamEvent::EstSynackResendWithDiffSeq);
        }
        if self.flags.confirmed {
            return ctx.refuse(StreamEvent::EstSynackResend);
        }
        Ok(())
    }

    fn syn_in_established(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if !ctx.to_server() {
            return ctx.refuse(StreamEvent::EstSynToclient);
        }
        // As Suricata 8 does: it is the acknowledgement field that is compared.
        if ctx.ack() == self.streams[0].isn {
            return ctx.refuse(StreamEvent::EstSynResend);
        }
        ctx.refuse(StreamEvent::EstSynResendDiffSeq)
    }

    fn data_in_established(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let peer = self.peer(ctx);
        if peer.flags.window_probe && ctx.ack() == peer.next_seq.wrapping_add(1) {
            peer.flags.window_probe = false;
            ctx.event(StreamEvent::EstAckZwpData);
        } else {
            self.check_ack(ctx, StreamEvent::EstInvalidAck)?;
        }
        self.check_not_old(ctx)?;
        let (seq, end, len) = (ctx.seq(), ctx.end(), ctx.len);
        let unchecked = self.flags.midstream || self.flags.asynchronous;
        let own = self.own(ctx);
        let probe = len == 1 && seq == own.next_seq && own.window == 0;
        if probe {
            own.flags.window_probe = true;
        } else {
            let expected = seq == own.next_seq;
            let reaches_on = lt(seq, own.next_seq) && gt(end, own.next_seq);
            // Acknowledgements ran ahead: data that was lost is not waited for.
            let behind = lt(own.next_seq, own.last_ack);
            if expected || reaches_on || behind {
                own.set_next_seq(end);
            }
            if !(leq(end, own.next_win) || unchecked) {
                return ctx.refuse(StreamEvent::EstPacketOutOfWindow);
            }
        }
        self.take_window(ctx);
        let ack = ctx.ack();
        if gt(ack, self.peer(ctx).next_seq) && !self.flags.asynchronous {
            ctx.counters.tcp.ack_unseen_data += 1;
        }
        self.take_ack(ctx);
        self.take_timestamp(ctx);
        self.move_window(ctx);
        self.reassemble(ctx);
        Ok(())
    }

    /// Refuses data that ends before what was acknowledged, unless that is due to how the
    /// session is seen.
    fn check_not_old(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let (seq, end, len) = (ctx.seq(), ctx.end(), ctx.len);
        let flags = self.flags;
        let own = self.own(ctx);
        let keep_alive = len <= 1 && seq == own.next_seq.wrapping_sub(1);
        if keep_alive || geq(end, own.last_ack) {
            return Ok(());
        }
        if flags.asynchronous {
            own.last_ack = seq;
            return Ok(());
        }
        let started_here = seq == own.next_seq || own.last_ack == own.isn.wrapping_add(1);
        if ctx.settings.async_oneside && flags.midstream && started_here {
            own.last_ack = seq;
            self.flags.asynchronous = true;
            return Ok(());
        }
        // Acknowledged before it was seen, and seen now.
        if gt(own.last_ack, own.next_seq) && gt(end, own.next_seq) {
            return Ok(());
        }
        ctx.refuse(StreamEvent::EstPktBeforeLastAck)
    }
}
