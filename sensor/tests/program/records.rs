//! Records that take more than a transaction: of packets, flows, and files in parts.

use crate::craft::{Place, exchange};

const WEB: &[&str] = &["-r", "web.pcap", "-S", "a.rules"];

/// Runs with EVE types and a rule; the records of a kind.
fn records(place: &Place, eve: &str, rules: &str, arguments: &[&str], kind: &str) -> Vec<String> {
    place.config(&format!(
        "outputs:\n  - eve-log: {{enabled: yes, append: no, {eve}}}\nstats: {{enabled: yes}}\n"
    ));
    place.write("a.rules", rules);
    place.suricata(arguments).expect(0, &[]);
    let kind = format!("\"event_type\":\"{kind}\"");
    let eve = place.read("out/eve.json");
    eve.lines().filter(|line| line.contains(&kind)).map(str::to_owned).collect()
}

#[track_caller]
fn expect(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn hardware_addresses_stand_beside_the_addresses() {
    let place = Place::new();
    let get = |kind| records(&place, "ethernet: yes, types: [http, flow, netflow]", "", WEB, kind);
    let (client, server) = ("02:00:00:00:00:01", "02:00:00:00:00:50");
    let flow = format!(r#""ether":{{"dest_macs":["{server}"],"src_macs":["{client}"]}}"#);
    expect(&get("flow")[0], &[&flow]);
    let netflow = get("netflow");
    expect(&netflow[0], &[&flow]);
    let back = format!(r#""ether":{{"dest_macs":["{client}"],"src_macs":["{server}"]}}"#);
    expect(&netflow[1], &[&back]);
    // The record goes from the client to the server, whichever packet it is due with.
    let http =
        format!(r#""ether":{{"ether_type":2048,"src_mac":"{client}","dest_mac":"{server}"}}"#);
    expect(&get("http")[0], &[&http]);
}

#[test]
fn tcp_packets_have_records_as_wanted() {
    let place = Place::new();
    let get = |options: &str| {
        let eve = format!("types: [{{stream: {{{options}}}}}]");
        records(&place, &eve, "", WEB, "stream_tcp")
    };
    let all = get("all: yes");
    assert!(all.len() >= 10, "{}", all.len());
    expect(
        &all[1],
        &[
            r#""direction":"to_client","stream_tcp":{"packet":{"len":40,"#,
            r#""flags":["state_update"]},"session":{"state":"syn_recv","pstate":"syn_sent","#,
            r#""client":{"isn":0,"next_seq":1,"last_ack":1,"#,
        ],
    );
    let updates = get("state-update: yes");
    assert!(updates.len() < all.len() && updates.iter().all(|line| line.contains("pstate")));
    assert!(get("event-set: yes").is_empty() && get("").is_empty());
}

#[test]
fn what_rules_capture_on_a_packet_is_a_record() {
    let place = Place::new();
    let rule = r#"alert http any any -> any any (pcre:"/GET \/(\w+)/, pkt:path"; noalert; sid:1;)"#;
    let found = records(&place, "types: [metadata]", &format!("{rule}\n"), WEB, "metadata");
    assert_eq!(found.len(), 1, "{found:?}");
    expect(&found[0], &[r#""metadata":{"pktvars":[{"path":"secret"}]}}"#]);
    let off = "metadata: no, types: [metadata]";
    let found = records(&place, off, &format!("{rule}\n"), WEB, "metadata");
    expect(&found[0], &[r#""pktvars":[{"path":"secret"}]"#]);
}

#[test]
fn stream_events_are_counted() {
    let place = Place::new();
    let mut frames = exchange(40_000, b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n");
    // The answer is lost on the way to the sensor.
    frames.remove(5);
    place.capture("web.pcap", &frames);
    let with = ["-r", "web.pcap", "-S", "a.rules", "--set", "stats.stream-events=yes"];
    let stats = records(&place, "types: [stats]", "", &with, "stats");
    expect(&stats[0], &[r#""reassembly_seq_gap":"#, r#""3whs_ack_in_wrong_dir":0"#]);
    let stats = records(&place, "types: [stats]", "", WEB, "stats");
    assert!(!stats[0].contains("reassembly_seq_gap"));
}

#[test]
fn parts_of_a_file_are_joined_across_connections() {
    let part = |port, range: &str, body: &str| {
        let request = b"GET /file HTTP/1.1\r\nHost: example.test\r\n\r\n";
        let len = body.len();
        let answer = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}\r\n\
             Content-Length: {len}\r\n\r\n{body}"
        );
        exchange(port, request, answer.as_bytes())
    };
    let place = Place::new();
    let frames = [part(40_001, "4-7/8", "efgh"), part(40_000, "0-3/8", "abcd")].concat();
    place.capture("web.pcap", &frames);
    let rule = "alert http any any -> any any (file.data; content:\"abcdefgh\"; sid:1;)\n";
    let eve = "types: [alert, {files: {force-hash: [md5]}}]";
    let one = ["-r", "web.pcap", "-S", "a.rules", "--runmode", "single"];
    let files = records(&place, eve, rule, &one, "fileinfo");
    let sizes: Vec<_> = files.iter().map(|line| line.contains("\"size\":8,\"tx_id\"")).collect();
    assert_eq!(sizes, [false, false, true], "{files:?}");
    expect(&files[2], &[r#""md5":"e8dc4081b13434b45189a720b77b6818""#, r#""state":"CLOSED""#]);
    assert_eq!(records(&place, eve, rule, &one, "alert").len(), 1);
    let none = [&one[..], &["--set", "app-layer.protocols.http.byterange.memcap=100"]].concat();
    assert_eq!(records(&place, eve, rule, &none, "fileinfo").len(), 2);
}

#[test]
fn what_a_dropped_flow_had_begun_has_no_record() {
    let place = Place::new();
    let drop = "drop http any any -> any any (http.stat_code; content:\"200\"; sid:1;)\n";
    // The head comes in a packet of its own: the rest of the answer never arrives.
    let (head, rest) = ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok");
    let mut frames = exchange(40_000, b"GET / HTTP/1.1\r\n\r\n", head.as_bytes());
    let whole = exchange(40_000, b"GET / HTTP/1.1\r\n\r\n", format!("{head}{rest}").as_bytes());
    frames.truncate(6);
    frames.extend(whole.into_iter().skip(5));
    place.capture("web.pcap", &frames);
    let ips = [WEB, &["--simulate-ips"]].concat();
    assert_eq!(records(&place, "types: [http, drop]", "", &ips, "http").len(), 1);
    assert!(records(&place, "types: [http, drop]", drop, &ips, "http").is_empty());
    assert!(!records(&place, "types: [http, drop]", drop, &ips, "drop").is_empty());
}

#[test]
fn a_change_of_protocol_flushes_what_there_is() {
    let place = Place::new();
    let request = b"GET /chat HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\n\r\n";
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    place.capture("web.pcap", &exchange(40_000, request, answer));
    let rule = "alert http any any -> any any (http.uri; content:\"/chat\"; sid:1;)\n";
    let http = records(&place, "types: [alert, http]", rule, WEB, "http");
    assert_eq!(http.len(), 1);
    expect(&http[0], &["\"pkt_src\":\"stream (detect/log)\"", "\"url\":\"/chat\""]);
    assert_eq!(records(&place, "types: [alert, http]", rule, WEB, "alert").len(), 1);
}

#[test]
fn the_address_behind_a_proxy_is_shown_where_it_is_asked_for() {
    let place = Place::new();
    let request = b"GET /p HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    place.capture("proxy.pcap", &exchange(40_000, request, answer));
    let rule = "alert http any any -> any any (msg:\"p\"; http.uri; content:\"/p\"; sid:1;)\n";
    let arguments = ["-r", "proxy.pcap", "-S", "a.rules"];
    let options = "deployment: reverse, header: X-Forwarded-For";
    let (added, instead) = (r#"},"xff":"203.0.113.9"}"#, r#""src_ip":"203.0.113.9""#);
    for (mode, shown) in [("extra-data", added), ("overwrite", instead)] {
        let xff = format!("xff: {{enabled: yes, mode: {mode}, {options}}}");
        for kind in ["alert", "http"] {
            let get = |eve: &str| records(&place, eve, rule, &arguments, kind);
            expect(&get(&format!("types: [{{{kind}: {{{xff}}}}}]"))[0], &[shown]);
            expect(&get(&format!("{xff}, types: [{kind}]"))[0], &[shown]);
            assert!(!get(&format!("types: [{kind}]"))[0].contains(shown), "{kind} {mode}");
        }
    }
}
