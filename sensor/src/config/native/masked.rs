//! Hides passwords and tokens in lines of `sensor.yaml` that messages show.
//!
//! It goes by words and indentation alone, since what is shown is often no YAML at all; what might
//! be part of a secret is hidden.

use super::nearest::is_near;

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

/// Parts of names of keys whose values are secrets.
const PARTS: [&str; 8] =
    ["passw", "passphrase", "secret", "token", "apikey", "bearer", "credential", "authoriz"];
/// Names of such keys, which may be misspelled, and by how many letters.
const NAMES: [(&str, usize); 11] = [
    ("password", 2),
    ("passwd", 1),
    ("passphrase", 2),
    ("token", 1),
    ("bearer", 1),
    ("apikey", 1),
    ("secret", 1),
    ("headers", 1),
    ("pass", 0),
    ("pwd", 0),
    ("psk", 0),
];
/// Shorter values are not looked for in messages, where they would mean something else.
const SHORTEST: usize = 3;

/// The lines of a text, without secrets.
pub(super) fn lines(text: &str) -> Vec<String> {
    let mut secret: Option<Value> = None;
    text.lines()
        .map(|line| match secret.take_if(|value| !value.goes_on(line)) {
            _ if secret.is_some() => hide_all(line),
            _ => {
                let line = without_users(line);
                let Some((start, end)) = word(&line) else { return line };
                let (shown, rest) = line.split_at_checked(end).unwrap_or((&line, ""));
                secret = Some(Value::begin(&line, start, rest));
                format!("{shown}: {HIDDEN}")
            }
        })
        .collect()
}

/// A message about a line, as it stands in the file and as it is shown, without its secrets.
pub(super) fn message(text: &str, line: &str, shown: &str) -> String {
    let mut text = without_users(text);
    let value = match word(line) {
        Some((_, end)) => line.get(end..),
        None if shown.trim() == HIDDEN => line.split_once(':').map_or(Some(line), |(_, v)| Some(v)),
        None => None,
    };
    let is_end = |c: char| c.is_whitespace() || ",{}[]\"':=|>".contains(c);
    for secret in value.into_iter().flat_map(|value| value.split(is_end)) {
        if secret.is_empty() {
            continue;
        }
        // Without a sign that YAML takes for one of its own, too.
        let bare = secret.trim_start_matches(['!', '&', '*', '%', '@', '`', '<']);
        for secret in [secret, bare.trim_end_matches('>')] {
            if secret.len() >= SHORTEST {
                text = text.replace(secret, HIDDEN);
            }
        }
        if shown.trim() != HIDDEN {
            break;
        }
    }
    text
}

/// What lines after that of its key may belong to.
struct Value {
    /// Where the key begins: what is further to the right belongs to it.
    indent: usize,
    /// Nothing stands behind the key: a list below it may begin as far left.
    is_below: bool,
    /// Of a comment: all of it is hidden.
    is_comment: bool,
    /// Quotes and brackets that are still open.
    quote: Option<char>,
    open: usize,
}

impl Value {
    fn begin(line: &str, start: usize, rest: &str) -> Self {
        let before = line.get(..start).unwrap_or_default();
        let is_first = before.chars().all(|c| " -\"'?".contains(c));
        let indent = if is_first { before.chars().count() } else { indent(line) };
        let value = rest.trim_start_matches(['"', '\'']).trim_start();
        let value = value.trim_start_matches([':', '=']).trim_start();
        let mut begun = Self {
            indent,
            is_below: value.is_empty() || value.starts_with('#'),
            is_comment: line.trim_start().starts_with('#'),
            quote: None,
            open: 0,
        };
        begun.read(value);
        begun
    }

    /// Whether a line belongs to it as well.
    fn goes_on(&mut self, line: &str) -> bool {
        if self.is_comment {
            return line.trim_start().starts_with('#');
        }
        let text = line.trim_start();
        let is_key = text.split([' ', ':']).next().is_some_and(|key| {
            !key.is_empty() && text.get(key.len()..).is_some_and(|rest| rest.starts_with(':'))
        });
        let is_inside = indent(line) > self.indent
            || self.is_below && indent(line) == self.indent && !is_key
            || text.is_empty();
        if self.quote.is_none() && self.open == 0 && !is_inside {
            return false;
        }
        self.read(line);
        true
    }

    fn read(&mut self, text: &str) {
        let mut last = ':';
        let mut is_escaped = false;
        for letter in text.chars() {
            match self.quote {
                Some('"') if letter == '\\' && !is_escaped => {
                    is_escaped = true;
                    continue;
                }
                Some(quote) if letter == quote && !is_escaped => self.quote = None,
                Some(_) => {}
                None => match letter {
                    '"' | '\'' if ":,[{-".contains(last) => self.quote = Some(letter),
                    '[' | '{' => self.open = self.open.saturating_add(1),
                    ']' | '}' => self.open = self.open.saturating_sub(1),
                    _ => {}
                },
            }
            is_escaped = false;
            if !letter.is_whitespace() {
                last = letter;
            }
        }
    }
}

fn indent(line: &str) -> usize {
    line.chars().take_while(|c| *c == ' ').count()
}

fn hide_all(line: &str) -> String {
    if line.trim().is_empty() { String::new() } else { format!("{:1$}{HIDDEN}", "", indent(line)) }
}

/// Where the first word stands that names a secret.
fn word(line: &str) -> Option<(usize, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let mut start = 0;
    while let Some(rest) = line.get(start..) {
        start += rest.find(is_part)?;
        let rest = line.get(start..)?;
        let end = start + rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if names_a_secret(line.get(start..end)?) {
            return Some((start, end));
        }
        start = end;
    }
    None
}

/// Whether the value of a key is a secret.
pub(super) fn names_a_secret(word: &str) -> bool {
    let word = word.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    if word.ends_with("-file") {
        return false;
    }
    let whole = word.replace(['-', '.'], "");
    let is_name = |part: &str| NAMES.iter().any(|(name, edits)| is_near(part, name, *edits));
    PARTS.iter().any(|part| whole.contains(part))
        || is_name(&whole)
        || word.split(['-', '.']).any(is_name)
}

/// Whether the value at a path is a secret: its key names one, or what it is in. Some keys of rules
/// name files with secrets without saying so.
pub(super) fn is_secret(path: &str) -> bool {
    let is_file = path == "rules.follow.token"
        || path
            .strip_prefix("rules.update.sources.")
            .is_some_and(|rest| rest.split('.').nth(1) == Some("secrets"));
    !is_file && path.split('.').any(names_a_secret)
}

/// Without users and passwords of addresses.
pub(super) fn without_users(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(|c: char| c.is_whitespace() || "\"',]}".contains(c)).unwrap_or(rest.len());
    let (address, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let address = match address.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => address.to_owned(),
    };
    format!("{scheme}://{address}{}", without_users(behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        // `S3CRET` is what may not be seen, `seen` what is to be.
        for text in [
            "- redis: {server: \"seen:1\", password: S3CRET, timeout: 10}",
            "seen: 1\n  password: S3CRET\n  seen: 2",
            "  password:\n    S3CRET\n  seen: 2",
            "  password: |\n\n    S3CRET\n    S3CRET\n  seen: 2",
            "  - password: \"a\n S3CRET\nS3CRET\"\n  - seen: 3",
            "password: [a,\nS3CRET]\nseen: 1",
            "pasword: S3CRET\nseen: 1",
            "passwrod: S3CRET\nseen: 1",
            "pass_word: S3CRET\nseen: 1",
            "seen: 1\npassword S3CRET",
            "seen: 1\npassword=S3CRET",
            "seen: 1\n\"password\": S3CRET",
            "seen: 1\n'password':S3CRET",
            "seen: 1\n- {redis: {password: \"S3CRET}}",
            "seen: 1\nsasl: {mechanism: PLAIN, username: u, password: S3CRET}",
            "seen: 1\nsasl.password: S3CRET",
            "seen: 1\napi_key: S3CRET",
            "seen: 1\napi-kye: S3CRET",
            "seen: 1\nX-Auth-Token: S3CRET",
            "headers: {x-api: S3CRET, y: S3CRET}\nseen: 1",
            "headers:\n  x-api: S3CRET\n  y: [\nS3CRET ]\nseen: 1",
            "headers:\n- S3CRET\nseen: 1",
            "header:\n  x: S3CRET\nseen: 1",
            "seen: 1\nbearer: S3CRET",
            "seen: 1\nberer: S3CRET",
            "seen: 1\ntokn: S3CRET",
            "seen: 1\nsecert: S3CRET",
            "# password: S3CRET\n#   S3CRET\nseen: 1",
            "urls: ['http://u:S3CRET@seen', \"https://S3CRET@b\"]",
        ] {
            let shown = lines(text).join("\n");
            assert!(shown.contains("seen") && !shown.contains("S3CRET"), "{text}\n{shown}");
            assert!(shown.contains(HIDDEN), "{text}\n{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let text = "events:\n  sinks:\n    - redis: {server: a, key: b, password-file: /run/c}\n\
                    \n    - http: {urls: ['https://a/b'], bearer-file: c}\n";
        assert_eq!(lines(text).join("\n") + "\n", text);
    }

    #[test]
    fn names_of_files_with_secrets_are_no_secrets() {
        for (path, expected) in [
            ("events.sinks.0.redis.password", true),
            ("events.sinks.0.http.headers.x-api", true),
            ("events.sinks.0.http.hec.token", true),
            ("events.sinks.0.http.hec.token-file", false),
            ("rules.follow.token", false),
            ("rules.update.sources.2.secrets.secret-code", false),
            ("rules.update.sources.2.url", false),
            ("otel.headers.x", true),
            ("log.level", false),
        ] {
            assert_eq!(is_secret(path), expected, "{path}");
        }
    }

    #[test]
    fn messages_repeat_no_secret() {
        let check = |line: &str, said: &str, expected: &str| {
            let shown = lines(line).pop().unwrap_or_default();
            assert_eq!(message(said, line, &shown), expected, "{line}");
        };
        check("password: [hunter2]", "`hunter2` is none", "`(hidden)` is none");
        check("{password: hunter2, wait: 100}", "100 has no unit", "100 has no unit");
        check("password: !hunter2", "`hunter2` is none", "`(hidden)` is none");
        check("password: &hunter2 x", "hunter2", "(hidden)");
        check("timeout: 100", "100 has no unit", "100 has no unit");
        check("password: ab", "a tab", "a tab");
        check("x", "http://u:p@h/: none", "http://(hidden)@h/: none");
    }
}
