//! A connection to a receiver: TCP, TLS over it, or a Unix socket; and the settings of TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use schemars::JsonSchema;
use serde::Deserialize;

#[cfg(feature = "tls")]
use crate::tls;

/// How a connection is made confidential, and who is on its other end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TlsSettings {
    /// Certificates of authorities, PEM; those of the system when absent.
    pub ca: Option<PathBuf>,
    /// Our certificate and those between it and its authority, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// The name in the receiver's certificate, when it is not the host we connect to.
    pub server_name: Option<String>,
    /// Accept any certificate. For tests only: whoever is on the way reads and changes events.
    pub insecure: bool,
}

/// How long a read waits for the rest of a TLS record of which a part is there.
const PART_OF_A_RECORD: Duration = Duration::from_millis(20);

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    #[cfg(feature = "tls")]
    Tls(Box<tls::TlsStream>),
    /// A Unix stream socket.
    Unix(UnixStream),
}

impl Stream {
    /// Limits how long a read may wait; none: for ever.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        // Zero would mean for ever to the system.
        let timeout = timeout.map(|time| time.max(Duration::from_millis(1)));
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.sock.set_read_timeout(timeout),
            Self::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// Limits how long a write may wait; none: for ever.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|time| time.max(Duration::from_millis(1)));
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(timeout),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.sock.set_write_timeout(timeout),
            Self::Unix(stream) => stream.set_write_timeout(timeout),
        }
    }

    /// Whether reads and writes return at once (`WouldBlock`) when they would have to wait.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_nonblocking(&self, is_on: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(is_on),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.sock.set_nonblocking(is_on),
            Self::Unix(stream) => stream.set_nonblocking(is_on),
        }
    }

    /// After an error: what the receiver said about it before it closed, by TLS. A connection that
    /// cannot be written to is not read from by itself.
    pub fn last_words(&mut self) -> Option<io::Error> {
        #[cfg(feature = "tls")]
        if let Self::Tls(stream) = self {
            while stream.conn.read_tls(&mut stream.sock).ok()? > 0 {
                if let Err(error) = stream.conn.process_new_packets() {
                    return Some(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
        None
    }

    /// Reads what comes within `patience`; none: nothing came. Zero bytes: the other side has ended
    /// its direction.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn read_within(
        &mut self,
        buffer: &mut [u8],
        patience: Duration,
    ) -> io::Result<Option<usize>> {
        if !self.has_decrypted() && !wait_for(self, PollFlags::IN, patience)? {
            return Ok(None);
        }
        self.set_read_timeout(Some(PART_OF_A_RECORD))?;
        match self.read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if is_too_early(&error) => Ok(None),
            // An end without TLS's own goodbye is an end all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// True when TLS holds text that no further packet is needed for.
    fn has_decrypted(&mut self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                stream.conn.process_new_packets().is_ok_and(|s| s.plaintext_bytes_to_read() > 0)
            }
            _ => false,
        }
    }

    /// Ends both directions.
    pub fn shut_down(&mut self) {
        // What is wrong with it no longer matters.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                stream.sock.shutdown(Shutdown::Both)
            }
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

/// Waits until something of `what` is there, or the other side has gone; false when time is up.
///
/// # Errors
/// When the system refuses.
pub fn wait_for(socket: &impl AsFd, what: PollFlags, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut fds = [PollFd::new(socket, what)];
    match rustix::event::poll(&mut fds, Some(&patience)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// True for reads and writes that only took too long.
pub fn is_too_early(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.sock.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}
