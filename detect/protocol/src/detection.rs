//! Which protocol a flow speaks: patterns at the start, then probing by port.
//!
//! `patterns` are looked for on every port; `probes` are short functions that look at the first
//! bytes of flows on their ports. A direction is asked again with all of its bytes from the first
//! one on, until it is decided or both stages have said that they can't tell.

mod pattern;
mod port;
mod probes;

use decode::Direction;

use crate::app::AppProto;
use crate::settings::{ProtocolSettings, Switch};

pub(crate) use pattern::PatternSet;
use port::PortTable;
use probes::{PROBES, Probe};

/// The transports that carry application protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp = 0,
    /// UDP.
    Udp = 1,
}

impl Transport {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Tcp, Self::Udp];

    /// An index into pairs.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What is known about the data that is to be named.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Over which transport.
    pub transport: Transport,
    /// Who sent the bytes.
    pub direction: Direction,
    /// All bytes from the first one on.
    pub bytes: &'a [u8],
    /// Port of the client.
    pub client_port: u16,
    /// Port of the server, or the one that stands for it after a protocol change.
    pub server_port: u16,
    /// What the other direction was found to be, or what is expected after a change.
    pub hint: AppProto,
    /// What the other direction was found to be.
    pub other: AppProto,
    /// Bytes seen in the other direction.
    pub other_bytes: u64,
}

/// How far the two stages are for one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// No pattern can match any more.
    pub patterns_done: bool,
    /// No probe is left.
    pub probing_done: bool,
    masked: u32,
}

impl Progress {
    /// True when nothing more can be found.
    pub const fn finished(&self) -> bool {
        self.patterns_done && self.probing_done
    }
}

/// A protocol that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which one.
    pub proto: AppProto,
    /// The bytes belong to the other direction.
    pub reverse: bool,
}

/// Detection, prepared for a configuration.
#[derive(Clone, Debug)]
pub struct Detector {
    patterns: [[PatternSet; 2]; 2],
    ports: [PortTable; 2],
    midstream: bool,
}

impl Detector {
    /// Prepares it.
    pub fn new(settings: &ProtocolSettings) -> Self {
        let set = |transport, direction| {
            PatternSet::new(transport, direction, |proto| {
                settings.switch(proto, transport) != Switch::Off
            })
        };
        Self {
            patterns: Transport::BOTH.map(|t| Direction::BOTH.map(|d| set(t, d))),
            ports: Transport::BOTH.map(|t| PortTable::new(t, settings)),
            midstream: settings.midstream,
        }
    }

    /// Looks at the first bytes of a direction.
    pub fn detect(&self, question: &Question<'_>, progress: &mut Progress) -> Option<Found> {
        let mut found = None;
        if !progress.patterns_done {
            found = self.match_patterns(question, progress);
            // The two bytes of DCE RPC over UDP begin DNS messages as well: probes come first.
            let doubtful = |found: &Found| {
                question.transport == Transport::Udp && found.proto == AppProto::Dcerpc
            };
            if found.is_some() && !found.as_ref().is_some_and(doubtful) {
                return found;
            }
        }
        if progress.probing_done {
            return found;
        }
        self.probe(question, progress).or(found)
    }

    fn match_patterns(&self, question: &Question<'_>, progress: &mut Progress) -> Option<Found> {
        let sets = &self.patterns[question.transport.index()];
        let set = &sets[question.direction.index()];
        let found = set.find(question).or_else(|| {
            if !self.midstream {
                return None;
            }
            let other = &sets[question.direction.opposite().index()];
            other.find(question).map(|found| Found { reverse: true, ..found })
        });
        progress.patterns_done = found.is_none() && question.bytes.len() >= set.longest();
        found
    }

    fn probe(&self, question: &Question<'_>, progress: &mut Progress) -> Option<Found> {
        let ports = &self.ports[question.transport.index()];
        let known = ports.enabled() & probes::mask_of(question.transport, question.hint);
        let mut candidates = known | ports.of(question.server_port, question.client_port);
        if let Some(found) = run_probes(known, question, progress) {
            return Some(found);
        }
        if let Some(found) = run_probes(candidates & !known, question, progress) {
            return Some(found);
        }
        if self.midstream {
            let swapped = ports.of(question.client_port, question.server_port);
            if let Some(found) = run_probes(swapped & !candidates, question, progress) {
                return Some(found);
            }
            candidates |= swapped;
        }
        progress.probing_done = candidates & !progress.masked == 0;
        None
    }
}

/// Runs the probes of a set that were not ruled out, in the order of the table.
fn run_probes(set: u32, question: &Question<'_>, progress: &mut Progress) -> Option<Found> {
    let mut left = set & !progress.masked;
    while left != 0 {
        let index = left.trailing_zeros();
        left &= left - 1;
        let Some(probe) = PROBES.get(index as usize) else { break };
        let verdict = if question.bytes.len() < probe.min {
            continue;
        } else {
            (probe.run)(question)
        };
        match verdict {
            Verdict::Yes => return Some(Found { proto: probe.proto, reverse: false }),
            Verdict::From(direction) => {
                let reverse = direction != question.direction;
                return Some(Found { proto: probe.proto, reverse });
            }
            Verdict::No => progress.masked |= 1 << index,
            Verdict::Unsure if probe.max != 0 && question.bytes.len() > probe.max => {
                progress.masked |= 1 << index;
            }
            Verdict::Unsure => {}
        }
    }
    None
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the protocol.
    Yes,
    /// It is the protocol, and the bytes come from this side.
    From(Direction),
    /// It is not.
    No,
    /// More bytes are needed.
    Unsure,
}

/// The probe of a protocol that needs a direction first, where there is one.
///
/// Suricata 8 wants the client's data first for TLS only; EtherNet/IP, HTTP and FTP take either.
pub(crate) const fn first_direction(proto: AppProto) -> Option<Direction> {
    match proto {
        AppProto::Tls => Some(Direction::ToServer),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
