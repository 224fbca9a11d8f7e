//! Which rules a line of a selection file means: ids, groups, files, expressions, metadata.

use regex::{Regex, RegexBuilder};

use crate::glob;

use super::Candidate;
use super::place::{Place, SelectionError};

const FORMS: &str = "write an id (`2019401`, `1:2019401`), `group:emerging-dos`, `filename:rules/*dos*`, \
     `re:heartbleed`, `metadata: deployment perimeter` or `multi:…;…`";
/// What a compiled expression may take, in bytes.
const MOST: usize = 1 << 20;

/// What is meant.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    /// Generator, signature and revision.
    Id(u32, u32, Option<u32>),
    Expression(Regex),
    /// Name of the file without folder and ending.
    Group(String),
    /// Path of the file in its source.
    File(String),
    /// Key and value, in small letters.
    Metadata(String, String),
    /// All of them.
    Multi(Vec<Matcher>),
    All,
}

impl Matcher {
    /// What a line, or a part of it that begins at `at`, means; several ids are several matchers.
    pub(super) fn parse(
        text: &str,
        at: usize,
        place: &Place<'_>,
    ) -> Result<Vec<Self>, SelectionError> {
        let at = at + (text.len() - text.trim_start().len());
        let text = text.trim();
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return ids(text, at, place);
        }
        if text == "*" {
            return Ok(vec![Self::All]);
        }
        one(text, at, place).map(|matcher| vec![matcher])
    }

    pub(super) fn fits(&self, candidate: &Candidate) -> bool {
        let rule = &candidate.rule;
        match self {
            Self::Id(gid, sid, rev) => {
                (rule.gid, rule.sid) == (*gid, *sid) && rev.is_none_or(|rev| rev == rule.rev)
            }
            Self::Expression(expression) => expression.is_match(rule.text()),
            Self::Group(pattern) => glob::fits(pattern, group(&candidate.file)),
            Self::File(pattern) => glob::fits(pattern, &candidate.file),
            Self::Metadata(key, value) => rule.metadata.iter().any(|(its_key, its_value)| {
                its_key.eq_ignore_ascii_case(key) && its_value.eq_ignore_ascii_case(value)
            }),
            Self::Multi(all) => all.iter().all(|matcher| matcher.fits(candidate)),
            Self::All => true,
        }
    }
}

/// The group of rules that a file holds: its name without folder and ending.
fn group(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".rules").unwrap_or(name)
}

fn ids(text: &str, at: usize, place: &Place<'_>) -> Result<Vec<Matcher>, SelectionError> {
    // Behind ids there may be a remark.
    let text = text.split('#').next().unwrap_or_default();
    let mut all = Vec::new();
    let mut from = at;
    for word in text.split(',') {
        let here = from + (word.len() - word.trim_start().len());
        from += word.len() + 1;
        let id = word.trim();
        if id.is_empty() {
            continue;
        }
        let number = |part: &str| part.parse::<u32>().ok().filter(|_| !part.starts_with('+'));
        let parts: Option<Vec<u32>> = id.split(':').map(|part| number(part.trim())).collect();
        all.push(match parts.as_deref() {
            Some([sid]) => Matcher::Id(1, *sid, None),
            Some([gid, sid]) => Matcher::Id(*gid, *sid, None),
            Some([gid, sid, rev]) => Matcher::Id(*gid, *sid, Some(*rev)),
            _ => {
                let instead = "write SID, GID:SID or GID:SID:REV, several with commas between";
                return Err(place.wrong(here, format!("`{id}` is no id of a rule"), instead));
            }
        });
    }
    Ok(all)
}

fn one(text: &str, at: usize, place: &Place<'_>) -> Result<Matcher, SelectionError> {
    let unknown = || place.wrong(at, format!("`{text}` names no rules"), FORMS);
    // suricata-update takes a file's name for the group of its rules.
    let name = text.split(" #").next().unwrap_or(text).trim();
    if let Some(group) = name.strip_suffix(".rules")
        && !group.is_empty()
        && !group.contains(':')
    {
        return Ok(Matcher::Group(group.to_owned()));
    }
    let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
    let inside = at + kind.len() + 1;
    let empty = || {
        let what = format!("nothing stands behind `{kind}:`");
        place.wrong(inside, what, FORMS)
    };
    let value = rest.trim();
    if value.is_empty() {
        return Err(empty());
    }
    match kind {
        "re" => expression(value, true, inside, place).map(Matcher::Expression),
        "group" => {
            let name = value.split(" #").next().unwrap_or(value).trim();
            Ok(Matcher::Group(name.strip_suffix(".rules").unwrap_or(name).to_owned()))
        }
        "filename" => {
            let name = value.split(" #").next().unwrap_or(value).trim();
            Ok(Matcher::File(name.to_owned()))
        }
        "metadata" => {
            let value = value.split(" #").next().unwrap_or(value).trim();
            let (key, value) = value.split_once(char::is_whitespace).ok_or_else(|| {
                let what = format!("`{value}` is a key without a value");
                place.wrong(inside, what, "write e.g. `metadata: deployment perimeter`")
            })?;
            Ok(Matcher::Metadata(key.to_owned(), value.trim().to_owned()))
        }
        "multi" => {
            let mut all = Vec::new();
            let mut from = inside;
            for part in rest.split(';') {
                let here = from;
                from += part.len() + 1;
                if part.trim().is_empty() {
                    continue;
                }
                // A list of ids can't be all of them at once.
                match Matcher::parse(part, here, place)?.as_slice() {
                    [matcher] => all.push(matcher.clone()),
                    _ => {
                        let what = "several ids in `multi:`";
                        return Err(place.wrong(here, what, "write a line for each"));
                    }
                }
            }
            if all.is_empty() { Err(empty()) } else { Ok(Matcher::Multi(all)) }
        }
        _ => Err(unknown()),
    }
}

/// An expression; it can take neither much memory nor more than linear time.
pub(super) fn expression(
    text: &str,
    any_case: bool,
    at: usize,
    place: &Place<'_>,
) -> Result<Regex, SelectionError> {
    RegexBuilder::new(text).case_insensitive(any_case).size_limit(MOST).build().map_err(|error| {
        let said = error.to_string();
        // The last line tells the reason, those before it show the place.
        let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let what = format!("the expression `{text}` can't be used: {why}");
        let instead = "look-around and back-references are not known here: write it without, or \
                       put a backslash before signs that are meant literally";
        place.wrong(at, what, instead)
    })
}
