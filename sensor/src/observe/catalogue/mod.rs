//! All metrics that there are, each with a help text of its own.

mod capture;
mod detection;
mod flows;
mod packets;
mod process;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::metric::Descriptor;

/// In the order of the page.
const GROUPS: [&[Descriptor]; 5] =
    [process::METRICS, capture::METRICS, packets::METRICS, flows::METRICS, detection::METRICS];

static BY_KEY: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| all().enumerate().map(|(at, one)| (one.key(), at)).collect());

/// Those whose counter has a `*`: what stands before it, and the place.
static PATTERNS: LazyLock<Vec<(&'static str, usize)>> = LazyLock::new(|| {
    let patterns = all().enumerate().filter(|(_, one)| is_pattern(one));
    patterns.filter_map(|(at, one)| Some((one.counter.split_once('*')?.0, at))).collect()
});

/// Which metric shows a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// Its place among all.
    pub(crate) at: usize,
    /// Values of its labels, from the counter's name.
    pub(crate) values: Vec<&'a str>,
}

/// All of them, in the order of the page.
pub(crate) fn all() -> impl Iterator<Item = &'static Descriptor> {
    GROUPS.into_iter().flatten()
}

/// True when the counter's name says labels.
pub(crate) fn is_pattern(descriptor: &Descriptor) -> bool {
    descriptor.counter.contains('*')
}

/// The place of the metric that the program calls so.
pub(crate) fn place(key: &str) -> Option<usize> {
    BY_KEY.get(key).copied()
}

/// The metric for a counter of statistics.
pub(crate) fn find(counter: &str) -> Option<Found<'_>> {
    if let Some(at) = place(counter) {
        return Some(Found { at, values: Vec::new() });
    }
    PATTERNS.iter().find_map(|(start, at)| {
        let pattern = all().nth(*at)?;
        let rest = counter.strip_prefix(start).filter(|rest| !rest.is_empty())?;
        let (_, behind) = pattern.counter.split_once('*')?;
        let values = match behind {
            "" => vec![rest],
            // Of two labels the last is one word: targets of policies have dots.
            ".*" => rest.rsplit_once('.').map(|(one, other)| vec![one, other])?,
            _ => vec![rest.strip_suffix(behind)?],
        };
        Some(Found { at: *at, values })
    })
}
