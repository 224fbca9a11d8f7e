//! Pins the calling thread to one CPU.

use core_affinity::CoreId;

/// A thread that could not be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this thread can't be pinned to cpu {0}: the cpu is offline or not allowed here")]
pub struct PinError(pub u32);

/// Pins the calling thread to the CPU with the kernel's number `cpu`.
///
/// # Errors
/// The CPU does not exist, is offline, or lies outside of the container's cpuset.
pub fn pin_current_thread(cpu: u32) -> Result<(), PinError> {
    // The set behind the crate's call has CPU_SETSIZE bits and no check of its own.
    let id = usize::try_from(cpu).ok().filter(|id| *id < libc::CPU_SETSIZE as usize);
    match id {
        Some(id) if core_affinity::set_for_current(CoreId { id }) => Ok(()),
        _ => Err(PinError(cpu)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_to_the_cpu_named_and_to_no_other() {
        std::thread::spawn(|| {
            let allowed = core_affinity::get_core_ids().unwrap();
            let last = u32::try_from(allowed.last().unwrap().id).unwrap();
            pin_current_thread(last).unwrap();
            let now = core_affinity::get_core_ids().unwrap();
            assert_eq!(now.iter().map(|core| core.id as u32).collect::<Vec<_>>(), [last]);
            for wrong in [1023, 1024, u32::MAX] {
                assert_eq!(pin_current_thread(wrong), Err(PinError(wrong)));
            }
        })
        .join()
        .unwrap();
    }
}
