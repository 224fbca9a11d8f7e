//! `tcp.flags`: the flag bits of the TCP header.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::Subject;
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::ip::MaskMode;

/// Flags and how they are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpFlags {
    /// The flags.
    pub mask: u8,
    /// How they are compared.
    pub mode: MaskMode,
    /// Flags that are not looked at.
    pub ignored: u8,
}

impl TcpFlags {
    /// Whether the packet satisfies it.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let Some(tcp) = subject.packet.tcp() else { return false };
        let flags = u16::from(tcp.flags & !self.ignored);
        let mask = u16::from(self.mask & !self.ignored);
        // No flags at all is its own case: `0` with any operator but `!` wants an empty field.
        match self.mode {
            MaskMode::All if mask == 0 => flags == 0,
            MaskMode::Any if mask == 0 => flags == 0,
            mode => mode.matches(flags, mask),
        }
    }
}

pub(crate) const KEYWORD: Keyword = Keyword::new("tcp.flags", "detect-tcp-flags", setup)
    .aliases(&["flags"])
    .doc("flags of the TCP header")
    .features(Features::PACKET_PREFILTER.firewall());

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || RuleError::new(format!("invalid TCP flags: '{}'", option.value));
    let (text, ignored) = match option.value.split_once(',') {
        Some((_, "")) => return Err(bad()),
        Some((text, ignored)) => (text.trim(), ignored.trim()),
        None => (option.value, ""),
    };
    let (mode, letters) = match text.chars().next() {
        Some('+') => (MaskMode::All, text.get(1..).unwrap_or("")),
        Some('*') => (MaskMode::Any, text.get(1..).unwrap_or("")),
        Some('!') => (MaskMode::Not, text.get(1..).unwrap_or("")),
        _ => match text.chars().last() {
            // The operator may stand behind the letters as well.
            Some('+') => (MaskMode::All, text.trim_end_matches('+')),
            Some('*') => (MaskMode::Any, text.trim_end_matches('*')),
            Some('!') => (MaskMode::Not, text.trim_end_matches('!')),
            _ => (MaskMode::Exact, text),
        },
    };
    let mask = flags(letters.trim()).ok_or_else(bad)?;
    let ignored = if ignored.is_empty() { 0 } else { flags(ignored).ok_or_else(bad)? };
    if letters.trim().is_empty() {
        return Err(bad());
    }
    builder.push_check(TcpFlags { mask, mode, ignored });
    Ok(())
}

fn flags(letters: &str) -> Option<u8> {
    let mut mask = 0;
    for letter in letters.chars() {
        mask |= match letter {
            'F' => 0x01,
            'S' => 0x02,
            'R' => 0x04,
            'P' => 0x08,
            'A' => 0x10,
            'U' => 0x20,
            'E' | '2' => 0x40,
            'C' | '1' => 0x80,
            '0' => 0,
            _ => return None,
        };
    }
    Some(mask)
}
