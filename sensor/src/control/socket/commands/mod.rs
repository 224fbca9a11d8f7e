//! The commands, in the order in which clients see them.

mod about;
mod counters;
mod interfaces;
mod list;
mod memory;
mod outputs;
mod rules;
mod settings;
mod shutdown;

use super::command::Command;

static COMMANDS: &[&dyn Command] = &[
    &shutdown::Shutdown,
    &list::List("command-list"),
    &list::List("help"),
    &about::Version,
    &about::Uptime,
    &about::RunningMode,
    &about::CaptureMode,
    &settings::ConfGet,
    &counters::DumpCounters,
    &rules::ReloadRules("reload-rules"),
    &rules::ReloadRules("ruleset-reload-rules"),
    &rules::ReloadNonBlocking,
    &rules::ReloadTime,
    &rules::Statistics,
    &rules::Failed,
    &rules::InForce,
    &outputs::ReopenLogFiles,
    &memory::Set,
    &memory::Show,
    &memory::List,
    &interfaces::Stat,
    &interfaces::List,
    &interfaces::BypassedStat,
];

/// A command by its name.
pub(super) fn by_name(name: &str) -> Option<&'static dyn Command> {
    COMMANDS.iter().find(|command| command.name() == name).copied()
}

/// All names.
fn names() -> impl ExactSizeIterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_for_one_command() {
        for (at, name) in names().enumerate() {
            assert_eq!(names().position(|other| other == name), Some(at), "{name}");
            assert_eq!(by_name(name).unwrap().name(), name);
        }
        assert!(by_name("no-such-command").is_none());
    }
}
