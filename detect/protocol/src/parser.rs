//! The contract of a protocol parser.

use decode::{Direction, Timestamp};
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, NumberId, View};
use crate::transaction::TxMeta;

/// Bytes of a stream or a datagram, or the length of a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// The next bytes. For streams they begin with what the parser did not consume last time.
    Bytes(&'a [u8]),
    /// So many bytes were lost.
    Gap(u64),
}

/// What a parser is given.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Who sent it.
    pub direction: Direction,
    /// The data; may be empty together with `eof`.
    pub chunk: Chunk<'a>,
    /// Nothing comes after it in this direction.
    pub eof: bool,
    /// Time of the packet that brought it on.
    pub timestamp: Timestamp,
}

/// What came of a call of the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many bytes are done with; the rest is given again, with more behind it.
    Consumed(usize),
    /// The data can't be this protocol: the application layer of the flow is given up
    /// (`app_layer.error.<proto>.parser`).
    Error,
}

/// How an encrypted session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encrypted {
    /// No payload inspection any more; tracking goes on (`track-only`).
    TrackOnly,
    /// No reassembly, flow bypassed (`bypass`).
    Bypass,
}

/// A change of protocol within the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolChange {
    /// What should come: none for anything (CONNECT).
    pub expected: Option<AppProto>,
    /// Port that stands for the server's in the detection that follows.
    pub port: u16,
}

/// What a parser asks of the session around it; the session clears it before each call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effects {
    /// The endpoints of the flow are the wrong way round.
    pub reverse: bool,
    /// Detect the protocol anew from the next data on.
    pub change: Option<ProtocolChange>,
    /// No more bytes of this direction are wanted.
    pub stop: [bool; 2],
    /// The session is encrypted from here on.
    pub encrypted: Option<Encrypted>,
    /// Inspect the raw stream of this direction now (a message ended).
    pub flush: [bool; 2],
    /// There is news of parts of files: [`Parser::join`] is to be called.
    pub parts: bool,
}

/// Choices for protocol records.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// `extended: yes`.
    pub extended: bool,
    /// Fields of `custom`, in configuration order.
    pub custom: Vec<String>,
    /// Header arrays of requests (`dump-all-headers`).
    pub dump_request_headers: bool,
    /// Header arrays of responses.
    pub dump_response_headers: bool,
    /// Record version where there are several (dns: 2 or 3).
    pub version: u8,
    /// Names of switched-off parts (`requests`, `responses`, `detailed`, `grouped`, ...).
    pub off: Vec<String>,
    /// Names in `types`, lower case; empty: all.
    pub types: Vec<String>,
    /// The object goes into an alert or fileinfo record, not into a record of its own.
    pub embedded: bool,
}

/// A protocol's state on one flow: parses, keeps transactions, answers questions about them.
///
/// Transactions are numbered from 0 in the order in which they were made; those below
/// `first_tx` are freed.
pub trait Parser {
    /// Which protocol it is.
    fn proto(&self) -> AppProto;

    /// Takes data. Never panics, never blocks, keeps memory within its limits.
    fn parse(&mut self, input: &Input<'_>, effects: &mut Effects) -> Outcome;

    /// Whether it can go on after a hole in the stream.
    fn accepts_gaps(&self) -> bool {
        false
    }

    /// Number of the oldest transaction that is kept.
    fn first_tx(&self) -> u64;

    /// Number that the next new transaction will get: how many were made.
    fn next_tx(&self) -> u64;

    /// Common state of a transaction that is kept.
    fn meta(&self, tx: u64) -> Option<&TxMeta>;

    /// Common state, to change.
    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta>;

    /// How far the transaction is in a direction; meanings are the protocol's.
    fn progress(&self, tx: u64, direction: Direction) -> u8;

    /// The progress at which a direction is complete.
    fn end_progress(&self, direction: Direction) -> u8;

    /// Name of a progress value (`ts_progress` in EVE), e.g. `request_complete`.
    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str;

    /// True when records of rules show how far a transaction is.
    fn names_progress(&self) -> bool {
        true
    }

    /// The `index`-th instance of a buffer; none when there is no such instance (yet).
    /// Composed buffers are put into `scratch`, which comes empty.
    fn buffer<'a>(
        &'a self,
        tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>>;

    /// The `index`-th instance of a number.
    fn number(&self, tx: u64, number: NumberId, direction: Direction, index: usize) -> Option<u64>;

    /// Name of a protocol event as anomaly records write it.
    fn event_name(&self, event: u8) -> &'static str;

    /// True when the protocol record can be written now (besides when the flow ends).
    fn loggable(&self, tx: u64) -> bool;

    /// Writes the members that the protocol's record has after the header (e.g. the key `"http"`
    /// and its object); false when the transaction yields none. `embedded` tells it is for an alert.
    fn log(&self, tx: u64, options: &LogOptions, out: &mut Writer<'_>) -> bool;

    /// True when `tx_id` stands at the root of the record.
    fn tx_id_at_root(&self) -> bool {
        true
    }

    /// Which direction the addresses of the protocol's record follow; none: client to server.
    fn record_direction(&self, _tx: u64) -> Option<Direction> {
        None
    }

    /// Files of a transaction in a direction; empty for protocols without.
    fn files(&self, _tx: u64, _direction: Direction) -> &[crate::file::File] {
        &[]
    }

    /// Files, to change (hashes switched on, marked to be stored, reported).
    fn files_mut(&mut self, _tx: u64, _direction: Direction) -> &mut [crate::file::File] {
        &mut []
    }

    /// Hands on what came of parts of files, and takes over the files that are whole with them.
    fn join(&mut self, _ranges: &mut crate::file::range::Ranges, _now: Timestamp) {}

    /// A `filestore` rule matched: marks the files of a direction, with `later` also those that
    /// the transaction will open there ([`TxMeta::store_files`]).
    fn mark_store(&mut self, tx: u64, direction: Direction, sid: u32, later: bool) {
        for file in self.files_mut(tx, direction) {
            file.mark_store(Some(sid));
        }
        if later && let Some(meta) = self.meta_mut(tx) {
            meta.store_files[direction.index()] = true;
        }
    }

    /// The value of a request header as sent, by its name in any case (`xff`).
    fn request_header(&self, _tx: u64, _name: &str) -> Option<&[u8]> {
        None
    }

    /// What is still held of a body in a direction (`http-body` in alerts).
    fn held_body(&self, _tx: u64, _direction: Direction) -> Option<&[u8]> {
        None
    }

    /// The engine has looked at all body windows of this direction: they may slide on.
    fn inspected(&mut self, _tx: u64, _direction: Direction) {}

    /// Frees a transaction; called in any order, for kept ones only.
    fn free(&mut self, tx: u64);
}
