//! Reads Content-Range.

use super::text::{decimal, is_space};

/// Numbers of a Content-Range value; what is not known is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// First byte.
    pub(crate) start: Option<u64>,
    /// Last byte.
    pub(crate) end: Option<u64>,
    /// Size of the whole.
    pub(crate) size: Option<u64>,
}

impl ContentRange {
    /// The bytes when they are a real part of a whole whose size is known.
    pub(crate) fn part(&self) -> Option<(u64, u64)> {
        let (start, end, size) = (self.start?, self.end?, self.size?);
        let whole = start == 0 && size.checked_sub(1) == Some(end);
        (self.is_valid() && end > 0 && !whole).then_some((start, end))
    }

    /// False when the numbers contradict each other.
    pub(crate) fn is_valid(&self) -> bool {
        match (self.start, self.end) {
            (Some(start), Some(end)) => start <= end && self.size.is_none_or(|size| end < size),
            _ => true,
        }
    }
}

/// Reads `unit start-end/size`, `unit start-end/*`, `unit */size`; none: something else.
pub(crate) fn parse(value: &[u8]) -> Option<ContentRange> {
    let unit = value.iter().position(|&b| is_space(b))?;
    let rest = super::text::trim(value.get(unit..)?);
    let slash = memchr::memchr(b'/', rest)?;
    let (range, size) = (rest.get(..slash)?, rest.get(slash + 1..)?);
    if unit == 0 {
        return None;
    }
    if range == b"*" {
        return Some(ContentRange { size: Some(decimal(size)?), ..ContentRange::default() });
    }
    let dash = memchr::memchr(b'-', range)?;
    Some(ContentRange {
        start: Some(decimal(range.get(..dash)?)?),
        end: Some(decimal(range.get(dash + 1..)?)?),
        size: if size == b"*" { None } else { Some(decimal(size)?) },
    })
}

#[cfg(test)]
mod tests {
    use super::{ContentRange, parse};

    fn check(value: &str, want: Option<(i64, i64, i64)>, part: Option<(u64, u64)>, valid: bool) {
        let number = |n: i64| u64::try_from(n).ok();
        let want = want.map(|(s, e, n)| ContentRange {
            start: number(s),
            end: number(e),
            size: number(n),
        });
        let got = parse(value.as_bytes());
        assert_eq!(got, want, "{value}");
        assert_eq!(got.and_then(|r| r.part()), part, "{value}");
        assert_eq!(got.is_some_and(|r| r.is_valid()), valid, "{value}");
    }

    #[test]
    fn values() {
        check("bytes 0-4/10", Some((0, 4, 10)), Some((0, 4)), true);
        check("bytes 0-67/68", Some((0, 67, 68)), None, true);
        check("bytes 0-0/10", Some((0, 0, 10)), None, true);
        check("bytes   5-9/*", Some((5, 9, -1)), None, true);
        check("bytes */10", Some((-1, -1, 10)), None, true);
        check("bytes 9-5/10", Some((9, 5, 10)), None, false);
        check("bytes 5-10/10", Some((5, 10, 10)), None, false);
        check("bytes=0-4/10", None, None, false);
        check("bytes 0-/10", None, None, false);
    }
}
