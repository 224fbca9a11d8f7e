//! One literal searched in one window.

use std::sync::OnceLock;

use memchr::memmem::Finder;

/// A literal, ready to be searched.
#[derive(Debug)]
pub struct Literal {
    kind: Kind,
    len: usize,
}

#[derive(Debug)]
enum Kind {
    /// Exact bytes; the searcher is made at the first search, for few rules are ever tried.
    Exact { bytes: Box<[u8]>, finder: OnceLock<Box<Finder<'static>>> },
    /// Letters in either case: the pattern in lower case, and where its rarest byte stands.
    Folded { lower: Box<[u8]>, rare: usize },
}

impl Literal {
    /// Of a pattern; `nocase` patterns are folded here.
    pub fn new(bytes: &[u8], nocase: bool) -> Self {
        let folds = nocase && bytes.iter().any(u8::is_ascii_alphabetic);
        let kind = if folds {
            let lower: Box<[u8]> = bytes.to_ascii_lowercase().into();
            let rare = (0..lower.len()).max_by_key(|&at| rarity(lower[at])).unwrap_or(0);
            Kind::Folded { lower, rare }
        } else {
            Kind::Exact { bytes: bytes.into(), finder: OnceLock::new() }
        };
        Self { kind, len: bytes.len() }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True for the literal without bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True when `bytes` are exactly the literal.
    pub fn equals(&self, bytes: &[u8]) -> bool {
        match &self.kind {
            Kind::Exact { bytes: exact, .. } => **exact == *bytes,
            Kind::Folded { lower, .. } => lower.eq_ignore_ascii_case(bytes),
        }
    }

    /// Where it first stands in `bytes`.
    pub fn find(&self, bytes: &[u8]) -> Option<usize> {
        if bytes.len() < self.len {
            return None;
        }
        if bytes.len() == self.len {
            return self.equals(bytes).then_some(0);
        }
        match &self.kind {
            Kind::Exact { bytes: exact, finder } => {
                finder.get_or_init(|| Box::new(Finder::new(exact).into_owned())).find(bytes)
            }
            Kind::Folded { lower, rare } => find_folded(bytes, lower, *rare),
        }
    }
}

fn find_folded(bytes: &[u8], lower: &[u8], rare: usize) -> Option<usize> {
    let byte = *lower.get(rare)?;
    let last = bytes.len().checked_sub(lower.len())?;
    // The rare byte of a match at 0..=last stands at rare..=last + rare.
    let window = bytes.get(rare..=last + rare)?;
    let upper = byte.to_ascii_uppercase();
    let mut from = 0;
    while let Some(found) = memchr::memchr2(byte, upper, window.get(from..)?) {
        let at = from + found;
        if bytes.get(at..at + lower.len())?.eq_ignore_ascii_case(lower) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// How seldom a byte is in protocol data, roughly.
const fn rarity(byte: u8) -> u8 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b' ' | 0 => 0,
        b'i' | b'n' | b's' | b'r' | b'h' | b'/' | b'.' | 0xff => 1,
        b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'0'..=b'9' | b'-' | b'=' | b':' => 2,
        b'j' | b'q' | b'x' | b'z' => 5,
        b'a'..=b'z' => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::Literal;

    #[test]
    fn finds_what_a_naive_search_finds() {
        for (text, pattern, nocase) in [
            ("abcABCabc", "ABC", false),
            ("abcABCabc", "aBc", true),
            ("xxJqzQ", "qZ", true),
            ("", "a", true),
            ("a", "ab", true),
            ("12-12", "-1", true),
        ] {
            let naive = (0..text.len()).find(|&at| {
                text.as_bytes().get(at..at + pattern.len()).is_some_and(|w| {
                    if nocase {
                        w.eq_ignore_ascii_case(pattern.as_bytes())
                    } else {
                        w == pattern.as_bytes()
                    }
                })
            });
            assert_eq!(Literal::new(pattern.as_bytes(), nocase).find(text.as_bytes()), naive);
        }
    }
}
