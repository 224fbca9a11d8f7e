//! Updates from a real server: whatever goes wrong on the way, the rules that are in use stay, and
//! the reason is told.
#![allow(clippy::unwrap_used, reason = "a test may end at what should not be")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use minisign::KeyPair;
use sha2::{Digest as _, Sha256};
use supply::difference::Difference;
use supply::rollback::rollback;
use supply::settings::{Checksum, SourceSettings, StoreSettings, UpdateSettings, WhenUnreachable};
use supply::settings::{Percent, Span};
use supply::store::{Came, Outcome, Store};
use supply::taken_back;
use supply::test::{MOST_NAMED, Refused, Tested};
use supply::update::{Report, Update, UpdateError};

const ETAG: &str = "\"one\"";

/// What the server does with a request for a path.
#[derive(Clone)]
enum Reply {
    Body(Vec<u8>),
    /// With a tag; the same tag is answered with 304.
    Tagged(Vec<u8>),
    Status(u16),
    /// Half of the body, then nothing more.
    Killed(Vec<u8>),
    Redirect(String),
    /// Headers, and then silence.
    Silent,
    /// It says that it sends so much.
    Claims(u64),
}

/// A server of HTTP/1.1 with what it was asked for.
struct Server {
    address: String,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, replies: Arc::default(), asked: Arc::default() };
        let (replies, asked) = (Arc::clone(&server.replies), Arc::clone(&server.asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (replies, asked) = (Arc::clone(&replies), Arc::clone(&asked));
                thread::spawn(move || serve(stream, &replies, &asked));
            }
        });
        server
    }

    fn set(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(
    mut stream: TcpStream,
    replies: &Mutex<HashMap<String, Reply>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let mut tagged = false;
    let _ = reader.read_line(&mut first);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        tagged |= line.to_lowercase().starts_with("if-none-match:") && line.contains(ETAG);
    }
    let path = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(path.clone());
    let reply = replies.lock().unwrap().get(&path).cloned().unwrap_or(Reply::Status(404));
    let head = |status: &str, more: &str, length: u64| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n")
    };
    let (head, body) = match reply {
        Reply::Body(body) => (head("200 OK", "", body.len() as u64), body),
        Reply::Tagged(_) if tagged => (head("304 Not Modified", "", 0), Vec::new()),
        Reply::Tagged(body) => {
            (head("200 OK", &format!("etag: {ETAG}\r\n"), body.len() as u64), body)
        }
        Reply::Status(status) => (head(&format!("{status} No"), "", 0), Vec::new()),
        Reply::Killed(body) => {
            (head("200 OK", "", body.len() as u64), body[..body.len() / 2].to_vec())
        }
        Reply::Redirect(to) => (head("302 Found", &format!("location: {to}\r\n"), 0), Vec::new()),
        Reply::Silent => (head("200 OK", "", 10), Vec::new()),
        Reply::Claims(length) => (head("200 OK", "", length), b"x".to_vec()),
    };
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body);
    let _ = stream.flush();
    if matches!(replies.lock().unwrap().get(&path), Some(Reply::Silent)) {
        thread::sleep(Duration::from_secs(5));
    }
}

fn rules(sids: std::ops::RangeInclusive<u32>) -> String {
    sids.map(|sid| format!("alert tcp any any -> any any (msg:\"r{sid}\"; sid:{sid}; rev:1;)\n"))
        .collect()
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A test that counts rules, and refuses those that say so.
fn count(folder: &Path) -> Result<Tested, String> {
    let text = fs::read_to_string(folder.join("bateleur.rules")).map_err(|e| e.to_string())?;
    let refused = text.lines().filter(|line| line.contains("refuse me")).count() as u64;
    let loaded = text.lines().count() as u64 - refused;
    let reasons = match refused {
        0 => Vec::new(),
        _ => vec![("unknown keyword".to_owned(), refused)],
    };
    let lines = (1_u32..).zip(text.lines()).filter(|(_, line)| line.contains("refuse me"));
    let named = lines
        .take(MOST_NAMED)
        .map(|(number, line)| Refused::of("bateleur.rules", number, line, "unknown keyword"));
    Ok(Tested { loaded, refused, reasons, named: named.collect() })
}

struct Place {
    folder: tempfile::TempDir,
    server: Server,
    store: StoreSettings,
    settings: UpdateSettings,
    told: RefCell<Vec<String>>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start();
        let store = StoreSettings { directory: folder.path().join("store"), keep: 3 };
        let source = SourceSettings {
            name: "remote".to_owned(),
            url: Some(format!("{}/rules.tar.gz", server.address)),
            ..SourceSettings::default()
        };
        let settings = UpdateSettings {
            sources: vec![source],
            timeout: Span(Duration::from_secs(2)),
            ..UpdateSettings::default()
        };
        server.set("/rules.tar.gz", Reply::Tagged(archive(&[("rules/a.rules", &rules(1..=20))])));
        Self { folder, server, store, settings, told: RefCell::default() }
    }

    fn update(&self) -> Result<Report, UpdateError> {
        self.with(false, false)
    }

    fn with(&self, force: bool, dry_run: bool) -> Result<Report, UpdateError> {
        Update {
            store: &self.store,
            settings: &self.settings,
            program: "test/1",
            force,
            in_force: None,
            dry_run,
            pause: Duration::from_millis(1),
            test: &count,
            tell: &|line| self.told.borrow_mut().push(line.to_owned()),
        }
        .run()
    }

    fn sids(&self) -> usize {
        let current = Store::look(&self.store.directory).unwrap().unwrap();
        fs::read_to_string(current.folder.join("bateleur.rules")).unwrap().lines().count()
    }

    fn outcome(&self) -> Outcome {
        Outcome::read(&self.store.directory).unwrap().unwrap()
    }

    /// An update that fails: what was in use stays, and the outcome tells why.
    fn refused(&self, part: &str) {
        let before = Store::look(&self.store.directory).unwrap();
        let error = self.update().map(|report| report.came).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
        assert_eq!(Store::look(&self.store.directory).unwrap(), before, "{part}");
        let outcome = self.outcome();
        assert_eq!((outcome.result, outcome.reason), (Came::Failed, Some(error)));
        assert_eq!(outcome.current, before.map(|before| before.hash.to_string()));
    }
}

#[test]
fn new_rules_are_in_use_and_the_same_ones_are_not_put_twice() {
    let mut place = Place::new();
    let report = place.update().unwrap();
    assert_eq!((report.came, report.tested.loaded), (Came::Changed, 20));
    assert_eq!(place.sids(), 20);
    assert_eq!(place.outcome().details["loaded"], 20);
    assert_eq!(place.server.asked(), ["/rules.tar.gz"]);
    let again = place.update().unwrap();
    assert_eq!(again.came, Came::Unchanged);
    assert_eq!(again.current.unwrap().number, 1);
    place.server.set("/rules.tar.gz", Reply::Body(archive(&[("a.rules", &rules(1..=30))])));
    assert_eq!(place.with(true, true).unwrap().came, Came::Changed, "it would change");
    assert_eq!(place.sids(), 20, "a dry run changes nothing");
    let report = place.update().unwrap();
    assert_eq!(report.current.as_ref().unwrap().number, 2);
    assert_eq!(place.sids(), 30);
    let difference = Difference { added: 10, removed: 0, modified: 0 };
    assert_eq!(report.difference, Some(difference));
    assert_eq!(place.outcome().details["added"], 10);
    let told = place.told.borrow().clone();
    assert!(told[0].starts_with("remote: http://127.0.0.1:") && told[0].ends_with(" is fetched"));
    assert_eq!(told[1], "the rules are tested");
    let store = Store::open(&place.store.directory, 3).unwrap();
    assert_eq!(rollback(&store, None).unwrap().number, 1);
    assert_eq!(place.sids(), 20);
    assert!(rollback(&store, None).unwrap_err().to_string().contains("there are 2, 1"));
    assert_eq!(rollback(&store, Some("2")).unwrap().number, 2);
    let hash = store.generations().unwrap()[1].hash.to_string();
    assert_eq!(rollback(&store, Some(&hash[..12])).unwrap().number, 1);
    assert!(rollback(&store, Some("9")).is_err());
    drop(store);
    place.settings.when_unreachable = WhenUnreachable::Fail;
    place.server.set("/rules.tar.gz", Reply::Status(500));
    place.refused("the server says 500");
}

/// A set that was taken back is not put in force by the next update that comes to it.
#[test]
fn what_was_taken_back_stays_so() {
    let place = Place::new();
    place.update().unwrap();
    place.server.set("/rules.tar.gz", Reply::Body(archive(&[("a.rules", &rules(1..=30))])));
    let second = place.update().unwrap().current.unwrap();
    let back = |which: Option<&str>| {
        let store = Store::open(&place.store.directory, 3).unwrap();
        rollback(&store, which).unwrap().number
    };
    assert_eq!(back(None), 1);
    for _ in 0..2 {
        let report = place.update().unwrap();
        assert_eq!((report.came, place.sids()), (Came::Unchanged, 20));
        assert_eq!(report.taken_back.unwrap().set, second.hash);
        assert!(report.warnings[0].contains("was taken back; --force or new rules"));
        assert_eq!(place.outcome().warnings, report.warnings);
    }
    assert_eq!(place.with(false, true).unwrap().came, Came::Unchanged, "nor in a dry run");
    // Other rules are used as ever, and do not make the bad ones good.
    place.server.set("/rules.tar.gz", Reply::Body(archive(&[("a.rules", &rules(1..=31))])));
    assert_eq!(place.update().unwrap().came, Came::Changed);
    place.server.set("/rules.tar.gz", Reply::Body(archive(&[("a.rules", &rules(1..=30))])));
    assert_eq!(place.update().unwrap().came, Came::Unchanged);
    assert_eq!(place.sids(), 31);
    // Unless somebody wants them.
    assert_eq!(place.with(true, false).unwrap().came, Came::Changed);
    assert_eq!(place.sids(), 30);
    assert!(taken_back::read(&place.store.directory).is_empty());
    // One that is gone back to by name is no longer taken back.
    let newest = place.outcome().current.unwrap();
    back(None);
    assert_eq!(taken_back::read(&place.store.directory).len(), 1);
    back(Some(&newest[..12]));
    assert!(taken_back::read(&place.store.directory).is_empty());
    fs::write(place.store.directory.join("taken-back.json"), "{").unwrap();
    assert_eq!(place.update().unwrap().came, Came::Unchanged);
}

#[test]
fn secrets_are_in_no_message_and_no_manifest() {
    let mut place = Place::new();
    let host = place.server.address.strip_prefix("http://").unwrap().to_owned();
    let file = place.folder.path().join("code");
    fs::write(&file, "c0de5ecret\n").unwrap();
    let source = &mut place.settings.sources[0];
    source.url = Some(format!("http://u:5ecret@{host}/%(code)s/r.rules?key=5ecret&5ecret#5ecret"));
    source.secrets.insert("code".to_owned(), file);
    let path = "/c0de5ecret/r.rules?key=5ecret&5ecret";
    let to = "http://v:5ecret@127.0.0.1:1/x?token=5ecret".to_owned();
    for reply in [Reply::Status(403), Reply::Killed(b"abc".to_vec()), Reply::Redirect(to)] {
        place.server.set(path, reply);
        let said = place.update().map(|report| report.came).unwrap_err().to_string();
        assert!(said.contains("r.rules") && !said.contains("5ecret"), "{said}");
    }
    place.server.set(path, Reply::Body(rules(1..=3).into_bytes()));
    let report = place.update().unwrap();
    assert!(report.sources[0].from.contains("%(code)s/r.rules?key=***"), "{report:?}");
    let current = report.current.unwrap();
    for file in ["manifest.json", "../../outcome.json", "../../downloads/remote.json"] {
        let text = fs::read_to_string(current.folder.join(file)).unwrap();
        assert!(!text.contains("5ecret"), "{file}: {text}");
    }
}

#[test]
fn what_servers_do_wrong_is_told() {
    let place = Place::new();
    let good = archive(&[("a.rules", &rules(1..=20))]);
    let mut noise = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0_u8; 1 << 20];
    (0..300).for_each(|_| noise.write_all(&zeros).unwrap());
    let bomb = noise.finish().unwrap();
    let cases: [(Reply, &str); 11] = [
        (Reply::Status(404), "remote: http://127.0.0.1"),
        (Reply::Status(404), "404 (there is no such file)"),
        (Reply::Status(503), "503"),
        (Reply::Killed(good.clone()), "remote: "),
        (Reply::Silent, "the time for one request is over (rules.update.timeout) (tried 3 times)"),
        (Reply::Claims(1 << 40), "larger than"),
        (Reply::Redirect("/rules.tar.gz".to_owned()), "leads on and on"),
        (Reply::Body(bomb), "more than 268435456 bytes"),
        (Reply::Body(good[..good.len() - 20].to_vec()), "it can't be read"),
        (
            Reply::Body(b"<html>no</html>\n".to_vec()),
            "there is no rule in it; remote: rules.tar:1:1: ",
        ),
        (Reply::Body(b"PK\x03\x04......".to_vec()), "files of zip are not read"),
    ];
    for (reply, part) in cases {
        place.server.set("/rules.tar.gz", reply);
        place.refused(part);
    }
    place.server.set("/there", Reply::Body(good));
    place.server.set("/rules.tar.gz", Reply::Redirect("/there".to_owned()));
    assert_eq!(place.update().unwrap().came, Came::Changed);
}

#[test]
fn the_last_download_is_used_while_there_is_none() {
    let place = Place::new();
    place.update().unwrap();
    let rules = archive(&[("a.rules", &rules(1..=20))]);
    for reply in [Reply::Status(404), Reply::Status(500), Reply::Killed(rules)] {
        place.server.set("/rules.tar.gz", reply);
        let report = place.update().unwrap();
        assert_eq!(report.came, Came::Unchanged);
        let warning = &report.warnings[0];
        assert!(warning.contains("remote: the last download is used, because http"), "{warning}");
        assert_eq!(place.outcome().warnings, report.warnings);
    }
}

#[test]
fn sums_and_signatures_must_fit() {
    let mut place = Place::new();
    let good = archive(&[("a.rules", &rules(1..=20))]);
    let other = archive(&[("a.rules", &rules(1..=21))]);
    let keys = KeyPair::generate_unencrypted_keypair().unwrap();
    let sign = |data: &[u8]| {
        let signed = minisign::sign(None, &keys.sk, data, None, None).unwrap();
        Reply::Body(signed.to_string().into_bytes())
    };
    let sum = |data: &[u8]| -> String {
        Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let key = place.folder.path().join("rules.pub");
    fs::write(&key, keys.pk.to_box().unwrap().to_string()).unwrap();
    place.settings.sources[0].checksum = Checksum::Sha256;
    place.server.set("/rules.tar.gz", Reply::Body(good.clone()));
    place.refused(".sha256: the server says 404");
    place.server.set("/rules.tar.gz.sha256", Reply::Body(sum(&other).into_bytes()));
    place.refused("its sum is");
    place.server.set("/rules.tar.gz.sha256", Reply::Body(sum(&good).into_bytes()));
    place.update().unwrap();
    place.settings.sources[0].key = Some(key);
    place.refused(".minisig: the server says 404");
    place.server.set("/rules.tar.gz.minisig", sign(&other));
    place.refused("its signature is not one by the key");
    place.server.set("/rules.tar.gz.minisig", Reply::Body(b"nonsense".to_vec()));
    place.refused("it has not the four lines of one");
    place.server.set("/rules.tar.gz.minisig", sign(&good));
    assert_eq!(place.update().unwrap().came, Came::Unchanged);
    // What is kept is proved again, by the key of today.
    let strange = KeyPair::generate_unencrypted_keypair().unwrap();
    let key = place.folder.path().join("other.pub");
    fs::write(&key, strange.pk.to_box().unwrap().to_string()).unwrap();
    place.settings.sources[0].key = Some(key);
    place.server.set("/rules.tar.gz", Reply::Status(500));
    place.refused("its signature is not one by the key");
}

#[test]
fn rules_that_do_not_load_are_not_used() {
    let mut place = Place::new();
    place.update().unwrap();
    let bad = rules(1..=20) + "alert ip any any -> any any (msg:\"refuse me\"; sid:99;)\n";
    let worse = bad.clone() + "alert ip any any -> any any (msg:\"refuse me\"; sid:98;)\n";
    place.server.set("/rules.tar.gz", Reply::Body(archive(&[("a.rules", &worse)])));
    place.refused("the new rules are not used: 2 of 22 rules are refused, at most 5 % may be");
    place.refused(
        ": remote: a.rules:21: rule 1:99 \"refuse me\": unknown keyword; remote: a.rules:22",
    );
    place.refused("`rules.update.most-refused` is the share");
    place.settings.most_refused = Percent(10.0);
    let report = place.update().unwrap();
    assert_eq!(report.tested.refused, 2);
    let first = "refused: remote: a.rules:21: rule 1:99 \"refuse me\": unknown keyword";
    assert_eq!(report.warnings[0], first);
    assert!(report.warnings[1].starts_with("refused: remote: a.rules:22: rule 1:98"));
    assert_eq!(place.outcome().warnings, report.warnings);
    // Lines that are no rules, and those below rules that are off, have their own places.
    let own = place.folder.path().join("local.rules");
    let off = "# ".to_owned() + &rules(500..=500) + "alrt ip\n" + &rules(501..=501);
    fs::write(&own, off + &worse.lines().last().unwrap().replace("98", "97")).unwrap();
    place.settings.sources.push(SourceSettings {
        name: "local".to_owned(),
        path: Some(own),
        ..SourceSettings::default()
    });
    place.refused("local.rules:4: rule 1:97 \"refuse me\": unknown keyword; local: ");
    place.refused("local.rules:2: it does not begin with an action such as `alert`. Mend");
    place.settings.sources.pop();
    let selection = place.folder.path().join("disable.conf");
    fs::write(&selection, "1\nnonsense\n").unwrap();
    place.settings.disable = Some(selection.clone());
    place.refused("disable.conf:2:1: `nonsense` names no rules");
    fs::write(&selection, "1, 2, 77").unwrap();
    let report = place.update().unwrap();
    assert_eq!((report.selected.disabled, report.disabled, place.sids()), (2, 2, 20));
    assert!(report.warnings.iter().any(|one| one.contains("no rule is `77`")));
    fs::write(&selection, "*").unwrap();
    place.refused("there are 22 rules in the sources, and all are off: `disable` turned off 22");
    let none = place.folder.path().join("none.conf");
    place.settings.disable = Some(none.clone());
    let report = place.update().unwrap();
    let missing = format!("{}: there is no such file (rules.update.disable)", none.display());
    assert!(report.warnings.contains(&missing), "{:?}", report.warnings);
}

#[test]
fn two_cannot_update_at_once() {
    let place = Place::new();
    place.update().unwrap();
    let before = place.outcome();
    let held = Store::open(&place.store.directory, 3).unwrap();
    let error = place.update().map(|report| report.came).unwrap_err().to_string();
    assert!(error.contains(&format!("process {} changes", std::process::id())), "{error}");
    assert_eq!(place.outcome(), before, "it is the other's to tell what came of it");
    drop(held);
    place.update().unwrap();
}

#[test]
fn local_files_come_with_their_data() {
    let mut place = Place::new();
    let folder = place.folder.path().join("rules.d");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("local.rules"),
        "alert dns any any -> any any (dns.query; dataset:isset,bad,type string,load bad.lst; sid:1000;)\n",
    )
    .unwrap();
    fs::write(folder.join("old-deleted.rules"), rules(500..=501)).unwrap();
    fs::write(folder.join("bad.lst"), "ZXZpbA==\n").unwrap();
    fs::write(folder.join("classification.config"), "config classification: x,X,1\n").unwrap();
    place.settings.sources.push(SourceSettings {
        name: "local".to_owned(),
        path: Some(folder),
        ..SourceSettings::default()
    });
    let report = place.update().unwrap();
    assert_eq!(report.tested.loaded, 21);
    let current = report.current.unwrap();
    let files: Vec<&str> = current.manifest.files.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(files, ["bateleur.rules", "classification.config", "datasets/local/bad.lst"]);
    let text = fs::read_to_string(current.folder.join("bateleur.rules")).unwrap();
    assert!(text.contains("load datasets/local/bad.lst; sid:1000;"), "{text}");
    assert!(current.folder.join("datasets/local/bad.lst").is_file());
    assert_eq!(current.manifest.sources[1].rules, 1);
    // The same as an address.
    let path = place.settings.sources[1].path.take().unwrap();
    place.settings.sources[1].url = Some(format!("file://{}", path.display()));
    assert_eq!(place.update().unwrap().came, Came::Unchanged);
    assert!(place.told.borrow().iter().any(|line| line.ends_with("rules.d is read")));
    for (url, part) in [
        ("file://rules.d", "rules.update.sources.1.url: file:// is followed by a path"),
        ("ftp://x/y", "https://, http:// or file:///; `path` names files as well"),
    ] {
        place.settings.sources[1].url = Some(url.to_owned());
        assert!(place.update().unwrap_err().to_string().contains(part), "{url}");
    }
    place.settings.sources[1].url = None;
    place.settings.sources[1].path = Some(place.folder.path().join("none/*.rules"));
    place.refused("local: ");
}

#[test]
fn hostile_archives_are_refused() {
    let place = Place::new();
    let raw = |name: &str, kind: tar::EntryType, size: u64, body: &[u8]| {
        let mut header = tar::Header::new_gnu();
        let field = &mut header.as_gnu_mut().unwrap().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(body);
        bytes.resize(bytes.len().div_ceil(512) * 512 + 1024, 0);
        bytes
    };
    let check = |bytes: Vec<u8>, part: &str| {
        place.server.set("/rules.tar.gz", Reply::Body(bytes));
        place.refused(part);
    };
    check(raw("../a.rules", tar::EntryType::Regular, 4, b"rule"), "would lie outside");
    check(raw("/a.rules", tar::EntryType::Regular, 4, b"rule"), "would lie outside");
    check(raw("x", tar::EntryType::GNULongName, 9000, &[b'a'; 9000]), "longer than 4096 bytes");
    check(raw("a.rules", tar::EntryType::Symlink, 0, b""), "no file of rules");
    check(raw("a.rules", tar::EntryType::Regular, 1 << 40, b"rule"), "can't be read");
    check(raw("readme", tar::EntryType::Regular, 4, b"text"), "no file of rules");
}
