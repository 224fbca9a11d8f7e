//! A sensor's follower: takes the bundle that its channel names, tests it, puts it in the place of
//! the one before, has the sensor load it, goes back when the sensor does not, and says what is
//! really in force.
//!
//! Whatever fails, and whenever it is killed, the store names a set that was whole and passed its
//! test, and the next step goes on from there. A set is refused when its rules were tried here and
//! are not good; whatever else is in the way passes or is mended, and is tried again soon.

mod change;
mod control;
mod notes;
mod origin;
#[cfg(test)]
mod tests;

pub use control::{Control, InForce, Refusal};
pub use origin::{Origin, OriginError};

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bundle::Limits;
use crate::layout::Channel;
use crate::manifest::Hash;
use crate::receipt::{MOST_REASON, Receipt, State, plain};
use crate::store::{Came, NOTES, Outcome, Store};
use crate::test::Test;
use change::{Change, Trouble};
use notes::Notes;

/// What a refused bundle has to wait before it is tried again: doubled each time.
const RETRY: u64 = 600;
const LONGEST_RETRY: u64 = 6 * 3600;
/// The pause after a first error here: at the sensor, the store, or with a download.
const SOON: Duration = Duration::from_secs(5);
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
    /// For so long something may be in the way before that is told: a sensor may be starting.
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

/// Whether a follower has kept this store: its notes lie there.
pub fn keeps(store: &Path) -> bool {
    store.join(NOTES).exists()
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
    /// Since when something is in the way of this bundle.
    stuck: Option<(Hash, u64)>,
    /// The first step tries again what was refused: somebody may have started this anew for that.
    is_first: bool,
    /// Steps that failed one after the other.
    troubles: u32,
    /// The last one did not even learn what is wanted.
    is_cut_off: bool,
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
            stuck: None,
            is_first: true,
            troubles: 0,
            is_cut_off: false,
        }
    }

    /// Looks once, and does what there is to do. `now` are seconds since 1970.
    pub fn step(&mut self, now: u64) -> Step {
        let channel = self.origin.channel(&self.settings.channel, &self.settings.sensor);
        self.is_cut_off = channel.is_err();
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
    /// that were started together shall not ask together. What fails here is tried again soon; a
    /// server that does not answer is not asked more often than otherwise.
    pub fn pause(&self, lot: f64) -> Duration {
        let every = self.settings.every.max(Duration::from_secs(1));
        let longest = LONGEST_PAUSE.max(every);
        let first = match self.troubles {
            1.. if !self.is_cut_off => SOON,
            _ => every,
        };
        let base = first.saturating_mul(1 << self.troubles.saturating_sub(1).min(10)).min(longest);
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
            // The next step may say something else.
            Err(Trouble::Failed(why)) if !self.is_told(wanted, now) => return Step::Failed(why),
            Err(Trouble::Failed(why)) => (Step::Failed(why.clone()), State::Failed, why),
        };
        if state != State::Failed {
            self.stuck = None;
        }
        self.receive(channel, state, reason, now);
        step
    }

    /// Whether something is in the way of a bundle for so long that it is told.
    fn is_told(&mut self, wanted: Hash, now: u64) -> bool {
        // A clock that was put back begins it anew.
        let known = self.stuck.filter(|(bundle, since)| *bundle == wanted && *since <= now);
        let (_, since) = *self.stuck.insert(known.unwrap_or((wanted, now)));
        now - since >= self.settings.patience.as_secs()
    }

    /// True when the bundle came into force by this.
    fn pursue(&self, channel: &Channel, now: u64) -> Result<bool, Trouble> {
        let store = Store::open(&self.settings.store, self.settings.keep)
            .map_err(|error| Trouble::Failed(error.to_string()))?;
        let mut change = Change {
            settings: &self.settings,
            origin: &self.origin,
            test: self.test,
            control: self.control,
            channel,
            notes: Notes::read(&self.settings.store),
            store,
            now,
            is_first: self.is_first,
        };
        let outcome = change.pursue();
        record(&change.store, channel, &outcome);
        outcome
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
            // A server takes no receipt that is too large.
            reason: plain(&reason, MOST_REASON),
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
                // A clock that was put back shall not make it silent.
                let is_late = now.saturating_sub(*at) >= self.settings.sign_of_life.as_secs();
                *sent != receipt || is_late || now < *at
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

/// Says beside the store what came of it.
fn record(store: &Store, channel: &Channel, came: &Result<bool, Trouble>) {
    let (result, reason) = match came {
        Ok(true) => (Came::Changed, None),
        Ok(false) => (Came::Unchanged, None),
        Err(Trouble::Refused(why) | Trouble::Failed(why)) => (Came::Failed, Some(why.clone())),
    };
    let mut outcome = Outcome::now("follow", result);
    outcome.reason = reason;
    outcome.current = store.current().ok().flatten().map(|current| current.hash.to_string());
    outcome.details.insert("wanted".to_owned(), channel.bundle.to_string().into());
    if let Err(error) = store.record(&outcome) {
        tracing::warn!("{error}");
    }
}
