//! `requires`: whether a rule is for this sensor at all.

use crate::error::{Result, refuse};
use crate::settings::Settings;

/// What came of the requirements of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All are met.
    Met,
    /// The rule is to be skipped: why.
    Skip(String),
}

/// Evaluates one `requires` option; `knows` tells which keywords there are.
pub(crate) fn evaluate(
    value: &str,
    settings: &Settings,
    knows: impl Fn(&str) -> bool,
) -> Result<Verdict> {
    let mut verdict = Verdict::Met;
    let mut seen_version = false;
    for requirement in value.split(',').map(str::trim) {
        let (word, rest) = requirement.split_once(char::is_whitespace).unwrap_or((requirement, ""));
        let rest = rest.trim();
        let unmet = match word {
            "feature" => (!settings.features.contains(rest))
                .then(|| format!("Suricata missing a required feature: {rest}")),
            "keyword" => {
                (!knows(rest)).then(|| format!("Suricata missing a required keyword: {rest}"))
            }
            "version" => {
                if std::mem::replace(&mut seen_version, true) {
                    return refuse("Multiple version statements in requires");
                }
                (!version(rest, settings.version)?)
                    .then(|| format!("Suricata version does not meet requirement: {rest}"))
            }
            _ => (!settings.ignore_unknown_requirements || !word.is_empty())
                .then(|| format!("Unknown requirement: {requirement}")),
        };
        if let (Verdict::Met, Some(reason)) = (&verdict, unmet) {
            verdict = Verdict::Skip(reason);
        }
    }
    Ok(verdict)
}

/// `>= 7.0.3 < 8 | >= 8.0.1`: alternatives of blank-separated conditions.
fn version(text: &str, own: (u32, u32, u32)) -> Result<bool> {
    let mut any = false;
    for alternative in text.split('|') {
        let mut all = true;
        let mut rest = alternative.trim();
        if rest.is_empty() {
            return refuse("requires: version without a version");
        }
        while !rest.is_empty() {
            let (op, behind) = operator(rest)?;
            let behind = behind.trim_start();
            let end =
                behind.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(behind.len());
            let (number, behind) = behind.split_at_checked(end).unwrap_or((behind, ""));
            let wanted = parts(number)?;
            all &= match op {
                ">=" => own >= wanted,
                ">" => own > wanted,
                "<=" => own <= wanted,
                _ => own < wanted,
            };
            rest = behind.trim_start();
        }
        any |= all;
    }
    Ok(any)
}

fn operator(text: &str) -> Result<(&'static str, &str)> {
    for op in [">=", "<=", ">", "<"] {
        if let Some(rest) = text.strip_prefix(op) {
            return Ok((op, rest));
        }
    }
    refuse(format!("requires: '{text}' lacks an operator: >=, >, < or <="))
}

fn parts(text: &str) -> Result<(u32, u32, u32)> {
    let mut numbers = [0u32; 3];
    let mut given = text.split('.');
    for number in &mut numbers {
        match given.next() {
            None => break,
            Some(digits) => match digits.parse() {
                Ok(value) => *number = value,
                Err(_) => return refuse(format!("requires: '{text}' is not a version")),
            },
        }
    }
    if given.next().is_some() {
        return refuse(format!("requires: '{text}' is not a version"));
    }
    let [major, minor, patch] = numbers;
    Ok((major, minor, patch))
}
