//! No text makes the loader panic.

use proptest::prelude::*;

use super::load;
use crate::threshold::ThresholdFile;
use crate::{AddressSet, Classifications, PortSet, References, Variables};

const TABLE: &str = include_str!("verdicts.txt");

fn table_rule() -> impl Strategy<Value = String> {
    let rules: Vec<String> =
        TABLE.lines().filter_map(|line| line.split_once('\t')).map(|(_, r)| r.to_owned()).collect();
    prop::sample::select(rules)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") {
        load(&text);
        load(&format!("alert tcp any any -> any any ({text}; sid:1;)"));
    }

    #[test]
    fn mutated_rules(
        rule in table_rule(),
        at in any::<prop::sample::Index>(),
        cut in 0usize..6,
        insert in "[ -~]{0,4}",
    ) {
        let mut bytes = rule.into_bytes();
        let start = at.index(bytes.len());
        let end = (start + cut).min(bytes.len());
        bytes.splice(start..end, insert.into_bytes());
        let mut loader = crate::Loader::new(super::settings());
        loader.load("mutated.rules", &bytes);
        loader.finish();
    }

    #[test]
    fn joined_options(one in table_rule(), two in table_rule()) {
        let options = |rule: &str| rule.split_once('(').map_or(String::new(), |r| r.1.to_owned());
        let header = one.split('(').next().unwrap_or("").to_owned();
        let body = options(&one).replace("sid:", "priority:").replace(";)", ";");
        load(&format!("{header}({body} {}", options(&two)));
    }

    #[test]
    fn sets_and_files(text in "[\\[\\]!,:$0-9a-fA-Z./ -]{0,40}") {
        let variables = Variables::sample();
        let _ = AddressSet::parse(&text, &variables);
        let _ = PortSet::parse(&text, &variables);
        ThresholdFile::parse(&text, &variables);
        ThresholdFile::parse(&format!("suppress gen_id 1, sig_id 1, {text}"), &variables);
        Classifications::parse(&format!("config classification:{text}"));
        References::parse(&format!("config reference:{text}"));
    }
}
