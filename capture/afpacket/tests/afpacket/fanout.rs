//! Several rings share the frames of an interface.

use std::collections::HashSet;

use afpacket::{Fanout, FanoutKind, Instruction, Interface, Ring, RingSettings};

use crate::namespace::{NEAR, in_namespace, ip};
use crate::sender::{Sender, collect, from_address, settings};

fn group(kind: FanoutKind, members: u16) -> RingSettings {
    let fanout = Fanout { group: 7, members, kind, defragment: false, rollover: false };
    RingSettings { fanout: Some(fanout), ..settings() }
}

/// The last byte of the IPv4 source address, wherever the network header is.
fn by_source() -> FanoutKind {
    FanoutKind::Program(vec![
        Instruction { code: 0x30, jt: 0, jf: 0, k: 0xfff0_0000 + 15 },
        Instruction { code: 0x16, jt: 0, jf: 0, k: 0 },
    ])
}

#[test]
fn a_program_puts_each_flow_on_one_ring() {
    in_namespace(|| {
        let mut rings = Ring::open_group(&group(by_source(), 3)).unwrap();
        assert_eq!(rings.len(), 3);
        let sent: Vec<_> = (0..3000)
            .map(|i| from_address([10, 0, (i % 5) as u8, (i * 11 % 40) as u8], i))
            .collect();
        Sender::on(NEAR).send(&sent);
        let mut seen = HashSet::new();
        for (number, ring) in rings.iter_mut().enumerate() {
            let expected = sent.iter().filter(|frame| usize::from(frame[29]) % 3 == number).count();
            for frame in collect(ring, expected) {
                assert_eq!(usize::from(frame.bytes[29]) % 3, number);
                assert!(seen.insert(frame.bytes), "a frame came twice");
            }
            let counts = ring.statistics().unwrap();
            let expected = expected as u64;
            assert_eq!((counts.packets, counts.drops, counts.frames), (expected, 0, expected));
        }
        assert_eq!(seen.len(), sent.len());
    });
}

#[test]
fn every_kind_loses_and_doubles_nothing() {
    let check = |kind: FanoutKind, rollover, defragment| {
        in_namespace(move || {
            let mut settings = group(kind.clone(), 2);
            if let Some(fanout) = &mut settings.fanout {
                (fanout.rollover, fanout.defragment) = (rollover, defragment);
            }
            let mut rings = Ring::open_group(&settings).unwrap();
            let sent: Vec<_> =
                (0..500).map(|i| from_address([10, 0, 0, (i % 50) as u8], i)).collect();
            Sender::on(NEAR).send(&sent);
            let mut received: Vec<Vec<u8>> = Vec::new();
            for _ in 0..100 {
                let more: Vec<_> = rings.iter_mut().flat_map(|ring| collect(ring, 0)).collect();
                if more.is_empty() && received.len() >= sent.len() {
                    break;
                }
                received.extend(more.into_iter().map(|frame| frame.bytes));
            }
            received.sort_by_key(|frame| frame[34..38].to_vec());
            assert!(received == sent, "{kind:?}: {} of {}", received.len(), sent.len());
        });
    };
    check(FanoutKind::Hash, false, false);
    check(FanoutKind::Hash, true, true);
    check(FanoutKind::Cpu, false, false);
    check(FanoutKind::QueueMapping, false, false);
    check(FanoutKind::RoundRobin, false, true);
    check(by_source(), true, false);
}

#[test]
fn a_group_can_put_fragments_together() {
    let check = |defragment, lengths: &'static [usize]| {
        in_namespace(move || {
            let mut settings = group(FanoutKind::Hash, 1);
            if let Some(fanout) = &mut settings.fanout {
                fanout.defragment = defragment;
            }
            let mut ring = Ring::open(&settings).unwrap();
            let payload: Vec<u8> = (0..1500u32).map(|at| (at % 251) as u8).collect();
            let more = 0x2000;
            let fragments = [(more, &payload[..1008]), (1008 / 8, &payload[1008..])];
            let sent = fragments.map(|(place, part): (u16, _)| {
                let mut frame = from_address([10, 0, 0, 1], 0);
                frame.truncate(34);
                frame[16..18].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
                frame[20..22].copy_from_slice(&place.to_be_bytes());
                frame.extend_from_slice(part);
                frame
            });
            Sender::on(NEAR).send(&sent);
            let received = collect(&mut ring, lengths.len());
            let found: Vec<_> = received.iter().map(|frame| frame.bytes.len()).collect();
            assert_eq!(found, lengths);
            let joined: Vec<u8> = received.iter().flat_map(|f| f.bytes[34..].to_vec()).collect();
            assert_eq!(joined, payload);
        });
    };
    check(false, &[34 + 1008, 34 + 492]);
    check(true, &[34 + 1500]);
}

#[test]
fn a_group_on_loopback_leaves_out_what_is_sent() {
    in_namespace(|| {
        ip("link set lo up");
        let settings =
            RingSettings { interface: Interface::from("lo"), ..group(FanoutKind::RoundRobin, 2) };
        let mut rings = Ring::open_group(&settings).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            socket.send_to(b"once", socket.local_addr().unwrap()).unwrap();
        }
        let received: Vec<_> = rings.iter_mut().flat_map(|ring| collect(ring, 5)).collect();
        assert_eq!(received.len(), 10);
        assert!(received.iter().all(|frame| !frame.outgoing));
    });
}

#[test]
fn a_group_refuses_strangers() {
    in_namespace(|| {
        let check = |settings: &RingSettings, words: &str| {
            let error = Ring::open(settings).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        let _members = Ring::open_group(&group(FanoutKind::Hash, 2)).unwrap();
        check(&group(FanoutKind::Hash, 2), "the group has all its members");
        check(&group(FanoutKind::Cpu, 2), "choose another number");
        let elsewhere =
            RingSettings { interface: Interface::from(NEAR), ..group(FanoutKind::Hash, 2) };
        check(&elsewhere, "choose another number");
    });
}
