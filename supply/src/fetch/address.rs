//! Addresses of sources: what stands for their placeholders, and how they are told without what is
//! secret in them.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::settings::SourceSettings;

/// What a secret is told as.
const MASK: &str = "***";
/// The release whose rules are asked for where an address says `%(__version__)s`.
pub const RULES_FOR: &str = "8.0.0";

/// An address that can be asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without user and password.
    pub(crate) url: String,
    /// The value of an `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// For messages.
    pub(crate) shown: String,
    /// What messages must not say.
    secrets: Vec<String>,
}

impl Address {
    /// Of a source; reads the files of its secrets.
    ///
    /// # Errors
    /// When a secret can't be read, or a placeholder has no value.
    pub(crate) fn of(source: &SourceSettings) -> Result<Self, String> {
        let template = source.url.as_deref().unwrap_or_default();
        let mut secrets = Vec::new();
        let url = fill(template, |name| match (name, source.secrets.get(name)) {
            ("__version__", None) => Ok(RULES_FOR.to_owned()),
            (_, Some(file)) => {
                let text = fs::read_to_string(file)
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                let secret = text.trim().to_owned();
                secrets.push(secret.clone());
                Ok(secret)
            }
            (name, None) => Err(format!(
                "nothing stands for %({name})s in its url: name a file with it under `secrets`"
            )),
        })?;
        let (url, user) = without_user(&url);
        let authorization = user.as_ref().map(|user| {
            let user = decoded(user);
            secrets.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
            format!("Basic {}", STANDARD.encode(user))
        });
        if let Some(user) = user {
            secrets.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
        }
        Ok(Self { url, authorization, shown: shown(source), secrets })
    }

    /// The address of what lies beside it, such as a signature.
    pub(crate) fn beside(&self, ending: &str) -> Self {
        let add = |url: &str| {
            let end = url.find(['?', '#']).unwrap_or(url.len());
            let (path, rest) = url.split_at_checked(end).unwrap_or((url, ""));
            format!("{path}{ending}{rest}")
        };
        Self { url: add(&self.url), shown: add(&self.shown), ..self.clone() }
    }

    /// A message without secrets.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mut text = text.replace(&self.url, &self.shown);
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), MASK);
        }
        text
    }
}

/// A source's address for messages.
pub(super) fn shown(source: &SourceSettings) -> String {
    let template = source.url.as_deref().unwrap_or_default();
    let filled = fill(template, |name| match name {
        "__version__" => Ok(RULES_FOR.to_owned()),
        name => Ok(format!("%({name})s")),
    });
    told(&filled.unwrap_or_default())
}

/// Replaces each `%(NAME)s`.
fn fill(
    template: &str,
    mut value: impl FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("%(") {
        let Some((name, after)) = after.split_once(")s") else { break };
        out.push_str(before);
        out.push_str(&value(name)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// An address and the `user:password@` in it.
fn without_user(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((user, host)) => (format!("{scheme}://{host}{path}"), Some(user.to_owned())),
        None => (url.to_owned(), None),
    }
}

/// Without user and password; values of the query and what follows `#` are masked, as keys are often
/// there. Where a password with a `/` in it can't be told from a path, all but the scheme is.
pub(crate) fn told(url: &str) -> String {
    let (url, _) = without_user(url);
    let url = match url.split_once('#') {
        Some((before, _)) => format!("{before}#{MASK}"),
        None => url,
    };
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest.get(..end).unwrap_or(rest);
        let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map_or("", |(_, p)| p);
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return format!("{scheme}://{MASK}");
        }
    }
    let Some((path, query)) = url.split_once('?') else { return url };
    let (query, rest) = match query.split_once('#') {
        Some((query, _)) => (query, format!("#{MASK}")),
        None => (query, String::new()),
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) => format!("{key}={MASK}"),
        None => MASK.to_owned(),
    });
    format!("{path}?{}{rest}", pairs.collect::<Vec<_>>().join("&"))
}

/// A text in which each address is as [`told`] has it.
pub(crate) fn scrubbed(text: &str) -> String {
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '(' | ')');
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(is_end).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if word.contains("://") {
            out.push_str(&told(word));
        } else {
            out.push_str(word);
        }
        let mut chars = after.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}

/// `%41` is `A`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                bytes.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> SourceSettings {
        SourceSettings { name: "a".into(), url: Some(url.into()), ..SourceSettings::default() }
    }

    #[test]
    fn secrets_are_asked_with_and_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("code");
        fs::write(&file, "c0de\n").unwrap();
        let mut source =
            source("https://u:p%40ss@host:81/%(secret-code)s/v%(__version__)s/x.gz?key=k1");
        source.secrets.insert("secret-code".into(), file);
        let address = Address::of(&source).unwrap();
        assert_eq!(address.url, format!("https://host:81/c0de/v{RULES_FOR}/x.gz?key=k1"));
        assert_eq!(address.authorization.as_deref(), Some("Basic dTpwQHNz"));
        assert_eq!(
            address.shown,
            format!("https://host:81/%(secret-code)s/v{RULES_FOR}/x.gz?key=***")
        );
        let beside = address.beside(".md5");
        assert_eq!(beside.url, format!("https://host:81/c0de/v{RULES_FOR}/x.gz.md5?key=k1"));
        let message = format!("no route to {} (c0de, p@ss, p%40ss)", address.url);
        let told = address.masked(&message);
        assert!(!told.contains("c0de") && !told.contains("ss)") && !told.contains("k1"), "{told}");
    }

    #[test]
    fn addresses_are_told_without_what_is_secret() {
        for (url, expected) in [
            ("https://h/a/b.gz", "https://h/a/b.gz"),
            ("http://h:80/a", "http://h:80/a"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("http://[::1]/a", "http://[::1]/a"),
            ("https://u:s3cret@h/a?k=s3cret&s3cret#s3cret", "https://h/a?k=***&***#***"),
            ("https://s3cret@h/a#s3cret?x", "https://h/a#***"),
            ("https://u:s3/cret@h/a", "https://***"),
            ("https://u:p@s3cret@h/", "https://h/"),
        ] {
            assert_eq!(told(url), expected, "{url}");
            let text = format!("a {url}: failed (\"{url}\")");
            assert!(!scrubbed(&text).contains("s3"), "{}", scrubbed(&text));
        }
        assert_eq!(scrubbed("no ä, (none) here"), "no ä, (none) here");
    }

    #[test]
    fn placeholders_need_a_value() {
        let error = Address::of(&source("https://h/%(code)s")).map(|_| ()).unwrap_err();
        assert!(error.contains("%(code)s") && error.contains("secrets"), "{error}");
        let plain = Address::of(&source("http://h/%(x/50%")).map(|one| one.url);
        assert_eq!(plain.as_deref(), Ok("http://h/%(x/50%"));
    }
}
