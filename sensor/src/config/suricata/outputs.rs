//! `outputs`: what is written, in the order of the configuration.

use ::detect::settings::{OutputSettings, Settings};

use crate::config::boolean;
use crate::config::duration::Rotation;
use crate::config::process::{FileOutput, ProcessSettings};
use crate::config::tree::Node;

use super::{Config, Fatal, eve, eve_target, file_store, stats};

const MODULE: &str = "runmodes";

/// Outputs of Suricata 8 that this program does not have.
const ABSENT: &[&str] = &[
    "alert-debug",
    "http-body-data",
    "http-log",
    "lua",
    "pcap-log",
    "tcp-data",
    "tls-log",
    "tls-store",
];

/// Outputs that Suricata 8 has no longer.
const RETIRED: &[&str] = &["dns-log", "file-log", "unified2-alert", "unified2-log", "unified2"];

pub(super) fn read(
    config: Config<'_>,
    detector: &mut Settings,
    process: &mut ProcessSettings,
) -> Result<(), Fatal> {
    if let Some(outputs) = config.root.get("outputs") {
        if !outputs.is_sequence && !outputs.children.is_empty() {
            return Err(config.fail(MODULE, "outputs should be a sequence"));
        }
        for item in &outputs.children {
            let Some((name, options)) = item.item() else { continue };
            let Some(options) = options else {
                let said = format!("Failed to lookup configuration child node: {name}");
                return Err(config.fail(MODULE, &said));
            };
            if options.text("enabled").is_some_and(boolean::is_true) {
                one(config, name, options, detector, process)?;
            }
        }
    }
    stats::settle(config, &process.statistics);
    Ok(())
}

fn one(
    config: Config<'_>,
    name: &str,
    node: &Node,
    detector: &mut Settings,
    process: &mut ProcessSettings,
) -> Result<(), Fatal> {
    match name {
        "eve-log" => eve::read(config, node, detector, process),
        "fast" => {
            detector.outputs.push(OutputSettings::Fast);
            process.files.push(file(config, node, "fast", "fast.log")?);
            Ok(())
        }
        "syslog" => {
            let file = eve_target::of_alerts(config, node, process)?;
            detector.outputs.push(OutputSettings::Syslog);
            process.files.push(file);
            Ok(())
        }
        "stats" => {
            let form = stats::table_form(config, node)?;
            let file = file(config, node, "stats", "stats.log")?;
            process.statistics.tables.push((file, form));
            Ok(())
        }
        "file-store" => file_store::read(config, node, detector, process),
        name if ABSENT.contains(&name) => {
            let said = format!("output \"{name}\" is not available and stays off");
            config.log.warning(MODULE, said);
            Ok(())
        }
        name if RETIRED.contains(&name) => {
            config.log.warning(MODULE, format!("{name} has been removed and stays off"));
            Ok(())
        }
        _ => config.warn_or_fail(MODULE, &format!("No output module named {name}")),
    }
}

/// The file of an output.
pub(super) fn file(
    config: Config<'_>,
    node: &Node,
    kind: &'static str,
    default: &str,
) -> Result<FileOutput, Fatal> {
    let filetype = node.text("filetype").unwrap_or("regular");
    if !matches!(filetype.to_ascii_lowercase().as_str(), "regular" | "file") {
        let known = ["syslog", "unix_dgram", "unix_stream", "redis"].contains(&filetype);
        let config_file = &config.mode.config_file;
        let place = format!("({config_file}: outputs.{kind}.filetype)");
        let said = match known {
            true => format!("{kind}: filetype {filetype} is not available, use regular {place}"),
            false => format!("Invalid entry for {kind}.filetype: {filetype} {place}"),
        };
        return Err(config.fail("logopenfile", &said));
    }
    let filename = node.text("filename").unwrap_or(default);
    let mut file = FileOutput::new(kind, filename);
    file.append = node.truth("append").unwrap_or(true);
    file.mode = node.text("filemode").and_then(|text| u32::from_str_radix(text, 8).ok());
    if let Some(text) = node.text("rotate-interval") {
        file.rotation = Rotation::parse(text);
        if file.rotation.is_none() {
            let said = format!("invalid rotate-interval value: {text}");
            return Err(config.fail("logopenfile", &said));
        }
    }
    let said = format!("{kind} output device (regular) initialized: {filename}");
    config.log.info("logopenfile", said);
    Ok(file)
}
