//! `reload-rules` and what else concerns rules.

use crate::clock::Civil;
use crate::control::socket::answer::Answer;
use crate::control::socket::command::{Arguments, Command};
use crate::control::socket::sensor::{Reload, ReloadRefusal, Sensor};

/// Rules that `ruleset-failed-rules` shows (Suricata 8).
const MOST_FAILED: usize = 21;

/// The reload that is waited for, under one of its names.
pub(super) struct ReloadRules(pub(super) &'static str);

impl Command for ReloadRules {
    fn name(&self) -> &'static str {
        self.0
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        reload(sensor, Reload::Wait)
    }
}

/// `ruleset-reload-nonblocking`
pub(super) struct ReloadNonBlocking;

impl Command for ReloadNonBlocking {
    fn name(&self) -> &'static str {
        "ruleset-reload-nonblocking"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        reload(sensor, Reload::Begin)
    }
}

/// `ruleset-reload-time`
pub(super) struct ReloadTime;

impl Command for ReloadTime {
    fn name(&self) -> &'static str {
        "ruleset-reload-time"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let time = Civil::from_us(sensor.last_reload()).eve();
        Answer::of(|writer| {
            writer.open_array().open().field_u64("id", 0).field_str("last_reload", &time);
            writer.close().close_array();
        })
    }
}

/// `ruleset-stats`
pub(super) struct Statistics;

impl Command for Statistics {
    fn name(&self) -> &'static str {
        "ruleset-stats"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let rules = sensor.rules();
        Answer::of(|writer| {
            writer.open_array().open().field_u64("id", 0).field_u64("rules_loaded", rules.loaded);
            writer.field_u64("rules_failed", rules.failed);
            writer.field_u64("rules_skipped", rules.skipped).close().close_array();
        })
    }
}

/// `rules-in-force`, which Suricata does not have: the set of a store that is in force.
pub(super) struct InForce;

impl Command for InForce {
    fn name(&self) -> &'static str {
        "rules-in-force"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let rules = sensor.rules();
        let set = sensor.rule_set();
        Answer::of(|writer| {
            writer.open();
            if let Some((bundle, version)) = &set {
                writer.field_str("bundle", bundle).field_u64("version", *version);
            }
            writer.field_u64("loaded", rules.loaded).field_u64("refused", rules.failed);
            writer.field_u64("since", sensor.last_reload() / 1_000_000).close();
        })
    }
}

/// `ruleset-failed-rules`
pub(super) struct Failed;

impl Command for Failed {
    fn name(&self) -> &'static str {
        "ruleset-failed-rules"
    }

    fn answer(&self, _: &Arguments, sensor: &dyn Sensor) -> Answer {
        let failed = sensor.failed_rules(MOST_FAILED);
        Answer::of(|writer| {
            writer.open_array();
            for rule in failed.iter().take(MOST_FAILED) {
                writer.open().field_u64("tenant_id", 0).field_str("rule", &rule.rule);
                writer.field_str("filename", &rule.file).field_u64("line", rule.line).close();
            }
            writer.close_array();
        })
    }
}

fn reload(sensor: &dyn Sensor, how: Reload) -> Answer {
    match sensor.reload(how) {
        Ok(pending) if pending.is_empty() => Answer::text("done"),
        Ok(pending) => Answer::text(&format!("done; these need a restart: {}", pending.join(", "))),
        Err(ReloadRefusal::CommandLine) => {
            let why = "Live rule reload not possible if -s or -S option used at runtime.";
            Answer::refused_for("never", why)
        }
        Err(ReloadRefusal::Busy) => Answer::refused_for("busy", "Reload already in progress"),
        Err(ReloadRefusal::Failed(why)) => Answer::refused_for("failed", &why),
    }
}
