//! A build without XDP: the types are there, and nobody has a value of them.

use std::os::fd::BorrowedFd;

use steer::Counters;

use super::{ShuntedFlow, ShuntedTotals, SteererSettings};
use crate::live::ShuntSettings;

const WITHOUT: &str = "this build is without it (cargo build --features xdp)";

/// The program of an interface.
#[derive(Debug)]
pub enum Steerer {}

/// The flows that are not delivered.
#[derive(Debug)]
pub enum Shunts {}

impl Steerer {
    /// What the program did so far.
    ///
    /// # Errors
    /// None: nobody has a value of this type.
    pub fn counters(&self) -> Result<Counters, String> {
        match *self {}
    }

    /// Takes the program from the interface.
    pub fn detach(&self) {
        match *self {}
    }

    /// Keeps so many thousandths of the flows from now on.
    ///
    /// # Errors
    /// None: nobody has a value of this type.
    pub fn set_shed(&self, _keep_permille: u32) -> Result<(), String> {
        match *self {}
    }

    pub(crate) fn load(settings: &SteererSettings<'_>) -> Result<Steerer, String> {
        let SteererSettings { interface, .. } = settings;
        Err(format!("interface {interface}: {WITHOUT}"))
    }

    pub(crate) fn notes(&self) -> std::iter::Empty<String> {
        match *self {}
    }

    pub(crate) fn mode(&self) -> &'static str {
        match *self {}
    }

    pub(crate) fn magic(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn set_socket(&self, _queue: u32, _socket: BorrowedFd<'_>) -> Result<(), String> {
        match *self {}
    }
}

impl Shunts {
    pub(crate) fn new(_settings: ShuntSettings) -> Result<Shunts, String> {
        Err(WITHOUT.to_owned())
    }

    /// Packets of the flow are not delivered any more.
    ///
    /// # Errors
    /// None: nobody has a value of this type.
    pub fn insert(&self, _flow: &ShuntedFlow) -> Result<(), String> {
        match *self {}
    }

    /// What was not delivered of the flow.
    pub fn get(&self, _flow: &ShuntedFlow) -> Option<ShuntedTotals> {
        match *self {}
    }

    /// Packets of the flow are delivered again.
    pub fn remove(&self, _flow: &ShuntedFlow) -> Option<ShuntedTotals> {
        match *self {}
    }
}
