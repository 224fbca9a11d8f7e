//! SSH connections.

use super::Event;
use super::envelope::{COMMON, ON_PACKET, ORIGIN};
use crate::field::Field;
use crate::field::make::*;

pub(super) const EVENT: Event = Event {
    name: "ssh",
    doc: "what the sides of an SSH connection say of themselves",
    groups: &[COMMON, ORIGIN, ON_PACKET, OBJECT],
};

/// In other records as well.
pub(super) const OBJECT: &[Field] = &[object("ssh", SSH, "the SSH connection")];

const SSH: &[Field] = &[object("client", SIDE, "the client"), object("server", SIDE, "the server")];

const SIDE: &[Field] = &[
    keyword("proto_version", "version of the protocol").always(),
    keyword("software_version", "software and its version"),
    object("hassh", HASSH, "fingerprint of the algorithms that it offers"),
];

const HASSH: &[Field] =
    &[keyword("hash", "MD5 of the text").always(), keyword("string", "the text").always()];
