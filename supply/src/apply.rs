//! New rules of a store in a running sensor, once: it loads them, or what was before is current
//! again.

use std::thread;
use std::time::{Duration, Instant};

use crate::follow::{Control, Refusal};
use crate::manifest::Hash;
use crate::settings::StoreSettings;
use crate::store::{Came, Generation, Outcome, Store, StoreError};
use crate::taken_back::{self, By};

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

/// Has a sensor load a set that is current, since somebody wants that one; waits while it loads
/// already.
///
/// # Errors
/// Says why it has not.
pub fn load_current(
    control: &dyn Control,
    settings: &StoreSettings,
    current: &Generation,
    patience: &Patience,
) -> Result<Applied, String> {
    match load(control, current, patience) {
        Ok(()) => is_loaded(control, settings, current),
        Err(Refusal::Away(why)) => Ok(Applied::AtItsStart(why)),
        Err(refusal) => Err(format!("the sensor has not loaded it: {}", refusal.why())),
    }
}

/// Has a sensor load what is current where it has something else in force: it was away, or nobody
/// told it, when that was made current. Nothing where it has it, or does not say what it has.
///
/// # Errors
/// As [`load_or_go_back`].
pub fn catch_up(
    control: &dyn Control,
    settings: &StoreSettings,
    current: &Generation,
    patience: &Patience,
) -> Result<Option<Applied>, String> {
    let has = match control.in_force() {
        Ok(found) if found.bundle == Some(current.hash) => return Ok(None),
        Ok(found) => found.bundle,
        Err(why) => {
            tracing::warn!("whether the sensor has these rules is not known: {why}");
            return Ok(None);
        }
    };
    let before = known(settings, has, current.number.saturating_sub(1));
    load_or_go_back(control, settings, current, before.as_ref(), patience).map(Some)
}

/// The set that a sensor has in force, where it is in the store and not newer than number `most`:
/// newer ones were taken back.
pub fn known(settings: &StoreSettings, has: Option<Hash>, most: u64) -> Option<Generation> {
    let all = Store::list(&settings.directory).unwrap_or_default();
    all.into_iter().find(|one| Some(one.hash) == has && one.number <= most)
}

/// Has a sensor load a set that was made current; where it does not, the one before is current and
/// in force again. One that it refuses while it takes the one before is kept in mind: an update does
/// not try it again.
///
/// # Errors
/// Says why not, and what is current then; the store's outcome says the same.
pub fn load_or_go_back(
    control: &dyn Control,
    settings: &StoreSettings,
    new: &Generation,
    before: Option<&Generation>,
    patience: &Patience,
) -> Result<Applied, String> {
    let done = match load(control, new, patience) {
        Ok(()) => is_loaded(control, settings, new),
        // They have passed the test, and a sensor loads what is current when it starts.
        Err(Refusal::Away(why)) => return Ok(Applied::AtItsStart(why)),
        Err(refusal) => Err(give_back(control, settings, new, before, &refusal, patience)),
    };
    if let Err(why) = &done {
        // What matters is done.
        let told = Store::open(&settings.directory, settings.keep)
            .and_then(|store| store.record(&failed(settings, why)));
        if let Err(error) = told {
            tracing::warn!("{error}");
        }
    }
    done
}

/// What an update came to whose rules the sensor has not loaded.
pub fn failed(settings: &StoreSettings, why: &str) -> Outcome {
    let mut outcome = Outcome::now("update", Came::Failed);
    outcome.reason = Some(why.to_owned());
    let current = Store::look(&settings.directory).ok().flatten();
    outcome.current = current.map(|current| current.hash.to_string());
    outcome
}

/// Waits while it loads already. Whoever hangs up may have loaded it all the same.
fn load(control: &dyn Control, set: &Generation, patience: &Patience) -> Result<(), Refusal> {
    match patience.until(|| control.reload(), |refusal| matches!(refusal, Refusal::Busy(_))) {
        Err(Refusal::Lost(_))
            if control.in_force().is_ok_and(|found| found.bundle == Some(set.hash)) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// A sensor that says it has loaded its rules may load them from elsewhere.
fn is_loaded(
    control: &dyn Control,
    settings: &StoreSettings,
    new: &Generation,
) -> Result<Applied, String> {
    match control.in_force() {
        Ok(found) if found.bundle != Some(new.hash) => Err(format!(
            "the sensor has loaded its rules anew, but not these: in its configuration, \
             `rules: {{store: {{directory: {}}}}}` has to say where they are",
            settings.directory.display()
        )),
        _ => Ok(Applied::InForce),
    }
}

/// Has what was before in use and in force again. Says what came of it.
fn give_back(
    control: &dyn Control,
    settings: &StoreSettings,
    new: &Generation,
    before: Option<&Generation>,
    refusal: &Refusal,
    patience: &Patience,
) -> String {
    let why = format!("the sensor has not loaded the new rules: {}", refusal.why());
    let Some(before) = before else {
        return format!("{why}; there are no earlier ones to go back to");
    };
    let name = format!("generation {} ({})", before.number, before.hash.short());
    match go_back(control, settings, new, before, patience) {
        Ok(true) => {}
        Ok(false) => return format!("{why}; other rules were made current meanwhile"),
        Err(error) => return format!("{why}; {name} can't be put in use again: {error}"),
    }
    if matches!(refusal, Refusal::Never(_)) {
        return format!("{why}; {name} is in use again");
    }
    // It may take the new ones late; and what it has it may not be able to load either: its
    // configuration is wrong then, and not the set.
    match load(control, before, patience) {
        Ok(()) if matches!(refusal, Refusal::Failed(_)) => {
            keep_in_mind(settings, new, patience);
        }
        Ok(()) | Err(Refusal::Away(_)) => {}
        Err(other) => {
            let other = other.why();
            return format!(
                "{why}; {name} is in use again, which it has not loaded either: {other}"
            );
        }
    }
    format!("{why}; {name} is in use again")
}

/// False when something else is current by now.
fn go_back(
    control: &dyn Control,
    settings: &StoreSettings,
    new: &Generation,
    before: &Generation,
    patience: &Patience,
) -> Result<bool, StoreError> {
    let mut store = open(settings, patience)?;
    if store.current()?.is_none_or(|current| current.hash != new.hash) {
        return Ok(false);
    }
    store.protect(control.in_force().ok().and_then(|found| found.bundle));
    store.switch(before)?;
    Ok(true)
}

/// Without it, the next update tries the same set again.
fn keep_in_mind(settings: &StoreSettings, refused: &Generation, patience: &Patience) {
    let noted = match open(settings, patience) {
        Ok(store) => {
            taken_back::add(store.directory(), refused, By::Sensor).map_err(|e| e.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = noted {
        tracing::warn!("{error}");
    }
}

fn open(settings: &StoreSettings, patience: &Patience) -> Result<Store, StoreError> {
    patience.until(
        || Store::open(&settings.directory, settings.keep),
        |error| matches!(error, StoreError::Locked { .. }),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::path::Path;

    use super::*;
    use crate::follow::InForce;
    use crate::manifest::{Counts, FORMAT, Manifest, RULES};

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

    /// Answers what it is told to, the last first, and loads what is current where that is nothing.
    struct Fake<'a> {
        store: &'a Path,
        answers: RefCell<Vec<Refusal>>,
        has: Cell<Option<Hash>>,
        is_elsewhere: bool,
        /// Loads although it hangs up.
        loads_all_the_same: bool,
    }

    impl<'a> Fake<'a> {
        fn new(store: &'a Path, has: Option<Hash>, answers: Vec<Refusal>) -> Self {
            let (answers, has) = (RefCell::new(answers), Cell::new(has));
            Self { store, answers, has, is_elsewhere: false, loads_all_the_same: false }
        }
    }

    impl Control for Fake<'_> {
        fn in_force(&self) -> Result<InForce, String> {
            Ok(InForce { bundle: self.has.get(), ..InForce::default() })
        }

        fn reload(&self) -> Result<(), Refusal> {
            let refusal = self.answers.borrow_mut().pop();
            if !self.is_elsewhere && (refusal.is_none() || self.loads_all_the_same) {
                self.has.set(Store::look(self.store).unwrap().map(|current| current.hash));
            }
            refusal.map_or(Ok(()), Err)
        }
    }

    fn settings(folder: &Path) -> StoreSettings {
        StoreSettings { directory: folder.to_path_buf(), keep: 3 }
    }

    fn busy() -> Refusal {
        Refusal::Busy("busy".to_owned())
    }

    fn failed() -> Refusal {
        Refusal::Failed("no rule is good".to_owned())
    }

    fn lost() -> Refusal {
        Refusal::Lost("hung up".to_owned())
    }

    #[test]
    fn a_sensor_loads_it_or_the_one_before_is_current() {
        let never = || Refusal::Never("no".to_owned());
        let long = || (0..50).map(|_| busy()).collect::<Vec<_>>();
        let either = "no; generation 1 (";
        let twice = ") is in use again, which it has not loaded either: no rule is good";
        for (answers, is_elsewhere, said, is_new, is_refused) in [
            (vec![], false, "", true, false),
            (vec![busy(), busy()], false, "", true, false),
            (vec![failed()], false, "no rule is good; generation 1 (", false, true),
            (vec![busy(), failed()], false, ") is in use again", false, true),
            // Its configuration is wrong: that is nothing against the set.
            (vec![failed(), failed()], false, twice, false, false),
            (vec![lost()], false, "hung up; generation 1 (", false, false),
            (long(), false, "busy; generation 1 (", false, false),
            (vec![never()], false, either, false, false),
            (vec![], true, "rules: {store: {directory: ", true, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), 3).unwrap();
            let (before, new) = (put(&store, 1), put(&store, 2));
            drop(store);
            let fake = Fake::new(folder.path(), Some(before.hash), answers);
            let fake = Fake { is_elsewhere, ..fake };
            let settings = settings(folder.path());
            let done = load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE);
            match said.is_empty() {
                true => assert_eq!(done, Ok(Applied::InForce)),
                false => assert!(done.as_ref().unwrap_err().contains(said), "{said}: {done:?}"),
            }
            let current = Store::look(folder.path()).unwrap().unwrap();
            assert_eq!(current.number, if is_new { 2 } else { 1 }, "{said}");
            let has = if is_new && !is_elsewhere { new.hash } else { before.hash };
            assert_eq!(fake.has.get(), Some(has), "{said}");
            let back = taken_back::read(folder.path());
            assert_eq!(back.first().map(|one| one.by), is_refused.then_some(By::Sensor), "{said}");
            let outcome = Outcome::read(folder.path()).unwrap();
            assert_eq!(outcome.is_some(), done.is_err());
            if let Some(outcome) = outcome {
                assert_eq!(outcome.result, Came::Failed);
                assert_eq!(outcome.current, Some(current.hash.to_string()));
                assert_eq!(outcome.reason, done.err());
            }
        }
    }

    /// It is asked what it has once it no longer loads.
    #[test]
    fn a_sensor_that_hangs_up_may_have_loaded_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 3).unwrap();
        let (before, new) = (put(&store, 1), put(&store, 2));
        drop(store);
        let settings = settings(folder.path());
        let fake = Fake::new(folder.path(), Some(before.hash), vec![lost()]);
        let fake = Fake { loads_all_the_same: true, ..fake };
        let done = load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE);
        assert_eq!(done, Ok(Applied::InForce));
        let fake = Fake::new(folder.path(), Some(before.hash), vec![lost()]);
        let fake = Fake { loads_all_the_same: true, ..fake };
        assert_eq!(load_current(&fake, &settings, &new, &PATIENCE), Ok(Applied::InForce));
        let fake = Fake::new(folder.path(), Some(before.hash), vec![lost()]);
        let done = load_current(&fake, &settings, &new, &PATIENCE);
        assert_eq!(done, Err("the sensor has not loaded it: hung up".to_owned()));
        let away = Refusal::Away("no socket".to_owned());
        let fake = Fake::new(folder.path(), None, vec![away]);
        let done = load_current(&fake, &settings, &new, &PATIENCE);
        assert_eq!(done, Ok(Applied::AtItsStart("no socket".to_owned())));
        assert_eq!(Store::look(folder.path()).unwrap(), Some(new), "what somebody chose stays");
    }

    #[test]
    fn a_sensor_catches_up() {
        let run = |has: Option<u64>, answers: Vec<Refusal>, use_older: bool| {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), 3).unwrap();
            let all = [put(&store, 1), put(&store, 2), put(&store, 3)];
            let current = &all[if use_older { 1 } else { 2 }];
            store.switch(current).unwrap();
            drop(store);
            let has = has.map(|number| all[number as usize - 1].hash);
            let fake = Fake::new(folder.path(), has, answers);
            let done = catch_up(&fake, &settings(folder.path()), current, &PATIENCE);
            let number = |hash| all.iter().find(|one| one.hash == hash).map(|one| one.number);
            let current = Store::look(folder.path()).unwrap().unwrap().number;
            (done, fake.has.get().and_then(number), current)
        };
        let in_force = || Ok(Some(Applied::InForce));
        assert_eq!(run(Some(3), vec![failed()], false), (Ok(None), Some(3), 3), "it has it");
        assert_eq!(run(Some(1), vec![], false), (in_force(), Some(3), 3));
        assert_eq!(run(None, vec![], false), (in_force(), Some(3), 3), "it began without rules");
        assert_eq!(run(Some(3), vec![], true), (in_force(), Some(2), 2), "a rollback");
        let (done, has, current) = run(Some(1), vec![failed()], false);
        assert!(done.unwrap_err().contains("generation 1 ("));
        assert_eq!((has, current), (Some(1), 1));
        let (done, has, current) = run(Some(2), vec![failed()], false);
        assert!(done.unwrap_err().contains("generation 2 ("), "what it has is what to go back to");
        assert_eq!((has, current), (Some(2), 2));
        // What somebody took back does not come again.
        let (done, has, current) = run(Some(3), vec![failed()], true);
        assert!(done.unwrap_err().contains("there are no earlier ones"));
        assert_eq!((has, current), (Some(3), 2));
    }

    #[test]
    fn a_sensor_that_does_not_run_loads_them_when_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 3).unwrap();
        let (before, new) = (put(&store, 1), put(&store, 2));
        drop(store);
        let settings = settings(folder.path());
        let away = Refusal::Away("no socket".to_owned());
        let fake = Fake::new(folder.path(), None, vec![away]);
        let done = load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE);
        assert_eq!(done, Ok(Applied::AtItsStart("no socket".to_owned())));
        assert_eq!(Store::look(folder.path()).unwrap(), Some(new));
    }

    #[test]
    fn what_others_made_current_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 3).unwrap();
        let (before, new, other) = (put(&store, 1), put(&store, 2), put(&store, 3));
        let settings = settings(folder.path());
        let fake = Fake::new(folder.path(), None, vec![failed(), failed()]);
        // Somebody has the store.
        let go = || load_or_go_back(&fake, &settings, &new, Some(&before), &PATIENCE).unwrap_err();
        assert!(go().contains("changes these rules"));
        drop(store);
        assert!(go().contains("meanwhile"));
        assert_eq!(Store::look(folder.path()).unwrap(), Some(other));
    }
}
