//! Matches of one packet, and what becomes of them.

use decode::Direction;

/// A rule that matched on the packet at hand.
#[derive(Clone, Debug)]
pub struct Match {
    /// Index of the rule in its ruleset, which is its rank in the internal order.
    pub rule: u32,
    /// Transaction.
    pub tx: Option<u64>,
    /// In reassembled data.
    pub stream: bool,
    /// Holds for the flow, not only the packet.
    pub flow_scope: bool,
    /// The transaction is a guess, not what the rule looked at.
    pub tx_guessed: bool,
    /// Members of `alert.context`: name and JSON or text.
    pub context: Vec<(String, ContextValue)>,
}

/// A member of `alert.context`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextValue {
    /// Captured bytes.
    Text(Vec<u8>),
    /// A JSON value of a dataset.
    Json(Vec<u8>),
}

/// An alert that will be reported.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The match.
    pub found: Match,
    /// `blocked` instead of `allowed`.
    pub blocked: bool,
    /// The rule's action after rate filters.
    pub action: rules::Action,
    /// Direction of the packet.
    pub direction: Direction,
}

/// Matches of one packet and the alerts they became; reused from packet to packet.
#[derive(Debug, Default)]
pub struct Queue {
    /// Matches in the order in which they were found.
    pub matches: Vec<Match>,
    /// Alerts in the order in which they are reported.
    pub alerts: Vec<Alert>,
}

impl Queue {
    /// Empties it.
    pub fn clear(&mut self) {
        self.matches.clear();
        self.alerts.clear();
    }

    /// Adds a match; the same rule without transaction counts once.
    pub fn push(&mut self, found: Match) {
        let twice = found.tx.is_none()
            && self.matches.iter().any(|m| m.rule == found.rule && m.tx.is_none());
        if !twice {
            self.matches.push(found);
        }
    }

    /// Sorts into processing order: internal order; of one rule those with a transaction before
    /// those without, higher transactions first.
    pub fn sort(&mut self) {
        self.matches.sort_by(|a, b| {
            a.rule.cmp(&b.rule).then_with(|| match (a.tx, b.tx) {
                (Some(x), Some(y)) => y.cmp(&x),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => std::cmp::Ordering::Equal,
            })
        });
    }
}
