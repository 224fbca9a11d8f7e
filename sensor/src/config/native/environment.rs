//! Environment variables that say what `sensor.yaml` would: `BATELEUR__EVENTS__COMMUNITY_ID=0`.
//!
//! Other variables whose names begin with `BATELEUR_` are the environment's own: two underscores
//! are what tells these, so that each of them is either a key or a mistake.

use super::document::{Document, Origin, Value};
use super::schema;

/// What all of them begin with.
pub(crate) const PREFIX: &str = "BATELEUR__";

/// A variable: its name, the path of its key, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    value: Value,
}

/// Those of this process.
pub(crate) fn variables() -> Vec<(String, String)> {
    let all = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    let mut all: Vec<_> = all.collect();
    // What is nearer to the root is said first, whatever order the environment has.
    all.sort();
    all
}

impl Variable {
    /// What a variable says.
    ///
    /// # Errors
    /// With what is wrong with its name or its value.
    pub(crate) fn read(name: &str, value: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("environment variable {name}: {what}");
        let words: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or(name).split("__").collect();
        let path = schema::path_of(&words).map_err(|(what, near)| {
            let near = near.map(|words| format!(": did you mean {PREFIX}{}?", words.join("__")));
            wrong(format!("{what}{}", near.unwrap_or_default()))
        })?;
        let read = Document::of(value, name);
        let hint = "its value is YAML: put quotes around text with signs";
        let document = read.map_err(|why| wrong(format!("{}; {hint}", first_line(&why))))?;
        let origin = Origin::Variable(name.to_owned());
        let value = document.root.ok_or_else(|| wrong("it has no value".to_owned()))?;
        Ok(Self { name: name.to_owned(), path, value: value.from(&origin) })
    }

    /// Puts it over what is there.
    ///
    /// # Errors
    /// When there is no such place.
    pub(crate) fn apply(&self, document: &mut Document) -> Result<(), String> {
        let root = document.root.get_or_insert_default();
        root.put(&self.path, self.value.clone())
            .map_err(|why| format!("environment variable {}: {why}", self.name))
    }
}

/// Variables that look as if they were meant, but have too few underscores in front.
pub(crate) fn missed() -> Vec<(String, String)> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter_map(|name| meant(&name).map(|meant| (name, meant))).collect()
}

fn meant(name: &str) -> Option<String> {
    let rest = name.strip_prefix("BATELEUR_").filter(|rest| !rest.starts_with('_'))?;
    let words: Vec<&str> = rest.split("__").collect();
    (words.len() > 1 && schema::path_of(&words).is_ok()).then(|| format!("{PREFIX}{rest}"))
}

/// The value is not repeated: it may be a secret.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths() {
        let check = |name: &str, expected: &str| {
            let read = Variable::read(name, "1").unwrap();
            assert_eq!(read.path.join("."), expected);
        };
        check("BATELEUR__EVENTS__COMMUNITY_ID", "events.community-id");
        check("BATELEUR__CAPTURE__AF_XDP__RING", "capture.af-xdp.ring");
        check("BATELEUR__NAME", "name");
        check("BATELEUR__NETWORKS__PORTS__HTTP_PORTS", "networks.ports.HTTP_PORTS");
        check("BATELEUR__EVENTS__VOLUME__SAMPLE__dns", "events.volume.sample.dns");
        check(
            "BATELEUR__EVENTS__SINKS__0__REDIS__PASSWORD_FILE",
            "events.sinks.0.redis.password-file",
        );
        check("BATELEUR__CAPTURE__INTERFACES__1__QUEUES", "capture.interfaces.1.queues");
    }

    #[test]
    fn unknown_names_are_refused_with_the_likely_one() {
        let check = |name: &str, value: &str, expected: &str| {
            let said = Variable::read(name, value).unwrap_err();
            assert_eq!(said, format!("environment variable {name}: {expected}"));
        };
        check(
            "BATELEUR__EVENTS__COMUNITY_ID",
            "0",
            "events has no key `comunity-id`: did you mean BATELEUR__EVENTS__COMMUNITY_ID?",
        );
        check("BATELEUR__XYZZY__A", "0", "sensor.yaml has no key `xyzzy`");
        check("BATELEUR__", "0", "sensor.yaml has no key ``");
        check("BATELEUR__NAME__X", "0", "name has no key `x`");
        check("BATELEUR__NAME", "", "it has no value");
        check(
            "BATELEUR__NETWORKS__ADDRESSES__X",
            "!$HOME_NET",
            "`!$HOME_NET` is a tag: put quotes around the value; its value is YAML: put quotes \
             around text with signs",
        );
    }

    #[test]
    fn what_was_likely_meant_is_found() {
        assert_eq!(meant("BATELEUR_EVENTS__FILE").as_deref(), Some("BATELEUR__EVENTS__FILE"));
        for name in ["BATELEUR_SENSOR", "BATELEUR_NAME", "BATELEUR__NAME", "BATELEUR_A__B", "X"] {
            assert_eq!(meant(name), None, "{name}");
        }
    }

    #[test]
    fn they_win_over_the_file() {
        let mut document =
            Document::of("events: {file: a}\nrules:\n  files: [x]\n", "gate.yaml").unwrap();
        for (name, value) in [
            ("BATELEUR__EVENTS__FILE", "b.json"),
            ("BATELEUR__RULES__FILES__1", "y"),
            ("BATELEUR__CAPTURE__INTERFACES", "[eth1, {name: eth2}]"),
        ] {
            Variable::read(name, value).unwrap().apply(&mut document).unwrap();
        }
        let (text, _) = document.text();
        let expected = "events:\n  file: b.json\nrules:\n  files:\n    - x\n    - y\n\
                        capture:\n  interfaces:\n    - eth1\n    - name: eth2\n";
        assert_eq!(text, expected);
        let place = |path: &str| document.place(path);
        assert_eq!(place("events.file"), "environment variable BATELEUR__EVENTS__FILE");
        assert_eq!(place("rules.files.0"), "gate.yaml:3:11");
        let far = Variable::read("BATELEUR__RULES__FILES__7", "z").unwrap().apply(&mut document);
        assert!(far.unwrap_err().contains("the list has 2 items: 7 is none of them"));
    }
}
