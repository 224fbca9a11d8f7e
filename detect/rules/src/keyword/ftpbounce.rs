//! `ftpbounce`: a `PORT` command that names another host than the client.

use std::net::IpAddr;

use crate::builder::Builder;
use crate::error::Result;
use crate::keyword::Subject;
use crate::keyword::contract::{Features, Keyword, OptionText};
use protocol::AppProto;

/// The payload has a `PORT` command whose address is not the packet's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FtpBounce;

impl FtpBounce {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let IpAddr::V4(source) = subject.packet.src else { return false };
        let payload = subject.packet.payload();
        let Some((command, arguments)) = payload.split_at_checked(4) else { return false };
        if !command.eq_ignore_ascii_case(b"PORT") {
            return false;
        }
        match address(arguments) {
            Some(address) => address != source.octets(),
            None => false,
        }
    }
}

/// The first four of the six numbers of RFC 959's host-port.
fn address(arguments: &[u8]) -> Option<[u8; 4]> {
    let text = arguments.trim_ascii_start();
    let mut octets = [0u8; 4];
    let mut numbers = text.split(|&b| b == b',');
    for octet in &mut octets {
        let digits = numbers.next()?;
        *octet = std::str::from_utf8(digits).ok()?.trim().parse().ok()?;
    }
    Some(octets)
}

pub(crate) const KEYWORD: Keyword = Keyword::new("ftpbounce", "detect-ftpbounce", setup)
    .doc("FTP PORT command that names another host")
    .no_value()
    .features(Features { firewall: true, ..Features::NONE });

fn setup(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.restrict(&[AppProto::Ftp])?;
    builder.push_check(FtpBounce);
    Ok(())
}
