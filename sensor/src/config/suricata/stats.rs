//! `stats`, and the statistics outputs.

use crate::config::process::{StatisticsForm, StatisticsSettings};
use crate::config::tree::Node;

use super::{Config, Fatal};

const MODULE: &str = "counters";
const HELP: &str = "https://docs.suricata.io/en/latest/configuration/suricata-yaml.html#stats";

pub(super) fn read(config: Config<'_>, settings: &mut StatisticsSettings) -> Result<(), Fatal> {
    settings.interval = config.number("stats.interval", settings.interval).max(1);
    settings.decoder_events = config.truth("stats.decoder-events", settings.decoder_events);
    if let Some(prefix) = config.text("stats.decoder-events-prefix") {
        settings.decoder_events_prefix = prefix.to_owned();
        if prefix == "decoder" {
            let said = "Naming the decoder events \"decoder\" clashes with the decoder's own \
                        counters; set stats.decoder-events-prefix to \"decoder.event\"";
            config.log.warning(MODULE, said);
        }
    }
    settings.stream_events = config.truth("stats.stream-events", settings.stream_events);
    Ok(())
}

/// Statistics are off altogether.
pub(super) fn disabled(config: Config<'_>) -> bool {
    config.root.is_false("stats.enabled")
}

/// The form of records in an EVE output.
pub(super) fn eve_form(config: Config<'_>, node: Option<&Node>) -> Result<StatisticsForm, Fatal> {
    if disabled(config) {
        let said = format!(
            "eve.stats: stats are disabled globally: set stats.enabled to true. See {HELP}"
        );
        return Err(config.fail("output-json-stats", &said));
    }
    form(config, node, true)
}

/// The form of tables.
pub(super) fn table_form(config: Config<'_>, node: &Node) -> Result<StatisticsForm, Fatal> {
    if disabled(config) {
        let said = format!(
            "stats.log: stats are disabled globally: set stats.enabled to true. \
                            See {HELP}"
        );
        return Err(config.fail("log-stats", &said));
    }
    form(config, Some(node), false)
}

fn form(
    config: Config<'_>,
    node: Option<&Node>,
    null_values: bool,
) -> Result<StatisticsForm, Fatal> {
    let truth = |key: &str, default: bool| node.and_then(|node| node.truth(key)).unwrap_or(default);
    let form = StatisticsForm {
        totals: !node.is_some_and(|node| node.is_false("totals")),
        threads: truth("threads", false),
        deltas: truth("deltas", false),
        null_values: truth("null-values", null_values),
    };
    if !form.totals && !form.threads {
        let said = "Cannot disable both totals and threads in stats logging";
        return Err(config.fail("output-json-stats", said));
    }
    Ok(form)
}

/// Says what is odd once all outputs are known.
pub(super) fn settle(config: Config<'_>, settings: &StatisticsSettings) {
    let logged = !settings.eve.is_empty() || !settings.tables.is_empty();
    if logged && config.root.get("stats").is_none() {
        let said = format!(
            "global stats config is missing. Stats enabled through legacy stats.log. See {HELP}"
        );
        config.log.warning(MODULE, said);
    }
    if !logged && config.truth("stats.enabled", false) {
        config.log.warning(MODULE, "stats are enabled but no loggers are active");
    }
}
