//! Rules: where they come from, and how they are read and run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::detect::settings::Settings;
use engine::EngineSettings;
use engine::order::ActionOrder;
use protocol::settings::Switch;
use protocol::{AppProto, Transport};

use crate::config::process::ProcessSettings;

use super::{Config, Fatal, datasets};

const MODULE: &str = "detect";

pub(super) fn read(
    config: Config<'_>,
    detector: &mut Settings,
    process: &mut ProcessSettings,
) -> Result<(), Fatal> {
    engine(config, &mut process.engine)?;
    process.engine.seed = detector.seed;
    algorithms(config)?;
    sources(config, process);
    datasets::read(config, process)?;
    let loader = &mut process.loader;
    loader.features = features();
    loader.ignore_unknown_requirements = config.truth("ignore-unknown-requirements", false);
    loader.inline = config.mode.inline;
    loader.file_store = detector.file_store.is_some();
    loader.pattern_check = Some(engine::pcre::check);
    let off = |proto: &AppProto| {
        let switch = |transport| detector.protocol.switch(*proto, transport);
        switch(Transport::Tcp) == Switch::Off && switch(Transport::Udp) == Switch::Off
    };
    loader.disabled_protocols = AppProto::ALL.iter().copied().filter(off).collect();
    loader.dataset_absolute_paths = process.datasets.allow_absolute;
    loader.dataset_write = process.datasets.allow_write;
    Ok(())
}

/// What rules may require by `requires: feature`.
pub(crate) fn features() -> BTreeSet<String> {
    ["output::file-store"].into_iter().map(str::to_owned).collect()
}

fn engine(config: Config<'_>, engine: &mut EngineSettings) -> Result<(), Fatal> {
    engine.inline = config.mode.inline;
    if let Some(text) = config.text("packet-alert-max") {
        match text.parse::<usize>() {
            Ok(most) if (1..=255).contains(&most) => engine.packet_alert_max = most,
            _ => {
                let said = format!(
                    "Invalid value for packet-alert-max, default value set instead: \
                     {}",
                    engine.packet_alert_max
                );
                config.log.warning(MODULE, said);
            }
        }
    }
    engine.action_order = action_order(config)?;
    engine.recursion_limit =
        config.number("detect.inspection-recursion-limit", engine.recursion_limit);
    engine.pcre_limits = (
        config.number("pcre.match-limit", engine.pcre_limits.0),
        config.number("pcre.match-limit-recursion", engine.pcre_limits.1),
    );
    engine.guess_tx = config.truth("detect.guess-applayer-tx", false);
    engine.stream_tx_log_limit =
        config.number("detect.stream-tx-log-limit", engine.stream_tx_log_limit);
    let bytes = |path: &str, default: usize| -> Result<usize, Fatal> {
        Ok(usize::try_from(config.size(path, default as u64)?).unwrap_or(usize::MAX))
    };
    engine.threshold_memcap = bytes("detect.thresholds.memcap", engine.threshold_memcap)?;
    engine.host_memcap = bytes("host.memcap", engine.host_memcap)?;
    engine.pair_memcap = bytes("ippair.memcap", engine.pair_memcap)?;
    Ok(())
}

/// All four actions, each once.
fn action_order(config: Config<'_>) -> Result<ActionOrder, Fatal> {
    let mut order = ActionOrder::default();
    let Some(node) = config.root.get("action-order") else { return Ok(order) };
    let words = node.texts();
    let mut given = [None; 4];
    for (rank, word) in (0u8..).zip(&words) {
        let place = ["pass", "drop", "reject", "alert"].iter().position(|name| name == word);
        let place = place.and_then(|place| given.get_mut(place));
        match place {
            Some(place @ None) => *place = Some(rank),
            Some(Some(_)) => {
                let said = format!("action-order: action {word} is given twice");
                return Err(config.fail(MODULE, &said));
            }
            None => {
                let said = format!(
                    "action-order, invalid action: \"{word}\". Please, use \
                                    \"pass\",\"drop\",\"alert\",\"reject\""
                );
                return Err(config.fail(MODULE, &said));
            }
        }
    }
    for (rank, given) in order.ranks.iter_mut().zip(given) {
        let Some(given) = given else {
            let said = "action-order, you didn't specify all of them. \
                        Please, use \"pass\",\"drop\",\"alert\",\"reject\"";
            return Err(config.fail(MODULE, said));
        };
        *rank = given;
    }
    Ok(order)
}

/// Names of algorithms change nothing, but wrong ones are refused.
fn algorithms(config: Config<'_>) -> Result<(), Fatal> {
    for (key, known) in [
        ("mpm-algo", &["auto", "ac", "ac-bs", "ac-ks", "hs"][..]),
        ("spm-algo", &["auto", "bm", "hs"][..]),
        ("detect.profile", &["low", "medium", "high", "custom"][..]),
        ("detect.prefilter.default", &["auto", "mpm"][..]),
    ] {
        let Some(text) = config.text(key) else { continue };
        if !known.contains(&text) {
            let said = format!("Invalid {key} supplied in the yaml conf file: \"{text}\"");
            return Err(config.fail(MODULE, &said));
        }
    }
    runmode(config)
}

/// A replay has two, as with Suricata 8; a test of the configuration and live capture take those of
/// live capture too.
fn runmode(config: Config<'_>) -> Result<(), Fatal> {
    let Some(text) = config.text("runmode") else { return Ok(()) };
    let is_replay = !config.mode.inputs.is_empty();
    match text {
        "single" | "autofp" => Ok(()),
        "workers" if !is_replay => Ok(()),
        _ if is_replay => {
            let said = format!(
                "The custom type \"{text}\" doesn't exist for this runmode type \"PCAP_FILE\".  \
                 Please use --list-runmodes to see available custom types for this runmode"
            );
            Err(config.fail("runmodes", &said))
        }
        _ => {
            let said = format!("there is no runmode \"{text}\": write workers, autofp or single");
            Err(config.fail("runmodes", &said))
        }
    }
}

fn sources(config: Config<'_>, process: &mut ProcessSettings) {
    let rules = &mut process.rules;
    rules.patterns = match &config.mode.rules_only {
        Some(only) => only.clone(),
        None => {
            let mut patterns = rule_files(config);
            patterns.extend(config.mode.rules_also.iter().cloned());
            patterns
        }
    };
    let file = |key: &str, default: &str| Some(PathBuf::from(config.text(key).unwrap_or(default)));
    rules.classification =
        list(config, "classification-file", "/etc/suricata/classification.config");
    rules.reference = list(config, "reference-config-file", "/etc/suricata/reference.config");
    rules.threshold = file("threshold-file", "/etc/suricata/threshold.config");
    rules.reputation_categories = config.text("reputation-categories-file").map(PathBuf::from);
    let base = Path::new(config.text("default-reputation-path").unwrap_or("/etc/suricata/iprep"));
    if let Some(node) = config.root.get("reputation-files") {
        rules.reputations = node.texts().into_iter().map(|name| base.join(name)).collect();
    }
}

/// The file that a key names; without the key Suricata's usual one, if it is there, else none: the
/// list that is built in.
fn list(config: Config<'_>, key: &str, usual: &str) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(usual)).filter(|path| path.exists());
    config.text(key).map(PathBuf::from).or_else(usual)
}

fn rule_files(config: Config<'_>) -> Vec<String> {
    let Some(node) = config.root.get("rule-files") else { return Vec::new() };
    if !node.is_sequence && node.children.is_empty() {
        let said = "Invalid rule-files configuration section: expected a list of filenames.";
        config.log.warning(MODULE, said);
        return Vec::new();
    }
    let base = Path::new(config.text("default-rule-path").unwrap_or("/etc/suricata/rules"));
    let place = |name: &str| {
        let joined = base.join(name);
        // A pattern, or a file that is there under the base; else the name as it stands.
        if joined.exists() || !Path::new(name).exists() {
            joined.display().to_string()
        } else {
            name.to_owned()
        }
    };
    node.texts().into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::suricata::Mode;
    use crate::config::tree::Node;
    use crate::log::Log;

    #[test]
    fn runmodes_of_live_capture_are_none_of_a_replay() {
        let check = |text: &str, inputs: &[&str], expected: Option<&str>| {
            let mut root = Node::new("");
            root.set_final("runmode", text);
            let log = Log::keeping(crate::log::Level::Error);
            let inputs = inputs.iter().map(ToString::to_string).collect();
            let mode = Mode { inputs, ..Mode::default() };
            let config = Config { root: &root, log: &log, mode: &mode };
            let done = runmode(config);
            let said = log.take_kept().into_iter().map(|(_, said)| said).next();
            assert_eq!(done.is_err(), expected.is_some(), "{text}");
            if let Some(part) = expected {
                assert!(said.as_deref().is_some_and(|said| said.contains(part)), "{said:?}");
            }
        };
        for name in ["workers", "autofp", "single"] {
            check(name, &[], None);
        }
        check("worker", &[], Some("write workers, autofp or single"));
        check("single", &["a.pcap"], None);
        check("autofp", &["a.pcap"], None);
        check("workers", &["a.pcap"], Some("runmode type \"PCAP_FILE\""));
    }

    #[test]
    fn only_lists_that_were_named_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let (absent, there) = (folder.path().join("absent"), folder.path().join("there"));
        std::fs::write(&there, "").unwrap();
        let check = |named: Option<&Path>, usual: &Path, expected: Option<&Path>| {
            let mut root = Node::new("");
            if let Some(named) = named {
                root.set_final("classification-file", &named.display().to_string());
            }
            let (log, mode) = (Log::console(), Mode::default());
            let config = Config { root: &root, log: &log, mode: &mode };
            let found = list(config, "classification-file", &usual.display().to_string());
            assert_eq!(found.as_deref(), expected);
        };
        check(None, &absent, None);
        check(None, &there, Some(&there));
        check(Some(&absent), &there, Some(&absent));
    }

    #[test]
    fn tables_of_hosts_and_pairs_have_their_limits_and_the_seed() {
        let mut root = Node::new("");
        root.set_final("host.memcap", "2mb");
        root.set_final("ippair.memcap", "3mb");
        let (log, mode) = (Log::console(), Mode::default());
        let config = Config { root: &root, log: &log, mode: &mode };
        let mut detector = Settings { seed: 5, ..Settings::default() };
        let mut process = ProcessSettings::default();
        read(config, &mut detector, &mut process).unwrap();
        let engine = &process.engine;
        assert_eq!([engine.host_memcap, engine.pair_memcap], [2 << 20, 3 << 20]);
        assert_eq!(engine.seed, 5);
    }
}
