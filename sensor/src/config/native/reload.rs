//! Which keys a running sensor takes over when its rules are loaded anew, and which need a restart.

use serde::Serialize;

/// When a changed key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reload {
    /// With the next reload of rules.
    Now,
    /// When the sensor is started anew.
    Restart,
    /// Another program reads it when it starts.
    Elsewhere,
}

/// Keys with all below them, and why. The longest that fits counts; all others need a restart.
pub(crate) const KEYS: &[(&str, Reload, &str)] = &[
    ("networks", Reload::Now, "variables of rules"),
    ("networks.ports.GENEVE_PORTS", Reload::Restart, "the decoder's as well"),
    ("networks.ports.TEREDO_PORTS", Reload::Restart, "the decoder's as well"),
    ("networks.ports.VXLAN_PORTS", Reload::Restart, "the decoder's as well"),
    ("rules", Reload::Now, "lists and files of rules"),
    ("rules.data-directory", Reload::Restart, "data sets that are loaded lie there"),
    ("rules.follow", Reload::Elsewhere, "`bateleur rules follow` reads it when it starts"),
    ("rules.update", Reload::Elsewhere, "`bateleur rules update` reads it"),
    ("log.level", Reload::Now, "unless BATELEUR_DEBUG says otherwise"),
];

/// What a change of a key, or of one below it, needs.
pub(crate) fn of(path: &str) -> Reload {
    let fits = |key: &str| {
        path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let best = KEYS.iter().filter(|(key, ..)| fits(key)).max_by_key(|(key, ..)| key.len());
    best.map_or(Reload::Restart, |(_, reload, _)| *reload)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_longest_key_counts() {
        for (path, expected) in [
            ("networks.home.0", Reload::Now),
            ("networks.ports.HTTP_PORTS", Reload::Now),
            ("networks.ports.VXLAN_PORTS", Reload::Restart),
            ("rules.files.3", Reload::Now),
            ("rules.data-directory", Reload::Restart),
            ("rules.update.sources.0.url", Reload::Elsewhere),
            ("log.level", Reload::Now),
            ("log.levels", Reload::Restart),
            ("log.format", Reload::Restart),
            ("files.hashes.0", Reload::Restart),
        ] {
            assert_eq!(of(path), expected, "{path}");
        }
    }

    /// The table of the documents is this one.
    #[test]
    fn the_documents_have_this_table() {
        let documented = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(documented.join("../docs/configuration.md")).unwrap();
        let sections = schema::keys(schema::schema());
        let mut rows = String::new();
        for (key, reload, why) in KEYS {
            let when = match reload {
                Reload::Now => "a reload",
                Reload::Restart => "a restart",
                Reload::Elsewhere => "neither",
            };
            rows.push_str(&format!("| `{key}` | {when} | {why} |\n"));
            let section = key.split('.').next().unwrap();
            assert!(sections.contains(&section), "{key} is no key");
        }
        rows.push_str("| all others | a restart | |\n");
        assert!(text.contains(&rows), "docs/configuration.md is to have:\n{rows}");
    }
}
