//! The flow table: finds, makes, times out and ends flows.
//!
//! Rows are cache lines of eight tags; flows lie in a slab and never move. Time-outs are found
//! by a lazy timer wheel that runs on packet time.

mod bucket;
mod emergency;
mod slab;
#[cfg(test)]
mod tests;
mod wheel;

use decode::{Direction, Packet, Tcp, Timestamp, Transport};

use crate::counters::FlowCounters;
use crate::entry::{EndReason, Flow, FlowState, Offloaded};
use crate::key::{FlowKey, TCP};
use crate::prefetch;
use crate::rate::Rate;
use crate::settings::FlowSettings;
use crate::tcp::TcpSession;
use bucket::Buckets;
use emergency::Emergency;
pub use slab::FlowId;
use slab::Slab;
use wheel::{HORIZON, Wheel};

/// Bytes of a flow that a look-up reads and changes: addresses, ports, counters.
const LOOKED_UP: usize = 128;

/// Entries of the wheel looked at in one call of [`FlowTable::expire`].
const CHECKS: usize = 256;

/// What looking up a packet's flow came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The flow was there.
    Found(FlowId, Direction),
    /// The packet made it.
    Created(FlowId, Direction),
    /// It could not be made: out of memory, and counted.
    Refused,
    /// Such a packet does not make a flow and there is none that it belongs to.
    Missing,
}

/// The key of a packet's flow and its hash, made once for a look-up and what is fetched ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    key: FlowKey,
    hash: u32,
}

/// All flows of a worker.
#[derive(Debug)]
pub struct FlowTable<X> {
    settings: FlowSettings,
    seed: u64,
    buckets: Buckets,
    slab: Slab<X>,
    wheel: Wheel,
    emergency: Emergency,
    counters: FlowCounters,
    /// The flow looked up last and its state then: a change asks for another time-out.
    pending: Option<(FlowId, FlowState)>,
    /// Flows in the slab, ended ones that wait for removal included.
    held: usize,
    /// Of these, ended ones.
    waiting: usize,
    most: usize,
    /// Shortest time-out of all, microseconds.
    shortest: u64,
    serial: u64,
    /// Row at which the next search for room starts.
    victim_row: u32,
    /// Place at which the last sweep stopped.
    sweep_place: usize,
}

impl<X: Default> FlowTable<X> {
    /// An empty table. `seed` makes hashes and flow numbers unpredictable.
    pub fn new(settings: FlowSettings, seed: u64) -> Self {
        let each = size_of::<Flow<X>>() as u64 + 16;
        let most = usize::try_from(settings.memcap / each).unwrap_or(usize::MAX);
        let most = most.clamp(1, u32::MAX as usize / 2);
        let shortest = u64::from(settings.timeouts.shortest()) * 1_000_000;
        let buckets = Buckets::new(most, settings.hash_size as usize);
        let slab = Slab::new(most.min(settings.prealloc as usize));
        let counters = FlowCounters { memuse: buckets.bytes(), ..FlowCounters::default() };
        Self {
            settings,
            seed,
            buckets,
            slab,
            wheel: Wheel::new(),
            emergency: Emergency::default(),
            counters,
            pending: None,
            held: 0,
            waiting: 0,
            most,
            shortest,
            serial: 0,
            victim_row: 0,
            sweep_place: 0,
        }
    }

    /// The packet's key and its hash; none if such packets have no flow.
    #[inline]
    pub fn hash(&self, p: &Packet<'_>) -> Option<Hashed> {
        let key = FlowKey::of(p)?;
        Some(Hashed { hash: key.hash(self.seed, &self.settings), key })
    }

    /// Starts fetching the bucket of `hash`, so that a look-up soon after finds it in cache.
    #[inline]
    pub fn prefetch(&self, hashed: Hashed) {
        self.buckets.prefetch(hashed.hash);
    }

    /// Starts fetching what a look-up reads of the flow that `hash` most likely leads to; its
    /// bucket should be there. All that a packet touches would be more than fits.
    #[inline]
    pub fn prefetch_flow(&self, hashed: Hashed) {
        if let Some(place) = self.buckets.likely(hashed.hash) {
            prefetch::first(self.slab.get(FlowId(place)), LOOKED_UP);
        }
    }

    /// Finds or makes the flow of `p` and counts the packet on it.
    ///
    /// A flow that was found but had timed out, or whose TCP session is replaced by a new one,
    /// is added to `ended`; it stays readable until [`FlowTable::remove`].
    pub fn lookup(
        &mut self,
        p: &Packet<'_>,
        hashed: Hashed,
        ended: &mut impl Extend<(FlowId, EndReason)>,
    ) -> Lookup {
        self.settle_pending(p.timestamp);
        let Hashed { key, hash } = hashed;
        let (slab, settings) = (&self.slab, &self.settings);
        let found = self.buckets.find(hash, |at| key.matches(slab.get(FlowId(at)), settings));
        if let Some(id) = found.map(FlowId) {
            let flow = self.slab.get(id);
            let direction = key.direction(p.src, flow);
            match self.ends_by(flow, p, direction, key.embedded) {
                None => {
                    self.pending = Some((id, flow.state));
                    self.count_packet(id, p, direction, key.embedded);
                    return Lookup::Found(id, direction);
                }
                Some(_) if key.embedded => return Lookup::Missing,
                Some(reason) => self.end(id, reason, ended),
            }
        }
        if key.embedded || self.emergency_refuses(p) {
            return Lookup::Missing;
        }
        if self.held >= self.most && !self.make_room(p.timestamp, ended) {
            self.counters.memcap += 1;
            return Lookup::Refused;
        }
        let id = self.create(p, &key, hash);
        self.count_packet(id, p, Direction::ToServer, false);
        self.pending = Some((id, self.slab.get(id).state));
        Lookup::Created(id, Direction::ToServer)
    }

    /// The flow at `id`.
    pub fn get(&self, id: FlowId) -> &Flow<X> {
        self.slab.get(id)
    }

    /// The flow at `id`, to change it.
    pub fn get_mut(&mut self, id: FlowId) -> &mut Flow<X> {
        self.slab.get_mut(id)
    }

    /// Ends at most `max` flows that have timed out at `now`.
    pub fn expire(
        &mut self,
        now: Timestamp,
        max: usize,
        ended: &mut impl Extend<(FlowId, EndReason)>,
    ) {
        self.settle_pending(now);
        if !self.wheel.has_due(now.seconds()) && !self.emergency.is_on() {
            return;
        }
        let mut left = max;
        for _ in 0..CHECKS {
            if left == 0 {
                break;
            }
            let Some(entry) = self.wheel.next_due(now.seconds()) else { break };
            let id = FlowId(entry.place);
            let flow = self.slab.get(id);
            if flow.ended || flow.due != entry.due {
                continue;
            }
            self.counters.mgr_flows_checked += 1;
            if self.is_expired(flow, now) {
                self.counters.mgr_flows_timeout += 1;
                self.counters.mgr_flows_evicted += 1;
                self.end(id, EndReason::Timeout, ended);
                left -= 1;
            } else {
                self.counters.mgr_flows_notimeout += 1;
                self.schedule(id, now);
            }
        }
        if self.emergency.is_on() {
            self.sweep(now, left, ended);
        }
        self.counters.mgr_rows_maxlen = self.wheel.fullest;
        self.counters.mgr_full_hash_pass = self.wheel.turns;
        let (spare, recovery) =
            (self.most.saturating_sub(self.held), self.settings.emergency_recovery);
        if self.emergency.check(spare, self.most, recovery, now.seconds()) {
            self.counters.emerg_mode_over += 1;
        }
    }

    /// When an ended flow ended: at its time-out, or now.
    pub fn end_time(&self, id: FlowId, reason: EndReason, now: Timestamp) -> Timestamp {
        let flow = self.slab.get(id);
        match reason {
            EndReason::Timeout => Timestamp(flow.last.0 + self.timeout(flow) * 1_000_000),
            _ => now,
        }
    }

    /// Ends all flows, in the order of their start: those that timed out before `now`, then the
    /// others by shutdown.
    pub fn drain(&mut self, now: Timestamp, ended: &mut impl Extend<(FlowId, EndReason)>) {
        self.pending = None;
        let mut ids: Vec<(Timestamp, u64, FlowId)> =
            self.slab.live().map(|(id, flow)| (flow.start, flow.serial, id)).collect();
        ids.sort_unstable();
        for (_, _, id) in ids {
            let timed_out = self.is_expired(self.slab.get(id), now);
            let reason = if timed_out { EndReason::Timeout } else { EndReason::Shutdown };
            self.end(id, reason, ended);
        }
    }

    /// Forgets a flow that ended. What it held of TCP is handed back, for
    /// [`crate::StreamCounters::recycle`].
    #[must_use = "give the session to StreamCounters::recycle, its memory is accounted there"]
    pub fn remove(&mut self, id: FlowId) -> Option<Box<TcpSession>> {
        let flow = self.slab.get_mut(id);
        let session = flow.tcp.take();
        let states = session.as_ref().map(|session| (session.state(), session.is_liberal()));
        let offloaded = flow.offloaded == Offloaded::Yes;
        self.counters.ended(flow.state, offloaded, states);
        let (hash, was_ended) = (flow.hash, flow.ended);
        if was_ended {
            self.waiting = self.waiting.saturating_sub(1);
        } else {
            self.buckets.remove(hash, id.0);
        }
        if self.pending.is_some_and(|(pending, _)| pending == id) {
            self.pending = None;
        }
        self.slab.put_back(id);
        self.held = self.held.saturating_sub(1);
        self.counters.active = self.counters.active.saturating_sub(1);
        self.counters.recycler_recycled += 1;
        self.update_memory();
        session
    }

    /// A flow that had timed out goes on: the capture saw packets of it, the last at `last`.
    /// False if another flow has taken its place meanwhile.
    pub fn revive(&mut self, id: FlowId, last: Timestamp) -> bool {
        let flow = self.slab.get(id);
        let same = |at: u32| {
            let other = self.slab.get(FlowId(at));
            other.proto == flow.proto
                && (other.client_port, other.server_port) == (flow.client_port, flow.server_port)
                && (other.client, other.server) == (flow.client, flow.server)
        };
        if !flow.ended || self.buckets.find(flow.hash, same).is_some() {
            return false;
        }
        let hash = flow.hash;
        let flow = self.slab.get_mut(id);
        flow.ended = false;
        flow.last = flow.last.max(last);
        self.buckets.insert(hash, id.0);
        self.waiting = self.waiting.saturating_sub(1);
        self.schedule(id, last);
        true
    }

    /// The capture kept so many packets and bytes of a flow to itself, which now ends.
    pub fn count_passed_by(&mut self, packets: u64, bytes: u64) {
        self.counters.bypassed_closed += 1;
        self.counters.bypassed_pkts += packets;
        self.counters.bypassed_bytes += bytes;
    }

    /// Whether the flow would have timed out at `now` had its last packet come at `last`.
    pub fn is_idle_since(&self, id: FlowId, last: Timestamp, now: Timestamp) -> bool {
        now.since_us(last) >= self.timeout(self.slab.get(id)) * 1_000_000 && now >= last
    }

    /// Swaps client and server of a flow with everything counted by direction.
    pub fn reverse(&mut self, id: FlowId) {
        self.slab.get_mut(id).reverse();
    }

    /// What was counted so far.
    pub fn counters(&self) -> &FlowCounters {
        &self.counters
    }

    /// Every flow that has not ended, in no particular order.
    pub fn live(&self) -> impl Iterator<Item = (FlowId, &Flow<X>)> {
        self.slab.live()
    }

    /// Number of flows that have not ended.
    pub fn len(&self) -> usize {
        self.held - self.waiting
    }

    /// True if there is no flow.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why the packet does not continue the flow it was found to belong to, if so.
    fn ends_by(
        &self,
        flow: &Flow<X>,
        p: &Packet<'_>,
        direction: Direction,
        embedded: bool,
    ) -> Option<EndReason> {
        if self.is_expired(flow, p.timestamp) {
            return Some(EndReason::Timeout);
        }
        let tcp = p.tcp().filter(|_| !embedded)?;
        self.is_reused(flow, tcp, direction).then_some(EndReason::TcpReuse)
    }

    /// True if `tcp` starts a new session where an old one was.
    fn is_reused(&self, flow: &Flow<X>, tcp: &Tcp, direction: Direction) -> bool {
        if !tcp.has(Tcp::SYN) || tcp.has(Tcp::RST | Tcp::FIN) {
            return false;
        }
        let with_ack = tcp.has(Tcp::ACK);
        if with_ack && !self.settings.midstream && !self.settings.async_oneside {
            return false;
        }
        match &flow.tcp {
            None => !with_ack,
            Some(session) => session.is_reusable_by(tcp.seq, direction, with_ack),
        }
    }

    #[inline]
    fn is_expired(&self, flow: &Flow<X>, now: Timestamp) -> bool {
        // Most packets come sooner than any time-out.
        let idle = now.since_us(flow.last);
        idle >= self.shortest && now >= flow.last && idle >= self.timeout(flow) * 1_000_000
    }

    /// Seconds of idleness that end the flow.
    fn timeout(&self, flow: &Flow<X>) -> u64 {
        let emergency = self.emergency.is_on();
        u64::from(self.settings.timeouts.of(flow.proto, flow.state, emergency))
    }

    /// In an emergency with pick-up only the first packet of a session makes a flow.
    fn emergency_refuses(&self, p: &Packet<'_>) -> bool {
        let pure_syn = |tcp: &Tcp| tcp.has(Tcp::SYN) && !tcp.has(Tcp::ACK | Tcp::RST | Tcp::FIN);
        self.emergency.is_on()
            && self.settings.midstream
            && p.proto == TCP
            && !p.tcp().is_some_and(pure_syn)
    }

    fn create(&mut self, p: &Packet<'_>, key: &FlowKey, hash: u32) -> FlowId {
        let id = self.slab.take();
        let serial = self.serial;
        self.serial += 1;
        let rate = self.settings.rate_tracking.map(|it| Box::new(Rate::new(it, p.timestamp)));
        let flow = self.slab.get_mut(id);
        flow.hash = hash;
        flow.client = key.src;
        flow.server = key.dst;
        flow.client_port = key.src_port;
        flow.server_port = key.dst_port;
        flow.proto = key.proto;
        flow.recursion_level = key.recursion_level;
        flow.vlan = key.vlan;
        flow.input = key.input;
        flow.icmp = p.icmp().map(|icmp| (icmp.kind, icmp.code));
        flow.start = p.timestamp;
        flow.last = p.timestamp;
        flow.serial = serial;
        flow.id = number(p.timestamp, hash);
        flow.rate = rate;
        flow.macs = None;
        self.held += 1;
        self.buckets.insert(hash, id.0);
        self.counters.made(key.proto);
        self.update_memory();
        self.schedule(id, p.timestamp);
        id
    }

    /// Counts a packet on its flow.
    #[inline]
    fn count_packet(&mut self, id: FlowId, p: &Packet<'_>, direction: Direction, embedded: bool) {
        let flow = self.slab.get_mut(id);
        let (at, bytes) = (direction.index(), p.bytes.len() as u64);
        flow.packets[at] += 1;
        flow.bytes[at] += bytes;
        flow.last = flow.last.max(p.timestamp);
        let (low, high) = flow.ttl[at];
        flow.ttl[at] =
            if flow.packets[at] == 1 { (p.ttl, p.ttl) } else { (low.min(p.ttl), high.max(p.ttl)) };
        let plain = matches!(p.transport, Transport::Tcp(_))
            && flow.state != FlowState::Bypassed
            && self.settings.rate_tracking.is_none();
        if !plain {
            self.count_more(id, p, direction, embedded);
        }
    }

    /// What only some packets and flows need.
    fn count_more(&mut self, id: FlowId, p: &Packet<'_>, direction: Direction, embedded: bool) {
        let rate_tracking = self.settings.rate_tracking;
        let flow = self.slab.get_mut(id);
        let bytes = p.bytes.len() as u64;
        let replies = direction == Direction::ToClient && !embedded;
        if flow.state == FlowState::Bypassed && flow.offloaded == Offloaded::Yes {
            self.counters.bypassed_local_capture_pkts += 1;
            self.counters.bypassed_local_capture_bytes += bytes;
        } else if flow.state == FlowState::Bypassed {
            self.counters.bypassed_local_pkts += 1;
            self.counters.bypassed_local_bytes += bytes;
        } else if flow.state == FlowState::New
            && replies
            && !matches!(p.transport, Transport::Tcp(_))
        {
            flow.state = FlowState::Established;
        }
        if replies && flow.icmp_response.is_none() {
            flow.icmp_response = p.icmp().map(|icmp| (icmp.kind, icmp.code));
        }
        if let (Some(tracking), Some(rate)) = (rate_tracking, &mut flow.rate)
            && rate.add(tracking, direction, p.timestamp, bytes)
            && !flow.elephant
        {
            flow.elephant = true;
            self.counters.elephant += 1;
        }
    }

    /// Takes a flow out of the table; it stays in the slab until it is removed.
    fn end(&mut self, id: FlowId, reason: EndReason, ended: &mut impl Extend<(FlowId, EndReason)>) {
        let flow = self.slab.get_mut(id);
        if flow.ended {
            return;
        }
        flow.ended = true;
        let hash = flow.hash;
        self.buckets.remove(hash, id.0);
        self.waiting += 1;
        let waiting = self.waiting as u64;
        self.counters.recycler_queue_max = self.counters.recycler_queue_max.max(waiting);
        self.counters.tcp_reuse += u64::from(reason == EndReason::TcpReuse);
        if self.pending.is_some_and(|(pending, _)| pending == id) {
            self.pending = None;
        }
        ended.extend([(id, reason)]);
    }

    /// Enters the flow into the wheel for its time-out, or for a look before that.
    fn schedule(&mut self, id: FlowId, now: Timestamp) {
        let deadline = self.deadline(id);
        let due = deadline.min(now.seconds() + HORIZON);
        let entered = self.wheel.enter(id.0, due, now.seconds());
        self.slab.get_mut(id).due = entered;
    }

    /// The second in which the flow times out if no packet comes.
    fn deadline(&self, id: FlowId) -> u64 {
        let flow = self.slab.get(id);
        (flow.last.0.saturating_add(self.timeout(flow) * 1_000_000)).div_ceil(1_000_000)
    }

    /// The flow looked up last may have changed its state since, and with that its time-out.
    #[inline]
    fn settle_pending(&mut self, now: Timestamp) {
        if let Some((id, state)) = self.pending.take()
            && self.slab.get(id).state != state
        {
            self.reschedule(id, now);
        }
    }

    /// Enters the flow again if it now times out before it is due to be looked at.
    fn reschedule(&mut self, id: FlowId, now: Timestamp) {
        let flow = self.slab.get(id);
        if !flow.ended && self.deadline(id) < u64::from(flow.due) {
            self.schedule(id, now);
        }
    }

    fn update_memory(&mut self) {
        let each = size_of::<Flow<X>>() as u64;
        self.counters.memuse = self.buckets.bytes() + self.held as u64 * each;
        self.counters.spare = self.slab.spare() as u64;
    }
}

/// The flow number for EVE, as Suricata 8 makes it: start time and hash in 51 bits. It does not
/// depend on which worker has the flow.
const fn number(start: Timestamp, hash: u32) -> u64 {
    let time = (start.seconds() & 0xffff) << 48 | (start.subsecond_us() as u64 & 0xffff) << 32;
    (time | hash as u64) & ((1 << 51) - 1)
}
