//! How clients come, talk and go.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;
use crate::control::socket::listener::BindError;

#[test]
fn greetings_decide_about_line_feeds() {
    let stage = Stage::set(Limits::default());
    let old = stage.connect();
    let check = |text: &str, expected: &str| {
        (&old).write_all(text.as_bytes()).unwrap();
        let mut got = vec![0; expected.len()];
        (&old).read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), expected);
    };
    check("{\"version\":\"0.1\"}", "{\"return\":\"OK\"}");
    check("{\"command\":\"uptime\"}", "{\"message\":17,\"return\":\"OK\"}");
    check("{\"command\":\"uptime\"}", "{\"message\":17,\"return\":\"OK\"}");
    let long = format!("{{\"version\":\"0.2\",\"x\":\"{}\"}}", "x".repeat(200));
    for bad in ["{\"version\":\"0.3\"}", "{\"version\":2}", "{}", "xx", "[\"0.2\"]", &long] {
        assert_eq!(ask(&stage.connect(), bad), "", "{bad}");
    }
    stage.await_figures(|figures| figures.malformed == 6);
}

#[test]
fn messages_may_be_split_or_merged() {
    let stage = Stage::set(Limits::default());
    let client = stage.connect();
    for piece in ["{\"ver", "sion\":\"0.2\"", "}\n"] {
        (&client).write_all(piece.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(answer(&client), "{\"return\":\"OK\"}\n");
    (&client).write_all(b"{\"command\":\"upt").unwrap();
    thread::sleep(Duration::from_millis(20));
    (&client).write_all(b"ime\"}\n{\"command\":\"running-mode\"}\n{").unwrap();
    assert_eq!(answer(&client), "{\"message\":17,\"return\":\"OK\"}\n");
    assert_eq!(answer(&client), "{\"message\":\"workers\",\"return\":\"OK\"}\n");
    let rest = ask(&client, "\"command\":\"capture-mode\"}\n");
    assert_eq!(rest, "{\"message\":\"AF_PACKET_DEV\",\"return\":\"OK\"}\n");
}

#[test]
fn what_is_no_command_closes_the_connection() {
    let stage = Stage::set(Limits::default());
    let long = format!("{{\"command\":\"{}\"}}\n", "x".repeat(20_000));
    let deep = format!("{{\"command\":\"conf-get\",\"arguments\":{}\n", "[".repeat(10_000) + "}");
    let bad = [
        "garbage\n",
        "[]\n",
        "{\"command\":1}\n",
        "{\"arguments\":{}}\n",
        "{\"command\":\"conf-get\"}\n",
        "{\"command\":\"conf-get\",\"arguments\":[]}\n",
        &long,
        &deep,
    ];
    for text in bad {
        let client = stage.greet();
        assert_eq!(ask(&client, text), "", "{:.60}", text);
    }
    stage.await_figures(|figures| figures.malformed == bad.len() as u64);
    let client = stage.greet();
    assert_eq!(
        ask(&client, "{\"command\":\"uptime\"}extra\n"),
        "{\"message\":17,\"return\":\"OK\"}\n"
    );
    assert_eq!(answer(&client), "");
    // The others go on.
    let client = stage.greet();
    assert!(ask(&client, "{\"command\":\"version\"}\n").starts_with("{\"message\":\"8"));
}

#[test]
fn slow_clients_are_cut_off() {
    let limits = Limits { patience: Duration::from_millis(100), ..Limits::default() };
    let stage = Stage::set(limits);
    let silent = stage.connect();
    assert_eq!(answer(&silent), "");
    let half = stage.greet();
    thread::sleep(Duration::from_millis(300));
    // A client may think as long as it likes, but not stop within a message.
    assert_eq!(ask(&half, "{\"command\":\"uptime\"}\n"), "{\"message\":17,\"return\":\"OK\"}\n");
    assert_eq!(ask(&half, "{\"command\":"), "");
    stage.await_figures(|figures| figures.late == 2);
    // Nor never take its answers.
    let deaf = stage.greet();
    deaf.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let start = Instant::now();
    while stage.server.figures().late == 2 && start.elapsed() < Duration::from_secs(10) {
        let _ = (&deaf).write_all(b"{\"command\":\"command-list\"}\n");
    }
    stage.await_figures(|figures| figures.late == 3);
}

#[test]
fn silent_clients_make_room_and_busy_ones_do_not() {
    let stage = Stage::set(Limits { clients: 2, ..Limits::default() });
    let first = stage.greet();
    let second = stage.greet();
    assert_eq!(ask(&first, "{\"command\":\"uptime\"}\n"), "{\"message\":17,\"return\":\"OK\"}\n");
    let third = stage.greet();
    assert_eq!(answer(&second), "", "the longest silent one has gone");
    stage.sensor.hold(true);
    for client in [&first, &third] {
        let mut client: &UnixStream = client;
        client.write_all(b"{\"command\":\"reload-rules\"}\n").unwrap();
    }
    while stage.sensor.asked.lock().unwrap().len() < 2 {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(ask(&stage.connect(), "{\"version\":\"0.2\"}"), "", "no room");
    stage.sensor.hold(false);
    for client in [&first, &third] {
        assert_eq!(answer(client), "{\"message\":\"done\",\"return\":\"OK\"}\n");
    }
    let figures = stage.server.figures();
    assert_eq!((figures.accepted, figures.refused, figures.evicted), (3, 1, 1));
    assert_eq!(figures.commands, 3);
}

#[test]
fn the_end_waits_for_answers_but_not_for_ever() {
    let Stage { folder, sensor, server } =
        Stage::set(Limits { grace: Duration::from_millis(200), ..Limits::default() });
    let path = server.path().to_owned();
    let connect = || UnixStream::connect(&path).unwrap();
    let idle = connect();
    let busy = connect();
    assert_eq!(ask(&busy, "{\"version\":\"0.2\"}"), "{\"return\":\"OK\"}\n");
    sensor.hold(true);
    (&busy).write_all(b"{\"command\":\"reload-rules\"}\n").unwrap();
    while sensor.asked.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    let released = thread::spawn({
        let sensor = Arc::clone(&sensor);
        move || {
            thread::sleep(Duration::from_millis(50));
            sensor.hold(false);
        }
    });
    drop(server);
    released.join().unwrap();
    assert_eq!(answer(&busy), "{\"message\":\"done\",\"return\":\"OK\"}\n");
    assert_eq!(answer(&busy), "");
    assert_eq!(answer(&idle), "");
    assert!(!path.exists(), "the file has gone");

    let stuck = Listener::bind(&path).unwrap();
    let asked: Arc<dyn Sensor> = Arc::<Fake>::clone(&sensor);
    let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
    let server = stuck.serve(asked, limits).unwrap();
    let busy = connect();
    assert_eq!(ask(&busy, "{\"version\":\"0.2\"}"), "{\"return\":\"OK\"}\n");
    sensor.hold(true);
    sensor.noted();
    (&busy).write_all(b"{\"command\":\"reload-rules\"}\n").unwrap();
    while sensor.asked.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(answer(&busy), "");
    sensor.hold(false);
    drop(folder);
}

#[test]
fn the_file_is_made_replaced_or_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/command.socket");
    let listener = Listener::bind(&path).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
    let error = Listener::bind(&path).unwrap_err();
    assert!(matches!(&error, BindError::InUse(_)));
    assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
    drop(listener);
    assert!(!path.exists());

    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead process leaves its file");
    let listener = Listener::bind(&path).unwrap();
    // Somebody else's file in the meantime is not ours to remove.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    drop(listener);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert!(matches!(Listener::bind(&path), Err(BindError::NotASocket(_))));
    assert!(matches!(Listener::bind(&path.join("x")), Err(BindError::Refused(..))));

    assert_eq!(path_of(None), Path::new("/var/run/suricata/suricata-command.socket"));
    assert_eq!(path_of(Some("x.socket")), Path::new("/var/run/suricata/x.socket"));
    assert_eq!(path_of(Some("/tmp/x")), Path::new("/tmp/x"));
    assert_eq!(path_of(Some("./x")), Path::new("./x"));
}
