//! Which output goes by which channel, kept with the records: outputs come and go between runs,
//! and what waits for one must not go to another.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files;
use crate::record::{channels, numbers_of};
use crate::settings::Output;
use crate::sinks::SinkSettings;

/// Bytes that the file may have: some outputs with their places.
const LARGEST_FILE: u64 = 1 << 20;

/// Whose a channel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    channel: u16,
    /// Records with lower numbers were made by whoever had the channel before.
    since: u64,
    /// Name of the sink.
    name: String,
    output: Output,
}

/// An output of this run.
#[derive(Debug)]
struct Claim {
    /// Its sink, by place in the settings.
    sink: usize,
    name: String,
    output: Output,
    /// Its channel and the first number there.
    place: Option<(u16, u64)>,
}

/// The outputs of this run and those of earlier ones.
#[derive(Debug)]
pub(crate) struct Channels {
    path: PathBuf,
    claims: Vec<Claim>,
    /// Outputs of earlier runs that are not among those of this one.
    others: Vec<Owner>,
    /// False when nothing is known of earlier runs.
    is_known: bool,
}

impl Channels {
    /// Looks up what the sinks' outputs had in earlier runs.
    pub(crate) fn load(directory: &Path, sinks: &[SinkSettings]) -> Self {
        let path = directory.join("channels");
        let mut claims = Vec::new();
        for (sink, settings) in sinks.iter().enumerate() {
            if let Some(output) = settings.output.clone() {
                claims.push(Claim { sink, name: settings.name(), output, place: None });
            }
        }
        let known = if claims.is_empty() { None } else { read(&path) };
        let is_known = known.is_some();
        let mut found = Self { path, claims, others: known.unwrap_or_default(), is_known };
        // Whoever is the same in all is served first; then who has moved in the configuration,
        // which changes names; then who has got another receiver.
        found.recognise(|claim, owner| claim.name == owner.name && claim.output == owner.output);
        found.recognise(|claim, owner| claim.output == owner.output);
        found.recognise(|claim, owner| {
            claim.name == owner.name && claim.output.alerts == owner.output.alerts
        });
        found.rename();
        found
    }

    fn recognise(&mut self, is_it: impl Fn(&Claim, &Owner) -> bool) {
        for claim in self.claims.iter_mut().filter(|claim| claim.place.is_none()) {
            if let Some(at) = self.others.iter().position(|owner| is_it(claim, owner)) {
                let owner = self.others.remove(at);
                claim.place = Some((owner.channel, owner.since));
                claim.name = owner.name;
            }
        }
    }

    /// New outputs have names that nobody has or had.
    fn rename(&mut self) {
        let names = |claims: &[Claim], is_new: bool| -> Vec<String> {
            let chosen = claims.iter().filter(|claim| claim.place.is_none() == is_new);
            chosen.map(|claim| claim.name.clone()).collect()
        };
        let mut taken = names(&self.claims, false);
        taken.extend(self.others.iter().map(|owner| owner.name.clone()));
        for claim in self.claims.iter_mut().filter(|claim| claim.place.is_none()) {
            if taken.contains(&claim.name) {
                let stem = claim.name.trim_end_matches(|c: char| c.is_ascii_digit());
                let stem = stem.strip_suffix('-').unwrap_or(&claim.name).to_owned();
                let names = (2..).map(|at| format!("{stem}-{at}"));
                claim.name = std::iter::once(stem.clone())
                    .chain(names)
                    .find(|name| !taken.contains(name))
                    .unwrap_or_default();
            }
            taken.push(claim.name.clone());
        }
    }

    /// Names of the sinks of these settings.
    pub(crate) fn names(&self, sinks: &[SinkSettings]) -> Vec<String> {
        let mut names: Vec<String> = sinks.iter().map(SinkSettings::name).collect();
        for claim in &self.claims {
            if let Some(name) = names.get_mut(claim.sink) {
                name.clone_from(&claim.name);
            }
        }
        names
    }

    /// Gives channels to outputs that have none, and takes them down. `next` tells the next number
    /// of a worker or the process; `keeps_others`: outputs of earlier runs keep theirs.
    ///
    /// # Errors
    /// When there is no channel left, which can only be when others keep theirs.
    pub(crate) fn allot(
        &mut self,
        keeps_others: bool,
        next: impl Fn(u16) -> u64,
    ) -> Result<(), String> {
        let had = self.others.clone();
        let mut is_changed = !self.is_known && !self.claims.is_empty();
        if !keeps_others {
            is_changed |= !self.others.is_empty();
            self.others.clear();
        }
        for at in 0..self.claims.len() {
            let Some(claim) = self.claims.get(at).filter(|claim| claim.place.is_none()) else {
                continue;
            };
            let is_free = |channel: &u16| {
                let mut owned = self.others.iter().map(|owner| owner.channel);
                let mut claimed = self.claims.iter().filter_map(|claim| claim.place);
                !owned.any(|other| other == *channel)
                    && !claimed.any(|(other, _)| other == *channel)
            };
            let free: Vec<u16> = channels(claim.output.alerts).filter(is_free).collect();
            // One that nobody had before, if there is one.
            let was_had = |channel: &&u16| had.iter().any(|owner| owner.channel == **channel);
            let unused = free.iter().find(|channel| !was_had(channel));
            let Some(&channel) = unused.or(free.first()) else {
                return Err(format!(
                    "no channel is left for {}: the spool keeps records for {} other outputs",
                    claim.name,
                    self.others.len()
                ));
            };
            // Where nothing is known, what lies in the spool is taken to be of the same outputs.
            let since = match self.is_known {
                true => numbers_of(channel).map(&next).max().unwrap_or_default(),
                false => 0,
            };
            if let Some(claim) = self.claims.get_mut(at) {
                claim.place = Some((channel, since));
                is_changed = true;
            }
        }
        if is_changed {
            self.store();
        }
        Ok(())
    }

    /// The channel of a sink, by its place in the settings, and the first number there; none when
    /// it has no output of its own.
    pub(crate) fn of(&self, sink: usize) -> Option<(u16, u64)> {
        self.claims.iter().find(|claim| claim.sink == sink)?.place
    }

    /// All channels of this run with their first numbers, in the order of the sinks; the first
    /// channel when no sink has an output of its own.
    pub(crate) fn all(&self) -> Vec<(u16, u64)> {
        match self.claims.as_slice() {
            [] => vec![(0, 0)],
            claims => claims.iter().filter_map(|claim| claim.place).collect(),
        }
    }

    fn store(&self) {
        let claimed = self.claims.iter().filter_map(|claim| {
            let (channel, since) = claim.place?;
            let (name, output) = (claim.name.clone(), claim.output.clone());
            Some(Owner { channel, since, name, output })
        });
        let owners: Vec<Owner> = claimed.chain(self.others.iter().cloned()).collect();
        let stored = serde_json::to_vec(&owners)
            .map_err(std::io::Error::from)
            .and_then(|bytes| files::replace(&self.path, &bytes, true));
        if let Err(error) = stored {
            tracing::warn!("spool: {} can't be written: {error}", self.path.display());
        }
    }
}

/// What was taken down; none when that is lost.
fn read(path: &Path) -> Option<Vec<Owner>> {
    let said = match files::read_small(path, LARGEST_FILE) {
        Ok(None) => return None,
        Ok(Some(bytes)) => match serde_json::from_slice::<Vec<Owner>>(&bytes) {
            Ok(owners) if fits(&owners) => return Some(owners),
            Ok(_) => "two outputs have one channel or name".to_owned(),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    tracing::warn!("spool: {} is lost, outputs are as if new: {said}", path.display());
    None
}

/// True when all channels and names are there once, and channels are of the right sort.
fn fits(owners: &[Owner]) -> bool {
    owners.iter().enumerate().all(|(at, owner)| {
        let mut before = owners.iter().take(at);
        channels(owner.output.alerts).any(|channel| channel == owner.channel)
            && !before.any(|other| other.channel == owner.channel || other.name == owner.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::OUTPUTS;

    /// Sinks as `name place`; those whose place begins with `!` get lines of alerts.
    fn sinks(wanted: &[&str]) -> Vec<SinkSettings> {
        let sink = |text: &&str| {
            let (name, place) = text.split_once(' ').unwrap();
            let output = Output { alerts: place.starts_with('!'), place: place.to_owned() };
            SinkSettings {
                name: Some(name.to_owned()),
                output: Some(output),
                ..SinkSettings::default()
            }
        };
        wanted.iter().map(sink).collect()
    }

    /// A run: names, channels and first numbers of its sinks.
    fn run(folder: &Path, wanted: &[&str], keeps: bool, now: u64) -> Vec<(String, u16, u64)> {
        let sinks = sinks(wanted);
        let mut channels = Channels::load(folder, &sinks);
        channels.allot(keeps, |_| now).unwrap();
        let names = channels.names(&sinks).into_iter().enumerate();
        let found = names.map(|(at, name)| {
            let (channel, since) = channels.of(at).unwrap();
            (name, channel, since)
        });
        found.collect()
    }

    #[test]
    fn outputs_keep_their_channels() {
        /// Outputs of a run, and what becomes of them: name, channel, since.
        type Run<'a> = (&'a [&'a str], &'a [(&'a str, u16, u64)]);
        let check = |runs: &[Run<'_>]| {
            let folder = tempfile::tempdir().unwrap();
            for (now, (wanted, expected)) in (10..).zip(runs) {
                let found = run(folder.path(), wanted, false, now);
                let found: Vec<_> = found.iter().map(|(n, c, s)| (n.as_str(), *c, *s)).collect();
                assert_eq!(found, *expected, "{wanted:?} at {now}");
            }
        };
        let both = [("redis", 0, 0), ("syslog", 2, 0)];
        // The first goes, and another comes: nobody gets what waits for somebody else.
        check(&[
            (&["redis a", "syslog b"], &both),
            (&["redis a", "syslog b"], &both),
            (&["syslog b"], &[("syslog", 2, 0)]),
            (&["unix c", "syslog b"], &[("unix", 0, 13), ("syslog", 2, 0)]),
        ]);
        // Their order does not matter, and who has another receiver stays who it is.
        check(&[
            (&["redis a", "syslog b"], &both),
            (&["syslog b", "redis a"], &[("syslog", 2, 0), ("redis", 0, 0)]),
            (&["redis elsewhere", "syslog b"], &both),
        ]);
        // Names are places, too: the second goes on as it was when it is the first.
        check(&[
            (&["redis a", "redis-2 b"], &[("redis", 0, 0), ("redis-2", 2, 0)]),
            (&["redis b"], &[("redis-2", 2, 0)]),
            (&["redis c", "redis-2 b"], &[("redis", 0, 12), ("redis-2", 2, 0)]),
            (
                &["redis d", "redis-2 c", "redis-3 b"],
                &[("redis-3", 4, 13), ("redis", 0, 12), ("redis-2", 2, 0)],
            ),
        ]);
        // Lines of alerts are no records.
        check(&[
            (&["syslog a", "syslog-2 !b"], &[("syslog", 0, 0), ("syslog-2", 3, 0)]),
            (&["syslog !c"], &[("syslog-3", 5, 11)]),
        ]);
    }

    #[test]
    fn a_replay_takes_nothing_from_others() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["redis a", "syslog b"], false, 10);
        assert_eq!(run(folder.path(), &["unix c"], true, 11), [("unix".to_owned(), 4, 11)]);
        let back = run(folder.path(), &["syslog b", "unix c"], false, 12);
        assert_eq!(back, [("syslog".to_owned(), 2, 0), ("unix".to_owned(), 4, 11)]);
        // They may be too many then.
        let names = |from: u16| (from..from + OUTPUTS).map(|at| format!("s-{at}x p{at}"));
        let (first, second): (Vec<_>, Vec<_>) = (names(0).collect(), names(20).collect());
        let (first, second) = (first.iter().map(String::as_str), second.iter().map(String::as_str));
        run(folder.path(), &first.collect::<Vec<_>>(), false, 13);
        let sinks = sinks(&second.collect::<Vec<_>>());
        let why = Channels::load(folder.path(), &sinks).allot(true, |_| 14).unwrap_err();
        assert!(why.contains("no channel is left for s-2"), "{why}");
        assert!(Channels::load(folder.path(), &sinks).allot(false, |_| 14).is_ok());
    }

    #[test]
    fn a_file_that_is_lost_keeps_nobody_from_their_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("channels");
        let wanted = ["redis a", "syslog b"];
        let first = run(folder.path(), &wanted, false, 10);
        let good = std::fs::read_to_string(&path).unwrap();
        let twice = good.replace("\"channel\":2", "\"channel\":0");
        assert_ne!(good, twice);
        let odd = good.replace("\"channel\":2", "\"channel\":9");
        for damaged in ["", "[{", "{}", &twice, &odd] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(run(folder.path(), &wanted, false, 11), first, "{damaged}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
        }
    }

    #[test]
    fn without_outputs_of_their_own_there_is_one_channel() {
        let folder = tempfile::tempdir().unwrap();
        let sinks = [SinkSettings::default()];
        let mut channels = Channels::load(folder.path(), &sinks);
        channels.allot(false, |_| 10).unwrap();
        assert_eq!((channels.of(0), channels.all()), (None, vec![(0, 0)]));
        assert!(!folder.path().join("channels").exists());
    }
}
