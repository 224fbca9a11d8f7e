//! Byte expressions and comparisons: `tcp[tcpflags] & tcp-syn != 0`.

use super::arithmetic::{Arithmetic, Base, Operator, Relation};
use super::lexer::Token;
use super::names;
use super::parse::{MAX_DEPTH, Parser, Result, refuse};
use super::{Expression, Test};

/// Operators from the weakest to the strongest, as libpcap binds them.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("|", Operator::Or)],
    &[("^", Operator::Xor)],
    &[("&", Operator::And)],
    &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

const RELATIONS: [(&str, Relation); 7] = [
    ("=", Relation::Equal),
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    (">", Relation::Greater),
    ("<", Relation::Less),
    (">=", Relation::GreaterOrEqual),
    ("<=", Relation::LessOrEqual),
];

impl Parser<'_> {
    /// Whether a comparison starts here; after a parenthesis only trying can tell.
    pub(super) fn computes(&self) -> bool {
        match (self.peek(), self.peek_at(1)) {
            (Some(Token::Operator("-")), _) | (Some(Token::Word("len")), _) => true,
            (Some(Token::Word(_)), Some(Token::Operator("["))) => true,
            (Some(Token::Word(word)), Some(Token::Operator(operator))) => {
                names::value(word).is_some() && !matches!(operator, "&&" | "||" | "(" | ")" | "!")
            }
            _ => false,
        }
    }

    /// `expression relation expression`.
    pub(super) fn comparison(&mut self, depth: usize) -> Result<Expression> {
        self.operators = 0;
        let left = self.sum(0, depth)?;
        let relation = RELATIONS.iter().find(|(text, _)| self.accept(text));
        let Some((_, relation)) = relation else { return self.unexpected("a comparison") };
        let right = self.sum(0, depth)?;
        Ok(Expression::Test(self.layers, Test::Compare(*relation, left, right)))
    }

    fn sum(&mut self, level: usize, depth: usize) -> Result<Arithmetic> {
        let Some(operators) = LEVELS.get(level) else { return self.operand(depth) };
        let mut left = self.sum(level + 1, depth)?;
        while let Some((_, operator)) = operators.iter().find(|(text, _)| self.accept(text)) {
            self.operators += 1;
            if self.operators > MAX_DEPTH {
                return refuse("filter expression has too many operators in one comparison");
            }
            let right = self.sum(level + 1, depth)?;
            left = match (operator, left, right) {
                (Operator::Divide | Operator::Remainder, _, Arithmetic::Number(0)) => {
                    return refuse("filter expression: division by zero");
                }
                (operator, Arithmetic::Number(a), Arithmetic::Number(b)) => {
                    Arithmetic::Number(operator.apply(a, b).unwrap_or(0))
                }
                (operator, left, right) => {
                    Arithmetic::Binary(*operator, Box::new(left), Box::new(right))
                }
            };
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Arithmetic> {
        if depth > MAX_DEPTH {
            return refuse("filter expression is nested too deeply");
        }
        if self.accept("-") {
            let inner = self.operand(depth + 1)?;
            // Times minus one, which keeps the protocol checks of the left side.
            let minus = Box::new(Arithmetic::Number(u32::MAX));
            return Ok(Arithmetic::Binary(Operator::Multiply, Box::new(inner), minus));
        }
        if self.accept("(") {
            let inner = self.sum(0, depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let Some(Token::Word(word)) = self.peek() else { return self.unexpected("a number") };
        if self.peek_at(1) == Some(Token::Operator("[")) {
            return self.bytes(word, depth);
        }
        let operand = match names::value(word) {
            Some(number) => Arithmetic::Number(number),
            None if word == "len" => Arithmetic::Length,
            None => return self.unexpected("a number"),
        };
        self.at += 1;
        Ok(operand)
    }

    /// `protocol[offset:size]`.
    fn bytes(&mut self, word: &str, depth: usize) -> Result<Arithmetic> {
        let Some(base) = base(word) else {
            return refuse(format!("filter expression: bytes of \"{word}\" are not supported"));
        };
        self.at += 1;
        self.expect("[")?;
        let offset = Box::new(self.sum(0, depth + 1)?);
        let size = match self.accept(":") {
            false => 1,
            true => match self.take("a size")? {
                "1" => 1,
                "2" => 2,
                "4" => 4,
                other => {
                    return refuse(format!("data size must be 1, 2, or 4, not \"{other}\""));
                }
            },
        };
        self.expect("]")?;
        Ok(Arithmetic::Load { base, layers: self.layers, offset, size })
    }
}

fn base(word: &str) -> Option<Base> {
    match (word, &names::protocol(word)?.test) {
        ("ether" | "link", _) => Some(Base::Link),
        ("icmp6", _) => Some(Base::Icmp6),
        ("ah" | "esp" | "gre", _) => None,
        (_, Test::EtherTypes([kind])) => Some(Base::Network(*kind)),
        (_, Test::Protocol(number, _)) => Some(Base::Transport(*number)),
        _ => None,
    }
}
