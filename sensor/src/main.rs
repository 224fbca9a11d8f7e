//! Bateleur: a network intrusion sensor.
#![forbid(unsafe_code)]

mod bpf;
mod cli;
mod clock;
mod config;
mod control;
mod log;
mod output;
mod process;
mod version;

use std::process::ExitCode;

/// Workers allocate little, but parsers' state comes and goes with flows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Ok(level) = std::env::var("BATELEUR_DEBUG")
        && let Ok(level) = level.parse::<tracing::Level>()
    {
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    }
    cli::run(std::env::args_os().collect())
}
