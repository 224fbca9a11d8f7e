//! Captures and limits of expressions.

use engine::ContextValue;

use crate::packets::{NONE, Sensor, udp};

#[test]
fn captures_become_variables() {
    let rule = r#"alert udp any any -> any any (msg:"x";
        pcre:"/(a.c)(d)(ef)/,pkt:one,alert:two,flow:three"; sid:1;)"#;
    let mut sensor = Sensor::new(&rule.replace('\n', " "));
    let (found, _) = sensor.in_flow(&udp(b"..abcdef"));
    assert_eq!(found, [1]);
    assert_eq!(sensor.inspector.packet_variables(), [("one".to_owned(), b"abc".to_vec())]);
    let context = &sensor.inspector.queue.alerts[0].found.context;
    assert_eq!(*context, [("two".to_owned(), ContextValue::Text(b"d".to_vec()))]);
}

#[test]
fn a_name_may_be_captured_too() {
    let mut sensor = Sensor::new(
        r#"alert udp any any -> any any (pcre:"/(\w+)=(\w+)/,pkt:key,pkt:value"; sid:1;)"#,
    );
    assert_eq!(sensor.alone(&udp(b"k=v")), [1]);
    assert_eq!(sensor.inspector.packet_variables(), [("k".to_owned(), b"v".to_vec())]);
    sensor.alone(&udp(b"none"));
    assert!(sensor.inspector.packet_variables().is_empty());
}

#[test]
fn nothing_is_captured_when_the_rest_does_not_match() {
    let mut sensor = Sensor::new(
        r#"alert udp any any -> any any (pcre:"/(a.)/,pkt:v"; content:"!"; within:1; sid:1;)"#,
    );
    assert_eq!(sensor.alone(&udp(b"a1 a2 a3")), NONE);
    assert!(sensor.inspector.packet_variables().is_empty());
    // The captures of tries that failed are forgotten.
    assert_eq!(sensor.alone(&udp(b"a1 a2 a3!")), [1]);
    assert_eq!(sensor.inspector.packet_variables(), [("v".to_owned(), b"a3".to_vec())]);
}

#[test]
fn an_expression_that_takes_too_long_does_not_match() {
    let mut sensor = Sensor::new(r#"alert udp any any -> any any (pcre:"/^(a+)+$/"; sid:1;)"#);
    let mut payload = vec![b'a'; 64];
    payload.push(b'!');
    assert_eq!(sensor.alone(&udp(&payload)), NONE);
    assert_eq!(sensor.inspector.refused().pcre_matches, 1);
    assert_eq!(sensor.alone(&udp(&payload[..3])), [1]);
    assert_eq!(sensor.inspector.refused().pcre_matches, 1);
}

/// A match that sets a group far behind still says where it ends.
#[test]
fn an_expression_may_have_many_groups() {
    let groups = "(x)?".repeat(60);
    for (payload, want) in [(&b"..y!"[..], &[1][..]), (b"..y.!", &[])] {
        let mut sensor = Sensor::new(&format!(
            "alert udp any any -> any any (pcre:\"/{groups}(y)/\"; content:\"!\"; within:1; sid:1;)"
        ));
        assert_eq!(sensor.alone(&udp(payload)), want);
    }
}

#[test]
fn recursion_is_limited() {
    let rule = r#"alert udp any any -> any any (content:"a"; content:"b"; distance:0;
        content:"c"; distance:0; sid:1;)"#;
    let mut sensor = Sensor::new(&rule.replace('\n', " "));
    let mut payload = vec![b'a'; 4000];
    payload.extend_from_slice(b"bbc");
    // The first try succeeds.
    assert_eq!(sensor.alone(&udp(&payload)), [1]);
    let rule = rule.replace(r#""c"; distance:0;"#, r#""c"; distance:0; within:1;"#);
    let mut sensor = Sensor::new(&rule.replace('\n', " "));
    assert_eq!(sensor.alone(&udp(b"ab bc")), [1]);
    // The match lies behind more tries than the limit allows.
    let payload = [&b"ab ".repeat(4000)[..], b"abc"].concat();
    assert_eq!(sensor.alone(&udp(&payload)), NONE);
}
