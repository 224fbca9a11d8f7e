//! State `syn_sent`: waiting for the server's answer, or for a second thought of the client.

use decode::Tcp;
use decode::event::StreamEvent;

use crate::tcp::context::{Checked, Context};
use crate::tcp::pickup::handshake_of;
use crate::tcp::sequence::gt;
use crate::tcp::session::TcpSession;
use crate::tcp::state::TcpState;

impl TcpSession {
    /// Handles a packet in state `syn_sent`.
    pub(crate) fn syn_sent(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let both = ctx.has(Tcp::SYN) && ctx.has(Tcp::ACK);
        if !both && !self.is_answer(ctx) {
            return ctx.refuse(StreamEvent::PktInvalidTimestamp);
        }
        if ctx.has(Tcp::RST) {
            return self.reset_in_syn_sent(ctx);
        }
        match (ctx.has(Tcp::SYN), ctx.has(Tcp::ACK)) {
            (true, true) if ctx.to_server() => self.synack_of_client(ctx),
            (true, true) => self.synack_of_server(ctx),
            (true, false) if ctx.to_server() => {
                self.another_syn(ctx);
                Ok(())
            }
            (true, false) => {
                self.syn_of_server(ctx);
                Ok(())
            }
            (false, true) if ctx.settings.async_oneside => self.ack_without_answer(ctx),
            _ => Ok(()),
        }
    }

    /// False if a packet of the server echoes a timestamp that the client did not send: it was
    /// not the server that sent it.
    fn is_answer(&self, ctx: &Context<'_, '_>) -> bool {
        match ctx.tcp.options.timestamp {
            Some((_, echo)) if !ctx.to_server() && echo != 0 => {
                self.syn.timestamp.is_some_and(|sent| sent == 0 || sent == echo)
            }
            _ => true,
        }
    }

    fn reset_in_syn_sent(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        self.check_reset(ctx)?;
        let isn = self.streams[0].isn;
        if ctx.to_server() {
            let own_reset =
                ctx.seq() == isn && ctx.tcp.window == 0 && ctx.ack() == isn.wrapping_add(1);
            if !own_reset {
                return Ok(());
            }
        }
        self.close_by_reset(ctx);
        // Nothing proves that it comes from the other side: what follows decides.
        self.peer(ctx).flags.reset_received = true;
        Ok(())
    }

    fn synack_of_server(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let ack = ctx.ack();
        let (isn, next) = (self.streams[0].isn, self.streams[0].next_seq);
        let plain = ack == isn.wrapping_add(1);
        if self.flags.fast_open && next != isn.wrapping_add(1) {
            if plain {
                ctx.event(StreamEvent::ThreeWhsSynackTfoDataIgnored);
                self.flags.fast_open_ignored = true;
                self.streams[0].start_over(ctx.counters);
            } else if ack != next {
                return ctx.refuse(StreamEvent::ThreeWhsSynackWithWrongAck);
            }
        } else if !plain {
            let Some(known) = self.queued_syn(ctx) else {
                return ctx.refuse(StreamEvent::ThreeWhsSynackWithWrongAck);
            };
            let syn = self.queue.swap_remove(known);
            self.set_syn(syn, ctx);
        }
        if !self.echo_is_right(ctx) {
            return ctx.refuse(StreamEvent::PktInvalidTimestamp);
        }
        self.queue.clear();
        self.flags.four_way = false;
        self.set_synack(handshake_of(ctx), ack, ctx);
        Ok(())
    }

    /// The earlier SYN that the SYN/ACK answers.
    fn queued_syn(&self, ctx: &Context<'_, '_>) -> Option<usize> {
        let echo = ctx.tcp.options.timestamp.map(|(_, echo)| echo);
        self.queue.iter().position(|syn| {
            let timestamps = syn.timestamp.is_none() || echo.is_none() || syn.timestamp == echo;
            ctx.ack() == syn.seq.wrapping_add(1) && timestamps
        })
    }

    /// RFC 7323, section 3.2: the SYN/ACK echoes the timestamp of the SYN.
    fn echo_is_right(&self, ctx: &Context<'_, '_>) -> bool {
        if ctx.settings.liberal_timestamps {
            return true;
        }
        match (self.syn.timestamp, ctx.tcp.options.timestamp) {
            (Some(sent), Some((_, echo))) => sent == echo,
            _ => true,
        }
    }

    /// A simultaneous open (RFC 9293, section 3.5): the client answers the server's SYN.
    fn synack_of_client(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        if !self.flags.four_way {
            return ctx.refuse(StreamEvent::ThreeWhsSynackInWrongDirection);
        }
        let [client, server] = &mut self.streams;
        if ctx.tcp.ack != server.isn.wrapping_add(1) {
            return ctx.refuse(StreamEvent::FourWhsSynackWithWrongAck);
        }
        if ctx.tcp.seq != client.isn {
            return ctx.refuse(StreamEvent::FourWhsSynackWithWrongSyn);
        }
        self.state = TcpState::SynRecv;
        client.start(ctx.tcp.seq);
        server.window = u32::from(ctx.tcp.window);
        server.last_ack = ctx.tcp.ack;
        client.last_ack = client.isn.wrapping_add(1);
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.next_win = server.last_ack.wrapping_add(server.window);
        let timestamps = self.flags.timestamps && ctx.tcp.options.timestamp.is_some();
        self.flags.timestamps = timestamps;
        self.take_timestamp(ctx);
        Ok(())
    }

    fn syn_of_server(&mut self, ctx: &mut Context<'_, '_>) {
        self.flags.four_way = true;
        let syn = handshake_of(ctx);
        let [client, server] = &mut self.streams;
        server.start(syn.seq);
        client.window = u32::from(syn.window);
        match (syn.window_scale, self.flags.scale_offered) {
            (Some(scale), true) => client.window_scale = scale.min(14),
            _ => {
                client.window_scale = 0;
                server.window_scale = 0;
            }
        }
        if let Some(value) = syn.timestamp.filter(|_| self.flags.timestamp_offered) {
            server.last_ts = value;
            server.last_ts_second = ctx.second;
            server.flags.zero_timestamp = value == 0;
            self.flags.timestamps = true;
        }
        self.flags.sack = self.flags.sack_offered && syn.sack;
    }

    /// The client sends a SYN that may differ: the newest counts, others are remembered.
    fn another_syn(&mut self, ctx: &mut Context<'_, '_>) {
        let syn = handshake_of(ctx);
        if syn == self.syn {
            return;
        }
        let old = self.syn;
        match self.queue.iter().position(|known| *known == syn) {
            Some(known) => self.queue[known] = old,
            None => {
                let most = usize::from(ctx.settings.max_syn_queued);
                if self.queue.len() >= most {
                    ctx.event(StreamEvent::ThreeWhsSynFlood);
                    if !self.queue.is_empty() {
                        self.queue.remove(0);
                    }
                }
                if most > 0 {
                    self.queue.push(old);
                }
            }
        }
        if self.flags.fast_open {
            self.streams[0].start_over(ctx.counters);
            self.flags.fast_open = ctx.tcp.options.fast_open;
        }
        self.set_syn(syn, ctx);
    }

    /// Only the client is seen: its next packet shows that the server answered.
    fn ack_without_answer(&mut self, ctx: &mut Context<'_, '_>) -> Checked {
        let (seq, ack, window) = (ctx.seq(), ctx.ack(), u32::from(ctx.tcp.window));
        let own = self.own(ctx);
        if seq != own.next_seq {
            return ctx.refuse(StreamEvent::ThreeWhsAsyncWrongSeq);
        }
        self.flags.asynchronous = true;
        self.state = TcpState::Established;
        let (own, peer) = self.pair(ctx.direction);
        own.window = window;
        own.last_ack = seq;
        own.next_win = seq.wrapping_add(window);
        peer.start(ack.wrapping_sub(1));
        peer.last_ack = ack;
        peer.next_win = ack.wrapping_add(peer.window);
        if let Some((value, _)) = ctx.tcp.options.timestamp.filter(|_| self.flags.timestamp_offered)
        {
            self.flags.timestamps = true;
            let own = self.own(ctx);
            own.last_ts = value;
            own.last_ts_second = ctx.second;
        }
        let end = ctx.end();
        let own = self.own(ctx);
        if gt(end, own.next_seq) {
            own.set_next_seq(end);
        }
        self.reassemble(ctx);
        Ok(())
    }
}
