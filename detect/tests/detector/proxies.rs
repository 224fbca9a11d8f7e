//! `xff`: the client's address behind a proxy, in every record that may show it.

use detect::settings::{AlertSettings, FilesSettings, XffSettings};

use crate::bench::{Bench, settings};

const RULES: &str = "alert http any any -> any any (msg:\"asked\"; http.uri; content:\"/f\"; sid:1;)\n\
     alert http any any -> any any (msg:\"said\"; http.stat_code; content:\"200\"; sid:2;)\n\
     alert tcp any any -> any any (msg:\"raw\"; content:\"pattern\"; sid:3;)\n";
const REQUEST: &[u8] = b"GET /f HTTP/1.1\r\nHost: a\r\nX-Client: 203.0.113.9, 198.51.100.7\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npattern";

/// Where an address of the proxied client is set.
#[derive(Clone, Copy)]
enum Place {
    EveLog,
    Types,
}

/// `xff`, `src_ip` and `dest_ip` of the records of a kind.
fn addresses(place: Place, xff: &XffSettings, kind: &str) -> Vec<[String; 3]> {
    let settings = settings(|_, eve| {
        let (mut alert, mut files) = (AlertSettings::default(), FilesSettings::default());
        match place {
            Place::EveLog => eve.xff = Some(xff.clone()),
            Place::Types => {
                alert.xff = Some(xff.clone());
                files.xff = Some(xff.clone());
                eve.http_xff = Some(xff.clone());
            }
        }
        (eve.alert, eve.files) = (Some(alert), Some(files));
    });
    let mut bench = Bench::new(settings, RULES);
    bench.open().ask(REQUEST).answer(ANSWER);
    let mut records = bench.records(kind);
    records.sort_by_key(|record| record["alert"]["signature_id"].as_u64());
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    let keys = ["xff", "src_ip", "dest_ip"];
    records.iter().map(|record| keys.map(|key| text(&record[key]))).collect()
}

#[test]
fn the_address_is_added_or_stands_for_that_of_the_proxy() {
    let check = |overwrite, forward, kind: &str, want: &[[&str; 3]]| {
        let xff = XffSettings { overwrite, forward, header: "x-CLIENT".to_owned() };
        for place in [Place::EveLog, Place::Types] {
            assert_eq!(addresses(place, &xff, kind), want, "{kind} {overwrite} {forward}");
        }
    };
    let (client, server) = ("10.0.0.1", "192.0.2.80");
    let (first, last) = ("203.0.113.9", "198.51.100.7");
    let both = [[last, client, server], [last, server, client], [last, server, client]];
    check(false, false, "alert", &both);
    let asked = [first, client, server];
    let said = [first, server, client];
    check(false, true, "alert", &[asked, said, said]);
    let said = ["", server, last];
    check(true, false, "alert", &[["", last, server], said, said]);
    check(false, false, "http", &[[last, client, server]]);
    check(true, false, "http", &[["", last, server]]);
    check(false, false, "fileinfo", &[[last, server, client]]);
    check(true, false, "fileinfo", &[["", server, last]]);
}

#[test]
fn other_headers_are_not_taken_for_it() {
    let xff = XffSettings::default();
    assert_eq!(addresses(Place::EveLog, &xff, "http"), [["", "10.0.0.1", "192.0.2.80"]]);
}
