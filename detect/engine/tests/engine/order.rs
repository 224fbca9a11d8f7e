//! The internal order of rules.

use crate::packets::ruleset;

/// Checks that the rules with these bodies, numbered from 1, are ordered as `want` says.
fn check(rules: &[&str], want: &[u32]) {
    let text: String = (1..)
        .zip(rules)
        .map(|(sid, rule)| {
            let (action, options) = rule.split_once('|').unwrap_or(("alert", rule));
            format!("{action} udp any any -> any any (msg:\"x\"; {options} sid:{sid};)\n")
        })
        .collect();
    let ruleset = ruleset(&text);
    let order: Vec<u32> = ruleset.rules().iter().map(|c| c.rule.sid).collect();
    assert_eq!(order, want, "{text}");
}

#[test]
fn actions_come_first() {
    check(
        &[
            "alert|content:\"a\";",
            "reject|content:\"a\";",
            "drop|content:\"a\";",
            "pass|content:\"a\";",
        ],
        &[4, 3, 2, 1],
    );
}

#[test]
fn what_sets_comes_before_what_checks() {
    check(
        &[
            "content:\"a\";",
            "content:\"a\"; flowbits:isset,a;",
            "content:\"a\"; flowbits:isset,a; flowbits:set,b;",
            "content:\"a\"; flowbits:set,a;",
            "content:\"a\"; flowbits:unset,a; priority:4;",
        ],
        &[4, 5, 3, 2, 1],
    );
    check(
        &["content:\"a\";", "content:\"a\"; flowint:aa,>,1;", "content:\"a\"; flowint:aa,+,1;"],
        &[3, 2, 1],
    );
}

#[test]
fn kinds_of_state_have_their_ranks() {
    check(
        &[
            "content:\"a\"; xbits:set,x,track ip_src;",
            "content:\"a\"; xbits:isset,x,track ip_pair;",
            "content:\"a\"; xbits:isset,x,track ip_src;",
            "content:\"a\"; hostbits:set,h;",
            "content:\"a\"; hostbits:isset,h;",
            "pcre:\"/(a)/,flow:v\";",
            "content:\"a\"; flowint:aa,=,1;",
            "content:\"a\"; flowint:aa,==,1;",
            "content:\"a\";",
        ],
        // Set by host, checks by host and by pair; setting pairs and checking hosts count not.
        &[7, 8, 6, 4, 3, 2, 1, 5, 9],
    );
}

#[test]
fn priority_and_number_come_last() {
    check(
        &[
            "content:\"a\"; priority:3;",
            "content:\"a\"; priority:1;",
            "content:\"a\"; priority:2;",
            "content:\"a\"; priority:1;",
        ],
        &[2, 4, 3, 1],
    );
    let text = "alert udp any any -> any any (content:\"a\"; sid:9;)\n\
                alert udp any any -> any any (content:\"b\"; sid:3;)";
    let sids: Vec<u32> = ruleset(text).rules().iter().map(|c| c.rule.sid).collect();
    assert_eq!(sids, [3, 9]);
}
