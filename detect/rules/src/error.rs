//! Why a rule was refused or warned about, and where in its text.

use std::borrow::Cow;

/// A range of bytes in the text of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// From byte positions; texts longer than 4 GiB do not occur.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end) }
    }

    /// True without any byte.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The same range as `usize`s.
    pub const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One reason for which a rule was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// Where; empty until the parser puts in the option it was at.
    pub span: Span,
    /// Suricata 8's component, e.g. `detect-within`; empty: the option's own.
    pub module: Cow<'static, str>,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// What to write instead.
    pub advice: Option<Cow<'static, str>>,
    /// Suricata 8 writes no reason of its own for it to the log.
    pub silent: bool,
}

impl RuleError {
    /// A reason at a place that the parser fills in.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            span: Span::default(),
            module: Cow::Borrowed(""),
            message: message.into(),
            advice: None,
            silent: false,
        }
    }

    /// With the component that reports it.
    #[must_use]
    pub fn module(mut self, module: impl Into<Cow<'static, str>>) -> Self {
        self.module = module.into();
        self
    }

    /// With what to write instead.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// With the place, unless it has one.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        if self.span.is_empty() {
            self.span = span;
        }
        self
    }

    /// Without a record of its own in a log that is to look like Suricata 8's.
    #[must_use]
    pub const fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

/// Something odd in a rule that loads all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleWarning {
    /// Where.
    pub span: Span,
    /// Component that reports it.
    pub module: Cow<'static, str>,
    /// What is odd.
    pub message: Cow<'static, str>,
}

/// Result of everything that reads a part of a rule.
pub type Result<T, E = RuleError> = std::result::Result<T, E>;

/// Shorthand for a refusal.
pub(crate) fn refuse<T>(message: impl Into<Cow<'static, str>>) -> Result<T> {
    Err(RuleError::new(message))
}
