//! Whether rules load, asked before they are used: of a function, so that this crate needs no
//! detection.

use std::path::Path;

/// Loads the rules of a set from its folder, as they would be used. Says why not if they can't be.
pub type Test<'a> = &'a dyn Fn(&Path) -> Result<Tested, String>;

/// What came of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tested {
    /// Rules that load.
    pub loaded: u64,
    /// Rules that do not.
    pub refused: u64,
    /// Why not, with how many rules each reason is about; most frequent first.
    pub reasons: Vec<(String, u64)>,
}

impl Tested {
    /// Whether so many rules load that the set may be used.
    ///
    /// # Errors
    /// When none loads, or more than `most` of all (a share between 0 and 1) are refused.
    pub fn good_enough(&self, most: f64) -> Result<(), String> {
        let all = self.loaded.saturating_add(self.refused);
        let share = self.refused as f64 / all.max(1) as f64;
        let what = match self.loaded {
            0 => format!("none of {all} rules loads"),
            _ if share > most => format!(
                "{} of {all} rules are refused, at most {} % may be",
                self.refused,
                (most * 1000.0).round() / 10.0
            ),
            _ => return Ok(()),
        };
        let why = self.reasons.first();
        Err(why.map_or(what.clone(), |(why, count)| format!("{what}; {count} times: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::Tested;

    #[test]
    fn too_many_refused_are_no_set_to_use() {
        let cases: [(u64, u64, f64, Option<&str>); 7] = [
            (95, 5, 0.05, None),
            (94, 6, 0.05, Some("6 of 100 rules are refused, at most 5 % may be")),
            (0, 0, 0.05, Some("none of 0 rules loads")),
            (0, 3, 1.0, Some("none of 3 rules loads")),
            (1, 99, 1.0, None),
            (1, 0, 0.0, None),
            (999, 1, 0.0, Some("at most 0 % may be; 1 times: unknown keyword")),
        ];
        for (loaded, refused, most, expected) in cases {
            let reasons = vec![("unknown keyword".to_owned(), 1)];
            let said = Tested { loaded, refused, reasons }.good_enough(most);
            match expected {
                None => assert_eq!(said, Ok(()), "{loaded} {refused}"),
                Some(part) => assert!(said.as_ref().unwrap_err().contains(part), "{said:?}"),
            }
        }
    }
}
