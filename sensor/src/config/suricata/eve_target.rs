//! `filetype` of `eve-log`: a file, or where else records go; and `syslog`.

use delivery::record::OUTPUTS;
use delivery::settings::{DeliverySettings, Output, QUEUE};
use delivery::sinks::{SinkSettings, Surroundings};
use delivery::spool::SpoolSettings;
use serde_json::{Value, json};

use crate::config::process::{FileOutput, ProcessSettings};
use crate::config::tree::Node;
use crate::config::{boolean, integer};

use super::{Config, Fatal, outputs};

const MODULE: &str = "output-json";
/// Suricata 8 has these and plugins' own.
const KNOWN: &str = "regular, unix_dgram, unix_stream, redis, syslog";
/// Where records wait for their receivers, below the folder of outputs.
const SPOOL: &str = "spool";
/// As `syslog(3)`, which has no limit of its own; the socket has one.
const LONGEST: &str = "1 MiB";

/// The file of an `eve-log`. Where its records go elsewhere that is `off`, and delivery has a sink
/// more.
pub(super) fn read(
    config: Config<'_>,
    node: &Node,
    process: &mut ProcessSettings,
) -> Result<FileOutput, Fatal> {
    let filetype = node.text("filetype").unwrap_or("regular").to_ascii_lowercase();
    if matches!(filetype.as_str(), "regular" | "file") {
        return outputs::file(config, node, "eve-log", "eve.json");
    }
    let Some((sink, place)) = sink_of(config, node, process, &filetype, false)? else {
        let file = &config.mode.config_file;
        let said = format!(
            "Invalid JSON output option: {filetype} ({file}: outputs.eve-log.filetype; there are \
             {KNOWN}, and no plugins)"
        );
        return Err(config.fail(MODULE, &said));
    };
    let output = Output { alerts: false, place: format!("{filetype} {place}") };
    add(config, process, &filetype, sink, output)?;
    let said = format!("eve-log output device ({filetype}) initialized: {place}");
    config.log.info("logopenfile", said);
    let mut file = FileOutput::new("eve-log", place);
    file.is_off = true;
    Ok(file)
}

/// The sink that a filetype is, and what its receiver is known by; none: there is no such type.
///
/// # Errors
/// When its options are wrong; the log has it.
pub(crate) fn sink_of(
    config: Config<'_>,
    node: &Node,
    process: &ProcessSettings,
    filetype: &str,
    is_of_alerts: bool,
) -> Result<Option<(Value, String)>, Fatal> {
    Ok(Some(match filetype {
        "unix_dgram" => unix(node, process, "datagram"),
        "unix_stream" => unix(node, process, "stream"),
        "redis" => redis(config, node)?,
        "syslog" => syslog(config, node, if is_of_alerts { "error" } else { "info" }),
        _ => return Ok(None),
    }))
}

/// The output `syslog`: lines of alerts.
pub(super) fn of_alerts(
    config: Config<'_>,
    node: &Node,
    process: &mut ProcessSettings,
) -> Result<FileOutput, Fatal> {
    let (sink, place) = syslog(config, node, "error");
    let output = Output { alerts: true, place: format!("syslog {place}") };
    add(config, process, "syslog", sink, output)?;
    let mut file = FileOutput::new("syslog", place);
    file.is_off = true;
    Ok(file)
}

/// One sink more for delivery, with an output to itself.
fn add(
    config: Config<'_>,
    process: &mut ProcessSettings,
    filetype: &str,
    mut sink: Value,
    output: Output,
) -> Result<(), Fatal> {
    let spool =
        SpoolSettings { directory: process.log_dir.join(SPOOL), ..SpoolSettings::default() };
    let delivery = process.delivery.get_or_insert_with(|| DeliverySettings {
        queue: QUEUE,
        spool,
        ..DeliverySettings::default()
    });
    let taken = |name: &String| delivery.sinks.iter().any(|sink| sink.name() == *name);
    let names = (2..).map(|at| format!("{filetype}-{at}"));
    let name = std::iter::once(filetype.to_owned()).chain(names).find(|name| !taken(name));
    if let (Value::Object(sink), Some(name)) = (&mut sink, name) {
        sink.insert("name".to_owned(), name.into());
    }
    let file = &config.mode.config_file;
    let fail = |why: String| config.fail(MODULE, &format!("{file}: outputs, {filetype}: {why}"));
    let mut sink: SinkSettings =
        serde_json::from_value(sink).map_err(|why| fail(why.to_string()))?;
    // Nothing is connected yet; what is wrong is said before a run, and with -T.
    sink.build(&Surroundings::default()).map_err(fail)?;
    if delivery.sinks.len() >= usize::from(OUTPUTS) {
        return Err(fail(format!("more than {OUTPUTS} outputs are no files")));
    }
    sink.output = Some(output);
    delivery.sinks.push(sink);
    Ok(())
}

fn unix(node: &Node, process: &ProcessSettings, kind: &str) -> (Value, String) {
    let name = node.text("filename").unwrap_or("eve.json");
    let path = process.log_dir.join(name).display().to_string();
    (json!({ "unix": { "path": path, "kind": kind } }), path)
}

/// `redis`, with Suricata 8's defaults. `async` has no meaning here: nothing waits for the server.
fn redis(config: Config<'_>, node: &Node) -> Result<(Value, String), Fatal> {
    let file = &config.mode.config_file;
    let fail =
        |said: String| config.fail("log-redis", &format!("{said} ({file}: outputs.eve-log.redis)"));
    if node.truth("threaded") == Some(true) {
        return Err(fail("redis does not support threaded output".to_owned()));
    }
    let options = node.child("redis");
    let text = |key: &str| options.and_then(|node| node.text(key));
    let whole = |key: &str| text(key).and_then(integer::any_base);
    let server = text("server").unwrap_or_else(|| {
        config.log.info("log-redis", "Using default redis server (127.0.0.1)");
        "127.0.0.1"
    });
    let port = text("port").unwrap_or("6379");
    let Ok(number) = port.parse::<u16>() else {
        return Err(fail(format!("Invalid value for redis port: {port}")));
    };
    let server = match server.contains(':') && !server.starts_with('[') {
        true => format!("[{server}]:{number}"),
        false => format!("{server}:{number}"),
    };
    let mode = text("mode").unwrap_or("list");
    if !matches!(mode, "list" | "lpush" | "rpush" | "channel" | "publish" | "stream" | "xadd") {
        return Err(fail(format!("Invalid redis mode: {mode}")));
    }
    let key = text("key").unwrap_or("suricata");
    let (mut user, password) = (text("username"), text("password"));
    if user.is_some() && password.is_none() {
        let said = "Redis username configured without password; ignoring username.";
        config.log.warning("log-redis", said);
        user = None;
    }
    // A stream without end has any number below 1 there.
    let longest = whole("stream-maxlen").map_or(100_000, |most| u64::try_from(most).unwrap_or(0));
    let exact = options.and_then(|node| node.truth("stream-trim-exact")).unwrap_or(false);
    let mut sink = json!({
        "server": server, "mode": mode, "key": key, "username": user, "password": password,
        "stream-maxlen": longest, "stream-trim-exact": exact,
    });
    let pipelining = options.and_then(|node| node.child("pipelining"));
    if let Some(node) = pipelining.filter(|node| node.text("enabled").is_some_and(boolean::is_true))
    {
        let size = node.text("batch-size").and_then(integer::any_base).unwrap_or(10);
        sink["batch"] = size.max(1).into();
    }
    Ok((json!({ "redis": sink }), format!("{server} {mode} {key}")))
}

/// `identity`, `facility` and `level`, beside `filetype`. All records have the one level.
fn syslog(config: Config<'_>, node: &Node, usual: &'static str) -> (Value, String) {
    const FACILITIES: &[&str] = &[
        "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security",
        "syslog", "user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5",
        "local6", "local7",
    ];
    const LEVELS: &[&str] =
        &["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    let one_of = |key: &str, known: &[&'static str], usual: &'static str| {
        let Some(text) = node.text(key) else { return usual };
        known.iter().find(|name| name.eq_ignore_ascii_case(text)).copied().unwrap_or_else(|| {
            let said =
                format!("Invalid syslog {key}: \"{text}\", now using \"{usual}\" as syslog {key}");
            config.log.warning(MODULE, said);
            usual
        })
    };
    let facility = match one_of("facility", FACILITIES, "local0") {
        // The older name of the same number.
        "security" => "auth",
        facility => facility,
    };
    let level = one_of("level", LEVELS, usual);
    let identity = node.text("identity").unwrap_or("suricata");
    let sink = json!({ "syslog": {
        "transport": "unix-datagram", "format": "rfc3164", "identity": identity,
        "facility": facility, "severity": level, "severities": { "alert": level },
        "max-length": LONGEST, "too-long": "refuse",
    } });
    (sink, format!("{identity} {facility}.{level}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::suricata::Mode;
    use crate::config::yaml::Loader;
    use crate::log::Log;

    #[test]
    fn syslog_has_suricatas_defaults() {
        let check = |options: &str, usual: &'static str, wanted: [&str; 4]| {
            let log = Log::errors();
            let mut loader = Loader::new(Node::default(), &log);
            loader.text(&format!("%YAML 1.1\n---\neve-log:\n  enabled: yes\n{options}")).unwrap();
            let root = loader.finish();
            let config = Config { root: &root, log: &log, mode: &Mode::default() };
            let (sink, _) = syslog(config, root.get("eve-log").unwrap(), usual);
            let sink = &sink["syslog"];
            let found = [
                &sink["identity"],
                &sink["facility"],
                &sink["severity"],
                &sink["severities"]["alert"],
            ];
            assert_eq!(found.map(|value| value.as_str().unwrap()), wanted, "{options}");
            let mut process = ProcessSettings::default();
            let output = Output { alerts: false, place: String::new() };
            add(config, &mut process, "syslog", json!({ "syslog": sink }), output).unwrap();
            assert_eq!(process.delivery.unwrap().sinks.len(), 1);
        };
        check("", "info", ["suricata", "local0", "info", "info"]);
        check("", "error", ["suricata", "local0", "error", "error"]);
        let all = "  identity: me\n  facility: LOCAL5\n  level: Warning\n";
        check(all, "info", ["me", "local5", "warning", "warning"]);
        let wrong = "  facility: security\n  level: loud\n";
        check(wrong, "info", ["suricata", "auth", "info", "info"]);
    }

    #[test]
    fn there_is_room_for_so_many_outputs() {
        let (root, log, mode) = (Node::default(), Log::errors(), Mode::default());
        let config = Config { root: &root, log: &log, mode: &mode };
        let mut process = ProcessSettings::default();
        let mut one = || {
            let sink = json!({ "unix": { "path": "/run/s", "kind": "stream" } });
            let output = Output { alerts: false, place: "unix_stream /run/s".to_owned() };
            add(config, &mut process, "unix_stream", sink, output)
        };
        assert!((0..OUTPUTS).all(|_| one().is_ok()));
        assert_eq!(one(), Err(Fatal));
        let delivery = process.delivery.unwrap();
        assert!(delivery.check().is_ok());
        assert_eq!(delivery.spool.directory, std::path::Path::new("spool"));
    }

    #[test]
    fn outputs_are_known_by_their_receivers_and_what_they_bring() {
        let (root, log, mode) = (Node::default(), Log::errors(), Mode::default());
        let config = Config { root: &root, log: &log, mode: &mode };
        let found = |read: &dyn Fn(&Node, &mut ProcessSettings), options: &str| {
            let mut loader = Loader::new(Node::default(), &log);
            loader.text(&format!("%YAML 1.1\n---\no:\n  {options}\n")).unwrap();
            let mut process = ProcessSettings::default();
            read(loader.finish().get("o").unwrap(), &mut process);
            let output = process.delivery.unwrap().sinks.pop().unwrap().output.unwrap();
            (output.alerts, output.place)
        };
        let eve = |options| {
            let read = |node: &Node, process: &mut ProcessSettings| {
                assert!(super::read(config, node, process).unwrap().is_off);
            };
            found(&read, options)
        };
        let alerts = |options| {
            let read = |node: &Node, process: &mut ProcessSettings| {
                assert!(of_alerts(config, node, process).unwrap().is_off);
            };
            found(&read, options)
        };
        let of = |alerts, place: &str| (alerts, place.to_owned());
        assert_eq!(eve("filetype: redis"), of(false, "redis 127.0.0.1:6379 list suricata"));
        assert_eq!(eve("filetype: unix_dgram"), of(false, "unix_dgram eve.json"));
        assert_eq!(eve("filetype: syslog"), of(false, "syslog suricata local0.info"));
        assert_eq!(alerts("level: info"), of(true, "syslog suricata local0.info"));
    }
}
