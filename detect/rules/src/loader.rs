//! Many rules: files of rules to typed rules, with what was refused and skipped.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{RuleError, RuleWarning, Span};
use crate::index::Index;
use crate::known::Known;
use crate::names::Names;
use crate::parser::{self, Parsed, Shared};
use crate::rule::Rule;
use crate::settings::Settings;
use crate::text::RuleText;

/// The longest physical line; what is longer is cut, as by Suricata 8's line buffer.
const MAX_LINE: usize = 8191;
/// Real rules are hardly shorter: for the guess how many a text holds.
const MIN_RULE: usize = 200;

/// A rule that was refused.
#[derive(Clone, Debug)]
pub struct Failure {
    /// File.
    pub file: Arc<str>,
    /// Line, from 1; the last physical line of joined ones.
    pub line: u32,
    /// Text of the rule.
    pub text: String,
    /// Why.
    pub error: RuleError,
    /// What else was odd.
    pub warnings: Vec<RuleWarning>,
}

impl Failure {
    /// Column of the place of the error in the rule's text, from 1, in characters.
    pub fn column(&self) -> usize {
        let before = self.text.get(..self.error.span.start as usize).unwrap_or(&self.text);
        before.chars().count() + 1
    }
}

/// A rule that is not for this sensor (`requires`).
#[derive(Clone, Debug)]
pub struct Skipped {
    /// File.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// Why.
    pub reason: String,
    /// Text of the rule.
    pub text: String,
}

/// An oddity in a rule that was loaded.
#[derive(Clone, Debug)]
pub struct Oddity {
    /// File.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// What.
    pub warning: RuleWarning,
}

/// Everything that came of the files.
#[derive(Debug, Default)]
pub struct LoadedRules {
    /// The rules that were read, in the order of files and lines.
    pub rules: Vec<Box<Rule>>,
    /// Rules in force that were taken over as they are.
    pub kept: Vec<Arc<Rule>>,
    /// Refused rules.
    pub failures: Vec<Failure>,
    /// Rules for other sensors.
    pub skipped: Vec<Skipped>,
    /// Oddities.
    pub warnings: Vec<Oddity>,
    /// Numbers of names.
    pub names: Names,
    /// Rules that were accepted, replaced ones counted too (`detect.engines[].rules_loaded`).
    pub accepted: usize,
}

/// Loads rules one text after the other.
#[derive(Debug)]
pub struct Loader {
    settings: Settings,
    shared: Shared,
    known: Known,
    rules: Vec<Option<Slot>>,
    /// Place of a rule by group and number.
    by_id: HashMap<(u32, u32), usize>,
    loaded: LoadedRules,
    warned: std::collections::HashSet<String>,
}

/// A rule, and where it stands.
#[derive(Debug)]
enum Slot {
    /// One that was read.
    New(Box<Rule>),
    /// One that was known, and its file and line now.
    Kept(Arc<Rule>, Arc<str>, u32),
}

impl Slot {
    fn place(&self) -> (Arc<str>, u32) {
        match self {
            Self::New(rule) => (Arc::clone(&rule.file), rule.line),
            Self::Kept(_, file, line) => (Arc::clone(file), *line),
        }
    }
}

impl Deref for Slot {
    type Target = Rule;

    fn deref(&self) -> &Rule {
        match self {
            Self::New(rule) => rule,
            Self::Kept(rule, ..) => rule,
        }
    }
}

impl Loader {
    /// With settings.
    pub fn new(settings: Settings) -> Self {
        Self::taking_over(settings, Known::default())
    }

    /// For rules that take the place of others in a running sensor, which are `known`: names keep
    /// their numbers.
    pub fn taking_over(settings: Settings, mut known: Known) -> Self {
        let index = Index::new(&settings.catalogue);
        let names = std::mem::take(&mut known.names);
        let sets = std::mem::take(&mut known.sets);
        Self {
            settings,
            shared: Shared { names, sets, index },
            known,
            rules: Vec::new(),
            by_id: HashMap::new(),
            loaded: LoadedRules::default(),
            warned: std::collections::HashSet::new(),
        }
    }

    /// Loads the rules in the text of a file.
    pub fn load(&mut self, file: &str, text: &[u8]) {
        self.load_shared(file, &Arc::new(text.to_vec()));
    }

    /// Loads the rules in the text of a file, which they keep for their own texts.
    pub fn load_shared(&mut self, file: &str, source: &Arc<Vec<u8>>) {
        let file: Arc<str> = file.into();
        let text = source.as_slice();
        // Room at once: growing step by step would copy large sets several times.
        let most = memchr::memchr_iter(b'\n', text).count().min(text.len() / MIN_RULE) + 1;
        self.rules.reserve(most);
        self.by_id.reserve(most);
        let mut lines = Lines::new(text);
        while let Some((number, line)) = lines.next_line() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match std::str::from_utf8(line) {
                Ok(rule) => {
                    let start = rule.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
                    let piece = text.get(start..start.saturating_add(rule.len()));
                    if let Some(known) = self.known.rule(rule) {
                        let slot = Slot::Kept(Arc::clone(known), Arc::clone(&file), number);
                        self.accept(slot, Vec::new());
                        continue;
                    }
                    let is_first = self.known.is_empty();
                    let place = match piece {
                        Some(piece) if is_first && std::ptr::eq(piece, rule.as_bytes()) => {
                            RuleText::of_file(source, start, start + rule.len())
                        }
                        // Lines that were joined, or one of a few new ones.
                        _ => RuleText::owned(rule),
                    };
                    self.load_rule(&file, number, rule, place);
                }
                Err(error) => {
                    let at = error.valid_up_to();
                    let error = RuleError::new("rule is not UTF-8")
                        .module("detect-parse")
                        .at(Span::new(at, at + 1));
                    let text = String::from_utf8_lossy(line).into_owned();
                    self.fail(&file, number, text, error, Vec::new());
                }
            }
        }
    }

    fn load_rule(&mut self, file: &Arc<str>, line: u32, text: &str, place: RuleText) {
        match parser::parse(text, &self.settings, &mut self.shared) {
            Ok(Parsed::Rule(mut rule, warnings)) => {
                rule.shrink();
                rule.file = Arc::clone(file);
                rule.line = line;
                rule.text = place;
                rule.is_odd = !warnings.is_empty();
                self.accept(Slot::New(rule), warnings);
            }
            Ok(Parsed::Skipped(reason)) => {
                let file = Arc::clone(file);
                self.loaded.skipped.push(Skipped { file, line, reason, text: text.to_owned() });
            }
            Err(error) => self.fail(file, line, text.to_owned(), error, Vec::new()),
        }
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What came of it all.
    pub fn finish(mut self) -> LoadedRules {
        self.warn_unset_flowbits();
        for slot in self.rules.into_iter().flatten() {
            match slot {
                Slot::New(rule) => self.loaded.rules.push(rule),
                Slot::Kept(rule, ..) => self.loaded.kept.push(rule),
            }
        }
        self.loaded.names = self.shared.names;
        self.loaded
    }

    fn accept(&mut self, rule: Slot, warnings: Vec<RuleWarning>) {
        for warning in warnings {
            // Unknown classes and schemes are told once a name, not once a rule.
            let once = warning.message.starts_with("unknown ");
            if once && !self.warned.insert(warning.message.clone().into_owned()) {
                continue;
            }
            self.warn(&rule, warning);
        }
        let id = (rule.gid, rule.sid);
        let known = self.by_id.get(&id).copied();
        let older = known.and_then(|at| self.rules.get(at)).and_then(Option::as_ref);
        match (known, older) {
            (Some(_), Some(older)) if older.rev >= rule.rev => {
                let error = RuleError::new(format!("Duplicate signature \"{}\"", rule.text))
                    .module("detect-parse")
                    .advice("give it another sid, or a higher rev to replace the other rule");
                let (file, line) = rule.place();
                self.fail(&file, line, rule.text.as_str().to_owned(), error, Vec::new());
                return;
            }
            (Some(at), Some(_)) => {
                let message = format!(
                    "Signature with newer revision, so the older sig replaced by this new \
                     signature \"{}\"",
                    rule.text
                );
                let module = "detect-parse".into();
                let span = Span::new(0, rule.text.as_str().len());
                self.warn(&rule, RuleWarning { span, module, message: message.into() });
                if let Some(slot) = self.rules.get_mut(at) {
                    *slot = None;
                }
            }
            _ => {}
        }
        self.by_id.insert(id, self.rules.len());
        self.loaded.accepted += 1;
        self.rules.push(Some(rule));
    }

    fn warn(&mut self, rule: &Slot, warning: RuleWarning) {
        let (file, line) = rule.place();
        self.loaded.warnings.push(Oddity { file, line, warning });
    }

    fn fail(
        &mut self,
        file: &Arc<str>,
        line: u32,
        text: String,
        error: RuleError,
        warnings: Vec<RuleWarning>,
    ) {
        let file = Arc::clone(file);
        self.loaded.failures.push(Failure { file, line, text, error, warnings });
    }

    /// A bit that is checked and never set is most likely a mistake.
    fn warn_unset_flowbits(&mut self) {
        use crate::keyword::{Bit, BitCommand};
        let count = self.shared.names.flowbits.len();
        let mut set = vec![false; count];
        let mut checked: Vec<Option<(usize, u32)>> = vec![None; count];
        for (at, rule) in self.rules.iter().enumerate() {
            let bits = rule.iter().flat_map(|rule| &rule.bits);
            for bit in bits {
                let Bit::Flow(bit) = bit else { continue };
                for &id in &bit.ids {
                    let id = id as usize;
                    match bit.command {
                        BitCommand::Set | BitCommand::Toggle => {
                            if let Some(slot) = set.get_mut(id) {
                                *slot = true;
                            }
                        }
                        BitCommand::IsSet => {
                            if let Some(slot) = checked.get_mut(id) {
                                match slot {
                                    Some((_, more)) => *more += 1,
                                    None => *slot = Some((at, 0)),
                                }
                            }
                        }
                        BitCommand::Unset | BitCommand::IsNotSet => {}
                    }
                }
            }
        }
        for (id, at) in checked.iter().enumerate() {
            let (Some((at, more)), Some(false)) = (at, set.get(id)) else { continue };
            let Some(Some(rule)) = self.rules.get(*at) else { continue };
            let name = u32::try_from(id).ok().and_then(|id| self.shared.names.flowbits.name(id));
            let message = format!(
                "flowbit '{}' is checked but not set. Checked in {} and {more} other sigs",
                name.unwrap_or(""),
                rule.sid
            );
            let (file, line) = rule.place();
            let warning = RuleWarning {
                span: Span::default(),
                module: "detect-flowbits".into(),
                message: message.into(),
            };
            self.loaded.warnings.push(Oddity { file, line, warning });
        }
    }
}

/// Logical lines: joined at backslashes, cut at the limit.
struct Lines<'t> {
    rest: &'t [u8],
    number: u32,
    joined: Vec<u8>,
}

impl<'t> Lines<'t> {
    const fn new(text: &'t [u8]) -> Self {
        Self { rest: text, number: 0, joined: Vec::new() }
    }

    /// The next logical line and the number of its last physical line.
    fn next_line(&mut self) -> Option<(u32, &[u8])> {
        self.joined.clear();
        loop {
            if self.rest.is_empty() {
                return (!self.joined.is_empty()).then_some((self.number, &self.joined[..]));
            }
            let room = MAX_LINE.saturating_sub(self.joined.len());
            let end = memchr::memchr(b'\n', self.rest);
            let length = end.unwrap_or(self.rest.len());
            if length > room {
                // Too long: this piece is a rule of its own, the rest the next one.
                let (piece, rest) = self.rest.split_at(room);
                self.rest = rest;
                self.number = self.number.saturating_add(1);
                if self.joined.is_empty() {
                    return Some((self.number, piece));
                }
                self.joined.extend_from_slice(piece);
                return Some((self.number, &self.joined));
            }
            let (line, rest) = self.rest.split_at(length);
            self.rest = rest.get(1..).unwrap_or(&[]);
            self.number = self.number.saturating_add(1);
            // Suricata 8 takes no rule from such a line, nor does it go on with the next one.
            if self.joined.is_empty() && matches!(line.first(), Some(b' ' | b'\t' | b'\r' | b'#')) {
                continue;
            }
            let line = line.trim_ascii_end();
            match line.strip_suffix(b"\\") {
                Some(part) if room > 0 => self.joined.extend_from_slice(part),
                _ if self.joined.is_empty() => return Some((self.number, line)),
                _ => {
                    self.joined.extend_from_slice(line);
                    return Some((self.number, &self.joined));
                }
            }
        }
    }
}
