//! Thresholds: in rules, and the lines of the threshold file.

use std::sync::Arc;

use crate::address::AddressSet;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::integer;
use crate::keyword::limit::{Parts, track};
use crate::variables::Variables;

/// How alerts are thinned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// The first `count` of a window alert.
    Limit,
    /// Every `count`-th alerts.
    Threshold,
    /// One alert a window, at the `count`-th.
    Both,
    /// Alerts at `count`, `count` * `multiplier`, `count` * `multiplier`², ...
    Backoff,
    /// `detection_filter`: every match after `count` in the window.
    DetectionFilter,
    /// `rate_filter`: another action after `count` in the window.
    Rate {
        /// The other action.
        new_action: RateAction,
        /// For how many seconds it holds.
        timeout: u32,
    },
}

/// Action of a `rate_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateAction {
    /// An event only.
    Alert,
    /// Drop.
    Drop,
    /// As a `pass` rule.
    Pass,
    /// Reject.
    Reject,
    /// Accepted without effect (`log`, `sdrop`).
    Nothing,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// The packet's source.
    BySrc,
    /// The packet's destination.
    ByDst,
    /// The unordered pair.
    ByBoth,
    /// All of the rule.
    ByRule,
    /// The flow.
    ByFlow,
    /// `by_either`, for `suppress` only.
    ByEither,
}

/// A threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// How.
    pub kind: ThresholdKind,
    /// Counted by.
    pub track: Track,
    /// How many.
    pub count: u32,
    /// Length of the window.
    pub seconds: u32,
    /// Factor of `backoff`.
    pub multiplier: u32,
}

/// An entry of the threshold file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdEntry {
    /// Generator; 0: all.
    pub gid: u32,
    /// Signature; 0: all of the generator.
    pub sid: u32,
    /// What it says.
    pub entry: EntryKind,
    /// Line in the file, from 1 (the last of joined ones).
    pub line: u32,
    /// The file, where there may be several.
    pub file: Option<Arc<str>>,
}

/// What an entry of the threshold file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `threshold`, `event_filter`, `rate_filter`.
    Threshold(Threshold),
    /// `suppress`; without track the rule alerts no more at all.
    Suppress(Option<(Track, AddressSet)>),
}

/// The entries of a threshold file, in order.
#[derive(Clone, Debug, Default)]
pub struct ThresholdFile {
    /// The entries.
    pub entries: Vec<ThresholdEntry>,
}

impl ThresholdEntry {
    /// Whether it is about a rule; 0 stands for all.
    pub const fn concerns(&self, gid: u32, sid: u32) -> bool {
        (self.gid == 0 || self.gid == gid) && (self.sid == 0 || self.sid == sid)
    }
}

/// A line of the threshold file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdError {
    /// Line, from 1 (the last of joined ones).
    pub line: u32,
    /// Why.
    pub message: String,
}

impl ThresholdFile {
    /// Reads the text of a threshold file; lines that can't be used are passed over and told.
    pub fn parse(text: &str, variables: &Variables) -> (Self, Vec<ThresholdError>) {
        let mut this = Self::default();
        let mut errors = Vec::new();
        let mut joined = String::new();
        for (line, physical) in (1u32..).zip(text.lines()) {
            let physical = physical.trim_end();
            if let Some(part) = physical.strip_suffix('\\') {
                joined.push_str(part);
                continue;
            }
            joined.push_str(physical);
            let whole = std::mem::take(&mut joined);
            let whole = whole.trim();
            if whole.is_empty() || whole.starts_with('#') {
                continue;
            }
            match entry(whole, line, variables) {
                Ok(entry) => this.entries.push(entry),
                Err(error) => {
                    let message = error.message.into_owned();
                    errors.push(ThresholdError { line, message });
                }
            }
        }
        (this, errors)
    }

    /// The same entries, which say that they are of this file.
    #[must_use]
    pub fn of_file(mut self, file: &str) -> Self {
        let file: Arc<str> = file.into();
        self.entries.iter_mut().for_each(|entry| entry.file = Some(Arc::clone(&file)));
        self
    }
}

/// Members of a line by key.
#[derive(Default)]
struct Members<'t> {
    gid: Option<u32>,
    sid: Option<u32>,
    new_action: Option<&'t str>,
    timeout: Option<u32>,
    ip: Option<&'t str>,
    parts: Parts<'t>,
}

fn entry(text: &str, line: u32, variables: &Variables) -> Result<ThresholdEntry> {
    let Some((kind, rest)) = text.split_once(char::is_whitespace) else {
        return refuse(format!("rule type is missing: '{text}'"));
    };
    let members = members(rest)?;
    let (Some(gid), Some(sid)) = (members.gid, members.sid) else {
        return refuse("gen_id and sig_id are needed");
    };
    if sid > 0 && gid == 0 {
        return refuse("\"sig_id\" without \"gen_id\" 0 is not possible: give the group");
    }
    let entry = match kind {
        "suppress" => suppress(&members, variables)?,
        "threshold" | "event_filter" => EntryKind::Threshold(filter(&members)?),
        "rate_filter" => EntryKind::Threshold(rate(&members)?),
        _ => return refuse(format!("unknown rule type '{kind}'")),
    };
    Ok(ThresholdEntry { gid, sid, entry, line, file: None })
}

fn members(text: &str) -> Result<Members<'_>> {
    let mut members = Members::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A list of addresses has commas of its own.
        let mut depth = 0usize;
        let end = rest.find(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        let (part, behind) = match end {
            Some(end) => (rest.get(..end).unwrap_or(""), rest.get(end + 1..).unwrap_or("")),
            None => (rest, ""),
        };
        rest = behind.trim_start();
        let part = part.trim();
        let Some((key, value)) = part.split_once(char::is_whitespace) else {
            return refuse(format!("'{part}' lacks its value"));
        };
        let value = value.trim();
        let number = || {
            let bad = || RuleError::new(format!("'{value}' is not a number"));
            integer::decimal::<u32>(value).ok_or_else(bad)
        };
        match key {
            "gen_id" => members.gid = Some(number()?),
            "sig_id" => members.sid = Some(number()?),
            "timeout" => members.timeout = Some(number()?),
            "new_action" => members.new_action = Some(value),
            // Several addresses need no brackets where they stand last.
            "ip" if rest.contains(char::is_whitespace) => members.ip = Some(value),
            "ip" => {
                let from = text.len() - behind.len() - part.len();
                members.ip = text.get(from..).and_then(|all| all.strip_prefix("ip")).map(str::trim);
                rest = "";
            }
            _ if members.parts.take(part) => {}
            _ => return refuse(format!("can't read '{part}'")),
        }
    }
    Ok(members)
}

fn suppress(members: &Members<'_>, variables: &Variables) -> Result<EntryKind> {
    let track = match members.parts.track {
        None => return Ok(EntryKind::Suppress(None)),
        Some("by_src") => Track::BySrc,
        Some("by_dst") => Track::ByDst,
        Some("by_either") => Track::ByEither,
        Some(other) => return refuse(format!("suppress can't track '{other}'")),
    };
    let Some(ip) = members.ip else { return refuse("suppress with track needs ip") };
    Ok(EntryKind::Suppress(Some((track, AddressSet::parse(ip, variables)?))))
}

/// Track, count and seconds, which all but `suppress` have.
fn common(members: &Members<'_>, kind: ThresholdKind) -> Result<Threshold> {
    let parts = &members.parts;
    let Some(track) = parts.track.and_then(track) else { return refuse("track is missing") };
    let (Some(count), Some(seconds)) = (parts.count, parts.seconds) else {
        return refuse("count and seconds are needed");
    };
    if count == 0 {
        return refuse("count must be above 0");
    }
    Ok(Threshold { kind, track, count, seconds, multiplier: 0 })
}

fn filter(members: &Members<'_>) -> Result<Threshold> {
    let kind = match members.parts.kind {
        Some("limit") => ThresholdKind::Limit,
        Some("threshold") => ThresholdKind::Threshold,
        Some("both") => ThresholdKind::Both,
        other => return refuse(format!("unknown type '{}'", other.unwrap_or(""))),
    };
    common(members, kind)
}

fn rate(members: &Members<'_>) -> Result<Threshold> {
    let new_action = match members.new_action {
        Some("alert") => RateAction::Alert,
        Some("drop") => RateAction::Drop,
        Some("pass") => RateAction::Pass,
        Some("reject") => RateAction::Reject,
        Some("log" | "sdrop") => RateAction::Nothing,
        other => return refuse(format!("unknown new_action '{}'", other.unwrap_or(""))),
    };
    let Some(timeout) = members.timeout else { return refuse("timeout is missing") };
    common(members, ThresholdKind::Rate { new_action, timeout })
}
