//! `requires`.

use super::load;

#[test]
fn requirements() {
    // l loaded, s skipped, f failed.
    let check = |requires: &str, expected: char| {
        let loaded = load(&format!("alert tcp any any -> any any (requires:{requires}; sid:1;)"));
        let got = match (loaded.rules.len(), loaded.skipped.len(), loaded.failures.len()) {
            (1, 0, 0) => 'l',
            (0, 1, 0) => 's',
            (0, 0, 1) => 'f',
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected, "{requires}");
    };
    check("version >= 7", 'l');
    check("version >= 9", 's');
    check("version > 8", 'l');
    check("version <= 8", 's');
    check("version >= 8.0.7", 'l');
    check("version > 8.0.7", 's');
    check("version 8", 'f');
    check("version = 8", 'f');
    check("version >= 7, version >= 8", 'f');
    check("version >= 7 < 8", 's');
    check("version >= 7 < 9", 'l');
    check("version < 7 | >= 8", 'l');
    check("version < 7 | >= 9", 's');
    check("keyword content", 'l');
    check("keyword http.uri", 'l');
    check("keyword nosuch", 's');
    check("feature nosuch", 's');
    check("foo bar", 's');
    check("version >= 7, keyword nosuch", 's');
}

#[test]
fn unmet_requirements_come_before_errors() {
    for rule in [
        "alert nosuch any any <- any any (requires:version >= 9; sid:1;)",
        "alert tcp any any -> any any (nosuch; requires:version >= 9;)",
    ] {
        let loaded = load(rule);
        assert_eq!((loaded.skipped.len(), loaded.failures.len()), (1, 0), "{rule}");
    }
}
