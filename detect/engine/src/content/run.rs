//! Runs content options on bytes: Suricata 8's matching algorithm with its retries.

mod expression;

use std::sync::Arc;

use rules::Operand;
use rules::rule::{ByteTestOp, MathOp};

use crate::content::base64;
use crate::content::compile::{Op, Program, Window};
use crate::content::dataset::SetUse;
use crate::content::literal::Literal;
use crate::content::number::{extract, masked};
use crate::pcre::Matcher;
use crate::queue::ContextValue;
use crate::sharing::Turn;

/// Bytes to look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Data<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Position of the first of them in the whole buffer.
    pub offset: u64,
    /// The last of them ends the buffer.
    pub end: bool,
    /// Order of bytes that the DCE RPC header announced.
    pub dce_little: bool,
    /// Payload of TCP, where record marks come before messages.
    pub tcp: bool,
}

impl<'a> Data<'a> {
    /// A whole buffer.
    pub const fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, end: true, dce_little: false, tcp: false }
    }
}

/// What a rule captured; kept when the whole rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// A variable of the flow: name and value.
    Flow(String, Vec<u8>),
    /// A variable of the packet.
    Packet(String, Vec<u8>),
    /// A member of the alert's context.
    Context(String, ContextValue),
}

/// Room that a worker needs to run programs.
#[derive(Debug)]
pub struct Scratch {
    /// Matches with the built-in limits.
    matcher: Matcher,
    /// Matches with the configured limits.
    configured: Matcher,
    recursion_limit: u32,
    variables: [u64; 16],
    decoded: Vec<Vec<u8>>,
    /// What the rule at hand captured so far.
    pub captured: Vec<Captured>,
    /// Entropies that rules measured on this packet, with the buffers' names.
    pub entropies: Vec<(Box<str>, f64)>,
    /// Values that full data sets did not take.
    pub refused_values: u64,
    /// Order among workers, for data sets that rules write.
    pub turn: Option<Arc<dyn Turn>>,
}

impl Scratch {
    /// With limits: recursions of one run (0: none), steps and depth of expressions.
    pub fn new(recursion_limit: u32, pcre_limits: (u32, u32)) -> Self {
        Self {
            matcher: Matcher::new(3500, 1500),
            configured: Matcher::new(pcre_limits.0, pcre_limits.1),
            recursion_limit: if recursion_limit == 0 { u32::MAX } else { recursion_limit },
            variables: [0; 16],
            decoded: Vec::new(),
            captured: Vec::new(),
            entropies: Vec::new(),
            refused_values: 0,
            turn: None,
        }
    }

    /// Expressions that were given up at a limit.
    pub const fn exceeded(&self) -> u64 {
        self.matcher.exceeded().saturating_add(self.configured.exceeded())
    }

    /// Forgets variables and captures: a new rule begins.
    pub fn begin_rule(&mut self) {
        self.variables = [0; 16];
        self.captured.clear();
    }
}

/// How a run of options ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Match,
    /// Options before it may be tried further on.
    Retry,
    /// Nothing helps any more.
    Stop,
}

/// What a run carries along.
pub(super) struct State<'s> {
    scratch: &'s mut Scratch,
    recursions: u32,
}

impl State<'_> {
    /// The value of an operand that may count backwards. Suricata 8 keeps positions in 32 bits,
    /// so that a difference below zero (`byte_math`) is a negative distance.
    pub(super) fn signed(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Value(value) => value,
            Operand::Variable(n) => i64::from(self.variable(n) as u32 as i32),
        }
    }

    /// The value of an operand that is a place in the buffer.
    fn place(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Value(value) => value,
            Operand::Variable(n) => i64::from(self.variable(n) as u32),
        }
    }

    /// The value of an operand that is compared or calculated with.
    fn number(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Value(value) => value as u64,
            Operand::Variable(n) => self.variable(n),
        }
    }

    fn variable(&self, n: u8) -> u64 {
        self.scratch.variables.get(usize::from(n)).copied().unwrap_or(0)
    }

    fn set(&mut self, variable: u8, value: u64) {
        if let Some(slot) = self.scratch.variables.get_mut(usize::from(variable)) {
            *slot = value;
        }
    }
}

impl Program {
    /// True when all options hold on `data`.
    pub fn run(&self, data: &Data<'_>, scratch: &mut Scratch) -> bool {
        let mut state = State { scratch, recursions: 0 };
        walk(&self.ops, data, 0, &mut state) == End::Match
    }
}

fn walk(ops: &[Op], data: &Data<'_>, pos: usize, state: &mut State<'_>) -> End {
    let Some((op, rest)) = ops.split_first() else { return End::Match };
    state.recursions += 1;
    if state.recursions > state.scratch.recursion_limit {
        return End::Stop;
    }
    match op {
        Op::Content { literal, window, negated, endswith, relative_next } => {
            let span = Span::new(window, data, pos, state);
            let content = Found { literal, relative: window.is_relative(), endswith: *endswith };
            if *negated {
                content.absent(span, rest, data, pos, state)
            } else {
                content.present(span, rest, data, *relative_next, state)
            }
        }
        Op::Pcre { .. } => expression::pcre(op, rest, data, pos, state),
        Op::IsDataAt { at, relative, negated } => {
            is_data_at((*at, *relative, *negated), rest, data, pos, state)
        }
        Op::Size(compare) => {
            let size = data.offset.saturating_add(data.bytes.len() as u64);
            if compare.matches(size) { walk(rest, data, pos, state) } else { End::Stop }
        }
        Op::Base64 { bytes, offset, relative, then } => {
            decode((*bytes, *offset, *relative), then.as_ref(), data, pos, state)
        }
        Op::Dataset(set) => {
            if dataset(set, data, state) {
                walk(rest, data, pos, state)
            } else {
                End::Stop
            }
        }
        Op::Asn1(asn1) => go_on(asn1.matches(data.bytes, pos), rest, data, pos, state),
        Op::Rpc(rpc) => go_on(rpc.matches(data.bytes, data.tcp), rest, data, pos, state),
        Op::Entropy(entropy) => match entropy.measure(data.bytes) {
            Some(measured) => {
                state.scratch.entropies.push((entropy.buffer.clone(), measured));
                go_on(entropy.holds(measured), rest, data, pos, state)
            }
            None => End::Retry,
        },
        _ => number(op, rest, data, pos, state),
    }
}

fn go_on(holds: bool, rest: &[Op], data: &Data<'_>, pos: usize, state: &mut State<'_>) -> End {
    if holds { walk(rest, data, pos, state) } else { End::Retry }
}

impl Window {
    const fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

/// Where a content may lie: begin and end of the window, within the bytes.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
}

impl Span {
    fn new(window: &Window, data: &Data<'_>, pos: usize, state: &State<'_>) -> Self {
        let len = data.bytes.len() as i64;
        if window.is_relative() {
            let pos = pos as i64;
            let distance = window.distance.map_or(0, |d| state.signed(d));
            let start = pos.saturating_add(distance).max(0);
            let mut end = len;
            if let Some(within) = window.within {
                let bound = pos.saturating_add(distance).saturating_add(state.signed(within));
                // A bound before the beginning does not shrink the window (Suricata 8 compares
                // it as an unsigned number).
                if bound >= 0 {
                    end = end.min(bound);
                }
            }
            return Self { start, end };
        }
        let base = i64::try_from(data.offset).unwrap_or(i64::MAX);
        let offset = window.offset.map_or(0, |o| state.place(o));
        let start = offset.saturating_sub(base).max(0);
        let end = match window.depth {
            Some(depth) => offset.saturating_add(state.place(depth)).saturating_sub(base).min(len),
            None => len,
        };
        Self { start, end }
    }

    const fn is_empty(self) -> bool {
        self.start > self.end || self.end <= 0
    }
}

/// A content that is looked for.
struct Found<'p> {
    literal: &'p Literal,
    relative: bool,
    endswith: bool,
}

impl Found<'_> {
    /// `content:!"..."`: succeeds when it is not in its window; the position stays.
    fn absent(
        &self,
        span: Span,
        rest: &[Op],
        data: &Data<'_>,
        pos: usize,
        state: &mut State<'_>,
    ) -> End {
        // A window that ends before the buffer does can't hold an end of it.
        let beside = self.endswith && span.end < data.bytes.len() as i64;
        let missing = if span.is_empty() || beside {
            true
        } else {
            match self.find(data, span.start as usize, span.end as usize) {
                None => true,
                // Only the first occurrence is looked at. Suricata 8 takes it to be at the end
                // when its end, counted from the buffer's beginning, is the window's length.
                Some(at) => {
                    self.endswith && (at + self.literal.len()) as i64 != span.end - span.start
                }
            }
        };
        if missing {
            return walk(rest, data, pos, state);
        }
        if self.relative { End::Retry } else { End::Stop }
    }

    fn present(
        &self,
        span: Span,
        rest: &[Op],
        data: &Data<'_>,
        relative_next: bool,
        state: &mut State<'_>,
    ) -> End {
        let missing = if self.relative { End::Retry } else { End::Stop };
        if span.is_empty() || self.endswith && (span.end < data.bytes.len() as i64 || !data.end) {
            return missing;
        }
        let (mut from, end) = (span.start as usize, span.end as usize);
        loop {
            let Some(at) = self.find(data, from, end) else { return missing };
            let behind = at + self.literal.len();
            if self.endswith && behind != data.bytes.len() {
                from = at + 1;
                continue;
            }
            match walk(rest, data, behind, state) {
                End::Match => return End::Match,
                End::Stop => return End::Stop,
                End::Retry if !relative_next => return End::Stop,
                End::Retry => from = at + 1,
            }
        }
    }

    fn find(&self, data: &Data<'_>, from: usize, end: usize) -> Option<usize> {
        self.literal.find(data.bytes.get(from..end)?).map(|at| from + at)
    }
}

/// Asks or changes a set. One that rules change is the same for all workers at the same packet
/// only if they take turns at it.
fn dataset(set: &SetUse, data: &Data<'_>, state: &mut State<'_>) -> bool {
    let Scratch { captured, refused_values, turn, .. } = &mut *state.scratch;
    if let Some(turn) = turn
        && set.is_written()
    {
        turn.wait();
    }
    set.check(data.bytes, captured, refused_values)
}

fn is_data_at(
    (at, relative, negated): (Operand, bool, bool),
    rest: &[Op],
    data: &Data<'_>,
    pos: usize,
    state: &mut State<'_>,
) -> End {
    let len = data.bytes.len() as i64;
    let at_value = state.place(at);
    // Suricata 8: absolute is true below the length, relative up to and including it.
    let there = if relative {
        (pos as i64).saturating_add(at_value) <= len
    } else {
        let base = i64::try_from(data.offset).unwrap_or(i64::MAX);
        at_value < len.saturating_add(base)
    };
    if there != negated {
        return walk(rest, data, pos, state);
    }
    // A constant place that is not there fails for good; with a variable an earlier match may
    // bring another value.
    let may_change = relative && negated || !relative && matches!(at, Operand::Variable(_));
    if may_change { End::Retry } else { End::Stop }
}

fn decode(
    (bytes, offset, relative): (u32, u32, bool),
    then: Option<&Program>,
    data: &Data<'_>,
    pos: usize,
    state: &mut State<'_>,
) -> End {
    let from = (offset as usize).saturating_add(if relative { pos } else { 0 });
    let Some(text) = data.bytes.get(from..) else { return End::Retry };
    let text = if bytes == 0 { text } else { &text[..text.len().min(bytes as usize)] };
    let mut decoded = state.scratch.decoded.pop().unwrap_or_default();
    decoded.clear();
    let some = base64::decode_until(text, &mut decoded);
    // Without `base64_data` the option never holds, and with it nothing behind it on the buffer
    // counts: both as Suricata 8 does.
    let holds = some
        && then.is_some_and(|program| {
            walk(&program.ops, &Data::whole(&decoded), 0, state) == End::Match
        });
    state.scratch.decoded.push(decoded);
    if holds { End::Match } else { End::Retry }
}

fn number(op: &Op, rest: &[Op], data: &Data<'_>, pos: usize, state: &mut State<'_>) -> End {
    match op {
        Op::ByteTest { extract: what, negated, op, value } => {
            if data.bytes.is_empty() {
                return End::Retry;
            }
            let Some((number, _)) = extract(what, data, pos, state) else { return End::Retry };
            let number = masked(number, what.mask);
            let holds = test(number, *op, state.number(*value));
            go_on(holds != *negated, rest, data, pos, state)
        }
        Op::ByteJump { extract: what, multiplier, align, from, post_offset } => {
            let Some((number, behind)) = extract(what, data, pos, state) else {
                return End::Retry;
            };
            let mut jump = masked(number, what.mask).wrapping_mul(u64::from((*multiplier).max(1)));
            if *align {
                jump = jump.saturating_add(3) & !3;
            }
            let base = match from {
                1 => 0,
                2 => data.bytes.len(),
                _ => behind,
            } as i64;
            let target = base
                // Numbers in text may be negative.
                .saturating_add(jump as i64)
                .saturating_add(state.signed(*post_offset))
                .max(0);
            if target > data.bytes.len() as i64 {
                return End::Retry;
            }
            walk(rest, data, target as usize, state)
        }
        Op::ByteExtract { extract: what, multiplier, align, variable } => {
            let Some((number, behind)) = extract(what, data, pos, state) else {
                return End::Retry;
            };
            let mut value = masked(number, what.mask).wrapping_mul(u64::from((*multiplier).max(1)));
            let step = u64::from(*align);
            if step > 1 {
                value = value.saturating_add(step - 1) / step * step;
            }
            state.set(*variable, value);
            walk(rest, data, behind, state)
        }
        Op::ByteMath { extract: what, op, value, variable } => {
            let Some((number, behind)) = extract(what, data, pos, state) else {
                return End::Retry;
            };
            let second = state.number(*value);
            let Some(result) = calculate(number, *op, second) else { return End::Retry };
            // Suricata 8 masks the result, not the number that was read.
            state.set(*variable, masked(result, what.mask));
            walk(rest, data, behind, state)
        }
        _ => End::Stop,
    }
}

const fn test(number: u64, op: ByteTestOp, value: u64) -> bool {
    match op {
        ByteTestOp::Less => number < value,
        ByteTestOp::Greater => number > value,
        ByteTestOp::Equal => number == value,
        ByteTestOp::LessEqual => number <= value,
        ByteTestOp::GreaterEqual => number >= value,
        ByteTestOp::And => number & value != 0,
        ByteTestOp::Xor => number ^ value != 0,
    }
}

const fn calculate(number: u64, op: MathOp, second: u64) -> Option<u64> {
    match op {
        MathOp::Add => Some(number.wrapping_add(second)),
        MathOp::Subtract => Some(number.wrapping_sub(second)),
        MathOp::Multiply => Some(number.wrapping_mul(second)),
        MathOp::Divide => number.checked_div(second),
        MathOp::ShiftLeft => Some(if second >= 64 { 0 } else { number << second }),
        MathOp::ShiftRight => Some(if second >= 64 { 0 } else { number >> second }),
    }
}
