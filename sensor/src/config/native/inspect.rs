//! All that is wrong with a `sensor.yaml`, not only what is met first.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::config::suricata::Mode;
use crate::log::{Level, Log};

use super::document::{Document, Line, Origin, again};
use super::environment::Variable;
use super::faults::{self, Fault};
use super::reading::file;
use super::{NativeError, Sensor};

/// So many mistakes are told.
const MOST: usize = 50;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// A sensor would not start.
    Error,
    /// It would, but likely not as it is meant.
    Warning,
}

/// Something that is to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The file or variable.
    pub(crate) place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// What is wrong, and what to write instead.
    pub(crate) message: String,
    /// The lines, without secrets.
    #[serde(skip)]
    pub(crate) excerpt: String,
}

/// Where a mistake is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: Option<String>,
    /// The file or variable.
    name: String,
    at: Option<(usize, usize)>,
}

/// What a look at one configuration came to.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) findings: Vec<Finding>,
    /// What it makes, if it is good.
    pub(crate) sensor: Option<Sensor>,
}

/// What else a good configuration is held against: a key and what is wrong with it each.
pub(crate) type Further<'a> = &'a dyn Fn(&Sensor) -> Vec<(Option<String>, String)>;

/// Reads a configuration as a sensor would.
pub(crate) fn inspect(
    path: Option<&Path>,
    variables: &[(String, String)],
    output: &Path,
    further: Further<'_>,
) -> Inspected {
    let (name, text) = match file(path) {
        Ok(read) => read,
        Err(error) => {
            let name = path.map(|path| path.display().to_string()).unwrap_or_default();
            let message = match error {
                NativeError::Unreadable(_, error) => error.to_string(),
                NativeError::Wrong { what, .. } => what,
                other => other.to_string(),
            };
            let findings = vec![Finding::of_file(&name, message)];
            return Inspected { findings, sensor: None };
        }
    };
    let mut inspection = Inspection { text: &text, findings: Vec::new(), output };
    let sensor = inspection.run(path, &name, variables);
    if inspection.findings.is_empty()
        && let Some(sensor) = &sensor
    {
        for (key, message) in further(sensor) {
            let place = Place::at_key(&sensor.document, key.as_deref());
            inspection.tell(&place, message);
        }
    }
    let findings = inspection.findings;
    let is_good = findings.is_empty();
    Inspected { findings, sensor: sensor.filter(|_| is_good) }
}

struct Inspection<'a> {
    text: &'a str,
    findings: Vec<Finding>,
    output: &'a Path,
}

impl Inspection<'_> {
    fn run(
        &mut self,
        path: Option<&Path>,
        name: &str,
        variables: &[(String, String)],
    ) -> Option<Sensor> {
        let mut document = match Document::of(self.text, name) {
            Ok(document) => document,
            Err(why) => {
                let why = format!("{name}:{why}");
                let said = Sensor::parse(self.text, name).err().unwrap_or(why);
                self.findings.push(Finding::of_message(name, &said));
                return None;
            }
        };
        for (variable, value) in variables {
            let applied =
                Variable::read(variable, value).and_then(|variable| variable.apply(&mut document));
            if let Err(said) = applied {
                let what = said.split_once(": ").map_or(said.as_str(), |(_, what)| what);
                let name = format!("environment variable {variable}");
                self.findings.push(Finding::of_file(&name, what.to_owned()));
            }
        }
        let mut sensor = self.structure(&mut document)?;
        if self.findings.is_empty()
            && let Err(said) = Sensor::parse(self.text, name)
        {
            self.findings.push(Finding::of_message(name, &said));
            return None;
        }
        let had_faults = !self.findings.is_empty();
        let base = path.and_then(Path::parent).unwrap_or(Path::new(""));
        while self.findings.len() < MOST {
            let errors = self.meaning(&mut sensor, base);
            let mut has_changed = false;
            for error in errors {
                let NativeError::Wrong { what, key, .. } = &error else {
                    if !had_faults {
                        self.findings.push(Finding::of_message(name, &error.to_string()));
                    }
                    continue;
                };
                // What nobody can find the key of may follow from what was left out.
                if key.is_some() || !had_faults {
                    let place = Place::at_key(&sensor.document, key.as_deref());
                    self.tell(&place, what.clone());
                }
                // Without sinks other keys would be wrong that are not.
                let key = key.as_ref().filter(|key| *key != "events.sinks");
                has_changed |= key.is_some_and(|key| take_out(&mut document, key));
            }
            if !has_changed {
                break;
            }
            sensor = self.structure(&mut document)?;
        }
        Some(sensor)
    }

    /// Takes out what is no such key or value until the rest can be read.
    fn structure(&mut self, document: &mut Document) -> Option<Sensor> {
        while self.findings.len() < MOST {
            let (mut place, fault) = match Sensor::built(document.clone()) {
                Ok(sensor) => return Some(sensor),
                Err(wrong) => *wrong,
            };
            let twice = fault.what.strip_suffix("` is given twice");
            if let (Some(key), Some(first)) = (twice.map(|key| key.trim_matches('`')), place.at) {
                place.at = again(self.text, key, first).or(place.at);
            }
            self.tell(&place, fault.what);
            let path = place.path?;
            if !document.remove(&path) {
                return None;
            }
        }
        None
    }

    /// What cannot be done, each by the first of its kind.
    fn meaning(&self, sensor: &mut Sensor, base: &Path) -> Vec<NativeError> {
        let mode = Mode { inline: sensor.inline, detection: true, ..Mode::default() };
        let log = Log::keeping(Level::Error);
        let found = sensor.find_files(base).err();
        let settings = sensor.settings(self.output, &mode, &log).err();
        found.into_iter().chain(settings).chain(sensor.capture().err()).collect()
    }

    fn tell(&mut self, place: &Place, message: String) {
        let (line, column) = place.at.unzip();
        let excerpt = place.at.map(|at| faults::excerpt(at, self.text)).unwrap_or_default();
        let (name, key) = (place.name.clone(), place.path.clone());
        let severity = Severity::Error;
        let finding = Finding { severity, place: name, line, column, key, message, excerpt };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Takes out a key, and with it what can't be without it: otherwise that would be told next.
fn take_out(document: &mut Document, key: &str) -> bool {
    let has_been = document.remove(key);
    let above = key.rsplit_once('.').map(|(above, _)| above);
    if let (true, Some(above)) = (has_been, above)
        && let Err(wrong) = Sensor::built(document.clone())
        && wrong.1.is_missing
        && wrong.0.path.as_deref() == Some(above)
    {
        document.remove(above);
    }
    has_been
}

impl Place {
    /// Of what is wrong with the text of a tree.
    pub(super) fn of(document: &Document, lines: &[Line], fault: &Fault) -> Self {
        let Some((line, column)) = fault.at else { return Self::at_key(document, None) };
        let before = |one: &&Line| (one.line, one.column) <= (line, column);
        let Some(found) = lines.iter().take_while(before).last() else {
            return Self::at_key(document, None);
        };
        let path = match (fault.is_missing, found.path.rsplit_once('.')) {
            (true, Some((parent, _))) => parent,
            _ => &found.path,
        };
        let is_key = (found.line, found.column) == (line, column);
        let mut place = Self::at_key(document, Some(path));
        if let Some(value) = document.get(path).filter(|_| !is_key && !fault.is_missing)
            && matches!(value.origin, Origin::File(..))
        {
            place.at = Some(value.at);
        }
        place
    }

    fn at_key(document: &Document, key: Option<&str>) -> Self {
        let origin = key.and_then(|key| document.origin(key));
        let (name, at) = match origin {
            Some(Origin::File(line, column)) => (document.file.clone(), Some((*line, *column))),
            Some(origin @ Origin::Variable(_)) => (document.name(origin), None),
            _ => (document.file.clone(), None),
        };
        Self { path: key.map(ToOwned::to_owned), name, at }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.at.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

impl Finding {
    fn of_file(name: &str, message: String) -> Self {
        Self {
            severity: Severity::Error,
            place: name.to_owned(),
            line: None,
            column: None,
            key: None,
            message,
            excerpt: String::new(),
        }
    }

    /// Of a message that begins with its place.
    fn of_message(name: &str, said: &str) -> Self {
        let (first, excerpt) = said.find('\n').map_or((said, ""), |at| said.split_at(at));
        let mut finding = Self::of_file(name, first.to_owned());
        excerpt.clone_into(&mut finding.excerpt);
        let rest = first.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
        if let Some(rest) = rest {
            rest.trim_start().clone_into(&mut finding.message);
            let mut parts = rest.splitn(3, ':');
            let mut number = || parts.next().and_then(|part| part.parse().ok());
            let (line, column) = (number(), number());
            if let (Some(line), Some(column), Some(what)) = (line, column, parts.next()) {
                (finding.line, finding.column) = (Some(line), Some(column));
                what.trim_start().clone_into(&mut finding.message);
            }
        }
        finding
    }

    /// A warning about a key.
    pub(super) fn warning(document: &Document, key: &str, message: String) -> Self {
        let place = Place::at_key(document, Some(key));
        let (line, column) = place.at.unzip();
        let severity = Severity::Warning;
        let key = Some(key.to_owned());
        Self { severity, place: place.name, line, column, key, message, excerpt: String::new() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            f.write_str(&self.place)?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{}{}", self.message, self.excerpt)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn look(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.yaml");
        fs::write(&path, text).unwrap();
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let inspected = inspect(Some(&path), &variables, Path::new("/tmp"), &|_| Vec::new());
        assert_eq!(inspected.sensor.is_some(), inspected.findings.is_empty());
        let prefix = format!("{}/", folder.path().display());
        let lines = inspected.findings.iter().map(|finding| {
            finding.to_string().lines().next().unwrap_or_default().replace(&prefix, "")
        });
        lines.collect()
    }

    #[test]
    fn all_mistakes_are_told() {
        let said = look(
            "name: a\nevents:\n  fil: x\n  records: [dns, alerts, tsl]\n  sinks:\n    \
             - redis: {server: logs, timeout: 10}\n    - syslog: {window: 8}\nlimits: {flow-memory: 1 KiB}\n\
             networks: {home: [10.0.0.0/33]}\ncapture: {workers: 0, interfaces: [a, a]}\nchecksums: maybe\n",
            &[("BATELEUR__LOG__LEVEL", "loud"), ("BATELEUR__NAM", "b")],
        );
        for part in [
            "environment variable BATELEUR__NAM: sensor.yaml has no key `nam`",
            "gate.yaml:3:3: `fil` is no key here: did you mean `file`?",
            "gate.yaml:4:18: `alerts` is no record: did you mean `alert`?",
            "gate.yaml:4:26: `tsl` is no record: did you mean `tls`?",
            "gate.yaml:6:23: logs has no port",
            "gate.yaml:6:38: 10 has no unit",
            "gate.yaml:7:16: `window` is no key here",
            "gate.yaml:8:10: limits.flow-memory: `1 KiB` is too little",
            "gate.yaml:9:19: networks.home: '10.0.0.0/33' is not an IP address",
            "gate.yaml:10:20: `0` is not from 1 to 256",
            "gate.yaml:10:39: capture.interfaces: `a` is given twice",
            "gate.yaml:11:12: `maybe` is not possible here",
            "environment variable BATELEUR__LOG__LEVEL: `loud` is not possible here",
        ] {
            assert!(said.iter().any(|line| line.starts_with(part)), "{part}\n{said:#?}");
        }
        assert_eq!(said.len(), 13, "{said:#?}");
    }

    #[test]
    fn what_is_no_yaml_is_told_once() {
        let said = look("rules:\n  files: [a\n", &[]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("gate.yaml:"), "{said:?}");
        let said = look("name: a\nname: b\n", &[]);
        assert_eq!(said, ["gate.yaml:2:1: `name` is given twice"]);
        let said = look(
            "rules:\n  update:\n    sources:\n      - {name: a, path: x}\n      - {name: a, path: y}\n",
            &[],
        );
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("gate.yaml:5:10: ") && said[0].contains("named \"a\""),
            "{said:?}"
        );
        assert!(look("", &[]).is_empty() && look("# nothing\n", &[]).is_empty());
        let said = look("events:\n  sinks:\n    - {name: a}\n    - {stdout: {}, name: a b}\n", &[]);
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn a_configuration_of_suricata_is_told_once_and_what_to_do_with_it() {
        let said = look(include_str!("../../../../docs/suricata.yaml"), &[]);
        assert_eq!(said.len(), 1, "{said:#?}");
        let begin = "gate.yaml: this is a configuration of Suricata, not a sensor.yaml: \
                     `bateleur config migrate gate.yaml`";
        assert!(said[0].starts_with(begin), "{said:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suricata.yaml");
        fs::write(&path, "%YAML 1.1\n---\nvars:\n  port-groups: {}\n").unwrap();
        let said = Sensor::with(Some(&path), &[]).unwrap_err().to_string();
        let name = path.display();
        assert!(
            said.starts_with(&format!("{name}: this is a configuration of Suricata")),
            "{said}"
        );
        assert!(said.contains(&format!("`bateleur suricata -c {name}`")), "{said}");
    }

    #[test]
    fn a_place_is_named_once() {
        let finding = Finding::of_message("a.yaml", "a.yaml:3:5: what\n 3 | x");
        assert_eq!((finding.line, finding.column), (Some(3), Some(5)));
        assert_eq!(finding.to_string(), "a.yaml:3:5: what\n 3 | x");
        let finding = Finding::of_message("a.yaml", "a.yaml: why: not");
        assert_eq!(finding.to_string(), "a.yaml: why: not");
    }
}
