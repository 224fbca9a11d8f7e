//! The engines that run the filter over a haystack, and the choice between them.

use crate::filter::Filter;

/// An implementation of the filter. All of them find the same matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Plain Rust, for every processor.
    Scalar,
    /// 32 positions at once by halves of bytes.
    Avx2,
    /// 64 positions at once by whole bytes (AVX-512 VBMI: Ice Lake, Zen 4 and later).
    Vbmi,
}

impl EngineKind {
    /// All kinds, whether the processor has them or not.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Vbmi];

    /// Whether this processor can run the engine.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("popcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The name for logs and benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Vbmi => "vbmi",
        }
    }
}

/// Which of 64 positions survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Positions at which a window of a long literal may start.
    pub(crate) long: u64,
    /// The same for short literals.
    pub(crate) short: u64,
}

/// Marks the positions of a haystack at which a window may start.
pub(crate) trait Engine {
    /// Sets bit `b` of `marks[i]` if the filter lets position `start + 64 * i + b` pass. All marks
    /// are written. Bytes past the end of the haystack count as zero, and bits of positions past
    /// its end mean nothing.
    fn mark<const W: usize>(filter: &Filter<W>, haystack: &[u8], start: usize, marks: &mut [Marks]);

    /// Does some work, compiled for the processors that can run the engine.
    fn run(work: impl FnOnce());
}

/// Lets every position pass: what an engine does with tables made for another one.
pub(crate) fn mark_all(marks: &mut [Marks]) {
    marks.fill(Marks { long: u64::MAX, short: u64::MAX });
}
