//! Tells a `suricata.yaml` from a `sensor.yaml` by its text, for who gives the one for the other.

/// Keys of the first level that only Suricata's configuration has.
const OF_SURICATA: [&str; 8] = [
    "vars",
    "outputs",
    "rule-files",
    "default-log-dir",
    "default-rule-path",
    "app-layer",
    "suricata-version",
    "threading",
];

/// Keys of the first level that only `sensor.yaml` has.
const OF_SENSOR: [&str; 12] = [
    "name",
    "networks",
    "rules",
    "events",
    "statistics",
    "files",
    "limits",
    "protocols",
    "checksums",
    "metrics",
    "log",
    "otel",
];

/// What to do with a `suricata.yaml` where a `sensor.yaml` is expected; nothing if it is none.
pub(crate) fn suricata(text: &str, file: &str) -> Option<String> {
    let is_headed = text.lines().any(|line| line.starts_with("%YAML 1.1"));
    let is_one = is_headed || has(text, &OF_SURICATA);
    (is_one && !has(text, &OF_SENSOR)).then(|| {
        format!(
            "this is a configuration of Suricata, not a sensor.yaml: `bateleur config migrate \
             {file}` makes a sensor.yaml of it, and `bateleur suricata -c {file}` takes it as it is"
        )
    })
}

/// What to do with a `sensor.yaml` where a `suricata.yaml` is expected; nothing if it is none.
pub(crate) fn sensor(text: &str, file: &str) -> Option<String> {
    (has(text, &OF_SENSOR) && !has(text, &OF_SURICATA)).then(|| {
        format!(
            "this is a sensor.yaml, not a configuration of Suricata: give it to `bateleur run -c \
             {file}`, `bateleur replay -c {file}` or `bateleur config check {file}`"
        )
    })
}

/// Whether one of the keys stands at the beginning of a line.
fn has(text: &str, keys: &[&str]) -> bool {
    let key = |line: &str| line.split_once(':').map(|(key, _)| key.trim_end().to_owned());
    text.trim_start_matches('\u{feff}')
        .lines()
        .filter_map(key)
        .any(|key| keys.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_own_keys() {
        let check = |text: &str, expected: Option<&str>| {
            let found = match (suricata(text, "a.yaml"), sensor(text, "a.yaml")) {
                (Some(said), None) => {
                    assert!(said.contains("`bateleur config migrate a.yaml`"), "{said}");
                    Some("suricata")
                }
                (None, Some(said)) => {
                    assert!(said.contains("`bateleur run -c a.yaml`"), "{said}");
                    Some("sensor")
                }
                (None, None) => None,
                both => panic!("{text}: {both:?}"),
            };
            assert_eq!(found, expected, "{text}");
        };
        check("%YAML 1.1\n---\nrun-as: {user: a}\n", Some("suricata"));
        check("# mine\nvars:\n  address-groups: {}\n", Some("suricata"));
        check(include_str!("../../../docs/suricata.yaml"), Some("suricata"));
        check(include_str!("../../../docs/sensor.yaml"), Some("sensor"));
        check("events:\n  file: a\n", Some("sensor"));
        check("%YAML 1.1\n---\nname: a\n", Some("sensor"));
        check("inline: true\n", None);
        check("", None);
        // Somebody has taken pieces of both: each wrong key is told by its place.
        check("vars: {}\nname: a\n", None);
        check("networks:\n  vars: {}\n", Some("sensor"));
    }
}
