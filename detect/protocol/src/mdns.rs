//! Multicast DNS (RFC 6762): the messages of DNS, all counted as sent to the server.

use decode::Direction;
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec, NumberId, NumberSpec, View};
use crate::dns::log::{each_question, each_record};
use crate::dns::message::Record;
use crate::dns::name::NameText;
use crate::dns::rdata::{self, Data};
use crate::dns::store::{Store, Transaction};
use crate::dns::walk::Names;
use crate::dns::{self, Reading, event, rrtype_name};
use crate::parser::{Chunk, Effects, Input, LogOptions, Outcome, Parser};
use crate::transaction::TxMeta;

/// Family of the buffers.
pub const FAMILY: u8 = 4;

pub use crate::dns::EVENTS;

const QUERIES: BufferId = BufferId::new(FAMILY, 0);
const ANSWERS: BufferId = BufferId::new(FAMILY, 1);
const AUTHORITIES: BufferId = BufferId::new(FAMILY, 2);
const ADDITIONALS: BufferId = BufferId::new(FAMILY, 3);
const RESPONSE: BufferId = BufferId::new(FAMILY, 4);

const fn names(id: BufferId, name: &'static str, doc: &'static str) -> BufferSpec {
    BufferSpec {
        id,
        name,
        aliases: &[],
        modifier: "",
        pcre_letter: '\0',
        protocols: &[AppProto::Mdns],
        to_server: Some(1),
        to_client: None,
        multi: true,
        streaming: false,
        priority: 2,
        doc,
    }
}

/// Buffers.
pub const BUFFERS: &[BufferSpec] = &[
    names(QUERIES, "mdns.queries.rrname", "names in questions"),
    names(ANSWERS, "mdns.answers.rrname", "owner names of answers"),
    names(AUTHORITIES, "mdns.authorities.rrname", "owner names of authorities"),
    names(ADDITIONALS, "mdns.additionals.rrname", "owner names of additionals"),
    names(RESPONSE, "mdns.response.rrname", "all names in a response"),
];

/// Numbers: none.
pub const NUMBERS: &[NumberSpec] = &[];

/// mDNS on one flow.
#[derive(Debug, Default)]
pub struct Mdns {
    store: Store,
}

impl Parser for Mdns {
    fn proto(&self) -> AppProto {
        AppProto::Mdns
    }

    fn parse(&mut self, input: &Input<'_>, _effects: &mut Effects) -> Outcome {
        let Chunk::Bytes(bytes) = input.chunk else { return Outcome::Consumed(0) };
        if bytes.is_empty() {
            return Outcome::Consumed(0);
        }
        match dns::read(bytes) {
            Reading::Invalid => {}
            Reading::Malformed => {
                self.store.event(event::MALFORMED_DATA);
                return Outcome::Error;
            }
            Reading::Good(outline) => self.store.push(Direction::ToServer, bytes, outline),
        }
        Outcome::Consumed(bytes.len())
    }

    fn first_tx(&self) -> u64 {
        self.store.first()
    }

    fn next_tx(&self) -> u64 {
        self.store.next()
    }

    fn meta(&self, tx: u64) -> Option<&TxMeta> {
        self.store.get(tx).map(|tx| &tx.meta)
    }

    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta> {
        self.store.get_mut(tx).map(|tx| &mut tx.meta)
    }

    fn progress(&self, _tx: u64, _direction: Direction) -> u8 {
        1
    }

    fn end_progress(&self, _direction: Direction) -> u8 {
        1
    }

    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str {
        dns::progress_name(progress, direction)
    }

    fn names_progress(&self) -> bool {
        false
    }

    fn buffer<'a>(
        &'a self,
        tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        let tx = self.store.get(tx).filter(|_| direction == Direction::ToServer)?;
        let wanted = match buffer {
            QUERIES => Names::Section(0),
            ANSWERS => Names::Section(1),
            AUTHORITIES => Names::Section(2),
            ADDITIONALS => Names::Section(3),
            RESPONSE if tx.outline.header.is_response() => Names::Response,
            _ => return None,
        };
        tx.name(wanted, index, scratch)
    }

    fn number(&self, _: u64, _: NumberId, _: Direction, _: usize) -> Option<u64> {
        None
    }

    fn event_name(&self, event: u8) -> &'static str {
        dns::event_name(event)
    }

    fn loggable(&self, tx: u64) -> bool {
        self.store.get(tx).is_some()
    }

    fn log(&self, tx: u64, _options: &LogOptions, out: &mut Writer<'_>) -> bool {
        let Some(tx) = self.store.get(tx) else { return false };
        write(tx, out);
        true
    }

    fn tx_id_at_root(&self) -> bool {
        false
    }

    fn free(&mut self, tx: u64) {
        self.store.free(tx);
    }
}

const FLAGS: &[(u16, &str)] = &[
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0040, "z"),
    (0x0020, "ad"),
    (0x0010, "cd"),
];

fn write(tx: &Transaction, out: &mut Writer<'_>) {
    let header = tx.outline.header;
    out.key("mdns").open();
    out.field_str("type", if header.is_response() { "response" } else { "request" });
    out.field_u64("id", u64::from(header.id));
    if FLAGS.iter().any(|(bit, _)| header.flags & bit != 0) {
        out.key("flags").open_array();
        for (_, name) in FLAGS.iter().filter(|(bit, _)| header.flags & bit != 0) {
            out.str(name);
        }
        out.close_array();
    }
    out.field_u64("opcode", u64::from(header.opcode()));
    out.field_u64("rcode", u64::from(header.rcode()));
    if tx.outline.counts[0] > 0 {
        out.key("queries").open_array();
        each_question(tx, |name, rrtype, truncated| {
            out.open().field_text("rrname", name);
            if truncated {
                out.field_bool("rrname_truncated", true);
            }
            out.field_str("rrtype", &type_text(rrtype)).close();
        });
        out.close_array();
    }
    for (section, key) in [(1, "answers"), (2, "authorities"), (3, "additionals")] {
        if tx.outline.counts[section] > 0 {
            out.key(key).open_array();
            each_record(tx, section, |record, name, truncated| {
                write_record(tx, record, (name, truncated), out);
            });
            out.close_array();
        }
    }
    out.close();
}

fn type_text(rrtype: u16) -> String {
    rrtype_name(rrtype).map_or_else(|| rrtype.to_string(), str::to_ascii_lowercase)
}

fn write_record(
    tx: &Transaction,
    record: &Record,
    (name, truncated): (&NameText, bool),
    out: &mut Writer<'_>,
) {
    let Some(data) = rdata::decode(&tx.message, record) else { return };
    out.open().field_text("rrname", name);
    if truncated {
        out.field_bool("rrname_truncated", true);
    }
    out.key(&type_text(record.rrtype));
    match data {
        Data::Address(text) => {
            out.text(&text);
        }
        Data::Name(text, _) => {
            out.text(&text);
        }
        Data::Strings(strings) => {
            out.open_array();
            for text in strings {
                out.text(text);
            }
            out.close_array();
        }
        Data::Bytes(bytes) | Data::Opaque(bytes) => {
            out.text(bytes);
        }
        Data::Soa(soa) => rdata::write_soa(&soa, out),
        Data::Service(words, target) => rdata::write_service(words, &target, out),
        Data::Fingerprint(algorithm, kind, digest) => {
            rdata::write_fingerprint(algorithm, kind, digest, out);
        }
        Data::Options(bytes) => rdata::write_options(bytes, out),
    }
    out.close();
}
