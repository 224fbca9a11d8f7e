//! What a rule server keeps: the last receipt of each sensor, and the roll-out of each channel. All
//! of it lies on the disk, so that it goes on after whatever ended the server.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::layout::{Channel, FORMAT, Layout, LayoutError, STATE, read_some, replace};
use crate::manifest::Hash;
use crate::receipt::{Receipt, is_name};
use crate::rollout::{Edition, MOST_SENSORS, OrderError, Plan, PlanError, Rollout, State};

/// Receipts are written this many seconds after one has come at the latest.
const SAVED_EVERY: u64 = 5;
/// Bytes of a file of state.
const MOST_STATE: u64 = 64 << 20;

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
        /// Of this bundle, which lies in the layout.
        bundle: Hash,
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

/// The folder of a server, and its state.
#[derive(Debug)]
pub struct Desk {
    layout: Layout,
    /// It is locked as long as it is open.
    lock: Option<File>,
    receipts: BTreeMap<(String, String), Kept>,
    rollouts: BTreeMap<String, Rollout>,
    /// When the first receipt came that is not written yet.
    unsaved: Option<u64>,
    /// Receipts that found no place.
    shed: u64,
    /// What could not be written last.
    trouble: Option<String>,
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
        let lock = lock.map_err(|error| LayoutError::File(path.clone(), error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| DeskError::Taken(folder.to_path_buf()))?;
        let mut desk = Self {
            layout: Layout::at(folder),
            lock: Some(lock),
            receipts: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            unsaved: None,
            shed: 0,
            trouble: None,
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
        self.trouble.as_deref()
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
        if is_new {
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

    /// Takes a receipt. False: there is no place for another sensor.
    ///
    /// # Errors
    /// When what has to be remembered can't be written.
    pub fn hear(&mut self, receipt: Receipt, now: u64) -> Result<bool, DeskError> {
        let key = key(&receipt);
        if !self.receipts.contains_key(&key) && self.receipts.len() >= MOST_SENSORS {
            self.shed += 1;
            return Ok(false);
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
        match order {
            Order::Start { bundle, plan } => self.start(name, bundle, plan, now)?,
            Order::Stop => self.rollouts.get_mut(name).ok_or_else(none)?.stop("by hand")?,
            Order::Resume => self.rollouts.get_mut(name).ok_or_else(none)?.resume(now)?,
            Order::Back => self.rollouts.get_mut(name).ok_or_else(none)?.back("by hand")?,
        }
        self.settle(name)?;
        self.rollouts.get(name).ok_or_else(none)
    }

    fn start(&mut self, name: &str, bundle: Hash, plan: Plan, now: u64) -> Result<(), DeskError> {
        plan.check()?;
        if let Some(rollout) = self.rollouts.get(name)
            && matches!(rollout.state, State::Running | State::Stopped)
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
            if self.is_unsettled(&name) {
                self.tell(&name);
            }
        }
        if self.unsaved.is_some_and(|since| now.saturating_sub(since) >= SAVED_EVERY) {
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
            Ok(()) => self.unsaved = None,
            Err(error) => {
                self.trouble = Some(error.to_string());
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
        self.write(name)
    }

    fn write(&self, name: &str) -> Result<(), DeskError> {
        let Some(rollout) = self.rollouts.get(name) else { return Ok(()) };
        let path = self.layout.rollout_file(name);
        let bytes = serde_json::to_vec_pretty(rollout).unwrap_or_default();
        let failed = |error| LayoutError::File(path.clone(), error);
        Ok(replace(&path, |file| file.write_all(&bytes).map_err(failed))?)
    }
}

fn key(receipt: &Receipt) -> (String, String) {
    (receipt.channel.clone(), receipt.sensor.clone())
}
