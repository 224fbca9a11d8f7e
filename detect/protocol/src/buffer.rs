//! Inspection buffers and numbers: what rules can ask of a transaction.
//!
//! A protocol (or the family of protocols that share names, such as HTTP) declares its buffers
//! in constant tables; `registry` joins the tables. An identifier is family and place in the
//! family's table, so that adding a family disturbs nobody.

use crate::app::AppProto;

/// A buffer: family in the high byte, index in the family's table in the low byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u16);

impl BufferId {
    /// Of family and index.
    pub const fn new(family: u8, index: u8) -> Self {
        Self(((family as u16) << 8) | index as u16)
    }

    /// The family.
    pub const fn family(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// The index within the family.
    pub const fn index(self) -> u8 {
        (self.0 & 0xff) as u8
    }
}

/// A number that rules compare, such as `dns.opcode`; same shape as [`BufferId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NumberId(pub u16);

impl NumberId {
    /// Of family and index.
    pub const fn new(family: u8, index: u8) -> Self {
        Self(((family as u16) << 8) | index as u16)
    }

    /// The family.
    pub const fn family(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// The index within the family.
    pub const fn index(self) -> u8 {
        (self.0 & 0xff) as u8
    }
}

/// What a buffer is, where it comes from, when it can be looked at.
#[derive(Clone, Copy, Debug)]
pub struct BufferSpec {
    /// Its identifier.
    pub id: BufferId,
    /// Sticky buffer keyword, e.g. `http.uri`.
    pub name: &'static str,
    /// Other sticky names, e.g. `dns_query`.
    pub aliases: &'static [&'static str],
    /// Old content modifier, e.g. `http_uri`; empty: none.
    pub modifier: &'static str,
    /// Letter of the old pcre option, e.g. `U`; `'\0'`: none.
    pub pcre_letter: char,
    /// Protocols that have it.
    pub protocols: &'static [AppProto],
    /// Progress of the transaction to the server from which it can be looked at; none: not there.
    pub to_server: Option<u8>,
    /// The same to the client.
    pub to_client: Option<u8>,
    /// Several instances a transaction.
    pub multi: bool,
    /// A window on a body: `View::offset` moves, more comes until `View::end`.
    pub streaming: bool,
    /// Rank in the choice of the fast pattern, lower first (2 unless Suricata 8 says otherwise).
    pub priority: u8,
    /// One line for the documentation.
    pub doc: &'static str,
}

/// What a number is.
#[derive(Clone, Copy, Debug)]
pub struct NumberSpec {
    /// Its identifier.
    pub id: NumberId,
    /// Keyword, e.g. `dns.opcode`.
    pub name: &'static str,
    /// Other names of the keyword.
    pub aliases: &'static [&'static str],
    /// Protocols that have it.
    pub protocols: &'static [AppProto],
    /// Progress to the server from which it can be looked at.
    pub to_server: Option<u8>,
    /// Progress to the client.
    pub to_client: Option<u8>,
    /// Several instances a transaction.
    pub multi: bool,
    /// Width, bits: 8, 16, 32 or 64.
    pub bits: u8,
    /// Names that stand for values.
    pub names: &'static [(&'static str, u64)],
    /// One line for the documentation.
    pub doc: &'static str,
}

/// The bytes of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// The bytes that can be looked at now.
    pub bytes: &'a [u8],
    /// Position of the first of them in the whole buffer (windows on bodies), else 0.
    pub offset: u64,
    /// The last of them is the last of the buffer.
    pub end: bool,
}

impl<'a> View<'a> {
    /// A whole buffer.
    pub const fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, end: true }
    }
}
