//! What loading rules anew does in `bateleur run`: rules, and what else of the configuration a
//! running sensor can take over.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use crate::config::native::reload::Reload;
use crate::config::native::{Document, NativeError, Sensor, changes, in_force};
use crate::config::process::ProcessSettings;
use crate::config::suricata::Mode;
use crate::log::Log;
use crate::log::program::Installed;
use crate::process::live::{Load, Lookup};
use crate::process::load::Loaded;

use super::config::{WHOLE, in_yaml};
use super::native::RunArguments;
use super::replay::load_rules;

/// Port variables that the decoder has taken as well, when the sensor was started.
const OF_DECODER: [&str; 3] = ["GENEVE_PORTS", "TEREDO_PORTS", "VXLAN_PORTS"];

/// What a run was started with, and what it has taken over since.
pub(super) struct Reloading {
    config: Option<PathBuf>,
    output: PathBuf,
    /// Rules that the command line names.
    rules: Vec<String>,
    /// The configuration that the sensor was started by.
    start: Document,
    log: Installed,
    now: Mutex<Now>,
}

/// What is in force.
struct Now {
    process: ProcessSettings,
    document: Document,
}

impl Reloading {
    pub(super) fn new(
        arguments: &RunArguments,
        sensor: &Sensor,
        process: ProcessSettings,
        log: Installed,
    ) -> Arc<Self> {
        let start = sensor.effective();
        Arc::new(Self {
            config: arguments.config.clone(),
            output: arguments.output.clone(),
            rules: arguments.rules.clone(),
            now: Mutex::new(Now { process, document: start.clone() }),
            start,
            log,
        })
    }

    /// For the supervisor.
    pub(super) fn load(self: &Arc<Self>) -> Load {
        let own = Arc::clone(self);
        Arc::new(move |before| own.reload(before).map_err(|error| format!("{error:#}")))
    }

    /// What the configuration in force says, without secrets.
    pub(super) fn lookup(self: &Arc<Self>) -> Lookup {
        let own = Arc::clone(self);
        Box::new(move |path| {
            let now = own.now.lock().unwrap_or_else(PoisonError::into_inner);
            match path {
                WHOLE => Some(in_yaml(&now.document, false)),
                path => now.document.word(path),
            }
        })
    }

    /// Reads the configuration and the rules anew. What is wrong with either leaves all as it is.
    fn reload(&self, before: &Loaded) -> Result<Loaded> {
        let (mut process, document) = {
            let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            (now.process.clone(), now.document.clone())
        };
        let (sensor, remark) = match Sensor::of(self.config.as_deref()) {
            Ok(sensor) => (Some(sensor), None),
            // Root may have read it for a sensor that is nobody now.
            Err(NativeError::Unreadable(file, error))
                if error.kind() == ErrorKind::PermissionDenied =>
            {
                let said = format!("{file}: {error}: what was read at the start holds");
                (None, Some(said))
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(sensor) = &sensor {
            self.take_over(sensor, &mut process)?;
        }
        let mut loaded = load_rules(&mut process.clone(), Some(before))?;
        loaded.remarks.extend(remark);
        if let Some(sensor) = &sensor {
            let wanted = sensor.effective();
            self.log.set_threshold(sensor.program_log(&self.output).threshold);
            for change in changes(&document, &wanted) {
                if change.reload == Reload::Now {
                    loaded.remarks.push(format!("{} is taken over", change.path));
                }
            }
            for change in changes(&self.start, &wanted) {
                if change.reload == Reload::Restart {
                    let key = change.path;
                    loaded.remarks.push(format!("{key} has changed: that needs a restart"));
                    loaded.pending.push(key);
                }
            }
            let document = in_force(&self.start, &wanted);
            *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Now { process, document };
        }
        Ok(loaded)
    }

    /// Puts sources and variables of rules into settings, and nothing else.
    fn take_over(&self, sensor: &Sensor, process: &mut ProcessSettings) -> Result<()> {
        let mode = Mode { inline: sensor.inline, detection: true, ..Mode::default() };
        let new = sensor.settings(&self.output, &mode, &Log::errors())?.process;
        sensor.capture()?;
        let allow_refused = process.rules.allow_refused;
        process.rules = new.rules;
        process.rules.patterns.extend(self.rules.iter().cloned());
        process.rules.allow_refused = allow_refused;
        let mut variables = new.loader.variables;
        for name in OF_DECODER {
            if let Some(ports) = process.loader.variables.port(name) {
                variables.set_port(name, ports);
            }
        }
        process.loader.variables = variables;
        process.loader.classifications = new.loader.classifications;
        process.loader.references = new.loader.references;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;
    use crate::cli::replay;
    use crate::log::program::ProgramLog;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        run: RunArguments,
    }

    /// A folder with a configuration and rules, and a sensor that was started by them.
    struct Stage {
        folder: tempfile::TempDir,
        reloading: Arc<Reloading>,
        loaded: Loaded,
    }

    const RULE: &str = "alert ip $HOME_NET any -> any any (msg:\"a\"; sid:1;)\n";

    impl Stage {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.rules"), RULE).unwrap();
            fs::write(folder.path().join("b.rules"), RULE.replace("sid:1", "sid:2")).unwrap();
            let path = folder.path().join("gate.yaml");
            fs::write(&path, text).unwrap();
            let path = path.display().to_string();
            let arguments = Words::parse_from(["run", "--config", path.as_str()]).run;
            let sensor = Sensor::with(Some(path.as_ref()), &[]).unwrap();
            let mode = Mode { detection: true, ..Mode::default() };
            let mut process =
                sensor.settings(&arguments.output, &mode, &Log::errors()).unwrap().process;
            let loaded = replay::load_rules(&mut process, None).unwrap();
            let log = ProgramLog::default().install().unwrap();
            let reloading = Reloading::new(&arguments, &sensor, process, log);
            Self { folder, reloading, loaded }
        }

        fn change(&self, text: &str) -> Result<Loaded, String> {
            fs::write(self.folder.path().join("gate.yaml"), text).unwrap();
            (self.reloading.load())(&self.loaded)
        }

        fn ask(&self, path: &str) -> Option<String> {
            (self.reloading.lookup())(path)
        }
    }

    #[test]
    fn what_can_be_is_taken_over_and_the_rest_is_told() {
        let stage = Stage::new("rules: {files: [a.rules]}\ncapture: {workers: 2}\n");
        assert_eq!(stage.loaded.accepted, 1);
        let loaded = stage
            .change(
                "rules: {files: [a.rules, b.rules]}\nnetworks: {home: [10.9.0.0/16]}\n\
                 log: {level: debug}\ncapture: {workers: 3}\nchecksums: check\n",
            )
            .unwrap();
        assert_eq!(loaded.accepted, 2);
        assert_eq!(loaded.pending, ["capture.workers", "checksums"]);
        for part in [
            "networks.home is taken over",
            "rules.files is taken over",
            "log.level is taken over",
            "capture.workers has changed: that needs a restart",
        ] {
            assert!(loaded.remarks.iter().any(|line| line == part), "{:?}", loaded.remarks);
        }
        assert_eq!(stage.ask("capture.workers").as_deref(), Some("2"));
        assert_eq!(stage.ask("networks.home").as_deref(), Some("[10.9.0.0/16]"));
        assert_eq!(stage.ask("checksums").as_deref(), Some("auto"));
        assert_eq!(stage.ask("nothing"), None);
        let whole = stage.ask(WHOLE).unwrap();
        assert!(whole.contains("workers: 2") && whole.contains("10.9.0.0/16"), "{whole}");
        // Back to what it was started by: nothing waits any more.
        let loaded = stage.change("rules: {files: [a.rules]}\ncapture: {workers: 2}\n").unwrap();
        assert!(loaded.pending.is_empty(), "{:?}", loaded.pending);
        assert_eq!(loaded.accepted, 1);
    }

    #[test]
    fn a_bad_configuration_leaves_all_as_it_is() {
        let stage = Stage::new("rules: {files: [a.rules]}\nname: a\n");
        for (text, part) in [
            ("rules: {files: [a.rules\n", "gate.yaml:"),
            ("rules: {files: [a.rules], store: 3, fils: []}\n", "gate.yaml:1:"),
            ("rules: {files: [missing.rules]}\n", "there is no such rule file"),
            ("networks: {home: [10.0.0.0/33]}\n", "networks.home"),
            ("capture: {interfaces: [a, a]}\nrules: {files: [a.rules]}\n", "given twice"),
        ] {
            let said = stage.change(text).map(|_| ()).unwrap_err();
            assert!(said.contains(part), "{part} in {said}");
            assert!(stage.ask("rules.files").unwrap().contains("a.rules"));
            assert_eq!(stage.ask("name").as_deref(), Some("a"));
        }
        fs::remove_file(stage.folder.path().join("gate.yaml")).unwrap();
        let said = (stage.reloading.load())(&stage.loaded).map(|_| ()).unwrap_err();
        assert!(said.contains("gate.yaml"), "{said}");
    }

    #[test]
    fn files_of_data_sets_are_looked_at_again() {
        let stage = Stage::new("rules: {files: [a.rules]}\n");
        let path = |name: &str| stage.folder.path().join(name);
        let rule =
            "alert ip any any -> any any (ip.src; dataset:isset,s,type ipv4,load s.lst; sid:7;)\n";
        fs::write(path("a.rules"), rule).unwrap();
        fs::write(path("s.lst"), "192.0.2.1\n").unwrap();
        let first = stage.change("rules: {files: [a.rules]}\n").unwrap();
        assert_eq!((first.accepted, first.failures.len()), (1, 0));
        let again = || (stage.reloading.load())(&first);
        assert_eq!(again().unwrap().accepted, 1);
        // With the rule as it was: what its file says counts.
        fs::remove_file(path("s.lst")).unwrap();
        let said = again().map(|_| ()).unwrap_err();
        assert!(said.contains("s.lst"), "{said}");
    }

    #[test]
    fn thresholds_of_a_stored_set_count() {
        let stage = Stage::new("rules: {files: [a.rules]}\n");
        let set = stage.folder.path().join("set");
        fs::create_dir(&set).unwrap();
        fs::write(set.join("bateleur.rules"), RULE.replace("sid:1", "sid:9")).unwrap();
        fs::write(set.join("threshold.config"), "suppress gen_id 1, sig_id 9\n").unwrap();
        let mut process = stage.reloading.now.lock().unwrap().process.clone();
        process.rules.store = Some(crate::config::process::RuleStore::Set(set.clone()));
        let loaded = replay::load_rules(&mut process, Some(&stage.loaded)).unwrap();
        assert_eq!((loaded.accepted, loaded.ruleset.thresholds.len()), (2, 1));
        fs::write(set.join("threshold.config"), "suppress gen_id 1, sig_id 10\n").unwrap();
        let loaded = replay::load_rules(&mut process, Some(&loaded)).unwrap();
        assert!(loaded.ruleset.thresholds.is_empty());
        let said = std::cell::RefCell::new(Vec::new());
        replay::tell_refused(&loaded, &|line| said.borrow_mut().push(line.to_owned()));
        let said = said.into_inner();
        assert!(said[0].ends_with("threshold.config:1: there is no rule 10 of gid 1"), "{said:?}");
    }
}
