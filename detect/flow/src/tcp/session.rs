//! A TCP session: two streams and where their handshake or shutdown stands.

use decode::event::StreamEvent;
use decode::settings::OsPolicy;
use decode::{Direction, Packet, Tcp};

use crate::policy::{DropReason, Target};
use crate::reassembly::{Data, Handshake, InsertError, Stream};
use crate::tcp::context::Context;
use crate::tcp::counters::StreamCounters;
use crate::tcp::settings::{StreamSettings, UrgentPolicy};
use crate::tcp::state::TcpState;

/// Facts about a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionFlags {
    /// Begun without a handshake.
    pub(crate) midstream: bool,
    /// Begun with the second packet of the handshake.
    pub(crate) midstream_synack: bool,
    /// Only one direction is seen.
    pub(crate) asynchronous: bool,
    /// Both sides use timestamps.
    pub(crate) timestamps: bool,
    /// The client offered timestamps, window scaling, selective acknowledgement.
    pub(crate) timestamp_offered: bool,
    pub(crate) scale_offered: bool,
    pub(crate) sack_offered: bool,
    /// Both sides use selective acknowledgement.
    pub(crate) sack: bool,
    /// Both sides sent SYN.
    pub(crate) four_way: bool,
    /// Fast open (RFC 7413), and that the server ignored its data.
    pub(crate) fast_open: bool,
    pub(crate) fast_open_ignored: bool,
    /// A packet looked like an attempt at evasion.
    pub(crate) evasion: bool,
    /// Data was lost: checks are liberal.
    pub(crate) liberal: bool,
    /// The server sent something after the handshake.
    pub(crate) confirmed: bool,
}

/// A TCP session.
#[derive(Debug, Default)]
pub struct TcpSession {
    pub(crate) state: TcpState,
    /// State before a reset.
    pub(crate) before_reset: TcpState,
    pub(crate) flags: SessionFlags,
    /// Flags of all packets.
    pub(crate) packet_flags: u8,
    /// The client's SYN.
    pub(crate) syn: Handshake,
    /// Other SYN packets, later other SYN/ACK packets, oldest first.
    pub(crate) queue: Vec<Handshake>,
    /// What the client and what the server sends.
    pub(crate) streams: [Stream; 2],
}

impl TcpSession {
    /// The state.
    pub fn state(&self) -> TcpState {
        self.state
    }

    /// What is sent in `direction`.
    pub fn stream(&self, direction: Direction) -> &Stream {
        &self.streams[direction.index()]
    }

    /// What is sent in `direction`, to consume it.
    pub fn stream_mut(&mut self, direction: Direction) -> &mut Stream {
        &mut self.streams[direction.index()]
    }

    /// Both directions are put together up to `depth` bytes (0: all) from now on, unless it were
    /// more already. What was beyond the depth before is lost.
    pub fn raise_depth(&mut self, depth: u32) {
        self.streams.iter_mut().for_each(|stream| stream.raise_depth(depth));
    }

    /// Flags of all packets of both directions.
    pub fn tcp_flags(&self) -> u8 {
        self.packet_flags
    }

    /// True if data of the session was lost.
    pub fn is_liberal(&self) -> bool {
        self.flags.liberal
    }

    /// True if the session was picked up without its handshake.
    pub fn is_midstream(&self) -> bool {
        self.flags.midstream
    }

    /// True if it was picked up with its SYN/ACK, so that its direction is certain.
    pub fn began_with_synack(&self) -> bool {
        self.flags.midstream_synack
    }

    /// True from the completed handshake on.
    pub fn is_established(&self) -> bool {
        self.state >= TcpState::Established
    }

    /// True when no more data can come: parsers get an end of file.
    pub fn is_closed(&self) -> bool {
        self.state == TcpState::Closed
    }

    /// True if data of `direction` should be inspected as raw stream now.
    pub fn raw_ready(&self, direction: Direction, end_of_flow: bool) -> bool {
        self.stream(direction).raw_ready(end_of_flow || self.state > TcpState::TimeWait)
    }

    /// True if a flow that ends now still has data that nobody saw, or is in the middle of a
    /// connection: it gets packets that finish the inspection.
    pub fn needs_finish(&self) -> bool {
        let unfinished = |stream: &Stream| {
            !stream.is_off()
                && ((stream.app_active() && stream.end_offset() > stream.app_offset())
                    || (stream.raw_active() && stream.end_offset() > stream.raw_offset_inspected()))
        };
        let connected = self.is_established() && self.state != TcpState::Closed;
        connected || self.streams.iter().any(unfinished)
    }

    /// Passes a gap on: it is counted and noted, and the packet gets the event. The gap is
    /// consumed as if it were data.
    pub fn take_gap(
        &mut self,
        direction: Direction,
        len: u64,
        p: &mut Packet<'_>,
        counters: &mut StreamCounters,
    ) {
        p.events.push(StreamEvent::ReassemblySeqGap.code());
        counters.tcp.reassembly_gap += 1;
        self.flags.liberal = true;
        let stream = self.stream_mut(direction);
        stream.note_gap();
        stream.app_consume(len);
    }

    /// Stops the application layer of both directions.
    pub fn app_stop(&mut self) {
        self.streams.iter_mut().for_each(Stream::app_stop);
    }

    /// Frees the data of `direction` that nobody needs any more.
    #[inline]
    pub fn prune(
        &mut self,
        direction: Direction,
        settings: &StreamSettings,
        counters: &mut StreamCounters,
    ) {
        let compares = settings.check_overlap_different_data || settings.inline;
        self.stream_mut(direction).prune(compares, counters);
    }

    /// Frees all data: the flow is bypassed or no longer inspected.
    pub fn drop_data(&mut self, counters: &mut StreamCounters) {
        for stream in &mut self.streams {
            stream.app_stop();
            stream.flags.raw_stopping = true;
            stream.flags.raw_stopped = true;
            stream.flags.no_reassembly = true;
            stream.drop_data(counters);
        }
    }

    /// Swaps the directions.
    pub(crate) fn reverse(&mut self) {
        self.streams.swap(0, 1);
        let [client, server] = &mut self.streams;
        std::mem::swap(&mut client.chunk_size, &mut server.chunk_size);
    }

    /// True if a SYN (or SYN/ACK) with `seq` in `direction` begins another session.
    pub(crate) fn is_reusable_by(&self, seq: u32, direction: Direction, with_ack: bool) -> bool {
        let over = self.state >= TcpState::LastAck || self.state == TcpState::None;
        let isn = self.stream(direction).isn;
        match (direction, with_ack) {
            (Direction::ToServer, false) => self.flags.fast_open_ignored || (over && seq != isn),
            (Direction::ToClient, true) => over && seq != isn,
            (Direction::ToClient, false) | (Direction::ToServer, true) => over,
        }
    }

    /// Prepares a used or new session.
    pub(crate) fn reset(&mut self, settings: &StreamSettings) {
        self.state = TcpState::None;
        self.before_reset = TcpState::None;
        self.flags = SessionFlags::default();
        self.packet_flags = 0;
        self.syn = Handshake::default();
        self.queue.clear();
        for (at, stream) in self.streams.iter_mut().enumerate() {
            stream.reset(settings, at);
        }
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self, counters: &mut StreamCounters) {
        self.queue = Vec::new();
        for stream in &mut self.streams {
            stream.release(counters);
        }
    }

    /// The sender's stream, then the receiver's.
    #[inline]
    pub(crate) fn pair(&mut self, direction: Direction) -> (&mut Stream, &mut Stream) {
        let [client, server] = &mut self.streams;
        match direction {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        }
    }

    /// The sender's stream.
    #[inline]
    pub(crate) fn own(&mut self, ctx: &Context<'_, '_>) -> &mut Stream {
        self.stream_mut(ctx.direction)
    }

    /// The receiver's stream.
    #[inline]
    pub(crate) fn peer(&mut self, ctx: &Context<'_, '_>) -> &mut Stream {
        self.stream_mut(ctx.direction.opposite())
    }

    /// How the packet's receiver behaves; looked up once a direction.
    pub(crate) fn receiver_os(&mut self, ctx: &Context<'_, '_>) -> OsPolicy {
        *self.own(ctx).os.get_or_insert_with(|| ctx.os_of_receiver())
    }

    /// Adds the packet's flags to those seen.
    #[inline]
    pub(crate) fn note_flags(&mut self, ctx: &Context<'_, '_>) {
        self.packet_flags |= ctx.tcp.flags;
        self.own(ctx).tcp_flags |= ctx.tcp.flags;
        if self.flags.asynchronous && self.streams.iter().all(|stream| stream.tcp_flags != 0) {
            self.flags.asynchronous = false;
        }
    }

    /// Keeps the packet's data.
    #[inline]
    pub(crate) fn reassemble(&mut self, ctx: &mut Context<'_, '_>) {
        if ctx.len > 0 && !ctx.has(Tcp::RST) {
            self.reassemble_data(ctx);
        }
    }

    fn reassemble_data(&mut self, ctx: &mut Context<'_, '_>) {
        if self.flags.asynchronous {
            // No acknowledgement will be seen: what is sent counts as received.
            let end = ctx.data_seq().wrapping_add(ctx.len);
            self.own(ctx).update_last_ack(end);
        }
        let own = &mut self.streams[ctx.direction.index()];
        if own.flags.no_reassembly || (own.flags.app_stopped && own.flags.raw_stopping) {
            return;
        }
        if own.os.is_none() {
            own.os = Some(ctx.os_of_receiver());
        }
        let urgent = ctx.has(Tcp::URG)
            && ctx.tcp.urgent > 0
            && u32::from(ctx.tcp.urgent) <= ctx.len
            && ctx.settings.urgent != UrgentPolicy::Inline;
        let data = Data { seq: ctx.data_seq(), bytes: ctx.packet.payload(), urgent };
        let done = own.insert(data, ctx.settings, ctx.counters);
        ctx.added = done.added;
        if done.depth {
            ctx.event(StreamEvent::ReassemblyDepthReached);
            ctx.counters.tcp.stream_depth_reached += 1;
        }
        if done.urgent_limit {
            ctx.event(StreamEvent::ReassemblyUrgentOobLimitReached);
        }
        if done.urgent_drop {
            ctx.dropped = Some(DropReason::StreamUrgent);
        }
        if done.differs {
            ctx.event(StreamEvent::ReassemblyOverlapDifferentData);
            if ctx.settings.inline {
                let own = &self.streams[ctx.direction.index()];
                ctx.replaced = super::replace::replace(ctx, own);
            }
        }
        if let Some(error) = done.failed {
            self.lost(ctx, error);
        }
    }

    /// Data could not be kept.
    fn lost(&mut self, ctx: &mut Context<'_, '_>, error: InsertError) {
        self.flags.liberal = true;
        ctx.event(match error {
            InsertError::Memory => StreamEvent::ReassemblyInsertMemcap,
            InsertError::Limit => StreamEvent::ReassemblyInsertLimit,
        });
        ctx.hit(Target::StreamReassemblyMemcap, ctx.settings.reassembly_memcap_policy);
    }
}
