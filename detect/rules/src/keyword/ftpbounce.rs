//! `ftpbounce`: a `PORT` command that names another host than the client.

use std::net::IpAddr;

use protocol::AppProto;

use crate::builder::Builder;
use crate::error::Result;
use crate::keyword::TxCheck;
use crate::keyword::contract::{Features, Keyword, OptionText};

/// Whether a command with its argument is a `PORT` that names another host than the client.
pub fn bounces(command: &[u8], argument: &[u8], client: IpAddr) -> bool {
    let IpAddr::V4(client) = client else { return false };
    command.eq_ignore_ascii_case(b"PORT")
        && address(argument).is_some_and(|address| address != client.octets())
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
    let id = |name: &str| builder.catalogue().sticky(name).map(|spec| spec.id);
    let check = TxCheck::FtpBounce { command: id("ftp.command"), argument: id("ftp.command_data") };
    builder.push_tx_check(check, &[AppProto::Ftp])
}
