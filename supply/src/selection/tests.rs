//! Tests of selection: which rules lines mean, in which order files hold, and what is refused.

use std::sync::Arc;

use super::{Candidate, Selected, Selection, SelectionError, Text};
use crate::rule_line::RuleLine;

const RULES: [(&str, &str); 8] = [
    (
        "rules/emerging-dos.rules",
        r#"alert tcp any any -> any any (msg:"ET DOS one"; metadata:deployment Perimeter, x y; sid:1; rev:3;)"#,
    ),
    (
        "rules/emerging-dos.rules",
        r#"# alert tcp any any -> any any (msg:"ET DOS Heartbleed"; flowbits:set,a; flowbits:isset,b; sid:2;)"#,
    ),
    (
        "rules/emerging-icmp.rules",
        r#"alert icmp any any -> any any (msg:"ICMP"; flowbits:isset,a; sid:3;)"#,
    ),
    (
        "rules/emerging-icmp.rules",
        r#"alert icmp any any -> any any (msg:"quiet"; flowbits:set,z; flowbits:noalert; sid:4;)"#,
    ),
    ("local.rules", r#"pass ip any any -> any any (msg:"pass"; gid:5; sid:5;)"#),
    ("local.rules", r#"# alert ip any any -> any any (msg:"sets b"; flowbits:set,b; sid:6;)"#),
    ("local.rules", r#"# alert ip any any -> any any (msg:"sets c"; flowbits:set,c; sid:7;)"#),
    (
        "local.rules",
        r#"alert ip any any -> any any (msg:"seconds 60, $HOME_NET"; threshold:type limit, seconds 60; sid:8;)"#,
    ),
];

fn candidates() -> Vec<Candidate> {
    let all = RULES.iter().map(|(file, line)| Candidate {
        rule: RuleLine::parse(line).unwrap().unwrap(),
        source: 0,
        file: Arc::from(*file),
        line: 1,
    });
    all.collect()
}

fn select(
    [disable, enable, drop, modify]: [&str; 4],
) -> Result<(Vec<Candidate>, Selected), SelectionError> {
    let file = |name: &str, text: &str| Text { file: name.to_owned(), text: text.to_owned() };
    let selection = Selection::parse(
        &file("disable.conf", disable),
        &file("enable.conf", enable),
        &file("drop.conf", drop),
        &file("modify.conf", modify),
    )?;
    let mut all = candidates();
    let selected = selection.apply(&mut all)?;
    Ok((all, selected))
}

/// Which rules of those that are on are off when a line says so.
fn met(line: &str) -> Vec<u32> {
    let enable = "*";
    let file = |name: &str, text: &str| Text { file: name.to_owned(), text: text.to_owned() };
    let nothing = Text::default();
    let mut all = candidates();
    let on = Selection::parse(&nothing, &file("e", enable), &nothing, &nothing).unwrap();
    on.apply(&mut all).unwrap();
    all.iter_mut().for_each(|one| {
        one.rule.checks.clear();
    });
    let off = Selection::parse(&file("d", line), &nothing, &nothing, &nothing).unwrap();
    off.apply(&mut all).unwrap();
    all.iter().filter(|one| !one.rule.enabled).map(|one| one.rule.sid).collect()
}

#[test]
fn lines_mean_rules() {
    let check = |line: &str, expected: &[u32]| assert_eq!(met(line), expected, "{line}");
    check("1", &[1]);
    check("  1:2  ", &[2]);
    check("1, 1:3,8 # why", &[1, 3, 8]);
    check("1:1:3", &[1]);
    check("1:1:4", &[]);
    check("5", &[]);
    check("5:5", &[5]);
    check("# 1\n\n2\n", &[2]);
    check("\u{feff}1", &[1]);
    check("re:heartBLEED", &[2]);
    check("re:^alert icmp", &[3, 4]);
    check("re:sid:(1|8);", &[1, 8]);
    check("group:emerging-dos", &[1, 2]);
    check("group:emerging-dos.rules", &[1, 2]);
    check("group: emerging-*", &[1, 2, 3, 4]);
    check("group:emerging", &[]);
    check("filename:rules/*dos*", &[1, 2]);
    check("filename:*/emerging-icmp.rules", &[3, 4]);
    check("emerging-dos.rules", &[1, 2]);
    check("*icmp.rules # remark", &[3, 4]);
    check("filename:emerging-icmp.rules", &[]);
    check("metadata: deployment perimeter", &[1]);
    check("metadata: x Y", &[1]);
    check("metadata: x z", &[]);
    check("multi:filename:*/emerging-dos.rules;re:heartbleed;", &[2]);
    check("multi:group:local;8", &[8]);
    check("*", &[1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn files_hold_in_their_order() {
    let (all, selected) =
        select(["group:local\n1\n99", "8\n5:5", "*", "re:. ^drop alert"]).unwrap();
    let state = |sid: u32| {
        let one = all.iter().find(|one| one.rule.sid == sid).unwrap();
        (one.rule.enabled, one.rule.action().to_owned())
    };
    assert_eq!(state(1), (false, "alert".into()), "made to drop, then modified back");
    assert_eq!(state(8), (true, "alert".into()), "what is enabled is so after it was disabled");
    assert_eq!(state(5), (true, "pass".into()), "only alerts are made to drop");
    assert_eq!(state(4), (true, "alert".into()), "what makes no alert does not drop");
    assert_eq!(selected.idle, ["disable.conf:3: no rule is `99`"]);
    assert_eq!((selected.disabled, selected.enabled), (3, 2));
    let dropped = select(["", "", "1", ""]).unwrap().0;
    assert!(dropped[0].rule.text().starts_with("drop tcp"), "{dropped:?}");
}

#[test]
fn rules_that_others_need_are_on_without_an_alert() {
    let (all, selected) = select(["", "", "", ""]).unwrap();
    // 3 looks at `a`, which 2 sets, which looks at `b`, which 6 sets. Nobody looks at `c`.
    let on: Vec<u32> = all.iter().filter(|one| one.rule.enabled).map(|one| one.rule.sid).collect();
    assert_eq!(on, [1, 2, 3, 4, 5, 6, 8]);
    assert_eq!(selected.needed, 2);
    assert!(all[1].rule.text().ends_with("sid:2; noalert;)"), "{}", all[1].rule.text());
    let (all, _) = select(["3", "", "", ""]).unwrap();
    assert!(!all[1].rule.enabled, "nobody looks at it any more");
}

#[test]
fn texts_are_replaced() {
    let check = |line: &str, sid: u32, expected: &str| {
        let (all, _) = select(["", "", "", line]).unwrap();
        let one = all.iter().find(|one| one.rule.sid == sid).unwrap();
        assert!(one.rule.text().contains(expected), "{line}: {}", one.rule.text());
    };
    check(r#"8 "seconds \d+" "seconds 3600""#, 8, "seconds 3600, $HOME_NET");
    check(r#"8 "seconds \d+" "seconds 3600""#, 8, "limit, seconds 3600;");
    check(r"1,8 60 61", 8, "seconds 61");
    check(r"re:. ^alert drop", 3, "drop icmp");
    check(r#"re:msg:.ICMP "(alert)(.*)" "drop\\2""#, 3, "drop icmp any any");
    check(r#"re:msg:.ICMP "(alert)(.*)" "drop\2""#, 3, "drop icmp any any");
    check(r#""re:DOS one" "(?P<a>alert) tcp" "\g<a> udp""#, 1, "alert udp any");
    check(r#"modifysid * "^alert(.*)noalert(.*)" | "drop${1}noalert${2}""#, 4, "drop icmp any");
    check(r#"modifysid 1, 8 "^alert(.*)" | "drop$1""#, 8, "drop ip any");
    check(r#"8 "\$HOME_NET" "$EXTERNAL_NET""#, 8, "60, $EXTERNAL_NET");
    check(r#"metadata: x y "one" "two""#, 1, "ET DOS two");
    check(r#"1 "ET DOS" "say \"hi\"" # remark"#, 1, r#"say "hi" one"#);
    check(r#"1 'ET (DOS)' '\1'"#, 1, r#"msg:"DOS one""#);
    let added = "rev:3; metadata:evebox-action archive it;)";
    check(r#"metadata-add re:"ET DOS" "evebox-action" "archive it" # remark"#, 1, added);
    check("metadata-add emerging-dos.rules evebox-action 'archive it'", 1, added);
}

#[test]
fn errors_name_place_reason_and_remedy() {
    let check = |file: usize, text: &str, place: &str, what: &str| {
        let mut files = [""; 4];
        files[file] = text;
        let error = select(files).unwrap_err().to_string();
        assert!(error.starts_with(place), "{text}: {error}");
        assert!(error.contains(what), "{text}: {error}");
    };
    check(0, "1\n  heartbleed\n", "disable.conf:2:3: ", "`heartbleed` names no rules; write an id");
    check(0, "1, 2x", "disable.conf:1:4: ", "`2x` is no id of a rule; write SID");
    check(0, "1:2:3:4", "disable.conf:1:1: ", "no id");
    check(1, "re:(", "enable.conf:1:4: ", "the expression `(` can't be used: unclosed group");
    check(1, "re:(?!a)b", "enable.conf:1:4: ", "look-around");
    check(1, "re:", "enable.conf:1:4: ", "nothing stands behind `re:`");
    check(2, "grp:x", "drop.conf:1:1: ", "`grp:x` names no rules");
    check(2, "metadata: x", "drop.conf:1:10: ", "a key without a value");
    check(2, "multi:;", "drop.conf:1:7: ", "nothing stands behind");
    check(2, "multi:re:a;b", "drop.conf:1:12: ", "`b` names no rules");
    check(3, "1 \"a", "modify.conf:1:3: ", "this quote is not closed");
    check(3, "metadata-add 1 a", "modify.conf:1:17: ", "`metadata-add` has three parts");
    check(3, "metadata-add 1 a b c", "modify.conf:1:20: ", "write `metadata-add MATCH");
    check(3, "metadata-add 1 \"a b\" c", "modify.conf:1:16: ", "a key is one word");
    check(3, "metadata-add 1 a \"b; c\"", "modify.conf:1:18: ", "a value is a text without");
    check(0, ".rules", "disable.conf:1:1: ", "`.rules` names no rules");
    check(3, "1 a", "modify.conf:1:1: ", "does not say which rules");
    check(3, "1", "modify.conf:1:2: ", "something is missing");
    check(
        3,
        "1 a b c",
        "modify.conf:1:3: ",
        "more than three parts; put parts with blanks in quotes",
    );
    check(3, r#"1 "a" "\1""#, "modify.conf:1:7: ", "group 1 is not in the expression");
    check(
        3,
        "1 sid:1; sid:x;",
        "modify.conf:1:1: ",
        "rule 1:1 is none any more: its sid is no number",
    );
    check(3, "ä(b x y", "modify.conf:1:1: ", "names no rules");
    check(1, "re:a{1000}{1000}", "enable.conf:1:4: ", "can't be used");
}

#[test]
fn changes_that_change_nothing_are_told() {
    let lines = "1 \"nomatch\" \"x\"\n99 a b\n1 DOS Dos\nmetadata-add 98 a b";
    let (_, selected) = select(["", "", "", lines]).unwrap();
    assert_eq!(
        selected.idle,
        [
            "modify.conf:1: what is to be replaced is in none of the rules that are meant by \
             `1 \"nomatch\" \"x\"`",
            "modify.conf:2: no rule is meant by `99 a b`",
            "modify.conf:4: no rule is meant by `metadata-add 98 a b`",
        ]
    );
    assert_eq!(selected.modified, 1);
}
