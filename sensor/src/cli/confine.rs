//! What a live run keeps when it gives up its rights: the files that it reads and writes.

use std::fs;
use std::path::{Path, PathBuf};

use delivery::reach::Paths;

use crate::config::process::{ProcessSettings, RuleStore};
use crate::control::privileges::{Account, Filter, Sandbox};
use crate::process::load::Loaded;

use super::make_like::make_like;
use super::native::{RightsArguments, SystemCalls};

/// A folder for outputs, as it was before they were opened.
#[derive(Clone, Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// There was nothing in it, so that nobody else uses it.
    is_ours: bool,
}

impl Home {
    /// Looks at a folder that may not be there yet.
    pub(super) fn look(path: &Path) -> Self {
        let is_ours = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        Self { path: path.to_path_buf(), is_ours }
    }
}

/// Everything that is open, by name.
pub(super) struct Open<'a> {
    pub(super) home: Home,
    pub(super) files: Vec<PathBuf>,
    pub(super) process: &'a ProcessSettings,
    pub(super) loaded: &'a Loaded,
    /// The configuration's file.
    pub(super) config: Option<&'a Path>,
    /// The control socket, and its folder as it was before.
    pub(super) control: Option<(&'a Path, Home)>,
    /// What sinks of events open later.
    pub(super) delivering: Paths,
}

/// What will be out of reach once it is replaced, whoever the process is then.
pub(super) fn warnings(rights: &RightsArguments, delivering: &Paths) -> Vec<String> {
    if rights.no_landlock {
        return Vec::new();
    }
    let folders = delivering.secrets.iter().map(|file| folder_of(file));
    let linked = folders.filter(|folder| leads_elsewhere(folder));
    let line = |folder: PathBuf| {
        let folder = folder.display();
        format!("{folder} is reached by a link: a secret can't be read where that leads to later")
    };
    let mut lines: Vec<String> = linked.map(line).collect();
    lines.dedup();
    lines
}

/// True when one of a folder's names is a link.
fn leads_elsewhere(folder: &Path) -> bool {
    folder.ancestors().any(|part| part.is_symlink())
}

/// What is to be kept.
pub(super) fn sandbox(rights: &RightsArguments, open: &Open<'_>) -> Sandbox {
    let (mut write, mut hand_over) = (vec![open.home.path.clone()], Vec::new());
    match open.home.is_ours {
        true => hand_over.push(open.home.path.clone()),
        // Others may have files there: only those that are open change hands.
        false => hand_over.extend(open.files.iter().cloned()),
    }
    write.extend(open.files.iter().map(|file| folder_of(file)));
    if let Some(store) = &open.process.file_store {
        let store = open.home.path.join(&store.directory);
        write.push(store.clone());
        hand_over.push(store);
    }
    if let Some(delivery) = &open.process.delivery {
        write.push(delivery.spool.directory.clone());
        // Others may have files there.
        hand_over.extend(delivery.spool.belongings());
    }
    for folder in &open.delivering.write {
        write.push(folder.clone());
        if Home::look(folder).is_ours {
            hand_over.push(folder.clone());
        }
    }
    for (file, _) in open.loaded.datasets.to_save() {
        write.push(folder_of(&file));
        hand_over.push(file);
    }
    if let Some((socket, folder)) = &open.control {
        write.push(folder.path.clone());
        hand_over.push(if folder.is_ours { folder.path.clone() } else { socket.to_path_buf() });
    }
    let account = |name: &Option<String>| name.as_deref().map(Account::from);
    Sandbox {
        user: account(&rights.user),
        group: account(&rights.group),
        write: present(write),
        read: present(if rights.no_landlock { Vec::new() } else { sources(open) }),
        hand_over: present(hand_over),
        landlock: !rights.no_landlock,
        seccomp: match rights.seccomp {
            SystemCalls::Enforce => Filter::Enforce,
            SystemCalls::Log => Filter::Log,
            SystemCalls::Off => Filter::Off,
        },
        required: !rights.insecure,
    }
}

/// Folders of what is read again when rules are loaded anew: files are replaced by others of the
/// same name.
fn sources(open: &Open<'_>) -> Vec<PathBuf> {
    let rules = &open.process.rules;
    let mut read: Vec<PathBuf> =
        rules.patterns.iter().map(|pattern| fixed_folder(pattern)).collect();
    let files = [&rules.classification, &rules.reference, &rules.threshold];
    let files = files.into_iter().flatten().map(PathBuf::as_path).chain(open.config);
    read.extend(files.map(folder_of));
    if let Some(RuleStore::Current(store)) = &rules.store {
        // The link there leads to other folders of it in time.
        read.extend(store_in_reach(store));
    }
    read.push(open.process.datasets.data_dir.clone());
    if open.process.delivery.is_some() {
        read.extend(open.delivering.read.iter().cloned());
        // Whoever may read their folder may not read these.
        read.extend(open.delivering.secrets.iter().cloned());
        read.extend(of_name_resolution());
    }
    read
}

/// The folder of a store that is there, or of one to come. What is not there can't be kept in reach:
/// it is made, as whoever may write beside it would have made it, or what it will lie in is kept.
fn store_in_reach(store: &Path) -> Option<PathBuf> {
    if store.is_dir() {
        return Some(store.to_path_buf());
    }
    let above = store.ancestors().skip(1).find(|folder| folder.is_dir());
    let above = above.unwrap_or(Path::new("."));
    let error = match make_like(above, store) {
        Ok(strange) => {
            if let Some(why) = strange {
                tracing::warn!("rules.store: {} was made, but {why}", store.display());
            }
            return Some(store.to_path_buf());
        }
        Err(error) => error,
    };
    let (store, why) = (store.display(), crate::log::reason(&error));
    // With it everything would be in reach.
    if fs::canonicalize(above).is_ok_and(|real| real == Path::new("/")) {
        tracing::warn!(
            "rules.store: {store} is not there and can't be made ({why}): rules that come there can \
             only be read after a restart; make this folder before the start"
        );
        return None;
    }
    tracing::warn!(
        "rules.store: {store} is not there and can't be made ({why}): all of {} stays in reach \
         until the next start; make this folder before the start",
        above.display()
    );
    Some(above.to_path_buf())
}

/// The folder of a list of name servers that is made anew while the system runs.
fn of_name_resolution() -> Option<PathBuf> {
    // Not all of /etc: a process that stays root could read passwords there.
    let target = fs::canonicalize("/etc/resolv.conf").ok()?;
    target.parent().filter(|folder| folder.starts_with("/run/")).map(Path::to_path_buf)
}

/// The folder of all files that a pattern can stand for.
fn fixed_folder(pattern: &str) -> PathBuf {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let fixed = pattern.get(..wild).unwrap_or_default();
    match fixed.rfind('/') {
        Some(0) => PathBuf::from("/"),
        Some(slash) => PathBuf::from(fixed.get(..slash).unwrap_or_default()),
        None => PathBuf::from("."),
    }
}

pub(super) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Those that are there, each once.
fn present(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.exists() && !kept.contains(&path) {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn patterns_have_a_fixed_folder() {
        for (pattern, folder) in [
            ("a.rules", "."),
            ("*.rules", "."),
            ("rules/*.rules", "rules"),
            ("/etc/sensor/*/a.rules", "/etc/sensor"),
            ("/etc/rules/a.rules", "/etc/rules"),
            ("/etc/ru*/a.rules", "/etc"),
            ("/a.rules", "/"),
        ] {
            assert_eq!(fixed_folder(pattern), Path::new(folder), "{pattern}");
        }
    }

    #[test]
    fn a_store_that_is_not_there_yet_is_in_reach() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join("lib");
        fs::create_dir(&lib).unwrap();
        fs::set_permissions(&lib, Permissions::from_mode(0o751)).unwrap();
        let store = lib.join("sensor/rules");
        assert_eq!(store_in_reach(&store).as_deref(), Some(&*store));
        for made in [&store, &lib.join("sensor")] {
            let about = fs::metadata(made).unwrap();
            assert_eq!((about.is_dir(), about.mode() & 0o7777), (true, 0o751), "{made:?}");
        }
        assert_eq!(store_in_reach(&store).as_deref(), Some(&*store), "one that is there");
        // What everybody may write in does not make rules that everybody may write.
        fs::set_permissions(root.path(), Permissions::from_mode(0o1777)).unwrap();
        let open = root.path().join("open");
        assert_eq!(store_in_reach(&open).as_deref(), Some(&*open));
        assert_eq!(fs::metadata(&open).unwrap().mode() & 0o7777, 0o755);
        // Nobody can make a folder in /proc.
        let kept = store_in_reach(Path::new("/proc/sys/rules/store"));
        assert_eq!(kept.as_deref(), Some(Path::new("/proc/sys")));
        // No link is followed to where a folder is made.
        std::os::unix::fs::symlink(root.path().join("nowhere"), lib.join("link")).unwrap();
        assert_eq!(store_in_reach(&lib.join("link/rules")).as_deref(), Some(&*lib));
        assert!(!root.path().join("nowhere").exists());
        // What is in the way of a folder is no folder above it.
        fs::write(root.path().join("file"), "").unwrap();
        let kept = store_in_reach(&root.path().join("file/rules"));
        assert_eq!(kept.as_deref(), Some(root.path()));
    }

    #[test]
    fn folders_behind_links_are_told() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("one")).unwrap();
        std::os::unix::fs::symlink("one", root.path().join("data")).unwrap();
        let check = |folder: &str, expected: bool| {
            assert_eq!(leads_elsewhere(&root.path().join(folder)), expected, "{folder}");
        };
        check("one", false);
        check("data", true);
        check("data/deeper", true);
    }

    #[test]
    fn a_folder_with_files_of_others_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Home::look(folder.path()).is_ours);
        assert!(Home::look(&folder.path().join("new")).is_ours);
        fs::write(folder.path().join("letter"), "").unwrap();
        assert!(!Home::look(folder.path()).is_ours);
    }
}
