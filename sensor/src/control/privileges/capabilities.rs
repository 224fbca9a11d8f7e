//! The rights of root, piece by piece.

use caps::errors::CapsError;
use caps::{CapSet, Capability};

use super::Error;

/// Makes use of what the process was given and does not use yet: capabilities that come with the
/// program's file are only permitted at first, so that it starts for those who were not given them.
pub(crate) fn raise() {
    let Ok(permitted) = caps::read(None, CapSet::Permitted) else { return };
    let missing = caps::read(None, CapSet::Effective).is_ok_and(|held| held != permitted);
    if missing && let Err(error) = caps::set(None, CapSet::Effective, &permitted) {
        tracing::warn!("permitted capabilities can't be used: {error}");
    }
}

/// Takes away what a program started later could gain. Without CAP_SETPCAP the set stays as it
/// is, which does not matter: no_new_privs and the system call filter stand before it.
pub(super) fn bound() -> Result<Vec<String>, Error> {
    let refused = |error: CapsError| Error::step("empty the bounding set", error);
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(refused)? {
        return Ok(vec!["the bounding set stays: CAP_SETPCAP is not held".to_owned()]);
    }
    caps::clear(None, CapSet::Bounding).map_err(refused)?;
    Ok(vec!["the bounding set is empty".to_owned()])
}

/// Takes away all capabilities of the calling thread. A change of user has done so with most.
pub(super) fn drop_all() -> Result<Vec<String>, Error> {
    for set in [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set)
            .map_err(|error| Error::step(format!("drop {set:?} capabilities"), error))?;
    }
    Ok(vec!["no capabilities".to_owned()])
}
