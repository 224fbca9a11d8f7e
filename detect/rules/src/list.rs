//! Bracketed lists with negation and variables: the grammar that addresses and ports share.

use crate::error::{Result, refuse};

/// Lists and variables may nest so deep.
const MAX_DEPTH: usize = 64;
/// So many members a set may have, variables taken apart.
const MAX_MEMBERS: usize = 1 << 20;

/// Reads `text`; members come with whether an odd number of `!` stands before them.
///
/// Nesting only spreads the negation, as in Suricata 8: `![a,!b]` holds `b` and not `a`.
pub(crate) fn parse<'a>(
    text: &'a str,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<(bool, &'a str)>> {
    let mut found = Vec::new();
    collect(text, &variable, false, 0, &mut found)?;
    Ok(found)
}

fn collect<'a>(
    text: &'a str,
    variable: &impl Fn(&str) -> Option<&'a str>,
    outer_negated: bool,
    depth: usize,
    found: &mut Vec<(bool, &'a str)>,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return refuse("lists and variables are nested too deeply or in a circle");
    }
    for part in split(text)? {
        let mut part = part.trim();
        let mut negated = outer_negated;
        while let Some(rest) = part.strip_prefix('!') {
            negated = !negated;
            part = rest.trim_start();
        }
        if part.is_empty() {
            return refuse(format!("a member of the list '{text}' is missing"));
        }
        if found.len() >= MAX_MEMBERS {
            return refuse("too many members in one list");
        }
        if let Some(inner) = part.strip_prefix('[') {
            let Some(inner) = inner.strip_suffix(']') else {
                return refuse(format!("'{part}' lacks its closing bracket"));
            };
            collect(inner, variable, negated, depth + 1, found)?;
        } else if let Some(name) = part.strip_prefix('$') {
            let Some(value) = variable(name) else {
                return refuse(format!("variable '${name}' is not defined"));
            };
            collect(value, variable, negated, depth + 1, found)?;
        } else {
            found.push((negated, part));
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
