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

    /// Looks for a match in `subject` from byte `from` on. Exceeded limits count as no match; the
    /// matcher counts them.
    pub fn find(&self, subject: &[u8], from: usize, matcher: &mut Matcher) -> bool {
        if from > subject.len() {
            return false;
        }
        matcher.make_room(self.groups);
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
        matcher.note(found);
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

/// Groups that a matcher has room for at first, the whole included.
const PAIRS: u32 = 33;

/// What a worker needs to match: room for groups, and limits.
#[derive(Debug)]
pub struct Matcher {
    data: *mut sys::pcre2_match_data_8,
    context: *mut sys::pcre2_match_context_8,
    /// Groups that there is room for.
    room: u32,
    /// Groups that the last match has set.
    pairs: usize,
    exceeded: u64,
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
                sys::pcre2_match_data_create_8(PAIRS, ptr::null_mut()),
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
        let room = if data.is_null() { 0 } else { PAIRS };
        Self { data, context, room, pairs: 0, exceeded: 0 }
    }

    /// Searches that were given up at a limit.
    pub const fn exceeded(&self) -> u64 {
        self.exceeded
    }

    /// Begin and end of group `n` of the last match (0 is the whole); none if it took no part.
    pub fn group(&self, n: usize) -> Option<(usize, usize)> {
        if n >= self.pairs {
            return None;
        }
        // SAFETY: after a match with `pairs` results, which are never more than there is room for,
        // the vector holds two offsets for each, and `n` is below that number.
        let (start, end) = unsafe {
            let vector = sys::pcre2_get_ovector_pointer_8(self.data);
            (*vector.add(n * 2), *vector.add(n * 2 + 1))
        };
        (start <= end && end != usize::MAX).then_some((start, end))
    }

    /// Makes room for an expression's groups; once for the expression with the most.
    fn make_room(&mut self, groups: u32) {
        let wanted = groups.saturating_add(1);
        if wanted <= self.room {
            return;
        }
        // SAFETY: creation with default memory functions; a null result is left alone.
        let larger = unsafe { sys::pcre2_match_data_create_8(wanted, ptr::null_mut()) };
        if larger.is_null() {
            return;
        }
        // SAFETY: the old data was made by `new` or here, nobody else has it, and it is replaced.
        unsafe { sys::pcre2_match_data_free_8(self.data) };
        (self.data, self.room, self.pairs) = (larger, wanted, 0);
    }

    /// Takes in the result of a search.
    fn note(&mut self, found: i32) {
        // 0: a match with more groups than there is room for.
        self.pairs = match found {
            0 => self.room as usize,
            _ => usize::try_from(found).unwrap_or(0).min(self.room as usize),
        };
        let limits = [
            sys::PCRE2_ERROR_MATCHLIMIT,
            sys::PCRE2_ERROR_DEPTHLIMIT,
            sys::PCRE2_ERROR_HEAPLIMIT,
            sys::PCRE2_ERROR_JIT_STACKLIMIT,
        ];
        self.exceeded = self.exceeded.saturating_add(u64::from(limits.contains(&found)));
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        // SAFETY: both were made by this matcher and are freed once; freeing null is allowed.
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
        assert_eq!(matcher.exceeded(), 1);
        assert_eq!(matcher.group(0), None);
    }

    /// The number of groups, of which the last one matches.
    #[test]
    fn there_is_room_for_all_groups() {
        let mut matcher = Matcher::new(3500, 1500);
        for groups in [1, 32, 33, 200, 2] {
            let pattern = format!("{}(y)", "(x)?".repeat(groups - 1));
            let regex = Regex::compile(pattern.as_bytes(), RegexOptions::default());
            let regex = regex.expect("valid").optimized();
            assert!(regex.find(b"..y", 0, &mut matcher));
            assert_eq!(matcher.group(0), Some((2, 3)), "{groups}");
            assert_eq!(matcher.group(groups), Some((2, 3)), "{groups}");
            assert_eq!(matcher.group(groups - 1).is_some(), groups == 1, "{groups}");
            assert_eq!(matcher.group(groups + 1), None, "{groups}");
        }
        assert_eq!(matcher.exceeded(), 0);
    }

    #[test]
    fn a_bad_expression_says_where() {
        let error = Regex::compile(b"a(b", RegexOptions::default()).expect_err("open group");
        assert_eq!(error.offset, 3);
    }
}
