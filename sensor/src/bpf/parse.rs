//! From the tokens of a filter to its tree: `and`, `or`, `not` and parentheses.

use super::Expression;
use super::frame::Layers;
use super::lexer::{Token, tokens};
use super::primitive::Kind;

/// Parentheses, negations and operators may nest so deep.
pub(super) const MAX_DEPTH: usize = 200;

/// Why a filter cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ParseError(String);

impl ParseError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

pub(super) type Result<T> = std::result::Result<T, ParseError>;

pub(super) fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(ParseError::new(text))
}

/// Parses a whole expression; an empty one passes everything.
pub(super) fn parse(text: &str) -> Result<Expression> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Expression::Always);
    }
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        kind: Kind::default(),
        layers: Layers::default(),
        operators: 0,
    };
    let root = parser.chain(0)?;
    match parser.peek() {
        None => Ok(root),
        Some(token) => refuse(format!("syntax error in filter expression at \"{}\"", token.text())),
    }
}

pub(super) struct Parser<'t> {
    tokens: &'t [Token<'t>],
    pub(super) at: usize,
    /// What the last value was, for values that follow without any qualifier.
    pub(super) kind: Kind,
    /// The headers that words so far have gone behind.
    pub(super) layers: Layers,
    /// Operators in the current comparison.
    pub(super) operators: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, distance: usize) -> Option<Token<'t>> {
        self.tokens.get(self.at + distance).copied()
    }

    /// Goes over an operator if it comes next.
    pub(super) fn accept(&mut self, operator: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Operator(own)) if own == operator);
        self.at += usize::from(there);
        there
    }

    /// Goes over a word if it comes next.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(Token::Word(word));
        self.at += usize::from(there);
        there
    }

    pub(super) fn expect(&mut self, operator: &str) -> Result<()> {
        match self.accept(operator) {
            true => Ok(()),
            false => self.unexpected(&format!("\"{operator}\"")),
        }
    }

    /// The next word, whatever it is.
    pub(super) fn take(&mut self, what: &str) -> Result<&'t str> {
        match self.peek() {
            Some(Token::Word(word) | Token::Escaped(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.unexpected(what),
        }
    }

    pub(super) fn unexpected<T>(&self, what: &str) -> Result<T> {
        match self.peek() {
            Some(token) => refuse(format!(
                "syntax error in filter expression at \"{}\": {what} is missing",
                token.text()
            )),
            None => refuse(format!("syntax error in filter expression: {what} is missing")),
        }
    }

    /// `and` and `or` bind equally and to the left, as in libpcap.
    pub(super) fn chain(&mut self, depth: usize) -> Result<Expression> {
        let first = self.negation(depth)?;
        let mut others = Vec::new();
        loop {
            let and = self.accept("&&");
            if !and && !self.accept("||") {
                break;
            }
            others.push((and, self.negation(depth)?));
        }
        Ok(match others.is_empty() {
            true => first,
            false => Expression::Chain(Box::new(first), others),
        })
    }

    fn negation(&mut self, depth: usize) -> Result<Expression> {
        if depth > MAX_DEPTH {
            return refuse("filter expression is nested too deeply");
        }
        if self.accept("!") {
            return Ok(Expression::Not(Box::new(self.negation(depth + 1)?)));
        }
        if self.computes() {
            return self.comparison(depth);
        }
        if self.peek() == Some(Token::Operator("(")) {
            return self.parenthesis(depth);
        }
        self.primitive(depth)
    }

    /// `(a or b)` or `(a + b) > c`: the one that goes further is what was meant.
    fn parenthesis(&mut self, depth: usize) -> Result<Expression> {
        let start = self.at;
        let computed = self.comparison(depth);
        let reached = self.at;
        let computed = match computed {
            Ok(comparison) => return Ok(comparison),
            Err(error) => error,
        };
        self.at = start + 1;
        let inner = self.chain(depth + 1).and_then(|inner| {
            self.expect(")")?;
            Ok(inner)
        });
        match inner {
            Err(_) if reached > self.at => Err(computed),
            inner => inner,
        }
    }
}
