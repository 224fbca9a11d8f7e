//! The word that is likely meant by one that nobody knows.

/// Refuses a word that is not on the list, and names the one that is likely meant, or all.
pub(super) fn known<'a>(
    word: &str,
    kind: &str,
    list: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), String> {
    if list.clone().any(|known| known == word) {
        return Ok(());
    }
    Err(match nearest(word, list.clone()) {
        Some(near) => format!("`{word}` is no {kind}: did you mean `{near}`?"),
        None => {
            let all = list.collect::<Vec<_>>().join(", ");
            format!("`{word}` is no {kind}: there are {all}")
        }
    })
}

/// The word of a list that is likely meant by one that is not on it.
pub(super) fn nearest<'a>(word: &str, list: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Of words as near, that with the same letters or the same beginning is likelier.
    let near = list.min_by_key(|known| {
        let begins = word.get(..1) == known.get(..1);
        (edits(word, known), letters(word) != letters(known), !begins)
    })?;
    let edits = edits(word, near);
    (edits <= 2 && edits < near.len()).then_some(near)
}

/// Whether a word is another one but for so many letters; two that changed their places are one.
pub(super) fn is_near(word: &str, other: &str, most: usize) -> bool {
    let edits = edits(word, other);
    edits <= most || most > 0 && edits <= 2 && letters(word) == letters(other)
}

fn letters(text: &str) -> Vec<u8> {
    let mut letters: Vec<u8> = text.bytes().collect();
    letters.sort_unstable();
    letters
}

/// How many letters must be put in, taken out or changed to make one word of the other. Words
/// that are much too long for the list are not compared.
fn edits(one: &str, other: &str) -> usize {
    if one.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut left = at + 1;
        let mut next = vec![left];
        for (b, pair) in other.bytes().zip(row.windows(2)) {
            let changed = pair[0] + usize::from(!a.eq_ignore_ascii_case(&b));
            left = changed.min(pair[1] + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (one, other, expected) in
            [("alert", "alert", 0), ("alerts", "alert", 1), ("tsl", "tls", 2), ("", "dns", 3)]
        {
            assert_eq!(edits(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn words_off_the_list_are_refused() {
        let check = |word: &str, expected: &str| {
            let said = known(word, "record", ["alert", "dns", "netflow", "ssh", "tls"].into_iter())
                .unwrap_err();
            assert_eq!(said, format!("`{word}` is no record: {expected}"));
        };
        check("alerts", "did you mean `alert`?");
        check("NetFlow", "did you mean `netflow`?");
        check("tsl", "did you mean `tls`?");
        check("bogus", "there are alert, dns, netflow, ssh, tls");
        assert_eq!(known("dns", "record", ["dns"].into_iter()), Ok(()));
    }
}
