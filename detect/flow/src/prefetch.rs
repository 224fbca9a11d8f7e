//! Asks the processor to fetch memory that is needed soon.

/// Bytes that memory is fetched in.
const LINE: usize = 64;

/// Starts fetching the first `bytes` of `value`; goes on without waiting for them. Reading a byte
/// instead would do the same, but holds up everything behind it.
#[inline(always)]
pub(crate) fn first<T>(value: &T, bytes: usize) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for at in (0..bytes.min(size_of::<T>())).step_by(LINE) {
        line(start.wrapping_add(at));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing and never faults, whatever the address; every x86-64
    // processor has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

/// Elsewhere memory comes when it is read.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn line(_address: *const i8) {}
