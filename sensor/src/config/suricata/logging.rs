//! `logging`: the engine log.

use crate::config::boolean;
use crate::log::{Level, LogOutput, LogSettings, Place};

use super::{Config, Fatal};

/// Reads the section; `verbosity` counts `-v`.
///
/// # Errors
/// When a file output has no name.
pub(crate) fn log_settings(config: Config<'_>, verbosity: u8) -> Result<LogSettings, Fatal> {
    let Some(outputs) = config.root.get("logging.outputs") else {
        return Ok(LogSettings::default());
    };
    let level_of = |text: Option<&str>| text.and_then(Level::by_name);
    let forced = level_of(std::env::var("SC_LOG_LEVEL").ok().as_deref());
    let default_level = level_of(config.text("logging.default-log-level"));
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
        let level = forced.or(level_of(text("level"))).unwrap_or(default_level);
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
