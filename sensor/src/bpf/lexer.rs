//! Cuts the text of a filter into words and operators.

use super::parse::{ParseError, Result};

/// More tokens than this are refused; a filter of thousands of hosts still fits.
const MAX_TOKENS: usize = 65_536;

/// Operators of two characters, before those of one.
const OPERATORS: [&str; 25] = [
    "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "(", ")", "[", "]", "+", "-", "*", "/", "%",
    "&", "|", "^", "<", ">", "=", "!", ":",
];

/// A piece of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A name, number or address.
    Word(&'t str),
    /// A name with a backslash before it, which is no keyword then.
    Escaped(&'t str),
    /// An operator; the words `and`, `or` and `not` are given as `&&`, `||` and `!`.
    Operator(&'static str),
}

impl<'t> Token<'t> {
    /// The text for messages.
    pub(super) fn text(self) -> &'t str {
        match self {
            Self::Word(text) | Self::Escaped(text) => text,
            Self::Operator(text) => text,
        }
    }
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    let mut brackets = 0_usize;
    while let Some(first) = rest.chars().next() {
        if tokens.len() >= MAX_TOKENS {
            return Err(ParseError::new("filter expression is too long"));
        }
        let (token, after) = if first == '\\' {
            let (word, after) = word(rest.get(1..).unwrap_or_default(), false);
            (Token::Escaped(word), after)
        } else {
            // Between brackets a colon stands before the size, elsewhere it is part of addresses.
            let (name, after) = word(rest, brackets == 0);
            match name {
                "" => operator(rest)?,
                "and" => (Token::Operator("&&"), after),
                "or" => (Token::Operator("||"), after),
                "not" => (Token::Operator("!"), after),
                _ => (Token::Word(name), after),
            }
        };
        match token {
            Token::Operator("[") => brackets += 1,
            Token::Operator("]") => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn word(text: &str, colons: bool) -> (&str, &str) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    // A hyphen or dot may stand within a word, but not at its start.
    let inner = |c: char| fits(c) || matches!(c, '-' | '.');
    if !text.starts_with(fits) {
        return ("", text);
    }
    let end = text.find(|c| !inner(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn operator(text: &str) -> Result<(Token<'_>, &str)> {
    for operator in OPERATORS {
        if let Some(after) = text.strip_prefix(operator) {
            return Ok((Token::Operator(operator), after));
        }
    }
    let word = text.split_whitespace().next().unwrap_or(text);
    Err(ParseError::new(format!("syntax error in filter expression at \"{word}\"")))
}
