//! Tests of filters on crafted frames.

use super::Filter;

/// Ethernet, with tags, IPv4 10.0.0.1 to 192.0.2.7, protocol and ports, TCP flags SYN and ACK.
fn frame(tags: &[u8], protocol: u8, ports: (u16, u16)) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
    for tag in tags {
        frame.extend([0x81, 0, 0, *tag]);
    }
    frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend([10, 0, 0, 1, 192, 0, 2, 7]);
    frame.extend(ports.0.to_be_bytes());
    frame.extend(ports.1.to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0]);
    frame
}

/// Who has 10.0.0.2, tell 10.0.0.1.
fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2]);
    frame.extend([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    frame
}

/// Echo request from 2001:db8::1 to ff02::1.
fn ping6() -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0, 0, 8, 58, 255, 0x20, 1, 0x0d, 0xb8]);
    frame.extend([0; 11]);
    frame.extend([1, 0xff, 2]);
    frame.extend([0; 13]);
    frame.extend([1, 128, 0, 0, 0, 0, 1, 0, 1]);
    frame
}

/// Two MPLS labels, 16 and 17, before the packet of `frame`.
fn labelled() -> Vec<u8> {
    let plain = frame(&[], 6, (40_000, 80));
    let mut labelled = plain[..12].to_vec();
    labelled.extend([0x88, 0x47, 0, 1, 0, 64, 0, 1, 0x11, 64]);
    labelled.extend(&plain[14..]);
    labelled
}

/// PPPoE session 9 with the packet of `frame`.
fn session() -> Vec<u8> {
    let plain = frame(&[], 6, (40_000, 80));
    let mut session = plain[..12].to_vec();
    session.extend([0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21]);
    session.extend(&plain[14..]);
    session
}

/// Which of the frames pass, by their letters.
fn passing(text: &str) -> String {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let icmp = frame(&[], 1, (0x0800, 0));
    let frames = [
        ('t', frame(&[], 6, (40_000, 80))),
        ('u', frame(&[], 17, (53, 5353))),
        ('i', icmp),
        ('a', arp()),
        ('6', ping6()),
        ('v', frame(&[5], 6, (40_000, 80))),
        ('q', frame(&[5, 6], 17, (53, 5353))),
        ('m', labelled()),
        ('p', session()),
    ];
    let pass = |bytes: &[u8]| filter.passes(1, bytes, bytes.len() as u32);
    frames.iter().filter(|(_, bytes)| pass(bytes)).map(|(letter, _)| *letter).collect()
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(passing(text), *expected, "{text}");
    }
}

#[test]
fn protocols_addresses_and_ports() {
    check(&[
        ("", "tuia6vqmp"),
        ("tcp", "t"),
        ("ip", "tui"),
        ("ip and tcp", "t"),
        ("ip6 or tcp", "t6"),
        ("!udp && not arp", "ti6vqmp"),
        ("arp", "a"),
        ("rarp", ""),
        ("icmp||icmp6", "i6"),
        ("tcp port 80", "t"),
        ("port 80 or 53", "tu"),
        ("port (80 or 53)", "tu"),
        ("dst port http", "t"),
        ("src port 80", ""),
        ("src or dst port 5353", "u"),
        ("src and dst port 53", ""),
        ("portrange 70-90", "t"),
        ("udp portrange ssh-domain", "u"),
        ("host 10.0.0.1", "tuia"),
        ("ip host 10.0.0.1", "tui"),
        ("arp host 10.0.0.2", "a"),
        ("src 10.0.0.1 and dst 192.0.2.7", "tui"),
        ("dst host 10.0.0.2", "a"),
        ("net 10", "tuia"),
        ("src net 10.0.0", "tuia"),
        ("net 192.0.2.0/24", "tui"),
        ("net 10.0.0.0 mask 255.0.255.0", "tuia"),
        ("net 10.0.0.0/30 and not tcp", "uia"),
        ("src and dst net 10.0.0.0/8", "a"),
        ("host 2001:db8::1", "6"),
        ("ip6 net 2001:db8::/32", "6"),
        ("dst host ff02::1", "6"),
        ("ip proto 6", "t"),
        ("proto \\tcp or proto icmp", "ti"),
        ("ip6 proto 58", "6"),
        ("ether proto 0x0806", "a"),
        ("ether proto \\ip", "tui"),
        ("ether host 02:00:00:00:00:01", "tuivqmp"),
        ("ether src 2:0:0:0:0:2 and arp", "a"),
        ("ether dst ffff.ffff.ffff", "a"),
        ("broadcast", "a"),
        ("ether multicast", "a6"),
        ("ip multicast or ip broadcast", ""),
        ("ip6 multicast", "6"),
        ("(udp or tcp) and not port 53", "t"),
    ]);
}

#[test]
fn byte_expressions() {
    check(&[
        ("tcp[13] & 2 != 0", "t"),
        ("tcp[tcpflags]&(tcp-syn|tcp-ack)==(tcp-syn|tcp-ack)", "t"),
        ("tcp[tcpflags] & (tcp-rst|tcp-fin) != 0", ""),
        ("not tcp[13] = 0x12", "uia6vqmp"),
        ("icmp[icmptype] == icmp-echo", "i"),
        ("icmp6[icmp6type]=icmp6-echo", "6"),
        ("udp[0:2] = 53", "u"),
        ("ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) = 0", "tui"),
        // As in libpcap, the protocol of the left side alone is checked.
        ("-(tcp[12:1] >> 4) = -5", "t"),
        ("(tcp[12:1] >> 4) * 4 = 20", "t"),
        ("((tcp[0:2] > 39999) and (tcp[2:2] <= 80))", "t"),
        ("ip6[6] = 58", "6"),
        ("arp[6:2] = 1", "a"),
        ("ether[0] & 1 = 1", "a6"),
        ("ether[12:2] = 0x806 or tcp", "ta"),
        ("ip[12:4] = 0x0a000001", "tui"),
        ("ip[8] % 10 = 4 and ip[9] ^ 6 = 0", "t"),
        ("1 < 2 and tcp", "t"),
        ("ip[16] >= 224", ""),
        ("ip[2:2] / 8 + 1 = 6", "tui"),
        // The end of the frame refuses it, whatever stands around the load.
        ("not ip[1000] = 1", "a6vqmp"),
        ("ip[1000] = 1 or tcp", ""),
        ("ip[0] / (ip[1]) = 0", ""),
        ("len = 54 and ip", "tui"),
        ("less 54", "tuia"),
        ("greater 62", "6qmp"),
        ("len > 10 * 6", "6qmp"),
    ]);
}

#[test]
fn words_that_shift_what_follows() {
    check(&[
        ("vlan", "vq"),
        ("vlan 5 and tcp port 80", "v"),
        ("vlan 6", ""),
        ("vlan and vlan", "q"),
        ("vlan 5 and vlan 6 and udp[2:2] = 5353", "q"),
        ("tcp or (vlan and tcp)", "tv"),
        ("not (vlan or arp)", "tuia6mp"),
        ("mpls", "m"),
        ("mpls 16", "m"),
        ("mpls 16 and ip", ""),
        ("mpls and mpls 17 and tcp dst port 80", "m"),
        ("mpls and mpls and host 10.0.0.1", "m"),
        ("pppoes", "p"),
        ("pppoes 9 and tcp port 80", "p"),
        ("pppoes 8", ""),
    ]);
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (text, named) in [
        ("tcp and", "missing"),
        ("(tcp", "\")\""),
        ("tcp)", "\")\""),
        ("port", "port"),
        ("port 70000", "70000"),
        ("port 80-90", "80-90"),
        ("frobnicate", "frobnicate"),
        ("tcp and inbound", "inbound"),
        ("gateway gw", "gateway"),
        ("ip protochain 6", "protochain"),
        ("host nosuch.invalid", "nosuch.invalid"),
        ("net 1.2.3.0/40", "1.2.3.0/40"),
        ("net 10.1.0.0/8", "10.1.0.0"),
        ("host 10.0.0.0/8", "10.0.0.0/8"),
        ("tcp host 1.2.3.4", "tcp"),
        ("ip port 80", "ip"),
        ("ether[0:3] = 1", "3"),
        ("wlan[0] = 1", "wlan"),
        ("tcp[13] & foo != 0", "foo"),
        ("(tcp[13] & foo) != 0", "foo"),
        ("tcp[13", "\"]\""),
        ("tcp[13]", "comparison"),
        ("len / 0 = 1", "zero"),
        ("vlan 4096", "vlan"),
        ("mpls and vlan", "vlan"),
        ("mpls and arp", "mpls"),
        ("host 02:00:00:00:00:01", "ether"),
        ("ip6 broadcast", "broadcast"),
        ("tcp 80", "80"),
        ("and tcp", "&&"),
        ("tcp ; udp", ";"),
        ("\u{fc}ber", "\u{fc}ber"),
        ("not", "missing"),
    ] {
        let error = Filter::parse(text).map(|_| text).unwrap_err().to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
    for (open, close) in [("(", ")"), ("not ", ""), ("-", ""), ("ip[", "]")] {
        let deep = format!("{}1{} = 1", open.repeat(5000), close.repeat(5000));
        assert!(Filter::parse(&deep).is_err());
    }
    assert!(Filter::parse(&format!("1{} = 1", "+len".repeat(5000))).is_err());
    let hosts = vec!["host 10.0.0.9"; 5000].join(" or ");
    assert_eq!(passing(&format!("{hosts} or arp")), "a");
}

#[test]
fn broken_frames_do_no_harm() {
    let texts = [
        "tcp port 80 or vlan and host 10.0.0.1",
        "tcp[tcp[0:4]:4] - ip[ip[0]] > 0 or ether[0 - 1] = 0 or ip[-1:2] = 0",
        "not ip6 net 2001:db8::/32 and not icmp6[0] = 1 or mpls and mpls and not udp port 1",
        "ether broadcast or ip6 multicast or ip broadcast or pppoes and ip",
        "arp host 10.0.0.1 or ether proto 66 or ether host 02:00:00:00:00:01",
    ];
    for filter in texts.map(|text| Filter::parse(text).unwrap()) {
        for whole in [frame(&[5], 6, (1, 2)), ping6(), arp(), labelled(), session()] {
            for length in 0..whole.len() {
                for link in [0, 1, 9, 101, 104, 113, 228, 229, 276, 9999] {
                    filter.passes(link, &whole[..length], 60);
                }
            }
        }
        assert!(!filter.passes(1, &[], 0));
    }
}

/// Counts that tcpdump gives for the recording that comes with the project.
#[test]
fn the_demonstration_recording() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/demo/demo.pcap");
    let file = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
    for (text, expected) in DEMONSTRATION {
        let filter = Filter::parse(text).unwrap();
        let (mut at, mut count) = (24, 0);
        while at < file.len() {
            let (kept, wire) = (word(at + 8) as usize, word(at + 12));
            count += usize::from(filter.passes(1, &file[at + 16..at + 16 + kept], wire));
            at += 16 + kept;
        }
        assert_eq!(count, *expected, "{text}");
    }
}

const DEMONSTRATION: &[(&str, usize)] = &[
    ("tcp", 272),
    ("udp", 14),
    ("arp", 10),
    ("icmp", 6),
    ("not arp", 292),
    ("net 10 or net 192.168.7", 302),
    ("host 192.168.7.10", 302),
    ("arp host 192.168.7.10", 10),
    ("src host 198.51.100.80 and arp", 1),
    ("dst net 198.51.100.0/24", 163),
    ("net 198.51.0.0 mask 255.255.0.0", 302),
    ("port 80 or 443", 178),
    ("tcp src port 80", 48),
    ("portrange 50-100", 139),
    ("udp port domain", 14),
    ("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", 30),
    ("tcp[13] = 0x12", 15),
    ("tcp[tcpflags] & tcp-fin != 0", 30),
    ("tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", 7),
    ("ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) > 0", 114),
    ("icmp[icmptype] = icmp-echo", 3),
    ("icmp[0] == icmp-echoreply or icmp[icmptype] = icmp-unreach", 3),
    ("arp[6:2] = 1", 5),
    ("udp[4:2] > 40", 14),
    ("len > 100", 74),
    ("less 100", 228),
    ("greater 500", 22),
    ("len % 2 = 0", 252),
    ("ether[12:2] = 0x0806", 10),
    ("ether proto \\arp", 10),
    ("ether broadcast", 5),
    ("ether multicast", 5),
    ("ip proto 17", 14),
    ("ip[8] < 64", 0),
    ("not ip[100] = 0", 69),
    ("ip[100] != 0 or arp", 69),
    ("ip[6] & 0x40 != 0", 282),
    ("port not 80", 187),
    ("vlan or tcp", 0),
    ("not vlan and tcp", 0),
];
