//! A network of its own, a sensor in it, and somebody who sends.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

static NUMBER: AtomicU32 = AtomicU32::new(0);

const PROGRAM: &str = env!("CARGO_BIN_EXE_bateleur");
/// A machine may have much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network namespace with two ends of a cable, `in` and `out`, and a folder.
pub(crate) struct Stage {
    network: String,
    folder: TempDir,
}

/// A sensor that runs.
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
}

impl Stage {
    /// None where there can be none; why is said.
    pub(crate) fn set() -> Option<Self> {
        let skip = |why: &str| {
            eprintln!("skipped: {why}");
            None
        };
        if !nix::unistd::Uid::effective().is_root() {
            return skip("needs root");
        }
        for tool in ["ip", "python3"] {
            let found = Command::new(tool).arg("-V").stdout(Stdio::null()).status();
            if !found.is_ok_and(|status| status.success()) {
                return skip(&format!("needs {tool}"));
            }
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let network = format!("sensor-live-{}-{number}", std::process::id());
        if !is_done(Command::new("ip").args(["netns", "add", &network])) {
            return skip("needs network namespaces");
        }
        let stage = Self { network, folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(stage.folder.path(), Permissions::from_mode(0o755)).unwrap();
        if !stage.has_cable() {
            return skip("needs veth interfaces");
        }
        Some(stage)
    }

    fn has_cable(&self) -> bool {
        // The system must not say anything of its own on the cable.
        let quiet = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; \
                     echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
        is_done(self.inside("sh").args(["-c", quiet]))
            && self.ip(&["link", "add", "out", "type", "veth", "peer", "name", "in"])
            && self.ip(&["link", "set", "out", "up", "arp", "off"])
            && self.ip(&["link", "set", "in", "up", "arp", "off"])
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.network, program]);
        command
    }

    /// What a program says in the network.
    pub(crate) fn says(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.inside(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the sensor's program says in the network, called otherwise.
    pub(crate) fn call(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let mut command = self.inside(PROGRAM);
        let output = command.args(arguments).current_dir(self.folder.path()).output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }

    /// Changes something in the network.
    pub(crate) fn ip(&self, arguments: &[&str]) -> bool {
        is_done(Command::new("ip").args(["-n", &self.network]).args(arguments))
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a sensor with two workers that writes to `events`.
    pub(crate) fn start(&self, more: &[&str]) -> Running {
        self.start_with(&[], more)
    }

    /// Starts it with something in its environment.
    pub(crate) fn start_with(&self, environment: &[(&str, &str)], more: &[&str]) -> Running {
        let mut running = self.launch(environment, more);
        running.wait_for("bateleur runs with 2 workers");
        running
    }

    /// Starts the program with Suricata's own options, without waiting for anything.
    pub(crate) fn launch_suricata(&self, more: &[&str]) -> Running {
        let words = ["suricata", "-c", "suricata.yaml", "-l", "events"];
        self.launch_words(&[], &[&words[..], more].concat())
    }

    /// Starts it, and waits until it captures.
    pub(crate) fn start_suricata(&self, more: &[&str]) -> Running {
        let mut running = self.launch_suricata(more);
        running.wait_to_hear("Engine started.");
        running
    }

    /// Starts the sensor and does not wait until it runs.
    pub(crate) fn launch(&self, environment: &[(&str, &str)], more: &[&str]) -> Running {
        let words = ["run", "--interface", "in", "--method", "af-packet", "--workers", "2"];
        let words = [&words[..], &["--output", "events"], more].concat();
        self.launch_words(environment, &words)
    }

    /// Starts the program with these words and does not wait for anything.
    pub(crate) fn launch_words(&self, environment: &[(&str, &str)], words: &[&str]) -> Running {
        let output = |name: &str| File::create(self.path(name)).unwrap();
        let child = self
            .inside(PROGRAM)
            .args(words)
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap();
        Running { child, folder: self.folder.path().to_path_buf() }
    }

    /// Sends a capture into the cable so many times.
    pub(crate) fn send(&self, capture: &Path, times: u32) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/send.py");
        let mut sender = self.inside("python3");
        sender.arg(script).arg("out").arg(capture).arg(times.to_string());
        assert!(sender.status().unwrap().success());
    }

    /// What a replay says of a capture.
    pub(crate) fn replay(&self, capture: &Path, rules: &str) -> Vec<Value> {
        let output = self.path("replayed");
        let status = Command::new(PROGRAM)
            .args(["replay", "--quiet", "--rules", rules, "--output"])
            .args([output.as_path(), Path::new("--"), capture])
            .current_dir(self.folder.path())
            .status();
        assert!(status.unwrap().success());
        records(&output.join("eve.json"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        is_done(Command::new("ip").args(["netns", "delete", &self.network]));
    }
}

impl Running {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said something on standard error.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let folder = self.folder.clone();
        let read = || fs::read_to_string(folder.join("stderr")).unwrap();
        self.wait_until(text, || read().contains(text));
    }

    /// Waits until it has said something on standard output.
    pub(crate) fn wait_to_hear(&mut self, text: &str) {
        let folder = self.folder.clone();
        let read = || fs::read_to_string(folder.join("stdout")).unwrap();
        self.wait_until(text, || read().contains(text));
    }

    /// Waits until something is so.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let ended = self.child.try_wait().unwrap();
            // It may have said so in the end.
            if is_so() {
                return;
            }
            let said = fs::read_to_string(self.folder.join("stderr")).unwrap();
            assert!(ended.is_none(), "{what}: ended with {ended:?}: {said}");
            assert!(begun.elapsed() < PATIENCE, "{what} does not come: {said}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Holds the thread of this name for some seconds; none where that is not allowed.
    pub(crate) fn hold(&self, name: &str, seconds: u32) -> Option<Child> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let mut tasks = tasks.map(|task| task.unwrap().path());
        let is_it = |task: &PathBuf| {
            fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let thread = tasks.find(is_it).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/hold.py");
        let mut holder = Command::new("python3");
        holder.arg(script).arg(thread.file_name().unwrap()).arg(seconds.to_string());
        let mut holder = holder.spawn().unwrap();
        sleep(Duration::from_secs(1));
        if holder.try_wait().unwrap().is_some() {
            eprintln!("skipped: needs ptrace");
            return None;
        }
        Some(holder)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.id().to_string();
        assert!(is_done(Command::new("kill").args(["-s", name, &process])));
    }

    /// Waits for its end: status, standard output and error.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "does not end");
            sleep(Duration::from_millis(20));
        };
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap();
        (status, read("stdout"), read("stderr"))
    }

    /// Ends in order, as it should.
    pub(crate) fn stop(self) -> (String, String) {
        self.signal("TERM");
        let (status, out, err) = self.end();
        assert!(status.success(), "{status}: {err}");
        (out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails must not leave a sensor behind; one that has ended needs nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the control socket.
pub(crate) struct Client {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    /// Connects and greets.
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        let mut client = Self { stream, answers };
        assert_eq!(client.say("{\"version\":\"0.2\"}")["return"], "OK");
        client
    }

    /// The answer to a command that is to succeed.
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        let answer = self.say(&format!("{{\"command\":\"{command}\"}}"));
        assert_eq!(answer["return"], "OK", "{command}: {answer}");
        answer["message"].clone()
    }

    /// The answer to a message.
    pub(crate) fn say(&mut self, message: &str) -> Value {
        self.stream.write_all(format!("{message}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// The records of a file, all whole.
pub(crate) fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last record is cut off");
    let whole = |line: &str| {
        assert_eq!(schema::check_line(line), [], "{line}");
        serde_json::from_str(line).unwrap()
    };
    text.lines().map(whole).collect()
}

/// How many records of each type there are, without statistics.
pub(crate) fn types(records: &[Value]) -> BTreeMap<String, usize> {
    let mut types = BTreeMap::new();
    for record in records.iter().filter(|record| record["event_type"] != "stats") {
        *types.entry(record["event_type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    types
}

/// What alerts are about, in no order of time.
pub(crate) fn alerts(records: &[Value]) -> Vec<String> {
    let alerts = records.iter().filter(|record| record["event_type"] == "alert");
    let about = |record: &Value| {
        let of = |name: &str| record[name].to_string();
        let fields = ["src_ip", "src_port", "dest_ip", "dest_port", "proto"].map(of);
        format!("{} {}", record["alert"]["signature_id"], fields.join(" "))
    };
    let mut alerts: Vec<String> = alerts.map(about).collect();
    alerts.sort();
    alerts
}

fn is_done(command: &mut Command) -> bool {
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
