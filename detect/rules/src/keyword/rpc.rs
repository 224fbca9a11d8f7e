//! `rpc`: program, version and procedure of an ONC RPC call.

use crate::builder::Builder;
use crate::error::{Result, RuleError};
use crate::keyword::contract::{Features, Keyword, OptionText};
use crate::keyword::integer;
use crate::rule::ContentOp;

/// What the call must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Program.
    pub program: u32,
    /// Version, if only one.
    pub version: Option<u32>,
    /// Procedure, if only one.
    pub procedure: Option<u32>,
}

impl Rpc {
    /// Whether `payload` is such a call (RFC 5531); over TCP a record mark stands before it.
    pub fn matches(&self, payload: &[u8], tcp: bool) -> bool {
        let start = if tcp { 4 } else { 0 };
        let word = |index: usize| {
            let at = start + index * 4;
            let bytes = payload.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        // Words: transaction, type (0 call), RPC version, program, version, procedure.
        word(1) == Some(0)
            && word(2) == Some(2)
            && word(3) == Some(self.program)
            && self.version.is_none_or(|version| word(4) == Some(version))
            && self.procedure.is_none_or(|procedure| word(5) == Some(procedure))
    }
}

pub(crate) const KEYWORD: Keyword = Keyword::new("rpc", "detect-rpc", setup)
    .doc("program, version and procedure of an ONC RPC call")
    .features(Features::PACKET);

fn setup(builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    let bad = || {
        RuleError::new(format!("invalid rpc option: '{}'", option.value))
            .advice("rpc:<program>,<version or *>,<procedure or *>")
    };
    let number = |text: &str| integer::decimal::<u32>(text).ok_or_else(bad);
    let choice = |text: Option<&str>| match text.map(str::trim) {
        None | Some("*") => Ok(None),
        Some(text) => number(text).map(Some),
    };
    let mut parts = option.value.split(',');
    let program = number(parts.next().unwrap_or(""))?;
    let version = choice(parts.next())?;
    let procedure = choice(parts.next())?;
    if parts.next().is_some() {
        return Err(bad());
    }
    builder.push_op(ContentOp::Rpc(Rpc { program, version, procedure }));
    Ok(())
}
