//! What a live run captures, where and how: the configuration, then the command line, then the plan.

use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use capture::live::{LiveSettings, Method};
use detect::settings::{OutputSettings, Settings};
use placement::{CpuSet, FindError, Inventory, Plan};
use protocol::settings::EncryptionHandling;

use crate::config::capture::{CaptureSettings, PlanUse, RunChoices, Shunting};
use crate::config::native::Sensor;

use super::cpus::CpuList;
use super::native::{CaptureMethod, RunArguments};
use super::plan;
use super::restorer::Restorer;

/// Where it is kept how the host was before a plan was applied that stays.
const UNDO: &str = "/run/bateleur-plan-undo.json";
/// A pod's networks are waited for so long: the kubelet looks for changes about once a minute.
const NETWORKS: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// What a run begins with.
pub(super) struct Capturing {
    pub(super) settings: CaptureSettings,
    pub(super) live: LiveSettings,
    pub(super) workers: usize,
    /// The CPU of each worker, as far as it is to be kept on one.
    pub(super) cpus: Vec<Option<usize>>,
    /// The CPUs of everything else, if it is to be kept on some.
    pub(super) management: Vec<usize>,
    /// Undoes the plan when this goes.
    pub(super) restorer: Option<Restorer>,
    /// What else is worth knowing, for people.
    pub(super) notes: Vec<String>,
    /// Flows beyond the reassembly depth need no inspection (`--shunt`).
    long: bool,
}

impl Capturing {
    /// Puts together what was said, and finds the interfaces.
    pub(super) fn of(arguments: &RunArguments, sensor: &Sensor) -> Result<Self> {
        let settings = settings(arguments, sensor)?;
        if arguments.cpus.is_none() {
            sensor.check_cpus(&usable_cpus())?;
        }
        let mut capturing = Self::with(settings, arguments.cpus.as_ref(), arguments.shunt)?;
        capturing.notes.extend(arguments.without_effect());
        Ok(capturing)
    }

    /// With settings whose interfaces have their names, CPUs for the workers if some are named,
    /// and whether flows beyond the reassembly depth need no inspection.
    pub(super) fn with(
        settings: CaptureSettings,
        listed: Option<&CpuList>,
        long: bool,
    ) -> Result<Self> {
        let mut settings = settings;
        let mut notes = leave_to_the_host(&mut settings);
        let plan = match plan::plan(&settings) {
            Ok((_, plan)) => Some(plan),
            Err(error) => {
                notes.push(format!("workers have no CPUs of their own: {error:#}"));
                None
            }
        };
        let restorer = match &plan {
            Some(plan) => apply(plan, settings.plan)?,
            None => None,
        };
        if let Some(plan) = &plan {
            notes.extend(plan.warnings.iter().cloned());
        }
        let workers = workers(listed, &settings, plan.as_ref());
        let cpus = cpus(listed, workers, plan.as_ref())?;
        // The hash table's seed only has to be unknown to strangers.
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8) as u32;
        // Another sensor in this network namespace has other numbers; containers share process ids.
        let group_number = (seed >> 16) as u16;
        let choices = RunChoices { workers, plan: plan.as_ref(), seed, group_number };
        let live = settings.live(&choices);
        let management = settings.management_cpus.iter().flat_map(CpuSet::iter);
        let management = management.map(|cpu| cpu as usize).collect();
        Ok(Self { settings, live, workers, cpus, management, restorer, notes, long })
    }

    /// What the detectors have to know of it.
    pub(super) fn apply(&self, detector: &mut Settings) {
        detector.decode.live = true;
        let names: Vec<String> = self.live.interfaces.iter().map(|one| one.name.clone()).collect();
        for output in &mut detector.outputs {
            if let OutputSettings::Eve(eve) = output {
                eve.interfaces.clone_from(&names);
                eve.pcap_files = None;
            }
        }
        let shunt = self.settings.shunt;
        detector.stream.bypass |= self.long || shunt.after.is_some();
        // 0 would put together streams of any length.
        if let Some(bytes) = shunt.after.filter(|bytes| *bytes > 0) {
            detector.stream.depth = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        if shunt.encrypted {
            detector.protocol.tls.encryption_handling = EncryptionHandling::Bypass;
            detector.protocol.ssh.encryption_handling = EncryptionHandling::Bypass;
        }
        detector.bypass_passed |= shunt.pass;
    }
}

/// AF_XDP takes frames away from the host. Where the choice is ours it keeps those of an
/// interface that it has an address on, which somebody may be signed in over.
fn leave_to_the_host(settings: &mut CaptureSettings) -> Vec<String> {
    let mut notes = Vec::new();
    for one in settings.interfaces.iter_mut().filter(|one| one.live.method == Method::Auto) {
        if let Some(address) = address_of(&one.live.name) {
            one.live.method = Method::Packet;
            notes.push(format!(
                "{}: the host has {address} there and goes on receiving; with `--method af-xdp` or \
                 `method: af-xdp` all that comes in is the sensor's",
                one.live.name
            ));
        }
    }
    notes
}

/// An address that others reach the host by over this interface.
fn address_of(interface: &str) -> Option<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().ok()?.filter(|one| one.interface_name == interface);
    let address = |one: nix::ifaddrs::InterfaceAddress| {
        let storage = one.address?;
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    let reaches = |address: &IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    };
    all.filter_map(address).find(reaches)
}

/// Prepares the host if that is wanted.
fn apply(plan: &Plan, wanted: PlanUse) -> Result<Option<Restorer>> {
    match wanted {
        PlanUse::None => Ok(None),
        PlanUse::Keep => plan::change(plan, Some(Path::new(UNDO))).map(|()| None),
        PlanUse::Apply => {
            // Of this process: others may have plans of their own.
            let file = format!("/run/bateleur-plan-undo-{}.json", std::process::id());
            let restorer = Restorer::start(Path::new(&file));
            let mut restorer = restorer.context("nobody can be started to undo the plan")?;
            plan::change(plan, Some(Path::new(&file)))?;
            restorer.remember().context("nobody is there any more to undo the plan")?;
            Ok(Some(restorer))
        }
    }
}

fn settings(arguments: &RunArguments, sensor: &Sensor) -> Result<CaptureSettings> {
    let mut settings = match &arguments.config {
        Some(_) => sensor.capture()?,
        None => CaptureSettings::default(),
    };
    settings = settings.with_interfaces(&arguments.interface);
    ensure!(
        !settings.interfaces.is_empty(),
        "no interface is named: give some with -i, or in capture.interfaces of --config"
    );
    for one in &mut settings.interfaces {
        match arguments.method {
            Some(CaptureMethod::Auto) => one.live.method = Method::Auto,
            Some(CaptureMethod::AfXdp) => one.live.method = Method::Xdp,
            Some(CaptureMethod::AfPacket) => one.live.method = Method::Packet,
            None => {}
        }
        if let Some(ring) = arguments.ring {
            ensure!(ring.is_power_of_two(), "--ring {ring}: a power of two is needed, e.g. 4096");
            one.live.xdp.ring = ring;
            // As many again are filled by the kernel, and as many are under inspection.
            one.live.xdp.chunks = one.live.xdp.chunks.max(ring.saturating_mul(3));
        }
        one.live.xdp.chunks = arguments.chunks.unwrap_or(one.live.xdp.chunks);
    }
    settings.hand_over = arguments.hand_over.unwrap_or(settings.hand_over);
    settings.workers = arguments.workers.map(usize::from).or(settings.workers);
    if let Some(list) = &arguments.cpus {
        settings.cpus = Some(list.set());
    }
    if arguments.shunt {
        settings.shunt = Shunting { encrypted: true, pass: true, ..settings.shunt };
    }
    found(settings, &arguments.annotations)
}

/// With the names that the interfaces have on this host. In a pod its networks are waited for: the
/// kubelet may write what Multus tells of them when the containers run already.
pub(super) fn found(settings: CaptureSettings, annotations: &Path) -> Result<CaptureSettings> {
    let is_pod = annotations.parent().is_some_and(Path::is_dir);
    let begin = Instant::now();
    let mut told = false;
    loop {
        let inventory = Inventory::read(Path::new("/"))?;
        match settings.clone().resolve(&inventory, &plan::surroundings(annotations)) {
            Err(FindError::NoNetworkStatus) if is_pod && begin.elapsed() < NETWORKS => {
                if !told {
                    let (file, seconds) = (annotations.display(), NETWORKS.as_secs());
                    tracing::info!("the pod's networks are not in {file} yet: up to {seconds} s");
                }
                told = true;
                thread::sleep(LOOK);
            }
            resolved => return Ok(resolved?),
        }
    }
}

/// As many as asked for; else one for each CPU of the list; else as planned; else one for each
/// CPU but one, which writes.
fn workers(listed: Option<&CpuList>, settings: &CaptureSettings, plan: Option<&Plan>) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let listed = || listed.map(CpuList::len);
    let planned = || plan.map(|plan| plan.workers.len()).filter(|planned| *planned > 0);
    settings.workers.or_else(listed).or_else(planned).unwrap_or((cpus - 1).max(1))
}

/// Those of the plan, which knows the list; or in the order of the list, if the plan has fewer
/// workers or could not keep to it.
fn cpus(
    listed: Option<&CpuList>,
    workers: usize,
    plan: Option<&Plan>,
) -> Result<Vec<Option<usize>>> {
    let planned = plan.map(|plan| plan.workers.as_slice()).unwrap_or_default();
    let cpu = |worker| planned.get(worker).map(|one: &placement::Worker| one.cpu as usize);
    let planned: Vec<Option<usize>> = (0..workers).map(cpu).collect();
    let Some(list) = listed else { return Ok(planned) };
    if let Some(missing) = list.missing(&usable_cpus()) {
        bail!("--cpus: CPU {missing} is not there, or not for this process");
    }
    let follows = planned.iter().all(|cpu| cpu.is_some_and(|cpu| list.contains(cpu)));
    Ok(if follows { planned } else { list.of_workers(workers) })
}

/// CPUs that this process may use.
fn usable_cpus() -> Vec<usize> {
    let usable = core_affinity::get_core_ids().unwrap_or_default();
    usable.into_iter().map(|core| core.id).collect()
}
