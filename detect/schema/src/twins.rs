//! Keys that stand twice in one object; readers differ in which one they take.

/// Where keys stand twice, in JSON that is well formed.
pub(crate) fn twins(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => open.push(Open::default()),
            b'[' => open.push(Open { array: true, ..Open::default() }),
            b'}' | b']' => {
                open.pop();
            }
            b'"' => {
                let end = end_of_string(bytes, at);
                let string = text.get(at..end).unwrap_or_default();
                at = end + 1;
                if bytes.get(at) == Some(&b':')
                    && let Some(object) = open.last_mut()
                {
                    object.key = string;
                    if object.seen.contains(&string) {
                        found.push(path(&open));
                    } else {
                        object.seen.push(string);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[derive(Default)]
struct Open<'a> {
    array: bool,
    key: &'a str,
    seen: Vec<&'a str>,
}

fn path(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    for one in open {
        if !one.array && !path.is_empty() {
            path.push('.');
        }
        path.push_str(if one.array { "[]" } else { one.key });
    }
    path
}

/// Place of the quote that ends a string.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::twins;

    #[test]
    fn keys_are_compared_within_their_object() {
        let check = |text: &str, want: &[&str]| assert_eq!(twins(text), want, "{text}");
        check(r#"{"a":1,"b":{"a":2,"c":"a"},"c":["a",{"a":1}]}"#, &[]);
        check(r#"{"a":1,"b":{"c":"\"","c":2},"a":{}}"#, &["b.c", "a"]);
        check(r#"{"a":[{"b":1},{"b":1,"x":{},"b":1}]}"#, &["a[].b"]);
        check("{\"a", &[]);
    }
}
