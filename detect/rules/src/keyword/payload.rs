//! `pkt_data`: back to the payload.

use crate::builder::Builder;
use crate::error::Result;
use crate::keyword::contract::{Keyword, OptionText};

pub(crate) const PKT_DATA: Keyword = Keyword::new("pkt_data", "detect-pkt-data", setup)
    .doc("what follows looks at the payload again")
    .no_value();

fn setup(builder: &mut Builder<'_>, _option: &OptionText<'_>) -> Result<()> {
    builder.name_payload()
}
