//! Keywords of Suricata 8 that no member covers: refused by name, so that only their rule is lost.

use crate::builder::Builder;
use crate::error::{Result, refuse};
use crate::keyword::contract::{Keyword, OptionText};

/// Known names without a member.
pub(crate) const NAMES: &[&str] = &["lua", "luaxform", "template2", "app-layer-state"];

pub(crate) const KEYWORD: Keyword = Keyword::new("unsupported", "detect-parse", setup)
    .doc("known, not supported")
    .quotes_optional()
    .optional_value()
    .negatable();

fn setup(_builder: &mut Builder<'_>, option: &OptionText<'_>) -> Result<()> {
    refuse(format!("keyword {} is not supported", option.name))
}
