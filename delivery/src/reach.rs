//! What sinks open later, when the process may have given up its rights: noted as they are made.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Notes shared by all sinks.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<Mutex<Paths>>);

/// Files and folders, by what is done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Folders in which files are read anew: others of the same name may take their place.
    pub read: Vec<PathBuf>,
    /// Files with secrets among them: who may read the folder may not read these.
    pub secrets: Vec<PathBuf>,
    /// Folders in which files are made and written.
    pub write: Vec<PathBuf>,
}

impl Reach {
    /// A file will be read again.
    pub fn reads(&self, file: &Path) {
        note(&mut self.lock().read, folder_of(file));
    }

    /// A file with a secret will be read again.
    pub fn reads_secret(&self, file: &Path) {
        self.reads(file);
        note(&mut self.lock().secrets, file);
    }

    /// Files below a folder will be made and written.
    pub fn writes_below(&self, folder: &Path) {
        note(&mut self.lock().write, folder);
    }

    /// All that was noted.
    pub fn paths(&self) -> Paths {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Paths> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(paths: &mut Vec<PathBuf>, path: &Path) {
    if !paths.iter().any(|known| known == path) {
        paths.push(path.to_path_buf());
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_noted_once() {
        let reach = Reach::default();
        let other = reach.clone();
        reach.reads(Path::new("/run/secrets/password"));
        other.reads_secret(Path::new("/run/secrets/token"));
        other.reads(Path::new("token"));
        reach.writes_below(Path::new("/var/log/sensor"));
        let wanted = Paths {
            read: ["/run/secrets", "."].map(PathBuf::from).to_vec(),
            secrets: vec![PathBuf::from("/run/secrets/token")],
            write: vec![PathBuf::from("/var/log/sensor")],
        };
        assert_eq!(reach.paths(), wanted);
    }
}
