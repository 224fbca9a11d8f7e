//! Followers and a server with real sockets, and sensors that do what the test wants.

mod killed;
mod troubles;

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::bundle::{SIGNATURE, bundle, describe};
use crate::layout::Layout;
use crate::rollout::{Plan, State as RolloutState};
use crate::server::{Kept, Order, Server};
use crate::sign::{Pair, SecretKey, generate};
use crate::test::Tested;

/// A sensor that loads what is current in its store. What it has lies in a file, as sensors live on
/// when followers are killed.
#[derive(Default)]
struct Fake {
    store: PathBuf,
    /// What it says to these instead.
    refuses: RefCell<Option<(Hash, Refusal)>>,
    /// It loads this one, and half of its rules are refused.
    is_poor_with: Cell<Option<Hash>>,
    /// So many wishes come while it loads already.
    busy: Cell<u32>,
    is_away: RefCell<bool>,
    is_deaf: RefCell<bool>,
    /// It goes away in the middle of a reload.
    dies: Cell<bool>,
    reloads: Cell<u32>,
}

impl Fake {
    fn at(store: PathBuf) -> Self {
        Self { store, ..Self::default() }
    }

    fn file(&self) -> PathBuf {
        self.store.with_extension("in-force")
    }

    fn has(&self) -> Option<Hash> {
        Hash::parse(&fs::read_to_string(self.file()).ok()?)
    }
}

impl Control for Fake {
    fn in_force(&self) -> Result<InForce, String> {
        if *self.is_away.borrow() {
            return Err("away".to_owned());
        }
        let bundle = self.has();
        let refused = u64::from(bundle.is_some() && self.is_poor_with.get() == bundle);
        let version = bundle.map(|_| 1);
        Ok(InForce { bundle, version, loaded: 1, refused, ..InForce::default() })
    }

    fn reload(&self) -> Result<(), Refusal> {
        self.reloads.set(self.reloads.get() + 1);
        if *self.is_away.borrow() {
            return Err(Refusal::Away("away".to_owned()));
        }
        if self.dies.get() {
            *self.is_away.borrow_mut() = true;
            return Err(Refusal::Lost("it broke off".to_owned()));
        }
        if self.busy.get() > 0 {
            self.busy.set(self.busy.get() - 1);
            return Err(Refusal::Busy("Reload already in progress".to_owned()));
        }
        let current = Store::look(&self.store).unwrap().unwrap();
        if let Some((hash, refusal)) = self.refuses.borrow().as_ref()
            && *hash == current.hash
        {
            return Err(refusal.clone());
        }
        if !*self.is_deaf.borrow() {
            fs::write(self.file(), current.hash.to_string()).unwrap();
        }
        Ok(())
    }
}

fn settings(root: &Path, sensor: &str) -> Settings {
    Settings {
        channel: "default".to_owned(),
        sensor: sensor.to_owned(),
        keys: root.join("rules.pub"),
        store: root.join(format!("store-{sensor}")),
        keep: 3,
        limits: Limits::default(),
        never_older: false,
        most_refused: 0.05,
        every: Duration::from_secs(60),
        sign_of_life: Duration::from_secs(300),
        patience: Duration::from_secs(100),
        program: "test".to_owned(),
    }
}

struct Maker {
    folder: TempDir,
    pair: Pair,
}

fn maker() -> Maker {
    let folder = tempfile::tempdir().unwrap();
    let pair = generate(None).unwrap();
    fs::write(folder.path().join("rules.pub"), &pair.public).unwrap();
    Maker { folder, pair }
}

impl Maker {
    fn layout(&self) -> Layout {
        Layout::at(&self.folder.path().join("layout"))
    }

    fn add(&self, version: u64, text: &str) -> Hash {
        self.add_by(&self.pair, version, text)
    }

    fn add_by(&self, pair: &Pair, version: u64, text: &str) -> Hash {
        let key = SecretKey::parse(&pair.secret, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bateleur.rules"), text).unwrap();
        let manifest = describe(folder.path(), version, 1, "test").unwrap();
        let hash = manifest.hash();
        let write = |to: &mut dyn Write| bundle(folder.path(), &manifest, &key, to).map(drop);
        self.layout().add(&hash, write).unwrap();
        hash
    }

    fn publish(&self, hash: &Hash) {
        self.layout().publish("default", hash, false).unwrap();
    }

    fn store(&self, sensor: &str) -> PathBuf {
        self.folder.path().join(format!("store-{sensor}"))
    }

    fn sensor(&self, name: &str) -> Fake {
        Fake::at(self.store(name))
    }

    fn serve(&self) -> Server {
        Server::start(crate::server::Settings {
            directory: self.layout().folder().to_path_buf(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            token: None,
            limits: crate::server::Limits::default(),
        })
        .unwrap()
    }

    fn follower<'a>(&self, from: &str, sensor: &str, control: &'a Fake) -> Follower<'a> {
        let origin = Origin::new(from, None, "test").unwrap();
        Follower::new(settings(self.folder.path(), sensor), origin, &test, control)
    }

    fn follower_of_folder<'a>(&self, sensor: &str, control: &'a Fake) -> Follower<'a> {
        let layout = self.layout();
        self.follower(&layout.folder().display().to_string(), sensor, control)
    }

    fn current(&self, sensor: &str) -> Option<Hash> {
        Store::look(&self.store(sensor)).unwrap().map(|current| current.hash)
    }
}

/// Texts with `bad` in them do not load.
fn test(folder: &Path) -> Result<Tested, String> {
    let text = fs::read_to_string(folder.join("bateleur.rules")).map_err(|e| e.to_string())?;
    match text.contains("bad") {
        true => {
            Ok(Tested { refused: 1, reasons: vec![("no $X".to_owned(), 1)], ..Tested::default() })
        }
        false => Ok(Tested { loaded: 1, ..Tested::default() }),
    }
}

fn has(sensor: &Fake) -> Option<Hash> {
    sensor.has()
}

fn reason(step: &Step) -> &str {
    match step {
        Step::Refused(why) | Step::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

fn address(server: &Server) -> String {
    format!("http://{}", server.addresses()[0])
}

fn receipts(server: &Server) -> Vec<Kept> {
    let origin = Origin::new(&address(server), None, "test").unwrap();
    serde_json::from_slice(&origin.ask("/v1/receipts", None).unwrap()).unwrap()
}

#[test]
fn bundles_of_a_folder_come_into_force() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let mut follower = maker.follower_of_folder("a", &sensor);
    assert!(reason(&follower.step(0)).contains("no channel default"));
    let one = maker.add(1, "one");
    maker.publish(&one);
    assert_eq!(follower.step(10), Step::Changed(one));
    assert_eq!(follower.step(20), Step::Unchanged);
    assert_eq!((has(&sensor), maker.current("a")), (Some(one), Some(one)));
    let signature = maker.store("a").join("current").join(SIGNATURE);
    assert!(signature.exists(), "what was signed can be checked later as well");
    let two = maker.add(2, "two");
    maker.publish(&two);
    assert_eq!(follower.step(30), Step::Changed(two));
    // An older one is not taken unless the channel says so.
    maker.layout().set("default", &one, false).unwrap();
    assert!(reason(&follower.step(40)).contains("older than 2"));
    assert_eq!(has(&sensor), Some(two));
    maker.layout().publish("default", &one, true).unwrap();
    let mut careful = maker.follower_of_folder("a", &sensor);
    careful.settings.never_older = true;
    assert!(reason(&careful.step(45)).contains("older than 2"));
    assert_eq!(follower.step(50), Step::Changed(one));
}

#[test]
fn what_is_wrong_changes_nothing() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let mut follower = maker.follower_of_folder("a", &sensor);
    let one = maker.add(1, "one");
    maker.publish(&one);
    follower.step(0);
    let check = |follower: &mut Follower<'_>, hash: &Hash, why: &str| {
        maker.publish(hash);
        let step = follower.step(10);
        assert!(reason(&step).contains(why), "{step:?} does not say {why}");
        assert_eq!((has(&sensor), maker.current("a")), (Some(one), Some(one)));
    };
    check(&mut follower, &maker.add_by(&generate(None).unwrap(), 2, "two"), "signed with key");
    check(&mut follower, &maker.add(3, "bad"), "no $X");
    let cut = maker.add(4, "cut");
    maker.publish(&cut);
    let path = maker.layout().bundle_file(&cut);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let step = follower.step(11);
    assert!(reason(&step).contains("damaged"), "{step:?}");
    fs::remove_file(&path).unwrap();
    assert!(reason(&follower.step(12)).contains("there is no bundle"));
    // The key of the first one is no longer trusted, that of another is.
    let other = generate(None).unwrap();
    fs::write(maker.folder.path().join("rules.pub"), &other.public).unwrap();
    let five = maker.add_by(&other, 5, "five");
    maker.publish(&five);
    assert_eq!(follower.step(13), Step::Changed(five));
    let left = fs::read_dir(maker.store("a")).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("staging")), "{left:?}");
}

#[test]
fn a_sensor_that_refuses_keeps_what_it_has() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let server = maker.serve();
    let mut follower = maker.follower(&address(&server), "a", &sensor);
    let one = maker.add(1, "one");
    maker.publish(&one);
    follower.step(0);
    let two = maker.add(2, "two");
    let refusal = Refusal::Failed("no memory".to_owned());
    *sensor.refuses.borrow_mut() = Some((two, refusal));
    maker.publish(&two);
    assert!(reason(&follower.step(10)).contains("no memory"));
    assert_eq!((has(&sensor), maker.current("a")), (Some(one), Some(one)));
    let kept = &receipts(&server)[0].receipt;
    assert_eq!((kept.state, kept.bundle, kept.wanted), (State::Refused, Some(one), two));
    assert!(kept.reason.contains("no memory"));
    // It is not tried again at once; after a while it is.
    *sensor.refuses.borrow_mut() = None;
    assert!(matches!(follower.step(20), Step::Refused(_)));
    assert_eq!(follower.step(10 + RETRY), Step::Changed(two));
    // One that says it has loaded and has other rules.
    *sensor.is_deaf.borrow_mut() = true;
    let three = maker.add(3, "three");
    maker.publish(&three);
    // That says nothing about the rules: no refusal, and nothing is told at once.
    let step = follower.step(5000);
    assert!(matches!(&step, Step::Failed(why) if why.contains("rules.store")), "{step:?}");
    assert_eq!(receipts(&server)[0].receipt.state, State::InForce);
    follower.step(5100);
    assert_eq!(receipts(&server)[0].receipt.state, State::Failed);
    *sensor.is_deaf.borrow_mut() = false;
    assert_eq!(follower.step(5101), Step::Changed(three));
}

#[test]
fn a_sensor_that_is_away_takes_it_when_it_comes() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let server = maker.serve();
    let mut follower = maker.follower(&address(&server), "a", &sensor);
    let one = maker.add(1, "one");
    maker.publish(&one);
    *sensor.is_away.borrow_mut() = true;
    assert!(matches!(follower.step(0), Step::Failed(_)));
    assert!(receipts(&server).is_empty(), "it may be starting");
    assert_eq!(maker.current("a"), Some(one), "it finds it at its start");
    assert!(matches!(follower.step(100), Step::Failed(_)));
    assert_eq!(receipts(&server)[0].receipt.state, State::Failed);
    assert_eq!(receipts(&server)[0].receipt.bundle, None);
    *sensor.is_away.borrow_mut() = false;
    assert_eq!(follower.step(200), Step::Changed(one));
    assert_eq!(receipts(&server)[0].receipt.state, State::InForce);
}

#[test]
fn receipts_are_sent_later_when_the_server_is_away() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let one = maker.add(1, "one");
    maker.publish(&one);
    let server = maker.serve();
    let from = address(&server);
    let mut follower = maker.follower(&from, "a", &sensor);
    follower.step(0);
    let first = receipts(&server)[0].clone();
    drop(server);
    assert!(matches!(follower.step(10), Step::Failed(_)));
    assert!(follower.pause(0.5) >= Duration::from_secs(60));
    for now in 0..12 {
        follower.step(now);
    }
    assert!(follower.pause(1.0) <= Duration::from_secs(720));
    assert_eq!(has(&sensor), Some(one));
    // Only what is news is sent, and a sign of life.
    let server = maker.serve();
    let mut follower = maker.follower(&address(&server), "a", &sensor);
    let heard = |follower: &mut Follower<'_>, now| {
        follower.step(now);
        follower.sent.as_ref().unwrap().1
    };
    assert_eq!(heard(&mut follower, 1000), 1000);
    assert_eq!(heard(&mut follower, 1299), 1000);
    assert_eq!(heard(&mut follower, 1300), 1300);
    assert_eq!(receipts(&server)[0].receipt, first.receipt);
}

#[test]
fn damaged_notes_are_begun_anew() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let (one, two) = (maker.add(1, "one"), maker.add(2, "two"));
    maker.publish(&one);
    maker.follower_of_folder("a", &sensor).step(0);
    fs::write(maker.store("a").join("follow.json"), "{").unwrap();
    maker.publish(&two);
    assert_eq!(maker.follower_of_folder("a", &sensor).step(40), Step::Changed(two));
}

/// A server that breaks off within a bundle.
#[test]
fn a_server_that_dies_while_it_sends_changes_nothing() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let one = maker.add(1, "one");
    maker.publish(&one);
    maker.follower_of_folder("a", &sensor).step(0);
    let two = maker.add(2, "two");
    maker.publish(&two);
    let channel = maker.layout().channel("default").unwrap().unwrap().to_bytes();
    let bytes = fs::read(maker.layout().bundle_file(&two)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let from = format!("http://{}", listener.local_addr().unwrap());
    let cuts = [0, 1, bytes.len() / 2, bytes.len() - 1];
    let server = thread::spawn(move || {
        let answer = |stream: &mut TcpStream, length: usize, body: &[u8]| {
            let mut head = [0; 2048];
            let _ = stream.read(&mut head);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(body);
        };
        for cut in cuts {
            answer(&mut listener.accept().unwrap().0, channel.len(), &channel);
            answer(&mut listener.accept().unwrap().0, bytes.len(), &bytes[..cut]);
            // The receipt has nobody to go to.
            drop(listener.accept());
        }
    });
    let mut follower = maker.follower(&from, "a", &sensor);
    follower.settings.patience = Duration::ZERO;
    for _ in cuts {
        assert!(matches!(follower.step(10), Step::Failed(_)));
        assert_eq!((has(&sensor), maker.current("a")), (Some(one), Some(one)));
    }
    server.join().unwrap();
    let server = maker.serve();
    let mut follower = maker.follower(&address(&server), "a", &sensor);
    assert_eq!(follower.step(20), Step::Changed(two));
}

#[test]
fn a_roll_out_stops_where_it_fails() {
    let maker = maker();
    let (one, two, three) = (maker.add(1, "one"), maker.add(2, "two"), maker.add(3, "three"));
    maker.publish(&one);
    let server = maker.serve();
    let sensors = ["a", "b"].map(|name| maker.sensor(name));
    let mut followers: Vec<_> = (["a", "b"].iter().zip(&sensors))
        .map(|(name, sensor)| maker.follower(&address(&server), name, sensor))
        .collect();
    let mut round = |now: u64| {
        followers.iter_mut().for_each(|follower| drop(follower.step(now)));
        [has(&sensors[0]).unwrap(), has(&sensors[1]).unwrap()]
    };
    assert_eq!(round(0), [one, one]);
    let origin = Origin::new(&address(&server), None, "test").unwrap();
    let order = |order: &Order| -> crate::rollout::Rollout {
        let bytes = serde_json::to_vec(order).unwrap();
        let answer = origin.ask("/v1/rollouts/default", Some(&bytes)).unwrap();
        serde_json::from_slice(&answer).unwrap()
    };
    let plan = Plan { stages: vec![50, 100], soak: 0, ..Plan::default() };
    order(&Order::Start { bundle: two.to_string(), plan: plan.clone() });
    // One after the other: the second waits for the first one's receipt.
    assert!(round(10).contains(&two));
    assert_eq!(round(20), [two, two]);
    // Both may have it now; the first that tries refuses it.
    for sensor in &sensors {
        *sensor.refuses.borrow_mut() = Some((three, Refusal::Failed("no $X".to_owned())));
    }
    order(&Order::Start { bundle: three.short(), plan });
    for now in [30, 40, 50] {
        assert_eq!(round(now), [two, two]);
    }
    let answer = origin.ask("/v1/rollouts/default", None).unwrap();
    let rollout: crate::rollout::Rollout = serde_json::from_slice(&answer).unwrap();
    assert_eq!(rollout.state, RolloutState::Stopped);
    assert!(rollout.reason.contains("no $X"), "{}", rollout.reason);
    let refused = receipts(&server);
    let refused: Vec<_> = refused.iter().filter(|kept| kept.receipt.wanted == three).collect();
    assert_eq!(refused.len(), 1, "the other one was not asked");
    assert_eq!(refused[0].receipt.bundle, Some(two));
    // What was wrong is put right, and it goes on; then everybody goes back.
    sensors.iter().for_each(|sensor| *sensor.refuses.borrow_mut() = None);
    order(&Order::Resume);
    round(60);
    assert_eq!(round(70), [three, three]);
    order(&Order::Back);
    assert_eq!(round(80), [two, two]);
}

#[test]
fn addresses_are_understood() {
    for (from, good) in [
        ("/var/rules", true),
        ("file:///var/rules", true),
        ("http://rules:8480/", true),
        ("ftp://rules", false),
        ("http://", false),
        ("https://rules", cfg!(feature = "tls")),
    ] {
        assert_eq!(Origin::new(from, None, "test").is_ok(), good, "{from}");
    }
}
