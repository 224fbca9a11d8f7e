//! `threading`: on which CPUs threads run.

use placement::CpuSet;

use crate::config::capture::CaptureSettings;
use crate::config::tree::Node;

use super::{Config, Fatal};

/// `threading`: on which CPUs workers and the rest run.
///
/// # Errors
/// When a list of CPUs is none; the log has it.
pub(super) fn read(config: Config<'_>, settings: &mut CaptureSettings) -> Result<(), Fatal> {
    if !config.truth("threading.set-cpu-affinity", false) {
        return Ok(());
    }
    let Some(all) = config.root.get("threading.cpu-affinity") else { return Ok(()) };
    settings.management_cpus = cpus(config, set(all, "management-cpu-set"))?;
    let Some(workers) = set(all, "worker-cpu-set") else { return Ok(()) };
    settings.cpus = cpus(config, Some(workers))?;
    // Since workers serve all interfaces, they run wherever one of these is to be served.
    let own = workers.child("interface-specific-cpu-set").map_or(&[][..], |list| &list.children);
    let mut specific = CpuSet::new();
    for one in own {
        let captured = |name: &str| settings.interfaces.iter().any(|i| i.live.name == name);
        if one.text("interface").is_some_and(captured)
            && let Some(cpus) = cpus(config, Some(one))?
        {
            specific = specific.union(&cpus);
        }
    }
    if !specific.is_empty() {
        settings.cpus = Some(specific);
    }
    Ok(())
}

/// A set by its name: a key since Suricata 8, before that an item of a list.
fn set<'a>(all: &'a Node, name: &str) -> Option<&'a Node> {
    let item = |item: &'a Node| item.item().filter(|(own, _)| *own == name)?.1;
    all.child(name).or_else(|| all.children.iter().find_map(item))
}

/// The CPUs of a set; none: all.
fn cpus(config: Config<'_>, set: Option<&Node>) -> Result<Option<CpuSet>, Fatal> {
    let Some(list) = set.and_then(|set| set.child("cpu")) else { return Ok(None) };
    let mut cpus = CpuSet::new();
    for text in list.texts() {
        if text == "all" {
            return Ok(None);
        }
        let more: CpuSet = text.parse().map_err(|error| {
            config.fail("affinity", &format!("threading.cpu-affinity: {error}"))
        })?;
        cpus = cpus.union(&more);
    }
    Ok((!cpus.is_empty()).then_some(cpus))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::suricata::{CaptureSection, Mode, read_capture};
    use crate::config::yaml::Loader;
    use crate::log::Log;

    fn settings(text: &str) -> Result<CaptureSettings, Fatal> {
        let log = Log::errors();
        let mut loader = Loader::new(Node::default(), &log);
        loader.text(&format!("%YAML 1.1\n---\n{text}")).unwrap();
        let root = loader.finish();
        let config = Config { root: &root, log: &log, mode: &Mode::default() };
        read_capture(config, CaptureSection::AfPacket, &[])
    }

    #[test]
    fn cpus_of_both_forms_are_read() {
        let check = |on: &str, sets: &str, expected: (Option<&str>, Option<&str>)| {
            let text = format!(
                "af-packet: [{{interface: eth0}}]\nthreading:\n  set-cpu-affinity: {on}\n  \
                 cpu-affinity:\n{sets}"
            );
            let all = settings(&text).unwrap();
            let list = |cpus: &Option<CpuSet>| cpus.as_ref().map(CpuSet::to_string);
            let (workers, rest) = (list(&all.cpus), list(&all.management_cpus));
            assert_eq!((workers.as_deref(), rest.as_deref()), expected, "{text}");
        };
        let list = "    - management-cpu-set:\n        cpu: [ 0 ]\n    \
                    - worker-cpu-set:\n        cpu: [ 2, \"4-5\" ]\n        mode: exclusive\n";
        check("yes", list, (Some("2,4-5"), Some("0")));
        check("no", list, (None, None));
        let keys = "    management-cpu-set:\n      cpu: [ 0, 1 ]\n    \
                    worker-cpu-set:\n      cpu: [ \"all\" ]\n";
        check("yes", keys, (None, Some("0-1")));
        let own = "    worker-cpu-set:\n      cpu: [ \"1-9\" ]\n      interface-specific-cpu-set:\n        \
                   - interface: eth0\n          cpu: [ 3, 5 ]\n        \
                   - interface: eth7\n          cpu: [ 6 ]\n";
        check("yes", own, (Some("3,5"), None));
        let bad = "af-packet: [{interface: e}]\nthreading:\n  set-cpu-affinity: yes\n  \
                   cpu-affinity:\n    worker-cpu-set:\n      cpu: [ x ]\n";
        assert!(settings(bad).is_err());
    }
}
