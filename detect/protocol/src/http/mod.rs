//! HTTP/1: requests and responses in pairs, as Suricata 8 with its HTTP library reads them.

mod buffers;
mod events;
mod field;
mod settings;
mod text;

use std::sync::Arc;

use decode::Direction;
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, NumberId, View};
use crate::file::FileSettings;
use crate::parser::{Effects, Input, LogOptions, Outcome, Parser};
use crate::transaction::TxMeta;

pub use buffers::{BUFFERS, FAMILY, HOOKS, NUMBERS};
pub use events::EVENTS;
pub use settings::{
    BodySettings, HttpSettings, InvalidEncoding, Personality, SwfSettings, UriSettings,
};

/// The HTTP/1 state of a flow.
pub struct Http1 {
    settings: Arc<HttpSettings>,
}

impl Http1 {
    /// A new state. `keep_bodies` tells that rules or outputs look at bodies.
    pub fn new(settings: Arc<HttpSettings>, _files: FileSettings, _keep_bodies: bool) -> Self {
        Self { settings }
    }

    /// Raw value of a request header, for the client's address behind proxies.
    pub fn xff(&self, _tx: u64, _header: &str) -> Option<&[u8]> {
        None
    }
}

impl Parser for Http1 {
    fn proto(&self) -> AppProto {
        AppProto::Http1
    }
    fn parse(&mut self, input: &Input<'_>, _effects: &mut Effects) -> Outcome {
        let _ = (&self.settings, input);
        Outcome::Consumed(0)
    }
    fn accepts_gaps(&self) -> bool {
        true
    }
    fn first_tx(&self) -> u64 {
        0
    }
    fn next_tx(&self) -> u64 {
        0
    }
    fn meta(&self, _tx: u64) -> Option<&TxMeta> {
        None
    }
    fn meta_mut(&mut self, _tx: u64) -> Option<&mut TxMeta> {
        None
    }
    fn progress(&self, _tx: u64, _direction: Direction) -> u8 {
        0
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
        _tx: u64,
        _buffer: BufferId,
        _direction: Direction,
        _index: usize,
        _scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        None
    }
    fn number(&self, _: u64, _: NumberId, _: Direction, _: usize) -> Option<u64> {
        None
    }
    fn event_name(&self, event: u8) -> &'static str {
        events::NAMES.get(usize::from(event)).copied().unwrap_or("")
    }
    fn loggable(&self, _tx: u64) -> bool {
        false
    }
    fn log(&self, _tx: u64, _options: &LogOptions, _out: &mut Writer<'_>) -> bool {
        false
    }
    fn free(&mut self, _tx: u64) {}
}
