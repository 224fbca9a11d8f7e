//! Defragmentation from outside: policies, limits, timeouts, and what the whole packet inherits.

use std::cell::RefCell;

use decode::{DecodeSettings, Decoder, DefragSettings, Origin, OsPolicies, OsPolicy, checksum};
use proptest::prelude::*;

use crate::frames::*;

/// What became of a frame.
#[derive(Debug)]
struct Outcome {
    /// The whole packet's network bytes, if the frame completed one.
    whole: Option<Vec<u8>>,
    events: Vec<&'static str>,
}

struct Bench {
    decoder: RefCell<Decoder>,
}

impl Bench {
    fn new(settings: DecodeSettings) -> Self {
        Self { decoder: RefCell::new(Decoder::new(settings)) }
    }

    fn with_policy(policy: OsPolicy) -> Self {
        let mut os_policies = OsPolicies::default();
        os_policies.insert("10.0.0.0/8", policy).unwrap();
        os_policies.insert("::/0", policy).unwrap();
        Self::new(DecodeSettings { os_policies, ..DecodeSettings::default() })
    }

    fn send(&self, link_type: u16, bytes: &[u8], seconds: u64) -> Outcome {
        let mut packets = Vec::new();
        self.decoder.borrow_mut().decode(frame(link_type, bytes, seconds), &mut packets);
        let wire = packets.last().unwrap();
        assert!(wire.flags.fragment && !wire.flags.wants_flow && wire.payload().is_empty());
        let whole = packets.iter().find(|packet| packet.origin == Origin::Defrag);
        Outcome { whole: whole.map(|packet| packet.bytes.to_vec()), events: events(wire) }
    }

    fn counter(&self, name: &str) -> u64 {
        counter(&self.decoder.borrow(), name)
    }
}

/// A fragment of an IPv4 packet with UDP inside.
fn fragment(id: u16, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
    ipv4_with(17, &[], (offset / 8) as u16 | u16::from(more) << 13, id, data)
}

#[test]
fn overlaps_are_resolved_as_each_system_does() {
    // Offset, letter, length in the order of arrival; all but the last have more to follow.
    let pieces = [
        (0, 'A', 24),
        (32, 'B', 16),
        (48, 'C', 24),
        (80, 'D', 8),
        (104, 'E', 16),
        (120, 'F', 24),
        (144, 'G', 16),
        (160, 'H', 16),
        (176, 'I', 8),
        (8, 'J', 32),
        (48, 'K', 24),
        (72, 'L', 24),
        (96, 'M', 24),
        (128, 'N', 8),
        (152, 'O', 8),
        (160, 'P', 8),
        (176, 'Q', 16),
    ];
    let bsd = "A16 J16 B8 C24 L24 M24 F24 G16 H16 I8 Q8";
    let bsd_right = "J24 B16 K24 L8 D8 L8 M8 E16 F8 N8 F8 G8 O8 P8 H8 Q16";
    let linux = "A16 J16 B8 K24 L24 M24 F24 G16 P8 H8 Q16";
    let first = "A16 J8 B16 C24 L8 D8 L8 M8 E16 F24 G16 H16 I8 Q8";
    let solaris = "A16 J8 B16 C24 L24 M24 F24 G16 H16 I8 Q8";
    let windows = "A16 J8 B16 C24 L24 M8 E16 F24 G16 H16 I8 Q8";
    let expected = |policy| match policy {
        OsPolicy::Bsd | OsPolicy::Hpux10 | OsPolicy::Irix => bsd,
        OsPolicy::BsdRight => bsd_right,
        OsPolicy::Linux | OsPolicy::OldLinux => linux,
        OsPolicy::OldSolaris | OsPolicy::Hpux11 | OsPolicy::Macos => first,
        OsPolicy::Solaris => solaris,
        OsPolicy::Windows | OsPolicy::Vista | OsPolicy::Windows2k3 => windows,
    };
    for policy in OsPolicy::ALL {
        for version in [4, 6] {
            let bench = Bench::with_policy(policy);
            let mut overlaps = 0;
            let mut whole = None;
            for (offset, letter, len) in pieces {
                let (data, more) = (vec![letter as u8; len], letter != 'Q');
                let bytes = if version == 4 {
                    fragment(1, offset, more, &data)
                } else {
                    ipv6(44, &ipv6_fragment(253, offset as u16, more, 1, &data))
                };
                let outcome = bench.send(101, &bytes, 1);
                overlaps += outcome.events.len();
                whole = whole.or(outcome.whole);
            }
            let header_len = if version == 4 { 20 } else { 40 };
            let whole = whole.expect("a whole packet");
            let letters = runs(&whole[header_len + 8..]);
            assert_eq!(letters, expected(policy), "{policy:?} IPv{version}");
            assert_eq!(overlaps, 8, "{policy:?} IPv{version}");
        }
    }
}

/// Runs of equal letters with their lengths.
fn runs(bytes: &[u8]) -> String {
    let run = |run: &[u8]| format!("{}{}", run[0] as char, run.len());
    bytes.chunk_by(|a, b| a == b).map(run).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_whole_packet_is_decoded_like_any_other() {
    let data = udp(1000, 2000, &[b'x'; 24]);
    let tagged = |id: u16, offset, more, data: &[u8]| {
        ethernet(0x8100, &vlan(id, 0x0800, &fragment(1, offset, more, data)))
    };
    let mut decoder = decoder();
    let mut packets = Vec::new();
    let (first, last) = (tagged(5, 0, true, &data[..16]), tagged(5, 16, false, &data[16..]));
    let other = tagged(6, 16, false, &data[16..]);
    decoder.decode(frame(1, &last, 1), &mut packets);
    decoder.decode(frame(1, &other, 1), &mut packets);
    assert_eq!(packets.len(), 2);
    packets.clear();
    decoder.decode(frame(1, &first, 2), &mut packets);
    assert_eq!(packets.len(), 2, "{packets:?}");
    let (whole, wire) = (&packets[0], &packets[1]);
    assert_eq!((whole.origin, whole.recursion_level, whole.root), (Origin::Defrag, 0, Some(1)));
    assert_eq!((whole.vlan.as_slice(), whole.link_type, whole.number), (&[5_u16][..], 101, 0));
    assert_eq!((whole.dst_port, whole.payload()), (2000, &[b'x'; 24][..]));
    assert!(whole.flags.wants_flow && !whole.flags.fragment);
    assert!(wire.flags.no_payload_inspection && wire.flags.fragment);
    assert_eq!(checksum::ipv4_header_ok(whole), Some(true));
    assert_eq!(whole.timestamp, wire.timestamp);
    let check = |name: &str, value| assert_eq!(counter(&decoder, name), value, "{name}");
    check("defrag.ipv4.fragments", 3);
    check("defrag.ipv4.reassembled", 1);
    check("decoder.ipv4", 4);
    check("decoder.pkts", 3);
    check("decoder.udp", 1);
}

#[test]
fn ipv6_loses_its_fragment_header() {
    let data = udp(1000, 2000, &[b'x'; 24]);
    let alert = [5, 2, 0, 0, 0, 0];
    let part = |offset: usize, more, data: &[u8]| {
        let fragment = ipv6_fragment(17, offset as u16, more, 77, data);
        ipv6(0, &extension(44, &alert, &fragment))
    };
    let bench = Bench::new(DecodeSettings::default());
    assert!(bench.send(101, &part(0, true, &data[..16]), 1).whole.is_none());
    let whole = bench.send(101, &part(16, false, &data[16..]), 1).whole.unwrap();
    assert_eq!(whole, ipv6(0, &extension(17, &alert, &data)));
    let packet = only(101, &whole);
    assert_eq!((packet.dst_port, packet.payload().len()), (2000, 24));
    assert_eq!(bench.counter("defrag.ipv6.reassembled"), 1);
    assert_eq!(bench.counter("decoder.ipv6"), 3);
}

#[test]
fn fragments_beyond_the_largest_packet_are_refused() {
    let bench = Bench::new(DecodeSettings::default());
    let four = fragment(1, 65_528, false, &[0; 8]);
    assert_eq!(bench.send(101, &four, 1).events, ["ipv4.frag_pkt_too_large"]);
    let six = ipv6(44, &ipv6_fragment(17, 65_528, false, 1, &[0; 8]));
    assert_eq!(bench.send(101, &six, 1).events, ["ipv6.frag_pkt_too_large"]);
    assert_eq!(bench.counter("defrag.memuse"), 0);
}

#[test]
fn trackers_time_out() {
    let first = fragment(1, 0, true, &[0; 8]);
    let last = fragment(1, 8, false, &[0; 8]);
    let check = |settings: DefragSettings, seconds: u64, joined: bool| {
        let bench = Bench::new(DecodeSettings { defrag: settings, ..DecodeSettings::default() });
        bench.send(101, &first, 100);
        let outcome = bench.send(101, &last, 100 + seconds);
        assert_eq!(outcome.whole.is_some(), joined, "after {seconds} s");
        let timeouts = bench.counter("defrag.wrk.tracker_timeout")
            + bench.counter("defrag.mgr.tracker_timeout");
        assert_eq!(timeouts, u64::from(!joined));
    };
    check(DefragSettings::default(), 59, true);
    check(DefragSettings::default(), 60, false);
    check(DefragSettings::default(), 61, false);
    let mut of_host = DefragSettings::default();
    of_host.host_timeouts.insert("10.0.0.2".parse().unwrap(), 5);
    check(of_host.clone(), 4, true);
    check(of_host, 5, false);
}

#[test]
fn finished_trackers_are_swept() {
    let bench = Bench::new(DecodeSettings::default());
    bench.send(101, &fragment(1, 0, true, &[0; 8]), 1);
    assert!(bench.send(101, &fragment(1, 8, false, &[0; 8]), 1).whole.is_some());
    // A late copy begins a new packet.
    assert!(bench.send(101, &fragment(1, 8, false, &[0; 8]), 1).whole.is_none());
    bench.send(101, &fragment(2, 8, false, &[0; 8]), 200);
    bench.send(101, &fragment(3, 8, false, &[0; 8]), 400);
    let timeouts =
        bench.counter("defrag.wrk.tracker_timeout") + bench.counter("defrag.mgr.tracker_timeout");
    assert_eq!(timeouts, 3);
}

#[test]
fn short_of_memory_older_trackers_make_room() {
    let bench =
        |settings| Bench::new(DecodeSettings { defrag: settings, ..DecodeSettings::default() });
    let small = bench(DefragSettings { memcap: 2000, ..DefragSettings::default() });
    for id in 0..50 {
        assert!(small.send(101, &fragment(id, 8, true, &[0; 8]), 1).events.is_empty());
        assert!(small.counter("defrag.memuse") <= 2000);
    }
    assert!(small.counter("defrag.tracker_hard_reuse") > 40);
    // The newest are still there.
    assert!(small.send(101, &fragment(49, 0, true, &[0; 8]), 1).whole.is_none());
    assert!(small.send(101, &fragment(49, 16, false, &[0; 8]), 1).whole.is_some());

    let none = bench(DefragSettings { memcap: 10, ..DefragSettings::default() });
    let bytes = fragment(1, 8, true, &[0; 8]);
    let mut packets = Vec::new();
    none.decoder.borrow_mut().decode(frame(101, &bytes, 1), &mut packets);
    assert!(packets[0].flags.defrag_memcap);
    assert_eq!(none.counter("defrag.max_trackers_reached"), 1);

    let few = bench(DefragSettings { max_frags: 2, ..DefragSettings::default() });
    few.send(101, &fragment(1, 8, true, &[0; 8]), 1);
    few.send(101, &fragment(1, 16, true, &[0; 8]), 1);
    let outcome = few.send(101, &fragment(1, 24, true, &[0; 8]), 1);
    assert_eq!(outcome.events, ["ipv4.frag_ignored"]);
    assert_eq!(few.counter("defrag.max_frags_reached"), 1);
    // The tracker is gone, so its room is free again.
    assert!(few.send(101, &fragment(2, 8, true, &[0; 8]), 1).events.is_empty());
}

#[test]
fn what_lies_beyond_the_last_fragment_is_cut_off() {
    let bench = Bench::new(DecodeSettings::default());
    bench.send(101, &fragment(1, 16, true, b"CCCCCCCC"), 1);
    bench.send(101, &fragment(1, 8, false, b"BBBBBBBB"), 1);
    let whole = bench.send(101, &fragment(1, 0, true, b"AAAAAAAA"), 1).whole.unwrap();
    assert_eq!(&whole[20..], b"AAAAAAAABBBBBBBB");
}

/// Pieces of `data` cut at multiples of eight, some more than once, in any order.
fn pieces(len: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let units = len.div_ceil(8);
    let cuts = proptest::collection::btree_set(1..units.max(2), 0..12);
    let repeats = proptest::collection::vec((0..units, 1..=units), 0..4);
    (cuts, repeats).prop_flat_map(move |(cuts, repeats)| {
        let mut edges = vec![0];
        edges.extend(cuts.into_iter().filter(|&cut| cut < units));
        edges.push(units);
        let mut all: Vec<_> = edges.windows(2).map(|pair| (pair[0], pair[1])).collect();
        all.extend(repeats.into_iter().map(|(start, more)| (start, (start + more).min(units))));
        Just(all).prop_shuffle()
    })
}

proptest! {
    #[test]
    fn however_it_was_cut_and_shuffled_the_packet_is_the_same(
        (len, pieces) in (17_usize..700).prop_flat_map(|len| (Just(len), pieces(len))),
        policy in 0..OsPolicy::ALL.len(),
    ) {
        let data: Vec<u8> = (0..len).map(|at| (at * 7 % 251) as u8).collect();
        let expected = join(&[&[0x45, 0], &((20 + len) as u16).to_be_bytes()]);
        for version in [4, 6] {
            let bench = Bench::with_policy(OsPolicy::ALL[policy]);
            let mut found = None;
            for &(start, end) in &pieces {
                let (start, end) = (start * 8, (end * 8).min(len));
                let (part, more) = (&data[start..end], end < len);
                if part.len() == len {
                    continue;
                }
                let bytes = if version == 4 {
                    fragment(9, start, more, part)
                } else {
                    ipv6(44, &ipv6_fragment(253, start as u16, more, 9, part))
                };
                found = found.or(bench.send(101, &bytes, 1).whole);
            }
            let Some(whole) = found else {
                // Only a packet that was never cut is never put together.
                prop_assert!(pieces.iter().any(|&(start, end)| start == 0 && end * 8 >= len));
                continue;
            };
            if version == 4 {
                prop_assert_eq!(&whole[..4], &expected[..]);
                prop_assert_eq!(checksum::of(&whole[..20]), 0);
                prop_assert_eq!(&whole[20..], &data[..]);
            } else {
                prop_assert_eq!(whole, ipv6(253, &data));
            }
        }
    }
}
