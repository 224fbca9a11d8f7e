//! Opens connections to receivers over the event network, with TLS where it is asked for.

use std::io;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::activity::{Activity, Waiting};
use crate::network::Network;
use crate::sink::Trouble;
use crate::stream::{Stream, TlsSettings};
#[cfg(feature = "tls")]
use crate::tls::{self, Tls};

/// What connections to the receivers of one sink share.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    network: Network,
    timeout: Duration,
    activity: Activity,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl Dialer {
    /// Reads certificates, if any.
    pub(crate) fn new(
        network: &Network,
        tls: Option<&TlsSettings>,
        timeout: Duration,
    ) -> Result<Self, String> {
        #[cfg(not(feature = "tls"))]
        if tls.is_some() {
            return Err("tls: this program was built without it (cargo feature `tls`)".to_owned());
        }
        Ok(Self {
            network: network.clone(),
            timeout,
            activity: Activity::default(),
            #[cfg(feature = "tls")]
            tls: tls.map(Tls::new).transpose()?,
        })
    }

    /// Tells there what is waited for.
    pub(crate) fn telling(mut self, activity: &Activity) -> Self {
        self.activity = activity.clone();
        self
    }

    /// Something is waited for until the outcome goes.
    pub(crate) fn waiting(&self, what: String) -> Waiting {
        self.activity.begin(what)
    }

    /// Connects to `host:port`. A write waits no longer than making the connection may take.
    pub(crate) fn connect(&self, target: &str) -> Result<Stream, Trouble> {
        self.limited(self.open(target)?, target)
    }

    /// Connects to a Unix stream socket, with the same limit.
    pub(crate) fn connect_path(&self, path: &Path) -> Result<Stream, Trouble> {
        let name = path.display().to_string();
        let _waiting = self.waiting(format!("connecting to {name}"));
        let socket =
            unix(path, Type::STREAM, self.timeout).map_err(|error| explain_path(&name, &error))?;
        self.limited(Stream::Unix(socket.into()), &name)
    }

    /// Connects to `host:port`. Reads and writes of the connection do not wait.
    pub(crate) fn connect_unwaiting(&self, target: &str) -> Result<Stream, Trouble> {
        let stream = self.open(target)?;
        stream.set_nonblocking(true).map_err(|error| self.explain(target, &error))?;
        Ok(stream)
    }

    /// True when connections are encrypted.
    pub(crate) fn is_encrypting(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// What an error of a connection means, for people.
    pub(crate) fn explain(&self, target: &str, error: &io::Error) -> Trouble {
        #[cfg(feature = "tls")]
        if self.is_encrypting() {
            return tls::explain(target, error);
        }
        Trouble::passing(format!("{target}: {error}"))
    }

    fn open(&self, target: &str) -> Result<Stream, Trouble> {
        let _waiting = self.waiting(format!("connecting to {target}"));
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.connect(&self.network, target, self.timeout);
        }
        Ok(Stream::Tcp(self.network.connect(target, self.timeout)?))
    }

    fn limited(&self, stream: Stream, target: &str) -> Result<Stream, Trouble> {
        stream
            .set_write_timeout(Some(self.timeout))
            .map_err(|error| Trouble::passing(format!("{target}: {error}")))?;
        Ok(stream)
    }
}

/// A Unix socket that is connected to `path`; a listener whose queue is full is waited for, but no
/// longer than `timeout`.
pub(crate) fn unix(path: &Path, kind: Type, timeout: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_write_timeout(Some(timeout.max(Duration::from_millis(1))))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

/// Why a Unix socket can't be used: what may come to pass and what somebody has to mend.
pub(crate) fn explain_path(name: &str, error: &io::Error) -> Trouble {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    match error.kind() {
        NotFound => Trouble::passing(format!("{name}: there is no such socket yet")),
        ConnectionRefused => Trouble::passing(format!("{name}: nobody listens there")),
        PermissionDenied => Trouble::lasting(format!("{name}: {error}")),
        _ if error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error()) => {
            Trouble::lasting(format!("{name}: it is of the other kind, stream or datagram"))
        }
        _ => Trouble::passing(format!("{name}: {error}")),
    }
}
