//! Levels of the engine log.

/// How important a message is; the first are the most important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Perf,
    Config,
    Debug,
}

impl Level {
    const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Emergency, "Emergency", "E"),
        (Self::Alert, "Alert", "A"),
        (Self::Critical, "Critical", "C"),
        (Self::Error, "Error", "E"),
        (Self::Warning, "Warning", "W"),
        (Self::Notice, "Notice", "i"),
        (Self::Info, "Info", "i"),
        (Self::Perf, "Perf", "P"),
        (Self::Config, "Config", "C"),
        (Self::Debug, "Debug", "D"),
    ];

    /// By name, in any letter case.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, full, _)| full.eq_ignore_ascii_case(name)).map(|(level, _, _)| level)
    }

    /// The name.
    pub(crate) const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The letter.
    pub(crate) const fn letter(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// `SC_LOG_LEVEL`, which wins over every configuration.
pub(super) fn from_environment() -> Option<Level> {
    std::env::var("SC_LOG_LEVEL").ok().and_then(|name| Level::by_name(&name))
}
