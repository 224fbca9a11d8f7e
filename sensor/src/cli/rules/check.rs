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

use crate::config::native::Sensor;
use crate::config::suricata::Mode;
use crate::log::Log;
use crate::process::load::{Loaded, complaint};

/// Arguments of `rules check`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    /// Configuration (sensor.yaml) for variables and protocols.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only figures, and the reasons with how often they occur.
    #[arg(long)]
    summary: bool,
    /// Nothing but the exit status.
    #[arg(long, short, conflicts_with = "summary")]
    quiet: bool,
    /// Rule files; patterns such as `rules/*.rules` are understood. By default those of the
    /// configuration.
    #[arg(required_unless_present = "config", value_name = "FILE")]
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
        let text = match arguments.summary {
            true => figures(&loaded),
            false => reports(&loaded),
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
        let _ = writeln!(out, "{}", complaint(failure));
        out.push_str(&report(failure, &renderer));
        out.push('\n');
    }
    for oddity in &loaded.warnings {
        let _ = writeln!(out, "{}:{}: note: {}", oddity.file, oddity.line, oddity.warning.message);
    }
    out.push_str(&counts(loaded));
    out
}

/// The rule with the place underlined.
fn report(failure: &Failure, renderer: &Renderer) -> String {
    let error = &failure.error;
    let span = within(&failure.text, error.span.range());
    let mut snippet = Snippet::source(failure.text.as_str())
        .line_start(failure.line as usize)
        .path(&*failure.file)
        .fold(false);
    snippet = snippet.annotation(AnnotationKind::Primary.span(span).label(&*error.message));
    let mut group = Level::ERROR.primary_title("rule refused").element(snippet);
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
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in &loaded.failures {
        *reasons.entry(&failure.error.message).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let mut out = String::new();
    for (reason, count) in reasons {
        let _ = writeln!(out, "{count:>7}  {reason}");
    }
    out.push_str(&counts(loaded));
    out
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn ranges_stay_within_the_text() {
        assert_eq!(within("abc", 1..2), 1..2);
        assert_eq!(within("abc", 0..0), 0..1);
        assert_eq!(within("abc", 7..9), 3..3);
        assert_eq!(within("aäc", 2..2), 1..3);
        assert_eq!(within("", 0..4), 0..0);
    }
}
