//! The probes: cheap header checks on the first bytes of flows on a protocol's ports.
//!
//! One file a protocol; the table here is the registration.

use super::{Question, Transport, Verdict};
use crate::app::AppProto;

mod ber;
pub(crate) mod dcerpc;
mod dhcp;
mod dnp3;
mod dns;
mod enip;
pub(crate) mod ftp;
mod http2;
mod ike;
mod krb5;
mod ldap;
mod modbus;
mod mqtt;
mod nfs;
mod ntp;
mod pgsql;
mod pop3;
mod quic;
mod rdp;
pub(crate) mod sip;
pub(crate) mod smb;
mod smtp;
mod snmp;
mod telnet;
mod tftp;
pub(crate) mod tls;
mod websocket;

/// One probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) proto: AppProto,
    pub(crate) transport: Transport,
    /// Bytes needed before it is asked.
    pub(crate) min: usize,
    /// Bytes after which "unsure" means no; 0: never.
    pub(crate) max: usize,
    /// Built-in ports.
    pub(crate) ports: &'static [(u16, u16)],
    pub(crate) run: fn(&Question<'_>) -> Verdict,
}

macro_rules! probes {
    ($($proto:ident $transport:ident $min:literal..$max:literal [$($port:literal),*] $run:path;)+) => {
        /// All probes; those of lower place are asked first.
        pub(crate) const PROBES: &[Probe] = &[$(Probe {
            proto: AppProto::$proto,
            transport: Transport::$transport,
            min: $min,
            max: $max,
            ports: &[$(($port, $port)),*],
            run: $run,
        }),+];
    };
}

probes! {
    Dns Tcp 0..14 [53] dns::tcp;
    Tls Tcp 0..3 [443] tls::probe;
    Smtp Tcp 0..5 [25, 465] smtp::probe;
    Ftp Tcp 0..5 [21] ftp::probe;
    Http2 Tcp 0..24 [80] http2::probe;
    Smb Tcp 0..0 [445] smb::probe;
    Rdp Tcp 0..16 [3389] rdp::probe;
    Ldap Tcp 0..16 [389, 3268] ldap::probe;
    Krb5 Tcp 0..16 [88] krb5::tcp;
    Mqtt Tcp 0..16 [1883] mqtt::probe;
    Pgsql Tcp 0..16 [5432] pgsql::probe;
    Pop3 Tcp 0..16 [110] pop3::probe;
    Telnet Tcp 0..16 [23] telnet::probe;
    Nfs Tcp 0..16 [2049] nfs::tcp;
    Enip Tcp 0..16 [44818] enip::probe;
    Modbus Tcp 0..16 [502] modbus::probe;
    Dnp3 Tcp 0..16 [20000] dnp3::probe;
    Websocket Tcp 0..16 [] websocket::probe;
    Dns Udp 0..12 [53] dns::udp;
    Mdns Udp 0..12 [5353] dns::multicast;
    Snmp Udp 0..16 [161, 162] snmp::probe;
    Ntp Udp 0..16 [123] ntp::probe;
    Dhcp Udp 0..16 [67, 68] dhcp::probe;
    Tftp Udp 0..16 [69] tftp::probe;
    Ike Udp 0..16 [500] ike::probe;
    Krb5 Udp 0..16 [88] krb5::udp;
    Quic Udp 0..16 [443, 80] quic::probe;
    Ldap Udp 0..16 [389, 3268] ldap::probe;
    Nfs Udp 0..16 [2049] nfs::udp;
    Enip Udp 0..16 [44818] enip::probe;
}

/// The set of the probes of a protocol over a transport.
pub(crate) fn mask_of(transport: Transport, proto: AppProto) -> u32 {
    if !proto.is_known() {
        return 0;
    }
    let matching = PROBES
        .iter()
        .enumerate()
        .filter(|(_, probe)| probe.proto == proto && probe.transport == transport);
    matching.fold(0, |set, (index, _)| set | 1 << index)
}

/// Two bytes, network order.
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// Four bytes, network order.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Yes or no.
fn decide(yes: bool) -> Verdict {
    if yes { Verdict::Yes } else { Verdict::No }
}
