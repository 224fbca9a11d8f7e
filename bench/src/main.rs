//! Measures the sensor beside a peer.
#![forbid(unsafe_code)]

mod alerts;
mod compare;
mod contestant;
mod measure;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures the sensor beside a peer.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay the same capture with the same rules in the sensor and in a peer, in turn, on one
    /// core; print CPU time, start-up, memory and the rules whose alerts differ.
    Compare(compare::Arguments),
    /// Run one command on a core and print what it took, as JSON.
    #[command(hide = true)]
    Measure(measure::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Measure(arguments) => measure::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
