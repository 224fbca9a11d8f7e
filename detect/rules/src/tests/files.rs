//! Classes, references and the threshold file.

use crate::rule::RuleClass;
use crate::threshold::{EntryKind, RateAction, Threshold, ThresholdFile, ThresholdKind, Track};
use crate::{Classifications, Loader, References, Settings, Variables};

#[test]
fn classification_and_reference() {
    let text = "# comment\n\nconfig classification: bad-unknown,Potentially, Bad Traffic, 2\n\
        config classification:worse,Worse,1\nconfig nonsense\n";
    let (classifications, bad) = Classifications::parse(text);
    assert_eq!(bad, [5]);
    assert_eq!(classifications.len(), 2);
    let (references, bad) =
        References::parse("config reference: url https://\nconfig reference: x\n");
    assert_eq!((references.prefix("URL"), bad), (Some("https://"), vec![2]));
    let settings = Settings { classifications, references, ..Settings::default() };
    let mut loader = Loader::new(settings);
    loader.load(
        "a.rules",
        b"alert tcp any any -> any any (classtype:bad-unknown; reference:url,a.b; sid:1;)\n\
          alert tcp any any -> any any (classtype:Worse; priority:7; sid:2;)\n\
          alert tcp any any -> any any (classtype:nosuch; reference:nosuch,1; sid:3;)\n\
          alert tcp any any -> any any (classtype:nosuch; sid:4;)\n\
          alert tcp any any -> any any (sid:5;)\n",
    );
    let loaded = loader.finish();
    let got: Vec<_> = loaded.rules.iter().map(|r| (r.category.as_str(), r.priority)).collect();
    let expected =
        [("Potentially, Bad Traffic", 2), ("Worse", 7), ("nosuch", 3), ("nosuch", 3), ("", 3)];
    assert_eq!(got, expected);
    // Unknown names are told once.
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert_eq!(loaded.rules.first().map(|r| r.class), Some(RuleClass::IpOnly));
}

fn threshold(kind: ThresholdKind, track: Track, count: u32, seconds: u32) -> EntryKind {
    EntryKind::Threshold(Threshold { kind, track, count, seconds, multiplier: 0 })
}

#[test]
fn threshold_file() {
    let check = |line: &str, expected: Option<(u32, u32, EntryKind)>| {
        let (file, errors) = ThresholdFile::parse(line, &Variables::sample());
        let got = file.entries.into_iter().next().map(|e| (e.gid, e.sid, e.entry));
        assert_eq!(errors.is_empty(), expected.is_some(), "{line}: {errors:?}");
        assert_eq!(got, expected, "{line}");
    };
    check("suppress gen_id 1, sig_id 5", Some((1, 5, EntryKind::Suppress(None))));
    check(
        "threshold gen_id 1, sig_id 5, type limit, track by_src, count 2, seconds 60",
        Some((1, 5, threshold(ThresholdKind::Limit, Track::BySrc, 2, 60))),
    );
    check(
        "event_filter gen_id 1, sig_id 0, type both, track by_both, count 2, seconds 60",
        Some((1, 0, threshold(ThresholdKind::Both, Track::ByBoth, 2, 60))),
    );
    let kind = ThresholdKind::Rate { new_action: RateAction::Drop, timeout: 3 };
    check(
        "rate_filter gen_id 1, sig_id 5, track by_rule, count 2, seconds 60, new_action drop, \
         timeout 3",
        Some((1, 5, threshold(kind, Track::ByRule, 2, 60))),
    );
    for bad in [
        "suppress gen_id 1",
        "suppress gen_id 0, sig_id 5",
        "suppress gen_id 1, sig_id 5, track by_src",
        "suppress gen_id 1, sig_id 5, track by_rule, ip 1.2.3.4",
        "suppress gen_id 1, sig_id 5, track by_src, ip 1.2.3.400",
        "threshold gen_id 1, sig_id 5, type limit, track by_src, count 0, seconds 60",
        "threshold gen_id 1, sig_id 5, type foo, track by_src, count 1, seconds 60",
        "threshold gen_id 1, sig_id 5, type limit, count 1, seconds 60",
        "rate_filter gen_id 1, sig_id 5, track by_rule, count 2, seconds 60, new_action foo, timeout 3",
        "foo gen_id 1, sig_id 5",
        "suppress",
    ] {
        check(bad, None);
    }
}

#[test]
fn threshold_file_lines() {
    let text = "# comment\nsuppress gen_id 1, \\\n  sig_id 5, track by_either, ip [10.0.0.0/8,!10.0.0.1]\n\
        nonsense here\nsuppress gen_id 1, sig_id 6, track by_dst, ip $HOME_NET\n";
    let (file, errors) = ThresholdFile::parse(text, &Variables::sample());
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [4]);
    let [first, second] = file.entries.as_slice() else { panic!("{file:?}") };
    assert_eq!((first.line, second.line), (3, 5));
    let EntryKind::Suppress(Some((Track::ByEither, set))) = &first.entry else { panic!() };
    assert!(
        set.contains("10.0.0.2".parse().unwrap()) && !set.contains("10.0.0.1".parse().unwrap())
    );
    assert!(first.concerns(1, 5) && !first.concerns(1, 6) && !first.concerns(2, 5));
}
