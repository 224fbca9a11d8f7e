//! Content options compiled for running.

use std::sync::Arc;

use rules::error::RuleError;
use rules::rule::{ByteTestOp, Capture, Extract, MathOp};
use rules::{Content, ContentOp, Operand, Rule};

use crate::content::dataset::SetUse;
use crate::content::literal::Literal;
use crate::content::resources::Resources;
use crate::pcre::Regex;

/// Options on one naming of a buffer.
#[derive(Debug)]
pub struct Program {
    pub(super) ops: Vec<Op>,
    /// `absent` alone, or as one of two ways.
    pub(super) absent: Option<bool>,
    /// Only negated contents and the like: holds on an empty buffer too.
    pub(super) negative_only: bool,
}

/// A window for a content.
#[derive(Debug)]
pub(super) struct Window {
    pub offset: Option<Operand>,
    pub depth: Option<Operand>,
    pub distance: Option<Operand>,
    pub within: Option<Operand>,
}

/// One option.
#[derive(Debug)]
pub(super) enum Op {
    Content {
        literal: Literal,
        window: Window,
        negated: bool,
        endswith: bool,
        /// A later option counts from this match: try further matches when it fails.
        relative_next: bool,
    },
    Pcre {
        regex: Arc<Regex>,
        negated: bool,
        relative: bool,
        relative_next: bool,
        configured_limits: bool,
        captures: Vec<Capture>,
    },
    IsDataAt {
        at: Operand,
        relative: bool,
        negated: bool,
    },
    Size(rules::rule::Compare),
    ByteTest {
        extract: Extract,
        negated: bool,
        op: ByteTestOp,
        value: Operand,
    },
    ByteJump {
        extract: Extract,
        multiplier: u32,
        align: bool,
        from: u8,
        post_offset: Operand,
    },
    ByteExtract {
        extract: Extract,
        multiplier: u32,
        align: u8,
        variable: u8,
    },
    ByteMath {
        extract: Extract,
        op: MathOp,
        value: Operand,
        variable: u8,
    },
    Base64 {
        bytes: u32,
        offset: u32,
        relative: bool,
        then: Option<Program>,
    },
    Dataset(Arc<SetUse>),
    Asn1(rules::keyword::asn1::Asn1),
    Rpc(rules::keyword::rpc::Rpc),
    Entropy(rules::keyword::entropy::Entropy),
}

impl Program {
    /// Compiles the options of one naming of a buffer.
    ///
    /// # Errors
    /// A bad expression, or a data set that can't be had.
    pub fn compile(
        ops: &[ContentOp],
        rule: &Rule,
        resources: &mut Resources,
    ) -> Result<Self, RuleError> {
        let mut compiled = Vec::with_capacity(ops.len());
        let mut absent = None;
        for (index, op) in ops.iter().enumerate() {
            match op {
                ContentOp::Absent { or_else } => absent = Some(*or_else),
                // Its options were taken by the decode option before it.
                ContentOp::Base64Data(_) => {}
                _ => compiled.push(one(op, &ops[index + 1..], rule, resources)?),
            }
        }
        let negative_only = compiled.iter().all(|op| match op {
            Op::Content { negated, .. } | Op::Pcre { negated, .. } => *negated,
            Op::IsDataAt { negated, .. } => *negated,
            Op::Size(_) => true,
            _ => false,
        });
        Ok(Self { ops: compiled, absent, negative_only })
    }

    /// `Some(false)`: the buffer must not exist. `Some(true)`: it may be absent instead of
    /// matching.
    pub const fn absent(&self) -> Option<bool> {
        self.absent
    }

    /// True when it can hold on no bytes at all.
    pub const fn holds_on_nothing(&self) -> bool {
        self.negative_only
    }

    /// True without options.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// True when one of the options up to the next content or expression counts from the last match.
fn relative_follows(rest: &[ContentOp]) -> bool {
    for op in rest {
        match op {
            ContentOp::Content(c) => return c.is_relative(),
            ContentOp::Pcre(p) => return p.relative,
            ContentOp::IsDataAt { relative: true, .. }
            | ContentOp::Base64Decode { relative: true, .. } => return true,
            ContentOp::ByteTest { extract, .. }
            | ContentOp::ByteJump { extract, .. }
            | ContentOp::ByteExtract { extract, .. }
            | ContentOp::ByteMath { extract, .. }
                if extract.relative =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}

fn one(
    op: &ContentOp,
    rest: &[ContentOp],
    rule: &Rule,
    resources: &mut Resources,
) -> Result<Op, RuleError> {
    Ok(match op {
        ContentOp::Content(content) => literal(content, rest),
        ContentOp::Pcre(pcre) => Op::Pcre {
            regex: resources.regex(pcre, rule)?,
            negated: pcre.negated,
            relative: pcre.relative,
            relative_next: relative_follows(rest),
            configured_limits: pcre.configured_limits,
            captures: pcre.captures.clone(),
        },
        ContentOp::IsDataAt { at, relative, negated } => {
            Op::IsDataAt { at: *at, relative: *relative, negated: *negated }
        }
        ContentOp::Size(compare) => Op::Size(*compare),
        ContentOp::ByteTest { extract, negated, op, value } => {
            Op::ByteTest { extract: *extract, negated: *negated, op: *op, value: *value }
        }
        ContentOp::ByteJump { extract, multiplier, align, from, post_offset } => Op::ByteJump {
            extract: *extract,
            multiplier: *multiplier,
            align: *align,
            from: *from,
            post_offset: *post_offset,
        },
        ContentOp::ByteExtract { extract, multiplier, align, variable } => Op::ByteExtract {
            extract: *extract,
            multiplier: *multiplier,
            align: *align,
            variable: *variable,
        },
        ContentOp::ByteMath { extract, op, value, variable } => {
            Op::ByteMath { extract: *extract, op: *op, value: *value, variable: *variable }
        }
        ContentOp::Base64Decode { bytes, offset, relative } => {
            let then = rest.iter().find_map(|op| match op {
                ContentOp::Base64Data(ops) => Some(Program::compile(ops, rule, resources)),
                _ => None,
            });
            Op::Base64 {
                bytes: *bytes,
                offset: *offset,
                relative: *relative,
                then: then.transpose()?,
            }
        }
        ContentOp::Dataset(index) => Op::Dataset(resources.dataset(*index, rule)?),
        ContentOp::Asn1(asn1) => Op::Asn1(asn1.clone()),
        ContentOp::Rpc(rpc) => Op::Rpc(rpc.clone()),
        ContentOp::Entropy(entropy) => Op::Entropy(entropy.clone()),
        ContentOp::Absent { .. } | ContentOp::Base64Data(_) => Op::Size(
            // Never reached: the caller takes these two out.
            rules::rule::Compare::GreaterEqual(0),
        ),
    })
}

fn literal(content: &Content, rest: &[ContentOp]) -> Op {
    Op::Content {
        literal: Literal::new(&content.bytes, content.nocase),
        window: Window {
            offset: content.offset,
            depth: content.depth,
            distance: content.distance,
            within: content.within,
        },
        negated: content.negated,
        endswith: content.endswith,
        relative_next: relative_follows(rest),
    }
}
