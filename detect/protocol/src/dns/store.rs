//! Transactions of a flow: every message is one of its own, complete at once.

use std::cell::Cell;
use std::collections::VecDeque;

use decode::Direction;

use super::message::Outline;
use super::table::event;
use super::walk::{Names, Walk};
use crate::buffer::View;
use crate::transaction::TxMeta;

/// Live transactions of a flow; the oldest goes when there are more.
const LIVE_LIMIT: usize = 4096;

/// Requests without a record whose answers are waited for.
const SILENT_LIMIT: usize = 64;

/// Message buffers that are kept for reuse, and how large they may be.
const SPARE_LIMIT: usize = 4;
const SPARE_BYTES: usize = 4096;

/// One message.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) meta: TxMeta,
    /// Who sent it.
    pub(crate) direction: Direction,
    pub(crate) outline: Outline,
    /// The bytes from the header on.
    pub(crate) message: Vec<u8>,
    names: Cell<Option<(Names, usize, Walk)>>,
    types: Cell<Option<(u8, usize, Walk)>>,
}

impl Transaction {
    /// The `index`-th name that is not the root. Going upwards is cheap: the walk goes on where
    /// the last question left it.
    pub(crate) fn name<'a>(
        &self,
        wanted: Names,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        let (mut next, mut walk) = match self.names.get() {
            Some((last, next, walk)) if last == wanted && next <= index => (next, walk),
            _ => (0, Walk::new(wanted, &self.outline)),
        };
        loop {
            if !walk.next_name(&self.message, &self.outline, scratch) {
                return None;
            }
            next += 1;
            if next > index {
                self.names.set(Some((wanted, next, walk)));
                return Some(View::whole(scratch));
            }
        }
    }

    /// The `index`-th type in a section.
    pub(crate) fn rrtype(&self, section: u8, index: usize) -> Option<u16> {
        let (mut next, mut walk) = match self.types.get() {
            Some((last, next, walk)) if last == section && next <= index => (next, walk),
            _ => (0, Walk::new(Names::Section(section), &self.outline)),
        };
        loop {
            let rrtype = walk.next_type(&self.message, &self.outline)?;
            next += 1;
            if next > index {
                self.types.set(Some((section, next, walk)));
                return Some(rrtype);
            }
        }
    }
}

/// The transactions of one flow, by number.
#[derive(Debug, Default)]
pub(crate) struct Store {
    live: VecDeque<Option<Transaction>>,
    first: u64,
    spare: Vec<Vec<u8>>,
    /// Identifiers of requests whose records a rule switched off: it holds for the answers, too.
    silent: VecDeque<u16>,
}

impl Store {
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn next(&self) -> u64 {
        self.first + self.live.len() as u64
    }

    fn slot(&self, tx: u64) -> Option<usize> {
        usize::try_from(tx.checked_sub(self.first)?).ok()
    }

    pub(crate) fn get(&self, tx: u64) -> Option<&Transaction> {
        self.live.get(self.slot(tx)?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, tx: u64) -> Option<&mut Transaction> {
        let slot = self.slot(tx)?;
        self.live.get_mut(slot)?.as_mut()
    }

    /// Adds a message that can be read.
    pub(crate) fn push(&mut self, direction: Direction, message: &[u8], outline: Outline) {
        if self.live.len() >= LIVE_LIMIT {
            self.free(self.first);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(message);
        let mut meta = TxMeta::new(self.next());
        // Nothing of it is in the other direction.
        let other = direction.opposite().index();
        meta.updated[other] = false;
        meta.inspected[other] = true;
        if direction == Direction::ToClient
            && let Some(at) = self.silent.iter().position(|id| *id == outline.header.id)
        {
            self.silent.remove(at);
            meta.log_disabled = true;
        }
        mark(&mut meta, &outline);
        self.live.push_back(Some(Transaction {
            meta,
            direction,
            outline,
            message: bytes,
            names: Cell::new(None),
            types: Cell::new(None),
        }));
    }

    /// Sets an event on the newest transaction, if there is one.
    pub(crate) fn event(&mut self, event: u8) {
        if let Some(tx) = self.live.iter_mut().rev().flatten().next() {
            tx.meta.set_event(event);
        }
    }

    pub(crate) fn free(&mut self, tx: u64) {
        let Some(slot) = self.slot(tx) else { return };
        if let Some(freed) = self.live.get_mut(slot).and_then(Option::take) {
            if freed.meta.log_disabled && freed.direction == Direction::ToServer {
                if self.silent.len() >= SILENT_LIMIT {
                    self.silent.pop_front();
                }
                self.silent.push_back(freed.outline.header.id);
            }
            if self.spare.len() < SPARE_LIMIT && freed.message.capacity() <= SPARE_BYTES {
                self.spare.push(freed.message);
            }
        }
        while let Some(None) = self.live.front() {
            self.live.pop_front();
            self.first += 1;
        }
    }
}

/// Events that the message itself shows, in Suricata 8's order.
fn mark(meta: &mut TxMeta, outline: &Outline) {
    let found = [
        (outline.invalid_additionals, event::INVALID_ADDITIONALS),
        (outline.invalid_authorities, event::INVALID_AUTHORITIES),
        (outline.header.flags & 0x0040 != 0, event::Z_FLAG_SET),
        (outline.header.opcode() >= 7, event::INVALID_OPCODE),
        (outline.name_truncated, event::NAME_TOO_LONG),
        (outline.name_looped, event::INFINITE_LOOP),
        (outline.too_many_labels, event::TOO_MANY_LABELS),
    ];
    for (_, number) in found.into_iter().filter(|(set, _)| *set) {
        meta.set_event(number);
    }
}
