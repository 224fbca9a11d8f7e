//! Lines of alerts: `fast.log` and `syslog`.

use detect::settings::OutputSettings;

use crate::bench::{Bench, settings};

const RULES: &str = "alert tcp any any -> any 80 (msg:\"seen\"; content:\"/secret\"; sid:1; rev:2;)\n\
                     drop tcp any any -> any 80 (msg:\"gone\"; content:\"/secret\"; sid:2; rev:1;)\n";

fn check(inline: bool, drop: &str) {
    let mut settings = settings(|settings, _| settings.inline = inline);
    settings.outputs = vec![OutputSettings::Fast, OutputSettings::Syslog];
    let mut bench = Bench::new(settings, RULES);
    bench.open().ask(b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n").pause();
    let behind = "[Classification: (null)] [Priority: 3] {TCP} 10.0.0.1:40000 -> 192.0.2.80:80";
    let mut lines: Vec<String> = bench.text(1).lines().map(str::to_owned).collect();
    lines.sort();
    let mut wanted = [format!("{drop}[1:2:1] gone {behind}"), format!("[1:1:2] seen {behind}")];
    wanted.sort();
    assert_eq!(lines, wanted);
    let fast = bench.text(0);
    let fast: Vec<&str> =
        fast.lines().filter_map(|line| line.split_once("  ")).map(|l| l.1).collect();
    assert_eq!(fast.len(), 2, "each has its time");
    let with_stars = format!("{drop}[**] [1:2:1] gone [**] {behind}");
    assert!(fast.contains(&with_stars.as_str()), "{fast:?}");
}

#[test]
fn syslog_has_the_lines_of_fast_without_time_and_stars() {
    check(false, "[wDrop] ");
    check(true, "[Drop] ");
}
