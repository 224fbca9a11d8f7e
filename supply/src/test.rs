//! Whether rules load, asked before they are used: of a function, so that this crate needs no
//! detection.

use std::fmt;
use std::path::Path;

use crate::rule_line::RuleLine;

/// Refused rules that are named one by one.
pub const MOST_NAMED: usize = 10;
/// Characters of a message that is told.
const MOST_MESSAGE: usize = 100;

/// Loads the rules of a set from its folder, as they would be used. Says why not if they can't be.
pub type Test<'a> = &'a dyn Fn(&Path) -> Result<Tested, String>;

/// What came of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Rules that load.
    pub loaded: u64,
    /// Rules that do not.
    pub refused: u64,
    /// Why not, with how many rules each reason is about; most frequent first.
    pub reasons: Vec<(String, u64)>,
    /// The first refused rules, [`MOST_NAMED`] at most.
    pub named: Vec<Refused>,
}

/// A rule that does not load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file, as people are to be told.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// Which rule it is, where that can be read: GID:SID and message.
    pub rule: Option<(String, String)>,
    /// Why.
    pub why: String,
}

impl Refused {
    /// A rule with this text.
    pub fn of(file: &str, line: u32, text: &str, why: &str) -> Self {
        let rule = RuleLine::parse(text).and_then(Result::ok);
        let rule = rule.map(|rule| {
            let msg = rule.msg.chars().take(MOST_MESSAGE).collect();
            (format!("{}:{}", rule.gid, rule.sid), msg)
        });
        Self { file: file.to_owned(), line, rule, why: why.to_owned() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some((id, msg)) = &self.rule {
            write!(f, "rule {id} {msg:?}: ")?;
        }
        f.write_str(&self.why)
    }
}

impl Tested {
    /// Whether so many rules load that the set may be used.
    ///
    /// # Errors
    /// When none loads, or more than `most` of all (a share between 0 and 1) are refused. The first
    /// refused rules are named.
    pub fn good_enough(&self, most: f64) -> Result<(), String> {
        let all = self.loaded.saturating_add(self.refused);
        let share = self.refused as f64 / all.max(1) as f64;
        let what = match self.loaded {
            0 if all == 0 => "there is no rule that is on in the set".to_owned(),
            0 => format!("none of {all} rules loads"),
            _ if share > most => {
                let are = if self.refused == 1 { "is" } else { "are" };
                let most = (most * 1000.0).round() / 10.0;
                format!("{} of {all} rules {are} refused, at most {most} % may be", self.refused)
            }
            _ => return Ok(()),
        };
        Err(match self.why() {
            why if why.is_empty() => what,
            why => format!("{what}: {why}"),
        })
    }

    /// The first refused rules, or the most frequent reason where no rule is named.
    fn why(&self) -> String {
        let mut named: Vec<String> =
            self.named.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        if let ([], Some((why, count))) = (named.as_slice(), self.reasons.first()) {
            let rules = if *count == 1 { "rule" } else { "rules" };
            return format!("{why} ({count} {rules})");
        }
        let more = self.refused.saturating_sub(named.len() as u64);
        if more > 0 && !named.is_empty() {
            named.push(format!("and {more} more"));
        }
        named.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_refused_are_no_set_to_use() {
        let cases: [(u64, u64, f64, Option<&str>); 7] = [
            (95, 5, 0.05, None),
            (94, 6, 0.05, Some("6 of 100 rules are refused, at most 5 % may be")),
            (0, 0, 0.05, Some("there is no rule that is on in the set")),
            (0, 3, 1.0, Some("none of 3 rules loads")),
            (1, 99, 1.0, None),
            (1, 0, 0.0, None),
            (
                999,
                1,
                0.0,
                Some("1 of 1000 rules is refused, at most 0 % may be: unknown keyword (1 rule)"),
            ),
        ];
        for (loaded, refused, most, expected) in cases {
            let reasons = vec![("unknown keyword".to_owned(), 1)];
            let said = Tested { loaded, refused, reasons, ..Tested::default() }.good_enough(most);
            match expected {
                None => assert_eq!(said, Ok(()), "{loaded} {refused}"),
                Some(part) => assert!(said.as_ref().unwrap_err().contains(part), "{said:?}"),
            }
        }
    }

    #[test]
    fn refused_rules_are_named() {
        let text = "alert ip any any -> any any (msg:\"a \\\"b\\\"\"; contnt:\"z\"; sid:7;)";
        let one = |line| Refused::of("local.rules", line, text, "unknown rule keyword 'contnt'");
        let none = Refused::of("local.rules", 4, "alert ip", "it has no options in ( )");
        assert_eq!(none.to_string(), "local.rules:4: it has no options in ( )");
        let named: Vec<Refused> = (1..=10).map(one).collect();
        let tested = Tested { loaded: 8, refused: 12, named, ..Tested::default() };
        let said = tested.good_enough(0.05).unwrap_err();
        let first = "12 of 20 rules are refused, at most 5 % may be: local.rules:1: rule 1:7 \
                     \"a \\\"b\\\"\": unknown rule keyword 'contnt'; local.rules:2: ";
        assert!(said.starts_with(first), "{said}");
        assert!(said.ends_with("; and 2 more"), "{said}");
        let tested = Tested { refused: 1, loaded: 7, named: vec![one(3)], ..Tested::default() };
        let said = tested.good_enough(0.05).unwrap_err();
        assert!(
            said.starts_with("1 of 8 rules is refused, at most 5 % may be: local.rules:3: rule")
        );
        assert!(!said.contains("more"), "{said}");
    }
}
