//! The states after the first FIN.

use decode::Tcp;
use decode::event::StreamEvent;

use crate::tcp::context::{Checked, Context};
use crate::tcp::sequence::{gt, leq, lt};
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

impl TcpSession {
    /// Handles a packet in one of the states after the first FIN.
    pub(crate) fn shutting_down(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if ctx.has(Tcp::RST) {
            self.check_reset(ctx)?;
            self.close_by_reset(ctx);
            return Ok(());
        }
        let fin_state =
            matches!(self.state, TcpState::FinWait1 | TcpState::FinWait2 | TcpState::CloseWait);
        if ctx.has(Tcp::FIN) && fin_state {
            self.check_timestamp(ctx)?;
            return match self.state {
                TcpState::FinWait1 => self.fin_in_fin_wait1(ctx),
                TcpState::FinWait2 => self.fin_in_fin_wait2(ctx),
                _ => self.fin_in_close_wait(ctx),
            };
        }
        if ctx.has(Tcp::SYN) {
            return ctx.refuse(StreamEvent::ShutdownSynResend);
        }
        if !ctx.has(Tcp::ACK) {
            return Ok(());
        }
        self.check_timestamp(ctx)?;
        match self.state {
            TcpState::FinWait1 => self.ack_in_fin_wait(ctx, true),
            TcpState::FinWait2 => self.ack_in_fin_wait(ctx, false),
            TcpState::CloseWait => self.ack_in_close_wait(ctx),
            TcpState::Closing => self.ack_in_closing(ctx),
            TcpState::LastAck => self.ack_in_last_ack(ctx),
            _ => self.ack_in_time_wait(ctx),
        }
    }

    fn fin_in_fin_wait1(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let repeats = self.is_retransmission(ctx);
        if !repeats {
            let seq = ctx.seq();
            let own = self.own(ctx);
            let end_of_window = own.last_ack.wrapping_add(own.window);
            if lt(seq, own.next_seq.wrapping_sub(1)) || gt(seq, end_of_window) {
                return ctx.refuse(StreamEvent::Fin1FinWrongSeq);
            }
        }
        self.check_ack(ctx, StreamEvent::Fin1InvalidAck)?;
        if !repeats {
            self.state = if ctx.has(Tcp::ACK) { TcpState::TimeWait } else { TcpState::Closing };
        }
        self.accept_fin(ctx, repeats);
        Ok(())
    }

    fn fin_in_fin_wait2(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let (seq, ack) = (ctx.seq(), ctx.ack());
        let (own, peer) = self.pair(ctx.direction);
        let same = seq == own.next_seq.wrapping_sub(1) && ack == peer.last_ack;
        let repeats = same || self.is_retransmission(ctx);
        if !repeats {
            let own = self.own(ctx);
            let end_of_window = own.last_ack.wrapping_add(own.window);
            if lt(seq, own.next_seq) || gt(seq, end_of_window) {
                return ctx.refuse(StreamEvent::Fin2FinWrongSeq);
            }
        }
        self.check_ack(ctx, StreamEvent::Fin2InvalidAck)?;
        if !repeats {
            self.state = TcpState::TimeWait;
        }
        self.accept_fin(ctx, repeats);
        Ok(())
    }

    /// The server's FIN after the client's; another of the client changes nothing.
    fn fin_in_close_wait(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let repeats = self.is_retransmission(ctx);
        if !repeats {
            let seq = ctx.seq();
            let own = self.own(ctx);
            let end_of_window = own.last_ack.wrapping_add(own.window);
            if lt(seq, own.next_seq) || gt(seq, end_of_window) {
                return ctx.refuse(StreamEvent::ClosewaitFinOutOfWindow);
            }
        }
        self.check_ack(ctx, StreamEvent::ClosewaitInvalidAck)?;
        if !repeats && !ctx.to_server() {
            self.state = TcpState::LastAck;
        }
        self.accept_fin(ctx, repeats);
        Ok(())
    }

    fn ack_in_fin_wait(&mut self, ctx: &mut Context<'_, '_>, first: bool) -> Checked {
        let repeats = self.is_retransmission(ctx);
        let (invalid, wrong) = if first {
            (StreamEvent::Fin1InvalidAck, StreamEvent::Fin1AckWrongSeq)
        } else {
            (StreamEvent::Fin2InvalidAck, StreamEvent::Fin2AckWrongSeq)
        };
        self.check_ack(ctx, invalid)?;
        if !repeats {
            let (seq, end) = (ctx.seq(), ctx.end());
            let unchecked = self.flags.midstream || self.flags.asynchronous;
            let own = self.own(ctx);
            if !(leq(end, own.next_win) || unchecked) {
                return ctx.refuse(wrong);
            }
            if first && seq == own.next_seq {
                self.state = TcpState::FinWait2;
            }
        }
        self.accept(ctx, repeats);
        Ok(())
    }

    fn ack_in_close_wait(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let repeats = self.is_retransmission(ctx);
        let (seq, end, len) = (ctx.seq(), ctx.end(), ctx.len);
        let own = self.own(ctx);
        if len > 0 && leq(end, own.last_ack) {
            return ctx.refuse(StreamEvent::ClosewaitPktBeforeLastAck);
        }
        if gt(seq, own.last_ack.wrapping_add(own.window)) {
            return ctx.refuse(StreamEvent::ClosewaitAckOutOfWindow);
        }
        self.check_ack(ctx, StreamEvent::ClosewaitInvalidAck)?;
        self.accept(ctx, repeats);
        Ok(())
    }

    fn ack_in_closing(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let repeats = self.is_retransmission(ctx) || ctx.has(Tcp::FIN);
        let seq = ctx.seq();
        if seq != self.own(ctx).next_seq {
            return ctx.refuse(StreamEvent::ClosingAckWrongSeq);
        }
        self.check_ack(ctx, StreamEvent::ClosingInvalidAck)?;
        if !repeats {
            self.state = TcpState::TimeWait;
        }
        self.accept(ctx, repeats);
        Ok(())
    }

    fn ack_in_last_ack(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if !ctx.to_server() {
            return Ok(());
        }
        let repeats = self.is_retransmission(ctx);
        self.check_ack(ctx, StreamEvent::LastackInvalidAck)?;
        if !repeats {
            let seq = ctx.seq();
            let next = self.own(ctx).next_seq;
            if seq == next || seq == next.wrapping_add(1) {
                self.state = TcpState::Closed;
            } else if !lt(seq, next) {
                return ctx.refuse(StreamEvent::LastackAckWrongSeq);
            }
        }
        self.accept(ctx, repeats);
        Ok(())
    }

    fn ack_in_time_wait(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        // A FIN here can only be one that was sent before.
        let mut repeats = self.is_retransmission(ctx) || ctx.has(Tcp::FIN);
        let (seq, len, to_server) = (ctx.seq(), ctx.len, ctx.to_server());
        let own = self.own(ctx);
        let next = own.next_seq;
        // The client may not have counted its FIN yet, the server has.
        let other = if to_server { next.wrapping_add(1) } else { next.wrapping_sub(1) };
        if seq != next && seq != other {
            if to_server || len == 0 || seq != own.last_ack {
                return ctx.refuse(StreamEvent::TimewaitAckWrongSeq);
            }
            repeats = true;
        }
        self.check_ack(ctx, StreamEvent::TimewaitInvalidAck)?;
        if !repeats {
            self.state = TcpState::Closed;
        }
        self.accept(ctx, repeats);
        Ok(())
    }

    fn accept_fin(&mut self, ctx: &mut Context<'_, '_>, repeats: bool) {
        self.accept(ctx, repeats);
        let end = ctx.end();
        self.own(ctx).note_fin(end);
    }

    /// Takes over what an accepted packet says.
    fn accept(&mut self, ctx: &mut Context<'_, '_>, repeats: bool) {
        if !repeats {
            self.take_window(ctx);
        }
        self.take_ack(ctx);
        self.take_timestamp(ctx);
        self.catch_up(ctx);
        let (seq, end) = (ctx.seq(), ctx.end());
        let own = self.own(ctx);
        if seq == own.next_seq {
            own.set_next_seq(end);
        }
        self.move_window(ctx);
        self.reassemble(ctx);
    }
}
