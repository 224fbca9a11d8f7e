//! SSH (RFC 4253): banners and key exchange, until the connection is encrypted.
//!
//! A flow has one transaction. Each side sends a line that names its version, then messages in
//! records; `hassh` is made of the lists of algorithms in the first kind of them.

mod hassh;
mod log;

#[cfg(test)]
mod tests;

use decode::Direction;
use json::Writer;

use crate::app::AppProto;
use crate::buffer::{BufferId, BufferSpec, NumberId, NumberSpec, View};
use crate::parser::{Chunk, Effects, Encrypted, Input, LogOptions, Outcome, Parser};
use crate::settings::{EncryptionHandling, Fingerprints};
use crate::transaction::TxMeta;
use hassh::Hassh;

/// Family of the buffers.
pub const FAMILY: u8 = 5;

/// Names of the events in rules.
pub const EVENTS: &[&str] = &["invalid_banner", "long_banner", "invalid_record", "long_kex_record"];

const INVALID_BANNER: u8 = 0;
const LONG_BANNER: u8 = 1;
const INVALID_RECORD: u8 = 2;
const LONG_KEX_RECORD: u8 = 3;

const PROTO: BufferId = BufferId::new(FAMILY, 0);
const SOFTWARE: BufferId = BufferId::new(FAMILY, 1);
const HASSH: BufferId = BufferId::new(FAMILY, 2);
const HASSH_STRING: BufferId = BufferId::new(FAMILY, 3);
const HASSH_SERVER: BufferId = BufferId::new(FAMILY, 4);
const HASSH_SERVER_STRING: BufferId = BufferId::new(FAMILY, 5);

/// Bytes of a banner; RFC 4253 allows 255 with the end of the line.
const MOST_BANNER: usize = 256;
/// Bytes that are kept of one that is longer.
const MOST_KEPT: usize = 4096;
/// Bytes of a message that is put together for its lists.
const MOST_KEX: usize = 65_535;
/// Length, padding length and number of the message.
const HEADER: usize = 6;

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

const fn spec(
    id: BufferId,
    name: &'static str,
    alias: &'static [&'static str],
    to_server: bool,
    to_client: bool,
    doc: &'static str,
) -> BufferSpec {
    BufferSpec {
        id,
        name,
        aliases: alias,
        modifier: "",
        pcre_letter: '\0',
        protocols: &[AppProto::Ssh],
        to_server: if to_server { Some(Progress::BannerDone as u8) } else { None },
        to_client: if to_client { Some(Progress::BannerDone as u8) } else { None },
        multi: false,
        streaming: false,
        priority: 2,
        doc,
    }
}

/// Buffers.
pub const BUFFERS: &[BufferSpec] = &[
    spec(PROTO, "ssh.proto", &["ssh_proto"], true, true, "Protocol version in the banner"),
    spec(SOFTWARE, "ssh.software", &["ssh_software"], true, true, "Software in the banner"),
    spec(HASSH, "ssh.hassh", &["ssh-hassh"], true, false, "HASSH of the client"),
    spec(
        HASSH_STRING,
        "ssh.hassh.string",
        &["ssh-hassh-string"],
        true,
        false,
        "Algorithms that the client's HASSH is made of",
    ),
    spec(
        HASSH_SERVER,
        "ssh.hassh.server",
        &["ssh-hassh-server"],
        false,
        true,
        "HASSH of the server",
    ),
    spec(
        HASSH_SERVER_STRING,
        "ssh.hassh.server.string",
        &["ssh-hassh-server-string"],
        false,
        true,
        "Algorithms that the server's HASSH is made of",
    ),
];

/// Numbers: none.
pub const NUMBERS: &[NumberSpec] = &[];

/// Settings of the SSH parser (`app-layer.protocols.ssh`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SshSettings {
    /// What becomes of encrypted sessions.
    pub encryption_handling: EncryptionHandling,
    /// HASSH; settle `Auto` before use.
    pub hassh: Fingerprints,
}

/// How far a side is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    #[default]
    Begun,
    /// The banner was too long; the end of its line has not come.
    BannerWaitEol,
    BannerDone,
    /// It has sent NEWKEYS: what follows is encrypted.
    Finished,
}

/// What one side has said.
#[derive(Debug, Default)]
struct Side {
    progress: Progress,
    proto: Vec<u8>,
    software: Vec<u8>,
    hassh: Option<Hassh>,
    /// Bytes to come of a record that nobody looks at.
    skip: u32,
}

/// SSH on one flow.
#[derive(Debug)]
pub struct Ssh {
    settings: SshSettings,
    meta: TxMeta,
    freed: bool,
    sides: [Side; 2],
}

/// What a step came to.
enum Step {
    /// So many bytes are done with.
    Done(usize),
    /// More is needed to go on.
    More,
    Invalid,
}

impl Ssh {
    /// A new session.
    pub fn new(settings: SshSettings) -> Self {
        let (meta, sides) = (TxMeta::new(0), Default::default());
        Self { settings, meta, freed: false, sides }
    }

    fn side(&self, direction: Direction) -> &Side {
        let [client, server] = &self.sides;
        if direction == Direction::ToServer { client } else { server }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        let [client, server] = &mut self.sides;
        if direction == Direction::ToServer { client } else { server }
    }

    fn both_are(&self, progress: Progress) -> bool {
        self.sides.iter().all(|side| side.progress >= progress)
    }

    /// Takes the banner, where it has not come to its end.
    fn banner(&mut self, direction: Direction, bytes: &[u8], effects: &mut Effects) -> Step {
        let is_waiting = self.side(direction).progress == Progress::BannerWaitEol;
        let (line, length) = match end_of_line(bytes) {
            Some(end) => end,
            // It is known already.
            None if is_waiting => return Step::Done(bytes.len()),
            None if bytes.len() < MOST_BANNER => return Step::More,
            None => (bytes, bytes.len()),
        };
        let is_whole = length > line.len();
        if !is_waiting {
            let kept = line.get(..MOST_KEPT).unwrap_or(line);
            let Some((proto, software)) = read_banner(kept) else {
                self.meta.set_event(INVALID_BANNER);
                return Step::Invalid;
            };
            if line.len() >= MOST_BANNER {
                self.meta.set_event(LONG_BANNER);
            }
            let side = self.side_mut(direction);
            side.proto = proto.to_vec();
            side.software = software.to_vec();
        }
        let side = self.side_mut(direction);
        side.progress = if is_whole { Progress::BannerDone } else { Progress::BannerWaitEol };
        effects.flush[direction.index()] |= is_whole;
        Step::Done(length)
    }

    /// Takes a record, or the rest of one.
    fn record(&mut self, direction: Direction, bytes: &[u8], effects: &mut Effects) -> Step {
        let wants_hassh = self.settings.hassh.is_on();
        let side = self.side_mut(direction);
        if side.skip > 0 {
            let skipped = bytes.len().min(side.skip as usize);
            side.skip -= skipped as u32;
            return Step::Done(skipped);
        }
        let Some(&[a, b, c, d, padding, message]) = bytes.first_chunk::<HEADER>() else {
            return Step::More;
        };
        // Of what follows the length: padding length, message and padding.
        let length = u32::from_be_bytes([a, b, c, d]);
        let Some(rest) = length.checked_sub(2) else {
            self.meta.set_event(INVALID_RECORD);
            return Step::Invalid;
        };
        if message == KEXINIT && wants_hassh && side.hassh.is_none() {
            if rest as usize >= MOST_KEX {
                self.meta.set_event(LONG_KEX_RECORD);
            } else {
                let Some(record) = bytes.get(HEADER..HEADER + rest as usize) else {
                    return Step::More;
                };
                let lists = record.len().saturating_sub(usize::from(padding));
                let lists = record.get(..lists).unwrap_or_default();
                self.side_mut(direction).hassh = Hassh::read(lists, direction);
                return Step::Done(HEADER + record.len());
            }
        }
        let side = self.side_mut(direction);
        let there = bytes.len().saturating_sub(HEADER).min(rest as usize);
        side.skip = rest - there as u32;
        if message == NEWKEYS {
            side.progress = Progress::Finished;
            self.encrypted(effects);
        }
        Step::Done(HEADER + there)
    }

    fn encrypted(&mut self, effects: &mut Effects) {
        if !self.both_are(Progress::Finished) {
            return;
        }
        // It is news of the other side, too.
        self.meta.updated = [true; 2];
        effects.encrypted = match self.settings.encryption_handling {
            EncryptionHandling::TrackOnly => Some(Encrypted::TrackOnly),
            EncryptionHandling::Bypass => Some(Encrypted::Bypass),
            EncryptionHandling::Full => None,
        };
        effects.stop = [effects.encrypted.is_some(); 2];
    }
}

impl Parser for Ssh {
    fn proto(&self) -> AppProto {
        AppProto::Ssh
    }

    fn parse(&mut self, input: &Input<'_>, effects: &mut Effects) -> Outcome {
        let Chunk::Bytes(bytes) = input.chunk else { return Outcome::Error };
        let direction = input.direction;
        self.meta.updated[direction.index()] = true;
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            if effects.stop[direction.index()] {
                return Outcome::Consumed(bytes.len());
            }
            let step = match self.side(direction).progress {
                Progress::Begun | Progress::BannerWaitEol => self.banner(direction, rest, effects),
                _ => self.record(direction, rest, effects),
            };
            match step {
                Step::Done(length) => done += length,
                Step::More => break,
                Step::Invalid => return Outcome::Error,
            }
        }
        Outcome::Consumed(done)
    }

    fn first_tx(&self) -> u64 {
        u64::from(self.freed)
    }

    fn next_tx(&self) -> u64 {
        1
    }

    fn meta(&self, tx: u64) -> Option<&TxMeta> {
        (tx == 0 && !self.freed).then_some(&self.meta)
    }

    fn meta_mut(&mut self, tx: u64) -> Option<&mut TxMeta> {
        (tx == 0 && !self.freed).then_some(&mut self.meta)
    }

    /// A side is finished when both are, as in Suricata 8.
    fn progress(&self, _tx: u64, direction: Direction) -> u8 {
        let progress = match self.side(direction).progress {
            Progress::Finished if !self.both_are(Progress::Finished) => Progress::BannerDone,
            Progress::BannerWaitEol => Progress::Begun,
            progress => progress,
        };
        progress as u8
    }

    fn end_progress(&self, _direction: Direction) -> u8 {
        Progress::Finished as u8
    }

    fn progress_name(&self, progress: u8, direction: Direction) -> &'static str {
        let names = match direction {
            Direction::ToServer => [
                "request_in_progress",
                "request_banner_wait_eol",
                "request_banner_done",
                "request_finished",
            ],
            Direction::ToClient => [
                "response_in_progress",
                "response_banner_wait_eol",
                "response_banner_done",
                "response_finished",
            ],
        };
        names.get(usize::from(progress)).copied().unwrap_or("unknown")
    }

    fn buffer<'a>(
        &'a self,
        _tx: u64,
        buffer: BufferId,
        direction: Direction,
        index: usize,
        _scratch: &'a mut Vec<u8>,
    ) -> Option<View<'a>> {
        let side = self.side(direction);
        let is_to = |wanted| direction == wanted;
        let hassh = side.hassh.as_ref();
        let bytes = match buffer {
            PROTO => Some(&*side.proto),
            SOFTWARE => Some(&*side.software),
            HASSH if is_to(Direction::ToServer) => hassh.map(|hassh| hassh.hash.as_bytes()),
            HASSH_STRING if is_to(Direction::ToServer) => hassh.map(|hassh| &*hassh.string),
            HASSH_SERVER if is_to(Direction::ToClient) => hassh.map(|hassh| hassh.hash.as_bytes()),
            HASSH_SERVER_STRING if is_to(Direction::ToClient) => hassh.map(|hassh| &*hassh.string),
            _ => None,
        };
        bytes.filter(|bytes| index == 0 && !bytes.is_empty()).map(View::whole)
    }

    fn number(&self, _: u64, _: NumberId, _: Direction, _: usize) -> Option<u64> {
        None
    }

    fn event_name(&self, event: u8) -> &'static str {
        EVENTS.get(usize::from(event)).copied().unwrap_or("unknown")
    }

    /// HASSH comes after the banners.
    fn loggable(&self, _tx: u64) -> bool {
        self.both_are(match self.settings.hassh.is_on() {
            true => Progress::Finished,
            false => Progress::BannerDone,
        })
    }

    fn log(&self, _tx: u64, _options: &LogOptions, out: &mut Writer<'_>) -> bool {
        log::write(self, out)
    }

    fn tx_id_at_root(&self) -> bool {
        false
    }

    fn free(&mut self, _tx: u64) {
        self.freed = true;
        for side in &mut self.sides {
            let (progress, skip) = (side.progress, side.skip);
            *side = Side { progress, skip, ..Side::default() };
        }
    }
}

/// The line, and its length with what ends it. A carriage return may be all that does, but not while
/// what follows it is not there.
fn end_of_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let at = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let line = bytes.get(..at)?;
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\n'), _) => Some((line, at + 1)),
        (_, Some(b'\n')) => Some((line, at + 2)),
        (_, Some(_)) => Some((line, at + 1)),
        _ => None,
    }
}

/// Protocol version and software of `SSH-protoversion-softwareversion comments`.
fn read_banner(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"SSH-")?;
    let dash = rest.iter().position(|byte| *byte == b'-').filter(|at| *at > 0)?;
    let (proto, software) = (rest.get(..dash)?, rest.get(dash + 1..)?);
    let end = software.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    Some((proto, software.get(..end.unwrap_or(software.len()))?))
}
