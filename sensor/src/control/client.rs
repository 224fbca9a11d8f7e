//! The other end of the control socket: asks a running sensor.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// What a running sensor answers to a command, by the protocol of Suricata's command socket.
///
/// # Errors
/// When no sensor answers, or it refuses.
pub(crate) fn ask(path: &Path, command: &str, arguments: Option<Value>) -> Result<Value> {
    ask_within(path, command, arguments, Duration::from_secs(10))
}

/// The same of a command that may take its time.
///
/// # Errors
/// When no sensor answers in time, or it refuses.
pub(crate) fn ask_within(
    path: &Path,
    command: &str,
    arguments: Option<Value>,
    within: Duration,
) -> Result<Value> {
    let name = path.display();
    let mut socket =
        UnixStream::connect(path).with_context(|| format!("{name}: no sensor answers"))?;
    socket.set_read_timeout(Some(within))?;
    let mut answers = BufReader::new(socket.try_clone()?);
    let mut call = |message: Value| -> Result<Value> {
        socket.write_all(format!("{message}\n").as_bytes())?;
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).context("the answer is not JSON")?;
        if answer["return"] != "OK" {
            bail!("{name}: the sensor refuses: {}", answer["message"]);
        }
        Ok(answer)
    };
    call(json!({ "version": "0.2" }))?;
    let mut message = json!({ "command": command });
    if let Some(arguments) = arguments {
        message["arguments"] = arguments;
    }
    Ok(call(message)?["message"].take())
}
