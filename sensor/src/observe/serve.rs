//! One thread that serves a few HTTP clients, none of which it waits for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::endpoint::Limits;
use super::observer::{HttpFigures, Observer};
use super::request::{Heard, Path, hear};
use super::text;

/// Looks after deadlines this often at least.
const TURN: Duration = Duration::from_millis(500);
/// While counters are waited for, it looks for them this often.
const SOON: Duration = Duration::from_millis(10);
/// How long to leave new clients alone when the system has no descriptor for them.
const PAUSE: Duration = Duration::from_millis(100);
/// So much of what a client still says is read after the answer.
const LEFTOVERS: usize = 64 * 1024;

/// The server.
pub(super) struct Server {
    listeners: Vec<TcpListener>,
    /// Ends when the server shall.
    bell: UnixStream,
    observer: Arc<Observer>,
    limits: Limits,
    /// The oldest first.
    clients: Vec<Client>,
    /// No new clients before this.
    not_before: Option<Instant>,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It says what it wants.
    Asking,
    /// Counters are asked for.
    Waiting { path: Path, is_head: bool },
    /// It takes the answer.
    Taking,
    /// It has the answer; the connection goes when it closes, or it would lose what it has not
    /// read (RFC 9112, 9.6).
    Leaving,
    /// Nothing is left to do.
    Gone,
}

struct Client {
    stream: TcpStream,
    stage: Stage,
    deadline: Instant,
    request: Vec<u8>,
    answer: Vec<u8>,
    sent: usize,
    leftovers: usize,
}

impl Server {
    pub(super) fn new(
        listeners: Vec<TcpListener>,
        bell: UnixStream,
        observer: Arc<Observer>,
        limits: Limits,
    ) -> Self {
        let clients = Vec::with_capacity(limits.clients);
        Self { listeners, bell, observer, limits, clients, not_before: None }
    }

    /// Serves until the bell's other end is gone.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            self.answer_waiting(now);
            self.dismiss(now);
            let Some((are_new, ready)) = self.wait(now) else { return };
            for (client, flags) in self.clients.iter_mut().zip(ready) {
                if !flags.is_empty() {
                    client.step(&self.observer, &self.limits);
                }
            }
            if are_new {
                self.accept();
            }
        }
    }

    /// Waits until there is something to do: whether clients come, and what each client is ready
    /// for. None: the end.
    fn wait(&self, now: Instant) -> Option<(bool, Vec<PollFlags>)> {
        let is_paused = self.not_before.is_some_and(|time| now < time);
        let mut fds = vec![PollFd::new(&self.bell, PollFlags::IN)];
        fds.extend(self.clients.iter().map(|client| PollFd::new(&client.stream, client.wants())));
        if !is_paused {
            let listeners = self.listeners.iter();
            fds.extend(listeners.map(|listener| PollFd::new(listener, PollFlags::IN)));
        }
        let is_waiting = |client: &Client| matches!(client.stage, Stage::Waiting { .. });
        let turn = match () {
            () if self.clients.iter().any(is_waiting) => SOON,
            () if is_paused => PAUSE,
            () => TURN,
        };
        let turn = Timespec::try_from(turn).ok();
        if poll(&mut fds, turn.as_ref()).is_err() {
            // A signal came in between.
            return Some((false, vec![PollFlags::empty(); self.clients.len()]));
        }
        let mut flags = fds.iter().map(PollFd::revents);
        let is_rung = flags.next().is_some_and(|flags| !flags.is_empty());
        let ready = flags.by_ref().take(self.clients.len()).collect();
        let are_new = flags.any(|flags| !flags.is_empty());
        (!is_rung).then_some((are_new, ready))
    }

    fn accept(&mut self) {
        self.not_before = None;
        for listener in &self.listeners {
            // As many as there are seats: others have their turn in between.
            for _ in 0..self.limits.clients {
                match listener.accept() {
                    Ok((stream, _)) => {
                        if self.clients.len() >= self.limits.clients {
                            HttpFigures::add(&self.observer.http.evicted);
                            if !evict(&mut self.clients) {
                                // All others are being answered; this one goes.
                                continue;
                            }
                        }
                        let deadline = Instant::now() + self.limits.request;
                        self.clients.extend(Client::new(stream, deadline));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // A client that has left again.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => {
                        self.not_before = Some(Instant::now() + PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Answers those for whom counters have come, or who have waited long enough.
    fn answer_waiting(&mut self, now: Instant) {
        let is_waiting = |client: &Client| matches!(client.stage, Stage::Waiting { .. });
        if !self.clients.iter().any(is_waiting) {
            return;
        }
        let is_fresh = self.observer.is_fresh();
        for client in &mut self.clients {
            if let Stage::Waiting { path, is_head } = client.stage
                && (is_fresh || now >= client.deadline)
            {
                client.answer(path, is_head, &self.observer, &self.limits);
            }
        }
    }

    /// Sends away those whose time is over.
    fn dismiss(&mut self, now: Instant) {
        for client in &mut self.clients {
            if now < client.deadline {
                continue;
            }
            match client.stage {
                Stage::Asking if client.request.is_empty() => client.stage = Stage::Gone,
                Stage::Asking => {
                    HttpFigures::add(&self.observer.http.late);
                    client.refuse(408, false, &self.observer, &self.limits);
                }
                Stage::Taking => {
                    HttpFigures::add(&self.observer.http.late);
                    client.stage = Stage::Gone;
                }
                Stage::Waiting { .. } => {}
                Stage::Leaving | Stage::Gone => client.stage = Stage::Gone,
            }
        }
        self.clients.retain(|client| client.stage != Stage::Gone);
    }
}

/// Takes the seat of the oldest client that has its answer, or has not yet said what it wants.
fn evict(clients: &mut Vec<Client>) -> bool {
    let of = |stage: Stage| clients.iter().position(|client| client.stage == stage);
    let seat = of(Stage::Leaving).or_else(|| of(Stage::Asking));
    seat.map(|seat| clients.remove(seat)).is_some()
}

impl Client {
    fn new(stream: TcpStream, deadline: Instant) -> Option<Self> {
        stream.set_nonblocking(true).ok()?;
        // The answer goes out in one piece.
        let _ = stream.set_nodelay(true);
        Some(Self {
            stream,
            stage: Stage::Asking,
            deadline,
            request: Vec::new(),
            answer: Vec::new(),
            sent: 0,
            leftovers: 0,
        })
    }

    const fn wants(&self) -> PollFlags {
        match self.stage {
            Stage::Asking | Stage::Leaving => PollFlags::IN,
            Stage::Taking => PollFlags::OUT,
            // Only whether it is still there.
            Stage::Waiting { .. } | Stage::Gone => PollFlags::empty(),
        }
    }

    /// Does what can be done without waiting.
    fn step(&mut self, observer: &Observer, limits: &Limits) {
        match self.stage {
            Stage::Asking => self.listen(observer, limits),
            Stage::Taking => self.send(limits),
            Stage::Leaving => self.leave(),
            // It has gone: nothing else is looked for.
            Stage::Waiting { .. } => self.stage = Stage::Gone,
            Stage::Gone => {}
        }
    }

    fn listen(&mut self, observer: &Observer, limits: &Limits) {
        let mut buffer = [0; 2048];
        let room = limits.head.saturating_sub(self.request.len()).clamp(1, buffer.len());
        match self.stream.read(&mut buffer[..room]) {
            Ok(0) => self.stage = Stage::Gone,
            Ok(count) => {
                self.request.extend_from_slice(buffer.get(..count).unwrap_or_default());
                match hear(&self.request, limits.head) {
                    Heard::Part => {}
                    Heard::Refused { status, is_head } => {
                        self.refuse(status, is_head, observer, limits);
                    }
                    Heard::Whole { path: path @ Path::Metrics(_), is_head } => {
                        self.stage = Stage::Waiting { path, is_head };
                        self.deadline = Instant::now() + limits.counting;
                    }
                    Heard::Whole { path, is_head } => self.answer(path, is_head, observer, limits),
                }
            }
            Err(error) if passes(&error) => {}
            Err(_) => self.stage = Stage::Gone,
        }
    }

    fn answer(&mut self, path: Path, is_head: bool, observer: &Observer, limits: &Limits) {
        let (status, kind, body) = match path {
            Path::Metrics(form) => {
                (200, form.content_type(), text::encode(&observer.collect(), form))
            }
            Path::Health => verdict("healthy", &observer.troubles()),
            Path::Readiness => verdict("ready", &observer.obstacles()),
        };
        observer.http.answered(path.label(), status);
        self.reply(status, kind, &body, is_head, limits);
    }

    fn refuse(&mut self, status: u16, is_head: bool, observer: &Observer, limits: &Limits) {
        observer.http.answered("other", status);
        let body = format!("{}\n", reason(status));
        self.reply(status, "text/plain; charset=utf-8", &body, is_head, limits);
    }

    /// Begins to answer. There is one answer on a connection.
    fn reply(&mut self, status: u16, kind: &str, body: &str, is_head: bool, limits: &Limits) {
        let allow = if status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
        self.answer = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{allow}\
             Connection: close\r\n\r\n{}",
            reason(status),
            body.len(),
            if is_head { "" } else { body }
        )
        .into_bytes();
        self.request = Vec::new();
        self.stage = Stage::Taking;
        self.deadline = Instant::now() + limits.answer;
        self.send(limits);
    }

    fn send(&mut self, limits: &Limits) {
        while let Some(rest) = self.answer.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => self.stage = Stage::Gone,
                Ok(count) => {
                    self.sent += count;
                    continue;
                }
                Err(error) if passes(&error) => {}
                Err(_) => self.stage = Stage::Gone,
            }
            return;
        }
        self.answer = Vec::new();
        self.stage = match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => Stage::Leaving,
            Err(_) => Stage::Gone,
        };
        self.deadline = Instant::now() + limits.linger;
    }

    /// Reads what it still has to say, which nobody wants, until it closes.
    fn leave(&mut self) {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.stage = Stage::Gone,
            Ok(count) => {
                self.leftovers += count;
                if self.leftovers > LEFTOVERS {
                    self.stage = Stage::Gone;
                }
            }
            Err(error) if passes(&error) => {}
            Err(_) => self.stage = Stage::Gone,
        }
    }
}

/// All is well, or why it is not.
fn verdict(word: &str, reasons: &[String]) -> (u16, &'static str, String) {
    let is_well = reasons.is_empty();
    let word = if is_well { word.to_owned() } else { format!("not {word}") };
    let body = json!({ "status": word, "reasons": reasons });
    (if is_well { 200 } else { 503 }, "application/json", format!("{body}\n"))
}

fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
