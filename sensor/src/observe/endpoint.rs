//! The listening sockets, bound before rights are given up, and the thread that serves them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::observer::Observer;
use super::serve::Server;

/// What clients may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) clients: usize,
    /// Bytes of a request.
    pub(crate) head: usize,
    /// From the connection to the end of the request.
    pub(crate) request: Duration,
    /// So long counters of workers are waited for; then those that there are will do.
    pub(crate) counting: Duration,
    /// From the request to the last byte of the answer.
    pub(crate) answer: Duration,
    /// From there until the client has closed.
    pub(crate) linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 16,
            head: 8 * 1024,
            request: Duration::from_secs(5),
            counting: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            linger: Duration::from_secs(1),
        }
    }
}

/// The sockets.
#[derive(Debug)]
pub(crate) struct Endpoint {
    listeners: Vec<TcpListener>,
}

/// The running server; it ends when this goes.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Its other end wakes the server when this one goes.
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Binds all addresses.
    ///
    /// # Errors
    /// With the address that cannot be had.
    pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Self, (SocketAddr, io::Error)> {
        let bind = |address: &SocketAddr| {
            let listener = TcpListener::bind(address).map_err(|error| (*address, error))?;
            listener.set_nonblocking(true).map_err(|error| (*address, error))?;
            Ok(listener)
        };
        Ok(Self { listeners: addresses.iter().map(bind).collect::<Result<_, _>>()? })
    }

    /// Where it listens; the kernel's choice where port 0 was asked for.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Begins to answer, in a thread that calls `first` first. It belongs to the sandbox if the
    /// process has entered one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn serve(
        self,
        observer: Arc<Observer>,
        limits: Limits,
        first: impl FnOnce() + Send + 'static,
    ) -> io::Result<Serving> {
        let (bell, heard) = UnixStream::pair()?;
        let server = Server::new(self.listeners, heard, observer, limits);
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            first();
            server.run();
        })?;
        Ok(Serving { bell: Some(bell), thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.bell.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
