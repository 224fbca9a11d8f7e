//! Bytes on their way into a connection whose writes do not wait.

use std::io::{self, Read, Write};
use std::time::Instant;

use crate::stream::Stream;

/// A connection and what it has not taken yet.
#[derive(Debug)]
pub(crate) struct Outgoing {
    stream: Stream,
    /// Bytes, of which `sent` are gone.
    bytes: Vec<u8>,
    sent: usize,
    /// Of all bytes since the connection began, how many are gone.
    written: u64,
    /// TLS holds bytes back that the socket did not take.
    is_held: bool,
    /// When the socket last took something.
    last: Instant,
}

impl Outgoing {
    pub(crate) fn new(stream: Stream) -> Self {
        let last = Instant::now();
        Self { stream, bytes: Vec::new(), sent: 0, written: 0, is_held: false, last }
    }

    /// The connection.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Bytes since the connection began, those included that still wait.
    pub(crate) fn queued(&self) -> u64 {
        self.written + (self.bytes.len() - self.sent) as u64
    }

    /// Bytes that the connection has taken since it began.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// When the connection last took something.
    pub(crate) fn last(&self) -> Instant {
        self.last
    }

    /// True when something waits for the socket.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_held || self.sent < self.bytes.len()
    }

    /// Where more bytes are put. Only appending is allowed.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        if self.sent > 0 && self.sent * 2 >= self.bytes.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        &mut self.bytes
    }

    /// Writes what the socket takes. An error is what the receiver said, if it said something.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        self.try_write().map_err(|error| self.stream.last_words().unwrap_or(error))
    }

    /// Reads what is there; none: nothing at present.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.stream.last_words().unwrap_or(error)),
            }
        }
    }

    /// Ends the connection.
    pub(crate) fn shut_down(&mut self) {
        self.stream.shut_down();
    }

    fn try_write(&mut self) -> io::Result<()> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => {
                    self.sent += more;
                    self.written += more as u64;
                    self.last = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        match self.stream.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_held = true,
            outcome => {
                self.is_held = false;
                outcome?;
            }
        }
        Ok(())
    }
}
