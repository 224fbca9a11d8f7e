//! The event network: which interface, source address and mark the sockets of sinks have.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::marker::Marker;
use crate::sink::Trouble;

/// Where event traffic goes out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Network {
    /// Only over this interface (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// From these addresses, the first one of the receiver's family.
    pub source_address: Vec<IpAddr>,
    /// Mark of the packets, for routing rules (`SO_MARK`; needs `CAP_NET_ADMIN`).
    pub fwmark: Option<u32>,
    /// Who makes marked sockets, if this process may not.
    #[serde(skip)]
    pub marker: Option<Marker>,
}

impl Network {
    /// Connects to `host:port`, one of its addresses after the other.
    ///
    /// # Errors
    /// With the receiver's name and what the last of its addresses answered.
    pub fn connect(&self, target: &str, timeout: Duration) -> Result<TcpStream, Trouble> {
        let mut last = None;
        for address in self.resolve(target)? {
            match self.connect_to(address, timeout) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some((address, error)),
            }
        }
        let Some((address, error)) = last else {
            return Err(Trouble::passing(format!("{target}: the name has no address")));
        };
        let name = named(target, address);
        Err(Trouble::passing(format!("{name}: {}", self.explain(&error, address.is_ipv4()))))
    }

    /// A datagram socket that sends to `host:port`.
    ///
    /// # Errors
    /// As [`Network::connect`].
    pub fn datagrams(&self, target: &str) -> Result<UdpSocket, Trouble> {
        let mut last = None;
        for address in self.resolve(target)? {
            let connect = || -> io::Result<UdpSocket> {
                let socket = self.socket(address, Type::DGRAM, Protocol::UDP)?;
                socket.connect(&SockAddr::from(address))?;
                Ok(socket.into())
            };
            match connect() {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some((address, error)),
            }
        }
        let why = last.map_or("the name has no address".to_owned(), |(address, error)| {
            self.explain(&error, address.is_ipv4())
        });
        Err(Trouble::passing(format!("{target}: {why}")))
    }

    /// A socket that is not connected yet, with all that the event network asks for.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn socket(&self, to: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        self.open(to.is_ipv4(), kind, protocol)
    }

    /// As [`Network::socket`], for any receiver of a family.
    ///
    /// # Errors
    /// When the system refuses, or no source address is of that family.
    pub fn open(&self, is_ipv4: bool, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let source = self.source(is_ipv4);
        if source.is_none() && !self.source_address.is_empty() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let domain = if is_ipv4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = match (&self.marker, self.fwmark) {
            (Some(marker), Some(_)) => marker.socket(is_ipv4, kind)?,
            (None, Some(mark)) => {
                let socket = Socket::new(domain, kind, Some(protocol))?;
                socket.set_mark(mark)?;
                socket
            }
            (_, None) => Socket::new(domain, kind, Some(protocol))?,
        };
        if let Some(name) = &self.interface {
            socket.bind_device(Some(name.as_bytes()))?;
        }
        if let Some(source) = source {
            socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
        }
        Ok(socket)
    }

    fn connect_to(&self, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let socket = self.socket(address, Type::STREAM, Protocol::TCP)?;
        socket.connect_timeout(&SockAddr::from(address), timeout)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_keepalive(true)?;
        Ok(socket.into())
    }

    fn source(&self, is_ipv4: bool) -> Option<IpAddr> {
        self.source_address.iter().copied().find(|source| source.is_ipv4() == is_ipv4)
    }

    /// False for receivers whose family none of the given source addresses has: the kernel must
    /// not choose one.
    fn can_reach(&self, to: SocketAddr) -> bool {
        self.source_address.is_empty() || self.source(to.is_ipv4()).is_some()
    }

    /// Addresses of `host:port` that the event network can reach.
    ///
    /// # Errors
    /// When the name can't be resolved, or is none.
    pub(crate) fn resolve(&self, target: &str) -> Result<Vec<SocketAddr>, Trouble> {
        let found = target.to_socket_addrs().map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                Trouble::lasting(format!("{target}: write HOST:PORT, an IPv6 address in brackets"))
            }
            _ => Trouble::passing(format!("{target}: the name can't be resolved: {error}")),
        })?;
        let (near, far): (Vec<_>, Vec<_>) = found.partition(|address| self.can_reach(*address));
        if near.is_empty() && !far.is_empty() {
            return Err(Trouble::lasting(format!(
                "{target}: events.source-address has no address of the family of {}",
                far[0].ip()
            )));
        }
        Ok(near)
    }

    /// What of it is not there at present, for people. It may come later.
    pub fn warnings(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let interfaces = Path::new("/sys/class/net");
        if let Some(name) = &self.interface
            && interfaces.is_dir()
            && !interfaces.join(name).exists()
        {
            missing.push(format!("events.interface {name} is not there yet: no event goes out"));
        }
        for source in &self.source_address {
            let bound = UdpSocket::bind((*source, 0));
            if bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable) {
                missing.push(format!(
                    "events.source-address {source} is on no interface yet: no event goes out from it"
                ));
            }
        }
        missing
    }

    fn explain(&self, error: &io::Error, is_ipv4: bool) -> String {
        use rustix::io::Errno;
        let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
        match (&self.interface, self.fwmark) {
            (Some(name), _) if is(Errno::NODEV) => {
                format!("events.interface {name} is not there ({error})")
            }
            (_, Some(_)) if is(Errno::PERM) => {
                format!("events.fwmark needs CAP_NET_ADMIN, which this process has not ({error})")
            }
            _ if error.kind() == io::ErrorKind::AddrNotAvailable
                && let Some(source) = self.source(is_ipv4) =>
            {
                format!("events.source-address {source} is on no interface ({error})")
            }
            _ => error.to_string(),
        }
    }
}

/// A receiver's name with its address, if that says more.
fn named(target: &str, address: SocketAddr) -> String {
    let own = address.to_string();
    if own == target { own } else { format!("{target} ({own})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn connects_from_the_wanted_source() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("an address").to_string();
        let network = Network {
            source_address: vec!["127.0.0.9".parse().expect("address")],
            ..Network::default()
        };
        let stream = network.connect(&target, Duration::from_secs(5)).expect("connects");
        assert_eq!(stream.local_addr().expect("an address").ip().to_string(), "127.0.0.9");
    }

    #[test]
    fn what_is_not_there_is_told_by_its_key() {
        let source: IpAddr = "203.0.113.77".parse().expect("address");
        let network = Network {
            interface: Some("no-such-0".into()),
            source_address: vec!["127.0.0.1".parse().expect("address"), source],
            ..Network::default()
        };
        let warnings = network.warnings().join("; ");
        assert!(warnings.contains("events.interface no-such-0"), "{warnings}");
        assert!(warnings.contains("events.source-address 203.0.113.77"), "{warnings}");
        assert!(!warnings.contains("127.0.0.1"), "{warnings}");
        assert!(Network::default().warnings().is_empty());
        let network = Network { source_address: vec![source], ..Network::default() };
        let error = network.connect("127.0.0.1:1", Duration::from_secs(1)).expect_err("fails");
        assert!(error.what.contains("events.source-address 203.0.113.77 is"), "{error}");
        // The address is told once, unless the name is another one.
        assert!(error.what.starts_with("127.0.0.1:1: "), "{error}");
        assert_eq!(named("a:1", SocketAddr::new(source, 1)), "a:1 (203.0.113.77:1)");
    }

    #[test]
    fn says_what_is_wrong() {
        let none = Network { interface: Some("no-such-0".into()), ..Network::default() };
        let error = none.connect("127.0.0.1:1", Duration::from_secs(1)).expect_err("fails");
        assert!(error.what.contains("events.interface no-such-0 is not there"), "{}", error.what);
        let error = Network::default()
            .connect("nowhere", Duration::from_secs(1))
            .expect_err("needs a port");
        let far = Network { source_address: vec!["::1".parse().expect("address")], ..none };
        let family = far.connect("127.0.0.1:1", Duration::from_secs(1)).expect_err("fails");
        assert!(family.what.contains("no address of the family"), "{}", family.what);
        assert!(error.is_lasting && error.what.contains("HOST:PORT"), "{}", error.what);
    }
}
