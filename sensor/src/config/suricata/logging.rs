//! `logging`: the engine log.

use crate::config::boolean;
use crate::log::{Level, LogOutput, LogSettings, Place};

use super::{Config, Fatal};

/// Reads the section; `verbosity` counts `-v`.
///
/// # Errors
/// When a file output has no name, or a level is none.
pub(crate) fn log_settings(config: Config<'_>, verbosity: u8) -> Result<LogSettings, Fatal> {
    let Some(outputs) = config.root.get("logging.outputs") else {
        return Ok(LogSettings::default());
    };
    let forced = std::env::var("SC_LOG_LEVEL").ok().as_deref().and_then(Level::by_name);
    let level_of = |text: Option<&str>, what: &str| {
        let level = |text: &str| {
            // Suricata's map has two words for no level at all.
            if ["not set", "none"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
                return Ok(None);
            }
            let refused = || config.fail("log", &format!("Invalid {what}: {text}"));
            Level::by_name(text).ok_or_else(refused).map(Some)
        };
        text.map_or(Ok(None), level)
    };
    let default_level = level_of(config.text("logging.default-log-level"), "default log level")?;
    let default_level = default_level.unwrap_or(Level::Notice);
    let default_format = config.text("logging.default-log-format");
    let mut settings = LogSettings { outputs: Vec::new() };
    for item in &outputs.children {
        let Some((name, options)) = item.item() else { continue };
        let text = |key: &str| options.and_then(|node| node.text(key));
        if text("enabled").is_some_and(boolean::is_false) {
            continue;
        }
        let place = match name {
            "console" => Place::Console,
            "syslog" => Place::Syslog,
            "file" => match text("filename") {
                Some(filename) => Place::File(filename.to_owned()),
                None => {
                    let said = "Logging to file requires a filename";
                    return Err(config.fail("log", said));
                }
            },
            other => {
                config.log.warning("log", format!("invalid logging method: {other}, ignoring"));
                continue;
            }
        };
        let level = forced.or(level_of(text("level"), "log level")?).unwrap_or(default_level);
        let format = text("format").or(default_format).map(str::to_owned);
        let json = text("type") == Some("json");
        settings.outputs.push(LogOutput { place, level, format, json });
    }
    match verbosity {
        0 => {}
        1 => settings.raise(Level::Info),
        2 => settings.raise(Level::Perf),
        _ => settings.raise(Level::Config),
    }
    Ok(settings)
}
