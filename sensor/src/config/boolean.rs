//! Words for yes and no in `suricata.yaml`.

/// True only for the words that say so; anything else is not.
pub(crate) fn is_true(text: &str) -> bool {
    ["1", "yes", "true", "on"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// True for the words that say no, where a consumer asks for them.
pub(crate) fn is_false(text: &str) -> bool {
    ["0", "no", "false", "off"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_words_count() {
        let check = |text: &str, yes: bool, no: bool| {
            assert_eq!((is_true(text), is_false(text)), (yes, no), "{text}");
        };
        for text in ["1", "yes", "YES", "Yes", "true", "True", "on", "oN"] {
            check(text, true, false);
        }
        for text in ["0", "no", "NO", "false", "off"] {
            check(text, false, true);
        }
        for text in ["y", "n", "2", "maybe", "", " yes", "enabled"] {
            check(text, false, false);
        }
    }
}
