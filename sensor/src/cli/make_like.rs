//! Folders that the sensor makes for whoever will write there.

use std::ffi::CStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Component, Path};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Uid, UnlinkatFlags, unlinkat};

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Makes a folder, and those on the way to it, for whom the folder `above` them belongs to: whoever
/// updates rules may write there. Where everybody may, it is the process's own. Says who can't
/// write there though they should.
///
/// Whoever may write above could put something else in the place of what was made: each is opened
/// from the one above it, no link is followed, and what is given away is the process's own and empty.
///
/// # Errors
/// When it can't be made; nothing of it is left then but folders that are as they should be.
pub(super) fn make_like(above: &Path, folder: &Path) -> io::Result<Option<String>> {
    let mut place = File::from(open(above, FOLDER, Mode::empty())?);
    let owner = place.metadata()?;
    let mut strange = None;
    for part in folder.strip_prefix(above).unwrap_or(folder).components() {
        let Component::Normal(name) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
        let name = Path::new(name);
        let is_made = match mkdirat(&place, name, Mode::S_IRWXU) {
            // Somebody else has made it meanwhile.
            Err(Errno::EEXIST) => false,
            made => made.map(|()| true)?,
        };
        let below = openat(&place, name, FOLDER | OFlag::O_NOFOLLOW, Mode::empty());
        let below = below.map(File::from).map_err(io::Error::from);
        if !is_made {
            place = below?;
            continue;
        }
        if let Ok(below) = &below
            && !is_fresh(below)?
        {
            return Err(io::Error::other("somebody has put another folder in its place"));
        }
        let given = below.and_then(|below| give(&below, &owner).map(|why| (below, why)));
        let (below, why) = given.inspect_err(|_| {
            // Half given away it would be taken for one that is as it should be.
            let _ = unlinkat(&place, name, UnlinkatFlags::RemoveDir);
        })?;
        strange = strange.or(why);
        place = below;
    }
    Ok(strange)
}

/// Whether it is what this process has made: its own, and empty.
fn is_fresh(made: &File) -> io::Result<bool> {
    let mut inside = Dir::from_fd(made.try_clone()?.into())?;
    let is_itself = |name: &CStr| matches!(name.to_bytes(), b"." | b"..");
    let is_empty = inside.iter().all(|entry| entry.is_ok_and(|entry| is_itself(entry.file_name())));
    Ok(is_empty && made.metadata()?.uid() == Uid::effective().as_raw())
}

/// Gives a folder that was made a moment ago the owner and the rights of another one.
fn give(made: &File, owner: &Metadata) -> io::Result<Option<String>> {
    let about = made.metadata()?;
    let is_for_all = owner.mode() & 0o002 != 0;
    if !is_for_all && (about.uid(), about.gid()) != (owner.uid(), owner.gid()) {
        if Uid::effective().is_root() {
            fchown(made, Some(owner.uid()), Some(owner.gid()))?;
        } else {
            // Allowed where this process is in the group; whether it came to that is looked at below.
            let _ = fchown(made, None, Some(owner.gid()));
        }
    }
    // The change of hands may have taken some of it away.
    let mode = if is_for_all { 0o755 } else { owner.mode() & 0o2775 | 0o700 };
    made.set_permissions(Permissions::from_mode(mode))?;
    let about = made.metadata()?;
    let by_group = about.gid() == owner.gid() && mode & 0o020 != 0;
    let is_open = is_for_all || about.uid() == owner.uid() || by_group;
    Ok((!is_open).then(|| {
        let (user, wanted) = (about.uid(), owner.uid());
        format!(
            "it is user {user}'s: user {wanted}, who has the folder above it, can't write there"
        )
    }))
}
