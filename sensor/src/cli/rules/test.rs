//! Whether a set of rules loads as this sensor would load it.

use std::collections::BTreeMap;
use std::path::Path;

use supply::test::{MOST_NAMED, Refused, Tested};

use crate::config::native::Sensor;
use crate::config::process::RuleStore;
use crate::config::suricata::Mode;
use crate::log::Log;

/// Loads the rules of a folder with a sensor's variables and protocols.
pub(in crate::cli) fn load(sensor: &Sensor, folder: &Path) -> Result<Tested, String> {
    let mode = Mode { inline: sensor.inline, detection: true, ..Mode::default() };
    let all = sensor.settings(Path::new("."), &mode, &Log::errors());
    let mut process = all.map_err(|error| error.to_string())?.process;
    process.loader.file_store = true;
    process.rules.patterns.clear();
    process.rules.threshold = None;
    process.rules.store = Some(RuleStore::Set(folder.to_path_buf()));
    process.rules.allow_refused = true;
    let loaded = crate::cli::replay::rules(&mut process).map_err(|error| format!("{error:#}"))?;
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for failure in &loaded.failures {
        *reasons.entry(failure.error.message.to_string()).or_default() += 1;
    }
    let mut reasons: Vec<(String, u64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = loaded.failures.iter().take(MOST_NAMED).map(|failure| {
        let file = Path::new(&*failure.file).file_name().unwrap_or_default().to_string_lossy();
        Refused::of(&file, failure.line, &failure.text, &failure.error.message)
    });
    Ok(Tested {
        loaded: loaded.accepted as u64,
        refused: loaded.failures.len() as u64,
        reasons,
        named: named.collect(),
    })
}

/// The same by a configuration that is read each time: it may have changed.
pub(super) fn test(config: Option<&Path>, folder: &Path) -> Result<Tested, String> {
    let sensor = Sensor::of(config).map_err(|error| error.to_string())?;
    load(&sensor, folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn refused_rules_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = "alert ip any any -> any any (msg:\"good\"; sid:1;)\n";
        let bad = "alert ip any any -> any any (msg:\"bad\"; contnt:\"zzz\"; sid:2;)\n";
        fs::write(folder.path().join("bateleur.rules"), good.to_owned() + &bad.repeat(20)).unwrap();
        let tested = load(&Sensor::default(), folder.path()).unwrap();
        assert_eq!((tested.loaded, tested.refused), (1, 20));
        assert_eq!(tested.named.len(), MOST_NAMED);
        assert_eq!(
            tested.named[0].to_string(),
            "bateleur.rules:2: rule 1:2 \"bad\": unknown rule keyword 'contnt'."
        );
    }
}
