//! What a sensor says of the rules that it really has in force.

use serde::{Deserialize, Serialize};

use crate::manifest::Hash;

/// Bytes of a receipt.
pub const MOST: usize = 16 * 1024;
/// Characters of a sensor's or channel's name.
pub const MOST_NAME: usize = 128;
/// Bytes of a reason; more are cut off.
pub const MOST_REASON: usize = 2000;

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The sensor's name.
    pub sensor: String,
    /// Where it takes bundles from.
    pub channel: String,
    /// What is in force; none where that is no set of the store.
    pub bundle: Option<Hash>,
    /// Its version.
    pub version: Option<u64>,
    /// What became of the bundle that was wanted.
    pub state: State,
    /// Why it is not in force.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The bundle that it was to have.
    pub wanted: Hash,
    /// Rules in force.
    #[serde(default)]
    pub loaded: u64,
    /// Rules of the same files that were refused.
    #[serde(default)]
    pub refused: u64,
    /// Since when: seconds since 1970.
    #[serde(default)]
    pub since: u64,
    /// The follower's program and its version.
    #[serde(default)]
    pub program: String,
}

/// What became of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its rules inspect.
    InForce,
    /// It failed the test before use, or the sensor did not take it; the rules before stay.
    Refused,
    /// It could not be fetched or checked, or the sensor does not answer.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InForce, Self::Refused, Self::Failed];

    /// As a receipt and a label have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Why a receipt is none.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// It is no JSON, or lacks something.
    #[error("receipt: {0}")]
    Json(#[from] serde_json::Error),
    /// A name that no file and no label shall have.
    #[error("receipt: {0:?} is no name of a {1}")]
    Name(String, &'static str),
    /// It says that one bundle is in force and names another.
    #[error("receipt: in force, but not what was wanted")]
    Contradiction,
}

impl Receipt {
    /// From what a sensor sent.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let mut receipt: Self = serde_json::from_slice(bytes)?;
        for (name, kind) in [(&receipt.sensor, "sensor"), (&receipt.channel, "channel")] {
            if !is_name(name) {
                return Err(ReceiptError::Name(name.chars().take(40).collect(), kind));
            }
        }
        if receipt.state == State::InForce && receipt.bundle != Some(receipt.wanted) {
            return Err(ReceiptError::Contradiction);
        }
        receipt.reason = plain(&receipt.reason, MOST_REASON);
        receipt.program = plain(&receipt.program, MOST_NAME);
        Ok(receipt)
    }
}

/// Names of sensors and channels: what may be part of a path, a label and an address.
pub fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (1..=MOST_NAME).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.')
}

/// The name that is nearest to a text, such as that of a host.
pub fn name_of(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let text = text.trim().trim_start_matches('.');
    let plain = |c: char| if is_plain(&c) { c } else { '-' };
    let name: String = text.chars().take(MOST_NAME).map(plain).collect();
    if name.is_empty() { "sensor".to_owned() } else { name }
}

/// On one line, and not longer than this.
pub(crate) fn plain(text: &str, most: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sensor: &str, state: State) -> Receipt {
        let wanted = Hash::of(b"a");
        Receipt {
            sensor: sensor.to_owned(),
            channel: "default".to_owned(),
            bundle: (state == State::InForce).then_some(wanted),
            version: Some(3),
            state,
            reason: String::new(),
            wanted,
            loaded: 10,
            refused: 0,
            since: 1,
            program: "bateleur 0.1.0".to_owned(),
        }
    }

    #[test]
    fn receipts_are_read_as_they_are_written() {
        for state in State::ALL {
            let receipt = of("sensor-1", state);
            let bytes = serde_json::to_vec(&receipt).unwrap();
            assert_eq!(Receipt::parse(&bytes).unwrap(), receipt);
            assert!(String::from_utf8(bytes).unwrap().contains(state.word()));
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        let check = |change: &dyn Fn(&mut Receipt)| {
            let mut receipt = of("a", State::InForce);
            change(&mut receipt);
            let bytes = serde_json::to_vec(&receipt).unwrap();
            assert!(Receipt::parse(&bytes).is_err(), "{receipt:?}");
        };
        for name in ["", "../a", "a/b", "a b", "a\n", ".hidden", "ä", &"a".repeat(129)] {
            check(&|receipt| receipt.sensor = name.to_owned());
            check(&|receipt| receipt.channel = name.to_owned());
        }
        check(&|receipt| receipt.bundle = None);
        check(&|receipt| receipt.bundle = Some(Hash::of(b"b")));
        assert!(Receipt::parse(b"{}").is_err());
        assert!(Receipt::parse(&[b'['; 5000]).is_err());
    }

    #[test]
    fn names_are_made_of_what_hosts_are_called() {
        let check = |text: &str, name: &str| {
            assert_eq!(name_of(text), name);
            assert!(is_name(name));
        };
        check("node-1.example.org\n", "node-1.example.org");
        check("../node 1/x", "-node-1-x");
        check("", "sensor");
        let long = "x".repeat(300);
        check(&long, &long[..MOST_NAME]);
        let mut receipt = of("a", State::Refused);
        receipt.reason = format!("a\nb{}", "x".repeat(9000));
        let read = Receipt::parse(&serde_json::to_vec(&receipt).unwrap()).unwrap();
        assert!(read.reason.starts_with("a b") && read.reason.len() == MOST_REASON);
        // So many receipts have to fit into a file.
        receipt.reason = format!("x{}", "ä".repeat(9000));
        let read = Receipt::parse(&serde_json::to_vec(&receipt).unwrap()).unwrap();
        assert_eq!(read.reason.len(), MOST_REASON - 1);
    }
}
