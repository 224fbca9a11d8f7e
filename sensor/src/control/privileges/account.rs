//! Who the process becomes.

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgroups, setgroups, setresgid, setresuid};

use super::Error;

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

/// A user or group as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// By name.
    Name(String),
    /// By number.
    Id(u32),
}

impl From<&str> for Account {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

/// A user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The user's number.
    pub(crate) user: Uid,
    /// The group's number.
    pub(crate) group: Gid,
}

/// Who the process is to become; none: it stays who it is.
pub(super) fn resolve(
    user: Option<&Account>,
    group: Option<&Account>,
) -> Result<Option<Owner>, Error> {
    let now = Owner { user: Uid::effective(), group: Gid::effective() };
    let (user, own_group) = match user {
        Some(account) => find_user(account)?,
        None if now.user.is_root() => (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)),
        None => (now.user, now.group),
    };
    let group = match group {
        Some(account) => find_group(account)?,
        None => own_group,
    };
    let owner = Owner { user, group };
    Ok((owner != now).then_some(owner))
}

/// Whether the process may change who it is.
pub(super) fn may_change() -> bool {
    let held = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or_default();
    held(Capability::CAP_SETUID) && held(Capability::CAP_SETGID)
}

/// Becomes the owner, in real, effective and saved identity, without any further group.
pub(super) fn become_user(owner: &Owner) -> Result<Vec<String>, Error> {
    let Owner { user, group } = *owner;
    let refused = |step: &str| {
        let step = step.to_owned();
        move |errno: Errno| Error::step(step, errno.desc())
    };
    if !getgroups().is_ok_and(|groups| groups.is_empty()) {
        setgroups(&[]).map_err(refused("leave the further groups"))?;
    }
    setresgid(group, group, group).map_err(refused(&format!("become group {group}")))?;
    setresuid(user, user, user).map_err(refused(&format!("become user {user}")))?;
    // The way back must be closed.
    if !user.is_root() && setresuid(Uid::from_raw(0), user, user).is_ok() {
        return Err(Error::step("stay without root", "the system lets it come back"));
    }
    Ok(vec![format!("runs as user {user}, group {group}, without further groups")])
}

fn find_user(account: &Account) -> Result<(Uid, Gid), Error> {
    let unknown = |name: &str| Error::Unknown { kind: "user", name: name.to_owned() };
    let failed = |errno: Errno| Error::step("look up the user", errno.desc());
    match account {
        Account::Name(name) => {
            let user = User::from_name(name).map_err(failed)?.ok_or_else(|| unknown(name))?;
            Ok((user.uid, user.gid))
        }
        // A container need not know its user.
        Account::Id(id) => {
            let known = User::from_uid(Uid::from_raw(*id)).ok().flatten();
            let group = known.map_or_else(|| Gid::from_raw(*id), |user| user.gid);
            Ok((Uid::from_raw(*id), group))
        }
    }
}

fn find_group(account: &Account) -> Result<Gid, Error> {
    let unknown = |name: &str| Error::Unknown { kind: "group", name: name.to_owned() };
    let failed = |errno: Errno| Error::step("look up the group", errno.desc());
    match account {
        Account::Name(name) => {
            let group = Group::from_name(name).map_err(failed)?.ok_or_else(|| unknown(name))?;
            Ok(group.gid)
        }
        Account::Id(id) => Ok(Gid::from_raw(*id)),
    }
}
