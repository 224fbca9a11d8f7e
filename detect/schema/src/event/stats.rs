//! Counters of the sensor.

use super::Event;
use super::envelope::COMMON;
use crate::field::make::*;
use crate::field::{Field, Kind};

pub(super) const EVENT: Event =
    Event { name: "stats", doc: "the sensor's counters", groups: &[COMMON, OWN] };

const OWN: &[Field] = &[field(
    "stats",
    Kind::Open(
        &[
            u64("uptime", "seconds since the start").always(),
            field("detect", Kind::Open(DETECT, &Kind::Counters), "counters of rules"),
            field(
                "threads",
                Kind::Map(&Kind::Open(
                    &[field("detect", Kind::Open(DETECT, &Kind::Counters), "counters of rules")],
                    &Kind::Counters,
                )),
                "the counters of each thread, if asked for",
            ),
        ],
        &Kind::Counters,
    ),
    "counters in groups; they only grow, apart from those of what is in use",
)
.always()];

const DETECT: &[Field] = &[field(
    "engines",
    Kind::List(&Kind::Object(&[
        u32("id", "which set of rules").always(),
        time("last_reload", "when it was loaded").always(),
        u64("rules_loaded", "rules in force").always(),
        u64("rules_failed", "rules that did not load").always(),
        u64("rules_skipped", "rules for other sensors").always(),
    ])),
    "sets of rules",
)];
