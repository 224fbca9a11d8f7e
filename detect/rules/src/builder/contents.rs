//! Options on contents: which list each goes to, and the last of them.

use decode::Direction;
use protocol::BufferSpec;

use super::{Active, Builder, OpRef};
use crate::error::{Result, RuleError, refuse};
use crate::rule::{BufferMatch, Content, ContentOp, Place, Target};

impl Builder<'_> {
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
