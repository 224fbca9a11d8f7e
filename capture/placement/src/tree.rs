//! Reads the small text files of `sys` and `proc`, from the host or from a copy of the tree.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
};

/// No file that is read here is longer, except `/proc/interrupts` of very large machines.
const LONGEST: u64 = 16 << 20;

/// A root folder with `sys` and `proc` below it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether this is the running host and not a copy, so that the kernel may be asked too.
    pub(crate) fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn exists(&self, relative: impl AsRef<Path>) -> bool {
        self.path(relative).exists()
    }

    /// The file's text without the white space around it; `None` when it can't be read (which
    /// for many sysfs files only says that the device has no such value).
    pub(crate) fn text(&self, relative: impl AsRef<Path>) -> Option<String> {
        read(&self.path(relative))
    }

    pub(crate) fn value<T: FromStr>(&self, relative: impl AsRef<Path>) -> Option<T> {
        self.text(relative)?.parse().ok()
    }

    /// The names in a folder, sorted; empty when there is no such folder.
    pub(crate) fn names(&self, relative: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(relative)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The numbers behind a prefix in a folder's names (`cpu0`, `cpu1`, …), ascending.
    pub(crate) fn numbered(&self, relative: impl AsRef<Path>, prefix: &str) -> Vec<u32> {
        let names = self.names(relative);
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The last component of what a symbolic link points to.
    pub(crate) fn link_name(&self, relative: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(relative)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// The real folder behind a path, with all symbolic links followed.
    pub(crate) fn real(&self, relative: impl AsRef<Path>) -> Option<PathBuf> {
        fs::canonicalize(self.path(relative)).ok()
    }
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}
