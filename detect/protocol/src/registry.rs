//! The protocols with a parser, one line each, and the joined tables of what rules can ask.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use decode::{Direction, Timestamp};
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec, NumberId, NumberSpec, View};
use crate::detection::Transport;
use crate::file::File;
use crate::file::range::Ranges;
use crate::parser::{Effects, Input, LogOptions, Outcome, Parser};
use crate::settings::ProtocolSettings;
use crate::transaction::TxMeta;

/// What a parser can be made from.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Choices.
    pub settings: &'a ProtocolSettings,
    /// Over which transport.
    pub transport: Transport,
    /// The server.
    pub server: Option<IpAddr>,
    /// The protocol that the flow had before.
    pub origin: Option<AppProto>,
}

macro_rules! parsers {
    ($($proto:ident $module:ident $parser:ty, $open:expr;)+) => {
        /// The parser of any protocol.
        pub enum AnyParser {
            $(#[doc = concat!("The parser in `", stringify!($module), "`.")] $proto(Box<$parser>)),+
        }

        impl AnyParser {
            /// A parser for a protocol; none: there is none yet.
            pub fn open(proto: AppProto, opening: &Opening<'_>) -> Option<Self> {
                match proto {
                    $(AppProto::$proto => {
                        let open: fn(&Opening<'_>) -> $parser = $open;
                        Some(Self::$proto(Box::new(open(opening))))
                    })+
                    _ => None,
                }
            }
        }

        /// Protocols that have a parser.
        pub const PARSED: &[AppProto] = &[$(AppProto::$proto),+];

        const BUFFERS: &[&[BufferSpec]] = &[$(crate::$module::BUFFERS,)+ crate::file::BUFFERS];

        const NUMBERS: &[&[NumberSpec]] = &[$(crate::$module::NUMBERS),+];

        /// Names of a protocol's events as rules write them (`app-layer-event:<proto>.<name>`);
        /// the place is the number.
        pub const fn events(proto: AppProto) -> &'static [&'static str] {
            match proto {
                $(AppProto::$proto => crate::$module::EVENTS,)+
                _ => &[],
            }
        }

        macro_rules! each {
            ($any:expr, $each:ident => $call:expr) => {
                match $any {
                    $(AnyParser::$proto($each) => $call),+
                }
            };
        }
    };
}

parsers! {
    Http1 http crate::http::Http1, open_http;
    Tls tls crate::tls::Tls, |o| crate::tls::Tls::new(o.settings.tls, o.origin);
    Dns dns crate::dns::Dns, |o| crate::dns::Dns::new(o.transport == Transport::Tcp);
    Mdns mdns crate::mdns::Mdns, |_| crate::mdns::Mdns::default();
    Ssh ssh crate::ssh::Ssh, |o| crate::ssh::Ssh::new(o.settings.ssh);
}

fn open_http(opening: &Opening<'_>) -> crate::http::Http1 {
    let settings = opening.settings;
    let own = Arc::clone(settings.http_of(opening.server));
    crate::http::Http1::new(own, settings)
}

impl fmt::Debug for AnyParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyParser").field("proto", &self.proto()).finish_non_exhaustive()
    }
}

/// All buffers.
pub fn buffers() -> impl Iterator<Item = &'static BufferSpec> {
    BUFFERS.iter().copied().flatten()
}

/// All numbers.
pub fn numbers() -> impl Iterator<Item = &'static NumberSpec> {
    NUMBERS.iter().copied().flatten()
}

/// A buffer by its identifier.
pub fn buffer(id: BufferId) -> Option<&'static BufferSpec> {
    let family = BUFFERS
        .iter()
        .find(|family| family.first().is_some_and(|spec| spec.id.family() == id.family()));
    family?.get(usize::from(id.index()))
}

/// A number by its identifier.
pub fn number(id: NumberId) -> Option<&'static NumberSpec> {
    let family = NUMBERS
        .iter()
        .find(|family| family.first().is_some_and(|spec| spec.id.family() == id.family()));
    family?.get(usize::from(id.index()))
}

/// A buffer by its sticky keyword, or another name of that.
pub fn buffer_by_name(name: &str) -> Option<&'static BufferSpec> {
    buffers().find(|spec| spec.name == name || spec.aliases.contains(&name))
}

/// A number by its keyword, or another name of that.
pub fn number_by_name(name: &str) -> Option<&'static NumberSpec> {
    numbers().find(|spec| spec.name == name || spec.aliases.contains(&name))
}

/// A buffer by its old content modifier.
pub fn buffer_by_modifier(modifier: &str) -> Option<&'static BufferSpec> {
    buffers().find(|spec| !modifier.is_empty() && spec.modifier == modifier)
}

/// A buffer by the letter of the old pcre option.
pub fn buffer_by_pcre_letter(letter: char) -> Option<&'static BufferSpec> {
    buffers().find(|spec| letter != '\0' && spec.pcre_letter == letter)
}

/// Number of a protocol's event by its name in rules.
pub fn event(proto: AppProto, name: &str) -> Option<u8> {
    let place = events(proto).iter().position(|event| event.eq_ignore_ascii_case(name))?;
    u8::try_from(place).ok()
}

/// The place in a transaction's life that a hook (`<proto>:<hook>` in rules) names.
pub fn hook(proto: AppProto, name: &str) -> Option<(Direction, u8)> {
    hooks(proto).into_iter().find(|hook| hook.0 == name).map(|(_, direction, at)| (direction, at))
}

/// All hooks of a protocol: the states of its transactions, and the general names of their ends.
pub fn hooks(proto: AppProto) -> Vec<(&'static str, Direction, u8)> {
    let settings = ProtocolSettings::default();
    let opening =
        Opening { settings: &settings, transport: Transport::Tcp, server: None, origin: None };
    let Some(parser) = AnyParser::open(proto, &opening) else { return Vec::new() };
    let mut hooks = Vec::new();
    for (direction, started, complete) in [
        (Direction::ToServer, "request_started", "request_complete"),
        (Direction::ToClient, "response_started", "response_complete"),
    ] {
        let end = parser.end_progress(direction);
        let own = (0..=end).map(|at| (parser.progress_name(at, direction), direction, at));
        hooks.extend(own);
        hooks.extend([(started, direction, 0), (complete, direction, end)]);
    }
    let mut seen = Vec::new();
    hooks.retain(|hook| {
        !seen.contains(&hook.0) && {
            seen.push(hook.0);
            true
        }
    });
    hooks
}

impl Parser for AnyParser {
    fn proto(&self) -> AppProto {
        each!(self, parser => parser.proto())
    }

    fn parse(&mut self, input: &Input<'_>, effects: &mut Effects) -> Outcome {
        each!(self, parser => parser.parse(input, effects))
    }

    fn accepts_gaps(&self) -> bool {
        each!(self, parser => parser.accepts_gaps())
    }

    fn first_tx(&self) -> u64 {
        each!(self, parser => parser.first_tx())
    }

    fn next_tx(&self) -> u64 {
        each!(self, parser => parser.next_tx())
    }

    fn meta(&self, tx: u64) -> Option<&TxMeta> {
        each!(self, parser => parser.meta(tx))
    }

    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta> {
        each!(self, parser => parser.meta_mut(tx))
    }

    fn progress(&self, tx: u64, direction: Direction) -> u8 {
        each!(self, parser => parser.progress(tx, direction))
    }

    fn end_progress(&self, direction: Direction) -> u8 {
        each!(self, parser => parser.end_progress(direction))
    }

    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str {
        each!(self, parser => parser.progress_name(progress, direction))
    }

    fn names_progress(&self) -> bool {
        each!(self, parser => parser.names_progress())
    }

    fn buffer<'a>(
        &'a self,
        tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        each!(self, parser => parser.buffer(tx, buffer, direction, index, scratch))
    }

    fn number(&self, tx: u64, number: NumberId, direction: Direction, index: usize) -> Option<u64> {
        each!(self, parser => parser.number(tx, number, direction, index))
    }

    fn event_name(&self, event: u8) -> &'static str {
        each!(self, parser => parser.event_name(event))
    }

    fn loggable(&self, tx: u64) -> bool {
        each!(self, parser => parser.loggable(tx))
    }

    fn log(&self, tx: u64, options: &LogOptions, out: &mut Writer<'_>) -> bool {
        each!(self, parser => parser.log(tx, options, out))
    }

    fn tx_id_at_root(&self) -> bool {
        each!(self, parser => parser.tx_id_at_root())
    }

    fn record_direction(&self, tx: u64) -> Option<Direction> {
        each!(self, parser => parser.record_direction(tx))
    }

    fn files(&self, tx: u64, direction: Direction) -> &[File] {
        each!(self, parser => parser.files(tx, direction))
    }

    fn files_mut(&mut self, tx: u64, direction: Direction) -> &mut [File] {
        each!(self, parser => parser.files_mut(tx, direction))
    }

    fn join(&mut self, ranges: &mut Ranges, now: Timestamp) {
        each!(self, parser => parser.join(ranges, now));
    }

    fn request_header(&self, tx: u64, name: &str) -> Option<&[u8]> {
        each!(self, parser => parser.request_header(tx, name))
    }

    fn held_body(&self, tx: u64, direction: Direction) -> Option<&[u8]> {
        each!(self, parser => parser.held_body(tx, direction))
    }

    fn mark_store(&mut self, tx: u64, direction: Direction, sid: u32, later: bool) {
        each!(self, parser => parser.mark_store(tx, direction, sid, later));
    }

    fn inspected(&mut self, tx: u64, direction: Direction) {
        each!(self, parser => parser.inspected(tx, direction));
    }

    fn free(&mut self, tx: u64) {
        each!(self, parser => parser.free(tx));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use decode::Direction;

    use super::{BUFFERS, NUMBERS, buffer, buffers, event, hook, number, numbers};
    use crate::app::AppProto;

    #[test]
    fn families_and_places_are_unique() {
        let mut families = HashSet::new();
        for specs in BUFFERS {
            let family = specs[0].id.family();
            assert!(families.insert(family), "family {family} twice");
            for (place, spec) in specs.iter().enumerate() {
                let id = (spec.id.family(), usize::from(spec.id.index()));
                assert_eq!(id, (family, place), "{}", spec.name);
                assert_eq!(buffer(spec.id).unwrap().name, spec.name);
            }
        }
        for specs in NUMBERS {
            for (place, spec) in specs.iter().enumerate() {
                assert_eq!(usize::from(spec.id.index()), place, "{}", spec.name);
                assert_eq!(number(spec.id).unwrap().name, spec.name);
            }
        }
    }

    #[test]
    fn names_mean_one_thing() {
        let mut seen = HashSet::new();
        let names = buffers().flat_map(|spec| spec.aliases.iter().chain([&spec.name]));
        let numbers = numbers().flat_map(|spec| spec.aliases.iter().chain([&spec.name]));
        for name in names.chain(numbers) {
            assert!(seen.insert(*name), "{name} twice");
        }
    }

    #[test]
    fn hooks_by_name() {
        let check = |proto, name, expected| assert_eq!(hook(proto, name), expected, "{name}");
        check(AppProto::Dns, "request_complete", Some((Direction::ToServer, 1)));
        check(AppProto::Dns, "response_started", Some((Direction::ToClient, 0)));
        check(AppProto::Dns, "response_line", None);
        check(AppProto::Tls, "server_hello", Some((Direction::ToClient, 1)));
        check(AppProto::Tls, "request_complete", Some((Direction::ToServer, 4)));
        check(AppProto::Ssh, "request_complete", Some((Direction::ToServer, 3)));
        check(AppProto::Ssh, "response_banner_done", Some((Direction::ToClient, 2)));
        check(AppProto::Smb, "request_complete", None);
        assert_eq!(event(AppProto::Dns, "z_flag_set"), Some(3));
        assert_eq!(event(AppProto::Dns, "nothing"), None);
    }
}
