//! What is asked of the running sensor, and what it may say.

use serde::Deserialize;

use crate::manifest::Hash;
use crate::test::Tested;

/// What a follower asks of its sensor.
pub trait Control {
    /// What it has in force.
    ///
    /// # Errors
    /// When it does not say.
    fn in_force(&self) -> Result<InForce, String>;

    /// Has it load its rules anew, and waits until they are in force.
    ///
    /// # Errors
    /// When they are not.
    fn reload(&self) -> Result<(), Refusal>;
}

/// What a sensor has in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InForce {
    /// The set; none where its rules are of no set.
    pub bundle: Option<Hash>,
    /// Its version.
    pub version: Option<u64>,
    /// Rules that are loaded.
    pub loaded: u64,
    /// Rules that were refused.
    pub refused: u64,
    /// When they were loaded: seconds since 1970.
    pub since: u64,
}

impl InForce {
    /// Whether so many of its rules are loaded that it inspects as it should.
    pub(super) fn good_enough(&self, most: f64) -> Result<(), String> {
        let tested = Tested { loaded: self.loaded, refused: self.refused, ..Tested::default() };
        tested.good_enough(most)
    }
}

/// Why a sensor has not loaded its rules anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It tried, and has kept what it had.
    Failed(String),
    /// It is loading rules already.
    Busy(String),
    /// It never does, as it was started.
    Never(String),
    /// It is not there.
    Away(String),
    /// It did not say what came of it.
    Lost(String),
}

impl Refusal {
    /// What the sensor said.
    pub fn why(&self) -> &str {
        match self {
            Self::Failed(why)
            | Self::Busy(why)
            | Self::Never(why)
            | Self::Away(why)
            | Self::Lost(why) => why,
        }
    }
}
