//! A sensor's follower: takes the bundle that its channel names, tests it, puts it in the place of
//! the one before, has the sensor load it, goes back when the sensor does not, and says what is
//! really in force.
//!
//! Whatever fails, and whenever it is killed, the store names a set that was whole and passed its
//! test, and the next step goes on from there.

mod control;
mod notes;
mod origin;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

pub use control::{Control, InForce, Refusal, Socket};
pub use origin::{Origin, OriginError};

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::bundle::{Accept, Limits, SIGNATURE, unpack};
use crate::layout::Channel;
use crate::manifest::Hash;
use crate::receipt::{Receipt, State};
use crate::sign::PublicKeys;
use crate::store::{Came, Generation, Outcome, Store};
use crate::test::Test;
use notes::Notes;

/// What a refused bundle has to wait before it is tried again: doubled each time.
const RETRY: u64 = 600;
const LONGEST_RETRY: u64 = 6 * 3600;
/// The longest pause after errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What a follower goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which channel.
    pub channel: String,
    /// The sensor's name.
    pub sensor: String,
    /// The file with the public keys. It is read each time, so that keys can be changed.
    pub keys: PathBuf,
    /// The store's folder.
    pub store: PathBuf,
    /// Generations to keep.
    pub keep: usize,
    /// What a bundle may take up.
    pub limits: Limits,
    /// Nothing older is taken, whatever the channel says.
    pub never_older: bool,
    /// The share of rules that may be refused, from 0 to 1.
    pub most_refused: f64,
    /// How often to look.
    pub every: Duration,
    /// A receipt is sent at least this often.
    pub sign_of_life: Duration,
    /// For so long a sensor may be away before that is a failure: it may be starting.
    pub patience: Duration,
    /// The program's name and version.
    pub program: String,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The bundle that is wanted was in force already.
    Unchanged,
    /// It is in force now.
    Changed(Hash),
    /// It is not taken; what was in force stays, for this reason.
    Refused(String),
    /// It could not be had; what was in force stays, for this reason.
    Failed(String),
}

/// A follower.
pub struct Follower<'a> {
    settings: Settings,
    origin: Origin,
    test: Test<'a>,
    control: &'a dyn Control,
    /// The last receipt that was taken, with the time.
    sent: Option<(Receipt, u64)>,
    /// A receipt that nobody took yet.
    owed: Option<Receipt>,
    /// The sensor did not answer since.
    away_since: Option<u64>,
    /// The first step tries again what was refused: somebody may have started this anew for that.
    is_first: bool,
    /// Steps that failed one after the other.
    troubles: u32,
}

/// Why a step did not reach its end.
enum Trouble {
    Refused(String),
    Failed(String),
    /// The sensor is away, and it is too early to complain.
    Early(String),
}

impl<'a> Follower<'a> {
    /// One that has not looked yet.
    pub fn new(
        settings: Settings,
        origin: Origin,
        test: Test<'a>,
        control: &'a dyn Control,
    ) -> Self {
        Self {
            settings,
            origin,
            test,
            control,
            sent: None,
            owed: None,
            away_since: None,
            is_first: true,
            troubles: 0,
        }
    }

    /// Looks once, and does what there is to do. `now` are seconds since 1970.
    pub fn step(&mut self, now: u64) -> Step {
        let channel = self.origin.channel(&self.settings.channel, &self.settings.sensor);
        let step = match channel {
            Ok(channel) => self.follow(&channel, now),
            Err(error) => Step::Failed(error.to_string()),
        };
        self.is_first = false;
        self.deliver(now);
        self.troubles = match step {
            Step::Failed(_) => self.troubles.saturating_add(1),
            _ => 0,
        };
        step
    }

    /// How long to wait until the next step, with a number from 0 to 1 that is drawn by lot: sensors
    /// that were started together shall not ask together.
    pub fn pause(&self, lot: f64) -> Duration {
        let every = self.settings.every.max(Duration::from_secs(1));
        let longest = LONGEST_PAUSE.max(every);
        let base = every.saturating_mul(1 << self.troubles.saturating_sub(1).min(10)).min(longest);
        base.mul_f64(0.8 + 0.4 * lot.clamp(0.0, 1.0))
    }

    /// A receipt that nobody took yet.
    pub fn owed(&self) -> Option<&Receipt> {
        self.owed.as_ref()
    }

    fn follow(&mut self, channel: &Channel, now: u64) -> Step {
        let wanted = channel.bundle;
        let done = self.pursue(channel, now);
        let (step, state, reason) = match done {
            Ok(true) => (Step::Changed(wanted), State::InForce, String::new()),
            Ok(false) => (Step::Unchanged, State::InForce, String::new()),
            Err(Trouble::Refused(why)) => (Step::Refused(why.clone()), State::Refused, why),
            Err(Trouble::Failed(why)) => (Step::Failed(why.clone()), State::Failed, why),
            // The next step says more.
            Err(Trouble::Early(why)) => return Step::Failed(why),
        };
        self.receive(channel, state, reason, now);
        step
    }

    /// True when the bundle came into force by this.
    fn pursue(&mut self, channel: &Channel, now: u64) -> Result<bool, Trouble> {
        let failed = |error: crate::store::StoreError| Trouble::Failed(error.to_string());
        let store = Store::open(&self.settings.store, self.settings.keep).map_err(failed)?;
        let mut notes = Notes::read(&self.settings.store);
        let outcome = self.take(channel, &store, &mut notes, now);
        record(&store, channel, &outcome);
        outcome
    }

    fn take(
        &mut self,
        channel: &Channel,
        store: &Store,
        notes: &mut Notes,
        now: u64,
    ) -> Result<bool, Trouble> {
        let wanted = channel.bundle;
        let current = match store.current() {
            Ok(current) => current,
            Err(error) => {
                // It is replaced by one that is whole.
                tracing::warn!("the rules in use: {error}");
                None
            }
        };
        if let Some(refused) = notes.refused_now(&wanted, channel.attempt).cloned()
            && (now < refused.retry && !self.is_first || notes.pending == Some(wanted))
        {
            if current.as_ref().is_some_and(|current| current.hash == wanted) {
                // It was killed while it went back.
                self.return_from(store, notes, &wanted);
            }
            notes.pending = None;
            self.note(notes)?;
            return Err(Trouble::Refused(refused.reason));
        }
        let current = match current.filter(|current| current.hash == wanted) {
            Some(current) => current,
            None => {
                let next = self.obtain(channel, store, notes)?;
                self.try_out(&next, channel, notes, now)?;
                let before = store.current().ok().flatten().map(|current| current.hash);
                notes.pending = Some(wanted);
                notes.back = before;
                self.note(notes)?;
                store.switch(&next).map_err(|error| Trouble::Failed(error.to_string()))?;
                next
            }
        };
        self.bring_into_force(&current, channel, store, notes, now)
    }

    /// The wanted set from the store, or from where bundles are.
    fn obtain(
        &self,
        channel: &Channel,
        store: &Store,
        notes: &Notes,
    ) -> Result<Generation, Trouble> {
        let wanted = channel.bundle;
        let failed = |error: &dyn std::fmt::Display| Trouble::Failed(error.to_string());
        let may_be_older = channel.allow_older && !self.settings.never_older;
        let newest = notes.newest(&channel.channel).filter(|_| !may_be_older);
        let generations = store.generations().map_err(|error| failed(&error))?;
        let found = generations.into_iter().find(|generation| generation.hash == wanted);
        // A key may have been withdrawn since: the signature is looked at again.
        let keys = PublicKeys::read(&self.settings.keys).map_err(|error| failed(&error))?;
        if let Some(found) = found.filter(|found| is_signed(found, &keys) && found.verify().is_ok())
            && newest.is_none_or(|newest| found.manifest.version >= newest)
        {
            return Ok(found);
        }
        let accept = Accept { hash: Some(wanted), newest };
        let staged = store.stage().map_err(|error| failed(&error))?;
        let archive = self.origin.bundle(&wanted, self.settings.limits.packed);
        let archive = archive.map_err(|error| failed(&error))?;
        let unpacked = unpack(archive, &keys, &accept, &self.settings.limits, staged.folder())
            .map_err(|error| Trouble::Failed(format!("bundle {}: {error}", wanted.short())))?;
        let path = staged.folder().join(SIGNATURE);
        let written =
            File::create(&path).and_then(|mut file| file.write_all(unpacked.signature.as_bytes()));
        written.map_err(|error| failed(&error))?;
        store.put(staged, unpacked.manifest).map_err(|error| failed(&error))
    }

    /// Whether its rules load here. What does not is remembered.
    fn try_out(
        &self,
        next: &Generation,
        channel: &Channel,
        notes: &mut Notes,
        now: u64,
    ) -> Result<(), Trouble> {
        let tested = (self.test)(&next.folder)
            .and_then(|tested| tested.good_enough(self.settings.most_refused));
        let Err(why) = tested else { return Ok(()) };
        let why = format!("test before use: {why}");
        notes.refuse(channel, &why, now);
        self.note(notes)?;
        Err(Trouble::Refused(why))
    }

    /// Has the sensor load what is current, and looks whether it does.
    fn bring_into_force(
        &mut self,
        current: &Generation,
        channel: &Channel,
        store: &Store,
        notes: &mut Notes,
        now: u64,
    ) -> Result<bool, Trouble> {
        let is_in_force = |found: &InForce| found.bundle == Some(current.hash);
        let settle = |notes: &mut Notes| {
            notes.settled(channel, current.manifest.version);
            self.note(notes)
        };
        match self.control.in_force() {
            Ok(found) if is_in_force(&found) => {
                // It may have loaded it by itself, at its start.
                let is_new = notes.pending.is_some();
                settle(notes)?;
                self.away_since = None;
                return Ok(is_new);
            }
            Ok(_) => {}
            Err(why) => return Err(self.away(&why, now)),
        }
        let refused = match self.control.reload() {
            Ok(()) => match self.control.in_force() {
                Ok(found) if is_in_force(&found) => {
                    // Its variables may be others than those of the configuration that was tested
                    // with: it has read them at its start.
                    match found.good_enough(self.settings.most_refused) {
                        Ok(()) => {
                            settle(notes)?;
                            self.away_since = None;
                            return Ok(true);
                        }
                        Err(why) => format!("the sensor, as it was started: {why}"),
                    }
                }
                Ok(found) => format!(
                    "the sensor loaded its rules anew and has {} in force: its `rules.store` has \
                     to name {}",
                    found.bundle.map_or_else(|| "other rules".to_owned(), |hash| hash.short()),
                    self.settings.store.display()
                ),
                Err(why) => return Err(self.away(&why, now)),
            },
            Err(Refusal::Away(why)) => return Err(self.away(&why, now)),
            Err(Refusal::Refused(why)) => format!("the sensor refuses it: {why}"),
        };
        self.away_since = None;
        notes.refuse(channel, &refused, now);
        // From here on the next step goes back if this one does not come to it.
        notes.pending = Some(current.hash);
        self.note(notes)?;
        self.return_from(store, notes, &current.hash);
        notes.pending = None;
        self.note(notes)?;
        Err(Trouble::Refused(refused))
    }

    /// Has the set before be current again, and tells the sensor if it has the refused one.
    fn return_from(&self, store: &Store, notes: &Notes, refused: &Hash) {
        let generations = store.generations().unwrap_or_default();
        let before = generations.iter().find(|generation| Some(generation.hash) == notes.back);
        let Some(before) = before else {
            tracing::warn!("there is no set of rules to go back to; the sensor keeps what it has");
            return;
        };
        if let Err(error) = store.switch(before) {
            tracing::warn!("the rules before can't be made current: {error}");
            return;
        }
        let is_refused = |found: &InForce| found.bundle == Some(*refused);
        if self.control.in_force().is_ok_and(|found| is_refused(&found))
            && let Err(why) = self.control.reload()
        {
            tracing::warn!("the sensor does not go back: {why:?}");
        }
    }

    /// A sensor that is away takes what is current when it starts.
    fn away(&mut self, why: &str, now: u64) -> Trouble {
        let since = *self.away_since.get_or_insert(now);
        let text = format!("the sensor does not answer: {why}");
        match now.saturating_sub(since) >= self.settings.patience.as_secs() {
            true => Trouble::Failed(text),
            false => Trouble::Early(text),
        }
    }

    fn note(&self, notes: &Notes) -> Result<(), Trouble> {
        notes.write(&self.settings.store).map_err(|error| Trouble::Failed(error.to_string()))
    }

    /// Makes the receipt: of what the sensor says itself.
    fn receive(&mut self, channel: &Channel, state: State, reason: String, now: u64) {
        let found = self.control.in_force().unwrap_or_default();
        let receipt = Receipt {
            sensor: self.settings.sensor.clone(),
            channel: channel.channel.clone(),
            bundle: found.bundle,
            version: found.version,
            state,
            reason,
            wanted: channel.bundle,
            loaded: found.loaded,
            refused: found.refused,
            since: found.since,
            program: self.settings.program.clone(),
        };
        // Between two questions a sensor can have changed: never say what it does not.
        if state == State::InForce && found.bundle != Some(channel.bundle) {
            return;
        }
        let is_news = match &self.sent {
            Some((sent, at)) => {
                *sent != receipt || now.saturating_sub(*at) >= self.settings.sign_of_life.as_secs()
            }
            None => true,
        };
        if is_news {
            self.owed = Some(receipt);
        }
    }

    /// Sends the receipt that is owed; what is not taken is sent later.
    fn deliver(&mut self, now: u64) {
        let Some(receipt) = self.owed.take() else { return };
        match self.origin.post(&receipt) {
            Ok(()) => self.sent = Some((receipt, now)),
            Err(error) => {
                tracing::warn!("the receipt is sent later: {error}");
                self.owed = Some(receipt);
            }
        }
    }
}

/// Whether a set in the store came as a bundle that one of the keys signed.
fn is_signed(generation: &Generation, keys: &PublicKeys) -> bool {
    let signature = fs::read_to_string(generation.folder.join(SIGNATURE)).unwrap_or_default();
    keys.verify(&generation.manifest.to_bytes(), &signature).is_ok()
}

/// Says beside the store what came of it.
fn record(store: &Store, channel: &Channel, came: &Result<bool, Trouble>) {
    let (result, reason) = match came {
        Ok(true) => (Came::Changed, None),
        Ok(false) => (Came::Unchanged, None),
        Err(Trouble::Refused(why) | Trouble::Failed(why) | Trouble::Early(why)) => {
            (Came::Failed, Some(why.clone()))
        }
    };
    let mut outcome = Outcome::now("follow", result);
    outcome.reason = reason;
    outcome.current = store.current().ok().flatten().map(|current| current.hash.to_string());
    outcome.details.insert("wanted".to_owned(), channel.bundle.to_string().into());
    if let Err(error) = store.record(&outcome) {
        tracing::warn!("{error}");
    }
}
