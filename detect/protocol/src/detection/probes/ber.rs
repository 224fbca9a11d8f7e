//! Just enough of BER (X.690) to look at the heads of SNMP, LDAP and Kerberos messages.

/// A tag with its content, as far as it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// Identifier octet.
    pub(super) tag: u8,
    /// Announced length of the content.
    pub(super) len: usize,
    /// Content, cut at the end of the data.
    pub(super) content: &'a [u8],
    /// What comes after the content.
    pub(super) rest: &'a [u8],
}

/// Reads one element; none when it is too short or has no definite length.
pub(super) fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (len, body) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, body) = rest.split_at_checked(count)?;
        (digits.iter().fold(0usize, |len, digit| (len << 8) | usize::from(*digit)), body)
    };
    let (content, rest) = body.split_at_checked(len).unwrap_or((body, &[]));
    Some(Element { tag, len, content, rest })
}

/// An element that must be a small number.
pub(super) fn small_integer(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let element = element(bytes)?;
    if element.tag != 0x02 || element.len == 0 || element.len > 5 {
        return None;
    }
    let value = element.content.iter().fold(0u64, |value, digit| (value << 8) | u64::from(*digit));
    Some((u32::try_from(value).ok()?, element.rest))
}
