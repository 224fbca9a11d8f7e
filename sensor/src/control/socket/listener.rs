//! The socket's file.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Where Suricata has its socket.
const FOLDER: &str = "/var/run/suricata";
const NAME: &str = "suricata-command.socket";

/// Who may talk to the sensor: its user and its group.
const MODE: u32 = 0o660;

/// The path that `unix-command.filename` means: a name without slash is one in the usual folder.
pub(crate) fn path_of(filename: Option<&str>) -> PathBuf {
    let name = filename.unwrap_or(NAME);
    match name.contains('/') {
        true => PathBuf::from(name),
        false => Path::new(FOLDER).join(name),
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Another sensor answers there.
    #[error("{}: another process listens on this control socket", .0.display())]
    InUse(PathBuf),
    /// A file that is none of ours.
    #[error("{}: there is a file that is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses it.
    #[error("{}: {}", .0.display(), .1)]
    Refused(PathBuf, io::Error),
}

/// A bound socket whose file goes when it does.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) socket: UnixListener,
    path: PathBuf,
    /// Device and number of the file: by the time it goes it may be another's.
    file: (u64, u64),
}

impl Listener {
    /// Binds a socket, in the place of one that a dead process has left. The last folder of the
    /// path is made if it is not there. This is done before the process gives up its rights.
    ///
    /// # Errors
    /// When the path is taken or out of reach.
    pub(crate) fn bind(path: &Path) -> Result<Self, BindError> {
        let refused = |error| BindError::Refused(path.to_owned(), error);
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
            && !folder.exists()
        {
            DirBuilder::new().mode(0o750).create(folder).map_err(refused)?;
        }
        clear(path)?;
        let socket = UnixListener::bind(path).map_err(refused)?;
        let found = fs::symlink_metadata(path).map_err(refused)?;
        let listener = Self { socket, path: path.to_owned(), file: (found.dev(), found.ino()) };
        fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(refused)?;
        Ok(listener)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if is_ours {
            // A process without rights may have to leave it; the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket on which nobody listens.
fn clear(path: &Path) -> Result<(), BindError> {
    let refused = |error| BindError::Refused(path.to_owned(), error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}
