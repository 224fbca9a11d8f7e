//! Least privilege: what the process gives up once everything that needs rights is open.

mod account;
mod capabilities;
mod ownership;
mod seccomp;
mod status;
mod territory;
#[cfg(test)]
mod tests;

pub(crate) use account::Account;
pub(crate) use capabilities::raise;
pub(crate) use seccomp::Filter;

use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use account::Owner;
use status::status;
use territory::Territory;

/// What the process keeps when it gives up the rest.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// Who the process becomes; none: 65534 when it was started as root, else who it is.
    pub(crate) user: Option<Account>,
    /// Its group; none: the user's own.
    pub(crate) group: Option<Account>,
    /// Folders and files that it goes on writing: outputs, spool, the socket's folder.
    pub(crate) write: Vec<PathBuf>,
    /// Folders and files that it goes on reading: rules, configuration.
    pub(crate) read: Vec<PathBuf>,
    /// Folders and files that the sensor alone uses, which the user shall own. Everything below
    /// them that belongs to root is given away: never name a folder of somebody else's.
    pub(crate) hand_over: Vec<PathBuf>,
    /// Refuse all other files (Landlock).
    pub(crate) landlock: bool,
    /// Refuse all other system calls (seccomp).
    pub(crate) seccomp: Filter,
    /// A step that cannot be done is an error, not a warning.
    pub(crate) required: bool,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            user: None,
            group: None,
            write: Vec::new(),
            read: Vec::new(),
            hand_over: Vec::new(),
            landlock: true,
            seccomp: Filter::Enforce,
            required: true,
        }
    }
}

/// Where the process stands afterwards, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entered {
    /// What was given up.
    pub(crate) done: Vec<String>,
    /// What was not, or what will not work.
    pub(crate) warnings: Vec<String>,
}

/// Why the process keeps rights that it should not have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration names somebody unknown.
    #[error("there is no {kind} `{name}`")]
    Unknown {
        /// User or group.
        kind: &'static str,
        /// As the configuration has it.
        name: String,
    },
    /// The system refuses a step.
    #[error("cannot {step}: {reason}")]
    Step {
        /// What was tried.
        step: String,
        /// What the system says.
        reason: String,
    },
}

impl Error {
    fn step(step: impl Into<String>, reason: impl ToString) -> Self {
        Self::Step { step: step.into(), reason: reason.to_string() }
    }
}

/// Gives up all rights that are not needed from here on. The main thread calls this after NICs
/// and programs are attached, sockets bound and outputs open, and before any other thread runs:
/// capabilities and Landlock hold for the calling thread and those that it starts. There is no
/// way back.
///
/// # Errors
/// With the first step that cannot be done, unless the sandbox is not required. Rights given up
/// until then stay given up.
pub(crate) fn enter(sandbox: &Sandbox) -> Result<Entered, Error> {
    let mut entered = Entered::default();
    let required = sandbox.required;
    entered.take(alone(), required)?;
    // A wrong name in the configuration is never what somebody wanted.
    let owner = account::resolve(sandbox.user.as_ref(), sandbox.group.as_ref())?;
    // Who stays root would lose what is root's.
    if let Some(owner) = owner.as_ref().filter(|_| account::may_change()) {
        for path in &sandbox.hand_over {
            entered.take(ownership::hand_over(path, owner), required)?;
        }
    }
    // Paths are opened while the process may still reach them all.
    let territory = match sandbox.landlock {
        true => Some(survey(sandbox, &mut entered)?),
        false => None,
    };
    entered.take(capabilities::bound(), required)?;
    if let Some(owner) = &owner {
        change(owner, sandbox, &mut entered)?;
    }
    entered.take(capabilities::drop_all(), required)?;
    entered.take(no_new_privileges(), required)?;
    if let Some(territory) = territory {
        entered.take(territory.enclose(), required)?;
    }
    entered.warnings.extend(unwritable(&sandbox.write));
    entered.warnings.extend(unreadable(&sandbox.read));
    entered.take(seccomp::apply(sandbox.seccomp), required)?;
    entered.take(verify(sandbox), required)?;
    Ok(entered)
}

impl Entered {
    /// Notes how a step went. An error is only a warning where the step need not be done.
    fn take(&mut self, step: Result<Vec<String>, Error>, required: bool) -> Result<(), Error> {
        match step {
            Ok(done) => self.done.extend(done),
            Err(error) if required => return Err(error),
            Err(error) => self.warnings.push(error.to_string()),
        }
        Ok(())
    }
}

/// Finds the files that stay in reach.
fn survey(sandbox: &Sandbox, entered: &mut Entered) -> Result<Territory, Error> {
    let mut territory = Territory::of_system();
    for path in &sandbox.write {
        entered.take(territory.keep_writing(path), sandbox.required)?;
    }
    for path in &sandbox.read {
        // An optional file that is not there is no reason to stop.
        entered.take(territory.keep_reading(path), false)?;
    }
    Ok(territory)
}

/// Becomes the owner. In a container root need not be allowed to be anybody else; unless the
/// configuration names somebody, it then goes on as root without rights.
fn change(owner: &Owner, sandbox: &Sandbox, entered: &mut Entered) -> Result<(), Error> {
    let missing = "CAP_SETUID and CAP_SETGID are not held";
    let named = sandbox.user.is_some() || sandbox.group.is_some();
    match (account::may_change(), named) {
        (true, _) => entered.take(account::become_user(owner), sandbox.required),
        (false, true) => {
            let step = format!("become user {}, group {}", owner.user, owner.group);
            entered.take(Err(Error::step(step, missing)), sandbox.required)
        }
        (false, false) => {
            entered.warnings.push(format!("the user stays root: {missing}"));
            Ok(())
        }
    }
}

/// Other threads would keep what this one gives up.
fn alone() -> Result<Vec<String>, Error> {
    let step = "bind all threads";
    match status().map_err(|error| Error::step(step, error))?.threads {
        0 | 1 => Ok(Vec::new()),
        several => Err(Error::step(step, format!("{} already run beside", several - 1))),
    }
}

fn no_new_privileges() -> Result<Vec<String>, Error> {
    nix::sys::prctl::set_no_new_privs()
        .map_err(|errno| Error::step("set no_new_privs", errno.desc()))?;
    Ok(vec!["no program can give rights back (no_new_privs)".to_owned()])
}

/// Looks whether the kernel shows what the steps claim.
fn verify(sandbox: &Sandbox) -> Result<Vec<String>, Error> {
    let step = "verify what is left";
    let found = status().map_err(|error| Error::step(step, error))?;
    let wanted = match sandbox.seccomp {
        Filter::Off => 0,
        Filter::Log | Filter::Enforce => 2,
    };
    let holds = found.capabilities_permitted | found.capabilities_effective == 0
        && found.no_new_privileges
        && found.seccomp >= wanted;
    match holds {
        true => Ok(vec![found.to_string()]),
        false => Err(Error::step(step, found)),
    }
}

/// Kept paths that the user may not read after all: what was loaded from there cannot be loaded
/// anew.
fn unreadable(paths: &[PathBuf]) -> Vec<String> {
    let refused = |path: &&PathBuf| {
        let search = if path.is_dir() { AccessFlags::X_OK } else { AccessFlags::empty() };
        // What is not there is another matter.
        access(path.as_path(), AccessFlags::R_OK | search) == Err(Errno::EACCES)
    };
    let user = nix::unistd::Uid::effective();
    let refused = paths.iter().filter(refused);
    let line = |path: &PathBuf| {
        let path = path.display();
        format!("user {user} may not read {path}: rules and files from there can't be loaded anew")
    };
    refused.map(line).collect()
}

/// Kept paths that the user may not write after all: what is open goes on, but nothing is begun
/// anew there.
fn unwritable(paths: &[PathBuf]) -> Vec<String> {
    let refused = |path: &&PathBuf| access(path.as_path(), AccessFlags::W_OK).is_err();
    let user = nix::unistd::Uid::effective();
    paths
        .iter()
        .filter(refused)
        .map(|path| format!("user {user} may not write {}", path.display()))
        .collect()
}
