//! Which part of a body rules look at: nothing before enough of it is there, then windows that
//! overlap what was looked at before.

use super::settings::BodySettings;

/// How far a body is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Bytes of the body so far.
    pub(crate) total: u64,
    /// Nothing comes after them.
    pub(crate) ended: bool,
    /// The body is inspected as it comes.
    pub(crate) inline: bool,
}

/// True when inspection may begin.
pub(crate) fn is_ready(reach: Reach, settings: &BodySettings) -> bool {
    reach.ended
        || reach.inline
        || reach.total >= u64::from(settings.minimal_inspect_size)
        || (settings.limit > 0 && reach.total >= settings.limit)
}

/// How many inspected bytes are looked at again, when `new` bytes have come since. Bodies of
/// requests are looked at from their start until the minimal size was inspected.
pub(crate) fn overlap(inspected: u64, new: u64, settings: &BodySettings, request: bool) -> u64 {
    if request && inspected <= u64::from(settings.minimal_inspect_size) {
        return inspected;
    }
    let window = u64::from(settings.inspect_window);
    if new < window { window - new } else { window / 4 }
}

/// Most bytes that are held while nobody inspects.
pub(crate) fn most_held(settings: &BodySettings) -> u64 {
    3 * u64::from(settings.minimal_inspect_size.max(settings.inspect_window))
}

/// The bytes of a body that is no file that rules may still look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    offset: u64,
    inspected: u64,
}

impl Held {
    /// Appends bytes and lets go of those that are out of every window.
    pub(crate) fn append(&mut self, bytes: &[u8], settings: &BodySettings) {
        self.bytes.extend_from_slice(bytes);
        let end = self.end();
        if end - self.inspected > most_held(settings).max(bytes.len() as u64) {
            self.inspected = end - most_held(settings).min(end);
        }
        self.shrink(settings);
    }

    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    fn shrink(&mut self, settings: &BodySettings) {
        if self.inspected <= u64::from(settings.minimal_inspect_size) {
            return;
        }
        let keep = self.inspected.saturating_sub(settings.inspect_window.into());
        let drop = usize::try_from(keep.saturating_sub(self.offset)).unwrap_or(0);
        // Bytes are moved only when it pays.
        if drop > 0 && drop * 2 >= self.bytes.len() {
            self.bytes.drain(..drop.min(self.bytes.len()));
            self.offset += drop as u64;
        }
    }

    /// The window: its bytes and the position of the first.
    pub(crate) fn window(&self, settings: &BodySettings, request: bool) -> (&[u8], u64) {
        let new = self.end() - self.inspected;
        let again = overlap(self.inspected, new, settings, request);
        let from = self.inspected.saturating_sub(again).max(self.offset);
        let skip = usize::try_from(from - self.offset).unwrap_or(usize::MAX);
        (self.bytes.get(skip..).unwrap_or(&[]), from)
    }

    /// Everything that is held.
    pub(crate) fn all(&self) -> &[u8] {
        &self.bytes
    }

    /// Rules have looked at everything.
    pub(crate) fn mark_inspected(&mut self, settings: &BodySettings) {
        self.inspected = self.end();
        self.shrink(settings);
    }

    /// Forgets the body.
    pub(crate) fn clear(&mut self) {
        if self.bytes.capacity() > 16 * 1024 {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        (self.offset, self.inspected) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::BodySettings;
    use super::{Held, Reach, is_ready, overlap};

    const SETTINGS: BodySettings =
        BodySettings { limit: 1000, minimal_inspect_size: 100, inspect_window: 40 };

    #[test]
    fn begins_when_enough_is_there() {
        let at = |total| Reach { total, ended: false, inline: false };
        assert!(!is_ready(at(99), &SETTINGS) && is_ready(at(100), &SETTINGS));
        assert!(is_ready(Reach { ended: true, ..at(1) }, &SETTINGS));
        assert!(is_ready(Reach { inline: true, ..at(1) }, &SETTINGS));
        let small = BodySettings { limit: 10, ..SETTINGS };
        assert!(is_ready(at(10), &small));
    }

    #[test]
    fn overlaps() {
        assert_eq!(overlap(200, 10, &SETTINGS, false), 30);
        assert_eq!(overlap(200, 40, &SETTINGS, false), 10);
        assert_eq!(overlap(90, 10, &SETTINGS, true), 90);
        assert_eq!(overlap(101, 10, &SETTINGS, true), 30);
    }

    #[test]
    fn windows_slide() {
        let mut held = Held::default();
        held.append(&[1; 150], &SETTINGS);
        assert_eq!(held.window(&SETTINGS, true), (&[1; 150][..], 0));
        held.mark_inspected(&SETTINGS);
        held.append(&[2; 10], &SETTINGS);
        let (bytes, from) = held.window(&SETTINGS, true);
        assert_eq!((bytes.len(), from), (40, 120));
        for _ in 0..100 {
            held.append(&[3; 100], &SETTINGS);
        }
        assert!(held.all().len() < 1000, "nobody inspects: {}", held.all().len());
    }
}
