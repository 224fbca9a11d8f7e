//! Files that protocols carried.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN, XFF};
use super::http;
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event = Event {
    name: "fileinfo",
    doc: "a file that a protocol carried has ended",
    groups: &[COMMON, ORIGIN, ON_PACKET, http::OBJECT, OWN, XFF],
};

const OWN: &[Field] = &[
    word("app_proto", "protocol of the application").always().ecs("network.protocol"),
    object("fileinfo", FILE, "the file").always(),
];

pub(super) const FILE: &[Field] = &[
    keyword("filename", "its name, or the path it was asked for by").ecs("file.path"),
    field("sid", Kind::List(&Kind::Unsigned(32)), "rules that asked for it to be stored"),
    boolean("gaps", "parts of it are missing").always(),
    word("state", "CLOSED, TRUNCATED, ERROR or UNKNOWN").always(),
    keyword("md5", "MD5 of its contents").ecs("file.hash.md5"),
    keyword("sha1", "SHA-1 of its contents").ecs("file.hash.sha1"),
    keyword("sha256", "SHA-256 of its contents").ecs("file.hash.sha256"),
    boolean("stored", "it lies in the file store").always(),
    boolean("storing", "it is being stored"),
    u64("file_id", "its number in the file store"),
    u64("size", "bytes of it that were seen").always().ecs("file.size"),
    u64("start", "first byte of the part, for files in parts"),
    u64("end", "last byte of the part"),
    u64("tx_id", "number of the transaction in its flow").always(),
];
