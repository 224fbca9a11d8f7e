//! Reads `suricata.yaml` into the tree: the dialect of Suricata 8, with anchors beside it.

use std::fs;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::log::{Level, Log, reason};

use super::face;
use super::tree::Node;

const MODULE: &str = "conf-yaml-loader";
/// Mappings, sequences and included files may nest so deep.
const MAX_DEPTH: usize = 128;
/// Nodes that aliases may multiply a document to.
const MAX_NODES: usize = 1 << 20;
/// Deprecated underscores that are reported.
const MAX_RENAMED: usize = 10;

/// Why a configuration cannot be read: messages in the order in which they are shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct LoadError(pub(crate) Vec<String>);

impl LoadError {
    fn one(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    /// Puts the messages into the log.
    pub(crate) fn report(&self, log: &Log) {
        for message in &self.0 {
            log.error(MODULE, message);
        }
    }
}

/// Reads files into one tree.
#[derive(Debug)]
pub(crate) struct Loader<'a> {
    log: &'a Log,
    root: Node,
    /// Where included files are looked for.
    directory: PathBuf,
    renamed: usize,
}

impl<'a> Loader<'a> {
    /// Begins with what the command line sets.
    pub(crate) fn new(root: Node, log: &'a Log) -> Self {
        Self { log, root, directory: PathBuf::new(), renamed: 0 }
    }

    /// Reads the main file.
    ///
    /// # Errors
    /// When it cannot be read or is no configuration.
    pub(crate) fn main_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let name = path.display();
        if path.is_dir() {
            return Err(LoadError::one(format!(
                "yaml argument is not a file but a directory: {name}. \
                 Please specify the yaml file in your -c option."
            )));
        }
        let text = fs::read(path)
            .map_err(|e| LoadError::one(format!("failed to open file: {name}: {}", reason(&e))))?;
        self.directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        self.text(&text).map_err(|mut error| {
            error.0.extend(face::sensor(&text, &name.to_string()));
            error
        })
    }

    /// Reads a file given with `--include`, whose keys redefine those of the main file.
    ///
    /// # Errors
    /// As for the main file.
    pub(crate) fn included_file(&mut self, path: &str) -> Result<(), LoadError> {
        let mut root = std::mem::take(&mut self.root);
        let read = self.include(path, &mut root, 0);
        self.root = root;
        read
    }

    /// Reads text as if it were the main file.
    ///
    /// # Errors
    /// When it is no configuration.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), LoadError> {
        let mut root = std::mem::take(&mut self.root);
        let read = self.document(text, &mut root, 0);
        self.root = root;
        read
    }

    /// The tree.
    pub(crate) fn finish(self) -> Node {
        self.root
    }

    fn document(&mut self, text: &str, into: &mut Node, depth: usize) -> Result<(), LoadError> {
        if !header(text)? {
            return Ok(());
        }
        match (Reader { events: Parser::new_from_str(text), anchors: Vec::new(), nodes: 0 })
            .document()?
        {
            Yaml::Mapping(pairs) => self.mapping(pairs, into, depth),
            _ => Ok(()),
        }
    }

    fn include(&mut self, file: &str, into: &mut Node, depth: usize) -> Result<(), LoadError> {
        if depth >= MAX_DEPTH {
            return Err(LoadError::one("included files are nested too deeply"));
        }
        let text = fs::read(self.directory.join(file)).map_err(|e| {
            let why = reason(&e);
            LoadError::one(format!("Failed to open configuration include file {file}: {why}"))
        })?;
        self.log.info(MODULE, format!("Including configuration file {file}."));
        self.document(&String::from_utf8_lossy(&text), into, depth + 1)
    }

    fn mapping(
        &mut self,
        pairs: Vec<(Key, Yaml)>,
        into: &mut Node,
        depth: usize,
    ) -> Result<(), LoadError> {
        let mut includes = 0;
        for (key, value) in pairs {
            if key.text == "include" {
                includes += 1;
                if includes == 2 {
                    let text =
                        "Multiple \"include\" fields found at the same level and are deprecated.";
                    self.log.warning(MODULE, text);
                }
                self.includes(&key, value, into, depth)?;
                continue;
            }
            let group = matches!(into.name.as_str(), "address-groups" | "port-groups");
            let name = if group { key.text.clone() } else { self.rename(&key) };
            if into.is_item && into.value.is_none() {
                into.value = Some(name.clone());
            }
            if key.text.contains('.') {
                self.value(value, into.get_or_new(&name), depth)?;
                continue;
            }
            if into.child(&name).is_some_and(|known| !known.is_final || known.value.is_none()) {
                self.redefine(into, &name);
            }
            self.value(value, into.child_or_new(&name), depth)?;
        }
        Ok(())
    }

    fn redefine(&self, parent: &mut Node, name: &str) {
        let known = parent.child_or_new(name);
        let before = known.clone();
        known.prune();
        if !parent.is_item && before != *parent.child_or_new(name) {
            self.log.say(Level::Info, MODULE, &format!("Configuration node '{name}' redefined."));
        }
    }

    /// The name with dashes; the first few renamed ones are reported.
    fn rename(&mut self, key: &Key) -> String {
        if !key.text.contains('_') {
            return key.text.clone();
        }
        let name = key.text.replace('_', "-");
        if self.renamed < MAX_RENAMED {
            self.renamed += 1;
            let text =
                format!("{} is deprecated. Please use {name} on line {}.", key.text, key.line);
            self.log.warning(MODULE, text);
        }
        name
    }

    fn includes(
        &mut self,
        key: &Key,
        value: Yaml,
        into: &mut Node,
        depth: usize,
    ) -> Result<(), LoadError> {
        match value {
            Yaml::Scalar { text: Some(file), .. } => self.include(&file, into, depth),
            Yaml::Scalar { .. } => Ok(()),
            Yaml::Sequence(files) => {
                files.into_iter().try_for_each(|file| self.includes(key, file, into, depth))
            }
            Yaml::Mapping(_) => {
                let line = key.line;
                Err(LoadError::one(format!("Include fields cannot be a mapping: line {line}")))
            }
        }
    }

    fn value(&mut self, value: Yaml, node: &mut Node, depth: usize) -> Result<(), LoadError> {
        match value {
            Yaml::Scalar { text: Some(file), include: true } => self.include(&file, node, depth),
            Yaml::Scalar { text, .. } => {
                if !node.is_final {
                    node.value = text;
                }
                Ok(())
            }
            Yaml::Mapping(pairs) => self.mapping(pairs, node, depth),
            Yaml::Sequence(items) => {
                node.is_sequence = true;
                for (index, item) in items.into_iter().enumerate() {
                    let is_mapping = matches!(item, Yaml::Mapping(_));
                    let child = node.child_at_end(&index.to_string());
                    child.is_item = is_mapping;
                    self.value(item, child, depth)?;
                }
                Ok(())
            }
        }
    }
}

/// Checks for `%YAML 1.1` and `---`; false if there is nothing after them or no text at all.
fn header(text: &str) -> Result<bool, LoadError> {
    let mut version = None;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let trimmed = line.trim_end();
        if trimmed.trim_start().is_empty() || trimmed.trim_start().starts_with('#') {
            continue;
        }
        if let Some(directive) = trimmed.strip_prefix("%YAML") {
            version = Some(directive.split('#').next().unwrap_or_default().trim());
            continue;
        }
        if trimmed.starts_with('%') {
            continue;
        }
        return match version {
            Some("1.1") if trimmed.starts_with("---") => Ok(true),
            Some("1.1") | None => Err(LoadError(vec![
                "Invalid configuration file.".to_owned(),
                "The configuration file must begin with the following two lines: \
                 %YAML 1.1 and ---"
                    .to_owned(),
            ])),
            Some(_) => Err(LoadError::one("Invalid YAML version.  Must be 1.1")),
        };
    }
    Ok(false)
}

/// A key of a mapping and the line it is on.
#[derive(Clone, Debug)]
struct Key {
    text: String,
    line: usize,
}

/// The document before it becomes nodes.
#[derive(Clone, Debug)]
enum Yaml {
    Scalar { text: Option<String>, include: bool },
    Sequence(Vec<Yaml>),
    Mapping(Vec<(Key, Yaml)>),
}

impl Yaml {
    const NOTHING: Self = Self::Scalar { text: None, include: false };

    fn nodes(&self) -> usize {
        match self {
            Self::Scalar { .. } => 1,
            Self::Sequence(items) => items.iter().map(Self::nodes).sum::<usize>() + 1,
            Self::Mapping(pairs) => pairs.iter().map(|(_, v)| v.nodes()).sum::<usize>() + 1,
        }
    }
}

struct Reader<'t> {
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: Vec<(usize, Yaml)>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn document(mut self) -> Result<Yaml, LoadError> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Ok(Yaml::NOTHING),
                event => return self.value(event, span, 0),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), LoadError> {
        match self.events.next() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(syntax(error.marker().line(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Yaml, LoadError> {
        let line = span.start.line();
        if depth >= MAX_DEPTH {
            return Err(syntax(line, "too many levels"));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(syntax(line, "too many nodes"));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let include = tag.is_some_and(|tag| tag.suffix == "include");
                let text = (!null).then(|| text.into_owned());
                (Yaml::Scalar { text, include }, anchor)
            }
            Event::SequenceStart(anchor, _) => (Yaml::Sequence(self.items(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Yaml::Mapping(self.pairs(depth)?), anchor),
            Event::Alias(anchor) => {
                let known = self.anchors.iter().find(|(id, _)| *id == anchor);
                let value = known.map_or(Yaml::NOTHING, |(_, value)| value.clone());
                self.nodes = self.nodes.saturating_add(value.nodes());
                (value, 0)
            }
            _ => return Err(syntax(line, "did not find expected node content")),
        };
        if anchor != 0 {
            self.anchors.push((anchor, value.clone()));
        }
        Ok(value)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Yaml>, LoadError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn pairs(&mut self, depth: usize) -> Result<Vec<(Key, Yaml)>, LoadError> {
        let mut pairs: Vec<(Key, Yaml)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(pairs);
            }
            let line = span.start.line();
            let text = match self.value(event, span, depth + 1)? {
                Yaml::Scalar { text, .. } => text.unwrap_or_default(),
                _ => return Err(syntax(line, "a key must be a text")),
            };
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            match (text.as_str(), value) {
                ("<<", Yaml::Mapping(merged)) => {
                    let new = |pairs: &[(Key, Yaml)], key: &Key| {
                        !pairs.iter().any(|(known, _)| known.text == key.text)
                    };
                    for (key, value) in merged {
                        if new(&pairs, &key) {
                            pairs.push((key, value));
                        }
                    }
                }
                (_, value) => pairs.push((Key { text, line }, value)),
            }
        }
    }
}

/// Lines are counted from 0 here, as in Suricata 8.
fn syntax(line: usize, reason: &str) -> LoadError {
    let line = line.saturating_sub(1);
    LoadError::one(format!("Failed to parse configuration file at line {line}: {reason}"))
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
