//! Regular expressions: a safe face for PCRE2 with JIT and match limits.
//!
//! The published `pcre2` crate has neither limits nor the anchored, dollar-end-only and ungreedy
//! options that Suricata's keyword needs, so this goes to the C functions themselves.

use std::ptr;

use pcre2_sys as sys;
use rules::rule::Pcre;
use rules::settings::PatternFault;

/// Options of an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegexOptions {
    /// Case does not matter.
    pub caseless: bool,
    /// A dot matches line ends.
    pub dotall: bool,
    /// `^` and `$` match at lines.
    pub multiline: bool,
    /// White space in the expression is ignored.
    pub extended: bool,
    /// Matches at the beginning only.
    pub anchored: bool,
    /// `$` matches at the very end only.
    pub dollar_end_only: bool,
    /// Quantifiers are lazy unless marked.
    pub ungreedy: bool,
}

impl RegexOptions {
    /// Those of an expression in a rule.
    pub const fn of(pcre: &Pcre) -> Self {
        Self {
            caseless: pcre.caseless,
            dotall: pcre.dotall,
            multiline: pcre.multiline,
            extended: pcre.extended,
            anchored: pcre.anchored,
            dollar_end_only: pcre.dollar_end_only,
            ungreedy: pcre.ungreedy,
        }
    }

    const fn bits(self) -> u32 {
        let mut bits = 0;
        if self.caseless {
            bits |= sys::PCRE2_CASELESS;
        }
        if self.dotall {
            bits |= sys::PCRE2_DOTALL;
        }
        if self.multiline {
            bits |= sys::PCRE2_MULTILINE;
        }
        if self.extended {
            bits |= sys::PCRE2_EXTENDED;
        }
        if self.anchored {
            bits |= sys::PCRE2_ANCHORED;
        }
        if self.dollar_end_only {
            bits |= sys::PCRE2_DOLLAR_ENDONLY;
        }
        if self.ungreedy {
            bits |= sys::PCRE2_UNGREEDY;
        }
        bits
    }
}

/// A compiled expression; immutable, shared by all workers.
#[derive(Debug)]
pub struct Regex {
    code: *mut sys::pcre2_code_8,
    groups: u32,
}

// SAFETY: after `compile` the code is only read (PCRE2 documents compiled code as usable by
// several threads at a time); match data and contexts are per worker.
unsafe impl Send for Regex {}
// SAFETY: as above.
unsafe impl Sync for Regex {}

/// Why an expression was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at offset {offset}")]
pub struct RegexError {
    /// PCRE2's text.
    pub message: String,
    /// Place in the expression, bytes.
    pub offset: usize,
}

impl Regex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What PCRE2 says is wrong with it.
    pub fn compile(pattern: &[u8], options: RegexOptions) -> Result<Self, RegexError> {
        let mut code = 0;
        let mut offset = 0;
        // SAFETY: pattern and length describe one slice; the out pointers are valid; a null
        // context means defaults.
        let compiled = unsafe {
            sys::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options.bits(),
                &raw mut code,
                &raw mut offset,
                ptr::null_mut(),
            )
        };
        if compiled.is_null() {
            return Err(RegexError { message: error_text(code), offset });
        }
        let mut groups: u32 = 0;
        // SAFETY: PCRE2_INFO_CAPTURECOUNT writes one u32.
        unsafe {
            sys::pcre2_pattern_info_8(
                compiled,
                sys::PCRE2_INFO_CAPTURECOUNT,
                (&raw mut groups).cast(),
            );
        }
        Ok(Self { code: compiled, groups })
    }

    /// Makes machine code of it, for many searches.
    #[must_use]
    pub fn optimized(self) -> Self {
        // SAFETY: the code is valid and nobody else has it yet. Without JIT support the call fails
        // and matching falls back to the interpreter, which is why the result does not matter.
        unsafe { sys::pcre2_jit_compile_8(self.code, sys::PCRE2_JIT_COMPLETE) };
        self
    }

    /// How many groups the expression has.
    pub const fn groups(&self) -> u32 {
        self.groups
    }

    /// Looks for a match in `subject` from byte `from` on. Exceeded limits count as no match.
    pub fn find(&self, subject: &[u8], from: usize, matcher: &mut Matcher) -> bool {
        if from > subject.len() {
            return false;
        }
        // SAFETY: subject and length describe one slice, `from` lies within it, match data and
        // context belong to this matcher, which is borrowed for the call.
        let found = unsafe {
            sys::pcre2_match_8(
                self.code,
                subject.as_ptr(),
                subject.len(),
                from,
                0,
                matcher.data,
                matcher.context,
            )
        };
        matcher.pairs = usize::try_from(found).unwrap_or(0);
        found >= 0
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: the code was made by `compile` and is freed once.
        unsafe { sys::pcre2_code_free_8(self.code) };
    }
}

/// Compiles an expression on trial, when its rule is read: the number of its groups.
///
/// # Errors
/// What PCRE2 says is wrong with it, and where.
pub fn check(pcre: &Pcre) -> Result<u32, PatternFault> {
    match Regex::compile(&pcre.pattern, RegexOptions::of(pcre)) {
        Ok(regex) => Ok(regex.groups()),
        Err(error) => Err(PatternFault { offset: error.offset, message: error.message }),
    }
}

fn error_text(code: i32) -> String {
    let mut text = [0u8; 256];
    // SAFETY: buffer and length belong together.
    let len = unsafe { sys::pcre2_get_error_message_8(code, text.as_mut_ptr(), text.len()) };
    let len = usize::try_from(len).unwrap_or(0).min(text.len());
    String::from_utf8_lossy(&text[..len]).into_owned()
}

/// Groups that a matcher has room for.
const MAX_PAIRS: u32 = 33;

/// What a worker needs to match: room for groups, and limits.
#[derive(Debug)]
pub struct Matcher {
    data: *mut sys::pcre2_match_data_8,
    context: *mut sys::pcre2_match_context_8,
    pairs: usize,
}

// SAFETY: a matcher is owned by one worker at a time; nothing in it is tied to a thread.
unsafe impl Send for Matcher {}

impl Matcher {
    /// With limits on matching steps and on depth, as Suricata 8 sets them (3500 and 1500).
    pub fn new(match_limit: u32, depth_limit: u32) -> Self {
        // SAFETY: creation with default memory functions; null results are handled by PCRE2's
        // own argument checks (matching then fails).
        let (data, context) = unsafe {
            (
                sys::pcre2_match_data_create_8(MAX_PAIRS, ptr::null_mut()),
                sys::pcre2_match_context_create_8(ptr::null_mut()),
            )
        };
        if !context.is_null() {
            // SAFETY: the context is valid.
            unsafe {
                sys::pcre2_set_match_limit_8(context, match_limit);
                sys::pcre2_set_depth_limit_8(context, depth_limit);
            }
        }
        Self { data, context, pairs: 0 }
    }

    /// Begin and end of group `n` of the last match (0 is the whole); none if it took no part.
    pub fn group(&self, n: usize) -> Option<(usize, usize)> {
        if n >= self.pairs || n >= MAX_PAIRS as usize {
            return None;
        }
        // SAFETY: after a match with `pairs` results the vector holds two offsets for each, and
        // `n` is below both that number and the size of the vector.
        let (start, end) = unsafe {
            let vector = sys::pcre2_get_ovector_pointer_8(self.data);
            (*vector.add(n * 2), *vector.add(n * 2 + 1))
        };
        (start <= end && end != usize::MAX).then_some((start, end))
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        // SAFETY: both were made by `new` and are freed once; freeing null is allowed.
        unsafe {
            sys::pcre2_match_data_free_8(self.data);
            sys::pcre2_match_context_free_8(self.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Matcher, Regex, RegexOptions};

    #[test]
    fn finds_groups_and_honours_limits() {
        let mut matcher = Matcher::new(3500, 1500);
        let options = RegexOptions { caseless: true, ..RegexOptions::default() };
        let regex = Regex::compile(b"a(b+)c", options).expect("valid").optimized();
        assert!(regex.find(b"xxABBCx", 0, &mut matcher));
        assert_eq!(matcher.group(0), Some((2, 6)));
        assert_eq!(matcher.group(1), Some((3, 5)));
        assert!(!regex.find(b"xxABBCx", 3, &mut matcher));
        let slow = Regex::compile(b"(a+)+$", RegexOptions::default()).expect("valid");
        assert!(!slow.find(
            &[b'a'; 40].iter().copied().chain([b'!']).collect::<Vec<_>>(),
            0,
            &mut matcher
        ));
    }

    #[test]
    fn a_bad_expression_says_where() {
        let error = Regex::compile(b"a(b", RegexOptions::default()).expect_err("open group");
        assert_eq!(error.offset, 3);
    }
}
