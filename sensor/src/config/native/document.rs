//! A `sensor.yaml` as a tree of which each part knows where it comes from.

mod reader;
mod writer;

pub(super) use reader::again;
pub(super) use writer::Line;
use writer::Writer;

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
    /// When it is no YAML, or too much of it: line and column, and why, without what stands there.
    pub(crate) fn of(text: &str, file: &str) -> Result<Self, String> {
        let root = reader::read(text)?.filter(|root| !root.is_null());
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
                    let count = items.len();
                    format!(
                        "the list has {count} items: {first} is none of them, and the next one is \
                         {count}"
                    )
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

/// The path of a key below another one.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
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

    #[test]
    fn mistakes_have_places_and_do_not_repeat_values() {
        let tag = "what begins with `!` is a tag of YAML: put quotes around the value";
        let check = |text: &str, expected: &str| {
            assert_eq!(Document::of(text, "x").unwrap_err(), expected, "{text}");
        };
        // The place is that of what is in front of it.
        check("a: 1\nb: !hunter2\n", &format!("2:1: {tag}"));
        check("a: 1\nb: !hunter2 x\n", &format!("2:1: {tag}"));
        check("a: !hunter2 [x]\n", &format!("1:1: {tag}"));
        check("a: [!hunter2 {x: y}]\n", &format!("1:4: {tag}"));
        check("[a]: 1\n", "1:1: a key is a word");
        for odd in ["*hunter2", "&hunter2 *x", "%hunter2", "@hunter2", "`hunter2", "\"hunter2"] {
            let said = Document::of(&format!("a: 1\nb: {odd}\n"), "x").unwrap_err();
            assert!(!said.contains("hunter2") && said.contains(':'), "{odd}: {said}");
        }
        assert!(Document::of("a: !!str 1\n", "x").is_ok());
    }
}
