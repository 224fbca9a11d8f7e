//! Members of a JSON object, found in its text without reading the rest of it.

use std::ops::Range;

/// The members of an object: key and place of the value, until the end or what is no JSON.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Members<'a> {
    /// Of the object that begins at a place of a text.
    pub(super) fn of(bytes: &'a [u8], at: usize) -> Self {
        let at = if bytes.get(at) == Some(&b'{') { at + 1 } else { bytes.len() };
        Self { bytes, at }
    }

    fn skip(&mut self, also: u8) {
        while let Some(byte) = self.bytes.get(self.at)
            && (byte.is_ascii_whitespace() || *byte == also)
        {
            self.at += 1;
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(b',');
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let end = end_of_text(self.bytes, self.at)?;
        let key = self.bytes.get(self.at + 1..end - 1)?;
        self.at = end;
        self.skip(b':');
        let start = self.at;
        self.at = end_of_value(self.bytes, start)?;
        Some((key, start..self.at))
    }
}

/// The place of a member's value in an object that begins at a place of a text.
pub(super) fn find(bytes: &[u8], at: usize, key: &str) -> Option<Range<usize>> {
    Members::of(bytes, at).find(|(name, _)| *name == key.as_bytes()).map(|(_, place)| place)
}

/// Behind a text that begins with the quote at `at`.
fn end_of_text(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Behind a value; none if there is none.
fn end_of_value(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at = end_of_text(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b',' | b'}' | b']' if depth == 0 => return (at > start).then_some(at),
            _ if depth == 0 => {
                let rest = bytes.get(at..)?;
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                return Some(at + rest.iter().position(ends)?);
            }
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(text: &str) -> Vec<(String, String)> {
        let shown = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        Members::of(text.as_bytes(), 0)
            .map(|(key, place)| (shown(key), text[place].to_owned()))
            .collect()
    }

    #[test]
    fn members_are_those_of_the_object_alone() {
        let check = |text: &str, want: &[(&str, &str)]| {
            let found = members(text);
            let found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(found, want, "{text}");
        };
        check(
            r#"{"a":1,"b":{"c":[1,{"d":"}"}],"e":2},"f":"\"a\":\\","g":[] , "h" : true }"#,
            &[
                ("a", "1"),
                ("b", r#"{"c":[1,{"d":"}"}],"e":2}"#),
                ("f", r#""\"a\":\\""#),
                ("g", "[]"),
                ("h", "true"),
            ],
        );
        check("{}", &[]);
        check("", &[]);
        check("[1]", &[]);
        check(r#"{"a":}"#, &[]);
        check(r#"{"a":1,"b":"half"#, &[("a", "1")]);
        check(r#"{"a":1,"b":{"c":1"#, &[("a", "1")]);
        check(r#"{"a":1,"b\"#, &[("a", "1")]);
        assert_eq!(find(br#"{"a":{"b":7}}"#, 5, "b"), Some(10..11));
        assert_eq!(find(br#"{"a":{"b":7}}"#, 0, "b"), None);
    }

    proptest! {
        #[test]
        fn members_are_what_a_parser_finds(
            numbers in proptest::collection::btree_map("[a-z\"\\\\{}]{1,4}", 0u64..1000, 0..6),
            text in "\\PC{0,20}",
        ) {
            let mut object = serde_json::Map::new();
            for (key, number) in &numbers {
                let value = serde_json::json!({ "n": number, "t": text, "l": [text, { "x": key }] });
                object.insert(key.clone(), value);
            }
            let written = serde_json::Value::Object(object.clone()).to_string();
            let found = members(&written);
            prop_assert_eq!(found.len(), object.len());
            for (key, value) in found {
                let key: String = serde_json::from_str(&format!("\"{key}\"")).unwrap();
                let value: serde_json::Value = serde_json::from_str(&value).unwrap();
                prop_assert_eq!(&value, &object[&key]);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b':'), Just(b','),
                Just(b'['), Just(b']'), any::<u8>()], 0..60)) {
            let count = Members::of(&bytes, 0).inspect(|(_, place)| {
                assert!(bytes.get(place.clone()).is_some());
            }).count();
            prop_assert!(count <= bytes.len());
        }
    }
}
