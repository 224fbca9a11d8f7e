//! Reads the server's direction: responses, matched with requests in order.

use memchr::{memchr, memchr2};

use super::Http1;
use super::body::BodyEnd;
use super::buffers::progress;
use super::chunked::{self, SizeLine};
use super::connection::{State, Step};
use super::events::Event;
use super::framing::{After, Framing};
use super::head::Broken;
use super::message::Known;
use super::request::all;
use super::request_line::Method;
use super::status_line;
use super::text::{chomp, equals_without_nul, line_ends, starts_ignoring_case};
use crate::app::AppProto;
use crate::parser::{Effects, ProtocolChange};

const REQUEST: usize = 0;
const RESPONSE: usize = 1;

impl Http1 {
    /// One step of the reader of responses.
    pub(crate) fn response_step(
        &mut self,
        data: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        match self.sides[RESPONSE].state {
            State::Line => self.response_line(data, eof, effects),
            State::Headers(first) => self.response_headers(data, first, effects),
            State::Body(_) | State::Chunk(_) | State::UntilClose if data.is_empty() => {
                Ok(Step::Wait)
            }
            State::Body(left) => {
                let (used, left) = self.take_body(RESPONSE, data, left, effects)?;
                self.go(RESPONSE, if left == 0 { State::Finish } else { State::Body(left) });
                Ok(Step::Used(used))
            }
            State::Chunk(left) => {
                let (used, left) = self.take_body(RESPONSE, data, left, effects)?;
                self.go(RESPONSE, if left == 0 { State::ChunkEnd } else { State::Chunk(left) });
                Ok(Step::Used(used))
            }
            State::UntilClose => {
                self.body_bytes(RESPONSE, data, effects)?;
                Ok(Step::Used(data.len()))
            }
            State::ChunkSize => self.response_chunk_size(data),
            State::ChunkEnd => self.chunk_end(RESPONSE, data),
            State::Trailer(first) => self.trailer(RESPONSE, data, first),
            State::Finish => self.response_finish(data, eof, effects),
            // Stray line ends belong to the head, not to what comes through the tunnel.
            State::Tunnel if effects.change.is_some() => Ok(match line_ends(data) {
                0 => Step::Hold,
                n => Step::Used(n),
            }),
            State::Tunnel | State::Probe | State::Ignore | State::Protocol | State::Connect => {
                Ok(all(data))
            }
        }
    }

    fn response_line(
        &mut self,
        data: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        if self.answers_v09() {
            if data.is_empty() {
                return Ok(Step::Wait);
            }
            self.begin_response()?;
            let (tx, _) = self.current(RESPONSE)?;
            tx.advance(RESPONSE, progress::BODY);
            self.go(RESPONSE, State::UntilClose);
            return Ok(Step::Used(0));
        }
        let skip = data.iter().take_while(|&&b| matches!(b, b'\r' | b'\n')).count();
        let rest = data.get(skip..).unwrap_or(&[]);
        if rest.is_empty() {
            return Ok(all(data));
        }
        self.begin_response()?;
        let wait = if skip == 0 { Step::Wait } else { Step::Used(skip) };
        let len = match memchr2(b'\r', b'\n', rest) {
            Some(at) => match (rest.get(at), rest.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => at + 2,
                (Some(b'\r'), None) if !eof => return Ok(wait),
                _ => at + 1,
            },
            None if eof => rest.len(),
            None => return Ok(wait),
        };
        let line = rest.get(..len).unwrap_or(rest);
        if status_line::is_junk(line) {
            let after = rest.get(len..).unwrap_or(&[]);
            self.junk(line, after, effects)?;
            return Ok(Step::Used(skip + len));
        }
        let (tx, context) = self.current(RESPONSE)?;
        tx.response.clear();
        tx.take_status_line(line, context);
        tx.advance(RESPONSE, progress::HEADERS);
        self.go(RESPONSE, State::Headers(true));
        Ok(Step::Used(skip + len))
    }

    /// True when the response that comes answers an HTTP/0.9 request.
    fn answers_v09(&self) -> bool {
        let side = &self.sides[RESPONSE];
        let tx = self.table.get(side.tx.unwrap_or(self.next_response));
        tx.is_some_and(|tx| tx.request.headless)
    }

    /// A line that is no status line: skipped, or the body of a response without head.
    fn junk(&mut self, line: &[u8], after: &[u8], effects: &mut Effects) -> Result<(), Broken> {
        let skipped = after.len() > 1 && (after.first() == Some(&b'H') || chomp(line).len() <= 2);
        if skipped {
            return Ok(());
        }
        let (tx, _) = self.current(RESPONSE)?;
        tx.drop_decoding(RESPONSE);
        tx.advance(RESPONSE, progress::BODY);
        self.body_bytes(RESPONSE, line, effects)?;
        self.go(RESPONSE, if after.is_empty() { State::Finish } else { State::UntilClose });
        Ok(())
    }

    /// Finds the request that a response belongs to; without one it gets a transaction of its own.
    pub(crate) fn begin_response(&mut self) -> Result<(), Broken> {
        if self.sides[RESPONSE].tx.is_some() {
            return Ok(());
        }
        let id = self.next_response;
        if let Some(tx) = self.table.get_mut(id) {
            let early = tx.progress[REQUEST] < progress::HEADERS;
            tx.event_if(&mut self.context, early, Event::RequestLineIncomplete);
            tx.advance(RESPONSE, progress::LINE);
            self.sides[RESPONSE].tx = Some(id);
            return Ok(());
        }
        let id = self.add_transaction()?;
        self.next_response = id;
        self.sides[RESPONSE].tx = Some(id);
        let (tx, context) = self.current(RESPONSE)?;
        tx.set_unseen();
        tx.event(context, Event::UnableToMatchResponse);
        tx.advance(RESPONSE, progress::LINE);
        Ok(())
    }

    fn response_headers(
        &mut self,
        data: &[u8],
        first: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        let (used, first, done) = self.fields(RESPONSE, data, first)?;
        self.go(RESPONSE, State::Headers(first));
        if !done {
            return Ok(if used == 0 { Step::Wait } else { Step::Used(used) });
        }
        let (tx, context) = self.current(RESPONSE)?;
        let after = tx.response_framing(context)?;
        if after != After::Tunnel {
            self.settle_request(effects);
        }
        match after {
            After::Continue => self.another_response()?,
            After::Tunnel => self.tunnel(effects)?,
            After::Body(framing) => {
                let (tx, context) = self.current(RESPONSE)?;
                tx.advance(RESPONSE, progress::BODY);
                let empty = matches!(framing, Framing::None | Framing::Length(0));
                if !empty {
                    tx.prepare_decoding(RESPONSE, context);
                }
                self.go(
                    RESPONSE,
                    match framing {
                        _ if empty => State::Finish,
                        Framing::Chunked => State::ChunkSize,
                        Framing::Length(len) => State::Body(len),
                        _ => State::UntilClose,
                    },
                );
            }
        }
        Ok(Step::Used(used))
    }

    /// After `100 Continue`: the head stays visible until the next status line.
    fn another_response(&mut self) -> Result<(), Broken> {
        let (tx, context) = self.current(RESPONSE)?;
        let again = tx.response.continued;
        tx.event_if(context, again, Event::ContinueAlreadySeen);
        tx.response.continued = true;
        tx.advance(RESPONSE, progress::LINE);
        self.go(RESPONSE, State::Line);
        Ok(())
    }

    /// What a response means for the request it answers: a CONNECT that failed goes on as HTTP,
    /// a body that waits for `100 Continue` will not come after an error.
    fn settle_request(&mut self, effects: &mut Effects) {
        let same = self.sides[REQUEST].tx == self.sides[RESPONSE].tx;
        if !same {
            return;
        }
        let state = self.sides[REQUEST].state;
        let Ok((tx, _)) = self.current(RESPONSE) else { return };
        let refused = tx.response.status.is_some_and(|status| (400..500).contains(&status));
        let waits = matches!(state, State::Body(_) | State::ChunkSize)
            && tx.bodies[REQUEST].wire == 0
            && tx.expects_continue();
        if state == State::Connect || (refused && waits) {
            self.complete_request(effects);
        }
    }

    /// HTTP ends here; another protocol follows in both directions.
    fn tunnel(&mut self, effects: &mut Effects) -> Result<(), Broken> {
        let id = self.sides[RESPONSE].tx;
        let mut next = State::Tunnel;
        let (tx, _) = self.current(RESPONSE)?;
        tx.advance(RESPONSE, progress::BODY);
        if tx.request.kind == Method::Connect {
            // Only a CONNECT that opens the connection hands it over.
            if id == Some(0) {
                let port = tx.request.port.unwrap_or(0);
                effects.change = Some(ProtocolChange { expected: None, port });
            } else {
                next = State::Probe;
            }
        } else if let Some(upgrade) = tx.response.message.value(Known::Upgrade) {
            let expected = if equals_without_nul(upgrade, b"h2c") {
                Some(AppProto::Http2)
            } else if starts_ignoring_case(upgrade, b"websocket") {
                Some(AppProto::Websocket)
            } else {
                None
            };
            if expected.is_some() {
                effects.change = Some(ProtocolChange { expected, port: 0 });
            }
        }
        if self.sides[REQUEST].tx == id {
            self.complete_request(effects);
        }
        self.complete_response(effects);
        self.go(REQUEST, next);
        self.go(RESPONSE, State::Tunnel);
        Ok(())
    }

    fn response_chunk_size(&mut self, data: &[u8]) -> Result<Step, Broken> {
        match chunked::size_line(data) {
            SizeLine::More => Ok(Step::Wait),
            SizeLine::Blank(len) => self.blank_chunk_line(RESPONSE, len),
            line @ (SizeLine::NoSize(_) | SizeLine::Hopeless) => {
                if let SizeLine::NoSize(len) = line {
                    // Suricata 8 counts the line twice: as framing and as body.
                    let (tx, _) = self.current(RESPONSE)?;
                    tx.body_framing(RESPONSE, len);
                }
                self.raise(RESPONSE, Some(Event::InvalidResponseChunkLen));
                self.go(RESPONSE, State::UntilClose);
                Ok(Step::Used(0))
            }
            SizeLine::Size { len, size, extension } => {
                if size > chunked::LARGEST {
                    let (tx, _) = self.current(RESPONSE)?;
                    tx.body_framing(RESPONSE, len);
                    return Ok(Step::Used(len));
                }
                let extension = extension.then_some(Event::ResponseChunkExtension);
                self.chunk(RESPONSE, len, size, extension)?;
                Ok(Step::Used(len))
            }
        }
    }

    /// Behind a response: the next one, or bytes that are added to its body.
    fn response_finish(
        &mut self,
        data: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Result<Step, Broken> {
        let lf = memchr(b'\n', data);
        let line = data.get(..lf.map_or(data.len(), |lf| lf + 1)).unwrap_or(data);
        if data.is_empty() || !status_line::is_junk(line) {
            self.complete_response(effects);
            return Ok(Step::Used(0));
        }
        if lf.is_none() && !eof {
            return Ok(Step::Wait);
        }
        // What the connection ends with is taken without an event.
        self.raise(RESPONSE, lf.map(|_| Event::ResponseBodyUnexpected));
        self.body_bytes(RESPONSE, line, effects)?;
        Ok(Step::Used(line.len()))
    }

    /// The response is complete.
    pub(crate) fn complete_response(&mut self, effects: &mut Effects) {
        if let Ok((tx, context)) = self.current(RESPONSE) {
            tx.end_body(RESPONSE, BodyEnd::Complete, context);
            tx.advance(RESPONSE, progress::COMPLETE);
        }
        effects.flush[RESPONSE] = true;
        if let Some(id) = self.sides[RESPONSE].tx.take() {
            self.next_response = id + 1;
        }
        self.go(RESPONSE, State::Line);
    }
}
