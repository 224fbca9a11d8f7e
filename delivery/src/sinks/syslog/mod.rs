//! Records to a syslog server, or to the local one, as RFC 5424 or RFC 3164 messages.
//!
//! Over UDP nobody confirms anything: a record counts as delivered once it is sent. Over TCP and
//! TLS it does when the server's host has acknowledged it and the connection has lived on for
//! `hold`; over Unix sockets when the server has read it.

mod message;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dial::Dialer;
use crate::duration::{Delay, Size};
use crate::record::Record;
use crate::sink::{Settled, Sink, Trouble};
use crate::stream::TlsSettings;

use super::Surroundings;
use super::outlet::{Limits, Outlet, Sent, Target};
use message::Writer;

/// `syslog: {transport: tcp, server: logs:601, format: rfc5424}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// How messages travel.
    pub transport: Transport,
    /// `host:port` for UDP and TCP; `127.0.0.1:514` when absent.
    #[serde(deserialize_with = "crate::address::optional")]
    #[schemars(with = "Option<crate::address::HostPort>")]
    pub server: Option<String>,
    /// The socket for Unix transports; `/dev/log` when absent.
    pub path: Option<PathBuf>,
    /// TLS over TCP (RFC 5425).
    pub tls: Option<TlsSettings>,
    /// The messages' format; RFC 3164 on Unix sockets and 5424 elsewhere when absent.
    pub format: Option<Format>,
    /// How messages are told apart in a stream (RFC 6587).
    pub framing: Framing,
    /// Facility, by name.
    pub facility: message::Facility,
    /// Severity of records that `severities` does not have.
    pub severity: message::Severity,
    /// Severities by event type; that of alerts follows the rule's when it is not here.
    pub severities: BTreeMap<String, message::Severity>,
    /// The program's name in messages.
    pub identity: String,
    /// The host's name in messages; the sensor's when absent.
    pub hostname: Option<String>,
    /// Id of the structured data, with an enterprise number.
    pub structured_id: String,
    /// Bytes of a message, its header included.
    pub max_length: Size,
    /// What is done with a longer one.
    pub too_long: TooLong,
    /// Records that are not confirmed yet, at most.
    pub in_flight: u64,
    /// How long a TCP connection must live on after a record before that counts as delivered.
    pub hold: Delay,
    /// How long connecting, writing, or the server's silence may take.
    pub timeout: Delay,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            server: None,
            path: None,
            tls: None,
            format: None,
            framing: Framing::OctetCounting,
            facility: message::Facility::Local5,
            severity: message::Severity::Info,
            severities: BTreeMap::new(),
            identity: "suricata".to_owned(),
            hostname: None,
            structured_id: "bateleur@32473".to_owned(),
            max_length: Size(8192),
            too_long: TooLong::Cut,
            in_flight: 100_000,
            hold: Delay(Duration::from_secs(1)),
            timeout: Delay(Duration::from_secs(10)),
        }
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A datagram each.
    #[default]
    Udp,
    /// A stream, with TLS if `tls` is set.
    Tcp,
    /// The local server's datagram socket.
    UnixDatagram,
    /// A Unix stream socket.
    UnixStream,
}

/// Formats of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// With structured data.
    Rfc5424,
    /// The older one, without a year.
    Rfc3164,
}

/// How messages are told apart in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// Its length before each.
    #[default]
    OctetCounting,
    /// A line end behind each.
    Newline,
}

/// What is done with messages that are too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooLong {
    /// The end is cut off, and counted.
    #[default]
    Cut,
    /// The record is refused.
    Refuse,
}

impl Settings {
    pub(super) fn build(&self, around: &Surroundings) -> Result<Box<dyn Sink>, String> {
        if self.tls.is_some() && self.transport != Transport::Tcp {
            return Err("syslog: tls goes with transport tcp".to_owned());
        }
        if self.in_flight == 0 {
            return Err("syslog: in-flight is at least 1".to_owned());
        }
        let target = self.target()?;
        let timeout = self.timeout.0;
        let is_tcp = self.transport == Transport::Tcp;
        let hold = if is_tcp { self.hold.0 } else { Duration::ZERO };
        let dialer =
            Dialer::new(&around.network, self.tls.as_ref(), timeout)?.telling(&around.activity);
        let limits = Limits { in_flight: self.in_flight, timeout, hold };
        Ok(Box::new(Syslog {
            writer: Writer::new(self, &around.sensor)?,
            outlet: Outlet::new(target, dialer, &around.network, limits),
            framing: match self.transport {
                Transport::Tcp | Transport::UnixStream => Some(self.framing),
                _ => None,
            },
            too_long: self.too_long,
            message: Vec::new(),
            framed: Vec::new(),
            cut: 0,
        }))
    }
}

impl Settings {
    fn target(&self) -> Result<Target, String> {
        let is_unix = matches!(self.transport, Transport::UnixDatagram | Transport::UnixStream);
        if is_unix && self.server.is_some() {
            return Err("syslog: server goes with transport udp or tcp; \
                        unix-datagram and unix-stream have a path"
                .to_owned());
        }
        if !is_unix && self.path.is_some() {
            return Err("syslog: path goes with transport unix-datagram or unix-stream; \
                        udp and tcp have a server"
                .to_owned());
        }
        let server = || self.server.clone().unwrap_or_else(|| "127.0.0.1:514".to_owned());
        let path = || self.path.clone().unwrap_or_else(|| PathBuf::from("/dev/log"));
        Ok(match self.transport {
            Transport::Udp => Target::Udp(server()),
            Transport::Tcp => Target::Tcp(server()),
            Transport::UnixDatagram => Target::Datagram(path()),
            Transport::UnixStream => Target::Stream(path()),
        })
    }
}

struct Syslog {
    writer: Writer,
    outlet: Outlet,
    /// None for datagrams.
    framing: Option<Framing>,
    too_long: TooLong,
    message: Vec<u8>,
    framed: Vec<u8>,
    cut: u64,
}

impl Syslog {
    /// Puts the message into `framed` with what tells it apart in a stream.
    fn frame(&mut self) {
        self.framed.clear();
        let framing = self.framing;
        if framing == Some(Framing::OctetCounting) {
            self.framed.extend_from_slice(self.message.len().to_string().as_bytes());
            self.framed.push(b' ');
        }
        self.framed.extend_from_slice(&self.message);
        if framing == Some(Framing::Newline) {
            self.framed.push(b'\n');
        }
    }
}

impl Sink for Syslog {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        self.outlet.connect()?;
        let mut taken = 0;
        for (ticket, record) in (first..).zip(records) {
            self.message.clear();
            let is_cut = self.writer.write(record, &mut self.message);
            if is_cut && self.too_long == TooLong::Refuse {
                let why = "the message is longer than syslog.max-length".to_owned();
                self.outlet.refuse(ticket, why);
                taken += 1;
                continue;
            }
            self.frame();
            match self.outlet.send(&self.framed, ticket)? {
                Sent::Taken => self.cut += u64::from(is_cut),
                Sent::Full => break,
                Sent::TooLarge => {
                    let why = "the message is too large for a datagram (syslog.max-length)";
                    self.outlet.refuse(ticket, why.to_owned());
                }
            }
            taken += 1;
        }
        Ok(taken)
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        self.outlet.settle(patience, settled)
    }

    fn forget(&mut self) {
        self.outlet.forget();
    }

    fn counters(&self, out: &mut dyn FnMut(&str, u64)) {
        out("cut", self.cut);
    }
}
