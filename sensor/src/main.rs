//! Bateleur: a network intrusion sensor.
#![forbid(unsafe_code)]

mod bpf;
mod cli;
mod clock;
mod config;
mod control;
mod log;
mod observe;
mod output;
mod process;
mod version;

use std::process::ExitCode;

/// Workers allocate little, but parsers' state comes and goes with flows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
