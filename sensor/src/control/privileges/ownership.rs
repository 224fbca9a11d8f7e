//! The sensor's own folders change hands together with the process.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::fchownat;

use super::{Error, Owner};

/// Folders within folders; outputs need two.
const DEPTH: usize = 8;

/// Looks at an entry itself, never at where a link leads: a user who could once write here may
/// have left links to files of others.
const LOOK: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Gives what root owns at and below a path to the owner.
pub(super) fn hand_over(path: &Path, owner: &Owner) -> Result<Vec<String>, Error> {
    let given = open(path, LOOK, Mode::empty())
        .and_then(|entry| give(&entry, owner, DEPTH))
        .map_err(|errno| Error::step(format!("hand over {}", path.display()), errno.desc()))?;
    Ok(match given {
        0 => Vec::new(),
        _ => vec![format!("{} belongs to user {}", path.display(), owner.user)],
    })
}

/// Gives an entry and what is below it; returns how many changed hands.
fn give(entry: &OwnedFd, owner: &Owner, depth: usize) -> Result<usize, Errno> {
    let found = fstat(entry)?;
    let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
    let mut given = 0;
    if kind == SFlag::S_IFDIR && depth > 0 {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut folder = Dir::openat(entry, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for item in folder.iter() {
            let item = item?;
            let name = item.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        for name in names {
            // What has gone meanwhile needs no owner.
            if let Ok(below) = openat(entry.as_fd(), name.as_c_str(), LOOK, Mode::empty()) {
                given += give(&below, owner, depth - 1)?;
            }
        }
    }
    if is_ours(&found, kind) {
        let (user, group) = (Some(owner.user), Some(owner.group));
        fchownat(entry, "", user, group, AtFlags::AT_EMPTY_PATH)?;
        given += 1;
    }
    Ok(given)
}

/// Folders, sockets and files of root; a file with a second name may be somebody else's.
fn is_ours(found: &FileStat, kind: SFlag) -> bool {
    let plain = kind == SFlag::S_IFREG && found.st_nlink == 1;
    found.st_uid == 0 && (plain || kind == SFlag::S_IFDIR || kind == SFlag::S_IFSOCK)
}
