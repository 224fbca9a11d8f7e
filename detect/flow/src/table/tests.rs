//! Tests of the table: against a map, and of what ends a flow.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use decode::{Direction, Icmp, IpHeader, Packet, Tcp, Timestamp, Transport, Udp};
use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::settings::RateTracking;
use crate::tcp::{StreamCounters, StreamSettings, track};

fn host(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
}

fn packet(proto: u8, from: (u8, u16), to: (u8, u16), second: u64) -> Packet<'static> {
    let mut p = Packet::new(vec![0; 60].into(), Timestamp::from_seconds(second), 1, 1);
    p.src = host(from.0);
    p.dst = host(to.0);
    p.src_port = from.1;
    p.dst_port = to.1;
    p.proto = proto;
    p.ttl = 64;
    p.ip = IpHeader::V4 { header_len: 20, total_len: 40, tos: 0, id: 0, fragment: 0, options: 0 };
    p.transport = match proto {
        1 => Transport::Icmp4(Icmp::default()),
        17 => Transport::Udp(Udp::default()),
        50 => Transport::Esp { spi: 7 },
        _ => Transport::None,
    };
    p.flags.wants_flow = true;
    p.flags.ignore_checksum = true;
    p
}

fn tcp(mut p: Packet<'static>, flags: u8, seq: u32, ack: u32) -> Packet<'static> {
    p.transport = Transport::Tcp(Tcp { flags, seq, ack, window: 8192, ..Tcp::default() });
    p
}

/// A table and what goes with it.
struct Bench {
    table: FlowTable<()>,
    ended: Vec<(FlowId, EndReason)>,
    settings: StreamSettings,
    streams: StreamCounters,
}

impl Bench {
    fn new(settings: FlowSettings) -> Self {
        Self {
            table: FlowTable::new(settings, 42),
            ended: Vec::new(),
            settings: StreamSettings::default(),
            streams: StreamCounters::default(),
        }
    }

    fn send(&mut self, mut p: Packet<'static>) -> Lookup {
        let Some(hash) = self.table.hash(&p) else { return Lookup::Missing };
        self.table.prefetch(hash);
        let lookup = self.table.lookup(&p, hash, &mut self.ended);
        if let Lookup::Found(id, direction) | Lookup::Created(id, direction) = lookup {
            let flow = self.table.get_mut(id);
            let done = track(flow, &mut p, direction, &self.settings, &mut self.streams);
            if done.reverse {
                self.table.reverse(id);
            }
        }
        lookup
    }

    fn id(&mut self, p: Packet<'static>) -> (FlowId, Direction, bool) {
        match self.send(p) {
            Lookup::Found(id, direction) => (id, direction, false),
            Lookup::Created(id, direction) => (id, direction, true),
            other => panic!("{other:?}"),
        }
    }

    fn reasons(&mut self) -> Vec<EndReason> {
        let ended = std::mem::take(&mut self.ended);
        for (id, _) in &ended {
            let session = self.table.remove(*id);
            self.streams.recycle(session);
        }
        ended.into_iter().map(|(_, reason)| reason).collect()
    }
}

proptest! {
    /// Hosts, ports and steps of time at random: the same packets are in the same flows as in a
    /// map, and each flow ends once.
    #[test]
    fn the_table_behaves_as_a_map(
        work in prop::collection::vec((1u8..4, 1u16..4, 1u8..4, 1u16..4, 0u64..200), 1..300),
    ) {
        let mut bench = Bench::new(FlowSettings { hash_size: 16, ..FlowSettings::default() });
        let mut model: HashMap<_, (u64, u64, u64)> = HashMap::new();
        let (mut now, mut made, mut ended) = (1_000_000, 0, 0);
        for (a, pa, b, pb, step) in work {
            now += step / 4;
            let p = packet(17, (a, pa), (b, pb), now);
            let key = if (a, pa) < (b, pb) { (a, pa, b, pb) } else { (b, pb, a, pa) };
            let (id, direction, created) = bench.id(p);
            let entry = model.get(&key).copied();
            let both = |packets: u64, other: u64| if packets > 0 && other > 0 { 300 } else { 30 };
            let alive = entry.filter(|(last, there, back)| now < last + both(*there, *back));
            prop_assert_eq!(created, alive.is_none());
            made += u64::from(created);
            let (_, mut there, mut back) = alive.unwrap_or((now, 0, 0));
            if direction == Direction::ToServer { there += 1 } else { back += 1 }
            model.insert(key, (now, there, back));
            prop_assert_eq!(bench.table.get(id).packets, [there, back]);
            bench.table.expire(Timestamp::from_seconds(now), 2, &mut bench.ended);
            ended += bench.reasons().len() as u64;
            prop_assert_eq!(bench.table.len() as u64, made - ended);
        }
        bench.table.drain(Timestamp::default(), &mut bench.ended);
        let starts: Vec<_> = bench.ended.iter().map(|(id, _)| bench.table.get(*id).start).collect();
        prop_assert!(starts.is_sorted());
        ended += bench.reasons().len() as u64;
        prop_assert_eq!(made, ended);
        prop_assert_eq!(bench.table.counters().active, 0);
        prop_assert!(bench.table.is_empty());
    }

    /// With time passing in small steps, flows end in the second after their time-out.
    #[test]
    fn the_wheel_misses_nobody(starts in prop::collection::vec(0u64..400, 1..40)) {
        let mut bench = Bench::new(FlowSettings::default());
        let mut sorted = starts;
        sorted.sort_unstable();
        let mut due = HashMap::new();
        let mut next = sorted.into_iter().enumerate().peekable();
        for now in 0..=500 {
            while let Some((number, _)) = next.next_if(|(_, start)| *start == now) {
                let (id, ..) = bench.id(packet(17, (1, number as u16), (2, 53), now));
                due.insert(id, now + 30);
            }
            bench.table.expire(Timestamp::from_seconds(now), 1000, &mut bench.ended);
            for (id, reason) in std::mem::take(&mut bench.ended) {
                prop_assert_eq!(reason, EndReason::Timeout);
                prop_assert_eq!(due.remove(&id), Some(now));
                prop_assert!(bench.table.remove(id).is_none());
            }
        }
        prop_assert!(due.is_empty());
    }
}

#[test]
fn directions_follow_port_or_address() {
    let mut bench = Bench::new(FlowSettings::default());
    let check = |bench: &mut Bench, p, direction, created| {
        let (_, found, made) = bench.id(p);
        assert_eq!((found, made), (direction, created));
    };
    use Direction::{ToClient, ToServer};
    check(&mut bench, packet(17, (1, 9), (2, 53), 1), ToServer, true);
    check(&mut bench, packet(17, (2, 53), (1, 9), 1), ToClient, false);
    check(&mut bench, packet(17, (1, 123), (2, 123), 1), ToServer, true);
    check(&mut bench, packet(17, (2, 123), (1, 123), 1), ToClient, false);
    check(&mut bench, packet(50, (1, 0), (2, 0), 1), ToServer, true);
    check(&mut bench, packet(50, (2, 0), (1, 0), 1), ToServer, true);
    check(&mut bench, packet(4, (1, 0), (2, 0), 1), ToServer, true);
    check(&mut bench, packet(4, (2, 0), (1, 0), 1), ToServer, false);
}

#[test]
fn pings_are_one_flow_and_unreachable_belongs_to_what_it_is_about() {
    let icmp = |from, to, kind, embedded| {
        let mut p = packet(1, (from, 0), (to, 0), 1);
        p.transport = Transport::Icmp4(Icmp { kind, embedded, ..Icmp::default() });
        p
    };
    let mut bench = Bench::new(FlowSettings::default());
    let (ping, ..) = bench.id(icmp(1, 2, 8, None));
    assert_eq!(bench.id(icmp(2, 1, 0, None)), (ping, Direction::ToClient, false));
    assert_eq!(bench.table.get(ping).state, FlowState::Established);
    assert_eq!(bench.table.get(ping).icmp_response, Some((0, 0)));
    assert_eq!(bench.send(icmp(2, 1, 11, None)), Lookup::Missing);

    let (about, ..) = bench.id(packet(17, (1, 9), (2, 53), 1));
    let embedded =
        decode::packet::Embedded { src: host(1), dst: host(2), proto: 17, ports: Some((9, 53)) };
    let found = bench.id(icmp(2, 1, 3, Some(embedded)));
    assert_eq!(found, (about, Direction::ToClient, false));
    assert_eq!(bench.table.get(about).state, FlowState::New, "no reply of its own kind");
    let other = decode::packet::Embedded { ports: Some((10, 53)), ..embedded };
    assert_eq!(bench.send(icmp(2, 1, 3, Some(other))), Lookup::Missing);
}

#[test]
fn a_new_session_replaces_an_old_one() {
    let there = |flags, seq, ack| tcp(packet(6, (1, 9), (2, 80), 1), flags, seq, ack);
    let back = |flags, seq, ack| tcp(packet(6, (2, 80), (1, 9), 1), flags, seq, ack);
    let begun = || {
        let mut bench = Bench::new(FlowSettings::default());
        bench.send(there(Tcp::SYN, 100, 0));
        bench.send(back(Tcp::SYN | Tcp::ACK, 500, 101));
        bench.send(there(Tcp::ACK, 101, 501));
        bench
    };
    let mut bench = begun();
    bench.send(there(Tcp::SYN, 999, 0));
    assert_eq!(bench.reasons(), [], "established ones stay");
    bench.send(there(Tcp::FIN | Tcp::ACK, 101, 501));
    bench.send(there(Tcp::SYN, 100, 0));
    assert_eq!(bench.reasons(), [], "the same session again");
    let (_, _, created) = bench.id(there(Tcp::SYN, 999, 0));
    assert!(created);
    assert_eq!(bench.reasons(), [EndReason::TcpReuse]);
    assert_eq!(bench.table.counters().tcp_reuse, 1);

    let mut bench = begun();
    bench.send(there(Tcp::RST, 101, 0));
    bench.send(back(Tcp::SYN, 7, 0));
    assert_eq!(bench.reasons(), [EndReason::TcpReuse], "the other way round");

    let mut bench = Bench::new(FlowSettings::default());
    bench.send(there(Tcp::ACK, 101, 501));
    bench.send(there(Tcp::SYN, 100, 0));
    assert_eq!(bench.reasons(), [EndReason::TcpReuse], "without a session before");
}

#[test]
fn closed_sessions_end_sooner() {
    let mut bench = Bench::new(FlowSettings::default());
    bench.send(tcp(packet(6, (1, 9), (2, 80), 1), Tcp::SYN, 100, 0));
    bench.send(tcp(packet(6, (2, 80), (1, 9), 1), Tcp::RST | Tcp::ACK, 0, 101));
    let ends = |bench: &mut Bench, second| {
        bench.table.expire(Timestamp::from_seconds(second), 2, &mut bench.ended);
        bench.reasons()
    };
    assert_eq!(ends(&mut bench, 10), []);
    assert_eq!(ends(&mut bench, 11), [EndReason::Timeout]);
    assert_eq!(bench.table.counters().end_state_closed, 1);
    assert_eq!(bench.table.counters().end_tcp_closed, 1);
}

#[test]
fn memory_is_limited_and_idle_flows_make_room() {
    let each = size_of::<Flow<()>>() as u64 + 16;
    let settings = FlowSettings { memcap: 4 * each, prealloc: 0, ..FlowSettings::default() };
    let mut bench = Bench::new(settings);
    for port in 1..=4 {
        assert!(bench.id(packet(17, (1, port), (2, 53), 10)).2);
    }
    assert_eq!(bench.send(packet(17, (1, 5), (2, 53), 10)), Lookup::Refused);
    assert_eq!(bench.table.counters().memcap, 1);
    assert_eq!(bench.table.counters().emerg_mode_entered, 1);
    let refused =
        (0..500).filter(|_| bench.send(packet(17, (1, 6), (2, 53), 12)) == Lookup::Refused);
    assert!(refused.count() < 500, "a flow idle for two seconds goes");
    assert_eq!(bench.reasons(), [EndReason::Forced]);
    assert_eq!(bench.table.counters().get_used, 1);
}

#[test]
fn emergency_mode_ends_when_enough_is_spare() {
    let each = size_of::<Flow<()>>() as u64 + 16;
    let mut bench = Bench::new(FlowSettings { memcap: 2 * each, ..FlowSettings::default() });
    for port in 1..=3 {
        bench.send(packet(17, (1, port), (2, 53), 10));
    }
    for second in 10..60 {
        bench.table.expire(Timestamp::from_seconds(second), 2, &mut bench.ended);
        bench.reasons();
    }
    assert_eq!(bench.table.counters().emerg_mode_over, 1);
}

#[test]
fn elephants_and_bypassed_flows_are_counted() {
    let rate_tracking = Some(RateTracking { bytes: 150, interval: 10 });
    let mut bench = Bench::new(FlowSettings { rate_tracking, ..FlowSettings::default() });
    let (id, ..) = bench.id(packet(17, (1, 9), (2, 53), 1));
    bench.id(packet(17, (1, 9), (2, 53), 2));
    assert!(!bench.table.get(id).elephant);
    bench.id(packet(17, (1, 9), (2, 53), 3));
    assert!(bench.table.get(id).elephant);
    bench.table.get_mut(id).state = FlowState::Bypassed;
    bench.id(packet(17, (2, 53), (1, 9), 4));
    assert_eq!(bench.table.get(id).packets, [3, 1]);
    let counters = bench.table.counters();
    assert_eq!((counters.bypassed_local_pkts, counters.bypassed_local_bytes), (1, 60));
}

#[test]
fn reversing_swaps_everything() {
    let mut bench = Bench::new(FlowSettings::default());
    bench.settings.midstream = true;
    bench.settings.midstream_policy = Policy::Ignore;
    let synack = tcp(packet(6, (2, 80), (1, 9), 1), Tcp::SYN | Tcp::ACK, 500, 101);
    let (id, direction, _) = bench.id(synack);
    assert_eq!(direction, Direction::ToServer);
    let flow = bench.table.get(id);
    assert_eq!((flow.client, flow.client_port, flow.server_port), (host(1), 9, 80));
    assert_eq!(flow.packets, [0, 1]);
    let (_, direction, _) = bench.id(tcp(packet(6, (1, 9), (2, 80), 1), Tcp::ACK, 101, 501));
    assert_eq!(direction, Direction::ToServer);
    assert_eq!(bench.table.get(id).state, FlowState::Established);
}

#[test]
fn counters_have_their_names() {
    let mut names = Vec::new();
    FlowCounters::default().for_each(&mut |name, _| names.push(name.to_owned()));
    assert_eq!(names[0], "flow.memcap");
    assert!(names.contains(&"flow.end.tcp_state.fin_wait1".to_owned()));
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}
