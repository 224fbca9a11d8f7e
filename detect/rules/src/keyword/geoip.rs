//! `geoip`: countries of the packet's addresses.

use std::net::IpAddr;

use crate::builder::Builder;
use crate::error::{Result, RuleError, refuse};
use crate::keyword::Subject;
use crate::keyword::contract::{Features, Keyword, OptionText};

/// Whose country counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Source or destination.
    Any,
    /// The source.
    Src,
    /// The destination.
    Dst,
    /// Source and destination.
    Both,
}

/// Countries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeoIp {
    /// Whose.
    pub side: Side,
    /// Codes, upper case.
    pub countries: Vec<[u8; 2]>,
    /// None of them.
    pub negated: bool,
}

impl GeoIp {
    /// Whether the packet's addresses satisfy it; IPv4 only, as in Suricata 8. An address of no
    /// known country never does.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some(knowledge) = subject.knowledge else { return false };
        let packet = subject.packet;
        let holds = |address: IpAddr| match knowledge.country(address) {
            Some(country) => self.countries.contains(&country) != self.negated,
            None => false,
        };
        packet.ip_version() == 4
            && match self.side {
                Side::Any => holds(packet.src) || holds(packet.dst),
                Side::Src => holds(packet.src),
                Side::Dst => holds(packet.dst),
                Side::Both => holds(packet.src) && holds(packet.dst),
            }
    }
}

pub(crate) const KEYWORD: Keyword = Keyword::new("geoip", "detect-geoip", setup)
    .doc("countries of the addresses")
    .negatable()
    .features(Features { packet: true, ..Features::IP_ONLY });

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    if !builder.settings.geoip {
        return refuse("`geoip` can't be used: this version reads no GeoIP database")
            .map_err(|e: RuleError| e.advice("leave the rule out, or `geoip` out of it"));
    }
    let mut side = Side::Both;
    let mut negated = option.negated;
    let mut countries = Vec::new();
    for (at, part) in option.value.split(',').map(str::trim).enumerate() {
        let named = match part {
            "any" => Some(Side::Any),
            "src" => Some(Side::Src),
            "dst" => Some(Side::Dst),
            "both" => Some(Side::Both),
            _ => None,
        };
        if let (0, Some(named)) = (at, named) {
            side = named;
            continue;
        }
        let code = match part.strip_prefix('!') {
            Some(code) => {
                negated = true;
                code.trim_start()
            }
            None => part,
        };
        match code.to_ascii_uppercase().as_bytes() {
            [first, second] if first.is_ascii_uppercase() && second.is_ascii_alphanumeric() => {
                countries.push([*first, *second]);
            }
            _ => return refuse(format!("'{code}' is not a country code")),
        }
    }
    if countries.is_empty() {
        return refuse("geoip without country");
    }
    builder.push_check(GeoIp { side, countries, negated });
    Ok(())
}
