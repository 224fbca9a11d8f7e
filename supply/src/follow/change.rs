//! A change of the set that is in force: each step is noted before it is done, so that a follower
//! that was killed goes on, and ends with the sensor having what the store names.
//!
//! ```text
//! settled ──▶ trying ──▶ settled          the sensor has the wanted set
//!                └─▶ returning ──▶ settled    it refused it, and has the one before
//! ```

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write;

use super::notes::{Notes, Stage};
use super::{Control, InForce, Origin, Refusal, Settings};
use crate::bundle::{Accept, SIGNATURE, unpack};
use crate::layout::Channel;
use crate::manifest::Hash;
use crate::sign::PublicKeys;
use crate::store::{Generation, Store, moment};
use crate::test::Test;

/// Why a step did not reach its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The rules of the set were tried here, and are not good.
    Refused(String),
    /// Something else is in the way.
    Failed(String),
}

/// One step towards what a channel names.
pub(super) struct Change<'a> {
    pub(super) settings: &'a Settings,
    pub(super) origin: &'a Origin,
    pub(super) test: Test<'a>,
    pub(super) control: &'a dyn Control,
    pub(super) channel: &'a Channel,
    pub(super) store: Store,
    pub(super) notes: Notes,
    pub(super) now: u64,
    /// What was refused is tried again: somebody may have started the follower anew for that.
    pub(super) is_first: bool,
}

impl Change<'_> {
    /// Goes as far as it can. True when the wanted set came into force by this.
    pub(super) fn pursue(&mut self) -> Result<bool, Trouble> {
        let (wanted, attempt) = (self.channel.bundle, self.channel.attempt);
        if let Stage::Returning { refused, .. } = self.notes.stage {
            let returned = self.go_back();
            if refused == wanted {
                return returned.and_then(|reason| Err(Trouble::Refused(reason)));
            }
            if let Err(Trouble::Failed(why)) = returned {
                // What is wanted by now takes the place of either.
                tracing::warn!("{why}");
            }
        }
        let is_refused = self.notes.refused_now(&wanted, attempt).map(|one| one.reason.clone());
        if let Some(reason) = &is_refused
            && self.notes.stage == Stage::Settled
            && self.notes.waits(&wanted, attempt, self.now)
            && !self.is_first
        {
            return Err(Trouble::Refused(reason.clone()));
        }
        let current = self.current();
        let is_current = current.as_ref().is_some_and(|current| current.hash == wanted);
        let found = self.control.in_force();
        if let Ok(found) = &found {
            self.store.protect(found.bundle);
        }
        if is_current && self.notes.stage == Stage::Settled && is_refused.is_none() {
            let found = found.as_ref().map_err(|why| away(why))?;
            if found.bundle == Some(wanted) {
                let version = current.map_or(0, |current| current.manifest.version);
                self.notes.settled(self.channel, version);
                self.note()?;
                return Ok(false);
            }
        }
        let next = match current.clone().filter(|_| is_current) {
            Some(current) => current,
            None => {
                let next = self.obtain()?;
                self.try_out(&next)?;
                next
            }
        };
        let back = match &self.notes.stage {
            Stage::Trying { back, .. } => *back,
            Stage::Returning { back, .. } => Some(*back),
            Stage::Settled => current.map(|current| current.hash),
        };
        let in_force = found.ok().and_then(|found| found.bundle);
        let back = back.filter(|back| *back != wanted).or(in_force);
        let back = back.filter(|back| *back != wanted);
        self.store.protect(back);
        self.notes.stage = Stage::Trying { wanted, back };
        self.note()?;
        if !is_current {
            self.store.switch(&next).map_err(failed)?;
        }
        self.load(&next, back, is_refused.is_some())
    }

    /// What the store names; none where that is damaged: it is replaced by one that is whole.
    fn current(&self) -> Option<Generation> {
        self.store.current().unwrap_or_else(|error| {
            tracing::warn!("the rules in use: {error}");
            None
        })
    }

    /// A whole set of the store.
    fn generation(&self, hash: &Hash) -> Option<Generation> {
        let all = self.store.generations().unwrap_or_default();
        all.into_iter().find(|one| one.hash == *hash).filter(|one| one.verify().is_ok())
    }

    /// The wanted set from the store, or from where bundles are.
    fn obtain(&self) -> Result<Generation, Trouble> {
        let (wanted, channel) = (self.channel.bundle, self.channel);
        let may_be_older = channel.allow_older && !self.settings.never_older;
        let newest = self.notes.newest(&channel.channel).filter(|_| !may_be_older);
        // A key may have been withdrawn since: the signature is looked at again.
        let keys = PublicKeys::read(&self.settings.keys).map_err(failed)?;
        if let Some(found) = self.generation(&wanted)
            && is_signed(&found, &keys)
            && newest.is_none_or(|newest| found.manifest.version >= newest)
        {
            return Ok(found);
        }
        let accept = Accept { hash: Some(wanted), newest };
        let limits = &self.settings.limits;
        let staged = self.store.stage().map_err(failed)?;
        let archive = self.origin.bundle(&wanted, limits.packed).map_err(failed)?;
        let unpacked = unpack(archive, &keys, &accept, limits, staged.folder())
            .map_err(|error| Trouble::Failed(format!("bundle {}: {error}", wanted.short())))?;
        let path = staged.folder().join(SIGNATURE);
        let written =
            File::create(&path).and_then(|mut file| file.write_all(unpacked.signature.as_bytes()));
        written.map_err(|error| Trouble::Failed(format!("{}: {error}", path.display())))?;
        self.store.put(staged, unpacked.manifest).map_err(failed)
    }

    /// Whether its rules load here. What does not is remembered; where it can't be tried, that says
    /// nothing about them.
    fn try_out(&mut self, next: &Generation) -> Result<(), Trouble> {
        let tested = (self.test)(&next.folder).map_err(|why| {
            Trouble::Failed(format!("the test before use could not be made: {why}"))
        })?;
        let Err(why) = tested.good_enough(self.settings.most_refused) else { return Ok(()) };
        let why = format!("test before use: {why}");
        match self.notes.stage {
            Stage::Settled => {
                self.notes.refuse(next.hash, self.channel.attempt, &why, self.now);
                self.note()?;
                Err(Trouble::Refused(why))
            }
            // Another set is under way, which nobody wants any more.
            Stage::Trying { back, .. } => Err(self.refuse(next.hash, back, why)),
            Stage::Returning { back, .. } => Err(self.refuse(next.hash, Some(back), why)),
        }
    }

    /// Has the sensor load what is current, and looks whether it does.
    fn load(&mut self, next: &Generation, back: Option<Hash>, anew: bool) -> Result<bool, Trouble> {
        let has = |found: &InForce| found.bundle == Some(next.hash);
        let found = self.control.in_force().map_err(|why| away(&why))?;
        if has(&found) && !anew {
            // It loaded it by itself at its start, or the follower was killed after it did.
            return self.judge(next, back, &found);
        }
        match self.control.reload() {
            Ok(()) => {}
            Err(Refusal::Failed(why)) => {
                return Err(self.refuse(next.hash, back, format!("the sensor refuses it: {why}")));
            }
            Err(Refusal::Away(why) | Refusal::Lost(why)) => return Err(away(&why)),
            Err(Refusal::Busy(why) | Refusal::Never(why)) => {
                return Err(Trouble::Failed(format!("the sensor does not load rules now: {why}")));
            }
        }
        moment();
        let found = self.control.in_force().map_err(|why| away(&why))?;
        if has(&found) {
            return self.judge(next, back, &found);
        }
        Err(Trouble::Failed(self.is_elsewhere(&found)))
    }

    /// Whether enough of its rules inspect. The sensor's variables may be others than those that
    /// were tested with: it has read some at its start.
    fn judge(
        &mut self,
        next: &Generation,
        back: Option<Hash>,
        found: &InForce,
    ) -> Result<bool, Trouble> {
        if let Err(why) = found.good_enough(self.settings.most_refused) {
            return Err(self.refuse(
                next.hash,
                back,
                format!("the sensor, as it was started: {why}"),
            ));
        }
        self.notes.settled(self.channel, next.manifest.version);
        self.note()?;
        Ok(true)
    }

    /// The sensor will not have it: back to what was before.
    fn refuse(&mut self, refused: Hash, back: Option<Hash>, reason: String) -> Trouble {
        let attempt = self.channel.attempt;
        let Some(back) = back else {
            tracing::warn!("there is no set of rules to go back to; the sensor keeps what it has");
            self.notes.refuse(refused, attempt, &reason, self.now);
            return self.note().err().unwrap_or(Trouble::Refused(reason));
        };
        self.notes.stage = Stage::Returning { refused, attempt, back, reason };
        if let Err(trouble) = self.note() {
            return trouble;
        }
        self.go_back().map_or_else(|trouble| trouble, Trouble::Refused)
    }

    /// Has the set before be current again and in force. Gives the reason of the refusal.
    ///
    /// The sensor loads the set before even where it never let go of it: when that fails as well,
    /// the reason is not the refused set.
    fn go_back(&mut self) -> Result<String, Trouble> {
        let Stage::Returning { refused, attempt, back, reason } = self.notes.stage.clone() else {
            return Ok(String::new());
        };
        let Some(before) = self.generation(&back) else {
            tracing::warn!("the set {} to go back to is gone or damaged", back.short());
            self.notes.refuse(refused, attempt, &reason, self.now);
            self.note()?;
            return Ok(reason);
        };
        let name = refused.short();
        let stays = |why: &str| {
            Trouble::Failed(format!("going back from {name} ({reason}) is not done yet: {why}"))
        };
        if self.current().is_none_or(|current| current.hash != back) {
            self.store.protect(Some(back));
            self.store.switch(&before).map_err(|error| stays(&error.to_string()))?;
        }
        let had = self.control.in_force().map_err(|why| stays(&why))?;
        match self.control.reload() {
            Ok(()) => moment(),
            Err(Refusal::Failed(why)) if had.bundle == Some(back) => {
                self.notes.stage = Stage::Settled;
                self.note()?;
                return Err(Trouble::Failed(format!(
                    "the sensor loads neither {name} ({reason}) nor what it has in force: {why}"
                )));
            }
            Err(refusal) => return Err(stays(refusal.why())),
        }
        let found = self.control.in_force().map_err(|why| stays(&why))?;
        if found.bundle != Some(back) {
            return Err(stays(&self.is_elsewhere(&found)));
        }
        self.notes.refuse(refused, attempt, &reason, self.now);
        self.note()?;
        Ok(reason)
    }

    /// What a sensor has that does not load what is current here.
    fn is_elsewhere(&self, found: &InForce) -> String {
        format!(
            "the sensor loaded its rules anew and has {} in force: its `rules.store` has to name {}",
            found.bundle.map_or_else(|| "other rules".to_owned(), |hash| hash.short()),
            self.settings.store.display()
        )
    }

    fn note(&self) -> Result<(), Trouble> {
        self.notes.write(&self.settings.store).map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn failed(error: impl Display) -> Trouble {
    Trouble::Failed(error.to_string())
}

/// A sensor that is away takes what is current when it starts.
fn away(why: &str) -> Trouble {
    Trouble::Failed(format!("the sensor does not answer: {why}"))
}

/// Whether a set in the store came as a bundle that one of the keys signed.
fn is_signed(generation: &Generation, keys: &PublicKeys) -> bool {
    let signature = fs::read_to_string(generation.folder.join(SIGNATURE)).unwrap_or_default();
    keys.verify(&generation.manifest.to_bytes(), &signature).is_ok()
}
