//! What a rule server keeps: the last receipt of each sensor, and the roll-out of each channel. All
//! of it lies on the disk, so that it goes on after whatever ended the server.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::held::Held;
use crate::layout::{Channel, FORMAT, Layout, LayoutError, MOST_STATE, STATE, read_some, replace};
use crate::manifest::Hash;
use crate::receipt::{Receipt, State as Said, is_name};
use crate::rollout::{Edition, MOST_SENSORS, OrderError, Plan, PlanError, Rollout, State};

/// Receipts are written this many seconds after one has come at the latest.
const SAVED_EVERY: u64 = 5;
/// A sensor that was silent for so many seconds leaves its place to another one.
const FORGOTTEN: u64 = 86_400;

/// Why the server can't do what it is to.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Another one has the folder.
    #[error("{}: another rule server has this folder; talk to it (--server)", .0.display())]
    Taken(PathBuf),
    /// An address can't be listened to.
    #[error("{0}: {1}")]
    Address(SocketAddr, io::Error),
    /// The system has no more of something.
    #[error("{0}")]
    System(io::Error),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A plan that is none.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An order that makes no sense now.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// There is no roll-out.
    #[error("channel {0} has no roll-out")]
    NoRollout(String),
    /// One is under way.
    #[error("a roll-out of channel {0} is {1} already; take it back or let it end before")]
    UnderWay(String, &'static str),
    /// The channel has this bundle.
    #[error("channel {0} has bundle {1} already")]
    Same(String, String),
}

/// The last receipt of a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it came: seconds since 1970.
    pub heard: u64,
    /// What it says.
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// What is to be done with a roll-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Begin one.
    Start {
        /// Of the bundle in the layout whose sum begins so.
        bundle: String,
        /// In these steps.
        #[serde(default)]
        plan: Plan,
    },
    /// Nobody else gets the bundle.
    Stop,
    /// Go on.
    Resume,
    /// Everybody goes to the bundle before.
    Back,
}

/// What a receipt says that the sensor's last one did not, for the log.
pub(super) fn news(before: Option<&Receipt>, receipt: &Receipt) -> Option<String> {
    let said = |one: &Receipt| (one.bundle, one.state, one.wanted);
    if before.is_some_and(|before| said(before) == said(receipt)) {
        return None;
    }
    let (sensor, wanted) = (&receipt.sensor, receipt.wanted.short());
    let version = receipt.version.map_or(String::new(), |version| format!(" (version {version})"));
    Some(match receipt.state {
        Said::InForce => format!("sensor {sensor}: bundle {wanted}{version} is in force"),
        state => format!("sensor {sensor}: bundle {wanted} {}: {}", state.word(), receipt.reason),
    })
}

/// The folder of a server, and its state.
#[derive(Debug)]
pub struct Desk {
    layout: Layout,
    /// It is locked as long as it is open.
    lock: Option<Held>,
    receipts: BTreeMap<(String, String), Kept>,
    /// Receipts at most.
    most: usize,
    rollouts: BTreeMap<String, Rollout>,
    /// When the first receipt came that is not written yet.
    unsaved: Option<u64>,
    /// Receipts that found no place.
    shed: u64,
    /// Roll-outs that are not on the disk as they are here.
    unwritten: BTreeSet<String>,
    /// Why they, or receipts, could not be written last.
    trouble: Option<String>,
    trouble_of_receipts: Option<String>,
}

impl Desk {
    /// Takes a folder and reads what a server before it has left.
    ///
    /// # Errors
    /// When another server has it, or it can't be read.
    pub fn open(folder: &Path, now: u64) -> Result<Self, DeskError> {
        let state = folder.join(STATE);
        let failed = |error| LayoutError::File(state.clone(), error);
        fs::create_dir_all(state.join("rollouts")).map_err(failed)?;
        let path = state.join("lock");
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock =
            lock.and_then(Held::take).map_err(|error| LayoutError::File(path.clone(), error))?;
        let lock = lock.map_err(|_| DeskError::Taken(folder.to_path_buf()))?;
        let mut desk = Self {
            layout: Layout::at(folder),
            lock: Some(lock),
            receipts: BTreeMap::new(),
            most: MOST_SENSORS,
            rollouts: BTreeMap::new(),
            unsaved: None,
            shed: 0,
            unwritten: BTreeSet::new(),
            trouble: None,
            trouble_of_receipts: None,
        };
        desk.read(&state)?;
        desk.tick(now);
        Ok(desk)
    }

    fn read(&mut self, state: &Path) -> Result<(), DeskError> {
        let path = state.join("receipts.json");
        match read_some(&path, MOST_STATE) {
            Ok(bytes) => match serde_json::from_slice::<Vec<Kept>>(&bytes) {
                Ok(all) => {
                    for kept in all {
                        self.receipts.insert(key(&kept.receipt), kept);
                    }
                }
                // Sensors say it again.
                Err(error) => tracing::warn!("{}: {error}; it is begun anew", path.display()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(LayoutError::File(path, error).into()),
        }
        let folder = state.join("rollouts");
        let entries = fs::read_dir(&folder);
        for entry in entries.map_err(|error| LayoutError::File(folder.clone(), error))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".json").filter(|name| is_name(name)) else {
                continue;
            };
            let failed = |error| LayoutError::File(entry.path(), error);
            let bytes = read_some(&entry.path(), MOST_STATE).map_err(failed)?;
            // To go on without it could give everybody what was stopped.
            let rollout: Rollout = serde_json::from_slice(&bytes)
                .map_err(|error| failed(io::Error::other(error.to_string())))?;
            self.rollouts.insert(name.to_owned(), rollout);
        }
        Ok(())
    }

    /// The folder.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The last receipt of each sensor.
    pub fn receipts(&self) -> impl Iterator<Item = &Kept> {
        self.receipts.values()
    }

    /// The roll-out of a channel, over or not.
    pub fn rollout(&self, channel: &str) -> Option<&Rollout> {
        self.rollouts.get(channel)
    }

    /// All of them.
    pub fn rollouts(&self) -> impl Iterator<Item = &Rollout> {
        self.rollouts.values()
    }

    /// Receipts that found no place.
    pub fn shed(&self) -> u64 {
        self.shed
    }

    /// What could not be written.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().or(self.trouble_of_receipts.as_deref())
    }

    /// What a sensor, or anybody, is told of a channel.
    ///
    /// # Errors
    /// When the channel can't be read, or what has to be remembered can't be written.
    pub fn channel(
        &mut self,
        name: &str,
        sensor: Option<&str>,
        now: u64,
    ) -> Result<Option<Channel>, DeskError> {
        let file = self.layout.channel(name)?;
        let Some(sensor) = sensor else { return Ok(file) };
        let Some(rollout) = self.rollouts.get_mut(name) else { return Ok(file) };
        let (told, is_new) = rollout.ask(sensor, now);
        let is_over = matches!(rollout.state, State::Done | State::Back);
        let previous = rollout.before.map(|before| before.bundle);
        let next = rollout.next.bundle;
        if is_new || self.unwritten.contains(name) || self.is_unsettled(name) {
            // Who was told has to be known after a restart as well.
            self.settle(name)?;
        }
        if is_over {
            return Ok(self.layout.channel(name)?);
        }
        Ok(told.map(|told| Channel {
            format: FORMAT,
            channel: name.to_owned(),
            bundle: told.edition.bundle,
            version: told.edition.version,
            previous: previous.filter(|_| told.edition.bundle == next),
            allow_older: told.allow_older,
            attempt: told.attempt,
        }))
    }

    /// Takes a receipt, where there are too many in the place of one of a sensor that has been
    /// silent for long: names of pods come and go. False: there is no place for another sensor.
    ///
    /// # Errors
    /// When what has to be remembered can't be written.
    pub fn hear(&mut self, receipt: Receipt, now: u64) -> Result<bool, DeskError> {
        let key = key(&receipt);
        if !self.receipts.contains_key(&key) && self.receipts.len() >= self.most {
            let longest = self.receipts.iter().min_by_key(|(_, kept)| kept.heard);
            let gone = longest.filter(|(_, kept)| now.saturating_sub(kept.heard) > FORGOTTEN);
            let Some(gone) = gone.map(|(key, _)| key.clone()) else {
                self.shed += 1;
                return Ok(false);
            };
            self.receipts.remove(&gone);
        }
        if let Some(news) = news(self.receipts.get(&key).map(|kept| &kept.receipt), &receipt) {
            tracing::info!("{news}");
        }
        let name = receipt.channel.clone();
        let is_weighty =
            self.rollouts.get_mut(&name).is_some_and(|rollout| rollout.hear(&receipt, now));
        self.receipts.insert(key, Kept { heard: now, receipt });
        self.unsaved.get_or_insert(now);
        if is_weighty {
            self.settle(&name)?;
        }
        Ok(true)
    }

    /// Does what is ordered. Gives the roll-out as it is then.
    ///
    /// # Errors
    /// When the order makes no sense, or can't be written down.
    pub fn order(&mut self, name: &str, order: Order, now: u64) -> Result<&Rollout, DeskError> {
        let none = || DeskError::NoRollout(name.to_owned());
        let before = self.rollouts.get(name).cloned();
        match order {
            Order::Start { bundle, plan } => {
                let bundle = self.layout.find(&bundle)?;
                self.start(name, bundle, plan, now)?;
            }
            Order::Stop => self.rollouts.get_mut(name).ok_or_else(none)?.stop("by hand")?,
            Order::Resume => self.rollouts.get_mut(name).ok_or_else(none)?.resume(now)?,
            Order::Back => self.rollouts.get_mut(name).ok_or_else(none)?.back("by hand")?,
        }
        if let Err(error) = self.settle(name) {
            self.put_back(name, before);
            return Err(error);
        }
        self.rollouts.get(name).ok_or_else(none)
    }

    /// Whoever ordered what can't be written is told so: it does not happen, then or later.
    fn put_back(&mut self, name: &str, before: Option<Rollout>) {
        match before {
            Some(before) => {
                self.rollouts.insert(name.to_owned(), before);
                // It may be on the disk by half.
                if let Err(error) = self.write(name) {
                    tracing::warn!("channel {name}: {error}; it is tried again");
                }
            }
            None => {
                self.rollouts.remove(name);
                self.unwritten.remove(name);
                let path = self.layout.rollout_file(name);
                if let Err(error) = fs::remove_file(&path)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!("{}: {error}", path.display());
                }
            }
        }
    }

    fn start(&mut self, name: &str, bundle: Hash, plan: Plan, now: u64) -> Result<(), DeskError> {
        plan.check()?;
        // The first bundle of a channel that was stopped has none before it to go back to: another
        // one is the only way on.
        if let Some(rollout) = self.rollouts.get(name)
            && (rollout.state == State::Running
                || rollout.state == State::Stopped && rollout.before.is_some())
        {
            return Err(DeskError::UnderWay(name.to_owned(), rollout.state.word()));
        }
        let channel = self.layout.channel(name)?;
        if channel.as_ref().is_some_and(|channel| channel.bundle == bundle) {
            return Err(DeskError::Same(name.to_owned(), bundle.short()));
        }
        let version = self.layout.manifest(&bundle)?.version;
        let before =
            channel.map(|channel| Edition { bundle: channel.bundle, version: channel.version });
        let receipts = self.receipts.values().filter(|kept| kept.receipt.channel == name);
        let known: Vec<_> =
            receipts.map(|kept| (kept.receipt.sensor.clone(), kept.heard)).collect();
        let next = Edition { bundle, version };
        let rollout = Rollout::start(name, next, before, plan, &known, now);
        self.rollouts.insert(name.to_owned(), rollout);
        Ok(())
    }

    /// Time has passed.
    pub fn tick(&mut self, now: u64) {
        let moved: Vec<String> = (self.rollouts.iter_mut())
            .filter_map(|(name, rollout)| rollout.tick(now).then(|| name.clone()))
            .collect();
        for name in moved {
            self.tell(&name);
        }
        // A channel's file could not be written before, or the server ended before it did.
        let unsettled: Vec<String> = self.rollouts.keys().cloned().collect();
        for name in unsettled {
            if self.is_unsettled(&name) || self.unwritten.contains(&name) {
                self.tell(&name);
            }
        }
        // A clock that was put back shall not keep them from the disk.
        let is_late = |since: u64| now < since || now - since >= SAVED_EVERY;
        if self.unsaved.is_some_and(is_late) {
            self.save_receipts(now);
        }
    }

    fn tell(&mut self, name: &str) {
        self.trouble = self.settle(name).err().map(|error| error.to_string());
        if let Some(trouble) = &self.trouble {
            tracing::warn!("channel {name}: {trouble}");
        }
    }

    /// Writes receipts, if there are new ones.
    pub(super) fn save_receipts(&mut self, now: u64) {
        if self.unsaved.is_none() {
            return;
        }
        let all: Vec<&Kept> = self.receipts.values().collect();
        let path = self.layout.folder().join(STATE).join("receipts.json");
        let bytes = serde_json::to_vec(&all).unwrap_or_default();
        let failed = |error| LayoutError::File(path.clone(), error);
        match replace(&path, |file| file.write_all(&bytes).map_err(failed)) {
            Ok(()) => {
                self.unsaved = None;
                self.trouble_of_receipts = None;
            }
            Err(error) => {
                self.trouble_of_receipts = Some(error.to_string());
                self.unsaved = Some(now);
            }
        }
    }

    /// Lets another one have the folder.
    pub(super) fn release(&mut self) {
        self.lock = None;
    }

    /// Whether a roll-out is over and its channel does not say so.
    fn is_unsettled(&self, name: &str) -> bool {
        let Some(rollout) = self.rollouts.get(name) else { return false };
        match (rollout.state, rollout.published) {
            (State::Done, published) => published != Some(rollout.next.bundle),
            (State::Back, published) => {
                rollout.before.is_some_and(|before| published != Some(before.bundle))
            }
            _ => false,
        }
    }

    /// Writes a roll-out down, and the channel's file once it is over.
    fn settle(&mut self, name: &str) -> Result<(), DeskError> {
        self.write(name)?;
        if !self.is_unsettled(name) {
            return Ok(());
        }
        let Some(rollout) = self.rollouts.get_mut(name) else { return Ok(()) };
        let (edition, allow_older) = match (rollout.state, rollout.before) {
            (State::Back, Some(before)) => (before, true),
            (_, before) => {
                let is_older = before.is_some_and(|b| b.version > rollout.next.version);
                (rollout.next, is_older)
            }
        };
        let is_there = self.layout.channel(name)?.is_some_and(|c| c.bundle == edition.bundle);
        if !is_there || allow_older {
            self.layout.set(name, &edition.bundle, allow_older)?;
        }
        rollout.published = Some(edition.bundle);
        // It is done: a restart that does not know that does it again.
        if let Err(error) = self.write(name) {
            tracing::warn!("channel {name}: {error}; it is tried again");
        }
        Ok(())
    }

    fn write(&mut self, name: &str) -> Result<(), DeskError> {
        let Some(rollout) = self.rollouts.get(name) else { return Ok(()) };
        let path = self.layout.rollout_file(name);
        let bytes = serde_json::to_vec_pretty(rollout).unwrap_or_default();
        let failed = |error| LayoutError::File(path.clone(), error);
        self.unwritten.insert(name.to_owned());
        replace(&path, |file| file.write_all(&bytes).map_err(failed))?;
        self.unwritten.remove(name);
        Ok(())
    }
}

fn key(receipt: &Receipt) -> (String, String) {
    (receipt.channel.clone(), receipt.sensor.clone())
}
