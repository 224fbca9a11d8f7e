//! `xff`: addresses that proxies report.

use ::detect::settings::XffSettings;

use crate::config::boolean;
use crate::config::tree::Node;

use super::Config;

const MODULE: &str = "app-layer-htp-xff";

/// The section below a node, when it is on.
pub(super) fn read(config: Config<'_>, node: Option<&Node>) -> Option<XffSettings> {
    let xff = node?.child("xff")?;
    if !xff.text("enabled").is_some_and(boolean::is_true) {
        return None;
    }
    let mut settings = XffSettings::default();
    match xff.text("mode") {
        Some("overwrite") => settings.overwrite = true,
        Some("extra-data") => {}
        _ => config
            .log
            .warning(MODULE, "The XFF mode hasn't been defined, falling back to extra-data mode"),
    }
    match xff.text("deployment") {
        Some("forward") => settings.forward = true,
        Some("reverse") => {}
        _ => config.log.warning(
            MODULE,
            "The XFF deployment hasn't been defined, falling back to reverse proxy deployment",
        ),
    }
    match xff.text("header") {
        Some(header) => settings.header = header.to_owned(),
        None => config.log.warning(
            MODULE,
            "The XFF header hasn't been defined, using the default X-Forwarded-For",
        ),
    }
    Some(settings)
}
