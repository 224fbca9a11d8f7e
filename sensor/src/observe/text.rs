//! The page as text: OpenMetrics 1.0, and Prometheus' older text format 0.0.4.

use std::fmt::Write;

use super::accept::Form;
use super::metric::{Buckets, Descriptor, Family, Kind, Sample, Value};

/// Units that a name may end with, which OpenMetrics states apart.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// All families in one of the forms.
pub(crate) fn encode(families: &[Family], form: Form) -> String {
    let mut out = String::with_capacity(64 * 1024);
    for family in families {
        head(&mut out, family.about, form);
        let name = family.about.name();
        for sample in &family.samples {
            lines(&mut out, &name, family.about.kind, sample);
        }
    }
    if form == Form::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

/// What is said of a family before its samples.
fn head(out: &mut String, about: &Descriptor, form: Form) {
    let name = about.name();
    // The older format has no kinds whose samples are called otherwise than the family.
    let (name, kind) = match (form, about.kind) {
        (Form::Text, Kind::Counter) => (format!("{name}_total"), "counter"),
        (Form::Text, Kind::Info) => (format!("{name}_info"), "gauge"),
        (_, kind) => (name, kind.word()),
    };
    let _ = write!(out, "# HELP {name} ");
    escape(out, about.help, form == Form::OpenMetrics);
    let _ = writeln!(out, "\n# TYPE {name} {kind}");
    let unit = UNITS.iter().find(|unit| name.ends_with(&format!("_{unit}")));
    if let (Form::OpenMetrics, Some(unit)) = (form, unit) {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
}

fn lines(out: &mut String, name: &str, kind: Kind, sample: &Sample) {
    match &sample.value {
        Value::Buckets(buckets) => histogram(out, name, sample, buckets),
        value => {
            out.push_str(name);
            out.push_str(match kind {
                Kind::Counter => "_total",
                Kind::Info => "_info",
                Kind::Gauge | Kind::Histogram => "",
            });
            labels(out, sample, None);
            let _ = match value {
                Value::Whole(value) => writeln!(out, " {value}"),
                Value::Real(value) => writeln!(out, " {value:?}"),
                Value::Buckets(_) => Ok(()),
            };
        }
    }
}

fn histogram(out: &mut String, name: &str, sample: &Sample, buckets: &Buckets) {
    let Buckets { cumulative, count, sum } = buckets;
    // Rust writes floats as OpenMetrics wants bounds: the shortest that is exact, 1 as 1.0.
    let bounds = cumulative.iter().map(|(bound, count)| (format!("{bound:?}"), *count));
    for (bound, count) in bounds.chain([("+Inf".to_owned(), *count)]) {
        let _ = write!(out, "{name}_bucket");
        labels(out, sample, Some(&bound));
        let _ = writeln!(out, " {count}");
    }
    for (suffix, value) in [("count", format!("{count}")), ("sum", format!("{sum:?}"))] {
        let _ = write!(out, "{name}_{suffix}");
        labels(out, sample, None);
        let _ = writeln!(out, " {value}");
    }
}

fn labels(out: &mut String, sample: &Sample, bound: Option<&str>) {
    let labels = sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
    let mut before = '{';
    for (name, value) in labels.chain(bound.map(|bound| ("le", bound))) {
        let _ = write!(out, "{before}{name}=\"");
        escape(out, value, true);
        out.push('"');
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}
