//! `rules.store` and `rules.update` of sensor.yaml.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// Where rules are put, and how many sets are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StoreSettings {
    /// The folder.
    pub directory: PathBuf,
    /// Generations to go back to; two at least.
    pub keep: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { directory: PathBuf::from("/var/lib/bateleur/rules"), keep: 5 }
    }
}

/// What `rules update` does.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct UpdateSettings {
    /// Where rules come from, in the order in which later ones win.
    pub sources: Vec<SourceSettings>,
    /// Rules to enable, in the words of suricata-update's enable.conf.
    pub enable: Option<PathBuf>,
    /// Rules to disable.
    pub disable: Option<PathBuf>,
    /// Rules to make drop.
    pub drop: Option<PathBuf>,
    /// Texts of rules to change.
    pub modify: Option<PathBuf>,
    /// Files of sources that are left out, by patterns for their names.
    pub ignore: Vec<String>,
    /// What becomes of an update while a source can't be reached.
    pub when_unreachable: WhenUnreachable,
    /// The share of rules that may be refused.
    pub most_refused: Percent,
    /// What one request may take.
    pub timeout: Span,
}

impl Default for UpdateSettings {
    fn default() -> Self {
        Self {
            sources: vec![SourceSettings::et_open()],
            enable: None,
            disable: None,
            drop: None,
            modify: None,
            ignore: vec!["*deleted.rules".to_owned()],
            when_unreachable: WhenUnreachable::Keep,
            most_refused: Percent(5.0),
            timeout: Span(Duration::from_secs(300)),
        }
    }
}

/// What addresses of files on this machine begin with.
const FILE: &str = "file://";

/// A place that rules come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceSettings {
    /// For messages, and for its files in the store.
    pub name: String,
    /// An archive or a rule file on a server, or `file:///PATH`.
    #[serde(default, deserialize_with = "secretive::text")]
    pub url: Option<String>,
    /// A file, an archive, a folder or a pattern.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// The sum that is fetched from beside the file.
    #[serde(default)]
    pub checksum: Checksum,
    /// A public key of minisign; the signature is fetched from beside the file.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// What stands for `%(NAME)s` in the address: the content of a file.
    #[serde(default, deserialize_with = "secretive::files")]
    pub secrets: BTreeMap<String, PathBuf>,
}

impl SourceSettings {
    /// The open rules of Emerging Threats.
    pub fn et_open() -> Self {
        Self {
            name: "et-open".to_owned(),
            url: Some(
                "https://rules.emergingthreats.net/open/suricata-7.0.3/emerging.rules.tar.gz"
                    .to_owned(),
            ),
            checksum: Checksum::Md5,
            ..Self::default()
        }
    }
}

/// Which sum lies beside a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// None.
    #[default]
    Off,
    /// `URL.md5`: tells damage, not forgery.
    Md5,
    /// `URL.sha256`
    Sha256,
}

/// What becomes of an update while a source can't be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnreachable {
    /// The last download is used, with a warning; without one the update fails.
    #[default]
    Keep,
    /// The update fails.
    Fail,
}

/// A part of a hundred: `5 %` or `5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

/// A span of time: `90 s`, `5 min`, `1 h`; a number alone is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A key that says what can't be: its path below `rules.update`, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rules.update.{key}: {what}")]
pub struct Wrong {
    /// Such as `sources.0.url`.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

impl StoreSettings {
    /// Relative paths are those of the configuration's folder.
    pub fn relative_to(&mut self, base: &Path) {
        self.directory = base.join(&self.directory);
    }
}

impl UpdateSettings {
    /// Relative paths are those of the configuration's folder.
    pub fn relative_to(&mut self, base: &Path) {
        for file in [&mut self.enable, &mut self.disable, &mut self.drop, &mut self.modify] {
            *file = file.take().map(|file| base.join(file));
        }
        for source in &mut self.sources {
            source.path = source.path.take().map(|path| base.join(path));
            source.key = source.key.take().map(|key| base.join(key));
            source.secrets.values_mut().for_each(|file| *file = base.join(&*file));
        }
    }

    /// Whether sources can be what they say.
    ///
    /// # Errors
    /// With the first that can't.
    pub fn check(&self) -> Result<(), Wrong> {
        let mut names = BTreeSet::new();
        for (at, source) in self.sources.iter().enumerate() {
            source.check().map_err(|(key, what)| {
                let key = if key.is_empty() { String::new() } else { format!(".{key}") };
                Wrong { key: format!("sources.{at}{key}"), what }
            })?;
            if !names.insert(&source.name) {
                let what = format!("another source is named {:?}, too", source.name);
                return Err(Wrong { key: format!("sources.{at}.name"), what });
            }
        }
        match self.sources.is_empty() {
            true => Err(Wrong { key: "sources".to_owned(), what: "there is none".to_owned() }),
            false => Ok(()),
        }
    }
}

impl SourceSettings {
    /// Where it is on this machine; none if it is on a server.
    pub fn local(&self) -> Option<PathBuf> {
        let of_url = || self.url.as_deref()?.strip_prefix(FILE).map(PathBuf::from);
        self.path.clone().or_else(of_url)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = &self.name;
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
            let what = format!("{name:?} is no name: letters, digits, `-`, `_` and `.` make one");
            return Err(("name", what));
        }
        match (&self.url, &self.path) {
            (Some(_), Some(_)) => Err(("path", "a source has a url or a path, not both".into())),
            (None, None) => Err(("", format!("{name} has neither a url nor a path"))),
            (Some(url), None) if !url.starts_with(FILE) => match url.split_once("://") {
                Some(("http" | "https", rest)) if !rest.is_empty() => Ok(()),
                _ => {
                    let what = "an address begins with https://, http:// or file:///; `path` names \
                                files as well";
                    Err(("url", what.to_owned()))
                }
            },
            (Some(url), None) if !url.starts_with("file:///") => {
                Err(("url", "file:// is followed by a path that begins with /".to_owned()))
            }
            _ if self.checksum != Checksum::Off => {
                Err(("checksum", "only downloads are compared with a sum".to_owned()))
            }
            _ if self.key.is_some() => {
                Err(("key", "only downloads are compared with a signature".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// Values that may be secrets, or stand where somebody wrote one: errors do not repeat them.
mod secretive {
    use super::{BTreeMap, Deserializer, Error, PathBuf, Visitor, fmt};
    use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

    /// Takes texts or maps; of anything else it says alone what is expected.
    struct Quiet<T> {
        expected: &'static str,
        of_text: fn(&str) -> Option<T>,
        of_map: Option<fn(String, PathBuf, &mut T)>,
        nothing: fn() -> T,
    }

    impl<T> Quiet<T> {
        fn wrong<E: Error>(&self) -> E {
            E::custom(self.expected)
        }
    }

    impl<'de, T> Visitor<'de> for Quiet<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.of_text)(text).ok_or_else(|| self.wrong())
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
            Err(self.wrong())
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
            Err(self.wrong())
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
            Err(self.wrong())
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
            Err(self.wrong())
        }

        fn visit_unit<E: Error>(self) -> Result<T, E> {
            Ok((self.nothing)())
        }

        fn visit_none<E: Error>(self) -> Result<T, E> {
            Ok((self.nothing)())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
            deserializer.deserialize_any(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
            Err(self.wrong())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let Some(add) = self.of_map else { return Err(self.wrong()) };
            let mut all = (self.nothing)();
            while let Some(name) = map.next_key::<String>()? {
                add(name, map.next_value_seed(File)?, &mut all);
            }
            Ok(all)
        }
    }

    /// The path of a file.
    struct File;

    impl<'de> DeserializeSeed<'de> for File {
        type Value = PathBuf;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PathBuf, D::Error> {
            deserializer.deserialize_any(Quiet {
                expected: "the path of a file that the secret is in is expected",
                of_text: |text| (!text.is_empty()).then(|| PathBuf::from(text)),
                of_map: None,
                nothing: PathBuf::new,
            })
        }
    }

    pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        from.deserialize_any(Quiet {
            expected: "an address as a text is expected",
            of_text: |text| Some(Some(text.to_owned())),
            of_map: None,
            nothing: || None,
        })
    }

    pub(super) fn files<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, PathBuf>, D::Error> {
        from.deserialize_any(Quiet {
            expected: "names with files are expected, such as {secret-code: /etc/bateleur/code}",
            of_text: |_| None,
            of_map: Some(|name, file, all: &mut BTreeMap<_, _>| {
                all.insert(name, file);
            }),
            nothing: BTreeMap::new,
        })
    }
}

/// Takes a number or a text.
struct Words<T>(fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words(|text| {
            let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok();
            let percent = number.filter(|number| (0.0..=100.0).contains(number)).map(Percent);
            percent.ok_or_else(|| format!("{text:?} is no share: write e.g. `5 %`"))
        }))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words(|text| {
            let wrong =
                || format!("{text:?} is no span of time: write e.g. `90 s`, `5 min`, `1 h`");
            let word = text.trim();
            let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
            let (number, unit) = word.split_at_checked(end).ok_or_else(wrong)?;
            let factor = match unit.trim() {
                "" | "s" => 1,
                "m" | "min" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return Err(wrong()),
            };
            let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
            let seconds = seconds.filter(|seconds| (1..=365 * 86_400).contains(seconds));
            seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(wrong)
        }))
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A part of a hundred: 5 or `5 %`.",
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 100},
                {"type": "string", "pattern": "^\\s*[0-9.]+\\s*%?\\s*$"},
            ],
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: seconds, or a number and s, min, h or d.",
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^\\s*[0-9]+\\s*(s|m|min|h|d)?\\s*$"},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<UpdateSettings, String> {
        let settings: UpdateSettings =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn what_nobody_says_is_et_open() {
        let settings = read("{}").unwrap();
        assert_eq!(settings, UpdateSettings::default());
        assert_eq!(settings.sources, [SourceSettings::et_open()]);
    }

    #[test]
    fn errors_do_not_repeat_what_may_be_a_secret() {
        for (text, part) in [
            (r#""secrets":"5ecret""#, "names with files are expected"),
            (r#""secrets":["5ecret"]"#, "names with files are expected"),
            (r#""secrets":{"code":["5ecret"]}"#, "the path of a file"),
            (r#""secrets":{"code":{"a":"5ecret"}}"#, "the path of a file"),
            (r#""secrets":{"code":5555}"#, "the path of a file"),
            (r#""url":["http://5ecret@h"]"#, "an address as a text"),
            (r#""url":{"http":"5ecret"}"#, "an address as a text"),
            (r#""url":5555"#, "an address as a text"),
            (r#""url":"5ecret""#, "an address begins with"),
        ] {
            let error = read(&format!(r#"{{"sources":[{{"name":"a",{text}}}]}}"#)).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("5ecret") && !error.contains("5555"), "{text}: {error}");
        }
        let none = read(r#"{"sources":[{"name":"a","path":"x","url":null,"secrets":null}]}"#);
        assert_eq!(none.unwrap().sources[0].url, None);
    }

    #[test]
    fn paths_are_those_of_the_configuration() {
        let mut settings = read(
            r#"{"sources":[{"name":"a","path":"r/*.rules"},{"name":"b","url":"https://h/x","key":"/k","secrets":{"c":"code"}}],
                "disable":"disable.conf","timeout":"2 min","most-refused":"2.5 %"}"#,
        )
        .unwrap();
        settings.relative_to(Path::new("/etc/bateleur"));
        let [local, remote] = settings.sources.as_slice() else { panic!("two sources") };
        assert_eq!(local.path.as_deref(), Some(Path::new("/etc/bateleur/r/*.rules")));
        assert_eq!(remote.key.as_deref(), Some(Path::new("/k")));
        assert_eq!(remote.secrets["c"], Path::new("/etc/bateleur/code"));
        assert_eq!(settings.disable.as_deref(), Some(Path::new("/etc/bateleur/disable.conf")));
        assert_eq!(settings.timeout.0.as_secs(), 120);
        assert_eq!(settings.most_refused, Percent(2.5));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let source = |text: &str| format!(r#"{{"sources":[{{{text}}}]}}"#);
        let check = |json: &str, part: &str| {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        };
        check(r#"{"sources":[]}"#, "rules.update.sources: there is none");
        check(&source(r#""name":"a""#), "sources.0: a has neither a url nor a path");
        check(&source(r#""name":"a","path":"x","url":"http://h""#), "sources.0.path: ");
        check(&source(r#""name":"a","url":"ftp://h""#), "sources.0.url: an address begins");
        check(&source(r#""name":"../a","path":"x""#), "sources.0.name: ");
        check(&source(r#""name":"a","path":"x","checksum":"md5""#), "sources.0.checksum: ");
        check(&source(r#""name":"a","path":"x","key":"k""#), "sources.0.key: ");
        check(&source(r#""name":"a","path":"x","sum":"k""#), "unknown field `sum`");
        check(
            r#"{"sources":[{"name":"a","path":"x"},{"name":"a","path":"y"}]}"#,
            "sources.1.name: another source",
        );
        check(r#"{"timeout":"0"}"#, "no span of time");
        check(r#"{"timeout":"5 parsecs"}"#, "no span of time");
        check(r#"{"most-refused":"101 %"}"#, "no share");
        check(r#"{"when-unreachable":"maybe"}"#, "unknown variant");
    }
}
