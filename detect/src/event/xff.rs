//! The client's address behind a proxy, from a header (`xff`).

use std::net::IpAddr;

use protocol::Parser;
use protocol::registry::AnyParser;

use crate::settings::XffSettings;

/// The address that the header of a transaction names; without a transaction that of the oldest
/// that names one, as in Suricata 8.
pub fn find(settings: &XffSettings, parser: &AnyParser, tx: Option<u64>) -> Option<IpAddr> {
    let named = |tx| address(parser.request_header(tx, &settings.header)?, settings.forward);
    match tx {
        Some(tx) => named(tx),
        None => (parser.first_tx()..parser.next_tx()).find_map(named),
    }
}

/// Reads a header value: the last address for reverse proxies, the first for forward ones.
fn address(value: &[u8], forward: bool) -> Option<IpAddr> {
    if value.len() < 7 || value.len() > 255 {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let text = if forward {
        text.split(',').next().unwrap_or(text)
    } else {
        text.rsplit(' ').next().unwrap_or(text)
    };
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok();
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    text.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn reads_the_forms_that_proxies_write() {
        for (value, forward, want) in [
            ("1.2.3.4, 5.6.7.8", false, Some("5.6.7.8")),
            ("1.2.3.4, 5.6.7.8", true, Some("1.2.3.4")),
            ("[2001:db8::1]:80", false, Some("2001:db8::1")),
            ("1.2.3.4:8080", false, Some("1.2.3.4")),
            ("unknown", false, None),
            ("1.2", false, None),
        ] {
            let want = want.map(|w| w.parse().expect("address"));
            assert_eq!(address(value.as_bytes(), forward), want, "{value}");
        }
    }
}
