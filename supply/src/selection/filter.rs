//! A file of rules that are meant: enable.conf, disable.conf, drop.conf.

use std::collections::HashMap;

use super::Candidate;
use super::matcher::Matcher;
use super::place::{SelectionError, telling};

/// The lines of a file, and which of them met a rule.
#[derive(Debug, Default)]
pub(super) struct Filter {
    file: String,
    entries: Vec<Entry>,
    /// Most lines are ids, and there may be many.
    by_id: HashMap<(u32, u32), Vec<usize>>,
    others: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    line: u32,
    text: String,
    matcher: Matcher,
    met: bool,
}

impl Filter {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, SelectionError> {
        let mut filter = Self { file: file.to_owned(), ..Self::default() };
        for place in telling(file, text) {
            for matcher in Matcher::parse(place.text, 0, &place)? {
                let at = filter.entries.len();
                let text = match &matcher {
                    Matcher::Id(1, sid, None) => sid.to_string(),
                    Matcher::Id(gid, sid, None) => format!("{gid}:{sid}"),
                    Matcher::Id(gid, sid, Some(rev)) => format!("{gid}:{sid}:{rev}"),
                    _ => place.text.trim().to_owned(),
                };
                match matcher {
                    Matcher::Id(gid, sid, _) => {
                        filter.by_id.entry((gid, sid)).or_default().push(at);
                    }
                    _ => filter.others.push(at),
                }
                filter.entries.push(Entry { line: place.line, text, matcher, met: false });
            }
        }
        Ok(filter)
    }

    /// Whether the file means the rule.
    pub(super) fn fits(&mut self, candidate: &Candidate) -> bool {
        let id = (candidate.rule.gid, candidate.rule.sid);
        let mut fits = false;
        let ids = self.by_id.get(&id).into_iter().flatten();
        for at in ids.chain(&self.others) {
            let Some(entry) = self.entries.get_mut(*at) else { continue };
            // Only lines that met no rule yet are of interest when one fits already.
            if (!fits || !entry.met) && entry.matcher.fits(candidate) {
                entry.met = true;
                fits = true;
            }
        }
        fits
    }

    /// Lines that met no rule.
    pub(super) fn idle(&self) -> impl Iterator<Item = String> {
        let idle = self.entries.iter().filter(|entry| !entry.met);
        idle.map(|entry| format!("{}:{}: no rule is `{}`", self.file, entry.line, entry.text))
    }
}
