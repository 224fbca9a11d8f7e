//! Single requests over the event network, for those who have something to send now and then.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::dial::Dialer;
use crate::http::{Reader, Url, check_header};
use crate::network::Network;
use crate::secret::Hidden;
use crate::sink::Trouble;
use crate::stream::{Stream, TlsSettings};

/// Bytes of an answer, at most.
const ANSWER: usize = 64 << 10;

/// Sends bodies to one address.
#[derive(Debug)]
pub struct Poster {
    url: Url,
    dialer: Dialer,
    headers: BTreeMap<String, Hidden>,
    timeout: Duration,
}

impl Poster {
    /// To `http://host:port/path`, or `https://…`, with further headers.
    ///
    /// # Errors
    /// With what is wrong with the address, a header, or TLS.
    pub fn new(
        address: &str,
        network: &Network,
        headers: BTreeMap<String, Hidden>,
        tls: Option<&TlsSettings>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let url = Url::parse(address)?;
        for (name, value) in &headers {
            check_header(name, value.text())?;
        }
        let usual = TlsSettings::default();
        let tls = url.is_secure.then(|| tls.unwrap_or(&usual));
        let dialer = Dialer::new(network, tls, timeout)?;
        Ok(Self { url, dialer, headers, timeout })
    }

    /// Sends a body on a connection of its own and waits until it is accepted.
    ///
    /// # Errors
    /// When it can't be sent, is not answered in time, or is refused.
    pub fn post(&self, kind: &str, body: &[u8]) -> Result<(), Trouble> {
        let mut stream = self.dialer.connect(&self.url.target)?;
        let sent = stream.write_all(&self.request(kind, body)).and_then(|()| stream.flush());
        // A server that refuses may answer before it has read everything.
        if let Err(error) = sent
            && !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        {
            return Err(self.dialer.explain(&self.url.target, &error));
        }
        let answer = self.answer(&mut stream);
        stream.shut_down();
        let trouble = |what: String| format!("{}: {what}", self.url.target);
        let answer = answer.map_err(|what| Trouble::passing(trouble(what)))?;
        match answer.status {
            200..=299 => Ok(()),
            // RFC 9110: the others of 4xx stay wrong however often they are repeated.
            408 | 429 | 500..=599 => Err(Trouble::passing(trouble(answer.shown()))),
            _ => Err(Trouble::lasting(trouble(answer.shown()))),
        }
    }

    fn request(&self, kind: &str, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len() + 512);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bateleur\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\nConnection: close\r\n",
            self.url.path,
            self.url.host,
            body.len()
        );
        out.extend_from_slice(head.as_bytes());
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {}\r\n", value.text()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        out
    }

    fn answer(&self, stream: &mut Stream) -> Result<crate::http::Answer, String> {
        let (mut reader, deadline) = (Reader::new(ANSWER), Instant::now() + self.timeout);
        let mut buffer = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("no answer for {:?}", self.timeout));
            }
            match stream.read_within(&mut buffer, left) {
                Ok(Some(0)) => return reader.end(),
                Ok(Some(count)) => {
                    let came = buffer.get(..count).unwrap_or_default();
                    if let Some(answer) = reader.push(came)? {
                        return Ok(answer);
                    }
                }
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What a server hears that answers with `answer`, and what came of it.
    fn exchange(answer: &'static str) -> (String, Result<(), Trouble>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1/metrics", server.local_addr().unwrap());
        let headers = serde_json::from_str(r#"{"X-Key": "secret"}"#).unwrap();
        let wait = Duration::from_millis(300);
        let poster = Poster::new(&address, &Network::default(), headers, None, wait).unwrap();
        assert!(!format!("{poster:?}").contains("secret"));
        let heard = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 1000]);
            while !text.ends_with("{}") {
                let count = stream.read(&mut buffer).unwrap();
                text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
            if answer.is_empty() {
                thread::sleep(2 * wait);
            }
            text
        });
        let result = poster.post("application/json", b"{}");
        (heard.join().unwrap(), result)
    }

    #[test]
    fn bodies_are_sent_and_answers_judged() {
        let (heard, result) = exchange("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(result, Ok(()));
        assert!(heard.starts_with("POST /v1/metrics HTTP/1.1\r\nHost: 127.0.0.1:"), "{heard}");
        assert!(heard.contains("\r\nX-Key: secret\r\n") && heard.contains("Content-Length: 2\r\n"));
        let check = |answer, is_lasting, says: &str| {
            let trouble = exchange(answer).1.unwrap_err();
            assert!(trouble.what.contains(says), "{trouble}");
            assert_eq!(trouble.is_lasting, is_lasting, "{trouble}");
        };
        check("HTTP/1.1 503 busy\r\nContent-Length: 0\r\n\r\n", false, "503");
        check("HTTP/1.1 401 no\r\nContent-Length: 3\r\n\r\nwho", true, "401 who");
        check("SSH-2.0-x\r\n", false, "127.0.0.1");
        check("", false, "no answer for 300ms");
    }

    #[test]
    fn mistakes_are_refused() {
        let check = |address: &str, headers: &str, says: &str| {
            let headers = serde_json::from_str(headers).unwrap();
            let network = Network::default();
            let made = Poster::new(address, &network, headers, None, Duration::from_secs(1));
            let why = made.unwrap_err();
            assert!(why.contains(says), "{why}");
        };
        check("host:4318", "{}", "begins with http");
        check("http://h", r#"{"a b": "c"}"#, "no name of a header");
        check("http://h", r#"{"a": "c\r\nd: e"}"#, "control characters");
    }
}
