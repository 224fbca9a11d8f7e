//! The threads that answer clients.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clients::{Clients, Figures};
use super::sensor::Sensor;
use super::{Limits, Listener, session};

/// How long to wait when the system has no descriptor left for a client.
const PAUSE: Duration = Duration::from_millis(100);

/// The running server; ends when this goes.
#[derive(Debug)]
pub(crate) struct Server {
    listener: Listener,
    clients: Arc<Clients>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    grace: Duration,
}

impl Listener {
    /// Begins to answer. Its threads belong to the sandbox if the process has entered one.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub(crate) fn serve(self, sensor: Arc<dyn Sensor>, limits: Limits) -> io::Result<Server> {
        let socket = self.socket.try_clone()?;
        let clients = Arc::new(Clients::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let accept = Accept {
            clients: Arc::clone(&clients),
            stopping: Arc::clone(&stopping),
            sensor,
            limits,
        };
        let thread =
            thread::Builder::new().name("control".to_owned()).spawn(move || accept.run(&socket))?;
        Ok(Server { listener: self, clients, stopping, thread: Some(thread), grace: limits.grace })
    }
}

impl Server {
    /// The socket's file.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.listener.path()
    }

    /// What has happened so far.
    pub(crate) fn figures(&self) -> Figures {
        self.clients.figures()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Shutting a listening socket down wakes who waits for clients.
        if let Ok(socket) = self.listener.socket.try_clone() {
            let _ = UnixStream::from(OwnedFd::from(socket)).shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.clients.close(self.grace);
    }
}

struct Accept {
    clients: Arc<Clients>,
    stopping: Arc<AtomicBool>,
    sensor: Arc<dyn Sensor>,
    limits: Limits,
}

impl Accept {
    fn run(&self, socket: &UnixListener) {
        loop {
            let accepted = socket.accept();
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            match accepted {
                Ok((stream, _)) => self.receive(stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    fn receive(&self, stream: UnixStream) {
        let Some(seat) = self.clients.admit(&stream, self.limits.clients) else { return };
        let (clients, sensor) = (Arc::clone(&self.clients), Arc::clone(&self.sensor));
        let limits = self.limits;
        // Without a thread the seat is free again.
        let _ = thread::Builder::new().name("control-client".to_owned()).spawn(move || {
            session::talk(&stream, &seat, &clients, sensor.as_ref(), &limits);
        });
    }
}
