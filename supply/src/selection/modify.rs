//! modify.conf: a search and a replacement in the text of rules, also in Oinkmaster's words.

use std::ops::Range;

use regex::{Captures, Regex};

use super::Candidate;
use super::matcher::{Matcher, expression};
use super::place::{Place, SelectionError, telling};

const FORM: &str =
    "write `MATCH \"FROM\" \"TO\"`, e.g. `2019401 \"seconds \\d+\" \"seconds 3600\"`";
const FORM_OF_METADATA: &str = "write `metadata-add MATCH \"KEY\" \"VALUE\"`, e.g. `metadata-add re:\"ET DOS\" \"team\" \"blue\"`";
/// The end of a rule, where metadata is added.
const END: &str = r";\s*\)$";
/// What a rule may become, in bytes.
const MOST: usize = 64 * 1024;

/// The lines of the file.
#[derive(Debug, Default)]
pub(super) struct Modify {
    file: String,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    line: u32,
    text: String,
    rules: Vec<Matcher>,
    from: Regex,
    to: Vec<Part>,
    met: bool,
    /// It found in a rule what it replaces.
    found: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

/// A word of a line: what it says, and where it stands.
struct Word {
    says: String,
    at: Range<usize>,
    quoted: bool,
}

impl Modify {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, SelectionError> {
        let changes = telling(file, text).map(|place| change(&place)).collect::<Result<_, _>>()?;
        Ok(Self { file: file.to_owned(), changes })
    }

    /// Changes a rule by all lines that mean it, in their order; true when it is another now.
    pub(super) fn apply(&mut self, candidate: &mut Candidate) -> Result<bool, SelectionError> {
        let mut changed = false;
        for change in &mut self.changes {
            if !change.rules.iter().any(|matcher| matcher.fits(candidate)) {
                continue;
            }
            change.met = true;
            let rule = &candidate.rule;
            change.found = change.found || change.from.is_match(rule.text());
            let replaced = change
                .from
                .replace_all(rule.text(), |groups: &Captures<'_>| fill(&change.to, groups));
            if replaced == rule.text() {
                continue;
            }
            let place = Place { file: &self.file, line: change.line, text: &change.text };
            let id = format!("{}:{}", rule.gid, rule.sid);
            let wrong = |why: &str| {
                let what = format!("rule {id} is none any more: {why}");
                place.wrong(0, what, "change FROM or TO, or name fewer rules")
            };
            if replaced.len() > MOST {
                return Err(wrong("it is longer than 64 KiB"));
            }
            candidate.rule = rule.with_text(&replaced).map_err(|error| wrong(error.why))?;
            changed = true;
        }
        Ok(changed)
    }

    /// Lines that met no rule, or found nothing in the rules that they mean.
    pub(super) fn idle(&self) -> impl Iterator<Item = String> {
        let idle = self.changes.iter().filter(|change| !change.found);
        idle.map(|change| {
            let (line, text) = (change.line, change.text.trim());
            match change.met {
                false => format!("{}:{line}: no rule is meant by `{text}`", self.file),
                true => format!(
                    "{}:{line}: what is to be replaced is in none of the rules that are meant by \
                     `{text}`",
                    self.file
                ),
            }
        })
    }
}

fn fill(parts: &[Part], groups: &Captures<'_>) -> String {
    let found = |part: Option<regex::Match<'_>>| part.map_or("", |part| part.as_str()).to_owned();
    let parts = parts.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Group(number) => found(groups.get(*number)),
        Part::Named(name) => found(groups.name(name)),
    });
    parts.collect()
}

fn change(place: &Place<'_>) -> Result<Change, SelectionError> {
    let mut words = words(place)?;
    if words.first().is_some_and(|word| word.says == "metadata-add" && !word.quoted) {
        return addition(place, &words);
    }
    let is_oinkmaster = words.first().is_some_and(|word| word.says == "modifysid" && !word.quoted);
    if is_oinkmaster {
        words.remove(0);
        // `SID, SID "FROM" | "TO"`
        words.retain(|word| word.quoted || word.says != "|");
    }
    let [rules @ .., from, to] = words.as_slice() else {
        return Err(place.wrong(place.text.len(), "something is missing", FORM));
    };
    let [first, ..] = rules else {
        return Err(place.wrong(from.at.start, "it does not say which rules", FORM));
    };
    // Blanks may stand between several ids, and behind `metadata:`.
    let meant = match rules {
        [one] => one.says.clone(),
        many => many.iter().map(|word| word.says.as_str()).collect::<Vec<_>>().join(" "),
    };
    let lists = |text: &str| text.starts_with("metadata:") || text.contains(',');
    if let [_, second, ..] = rules
        && !lists(&meant)
    {
        let what = "there are more than three parts";
        return Err(place.wrong(second.at.start, what, "put parts with blanks in quotes"));
    }
    let matchers = Matcher::parse(&meant, first.at.start, place)?;
    let expression = expression(&from.says, false, from.at.start, place)?;
    let to_parts = parts(&to.says, is_oinkmaster);
    for part in &to_parts {
        let missing = match part {
            Part::Group(number) if *number >= expression.captures_len() => number.to_string(),
            Part::Named(name) if !expression.capture_names().flatten().any(|one| one == name) => {
                name.clone()
            }
            _ => continue,
        };
        let what = format!("group {missing} is not in the expression");
        let instead = "put what is to be kept in ( ), the first is \\1";
        return Err(place.wrong(to.at.start, what, instead));
    }
    Ok(Change {
        line: place.line,
        text: place.text.to_owned(),
        rules: matchers,
        from: expression,
        to: to_parts,
        met: false,
        found: false,
    })
}

/// `metadata-add MATCH KEY VALUE`: one more option at the end of the rule, as suricata-update has it.
fn addition(place: &Place<'_>, words: &[Word]) -> Result<Change, SelectionError> {
    let [_, rules, key, value] = words else {
        let at = words.get(4).map_or(place.text.len(), |word| word.at.start);
        return Err(place.wrong(at, "`metadata-add` has three parts behind it", FORM_OF_METADATA));
    };
    let wrong = |word: &Word, what: &str| place.wrong(word.at.start, what, FORM_OF_METADATA);
    let is_text = |word: &Word| {
        let ends = |c: char| matches!(c, ';' | ',' | '"') || c.is_control();
        !word.says.trim().is_empty() && !word.says.contains(ends)
    };
    if !is_text(key) || key.says.contains(char::is_whitespace) {
        return Err(wrong(key, "a key is one word without `,`, `;` and quotes"));
    }
    if !is_text(value) {
        return Err(wrong(value, "a value is a text without `,`, `;` and quotes"));
    }
    Ok(Change {
        line: place.line,
        text: place.text.to_owned(),
        rules: Matcher::parse(&rules.says, rules.at.start, place)?,
        from: expression(END, false, 0, place)?,
        to: vec![Part::Text(format!("; metadata:{} {};)", key.says, value.says.trim()))],
        met: false,
        found: false,
    })
}

/// Words with blanks between them. In double quotes a backslash makes a quote or a backslash one
/// of the text; before anything else it stays, so that expressions need no more of them.
fn words(place: &Place<'_>) -> Result<Vec<Word>, SelectionError> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote: Option<(usize, char)> = None;
    let mut chars = place.text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(open.take());
            continue;
        }
        if quote.is_none() && c == '#' && open.is_none() && words.len() >= 3 {
            break;
        }
        let word = open.get_or_insert(Word { says: String::new(), at: at..at, quoted: false });
        word.at.end = at + c.len_utf8();
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some((at, c));
                word.quoted = true;
            }
            (c, Some((_, open))) if c == open => quote = None,
            ('\\', quote) if quote.is_none_or(|(_, quote)| quote == '"') => {
                let escapes = |next: char| match quote {
                    Some(_) => matches!(next, '"' | '\\'),
                    None => matches!(next, '"' | '\'' | ' '),
                };
                match chars.next_if(|(_, next)| escapes(*next)) {
                    Some((_, next)) => word.says.push(next),
                    None => word.says.push('\\'),
                }
            }
            _ => word.says.push(c),
        }
    }
    if let Some((at, _)) = quote {
        let instead = "close it; a quote in the text is written \\\"";
        return Err(place.wrong(at, "this quote is not closed", instead));
    }
    words.extend(open);
    Ok(words)
}

/// A replacement: `\1`, `\g<1>`, `\g<name>`, `${1}`, and `$1` in Oinkmaster's lines.
fn parts(text: &str, is_oinkmaster: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        match reference(c, after, is_oinkmaster) {
            Some((part, length)) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(part);
                rest = after.get(length..).unwrap_or_default();
            }
            None if c == '\\' && after.starts_with('\\') => {
                plain.push('\\');
                rest = after.get(1..).unwrap_or_default();
            }
            None => {
                plain.push(c);
                rest = after;
            }
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// A reference to a group behind its sign, and how many bytes it takes.
fn reference(sign: char, after: &str, is_oinkmaster: bool) -> Option<(Part, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).take(2).count();
    let number = |text: &str, length: usize| text.get(..length)?.parse().ok();
    let bracketed = |open: &str, close: char| {
        let inside = after.strip_prefix(open)?;
        let end = inside.find(close)?;
        let name = inside.get(..end)?;
        let part = match name.parse::<usize>() {
            Ok(number) => Part::Group(number),
            Err(_) if open == "g<" => Part::Named(name.to_owned()),
            Err(_) => return None,
        };
        Some((part, open.len() + end + close.len_utf8()))
    };
    match sign {
        '\\' => bracketed("g<", '>').or_else(|| {
            let length = digits(after);
            Some((Part::Group(number(after, length).filter(|_| length > 0)?), length))
        }),
        '$' => bracketed("{", '}').or_else(|| {
            let length = digits(after);
            let number = number(after, length).filter(|_| length > 0 && is_oinkmaster)?;
            Some((Part::Group(number), length))
        }),
        _ => None,
    }
}
