//! A small HTTP server for rules: it serves the layout, takes receipts and drives roll-outs.
//!
//! Each client has a thread and gets one answer; how many there are, how long their requests may be
//! and how long they may take is limited. TLS is the work of a proxy before it: bundles are signed,
//! and what a stranger could change (receipts, roll-outs) wants a token where one is set.

mod answer;
mod desk;
mod metrics;
pub mod request;
#[cfg(test)]
mod tests;

pub use desk::{Desk, DeskError, Kept, Order};

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use answer::{Answer, Body};
use request::{Heard, Request};

/// Roll-outs are looked after this often.
const TURN: Duration = Duration::from_millis(500);
/// How long to leave new clients alone when the system has no descriptor for them.
const PAUSE: Duration = Duration::from_millis(100);
/// So much of what a client still says is read after the answer, for so long.
const LEFTOVERS: usize = 64 * 1024;
const LEAVING: Duration = Duration::from_secs(2);

/// What clients may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Clients at a time.
    pub clients: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Bytes of its body.
    pub body: usize,
    /// How long a request may take to arrive.
    pub request: Duration,
    /// How long an answer may take to be fetched.
    pub answer: Duration,
    /// How long a client may take none of it.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 128,
            head: 8 << 10,
            body: 64 << 10,
            request: Duration::from_secs(10),
            answer: Duration::from_secs(900),
            stall: Duration::from_secs(30),
        }
    }
}

/// What a server is to do.
#[derive(Clone)]
pub struct Settings {
    /// The layout's folder.
    pub directory: PathBuf,
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// Who posts, and who asks in a sensor's name, must show this.
    pub token: Option<String>,
    /// What clients may take up.
    pub limits: Limits,
}

/// What the server counts of itself.
#[derive(Debug, Default)]
struct Figures {
    /// Answers by hundreds of their status.
    answers: [AtomicU64; 6],
    evicted: AtomicU64,
    late: AtomicU64,
    bundles: AtomicU64,
    clients: AtomicUsize,
}

/// What all threads share.
struct Shared {
    desk: Mutex<Desk>,
    token: Option<String>,
    limits: Limits,
    figures: Figures,
}

/// A server that is at work; it ends when this is dropped.
pub struct Server {
    addresses: Vec<SocketAddr>,
    bell: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Server {
    /// Takes the folder, listens and begins to serve.
    ///
    /// # Errors
    /// When another server has the folder, or an address is taken.
    pub fn start(settings: Settings) -> Result<Self, DeskError> {
        let desk = Desk::open(&settings.directory, now())?;
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let failed = |error| DeskError::Address(*address, error);
            let listener = TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            listeners.push(listener);
        }
        let addresses = listeners.iter().flat_map(TcpListener::local_addr).collect();
        let (bell, rung) = UnixStream::pair().map_err(DeskError::System)?;
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            token: settings.token,
            limits: settings.limits,
            figures: Figures::default(),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("rules-server".to_owned())
            .spawn(move || serve(&theirs, &listeners, &rung))
            .map_err(DeskError::System)?;
        Ok(Self { addresses, bell: Some(bell), thread: Some(thread), shared })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether it still works.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.bell.take());
        if let Some(thread) = self.thread.take() {
            // A panic was told when it came.
            let _ = thread.join();
        }
        let mut desk = self.shared.desk();
        desk.save_receipts(now());
        desk.release();
    }
}

impl Shared {
    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Takes clients in until the bell rings.
fn serve(shared: &Arc<Shared>, listeners: &[TcpListener], bell: &UnixStream) {
    loop {
        shared.desk().tick(now());
        let mut fds = vec![PollFd::new(bell, PollFlags::IN)];
        fds.extend(listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
        let turn = Timespec::try_from(TURN).ok();
        if poll(&mut fds, turn.as_ref()).is_err() {
            // A signal came in between.
            continue;
        }
        let mut flags = fds.iter().map(|fd| !fd.revents().is_empty());
        if flags.next() == Some(true) {
            return;
        }
        if flags.any(|is_ready| is_ready) {
            listeners.iter().for_each(|listener| take_in(shared, listener));
        }
    }
}

fn take_in(shared: &Arc<Shared>, listener: &TcpListener) {
    for _ in 0..shared.limits.clients {
        match listener.accept() {
            Ok((stream, _)) => {
                if shared.figures.clients.load(Relaxed) >= shared.limits.clients {
                    // It comes again: followers wait and retry.
                    shared.figures.evicted.fetch_add(1, Relaxed);
                    continue;
                }
                let seat = Seat::take(shared);
                let begun = thread::Builder::new()
                    .name("rules-client".to_owned())
                    .stack_size(512 * 1024)
                    .spawn(move || attend(&seat.shared, stream));
                if begun.is_err() {
                    thread::sleep(PAUSE);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => {
                thread::sleep(PAUSE);
                return;
            }
        }
    }
}

/// One of the places for clients, free again when it is dropped.
struct Seat {
    shared: Arc<Shared>,
}

impl Seat {
    fn take(shared: &Arc<Shared>) -> Self {
        shared.figures.clients.fetch_add(1, Relaxed);
        Self { shared: Arc::clone(shared) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.figures.clients.fetch_sub(1, Relaxed);
    }
}

/// Hears a client and answers it. What fails here is that client's affair alone.
fn attend(shared: &Shared, mut stream: TcpStream) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_nodelay(true);
    let heard = hear(&mut stream, &shared.limits);
    let is_head = matches!(&heard, Ok(Some(request)) if request.is_head);
    let answer = match heard {
        Ok(Some(request)) => answer::to(&request, shared),
        Ok(None) => return,
        Err(status) => {
            if status == 408 {
                shared.figures.late.fetch_add(1, Relaxed);
            }
            Answer::refusal(status, "")
        }
    };
    let class = usize::from(answer.status / 100);
    if let Some(counter) = shared.figures.answers.get(class) {
        counter.fetch_add(1, Relaxed);
    }
    if send(&mut stream, answer, is_head, &shared.limits).is_err() {
        shared.figures.late.fetch_add(1, Relaxed);
        return;
    }
    leave(&mut stream);
}

/// Reads a request; none: the client has gone. A status where it is none that is answered.
fn hear(stream: &mut TcpStream, limits: &Limits) -> Result<Option<Request>, u16> {
    let deadline = Instant::now() + limits.request;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let most = limits.head + limits.body;
        match request::hear(&bytes, limits.head, limits.body) {
            Heard::Whole(request) => return Ok(Some(request)),
            Heard::Refused(status) => return Err(status),
            Heard::Part => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() >= most {
            return Err(if left.is_zero() { 408 } else { 413 });
        }
        stream.set_read_timeout(Some(left)).map_err(|_| 500u16)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                return if bytes.is_empty() { Ok(None) } else { Err(408) };
            }
            Err(_) => return Ok(None),
        }
    }
}

fn send(stream: &mut TcpStream, answer: Answer, is_head: bool, limits: &Limits) -> io::Result<()> {
    let deadline = Instant::now() + limits.answer;
    let mut put = |bytes: &[u8]| put(stream, bytes, deadline, limits.stall);
    put(answer.head().as_bytes())?;
    if is_head {
        return Ok(());
    }
    match answer.body {
        Body::Bytes(bytes) => put(&bytes),
        Body::File(file, length) => {
            let (mut file, mut buffer) = (file.take(length), vec![0; 64 * 1024]);
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    // A file that is shorter than was said: the client sees that it was cut.
                    return if file.limit() == 0 {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::UnexpectedEof.into())
                    };
                }
                put(buffer.get(..count).unwrap_or_default())?;
            }
        }
    }
}

/// Writes all of it until a moment, however little a client takes at a time.
fn put(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    deadline: Instant,
    stall: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left.min(stall)))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the client has read the answer: closing at once could lose it (RFC 9112, 9.6).
fn leave(stream: &mut TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let deadline = Instant::now() + LEAVING;
    let (mut buffer, mut read) = ([0; 4096], 0);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => read += count,
        }
        if read > LEFTOVERS {
            return;
        }
    }
}
