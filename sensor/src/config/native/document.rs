//! A `sensor.yaml` as a tree of which each part knows where it comes from.

use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Maps and lists may nest so deep.
const DEEPEST: usize = 64;
/// Values that aliases may multiply a file to.
const MOST: usize = 1 << 16;

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said it.
    #[default]
    Default,
    /// Line and column in the file: of its key, or of the item of a list.
    File(usize, usize),
    /// An environment variable.
    Variable(String),
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word; a plain one may be a number, a truth or nothing.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    /// Line and column of the value itself.
    pub(crate) at: (usize, usize),
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// Its name.
    pub(crate) file: String,
    /// What it says; nothing when it is empty.
    pub(crate) root: Option<Value>,
}

impl Default for Value {
    fn default() -> Self {
        Self { kind: Kind::Map(Vec::new()), origin: Origin::Default, at: (1, 1) }
    }
}

impl Document {
    /// Of a text.
    ///
    /// # Errors
    /// When it is no YAML, or too much of it.
    pub(crate) fn of(text: &str, file: &str) -> Result<Self, String> {
        let mut reader =
            Reader { events: Parser::new_from_str(text), anchors: Vec::new(), left: MOST };
        let root = reader.document()?;
        let root = root.filter(|root| !root.is_null());
        Ok(Self { file: file.to_owned(), root })
    }

    /// The value at a path such as `rules.files.0`.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        self.root.as_ref()?.get(path)
    }

    /// The value at a path in words, without secrets; none: there is no such value.
    pub(crate) fn word(&self, path: &str) -> Option<String> {
        let shown = super::effective::masked(self.root.as_ref()?);
        shown.get(path).map(ToString::to_string)
    }

    /// Where a key or item comes from, or what would hold it.
    pub(super) fn origin(&self, path: &str) -> Option<&Origin> {
        let mut path = path;
        loop {
            if let Some(value) = self.get(path) {
                return Some(&value.origin);
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    /// For people: file, line and column, or the variable.
    pub(crate) fn place(&self, path: &str) -> String {
        match self.origin(path) {
            Some(origin) => self.name(origin),
            None => self.file.clone(),
        }
    }

    /// As a place.
    pub(crate) fn name(&self, origin: &Origin) -> String {
        match origin {
            Origin::Default => "default".to_owned(),
            Origin::File(line, column) => format!("{}:{line}:{column}", self.file),
            Origin::Variable(name) => format!("environment variable {name}"),
        }
    }

    /// Takes the value at a path out; false: there is none.
    pub(super) fn remove(&mut self, path: &str) -> bool {
        let (parent, last) = match path.rsplit_once('.') {
            Some((parent, last)) => {
                (self.root.as_mut().and_then(|root| root.get_mut(parent)), last)
            }
            None => (self.root.as_mut(), path),
        };
        match parent.map(|parent| &mut parent.kind) {
            Some(Kind::Map(pairs)) => {
                let before = pairs.len();
                pairs.retain(|(key, _)| key != last);
                pairs.len() < before
            }
            Some(Kind::List(items)) => match last.parse::<usize>() {
                Ok(at) if at < items.len() => {
                    items.remove(at);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// As YAML; each line has one value, of which the path and column come with it.
    pub(super) fn text(&self) -> (String, Vec<Line>) {
        let mut writer = Writer::default();
        if let Some(root) = &self.root {
            writer.value(root, "", 0, &mut |_, _| None);
        }
        (writer.text, writer.lines)
    }
}

impl Value {
    /// A word that stands for itself.
    pub(crate) fn word(text: impl Into<String>, origin: Origin) -> Self {
        Self { kind: Kind::Scalar { text: text.into(), is_plain: false }, origin, at: (1, 1) }
    }

    /// A value of a list or map, or this one.
    pub(crate) fn get(&self, path: &str) -> Option<&Self> {
        if path.is_empty() {
            return Some(self);
        }
        match &self.kind {
            Kind::Map(pairs) => {
                // Keys that are names of headers or options may have dots.
                pairs.iter().find_map(|(key, value)| match path.strip_prefix(key.as_str())? {
                    "" => Some(value),
                    rest => value.get(rest.strip_prefix('.')?),
                })
            }
            Kind::List(items) => {
                let (first, rest) = path.split_once('.').unwrap_or((path, ""));
                items.get(first.parse::<usize>().ok()?)?.get(rest)
            }
            Kind::Scalar { .. } => None,
        }
    }

    fn get_mut(&mut self, path: &str) -> Option<&mut Self> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        if path.is_empty() {
            return Some(self);
        }
        match &mut self.kind {
            Kind::Map(pairs) => {
                let (_, value) = pairs.iter_mut().find(|(key, _)| key == first)?;
                value.get_mut(rest)
            }
            Kind::List(items) => items.get_mut(first.parse::<usize>().ok()?)?.get_mut(rest),
            Kind::Scalar { .. } => None,
        }
    }

    /// Puts a value at a path, and maps on the way to it.
    ///
    /// # Errors
    /// When a list on the way has no such item, nor could it be its next one.
    pub(crate) fn put(&mut self, path: &[String], value: Self) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        if let Kind::Scalar { .. } = self.kind {
            self.kind = Kind::Map(Vec::new());
        }
        match &mut self.kind {
            Kind::List(items) => {
                let at = first.parse::<usize>().ok().filter(|at| *at <= items.len());
                let at = at.ok_or_else(|| {
                    format!("the list has {} items: {first} is none of them", items.len())
                })?;
                if at == items.len() {
                    items.push(Self { origin: value.origin.clone(), ..Self::default() });
                }
                items.get_mut(at).map_or(Ok(()), |item| item.put(rest, value))
            }
            Kind::Map(pairs) => {
                if !pairs.iter().any(|(key, _)| key == first) {
                    let map = Self { origin: value.origin.clone(), ..Self::default() };
                    pairs.push((first.clone(), map));
                }
                let found = pairs.iter_mut().find(|(key, _)| key == first);
                found.map_or(Ok(()), |(_, inner)| inner.put(rest, value))
            }
            Kind::Scalar { .. } => Ok(()),
        }
    }

    /// Nothing: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The same from one place.
    pub(super) fn from(mut self, origin: &Origin) -> Self {
        self.origin = origin.clone();
        match &mut self.kind {
            Kind::Scalar { .. } => {}
            Kind::List(items) => {
                for item in items {
                    *item = std::mem::take(item).from(origin);
                }
            }
            Kind::Map(pairs) => {
                for (_, value) in pairs {
                    *value = std::mem::take(value).from(origin);
                }
            }
        }
        self
    }

    /// All words below with their paths, and what is empty.
    pub(crate) fn leaves<'a>(&'a self, path: &str, visit: &mut dyn FnMut(&str, &'a Self)) {
        match &self.kind {
            Kind::Map(pairs) if !pairs.is_empty() => {
                pairs.iter().for_each(|(key, value)| value.leaves(&below(path, key), visit));
            }
            Kind::List(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.for_each(|(at, value)| value.leaves(&below(path, &at.to_string()), visit));
            }
            _ => visit(path, self),
        }
    }

    /// As YAML, with what is said about values behind them.
    pub(crate) fn yaml(&self, say: &mut dyn FnMut(&str, &Self) -> Option<String>) -> String {
        let mut writer = Writer::default();
        writer.value(self, "", 0, say);
        writer.text
    }

    /// As JSON; plain words become what JSON has for them.
    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::List(items) => items.iter().map(Self::json).collect(),
            Kind::Map(pairs) => serde_json::Value::Object(
                pairs.iter().map(|(k, v)| (k.clone(), v.json())).collect(),
            ),
            Kind::Scalar { text, is_plain: false } => text.as_str().into(),
            Kind::Scalar { .. } if self.is_null() => serde_json::Value::Null,
            Kind::Scalar { text, .. } => match text.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                // A number with a nought in front is a mode or a name.
                number if number.len() > 1 && number.starts_with('0') => number.into(),
                number => number.parse::<i64>().map_or_else(|_| number.into(), Into::into),
            },
        }
    }
}

impl fmt::Display for Value {
    /// On one line, as in a flow of YAML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Scalar { text, is_plain } => f.write_str(&scalar(text, *is_plain)),
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Kind::Map(pairs) => {
                let pair = |(key, value): &(String, Self)| format!("{}: {value}", word(key));
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                write!(f, "{{{}}}", pairs.join(", "))
            }
        }
    }
}

/// What stands on a line that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) path: String,
}

#[derive(Default)]
struct Writer {
    text: String,
    lines: Vec<Line>,
    /// Lines that have ended.
    ended: usize,
    column: usize,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn end(&mut self, said: Option<String>) {
        if let Some(said) = said {
            self.text.push_str("  # ");
            self.text.push_str(&said);
        }
        self.text.push('\n');
        self.ended += 1;
        self.column = 0;
    }

    fn note(&mut self, path: &str) {
        let (line, column) = (self.ended + 1, self.column + 1);
        self.lines.push(Line { line, column, path: path.to_owned() });
    }

    /// Writes a value; the line's beginning may be there, as wide as `indent`.
    fn value(
        &mut self,
        value: &Value,
        path: &str,
        indent: usize,
        say: &mut dyn FnMut(&str, &Value) -> Option<String>,
    ) {
        match &value.kind {
            Kind::Map(pairs) if !pairs.is_empty() => {
                for (key, value) in pairs {
                    let path = below(path, key);
                    self.indent(indent);
                    self.note(&path);
                    self.put(&word(key));
                    self.put(":");
                    self.member(value, &path, indent, say);
                }
            }
            Kind::List(items) if !items.is_empty() => {
                for (at, value) in items.iter().enumerate() {
                    let path = below(path, &at.to_string());
                    self.indent(indent);
                    self.note(&path);
                    self.put("- ");
                    self.value(value, &path, indent + 2, say);
                }
            }
            _ => {
                self.put(&value.to_string());
                self.end(say(path, value));
            }
        }
    }

    /// Behind a key.
    fn member(
        &mut self,
        value: &Value,
        path: &str,
        indent: usize,
        say: &mut dyn FnMut(&str, &Value) -> Option<String>,
    ) {
        match &value.kind {
            Kind::Map(pairs) if !pairs.is_empty() => {
                self.end(None);
                self.value(value, path, indent + 2, say);
            }
            Kind::List(items) if !items.is_empty() => {
                self.end(None);
                self.value(value, path, indent + 2, say);
            }
            _ => {
                self.put(" ");
                self.value(value, path, indent, say);
            }
        }
    }

    fn indent(&mut self, indent: usize) {
        let missing = indent.saturating_sub(self.column);
        self.put(&" ".repeat(missing));
    }
}

/// A key.
fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A word as a value; one that was plain stays so where that can be.
fn scalar(text: &str, is_plain: bool) -> String {
    let is_safe = !text.is_empty()
        && text.trim() == text
        && !text.starts_with(|c: char| "!&*{}[],#|>@`\"'%?:-".contains(c))
        && !text.contains([',', '[', ']', '{', '}', '\n', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && text.chars().all(|c| !c.is_control());
    // Of words that were in quotes those are as good without which nobody can take for another kind.
    let is_word = || {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
            && !["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"]
                .contains(&text.to_ascii_lowercase().as_str())
    };
    let is_number = || is_plain && text.parse::<f64>().is_ok();
    match is_safe && (is_plain || is_word()) || is_number() || (is_plain && text.is_empty()) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The path of a key below another one.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

struct Reader<'t> {
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: Vec<(usize, Value)>,
    left: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, (usize, usize)), String> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, (span.start.line(), span.start.col() + 1))),
            Some(Err(error)) => Err(error.to_string()),
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
                _ => return Err(format!("{}:{}: a key is a word", place.0, place.1)),
            };
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
        Ok(match event {
            Event::Scalar(_, _, _, Some(tag)) if tag.handle != "tag:yaml.org,2002:" => {
                let name = format!("{}{}", tag.handle, tag.suffix);
                return Err(format!("`{name}` is a tag: put quotes around the value"));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_items_have_places() {
        let document = Document::of(
            "# a gate\nname: a\nnetworks:\n  home: [10.0.0.0/8, 192.168.0.0/16]\n  ports: {X: \"80\"}\n\
             rules:\n  files:\n    - a.rules\n    - b.rules\n",
            "gate.yaml",
        )
        .unwrap();
        let check = |path: &str, expected: Option<(usize, usize)>| {
            let expected = expected.map(|(line, column)| Origin::File(line, column));
            assert_eq!(document.origin(path), expected.as_ref(), "{path}");
        };
        check("name", Some((2, 1)));
        check("networks.home", Some((4, 3)));
        check("networks.home.1", Some((4, 22)));
        check("networks.ports.X", Some((5, 11)));
        check("networks.ports.Y", Some((5, 3)));
        check("rules.files.0", Some((8, 7)));
        check("rules.files.1", Some((9, 7)));
        check("limits", None);
        assert!(Document::of("[", "x").is_err());
        assert_eq!(Document::of("", "x").unwrap().root, None);
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in [
            "a: 1\nb: [x, \"1\", 'yes', yes, {c: d, e: []}]\nf: {}\ng: \"\"\nh:\ni: ~\n",
            "a: &x {b: 1, c: two words}\nd: *x\ne: {<<: *x, c: 3}\nf: [*x, *x]\n",
            "a: |\n  first\n  second\nb: >\n  one\n  two\nc: \"\\t\\u0001 # : \"\n",
            "\"1\": x\n\"a b\": y\nno: z\nx.y: [[1, 2], [3]]\nz: [[{a: 1, b: 2}]]\n",
            "a: \"!$HOME\"\nb: 10.0.0.0/8\nc: \"[::]:9464\"\nd: a:b\ne: \"a: b\"\nf: -1\ng: \"-\"\n",
        ] {
            let document = Document::of(text, "a").unwrap();
            let (written, lines) = document.text();
            let again = Document::of(&written, "a").unwrap();
            let json = |document: &Document| document.root.as_ref().unwrap().json();
            assert_eq!(json(&document), json(&again), "{text}\n{written}");
            let flow = document.root.as_ref().unwrap().to_string();
            assert_eq!(json(&document), json(&Document::of(&flow, "a").unwrap()), "{flow}");
            for Line { line, column, path } in lines {
                let value = again.get(&path).expect("the path is there");
                let place =
                    match path.rsplit_once('.').map_or(&*path, |(_, last)| last).parse::<u64>() {
                        // Items stand behind their sign.
                        Ok(_) if path.contains('.') => continue,
                        _ => Origin::File(line, column),
                    };
                assert_eq!(value.origin, place, "{path} in {written}");
            }
        }
    }

    #[test]
    fn bombs_are_refused() {
        let mut text = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(Document::of(&text, "x").unwrap_err().contains("too many"));
        assert!(Document::of(&"[".repeat(1000), "x").is_err());
    }
}
