//! A connection with one request under way, and the servers that it may go to.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::backoff::Backoff;
use crate::dial::Dialer;
use crate::http::{Answer, Reader, Url, check_header};
use crate::reach::Reach;
use crate::secret::Secret;
use crate::sink::{Health, Trouble};
use crate::stream::Stream;

use super::super::Surroundings;
use super::Settings;
use super::job::{Format, Job};

/// A server is left alone no longer than this, whatever it asks for.
const LONGEST: Duration = Duration::from_secs(300);

/// A request waits no longer than this for its connection if another one can take it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads in a row from a connection that has always more, before others have their turn.
const READS: usize = 64;

/// What a request is about.
#[derive(Debug)]
pub(super) enum Work {
    Records(Job),
    /// Which batches this server has acknowledged.
    Acknowledgements(usize),
}

/// The servers, and who we are for them.
pub(super) struct Servers {
    urls: Vec<Url>,
    plain: Dialer,
    secure: Option<Dialer>,
    login: Login,
    headers: Vec<u8>,
    gzip: bool,
    timeout: Duration,
    answer_limit: usize,
    /// Those that are left alone.
    aside: Vec<Option<Aside>>,
    /// To those a connection takes long to be made.
    slow: Vec<bool>,
    /// Records that were sent once more while nobody knows what became of the first time.
    again: u64,
    /// Requests that were written, and attempts that failed.
    pub(super) requests: u64,
    pub(super) troubles: u64,
    /// How long each is left alone next time.
    backoffs: Vec<Backoff>,
}

/// Why a server is left alone.
#[derive(Clone, Debug)]
struct Aside {
    until: Instant,
    since: SystemTime,
    why: Trouble,
}

enum Login {
    None,
    Basic(String, Secret),
    /// The word before the secret.
    Token(&'static str, Secret),
}

impl Servers {
    pub(super) fn new(settings: &Settings, around: &Surroundings) -> Result<Self, String> {
        let urls: Result<Vec<_>, _> = settings.urls.iter().map(|url| Url::parse(url)).collect();
        let urls = urls.map_err(|error| format!("http: {error}"))?;
        if urls.is_empty() {
            return Err("http: urls has no address".to_owned());
        }
        let timeout = settings.timeout.0;
        let plain = Dialer::new(&around.network, None, timeout)?.telling(&around.activity);
        let secure = if urls.iter().any(|url| url.is_secure) {
            let tls = settings.tls.clone().unwrap_or_default();
            let secure = Dialer::new(&around.network, Some(&tls), timeout)?;
            Some(secure.telling(&around.activity))
        } else if settings.tls.is_some() {
            return Err("http: tls is set, but no address begins with https://".to_owned());
        } else {
            None
        };
        let mut headers = Vec::new();
        for (name, value) in &settings.headers {
            check_header(name, value).map_err(|why| format!("http: {why}"))?;
            let is_own = ["host", "content-length", "content-encoding", "transfer-encoding"]
                .contains(&name.to_ascii_lowercase().as_str());
            if is_own {
                return Err(format!("http: {name} can't be a further header"));
            }
            header(&mut headers, name, value);
        }
        Ok(Self {
            aside: vec![None; urls.len()],
            slow: vec![false; urls.len()],
            again: 0,
            requests: 0,
            troubles: 0,
            backoffs: (0..urls.len() as u64).map(|at| Backoff::new(seed(at))).collect(),
            urls,
            plain,
            secure,
            login: login(settings, &around.reach)?,
            headers,
            gzip: settings.gzip,
            timeout,
            answer_limit: usize::try_from(settings.answer_limit.0).unwrap_or(usize::MAX),
        })
    }

    pub(super) fn name(&self, server: usize) -> String {
        self.urls.get(server).map_or(String::new(), |url| format!("http {}", url.target))
    }

    /// Leaves a server alone for as long as it asks for, else longer each time.
    pub(super) fn set_aside(&mut self, server: usize, seconds: Option<u64>, why: Trouble) {
        self.troubles += 1;
        let (Some(place), Some(backoff)) =
            (self.aside.get_mut(server), self.backoffs.get_mut(server))
        else {
            return;
        };
        let time = match seconds {
            Some(seconds) => Duration::from_secs(seconds).min(LONGEST),
            None if why.is_lasting => backoff.longest(),
            None => backoff.wait(),
        };
        let since = place.as_ref().map_or_else(SystemTime::now, |aside| aside.since);
        *place = Some(Aside { until: Instant::now() + time, since, why });
    }

    /// What to look at when a server does not want us.
    pub(super) fn hint(&self, status: u16) -> &'static str {
        match (status, &self.login) {
            (401 | 403, Login::None) => {
                " (it wants to know who we are: set username and password, bearer or api-key)"
            }
            (401 | 403, Login::Basic(..)) => " (look at username and password)",
            (401 | 403, Login::Token("Bearer", _)) => " (look at bearer)",
            (401 | 403, Login::Token("ApiKey", _)) => " (look at api-key)",
            (401 | 403, Login::Token(..)) => " (look at hec.token)",
            _ => "",
        }
    }

    /// A server has taken a request.
    pub(super) fn praise(&mut self, server: usize) {
        if let Some(place) = self.aside.get_mut(server) {
            *place = None;
        }
        if let Some(backoff) = self.backoffs.get_mut(server) {
            backoff.succeeded();
        }
    }

    /// Records that were sent once more while nobody knows what became of the first time.
    pub(super) fn again(&self) -> u64 {
        self.again
    }

    /// Down when the last request to each of them failed.
    pub(super) fn health(&self) -> Health {
        let mut down = Health::Up;
        for aside in &self.aside {
            let Some(Aside { since, why, .. }) = aside else { return Health::Up };
            down = Health::Down { since: *since, trouble: why.clone() };
        }
        down
    }

    /// How long until a server may be tried again; none when one may be now.
    pub(super) fn rest(&self) -> Option<Duration> {
        let now = Instant::now();
        let left = |aside: &Option<Aside>| {
            aside.as_ref().map_or(Duration::ZERO, |one| one.until.saturating_duration_since(now))
        };
        self.aside.iter().map(left).min().filter(|rest| !rest.is_zero())
    }

    /// The first server from `home` on that is not left alone, a slow one only if there is no
    /// other.
    fn pick(&self, home: usize) -> Option<usize> {
        let now = Instant::now();
        let count = self.urls.len();
        let is_left_alone = |server: &usize| matches!(self.aside.get(*server), Some(Some(aside)) if aside.until > now);
        let all = (0..count).map(|step| (home + step) % count);
        let is_slow = |server: &usize| self.slow.get(*server) == Some(&true);
        let mut quick = all.clone().filter(|server| !is_slow(server));
        let found = quick.find(|server| !is_left_alone(server));
        found.or_else(|| all.into_iter().find(|server| !is_left_alone(server)))
    }

    /// Begins to connect, in a thread: it may take as long as a time-out, for each address of a
    /// name, and the other servers must not wait.
    fn dial(&self, server: usize) -> Result<Dialing, Trouble> {
        let Some(url) = self.urls.get(server) else { return Err(Trouble::lasting("no server")) };
        let dialer = if url.is_secure { self.secure.as_ref() } else { None };
        let (dialer, target) = (dialer.unwrap_or(&self.plain).clone(), url.target.clone());
        let (sender, outcome) = mpsc::sync_channel(1);
        let work = move || {
            // Nobody waits for it any more when this fails.
            let _ = sender.send(dialer.connect(&target));
        };
        match thread::Builder::new().name("http".to_owned()).spawn(work) {
            Ok(_) => Ok(Dialing { server, outcome, since: Instant::now() }),
            Err(error) => Err(Trouble::passing(format!("{}: no thread: {error}", url.target))),
        }
    }

    /// The header that says who we are.
    fn authorization(&self) -> Result<Vec<u8>, Trouble> {
        let value = match &self.login {
            Login::None => return Ok(Vec::new()),
            Login::Basic(user, password) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()?)))
            }
            Login::Token(word, token) => format!("{word} {}", token.reveal()?),
        };
        if value.chars().any(char::is_control) {
            return Err(Trouble::lasting("http: a token has control characters in it"));
        }
        let mut out = Vec::new();
        header(&mut out, "Authorization", &value);
        Ok(out)
    }

    fn request(
        &self,
        work: &Work,
        url: &Url,
        authorization: &[u8],
        format: &dyn Format,
    ) -> Result<Vec<u8>, Trouble> {
        let (path, mut body) = match work {
            Work::Records(job) => (format.path(&url.path), format.body(&job.text)),
            Work::Acknowledgements(server) => format.question(*server, &url.path),
        };
        let gzip = self.gzip && matches!(work, Work::Records(_));
        if gzip {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let packed = encoder.write_all(&body).and_then(|()| encoder.finish());
            body = packed.map_err(|error| Trouble::passing(format!("gzip: {error}")))?;
        }
        let mut out = Vec::with_capacity(body.len() + 1024);
        out.extend_from_slice(format!("POST {path} HTTP/1.1\r\n").as_bytes());
        header(&mut out, "Host", &url.host);
        header(&mut out, "User-Agent", "bateleur");
        header(&mut out, "Content-Type", format.content_type());
        header(&mut out, "Content-Length", &body.len().to_string());
        if gzip {
            header(&mut out, "Content-Encoding", "gzip");
        }
        out.extend_from_slice(authorization);
        format.headers(&body, &mut out)?;
        out.extend_from_slice(&self.headers);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        Ok(out)
    }
}

fn login(settings: &Settings, reach: &Reach) -> Result<Login, String> {
    let of = |name: &str, text, file| Secret::of(reach, &format!("http: {name}"), text, file);
    let s = settings;
    let password = of("password", s.password.as_ref(), s.password_file.as_ref())?;
    let bearer = of("bearer", s.bearer.as_ref(), s.bearer_file.as_ref())?;
    let key = of("api-key", s.api_key.as_ref(), s.api_key_file.as_ref())?;
    let mut all = Vec::new();
    match (&s.username, password) {
        (Some(user), Some(password)) => all.push(Login::Basic(user.clone(), password)),
        (None, None) => {}
        _ => return Err("http: username and password go together".to_owned()),
    }
    all.extend(bearer.map(|token| Login::Token("Bearer", token)));
    all.extend(key.map(|token| Login::Token("ApiKey", token)));
    if let Some(hec) = &s.hec {
        all.push(Login::Token("Splunk", hec.token(reach)?));
    }
    if all.len() > 1 {
        return Err("http: there is more than one way to sign in".to_owned());
    }
    Ok(all.pop().unwrap_or(Login::None))
}

pub(super) fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A connection.
pub(super) struct Lane {
    /// The server that it goes to when all are well.
    home: usize,
    server: usize,
    pub(super) stream: Option<Stream>,
    authorization: Vec<u8>,
    /// The connection has served a request before.
    is_used: bool,
    pub(super) work: Option<Work>,
    reader: Reader,
    deadline: Instant,
    dialing: Option<Dialing>,
}

/// A connection that is being made.
struct Dialing {
    server: usize,
    outcome: Receiver<Result<Stream, Trouble>>,
    since: Instant,
}

impl Lane {
    pub(super) fn new(home: usize) -> Self {
        Self {
            home,
            server: home,
            stream: None,
            authorization: Vec::new(),
            is_used: false,
            work: None,
            reader: Reader::new(0),
            deadline: Instant::now(),
            dialing: None,
        }
    }

    /// True when it may get a request.
    pub(super) fn is_idle(&self) -> bool {
        self.work.is_none() && self.dialing.is_none()
    }

    /// True while it is being connected, to this server or to any.
    pub(super) fn is_dialing(&self, server: Option<usize>) -> bool {
        let dialing = self.dialing.as_ref();
        dialing.is_some_and(|dialing| server.is_none_or(|server| server == dialing.server))
    }

    /// Records that wait for its connection, and were not sent to another server before.
    pub(super) fn unsent(&self) -> usize {
        match &self.work {
            Some(Work::Records(job)) if self.dialing.is_some() => job.unsent(),
            _ => 0,
        }
    }

    /// Looks whether it has been connected.
    pub(super) fn collect(&mut self, servers: &mut Servers) {
        let Some(dialing) = &self.dialing else { return };
        let server = dialing.server;
        let outcome = match dialing.outcome.try_recv() {
            // Who we are is read for each connection: passwords and tokens may change.
            Ok(outcome) => outcome.and_then(|stream| Ok((stream, servers.authorization()?))),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                Err(Trouble::passing(format!("{}: connecting ended early", servers.name(server))))
            }
        };
        self.dialing = None;
        if let Some(slow) = servers.slow.get_mut(server) {
            *slow = false;
        }
        match outcome {
            Ok((stream, authorization)) => {
                (self.stream, self.authorization) = (Some(stream), authorization);
                (self.server, self.is_used) = (server, false);
            }
            Err(trouble) => servers.set_aside(server, None, trouble),
        }
    }

    /// Sends a request to the first server that takes it. Gives it back when all are left alone,
    /// or the one that it is for can't be reached.
    pub(super) fn send(
        &mut self,
        mut work: Work,
        servers: &mut Servers,
        format: &dyn Format,
    ) -> Result<(), Work> {
        loop {
            let server = match &work {
                Work::Acknowledgements(server) => *server,
                Work::Records(_) => match servers.pick(self.home) {
                    Some(server) => server,
                    None => return Err(work),
                },
            };
            if self.server != server {
                self.drop_stream();
            }
            let outcome = self.write(&work, server, servers, format).and_then(|is_written| {
                if !is_written {
                    self.dialing = Some(servers.dial(server)?);
                }
                Ok(is_written)
            });
            match outcome {
                Ok(true) => {
                    self.reader = Reader::new(servers.answer_limit);
                    self.deadline = Instant::now() + servers.timeout;
                    servers.requests += 1;
                    if let Work::Records(job) = &mut work
                        && std::mem::take(&mut job.is_doubtful)
                    {
                        servers.again += job.len() as u64;
                    }
                }
                // It is sent once the connection is made.
                Ok(false) => {}
                Err(trouble) => {
                    self.drop_stream();
                    servers.set_aside(server, None, trouble);
                    if matches!(work, Work::Acknowledgements(_)) {
                        return Err(work);
                    }
                    continue;
                }
            }
            self.work = Some(work);
            return Ok(());
        }
    }

    /// Writes a request; false when there is no connection, or no longer.
    fn write(
        &mut self,
        work: &Work,
        server: usize,
        servers: &Servers,
        format: &dyn Format,
    ) -> Result<bool, Trouble> {
        let Some(stream) = self.stream.as_mut() else { return Ok(false) };
        let Some(url) = servers.urls.get(server) else { return Ok(false) };
        let request = servers.request(work, url, &self.authorization, format)?;
        match stream.write_all(&request).and_then(|()| stream.flush()) {
            Ok(()) => Ok(true),
            // A connection that was kept may have been closed meanwhile.
            Err(_) if self.is_used => {
                self.drop_stream();
                Ok(false)
            }
            // It may have answered already, and wants no more of the body.
            Err(error) if is_cut_off(&error) => Ok(true),
            Err(error) => Err(Trouble::passing(format!("http {}: {error}", url.target))),
        }
    }

    /// Sends the request that waited for a connection. Gives it back when the connection takes
    /// long, while that goes on: another one may be quicker.
    fn go_on(&mut self, servers: &mut Servers, format: &dyn Format) -> Result<(), Work> {
        self.collect(servers);
        if let Some(dialing) = &self.dialing {
            if dialing.since.elapsed() < PATIENCE {
                return Ok(());
            }
            if let Some(slow) = servers.slow.get_mut(dialing.server) {
                *slow = true;
            }
            return self.work.take().map_or(Ok(()), Err);
        }
        match self.work.take() {
            // That server can't be reached, and no other one knows.
            Some(work @ Work::Acknowledgements(_)) if self.stream.is_none() => Err(work),
            Some(work) => self.send(work, servers, format),
            None => Ok(()),
        }
    }

    /// The answer, if it is there, with what it is the answer to, and whose. Gives a request back
    /// that no server takes now.
    pub(super) fn receive(
        &mut self,
        servers: &mut Servers,
        format: &dyn Format,
    ) -> Result<Option<(Answer, Work, usize)>, Work> {
        if self.dialing.is_some() {
            return self.go_on(servers, format).map(|()| None);
        }
        let mut buffer = [0; 16 * 1024];
        for _ in 0..READS {
            if self.work.is_none() {
                break;
            }
            let Some(stream) = self.stream.as_mut() else { break };
            let result = match stream.read_within(&mut buffer, Duration::ZERO) {
                Ok(Some(0)) => self.reader.end().map(Some),
                Ok(Some(count)) => self.reader.push(buffer.get(..count).unwrap_or_default()),
                Ok(None) if Instant::now() < self.deadline => return Ok(None),
                Ok(None) => Ok(None),
                Err(error) => Err(error.to_string()),
            };
            match result {
                // Also while something comes all the time.
                Ok(None) if Instant::now() >= self.deadline => {
                    let what = format!("no answer for {:?}", servers.timeout);
                    self.fail(&what, servers, format)?;
                    return Ok(None);
                }
                Ok(None) => {}
                Ok(Some(answer)) => {
                    self.is_used = true;
                    if !answer.stays_open {
                        self.drop_stream();
                    }
                    return Ok(self.work.take().map(|work| (answer, work, self.server)));
                }
                Err(what) => {
                    self.fail(&what, servers, format)?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Sends what is under way once more: on a new connection if this was a kept one that turned
    /// out to be closed, to another server otherwise.
    fn fail(&mut self, what: &str, servers: &mut Servers, format: &dyn Format) -> Result<(), Work> {
        let was_closed = self.is_used && self.reader.is_untouched();
        self.drop_stream();
        if !was_closed || Instant::now() >= self.deadline {
            let name = servers.name(self.server);
            servers.set_aside(self.server, None, Trouble::passing(format!("{name}: {what}")));
        }
        match self.work.take() {
            Some(mut work) => {
                if let Work::Records(job) = &mut work {
                    job.is_doubtful = true;
                }
                self.send(work, servers, format)
            }
            None => Ok(()),
        }
    }

    /// The server does not want who we were for it: the next request says who we are now.
    pub(super) fn leave(&mut self, server: usize) {
        if self.server == server && self.work.is_none() {
            self.drop_stream();
        }
    }

    fn drop_stream(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.shut_down();
        }
        self.is_used = false;
    }

    pub(super) fn forget(&mut self) {
        self.drop_stream();
        self.work = None;
    }
}

/// Sensors that lost the same server do not come back all at once.
fn seed(server: u64) -> u64 {
    u64::from(std::process::id()) << 8 ^ server
}

fn is_cut_off(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
