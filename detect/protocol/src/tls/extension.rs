//! Extensions of hello messages (RFC 8446, 4.2): checks, and what follows from them.

use super::events::Event;
use super::hello::{Facts, Fields, Kind};
use super::state::version;

/// server_name (RFC 6066).
pub(super) const SERVER_NAME: u16 = 0;
/// supported_groups.
pub(super) const GROUPS: u16 = 10;
/// ec_point_formats (RFC 8422).
pub(super) const POINT_FORMATS: u16 = 11;
/// signature_algorithms.
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
/// application_layer_protocol_negotiation (RFC 7301).
pub(super) const ALPN: u16 = 16;
/// session_ticket (RFC 5077).
const SESSION_TICKET: u16 = 35;
/// early_data.
const EARLY_DATA: u16 = 42;
/// supported_versions.
const VERSIONS: u16 = 43;

/// Walks extensions as long as they are whole.
#[derive(Clone, Debug)]
pub(super) struct Extensions<'a>(&'a [u8]);

impl<'a> Extensions<'a> {
    /// Of the bytes of a list, without the list's length.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut fields = Fields::new(self.0, 0);
        let kind = fields.u16()?;
        let length = fields.u16()?;
        let content = fields.take(usize::from(length))?;
        self.0 = self.0.get(fields.position()..)?;
        Some((kind, content))
    }
}

/// What a check of extensions found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Place in the message behind the last extension that is in order.
    pub(super) end: usize,
    /// A length was so wrong that the hello can't be trusted.
    pub(super) broken: bool,
}

/// Why an extension is refused.
enum Refusal {
    /// It ends the list, with an event.
    Ends(Event),
    /// It spoils the hello.
    Breaks,
}

/// For a length that doesn't fit, in extensions where that ends the list only.
const LENGTH: Refusal = Refusal::Ends(Event::HandshakeInvalidLength);

/// Checks the extensions of a hello, whose list starts at `start` of the message, and notes
/// what they say. The first that is malformed ends the list.
pub(super) fn check(
    kind: Kind,
    list: &[u8],
    start: usize,
    named: bool,
    facts: &mut Facts,
) -> Checked {
    let mut fields = Fields::new(list, start);
    let mut named = named;
    while !fields.is_empty() {
        let end = fields.position();
        let noted = match one(&mut fields) {
            Some((number, content, at)) => {
                note(kind, number, Fields::new(content, at), &mut named, facts)
            }
            None => Err(Refusal::Breaks),
        };
        match noted {
            Ok(()) => {}
            Err(Refusal::Ends(event)) => {
                facts.events.push(event);
                return Checked { end, broken: false };
            }
            Err(Refusal::Breaks) => return Checked { end, broken: true },
        }
    }
    Checked { end: fields.position(), broken: false }
}

fn one<'a>(fields: &mut Fields<'a>) -> Option<(u16, &'a [u8], usize)> {
    let number = fields.u16()?;
    let length = fields.u16()?;
    let at = fields.position();
    Some((number, fields.take(usize::from(length))?, at))
}

fn note(
    kind: Kind,
    number: u16,
    mut content: Fields<'_>,
    named: &mut bool,
    facts: &mut Facts,
) -> Result<(), Refusal> {
    match number {
        SESSION_TICKET => facts.session_ticket = true,
        EARLY_DATA => facts.early_data = true,
        // An extension without content is never wrong.
        _ if content.is_empty() => {}
        SERVER_NAME => server_name(content, named, facts)?,
        GROUPS => {
            check_groups(kind, content).ok_or(Refusal::Breaks)?;
        }
        POINT_FORMATS => {
            check_list8(content).ok_or(Refusal::Breaks)?;
        }
        SIGNATURE_ALGORITHMS => {
            check_algorithms(content).ok_or(LENGTH)?;
        }
        ALPN => {
            let whole = content;
            if check_protocols(&mut content).is_none() {
                // Names before a cut count, unless already the list is longer than its place.
                if check_list16(whole).is_some() {
                    facts.cut_protocols = whole.rest();
                }
                return Err(LENGTH);
            }
        }
        VERSIONS => versions(kind, content, facts).ok_or(LENGTH)?,
        _ => {}
    }
    Ok(())
}

/// The list that an extension holds behind a length of 16 bits.
pub(super) fn list16(content: &[u8]) -> &[u8] {
    let mut fields = Fields::new(content, 0);
    let length = fields.u16().unwrap_or(0);
    fields.take(usize::from(length)).unwrap_or_default()
}

/// The list that an extension holds behind a length of 8 bits.
pub(super) fn list8(content: &[u8]) -> &[u8] {
    let mut fields = Fields::new(content, 0);
    let length = fields.u8().unwrap_or(0);
    fields.take(usize::from(length)).unwrap_or_default()
}

/// The groups of a client: a length that cuts the last one is taken as one more (Suricata 8).
pub(super) fn groups(content: &[u8]) -> &[u8] {
    let mut fields = Fields::new(content, 0);
    let length = usize::from(fields.u16().unwrap_or(0)).next_multiple_of(2);
    fields.take(length).unwrap_or_default()
}

fn check_groups(kind: Kind, mut content: Fields<'_>) -> Option<&[u8]> {
    let length = usize::from(content.u16()?);
    content.take(if kind == Kind::Client { length.next_multiple_of(2) } else { length })
}

fn check_list16(mut content: Fields<'_>) -> Option<&[u8]> {
    let length = content.u16()?;
    content.take(usize::from(length))
}

fn check_list8(mut content: Fields<'_>) -> Option<&[u8]> {
    let length = content.u8()?;
    content.take(usize::from(length))
}

fn check_algorithms(content: Fields<'_>) -> Option<&[u8]> {
    check_list16(content).filter(|list| list.len() % 2 == 0)
}

/// The name of the server.
fn server_name(
    mut content: Fields<'_>,
    named: &mut bool,
    facts: &mut Facts,
) -> Result<(), Refusal> {
    content.u16().ok_or(LENGTH)?;
    let kind = content.u8().ok_or(LENGTH)?;
    if kind != 0 {
        return Err(Refusal::Ends(Event::InvalidSniType));
    }
    let length = content.u16().ok_or(LENGTH)?;
    if length == 0 || length > 255 || usize::from(length) > content.left() {
        return Err(Refusal::Ends(Event::InvalidSniLength));
    }
    if *named {
        // The first stays; the extension counts as read all the same.
        facts.events.push(Event::MultipleSniExtensions);
        return Ok(());
    }
    facts.server_name = content.span(usize::from(length));
    *named = true;
    Ok(())
}

/// Names may reach beyond their list, but not beyond the extension.
fn check_protocols(content: &mut Fields<'_>) -> Option<()> {
    let mut left = usize::from(content.u16()?);
    while left > 0 {
        let length = usize::from(content.u8()?);
        content.take(length)?;
        left = left.saturating_sub(length + 1);
    }
    Some(())
}

/// The names in a protocol negotiation extension that was checked.
pub(super) fn protocols(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (length, list) = content.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
    let length = usize::from(u16::from_be_bytes(*length)).min(list.len());
    let mut list = Fields::new(list.get(..length).unwrap_or_default(), 0);
    let names = std::iter::from_fn(move || {
        let length = list.u8()?;
        list.take(usize::from(length))
    });
    names.filter(|name| !name.is_empty())
}

/// Versions: of a client a list, of which the first that is known counts; of a server one.
fn versions(kind: Kind, mut content: Fields<'_>, facts: &mut Facts) -> Option<()> {
    match kind {
        Kind::Client => {
            let length = content.u8().filter(|length| *length >= 2)?;
            let list = content.take(usize::from(length))?;
            let mut numbers = list.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair));
            facts.version = numbers.find(|number| version::is_known(*number));
        }
        Kind::Server => facts.version = Some(content.u16()?),
    }
    facts.has_versions = true;
    Some(())
}
