//! Plans applied to a host that records what it is told, and refuses what it is told to refuse.

use std::io;

use placement::{Facts, Host, Plan, Setting, Undo, Wishes, apply, verify};

use crate::machines::{Shape, card};

/// A host that is as its facts say, with the settings made since.
struct Recorder {
    facts: Facts,
    made: Vec<Setting>,
    refuses: fn(&Setting) -> bool,
    ignores: fn(&Setting) -> bool,
    /// Settings in the order in which they were made.
    log: Vec<String>,
}

impl Recorder {
    fn new(facts: Facts) -> Self {
        Self { facts, made: Vec::new(), refuses: |_| false, ignores: |_| false, log: Vec::new() }
    }
}

/// Whether two settings are about the same thing.
fn alike(one: &Setting, other: &Setting) -> bool {
    let key = |setting: &Setting| {
        let mut json = serde_json::to_value(setting).unwrap();
        let fields = json.as_object_mut().unwrap().values_mut().next().unwrap();
        let kept = ["interface", "feature", "flow", "irq", "queue", "node", "size_kib"];
        fields.as_object_mut().unwrap().retain(|name, _| kept.contains(&name.as_str()));
        json.to_string()
    };
    key(one) == key(other)
}

impl Host for Recorder {
    fn now(&mut self, setting: &Setting) -> io::Result<Setting> {
        if let Some(made) = self.made.iter().rev().find(|made| alike(made, setting)) {
            return Ok(match made {
                // What a driver tells of a hash is bytes and a table.
                Setting::ReceiveHash { .. } => concrete(made),
                _ => made.clone(),
            });
        }
        setting.now(&self.facts).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn set(&mut self, setting: &Setting) -> io::Result<()> {
        if (self.refuses)(setting) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.log.push(setting.to_string());
        if !(self.ignores)(setting) {
            self.made.push(setting.clone());
        }
        Ok(())
    }

    fn interrupts(&mut self, interface: &str, queue: u32) -> io::Result<Vec<u32>> {
        let facts = self.facts.interface(interface).ok_or(io::ErrorKind::NotFound)?;
        let of_queue = facts.interrupts.iter().filter(|one| one.queue == Some(queue));
        Ok(of_queue.map(|one| one.irq).collect())
    }
}

fn concrete(setting: &Setting) -> Setting {
    use placement::{HashKey, Indirection};
    let mut setting = setting.clone();
    if let Setting::ReceiveHash { key, indirection, .. } = &mut setting {
        if *key == HashKey::Symmetric {
            *key = HashKey::Bytes("6d5a".repeat(26));
        }
        if let Indirection::Even(queues) = indirection {
            *indirection = Indirection::Table((0..*queues).cycle().take(128).collect());
        }
    }
    setting
}

fn host() -> (Facts, Plan) {
    let facts = Shape::new(1, 4, 1).facts(vec![card("ens1", "i40e", Some(0), 10_000, 8)]);
    let plan = Plan::make(&facts, &Wishes::default());
    (facts, plan)
}

#[test]
fn a_plan_is_applied_kept_and_undone() {
    let (facts, plan) = host();
    let mut host = Recorder::new(facts.clone());
    let file = tempfile::NamedTempFile::new().unwrap();
    let applied = apply(&plan, &mut host, |undo| undo.save(file.path())).unwrap();
    assert_eq!(applied.warnings, Vec::<String>::new());
    assert_eq!(applied.done.len(), applied.undo.settings.len());
    for step in &plan.steps {
        if !matches!(step.setting, Setting::QueueInterrupts { .. }) {
            let now = host.now(&step.setting).unwrap();
            assert!(step.setting.met_by(&now), "{}: {}", step.setting, now.value());
        }
    }
    // Channels come before all that is made anew with them.
    let position = |start: &str| host.log.iter().position(|line| line.starts_with(start)).unwrap();
    assert!(position("ethtool -L") < position("ethtool -X"));
    assert!(position("ethtool -X") < position("echo 1 > /proc/irq"), "{:#?}", host.log);

    let kept = Undo::load(file.path()).unwrap();
    assert_eq!(kept, applied.undo);
    host.log.clear();
    assert_eq!(kept.run(&mut host), Vec::<String>::new());
    // The last change is undone first: settings made after the channels need those channels.
    let backwards: Vec<String> = kept.settings.iter().rev().map(Setting::to_string).collect();
    assert_eq!(host.log, backwards);
    for setting in &kept.settings {
        let before = setting.now(&facts).unwrap();
        let now = host.now(setting).unwrap();
        assert_eq!(now, before, "{setting}");
    }
    // Undoing what is undone does nothing.
    host.log.clear();
    assert_eq!(kept.run(&mut host), Vec::<String>::new());
    assert_eq!(host.log, Vec::<String>::new());
}

#[test]
fn applying_twice_changes_nothing_more() {
    let (facts, plan) = host();
    let mut host = Recorder::new(facts);
    apply(&plan, &mut host, |_| Ok(())).unwrap();
    host.log.clear();
    let applied = apply(&plan, &mut host, |_| Ok(())).unwrap();
    assert_eq!(host.log, Vec::<String>::new());
    assert_eq!(applied.undo, Undo::default());
}

#[test]
fn a_required_step_that_fails_undoes_what_was_done() {
    let (facts, plan) = host();
    let mut host = Recorder::new(facts.clone());
    host.refuses = |setting| matches!(setting, Setting::Promiscuous { on: true, .. });
    let mut kept = Undo::default();
    let error = apply(&plan, &mut host, |undo| {
        kept = undo.clone();
        Ok(())
    })
    .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("ip link set ens1 promisc on: permission denied"), "{text}");
    assert!(text.ends_with("what had been changed was undone"), "{text}");
    assert!(kept.settings.len() > 3, "{kept:?}");
    for setting in &kept.settings {
        assert_eq!(host.now(setting).unwrap(), setting.now(&facts).unwrap(), "{setting}");
    }
}

#[test]
fn an_optional_step_that_fails_is_a_warning() {
    let (facts, plan) = host();
    let mut host = Recorder::new(facts);
    host.refuses = |setting| matches!(setting, Setting::Rings { .. });
    host.ignores = |setting| matches!(setting, Setting::Pause { .. });
    let applied = apply(&plan, &mut host, |_| Ok(())).unwrap();
    let [rings, pause] = applied.warnings.as_slice() else { panic!("{:?}", applied.warnings) };
    assert!(rings.contains("ethtool -G ens1") && rings.contains("denied"), "{rings}");
    assert!(pause.contains("ethtool -A ens1") && pause.contains("rx on tx on"), "{pause}");
    let about = |s: &Setting| matches!(s, Setting::Rings { .. } | Setting::Pause { .. });
    assert!(!applied.undo.settings.iter().any(about), "{:?}", applied.undo);
}

#[test]
fn nothing_is_changed_that_could_not_be_kept() {
    let (facts, plan) = host();
    let mut host = Recorder::new(facts);
    let full = |_: &Undo| Err(io::ErrorKind::StorageFull.into());
    let error = apply(&plan, &mut host, full).unwrap_err();
    assert!(error.to_string().contains("storage"), "{error}");
    assert_eq!(host.log, Vec::<String>::new());
}

#[test]
fn differences_are_told_one_by_one() {
    let (facts, plan) = host();
    let told = verify(&plan, &facts);
    let expected: Vec<String> = plan.changes().map(|step| step.setting.to_string()).collect();
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (line, setting) in told.iter().zip(&expected) {
        assert!(line.starts_with(&format!("{setting}: now ")), "{line}");
    }
    let mut gone = facts.clone();
    gone.interfaces.clear();
    gone.process.allowed = "0-2".parse().unwrap();
    assert_eq!(
        verify(&plan, &gone),
        ["ens1: the interface is gone", "worker 2: cpu 3 is not allowed or not online"]
    );
    let mut moved = facts;
    moved.machine.nodes.push(placement::Node { id: 1, ..placement::Node::default() });
    moved.interfaces[0].node = Some(1);
    assert_eq!(verify(&plan, &moved)[0], "ens1: planned for node 0, now on node 1");
}
