//! Lines of rules as their text, and the files that select among them: disable, enable, drop and
//! modify, and rules, each as a piece.
#![no_main]

use std::sync::Arc;

use fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use supply::rule_line::{RuleLine, lines};
use supply::selection::{Candidate, Selection, Text};

fuzz_target!(|data: &[u8]| {
    let mut texts = pieces(data).map(|(_, text)| String::from_utf8_lossy(text).into_owned());
    let mut file = |name: &str| Text {
        file: name.to_owned(),
        text: texts.next().unwrap_or_default(),
    };
    let [disable, enable, drop] = ["disable.conf", "enable.conf", "drop.conf"].map(&mut file);
    let (modify, rules) = (file("modify.conf"), file("a.rules"));
    let name: Arc<str> = Arc::from("rules/a.rules");
    let mut all = Vec::new();
    for (number, line) in lines(&rules.text) {
        match RuleLine::parse(&line) {
            Some(Ok(rule)) => {
                all.push(Candidate { rule, source: 0, file: Arc::clone(&name), line: number });
            }
            Some(Err(wrong)) => assert!(wrong.at <= line.len()),
            None => {}
        }
    }
    match Selection::parse(&disable, &enable, &drop, &modify) {
        Ok(selection) => {
            if selection.apply(&mut all).is_ok() {
                for one in all {
                    assert!(matches!(RuleLine::parse(one.rule.text()), Some(Ok(_))));
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
