//! Filter expressions as for libpcap, evaluated on frames of a replay.
//!
//! `lexer` and `parse` make a tree (`primitive` its tests, `compute` its byte expressions, with
//! the words of `names`), `evaluate` and `arithmetic` ask `frame` what the tree wants to know.

mod arithmetic;
mod compute;
mod evaluate;
mod frame;
mod lexer;
mod names;
mod parse;
mod primitive;
#[cfg(test)]
mod tests;

pub(crate) use parse::ParseError;

use arithmetic::{Arithmetic, Relation};
use frame::{Frame, Layers};

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    root: Expression,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    /// Passes everything.
    Always,
    Not(Box<Expression>),
    /// From left to right; `and` (true) and `or` bind equally.
    Chain(Box<Expression>, Vec<(bool, Expression)>),
    /// A test, behind the headers that the words before it name.
    Test(Layers, Test),
}

/// Which end a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// Any of these EtherTypes.
    EtherTypes(&'static [u16]),
    EtherType(u16),
    /// An IEEE 802.3 frame with this LLC service access point.
    AccessPoint(u8),
    /// The IP protocol, with the IP version if one is asked for.
    Protocol(u8, Option<u8>),
    /// An address and mask, in the headers of these EtherTypes.
    Network4(End, u32, u32, &'static [u16]),
    Network6(End, u128, u128),
    /// A range of ports, with the transport if one is asked for.
    Ports(End, u16, u16, Option<u8>),
    /// A hardware address.
    Hardware(End, [u8; 6]),
    /// Length in bytes: no more (true) or no less than.
    Length(bool, u32),
    Compare(Relation, Arithmetic, Arithmetic),
    /// A VLAN tag, with its identifier.
    Vlan(Option<u16>),
    /// An MPLS label.
    Label(Option<u32>),
    /// A PPPoE session.
    Session(Option<u16>),
    LinkBroadcast,
    LinkMulticast,
    Ip4Broadcast,
    Ip4Multicast,
    Ip6Multicast,
}

impl Filter {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text).map(|root| Self { root })
    }

    /// Whether a frame passes.
    pub(crate) fn passes(&self, link_type: u16, bytes: &[u8], wire_len: u32) -> bool {
        let frame = Frame { link_type, bytes, wire_len };
        self.root.holds(&frame).unwrap_or(false)
    }
}
