//! The buffer in force: what names one, and what transforms it.

use decode::Direction;
use protocol::BufferSpec;

use super::{Active, Builder, Pending};
use crate::error::{Result, RuleError, refuse};
use crate::rule::{ContentOp, Place, Target, Transform};

impl Builder<'_> {
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
        self.pending = Some(Pending { target, multi, span: self.span, again: false });
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

    /// Adds a transform to the buffer that was just named. After options on a buffer as it is, what
    /// follows looks at the same buffer transformed.
    pub fn push_transform(&mut self, transform: Transform) -> Result<()> {
        if self.pending.is_none()
            && let Active::Buffer(at) = self.active
            && let Some(list) = self.rule.buffers.get(at)
            && list.target.transforms.is_empty()
        {
            let target = list.target.clone();
            self.pending = Some(Pending { target, multi: false, span: self.span, again: true });
        }
        match &mut self.pending {
            Some(pending) => {
                pending.target.transforms.push(transform);
                Ok(())
            }
            None => refuse("transforms must directly follow stickybuffers"),
        }
    }

    /// Ends the naming of a buffer: something must have followed it.
    pub(super) fn finish_naming(&mut self) -> Result<()> {
        match self.pending.take() {
            None => Ok(()),
            Some(pending) => {
                let transformed = !pending.target.transforms.is_empty();
                let message = match transformed {
                    true => "no matches following transform(s)",
                    false => "previous sticky buffer has no matches",
                };
                Err(RuleError::new(message)
                    .module("detect-parse")
                    .advice("put a content, pcre, bsize or other option after the buffer's name")
                    .at(pending.span))
            }
        }
    }

    /// The rule ends. Transforms behind the last option on a buffer are without effect.
    pub(crate) fn finish_rule(&mut self) -> Result<()> {
        if self.pending.as_ref().is_some_and(|pending| pending.again) {
            self.pending = None;
        }
        self.finish_naming()
    }
}
