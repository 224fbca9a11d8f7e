//! What the configuration says about the engine log.

use super::Level;
use super::level::from_environment;

/// Where one log output writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard output, errors to standard error.
    Console,
    /// A file, below the log directory unless absolute.
    File(String),
    /// The system's log.
    Syslog,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Console => formatter.write_str("console"),
            Self::File(name) => formatter.write_str(name),
            Self::Syslog => formatter.write_str("syslog"),
        }
    }
}

/// One log output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogOutput {
    pub(crate) place: Place,
    /// Shows this level and above.
    pub(crate) level: Level,
    /// Format with `%` letters; none: the usual one for the place.
    pub(crate) format: Option<String>,
    /// JSON lines.
    pub(crate) json: bool,
}

/// All log outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub(crate) outputs: Vec<LogOutput>,
}

impl Default for LogSettings {
    fn default() -> Self {
        let level = from_environment().unwrap_or(Level::Info);
        let console = LogOutput { place: Place::Console, level, format: None, json: false };
        Self { outputs: vec![console] }
    }
}

impl LogSettings {
    /// Lets every output show at least `level`, unless the environment says otherwise.
    pub(crate) fn raise(&mut self, level: Level) {
        if from_environment().is_none() {
            for output in &mut self.outputs {
                output.level = output.level.max(level);
            }
        }
    }
}
