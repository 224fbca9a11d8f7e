//! `datasets`: limits, and sets that the configuration declares.

use std::path::PathBuf;

use rules::rule::{Dataset, DatasetCommand, DatasetType};

use crate::config::process::ProcessSettings;
use crate::config::size;
use crate::config::tree::Node;

use super::{Config, Fatal};

const MODULE: &str = "datasets";

pub(super) fn read(config: Config<'_>, process: &mut ProcessSettings) -> Result<(), Fatal> {
    let limits = &mut process.datasets;
    limits.data_dir =
        PathBuf::from(config.text("default-data-dir").unwrap_or("/var/lib/suricata/"));
    limits.allow_write = config.truth("datasets.rules.allow-write", true);
    limits.allow_absolute = config.truth("datasets.rules.allow-absolute-filenames", false);
    limits.strict = config.mode.errors_fatal;
    limits.memcap = config.size("datasets.defaults.memcap", limits.memcap)?;
    limits.hashsize = config.size32("datasets.defaults.hashsize", limits.hashsize)?;
    limits.single_hashsize =
        config.size32("datasets.limits.single-hashsize", limits.single_hashsize)?;
    limits.total_hashsizes =
        config.size32("datasets.limits.total-hashsizes", limits.total_hashsizes)?;
    for node in config.root.get("datasets").map_or(&[][..], |node| &node.children) {
        let Some(kind) = node.text("type") else { continue };
        let Some(kind) = DatasetType::of(kind) else {
            let said = format!("bad type {kind} for dataset {}", node.name);
            return Err(config.fail(MODULE, &said));
        };
        if node.name.is_empty() {
            return Err(config.fail(MODULE, "a dataset has no name"));
        }
        process.loader.datasets.push((node.name.clone(), kind));
        process.datasets.declared.push(declared(config, node, kind));
    }
    Ok(())
}

fn declared(config: Config<'_>, node: &Node, kind: DatasetType) -> Dataset {
    let size = |key: &str| {
        let text = node.text(key)?;
        let size = size::strict(text);
        if size.is_none() {
            config.log.error("misc", size::complaint(text));
        }
        size
    };
    let state = node.text("state").map(str::to_owned);
    Dataset {
        kind: Some(kind),
        // A set with a state is loaded from it.
        load: node.text("load").filter(|_| state.is_none()).map(str::to_owned),
        state,
        memcap: size("memcap"),
        hashsize: size("hashsize").map(|rows| u32::try_from(rows).unwrap_or(u32::MAX)),
        ..Dataset::new(node.name.clone(), DatasetCommand::IsSet)
    }
}
