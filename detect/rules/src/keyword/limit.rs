//! `threshold` and `detection_filter`.

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::threshold::{Threshold, ThresholdKind, Track};

pub(crate) const THRESHOLD: Keyword = Keyword::new("threshold", "detect-threshold", threshold)
    .doc("thins out alerts")
    .features(Features::META);
pub(crate) const DETECTION_FILTER: Keyword =
    Keyword::new("detection_filter", "detect-detection-filter", detection_filter)
        .doc("alerts only after so many matches")
        .features(Features::META);

/// The parts of a threshold, in any order; shared with the threshold file.
#[derive(Debug, Default)]
pub(crate) struct Parts<'t> {
    pub(crate) kind: Option<&'t str>,
    pub(crate) track: Option<&'t str>,
    pub(crate) count: Option<u32>,
    pub(crate) seconds: Option<u32>,
    pub(crate) multiplier: Option<u32>,
}

impl<'t> Parts<'t> {
    /// Takes one `key value`; false for an unknown key or a bad number.
    pub(crate) fn take(&mut self, part: &'t str) -> bool {
        let Some((key, value)) = part.split_once(char::is_whitespace) else { return false };
        let value = value.trim();
        let number = || integer::decimal::<u32>(value);
        match key {
            "type" => self.kind.replace(value).is_none(),
            "track" => self.track.replace(value).is_none(),
            "count" => number().is_some_and(|n| self.count.replace(n).is_none()),
            "seconds" => number().is_some_and(|n| self.seconds.replace(n).is_none()),
            "multiplier" => number().is_some_and(|n| self.multiplier.replace(n).is_none()),
            _ => false,
        }
    }
}

/// The word behind `track`.
pub(crate) fn track(word: &str) -> Option<Track> {
    Some(match word {
        "by_src" => Track::BySrc,
        "by_dst" => Track::ByDst,
        "by_both" => Track::ByBoth,
        "by_rule" => Track::ByRule,
        "by_flow" => Track::ByFlow,
        _ => return None,
    })
}

fn threshold(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let incomplete = || {
        RuleError::new(format!("incomplete threshold: '{}'", option.value))
            .silent()
            .advice("threshold:type limit, track by_src, count 1, seconds 60")
    };
    refuse_second(builder, false)?;
    let mut parts = Parts::default();
    for part in option.value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if !parts.take(part) {
            return Err(incomplete());
        }
    }
    let kind = match parts.kind {
        Some("limit") => ThresholdKind::Limit,
        Some("threshold") => ThresholdKind::Threshold,
        Some("both") => ThresholdKind::Both,
        Some("backoff") => ThresholdKind::Backoff,
        Some(other) => return refuse(format!("unknown threshold type '{other}'")),
        None => return Err(incomplete()),
    };
    let track = parts.track.and_then(track).ok_or_else(incomplete)?;
    let count = parts.count.ok_or_else(incomplete)?;
    let mut threshold = Threshold { kind, track, count, seconds: 0, multiplier: 0 };
    if kind == ThresholdKind::Backoff {
        if parts.seconds.is_some() {
            return Err(incomplete());
        }
        if track != Track::ByFlow {
            return refuse("threshold type backoff only works with track by_flow");
        }
        threshold.multiplier = parts.multiplier.ok_or_else(incomplete)?;
        if count == 0 {
            return refuse("threshold type backoff needs a count above 0");
        }
        if threshold.multiplier < 2 {
            return refuse("threshold type backoff needs a multiplier of 2 or more");
        }
    } else {
        threshold.seconds = parts.seconds.ok_or_else(incomplete)?;
    }
    place(builder, threshold);
    Ok(())
}

fn detection_filter(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid detection_filter: '{}'", option.value))
            .advice("detection_filter:track by_src, count 10, seconds 60")
    };
    refuse_second(builder, true)?;
    let mut parts = Parts::default();
    for part in option.value.split(',').map(str::trim) {
        if !parts.take(part) {
            return Err(bad());
        }
    }
    let track = parts.track.and_then(track).ok_or_else(bad)?;
    let count = parts.count.filter(|n| *n > 0).ok_or_else(bad)?;
    let seconds = parts.seconds.filter(|n| *n > 0).ok_or_else(bad)?;
    if parts.kind.is_some() || parts.multiplier.is_some() {
        return Err(bad());
    }
    let kind = ThresholdKind::DetectionFilter;
    place(builder, Threshold { kind, track, count, seconds, multiplier: 0 });
    Ok(())
}

/// Only one of them, all in all; but within a sticky buffer Suricata 8 does not look back.
fn place(builder: &mut Builder<'_>, threshold: Threshold) {
    match builder.rule.threshold {
        None => builder.rule.threshold = Some(threshold),
        Some(_) => builder.rule.further_thresholds.push(threshold),
    }
}

fn refuse_second(builder: &Builder<'_>, filter: bool) -> Result<()> {
    let Some(first) = builder.rule.threshold else { return Ok(()) };
    if builder.in_buffer() {
        return Ok(());
    }
    let message = match (first.kind == ThresholdKind::DetectionFilter, filter) {
        (true, true) => "At most one \"detection_filter\" is allowed per rule",
        (false, false) => "multiple \"threshold\" options are not allowed in the same rule",
        _ => "\"detection_filter\" and \"threshold\" are not allowed in the same rule",
    };
    refuse(message).map_err(|e: RuleError| e.advice("leave one of them out"))
}
