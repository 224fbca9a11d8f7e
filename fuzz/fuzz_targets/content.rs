//! The content engine: the first piece is a rule's options, the others are what they run on. With
//! bit 0x80 the options are two contents made of the piece, compared with a search of all places.
#![no_main]

use std::fmt::Write;

use engine::Resources;
use engine::content::transform::Chain;
use engine::content::{Data, Program, Scratch};
use engine::pcre::Matcher;
use libfuzzer_sys::fuzz_target;
use rules::{Loader, Rule, Settings};

fn rule(options: &str) -> Option<Box<Rule>> {
    let mut loader = Loader::new(Settings::default());
    let text = format!("alert tcp any any -> any any ({options} sid:1;)");
    loader.load("fuzz.rules", text.as_bytes());
    loader.finish().rules.pop()
}

fn programs(rule: &Rule) -> Vec<(Chain, Program)> {
    let mut resources = Resources::without_files();
    let compiled = rule.buffers.iter().filter_map(|buffer| {
        let program = Program::compile(&buffer.ops, rule, &mut resources).ok()?;
        Some((Chain::new(&buffer.target.transforms), program))
    });
    compiled.collect()
}

fn anything(options: &str, haystacks: &mut dyn Iterator<Item = (u8, &[u8])>) {
    let Some(rule) = rule(options) else { return };
    let programs = programs(&rule);
    let mut scratch = Scratch::new(3_000, (3_500, 1_500));
    let (mut out, mut spare, mut matcher) = (Vec::new(), Vec::new(), Matcher::new(3_500, 1_500));
    for (control, haystack) in haystacks {
        scratch.begin_rule();
        for (chain, program) in &programs {
            chain.run(haystack, &mut out, &mut spare, &mut matcher);
            program.run(&Data { tcp: control & 0x10 != 0, ..Data::whole(&out) }, &mut scratch);
        }
    }
}

/// Two contents, the second counting from the first.
struct Pair<'a> {
    texts: [&'a [u8]; 2],
    nocase: [bool; 2],
    offset: usize,
    depth: Option<usize>,
    distance: i64,
    within: Option<usize>,
}

impl<'a> Pair<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let [flags, offset, depth, distance, within, length, texts @ ..] = bytes else {
            return None;
        };
        let (first, second) = texts.split_at(texts.len().min(usize::from(*length & 15)));
        if first.is_empty() || second.is_empty() || second.len() > 255 {
            return None;
        }
        Some(Self {
            texts: [first, second],
            nocase: [flags & 1 != 0, flags & 2 != 0],
            offset: if flags & 4 != 0 { usize::from(*offset) } else { 0 },
            depth: (flags & 8 != 0).then(|| first.len() + usize::from(*depth)),
            distance: if flags & 16 != 0 { i64::from(*distance as i8) } else { 0 },
            within: (flags & 32 != 0).then(|| second.len() + usize::from(*within)),
        })
    }

    fn options(&self) -> String {
        let mut text = String::new();
        for (at, bytes) in self.texts.iter().enumerate() {
            text.push_str("content:\"|");
            for byte in *bytes {
                let _ = write!(text, "{byte:02x} ");
            }
            text.push_str("|\";");
            if self.nocase[at] {
                text.push_str("nocase;");
            }
            if at == 0 {
                let _ = write!(text, "offset:{};", self.offset);
                if let Some(depth) = self.depth {
                    let _ = write!(text, "depth:{depth};");
                }
            }
        }
        let _ = write!(text, "distance:{};", self.distance);
        if let Some(within) = self.within {
            let _ = write!(text, "within:{within};");
        }
        text
    }

    fn stands(&self, which: usize, haystack: &[u8], at: usize) -> bool {
        let text = self.texts[which];
        haystack.get(at..at + text.len()).is_some_and(|found| match self.nocase[which] {
            true => found.eq_ignore_ascii_case(text),
            false => found == text,
        })
    }

    fn matches(&self, haystack: &[u8]) -> bool {
        let [first, second] = self.texts.map(<[u8]>::len);
        let last = self.depth.map_or(haystack.len(), |depth| self.offset + depth);
        (self.offset..haystack.len()).take_while(|at| at + first <= last).any(|at| {
            if !self.stands(0, haystack, at) {
                return false;
            }
            let from = (at + first) as i64 + self.distance;
            // An end before the beginning is none (Suricata 8).
            let to = self.within.map(|within| from + within as i64).filter(|to| *to >= 0);
            let to = to.unwrap_or(i64::MAX);
            (from.max(0)..)
                .take_while(|b| b + second as i64 <= to.min(haystack.len() as i64))
                .any(|b| self.stands(1, haystack, b as usize))
        })
    }
}

fn pair(bytes: &[u8], haystacks: &mut dyn Iterator<Item = (u8, &[u8])>) {
    let Some(pair) = Pair::new(bytes) else { return };
    let options = pair.options();
    let Some(rule) = rule(&options) else { return };
    let programs = programs(&rule);
    let [(_, program)] = programs.as_slice() else { return };
    // Places are tried until the limit of recursions: 3,000 by default.
    let mut scratch = Scratch::new(0, (3_500, 1_500));
    for (_, haystack) in haystacks {
        let haystack = &haystack[..haystack.len().min(600)];
        scratch.begin_rule();
        let found = program.run(&Data::whole(haystack), &mut scratch);
        assert_eq!(found, pair.matches(haystack), "{options} on {haystack:02x?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let mut pieces = fuzz::pieces(data);
    let Some((control, first)) = pieces.next() else { return };
    if control & 0x80 != 0 {
        return pair(first, &mut pieces);
    }
    let Ok(options) = std::str::from_utf8(first) else { return };
    if !options.contains(['\n', '\r']) {
        anything(options, &mut pieces);
    }
});
