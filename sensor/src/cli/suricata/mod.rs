//! Suricata's command line: the same options, the same texts, the same exit status.

mod background;
mod info;
mod live;
mod options;
mod pid_file;
mod rules;
mod run;
mod sending;

pub(crate) use info::{hooks, keyword_rows};

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::suricata::{self, Config, Fatal, Mode};
use crate::config::tree::Node;
use crate::config::{set, yaml};
use crate::log::{Log, relay};

use options::{List, Options, Show, UsageError};

/// The version of Suricata whose contract is kept.
pub(crate) const VERSION: &str = "8.0.7";

/// Runs with the arguments behind the program's name.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let log = Arc::new(Log::console());
    relay::install(&log);
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(UsageError::Unknown(said)) => {
            let _ = writeln!(io::stderr(), "bateleur suricata: {said}");
            print(&info::usage());
            return ExitCode::FAILURE;
        }
        Err(UsageError::Refused(said)) => {
            log.error("suricata", said);
            return ExitCode::FAILURE;
        }
    };
    match with_options(&options, &log) {
        Ok(code) => code,
        Err(Fatal) => ExitCode::FAILURE,
    }
}

fn print(text: &str) {
    // Whoever closed the pipe does not want the rest.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn with_options(options: &Options, log: &Arc<Log>) -> Result<ExitCode, Fatal> {
    if let Some(show) = &options.show {
        return shown(show, log).map(|()| ExitCode::SUCCESS);
    }
    let runs = options.input.is_some() || options.live.is_some();
    let has_mode = runs || options.test || options.dump_config || options.list.is_some();
    if !has_mode {
        print(&info::usage());
        return Err(Fatal);
    }
    check_paths(options, log)?;
    let captures =
        options.live.is_some() && !(options.test || options.dump_config || options.list.is_some());
    if captures && options.daemon && !background::is_here() {
        return background::start().map_err(|error| {
            log.error("suricata", format!("cannot start in the background: {error}"));
            Fatal
        });
    }
    let root = tree(options, log)?;
    if options.dump_config {
        let mut out = String::new();
        root.walk("", &mut |path, value| {
            out.push_str(&format!("{path} = {}\n", value.unwrap_or("(null)")));
        });
        print(&out);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(list) = options.list {
        return listed(list, &root, log).map(|()| ExitCode::SUCCESS);
    }
    match options.live.as_ref().filter(|_| !options.test) {
        Some(live) => live::run(options, live, &root, log)?,
        None => run::run(options, &root, log)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(show: &Show, log: &Log) -> Result<(), Fatal> {
    match show {
        Show::Usage => print(&info::usage()),
        Show::Version => print(&info::version()),
        Show::BuildInfo => print(&info::build_info()),
        Show::Runmodes => print(&info::runmodes()),
        Show::Keywords(form) => match info::keywords(form.as_deref()) {
            Some(text) => print(&text),
            None => {
                log.error("detect", "Non existing keyword");
                return Err(Fatal);
            }
        },
    }
    Ok(())
}

fn listed(list: List, root: &Node, log: &Log) -> Result<(), Fatal> {
    let mode = Mode { detection: true, ..Mode::default() };
    let config = Config { root, log, mode: &mode };
    match list {
        List::Protocols => {
            let settings = suricata::protocols(config)?;
            print(&info::protocols(&settings));
        }
        List::Hooks => print(&info::hooks()),
        List::Features => {
            for feature in suricata::features() {
                print(&format!("{feature}\n"));
            }
        }
    }
    Ok(())
}

/// Paths of the arguments must be there before anything else happens.
fn check_paths(options: &Options, log: &Log) -> Result<(), Fatal> {
    let fail = |said: String| {
        log.error("suricata", said);
        Err(Fatal)
    };
    if let Some(dir) = &options.log_dir
        && !dir.is_dir()
    {
        let dir = dir.display();
        return fail(format!(
            "The logging directory \"{dir}\" supplied at the command-line (-l {dir}) doesn't \
             exist. Shutting down the engine."
        ));
    }
    if let Some(dir) = &options.data_dir
        && !dir.is_dir()
    {
        let dir = dir.display();
        return fail(format!(
            "The data directory \"{dir}\" supplied at the command-line (--data-dir {dir}) \
             doesn't exist. Shutting down the engine."
        ));
    }
    if let Some(input) = &options.input
        && !input.exists()
    {
        let said = format!("pcap file '{}': No such file or directory", input.display());
        return fail(said);
    }
    Ok(())
}

/// The configuration, with what the options set in it.
fn tree(options: &Options, log: &Log) -> Result<Node, Fatal> {
    let mut root = Node::default();
    for argument in &options.sets {
        if !set::apply(&mut root, argument) {
            log.error("suricata", "Invalid argument for --set, must be key=val.");
            return Err(Fatal);
        }
    }
    let mut option = |path: &str, value: &str| {
        if root.text(path).is_none() {
            root.set_final(path, value);
        }
    };
    if let Some(word) = &options.checksums {
        option("stream.checksum-validation", if word == "none" { "0" } else { "1" });
        option("capture.checksum-validation", word);
    }
    if let Some(runmode) = &options.runmode {
        option("runmode", runmode);
    }
    if let Some(dir) = &options.data_dir {
        option("default-data-dir", &dir.display().to_string());
    }
    let main =
        options.config.clone().unwrap_or_else(|| PathBuf::from("/etc/suricata/suricata.yaml"));
    let mut loader = yaml::Loader::new(root, log);
    let read = |loader: &mut yaml::Loader<'_>| {
        loader.main_file(&main)?;
        options.includes.iter().try_for_each(|file| loader.included_file(file))
    };
    read(&mut loader).map_err(|error| {
        error.report(log);
        Fatal
    })?;
    Ok(loader.finish())
}

/// The directory of the outputs, which must be there.
fn log_dir(options: &Options, root: &Node, log: &Log) -> Result<PathBuf, Fatal> {
    let dir = suricata::log_dir(root, options.log_dir.as_deref());
    if dir.is_dir() {
        return Ok(dir);
    }
    let file = options.config.as_deref().unwrap_or(Path::new("suricata.yaml"));
    log.error(
        "suricata",
        format!(
            "The logging directory \"{}\" supplied by {} (default-log-dir) doesn't exist. \
             Shutting down the engine.",
            dir.display(),
            file.display()
        ),
    );
    Err(Fatal)
}

/// What came of a step, or the reason why nothing did.
fn told<T, E: std::fmt::Display>(
    log: &Log,
    module: &str,
    what: &str,
    result: Result<T, E>,
) -> Result<T, Fatal> {
    result.map_err(|error| {
        log.error(module, format!("{what}: {error}"));
        Fatal
    })
}
