//! Values of `sensor.yaml` that are words of a list, names of files or sizes.

use protocol::AppProto;
use serde::Deserialize;

use crate::config::size;

/// Records that `events.records` can name.
pub(super) const RECORDS: &[&str] = &[
    "alert",
    "anomaly",
    "http",
    "dns",
    "mdns",
    "tls",
    "files",
    "smtp",
    "websocket",
    "ftp",
    "rdp",
    "nfs",
    "smb",
    "tftp",
    "ike",
    "dcerpc",
    "krb5",
    "bittorrent-dht",
    "snmp",
    "rfb",
    "sip",
    "quic",
    "ldap",
    "pop3",
    "dhcp",
    "ssh",
    "mqtt",
    "http2",
    "doh2",
    "pgsql",
    "modbus",
    "dnp3",
    "enip",
    "ntp",
    "drop",
    "flow",
    "netflow",
    "metadata",
    "arp",
    "stream",
    "stats",
];

/// A kind of record.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Record(pub(super) String);

impl TryFrom<String> for Record {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        known(&text, "record", RECORDS.iter().copied())?;
        Ok(Self(text))
    }
}

/// An application protocol by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Protocol(pub(super) String);

impl TryFrom<String> for Protocol {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        known(&text, "protocol", AppProto::ALL.iter().map(|proto| proto.name()))?;
        Ok(Self(text))
    }
}

/// Sums of files.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Hash(pub(super) String);

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        known(&text, "hash", ["md5", "sha1", "sha256"].into_iter())?;
        Ok(Self(text))
    }
}

/// The name of a file or folder that is written: a number or a truth is none, but a mistake.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct FileName(pub(super) String);

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let truth = ["yes", "no", "true", "false", "on", "off", "~", "null", ""];
        if truth.contains(&lower.as_str()) || text.parse::<f64>().is_ok() {
            return Err(format!("`{text}` is no file name: write one such as `eve.json`"));
        }
        Ok(Self(text))
    }
}

/// A size such as `64 MiB`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) String);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match size::strict(&text) {
            Some(_) => Ok(Self(text)),
            None => Err(format!("`{text}` is no size: write a number and KiB, MiB or GiB")),
        }
    }
}

/// Refuses a word that is not on the list, and names the one that is likely meant, or all.
fn known<'a>(
    word: &str,
    kind: &str,
    list: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), String> {
    if list.clone().any(|known| known == word) {
        return Ok(());
    }
    let letters = |text: &str| {
        let mut letters: Vec<u8> = text.bytes().collect();
        letters.sort_unstable();
        letters
    };
    // Of words as near, that with the same letters or the same beginning is likelier.
    let near = list.clone().min_by_key(|known| {
        let begins = word.get(..1) == known.get(..1);
        (edits(word, known), letters(word) != letters(known), !begins)
    });
    Err(match near.map(|near| (edits(word, near), near)) {
        Some((edits, near)) if edits <= 2 && edits < near.len() => {
            format!("`{word}` is no {kind}: did you mean `{near}`?")
        }
        _ => {
            let all = list.collect::<Vec<_>>().join(", ");
            format!("`{word}` is no {kind}: there are {all}")
        }
    })
}

/// How many letters must be put in, taken out or changed to make one word of the other. Words
/// that are much too long for the list are not compared.
fn edits(one: &str, other: &str) -> usize {
    if one.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut left = at + 1;
        let mut next = vec![left];
        for (b, pair) in other.bytes().zip(row.windows(2)) {
            let changed = pair[0] + usize::from(!a.eq_ignore_ascii_case(&b));
            left = changed.min(pair[1] + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (one, other, expected) in
            [("alert", "alert", 0), ("alerts", "alert", 1), ("tsl", "tls", 2), ("", "dns", 3)]
        {
            assert_eq!(edits(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn words_off_the_list_are_refused() {
        let check = |word: &str, expected: &str| {
            let said = known(word, "record", ["alert", "dns", "netflow", "ssh", "tls"].into_iter())
                .unwrap_err();
            assert_eq!(said, format!("`{word}` is no record: {expected}"));
        };
        check("alerts", "did you mean `alert`?");
        check("NetFlow", "did you mean `netflow`?");
        check("tsl", "did you mean `tls`?");
        check("bogus", "there are alert, dns, netflow, ssh, tls");
        assert_eq!(known("dns", "record", ["dns"].into_iter()), Ok(()));
    }
}
