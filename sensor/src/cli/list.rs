//! `bateleur list`: what rules can name.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use decode::event;
use protocol::{AppProto, registry};

use super::native::Listed;
use super::suricata::{hooks, keyword_rows};

pub(super) fn run(what: Listed) -> Result<ExitCode> {
    let text = match what {
        Listed::Keywords => keywords(),
        Listed::Protocols => protocols(),
        Listed::Events => events(),
        Listed::Hooks => hooks(),
    };
    // Whoever closed the pipe does not want the rest.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn keywords() -> String {
    let mut out = String::new();
    for row in keyword_rows() {
        let line = format!("{:<32} {}", row.name, row.doc);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn protocols() -> String {
    let mut out = String::new();
    for proto in AppProto::ALL {
        let how = if registry::PARSED.contains(proto) { "parsed" } else { "detected" };
        let _ = writeln!(out, "{:<16} {how}", proto.name());
    }
    out
}

fn events() -> String {
    let mut out = String::new();
    for code in event::all() {
        let _ = writeln!(out, "{}", event::name(code));
    }
    for &proto in registry::PARSED {
        for name in registry::events(proto) {
            let _ = writeln!(out, "{}.{name}", proto.name());
        }
    }
    out
}
