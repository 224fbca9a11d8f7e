//! The prefilter misses no rule and adds none.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use engine::{EngineSettings, Inspector, PacketFacts};
use proptest::prelude::*;
use rules::threshold::ThresholdFile;

use crate::brute;
use crate::packets::{Sensor, try_ruleset, udp};

/// One content with modifiers, as text.
fn content() -> impl Strategy<Value = String> {
    let numbers = (0u8..6, 0u8..10, 0u8..4);
    let flags = (any::<bool>(), any::<bool>(), 0u8..9, any::<bool>());
    ("[abAB]{1,4}", numbers, flags).prop_map(|(text, (a, b, slice), (nocase, not, place, end))| {
        let len = text.len() as u8;
        let mut out = format!("content:{}\"{text}\";", if not && place > 3 { "!" } else { "" });
        if nocase {
            out.push_str(" nocase;");
        }
        let _ = match place {
            0 => write!(out, " offset:{a};"),
            1 => write!(out, " offset:{a}; depth:{};", len + b),
            2 => write!(out, " startswith;"),
            3 => write!(out, " depth:{};", len + b),
            4 => write!(out, " distance:{};", i32::from(a) - 3),
            5 => write!(out, " within:{};", len + b),
            6 => write!(out, " distance:{}; within:{};", i32::from(a) - 3, len + b),
            _ => Ok(()),
        };
        if end && place != 2 {
            out.push_str(" endswith;");
        }
        if slice == 1 && !not {
            out.push_str(" fast_pattern;");
        } else if slice == 2 && !not && len > 1 {
            let _ = write!(out, " fast_pattern:1,{};", len - 1);
        }
        out.push(' ');
        out
    })
}

/// Another option, as text.
fn other() -> impl Strategy<Value = String> {
    prop_oneof![
        (0u8..20).prop_map(|n| format!("dsize:>{n}; ")),
        (0u8..12, any::<bool>())
            .prop_map(|(n, r)| { format!("isdataat:{n}{}; ", if r { ",relative" } else { "" }) }),
        (0u8..4).prop_map(|n| format!("byte_test:1,=,0x61,{n},relative; ")),
        Just("pcre:\"/b+a/i\"; ".to_owned()),
        Just("pcre:\"/^a/R\"; ".to_owned()),
    ]
}

fn options() -> impl Strategy<Value = String> {
    let one = prop_oneof![4 => content(), 1 => other()];
    proptest::collection::vec(one, 1..5).prop_map(|list| list.concat())
}

fn header() -> impl Strategy<Value = String> {
    let side = || {
        prop_oneof![
            3 => Just("any any"),
            1 => Just("10.0.0.0/30 any"),
            1 => Just("!10.0.0.1 [1000:1500,2000]"),
            1 => Just("[10.0.0.1,10.0.0.9] ![1:1500]"),
        ]
    };
    let sign = prop_oneof![3 => Just("->"), 1 => Just("<>")];
    (side(), sign, side()).prop_map(|(src, sign, dst)| format!("alert udp {src} {sign} {dst}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn finds_what_trying_every_rule_finds(
        rules in proptest::collection::vec((header(), options()), 1..12),
        payloads in proptest::collection::vec("[abAB]{0,24}", 1..6),
        hosts in proptest::collection::vec((0u8..4, 0u8..4, 0u16..2), 1..4),
    ) {
        let mut text = String::new();
        for (sid, (header, options)) in (1..).zip(&rules) {
            let _ = writeln!(text, "{header} (msg:\"x\"; {options}sid:{sid};)");
        }
        let settings = EngineSettings { packet_alert_max: 1000, ..EngineSettings::default() };
        // Rules that make no sense are refused and play no part.
        let (ruleset, _) = try_ruleset(&text, settings, &ThresholdFile::default(), |_| ());
        let ruleset = Arc::new(ruleset);
        let mut inspector = Inspector::new(Arc::clone(&ruleset));
        for payload in &payloads {
            for &(src, dst, port) in &hosts {
                let mut packet = udp(payload.as_bytes());
                packet.src = IpAddr::from([10, 0, 0, src]);
                packet.dst = IpAddr::from([10, 0, 0, dst]);
                packet.src_port += 600 * port;
                inspector.inspect(&packet, None, &PacketFacts::default());
                let alerts = inspector.queue.alerts.iter();
                let mut found: Vec<u32> =
                    alerts.map(|a| ruleset.get(a.found.rule).unwrap().rule.sid).collect();
                found.dedup();
                prop_assert_eq!(found, brute::matching(&ruleset, &packet), "{:?} {}", packet.src, text);
            }
        }
    }
}

#[test]
fn payload_rules_without_literal_are_always_tried() {
    let mut sensor = Sensor::new(
        "alert udp any any -> any any (dsize:3; sid:1;)\n\
         alert udp any any -> any any (content:!\"x\"; sid:2;)\n\
         alert udp any any -> any any (byte_test:1,=,97,0; sid:3;)\n\
         alert udp any any -> any any (pcre:\"/c$/\"; sid:4;)",
    );
    for (payload, want) in [("abc", &[1, 2, 3, 4][..]), ("xyz", &[1]), ("ab", &[2, 3]), ("", &[])] {
        assert_eq!(sensor.alone(&udp(payload.as_bytes())), want, "{payload}");
    }
}
