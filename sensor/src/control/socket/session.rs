//! A talk with one client.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Limits;
use super::answer::Answer;
use super::clients::{Clients, Seat};
use super::command::Request;
use super::message::{Malformed, Messages};
use super::sensor::Sensor;

/// Bytes of a client's first message (Suricata 8).
const GREETING: usize = 200;

/// Why a talk is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client has left, or was sent away.
    Left,
    /// It takes too long.
    Late,
    /// It does not speak the language.
    Malformed,
}

impl From<Malformed> for End {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Left,
        }
    }
}

/// Talks with a client until one of the two has enough.
pub(super) fn talk(
    stream: &UnixStream,
    seat: &Seat,
    clients: &Clients,
    sensor: &dyn Sensor,
    limits: &Limits,
) {
    let mut session = Session { stream, limits, messages: Messages::default(), ends_lines: false };
    match session.serve(seat, clients, sensor) {
        End::Left => {}
        End::Late => clients.late.rise(),
        End::Malformed => clients.malformed.rise(),
    }
}

struct Session<'a> {
    stream: &'a UnixStream,
    limits: &'a Limits,
    messages: Messages,
    /// Version 0.2: messages end with a line feed.
    ends_lines: bool,
}

impl Session<'_> {
    fn serve(&mut self, seat: &Seat, clients: &Clients, sensor: &dyn Sensor) -> End {
        if let Err(end) = self.greet() {
            return end;
        }
        loop {
            let request = match self.receive(self.limits.message, None) {
                Ok(message) => Request::parse(message),
                Err(end) => return end,
            };
            let Some(request) = request else { return End::Malformed };
            seat.set_busy(true);
            let answer = match request.command {
                Some(command) => command.answer(&request.arguments, sensor),
                None => Answer::refused("Unknown command"),
            };
            clients.commands.rise();
            if let Err(end) = self.send(answer.into_bytes()) {
                return end;
            }
            seat.set_busy(false);
        }
    }

    /// The client says its version.
    fn greet(&mut self) -> Result<(), End> {
        let deadline = Instant::now() + self.limits.patience;
        let message = self.receive(GREETING, Some(deadline))?;
        match message.get("version").and_then(Value::as_str) {
            Some("0.1") => {}
            Some("0.2") => self.ends_lines = true,
            _ => return Err(End::Malformed),
        }
        self.send(b"{\"return\":\"OK\"}".to_vec())
    }

    /// The next message. Without a deadline the client may think as long as it likes, until it
    /// begins one.
    fn receive(&mut self, longest: usize, mut deadline: Option<Instant>) -> Result<Value, End> {
        let mut piece = [0; 4096];
        loop {
            if let Some(message) = self.messages.next(longest)? {
                return Ok(message);
            }
            if deadline.is_none() && self.messages.is_begun() {
                deadline = Some(Instant::now() + self.limits.patience);
            }
            self.stream.set_read_timeout(deadline.map(left).transpose()?)?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(End::Left),
                Ok(length) => self.messages.push(piece.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&mut self, mut bytes: Vec<u8>) -> Result<(), End> {
        if self.ends_lines {
            bytes.push(b'\n');
        }
        let deadline = Instant::now() + self.limits.patience;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline)?))?;
            match self.stream.write(rest) {
                Ok(0) => return Err(End::Left),
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Time until a deadline, more than none.
fn left(deadline: Instant) -> Result<Duration, End> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(End::Late) } else { Ok(left) }
}
