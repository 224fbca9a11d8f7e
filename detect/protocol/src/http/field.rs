//! Cuts header blocks into fields: line ends, folding and the end of the block as Suricata 8
//! reads them, in requests and in responses.

use memchr::{memchr, memchr2, memchr3};
use smallvec::SmallVec;

use super::text::{is_token, is_token_byte};

/// One field of a header block; positions are within the scanned bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    /// The name, untrimmed.
    pub(crate) name: (usize, usize),
    /// There was a colon after the name.
    pub(crate) colon: bool,
    /// The value's lines; from the second on they begin with the folding byte.
    pub(crate) parts: SmallVec<[(usize, usize); 2]>,
    /// One of its line ends was deformed.
    pub(crate) deformed: bool,
    /// Where the next field begins.
    pub(crate) end: usize,
}

/// What stands at the start of the scanned bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// That can't be told yet.
    More,
    /// A field.
    Field(Field),
    /// The end of the block, so many bytes long.
    End(usize),
}

/// A line end and what kind of line follows.
struct LineEnd {
    len: usize,
    deformed: bool,
    folded: bool,
}

/// Folds that one field may have; a line after that is a field of its own.
const FOLDS: usize = 128;

const fn is_fold(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0)
}

/// Scans one field. `response` selects the grammar, `first` tells that no field came before.
pub(crate) fn scan(data: &[u8], response: bool, first: bool) -> Scan {
    match block_end(data, response, first) {
        None => return Scan::More,
        Some(0) => {}
        Some(len) => return Scan::End(len),
    }
    let mut field = Field::default();
    let Some(value) = name(data, response, &mut field) else { return Scan::More };
    let mut at = value;
    loop {
        let Some(stop) = line_stop(data, at, response) else {
            return Scan::More;
        };
        let Some(end) = line_end(data, stop, response) else { return Scan::More };
        let empty_fold = response
            && !field.parts.is_empty()
            && data.get(at..stop).is_some_and(|line| line.iter().all(|&b| is_fold(b)));
        field.parts.push((at, stop));
        field.deformed |= end.deformed;
        field.end = stop + end.len;
        let next = data.get(field.end);
        if empty_fold && end.len == 1 && !matches!(next, None | Some(b'\r' | b'\n' | b' ' | b'\t'))
        {
            // `LF HT LF` before anything else ends the block in Suricata 8.
            field.end = stop;
            return Scan::Field(field);
        }
        if !end.folded || field.parts.len() > FOLDS {
            return Scan::Field(field);
        }
        at = field.end;
    }
}

/// Length of the end of the block at the start of `data`; 0: a field is there; none: not known.
fn block_end(data: &[u8], response: bool, first: bool) -> Option<usize> {
    match (data.first(), data.get(1)) {
        (None, _) => None,
        // Before the first field only CR LF ends the block.
        (Some(b'\n'), _) if first => Some(0),
        (Some(b'\n'), next) => {
            // `LF CR` is one line end in responses.
            Some(if response && next == Some(&b'\r') { 2 } else { 1 })
        }
        (Some(b'\r'), Some(b'\n')) => Some(2),
        (Some(b'\r'), None) => None,
        // A lone CR ends the block of a response, as Suricata 8 reads it; but not before the first
        // field, where it begins a name.
        (Some(b'\r'), _) if response && !first => Some(1),
        _ => Some(0),
    }
}

/// Position of the byte that ends the line.
fn line_stop(data: &[u8], at: usize, response: bool) -> Option<usize> {
    let rest = data.get(at..)?;
    if response {
        return memchr2(b'\r', b'\n', rest).map(|n| at + n);
    }
    let lf = at + memchr(b'\n', rest)?;
    if lf > at && data.get(lf - 1) == Some(&b'\r') { Some(lf - 1) } else { Some(lf) }
}

/// Finds the name; returns where the value begins. None: more bytes are needed.
fn name(data: &[u8], response: bool, field: &mut Field) -> Option<usize> {
    let found =
        if response { memchr3(b':', b'\r', b'\n', data) } else { memchr2(b':', b'\n', data) };
    let stop = found?;
    if data.get(stop) == Some(&b':') {
        field.name = (0, stop);
        field.colon = true;
        return Some(after_colon(data, stop));
    }
    if !response {
        return Some(0);
    }
    // A response's name may go on in the next line when that begins with blanks and the colon.
    let mut at = stop;
    loop {
        let len = match (data.get(at), data.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(_), _) => 1,
            (None, _) => return None,
        };
        let blanks = at + len;
        let skipped = data.iter().skip(blanks).take_while(|&&b| b == b' ' || b == b'\t').count();
        at = blanks + skipped;
        match data.get(at) {
            None => return None,
            Some(_) if skipped == 0 => return Some(0),
            Some(b':') => {
                field.name = (0, at);
                field.colon = true;
                return Some(after_colon(data, at));
            }
            Some(b'\r' | b'\n') => {}
            Some(_) => return Some(0),
        }
    }
}

fn after_colon(data: &[u8], colon: usize) -> usize {
    let blanks = data.iter().skip(colon + 1).take_while(|&&b| b == b' ' || b == b'\t').count();
    colon + 1 + blanks
}

/// Reads the line end at `at`; none: what follows must be known first.
fn line_end(data: &[u8], at: usize, response: bool) -> Option<LineEnd> {
    if response { response_line_end(data, at) } else { request_line_end(data, at) }
}

fn request_line_end(data: &[u8], at: usize) -> Option<LineEnd> {
    let len = if data.get(at) == Some(&b'\r') { 2 } else { 1 };
    let rest = data.get(at + len..)?;
    let (extra, deformed) = deformed_empty_line(rest);
    if deformed {
        return Some(LineEnd { len: len + extra, deformed, folded: false });
    }
    match rest.first() {
        None => None,
        next => Some(LineEnd { len, deformed: false, folded: next.is_some_and(|&b| is_fold(b)) }),
    }
}

/// After LF: `CR CR LF` before LF or CR LF, and `CR` before CR LF, belong to the line end.
fn deformed_empty_line(rest: &[u8]) -> (usize, bool) {
    match rest {
        [b'\r', b'\r', b'\n', b'\n', ..] | [b'\r', b'\r', b'\n', b'\r', b'\n', ..] => (3, true),
        [b'\r', b'\r', b'\n', ..] => (1, true),
        _ => (0, false),
    }
}

fn response_line_end(data: &[u8], at: usize) -> Option<LineEnd> {
    let byte = *data.get(at)?;
    let mut len = 1;
    if byte == b'\r' {
        match data.get(at + 1) {
            Some(b'\n') => {
                len = 2;
                match empty_folding(data.get(at + 2..).unwrap_or(&[]))? {
                    0 => {}
                    extra => {
                        return Some(LineEnd { len: 2 + extra, deformed: true, folded: false });
                    }
                }
            }
            None => return None,
            _ => {}
        }
    } else if data.get(at + 1) == Some(&b'\r') {
        let rest = data.get(at + 1..).unwrap_or(&[]);
        if let (3, true) = deformed_empty_line(rest) {
            return Some(LineEnd { len: 4, deformed: true, folded: false });
        }
        len = 2;
    }
    let rest = data.get(at + len..).unwrap_or(&[]);
    let folded = match rest.first() {
        None => return None,
        Some(&b) if is_fold(b) => !begins_field(rest)?,
        Some(_) => false,
    };
    Some(LineEnd { len, deformed: false, folded })
}

/// After CR LF: length of CR, one or more of CR, SP, HT and an optional LF that do not end the
/// block; 0: something else; none: not known yet.
fn empty_folding(rest: &[u8]) -> Option<usize> {
    if rest.first() != Some(&b'\r') {
        return if rest.is_empty() { None } else { Some(0) };
    }
    let run = rest.iter().skip(1).take_while(|&&b| matches!(b, b'\r' | b' ' | b'\t')).count();
    let mut end = 1 + run;
    if run == 0 {
        return if rest.len() == 1 { None } else { Some(0) };
    }
    match rest.get(end) {
        None => return None,
        Some(b'\n') => end += 1,
        _ => {}
    }
    match (rest.get(end), rest.get(end + 1)) {
        (None, _) | (Some(b'\r'), None) => None,
        (Some(b'\n'), _) | (Some(b'\r'), Some(b'\n')) => Some(0),
        _ => Some(end),
    }
}

/// True when a line that begins with a folding byte is a field all the same: `token :`.
fn begins_field(line: &[u8]) -> Option<bool> {
    let blanks = line.iter().take_while(|&&b| is_fold(b)).count();
    let rest = line.get(blanks..).unwrap_or(&[]);
    let token = rest.iter().take_while(|&&b| is_token_byte(b)).count();
    let after = rest.get(token..).unwrap_or(&[]);
    let space = after.iter().take_while(|&&b| b == b' ' || b == b'\t').count();
    match after.get(space) {
        None => None,
        Some(b':') => Some(token > 0),
        _ => Some(false),
    }
}

/// What is odd about a field's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameFaults {
    /// No colon, or nothing before it.
    pub(crate) empty: bool,
    /// White space before it.
    pub(crate) leading: bool,
    /// White space between it and the colon.
    pub(crate) trailing: bool,
    /// Bytes that no token may have.
    pub(crate) not_token: bool,
}

/// Trims a name and tells what is wrong with it; the range is within `name`.
pub(crate) fn trim_name(name: &[u8], response: bool) -> ((usize, usize), NameFaults) {
    let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c);
    let start = name.iter().take_while(|b| space(b)).count();
    let end = name.len() - name.iter().rev().take_while(|b| space(b)).count();
    if start >= end {
        return ((0, 0), NameFaults { empty: true, ..NameFaults::default() });
    }
    let core = name.get(start..end).unwrap_or(&[]);
    // NUL before a name of a response folds in Suricata 8: it is no part of the name.
    let nul = core.iter().take_while(|&&b| response && b == 0).count();
    let bare = core.get(nul..).unwrap_or(&[]);
    let tail = name.get(end..).unwrap_or(&[]);
    let odd = |b: &u8| match b {
        b' ' | b'\t' => false,
        b'\r' | b'\n' => !response,
        _ => true,
    };
    let faults = NameFaults {
        empty: false,
        leading: start > 0 && name.iter().take(start).all(|b| matches!(b, b' ' | b'\t')),
        trailing: !tail.is_empty(),
        // NUL before a name folds in Suricata 8: it is no part of the name.
        not_token: !is_token(bare)
            || name.iter().take(start).any(|b| !matches!(b, b' ' | b'\t'))
            || tail.iter().any(odd),
    };
    ((start, end), faults)
}

#[cfg(test)]
mod tests {
    use super::{Scan, scan, trim_name};

    /// Scans a whole block; fields as `name=part|part`, then what stands behind the end.
    fn block(data: &[u8], response: bool) -> String {
        let text = |a: usize, b: usize, base: usize| {
            String::from_utf8_lossy(&data[base + a..base + b]).replace('\0', "0")
        };
        let (mut at, mut out, mut first) = (0, Vec::new(), true);
        loop {
            match scan(&data[at..], response, first) {
                Scan::More => {
                    out.push("more".into());
                    break;
                }
                Scan::End(len) => {
                    out.push(format!("end {}", text(len, data.len() - at, at)));
                    break;
                }
                Scan::Field(f) => {
                    let parts: Vec<_> = f.parts.iter().map(|&(a, b)| text(a, b, at)).collect();
                    let name = text(f.name.0, f.name.1, at);
                    let mark = if f.deformed { "!" } else { "" };
                    let colon = if f.colon { "=" } else { "~" };
                    out.push(format!("{name}{colon}{}{mark}", parts.join("|")));
                    at += f.end;
                    first = false;
                    if at >= data.len() {
                        break;
                    }
                }
            }
        }
        out.join(";")
    }

    fn check(data: &str, response: bool, want: &str) {
        assert_eq!(block(data.as_bytes(), response), want, "{data:?}");
    }

    #[test]
    fn request_blocks() {
        check("A: b\r\nC:d\r\n\r\nrest", false, "A=b;C=d;end rest");
        check("A: b\nC:d\n\nrest", false, "A=b;C=d;end rest");
        check("\r\nrest", false, "end rest");
        check("A: b\r\n c\r\n\td\r\n\r\n", false, "A=b| c|\td;end ");
        check("A: b\r\n\0c\r\n\r\n", false, "A=b|0c;end ");
        check("A: b\r\n c: d\r\n\r\n", false, "A=b| c: d;end ");
        check("junk\r\nA: b\r\n\r\n", false, "~junk;A=b;end ");
        check("A: b\r\n", false, "more");
        check("A: b\n\r\r\nx", false, "A=b!;end x");
        check("A: b\rC: d\r\n\r\n", false, "A=b\rC: d;end ");
    }

    #[test]
    fn response_blocks() {
        check("A: b\r\nC:d\r\n\r\nrest", true, "A=b;C=d;end rest");
        check("A: b\rC:d\r\rrest", true, "A=b;C=d;end rest");
        check("A: b\n\rC:d\n\r\n\rrest", true, "A=b;C=d;end rest");
        check("A: b\n\r\nrest", true, "A=b;end rest");
        check("\rA: b\r\n\r\nrest", true, "~;A=b;end rest");
        check("A: b\r\n c\r\n\r\n", true, "A=b| c;end ");
        check("A: b\r c\r\n\r\n", true, "A=b| c;end ");
        check("A: b\r\n C: d\r\n\r\n", true, "A=b; C=d;end ");
        check("A: b\r\n\0C: d\r\n\r\n", true, "A=b;0C=d;end ");
        check("TE\r\n :chunked\r\n\r\n", true, "TE\r\n =chunked;end ");
        check("A: b\r\n\r\r\nC: d\r\n\r\n", true, "A=b!;C=d;end ");
        check("A: b\r\n\r \rC: d\r\n\r\n", true, "A=b!;C=d;end ");
        check("A: b\r\n\t\r\n\r\nx", true, "A=b|\t;end x");
        check("A: b\n\t\nx", true, "A=b|\t;end x");
        check("A: b\n\t\n\nx", true, "A=b|\t;end x");
        check("A: b\r\n\t\r\nC: d\r\n\r\nx", true, "A=b|\t;C=d;end x");
        check("A: b\r\n\x0b\r\n\r\nx", true, "A=b;~\x0b;end x");
        check("A: b\r\n\r", true, "more");
        check("A: b\r\n", true, "more");
    }

    #[test]
    fn names() {
        let of = |name: &[u8]| {
            let ((a, b), f) = trim_name(name, false);
            (String::from_utf8_lossy(&name[a..b]).into_owned(), f)
        };
        assert!(of(b" A").1.leading);
        assert!(of(b"A ").1.trailing && !of(b"A ").1.not_token);
        assert!(of(b"A b").1.not_token);
        assert!(of(b"").1.empty && of(b"  ").1.empty);
        assert_eq!(of(b" Host\t").0, "Host");
    }
}
