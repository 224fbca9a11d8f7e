//! `pcre` in a run of options: further matches when later options fail, and what is captured.

use rules::rule::Capture;

use super::{Captured, Data, End, State, go_on, walk};
use crate::content::compile::Op;
use crate::pcre::Regex;
use crate::queue::ContextValue;

pub(super) fn pcre(
    op: &Op,
    rest: &[Op],
    data: &Data<'_>,
    pos: usize,
    state: &mut State<'_>,
) -> End {
    let Op::Pcre { regex, negated, relative, relative_next, configured_limits, captures } = op
    else {
        return End::Stop;
    };
    // With R the subject begins at the position, so that `^` means there.
    let base = if *relative { pos } else { 0 };
    let Some(subject) = data.bytes.get(base..) else {
        return if *negated { walk(rest, data, pos, state) } else { End::Retry };
    };
    let mut from = 0;
    loop {
        let (found, span) = find(regex, *configured_limits, subject, from, state);
        if *negated {
            return go_on(!found, rest, data, pos, state);
        }
        if !found {
            return End::Retry;
        }
        let mark = state.scratch.captured.len();
        capture(captures, subject, *configured_limits, state);
        match walk(rest, data, base + span.1, state) {
            End::Match => return End::Match,
            End::Retry if *relative_next => {
                state.scratch.captured.truncate(mark);
                from = span.0 + 1;
            }
            _ => return End::Stop,
        }
    }
}

fn find(
    regex: &Regex,
    configured: bool,
    subject: &[u8],
    from: usize,
    state: &mut State<'_>,
) -> (bool, (usize, usize)) {
    let matcher =
        if configured { &mut state.scratch.configured } else { &mut state.scratch.matcher };
    let found = regex.find(subject, from, matcher);
    (found, matcher.group(0).unwrap_or((from, from)))
}

/// Most bytes that a captured value keeps, and a captured name.
const MAX_VALUE: usize = 65_535;
const MAX_NAME: usize = 255;

fn capture(captures: &[Capture], subject: &[u8], configured: bool, state: &mut State<'_>) {
    let scratch = &mut *state.scratch;
    let matcher = if configured { &scratch.configured } else { &scratch.matcher };
    let mut key = None;
    for (index, capture) in captures.iter().enumerate() {
        let Some((start, end)) = matcher.group(index + 1) else { continue };
        let Some(bytes) = subject.get(start..end.min(start + MAX_VALUE)) else { continue };
        let taken = match capture {
            Capture::Flow(name) => Captured::Flow(name.clone(), bytes.to_vec()),
            Capture::Packet(name) => Captured::Packet(name.clone(), bytes.to_vec()),
            Capture::Alert(name) => {
                Captured::Context(name.clone(), ContextValue::Text(bytes.to_vec()))
            }
            Capture::PacketKey => {
                let name = &bytes[..bytes.len().min(MAX_NAME)];
                key = Some(String::from_utf8_lossy(name).into_owned());
                continue;
            }
            Capture::PacketValue => match key.take() {
                Some(name) => Captured::Packet(name, bytes.to_vec()),
                None => continue,
            },
        };
        scratch.captured.push(taken);
    }
}
