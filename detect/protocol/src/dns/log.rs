//! The `dns` object of records, versions 3 and 2.

use json::Writer;

use super::message::{Question, Record, rrtype};
use super::name::NameText;
use super::rdata::{self, Data};
use super::store::Transaction;
use super::{is_request, rcode_name, rrtype_name};
use crate::parser::LogOptions;

/// Writes the key `dns` and its object; false when the configuration wants no record.
pub(crate) fn write(tx: &Transaction, options: &LogOptions, out: &mut Writer<'_>) -> bool {
    if !options.embedded && !wanted(tx, options) {
        return false;
    }
    out.key("dns").open();
    if options.version == 2 && !options.embedded {
        version_two(tx, options, out);
    } else {
        version_three(tx, options, out);
    }
    out.close();
    true
}

/// A record is wanted when its side is switched on and the type of any question is.
fn wanted(tx: &Transaction, options: &LogOptions) -> bool {
    let side = if is_request(tx) { "requests" } else { "responses" };
    if options.off.iter().any(|part| part == side) {
        return false;
    }
    (0..).map_while(|at| tx.rrtype(0, at)).any(|rrtype| type_wanted(rrtype, options))
}

fn type_wanted(rrtype: u16, options: &LogOptions) -> bool {
    if options.types.is_empty() || options.embedded {
        return true;
    }
    let name = rrtype_name(rrtype).unwrap_or("");
    options.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn version_three(tx: &Transaction, options: &LogOptions, out: &mut Writer<'_>) {
    let header = tx.outline.header;
    let kind = if is_request(tx) { "request" } else { "response" };
    out.field_u64("version", 3).field_str("type", kind).field_u64("tx_id", tx.meta.id);
    out.field_u64("id", u64::from(header.id));
    write_flags(header.flags, out);
    out.field_u64("opcode", u64::from(header.opcode()));
    write_rcode(header.rcode(), out);
    write_questions(tx, options, out);
    write_answers(tx, options, out);
    write_records(tx, 2, "authorities", out);
    write_records(tx, 3, "additionals", out);
}

fn version_two(tx: &Transaction, options: &LogOptions, out: &mut Writer<'_>) {
    let header = tx.outline.header;
    let mut question = None;
    each_question(tx, |name, rrtype, _| {
        if question.is_none() && type_wanted(rrtype, options) {
            question = Some((name.clone(), rrtype));
        }
    });
    let write_question = |out: &mut Writer<'_>| {
        if let Some((name, rrtype)) = &question {
            out.field_text("rrname", name).key("rrtype");
            write_rrtype(*rrtype, out);
        }
    };
    out.field_u64("version", 2);
    if is_request(tx) {
        out.field_str("type", "query").field_u64("id", u64::from(header.id));
        write_question(out);
        out.field_u64("tx_id", tx.meta.id);
        if header.flags & 0x0040 != 0 {
            out.field_bool("z", true);
        }
        out.field_u64("opcode", u64::from(header.opcode()));
        return;
    }
    out.field_str("type", "answer").field_u64("id", u64::from(header.id));
    write_flags(header.flags, out);
    out.field_u64("opcode", u64::from(header.opcode()));
    write_question(out);
    write_rcode(header.rcode(), out);
    write_answers(tx, options, out);
    write_records(tx, 2, "authorities", out);
    write_records(tx, 3, "additionals", out);
}

const FLAGS: &[(u16, &str)] = &[
    (0x8000, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0040, "z"),
];

fn write_flags(flags: u16, out: &mut Writer<'_>) {
    let mut digits = [0; 4];
    let mut len = 0;
    for shift in [12, 8, 4, 0] {
        let digit = (flags >> shift & 15) as u8;
        if len > 0 || digit > 0 || shift == 0 {
            digits[len] = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            len += 1;
        }
    }
    out.field_text("flags", &digits[..len]);
    for (_, name) in FLAGS.iter().filter(|(bit, _)| flags & bit != 0) {
        out.field_bool(name, true);
    }
}

fn write_rcode(rcode: u8, out: &mut Writer<'_>) {
    out.key("rcode");
    match rcode_name(rcode) {
        Some(name) => out.str(name),
        None => out.str(&rcode.to_string()),
    };
}

fn write_rrtype(rrtype: u16, out: &mut Writer<'_>) {
    match rrtype_name(rrtype) {
        Some(name) => out.str(name),
        None => out.str(&rrtype.to_string()),
    };
}

/// Calls with name, type and whether the name was cut, for each question.
pub(crate) fn each_question(tx: &Transaction, mut with: impl FnMut(&NameText, u16, bool)) {
    let mut pos = section_start(tx, 0);
    for _ in 0..tx.outline.counts[0] {
        let mut name = NameText::new();
        let Some((question, read)) = Question::read(&tx.message, pos, &mut name) else { return };
        pos = question.end;
        with(&name, question.rrtype, read.truncated);
    }
}

/// Calls with each record of a section, its name, and whether that was cut.
pub(crate) fn each_record(
    tx: &Transaction,
    section: usize,
    mut with: impl FnMut(&Record, &NameText, bool),
) {
    let mut pos = section_start(tx, section);
    for _ in 0..tx.outline.counts.get(section).copied().unwrap_or(0) {
        let mut name = NameText::new();
        let Some((record, read)) = Record::read(&tx.message, pos, &mut name) else { return };
        pos = record.end;
        with(&record, &name, read.truncated);
    }
}

fn section_start(tx: &Transaction, section: usize) -> usize {
    let start = tx.outline.starts.get(section).copied().unwrap_or(u32::MAX);
    usize::try_from(start).unwrap_or(usize::MAX)
}

fn write_questions(tx: &Transaction, options: &LogOptions, out: &mut Writer<'_>) {
    if tx.outline.counts[0] == 0 {
        return;
    }
    out.key("queries").open_array();
    each_question(tx, |name, rrtype, truncated| {
        if !type_wanted(rrtype, options) {
            return;
        }
        out.open().field_text("rrname", name);
        if truncated {
            out.field_bool("rrname_truncated", true);
        }
        out.key("rrtype");
        write_rrtype(rrtype, out);
        out.close();
    });
    out.close_array();
}

fn write_answers(tx: &Transaction, options: &LogOptions, out: &mut Writer<'_>) {
    if tx.outline.counts[1] == 0 {
        return;
    }
    let off = |part: &str| options.off.iter().any(|off| off == part);
    if !off("detailed") || options.embedded {
        write_records(tx, 1, "answers", out);
    }
    if !off("grouped") && !options.embedded {
        write_grouped(tx, out);
    }
}

/// Writes a section as an array; leaves it out when it has no items.
fn write_records(tx: &Transaction, section: usize, key: &str, out: &mut Writer<'_>) {
    if tx.outline.counts.get(section).is_none_or(|count| *count == 0) {
        return;
    }
    let mark = out.mark();
    let mut items = 0;
    out.key(key).open_array();
    each_record(tx, section, |record, name, truncated| {
        items += write_record(tx, record, (name, truncated), section == 3, out);
    });
    out.close_array();
    if items == 0 {
        out.truncate(mark);
    }
}

/// Writes the items of one record (texts give one for each string) and counts them.
fn write_record(
    tx: &Transaction,
    record: &Record,
    name: (&NameText, bool),
    skip_empty_options: bool,
    out: &mut Writer<'_>,
) -> usize {
    let Some(data) = rdata::decode(&tx.message, record) else { return 0 };
    if let Data::Strings(strings) = data {
        return strings.fold(0, |items, text| {
            open_item(record, name, out);
            out.field_text("rdata", text).close();
            items + 1
        });
    }
    if skip_empty_options && matches!(data, Data::Options([])) {
        return 0;
    }
    open_item(record, name, out);
    write_data(&data, out);
    out.close();
    1
}

fn open_item(record: &Record, (name, truncated): (&NameText, bool), out: &mut Writer<'_>) {
    out.open().field_text("rrname", name);
    if truncated {
        out.field_bool("rrname_truncated", true);
    }
    out.key("rrtype");
    write_rrtype(record.rrtype, out);
    out.field_u64("ttl", u64::from(record.ttl));
}

fn write_data(data: &Data<'_>, out: &mut Writer<'_>) {
    match data {
        Data::Address(text) => {
            out.field_text("rdata", text);
        }
        Data::Name(text, truncated) => {
            out.field_text("rdata", text);
            if *truncated {
                out.field_bool("rdata_truncated", true);
            }
        }
        Data::Bytes(bytes) => {
            out.field_text("rdata", bytes);
        }
        Data::Soa(soa) => {
            out.key("soa");
            rdata::write_soa(soa, out);
        }
        Data::Service(words, target) => {
            out.key("srv");
            rdata::write_service(*words, target, out);
        }
        Data::Fingerprint(algorithm, kind, digest) => {
            out.key("sshfp");
            rdata::write_fingerprint(*algorithm, *kind, digest, out);
        }
        Data::Options(bytes) => {
            out.key("opt");
            rdata::write_options(bytes, out);
        }
        Data::Strings(_) | Data::Opaque(_) => {}
    }
}

/// Types whose values are collected, in the order of their keys.
const GROUPED: &[u16] = &[
    rrtype::A,
    rrtype::AAAA,
    rrtype::CNAME,
    rrtype::MX,
    rrtype::NS,
    rrtype::NULL,
    rrtype::PTR,
    rrtype::SOA,
    rrtype::SRV,
    rrtype::SSHFP,
    rrtype::TXT,
];

fn write_grouped(tx: &Transaction, out: &mut Writer<'_>) {
    out.key("grouped").open();
    let mut present = [false; GROUPED.len()];
    each_record(tx, 1, |record, _, _| {
        if let Some(at) = GROUPED.iter().position(|rrtype| *rrtype == record.rrtype) {
            present[at] = true;
        }
    });
    for (group, _) in GROUPED.iter().zip(present).filter(|(_, present)| *present) {
        let mark = out.mark();
        let mut items = 0;
        out.key(rrtype_name(*group).unwrap_or("")).open_array();
        each_record(tx, 1, |record, _, _| {
            if record.rrtype == *group
                && let Some(data) = rdata::decode(&tx.message, record)
            {
                items += write_value(data, out);
            }
        });
        out.close_array();
        if items == 0 {
            out.truncate(mark);
        }
    }
    out.close();
}

/// Writes the values of a record and counts them.
fn write_value(data: Data<'_>, out: &mut Writer<'_>) -> usize {
    match data {
        Data::Address(text) => {
            out.text(&text);
        }
        Data::Name(text, _) => {
            out.text(&text);
        }
        Data::Bytes(bytes) => {
            out.text(bytes);
        }
        Data::Strings(strings) => {
            return strings.fold(0, |items, text| {
                out.text(text);
                items + 1
            });
        }
        Data::Soa(soa) => rdata::write_soa(&soa, out),
        Data::Service(words, target) => rdata::write_service(words, &target, out),
        Data::Fingerprint(algorithm, kind, digest) => {
            rdata::write_fingerprint(algorithm, kind, digest, out);
        }
        Data::Options(_) | Data::Opaque(_) => return 0,
    }
    1
}
