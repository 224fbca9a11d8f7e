//! Both directions of a connection: keeps what is not complete, feeds the readers of requests
//! and responses, handles holes, ends and failures.

use memchr::{memchr, memchr2, memrchr};

use super::Http1;
use super::body::BodyEnd;
use super::events::Event;
use super::field::{Scan, scan};
use super::head::Broken;
use super::transaction::Transaction;
use crate::parser::{Effects, Outcome};

/// What a step of a reader came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes are done with; go on with the next.
    Used(usize),
    /// More bytes are needed.
    Wait,
    /// The bytes are left to whoever comes next.
    Hold,
}

/// Where a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Between messages or in a first line.
    #[default]
    Line,
    /// After a request line without protocol.
    Protocol,
    /// In the header block; true before its first field.
    Headers(bool),
    /// After the headers of CONNECT: waits for the response.
    Connect,
    /// In a body of known length; so much is missing.
    Body(u64),
    /// In a body that lasts until the connection closes.
    UntilClose,
    /// At a chunk-size line.
    ChunkSize,
    /// In a chunk; so much is missing.
    Chunk(u64),
    /// Behind the data of a chunk.
    ChunkEnd,
    /// In the headers after a chunked body; true before the first field.
    Trailer(bool),
    /// Behind a message: what follows may still be added to it.
    Finish,
    /// Another protocol has taken over.
    Tunnel,
    /// Behind a CONNECT that worked: either HTTP goes on or another protocol has taken over.
    Probe,
    /// Nothing is looked at any more.
    Ignore,
}

/// One direction.
#[derive(Default)]
pub(crate) struct Side {
    /// Where it is.
    pub(crate) state: State,
    /// The transaction that its bytes belong to.
    pub(crate) tx: Option<u64>,
    /// Bytes of an incomplete line.
    pub(crate) pending: Vec<u8>,
}

impl Side {
    /// In a line that has no end yet, where bytes without a line end change nothing.
    fn is_in_line(&self) -> bool {
        matches!(self.state, State::Line | State::Headers(_) | State::Trailer(_))
    }
}

impl Http1 {
    /// Takes bytes of a direction.
    pub(crate) fn feed(
        &mut self,
        direction: usize,
        chunk: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Outcome {
        let limit = self.context.settings.meta_field_limit;
        let Some(side) = self.sides.get_mut(direction) else { return Outcome::Error };
        let before = side.pending.len();
        if before > 0
            && !eof
            && side.is_in_line()
            && before + chunk.len() <= limit
            && memchr2(b'\r', b'\n', chunk).is_none()
        {
            side.pending.extend_from_slice(chunk);
            return Outcome::Consumed(chunk.len());
        }
        let mut pending = std::mem::take(&mut side.pending);
        let result = if before == 0 {
            self.run(direction, chunk, eof, effects)
        } else {
            pending.extend_from_slice(chunk);
            self.run(direction, &pending, eof, effects)
        };
        let Ok((at, held)) = result else {
            self.give_up();
            return Outcome::Error;
        };
        if held && at >= before {
            return Outcome::Consumed((at - before).min(chunk.len()));
        }
        if before == 0 {
            pending.extend_from_slice(chunk.get(at..).unwrap_or(&[]));
        } else {
            pending.drain(..at.min(pending.len()));
        }
        let too_long = pending.len() > limit;
        if pending.is_empty() && pending.capacity() > 4096 {
            pending = Vec::new();
        }
        if let Some(side) = self.sides.get_mut(direction) {
            side.pending = pending;
        }
        if too_long {
            let events = [Event::RequestFieldTooLong, Event::ResponseFieldTooLong];
            self.raise(direction, events.get(direction).copied());
            self.give_up();
            return Outcome::Error;
        }
        Outcome::Consumed(chunk.len())
    }

    /// Steps through bytes; returns how many are done with, and whether the rest is held.
    fn run(
        &mut self,
        direction: usize,
        data: &[u8],
        eof: bool,
        effects: &mut Effects,
    ) -> Result<(usize, bool), Broken> {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            let step = if direction == 0 {
                self.request_step(rest, eof, effects)?
            } else {
                self.response_step(rest, eof, effects)?
            };
            match step {
                Step::Used(n) => at += n,
                Step::Wait => break,
                Step::Hold => return Ok((at, true)),
            }
        }
        if eof {
            let rest = data.get(at..).unwrap_or(&[]);
            if !rest.is_empty() && self.is_in_headers(direction) {
                self.last_field(direction, rest, effects)?;
            }
            self.end_direction(direction, effects);
            // What is left of an unfinished line can't become the begin of another message.
            at = data.len();
        }
        Ok((at, false))
    }

    fn is_in_headers(&self, direction: usize) -> bool {
        self.sides.get(direction).is_some_and(|side| matches!(side.state, State::Headers(_)))
    }

    /// A message that ends within its headers: of a request the whole lines count, of a response
    /// also the last field as far as it came, as in Suricata 8.
    fn last_field(
        &mut self,
        direction: usize,
        rest: &[u8],
        effects: &mut Effects,
    ) -> Result<(), Broken> {
        if direction == 0 {
            let State::Headers(first) = self.sides[0].state else { return Ok(()) };
            let Some(lf) = memrchr(b'\n', rest) else { return Ok(()) };
            let lines = [rest.get(..=lf).unwrap_or(rest), b"\r\n"].concat();
            return self.fields(direction, &lines, first).map(drop);
        }
        let mut field = rest.to_vec();
        field.extend_from_slice(b"\r\n\r\n");
        let mut at = 0;
        while self.is_in_headers(1) {
            match self.response_step(field.get(at..).unwrap_or(&[]), false, effects)? {
                Step::Used(n) if n > 0 => at += n,
                _ => break,
            }
        }
        Ok(())
    }

    /// Nothing comes any more in a direction.
    fn end_direction(&mut self, direction: usize, effects: &mut Effects) {
        let Some(side) = self.sides.get(direction) else { return };
        let Some(id) = side.tx else { return };
        match side.state {
            // Behind a chunk something must come; a request may not end within a body either.
            State::ChunkSize | State::ChunkEnd => self.cut(direction, id),
            State::Body(_) | State::Chunk(_) if direction == 0 => self.cut(direction, id),
            State::Body(_)
            | State::UntilClose
            | State::Chunk(_)
            | State::Trailer(_)
            | State::Headers(_)
            | State::Finish => self.complete(direction, effects),
            _ => {}
        }
    }

    /// The body of a message is cut; the message stays incomplete.
    fn cut(&mut self, direction: usize, id: u64) {
        if let Some(tx) = self.table.get_mut(id) {
            tx.end_body(direction, BodyEnd::Cut, &mut self.context);
        }
    }

    /// The message of a direction is complete.
    pub(crate) fn complete(&mut self, direction: usize, effects: &mut Effects) {
        if direction == 0 {
            self.complete_request(effects)
        } else {
            self.complete_response(effects)
        }
    }

    /// A hole of so many bytes.
    pub(crate) fn gap(&mut self, direction: usize, len: u64, effects: &mut Effects) {
        let Some(side) = self.sides.get_mut(direction) else { return };
        let id = side.tx;
        match side.state {
            State::Body(left) => {
                let inside = left.min(len);
                side.state =
                    if inside == left { State::Finish } else { State::Body(left - inside) };
                self.body_gap(direction, id, inside);
                if inside < len {
                    self.gap_behind(direction, effects);
                }
            }
            // Suricata 8 takes no notice of holes in bodies that last until the end.
            State::UntilClose | State::Ignore | State::Tunnel | State::Probe => {}
            State::Finish => side.pending.clear(),
            State::Line if id.is_none() => {
                if direction == 1 && self.table.get(self.next_response).is_some() {
                    // What was lost answers a request that was seen.
                    if self.begin_response().is_ok() {
                        self.raise(direction, Some(Event::InvalidGap));
                    }
                }
            }
            _ => self.raise(direction, Some(Event::InvalidGap)),
        }
    }

    /// A hole that goes on behind the end of a message.
    fn gap_behind(&mut self, direction: usize, effects: &mut Effects) {
        if direction == 1 && self.table.get(self.next_response + 1).is_some() {
            self.complete_response(effects);
            self.gap(direction, 0, effects);
        } else {
            self.raise(direction, Some(Event::InvalidGap));
        }
    }

    fn body_gap(&mut self, direction: usize, id: Option<u64>, len: u64) {
        if let Some(tx) = id.and_then(|id| self.table.get_mut(id)) {
            tx.body_gap(direction, len, &mut self.context);
        }
    }

    /// Sets an event on the transaction of a direction.
    pub(crate) fn raise(&mut self, direction: usize, event: Option<Event>) {
        let id = self.sides.get(direction).and_then(|side| side.tx);
        if let (Some(tx), Some(event)) = (id.and_then(|id| self.table.get_mut(id)), event) {
            tx.event(&mut self.context, event);
        }
    }

    /// Parsing ends; files that are open end with it.
    fn give_up(&mut self) {
        for tx in self.table.iter_mut() {
            for direction in 0..2 {
                if tx.bodies.get(direction).is_some_and(|body| !body.ended && body.wire > 0) {
                    tx.end_body(direction, BodyEnd::Cut, &mut self.context);
                }
            }
        }
        for side in &mut self.sides {
            side.state = State::Ignore;
            side.pending = Vec::new();
        }
    }

    /// The transaction of a direction; failing when it was freed under way.
    pub(crate) fn current(
        &mut self,
        direction: usize,
    ) -> Result<(&mut Transaction, &mut super::transaction::Context), Broken> {
        let id = self.sides.get(direction).and_then(|side| side.tx).ok_or(Broken)?;
        let tx = self.table.get_mut(id).ok_or(Broken)?;
        Ok((tx, &mut self.context))
    }

    /// Reads fields of a header block: bytes used, whether a field was among them, and whether
    /// the block is at its end.
    pub(crate) fn fields(
        &mut self,
        direction: usize,
        data: &[u8],
        first: bool,
    ) -> Result<(usize, bool, bool), Broken> {
        let (tx, context) = self.current(direction)?;
        let (mut at, mut first) = (0, first);
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            // What has no LF behind it is not read as a field.
            if memchr(b'\n', rest).is_none() {
                return Ok((at, first, false));
            }
            match scan(rest, direction == 1, first) {
                Scan::More => return Ok((at, first, false)),
                Scan::End(len) => {
                    tx.message_mut(direction).append_raw(rest.get(..len).unwrap_or(rest));
                    return Ok((at + len, first, true));
                }
                Scan::Field(field) => {
                    tx.take_field(direction, rest, &field, context)?;
                    at += field.end.max(1);
                    first = false;
                }
            }
        }
    }

    /// Body bytes of a direction; true when they made the body large enough to be inspected.
    pub(crate) fn body_bytes(
        &mut self,
        direction: usize,
        data: &[u8],
        effects: &mut Effects,
    ) -> Result<(), Broken> {
        let (tx, context) = self.current(direction)?;
        let minimal = u64::from(context.settings.body(direction).minimal_inspect_size);
        let decoded = |tx: &Transaction| tx.bodies.get(direction).map_or(0, |body| body.decoded);
        let before = decoded(tx);
        tx.body_data(direction, data, context);
        if before < minimal
            && decoded(tx) >= minimal
            && let Some(flush) = effects.flush.get_mut(direction)
        {
            *flush = true;
        }
        Ok(())
    }

    /// Sets the state of a direction.
    pub(crate) fn go(&mut self, direction: usize, state: State) {
        if let Some(side) = self.sides.get_mut(direction) {
            side.state = state;
        }
    }
}
