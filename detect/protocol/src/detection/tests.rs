//! Which first bytes, on which ports, are taken for which protocol.

use decode::Direction::{self, ToClient, ToServer};

use super::{Detector, Found, Progress, Question, Transport};
use crate::app::AppProto;
use crate::settings::{DetectionPorts, ProtocolSettings, Switch};

const DNS_QUERY: &[u8] =
    b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02de\x00\x00\x01\x00\x01";
const DNS_REPLY: &[u8] =
    b"\x00\x01\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02de\x00\x00\x01\x00\x01";

fn ask(
    settings: &ProtocolSettings,
    transport: Transport,
    direction: Direction,
    ports: (u16, u16),
    bytes: &[u8],
) -> (Option<Found>, Progress) {
    let question = Question {
        transport,
        direction,
        bytes,
        client_port: ports.0,
        server_port: ports.1,
        hint: AppProto::Unknown,
        other: AppProto::Unknown,
        other_bytes: 0,
    };
    let mut progress = Progress::default();
    (Detector::new(settings).detect(&question, &mut progress), progress)
}

#[track_caller]
fn check(transport: Transport, direction: Direction, port: u16, bytes: &[u8], name: &str) {
    let mut settings = ProtocolSettings::default();
    for proto in [AppProto::Modbus, AppProto::Dnp3] {
        settings.set_switch(proto, None, Switch::On);
    }
    let (found, progress) = ask(&settings, transport, direction, (40000, port), bytes);
    let got = match found {
        Some(found) => found.proto.name(),
        None if progress.finished() => "none",
        None => "unsure",
    };
    assert_eq!(got, name, "{direction:?} port {port}: {:?}", bytes.escape_ascii().to_string());
}

#[test]
fn tcp_patterns_on_any_port() {
    let ts = |bytes: &[u8], name| check(Transport::Tcp, ToServer, 9999, bytes, name);
    ts(b"GET / HTTP/1.1\r\n", "http");
    ts(b"get\t/ HTTP/1.1\r\n", "http");
    ts(b"BASELINE-CONTROL /", "http");
    ts(b"GETS / HTTP/1.1\r\n\r\n", "none");
    ts(b"OPTIONS / HTTP/1.1\r\n", "http");
    ts(b"OPTIONS sip:a@b SIP/2.0\r\n", "sip");
    ts(b"REGISTER sip:a", "sip");
    ts(b"REGISTER all of you, please\r\n", "none");
    ts(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2");
    ts(b"ssh-2.0-x", "ssh");
    ts(b"EHLO a\r\n", "smtp");
    ts(b"USER a\r\n", "ftp");
    ts(b"a1 CAPABILITY\r\n", "imap");
    ts(b"a1234567 CAPABILITY\r\n", "none");
    ts(b"RFB 003.008\n", "rfb");
    ts(b"\x16\x03\x01\x00\x05", "tls");
    ts(b"\x16\x03\x04\x00\x05", "unsure");
    ts(b"\x80\x2e\x01\x00\x02\x00\x15", "tls");
    ts(b"\x00\x00\x00\x20\xffSMB\x72\x00\x00\x00\x00\x00", "smb");
    ts(b"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00", "dcerpc");
    ts(b"\x05\x00\x63\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00\x00", "none");
    ts(b"GE", "unsure");
    let tc = |bytes: &[u8], name| check(Transport::Tcp, ToClient, 9999, bytes, name);
    tc(b"HTTP/1.10 200 OK", "http");
    tc(b"HTTP/1.2 200 OK\r\n", "none");
    tc(b"\r\nHTTP/1.1 200", "none");
    tc(b"SIP/2.0 200 OK", "sip");
    tc(b"220 (vsFTPd 3.0)\r\n", "ftp");
    tc(b"* OK IMAP ready", "imap");
    tc(b"\x15\x03\x03\x00\x02", "tls");
    tc(b"\x80\x20\x04\x00\x01\x00\x02\x00\x00\x00", "tls");
}

#[test]
fn tcp_probes_on_their_ports() {
    let ts = |port, bytes: &[u8], name| check(Transport::Tcp, ToServer, port, bytes, name);
    let tc = |port, bytes: &[u8], name| check(Transport::Tcp, ToClient, port, bytes, name);
    let mut query = vec![0, u8::try_from(DNS_QUERY.len()).unwrap()];
    query.extend_from_slice(DNS_QUERY);
    ts(53, &query, "dns");
    ts(5353, &query, "none");
    ts(53, &query[..8], "unsure");
    ts(53, &query[..20], "dns");
    ts(53, b"hello world, is anybody out there?", "none");
    tc(25, b"220 mail.example.org ESMTP\r\n", "smtp");
    tc(25, b"220-mail.example.org ESMTP\r\n", "smtp");
    tc(25, b"421 mail.example.org busy\r\n", "none");
    ts(
        3389,
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
        "rdp",
    );
    ts(
        3389,
        b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
        "none",
    );
    ts(1883, b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06abcdef", "mqtt");
    ts(1883, b"\x00\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06abcdef", "none");
    ts(5432, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "pgsql");
    ts(110, b"CAPA\r\n", "pop3");
    tc(110, b"+OK ready\r\n", "pop3");
    ts(23, b"\xff\xfd\x03", "telnet");
    ts(389, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", "ldap");
    ts(445, b"\x81\x00\x00\x02ab\x00\x00\x00\x20\xffSMB\x72\0\0\0\0\0\0\0\0\0\0", "smb");
    let call =
        b"\x80\x00\x00\x28\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\x00\x01\x86\xa3\0\0\0\x03\0\0\0\0";
    ts(2049, call, "nfs");
    let mut register = vec![0x65, 0, 4, 0];
    register.extend_from_slice(&[0; 20]);
    register.extend_from_slice(&[1, 0, 0, 0]);
    ts(44818, &register, "enip");
    ts(502, b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01", "modbus");
    ts(20000, b"\x05\x64\x05\xc9\x01\x00\x00\x04\xe9\x21", "dnp3");
    tc(80, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03", "http2");
    let mut krb5 = vec![0, 0, 0, 16, 0x6a, 14, 0x30, 12, 0xa1, 3, 2, 1, 5, 0xa2, 3, 2, 1, 10];
    krb5.extend_from_slice(&[0xa4, 0]);
    ts(88, &krb5, "krb5");
}

#[test]
fn udp_by_port_and_pattern() {
    let ts = |port, bytes: &[u8], name| check(Transport::Udp, ToServer, port, bytes, name);
    ts(53, DNS_QUERY, "dns");
    // Such a query could be DCE RPC as well.
    let name = [&[63][..], &[b'a'; 63], b"\x00\x00\x01\x00\x01"].concat();
    let like_dcerpc = [b"\x04\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", &name[..]].concat();
    ts(53, &like_dcerpc, "dns");
    ts(9999, &like_dcerpc, "dcerpc");
    ts(5353, DNS_QUERY, "mdns");
    ts(5354, DNS_QUERY, "none");
    ts(53, &DNS_QUERY[..20], "none");
    ts(5060, b"INVITE sip:a@b SIP/2.0\r\n", "sip");
    ts(6881, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", "bittorrent-dht");
    let mut ntp = [0; 48];
    ntp[0] = 0x23;
    ts(123, &ntp, "ntp");
    ntp[0] = 0x03;
    ts(123, &ntp, "none");
    ts(161, b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01", "snmp");
    let call = b"\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\x00\x01\x86\xa3\0\0\0\x02\0\0\0\0";
    ts(2049, &[call.as_slice(), &[0; 24]].concat(), "nfs");
    ts(2049, &[call.as_slice(), &[0; 16]].concat(), "none");
    ts(69, b"\x00\x01file\0octet\0", "tftp");
    ts(69, b"\x00\x09file\0octet\0", "none");
    let mut dhcp = vec![0; 240];
    dhcp[0] = 1;
    dhcp[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    ts(67, &dhcp, "dhcp");
    ts(68, &dhcp[..239], "none");
    let mut ike = vec![7; 8];
    ike.extend_from_slice(&[0; 8]);
    ike.extend_from_slice(&[0x21, 0x20, 34, 8, 0, 0, 0, 0, 0, 0, 0, 28]);
    ts(500, &ike, "ike");
    ike[19] = 8;
    ike[18] = 50;
    ts(500, &ike, "none");
    let mut quic = vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];
    quic.extend_from_slice(&[0; 1100]);
    ts(443, &quic, "quic");
    quic[4] = 9;
    ts(443, &quic, "none");
}

#[test]
fn messages_of_the_wrong_side_ask_for_a_turn() {
    let settings = ProtocolSettings::default();
    let ask = |direction, bytes| {
        let (found, _) = ask(&settings, Transport::Udp, direction, (40000, 53), bytes);
        found.map(|found| found.reverse)
    };
    assert_eq!(ask(ToServer, DNS_QUERY), Some(false));
    assert_eq!(ask(ToClient, DNS_REPLY), Some(false));
    assert_eq!(ask(ToServer, DNS_REPLY), Some(true));
    assert_eq!(ask(ToClient, DNS_QUERY), Some(true));
}

#[test]
fn the_port_of_the_source_counts_only_when_told_or_midstream() {
    let mut settings = ProtocolSettings::default();
    let ask = |settings: &ProtocolSettings| {
        let (found, _) = ask(settings, Transport::Udp, ToServer, (53, 40000), DNS_REPLY);
        found.map(|found| (found.proto, found.reverse))
    };
    assert_eq!(ask(&settings), None);
    settings.midstream = true;
    assert_eq!(ask(&settings), Some((AppProto::Dns, true)));
    settings.midstream = false;
    settings.ports.push(DetectionPorts {
        proto: AppProto::Dns,
        transport: Some(Transport::Udp),
        server: vec![(5300, 5399)],
        client: vec![(53, 53)],
    });
    assert_eq!(ask(&settings), Some((AppProto::Dns, true)));
}

#[test]
fn configuration_moves_ports_and_switches_off() {
    let mut settings = ProtocolSettings::default();
    settings.ports.push(DetectionPorts {
        proto: AppProto::Dns,
        transport: None,
        server: vec![(5300, 5310), (65535, 65535)],
        client: Vec::new(),
    });
    let udp = |settings: &ProtocolSettings, port| {
        ask(settings, Transport::Udp, ToServer, (40000, port), DNS_QUERY).0.is_some()
    };
    for (port, expected) in [(53, false), (5299, false), (5300, true), (5310, true), (5311, false)]
    {
        assert_eq!(udp(&settings, port), expected, "{port}");
    }
    assert!(udp(&settings, 65535));
    settings.set_switch(AppProto::Dns, Some(Transport::Udp), Switch::DetectionOnly);
    assert!(udp(&settings, 5300));
    settings.set_switch(AppProto::Dns, Some(Transport::Udp), Switch::Off);
    assert!(!udp(&settings, 5300));
    settings.set_switch(AppProto::Http1, None, Switch::Off);
    let http = ask(&settings, Transport::Tcp, ToServer, (1, 80), b"GET / HTTP/1.1\r\n\r\n").0;
    assert_eq!(http, None);
}

proptest::proptest! {
    #[test]
    fn any_bytes_on_any_port_are_survived(
        bytes in proptest::collection::vec(0u8.., 0..300),
        port in 0u16..,
        known in 0usize..40,
    ) {
        let ports = [53, 5353, 443, 25, 21, 80, 445, 3389, 389, 88, 1883, 5432, 110, 23, 2049, 44818];
        let port = ports.get(known).copied().unwrap_or(port);
        let settings = ProtocolSettings { midstream: true, ..ProtocolSettings::default() };
        for transport in Transport::BOTH {
            for direction in Direction::BOTH {
                let (_, progress) = ask(&settings, transport, direction, (161, port), &bytes);
                // No pattern or probe waits for more than 300 bytes for ever.
                let _ = progress.finished();
            }
        }
    }
}
