//! Packets at random: nothing panics, memory is accounted for, and a plain transfer survives
//! whatever the network does to it.

use decode::Direction::{ToClient, ToServer};
use decode::settings::OsPolicy;
use decode::{Tcp, TcpOptions};
use proptest::prelude::*;

use super::{HANDSHAKE, Wire, settings};
use crate::tcp::{StreamSettings, UrgentLimitPolicy, UrgentPolicy};

fn any_settings() -> impl Strategy<Value = StreamSettings> {
    let switches = any::<[bool; 8]>();
    (switches, 0..OsPolicy::ALL.len(), 0u32..5000, 0u64..200_000, 0u8..4).prop_map(
        |(on, os, depth, memcap, number)| {
            settings(|settings| {
                settings.inline = on[0];
                settings.midstream = on[1];
                settings.async_oneside = on[2];
                settings.liberal_timestamps = on[3];
                settings.check_overlap_different_data = on[4];
                settings.depth = if on[5] { depth } else { 0 };
                settings.reassembly_memcap = if on[6] { memcap } else { 1 << 30 };
                settings.raw = on[7];
                settings.max_regions = number;
                settings.max_syn_queued = number;
                settings.max_synack_queued = number;
                settings.urgent = [
                    UrgentPolicy::Inline,
                    UrgentPolicy::Oob,
                    UrgentPolicy::Gap,
                    UrgentPolicy::Drop,
                ][usize::from(number)];
                settings.urgent_limit = UrgentLimitPolicy::Gap;
                settings.os_policies.insert("0.0.0.0/0", OsPolicy::ALL[os]).unwrap();
            })
        },
    )
}

/// A number near one that matters, or any.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0u32..3000,
        1 => (0u32..3000).prop_map(|number| number.wrapping_sub(1500)),
        1 => any::<u32>(),
    ]
}

fn any_tcp() -> impl Strategy<Value = Tcp> {
    let flags = prop_oneof![
        6 => Just(Tcp::ACK),
        2 => Just(Tcp::ACK | Tcp::FIN),
        1 => Just(Tcp::SYN),
        1 => Just(Tcp::SYN | Tcp::ACK),
        1 => Just(Tcp::RST),
        1 => Just(Tcp::ACK | Tcp::URG),
        1 => any::<u8>(),
    ];
    let options = (
        prop::option::of(any::<u8>()),
        prop::option::of((0u32..10, 0u32..10)),
        any::<[bool; 3]>(),
        0u8..5,
        0u32..60,
    );
    (flags, number(), number(), any::<u16>(), 0u16..40, options).prop_map(
        |(flags, seq, ack, window, urgent, (scale, timestamp, on, blocks, offset))| Tcp {
            seq: seq.wrapping_add(0xffff_fc00),
            ack: ack.wrapping_add(0xffff_fc00),
            flags,
            window,
            urgent,
            options: TcpOptions {
                window_scale: scale,
                timestamp,
                sack_permitted: on[0],
                fast_open: on[1],
                authenticated: on[2],
                sack_blocks: blocks,
                sack_offset: offset,
                mss: None,
            },
            ..Tcp::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_all_memory_comes_back(
        settings in any_settings(),
        packets in prop::collection::vec((any::<bool>(), any_tcp(), 0usize..200), 1..80),
        begins in any::<bool>(),
    ) {
        let mut wire = Wire::new(settings);
        wire.isns = (0xffff_fc00, 0xffff_fc00);
        if begins {
            wire.play(HANDSHAKE);
        }
        for (number, (from_client, tcp, len)) in packets.into_iter().enumerate() {
            wire.deliver(from_client, tcp, &vec![number as u8; len]);
            let most = wire.settings.reassembly_memcap + 40_000;
            prop_assert!(wire.counters.tcp.reassembly_memuse <= most);
        }
        wire.finish();
        let session = wire.flow.tcp.take();
        wire.counters.recycle(session);
        prop_assert_eq!(wire.counters.tcp.reassembly_memuse, 0);
        prop_assert_eq!(wire.counters.tcp.memuse, 0);
    }

    /// Pieces of a transfer in any order within the window, some twice, acknowledged as the
    /// receiver would: the application sees what was sent, and nothing looks wrong but
    /// repetitions.
    #[test]
    fn a_transfer_survives_the_network(
        data in prop::collection::vec(b'a'..=b'z', 1..6000),
        jumps in prop::collection::vec((0usize..12, any::<bool>()), 0..60),
        inline in any::<bool>(),
        isn: u32,
    ) {
        let mut wire = Wire::new(settings(|settings| settings.inline = inline));
        wire.isns = (isn, isn.wrapping_mul(3));
        wire.play(HANDSHAKE);
        let mut order: Vec<usize> = (0..data.len().div_ceil(100)).collect();
        for (at, (distance, twice)) in jumps.into_iter().enumerate() {
            if at + distance < order.len() {
                order.swap(at, at + distance);
                if twice { order.push(order[at]) }
            }
        }
        let mut received = vec![false; order.len()];
        for piece in order {
            let (from, to) = (piece * 100, data.len().min(piece * 100 + 100));
            let seq = wire.isns.0.wrapping_add(1 + from as u32);
            let ack = wire.isns.1.wrapping_add(1);
            let tcp = Tcp { seq, ack, flags: Tcp::ACK, window: 8192, ..Tcp::default() };
            wire.deliver(true, tcp, &data[from..to]);
            received[piece] = true;
            let upto = received.iter().take_while(|it| **it).count() * 100;
            let upto = upto.min(data.len()) as u32;
            let answer = Tcp {
                seq: ack,
                ack: wire.isns.0.wrapping_add(1 + upto),
                flags: Tcp::ACK,
                window: 8192,
                ..Tcp::default()
            };
            wire.deliver(false, answer, b"");
        }
        prop_assert_eq!(&wire.app[ToServer.index()], &data);
        prop_assert_eq!(wire.app(ToClient), "");
        let expected = ["pkt_spurious_retransmission", "est_pkt_before_last_ack"];
        prop_assert!(wire.events.iter().all(|event| expected.contains(&event.as_str())));
    }
}
