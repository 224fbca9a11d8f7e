//! Facts of the host that runs the tests, and a plan applied to a virtual pair in a namespace.

use std::{
    env,
    process::{Command, Stdio},
};

use placement::{
    Capture, Facts, Interface, Inventory, Kernel, Plan, Selector, Setting, Sources, Step,
    Surroundings, Topology, Undo, Wishes, apply, verify,
};

/// Set in the process that runs inside of the namespace.
const INSIDE: &str = "PLACEMENT_TEST_INSIDE";

fn sources() -> Sources {
    Sources { root: "/".into(), topology: Topology::Sysfs }
}

#[test]
fn this_host_is_read_and_planned_for() {
    let inventory = Inventory::read("/".as_ref()).unwrap();
    let names: Vec<String> = inventory.interfaces.iter().map(|one| one.name.clone()).collect();
    assert!(names.contains(&"lo".to_owned()), "{names:?}");
    let facts = Facts::gather(&sources(), &names).unwrap();
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert!(facts.process.allowed.len() >= cpus || facts.process.quota.is_some(), "{facts:?}");
    assert!(facts.machine.cpus.iter().all(|cpu| cpu.node.is_some()), "{:?}", facts.machine);
    assert!(facts.machine.nodes.iter().any(|node| node.memory_mib > 0), "{:?}", facts.machine);
    assert!(!facts.kernel.is_empty());
    assert_eq!(facts.notes, Vec::<String>::new());
    let plan = Plan::make(&facts, &Wishes::default());
    assert_eq!(plan.interfaces.len(), names.len());
    for worker in &plan.workers {
        placement::pin_current_thread(worker.cpu).unwrap();
    }
    // What the plan found met, verifying finds met.
    let differences = verify(&plan, &facts);
    assert_eq!(differences.len(), plan.changes().count(), "{differences:#?}");
}

#[test]
fn a_plan_for_a_virtual_pair_is_applied_verified_and_undone() {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let Some(namespace) = Namespace::with_pair() else { return };
    let test = env::current_exe().unwrap();
    let output = Command::new("ip")
        .args(["netns", "exec", &namespace.0])
        .arg(test)
        .args(["--exact", "--nocapture"])
        .arg("live::a_plan_for_a_virtual_pair_is_applied_verified_and_undone")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// A network namespace with the pair `one` and `two`; it ends with this.
struct Namespace(String);

impl Namespace {
    fn with_pair() -> Option<Self> {
        let name = format!("placement-{}", std::process::id());
        if !run(&["netns", "add", &name]) {
            eprintln!("skipped: no network namespace can be made here (needs root and ip)");
            return None;
        }
        let namespace = Self(name);
        let pair = [
            "link add one numrxqueues 4 numtxqueues 4 type veth",
            "peer name two numrxqueues 4 numtxqueues 4",
        ]
        .join(" ");
        if !namespace.run(&pair) {
            eprintln!("skipped: no virtual pair can be made here");
            return None;
        }
        assert!(namespace.run("link property add dev one altname placement-tap"));
        assert!(namespace.run("link set two up"));
        Some(namespace)
    }

    fn run(&self, command: &str) -> bool {
        let words: Vec<&str> = ["-n", &self.0].into_iter().chain(command.split(' ')).collect();
        run(&words)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run(&["netns", "del", &self.0]);
    }
}

fn run(arguments: &[&str]) -> bool {
    let ip = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    ip.is_ok_and(|status| status.success())
}

fn facts() -> Facts {
    Facts::gather(&sources(), &["one".to_owned()]).unwrap()
}

fn one(facts: &Facts) -> &Interface {
    facts.interface("one").unwrap()
}

fn inside() {
    let inventory = Inventory::read("/".as_ref()).unwrap();
    let selector: Selector = "placement-tap".parse().unwrap();
    let found = inventory.find(&selector, &Surroundings::default()).unwrap();
    assert_eq!(found, ["one"]);

    let before = facts();
    assert_eq!(one(&before).driver.as_deref(), Some("veth"));
    assert_eq!(one(&before).altnames, ["placement-tap"]);
    assert_eq!(one(&before).max_queues(), 4);
    assert!(one(&before).offloads["tx-tcp-segmentation"].on, "{before:?}");
    assert!(!one(&before).up && !one(&before).promiscuous);

    for capture in [Capture::Packet, Capture::Copy] {
        applied_verified_undone(&before, capture);
    }
    a_failure_is_undone(&before);
}

fn applied_verified_undone(before: &Facts, capture: Capture) {
    let wishes = Wishes { capture, queues: Some(2), ..Wishes::default() };
    let plan = Plan::make(before, &wishes);
    let differences = verify(&plan, before);
    assert!(differences.iter().any(|line| line.contains("ethtool -L one rx 2")), "{plan}");
    let mut kernel = Kernel::open().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let applied = apply(&plan, &mut kernel, |undo| undo.save(file.path())).unwrap();
    assert_eq!(applied.warnings, Vec::<String>::new());
    assert!(applied.done.len() >= 4, "{:?}", applied.done);
    let after = facts();
    assert_eq!(verify(&plan, &after), Vec::<String>::new());
    assert_eq!(one(&after).queues(), 2);
    assert!(one(&after).up && one(&after).promiscuous);
    assert!(!one(&after).offloads["tx-tcp-segmentation"].on);
    // A second plan finds nothing to change.
    assert_eq!(Plan::make(&after, &wishes).changes().count(), 0);
    let problems = Undo::load(file.path()).unwrap().run(&mut kernel);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(one(&facts()), one(before));
}

fn a_failure_is_undone(before: &Facts) {
    let mut plan = Plan::make(before, &Wishes { queues: Some(1), ..Wishes::default() });
    let too_many = Setting::Channels { interface: "one".to_owned(), rx: 64, tx: 4, combined: 0 };
    let why = "more than there can be".to_owned();
    plan.steps.push(Step { setting: too_many, now: None, required: true, why });
    let mut kernel = Kernel::open().unwrap();
    let error = apply(&plan, &mut kernel, |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("ethtool -L one rx 64"), "{error}");
    assert_eq!(error.problems, Vec::<String>::new());
    assert_eq!(one(&facts()), one(before));
}
