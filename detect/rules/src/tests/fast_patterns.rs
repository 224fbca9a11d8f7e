//! Which content the prefilter looks for.

use super::rule;
use crate::ContentOp;

#[test]
fn choice() {
    let check = |options: &str, expected: Option<&str>| {
        let rule = rule(&format!("alert http any any -> any any ({options} sid:1;)"));
        let found = rule.fast_pattern.map(|fast| {
            let list = &rule.buffers[usize::from(fast.buffer)];
            let ContentOp::Content(content) = &list.ops[usize::from(fast.op)] else {
                panic!("not a content: {options}");
            };
            let from = usize::from(fast.offset);
            let bytes = &content.bytes[from..from + usize::from(fast.len)];
            String::from_utf8(bytes.to_vec()).unwrap()
        });
        assert_eq!(found.as_deref(), expected, "{options}");
    };
    check("", None);
    check(r#"pcre:"/abc/";"#, None);
    // The longest; of equal ones the stronger; of equally strong ones the first.
    check(r#"content:"ab"; content:"abcd"; content:"abc";"#, Some("abcd"));
    check(r#"content:"aaaa"; content:"abcd";"#, Some("abcd"));
    check(r#"content:"abcd"; content:"efgh";"#, Some("abcd"));
    check(r#"content:"abcd"; content:"ef1h";"#, Some("ef1h"));
    // Buffers go before payload, whose content may be longer.
    check(r#"content:"abcdefgh"; http.uri; content:"xyz";"#, Some("xyz"));
    // Methods and status codes come last.
    check(r#"content:"ab"; http.method; content:"OPTIONS";"#, Some("ab"));
    check(r#"http.method; content:"OPTIONS"; http.uri; content:"ab";"#, Some("ab"));
    check(r#"http.method; content:"GET";"#, Some("GET"));
    // What the rule says wins.
    check(r#"content:"abcd"; content:"xy"; fast_pattern;"#, Some("xy"));
    check(r#"http.uri; content:"abcd"; http.method; content:"GET"; fast_pattern;"#, Some("GET"));
    check(r#"content:"abcdef"; fast_pattern:1,3;"#, Some("bcd"));
    check(r#"content:"abcd"; content:"xy"; fast_pattern:only;"#, Some("xy"));
    check(r#"content:"xy"; prefilter; content:"abcd";"#, Some("xy"));
    // Negated ones only when there are no others.
    check(r#"content:!"abcdef"; content:"xy";"#, Some("xy"));
    check(r#"content:!"abcdef"; fast_pattern; content:"xy";"#, Some("xy"));
    check(r#"content:!"abcdef";"#, Some("abcdef"));
    // Neither from buffers that may be absent nor from decoded bytes.
    check(r#"http.cookie; absent: or_else; content:"abcdef"; http.uri; content:"xy";"#, Some("xy"));
    check(r#"http.uri; content:"xy"; base64_decode; base64_data; content:"abcdef";"#, Some("xy"));
    check(r#"content:"ABCD"; nocase;"#, Some("abcd"));
    check(r#"content:"abcd"; http_uri; content:"xyzuvw"; http_header;"#, Some("xyzuvw"));
}

#[test]
fn transactional_rules_prefer_requests() {
    let rule = rule(
        r#"alert http any any => any any (http.uri; content:"ab"; http.stat_msg; content:"abcdefgh"; http.location; content:"abcdefgh"; sid:1;)"#,
    );
    assert_eq!(rule.fast_pattern.map(|fast| fast.buffer), Some(0));
}
