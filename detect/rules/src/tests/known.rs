//! Rules that are taken over from those in force: the outcome is that of reading all of them.

use std::sync::Arc;

use super::settings;
use crate::{Known, LoadedRules, Loader, Settings, Variables};

fn load(settings: &Settings, known: Known, text: &str) -> LoadedRules {
    let mut loader = Loader::taking_over(settings.clone(), known);
    loader.load("test.rules", text.as_bytes());
    loader.finish()
}

/// All rules of a load, shared as the engine shares them.
fn shared(loaded: LoadedRules) -> (crate::Names, Vec<Arc<crate::Rule>>) {
    let read = loaded.rules.into_iter().map(Arc::from);
    (loaded.names, loaded.kept.into_iter().chain(read).collect())
}

/// What people are told of a load, with the places.
fn said(loaded: &LoadedRules) -> Vec<String> {
    let failures = loaded.failures.iter().map(|f| format!("{} {}", f.line, f.error.message));
    let warnings = loaded.warnings.iter().map(|w| format!("{} {}", w.line, w.warning.message));
    failures.chain(warnings).collect()
}

fn sids(loaded: &LoadedRules) -> Vec<(u32, u32)> {
    let kept = loaded.kept.iter().map(|rule| (rule.sid, rule.rev));
    let mut all: Vec<_> = loaded.rules.iter().map(|r| (r.sid, r.rev)).chain(kept).collect();
    all.sort_unstable();
    all
}

const BEFORE: &str = "alert tcp any any -> $HOME_NET 80 (content:\"a\"; sid:1; rev:1;)\n\
     alert tcp any any -> any any (flowbits:isset,x; sid:2;)\n\
     alert tcp any any -> any any (flowbits:set,y; noalert; sid:3;)\n\
     alert tcp any any -> any any (content:\"b\"; classtype:nobody-knows; sid:4;)\n\
     alert tcp [192.0.2.0/24,!192.0.2.7] any -> any 1:9 (content:\"c\"; sid:5;)\n\
     alert tcp any any -> any any (content:; sid:6;)\n";

#[test]
fn what_changes_is_read_and_the_rest_is_kept() {
    let check = |text: &str, kept: usize| {
        let settings = settings();
        let (names, rules) = shared(load(&settings, Known::default(), BEFORE));
        let known = Known::new(names, &rules);
        let (again, fresh) =
            (load(&settings, known, text), load(&settings, Known::default(), text));
        assert_eq!(again.kept.len(), kept, "{text}");
        assert!(again.kept.iter().all(|rule| rules.iter().any(|old| Arc::ptr_eq(old, rule))));
        assert_eq!((sids(&again), again.accepted), (sids(&fresh), fresh.accepted), "{text}");
        assert_eq!(said(&again), said(&fresh), "{text}");
    };
    // The rule with an unknown class has something to tell each time.
    check(BEFORE, 4);
    check(&format!("# a line more\n\n{BEFORE}"), 4);
    check(&BEFORE.replace("rev:1", "rev:2"), 3);
    check(&BEFORE.replace("flowbits:set,y", "flowbits:set,x"), 3);
    check(
        &format!("{BEFORE}alert tcp any any -> $HOME_NET 80 (content:\"a\"; sid:1; rev:9;)\n"),
        3,
    );
    check(&format!("{BEFORE}alert tcp any any -> any any (content:\"z\"; sid:5;)\n"), 4);
    check("", 0);
}

#[test]
fn numbers_of_sets_and_names_go_on() {
    let settings = settings();
    let (names, rules) = shared(load(&settings, Known::default(), BEFORE));
    let known = Known::new(names, &rules);
    let text = format!(
        "{BEFORE}alert tcp [192.0.2.0/24,!192.0.2.7] any -> any 1:9 (content:\"new\"; sid:7;)\n\
         alert tcp 198.51.100.1 any -> any 4444 (flowbits:set,x; sid:8;)\n"
    );
    let loaded = load(&settings, known, &text);
    let [same, other] = loaded.rules.iter().filter(|rule| rule.sid > 6).collect::<Vec<_>>()[..]
    else {
        panic!("{loaded:?}")
    };
    let five = rules.iter().find(|rule| rule.sid == 5).unwrap();
    assert_eq!((same.src.id(), same.dst_ports.id()), (five.src.id(), five.dst_ports.id()));
    let taken: Vec<u32> = rules.iter().flat_map(|rule| [rule.src.id(), rule.dst.id()]).collect();
    assert!(!taken.contains(&other.src.id()));
    assert!(rules.iter().all(|rule| rule.dst_ports.id() != other.dst_ports.id()));
    let bits = |rule: &crate::Rule| format!("{:?}", rule.bits).replace("Set", "IsSet");
    let two = rules.iter().find(|rule| rule.sid == 2).unwrap();
    assert_eq!(bits(other).replace("IsIs", "Is"), bits(two).replace("IsIs", "Is"));
}

#[test]
fn settings_that_give_texts_another_meaning_are_told() {
    let usual = settings();
    assert!(usual.reads_as(&usual.clone()));
    let others = [
        Settings { variables: Variables::default(), ..usual.clone() },
        Settings { inline: true, ..usual.clone() },
        Settings { file_store: true, ..usual.clone() },
        Settings { max_flowbits: 1, ..usual.clone() },
    ];
    for other in others {
        assert!(!usual.reads_as(&other), "{other:?}");
    }
}

#[test]
fn what_lies_beside_a_file_is_looked_for_where_the_file_is_now() {
    let check = |rule: &str, kept: usize| {
        let settings = Settings { dataset_absolute_paths: true, ..settings() };
        let rule = format!("alert http any any -> any any ({rule} sid:1;)\n");
        let (names, rules) = shared(load(&settings, Known::default(), &rule));
        assert_eq!(rules.len(), 1, "{rule}");
        let mut loader = Loader::taking_over(settings, Known::new(names, &rules));
        // Versions of a set of rules have folders of their own.
        loader.load("elsewhere/test.rules", rule.as_bytes());
        loader.load("elsewhere/again.rules", rule.as_bytes());
        let loaded = loader.finish();
        assert_eq!((loaded.kept.len(), loaded.rules.len()), (kept, 1 - kept), "{rule}");
        let [failure] = loaded.failures.as_slice() else { panic!("{loaded:?}") };
        assert_eq!(&*failure.file, "elsewhere/again.rules");
    };
    check("http.uri; content:\"a\";", 1);
    check("filemd5:list;", 0);
    check("http.uri; dataset:isset,seen,type string,load seen.lst;", 0);
}
