//! The running sensor, by its control socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::manifest::Hash;
use crate::test::Tested;

/// An answer is no longer than this.
const MOST: usize = 1 << 20;
/// How long a sensor may take to load its rules, and for everything else.
const LOADING: Duration = Duration::from_secs(600);
const TALKING: Duration = Duration::from_secs(15);

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
        let tested = Tested { loaded: self.loaded, refused: self.refused, reasons: Vec::new() };
        tested.good_enough(most)
    }
}

/// Why a sensor has not loaded its rules anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not want them.
    Refused(String),
    /// It does not answer.
    Away(String),
}

/// A control socket.
#[derive(Clone, Debug)]
pub struct Socket {
    path: PathBuf,
}

impl Socket {
    /// At this path.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Asks one thing on a connection of its own: the sensor may be another one by now.
    fn ask(&self, command: &str, patience: Duration) -> Result<Value, Refusal> {
        let away = |error: io::Error| Refusal::Away(format!("{}: {error}", self.path.display()));
        let stream = UnixStream::connect(&self.path).map_err(away)?;
        exchange(&stream, &json!({ "version": "0.2" }), TALKING).map_err(away)?;
        let answer = exchange(&stream, &json!({ "command": command }), patience).map_err(away)?;
        let message = answer.get("message").cloned().unwrap_or_default();
        match answer.get("return").and_then(Value::as_str) {
            Some("OK") => Ok(message),
            _ => Err(Refusal::Refused(match message {
                Value::String(text) => text,
                other => other.to_string(),
            })),
        }
    }
}

impl Control for Socket {
    fn in_force(&self) -> Result<InForce, String> {
        let answer = self.ask("rules-in-force", TALKING);
        let answer = answer.map_err(|refusal| match refusal {
            Refusal::Refused(why) | Refusal::Away(why) => why,
        })?;
        serde_json::from_value(answer).map_err(|error| format!("rules-in-force: {error}"))
    }

    fn reload(&self) -> Result<(), Refusal> {
        self.ask("ruleset-reload-rules", LOADING).map(drop)
    }
}

/// Says something and reads the line that comes back.
fn exchange(mut stream: &UnixStream, message: &Value, patience: Duration) -> io::Result<Value> {
    stream.set_write_timeout(Some(TALKING))?;
    stream.write_all(format!("{message}\n").as_bytes())?;
    let deadline = Instant::now() + patience;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
        if bytes.ends_with(b"\n") {
            return serde_json::from_slice(&bytes).map_err(io::Error::other);
        }
        if bytes.len() > MOST {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}
