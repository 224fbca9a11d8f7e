//! Tests of the sandbox. There is no way out of one, so each runs in a process of its own: this
//! test program again, with the scenario's name in the environment.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::unistd::Uid;

use crate::control::notify::Notify;
use crate::control::signals::{Asked, Signals};
use crate::control::socket::{self, Listener};

use super::status::{Status, status};
use super::{Account, Error, Filter, Sandbox, account, enter};

const SCENARIO: &str = "SANDBOX_SCENARIO";
const FOLDER: &str = "SANDBOX_FOLDER";

/// A folder with what the scenarios look at.
struct Stage(tempfile::TempDir);

impl Stage {
    /// None without root: there would be nothing to give up.
    fn set() -> Option<Self> {
        if !Uid::effective().is_root() {
            eprintln!("skipped: needs root");
            return None;
        }
        let stage = Self(tempfile::tempdir().unwrap());
        let all = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
        all(stage.0.path(), 0o755).unwrap();
        for name in ["logs", "logs/store", "rules", "open"] {
            fs::create_dir(stage.0.path().join(name)).unwrap();
        }
        // Anybody may write here, so that only Landlock stands before it.
        all(&stage.0.path().join("open"), 0o777).unwrap();
        for name in ["logs/eve.json", "rules/local.rules", "open/others"] {
            fs::write(stage.0.path().join(name), "before\n").unwrap();
        }
        all(&stage.0.path().join("open/others"), 0o666).unwrap();
        Some(stage)
    }

    /// Starts a scenario.
    fn start(&self, scenario: &str) -> Child {
        let module = module_path!().split_once("::").unwrap().1;
        Command::new(env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::scenario"), "--nocapture", "--test-threads=1"])
            .env(SCENARIO, scenario)
            .env(FOLDER, self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a scenario to its end.
    fn run(&self, scenario: &str) -> (ExitStatus, String) {
        let output = self.start(scenario).wait_with_output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What the other process does.
#[test]
fn scenario() {
    let Ok(name) = env::var(SCENARIO) else { return };
    let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
    let code = match play(&name, &folder) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{name}: {error}");
            3
        }
    };
    std::process::exit(code);
}

fn sandbox(folder: &Path) -> Sandbox {
    Sandbox {
        write: vec![folder.join("logs")],
        read: vec![folder.join("rules"), folder.join("none")],
        hand_over: vec![folder.join("logs")],
        // The test program has a main thread that waits for this one.
        required: status().unwrap().threads == 1,
        ..Sandbox::default()
    }
}

/// Enters, and takes only those warnings that belong to the test.
fn enter_all(sandbox: &Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    let entered = enter(sandbox)?;
    eprintln!("{entered:#?}");
    let known = |said: &&String| said.contains("already run beside") || said.contains("/none");
    match entered.warnings.iter().find(|said| !known(said)) {
        Some(unknown) => Err(unknown.as_str().into()),
        None => Ok(()),
    }
}

fn play(name: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let usual = sandbox(folder);
    match name {
        "status" => {
            enter_all(&usual)?;
            println!("entered");
            io::stdin().read_to_end(&mut Vec::new())?;
        }
        "somebody" => {
            let group = Some(Account::Id(12345));
            enter_all(&Sandbox { user: Some(Account::Id(4321)), group, ..usual })?;
            println!("entered");
            io::stdin().read_to_end(&mut Vec::new())?;
        }
        "files" => {
            enter_all(&usual)?;
            files(folder)?;
        }
        "work" => work(folder, &usual)?,
        "exec" => {
            enter_all(&usual)?;
            return Err(Command::new("/bin/true").exec().into());
        }
        "process" => {
            enter_all(&usual)?;
            Command::new("/bin/true").status()?;
        }
        "ptrace" => {
            enter_all(&usual)?;
            nix::sys::ptrace::traceme()?;
        }
        "setuid" => {
            enter_all(&usual)?;
            nix::unistd::setuid(Uid::from_raw(65534))?;
        }
        "log" => {
            enter_all(&Sandbox { seccomp: Filter::Log, ..usual })?;
            nix::unistd::getsid(None)?;
        }
        "session" => {
            enter_all(&usual)?;
            nix::unistd::getsid(None)?;
        }
        "beside" => beside(&usual)?,
        other => panic!("no scenario {other}"),
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<()> {
    let write = |name: &str| {
        let path = folder.join(name);
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(b"after\n")
    };
    let denied = |name: &str, result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => Err(io::Error::other(format!("{name}: {other:?}"))),
    };
    // Inside: append, new, rotate, fetch, remove.
    write("logs/eve.json")?;
    write("logs/store/new")?;
    fs::rename(folder.join("logs/eve.json"), folder.join("logs/store/eve.json.1"))?;
    write("logs/eve.json")?;
    fs::create_dir(folder.join("logs/folder"))?;
    fs::remove_dir(folder.join("logs/folder"))?;
    assert_eq!(fs::read_to_string(folder.join("logs/store/eve.json.1"))?, "before\nafter\n");
    fs::remove_file(folder.join("logs/store/new"))?;
    assert_eq!(fs::read_dir(folder.join("logs"))?.count(), 2);
    // Outside.
    denied("write", write("open/others"))?;
    denied("create", write("open/new"))?;
    denied("read", fs::read(folder.join("open/others")).map(drop))?;
    denied("list", fs::read_dir("/etc").map(drop))?;
    denied("remove", fs::remove_file(folder.join("open/others")))?;
    denied("move", fs::rename(folder.join("logs/eve.json"), folder.join("open/eve.json")))?;
    // To be read only.
    assert_eq!(fs::read_to_string(folder.join("rules/local.rules"))?, "before\n");
    denied("write rules", write("rules/local.rules"))
}

/// What workers, outputs and control do all day is not refused.
fn work(folder: &Path, sandbox: &Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    let (before, mut peer) = UnixStream::pair()?;
    let control = Listener::bind(&folder.join("logs/control"))?;
    let mut signals = Signals::listen()?;
    let name = SocketAddr::from_abstract_name(format!("sandbox-{}", std::process::id()))?;
    let manager = UnixDatagram::bind_addr(&name)?;
    let address = format!("@sandbox-{}", std::process::id());
    let notify = Notify::to(OsStr::new(&address), None)?;
    enter_all(sandbox)?;
    (&before).write_all(b"x")?;
    peer.read_exact(&mut [0])?;
    socket::tests::serve_once(control);
    signal_hook::low_level::raise(signal_hook::consts::SIGHUP)?;
    assert_eq!(signals.wait(Duration::from_secs(10)), Some(Asked::Reopen));
    notify.ready("works")?;
    manager.recv(&mut [0; 64])?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let client = thread::Builder::new().name("client".to_owned()).spawn(move || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        stream.write_all(b"hello")
    })?;
    let mut text = String::new();
    listener.accept()?.0.read_to_string(&mut text)?;
    client.join().map_err(|_| "the client panicked")??;
    assert_eq!(text, "hello");

    let path = folder.join("logs/socket");
    let datagrams = UnixDatagram::bind(&path)?;
    UnixDatagram::unbound()?.send_to(b"x", &path)?;
    datagrams.recv(&mut [0; 4])?;
    // Whether the name is known does not matter, only that asking is not refused.
    let _ = ("localhost", 80).to_socket_addrs();

    let file = fs::File::create(folder.join("logs/spool"))?;
    file.set_len(4096)?;
    file.sync_all()?;
    file.set_permissions(Permissions::from_mode(0o640))?;
    fs::copy(folder.join("logs/spool"), folder.join("logs/copy"))?;
    thread::available_parallelism()?;
    thread::sleep(Duration::from_millis(1));
    fs::read_to_string("/proc/self/statm")?;
    // A refusal that is no reason to end.
    assert!(nix::sys::prctl::set_dumpable(true).is_err());
    assert_eq!(status()?.seccomp, 2);
    Ok(())
}

/// A thread that runs already would keep its rights.
fn beside(sandbox: &Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || wait.recv());
    let refused = enter(&Sandbox { required: true, ..sandbox.clone() });
    assert!(matches!(&refused, Err(Error::Step { reason, .. }) if reason.contains("run beside")));
    assert_eq!(status()?.users[1], 0, "nothing was given up");
    let entered = enter(&Sandbox { required: false, ..sandbox.clone() })?;
    assert!(entered.warnings.iter().any(|said| said.contains("run beside")), "{entered:?}");
    assert_eq!(status()?.users[1], 65534);
    drop(stop);
    let _ = thread.join();
    Ok(())
}

#[test]
fn nothing_is_left_to_lose() {
    let check = |scenario: &str, user: u32, group: u32| {
        let Some(stage) = Stage::set() else { return };
        let mut child = stage.start(scenario);
        let mut said = Vec::new();
        let mut out = child.stdout.take().unwrap();
        while !said.ends_with(b"entered\n") {
            let mut byte = [0];
            if out.read(&mut byte).unwrap() == 0 {
                let output = child.wait_with_output().unwrap();
                panic!("{scenario}: {}", String::from_utf8_lossy(&output.stderr));
            }
            said.extend(byte);
        }
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{scenario}");
        let found = Status::parse(&text);
        assert_eq!(found.users, [user; 4], "{scenario}");
        assert_eq!(found.groups, [group; 4], "{scenario}");
        assert_eq!(found.further_groups, 0, "{scenario}");
        assert!(text.contains("\nCapPrm:\t0000000000000000\n"), "{text}");
        assert!(text.contains("\nCapEff:\t0000000000000000\n"), "{text}");
        assert!(text.contains("\nNoNewPrivs:\t1\n"), "{text}");
        assert!(text.contains("\nSeccomp:\t2\n"), "{text}");
    };
    check("status", 65534, 65534);
    check("somebody", 4321, 12345);
}

#[test]
fn what_is_needed_goes_on() {
    let Some(stage) = Stage::set() else { return };
    for scenario in ["work", "log", "beside"] {
        let (status, said) = stage.run(scenario);
        assert!(status.success(), "{scenario}: {status}\n{said}");
    }
}

#[test]
fn other_files_are_out_of_reach() {
    let Some(stage) = Stage::set() else { return };
    if landlock_is_missing() {
        eprintln!("skipped: needs a kernel with Landlock");
        return;
    }
    let (status, said) = stage.run("files");
    assert!(status.success(), "{status}\n{said}");
}

#[test]
fn other_system_calls_end_the_process() {
    let Some(stage) = Stage::set() else { return };
    for scenario in ["exec", "process", "ptrace", "setuid", "session"] {
        let (status, said) = stage.run(scenario);
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{scenario}: {status}\n{said}");
    }
}

/// Whether the kernel does not know Landlock, or has it switched off.
fn landlock_is_missing() -> bool {
    use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::ReadFile)
        .and_then(Ruleset::create)
        .is_err()
}

#[test]
fn folders_change_hands_but_links_do_not() {
    let Some(stage) = Stage::set() else { return };
    let folder = stage.0.path();
    let other = folder.join("open/others");
    symlink(&other, folder.join("logs/link")).unwrap();
    symlink(folder.join("open"), folder.join("logs/store/link")).unwrap();
    fs::hard_link(&other, folder.join("logs/second")).unwrap();
    fs::write(folder.join("logs/foreign"), "").unwrap();
    std::os::unix::fs::chown(folder.join("logs/foreign"), Some(77), Some(77)).unwrap();
    let owner = account::resolve(Some(&Account::Id(4321)), None).unwrap().unwrap();
    super::ownership::hand_over(&folder.join("logs"), &owner).unwrap();
    let check = |name: &str, user: u32| {
        assert_eq!(fs::symlink_metadata(folder.join(name)).unwrap().uid(), user, "{name}");
    };
    check("logs", 4321);
    check("logs/store", 4321);
    check("logs/eve.json", 4321);
    check("logs/link", 0);
    check("logs/second", 0);
    check("logs/foreign", 77);
    check("open", 0);
    check("open/others", 0);
    assert!(super::ownership::hand_over(&folder.join("none"), &owner).is_err());
}

#[test]
fn accounts_are_names_or_numbers() {
    assert_eq!(Account::from("17"), Account::Id(17));
    assert_eq!(Account::from("suri"), Account::Name("suri".to_owned()));
    let nobody = Account::from("no-such-user-or-group");
    for (user, group) in [(Some(&nobody), None), (None, Some(&nobody))] {
        let error = account::resolve(user, group).unwrap_err().to_string();
        assert!(error.ends_with(" `no-such-user-or-group`"), "{error}");
    }
    let root = account::resolve(Some(&Account::from("root")), None).unwrap();
    assert!(root.is_none_or(|owner| owner.user.is_root()));
}

#[test]
fn a_status_is_read() {
    let text = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \nThreads:\t3\n\
        CapPrm:\t000001fffeffffff\nCapEff:\tzz\nNoNewPrivs:\t1\nSeccomp:\t2\nOdd\n";
    let found = Status::parse(text);
    assert_eq!((found.users, found.groups), ([1, 2, 3, 4], [5, 6, 7, 8]));
    assert_eq!((found.further_groups, found.threads, found.seccomp), (2, 3, 2));
    assert_eq!((found.capabilities_permitted, found.capabilities_effective), (0x1fffeffffff, 0));
    assert_eq!(found.to_string(), "Uid 2, Gid 6, CapEff 0000000000000000, NoNewPrivs 1, Seccomp 2");
}
