//! Messages that others compare literally, and where they point.

use super::failure;

#[test]
fn messages_and_modules() {
    let check = |options: &str, module: &str, message: &str| {
        let failure = failure(&format!("alert tcp any any -> any any ({options} sid:1;)"));
        assert_eq!(failure.error.message, message, "{options}");
        assert_eq!(failure.error.module, module, "{options}");
    };
    check(
        r#"content:"a"; depth:d;"#,
        "detect-depth",
        "unknown byte_ keyword var seen in depth - d.",
    );
    check(r#"content:"a"; depth:-5;"#, "detect-depth", "invalid value for depth: -5.");
    check(
        r#"content:"a"; within:1; within:1;"#,
        "detect-within",
        "can't use multiple withins for the same content.",
    );
    for value in ["1048577", "-1048577"] {
        let message = |name| format!("invalid value for {name}: {value}");
        check(&format!(r#"content:"a"; within:{value};"#), "detect-within", &message("within"));
        check(
            &format!(r#"content:"a"; distance:{value};"#),
            "detect-distance",
            &message("distance"),
        );
    }
    check(
        r#"content:"a"; offset:1; offset:1;"#,
        "detect-offset",
        "can't use multiple offsets for the same content.",
    );
    for (options, module) in [
        (r#"content:"a"; within:5; depth:5;"#, "detect-depth"),
        (r#"content:"a"; distance:5; offset:5;"#, "detect-offset"),
        (r#"content:"a"; offset:5; distance:5;"#, "detect-distance"),
        (r#"content:"a"; depth:5; within:5;"#, "detect-within"),
    ] {
        check(
            options,
            module,
            "can't use a relative keyword like within/distance with a absolute relative keyword \
             like depth/offset for the same content.",
        );
    }
    check(
        r#"content:!"a"; fast_pattern; offset:1;"#,
        "detect-offset",
        "can't have a relative negated keyword set along with 'fast_pattern'.",
    );
    check(
        "content:a;",
        "detect-parse",
        "invalid formatting to content keyword: value must be double quoted 'content'",
    );
}

#[test]
fn required_length_against_dsize() {
    let check = |contents: &str, dsize: u64, needed: u64| {
        let options = format!("dsize:{dsize}; {contents}");
        let failure = failure(&format!("alert tcp any any -> any any ({options} sid:1;)"));
        let message = format!(
            "signature can't match as required content length {needed} exceeds dsize value {dsize}"
        );
        assert_eq!(failure.error.message, message, "{options}");
    };
    let mixed = r#"content:"abcdef"; startswith; content:!"a"; distance:0; content:"789";
        distance:0; content:!"c"; distance:1; within:10;"#
        .replace('\n', "");
    check(&mixed, 16, 20);
    check(r#"content:"abcdef"; offset:4;"#, 5, 6);
    check(r#"content:"abcdef"; offset:4;"#, 6, 10);
    check(r#"content:"a"; offset:7; content:"bcd"; distance:2; within:9;"#, 6, 13);
    check(r#"content:"ab"; content:"c"; distance:-2; content:"d"; distance:5;"#, 6, 7);
}

#[test]
fn places_of_errors() {
    let check = |text: &str, marked: &str| {
        let failure = failure(text);
        let range = failure.error.span.range();
        assert_eq!(failure.text.get(range), Some(marked), "{text}");
    };
    check("alert tcp any any <- any any (sid:1;)", "<-");
    check("alert nosuch any any -> any any (sid:1;)", "nosuch");
    check("alert tcp any 70000 -> any any (sid:1;)", "70000");
    check(r#"alert tcp any any -> any any (content:"abc"; depth:2; sid:1;)"#, "depth:2");
    check("alert tcp any any -> any any (nosuch:1; sid:1;)", "nosuch:1");
}
