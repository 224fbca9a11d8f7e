//! YAML to a tree, with the place of each value.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Kind, Origin, Value};

/// Maps and lists may nest so deep.
const DEEPEST: usize = 64;
/// Values that aliases may multiply a file to.
const MOST: usize = 1 << 16;

/// The first document of a text; none where there is none.
///
/// # Errors
/// See [`Document::of`](super::Document::of).
pub(super) fn read(text: &str) -> Result<Option<Value>, String> {
    let mut reader = Reader::new(text);
    reader.document().map_err(|why| format!("{}:{}: {why}", reader.at.0, reader.at.1))
}

/// Where a key stands in its map again, behind a place.
pub(in super::super) fn again(
    text: &str,
    key: &str,
    behind: (usize, usize),
) -> Option<(usize, usize)> {
    let mut reader = Reader::new(text);
    let _ = reader.document();
    let is_it = |(name, at): &&(String, (usize, usize))| name == key && *at > behind;
    reader.again.iter().find(is_it).map(|(_, at)| *at)
}

struct Reader<'t> {
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: Vec<(usize, Value)>,
    left: usize,
    /// Line and column of what was read last.
    at: (usize, usize),
    /// Keys that their maps have already.
    again: Vec<(String, (usize, usize))>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let events = Parser::new_from_str(text);
        Self { events, anchors: Vec::new(), left: MOST, at: (1, 1), again: Vec::new() }
    }

    fn next(&mut self) -> Result<(Event<'t>, (usize, usize)), String> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                let at = (span.start.line(), span.start.col() + 1);
                // Behind a tag the parser's place is not that of the value: what is in front tells.
                let has_tag = matches!(
                    &event,
                    Event::Scalar(_, _, _, Some(_))
                        | Event::SequenceStart(_, Some(_))
                        | Event::MappingStart(_, Some(_))
                );
                if !has_tag {
                    self.at = at;
                }
                Ok((event, at))
            }
            Some(Err(error)) => {
                let marker = error.marker();
                self.at = (marker.line(), marker.col() + 1);
                Err(error.info().to_owned())
            }
            None => Ok((Event::StreamEnd, (1, 1))),
        }
    }

    fn document(&mut self) -> Result<Option<Value>, String> {
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(None),
                other => {
                    let begun = Begun::of(other)?;
                    return self.value(begun, at, at, 0).map(Some);
                }
            }
        }
    }

    fn value(
        &mut self,
        begun: Begun,
        key: (usize, usize),
        at: (usize, usize),
        depth: usize,
    ) -> Result<Value, String> {
        self.left = self.left.checked_sub(1).ok_or("it has too many values")?;
        if depth > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        let origin = Origin::File(key.0, key.1);
        let (kind, anchor) = match begun {
            Begun::Scalar(text, is_plain, anchor) => (Kind::Scalar { text, is_plain }, anchor),
            Begun::Alias(anchor) => {
                let known = self.anchors.iter().rev().find(|(known, _)| *known == anchor);
                let value =
                    known.map(|(_, value)| value.clone()).ok_or("an alias has no anchor")?;
                let mut count = 0usize;
                value.leaves("", &mut |_, _| count += 1);
                self.left = self.left.checked_sub(count).ok_or("it has too many values")?;
                return Ok(Value { at, ..value.from(&origin) });
            }
            Begun::List(anchor) => {
                let mut items = Vec::new();
                while let Some((begun, at)) = self.begin()? {
                    items.push(self.value(begun, at, at, depth + 1)?);
                }
                (Kind::List(items), anchor)
            }
            Begun::Map(anchor) => (Kind::Map(self.pairs(depth)?), anchor),
        };
        let value = Value { kind, origin, at };
        if anchor > 0 {
            self.anchors.push((anchor, value.clone()));
        }
        Ok(value)
    }

    fn pairs(&mut self, depth: usize) -> Result<Vec<(String, Value)>, String> {
        let mut pairs: Vec<(String, Value)> = Vec::new();
        let mut merged = Vec::new();
        while let Some((begun, place)) = self.begin()? {
            let key = match self.value(begun, place, place, depth + 1)?.kind {
                Kind::Scalar { text, .. } => text,
                _ => {
                    self.at = place;
                    return Err("a key is a word".to_owned());
                }
            };
            if pairs.iter().any(|(known, _)| *known == key) {
                self.again.push((key.clone(), place));
            }
            let Some((begun, at)) = self.begin()? else { return Err("a key has no value".into()) };
            let value = self.value(begun, place, at, depth + 1)?;
            match (key.as_str(), value.kind) {
                ("<<", Kind::Map(more)) => merged.extend(more),
                (_, kind) => pairs.push((key, Value { kind, ..value_of(value.origin, value.at) })),
            }
        }
        for (key, value) in merged {
            if !pairs.iter().any(|(known, _)| *known == key) {
                pairs.push((key, value));
            }
        }
        Ok(pairs)
    }

    /// What comes next in a map or list; none: it ends.
    fn begin(&mut self) -> Result<Next, String> {
        let (event, at) = self.next()?;
        match event {
            Event::MappingEnd | Event::SequenceEnd | Event::StreamEnd => Ok(None),
            other => Ok(Some((Begun::of(other)?, at))),
        }
    }
}

fn value_of(origin: Origin, at: (usize, usize)) -> Value {
    Value { origin, at, ..Value::default() }
}

/// The beginning of a value and its place; none at the end of a map or list.
type Next = Option<(Begun, (usize, usize))>;

/// The first event of a value.
enum Begun {
    Scalar(String, bool, usize),
    Alias(usize),
    List(usize),
    Map(usize),
}

impl Begun {
    fn of(event: Event<'_>) -> Result<Self, String> {
        if let Event::Scalar(_, _, _, Some(tag))
        | Event::SequenceStart(_, Some(tag))
        | Event::MappingStart(_, Some(tag)) = &event
            && is_foreign(tag)
        {
            // What looks like a tag may be a password.
            return Err("what begins with `!` is a tag of YAML: put quotes around the value".into());
        }
        Ok(match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                Self::Scalar(text.into_owned(), is_plain, anchor)
            }
            Event::Alias(anchor) => Self::Alias(anchor),
            Event::SequenceStart(anchor, _) => Self::List(anchor),
            Event::MappingStart(anchor, _) => Self::Map(anchor),
            _ => return Err("it is no YAML".to_owned()),
        })
    }
}

/// Whether a tag is none of YAML's own.
fn is_foreign(tag: &Tag) -> bool {
    tag.handle != "tag:yaml.org,2002:"
}
