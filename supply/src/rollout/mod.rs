//! Staged roll-outs: who gets a new bundle when, and what stops it. No clock, no I/O: the time comes
//! with each call, and all of it can be written down as JSON and read again.
//!
//! Each stage reaches a share of the sensors that are known, at least one, in an order that only
//! the names of channel, bundle and sensor decide. Who was told of a bundle once is told so until
//! the roll-out is over.

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{Plan, PlanError};

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::manifest::Hash;
use crate::receipt::{self, Receipt};

/// Sensors that a roll-out keeps in mind.
pub const MOST_SENSORS: usize = 10_000;

/// A bundle with its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// By which it is known.
    pub bundle: Hash,
    /// As its manifest has it.
    pub version: u64,
}

/// How far a roll-out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes on by itself.
    Running,
    /// Nobody else gets the bundle.
    Stopped,
    /// Everybody goes to the bundle before.
    Back,
    /// Everybody has the bundle, or gets it.
    Done,
}

impl State {
    /// For people and labels.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Back => "back",
            Self::Done => "done",
        }
    }
}

/// A roll-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Of which channel.
    pub channel: String,
    /// What is rolled out.
    pub next: Edition,
    /// What sensors had before, if there was anything.
    pub before: Option<Edition>,
    /// In which steps.
    pub plan: Plan,
    /// How far it is.
    pub state: State,
    /// The stage, from 0.
    pub stage: usize,
    /// When it was begun.
    pub began: u64,
    /// When the stage was.
    pub stage_began: u64,
    /// Since when all sensors of the stage have the bundle.
    pub settled: Option<u64>,
    /// Why it was stopped, or taken back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Rises when it is resumed: sensors then try again what they refused.
    pub attempt: u32,
    /// What the channel's file was made to name when it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Hash>,
    /// The sensors that are known.
    pub sensors: BTreeMap<String, Sensor>,
}

/// What a roll-out knows of a sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sensor {
    /// When it was heard last, seconds since 1970.
    pub heard: u64,
    /// When it should have the bundle by right: since then it is of a stage.
    pub due: Option<u64>,
    /// It was told to take the bundle.
    pub told: bool,
    /// It has the bundle in force.
    pub has: bool,
    /// Why it refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What is in its way: a failure only when it lasts as long as [`Plan::silence`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a sensor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which bundle it is to have.
    pub edition: Edition,
    /// It may be an older one than it has.
    pub allow_older: bool,
    /// See [`Rollout::attempt`].
    pub attempt: u32,
}

/// Why an order makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is nothing to stop, resume or take back.
    #[error("the roll-out is {}, so that this changes nothing", .0.word())]
    State(State),
    /// There was no bundle before.
    #[error("there was no bundle before this one to go back to")]
    NothingBefore,
}

impl Rollout {
    /// Begins one. `known` are sensors with the time at which each was heard last.
    pub fn start(
        channel: &str,
        next: Edition,
        before: Option<Edition>,
        plan: Plan,
        known: &[(String, u64)],
        now: u64,
    ) -> Self {
        let mut rollout = Self {
            channel: channel.to_owned(),
            next,
            before,
            plan,
            state: State::Running,
            stage: 0,
            began: now,
            stage_began: now,
            settled: None,
            reason: String::new(),
            attempt: 0,
            published: None,
            sensors: BTreeMap::new(),
        };
        for (name, heard) in known {
            rollout.meet(name, *heard);
        }
        rollout.turn(now);
        rollout
    }

    /// A sensor asks what it is to have. True if something is to be written down first.
    pub fn ask(&mut self, name: &str, now: u64) -> (Option<Told>, bool) {
        let before = self.fingerprint();
        self.meet(name, now);
        self.turn(now);
        let is_due = match self.state {
            State::Running | State::Stopped => match self.sensors.get_mut(name) {
                Some(sensor) if sensor.due.is_some() => {
                    sensor.told = true;
                    true
                }
                _ => false,
            },
            State::Back => false,
            State::Done => true,
        };
        let edition = if is_due { Some(self.next) } else { self.before };
        let is_older = self.before.is_some_and(|before| before.version > self.next.version);
        let told = edition.map(|edition| Told {
            edition,
            // Who had the new one already has to go back, whatever its number.
            allow_older: !is_due || is_older,
            attempt: self.attempt,
        });
        (told, self.fingerprint() != before)
    }

    /// A sensor says what it has. True if something is to be written down.
    pub fn hear(&mut self, receipt: &Receipt, now: u64) -> bool {
        let before = self.fingerprint();
        self.meet(&receipt.sensor, now);
        let next = self.next.bundle;
        if let Some(sensor) = self.sensors.get_mut(&receipt.sensor) {
            let had = std::mem::replace(&mut sensor.has, receipt.bundle == Some(next));
            if had && !sensor.has {
                // From now on it is waited for anew.
                sensor.due = sensor.due.map(|_| now);
            }
            let (state, reason) = (receipt.state.word(), &receipt.reason);
            let said = match reason.is_empty() {
                true => state.to_owned(),
                false => format!("{state}: {reason}"),
            };
            let is_about = receipt.wanted == next;
            match receipt.state {
                // A set that was refused, and is in force for want of another one.
                receipt::State::Refused if is_about => sensor.failure = Some(said),
                _ if sensor.has => {
                    // It has it, whoever told it so.
                    sensor.told = true;
                    sensor.due = sensor.due.or(Some(now));
                    sensor.failure = None;
                    sensor.trouble = None;
                }
                receipt::State::Failed if is_about => sensor.trouble = Some(said),
                _ => {}
            }
        }
        self.turn(now);
        self.fingerprint() != before
    }

    /// Time has passed. True if something is to be written down.
    pub fn tick(&mut self, now: u64) -> bool {
        let before = self.fingerprint();
        self.turn(now);
        self.fingerprint() != before
    }

    /// Nobody else gets the bundle.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self, reason: &str) -> Result<(), OrderError> {
        if self.state != State::Running {
            return Err(OrderError::State(self.state));
        }
        self.state = State::Stopped;
        reason.clone_into(&mut self.reason);
        Ok(())
    }

    /// Goes on where it was stopped; what failed is forgiven and tried again.
    ///
    /// # Errors
    /// When it is not stopped.
    pub fn resume(&mut self, now: u64) -> Result<(), OrderError> {
        if self.state != State::Stopped {
            return Err(OrderError::State(self.state));
        }
        self.state = State::Running;
        self.reason.clear();
        self.attempt = self.attempt.saturating_add(1);
        self.stage_began = now;
        self.settled = None;
        for sensor in self.sensors.values_mut() {
            sensor.failure = None;
            sensor.trouble = None;
            if sensor.due.is_some() && !sensor.has {
                sensor.due = Some(now);
            }
        }
        self.turn(now);
        Ok(())
    }

    /// Everybody goes to the bundle before.
    ///
    /// # Errors
    /// When there is none, or it is so already.
    pub fn back(&mut self, reason: &str) -> Result<(), OrderError> {
        match (self.state, self.before) {
            (State::Back, _) => Err(OrderError::State(self.state)),
            (_, None) => Err(OrderError::NothingBefore),
            _ => {
                self.state = State::Back;
                reason.clone_into(&mut self.reason);
                Ok(())
            }
        }
    }

    /// How it stands with each sensor, in words, by name.
    pub fn standing(&self) -> impl Iterator<Item = (&str, String)> {
        self.sensors.iter().map(|(name, sensor)| (name.as_str(), self.standing_of(sensor)))
    }

    fn standing_of(&self, sensor: &Sensor) -> String {
        let next = self.next.bundle.short();
        if self.state == State::Back {
            return match (self.before, &sensor.trouble) {
                _ if !sensor.told => "was not told to take it".to_owned(),
                (_, Some(trouble)) if sensor.has => format!("still has {next}: {trouble}"),
                _ if sensor.has => format!("still has {next}"),
                (Some(before), _) => format!("went back to {}", before.bundle.short()),
                (None, _) => format!("no longer has {next}"),
            };
        }
        match sensor {
            Sensor { failure: Some(failure), .. } => failure.clone(),
            Sensor { has: true, .. } => "in force".to_owned(),
            Sensor { trouble: Some(trouble), .. } => trouble.clone(),
            Sensor { told: true, .. } => "told to take it".to_owned(),
            Sensor { due: Some(_), .. } => "has not asked".to_owned(),
            _ => "not reached".to_owned(),
        }
    }

    /// Sensors that are in it at this moment, by name.
    pub fn reached(&self) -> impl Iterator<Item = (&str, &Sensor)> {
        let due = self.sensors.iter().filter(|(_, sensor)| sensor.due.is_some());
        due.map(|(name, sensor)| (name.as_str(), sensor))
    }

    /// The sensors that count as failed, with the reason.
    pub fn failures(&self, now: u64) -> Vec<(String, String)> {
        let of = |(name, sensor): (&str, &Sensor)| {
            let due = sensor.due?;
            let silent = now.saturating_sub(due);
            let why = match &sensor.failure {
                Some(why) => why.clone(),
                None if !sensor.has && silent > self.plan.silence => match &sensor.trouble {
                    Some(trouble) => format!("{trouble} (for {silent} s)"),
                    None => format!("silent: nothing was heard of it for {silent} s"),
                },
                None => return None,
            };
            Some((name.to_owned(), why))
        };
        self.reached().filter_map(of).collect()
    }

    /// Keeps a sensor in mind; where there are too many, in the place of one that is gone.
    fn meet(&mut self, name: &str, now: u64) {
        if !self.sensors.contains_key(name) && self.sensors.len() >= MOST_SENSORS {
            let gone = |sensor: &Sensor| sensor.due.is_none() && !self.is_present(sensor, now);
            let gone = self.sensors.iter().find(|(_, sensor)| gone(sensor));
            let Some(gone) = gone.map(|(name, _)| name.clone()) else { return };
            self.sensors.remove(&gone);
        }
        let sensor = self.sensors.entry(name.to_owned()).or_default();
        sensor.heard = sensor.heard.max(now);
    }

    /// Draws in whom the stage reaches, and goes on or stops.
    fn turn(&mut self, now: u64) {
        self.mend_times(now);
        while self.state == State::Running {
            self.draw(now);
            let failures = self.failures(now);
            if failures.len() >= self.plan.failures.max(1) as usize {
                let lines: Vec<String> =
                    failures.iter().take(5).map(|(name, why)| format!("{name}: {why}")).collect();
                self.state = State::Stopped;
                self.settled = None;
                self.reason = lines.join("; ");
                return;
            }
            if !self.is_settled(now) {
                self.settled = None;
                return;
            }
            let since = *self.settled.get_or_insert(now);
            if now.saturating_sub(since) < self.plan.soak {
                return;
            }
            self.settled = None;
            if self.stage + 1 >= self.plan.stages.len() {
                self.state = State::Done;
                return;
            }
            self.stage += 1;
            self.stage_began = now;
        }
    }

    /// Times that lie ahead were noted while the clock was wrong: nobody shall wait for them.
    fn mend_times(&mut self, now: u64) {
        self.settled = self.settled.map(|since| since.min(now));
        self.stage_began = self.stage_began.min(now);
        for sensor in self.sensors.values_mut() {
            sensor.heard = sensor.heard.min(now);
            sensor.due = sensor.due.map(|due| due.min(now));
        }
    }

    /// So many of the sensors that are known as the stage says, at least one.
    fn draw(&mut self, now: u64) {
        let percent = u64::from(self.percent());
        let present = (self.sensors.iter())
            .filter(|(_, sensor)| sensor.due.is_some() || self.is_present(sensor, now));
        let wanted = (present.clone().count() as u64 * percent).div_ceil(100);
        let missing = wanted.saturating_sub(self.reached().count() as u64);
        if missing == 0 {
            return;
        }
        let undrawn = present.filter(|(_, sensor)| sensor.due.is_none());
        let mut names: Vec<String> = undrawn.map(|(name, _)| name.clone()).collect();
        names.sort_by_cached_key(|name| place(&self.channel, &self.next.bundle, name));
        names.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
        for name in names {
            if let Some(sensor) = self.sensors.get_mut(&name) {
                sensor.due = Some(now);
            }
        }
    }

    /// Whether all whom the stage reaches have the bundle, or have failed and are borne with. With
    /// no sensor at all there is nobody to learn from.
    fn is_settled(&self, now: u64) -> bool {
        let failed = self.failures(now);
        let has_failed = |name: &str| failed.iter().any(|(known, _)| known == name);
        let mut reached = self.reached().peekable();
        reached.peek().is_some()
            && reached.all(|(name, sensor)| sensor.has || has_failed(name))
            && self.reached().any(|(_, sensor)| sensor.has)
    }

    /// The share that the stage reaches.
    pub fn percent(&self) -> u8 {
        self.plan.stages.get(self.stage).copied().unwrap_or(100)
    }

    /// Sensors that were not heard for long are no longer there.
    fn is_present(&self, sensor: &Sensor, now: u64) -> bool {
        now.saturating_sub(sensor.heard) <= self.plan.forget
    }

    /// Of all that is of weight: not when a sensor was heard last.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.state, self.stage, self.settled).hash(&mut hasher);
        for (name, sensor) in &self.sensors {
            (name, sensor.due, sensor.told, sensor.has).hash(&mut hasher);
            (&sensor.failure, &sensor.trouble).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// In which order sensors get a bundle: another one for each channel and bundle, so that it is not
/// always the same sensor that tries.
pub fn place(channel: &str, bundle: &Hash, sensor: &str) -> [u8; 32] {
    let mut sum = Sha256::new();
    for part in [channel, &bundle.to_string(), sensor] {
        sum.update((part.len() as u64).to_be_bytes());
        sum.update(part);
    }
    sum.finalize().into()
}
