//! State while the options of a rule are read: the buffer in force, the last content.

mod contents;
mod naming;

use std::borrow::Cow;

use decode::Direction;
use protocol::AppProto;

use crate::catalogue::Catalogue;
use crate::error::{Result, RuleError, RuleWarning, Span, refuse};
use crate::keyword::{Bit, Check, TxCheck};
use crate::names::Names;
use crate::rule::{Place, Rule, RuleDirection, Target};
use crate::settings::Settings;

/// Where an option on contents stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpRef {
    /// List of the rule.
    pub(crate) buffer: usize,
    /// Place in the list.
    pub(crate) op: usize,
    /// Place in the list after `base64_data`, if it stands there.
    pub(crate) inner: Option<usize>,
}

/// What unadorned options on contents look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Active {
    /// The payload.
    #[default]
    Payload,
    /// The list of a named buffer.
    Buffer(usize),
    /// The decoded bytes of a `base64_decode`: list and place.
    Base64(usize, usize),
}

/// A buffer that was named and has no option yet.
#[derive(Clone, Debug)]
struct Pending {
    target: Target,
    multi: bool,
    span: Span,
    /// Not a new name: transforms behind options on the buffer as it is.
    again: bool,
}

/// What the options say together about the class of the rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// All keywords fit IP-only rules.
    pub(crate) ip_only: bool,
    /// All keywords fit rules for decoder events.
    pub(crate) decoder_only: bool,
    /// All keywords besides `flow` and `app-layer-protocol` fit IP-only rules.
    pub(crate) pd_only: bool,
    /// A keyword looks at the packet itself.
    pub(crate) packet: bool,
    /// `decode-event`s.
    pub(crate) decode_events: usize,
    /// A `flow` option said something besides a direction.
    pub(crate) flow_beyond_direction: bool,
    /// `stream_size` was given: also looks at packets.
    pub(crate) stream_size: bool,
    /// The last keyword could be a prefilter.
    pub(crate) last_can_prefilter: bool,
    /// It was a content.
    pub(crate) last_is_content: bool,
    /// Keywords whose direction is open in a `=>` rule.
    pub(crate) undirected: bool,
    /// Keywords on files are there.
    pub(crate) files: bool,
    /// `flowbits` options.
    pub(crate) flowbits: usize,
    /// `sid` was given.
    pub(crate) sid: bool,
    /// `rev` was given.
    pub(crate) rev: bool,
    /// `msg` was given.
    pub(crate) msg: bool,
    /// `priority` was given.
    pub(crate) priority: bool,
    /// Priority of the `classtype`.
    pub(crate) class_priority: Option<u32>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            ip_only: true,
            decoder_only: true,
            pd_only: true,
            packet: false,
            decode_events: 0,
            flow_beyond_direction: false,
            stream_size: false,
            last_can_prefilter: false,
            last_is_content: false,
            undirected: false,
            files: false,
            flowbits: 0,
            sid: false,
            rev: false,
            msg: false,
            priority: false,
            class_priority: None,
        }
    }
}

/// A rule under construction.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The rule so far.
    pub rule: Rule,
    /// Settings of the loader.
    pub settings: &'a Settings,
    /// Numbers of names.
    pub names: &'a mut Names,
    pub(crate) warnings: Vec<RuleWarning>,
    pub(crate) facts: Facts,
    /// Place of the option being read.
    pub(crate) span: Span,
    /// Component of the keyword being read.
    pub(crate) module: &'static str,
    /// Places of the contents, for messages about them at the end.
    pub(crate) op_spans: Vec<(OpRef, Span)>,
    active: Active,
    pending: Option<Pending>,
    last_content: Option<OpRef>,
    last_op: Option<OpRef>,
    base64_decode: Option<(usize, usize)>,
    /// The content with `fast_pattern:only`.
    only_fast_pattern: Option<OpRef>,
    /// Buffers that `urilen` bounds.
    pub(crate) urilen: Vec<protocol::BufferId>,
    /// The last content with `rawbytes`.
    rawbytes: Option<OpRef>,
    /// Contents with `nocase` that were written with capitals.
    pub(crate) capitals: Vec<OpRef>,
    /// Places that sticky buffers have named.
    named: smallvec::SmallVec<[Place; 8]>,
    /// Text of the rule, for messages.
    text: &'a str,
}

impl<'a> Builder<'a> {
    /// For a rule whose header was read.
    pub fn new(rule: Rule, text: &'a str, settings: &'a Settings, names: &'a mut Names) -> Self {
        Self {
            rule,
            settings,
            names,
            warnings: Vec::new(),
            facts: Facts::default(),
            span: Span::default(),
            module: "",
            op_spans: Vec::new(),
            active: Active::default(),
            pending: None,
            last_content: None,
            last_op: None,
            base64_decode: None,
            only_fast_pattern: None,
            urilen: Vec::new(),
            rawbytes: None,
            capitals: Vec::new(),
            named: smallvec::SmallVec::new(),
            text,
        }
    }

    /// The place of a part of the rule's text; none for other text.
    pub(crate) fn place_of(&self, part: &str) -> Option<Span> {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        (end <= self.text.len()).then(|| Span::new(start, end))
    }

    /// What protocols offer.
    pub fn catalogue(&self) -> &'a Catalogue {
        &self.settings.catalogue
    }

    /// Adds a check on packets and flows.
    pub fn push_check(&mut self, check: impl Into<Check>) {
        self.rule.checks.push(check.into());
    }

    /// Adds a check on transactions of `protocols` (empty: any).
    pub fn push_tx_check(&mut self, check: TxCheck, protocols: &[AppProto]) -> Result<()> {
        self.restrict(protocols)?;
        self.facts.ip_only = false;
        self.rule.tx_checks.push(check);
        Ok(())
    }

    /// Adds a bit or integer.
    pub fn push_bit(&mut self, bit: Bit) {
        self.rule.bits.push(bit);
    }

    /// Notes something odd.
    pub fn warn(&mut self, message: impl Into<Cow<'static, str>>) {
        let warning = RuleWarning {
            span: self.span,
            module: Cow::Borrowed(self.module),
            message: message.into(),
        };
        self.warnings.push(warning);
    }

    /// Leaves of the application protocols of the rule those of `protocols` (empty: all).
    ///
    /// # Errors
    /// None would be left.
    pub fn restrict(&mut self, protocols: &[AppProto]) -> Result<()> {
        if protocols.is_empty() {
            return Ok(());
        }
        if self.rule.app.is_empty() {
            self.rule.app.extend_from_slice(protocols);
            return Ok(());
        }
        if !self.rule.app.iter().any(|proto| protocols.contains(proto)) {
            let names =
                |list: &[AppProto]| list.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
            let message = format!(
                "rule contains conflicting protocols: {} here, {} before",
                names(protocols),
                names(&self.rule.app)
            );
            return refuse(message)
                .map_err(|e: RuleError| e.module("detect-parse"))
                .map_err(|e| e.advice("use buffers of the protocol that the header names"));
        }
        self.rule.app.retain(|proto| protocols.contains(proto));
        Ok(())
    }

    /// Notes whether a keyword that is there in both directions says which it means.
    pub(crate) fn note_direction(&mut self, direction: Option<Direction>) {
        let transactional = self.rule.direction == RuleDirection::Transactional;
        self.facts.undirected |= transactional && direction.is_none();
    }

    /// The number of a variable that `byte_extract` or `byte_math` has defined.
    pub(crate) fn variable(&self, name: &str) -> Option<u8> {
        let at = self.rule.variables.iter().position(|known| known == name)?;
        u8::try_from(at).ok()
    }

    /// Defines a variable, or takes the one that has the name already.
    pub(crate) fn define_variable(&mut self, name: &str) -> Result<u8> {
        if let Some(known) = self.variable(name) {
            return Ok(known);
        }
        let Ok(number) = u8::try_from(self.rule.variables.len()) else {
            return refuse("more than 256 variables in one rule");
        };
        self.rule.variables.push(name.to_owned());
        Ok(number)
    }
}
