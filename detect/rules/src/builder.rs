//! State while the options of a rule are read: the buffer in force, the last content.

use std::borrow::Cow;

use decode::Direction;
use protocol::{AppProto, BufferSpec};

use crate::catalogue::Catalogue;
use crate::error::{Result, RuleError, RuleWarning, Span, refuse};
use crate::keyword::{Bit, Check, TxCheck};
use crate::names::Names;
use crate::rule::{BufferMatch, Content, ContentOp, Place, Rule, RuleDirection, Target};
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

    /// Names a buffer of a protocol for the options that follow.
    pub fn name_buffer(&mut self, spec: &BufferSpec, direction: Option<Direction>) -> Result<()> {
        self.restrict(spec.protocols)?;
        let only = match (spec.to_server, spec.to_client) {
            (Some(_), None) => Some(Direction::ToServer),
            (None, Some(_)) => Some(Direction::ToClient),
            _ => {
                self.note_direction(direction);
                direction
            }
        };
        let target =
            Target { place: Place::Buffer(spec.id), transforms: Vec::new(), direction: only };
        self.name_target(target, spec.multi, spec.name)
    }

    /// Names anything that contents can look at for the options that follow.
    pub fn name_target(&mut self, target: Target, multi: bool, name: &str) -> Result<()> {
        self.finish_naming()?;
        let again = self.named.contains(&target.place);
        self.named.push(target.place);
        if again && !multi {
            self.warn(format!("duplicate instance for {name} in '{}'", self.text));
        }
        self.pending = Some(Pending { target, multi, span: self.span });
        Ok(())
    }

    /// The options that follow look at the payload again (`pkt_data`).
    pub fn name_payload(&mut self) -> Result<()> {
        self.finish_naming()?;
        self.active = Active::Payload;
        Ok(())
    }

    /// The options that follow look at the bytes that `base64_decode` gives.
    pub fn name_base64(&mut self) -> Result<()> {
        let Some((buffer, op)) = self.base64_decode else {
            return refuse("\"base64_data\" keyword seen without preceding base64_decode.");
        };
        self.finish_naming()?;
        let Some(list) = self.rule.buffers.get_mut(buffer) else {
            return refuse("base64_decode is gone");
        };
        let at = op + 1;
        if !matches!(list.ops.get(at), Some(ContentOp::Base64Data(_))) {
            list.ops.insert(at, ContentOp::Base64Data(Vec::new()));
            for (place, _) in &mut self.op_spans {
                if place.buffer == buffer && place.op >= at {
                    place.op += 1;
                }
            }
            if let Some(last) = &mut self.last_content
                && last.buffer == buffer
                && last.op >= at
            {
                last.op += 1;
            }
        }
        self.active = Active::Base64(buffer, at);
        Ok(())
    }

    /// Whether a buffer is in force (named, with or without options on it yet).
    pub fn in_buffer(&self) -> bool {
        self.pending.is_some() || matches!(self.active, Active::Buffer(_))
    }

    /// Whether what follows looks at decoded base64.
    pub fn in_base64(&self) -> bool {
        self.pending.is_none() && matches!(self.active, Active::Base64(..))
    }

    /// Whether the buffer in force was named and has no option yet.
    pub fn at_naming(&self) -> bool {
        self.pending.is_some()
    }

    /// The place of the options that follow.
    pub fn place(&self) -> Place {
        match (&self.pending, self.active) {
            (Some(pending), _) => pending.target.place,
            (None, Active::Buffer(at)) => {
                self.rule.buffers.get(at).map_or(Place::Payload, |b| b.target.place)
            }
            _ => Place::Payload,
        }
    }

    /// Adds a transform to the buffer that was just named.
    pub fn push_transform(&mut self, transform: crate::rule::Transform) -> Result<()> {
        match &mut self.pending {
            Some(pending) => {
                pending.target.transforms.push(transform);
                Ok(())
            }
            // After a content it has no effect, as in Suricata 8.
            None if matches!(self.active, Active::Buffer(_)) => {
                self.warn("a transform after the first option on a buffer has no effect");
                Ok(())
            }
            None => refuse("transforms must directly follow a sticky buffer"),
        }
    }

    /// Adds an option on contents to what is in force.
    pub(crate) fn push_op(&mut self, op: ContentOp) -> OpRef {
        self.facts.ip_only = false;
        if let Some(place) = self.follows_modifier(&op) {
            return self.place_behind(place, op);
        }
        let is_content = matches!(op, ContentOp::Content(_));
        let is_decode = matches!(op, ContentOp::Base64Decode { .. });
        let place = self.place_op(op);
        if is_content {
            self.last_content = Some(place);
        }
        if is_decode {
            self.base64_decode = Some((place.buffer, place.op));
        }
        self.last_op = Some(place);
        self.op_spans.push((place, self.span));
        place
    }

    /// The list of the last option, when a relative option counts from it although its buffer was
    /// given by a content modifier and is not in force.
    fn follows_modifier(&self, op: &ContentOp) -> Option<usize> {
        let relative = match op {
            ContentOp::IsDataAt { relative, .. } | ContentOp::Base64Decode { relative, .. } => {
                *relative
            }
            ContentOp::ByteTest { extract, .. }
            | ContentOp::ByteJump { extract, .. }
            | ContentOp::ByteExtract { extract, .. }
            | ContentOp::ByteMath { extract, .. } => extract.relative,
            ContentOp::Pcre(pcre) => pcre.relative,
            _ => false,
        };
        let last = self.last_op.filter(|last| last.inner.is_none())?;
        let list = self.rule.buffers.get(last.buffer)?;
        let elsewhere = matches!(list.target.place, Place::Buffer(_));
        let in_force = self.pending.is_some() || !matches!(self.active, Active::Payload);
        (relative && elsewhere && !in_force).then_some(last.buffer)
    }

    fn place_behind(&mut self, buffer: usize, op: ContentOp) -> OpRef {
        let at = self.rule.buffers.get(buffer).map_or(0, |list| list.ops.len());
        let place = OpRef { buffer, op: at, inner: None };
        if matches!(op, ContentOp::Base64Decode { .. }) {
            self.base64_decode = Some((buffer, at));
        }
        if let Some(list) = self.rule.buffers.get_mut(buffer) {
            list.ops.push(op);
        }
        self.last_op = Some(place);
        self.op_spans.push((place, self.span));
        place
    }

    /// Adds an option to the list of another buffer (`pcre` with a letter).
    pub(crate) fn push_op_to(&mut self, spec: &BufferSpec, op: ContentOp) -> Result<()> {
        self.restrict(spec.protocols)?;
        self.facts.ip_only = false;
        if self.pending.as_ref().is_some_and(|pending| pending.target == modifier_target(spec)) {
            self.push_op(op);
            return Ok(());
        }
        let buffer = self.list_of(modifier_target(spec));
        if let Some(list) = self.rule.buffers.get_mut(buffer) {
            let place = OpRef { buffer, op: list.ops.len(), inner: None };
            list.ops.push(op);
            self.op_spans.push((place, self.span));
            self.last_op = Some(place);
        }
        Ok(())
    }

    /// Whether the list of a buffer has a content or expression already.
    pub(crate) fn has_match_in(&self, spec: &BufferSpec) -> bool {
        let target = modifier_target(spec);
        let mut lists = self.rule.buffers.iter().filter(|list| list.target == target);
        lists.any(|list| {
            list.ops.iter().any(|op| matches!(op, ContentOp::Content(_) | ContentOp::Pcre(_)))
        })
    }

    /// Moves the last content from the payload to a buffer (`http_uri` and its kind).
    pub(crate) fn move_content(&mut self, spec: &BufferSpec) -> Result<()> {
        if self.in_buffer() || self.in_base64() {
            return refuse(format!("\"{}\" can't be mixed with a sticky buffer", spec.modifier))
                .map_err(|e: RuleError| {
                    e.advice(format!("write `{};` before the content", spec.name))
                });
        }
        let from = self.last_content.filter(|last| {
            let list = self.rule.buffers.get(last.buffer);
            last.inner.is_none() && list.is_some_and(|b| b.target.place == Place::Payload)
        });
        let Some(from) = from else {
            return refuse(format!("\"{}\" needs a preceding content", spec.modifier));
        };
        let only_moves = self.only_fast_pattern == Some(from);
        self.restrict(spec.protocols)?;
        let payload = self.rule.buffers.get_mut(from.buffer);
        let Some(op) = payload.and_then(|b| (from.op < b.ops.len()).then(|| b.ops.remove(from.op)))
        else {
            return refuse(format!("\"{}\" needs a preceding content", spec.modifier));
        };
        let span = self.op_spans.iter().position(|(place, _)| *place == from);
        let span = span.map_or(self.span, |at| self.op_spans.remove(at).1);
        for (place, _) in &mut self.op_spans {
            if place.buffer == from.buffer && place.op > from.op {
                place.op -= 1;
            }
        }
        if let Some(only) = &mut self.only_fast_pattern
            && only.buffer == from.buffer
            && only.inner.is_none()
            && only.op > from.op
        {
            only.op -= 1;
        }
        if let Some((buffer, decode)) = &mut self.base64_decode
            && *buffer == from.buffer
            && *decode > from.op
        {
            *decode -= 1;
        }
        let buffer = self.list_of(modifier_target(spec));
        if let Some(list) = self.rule.buffers.get_mut(buffer) {
            let place = OpRef { buffer, op: list.ops.len(), inner: None };
            list.ops.push(op);
            self.op_spans.push((place, span));
            if only_moves {
                self.only_fast_pattern = Some(place);
            }
            self.last_content = Some(place);
            self.last_op = Some(place);
        }
        Ok(())
    }

    /// The last content of the rule, in whatever buffer.
    pub(crate) fn last_content(&mut self) -> Option<&mut Content> {
        let place = self.last_content?;
        match self.op_at_mut(place)? {
            ContentOp::Content(content) => Some(content),
            _ => None,
        }
    }

    /// Whether the last keyword with a meaning for matching was a content.
    pub(crate) fn last_is_content(&self) -> bool {
        self.facts.last_is_content && self.last_content.is_some()
    }

    /// Whether the last content has `fast_pattern:only`, which bars positions.
    pub(crate) fn only_fast_pattern(&self) -> bool {
        self.only_fast_pattern.is_some() && self.only_fast_pattern == self.last_content
    }

    /// The last content gets `fast_pattern:only`.
    pub(crate) fn set_only_fast_pattern(&mut self) {
        self.only_fast_pattern = self.last_content;
    }

    /// The last content, which `nocase` has made lower case, had capitals.
    pub(crate) fn note_capitals(&mut self) {
        self.capitals.extend(self.last_content);
    }

    /// The last content has `rawbytes`; true if it had before.
    pub(crate) fn note_rawbytes(&mut self) -> bool {
        self.rawbytes == self.last_content || {
            self.rawbytes = self.last_content;
            false
        }
    }

    /// Whether a content of the rule has `fast_pattern`.
    pub(crate) fn has_fast_pattern(&self) -> bool {
        let mut ops = self.rule.buffers.iter().flat_map(|list| &list.ops);
        ops.any(|op| matches!(op, ContentOp::Content(c) if c.fast_pattern.is_some()))
    }

    /// Whether the last content stands behind `base64_data`.
    pub(crate) fn last_content_in_base64(&self) -> bool {
        self.last_content.is_some_and(|place| place.inner.is_some())
    }

    /// Options so far on what is in force.
    pub(crate) fn current_ops(&self) -> &[ContentOp] {
        if self.pending.is_some() {
            return &[];
        }
        match self.active {
            Active::Payload => {
                let list = self.rule.buffers.iter().find(|b| b.target.place == Place::Payload);
                list.map_or(&[], |b| &b.ops)
            }
            Active::Buffer(at) => self.rule.buffers.get(at).map_or(&[], |b| &b.ops),
            Active::Base64(buffer, op) => {
                match self.rule.buffers.get(buffer).and_then(|b| b.ops.get(op)) {
                    Some(ContentOp::Base64Data(inner)) => inner,
                    _ => &[],
                }
            }
        }
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

    /// Ends the naming of a buffer: something must have followed it.
    pub(crate) fn finish_naming(&mut self) -> Result<()> {
        match self.pending.take() {
            None => Ok(()),
            Some(pending) => Err(RuleError::new("previous sticky buffer has no matches")
                .module("detect-parse")
                .advice("put a content, pcre, bsize or other option after the buffer's name")
                .at(pending.span)),
        }
    }

    fn place_op(&mut self, op: ContentOp) -> OpRef {
        if let Some(pending) = self.pending.take() {
            let known = if pending.multi {
                None
            } else {
                self.rule.buffers.iter().position(|b| b.target == pending.target)
            };
            let at = known.unwrap_or(self.rule.buffers.len());
            if known.is_none() {
                self.rule.buffers.push(BufferMatch { target: pending.target, ops: Vec::new() });
            }
            self.active = Active::Buffer(at);
        }
        let buffer = match self.active {
            Active::Buffer(at) => at,
            Active::Payload => self.list_of(Target {
                place: Place::Payload,
                transforms: Vec::new(),
                direction: None,
            }),
            Active::Base64(buffer, at) => {
                let list = self.rule.buffers.get_mut(buffer).and_then(|b| b.ops.get_mut(at));
                if let Some(ContentOp::Base64Data(inner)) = list {
                    inner.push(op);
                    return OpRef { buffer, op: at, inner: Some(inner.len() - 1) };
                }
                return OpRef { buffer, op: at, inner: None };
            }
        };
        let mut place = OpRef { buffer, op: 0, inner: None };
        if let Some(list) = self.rule.buffers.get_mut(buffer) {
            place.op = list.ops.len();
            list.ops.push(op);
        }
        place
    }

    /// The list of a target, a new one if it has none.
    fn list_of(&mut self, target: Target) -> usize {
        if let Some(at) = self.rule.buffers.iter().position(|b| b.target == target) {
            return at;
        }
        self.rule.buffers.push(BufferMatch { target, ops: Vec::new() });
        self.rule.buffers.len() - 1
    }

    fn op_at_mut(&mut self, place: OpRef) -> Option<&mut ContentOp> {
        let op = self.rule.buffers.get_mut(place.buffer)?.ops.get_mut(place.op)?;
        match (place.inner, op) {
            (Some(inner), ContentOp::Base64Data(ops)) => ops.get_mut(inner),
            (Some(_), _) => None,
            (None, op) => Some(op),
        }
    }
}

fn modifier_target(spec: &BufferSpec) -> Target {
    let direction = match (spec.to_server, spec.to_client) {
        (Some(_), None) => Some(Direction::ToServer),
        (None, Some(_)) => Some(Direction::ToClient),
        _ => None,
    };
    Target { place: Place::Buffer(spec.id), transforms: Vec::new(), direction }
}
