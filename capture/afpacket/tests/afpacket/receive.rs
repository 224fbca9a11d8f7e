//! Frames arrive whole, in order, with their tags, and only those that were asked for.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afpacket::{Instruction, Interface, Ring, RingSettings};

use crate::namespace::{FAR, NEAR, in_namespace, ip};
use crate::sender::{EXPERIMENT, Kept, PATIENCE, Sender, collect, frame, framed, settings};

const QINQ: [u8; 10] = [0x88, 0xa8, 0x20, 100, 0x81, 0, 0, 200, EXPERIMENT[0], EXPERIMENT[1]];

fn bytes(kept: &[Kept]) -> Vec<&[u8]> {
    kept.iter().map(|frame| frame.bytes.as_slice()).collect()
}

#[test]
fn all_frames_arrive_with_equal_bytes() {
    in_namespace(|| {
        let mut ring = Ring::open(&settings()).unwrap();
        assert_eq!((ring.link_type(), ring.interface()), (1, FAR));
        let sent: Vec<_> = (0..5000).map(|i| frame(i, 60 + i * 7 % 1455)).collect();
        let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        Sender::on(NEAR).send(&sent);
        let received = collect(&mut ring, sent.len());
        assert!(bytes(&received) == sent, "{} of {} frames", received.len(), sent.len());
        for (frame, sent) in received.iter().zip(&sent) {
            assert_eq!(frame.wire_len as usize, sent.len());
            assert!(!frame.vlan_restored && !frame.losing && !frame.outgoing);
        }
        let counts = ring.statistics().unwrap();
        assert_eq!((counts.packets, counts.drops, counts.frames), (5000, 0, 5000));
        assert!(counts.blocks > 20 && counts.malformed == 0 && counts.unread == 0);
        assert_eq!(ring.statistics().unwrap(), counts, "counts add up over readings");
        Sender::on(NEAR).send(&sent[..10]);
        assert!(ring.wait(PATIENCE).unwrap());
        let block = ring.receive().unwrap();
        for (frame, sent) in block.frames().zip(&sent) {
            assert_eq!(frame.bytes, sent);
            assert!(frame.timestamp_ns > begin && frame.timestamp_ns < begin + 60_000_000_000);
        }
    });
}

#[test]
fn vlan_tags_are_those_on_the_wire() {
    in_namespace(|| {
        let mut ring = Ring::open(&settings()).unwrap();
        let kinds: [&[u8]; 5] = [
            &EXPERIMENT,
            &[0x81, 0, 0xe0, 5, EXPERIMENT[0], EXPERIMENT[1]],
            &[0x88, 0xa8, 0, 7, EXPERIMENT[0], EXPERIMENT[1]],
            &QINQ,
            &[0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, EXPERIMENT[0], EXPERIMENT[1]],
        ];
        let sent: Vec<_> = (0..1000).map(|i| framed(kinds[i % 5], i, 60 + i)).collect();
        Sender::on(NEAR).send(&sent);
        let received = collect(&mut ring, sent.len());
        assert!(bytes(&received) == sent, "{} of {} frames", received.len(), sent.len());
        for (number, frame) in received.iter().enumerate() {
            assert_eq!(frame.vlan_restored, number % 5 != 0);
            assert_eq!(frame.wire_len as usize, frame.bytes.len());
        }
    });
}

#[test]
fn frames_are_cut_and_chosen() {
    in_namespace(|| {
        let load_type = Instruction { code: 0x28, jt: 0, jf: 0, k: 12 };
        let if_experiment = Instruction { code: 0x15, jt: 0, jf: 1, k: 0x88b5 };
        let all = Instruction { code: 6, jt: 0, jf: 0, k: u32::MAX };
        let none = Instruction { code: 6, jt: 0, jf: 0, k: 0 };
        let filter = vec![load_type, if_experiment, all, none];
        let settings = RingSettings { filter, snap_length: Some(64), ..settings() };
        let mut ring = Ring::open(&settings).unwrap();
        let other = framed(&[0x88, 0xb6], 1, 200);
        let tagged = framed(&[0x81, 0, 0, 9, EXPERIMENT[0], EXPERIMENT[1]], 2, 200);
        let sent = [frame(0, 200), other, tagged, frame(3, 60)];
        let sender = Sender::on(NEAR);
        sender.send(&sent);
        let received = collect(&mut ring, 3);
        assert_eq!(bytes(&received), [&sent[0][..64], &sent[2][..68], &sent[3][..]]);
        let wire: Vec<_> = received.iter().map(|frame| frame.wire_len).collect();
        assert_eq!(wire, [200, 200, 60]);

        ring.set_filter(&[]).unwrap();
        sender.send(&sent);
        assert_eq!(collect(&mut ring, 4).len(), 4);
        ring.set_filter(&[none]).unwrap();
        sender.send(&sent);
        assert_eq!(collect(&mut ring, 0).len(), 0);
        let refused = ring.set_filter(&[load_type]).unwrap_err().to_string();
        assert!(refused.contains("the kernel refuses the program"), "{refused}");
        let counts = ring.statistics().unwrap();
        assert_eq!((counts.packets, counts.drops, counts.frames), (7, 0, 7));
    });
}

#[test]
fn a_prepared_ring_waits_for_its_start() {
    in_namespace(|| {
        let mut ring = Ring::prepare(&settings()).unwrap();
        let sender = Sender::on(NEAR);
        sender.send(&[frame(0, 60)]);
        ring.start().unwrap();
        sender.send(&[frame(1, 60)]);
        assert_eq!(bytes(&collect(&mut ring, 1)), [frame(1, 60)]);
    });
}

#[test]
fn frames_of_this_host_are_told_apart_or_left_out() {
    in_namespace(|| {
        let near = RingSettings { interface: Interface::from(NEAR), ..settings() };
        let mut both = Ring::open(&near).unwrap();
        let mut received = Ring::open(&RingSettings { ignore_outgoing: true, ..near }).unwrap();
        let tagged = framed(&QINQ, 0, 80);
        Sender::on(NEAR).send([&tagged]);
        Sender::on(FAR).send(&[frame(1, 60)]);
        let all = collect(&mut both, 2);
        assert_eq!(bytes(&all), [tagged, frame(1, 60)]);
        assert_eq!([all[0].outgoing, all[1].outgoing], [true, false]);
        assert_eq!(bytes(&collect(&mut received, 1)), [frame(1, 60)]);
    });
}

#[test]
fn on_loopback_each_frame_comes_once_and_without_checksum() {
    in_namespace(|| {
        ip("link set lo up");
        let settings = RingSettings { interface: Interface::from("lo"), ..settings() };
        let mut ring = Ring::open(&settings).unwrap();
        assert_eq!(ring.link_type(), 1);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        for number in 0..20u8 {
            socket.send_to(&[number; 100], address).unwrap();
        }
        let received = collect(&mut ring, 20);
        assert_eq!(received.len(), 20);
        for (number, frame) in received.iter().enumerate() {
            assert_eq!(frame.bytes[42..], [number as u8; 100]);
            assert!(frame.checksum_not_ready && !frame.outgoing);
        }
    });
}

#[test]
fn the_link_type_of_a_tunnel_is_bare_ip() {
    in_namespace(|| {
        if !std::path::Path::new("/dev/net/tun").exists() {
            eprintln!("skipped: needs /dev/net/tun");
            return;
        }
        ip("tuntap add dev afp2 mode tun");
        ip("link set afp2 up");
        let settings = RingSettings { interface: Interface::from("afp2"), ..settings() };
        assert_eq!(Ring::open(&settings).unwrap().link_type(), 101);
    });
}

#[test]
fn a_watched_ring_is_an_ordinary_ring() {
    in_namespace(|| {
        let index: u32 =
            ip(&format!("-o link show {FAR}")).split(':').next().unwrap().parse().unwrap();
        let settings = RingSettings {
            interface: Interface::Index(index),
            busy_poll_us: Some(50_000),
            ..settings()
        };
        let mut ring = Ring::open(&settings).unwrap();
        assert_eq!(ring.interface(), FAR);
        assert!(!ring.wait(Duration::from_millis(1)).unwrap());
        Sender::on(NEAR).send(&[frame(0, 60)]);
        assert!(ring.wait(PATIENCE).unwrap());
        assert_eq!(ring.next_frames(0), 0);
        assert_eq!(ring.next_frames(8), 1);
        assert_eq!(ring.frames().len(), 1);
    });
}
