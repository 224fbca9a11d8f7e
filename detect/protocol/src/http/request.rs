//! Reads the client's direction: requests one after the other.

use memchr::memchr;

use super::Http1;
use super::body::BodyEnd;
use super::buffers::progress;
use super::chunked::{self, SizeLine};
use super::connection::{State, Step};
use super::events::Event;
use super::framing::Framing;
use super::head::Broken;
use super::request_line::Method;
use super::text::{is_space, line_ends};
use crate::parser::Effects;

const REQUEST: usize = 0;

/// White space that may follow a request line without protocol.
const BLANKS_AFTER_V09: usize = 16;

impl Http1 {
    /// One step of the reader of requests.
    pub(crate) fn request_step(
        &mut self,
        data: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        match self.sides[REQUEST].state {
            State::Line => self.request_line(data, eof),
            State::Protocol => self.request_protocol(data, effects),
            State::Headers(first) => self.request_headers(data, first, effects),
            // Stray line ends belong to the head, not to what comes through the tunnel.
            State::Connect => Ok(match line_ends(data) {
                0 => Step::Hold,
                n => Step::Used(n),
            }),
            State::Body(_) | State::Chunk(_) if data.is_empty() => Ok(Step::Wait),
            State::Body(left) => {
                let (used, left) = self.take_body(REQUEST, data, left, effects)?;
                self.go(REQUEST, if left == 0 { State::Finish } else { State::Body(left) });
                Ok(Step::Used(used))
            }
            State::Chunk(left) => {
                let (used, left) = self.take_body(REQUEST, data, left, effects)?;
                self.go(REQUEST, if left == 0 { State::ChunkEnd } else { State::Chunk(left) });
                Ok(Step::Used(used))
            }
            State::ChunkSize => self.request_chunk_size(data),
            State::ChunkEnd => self.chunk_end(REQUEST, data),
            State::Trailer(first) => self.trailer(REQUEST, data, first),
            State::Finish => self.request_finish(data, eof, effects),
            State::Tunnel if effects.change.is_some() => Ok(Step::Hold),
            State::Probe => Ok(self.probe(data)),
            State::UntilClose | State::Tunnel | State::Ignore => Ok(all(data)),
        }
    }

    fn request_line(&mut self, data: &[u8], eof: bool) -> Result<Step, Broken> {
        let mut skip = 0;
        let rest = loop {
            match data.get(skip..).unwrap_or(&[]) {
                [b'\r', b'\n', ..] => skip += 2,
                [b'\n', ..] => skip += 1,
                rest => break rest,
            }
        };
        if rest.is_empty() || rest == b"\r" {
            let used = if eof { data.len() } else { skip };
            return Ok(if used == 0 { Step::Wait } else { Step::Used(used) });
        }
        self.begin_request()?;
        let len = match memchr(b'\n', rest) {
            Some(lf) => lf + 1,
            None if eof => rest.len(),
            None => return Ok(if skip == 0 { Step::Wait } else { Step::Used(skip) }),
        };
        let (tx, context) = self.current(REQUEST)?;
        tx.take_request_line(rest.get(..len).unwrap_or(rest), context);
        let no_protocol = tx.request.protocol.is_none();
        tx.advance(REQUEST, progress::HEADERS);
        self.go(REQUEST, if no_protocol { State::Protocol } else { State::Headers(true) });
        Ok(Step::Used(skip + len))
    }

    /// Looks whether HTTP goes on in the tunnel that a CONNECT has made.
    fn probe(&mut self, data: &[u8]) -> Step {
        if data.is_empty() {
            return Step::Wait;
        }
        let word = data.split(|&b| is_space(b)).next().unwrap_or(&[]);
        let http = Method::of(word) != Method::Unknown;
        let state = if http { State::Line } else { State::Tunnel };
        self.go(REQUEST, state);
        self.go(1 - REQUEST, state);
        Step::Used(0)
    }

    /// Makes the transaction of a request whose first bytes are there.
    fn begin_request(&mut self) -> Result<(), Broken> {
        if self.sides[REQUEST].tx.is_some() {
            return Ok(());
        }
        let id = self.add_transaction()?;
        self.sides[REQUEST].tx = Some(id);
        if let Some(tx) = self.table.get_mut(id) {
            tx.advance(REQUEST, progress::LINE);
        }
        Ok(())
    }

    /// A request line without protocol is HTTP/0.9 only when nothing comes behind it.
    fn request_protocol(&mut self, data: &[u8], effects: &mut Effects) -> Result<Step, Broken> {
        let blanks = data.iter().take_while(|&&b| is_space(b)).count();
        let (tx, context) = self.current(REQUEST)?;
        if blanks < data.len() || blanks > BLANKS_AFTER_V09 {
            tx.event(context, Event::RequestLineMissingProtocol);
            self.go(REQUEST, State::Headers(true));
            return Ok(Step::Used(0));
        }
        let unknown = tx.request.kind == Method::Unknown;
        tx.event_if(context, unknown, Event::RequestLineInvalid);
        tx.request.headless = true;
        self.complete_request(effects);
        self.go(REQUEST, State::Ignore);
        Ok(Step::Used(data.len()))
    }

    fn request_headers(
        &mut self,
        data: &[u8],
        first: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        let (used, first, done) = self.fields(REQUEST, data, first)?;
        self.go(REQUEST, State::Headers(first));
        if !done {
            return Ok(if used == 0 { Step::Wait } else { Step::Used(used) });
        }
        let (tx, context) = self.current(REQUEST)?;
        tx.take_host(context);
        tx.take_authorization(context);
        let framing = tx.request_framing(context)?;
        let connect = tx.request.kind == Method::Connect;
        if connect {
            tx.advance(REQUEST, progress::BODY);
            self.go(REQUEST, State::Connect);
            return Ok(Step::Used(used));
        }
        if framing != Framing::None {
            tx.prepare_decoding(REQUEST, context);
        }
        tx.advance(REQUEST, progress::BODY);
        if let Some(flush) = effects.flush.get_mut(REQUEST) {
            *flush |= framing == Framing::None;
        }
        self.go(
            REQUEST,
            match framing {
                Framing::Chunked => State::ChunkSize,
                Framing::Length(len) if len > 0 => State::Body(len),
                _ => State::Finish,
            },
        );
        Ok(Step::Used(used))
    }

    /// Takes at most `left` bytes of a body; returns how many were taken and how many are left.
    pub(crate) fn take_body(
        &mut self,
        direction: usize,
        data: &[u8],
        left: u64,
        effects: &mut Effects,
    ) -> Result<(usize, u64), Broken> {
        let used = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
        self.body_bytes(direction, data.get(..used).unwrap_or(data), effects)?;
        Ok((used, left - used as u64))
    }

    fn request_chunk_size(&mut self, data: &[u8]) -> Result<Step, Broken> {
        match chunked::size_line(data) {
            SizeLine::More => Ok(Step::Wait),
            SizeLine::Blank(len) => self.blank_chunk_line(REQUEST, len),
            SizeLine::NoSize(_) => Err(Broken),
            SizeLine::Hopeless => {
                self.raise(REQUEST, Some(Event::InvalidRequestChunkLen));
                Err(Broken)
            }
            SizeLine::Size { len, size, extension } => {
                if size > chunked::LARGEST {
                    self.raise(REQUEST, Some(Event::InvalidRequestChunkLen));
                    return Err(Broken);
                }
                let extension = extension.then_some(Event::RequestChunkExtension);
                self.chunk(REQUEST, len, size, extension)?;
                Ok(Step::Used(len))
            }
        }
    }

    /// Blank lines before a chunk size.
    pub(crate) fn blank_chunk_line(
        &mut self,
        direction: usize,
        len: usize,
    ) -> Result<Step, Broken> {
        let (tx, _) = self.current(direction)?;
        tx.body_framing(direction, len);
        Ok(Step::Used(len))
    }

    /// A chunk-size line was read.
    pub(crate) fn chunk(
        &mut self,
        direction: usize,
        len: usize,
        size: u64,
        event: Option<Event>,
    ) -> Result<(), Broken> {
        let (tx, context) = self.current(direction)?;
        tx.body_framing(direction, len);
        if let Some(event) = event {
            tx.event(context, event);
        }
        if size == 0 {
            tx.advance(direction, progress::TRAILER);
            // In a response a lone LF ends the trailer at once.
            self.go(direction, State::Trailer(direction == REQUEST));
        } else {
            self.go(direction, State::Chunk(size));
        }
        Ok(())
    }

    /// Everything up to the next LF belongs to the framing of the chunk before it.
    pub(crate) fn chunk_end(&mut self, direction: usize, data: &[u8]) -> Result<Step, Broken> {
        if data.is_empty() {
            return Ok(Step::Wait);
        }
        let lf = memchr(b'\n', data);
        let used = lf.map_or(data.len(), |lf| lf + 1);
        let (tx, _) = self.current(direction)?;
        tx.body_framing(direction, used);
        if lf.is_some() {
            self.go(direction, State::ChunkSize);
        }
        Ok(Step::Used(used))
    }

    /// Headers after a chunked body.
    pub(crate) fn trailer(
        &mut self,
        direction: usize,
        data: &[u8],
        first: bool,
    ) -> Result<Step, Broken> {
        let (used, first, done) = self.fields(direction, data, first)?;
        self.go(direction, if done { State::Finish } else { State::Trailer(first) });
        Ok(if used == 0 && !done { Step::Wait } else { Step::Used(used) })
    }

    /// Behind a request: the next one, or something that belongs to neither.
    fn request_finish(
        &mut self,
        data: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        let blanks = data.iter().take_while(|&&b| is_space(b)).count();
        let word = data.get(blanks..).unwrap_or(&[]);
        let end = word.iter().position(|&b| is_space(b));
        let method = Method::of(word.get(..end.unwrap_or(word.len())).unwrap_or(&[]));
        let lf = memchr(b'\n', data);
        let blank_line = lf.is_some_and(|lf| lf < blanks);
        let next = !blank_line && method != Method::Unknown && (end.is_some() || eof);
        if data.is_empty() || next || data.first() == Some(&b'\n') {
            self.complete_request(effects);
            return Ok(Step::Used(0));
        }
        let len = match lf {
            Some(lf) => lf + 1,
            None if eof => data.len(),
            None => return Ok(Step::Wait),
        };
        // What the connection ends with is taken without an event.
        if blanks < len && lf.is_some() {
            self.raise(REQUEST, Some(Event::RequestBodyUnexpected));
        }
        self.body_bytes(REQUEST, data.get(..len).unwrap_or(data), effects)?;
        Ok(Step::Used(len))
    }

    /// The request is complete.
    pub(crate) fn complete_request(&mut self, effects: &mut Effects) {
        if let Ok((tx, context)) = self.current(REQUEST) {
            tx.end_body(REQUEST, BodyEnd::Complete, context);
            tx.advance(REQUEST, progress::COMPLETE);
        }
        effects.flush[REQUEST] = true;
        self.sides[REQUEST].tx = None;
        self.go(REQUEST, State::Line);
    }
}

/// All bytes are done with.
pub(crate) fn all(data: &[u8]) -> Step {
    if data.is_empty() { Step::Wait } else { Step::Used(data.len()) }
}
