//! What is refused, skipped, or accepted with which class: a table of rules with the verdict
//! that Suricata 8.0.7 gave when it was run on them.

use super::settings;
use crate::rule::RuleClass;
use crate::{LoadedRules, Loader};

const TABLE: &str = include_str!("verdicts.txt");

fn verdict(loaded: &LoadedRules) -> &'static str {
    if !loaded.skipped.is_empty() {
        return "skip";
    }
    match loaded.rules.first().map(|rule| rule.class) {
        None => "R",
        Some(RuleClass::IpOnly) => "ip_only",
        Some(RuleClass::LikeIpOnly) => "like_ip_only",
        Some(RuleClass::PdOnly) => "pd_only",
        Some(RuleClass::DeOnly) => "de_only",
        Some(RuleClass::Packet) => "pkt",
        Some(RuleClass::PacketStream) => "pkt_stream",
        Some(RuleClass::Stream) => "stream",
        Some(RuleClass::AppLayer) => "app_layer",
        Some(RuleClass::AppTx) => "app_tx",
    }
}

#[test]
fn verdicts_are_those_of_suricata() {
    // Data sets that rules declare are known to the rules after them.
    let mut settings = settings();
    let mut wrong = Vec::new();
    for line in TABLE.lines() {
        let (expected, rule) = line.split_once('\t').unwrap();
        let mut loader = Loader::new(settings.clone());
        loader.load("table.rules", rule.as_bytes());
        let loaded = loader.finish();
        let declared = loaded.names.datasets.iter();
        settings.datasets.extend(declared.map(|(name, kind)| (name.clone(), *kind)));
        let got = verdict(&loaded);
        if got != expected {
            let why = loaded.failures.first().map(|f| f.error.message.clone());
            wrong.push(format!("{got} instead of {expected}: {rule} {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
