//! Records: what the detector found, written once as EVE bytes.

pub mod alert;
pub mod anomaly;
pub mod arp;
pub mod community;
pub mod drop;
pub mod envelope;
pub mod fast;
pub mod fileinfo;
pub mod flow;
pub mod packet;
pub mod rule;
pub mod stream;
pub mod text;
pub mod transaction;
pub mod xff;
