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
    // What delivery has to say (a receiver that is away, a disk that is full) is said in any case.
    let asked = std::env::var("BATELEUR_DEBUG").ok().and_then(|level| level.parse().ok());
    let level = asked.unwrap_or(tracing::Level::WARN);
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    cli::run(std::env::args_os().collect())
}
