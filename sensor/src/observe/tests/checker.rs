//! A strict reader of OpenMetrics 1.0 and of Prometheus' text format 0.0.4: what it takes, every
//! scraper takes.

use std::collections::{BTreeMap, BTreeSet};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The older one.
    Text,
    /// The newer one.
    OpenMetrics,
}

/// Samples by name and labels as they stand.
pub(crate) type Samples = BTreeMap<String, f64>;

/// Name, labels and value.
type Line = (String, Vec<(String, String)>, f64);

#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    metadata: BTreeSet<String>,
    has_samples: bool,
    /// Of the histogram that is being read: labels without `le`, last bound and count.
    histogram: Option<(String, f64, f64)>,
}

/// Reads a page.
///
/// # Errors
/// With the first line that breaks a rule.
pub(crate) fn check(page: &str, form: Form) -> Result<Samples, String> {
    let (mut samples, mut seen) = (Samples::new(), BTreeSet::new());
    let mut family = Family::default();
    let body = match form {
        Form::OpenMetrics => page.strip_suffix("# EOF\n").ok_or("there is no # EOF at the end")?,
        Form::Text => page,
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    for line in body.lines() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (keyword, name, text) = (
                words.next().unwrap_or_default(),
                words.next().ok_or_else(|| wrong("no name"))?,
                words.next().ok_or_else(|| wrong("no text"))?,
            );
            if name != family.name {
                family.end().map_err(|why| wrong(&why))?;
                if !is_name(name) || !seen.insert(name.to_owned()) {
                    return Err(wrong("a bad name, or a family in two pieces"));
                }
                family = Family { name: name.to_owned(), ..Family::default() };
            }
            if family.has_samples || !family.metadata.insert(keyword.to_owned()) {
                return Err(wrong("metadata twice, or behind samples"));
            }
            family.metadata(keyword, text, form).map_err(|why| wrong(&why))?;
        } else {
            let (name, labels, value) = sample(line).map_err(|why| wrong(&why))?;
            for needed in ["HELP", "TYPE"] {
                if !family.metadata.contains(needed) {
                    return Err(wrong(&format!("no {needed} before the sample")));
                }
            }
            family.has_samples = true;
            family.sample(&name, &labels, value, form).map_err(|why| wrong(&why))?;
            let key = line.rsplit_once(' ').map(|(key, _)| key.to_owned()).unwrap_or_default();
            if samples.insert(key, value).is_some() {
                return Err(wrong("the sample stands there twice"));
            }
        }
    }
    family.end()?;
    Ok(samples)
}

impl Family {
    fn metadata(&mut self, keyword: &str, text: &str, form: Form) -> Result<(), String> {
        match (keyword, form) {
            ("HELP", _) if text.trim().is_empty() => Err("no help".to_owned()),
            ("HELP", Form::OpenMetrics) if has_bare(text, true) => Err("a bare quote".to_owned()),
            ("HELP", _) if has_bare(text, false) => Err("a bare backslash".to_owned()),
            ("HELP", _) => Ok(()),
            ("TYPE", _) => {
                let kinds: &[&str] = match form {
                    Form::OpenMetrics => &["counter", "gauge", "info", "histogram"],
                    Form::Text => &["counter", "gauge", "histogram"],
                };
                self.kind = text.to_owned();
                kinds.contains(&text).then_some(()).ok_or("an unknown type".to_owned())
            }
            ("UNIT", Form::OpenMetrics) if self.name.ends_with(&format!("_{text}")) => Ok(()),
            _ => Err("bad metadata".to_owned()),
        }
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &[(String, String)],
        value: f64,
        form: Form,
    ) -> Result<(), String> {
        let rest = name.strip_prefix(&self.name).ok_or("a sample of another family")?;
        let suffixes: &[&str] = match (self.kind.as_str(), form) {
            ("counter", Form::OpenMetrics) => &["_total"],
            ("info", _) => &["_info"],
            ("histogram", _) => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        if !suffixes.contains(&rest) {
            return Err(format!("suffix {rest} of a {}", self.kind));
        }
        if (self.kind == "counter") && !(self.name.ends_with("_total") || form == Form::OpenMetrics)
        {
            return Err("a counter without _total".to_owned());
        }
        if (self.kind == "counter" || rest == "_bucket") && !(value >= 0.0 && value.is_finite()) {
            return Err("no count".to_owned());
        }
        if self.kind == "info" && value != 1.0 {
            return Err("an info that is not 1".to_owned());
        }
        if self.kind == "histogram" { self.bucket(rest, labels, value) } else { Ok(()) }
    }

    fn bucket(
        &mut self,
        suffix: &str,
        labels: &[(String, String)],
        value: f64,
    ) -> Result<(), String> {
        let others: Vec<_> = labels.iter().filter(|(name, _)| name != "le").collect();
        let others = format!("{others:?}");
        match (suffix, &mut self.histogram) {
            ("_bucket", before) => {
                let bound = labels.iter().find(|(name, _)| name == "le").ok_or("no le")?.1.clone();
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    if !bound.contains('.') {
                        return Err("a bound that is no canonical float".to_owned());
                    }
                    bound.parse().map_err(|_| "a bound that is no number")?
                };
                match before {
                    Some((of, last, count)) if *of == others => {
                        if bound <= *last || value < *count {
                            return Err("bounds or counts fall".to_owned());
                        }
                        (*last, *count) = (bound, value);
                    }
                    Some(_) => return Err("a histogram that has not ended".to_owned()),
                    None => self.histogram = Some((others, bound, value)),
                }
                Ok(())
            }
            ("_count", Some((of, last, count))) => {
                if *of != others || last.is_finite() || *count != value {
                    return Err("the count is not that of +Inf".to_owned());
                }
                self.histogram = None;
                Ok(())
            }
            ("_sum", None) => Ok(()),
            _ => Err("parts of a histogram in the wrong order".to_owned()),
        }
    }

    fn end(&self) -> Result<(), String> {
        if !self.name.is_empty() && !self.has_samples {
            return Err(format!("{} has no samples", self.name));
        }
        if self.histogram.is_some() {
            Err("a histogram without its count".to_owned())
        } else {
            Ok(())
        }
    }
}

/// Name, labels and value of a sample.
fn sample(line: &str) -> Result<Line, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name) {
        return Err("a bad name".to_owned());
    }
    let mut labels: Vec<(String, String)> = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, more) = rest.split_once("=\"").ok_or("a label without value")?;
            if !is_name(label) || label.contains(':') || labels.iter().any(|(one, _)| one == label)
            {
                return Err(format!("bad label {label}"));
            }
            let (value, more) = quoted(more)?;
            labels.push((label.to_owned(), value));
            match (more.strip_prefix(','), more.strip_prefix('}')) {
                (Some(more), _) => rest = more,
                (None, Some(more)) => {
                    rest = more;
                    break;
                }
                (None, None) => return Err("labels do not end".to_owned()),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let is_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    if value.is_empty() || !value.chars().all(is_number) {
        return Err("a bad value".to_owned());
    }
    Ok((name.to_owned(), labels, value.parse().map_err(|_| "a bad value")?))
}

/// The text up to the quote, and what is behind it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut out, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, other @ ('"' | '\\'))) => out.push(other),
                _ => return Err("a bad escape".to_owned()),
            },
            other => out.push(other),
        }
    }
    Err("a label that does not end".to_owned())
}

fn has_bare(text: &str, quotes: bool) -> bool {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if !matches!(letters.next(), Some('\\' | 'n' | '"')) => return true,
            '"' if quotes => return true,
            _ => {}
        }
    }
    false
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[test]
fn the_checker_refuses_what_is_wrong() {
    let head = "# HELP a_b x\n# TYPE a_b counter\n";
    let open = |text: &str| check(&format!("{text}# EOF\n"), Form::OpenMetrics);
    assert_eq!(open(&format!("{head}a_b_total{{c=\"d\\\"\"}} 1\n")).unwrap().len(), 1);
    for wrong in [
        "a_b 1\n".to_owned(),
        "# TYPE a_b counter\na_b_total 1\n".to_owned(),
        format!("{head}a_b 1\n"),
        format!("{head}a_b_total 1\na_b_total 1\n"),
        format!("{head}a_b_total{{c=\"1\",c=\"2\"}} 1\n"),
        format!("{head}a_b_total{{c=\"1}} 1\n"),
        format!("{head}a_b_total -1\n"),
        format!("{head}a_b_total NaN\n"),
        format!("{head}a_b_total 1\n# HELP c x\n# TYPE c gauge\nc 1\n{head}a_b_total{{d=\"e\"}} 1\n"),
        format!("{head}a_b_total 1\n# UNIT a_b bytes\n"),
        format!("{head}# EOF\n"),
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_count 2\nh_sum 1.0\n".to_owned(),
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n"
            .to_owned(),
    ] {
        assert!(open(&wrong).is_err(), "{wrong}");
    }
    assert!(check(&format!("{head}a_b_total 1\n"), Form::OpenMetrics).is_err());
    assert!(check(&format!("{head}a_b_total 1\n"), Form::Text).is_err());
}
