//! Patterns for names of rule files: `*`, `?` and `[a-z]` in any part of a path.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files that a pattern stands for, by name; a text without wildcards stands for itself, if
/// it is there.
pub fn expand(pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        let path = PathBuf::from(pattern);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let absolute = pattern.starts_with('/');
    let mut found = vec![if absolute { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|base| step(base, part)).collect();
    }
    found
}

/// Why a pattern stands for nothing: a folder or file that this process may not look at.
pub fn obstacle(pattern: &str) -> Option<(PathBuf, io::Error)> {
    let absolute = pattern.starts_with('/');
    let mut found = vec![if absolute { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        for base in &found {
            let is_literal = !part.contains(['*', '?', '[']);
            let (path, looked) = match is_literal {
                true => (base.join(part), fs::metadata(base.join(part)).map(drop)),
                false => (here(base).to_path_buf(), fs::read_dir(here(base)).map(drop)),
            };
            if let Err(error) = looked
                && error.kind() == io::ErrorKind::PermissionDenied
            {
                return Some((path, error));
            }
        }
        found = found.iter().flat_map(|base| step(base, part)).collect();
    }
    None
}

fn here(base: &Path) -> &Path {
    if base.as_os_str().is_empty() { Path::new(".") } else { base }
}

fn step(base: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[']) {
        let path = base.join(part);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let Ok(entries) = fs::read_dir(here(base)) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // A leading dot is matched only by a dot, as shells have it.
    let visible = |name: &String| !name.starts_with('.') || part.starts_with('.');
    let mut names: Vec<String> =
        names.filter(visible).filter(|name| matches(part.as_bytes(), name.as_bytes())).collect();
    names.sort();
    names.into_iter().map(|name| base.join(name)).collect()
}

/// Whether a name fits a pattern; `*` stands for slashes, too.
pub fn fits(pattern: &str, name: &str) -> bool {
    matches(pattern.as_bytes(), name.as_bytes())
}

/// Backtracks to the latest star only, so that time stays quadratic.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while let Some(&byte) = name.get(n) {
        let width = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(pattern.get(p..).unwrap_or_default(), byte),
            Some(&literal) if literal == byte => Some(1),
            _ => None,
        };
        match (width, star) {
            (Some(width), _) => {
                p += width;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}

/// Length of a class such as `[a-z]` or `[!0-9]` that holds the byte; none if it does not.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let end = pattern.iter().skip(first + 1).position(|&b| b == b']')? + first + 1;
    let inner = pattern.get(first..end)?;
    let mut held = false;
    let mut at = 0;
    while let Some(&low) = inner.get(at) {
        match (inner.get(at + 1), inner.get(at + 2)) {
            (Some(b'-'), Some(&high)) => {
                held |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                held |= low == byte;
                at += 1;
            }
        }
    }
    (held != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        };
        check("*.rules", "a.rules", true);
        check("*.rules", "a.rules.bak", false);
        check("a*b*c", "a-b-b-c", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[x", "[x", false);
        check("*", "", true);
        check("", "a", false);
    }

    #[test]
    fn files_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.rules", "a.rules", "c.txt", ".d.rules"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let found = expand(&format!("{}/*.rules", dir.path().display()));
        assert_eq!(found, [dir.path().join("a.rules"), dir.path().join("b.rules")]);
        assert!(expand(&format!("{}/none.rules", dir.path().display())).is_empty());
    }
}
