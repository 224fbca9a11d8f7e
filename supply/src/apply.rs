//! New rules of a store in a running sensor, once: it loads them, or what was before is current
//! again.

use std::thread;
use std::time::{Duration, Instant};

use crate::follow::{Control, Refusal};
use crate::settings::StoreSettings;
use crate::store::{Came, Generation, Outcome, Store, StoreError};
use crate::taken_back;

/// How long to wait for a sensor that loads rules already, and for others to leave the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// In all.
    pub whole: Duration,
    /// Between two tries.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { whole: Duration::from_secs(300), pause: Duration::from_secs(2) }
    }
}

/// When new rules come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The sensor has loaded them.
    InForce,
    /// No sensor answers, for this reason: it loads what is current when it starts.
    AtItsStart(String),
}

impl Patience {
    /// Tries until something else than `passes` comes of it, or time is over.
    fn until<T, E>(
        &self,
        mut attempt: impl FnMut() -> Result<T, E>,
        passes: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let begun = Instant::now();
        loop {
            match attempt() {
                Err(error) if passes(&error) && begun.elapsed() < self.whole => {
                    thread::sleep(self.pause);
                }
                done => return done,
            }
        }
    }
}

/// Has a sensor load a set that is current; waits while it loads already.
///
/// # Errors
/// Says why it has not.
pub fn load_current(
    control: &dyn Control,
    settings: &StoreSettings,
    current: &Generation,
    patience: &Patience,
) -> Result<Applied, String> {
    match load(control, patience) {
        Ok(()) => is_loaded(control, settings, current).map(|()| Applied::InForce),
        Err(Refusal::Away(why)) => Ok(Applied::AtItsStart(why)),
        Err(Refusal::Lost(_)) if has(control, current) => Ok(Applied::InForce),
        Err(refusal) => Err(format!("the sensor has not loaded them: {}", refusal.why())),
    }
}

fn load(control: &dyn Control, patience: &Patience) -> Result<(), Refusal> {
    patience.until(|| control.reload(), |refusal| matches!(refusal, Refusal::Busy(_)))
}

/// Has a sensor load a set that was made current; where it does not, the one before is current and
/// in force again.
///
/// # Errors
/// Says why not, and what is current then.
pub fn load_or_go_back(
    control: &dyn Control,
    settings: &StoreSettings,
    new: &Generation,
    before: Option<&Generation>,
    patience: &Patience,
) -> Result<Applied, String> {
    let why = match load(control, patience) {
        Ok(()) => return is_loaded(control, settings, new).map(|()| Applied::InForce),
        // They have passed the test, and a sensor loads what is current when it starts.
        Err(Refusal::Away(why)) => return Ok(Applied::AtItsStart(why)),
        // It may have loaded them all the same.
        Err(Refusal::Lost(_)) if has(control, new) => return Ok(Applied::InForce),
        Err(refusal) => {
            if matches!(refusal, Refusal::Failed(_)) {
                keep_in_mind(settings, new);
            }
            refusal.why().to_owned()
        }
    };
    let why = format!("the sensor has not loaded the new rules: {why}");
    let Some(before) = before else {
        return Err(format!("{why}; there are no earlier ones to go back to"));
    };
    let name = format!("generation {} ({})", before.number, before.hash.short());
    match go_back(settings, new, before, &why, patience) {
        Ok(true) => {}
        Ok(false) => return Err(format!("{why}; other rules were made current meanwhile")),
        Err(error) => return Err(format!("{why}; {name} can't be put in use again: {error}")),
    }
    // It may have taken them late, or in part.
    match has(control, new).then(|| load(control, patience)) {
        Some(Err(refusal)) => Err(format!(
            "{why}; {name} is in use again, which the sensor has not loaded either: {}",
            refusal.why()
        )),
        _ => Err(format!("{why}; {name} is in use again")),
    }
}

fn has(control: &dyn Control, set: &Generation) -> bool {
    control.in_force().is_ok_and(|found| found.bundle == Some(set.hash))
}

/// The next update shall not try the same set again, and again.
fn keep_in_mind(settings: &StoreSettings, refused: &Generation) {
    if let Err(error) = taken_back::add(&settings.directory, refused) {
        tracing::warn!("{error}");
    }
}

/// A sensor that says it has loaded its rules may load them from elsewhere.
fn is_loaded(
    control: &dyn Control,
    settings: &StoreSettings,
    new: &Generation,
) -> Result<(), String> {
    match control.in_force() {
        Ok(found) if found.bundle != Some(new.hash) => Err(format!(
            "the sensor has loaded its rules anew, but not these: in its configuration, \
             `rules: {{store: {{directory: {}}}}}` has to say where they are",
            settings.directory.display()
        )),
        _ => Ok(()),
    }
}

/// False when something else is current by now.
fn go_back(
    settings: &StoreSettings,
    new: &Generation,
    before: &Generation,
    why: &str,
    patience: &Patience,
) -> Result<bool, StoreError> {
    let store = patience.until(
        || Store::open(&settings.directory, settings.keep),
        |error| matches!(error, StoreError::Locked { .. }),
    )?;
    if store.current()?.is_none_or(|current| current.hash != new.hash) {
        return Ok(false);
    }
    store.switch(before)?;
    let mut outcome = Outcome::now("update", Came::Failed);
    outcome.reason = Some(why.to_owned());
    outcome.current = Some(before.hash.to_string());
    // What matters is done.
    if let Err(error) = store.record(&outcome) {
        tracing::warn!("{error}");
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::path::Path;

    use super::*;
    use crate::follow::InForce;
    use crate::manifest::{Counts, FORMAT, Hash, Manifest, RULES};

    const PATIENCE: Patience =
        Patience { whole: Duration::from_millis(80), pause: Duration::from_millis(20) };

    fn put(store: &Store, version: u64) -> Generation {
        let staged = store.stage().unwrap();
        let files = vec![staged.write(RULES, version.to_string().as_bytes()).unwrap()];
        let manifest = Manifest {
            format: FORMAT,
            version,
            created: 1,
            made_by: "test".to_owned(),
            sources: Vec::new(),
            counts: Counts::default(),
            files,
        };
        let generation = store.put(staged, manifest).unwrap();
        store.switch(&generation).unwrap();
        generation
    }

    /// Answers what it is told to, and loads what is current where that is nothing.
    struct Fake<'a> {
        store: &'a Path,
        answers: RefCell<Vec<Refusal>>,
        has: Cell<Option<Hash>>,
        is_elsewhere: bool,
    }

    impl Control for Fake<'_> {
        fn in_force(&self) -> Result<InForce, String> {
            Ok(InForce { bundle: self.has.get(), ..InForce::default() })
        }

        fn reload(&self) -> Result<(), Refusal> {
            if let Some(refusal) = self.answers.borrow_mut().pop() {
                return Err(refusal);
            }
            if !self.is_elsewhere {
                self.has.set(Store::look(self.store).unwrap().map(|current| current.hash));
            }
            Ok(())
        }
    }

    #[test]
    fn a_sensor_loads_it_or_the_one_before_is_current() {
        let busy = || Refusal::Busy("busy".to_owned());
        let failed = || Refusal::Failed("no rule is good".to_owned());
        let lost = || Refusal::Lost("hung up".to_owned());
        for (answers, is_elsewhere, said, is_new) in [
            (vec![], false, "", true),
            (vec![busy(), busy()], false, "", true),
            (vec![failed()], false, "no rule is good; generation 1 (", false),
            (vec![lost()], false, "hung up; generation 1 (", false),
            ((0..50).map(|_| busy()).collect(), false, "busy; generation 1 (", false),
            (vec![], true, "rules: {store: {directory: ", true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), 3).unwrap();
            let (before, new) = (put(&store, 1), put(&store, 2));
            drop(store);
            let settings = StoreSettings { directory: folder.path().to_path_buf(), keep: 3 };
            let has = Cell::new(Some(before.hash));
            let fake =
                Fake { store: folder.path(), answers: RefCell::new(answers), has, is_elsewhere };
            let done = load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE);
            match said.is_empty() {
                true => assert_eq!(done, Ok(Applied::InForce)),
                false => assert!(done.as_ref().unwrap_err().contains(said), "{said}: {done:?}"),
            }
            let current = Store::look(folder.path()).unwrap().unwrap();
            assert_eq!(current.number, if is_new { 2 } else { 1 }, "{said}");
            let has = if is_new && !is_elsewhere { new.hash } else { before.hash };
            assert_eq!(fake.has.get(), Some(has), "{said}");
            let is_refused = said.starts_with("no rule is good");
            assert_eq!(!taken_back::read(folder.path()).is_empty(), is_refused, "{said}");
            if !is_new {
                let outcome = Outcome::read(folder.path()).unwrap().unwrap();
                assert_eq!(outcome.result, Came::Failed);
                assert!(outcome.reason.unwrap().contains("not loaded"));
            }
        }
    }

    #[test]
    fn a_sensor_that_does_not_run_loads_them_when_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 3).unwrap();
        let (before, new) = (put(&store, 1), put(&store, 2));
        drop(store);
        let settings = StoreSettings { directory: folder.path().to_path_buf(), keep: 3 };
        let fake = Fake {
            store: folder.path(),
            answers: RefCell::new(vec![Refusal::Away("no socket".to_owned())]),
            has: Cell::new(None),
            is_elsewhere: false,
        };
        let done = load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE);
        assert_eq!(done, Ok(Applied::AtItsStart("no socket".to_owned())));
        assert_eq!(Store::look(folder.path()).unwrap(), Some(new));
    }

    #[test]
    fn what_others_made_current_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 3).unwrap();
        let (before, new, other) = (put(&store, 1), put(&store, 2), put(&store, 3));
        let settings = StoreSettings { directory: folder.path().to_path_buf(), keep: 3 };
        let fake = Fake {
            store: folder.path(),
            answers: RefCell::new(vec![Refusal::Failed("no".to_owned()); 2]),
            has: Cell::new(None),
            is_elsewhere: false,
        };
        // Somebody has the store.
        let go = || load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE).unwrap_err();
        assert!(go().contains("changes these rules"));
        drop(store);
        assert!(go().contains("meanwhile"));
        assert_eq!(Store::look(folder.path()).unwrap(), Some(other));
    }
}
