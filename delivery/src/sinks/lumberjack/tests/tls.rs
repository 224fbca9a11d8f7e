//! Lumberjack over TLS, with certificates on both sides.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::{ServerConnection, StreamOwned};
use serde_json::json;

use super::receiver::{Shared, serve};
use super::*;
use crate::certificates::{self, client};

/// A receiver that only speaks with clients that the authority `name` knows.
fn start(folder: &Path, name: &str, log: &Shared) -> String {
    let config = certificates::server(folder, name);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let log = Arc::clone(log);
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let (mut stream, log) = (StreamOwned::new(connection, tcp), Arc::clone(&log));
            thread::spawn(move || {
                // The end of a connection ends its thread.
                let _ = serve(&mut stream, &log, |_| {});
            });
        }
    });
    target
}

#[test]
fn both_sides_prove_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    certificates::write(folder.path(), "ours");
    let log = log(&[Deed::Pieces, Deed::PartAndClose(50)]);
    let target = start(folder.path(), "ours", &log);
    let mut sink = sink(json!({
        "hosts": [target], "tls": client(folder.path(), "ours", Some("ours")), "compression": 0,
    }));
    assert_eq!(deliver(&mut sink, 3000, &log).len(), 1);
}

#[test]
fn what_is_wrong_with_certificates_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ours", "others"] {
        certificates::write(folder.path(), name);
    }
    let target = start(folder.path(), "ours", &log(&[]));
    for (tls, texts) in [
        (
            client(folder.path(), "others", Some("ours")),
            ["receiver's certificate is not trusted", "tls.ca"],
        ),
        (
            {
                let mut tls = client(folder.path(), "ours", Some("ours"));
                tls["server-name"] = json!("logstash.example");
                tls
            },
            ["receiver's certificate is not trusted", "tls.server-name"],
        ),
        (client(folder.path(), "ours", None), ["refuses our side of TLS", "tls.certificate"]),
        (
            client(folder.path(), "ours", Some("others")),
            ["refuses our side of TLS", "tls.certificate"],
        ),
    ] {
        let mut sink = sink(json!({"hosts": [target], "tls": tls}));
        let record = Record { worker: 0, sequence: 0, bytes: b"{\"n\":0}" };
        let outcome = sink.offer(&[record], 0).and_then(|_| {
            let mut settled = Settled::default();
            while settled.delivered.is_empty() {
                sink.settle(Duration::from_secs(20), &mut settled)?;
            }
            Ok(())
        });
        let trouble = outcome.expect_err("not trusted");
        assert!(trouble.is_lasting, "{trouble}");
        for text in texts {
            assert!(trouble.what.contains(text), "{trouble}");
        }
    }
}
