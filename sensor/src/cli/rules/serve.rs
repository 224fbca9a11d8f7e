//! `bateleur rules serve`: a rule server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use supply::server::{Limits, Server, Settings};

use crate::config::native::Sensor;
use crate::process::stop::Stop;

/// Looks for a wish to end this often.
const TURN: Duration = Duration::from_millis(200);

/// Arguments of `rules serve`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ServeArguments {
    /// The folder with the layout; made if it is not there.
    #[arg(long, value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Where to listen. TLS is for a proxy in front of it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8480", num_args = 1..)]
    listen: Vec<SocketAddr>,
    /// Receipts, roll-outs and sensors that ask by name must show the token in this file.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Clients at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 128)]
    clients: usize,
}

/// Serves until it is told to end.
pub(in crate::cli) fn run(arguments: &ServeArguments) -> Result<ExitCode> {
    let _log = super::log(&Sensor::default())?;
    let stop = Stop::on_signals()?;
    let server = Server::start(Settings {
        directory: arguments.directory.clone(),
        listen: arguments.listen.clone(),
        token: arguments.token.as_deref().map(super::follow::token).transpose()?,
        limits: Limits { clients: arguments.clients.max(1), ..Limits::default() },
    })?;
    for address in server.addresses() {
        tracing::info!("rules of {} are served on {address}", arguments.directory.display());
    }
    while !stop.is_wanted() {
        if !server.is_alive() {
            bail!("the server has ended by itself");
        }
        thread::sleep(TURN);
    }
    Ok(ExitCode::SUCCESS)
}
