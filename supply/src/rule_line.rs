//! A line of a rule file as text: whether it is on, who it is, and what it says of flowbits and
//! metadata. Whether it is a good rule is for the engine to say.

use std::borrow::Cow;

/// The actions that begin a rule (Suricata 8).
const ACTIONS: [&str; 9] =
    ["alert", "drop", "pass", "reject", "rejectsrc", "rejectdst", "rejectboth", "config", "accept"];

/// A rule, on or commented out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// False when it is commented out.
    pub enabled: bool,
    /// Signature.
    pub sid: u32,
    /// Generator; 1 unless it says otherwise.
    pub gid: u32,
    /// Revision; 0 unless it says otherwise.
    pub rev: u32,
    /// Its message, without quotes and escapes.
    pub msg: String,
    /// True when it makes no alert: `noalert` or `flowbits:noalert`.
    pub noalert: bool,
    /// Bits that it sets or toggles.
    pub sets: Vec<String>,
    /// Bits that it looks at.
    pub checks: Vec<String>,
    /// Keys with values.
    pub metadata: Vec<(String, String)>,
    text: String,
}

/// Why a line is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoRule {
    /// Where in the line, in bytes from 0.
    pub at: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// The lines of a file with their numbers from 1; lines that end with a backslash go on in the
/// next one. Comments do not go on (Suricata 8).
pub fn lines(text: &str) -> impl Iterator<Item = (u32, Cow<'_, str>)> {
    let mut rest = (1_u32..).zip(text.lines());
    std::iter::from_fn(move || {
        let (number, first) = rest.next()?;
        let goes_on = |line: &str| line.trim_end().ends_with('\\');
        if first.trim_start().starts_with('#') || !goes_on(first) {
            return Some((number, Cow::Borrowed(first)));
        }
        let mut whole = String::new();
        let mut line = first;
        loop {
            let end = line.trim_end();
            let Some(end) = end.strip_suffix('\\') else {
                whole.push_str(line);
                break;
            };
            whole.push_str(end);
            let Some((_, next)) = rest.next() else { break };
            line = next;
        }
        Some((number, Cow::Owned(whole)))
    })
}

impl RuleLine {
    /// Reads a line; none if it is empty or a comment that is no rule.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(line: &str) -> Option<Result<Self, NoRule>> {
        let text = line.trim().trim_start_matches('\u{feff}');
        if text.is_empty() {
            return None;
        }
        let body = text.trim_start_matches(|c: char| c == '#' || c.is_whitespace());
        if body.len() == text.len() {
            return Some(Self::rule(text, true));
        }
        Self::rule(body, false).ok().map(Ok)
    }

    fn rule(text: &str, enabled: bool) -> Result<Self, NoRule> {
        let wrong = |at, why| NoRule { at, why };
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let action = text.get(..end).unwrap_or_default();
        // `accept:hook` of firewall rules.
        let word = action.split(':').next().unwrap_or_default();
        if !ACTIONS.contains(&word) {
            return Err(wrong(0, "it does not begin with an action such as `alert`"));
        }
        if text.contains(['\n', '\r', '\0']) {
            return Err(wrong(0, "a rule is one line"));
        }
        let open = text.find('(').ok_or_else(|| wrong(text.len(), "it has no options in ( )"))?;
        let from = open + 1;
        let body = text.get(from..).and_then(|body| body.strip_suffix(')'));
        let body = body.ok_or_else(|| wrong(text.len(), "it does not end with `)`"))?;
        let mut rule = Self {
            enabled,
            sid: 0,
            gid: 1,
            rev: 0,
            msg: String::new(),
            noalert: false,
            sets: Vec::new(),
            checks: Vec::new(),
            metadata: Vec::new(),
            text: text.to_owned(),
        };
        for (at, name, value) in options(body) {
            rule.option(name, value).map_err(|why| wrong(from + at, why))?;
        }
        match rule.sid {
            0 => Err(wrong(text.len(), "it has no sid")),
            _ => Ok(rule),
        }
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let number = |why| value.parse::<u32>().map_err(|_| why);
        match name {
            "sid" => {
                self.sid = number("its sid is no number up to 4294967295")?;
                if self.sid == 0 {
                    return Err("its sid is 0");
                }
            }
            "gid" => self.gid = number("its gid is no number up to 4294967295")?,
            "rev" => self.rev = number("its rev is no number up to 4294967295")?,
            "msg" => self.msg = plain(value),
            "noalert" => self.noalert = true,
            "flowbits" => self.flowbits(value),
            "metadata" => {
                for pair in value.split(',') {
                    let pair = pair.trim();
                    let (key, value) = pair.split_once(char::is_whitespace).unwrap_or((pair, ""));
                    self.metadata.push((key.to_owned(), value.trim().to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn flowbits(&mut self, value: &str) {
        let (command, names) = value.split_once(',').unwrap_or((value, ""));
        let bits = match command.trim() {
            "noalert" => {
                self.noalert = true;
                return;
            }
            "set" | "toggle" => &mut self.sets,
            "isset" | "isnotset" => &mut self.checks,
            _ => return,
        };
        let names = names.split('|').map(str::trim).filter(|name| !name.is_empty());
        bits.extend(names.map(str::to_owned));
    }

    /// As it is written, without the sign that comments it out.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What becomes of a match: the word that it begins with.
    pub fn action(&self) -> &str {
        self.text.split_whitespace().next().unwrap_or_default()
    }

    /// Another action in place of its own.
    pub fn set_action(&mut self, action: &str) {
        let end = self.action().len();
        self.text.replace_range(..end, action);
    }

    /// It matches without an alert from here on.
    pub fn silence(&mut self) {
        if !self.noalert && self.text.ends_with(')') {
            self.noalert = true;
            self.text.pop();
            let ended = self.text.trim_end().ends_with(';');
            self.text.push_str(if ended { " noalert;)" } else { "; noalert;)" });
        }
    }

    /// The rule of another text, on or off as this one.
    ///
    /// # Errors
    /// When that is none.
    pub fn with_text(&self, text: &str) -> Result<Self, NoRule> {
        Self::rule(text.trim(), self.enabled)
    }

    /// Another text at the place of an option's value, from the first to the last byte of it.
    pub(crate) fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        if self.text.get(range.clone()).is_some() {
            self.text.replace_range(range, with);
        }
    }

    /// Options with the place in [`RuleLine::text`] where their values begin.
    pub(crate) fn options(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        let from = self.text.find('(').map_or(self.text.len(), |open| open + 1);
        let body = self.text.get(from..).unwrap_or_default();
        let body = body.strip_suffix(')').unwrap_or(body);
        options(body).map(move |(_, name, value)| {
            // Both are parts of the same text.
            let at = value.as_ptr() as usize - self.text.as_ptr() as usize;
            (at, name, value)
        })
    }
}

/// Options with their places. They end at a semicolon that no backslash escapes, in quotes or not,
/// as Suricata 8 has it.
fn options(body: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = body.get(from..).filter(|rest| !rest.is_empty())?;
            let bytes = rest.as_bytes();
            let ends = |at: &usize| {
                bytes.get(*at) == Some(&b';') && (*at == 0 || bytes.get(at - 1) != Some(&b'\\'))
            };
            let end = (0..bytes.len()).find(ends).unwrap_or(bytes.len());
            let at = from;
            from += end + 1;
            let option = rest.get(..end).unwrap_or_default();
            let (name, value) = match option.split_once(':') {
                Some((name, value)) => (name, value),
                None => (option, option.get(option.len()..).unwrap_or_default()),
            };
            if !option.trim().is_empty() {
                return Some((at, name.trim(), value.trim()));
            }
        }
    })
}

/// Without quotes and escapes.
fn plain(value: &str) -> String {
    let value = value.strip_prefix('"').unwrap_or(value);
    let value = value.strip_suffix('"').unwrap_or(value);
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = chars.peek().filter(|next| matches!(next, '"' | ';' | ':' | '\\'));
        match (c, escaped.copied()) {
            ('\\', Some(next)) => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(line: &str) -> RuleLine {
        RuleLine::parse(line).unwrap().unwrap()
    }

    #[test]
    fn heads_and_options_are_read() {
        let line = r#"# alert http $HOME_NET any -> any ![80,81] (msg:"a \"b\" \; (c)"; content:"sid:9\;"; flowbits:set,a|b; flowbits: isset , c; flowbits:noalert; metadata:created_at 2020_01_01, tag x y; classtype:t; sid:12; gid:3; rev:4;)"#;
        let rule = rule(line);
        assert!(!rule.enabled);
        assert_eq!((rule.gid, rule.sid, rule.rev), (3, 12, 4));
        assert_eq!(rule.msg, r#"a "b" ; (c)"#);
        assert_eq!(rule.sets, ["a", "b"]);
        assert_eq!(rule.checks, ["c"]);
        assert!(rule.noalert);
        let pairs: Vec<_> = rule.metadata.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(pairs, ["created_at=2020_01_01", "tag=x y"]);
        assert_eq!(rule.text(), &line[2..]);
        assert_eq!(rule.action(), "alert");
    }

    #[test]
    fn what_is_no_rule_is_told() {
        let check = |line: &str, expected: Option<&str>| {
            let said = RuleLine::parse(line).map(|rule| rule.unwrap_err().why);
            match (said, expected) {
                (None, None) => {}
                (Some(why), Some(part)) if why.contains(part) => {}
                (said, _) => panic!("{line}: {said:?}"),
            }
        };
        check("", None);
        check("   ", None);
        check("# a comment", None);
        check("## alert me (please)", None);
        check("#alert tcp any any -> any any (sid:x;)", None);
        check("<html>", Some("action"));
        check("alert", Some("options"));
        check("alert tcp any any -> any any (sid:1;", Some("`)`"));
        check("alert tcp any any -> any any (msg:\"x\";)", Some("no sid"));
        check("alert tcp any any -> any any (sid:0;)", Some("sid is 0"));
        check("alert tcp any any -> any any (sid:-1;)", Some("no number"));
        check("alert tcp any any -> any any (sid:4294967296;)", Some("no number"));
        check("alert tcp any any -> any any (sid:1; rev:x;)", Some("its rev"));
        check("alert\u{a0}(", Some("`)`"));
        check(")(", Some("action"));
    }

    #[test]
    fn lines_that_go_on_are_one() {
        let text = "alert tcp any any -> any any \\\n (sid:1;)\n# no \\\nalert x\r\nlast \\";
        let all: Vec<_> = lines(text).map(|(number, line)| format!("{number}:{line}")).collect();
        let expected =
            ["1:alert tcp any any -> any any  (sid:1;)", "3:# no \\", "4:alert x", "5:last "];
        assert_eq!(all, expected);
    }

    #[test]
    fn rules_are_changed_where_they_should_be() {
        let mut one = rule("alert tcp any any -> any any (msg:\"alert\"; sid:1)");
        one.set_action("drop");
        one.silence();
        one.silence();
        assert_eq!(one.text(), "drop tcp any any -> any any (msg:\"alert\"; sid:1; noalert;)");
        let two = one.with_text("pass ip any any -> any any (sid:7;)").unwrap();
        assert_eq!((two.sid, two.noalert), (7, false));
        assert!(one.with_text("nothing").is_err());
        let place = two.options().find(|(_, name, _)| *name == "sid").unwrap();
        assert_eq!(&two.text()[place.0..=place.0], "7");
    }

    #[test]
    fn anything_is_read_without_a_panic() {
        for line in [
            "alert (\\",
            "alert ()",
            "alert (;)",
            "alert (:;)",
            "#(",
            "alert (sid:1;ä)",
            "alert ä(sid:1)",
        ] {
            let _ = RuleLine::parse(line).map(|rule| rule.map(|rule| rule.options().count()));
        }
    }
}
