//! The other end of the control socket: asks a running sensor.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use serde_json::{Value, json};

/// How long a sensor may take to be greeted and to hear a command, and for an answer that needs no
/// work.
pub(crate) const TALKING: Duration = Duration::from_secs(10);
/// Bytes of an answer. Counters of many workers are some hundred KiB.
const MOST: usize = 64 << 20;

/// Why a command has no result.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody is there: there is no socket, or nobody listens at it.
    Away(anyhow::Error),
    /// It can't be reached, hung up, took too long, or says what no sensor would: what it does or
    /// has done is unknown.
    Lost(anyhow::Error),
    /// The sensor refuses; this is its whole answer.
    Refused(Value),
}

/// What a running sensor answers to a command, by the protocol of Suricata's command socket.
///
/// # Errors
/// When no sensor answers in time, or it refuses.
pub(crate) fn ask(path: &Path, command: &str, arguments: Option<Value>) -> Result<Value> {
    match ask_within(path, command, arguments, TALKING) {
        Ok(answer) => Ok(answer),
        Err(Trouble::Away(error) | Trouble::Lost(error)) => Err(error),
        Err(Trouble::Refused(answer)) => {
            bail!("{}: the sensor refuses: {}", path.display(), answer["message"])
        }
    }
}

/// The same of a command that may take its time.
///
/// # Errors
/// As [`ask`], with what the sensor says when it refuses.
pub(crate) fn ask_within(
    path: &Path,
    command: &str,
    arguments: Option<Value>,
    within: Duration,
) -> Result<Value, Trouble> {
    let mut message = json!({ "command": command });
    if let Some(arguments) = arguments {
        message["arguments"] = arguments;
    }
    let place = || path.display().to_string();
    let socket = UnixStream::connect(path).map_err(|error| {
        let is_nobody = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        let error = Error::new(error).context("no sensor answers").context(place());
        if is_nobody { Trouble::Away(error) } else { Trouble::Lost(error) }
    })?;
    let answer = talk(socket, &message, within);
    let mut answer = answer.with_context(place).map_err(Trouble::Lost)?;
    match answer["return"] == "OK" {
        true => Ok(answer["message"].take()),
        false => Err(Trouble::Refused(answer)),
    }
}

/// Says one thing on a connection of its own: the sensor may be another one by the next time.
fn talk(mut socket: UnixStream, message: &Value, within: Duration) -> Result<Value> {
    socket.set_write_timeout(Some(TALKING))?;
    let mut answers = BufReader::new(socket.try_clone()?);
    let mut call = |message: &Value, within: Duration| -> Result<Value> {
        let said = socket.write_all(format!("{message}\n").as_bytes());
        said.context("the sensor does not listen")?;
        let line = line(&mut answers, within, MOST)?;
        serde_json::from_slice(&line).context("no JSON comes back")
    };
    let greeting = call(&json!({ "version": "0.2" }), TALKING)?;
    match greeting["return"] == "OK" {
        true => call(message, within),
        false => Ok(greeting),
    }
}

/// A line of `most` bytes or fewer that has come as a whole in time, however slowly it comes.
fn line(answers: &mut BufReader<UnixStream>, within: Duration, most: usize) -> Result<Vec<u8>> {
    let deadline = Instant::now() + within;
    let mut line = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("the sensor has not answered within {} s", within.as_secs_f32());
        }
        answers.get_ref().set_read_timeout(Some(left))?;
        let come = match answers.fill_buf() {
            Ok([]) => bail!("the sensor has hung up"),
            Ok(come) => come,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let end = come.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(come.len(), |end| end + 1);
        line.extend_from_slice(come.get(..taken).unwrap_or_default());
        answers.consume(taken);
        if line.len() > most {
            bail!("the sensor's answer has more than {most} bytes");
        }
        if end.is_some() {
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What a sensor that says these lines, one for each that it hears, comes to.
    fn asked(lines: &'static [&'static str], within: Duration) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let sensor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = BufReader::new(stream.try_clone().unwrap());
            for line in lines {
                let mut text = String::new();
                heard.read_line(&mut text).unwrap();
                // In two parts, as a socket may have it.
                for part in [&line[..line.len() / 2], &line[line.len() / 2..]] {
                    stream.write_all(part.as_bytes()).unwrap();
                    thread::sleep(Duration::from_millis(5));
                }
            }
            // Goes when there is more to answer, or when the other end does.
            if lines.len() < 2 || lines.last().is_some_and(|line| !line.ends_with('\n')) {
                let _ = heard.read_line(&mut String::new());
            }
        });
        let said = ask_within(&path, "version", None, within);
        sensor.join().unwrap();
        said.map_err(|trouble| match trouble {
            Trouble::Away(error) => format!("away: {error:#}"),
            Trouble::Lost(error) => format!("{error:#}"),
            Trouble::Refused(answer) => format!("control.sock: refuses: {}", answer["message"]),
        })
    }

    #[test]
    fn who_is_not_there_is_told_from_who_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let is_away = |path: &Path| match ask_within(path, "version", None, TALKING) {
            Err(Trouble::Away(_)) => true,
            Err(Trouble::Lost(_)) => false,
            other => panic!("{other:?}"),
        };
        assert!(is_away(&path), "there is no socket");
        let listener = UnixListener::bind(&path).unwrap();
        let sensor = thread::spawn(move || drop(listener.accept().unwrap()));
        assert!(!is_away(&path), "it hung up, and may have done it");
        sensor.join().unwrap();
        assert!(is_away(&path), "nobody listens any more");
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(!is_away(&folder.path().join("file/control.sock")), "it can't be reached");
    }

    const HELLO: &str = "{\"return\": \"OK\"}\n";

    #[test]
    fn answers_come_whole_and_in_time() {
        let minute = Duration::from_secs(60);
        let good = asked(&[HELLO, "{\"return\": \"OK\", \"message\": \"8.0\"}\n"], minute);
        assert_eq!(good, Ok("8.0".into()));
        let check = |lines: &'static [&'static str], within: Duration, part: &str| {
            let said = asked(lines, within).unwrap_err();
            assert!(said.contains("control.sock: ") && said.contains(part), "{said}");
        };
        check(&[HELLO, "{\"return\": \"NOK\", \"message\": \"no\"}\n"], minute, "refuses: \"no\"");
        check(&[HELLO, "nonsense\n"], minute, "no JSON comes back");
        check(&[HELLO], minute, "the sensor has hung up");
        check(&[HELLO, "{\"ret"], Duration::from_millis(80), "has not answered within 0.08 s");
    }

    #[test]
    fn long_answers_are_refused() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"0123456789\n").unwrap();
        let minute = Duration::from_secs(60);
        assert!(line(&mut BufReader::new(other.try_clone().unwrap()), minute, 20).is_ok());
        one.write_all(b"0123456789\n").unwrap();
        let said = line(&mut BufReader::new(other), minute, 5).unwrap_err().to_string();
        assert!(said.contains("more than 5 bytes"), "{said}");
    }

    #[test]
    fn a_socket_that_is_not_there_is_told() {
        let said = ask(Path::new("/nonexistent/a"), "version", None).unwrap_err();
        assert!(format!("{said:#}").starts_with("/nonexistent/a: no sensor answers"), "{said:#}");
    }
}
