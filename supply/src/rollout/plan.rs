//! The steps of a roll-out, and what it bears with.

use serde::{Deserialize, Serialize};

/// Stages at most.
const MOST_STAGES: usize = 20;

/// In which steps a bundle reaches sensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Shares of sensors in percent, rising, the last one 100.
    pub stages: Vec<u8>,
    /// Seconds for which all of a stage must have the bundle before the next one begins.
    pub soak: u64,
    /// So many failed sensors stop it.
    pub failures: u32,
    /// A sensor that should have the bundle and says nothing for so many seconds has failed.
    pub silence: u64,
    /// A sensor that was not heard for so many seconds is no longer there.
    pub forget: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { stages: vec![10, 50, 100], soak: 300, failures: 1, silence: 900, forget: 86_400 }
    }
}

/// Why a plan is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Stages are not shares that rise to all.
    #[error("stages: rising percentages up to 100, e.g. 10,50,100; not {0:?}")]
    Stages(String),
    /// It would stop before it begins.
    #[error("failures: at least 1")]
    Failures,
}

impl Plan {
    /// Stages from a text such as `10,50,100`.
    ///
    /// # Errors
    /// When they do not rise to 100.
    pub fn stages(text: &str) -> Result<Vec<u8>, PlanError> {
        let wrong = || PlanError::Stages(text.to_owned());
        let parts = text.split(',').map(|part| part.trim().trim_end_matches('%').parse());
        let stages: Vec<u8> = parts.collect::<Result<_, _>>().map_err(|_| wrong())?;
        let plan = Self { stages, ..Self::default() };
        plan.check().map_err(|_| wrong())?;
        Ok(plan.stages)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// When not.
    pub fn check(&self) -> Result<(), PlanError> {
        let rises = self.stages.windows(2).all(|pair| pair[0] < pair[1]);
        let ends = self.stages.last() == Some(&100) && self.stages.first() > Some(&0);
        if !rises || !ends || self.stages.len() > MOST_STAGES {
            return Err(PlanError::Stages(format!("{:?}", self.stages)));
        }
        if self.failures == 0 { Err(PlanError::Failures) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_rise_to_all() {
        assert_eq!(Plan::stages("10,50,100").unwrap(), [10, 50, 100]);
        assert_eq!(Plan::stages("5%, 100%").unwrap(), [5, 100]);
        for text in ["", "50", "0,100", "50,10,100", "100,100", "10,101", "a", "10,,100"] {
            assert!(Plan::stages(text).is_err(), "{text}");
        }
        Plan::default().check().unwrap();
        assert!(Plan { failures: 0, ..Plan::default() }.check().is_err());
    }
}
