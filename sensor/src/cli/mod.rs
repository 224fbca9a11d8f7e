//! The command line: the native face, and Suricata's.

mod capturing;
mod config;
mod confine;
mod cpus;
mod delivered;
mod doctor;
mod list;
mod make_like;
mod marking;
mod native;
mod plan;
mod reloading;
mod replay;
mod restorer;
mod rules;
mod run;
mod schema;
pub(crate) mod suricata;
mod thresholds;
mod watching;
mod writing;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Runs what the arguments ask for.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    let called_suricata = arguments
        .first()
        .and_then(|name| Path::new(name).file_name())
        .is_some_and(|name| name == "suricata");
    let words = |skip: usize| -> Vec<String> {
        arguments.iter().skip(skip).map(|word| word.to_string_lossy().into_owned()).collect()
    };
    if called_suricata {
        return suricata::run(&words(1));
    }
    if arguments.get(1).is_some_and(|word| word == "suricata") {
        return suricata::run(&words(2));
    }
    native::run(arguments)
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_faces_keep_the_contract_of_one_version() {
        assert_eq!(super::suricata::VERSION, crate::version::SURICATA);
    }
}
