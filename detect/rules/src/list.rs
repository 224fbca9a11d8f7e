//! Bracketed lists with negation and variables: the grammar that addresses and ports share.

use crate::error::{Result, refuse};

/// A member of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Member<'a> {
    /// What the caller reads: address, range, port.
    Plain(&'a str),
    /// The same with an odd number of `!` before it.
    Not(&'a str),
    /// All that a negated list or variable does not hold.
    NotList(Vec<Member<'a>>),
}

/// Lists and variables may nest so deep.
const MAX_DEPTH: usize = 64;
/// So many members a set may have, variables taken apart.
const MAX_MEMBERS: usize = 1 << 20;

/// Reads `text`. Lists and variables within a list add their members to it unless negated.
pub(crate) fn parse<'a>(
    text: &'a str,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<Member<'a>>> {
    let mut found = Vec::new();
    let mut left = MAX_MEMBERS;
    collect(text, &variable, (0, &mut left), &mut found)?;
    Ok(found)
}

fn collect<'a>(
    text: &'a str,
    variable: &impl Fn(&str) -> Option<&'a str>,
    (depth, left): (usize, &mut usize),
    found: &mut Vec<Member<'a>>,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return refuse("lists and variables are nested too deeply or in a circle");
    }
    for part in split(text)? {
        let mut part = part.trim();
        let mut negated = false;
        while let Some(rest) = part.strip_prefix('!') {
            negated = !negated;
            part = rest.trim_start();
        }
        if part.is_empty() {
            return refuse(format!("a member of the list '{text}' is missing"));
        }
        let Some(fewer) = left.checked_sub(1) else {
            return refuse("too many members in one list");
        };
        *left = fewer;
        let group = if let Some(inner) = part.strip_prefix('[') {
            let Some(inner) = inner.strip_suffix(']') else {
                return refuse(format!("'{part}' lacks its closing bracket"));
            };
            inner
        } else if let Some(name) = part.strip_prefix('$') {
            let Some(value) = variable(name) else {
                return refuse(format!("variable '${name}' is not defined"));
            };
            value
        } else {
            found.push(if negated { Member::Not(part) } else { Member::Plain(part) });
            continue;
        };
        if negated {
            let mut inner = Vec::new();
            collect(group, variable, (depth + 1, left), &mut inner)?;
            found.push(Member::NotList(inner));
        } else {
            collect(group, variable, (depth + 1, left), found)?;
        }
    }
    Ok(())
}

/// Splits at the commas outside of brackets.
fn split(text: &str) -> Result<Vec<&str>> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return refuse(format!("']' without '[' in '{text}'")),
            },
            b',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return refuse(format!("'[' without ']' in '{text}'"));
    }
    parts.extend(text.get(start..));
    Ok(parts)
}
