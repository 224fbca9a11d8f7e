//! HTTP/1: requests and responses in pairs, as Suricata 8 with its HTTP library reads them.

mod answer;
mod bestfit;
mod body;
mod buffers;
mod chunked;
mod codec;
mod coding;
mod connection;
mod decompress;
mod events;
mod field;
mod framing;
mod head;
mod host;
mod log;
mod message;
mod multipart;
mod parameter;
mod piece;
mod range;
mod request;
mod request_line;
mod response;
mod settings;
mod status_line;
mod table;
mod text;
mod transaction;
mod uri;
mod whole;
mod window;

use std::sync::Arc;

use decode::{Direction, Timestamp};
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, NumberId, View};
use crate::file::File;
use crate::file::range::Ranges;
use crate::parser::{Chunk, Effects, Input, LogOptions, Outcome, Parser};
use crate::settings::ProtocolSettings;
use crate::transaction::TxMeta;

pub use buffers::{BUFFERS, FAMILY, HOOKS, NUMBERS};
pub use events::EVENTS;
pub use settings::{
    BodySettings, HttpSettings, InvalidEncoding, Personality, SwfSettings, UriSettings,
};

use connection::Side;
use head::Broken;
use table::Table;
use transaction::Context;

/// The HTTP/1 state of a flow.
pub struct Http1 {
    context: Context,
    table: Table,
    sides: [Side; 2],
    next_response: u64,
}

impl Http1 {
    /// A new state for a server with its own HTTP settings, within those of all protocols.
    pub fn new(settings: Arc<HttpSettings>, of_all: &ProtocolSettings) -> Self {
        Self {
            context: Context {
                settings,
                files: of_all.file,
                keep_bodies: of_all.keep_bodies,
                decode_bodies: of_all.decode_bodies,
                warnings: 0,
                bombs: 0,
                parts: false,
            },
            table: Table::default(),
            sides: [Side::default(), Side::default()],
            next_response: 0,
        }
    }

    /// Makes a transaction, within the limit of those from the oldest on.
    fn add_transaction(&mut self) -> Result<u64, Broken> {
        if self.table.span() >= self.context.settings.max_tx.max(1) {
            return Err(Broken);
        }
        Ok(self.table.add())
    }
}

impl Parser for Http1 {
    fn proto(&self) -> AppProto {
        AppProto::Http1
    }

    fn parse(&mut self, input: &Input<'_>, effects: &mut Effects) -> Outcome {
        let direction = input.direction.index();
        let outcome = match input.chunk {
            Chunk::Bytes(bytes) => self.feed(direction, bytes, input.eof, effects),
            Chunk::Gap(len) => {
                self.gap(direction, len, effects);
                if input.eof {
                    self.feed(direction, &[], true, effects)
                } else {
                    Outcome::Consumed(0)
                }
            }
        };
        effects.parts |= std::mem::take(&mut self.context.parts);
        outcome
    }

    fn join(&mut self, ranges: &mut Ranges, now: Timestamp) {
        for tx in self.table.iter_mut() {
            tx.join(ranges, now);
        }
    }

    fn accepts_gaps(&self) -> bool {
        true
    }

    fn first_tx(&self) -> u64 {
        self.table.first()
    }

    fn next_tx(&self) -> u64 {
        self.table.next()
    }

    fn meta(&self, tx: u64) -> Option<&TxMeta> {
        self.table.get(tx).map(|tx| &tx.meta)
    }

    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta> {
        self.table.get_mut(tx).map(|tx| &mut tx.meta)
    }

    fn progress(&self, tx: u64, direction: Direction) -> u8 {
        self.table.get(tx).map_or(0, |tx| tx.progress[direction.index()])
    }

    fn end_progress(&self, _direction: Direction) -> u8 {
        buffers::progress::COMPLETE
    }

    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str {
        let names = &buffers::PROGRESS_NAMES[direction.index()];
        names.get(usize::from(progress)).copied().unwrap_or("")
    }

    fn buffer<'a>(
        &'a self,
        tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        let tx = self.table.get(tx)?;
        answer::buffer(tx, &self.context, buffer, direction.index(), index, scratch)
    }

    fn number(&self, tx: u64, number: NumberId, _: Direction, index: usize) -> Option<u64> {
        answer::number(self.table.get(tx)?, number, index)
    }

    fn event_name(&self, event: u8) -> &'static str {
        events::NAMES.get(usize::from(event)).copied().unwrap_or("")
    }

    fn loggable(&self, tx: u64) -> bool {
        self.table.get(tx).is_some_and(|tx| tx.is_complete(0) && tx.is_complete(1))
    }

    fn log(&self, tx: u64, options: &LogOptions, out: &mut Writer<'_>) -> bool {
        self.table.get(tx).is_some_and(|tx| log::write(tx, options, out))
    }

    fn files(&self, tx: u64, direction: Direction) -> &[File] {
        self.table.get(tx).map_or(&[], |tx| &tx.bodies[direction.index()].files)
    }

    fn files_mut(&mut self, tx: u64, direction: Direction) -> &mut [File] {
        self.table.get_mut(tx).map_or(&mut [], |tx| &mut tx.bodies[direction.index()].files)
    }

    fn request_header(&self, tx: u64, name: &str) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.table.get(tx)?.request.message.value_by_name(name.as_bytes())
    }

    fn held_body(&self, tx: u64, direction: Direction) -> Option<&[u8]> {
        let body = &self.table.get(tx)?.bodies[direction.index()];
        // The body of a response is kept as the file that it is.
        let file = body.files.first().filter(|_| direction == Direction::ToClient);
        Some(file.map_or(body.held(), |file| file.view(u64::MAX).bytes))
    }

    fn inspected(&mut self, tx: u64, direction: Direction) {
        if let Some(tx) = self.table.get_mut(tx) {
            let direction = direction.index();
            tx.bodies[direction].mark_inspected(direction, &self.context);
        }
    }

    fn free(&mut self, tx: u64) {
        self.table.free(tx);
    }
}

#[cfg(test)]
mod tests;
