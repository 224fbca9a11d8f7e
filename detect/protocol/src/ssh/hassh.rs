//! HASSH: a fingerprint of the algorithms that one side of an SSH connection offers.

use std::fmt::Write as _;

use decode::Direction;
use md5::{Digest, Md5};

/// Random bytes before the lists.
const COOKIE: usize = 16;
/// Key exchange, host key, then encryption, MAC and compression, each of them first from the client to
/// the server, then back (RFC 4253, 7.1). The two lists of languages are not looked at.
const LISTS: usize = 8;

/// A fingerprint.
#[derive(Debug)]
pub(super) struct Hassh {
    /// What is hashed: four lists, with `;` between them.
    pub(super) string: Vec<u8>,
    /// MD5 of it, hexadecimal.
    pub(super) hash: String,
}

impl Hassh {
    /// Of the lists of a KEXINIT message; none: it does not have them.
    pub(super) fn read(message: &[u8], direction: Direction) -> Option<Self> {
        let mut rest = message.get(COOKIE..)?;
        let mut lists = [&[][..]; LISTS];
        for list in &mut lists {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            (*list, rest) = behind.split_at_checked(length)?;
        }
        let [kex, _, ciphers_up, ciphers_down, macs_up, macs_down, packers_up, packers_down] =
            lists;
        let string = match direction {
            Direction::ToServer => [kex, ciphers_up, macs_up, packers_up],
            Direction::ToClient => [kex, ciphers_down, macs_down, packers_down],
        }
        .join(&b';');
        let mut hash = String::with_capacity(32);
        for byte in Md5::digest(&string) {
            // Writing to a string can't fail.
            let _ = write!(hash, "{byte:02x}");
        }
        Some(Self { string, hash })
    }
}
