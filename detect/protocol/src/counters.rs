//! What is counted about application protocols (`app_layer` in statistics).

use crate::app::AppProto;
use crate::detection::Transport;
use crate::settings::{ProtocolSettings, Switch};

const PROTOCOLS: usize = AppProto::ALL.len() + 2;

/// Why parsing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A hole that the parser can't bear.
    Gap,
    /// No memory.
    Alloc,
    /// Data that can't be the protocol.
    Parser,
    /// A fault of the program.
    Internal,
}

impl Failure {
    const ALL: [Self; 4] = [Self::Gap, Self::Alloc, Self::Parser, Self::Internal];

    const fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Alloc => "alloc",
            Self::Parser => "parser",
            Self::Internal => "internal",
        }
    }
}

/// Counters of one worker.
#[derive(Clone, Debug)]
pub struct AppCounters {
    flows: [[u64; 2]; PROTOCOLS],
    transactions: [[u64; 2]; PROTOCOLS],
    errors: [[[u64; 4]; 2]; PROTOCOLS],
    /// Connections foretold by another flow (FTP data) that are waited for.
    pub expectations: u64,
}

impl Default for AppCounters {
    fn default() -> Self {
        Self {
            flows: [[0; 2]; PROTOCOLS],
            transactions: [[0; 2]; PROTOCOLS],
            errors: [[[0; 4]; 2]; PROTOCOLS],
            expectations: 0,
        }
    }
}

impl AppCounters {
    /// A flow's protocol is known ([`AppProto::Failed`]: it will not be).
    pub fn flow(&mut self, proto: AppProto, transport: Transport) {
        if let Some(pair) = self.flows.get_mut(proto as usize) {
            pair[transport.index()] += 1;
        }
    }

    /// Transactions were made.
    pub fn transactions(&mut self, proto: AppProto, transport: Transport, count: u64) {
        if let Some(pair) = self.transactions.get_mut(proto as usize) {
            pair[transport.index()] += count;
        }
    }

    /// Parsing failed.
    pub fn error(&mut self, proto: AppProto, transport: Transport, failure: Failure) {
        if let Some(pair) = self.errors.get_mut(proto as usize) {
            pair[transport.index()][failure as usize] += 1;
        }
    }

    /// Takes in the counters of another worker.
    pub fn merge(&mut self, other: &Self) {
        let add = |to: &mut u64, from: &u64| *to += from;
        let flows = self.flows.as_flattened_mut().iter_mut();
        flows.zip(other.flows.as_flattened()).for_each(|(to, from)| add(to, from));
        let transactions = self.transactions.as_flattened_mut().iter_mut();
        transactions.zip(other.transactions.as_flattened()).for_each(|(to, from)| add(to, from));
        let errors = self.errors.as_flattened_mut().as_flattened_mut().iter_mut();
        errors.zip(other.errors.as_flattened().as_flattened()).for_each(|(to, from)| add(to, from));
        self.expectations += other.expectations;
    }

    /// Calls with name and value of every counter that the configuration has, in Suricata 8's
    /// order.
    pub fn for_each(&self, settings: &ProtocolSettings, with: &mut dyn FnMut(&str, u64)) {
        let names = Names { settings };
        let failed = AppProto::Failed as usize;
        // Protocols over one transport stand in the first group, whichever it is.
        with("app_layer.flow.failed_tcp", self.flows[failed][0]);
        for proto in AppProto::ALL.iter().copied() {
            if let Some(transport) = names.first_transport(proto) {
                let name = counter_name(proto, transport, settings);
                let flows = self.flows[proto as usize][transport.index()];
                with(&format!("app_layer.flow.{name}"), flows);
            }
        }
        with("app_layer.flow.failed_udp", self.flows[failed][1]);
        for (proto, name) in names.detected(Transport::Udp) {
            if names.first_transport(proto) == Some(Transport::Tcp) {
                with(&format!("app_layer.flow.{name}"), self.flows[proto as usize][1]);
            }
        }
        for transport in Transport::BOTH {
            let at = transport.index();
            if transport == Transport::Tcp {
                with("app_layer.error.failed_tcp.gap", self.errors[failed][at][0]);
            }
            for (proto, name) in names.parsed(transport) {
                let counts = self.errors[proto as usize][at];
                for (failure, count) in Failure::ALL.into_iter().zip(counts) {
                    if failure != Failure::Gap || transport == Transport::Tcp {
                        with(&format!("app_layer.error.{name}.{}", failure.name()), count);
                    }
                }
            }
        }
        for transport in Transport::BOTH {
            let at = transport.index();
            for (proto, name) in names.parsed(transport) {
                with(&format!("app_layer.tx.{name}"), self.transactions[proto as usize][at]);
            }
        }
        with("app_layer.expectations", self.expectations);
    }
}

const fn suffix(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

/// Transports that a protocol runs on.
pub const fn transports(proto: AppProto) -> &'static [Transport] {
    match proto {
        AppProto::Dcerpc
        | AppProto::Dns
        | AppProto::Enip
        | AppProto::Nfs
        | AppProto::Krb5
        | AppProto::Sip
        | AppProto::Ldap => &[Transport::Tcp, Transport::Udp],
        AppProto::Ntp
        | AppProto::Tftp
        | AppProto::Ike
        | AppProto::Quic
        | AppProto::Dhcp
        | AppProto::BittorrentDht
        | AppProto::Mdns
        | AppProto::Snmp => &[Transport::Udp],
        _ => &[Transport::Tcp],
    }
}

/// Name of a protocol in counters: with the transport when it is switched on over both.
pub fn counter_name(proto: AppProto, transport: Transport, settings: &ProtocolSettings) -> String {
    let on = |transport: &Transport| settings.switch(proto, *transport) != Switch::Off;
    let both = transports(proto).len() == 2 && transports(proto).iter().all(on);
    let failed = proto == AppProto::Failed;
    if both || failed {
        format!("{}_{}", proto.name(), suffix(transport))
    } else {
        proto.name().to_owned()
    }
}

struct Names<'a> {
    settings: &'a ProtocolSettings,
}

impl Names<'_> {
    /// Protocols that are looked for over a transport, with their names.
    fn detected(&self, transport: Transport) -> impl Iterator<Item = (AppProto, String)> {
        let all = AppProto::ALL.iter().copied();
        all.filter(move |proto| {
            transports(*proto).contains(&transport)
                && self.settings.switch(*proto, transport) != Switch::Off
        })
        .map(move |proto| (proto, counter_name(proto, transport, self.settings)))
    }

    /// The first transport that a protocol is looked for over.
    fn first_transport(&self, proto: AppProto) -> Option<Transport> {
        let mut on = transports(proto).iter().copied();
        on.find(|transport| self.settings.switch(proto, *transport) != Switch::Off)
    }

    /// Those that are parsed as well: IMAP is only ever detected.
    fn parsed(&self, transport: Transport) -> impl Iterator<Item = (AppProto, String)> {
        self.detected(transport).filter(move |(proto, _)| {
            *proto != AppProto::Imap && self.settings.switch(*proto, transport) == Switch::On
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AppCounters, Failure};
    use crate::app::AppProto;
    use crate::detection::Transport;
    use crate::settings::{ProtocolSettings, Switch};

    fn names(settings: &ProtocolSettings) -> Vec<String> {
        let mut names = Vec::new();
        AppCounters::default().for_each(settings, &mut |name, _| names.push(name.to_owned()));
        names
    }

    #[test]
    fn names_follow_what_is_switched_on() {
        let mut settings = ProtocolSettings::default();
        let all = names(&settings);
        for name in [
            "app_layer.flow.failed_tcp",
            "app_layer.flow.http",
            "app_layer.flow.dns_tcp",
            "app_layer.flow.dns_udp",
            "app_layer.flow.imap",
            "app_layer.error.dns_udp.parser",
            "app_layer.tx.mdns",
            "app_layer.expectations",
        ] {
            assert!(all.iter().any(|n| n == name), "{name} is missing");
        }
        for name in [
            "app_layer.tx.imap",
            "app_layer.flow.modbus",
            "app_layer.error.dns_udp.gap",
            "app_layer.flow.dns",
        ] {
            assert!(!all.iter().any(|n| n == name), "{name} is there");
        }
        settings.set_switch(AppProto::Dns, Some(Transport::Tcp), Switch::Off);
        settings.set_switch(AppProto::Tls, None, Switch::DetectionOnly);
        let some = names(&settings);
        assert!(some.iter().any(|n| n == "app_layer.flow.dns"));
        assert!(some.iter().any(|n| n == "app_layer.flow.tls"));
        assert!(!some.iter().any(|n| n == "app_layer.tx.tls"));
    }

    #[test]
    fn workers_add_up() {
        let mut sum = AppCounters::default();
        let mut one = AppCounters::default();
        one.flow(AppProto::Dns, Transport::Udp);
        one.transactions(AppProto::Dns, Transport::Udp, 3);
        one.error(AppProto::Dns, Transport::Udp, Failure::Parser);
        sum.merge(&one);
        sum.merge(&one);
        let mut got = Vec::new();
        sum.for_each(&ProtocolSettings::default(), &mut |name, value| {
            if value > 0 {
                got.push((name.to_owned(), value));
            }
        });
        let expected = [
            ("app_layer.flow.dns_udp", 2),
            ("app_layer.error.dns_udp.parser", 2),
            ("app_layer.tx.dns_udp", 6),
        ];
        assert_eq!(got, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}
