//! A process of its own that makes the marked sockets of the event network.
//!
//! `SO_MARK` takes a capability that the sensor gives up. This process keeps that one and no other;
//! like the one that undoes a plan it begins before any frame is there, with none of the sensor's
//! memory.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use caps::{CapSet, Capability, CapsHashSet};
use delivery::marker::{self, Marker};
use delivery::network::Network;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::restorer::PROGRAM;

/// The event network, with a process that marks its sockets if they are to be marked.
///
/// # Errors
/// When there can be no such process.
pub(super) fn marked(network: Network) -> anyhow::Result<Network> {
    let Some(mark) = network.fwmark else { return Ok(network) };
    let marker = start(mark).context("events.fwmark: no process for it")?;
    Ok(Network { marker: Some(marker), ..network })
}

/// Starts it; it ends when nobody has the marker any more.
///
/// # Errors
/// When the system refuses.
fn start(mark: u32) -> io::Result<Marker> {
    let (marker, end) = Marker::pair()?;
    let mut command = Command::new(PROGRAM);
    command.args(["mark-sockets", &mark.to_string()]);
    command.stdin(Stdio::from(end)).stdout(Stdio::null());
    // What a terminal sends to the sensor is not meant for it.
    command.process_group(0);
    command.spawn()?;
    Ok(marker)
}

/// Makes sockets until the sensor has ended.
///
/// # Errors
/// When rights can't be given up, or the sensor can't be heard.
pub(super) fn serve(mark: u32) -> io::Result<()> {
    // Who wants all processes of a service to end means the sensor first.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let kept = CapsHashSet::from([Capability::CAP_NET_ADMIN]);
    let held = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    let kept = kept.intersection(&held).copied().collect();
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    caps::set(None, CapSet::Effective, &kept).map_err(io::Error::other)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(io::Error::other)?;
    marker::serve(io::stdin().as_fd(), mark)
}
