//! Files of rules: lines, duplicates, warnings, what is shared.

use super::{load, rule};
use crate::keyword::{Bit, registry};
use crate::rule::{ContentOp, Place, Transform};
use crate::{Catalogue, describe};

#[test]
fn lines_that_begin_with_a_blank_are_no_rules() {
    let text = " alert tcp any any -> any any (sid:1;)\n# c \\\nalert tcp any any -> any any (sid:3;)\n\
                alert tcp any any -> any any ( \\ \t\n sid:4;)\n\talert tcp any any -> any any (sid:5;)\n\
                alert tcp any any -> any any ( \\\n\nalert tcp any any -> any any (sid:7;)\n";
    let loaded = load(text);
    let sids: Vec<u32> = loaded.rules.iter().map(|rule| rule.sid).collect();
    assert_eq!(sids, [3, 4, 7]);
    assert_eq!(loaded.failures.len(), 1);
    assert_eq!(loaded.failures[0].line, 8);
}

#[test]
fn lines() {
    let long = "a".repeat(8200);
    let text = format!(
        "# alert tcp any any -> any any (sid:9;)\n\nalert tcp any any -> any any (sid:1;)  \r\n\
         alert tcp any any \\\n -> any any (msg:\"x\"; \\\n sid:2;)\n\
         alert tcp any any -> any any (msg:\"{long}\"; sid:3;)\n\
         alert tcp any any -> any any (sid:4;)"
    );
    let loaded = load(&text);
    let got: Vec<_> = loaded.rules.iter().map(|rule| (rule.sid, rule.line)).collect();
    assert_eq!(got.first(), Some(&(1, 3)));
    assert_eq!(got.get(1), Some(&(2, 6)));
    // The line that is too long is cut, and both pieces are refused.
    assert_eq!(loaded.failures.len(), 2);
    assert_eq!(got.last().map(|g| g.0), Some(4));
}

#[test]
fn a_line_of_8191_bytes_loads() {
    let frame = "alert tcp any any -> any any (msg:\"\"; sid:1;)".len();
    for (length, loads) in [(8191, true), (8200, false)] {
        let msg = "a".repeat(length - frame);
        let loaded = load(&format!("alert tcp any any -> any any (msg:\"{msg}\"; sid:1;)\n"));
        assert_eq!(loaded.rules.len() == 1, loads, "{length}");
    }
}

#[test]
fn revisions() {
    let rev = |n: u32| format!("alert tcp any any -> any any (sid:1; rev:{n};)\n");
    let loaded = load(&[rev(1), rev(1), rev(2)].concat());
    assert_eq!((loaded.accepted, loaded.failures.len(), loaded.warnings.len()), (2, 1, 1));
    assert_eq!(loaded.rules.iter().map(|rule| rule.rev).collect::<Vec<_>>(), [2]);
    let loaded = load(&[rev(2), rev(1)].concat());
    assert_eq!(loaded.rules.iter().map(|rule| rule.rev).collect::<Vec<_>>(), [2]);
}

#[test]
fn unset_flowbits() {
    let loaded = load(
        "alert tcp any any -> any any (flowbits:isset,a; sid:1;)\n\
         alert tcp any any -> any any (flowbits:isset,a; sid:2;)\n\
         alert tcp any any -> any any (flowbits:isset,b; sid:3;)\n\
         alert tcp any any -> any any (flowbits:set,b; sid:4;)\n",
    );
    let got: Vec<_> = loaded.warnings.iter().map(|w| w.warning.message.as_ref()).collect();
    assert_eq!(got, ["flowbit 'a' is checked but not set. Checked in 1 and 1 other sigs"]);
    let ids = |at: usize| match loaded.rules[at].bits.first() {
        Some(Bit::Flow(bit)) => bit.ids.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ids(0), ids(1));
    assert_eq!(ids(2), ids(3));
    assert_ne!(ids(0), ids(2));
}

#[test]
fn buffers() {
    let check = |options: &str, expected: &[(&str, usize)]| {
        let rule = rule(&format!("alert http any any -> any any ({options} sid:1;)"));
        let catalogue = Catalogue::of_protocols();
        let name = |place| match place {
            Place::Payload => "payload",
            Place::Buffer(id) => catalogue.buffer(id).unwrap().name,
            _ => "other",
        };
        let got: Vec<_> =
            rule.buffers.iter().map(|b| (name(b.target.place), b.ops.len())).collect();
        assert_eq!(got, expected, "{options}");
    };
    check(r#"content:"a"; content:"b";"#, &[("payload", 2)]);
    check(r#"http.uri; content:"a"; content:"b";"#, &[("http.uri", 2)]);
    check(r#"content:"a"; http_uri; content:"b"; http_uri;"#, &[("http.uri", 2)]);
    check(r#"content:"a"; content:"b"; http_uri;"#, &[("payload", 1), ("http.uri", 1)]);
    check(
        r#"http.uri; content:"a"; pkt_data; content:"b"; http.host; content:"c";"#,
        &[("http.uri", 1), ("payload", 1), ("http.host", 1)],
    );
    check(
        r#"http.uri; content:"a"; http.host; content:"c"; http.uri; content:"b";"#,
        &[("http.uri", 2), ("http.host", 1)],
    );
    check(r#"pcre:"/a/U"; urilen:5;"#, &[("http.uri", 2)]);
    check(
        r#"http.request_header; content:"a"; http.request_header; content:"b";"#,
        &[("http.request_header", 1), ("http.request_header", 1)],
    );
    // What follows base64_data stands right behind the decoder.
    check(
        r#"content:"a"; base64_decode; content:"z"; base64_data; content:"b"; content:"c";"#,
        &[("payload", 4)],
    );
}

#[test]
fn decoded_base64_and_transforms() {
    let one = rule(
        r#"alert tcp any any -> any any (content:"a"; base64_decode; content:"z"; base64_data; content:"b"; pkt_data; content:"y"; sid:1;)"#,
    );
    let ops = &one.buffers[0].ops;
    assert!(matches!(&ops[2], ContentOp::Base64Data(inner) if inner.len() == 1), "{ops:?}");
    assert_eq!(ops.len(), 5);
    let two = rule(
        r#"alert http any any -> any any (http.host; to_uppercase; xor:"0aff"; content:"A"; sid:1;)"#,
    );
    let expected = [Transform::ToUppercase, Transform::Xor(vec![0x0a, 0xff])];
    assert_eq!(two.buffers[0].target.transforms, expected);
}

#[test]
fn keywords_have_their_names_once() {
    let mut names: Vec<_> = registry::KEYWORDS
        .iter()
        .flat_map(|k| std::iter::once(k.name).chain(k.aliases.iter().copied()))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn listing() {
    let list = describe::keywords(&Catalogue::of_protocols());
    assert!(list.len() >= 394);
    assert_eq!(list.first().map(|k| k.name.as_str()), Some("sid"));
    let flags = describe::keyword(&Catalogue::of_protocols(), "flags").unwrap();
    assert_eq!((flags.name.as_str(), flags.supported), ("tcp.flags", true));
    assert!(registry::KEYWORDS.iter().all(|k| !k.doc.is_empty()));
}
