//! The way back: which generation is meant, and its place in use.

use crate::layout::LayoutError;
use crate::store::{Came, Generation, Outcome, Store, StoreError};
use crate::taken_back::{self, By};

/// Why there is no way back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is to be kept in mind.
    #[error(transparent)]
    Note(#[from] LayoutError),
    /// There is no such generation.
    #[error("{0}")]
    None(String),
}

/// Puts a generation in use again: by its number or the beginning of its hash, or else the one
/// before that which is in use. What is newer than that is taken back: an update does not put it in
/// force again by itself.
///
/// # Errors
/// When there is none, or it is damaged; what is in use stays so.
pub fn rollback(store: &Store, which: Option<&str>) -> Result<Generation, RollbackError> {
    let to = find(store, which)?;
    to.verify()?;
    let directory = store.directory();
    taken_back::forget(directory, &to.manifest.files)?;
    // Before the change: whoever is killed between the two has wished it all the same.
    if let Some(from) = store.current().ok().flatten().filter(|from| from.number > to.number) {
        taken_back::add(directory, &from, By::Hand)?;
    }
    store.switch(&to)?;
    let mut outcome = Outcome::now("rollback", Came::Changed);
    outcome.current = Some(to.hash.to_string());
    store.record(&outcome)?;
    Ok(to)
}

fn find(store: &Store, which: Option<&str>) -> Result<Generation, RollbackError> {
    let all = store.generations()?;
    let known = || {
        let numbers: Vec<String> = all.iter().map(|one| one.number.to_string()).collect();
        match numbers.is_empty() {
            true => "there is none".to_owned(),
            false => format!("there are {}", numbers.join(", ")),
        }
    };
    let Some(which) = which else {
        // What is in use may be what is damaged.
        let current = store.current().ok().flatten().map_or(u64::MAX, |current| current.number);
        let before = all.iter().find(|one| one.number < current).cloned();
        return before.ok_or_else(|| {
            RollbackError::None(format!("no generation is before the one in use; {}", known()))
        });
    };
    let number = which.parse::<u64>().ok();
    if let Some(found) = all.iter().find(|one| Some(one.number) == number) {
        return Ok(found.clone());
    }
    let word = which.to_ascii_lowercase();
    let mut fits =
        all.iter().filter(|one| word.len() >= 4 && one.hash.to_string().starts_with(&word));
    match (fits.next(), fits.next()) {
        (Some(found), None) => Ok(found.clone()),
        (Some(_), Some(_)) => {
            Err(RollbackError::None(format!("more than one generation's hash begins with {which}")))
        }
        _ => Err(RollbackError::None(format!("there is no generation {which}; {}", known()))),
    }
}
