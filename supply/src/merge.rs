//! All sources to one list of rules, each signature once, and to one file of classes and one of
//! references.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rule_line::{RuleLine, lines};
use crate::selection::Candidate;
use crate::source::Taken;

/// Lines and rules that are named one by one.
const MOST_NAMED: usize = crate::test::MOST_NAMED;

/// A line that is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRuleAt {
    /// The number of its source.
    pub source: usize,
    /// Its file's path in the source.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub why: &'static str,
}

/// What sources say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rules, on or not, in the order of sources, files and lines.
    pub rules: Vec<Candidate>,
    /// Rules of each source, before others took their place.
    pub of_source: Vec<u64>,
    /// Rules in whose place others are.
    pub duplicates: u64,
    /// Lines that are no rules.
    pub unreadable: u64,
    /// The first of these.
    pub no_rules: Vec<NoRuleAt>,
    /// The first of both, for people.
    pub remarks: Vec<String>,
    /// classification.config, if a source has one.
    pub classification: Option<String>,
    /// reference.config, if a source has one.
    pub reference: Option<String>,
}

/// Puts sources together: of several rules with one sid the highest revision holds, the later one
/// where they are the same.
pub fn merge(sources: &[Taken]) -> Merged {
    let mut merged = Merged::default();
    let mut all: Vec<Option<Candidate>> = Vec::new();
    let mut by_id: HashMap<(u32, u32), usize> = HashMap::new();
    for (number, source) in sources.iter().enumerate() {
        let mut count = 0;
        for (file, text) in &source.rules {
            let file: Arc<str> = Arc::from(file.as_str());
            for (line, text) in lines(text) {
                let place = || format!("{}: {file}:{line}", source.name);
                let rule = match RuleLine::parse(&text) {
                    None => continue,
                    Some(Ok(rule)) => rule,
                    Some(Err(error)) => {
                        merged.unreadable += 1;
                        if merged.unreadable as usize <= MOST_NAMED {
                            merged.remarks.push(format!("{}:{}: {error}", place(), error.at + 1));
                            let (file, why) = (Arc::clone(&file), error.why);
                            merged.no_rules.push(NoRuleAt { source: number, file, line, why });
                        }
                        continue;
                    }
                };
                count += 1;
                let id = (rule.gid, rule.sid);
                let rev = rule.rev;
                let candidate = Candidate { rule, source: number, file: Arc::clone(&file), line };
                let before = by_id.get(&id).and_then(|at| Some((*at, all.get(*at)?.as_ref()?)));
                if let Some((at, other)) = before {
                    merged.duplicates += 1;
                    let wins = rev >= other.rule.rev;
                    if merged.duplicates as usize <= MOST_NAMED {
                        let (kept, left) =
                            if wins { (rev, other.rule.rev) } else { (other.rule.rev, rev) };
                        merged.remarks.push(format!(
                            "{}: rule {}:{} is there twice: revision {kept} holds, {left} does not",
                            place(),
                            id.0,
                            id.1
                        ));
                    }
                    if !wins {
                        continue;
                    }
                    if let Some(place) = all.get_mut(at) {
                        *place = None;
                    }
                }
                by_id.insert(id, all.len());
                all.push(Some(candidate));
            }
        }
        merged.of_source.push(count);
    }
    merged.rules = all.into_iter().flatten().collect();
    merged.classification =
        configuration(sources.iter().flat_map(|source| &source.classification), "classification");
    merged.reference =
        configuration(sources.iter().flat_map(|source| &source.reference), "reference");
    merged
}

/// Lines of `config KIND: NAME…`, each name once; the last one of a name holds.
fn configuration<'a>(texts: impl Iterator<Item = &'a String>, kind: &str) -> Option<String> {
    let mut lines: Vec<&str> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for line in texts.flat_map(|text| text.lines()).map(str::trim) {
        let Some(name) = name_in(line, kind) else { continue };
        match by_name.get(&name).and_then(|at| lines.get_mut(*at)) {
            Some(place) => *place = line,
            None => {
                by_name.insert(name, lines.len());
                lines.push(line);
            }
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

fn name_in(line: &str, kind: &str) -> Option<String> {
    let rest = line.strip_prefix("config")?.trim_start().strip_prefix(kind)?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(name: &str, files: &[(&str, &str)]) -> Taken {
        Taken::of_texts(name, files)
    }

    fn rule(msg: &str, sid: u32, rev: u32) -> String {
        format!("alert ip any any -> any any (msg:\"{msg}\"; sid:{sid}; rev:{rev};)\n")
    }

    #[test]
    fn each_signature_is_there_once() {
        let one = rule("a1", 1, 2) + &rule("a2", 2, 1) + &rule("a3", 3, 1);
        let two = rule("b1", 1, 1) + &rule("b2", 2, 1) + "nonsense\n# remark\n" + &rule("b4", 4, 0);
        let merged =
            merge(&[taken("one", &[("a.rules", &one)]), taken("two", &[("b.rules", &two)])]);
        let messages: Vec<_> = merged.rules.iter().map(|one| one.rule.msg.as_str()).collect();
        assert_eq!(messages, ["a1", "a3", "b2", "b4"]);
        assert_eq!((merged.duplicates, merged.unreadable), (2, 1));
        assert_eq!(merged.of_source, [3, 3]);
        let remarks = merged.remarks.join("\n");
        assert!(
            remarks.contains("two: b.rules:3:1: it does not begin with an action"),
            "{remarks}"
        );
        assert!(
            remarks
                .contains("two: b.rules:1: rule 1:1 is there twice: revision 2 holds, 1 does not"),
            "{remarks}"
        );
    }

    #[test]
    fn classes_and_references_are_put_together() {
        let mut one = taken("one", &[]);
        one.classification =
            vec!["# x\nconfig classification: a,A,1\nconfig classification: b,B,2\n".into()];
        let mut two = taken("two", &[]);
        two.classification =
            vec!["config classification: B,other,3\nconfig classification: c,C,1".into()];
        two.reference = vec!["config reference: cve http://cve/\nnonsense".into()];
        let merged = merge(&[one, two]);
        assert_eq!(
            merged.classification.as_deref(),
            Some(
                "config classification: a,A,1\nconfig classification: B,other,3\nconfig classification: c,C,1\n"
            )
        );
        assert_eq!(merged.reference.as_deref(), Some("config reference: cve http://cve/\n"));
        assert_eq!(merge(&[]).classification, None);
    }
}
