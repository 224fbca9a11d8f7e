//! Words of a rule: the header's seven and the options.

use crate::error::{Result, RuleError, Span};

/// A piece of the text and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'t> {
    pub(crate) text: &'t str,
    pub(crate) span: Span,
}

impl<'t> Word<'t> {
    /// The bytes `start..end` of `text`, without white space around them.
    fn trimmed(text: &'t str, start: usize, end: usize) -> Self {
        let raw = text.get(start..end).unwrap_or("");
        let front = raw.len() - raw.trim_ascii_start().len();
        let word = raw.trim_ascii();
        Self { text: word, span: Span::new(start + front, start + front + word.len()) }
    }
}

/// The header and where the options begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderWords<'t> {
    pub(crate) action: Word<'t>,
    pub(crate) protocol: Word<'t>,
    pub(crate) src: Word<'t>,
    pub(crate) src_ports: Word<'t>,
    pub(crate) direction: Word<'t>,
    pub(crate) dst: Word<'t>,
    pub(crate) dst_ports: Word<'t>,
    /// First byte of the options, behind the parenthesis.
    pub(crate) options: usize,
    /// Behind the last byte of the options.
    pub(crate) end: usize,
}

/// Splits a rule into the words of its header.
pub(crate) fn header(text: &str) -> Result<HeaderWords<'_>> {
    let mut at = 0;
    let mut next = || word(text, &mut at);
    let words = (next(), next(), next(), next(), next(), next(), next());
    let (
        Some(action),
        Some(protocol),
        Some(src),
        Some(src_ports),
        Some(direction),
        Some(dst),
        Some(dst_ports),
    ) = words
    else {
        return Err(RuleError::new("rule is missing parts of its header")
            .module("detect-parse")
            .advice("action protocol source port -> destination port ( options )")
            .at(Span::new(0, text.len())));
    };
    // The parentheses may be missing, as in Suricata 8.
    let rest = text.get(at..).unwrap_or("");
    let front = rest.len() - rest.trim_start().len();
    let mut options = at + front;
    if text.as_bytes().get(options) == Some(&b'(') {
        options += 1;
    }
    let body = text.get(options..).unwrap_or("").trim_end();
    let body = body.trim_end_matches(|c: char| c == ')' || c.is_ascii_whitespace());
    let end = options + body.len();
    Ok(HeaderWords { action, protocol, src, src_ports, direction, dst, dst_ports, options, end })
}

/// The next word; blanks within brackets belong to it.
fn word<'t>(text: &'t str, at: &mut usize) -> Option<Word<'t>> {
    let bytes = text.as_bytes();
    let mut start = *at;
    while bytes.get(start).is_some_and(u8::is_ascii_whitespace) {
        start += 1;
    }
    let mut end = start;
    let mut depth = 0usize;
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ if depth == 0 && byte.is_ascii_whitespace() => break,
            _ => {}
        }
        end += 1;
    }
    *at = end;
    (end > start).then(|| Word::trimmed(text, start, end))
}

/// An option: name and, after a colon, value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawOption<'t> {
    pub(crate) name: Word<'t>,
    pub(crate) value: Option<Word<'t>>,
    pub(crate) span: Span,
}

/// The options between two bytes of a rule.
pub(crate) struct Options<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> Options<'t> {
    pub(crate) const fn new(text: &'t str, at: usize, end: usize) -> Self {
        Self { text, at, end }
    }
}

impl<'t> Iterator for Options<'t> {
    type Item = Result<RawOption<'t>>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes().get(..self.end)?;
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        // A semicolon ends the option unless a backslash stands right before it.
        let rest = bytes.get(start..).unwrap_or(&[]);
        let found = memchr::memchr_iter(b';', rest)
            .map(|place| start + place)
            .find(|&place| place == start || bytes.get(place - 1) != Some(&b'\\'));
        let Some(stop) = found else {
            self.at = self.end;
            return Some(Err(RuleError::new("no terminating \";\" found")
                .module("detect-parse")
                .advice("end every option with a semicolon, the last one too")
                .at(Span::new(start, self.end))));
        };
        self.at = stop + 1;
        let option = bytes.get(start..stop).unwrap_or(&[]);
        let span = Span::new(start, stop);
        let option = match memchr::memchr(b':', option) {
            Some(colon) => RawOption {
                name: Word::trimmed(self.text, start, start + colon),
                value: Some(Word::trimmed(self.text, start + colon + 1, stop)),
                span,
            },
            None => RawOption { name: Word::trimmed(self.text, start, stop), value: None, span },
        };
        Some(Ok(option))
    }
}
