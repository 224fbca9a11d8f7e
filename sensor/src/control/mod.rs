//! What stands around the workers: privileges, signals, the service manager, the control socket.

pub(crate) mod client;
pub(crate) mod notify;
pub(crate) mod privileges;
pub(crate) mod rules;
pub(crate) mod signals;
pub(crate) mod socket;
