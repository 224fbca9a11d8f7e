//! What commands answer.

use std::process::Command;

use super::*;

#[test]
fn commands_answer_as_suricata_does() {
    let stage = Stage::set(Limits::default());
    let client = stage.greet();
    let check = |command: &str, arguments: &str, expected: &str| {
        let arguments = match arguments {
            "" => String::new(),
            arguments => format!(",\"arguments\":{arguments}"),
        };
        let got = ask(&client, &format!("{{\"command\":\"{command}\"{arguments}}}\n"));
        assert_eq!(got, format!("{expected}\n"), "{command} {arguments}");
    };
    let done = r#"{"message":"done","return":"OK"}"#;
    let no = |why: &str| format!("{{\"message\":\"{why}\",\"return\":\"NOK\"}}");
    check("version", "", r#"{"message":"8.0.7 RELEASE","return":"OK"}"#);
    check("uptime", "{}", r#"{"message":17,"return":"OK"}"#);
    check("running-mode", "", r#"{"message":"workers","return":"OK"}"#);
    check("capture-mode", "[]", r#"{"message":"AF_PACKET_DEV","return":"OK"}"#);
    check("iface-list", "", r#"{"message":{"count":2,"ifaces":["eth0","eth1"]},"return":"OK"}"#);
    check(
        "iface-stat",
        r#"{"iface":"eth0"}"#,
        r#"{"message":{"pkts":9,"invalid-checksums":1,"drop":2,"bypassed":3},"return":"OK"}"#,
    );
    check("iface-stat", r#"{"iface":"nope"}"#, &no("Iface does not exist"));
    check("iface-stat", r#"{"iface":1}"#, &no("Iface is not a string"));
    check("iface-stat", "{}", &no("Iface is not a string"));
    check(
        "iface-bypassed-stat",
        "",
        concat!(
            r#"{"message":{"eth0":{"ipv4_maps_count":1,"ipv4_success":2,"ipv4_fail":3,"#,
            r#""ipv6_maps_count":4,"ipv6_success":5,"ipv6_fail":6}},"return":"OK"}"#
        ),
    );
    check(
        "conf-get",
        r#"{"variable":"default-log-dir"}"#,
        r#"{"message":"\/var\/log \"x\"","return":"OK"}"#,
    );
    check("conf-get", r#"{"variable":"nope"}"#, &no("Unable to get value"));
    check("conf-get", r#"{"variable":null}"#, &no("variable is not a string"));
    check("dump-counters", "", r#"{"message":{"uptime":5,"decoder":{"pkts":9}},"return":"OK"}"#);
    check("reload-rules", "", done);
    check("ruleset-reload-rules", "", done);
    assert_eq!(stage.sensor.noted(), ["Wait", "Wait"]);
    let why = "Live rule reload not possible if -s or -S option used at runtime.";
    let because =
        |why: &str, reason: &str| no(why).replace('}', &format!(",\"reason\":\"{reason}\"}}"));
    check("ruleset-reload-nonblocking", "", &because(why, "never"));
    check("ruleset-reload-nonblocking", "", &because("Reload already in progress", "busy"));
    check("ruleset-reload-nonblocking", "", &because("no file", "failed"));
    assert_eq!(stage.sensor.noted(), ["Begin"; 3]);
    check(
        "ruleset-reload-time",
        "",
        r#"{"message":[{"id":0,"last_reload":"2026-11-21T21:56:32.532910+0000"}],"return":"OK"}"#,
    );
    check(
        "ruleset-stats",
        "",
        concat!(
            r#"{"message":[{"id":0,"rules_loaded":1,"rules_failed":2,"rules_skipped":3}],"#,
            r#""return":"OK"}"#
        ),
    );
    check(
        "ruleset-failed-rules",
        "",
        concat!(
            r#"{"message":[{"tenant_id":0,"rule":"alert (msg:\"b\")","#,
            r#""filename":"\/tmp\/local.rules","line":2}],"return":"OK"}"#
        ),
    );
    check(
        "rules-in-force",
        "",
        &format!(
            r#"{{"message":{{"bundle":"{}","version":7,"loaded":1,"refused":2,"since":1795298192}},"return":"OK"}}"#,
            "ab".repeat(32)
        ),
    );
    check("reopen-log-files", "", done);
    check("shutdown", "", r#"{"message":"Closing Suricata","return":"OK"}"#);
    assert_eq!(stage.sensor.noted(), ["21", "reopen", "shutdown"]);
    check("nope", "", &no("Unknown command"));
    check("nope", "[]", &no("Unknown command"));
    stage.sensor.hold(true);
    check("dump-counters", "", &no("stats not yet synchronized"));
    check("iface-bypassed-stat", "", &no("No interface using bypass"));
}

#[test]
fn memory_limits_are_shown_and_set() {
    let stage = Stage::set(Limits::default());
    let client = stage.greet();
    let check = |command: &str, arguments: &str, done: bool, expected: &str| {
        let text = format!("{{\"command\":\"{command}\",\"arguments\":{arguments}}}\n");
        let end = if done { "OK" } else { "NOK" };
        let expected = format!("{{\"message\":{expected},\"return\":\"{end}\"}}\n");
        assert_eq!(ask(&client, &text), expected, "{command} {arguments}");
    };
    let all = concat!(
        r#"[{"name":"stream","value":"64mb"},{"name":"flow","value":"1gb"},"#,
        r#"{"name":"host","value":"1kb"},{"name":"ftp","value":"unlimited"}]"#
    );
    check("memcap-list", "{}", true, all);
    check("memcap-show", r#"{"config":"flow"}"#, true, r#"{"value":"1gb"}"#);
    let unknown = "\"Memcap value not found. Use 'memcap-list' to show all\"";
    check("memcap-show", r#"{"config":"x"}"#, false, unknown);
    check("memcap-show", r#"{"config":2}"#, false, "\"memcap name is not a string\"");
    let set = |name: &str, value: &str, done, expected: &str| {
        let arguments = format!("{{\"config\":{name},\"memcap\":{value}}}");
        check("memcap-set", &arguments, done, expected);
    };
    let updated = "\"memcap value for 'flow' updated: 67108864 \"";
    set("\"flow\"", "\"64mb\"", true, updated);
    let in_use = "\"memcap value specified for 'flow' is less than the memory in use: 7mb\"";
    set("\"flow\"", "\"1\"", false, in_use);
    set("\"flow\"", "\"0\"", false, "\"Unlimited value is not allowed for 'flow'\"");
    let wrong = "\"error parsing memcap specified, value not changed\"";
    set("\"flow\"", "\"zz\"", false, wrong);
    set("\"flow\"", "5", false, "\"memcap value is not a string\"");
    set("3", "\"1mb\"", false, "\"memcap key is not a string\"");
    set("\"x\"", "\"1mb\"", false, unknown);
    let fixed = "\"memcap value for 'host' cannot be changed while the sensor runs\"";
    set("\"host\"", "\"1mb\"", false, fixed);
}

/// The client that people use.
#[test]
fn suricatasc_understands_the_answers() {
    let stage = Stage::set(Limits::default());
    let run = |command: &str| {
        Command::new("suricatasc").args(["-c", command]).arg(stage.server.path()).output()
    };
    if run("uptime").is_err() {
        eprintln!("skipped: needs suricatasc");
        return;
    }
    let check = |command: &str, done: bool, expected: &str| {
        let output = run(command).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let got: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| {
            panic!("{command}: {said} {}", String::from_utf8_lossy(&output.stderr))
        });
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(got["message"], expected, "{command}");
        assert_eq!(got["return"], if done { "OK" } else { "NOK" }, "{command}");
    };
    check("uptime", true, "17");
    check("version", true, "\"8.0.7 RELEASE\"");
    check("iface-list", true, r#"{"count":2,"ifaces":["eth0","eth1"]}"#);
    check("iface-stat eth0", true, r#"{"pkts":9,"invalid-checksums":1,"drop":2,"bypassed":3}"#);
    check("iface-stat lo", false, "\"Iface does not exist\"");
    check("conf-get default-log-dir", true, r#""/var/log \"x\"""#);
    check("dump-counters", true, r#"{"uptime":5,"decoder":{"pkts":9}}"#);
    check("memcap-set flow 64mb", true, "\"memcap value for 'flow' updated: 67108864 \"");
    check(
        "ruleset-stats",
        true,
        r#"[{"id":0,"rules_loaded":1,"rules_failed":2,"rules_skipped":3}]"#,
    );
    check("reload-rules", true, "\"done\"");
    check("shutdown", true, "\"Closing Suricata\"");
    assert_eq!(stage.sensor.noted(), ["Wait", "shutdown"]);
}
