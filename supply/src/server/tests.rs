//! The server with real sockets.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::bundle::{bundle, describe};
use crate::layout::Layout;
use crate::manifest::Hash;
use crate::receipt::Receipt;
use crate::sign::{SecretKey, generate};

struct Served {
    folder: TempDir,
    key: SecretKey,
    server: Option<Server>,
}

fn settings(folder: &Path, token: Option<&str>) -> Settings {
    let limits = Limits { clients: 4, request: Duration::from_millis(300), ..Limits::default() };
    Settings {
        directory: folder.to_path_buf(),
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        token: token.map(str::to_owned),
        limits,
    }
}

fn served(token: Option<&str>) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let key = SecretKey::parse(&generate(None).unwrap().secret, None).unwrap();
    let server = Some(Server::start(settings(folder.path(), token)).unwrap());
    Served { folder, key, server }
}

impl Served {
    fn layout(&self) -> Layout {
        Layout::at(self.folder.path())
    }

    fn add(&self, version: u64) -> Hash {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bateleur.rules"), format!("# {version}\n")).unwrap();
        let manifest = describe(folder.path(), version, 1, "test").unwrap();
        let hash = manifest.hash();
        let write = |to: &mut dyn Write| bundle(folder.path(), &manifest, &self.key, to).map(drop);
        self.layout().add(&hash, write).unwrap();
        hash
    }

    fn say(&self, text: &str) -> (u16, String) {
        let server = self.server.as_ref().unwrap();
        // The place of a client before is free only a moment after its answer.
        let until = Instant::now() + Duration::from_secs(5);
        let is_full =
            || server.shared.figures.clients.load(Relaxed) >= server.shared.limits.clients;
        while is_full() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let mut stream = TcpStream::connect(server.addresses()[0]).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    fn post(&self, path: &str, body: &str, token: &str) -> (u16, String) {
        let length = body.len();
        self.say(&format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn restart(&mut self) {
        self.server = None;
        self.server = Some(Server::start(settings(self.folder.path(), None)).unwrap());
    }
}

fn receipt(sensor: &str, state: &str, bundle: &Hash, wanted: &Hash) -> String {
    format!(
        "{{\"sensor\":\"{sensor}\",\"channel\":\"default\",\"bundle\":\"{bundle}\",\"version\":1,\
         \"state\":\"{state}\",\"reason\":\"r\",\"wanted\":\"{wanted}\"}}"
    )
}

#[test]
fn the_layout_is_served() {
    let served = served(None);
    let hash = served.add(3);
    assert_eq!(served.get("/v1/channels/default.json").0, 404);
    served.layout().publish("default", &hash, false).unwrap();
    let (status, body) = served.get("/v1/channels/default.json?sensor=a");
    assert_eq!(status, 200);
    assert!(body.contains(&hash.to_string()), "{body}");
    let server = served.server.as_ref().unwrap();
    let mut stream = TcpStream::connect(server.addresses()[0]).unwrap();
    write!(stream, "GET /v1/bundles/{hash}.tar.zst HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let bytes = fs::read(served.layout().bundle_file(&hash)).unwrap();
    assert!(answer.ends_with(&bytes));
    for (path, status) in [
        ("/", 404),
        ("/v1/channels/..%2f.json", 400),
        ("/v1/channels/../../state/receipts.json", 400),
        ("/v1/bundles/../../state/lock", 404),
        (&format!("/v1/bundles/{}.tar.zst", Hash::of(b"")), 404),
        ("/v1/rollouts/default", 404),
        ("/state/receipts.json", 404),
        ("/healthz", 200),
        ("/metrics", 200),
        ("/v1/receipts", 200),
        ("/v1/channels/default.json?sensor=../a", 400),
    ] {
        assert_eq!(served.get(path).0, status, "{path}");
    }
    assert!(matches!(
        Server::start(settings(served.folder.path(), None)),
        Err(DeskError::Taken(_))
    ));
}

#[test]
fn receipts_are_kept_over_a_restart() {
    let mut served = served(None);
    let (one, two) = (Hash::of(b"1"), Hash::of(b"2"));
    for body in [receipt("a", "in-force", &one, &one), receipt("b", "refused", &one, &two)] {
        assert_eq!(served.post("/v1/receipts", &body, "").0, 200);
    }
    assert_eq!(served.post("/v1/receipts", "{}", "").0, 400);
    served.restart();
    let (_, body) = served.get("/v1/receipts");
    let all: Vec<Kept> = serde_json::from_str(&body).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].receipt.reason, "r");
    let (_, page) = served.get("/metrics");
    let line = "bateleur_rules_server_receipts{channel=\"default\",state=\"refused\"} 1";
    assert!(page.contains(line), "{page}");
    assert!(page.contains("bateleur_rules_server_sensors{channel=\"default\",bundle=\""));
}

#[test]
fn strangers_change_nothing() {
    let served = served(Some("secret"));
    let hash = served.add(1);
    served.layout().publish("default", &hash, false).unwrap();
    let body = receipt("a", "in-force", &hash, &hash);
    for token in ["", "secre", "secret2", "Secret"] {
        assert_eq!(served.post("/v1/receipts", &body, token).0, 401, "{token}");
        assert_eq!(served.post("/v1/rollouts/default", "{}", token).0, 401, "{token}");
    }
    assert_eq!(served.get("/v1/channels/default.json?sensor=a").0, 401);
    assert_eq!(served.get("/v1/channels/default.json").0, 200);
    assert_eq!(served.post("/v1/receipts", &body, "secret").0, 200);
}

#[test]
fn a_roll_out_survives_restarts() {
    let mut served = served(None);
    let (one, two) = (served.add(1), served.add(2));
    served.layout().publish("default", &one, false).unwrap();
    for sensor in ["a", "b"] {
        served.post("/v1/receipts", &receipt(sensor, "in-force", &one, &one), "");
    }
    let wanted = |served: &Served, sensor: &str| {
        let (_, body) = served.get(&format!("/v1/channels/default.json?sensor={sensor}"));
        body.contains(&two.to_string()) && !body.contains("allow-older")
    };
    let both = |served: &Served| ["a", "b"].map(|sensor| wanted(served, sensor));
    let plan = "{\"stages\":[50,100],\"soak\":0}";
    let start = format!("{{\"order\":\"start\",\"bundle\":\"{two}\",\"plan\":{plan}}}");
    let order = |served: &Served, text: &str| {
        served.post("/v1/rollouts/default", &format!("{{\"order\":\"{text}\"}}"), "").0
    };
    assert_eq!(order(&served, "stop"), 404);
    for (bundle, status) in [("", 400), ("../x", 400), ("0123456789ab", 404)] {
        let text = format!("{{\"order\":\"start\",\"bundle\":\"{bundle}\"}}");
        assert_eq!(served.post("/v1/rollouts/default", &text, "").0, status, "{bundle}");
    }
    let short = start.replace(&two.to_string(), &two.short());
    assert_eq!(served.post("/v1/rollouts/default", &short, "").0, 200);
    assert_eq!(served.post("/v1/rollouts/default", &start, "").0, 409, "twice");
    assert!(served.layout().publish("default", &two, false).is_err(), "it would be passed over");
    let first = both(&served);
    assert_eq!(first.iter().filter(|has| **has).count(), 1, "{first:?}");
    served.restart();
    assert_eq!(both(&served), first);
    let [first_name, other_name] = if first[0] { ["a", "b"] } else { ["b", "a"] };
    served.post("/v1/receipts", &receipt(first_name, "refused", &one, &two), "");
    served.restart();
    let (_, state) = served.get("/v1/rollouts/default");
    assert!(state.contains("\"stopped\"") && state.contains("refused: r"), "{state}");
    assert!(!wanted(&served, other_name));
    assert_eq!(order(&served, "resume"), 200);
    served.post("/v1/receipts", &receipt(first_name, "in-force", &two, &two), "");
    assert!(wanted(&served, other_name));
    served.restart();
    served.post("/v1/receipts", &receipt(other_name, "in-force", &two, &two), "");
    let channel = served.layout().channel("default").unwrap().unwrap();
    assert_eq!((channel.bundle, channel.previous), (two, Some(one)), "it is over");
    assert_eq!(served.get("/v1/channels/default.json").0, 200);
    assert_eq!(order(&served, "back"), 200);
    served.restart();
    let channel = served.layout().channel("default").unwrap().unwrap();
    assert_eq!((channel.bundle, channel.allow_older), (one, true));
    let (_, page) = served.get("/metrics");
    let line = "bateleur_rules_server_rollout{channel=\"default\",state=\"back\"} 1";
    assert!(page.contains(line), "{page}");
    // A channel that is published by hand afterwards stays so.
    served.layout().publish("default", &two, false).unwrap();
    served.restart();
    assert_eq!(served.layout().channel("default").unwrap().unwrap().bundle, two);
}

#[test]
fn a_first_bundle_that_is_refused_makes_way_for_another_one() {
    let served = served(None);
    let (one, two) = (served.add(1), served.add(2));
    let start = |bundle: &Hash| {
        let text = format!("{{\"order\":\"start\",\"bundle\":\"{bundle}\"}}");
        served.post("/v1/rollouts/default", &text, "").0
    };
    assert_eq!(start(&one), 200);
    assert_eq!(served.get("/v1/channels/default.json?sensor=a").0, 200);
    assert_eq!(start(&two), 409, "it runs");
    served.post("/v1/receipts", &receipt("a", "refused", &one, &one), "");
    let (_, state) = served.get("/v1/rollouts/default");
    assert!(state.contains("\"stopped\""), "{state}");
    let back = served.post("/v1/rollouts/default", "{\"order\":\"back\"}", "").0;
    assert_eq!(back, 409, "there is nothing before");
    assert_eq!(start(&two), 200);
    let (_, body) = served.get("/v1/channels/default.json?sensor=a");
    assert!(body.contains(&two.to_string()), "{body}");
}

/// Whoever ordered it is told, and what was before goes on.
#[test]
fn an_order_that_cannot_be_written_is_not_done() {
    let served = served(None);
    let (one, two) = (served.add(1), served.add(2));
    let state = served.folder.path().join("state/rollouts");
    let order = |order: &str, is_writable: bool| {
        if !is_writable {
            let _ = fs::remove_dir_all(&state);
            fs::write(&state, "").unwrap();
        }
        let said = served.post("/v1/rollouts/default", order, "").0;
        if !is_writable {
            fs::remove_file(&state).unwrap();
        }
        said
    };
    let start = |bundle: &Hash, is_writable: bool| {
        order(&format!("{{\"order\":\"start\",\"bundle\":\"{bundle}\"}}"), is_writable)
    };
    let is_running = || served.get("/v1/rollouts/default").1.contains("\"running\"");
    assert!(start(&one, false) >= 500);
    assert_eq!(served.get("/v1/rollouts/default").0, 404);
    assert_eq!(served.get("/v1/channels/default.json?sensor=a").0, 404);
    assert_eq!(start(&one, true), 200);
    assert!(order("{\"order\":\"stop\"}", false) >= 500);
    assert!(is_running(), "nor does one stop");
    served.post("/v1/receipts", &receipt("a", "refused", &one, &one), "");
    assert!(!is_running());
    assert!(start(&two, false) >= 500);
    let (_, still) = served.get("/v1/rollouts/default");
    assert!(still.contains(&one.to_string()), "{still}");
    assert_eq!(start(&two, true), 200);
}

#[test]
fn slow_and_many_clients_do_no_harm() {
    let served = served(None);
    let address = served.server.as_ref().unwrap().addresses()[0];
    let silent: Vec<_> = (0..12).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut slow = TcpStream::connect(address).unwrap();
    let _ = slow.write_all(b"GET /healthz HT");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(served.get("/healthz").0, 200, "their time is over");
    drop(silent);
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /healthz HT").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000));
    let (status, _) = served.say(&long);
    assert_eq!(status, 431);
    let (_, page) = served.get("/metrics");
    assert!(page.contains("clients_late_total"), "{page}");
}

/// Clients that say or take a byte now and then do not keep a place for long.
#[test]
fn slow_clients_lose_their_places() {
    let mut served = served(None);
    served.server = None;
    let limits = Limits {
        clients: 2,
        request: Duration::from_millis(300),
        answer: Duration::from_millis(500),
        ..Limits::default()
    };
    let server =
        Server::start(Settings { limits, ..settings(served.folder.path(), None) }).unwrap();
    let file = served.folder.path().join("v1/bundles");
    fs::create_dir_all(&file).unwrap();
    let hash = Hash::of(b"large");
    let large = fs::File::create(file.join(crate::bundle::file_name(&hash))).unwrap();
    large.set_len(64 << 20).unwrap();
    let connect = || TcpStream::connect(server.addresses()[0]).unwrap();
    // One has its answer and goes on talking, a byte at a time.
    let mut talker = connect();
    talker.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // One takes little of a large answer.
    let mut taker = connect();
    let ask = format!("GET /v1/bundles/{hash}.tar.zst HTTP/1.1\r\nHost: a\r\n\r\n");
    taker.write_all(ask.as_bytes()).unwrap();
    let begun = Instant::now();
    while server.shared.figures.clients.load(Relaxed) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(10));
    }
    while server.shared.figures.clients.load(Relaxed) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "they still have their places");
        let _ = talker.write(b"x");
        let _ = taker.read(&mut [0; 10]);
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn paths_lead_nowhere_else() {
    let served = served(None);
    fs::write(served.folder.path().join("secret.json"), "s3cret").unwrap();
    let hash = Hash::of(b"");
    for path in [
        "/v1/channels/../../secret.json",
        "/v1/channels/..%2f..%2fsecret.json",
        "/v1/channels/.hidden.json",
        "/v1/channels//secret.json",
        "/v1/channels/default.json?sensor=../x",
        "/v1/bundles/../../state/lock.tar.zst",
        &format!("/v1/bundles/../{hash}.tar.zst"),
        "/v1/rollouts/../../secret",
        "//secret.json",
        "/../secret.json",
    ] {
        let (status, body) = served.get(path);
        assert!(matches!(status, 400 | 404), "{path}: {status}");
        assert!(!body.contains("s3cret"), "{path}: {body}");
    }
    let (status, _) = served.post("/v1/rollouts/..%2fx", "{\"order\":\"stop\"}", "");
    assert_eq!(status, 400);
}

/// The log of a server tells each change once.
#[test]
fn changes_of_sensors_are_news() {
    let (one, two) = (Hash::of(b"1"), Hash::of(b"2"));
    let said = |state: &str, wanted: &Hash| {
        Receipt::parse(receipt("a", state, &one, wanted).as_bytes()).unwrap()
    };
    let good = said("in-force", &one);
    let bad = said("refused", &two);
    let first = desk::news(None, &good).unwrap();
    assert_eq!(first, format!("sensor a: bundle {} (version 1) is in force", one.short()));
    assert_eq!(desk::news(Some(&good), &good), None);
    let refused = desk::news(Some(&good), &bad).unwrap();
    assert_eq!(refused, format!("sensor a: bundle {} refused: r", two.short()));
    assert_eq!(desk::news(Some(&bad), &bad), None);
    assert_eq!(desk::news(Some(&bad), &good), Some(first));
}
