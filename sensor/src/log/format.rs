//! Lines of the engine log.

use crate::clock::Civil;

use super::{Level, Record};

/// The log's thread is always this one.
const THREAD: &str = "Suricata-Main";

/// The usual console format of an output with this level.
pub(super) const fn console(level: Level) -> &'static str {
    match level {
        Level::Perf | Level::Config => "[%i] %d: %S: %M",
        Level::Debug => "%i - <%d> - %S: %M",
        Level::Info => "%d: %S: %M",
        _ => "%D: %S: %M",
    }
}

/// The usual format of a file.
pub(super) const FILE: &str = "[%i - %m] %z %d: %S: %M";

/// A line by format, without its end.
pub(super) fn text(format: &str, record: &Record<'_>) -> String {
    let mut line = String::with_capacity(format.len() + record.text.len() + 32);
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            line.push(c);
            continue;
        }
        match rest.next() {
            Some('z') => line.push_str(&Civil::now().log()),
            Some('t') => line.push_str(&Civil::now().stats()),
            Some('p' | 'i') => line.push_str(&std::process::id().to_string()),
            Some('m' | 'n') => line.push_str(THREAD),
            Some('T') => line.push_str("Main"),
            Some('d') => line.push_str(record.level.name()),
            Some('D') => line.push_str(record.level.letter()),
            Some('S' | 'f' | 'F') => line.push_str(record.module),
            Some('M') => line.push_str(record.text),
            // The line in the source has no meaning to a reader of the log.
            Some('l') => line.push('0'),
            Some(other) => line.extend(['%', other]),
            None => line.push('%'),
        }
    }
    if !format.contains("%M") {
        line.push_str(record.text);
    }
    line
}

/// A JSON line, without its end.
pub(super) fn json(record: &Record<'_>) -> String {
    let mut line = Vec::with_capacity(record.text.len() + 160);
    let mut writer = json::Writer::new(&mut line);
    writer.open();
    writer.field_str("timestamp", &Civil::now().eve());
    writer.field_str("log_level", record.level.name());
    writer.field_str("event_type", "engine");
    writer.key("engine").open();
    writer.field_str("message", record.text);
    writer.field_str("thread_name", THREAD);
    writer.field_str("module", record.module);
    writer.close().close();
    String::from_utf8_lossy(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_their_format() {
        let record = |level| Record { level, module: "detect", text: "a 100% \"b\"" };
        let check = |level, of, expected: &str| {
            assert_eq!(text(console(of), &record(level)), expected);
        };
        check(Level::Notice, Level::Notice, "i: detect: a 100% \"b\"");
        check(Level::Error, Level::Notice, "E: detect: a 100% \"b\"");
        check(Level::Warning, Level::Notice, "W: detect: a 100% \"b\"");
        check(Level::Notice, Level::Info, "Notice: detect: a 100% \"b\"");
        assert_eq!(text("%S <%q> ", &record(Level::Info)), "detect <%q> a 100% \"b\"");
        assert!(text(FILE, &record(Level::Info)).ends_with("Info: detect: a 100% \"b\""));
        let line = json(&record(Level::Warning));
        let end = r#""engine":{"message":"a 100% \"b\"","thread_name":"Suricata-Main","module":"detect"}}"#;
        assert!(line.ends_with(end), "{line}");
        assert!(line.contains(r#","log_level":"Warning","event_type":"engine","#));
    }
}
