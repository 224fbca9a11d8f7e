//! `bateleur plan`: where capture would run on this host, what of it is to change, and back.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use placement::{
    CpuSet, Facts, FactsError, Host, Inventory, Kernel, Plan, Setting, Sources, Surroundings,
    Topology, Undo, apply, verify,
};

use crate::config::capture::CaptureSettings;
use crate::config::native::Sensor;
use crate::config::suricata::{CaptureSection, Config, Mode, read_capture};
use crate::config::tree::Node;
use crate::config::yaml::Loader;
use crate::control::privileges::raise;
use crate::log::{Level, Log};

use super::native::ANNOTATIONS;
use super::restorer;

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub(super) struct PlanArguments {
    /// Interfaces: by name, PCI address, MAC, resource:NAME of a device plugin or network:NAME of
    /// a pod. By default those of the configuration.
    #[arg(long, short, num_args = 1.., value_name = "NAME")]
    interface: Vec<String>,
    /// Configuration (sensor.yaml).
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Configuration (suricata.yaml): its af-packet or af-xdp section.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    suricata: Option<PathBuf>,
    /// Workers. By default one for each core that is near the interfaces.
    #[arg(long, short, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// CPUs for workers, e.g. "2-5,8".
    #[arg(long, value_name = "LIST")]
    cpus: Option<CpuSet>,
    /// The annotations of the pod, as the downward API writes them, for network:NAME.
    #[arg(long, value_name = "FILE", default_value = ANNOTATIONS)]
    annotations: PathBuf,
    /// The plan as JSON.
    #[arg(long)]
    json: bool,
    /// Change the host as planned; takes root.
    #[arg(long)]
    apply: bool,
    /// With --apply: where to keep what was before. What the file has already stays in it.
    #[arg(long, value_name = "FILE", requires = "apply")]
    undo_file: Option<PathBuf>,
    /// Print only what is not as planned; the exit status is 1 if anything is not.
    #[arg(long)]
    verify: bool,
    /// Bring back what was before, from a file of --undo-file, and remove the file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apply", "verify", "json", "interface"])]
    undo: Option<PathBuf>,
    /// With --undo: wait until standard input ends, and do nothing if there is no such file then.
    #[arg(long, requires = "undo")]
    wait: bool,
}

pub(super) fn run(arguments: &PlanArguments) -> Result<ExitCode> {
    raise();
    if let Some(file) = &arguments.undo {
        let (mut kept, mut is_known) = (None, false);
        if arguments.wait {
            let remember = || (kept, is_known) = (Undo::load(file).ok(), true);
            restorer::wait(remember).context("signals cannot be handled")?;
            if kept.is_none() && (is_known || !file.exists()) {
                return Ok(ExitCode::SUCCESS);
            }
        }
        return undo(file, kept);
    }
    let settings = settings(arguments)?;
    let (facts, plan) = plan(&settings)?;
    facts.notes.iter().for_each(|note| eprintln!("note: {note}"));
    match arguments.json {
        true => print(&(serde_json::to_string_pretty(&plan)? + "\n")),
        false if arguments.verify => {}
        false => print(&plan.to_string()),
    }
    if arguments.apply {
        change(&plan, arguments.undo_file.as_deref())?;
    }
    if !arguments.verify {
        return Ok(ExitCode::SUCCESS);
    }
    let differences = match arguments.apply {
        true => verify(&plan, &gather(&settings)?),
        false => verify(&plan, &facts),
    };
    differences.iter().for_each(|line| eprintln!("not as planned: {line}"));
    if differences.is_empty() {
        eprintln!("as planned");
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(text: &str) {
    // Whoever closed the pipe does not want it.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// An error of opening interfaces, behind the rights that the plan has found missing: without them
/// the kernel's reasons lead astray.
pub(super) fn with_lack(error: impl Display, notes: &[String]) -> String {
    match notes.iter().find(|note| note.starts_with("this process lacks ")) {
        Some(lack) => format!("{lack}: {error}"),
        None => error.to_string(),
    }
}

/// The configuration with what the arguments say, and interfaces by their names.
fn settings(arguments: &PlanArguments) -> Result<CaptureSettings> {
    let mut settings = match (&arguments.config, &arguments.suricata) {
        (_, Some(path)) => of_suricata(path, &arguments.interface)?,
        (Some(path), None) => Sensor::of(Some(path))?.capture()?,
        (None, None) => CaptureSettings::default(),
    };
    settings = settings.with_interfaces(&arguments.interface);
    ensure!(
        !settings.interfaces.is_empty(),
        "no interface is named: give some with -i, or in capture.interfaces of --config"
    );
    if let Some(workers) = arguments.workers {
        settings.workers = Some(workers.into());
    }
    if arguments.cpus.is_some() {
        settings.cpus.clone_from(&arguments.cpus);
    }
    let inventory = Inventory::read(Path::new("/"))?;
    Ok(settings.resolve(&inventory, &surroundings(&arguments.annotations))?)
}

/// What a configuration for Suricata says of capture.
fn of_suricata(path: &Path, interfaces: &[String]) -> Result<CaptureSettings> {
    let console = Log::console();
    let mut loader = Loader::new(Node::default(), &console);
    loader.main_file(path)?;
    let root = loader.finish();
    let log = Log::keeping(Level::Warning);
    let config = Config { root: &root, log: &log, mode: &Mode::default() };
    let read = read_capture(config, CaptureSection::of(&root), interfaces);
    let said: Vec<String> = log.take_kept().into_iter().map(|(_, text)| text).collect();
    let read = read.map_err(|_| anyhow!("{}: {}", path.display(), said.join("; ")))?;
    said.iter().for_each(|text| eprintln!("note: {text}"));
    Ok(read)
}

/// What a pod is told of its devices and networks. That there is no such file is told when a
/// network is asked for.
pub(super) fn surroundings(annotations: &Path) -> Surroundings {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
    let mut surroundings = Surroundings { environment, ..Surroundings::default() };
    if let Err(error) = surroundings.read_network_status(annotations)
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("note: {}: {error}", annotations.display());
    }
    surroundings
}

/// What the host is like, and what would be best.
pub(super) fn plan(settings: &CaptureSettings) -> Result<(Facts, Plan)> {
    let facts = gather(settings)?;
    let plan = Plan::make(&facts, &settings.wishes());
    Ok((facts, plan))
}

/// What the host is like, by hwloc if this build has it.
fn gather(settings: &CaptureSettings) -> Result<Facts> {
    let names: Vec<String> = settings.interfaces.iter().map(|one| one.live.name.clone()).collect();
    let from = |topology| Sources { root: PathBuf::from("/"), topology };
    let said = match Facts::gather(&from(Topology::Hwloc), &names) {
        Ok(facts) => return Ok(facts),
        Err(FactsError::NoHwloc) => None,
        Err(FactsError::Hwloc(reason)) => Some(format!("no hwloc: {reason}")),
        Err(error) => return Err(error.into()),
    };
    let mut facts = Facts::gather(&from(Topology::Sysfs), &names)?;
    facts.notes.extend(said);
    Ok(facts)
}

/// Applies the plan. What it takes to undo is in the file before anything is changed.
pub(super) fn change(plan: &Plan, file: Option<&Path>) -> Result<()> {
    let before = match file {
        Some(file) if file.exists() => {
            Undo::load(file).with_context(|| format!("{}: cannot be read", file.display()))?
        }
        _ => Undo::default(),
    };
    let keep = |undo: &Undo| match file {
        Some(file) => {
            let settings = before.settings.iter().chain(&undo.settings).cloned().collect();
            Undo { settings }.save(file).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", file.display()))
            })
        }
        None => Ok(()),
    };
    if file.is_none() {
        eprintln!("note: what was before is not kept: --undo-file FILE would do that");
    }
    let mut host = Kernel::open().context("the kernel cannot be asked")?;
    let applied = apply(plan, &mut host, keep).context("the plan cannot be applied")?;
    applied.done.iter().for_each(|setting| eprintln!("done: {setting}"));
    applied.warnings.iter().for_each(|warning| eprintln!("not done: {warning}"));
    match file {
        _ if applied.done.is_empty() => eprintln!("nothing was changed"),
        Some(file) => eprintln!("to undo: bateleur plan --undo {}", file.display()),
        None => {}
    }
    Ok(())
}

/// Brings back what a file says, or what it said before: somebody else may write there by now.
fn undo(file: &Path, kept: Option<Undo>) -> Result<ExitCode> {
    let undo = match kept {
        Some(undo) => undo,
        None => Undo::load(file).with_context(|| format!("{}: cannot be read", file.display()))?,
    };
    let mut host = Kernel::open().context("the kernel cannot be asked")?;
    let differs = |setting: &&Setting| !host.now(setting).is_ok_and(|now| setting.met_by(&now));
    let differing = undo.settings.iter().rev().filter(differs).map(Setting::to_string);
    let mut restored: Vec<String> = Vec::new();
    // A plan that was applied twice may have kept a setting twice.
    for line in differing {
        if !restored.contains(&line) {
            restored.push(line);
        }
    }
    let problems = undo.run(&mut host);
    for line in &restored {
        if !problems.iter().any(|problem| problem.starts_with(line.as_str())) {
            print(&format!("restored: {line}\n"));
        }
    }
    if !problems.is_empty() {
        bail!("{}\n{} is kept", problems.join("\n"), file.display());
    }
    std::fs::remove_file(file).with_context(|| format!("{}: cannot be removed", file.display()))?;
    if restored.is_empty() {
        print("nothing to restore: the host is as it was\n");
    }
    print(&format!("{} is removed\n", file.display()));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::with_lack;

    #[test]
    fn missing_rights_come_before_what_the_kernel_says() {
        let check = |notes: &[&str], expected: &str| {
            let notes: Vec<String> = notes.iter().map(|note| (*note).to_owned()).collect();
            assert_eq!(with_lack("eth1: refused", &notes), expected);
        };
        check(&[], "eth1: refused");
        check(&["irqbalance runs"], "eth1: refused");
        check(
            &["irqbalance runs", "this process lacks CAP_BPF, CAP_PERFMON"],
            "this process lacks CAP_BPF, CAP_PERFMON: eth1: refused",
        );
    }
}
