//! A one-way connection: messages go out and nothing comes back but what the kernel knows.
//!
//! What was written counts as confirmed when the kernel says that the other side has it: over TCP
//! once its host has acknowledged the bytes, over Unix sockets once the other process has read
//! them, over UDP at once. Because a receiver that dies takes with it what it had not read,
//! confirmed messages can be held for a while: if the connection breaks in that time, they count
//! as not delivered.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use socket2::Type;

use crate::dial::{Dialer, explain_path, unix};
use crate::network::Network;
use crate::sink::{Settled, Trouble};
use crate::stream::{Stream, is_too_early, wait_for};

use super::unacknowledged::unacknowledged;

/// Bytes that are gathered for one write to a stream.
const GATHERED: usize = 64 * 1024;

/// How often the name of a receiver is looked up that never tells whether it is there.
const LOOK_UP: Duration = Duration::from_secs(60);

/// Where messages go.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `host:port` over UDP.
    Udp(String),
    /// `host:port` over TCP, or TLS if the dialer has settings of it.
    Tcp(String),
    /// A Unix datagram socket.
    Datagram(PathBuf),
    /// A Unix stream socket.
    Stream(PathBuf),
}

impl Target {
    fn name(&self) -> String {
        match self {
            Self::Udp(target) | Self::Tcp(target) => target.clone(),
            Self::Datagram(path) | Self::Stream(path) => path.display().to_string(),
        }
    }
}

/// How much an outlet may hold, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Messages that are not confirmed yet, at most.
    pub(crate) in_flight: u64,
    /// For connecting, for each write, and for the other side's silence.
    pub(crate) timeout: Duration,
    /// How long the connection must live on after the kernel's confirmation.
    pub(crate) hold: Duration,
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Taken,
    /// There is no room until some are settled.
    Full,
    /// It is too large for a datagram.
    TooLarge,
}

/// The connection and what is on its way.
#[derive(Debug)]
pub(crate) struct Outlet {
    target: Target,
    dialer: Dialer,
    network: Network,
    limits: Limits,
    socket: Option<Socket>,
    gathered: Vec<u8>,
    /// Messages in `gathered`.
    tickets: Option<(u64, u64)>,
    /// Bytes that were written to this connection.
    written: u64,
    pending: VecDeque<Piece>,
    /// Messages that can't be sent, and why.
    refused: Vec<(u64, String)>,
    /// Bytes that the other side has not confirmed, and since when there are no fewer.
    stalled: (u64, Instant),
    /// When the name of a receiver of UDP is next looked up: it never says that it has moved.
    look_up_at: Instant,
    /// A thread looks it up, as that may take long; it gives another socket when it has moved.
    looking: Option<Receiver<UdpSocket>>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Datagram(UnixDatagram),
    Stream(Stream),
}

/// Messages that were written together.
#[derive(Debug)]
struct Piece {
    tickets: (u64, u64),
    /// Bytes of the connection up to here.
    end: u64,
    confirmed: Option<Instant>,
}

impl Outlet {
    /// Nothing is connected yet.
    pub(crate) fn new(target: Target, dialer: Dialer, network: &Network, limits: Limits) -> Self {
        Self {
            target,
            dialer,
            network: network.clone(),
            limits,
            socket: None,
            gathered: Vec::new(),
            tickets: None,
            written: 0,
            pending: VecDeque::new(),
            refused: Vec::new(),
            stalled: (0, Instant::now()),
            look_up_at: Instant::now(),
            looking: None,
        }
    }

    /// Connects, if need be.
    ///
    /// # Errors
    /// When the receiver can't be reached.
    pub(crate) fn connect(&mut self) -> Result<(), Trouble> {
        if self.socket.is_some() {
            return Ok(());
        }
        let socket = match &self.target {
            Target::Udp(target) => {
                let socket = self.network.datagrams(target)?;
                let limited = socket.set_write_timeout(Some(self.limits.timeout));
                limited.map_err(|error| Trouble::passing(format!("{target}: {error}")))?;
                Socket::Udp(socket)
            }
            Target::Tcp(target) => Socket::Stream(self.dialer.connect(target)?),
            Target::Datagram(path) => {
                let socket = unix(path, Type::DGRAM, self.limits.timeout)
                    .map_err(|error| explain_path(&self.target.name(), &error))?;
                Socket::Datagram(socket.into())
            }
            Target::Stream(path) => Socket::Stream(self.dialer.connect_path(path)?),
        };
        self.socket = Some(socket);
        self.written = 0;
        self.stalled = (0, Instant::now());
        self.look_up_at = Instant::now() + LOOK_UP;
        self.looking = None;
        Ok(())
    }

    /// Looks up the name of a receiver of UDP now and then, and turns to where it has moved.
    fn follow(&mut self) {
        let (Target::Udp(target), Some(Socket::Udp(socket))) = (&self.target, &mut self.socket)
        else {
            return;
        };
        if let Some(looking) = &self.looking {
            match looking.try_recv() {
                Ok(moved) => *socket = moved,
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {}
            }
            self.looking = None;
        }
        if self.look_up_at > Instant::now() || target.parse::<SocketAddr>().is_ok() {
            return;
        }
        self.look_up_at = Instant::now() + LOOK_UP;
        let Ok(present) = socket.peer_addr() else { return };
        let (sender, receiver) = mpsc::sync_channel(1);
        let (network, target, timeout) =
            (self.network.clone(), target.clone(), self.limits.timeout);
        let work = move || {
            // While the name can't be resolved it stays where it is.
            if let Some(socket) = moved(&network, &target, present, timeout) {
                let _ = sender.send(socket);
            }
        };
        if thread::Builder::new().name("look-up".to_owned()).spawn(work).is_ok() {
            self.looking = Some(receiver);
        }
    }

    /// Sends a message: a datagram, or bytes of the stream.
    ///
    /// # Errors
    /// When the receiver can't be reached, or does not read.
    pub(crate) fn send(&mut self, message: &[u8], ticket: u64) -> Result<Sent, Trouble> {
        self.connect()?;
        let waiting: u64 = self.pending.iter().map(|piece| piece.tickets.1 - piece.tickets.0).sum();
        let gathered = self.tickets.map_or(0, |(first, end)| end - first);
        if waiting + gathered >= self.limits.in_flight {
            return Ok(Sent::Full);
        }
        let result = match &self.socket {
            Some(Socket::Udp(socket)) => socket.send(message),
            Some(Socket::Datagram(socket)) => socket.send(message),
            _ => return self.gather(message, ticket),
        };
        match result {
            Ok(_) => {
                self.note((ticket, ticket + 1));
                Ok(Sent::Taken)
            }
            Err(error) if is(&error, rustix::io::Errno::MSGSIZE) => Ok(Sent::TooLarge),
            Err(error) => {
                // What was sent before is on its way; it is settled before trouble is told.
                if is_too_early(&error) && !self.pending.is_empty() {
                    return Ok(Sent::Full);
                }
                Err(self.explain(&error))
            }
        }
    }

    fn gather(&mut self, message: &[u8], ticket: u64) -> Result<Sent, Trouble> {
        if self.tickets.is_some_and(|(_, end)| end != ticket) {
            self.flush()?;
        }
        self.gathered.extend_from_slice(message);
        let first = self.tickets.map_or(ticket, |(first, _)| first);
        self.tickets = Some((first, ticket + 1));
        if self.gathered.len() >= GATHERED {
            self.flush()?;
        }
        Ok(Sent::Taken)
    }

    /// Writes what has been gathered.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    pub(crate) fn flush(&mut self) -> Result<(), Trouble> {
        let Some(tickets) = self.tickets.take() else { return Ok(()) };
        let Some(Socket::Stream(stream)) = &mut self.socket else { return Ok(()) };
        let result = stream.write_all(&self.gathered).and_then(|()| stream.flush());
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        if let Err(error) = result {
            return Err(self.explain(&error));
        }
        self.note(tickets);
        Ok(())
    }

    fn note(&mut self, tickets: (u64, u64)) {
        let end = self.written;
        if !matches!(self.socket, Some(Socket::Stream(_)))
            && let Some(last) = self.pending.back_mut()
            && last.confirmed.is_none()
            && last.tickets.1 == tickets.0
        {
            last.tickets.1 = tickets.1;
            return;
        }
        if self.pending.is_empty() {
            self.stalled.1 = Instant::now();
        }
        self.pending.push_back(Piece { tickets, end, confirmed: None });
    }

    /// Waits for what the kernel knows of messages on their way.
    ///
    /// # Errors
    /// When the other side has gone or does not read.
    pub(crate) fn settle(
        &mut self,
        patience: Duration,
        settled: &mut Settled,
    ) -> Result<(), Trouble> {
        settled.refused.append(&mut self.refused);
        self.follow();
        self.flush()?;
        let end = Instant::now() + patience;
        let mut pause = Duration::from_micros(500);
        while !self.pending.is_empty() {
            self.confirm()?;
            self.check_life(Duration::ZERO)?;
            if self.release(settled) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.check_life(pause.min(left))?;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Marks pieces that the other side has.
    fn confirm(&mut self) -> Result<(), Trouble> {
        let left = match &self.socket {
            Some(Socket::Stream(stream)) => unacknowledged(stream),
            Some(Socket::Datagram(socket)) => unacknowledged(socket),
            _ => Ok(0),
        };
        let left = left.map_err(|error| self.explain(&error))?;
        // Only plain TCP counts in bytes that we have written.
        let plain = matches!(self.socket, Some(Socket::Stream(Stream::Tcp(_))));
        let done = if plain { self.written.saturating_sub(left) } else { u64::MAX };
        let now = Instant::now();
        if plain || left == 0 {
            for piece in &mut self.pending {
                if piece.end <= done && piece.confirmed.is_none() {
                    piece.confirmed = Some(now);
                }
            }
        }
        if left == 0 || left < self.stalled.0 {
            self.stalled.1 = now;
        }
        self.stalled.0 = left;
        if self.stalled.1.elapsed() > self.limits.timeout {
            let what = format!("{}: the receiver does not read", self.target.name());
            return Err(Trouble::passing(what));
        }
        Ok(())
    }

    /// Looks, for as long as `pause`, whether the other side is still there.
    fn check_life(&mut self, pause: Duration) -> Result<(), Trouble> {
        let name = self.target.name();
        let gone = |what: &str| Err(Trouble::passing(format!("{name}: {what}")));
        match &mut self.socket {
            Some(Socket::Udp(socket)) => match socket.take_error() {
                Ok(Some(error)) | Err(error) => Err(self.explain(&error)),
                Ok(None) => Ok(()),
            },
            Some(Socket::Datagram(_)) | None => {
                thread::sleep(pause);
                Ok(())
            }
            // A Unix peer may have ended only its own direction; without events asked for, poll
            // tells when it has gone altogether.
            Some(Socket::Stream(stream @ Stream::Unix(_))) => {
                match wait_for(stream, PollFlags::empty(), pause) {
                    Ok(false) => Ok(()),
                    Ok(true) => gone("the receiver has gone"),
                    Err(error) => Err(self.explain(&error)),
                }
            }
            Some(Socket::Stream(stream)) => {
                let mut nothing = [0; 1024];
                match stream.read_within(&mut nothing, pause) {
                    Ok(Some(0)) => gone("the receiver has closed the connection"),
                    Ok(_) => Ok(()),
                    Err(error) => Err(self.explain(&error)),
                }
            }
        }
    }

    /// Settles what was confirmed long enough ago; true if there was any.
    fn release(&mut self, settled: &mut Settled) -> bool {
        let mut any = false;
        while let Some(piece) = self.pending.front()
            && piece.confirmed.is_some_and(|since| since.elapsed() >= self.limits.hold)
        {
            settled.delivered.push(piece.tickets);
            self.pending.pop_front();
            any = true;
        }
        any
    }

    /// Drops the connection and what is on its way.
    pub(crate) fn forget(&mut self) {
        if let Some(Socket::Stream(mut stream)) = self.socket.take() {
            stream.shut_down();
        }
        self.gathered.clear();
        self.tickets = None;
        self.pending.clear();
        self.refused.clear();
    }

    /// Takes a message that can't be sent; it is settled like the others.
    pub(crate) fn refuse(&mut self, ticket: u64, why: String) {
        self.refused.push((ticket, why));
    }

    fn explain(&self, error: &io::Error) -> Trouble {
        let name = self.target.name();
        if is_too_early(error) {
            return Trouble::passing(format!("{name}: the receiver does not read"));
        }
        match &self.target {
            Target::Datagram(_) | Target::Stream(_) => explain_path(&name, error),
            _ => Trouble::passing(format!("{name}: {error}")),
        }
    }
}

/// A socket to a name that no longer has the address that it had.
fn moved(
    network: &Network,
    target: &str,
    present: SocketAddr,
    timeout: Duration,
) -> Option<UdpSocket> {
    if network.resolve(target).ok()?.contains(&present) {
        return None;
    }
    let socket = network.datagrams(target).ok()?;
    socket.set_write_timeout(Some(timeout)).ok()?;
    Some(socket)
}

fn is(error: &io::Error, number: rustix::io::Errno) -> bool {
    error.raw_os_error() == Some(number.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_of_datagrams_is_followed_to_its_new_address() {
        // A name with one address at a time: another port is another address.
        let receiver = || UdpSocket::bind("localhost:0").unwrap();
        let name = |socket: &UdpSocket| {
            Target::Udp(format!("localhost:{}", socket.local_addr().unwrap().port()))
        };
        let (old, new) = (receiver(), receiver());
        let timeout = Duration::from_secs(1);
        let network = Network::default();
        let dialer = Dialer::new(&network, None, timeout).unwrap();
        let limits = Limits { in_flight: 10, timeout, hold: Duration::ZERO };
        let mut outlet = Outlet::new(name(&old), dialer, &network, limits);
        let settle = |outlet: &mut Outlet, ticket| {
            assert_eq!(outlet.send(b"x", ticket), Ok(Sent::Taken));
            outlet.settle(Duration::ZERO, &mut Settled::default()).unwrap();
        };
        let got = |socket: &UdpSocket, patience| {
            socket.set_read_timeout(Some(patience)).unwrap();
            socket.recv(&mut [0; 10]).is_ok()
        };
        settle(&mut outlet, 0);
        assert!(got(&old, timeout));
        outlet.target = name(&new);
        settle(&mut outlet, 1);
        assert!(got(&old, timeout), "nobody asked yet");
        outlet.look_up_at = Instant::now();
        let end = Instant::now() + 10 * timeout;
        let mut ticket = 2;
        while !got(&new, Duration::from_millis(20)) {
            assert!(Instant::now() < end, "it was not followed");
            settle(&mut outlet, ticket);
            ticket += 1;
        }
        assert!(outlet.look_up_at > Instant::now() + LOOK_UP / 2);
    }
}
