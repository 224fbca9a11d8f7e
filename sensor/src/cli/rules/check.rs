//! `bateleur rules check`: which rules load, and what is wrong with the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anyhow::Result;
use clap::Args;
use rules::loader::Failure;
use serde_json::{Value, json};

use crate::cli::native::rule_name;
use crate::config::native::Sensor;
use crate::config::suricata::Mode;
use crate::log::Log;
use crate::process::load::Loaded;

/// Arguments of `rules check`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    /// Configuration (sensor.yaml) for variables and protocols.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only figures, and the reasons with how often they occur.
    #[arg(long)]
    summary: bool,
    /// One object: figures, and what is said of each rule with its place.
    #[arg(long, conflicts_with = "summary")]
    json: bool,
    /// Nothing but the exit status.
    #[arg(long, short, conflicts_with_all = ["summary", "json"])]
    quiet: bool,
    /// Rule files; patterns such as `rules/*.rules` are understood. By default those of the
    /// configuration.
    #[arg(required_unless_present = "config", value_name = "FILE", value_parser = rule_name())]
    files: Vec<String>,
}

/// Columns of a report when the terminal does not say.
const WIDTH: usize = 120;

pub(super) fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let sensor = Sensor::of(arguments.config.as_deref())?;
    let mode = Mode { inline: sensor.inline, detection: true, ..Mode::default() };
    let log = Log::errors();
    let mut all = sensor.settings(Path::new("."), &mode, &log)?;
    // Everything that rules can ask for is there when they are only checked.
    all.process.loader.file_store = true;
    if !arguments.files.is_empty() {
        all.process.rules.patterns.clone_from(&arguments.files);
        all.process.rules.store = None;
    }
    all.process.rules.allow_refused = true;
    let loaded = crate::cli::replay::rules(&mut all.process)?;
    if !arguments.quiet {
        let text = match (arguments.summary, arguments.json) {
            (true, _) => figures(&loaded),
            (_, true) => format!("{}\n", json(&loaded)),
            _ => reports(&loaded),
        };
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
    let refused = !loaded.failures.is_empty();
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn counts(loaded: &Loaded) -> String {
    let mut text = format!("{} loaded, {} refused", loaded.accepted, loaded.failures.len());
    if !loaded.skipped.is_empty() {
        let _ = write!(text, ", {} skipped", loaded.skipped.len());
    }
    let dead = loaded.dead().len();
    if dead > 0 {
        let _ = write!(text, "; {dead} of the loaded never fire");
    }
    text.push('\n');
    text
}

fn reports(loaded: &Loaded) -> String {
    let renderer = match io::stdout().is_terminal() {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    let renderer = renderer.term_width(WIDTH);
    let mut out = String::new();
    for failure in &loaded.failures {
        out.push_str(&report(failure, &renderer));
        out.push('\n');
    }
    for oddity in &loaded.warnings {
        let _ = writeln!(out, "{}:{}: note: {}", oddity.file, oddity.line, oddity.warning.message);
    }
    for (rule, why) in loaded.dead() {
        let _ = writeln!(out, "{}:{}: note: {why}", rule.file, rule.line);
    }
    out.push_str(&counts(loaded));
    out
}

/// The same for programs.
fn json(loaded: &Loaded) -> Value {
    let refused = loaded.failures.iter().map(|failure| {
        json!({
            "file": &*failure.file,
            "line": failure.line,
            "column": failure.column(),
            "message": &*failure.error.message,
            "advice": failure.error.advice.as_deref(),
        })
    });
    let skipped = loaded.skipped.iter().map(
        |skipped| json!({"file": &*skipped.file, "line": skipped.line, "message": skipped.reason}),
    );
    let odd = loaded
        .warnings
        .iter()
        .map(|odd| json!({"file": &*odd.file, "line": odd.line, "message": &*odd.warning.message}));
    let dead = loaded.dead();
    let never = dead.iter().map(|(rule, why)| {
        let protocols: Vec<&str> = rule.without_parser().iter().map(|one| one.name()).collect();
        json!({"file": &*rule.file, "line": rule.line, "sid": rule.sid, "gid": rule.gid,
            "protocols": protocols, "message": why})
    });
    json!({
        "loaded": loaded.accepted,
        "refused": refused.collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
        "notes": odd.collect::<Vec<_>>(),
        "never_fire": never.collect::<Vec<_>>(),
    })
}

/// The rule with the place underlined.
fn report(failure: &Failure, renderer: &Renderer) -> String {
    let error = &failure.error;
    let span = within(&failure.text, error.span.range());
    let mut snippet = Snippet::source(failure.text.as_str())
        .line_start(failure.line as usize)
        .path(&*failure.file)
        .fold(false);
    snippet = snippet.annotation(AnnotationKind::Primary.span(span));
    let mut group = Level::ERROR.primary_title(&*error.message).element(snippet);
    if let Some(advice) = &error.advice {
        group = group.element(Level::HELP.message(&**advice));
    }
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// A range that lies in the text and splits no character; the first one where there is none.
fn within(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let floor = |at: usize| {
        (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let ceiling = |at: usize| {
        (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = floor(range.start);
    let end = ceiling(range.end.max(start));
    if start < end { start..end } else { start..ceiling((start + 1).min(text.len())) }
}

fn figures(loaded: &Loaded) -> String {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for failure in &loaded.failures {
        *reasons.entry(failure.error.message.to_string()).or_default() += 1;
    }
    for (_, why) in loaded.dead() {
        *reasons.entry(why).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut out = String::new();
    for (reason, count) in reasons {
        let _ = writeln!(out, "{count:>7}  {reason}");
    }
    out.push_str(&counts(loaded));
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::rules::threshold::ThresholdFile;
    use engine::EngineSettings;

    use super::*;
    use crate::process::load::load;

    fn loaded(text: &str) -> Loaded {
        let texts = vec![("a.rules".to_owned(), Arc::new(text.as_bytes().to_vec()))];
        let settings = ::rules::settings::Settings::default();
        let (none, engine) = (ThresholdFile::default(), EngineSettings::default());
        load(&texts, settings, &none, engine, Default::default(), None)
    }

    #[test]
    fn rules_without_a_parser_are_named_and_counted() {
        let loaded = loaded(
            "alert smtp any any -> any any (content:\"Subject\"; sid:1;)\n\
             alert smtp any any <> any any (file.data; content:\"x\"; sid:2;)\n\
             alert http2 any any -> any any (http.uri; content:\"x\"; sid:3;)\n",
        );
        let text = reports(&loaded);
        let note = "note: never fires: this version has no parser for";
        assert!(text.contains(&format!("a.rules:2: {note} smtp\n")), "{text}");
        assert!(text.contains(&format!("a.rules:3: {note} http2\n")), "{text}");
        assert!(text.ends_with("3 loaded, 0 refused; 2 of the loaded never fire\n"), "{text}");
        let text = figures(&loaded);
        assert!(
            text.contains("      1  never fires: this version has no parser for smtp"),
            "{text}"
        );
        let json = json(&loaded);
        assert_eq!((&json["loaded"], &json["refused"]), (&json!(3), &json!([])));
        let never = json["never_fire"].as_array().unwrap();
        assert_eq!(never.len(), 2, "{json}");
        assert_eq!((&never[0]["sid"], &never[0]["protocols"]), (&json!(2), &json!(["smtp"])));
        let short = loaded.dead_in_short().unwrap();
        let begin = "2 rules never fire: this version has no parser for smtp, http2;";
        assert!(short.starts_with(begin), "{short}");
    }

    #[test]
    fn a_refused_rule_is_told_once() {
        let loaded = loaded("alert tcp any any -> any any (contnt:\"a\"; sid:1;)\n");
        let text = reports(&loaded);
        assert_eq!(text.matches("unknown rule keyword 'contnt'").count(), 1, "{text}");
        assert_eq!(text.matches("a.rules:1:31").count(), 1, "{text}");
        assert!(text.ends_with("0 loaded, 1 refused\n"), "{text}");
        let json = json(&loaded);
        assert_eq!(
            (&json["refused"][0]["line"], &json["refused"][0]["column"]),
            (&json!(1), &json!(31))
        );
        assert!(loaded.dead_in_short().is_none());
    }

    #[test]
    fn ranges_stay_within_the_text() {
        assert_eq!(within("abc", 1..2), 1..2);
        assert_eq!(within("abc", 0..0), 0..1);
        assert_eq!(within("abc", 7..9), 3..3);
        assert_eq!(within("aäc", 2..2), 1..3);
        assert_eq!(within("", 0..4), 0..0);
    }
}
