//! As much of HTTP/1.1 as a sink needs: addresses, and answers read piece by piece with limits.

use httparse::Status;

const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;

/// `http://host:port/path` or `https://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// True for `https`.
    pub(crate) is_secure: bool,
    /// What the `Host` header says.
    pub(crate) host: String,
    /// `host:port`.
    pub(crate) target: String,
    /// With its query, and never empty.
    pub(crate) path: String,
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // Before anything else, and without repeating it: this goes to logs. A password may have
        // a slash or a question mark in it, and what is before it need not be an address at all.
        let start = text.find("://").map_or(0, |at| at + 3);
        let end = text.get(start..).and_then(|rest| rest.rfind('@'));
        if end.is_some_and(|end| !is_path(text.get(start..start + end).unwrap_or_default())) {
            return Err("an address has no password in it: there are settings for it".to_owned());
        }
        let (is_secure, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(format!("{text}: an address begins with http:// or https://")),
        };
        // What is asked for may be secret too.
        let text = text.split_once('?').map_or(text, |(before, _)| before);
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{text}: an address has letters of ASCII only, others as %XX"));
        }
        let start = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(start);
        let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
        let target = match behind.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
            Some(_) => return Err(format!("{text}: this is no port")),
            None => format!("{host}:{}", if is_secure { 443 } else { 80 }),
        };
        if host.is_empty() || host.starts_with(':') {
            return Err(format!("{text}: there is no host"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_secure, host: host.to_owned(), target, path })
    }
}

/// True when what is before an `@` is a host with the beginning of a path or query, and no user
/// with a password: those have a colon, and a port would be a number.
fn is_path(before: &str) -> bool {
    let Some(end) = before.find(['/', '?']) else { return false };
    let host = before.get(..end).unwrap_or_default();
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    behind.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok())
}

/// Looks at a header that somebody has put into a configuration.
///
/// # Errors
/// When it can't be one (RFC 9110, 5.1 and 5.5).
pub(crate) fn check_header(name: &str, value: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is no name of a header"));
    }
    if value.chars().any(|letter| letter.is_control() && letter != '\t') {
        return Err(format!("header {name}: its value has control characters"));
    }
    Ok(())
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: Vec<u8>,
    /// Seconds that the server wants to be left alone (`Retry-After`).
    pub(crate) retry_after: Option<u64>,
    /// The connection serves for another request.
    pub(crate) stays_open: bool,
}

impl Answer {
    /// Status and the beginning of the body, for people.
    pub(crate) fn shown(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..300).unwrap_or(&self.body));
        format!("{} {}", self.status, text.trim().replace(['\r', '\n'], " ")).trim().to_owned()
    }
}

/// Where in an answer we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilEnd,
    Done,
}

/// Reads one answer (RFC 9112).
#[derive(Debug)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    at: usize,
    place: Place,
    answer: Answer,
    limit: usize,
    /// Bytes of heads and trailers so far.
    about: usize,
}

impl Reader {
    /// Bodies may have `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let answer = Answer { status: 0, body: Vec::new(), retry_after: None, stays_open: true };
        Self { bytes: Vec::new(), at: 0, place: Place::Head, answer, limit, about: 0 }
    }

    /// True before the first byte.
    pub(crate) fn is_untouched(&self) -> bool {
        self.place == Place::Head && self.bytes.is_empty()
    }

    /// Takes in what came; the answer, once it is whole.
    ///
    /// # Errors
    /// When it is no answer, or too large.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, String> {
        self.bytes.extend_from_slice(bytes);
        while self.step()? {}
        self.bytes.drain(..self.at.min(self.bytes.len()));
        self.at = 0;
        if self.place != Place::Done {
            return Ok(None);
        }
        // Nothing was asked for that could be answered by more.
        self.answer.stays_open &= self.bytes.is_empty();
        Ok(Some(self.answer.clone()))
    }

    /// The server has ended the connection: this ends answers of unknown length.
    ///
    /// # Errors
    /// When something is missing.
    pub(crate) fn end(&mut self) -> Result<Answer, String> {
        if self.place == Place::UntilEnd {
            self.answer.stays_open = false;
            return Ok(self.answer.clone());
        }
        Err("the server has closed the connection before the end of its answer".to_owned())
    }

    /// One part of the answer; false when more has to come, or nothing is left to do.
    fn step(&mut self) -> Result<bool, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let wrong = |what: &str| Err(format!("this is no answer of HTTP: {what}"));
        match self.place {
            Place::Head => self.head(),
            Place::Length(0) | Place::Done => {
                self.place = Place::Done;
                Ok(false)
            }
            Place::UntilEnd if rest.is_empty() => Ok(false),
            Place::UntilEnd => {
                self.take(u64::MAX)?;
                Ok(false)
            }
            Place::Length(left) | Place::Chunk(left) => {
                let left = left - self.take(left)?;
                self.place = match self.place {
                    Place::Length(_) => Place::Length(left),
                    _ if left == 0 => Place::ChunkEnd,
                    _ => Place::Chunk(left),
                };
                Ok(left == 0)
            }
            Place::ChunkEnd if rest.starts_with(b"\r\n") => {
                self.at += 2;
                self.place = Place::ChunkSize;
                Ok(true)
            }
            Place::ChunkEnd if rest.len() >= 2 => wrong("a chunk's end"),
            Place::ChunkEnd => Ok(false),
            Place::ChunkSize => match httparse::parse_chunk_size(rest) {
                Ok(Status::Complete((used, size))) => {
                    self.at += used;
                    self.place = if size == 0 { Place::Trailers } else { Place::Chunk(size) };
                    Ok(true)
                }
                Ok(Status::Partial) if rest.len() < 4096 => Ok(false),
                _ => wrong("a chunk's length"),
            },
            Place::Trailers => match memchr::memchr(b'\n', rest) {
                Some(end) if self.about + end < LONGEST_HEAD => {
                    self.about += end + 1;
                    let is_last = rest.get(..end).is_some_and(|l| l.is_empty() || l == b"\r");
                    self.at += end + 1;
                    self.place = if is_last { Place::Done } else { Place::Trailers };
                    Ok(!is_last)
                }
                None if self.about + rest.len() < LONGEST_HEAD => Ok(false),
                _ => wrong("trailers that are too long"),
            },
        }
    }

    /// Moves up to `most` bytes to the body.
    fn take(&mut self, most: u64) -> Result<u64, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        if self.answer.body.len() + count > self.limit {
            return Err(format!("the answer is larger than {} bytes", self.limit));
        }
        self.answer.body.extend_from_slice(rest.get(..count).unwrap_or_default());
        self.at += count;
        Ok(count as u64)
    }

    fn head(&mut self) -> Result<bool, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let used = match response.parse(rest) {
            // Those of informational answers (1xx) before it are counted as well.
            Ok(Status::Complete(used)) if self.about + used <= LONGEST_HEAD => used,
            Ok(Status::Partial) if self.about + rest.len() < LONGEST_HEAD => return Ok(false),
            Ok(_) => return Err("the answer's head is too long".to_owned()),
            Err(error) => return Err(format!("this is no answer of HTTP: {error}")),
        };
        let status = response.code.unwrap_or_default();
        let mut length = None;
        let mut is_chunked = false;
        let mut stays_open = response.version == Some(1);
        let mut retry_after = None;
        for header in response.headers.iter() {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let has = |word: &str| value.split(',').any(|w| w.trim().eq_ignore_ascii_case(word));
            if is("content-length") {
                let number = value.parse().map_err(|_| "a content-length that is no number")?;
                if length.is_some_and(|length| length != number) {
                    return Err("two lengths of one answer".to_owned());
                }
                length = Some(number);
            } else if is("transfer-encoding") {
                is_chunked = has("chunked");
            } else if is("connection") {
                stays_open = (stays_open && !has("close")) || has("keep-alive");
            } else if is("retry-after") {
                retry_after = value.parse().ok();
            }
        }
        self.at += used;
        self.about += used;
        if (100..200).contains(&status) {
            return Ok(true);
        }
        self.answer = Answer { status, body: Vec::new(), retry_after, stays_open };
        self.place = match length {
            _ if status == 204 || status == 304 => Place::Length(0),
            _ if is_chunked => Place::ChunkSize,
            Some(length) => Place::Length(length),
            None => Place::UntilEnd,
        };
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read() {
        let check = |text: &str, wanted: Option<(bool, &str, &str)>| {
            let url = Url::parse(text).ok();
            let found = url.as_ref().map(|u| (u.is_secure, u.target.as_str(), u.path.as_str()));
            assert_eq!(found, wanted, "{text}");
        };
        check("http://a", Some((false, "a:80", "/")));
        check("https://a/b?c", Some((true, "a:443", "/b?c")));
        check("https://a:1?c", Some((true, "a:1", "/?c")));
        check("http://[::1]:9200/", Some((false, "[::1]:9200", "/")));
        check("http://[::1]", Some((false, "[::1]:80", "/")));
        for wrong in ["", "a:1", "ftp://a", "http://", "http://a:b", "http://u:p@a", "http://a b"] {
            check(wrong, None);
        }
    }

    #[test]
    fn passwords_in_addresses_are_not_shown() {
        let check = |text: &str, has_password: bool| {
            let shown = Url::parse(text).err().unwrap_or_default();
            assert_eq!(shown.contains("no password in it"), has_password, "{text}: {shown}");
            assert!(!shown.contains("unter"), "{shown}");
        };
        check("https://user:hünter@host", true);
        check("https://user:hunter@host", true);
        check("https://user:h/unter@host", true);
        check("https://user:h?unter@host", true);
        check("https://h unter@host", true);
        check("user:hunter@host", true);
        check("ftp://user:hunter@host", true);
        check("https://host/p@q", false);
        check("https://[::1]:80/p@q", false);
        check("https://host:x?key=hunter", false);
        assert_eq!(Url::parse("http://a/p@q").unwrap().path, "/p@q");
    }

    #[test]
    fn answers_without_end_are_given_up() {
        let check = |start: &str, part: &str, says: &str| {
            let mut reader = Reader::new(1000);
            assert_eq!(reader.push(start.as_bytes()), Ok(None));
            let mut sent = 0;
            let why = loop {
                match reader.push(part.as_bytes()) {
                    Ok(answer) => assert_eq!(answer, None),
                    Err(why) => break why,
                }
                sent += part.len();
                assert!(sent <= LONGEST_HEAD, "no end of {part:?}");
            };
            assert!(why.contains(says), "{why}");
        };
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        check(chunked, "X: y\r\n", "trailers that are too long");
        check(chunked, &format!("X: {}\r\n", "y".repeat(30_000)), "trailers that are too long");
        check("", "HTTP/1.1 100 \r\nX: y\r\n\r\n", "head is too long");
    }

    fn read(bytes: &[u8], size: usize, limit: usize) -> Result<Answer, String> {
        let mut reader = Reader::new(limit);
        for piece in bytes.chunks(size) {
            if let Some(answer) = reader.push(piece)? {
                return Ok(answer);
            }
        }
        reader.end()
    }

    #[test]
    fn answers_are_read_in_any_pieces() {
        let check = |text: &str, wanted: Option<(u16, &str, bool)>| {
            for size in [1, 2, 3, 7, 1000] {
                let answer = read(text.as_bytes(), size, 20).ok();
                let body = answer.as_ref().map(|a| String::from_utf8_lossy(&a.body).into_owned());
                let found = answer.zip(body);
                let found = found.as_ref().map(|(a, b)| (a.status, b.as_str(), a.stays_open));
                assert_eq!(found, wanted, "{text} by {size}");
            }
        };
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", Some((200, "abc", true)));
        check("HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n", Some((204, "", true)));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = "3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
        check(&format!("{chunked}{chunks}"), Some((200, "abc0123456789", true)));
        check(&format!("{chunked}3\r\nabcd"), None);
        check(&format!("{chunked}3\r\nab"), None);
        check("HTTP/1.0 500 no\r\n\r\nbody", Some((500, "body", false)));
        let closes = "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        check(closes, Some((200, "", false)));
        check("HTTP/1.1 200 \r\nContent-Length: 21\r\n\r\n012345678901234567890", None);
        check("HTTP/1.1 200 \r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", None);
        check("HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nabc", None);
        check("+PONG\r\n", None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, 7, 100);
            let mut all = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            all.extend(bytes);
            let _ = read(&all, 7, 100);
        }
    }
}
