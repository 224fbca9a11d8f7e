//! Brings a host to where a plan wants it, step by step, and back again.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{host::Host, plan::Plan, setting::Setting};

/// What was before, so that it can be again; it can be kept in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The old values in the order in which they were changed.
    pub settings: Vec<Setting>,
}

/// A plan that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What brings the host back.
    pub undo: Undo,
    /// What was changed.
    pub done: Vec<Setting>,
    /// What could not be changed and can be done without, a line each.
    pub warnings: Vec<String>,
}

/// A step that capture can't do without failed; what had been changed was undone.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {cause}{}", undone(problems))]
pub struct ApplyError {
    /// The step.
    pub setting: Box<Setting>,
    /// Why it failed.
    pub cause: io::Error,
    /// What could not be undone, a line each.
    pub problems: Vec<String>,
}

/// Applies the plan's steps that the host doesn't meet. After each change `keep` is given all that
/// is needed to undo, so that it outlives this process.
///
/// # Errors
/// A step that capture can't do without fails; the changes before it are then undone.
pub fn apply(
    plan: &Plan,
    host: &mut dyn Host,
    mut keep: impl FnMut(&Undo) -> io::Result<()>,
) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    for step in &plan.steps {
        for setting in single(host, &step.setting) {
            let result = setting.and_then(|setting| {
                change(host, &setting, &mut applied, &mut keep).map_err(|cause| (setting, cause))
            });
            match result {
                Ok(()) => {}
                Err((setting, cause)) if step.required => {
                    let problems = applied.undo.run(host);
                    return Err(ApplyError { setting: Box::new(setting), cause, problems });
                }
                Err((setting, cause)) => applied.warnings.push(format!("{setting}: {cause}")),
            }
        }
    }
    Ok(applied)
}

impl Undo {
    /// Brings back what was, the last change first, as far as it goes; returns what did not.
    pub fn run(&self, host: &mut dyn Host) -> Vec<String> {
        let mut problems = Vec::new();
        for setting in self.settings.iter().rev() {
            if host.now(setting).is_ok_and(|now| setting.met_by(&now)) {
                continue;
            }
            if let Err(cause) = host.set(setting) {
                problems.push(format!("{setting}: {cause}"));
            }
        }
        problems
    }

    /// Writes it to a file as JSON.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        // Through a second file, so that there is always one that is whole.
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        fs::write(&partial, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&partial, path)
    }

    /// Reads what [`Undo::save`] wrote.
    ///
    /// # Errors
    /// The file can't be read or is not such a file.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

type Failure = (Setting, io::Error);

/// The settings that each have one old value: those of a queue's interrupts are one per interrupt.
fn single(host: &mut dyn Host, setting: &Setting) -> Vec<Result<Setting, Failure>> {
    let Setting::QueueInterrupts { interface, queue, cpus } = setting else {
        return vec![Ok(setting.clone())];
    };
    let interrupts = match host.interrupts(interface, *queue) {
        Ok(interrupts) if interrupts.is_empty() => Err(io::ErrorKind::NotFound.into()),
        other => other,
    };
    match interrupts {
        Ok(interrupts) => interrupts
            .into_iter()
            .map(|irq| {
                let (interface, cpus) = (interface.clone(), cpus.clone());
                Ok(Setting::Interrupt { interface, irq, cpus })
            })
            .collect(),
        Err(cause) => vec![Err((setting.clone(), cause))],
    }
}

fn change(
    host: &mut dyn Host,
    setting: &Setting,
    applied: &mut Applied,
    keep: &mut dyn FnMut(&Undo) -> io::Result<()>,
) -> io::Result<()> {
    let before = host.now(setting)?;
    if setting.met_by(&before) {
        return Ok(());
    }
    // Kept before it is done: to undo what was not done does no harm, the other way round does.
    applied.undo.settings.push(before.clone());
    let kept = keep(&applied.undo);
    if let Err(error) = kept.and_then(|()| host.set(setting)) {
        applied.undo.settings.pop();
        return Err(error);
    }
    let after = host.now(setting)?;
    if !setting.met_by(&after) {
        if after == before {
            applied.undo.settings.pop();
        }
        return Err(io::Error::other(format!("taken, but it is {}", after.value())));
    }
    applied.done.push(setting.clone());
    Ok(())
}

fn undone(problems: &[String]) -> String {
    if problems.is_empty() {
        "; what had been changed was undone".to_owned()
    } else {
        format!("; not undone: {}", problems.join("; "))
    }
}
