//! A running sensor's rules by its control socket: what is in force, and a reload.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use supply::follow::{Control, InForce, Refusal};

use super::client::{TALKING, Trouble, ask_within};

/// How long a sensor may take to load its rules: longer than it waits itself for that.
const LOADING: Duration = Duration::from_secs(660);
/// What a sensor says that loads rules already.
const BUSY: &str = "Reload already in progress";

/// A control socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    path: PathBuf,
}

impl Socket {
    /// At this path.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    fn ask(&self, command: &str, within: Duration) -> Result<Value, Refusal> {
        ask_within(&self.path, command, None, within).map_err(|trouble| match trouble {
            Trouble::Away(error) => Refusal::Away(format!("{error:#}")),
            Trouble::Lost(error) => Refusal::Lost(format!("{error:#}")),
            Trouble::Refused(answer) => refusal(&answer),
        })
    }
}

impl Control for Socket {
    fn in_force(&self) -> Result<InForce, String> {
        let answer = self.ask("rules-in-force", TALKING);
        let answer = answer.map_err(|refusal| refusal.why().to_owned())?;
        serde_json::from_value(answer).map_err(|error| format!("rules-in-force: {error}"))
    }

    fn reload(&self) -> Result<(), Refusal> {
        self.ask("ruleset-reload-rules", LOADING).map(drop)
    }
}

/// By the word beside the message; sensors that know no such word have a text that is known.
fn refusal(answer: &Value) -> Refusal {
    let why = match answer.get("message") {
        Some(Value::String(text)) => text.clone(),
        other => other.cloned().unwrap_or_default().to_string(),
    };
    match answer.get("reason").and_then(Value::as_str) {
        Some("busy") => Refusal::Busy(why),
        Some("never") => Refusal::Never(why),
        None if why == BUSY => Refusal::Busy(why),
        _ => Refusal::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sensor_that_loads_already_has_not_refused() {
        let check = |answer: Value, expected: Refusal| {
            assert_eq!(refusal(&answer), expected, "{answer}");
        };
        let text = |why: &str| why.to_owned();
        check(json!({"message": "x", "reason": "busy"}), Refusal::Busy(text("x")));
        check(json!({"message": BUSY}), Refusal::Busy(text(BUSY)));
        check(json!({"message": "x", "reason": "never"}), Refusal::Never(text("x")));
        check(json!({"message": "x", "reason": "failed"}), Refusal::Failed(text("x")));
        check(json!({"message": "x"}), Refusal::Failed(text("x")));
        check(json!({"message": 5}), Refusal::Failed(text("5")));
    }
}
