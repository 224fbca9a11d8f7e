//! From the text of a condition to the condition.
//!
//! `a.b = 1 and (c in [x, y] or not d contains "z")`; operators `=`, `!=`, `<`, `<=`, `>`, `>=`,
//! `in`, `contains`; a field alone asks whether it is there.

use std::net::IpAddr;

use super::condition::{Condition, Literal, Test};

/// Parentheses and negations within each other.
const DEEPEST: usize = 64;

/// Reads a condition.
///
/// # Errors
/// With the column, what was wrong there, and what is possible.
pub(super) fn parse(text: &str) -> Result<Condition, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let condition = parser.any()?;
    match parser.peek() {
        None => Ok(condition),
        Some(_) => Err(parser.unexpected("and, or or the end is expected")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.part()?];
        while self.word("and") {
            parts.push(self.part()?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn part(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("too deeply nested"));
        }
        let part = if self.word("not") {
            Condition::Not(Box::new(self.part()?))
        } else if self.sign("(") {
            let inner = self.any()?;
            if !self.sign(")") {
                return Err(self.unexpected(") is missing"));
            }
            inner
        } else {
            self.field()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn field(&mut self) -> Result<Condition, String> {
        let name = self.bare().filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()));
        let Some(name) = name else {
            return Err(self.unexpected("the name of a field is expected"));
        };
        if let Some(name) = name.strip_suffix(':') {
            self.at -= name.len() + 1;
            return Err(self.wrong(&format!("write `{name} = ...`")));
        }
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let field = |test| Condition::Field(path.clone(), test);
        if self.sign("!=") {
            let literal = self.literal()?;
            return Ok(Condition::Not(Box::new(field(Test::In(vec![literal])))));
        }
        let test = if self.sign("<=") {
            Test::AtMost(self.number()?)
        } else if self.sign(">=") {
            Test::AtLeast(self.number()?)
        } else if self.sign("<") {
            Test::Less(self.number()?)
        } else if self.sign(">") {
            Test::Greater(self.number()?)
        } else if self.sign("=") {
            Test::In(vec![self.literal()?])
        } else if self.word("contains") {
            match self.literal()? {
                Literal::Text(text) => Test::Contains(text),
                _ => return Err(self.wrong("contains asks for text in quotes")),
            }
        } else if self.word("in") {
            Test::In(self.list()?)
        } else {
            Test::Exists
        };
        Ok(field(test))
    }

    fn list(&mut self) -> Result<Vec<Literal>, String> {
        if !self.sign("[") {
            if self.peek() == Some('(') {
                return Err(self.wrong("a list is in brackets: [1, 2]"));
            }
            return Ok(vec![self.literal()?]);
        }
        let mut list = vec![self.literal()?];
        while self.sign(",") {
            list.push(self.literal()?);
        }
        if self.sign("]") { Ok(list) } else { Err(self.wrong("] or , is expected")) }
    }

    fn number(&mut self) -> Result<f64, String> {
        let start = self.start();
        match self.literal()? {
            Literal::Number(number) => Ok(number),
            _ => {
                self.at = start;
                Err(self.wrong("a number is expected"))
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        let start = self.start();
        if let Some(rest) = self.text[start..].strip_prefix('"') {
            let Some(length) = rest.find('"') else {
                self.at = start;
                return Err(self.wrong("the text has no end"));
            };
            self.at = start + length + 2;
            return Ok(Literal::Text(rest[..length].to_owned()));
        }
        let Some(word) = self.bare() else {
            return Err(self.unexpected("a number, a network or text in double quotes is expected"));
        };
        if let Ok(number) = word.parse::<f64>() {
            return Ok(Literal::Number(number));
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return Ok(Literal::Network(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        let Some((address, bits)) = word.split_once('/') else {
            return Ok(Literal::Text(word.to_owned()));
        };
        let network = address.parse::<IpAddr>().ok().zip(bits.parse::<u8>().ok());
        match network.filter(|(address, bits)| *bits <= if address.is_ipv4() { 32 } else { 128 }) {
            Some((address, bits)) => Ok(Literal::Network(address, bits)),
            None => {
                self.at = start;
                Err(self.wrong(&format!("{word} is no network; text goes in quotes")))
            }
        }
    }

    /// Letters, digits and what names, numbers and addresses are made of.
    fn bare(&mut self) -> Option<&'a str> {
        let start = self.start();
        let is_part = |c: char| c.is_alphanumeric() || "_.-:/@".contains(c);
        let rest = &self.text[start..];
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at = start + length;
        (length > 0).then(|| &rest[..length])
    }

    fn word(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.bare() == Some(word);
        if !found {
            self.at = before;
        }
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let start = self.start();
        let found = self.text[start..].starts_with(sign);
        if found {
            self.at = start + sign.len();
        }
        found
    }

    fn peek(&mut self) -> Option<char> {
        let start = self.start();
        self.text[start..].chars().next()
    }

    /// Where the next word begins.
    fn start(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at + (rest.len() - rest.trim_start().len())
    }

    /// What stands there is not what is expected; people who know other languages are told how it
    /// is said here.
    fn unexpected(&mut self, expected: &str) -> String {
        let start = self.start();
        let (before, rest) = self.text.split_at_checked(start).unwrap_or((self.text, ""));
        let word = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let small = word.to_lowercase();
        let hint = match (rest, small.as_str()) {
            _ if rest.starts_with("&&") => "write `and`",
            _ if rest.starts_with("||") => "write `or`",
            _ if rest.starts_with('!') => "write `not`",
            _ if rest.starts_with('=') && before.ends_with('=') => "= is enough",
            _ if rest.starts_with('>') && before.ends_with('<') => "write `!=`",
            _ if rest.starts_with('~') => {
                "there are no patterns: `contains` looks for a part of a text"
            }
            _ if rest.starts_with('\'') => "text has double quotes: \"tcp\"",
            (_, "and" | "or" | "in" | "contains") if small != word => {
                return self.wrong(&format!("write `{small}` in small letters"));
            }
            (_, "not") => "`not` in small letters stands before the field: not a in [1, 2]",
            _ => expected,
        };
        self.wrong(hint)
    }

    fn wrong(&mut self, what: &str) -> String {
        let column = self.text[..self.start()].chars().count() + 1;
        format!("where, column {column}: {what}")
    }
}

fn one_or(mut parts: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 { parts.swap_remove(0) } else { join(parts) }
}
