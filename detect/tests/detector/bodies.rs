//! `http-body` and `http-body-printable`: bodies of requests and responses in alerts.

use detect::settings::AlertSettings;
use serde_json::Value;

use crate::bench::{Bench, settings};

const RULES: &str = "alert http any any -> any any (msg:\"a\"; http.request_body; content:\"card\"; sid:1;)\n\
     alert http any any -> any any (msg:\"b\"; http.stat_code; content:\"200\"; \
     file.data; content:\"gone\"; sid:2;)\n";
const KEYS: [&str; 4] = [
    "http_request_body",
    "http_request_body_printable",
    "http_response_body",
    "http_response_body_printable",
];

#[test]
fn alerts_show_what_is_held_of_bodies() {
    let check = |http_body, http_body_printable, want: [[Option<&str>; 4]; 2]| {
        let settings = settings(|_, eve| {
            let alert = AlertSettings { http_body, http_body_printable, ..Default::default() };
            eve.alert = Some(alert);
        });
        let mut bench = Bench::new(settings, RULES);
        bench.open().ask(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\ncard\t1");
        bench.pause().answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngone");
        let alerts = bench.records("alert");
        let shown = |alert: &Value| KEYS.map(|key| alert["http"][key].as_str().map(str::to_owned));
        let shown: Vec<_> = alerts.iter().map(shown).collect();
        let want = want.map(|alert| alert.map(|text| text.map(str::to_owned)));
        assert_eq!(shown, want, "{http_body} {http_body_printable}");
    };
    let (asked, said) = (Some("Y2FyZAkx"), Some("Z29uZQ=="));
    let (printed, gone) = (Some("card.1"), Some("gone"));
    check(true, false, [[asked, None, None, None], [asked, None, said, None]]);
    check(false, true, [[None, printed, None, None], [None, printed, None, gone]]);
    check(true, true, [[asked, printed, None, None], [asked, printed, said, gone]]);
    check(false, false, [[None; 4]; 2]);
}
