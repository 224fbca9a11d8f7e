//! `--set key=value`.

use super::tree::Node;

/// Applies one `--set` argument; false if it has no `=`.
///
/// Blanks around the first `=` do not count, and the value may be empty.
pub(crate) fn apply(root: &mut Node, argument: &str) -> bool {
    let Some((key, value)) = argument.split_once('=') else { return false };
    root.set_final(key.trim(), value.trim_start());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_set_and_stay() {
        let mut root = Node::default();
        assert!(apply(&mut root, "stream.inline=true"));
        assert!(apply(&mut root, "a.0.b = x=y"));
        assert!(apply(&mut root, "empty="));
        assert!(!apply(&mut root, "stream.inline"));
        assert_eq!(root.text("stream.inline"), Some("true"));
        assert_eq!(root.text("a.0.b"), Some("x=y"));
        assert_eq!(root.text("empty"), Some(""));
        root.prune();
        assert_eq!(root.text("a.0.b"), Some("x=y"));
    }
}
