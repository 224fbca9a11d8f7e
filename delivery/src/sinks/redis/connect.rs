//! Finds the server that takes records, by its address or by asking sentinels, and signs in.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::dial::Dialer;
use crate::secret::Secret;
use crate::sink::Trouble;
use crate::stream::Stream;

use super::super::Surroundings;
use super::resp::{self, Replies, Reply};
use super::{Settings, Verdict, judge};

/// Who we are for a server.
struct Login {
    username: Option<String>,
    password: Option<Secret>,
}

/// Makes connections to whoever is the master at present.
pub(super) struct Finder {
    dialer: Dialer,
    server: String,
    path: Option<PathBuf>,
    sentinels: Vec<String>,
    master: String,
    login: Login,
    sentinel_login: Login,
    database: u32,
    timeout: Duration,
}

impl Finder {
    pub(super) fn new(settings: &Settings, around: &Surroundings) -> Result<Self, String> {
        if settings.sentinels.is_empty() != settings.master.is_empty() {
            return Err("redis: sentinels and master go together".to_owned());
        }
        if settings.path.is_some() && (settings.tls.is_some() || !settings.sentinels.is_empty()) {
            return Err("redis: a path has neither sentinels nor tls".to_owned());
        }
        let timeout = settings.timeout.0;
        let (text, file) = (settings.password.as_ref(), settings.password_file.as_ref());
        let password = Secret::of(&around.reach, "redis: password", text, file)?;
        let text = settings.sentinel_password.as_ref();
        let file = settings.sentinel_password_file.as_ref();
        let sentinel = Secret::of(&around.reach, "redis: sentinel-password", text, file)?;
        if settings.username.is_some() && password.is_none()
            || settings.sentinel_username.is_some() && sentinel.is_none()
        {
            return Err("redis: a username needs a password".to_owned());
        }
        Ok(Self {
            dialer: Dialer::new(&around.network, settings.tls.as_ref(), timeout)?
                .telling(&around.activity),
            server: settings.server.clone(),
            path: settings.path.clone(),
            sentinels: settings.sentinels.clone(),
            master: settings.master.clone(),
            login: Login { username: settings.username.clone(), password },
            sentinel_login: Login {
                username: settings.sentinel_username.clone(),
                password: sentinel,
            },
            database: settings.database,
            timeout,
        })
    }

    /// A connection that is signed in, and the name of its server.
    pub(super) fn connect(&mut self) -> Result<(Stream, String), Trouble> {
        let server = if self.sentinels.is_empty() { self.server.clone() } else { self.ask()? };
        let (stream, name) = match &self.path {
            Some(path) => (self.dialer.connect_path(path)?, path.display().to_string()),
            None => (self.dialer.connect(&server)?, server),
        };
        let _waiting = self.dialer.waiting(format!("waiting for an answer of redis {name}"));
        let mut talk = Talk::new(stream, name, self.timeout);
        talk.sign_in(&self.login)?;
        if self.database != 0 {
            talk.ask(&[b"SELECT", self.database.to_string().as_bytes()])?;
        }
        if !self.sentinels.is_empty() {
            // During a fail-over sentinels may still name the old master.
            // Who may not ask finds out by writing.
            if let Reply::Array(Some(parts)) = talk.ask_for(&[b"ROLE"])?
                && let Some(role) = parts.first().and_then(Reply::text)
                && role != "master"
            {
                return Err(Trouble::passing(format!(
                    "redis {}: sentinels call it master, but it is {role}",
                    talk.server
                )));
            }
        }
        Ok((talk.stream, talk.server))
    }

    /// Asks one sentinel after the other who is the master; the one that answers is the first to
    /// be asked the next time.
    fn ask(&mut self) -> Result<String, Trouble> {
        let mut last = None;
        for at in 0..self.sentinels.len() {
            let Some(sentinel) = self.sentinels.get(at).cloned() else { break };
            match self.ask_sentinel(&sentinel) {
                Ok(master) => {
                    self.sentinels.swap(0, at);
                    return Ok(master);
                }
                Err(trouble) => last = Some(trouble),
            }
        }
        Err(last.unwrap_or_else(|| Trouble::lasting("redis: no sentinels are given")))
    }

    fn ask_sentinel(&self, sentinel: &str) -> Result<String, Trouble> {
        let stream = self.dialer.connect(sentinel)?;
        let _waiting = self.dialer.waiting(format!("waiting for an answer of sentinel {sentinel}"));
        let mut talk = Talk::new(stream, format!("sentinel {sentinel}"), self.timeout);
        talk.sign_in(&self.sentinel_login)?;
        let name = self.master.as_bytes();
        let reply = talk.ask(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name])?;
        talk.stream.shut_down();
        match &reply {
            Reply::Array(Some(parts)) => match parts.as_slice() {
                [host, port] => match (host.text(), port.text()) {
                    (Some(host), Some(port)) if host.contains(':') => {
                        Ok(format!("[{host}]:{port}"))
                    }
                    (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
                    _ => Err(talk.trouble("an address without text")),
                },
                _ => Err(talk.trouble("an address of other than two parts")),
            },
            Reply::Array(None) | Reply::Bulk(None) => Err(Trouble::lasting(format!(
                "redis {}: it knows no master {} (redis.master)",
                talk.server, self.master
            ))),
            _ => Err(talk.trouble("an answer that is no address")),
        }
    }
}

/// Questions with one answer each, before records flow.
struct Talk {
    stream: Stream,
    server: String,
    replies: Replies,
    timeout: Duration,
}

impl Talk {
    fn new(stream: Stream, server: String, timeout: Duration) -> Self {
        Self { stream, server, replies: Replies::default(), timeout }
    }

    fn sign_in(&mut self, login: &Login) -> Result<(), Trouble> {
        let Some(password) = &login.password else { return Ok(()) };
        let password = password.reveal()?;
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend(login.username.as_ref().map(String::as_bytes));
        words.push(password.as_bytes());
        let Reply::Error(why) = self.ask_for(&words)? else { return Ok(()) };
        // Servers repeat what they do not understand, and this ends up in logs: only the code.
        let code = why.split(' ').next().unwrap_or_default();
        let is_code = code.len() <= 20 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let what = format!(
            "redis {}: it refuses AUTH{}",
            self.server,
            if is_code { format!(" ({code})") } else { String::new() }
        );
        match judge(&why) {
            Verdict::Passing => Err(Trouble::passing(what)),
            _ => Err(Trouble::lasting(what)),
        }
    }

    /// An answer that is no error.
    fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, Trouble> {
        match self.ask_for(words)? {
            // Whatever is wrong with who we are or what we choose stays wrong.
            Reply::Error(why) if judge(&why) == Verdict::Passing => Err(self.trouble(&why)),
            Reply::Error(why) => Err(Trouble::lasting(format!("redis {}: {why}", self.server))),
            reply => Ok(reply),
        }
    }

    fn ask_for(&mut self, words: &[&[u8]]) -> Result<Reply, Trouble> {
        let mut text = Vec::new();
        resp::command(&mut text, words);
        let written = self.stream.write_all(&text).and_then(|()| self.stream.flush());
        written.map_err(|error| self.trouble(&error.to_string()))?;
        let end = Instant::now() + self.timeout;
        let mut buffer = [0; 4096];
        loop {
            match self.replies.next() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(error) => {
                    return Err(Trouble::lasting(format!("redis {}: {error}", self.server)));
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.trouble("it does not answer"));
            }
            match self.stream.read_within(&mut buffer, left) {
                Ok(Some(0)) => return Err(self.trouble("it has closed the connection")),
                Ok(Some(count)) => self.replies.push(buffer.get(..count).unwrap_or_default()),
                Ok(None) => {}
                Err(error) => return Err(self.trouble(&error.to_string())),
            }
        }
    }

    fn trouble(&self, what: &str) -> Trouble {
        Trouble::passing(format!("redis {}: {what}", self.server))
    }
}
