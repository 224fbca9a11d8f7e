//! Takes multipart bodies of requests apart: parts with a file name become files.

use memchr::memmem;

use super::parameter::{parameter, without_backslashes};
use super::text::{starts_ignoring_case, trim};

/// A header line of a part that is longer is skipped.
const LINE_LIMIT: usize = 4096;

/// What happens while a multipart body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening<'a> {
    /// A part with a file name begins.
    Open(&'a [u8]),
    /// Bytes of it.
    Data(&'a [u8]),
    /// It ends.
    Close,
    /// It ends before its end.
    Cut,
    /// It ends without any data.
    NoData,
    /// A header line without colon or value.
    InvalidHeader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// In the headers of a part.
    Headers,
    /// In a header line that is too long.
    LongLine,
    /// In the data of a part.
    Data { file: bool, any: bool },
    /// Behind what is read.
    End,
}

/// A reader of one multipart body.
pub(crate) struct Multipart {
    boundary: Vec<u8>,
    state: State,
    pending: Vec<u8>,
    name: Option<Vec<u8>>,
}

/// How much of the bytes a step has used, or that it needs more of them.
enum Step {
    Used(usize),
    Wait,
}

impl Multipart {
    /// A reader for a boundary, without the dashes.
    pub(crate) fn new(boundary: &[u8]) -> Self {
        let boundary = [b"--", boundary].concat();
        Self { boundary, state: State::Preamble, pending: Vec::new(), name: None }
    }

    /// Reads more of the body.
    pub(crate) fn feed(&mut self, data: &[u8], tell: &mut dyn FnMut(Happening<'_>)) {
        let mut pending = std::mem::take(&mut self.pending);
        let rest = if pending.is_empty() {
            self.run(data, tell)
        } else {
            pending.extend_from_slice(data);
            self.run(&pending, tell)
        };
        if pending.is_empty() {
            pending.extend_from_slice(data.get(rest..).unwrap_or(&[]));
        } else {
            pending.drain(..rest.min(pending.len()));
        }
        self.pending = pending;
    }

    /// The body is at its end, or cut: so is an open part. What may be the beginning of a boundary
    /// is no data then.
    pub(crate) fn finish(&mut self, cut: bool, tell: &mut dyn FnMut(Happening<'_>)) {
        if let State::Data { file: true, .. } = self.state {
            tell(if cut { Happening::Cut } else { Happening::Close });
        }
        self.pending = Vec::new();
        self.state = State::End;
    }

    fn run(&mut self, data: &[u8], tell: &mut dyn FnMut(Happening<'_>)) -> usize {
        let mut at = 0;
        while at < data.len() {
            let rest = data.get(at..).unwrap_or(&[]);
            let step = match self.state {
                State::Preamble => self.preamble(rest),
                State::Headers => self.header(rest, tell),
                State::LongLine => self.long_line(rest),
                State::Data { file, any } => self.data(rest, file, any, tell),
                State::End => Step::Used(rest.len()),
            };
            match step {
                Step::Used(n) => at += n,
                Step::Wait => break,
            }
        }
        at
    }

    /// The line at the start, with its terminator; none: it is not complete.
    fn line(rest: &[u8]) -> Option<&[u8]> {
        memmem::find(rest, b"\r\n").and_then(|at| rest.get(..at + 2))
    }

    fn preamble(&mut self, rest: &[u8]) -> Step {
        match Self::line(rest) {
            Some(line) => {
                if line.starts_with(&self.boundary) {
                    self.begin_part();
                }
                Step::Used(line.len())
            }
            // Of a long line only the start matters.
            None if rest.len() > LINE_LIMIT && !rest.starts_with(&self.boundary) => {
                Step::Used(rest.len())
            }
            None if rest.len() > 2 * LINE_LIMIT => Step::Used(rest.len()),
            None => Step::Wait,
        }
    }

    /// Headers follow every boundary: in Suricata 8 the last one is like the others.
    fn begin_part(&mut self) {
        self.name = None;
        self.state = State::Headers;
    }

    fn header(&mut self, rest: &[u8], tell: &mut dyn FnMut(Happening<'_>)) -> Step {
        let Some(line) = Self::line(rest) else {
            if rest.len() > LINE_LIMIT {
                self.state = State::LongLine;
                return Step::Used(rest.len());
            }
            return Step::Wait;
        };
        let used = Step::Used(line.len());
        let text = super::text::chomp(line);
        if line.starts_with(&self.boundary) {
            self.begin_part();
        } else if text.is_empty() {
            self.begin_data(tell);
        } else if line.len() <= LINE_LIMIT {
            self.header_line(text, tell);
        }
        used
    }

    fn begin_data(&mut self, tell: &mut dyn FnMut(Happening<'_>)) {
        let name = self.name.take();
        if let Some(name) = &name {
            tell(Happening::Open(name));
        }
        self.state = State::Data { file: name.is_some(), any: false };
    }

    fn header_line(&mut self, text: &[u8], tell: &mut dyn FnMut(Happening<'_>)) {
        let colon = memchr::memchr(b':', text);
        let value = colon.and_then(|at| text.get(at + 1..)).map(trim).unwrap_or(&[]);
        let name = colon.and_then(|at| text.get(..at)).unwrap_or(&[]);
        if value.is_empty() {
            tell(Happening::InvalidHeader);
            return;
        }
        if starts_ignoring_case(trim(name), b"content-disposition")
            && let Some(file) = parameter(value, b"filename")
            && !file.is_empty()
        {
            let mut clean = Vec::with_capacity(file.len());
            without_backslashes(file, &mut clean);
            self.name = Some(clean);
        }
    }

    fn long_line(&mut self, rest: &[u8]) -> Step {
        match Self::line(rest) {
            Some(line) => {
                self.state = State::Headers;
                Step::Used(line.len())
            }
            None if rest.ends_with(b"\r") && rest.len() > 1 => Step::Used(rest.len() - 1),
            None if rest == b"\r" => Step::Wait,
            None => Step::Used(rest.len()),
        }
    }

    /// Data goes on until line end and boundary, or a boundary right after the headers.
    fn data(
        &mut self,
        rest: &[u8],
        file: bool,
        any: bool,
        tell: &mut dyn FnMut(Happening<'_>),
    ) -> Step {
        let Some((at, start)) = self.find_boundary(rest, any) else {
            // All but what could be the beginning of a boundary.
            let keep = self.tail(rest, any);
            let sure = rest.len() - keep;
            if sure == 0 {
                return Step::Wait;
            }
            if file {
                tell(Happening::Data(rest.get(..sure).unwrap_or(&[])));
            }
            self.state = State::Data { file, any: true };
            return Step::Used(sure);
        };
        let tail = rest.get(start..).unwrap_or(&[]);
        let long = tail.len() > LINE_LIMIT;
        let Some(line) = Self::line(tail).or(long.then_some(tail)) else {
            if at == 0 {
                return Step::Wait;
            }
            if file {
                tell(Happening::Data(rest.get(..at).unwrap_or(&[])));
            }
            self.state = State::Data { file, any: true };
            return Step::Used(at);
        };
        self.close(rest, at, file, start > 0 || any, tell);
        self.begin_part();
        Step::Used(start + line.len())
    }

    fn close(
        &self,
        rest: &[u8],
        at: usize,
        file: bool,
        any: bool,
        tell: &mut dyn FnMut(Happening<'_>),
    ) {
        if !file {
            return;
        }
        let data = rest.get(..at).unwrap_or(&[]);
        if !data.is_empty() {
            tell(Happening::Data(data));
        }
        tell(if any { Happening::Close } else { Happening::NoData });
    }

    /// Where the data ends and where the boundary begins.
    fn find_boundary(&self, rest: &[u8], any: bool) -> Option<(usize, usize)> {
        if !any && rest.starts_with(&self.boundary) {
            return Some((0, 0));
        }
        let finder = memmem::Finder::new(&self.boundary);
        finder.find_iter(rest).find_map(|at| {
            let before = rest.get(..at)?;
            Some((before.strip_suffix(b"\r\n")?.len(), at))
        })
    }

    /// Length of the end of `rest` that may be the beginning of line end and boundary.
    fn tail(&self, rest: &[u8], any: bool) -> usize {
        if !any && self.boundary.starts_with(rest) {
            return rest.len();
        }
        let most = (self.boundary.len() + 1).min(rest.len());
        let from = rest.len() - most;
        let window = rest.get(from..).unwrap_or(&[]);
        let mut tails = memchr::memchr_iter(b'\r', window).filter_map(|at| window.get(at..));
        let open = tails.find(|tail| match tail {
            [_] => true,
            [_, b'\n', after @ ..] => self.boundary.starts_with(after),
            _ => false,
        });
        open.map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::{Happening, Multipart};

    fn run(body: &[u8], cuts: &[usize]) -> String {
        let mut reader = Multipart::new(b"XX");
        let mut out = String::new();
        let mut tell = |what: Happening<'_>| {
            match what {
                Happening::Open(name) => {
                    out.push_str(&format!("[{}:", String::from_utf8_lossy(name)));
                }
                Happening::Data(data) => out.push_str(&String::from_utf8_lossy(data)),
                Happening::Close => out.push(']'),
                Happening::Cut => out.push_str("..]"),
                Happening::NoData => out.push_str("!]"),
                Happening::InvalidHeader => out.push('?'),
            };
        };
        let mut from = 0;
        for &cut in cuts.iter().chain([&body.len()]) {
            reader.feed(&body[from..cut], &mut tell);
            from = cut;
        }
        reader.finish(false, &mut tell);
        out
    }

    const DISPOSITION: &str = "Content-Disposition: form-data; name=\"f\"; filename=";

    fn check(body: &str, want: &str) {
        let body = body.replace("CD", DISPOSITION);
        assert_eq!(run(body.as_bytes(), &[]), want, "{body:?}");
        for cut in 0..body.len() {
            assert_eq!(run(body.as_bytes(), &[cut]), want, "{body:?} at {cut}");
        }
        let all: Vec<usize> = (1..body.len()).collect();
        assert_eq!(run(body.as_bytes(), &all), want, "{body:?} by bytes");
    }

    #[test]
    fn parts() {
        check("--XX\r\nCD\"a.txt\"\r\n\r\nhello\r\n--XX--\r\n", "[a.txt:hello]");
        check(
            "pre\r\n--XX\r\nCD\"a\"\r\n\r\nx\r\n\r\n--XX\r\nCDb\r\n\r\ny\r\n--XX--",
            "[a:x\r\n][b:y]",
        );
        check("--XX\r\nContent-Disposition: form-data; name=q\r\n\r\nv\r\n--XX--\r\n", "");
        check("--XX\r\nCD\"a\"\r\n\r\n--XX--\r\n", "[a:!]");
        check("--XX\r\nCD\"a\"\r\n\r\nx\r\n--X\r\n--XX--\r\n", "[a:x\r\n--X]");
        check("--XX\r\nbad\r\nCD\"a\\\"b\"\r\n\r\nx\r\n--XX--\r\n", "?[a\"b:x]");
        check("--XX\r\nCD\"a\"\r\n\r\nunfinished", "[a:unfinished]");
        check("--XX\r\nCD\"a\"\r\n\r\nx\r\n", "[a:x]");
        check("--XX\nCD\"a\"\n\nx\n--XX--\n", "");
        check("--XX\r\nCD\"\"\r\n\r\nx\r\n--XX--\r\n", "");
        check("--XX--\r\nend\r\n--XX\r\nCDb\r\n\r\ny\r\n--XX--", "?[b:y]");
    }
}
