//! Which data survives where fragments overlap, by the way of the destination's system.

use crate::settings::OsPolicy;

/// A way of putting overlapping fragments together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DefragPolicy {
    /// Data further left wins, the older at the same offset.
    #[default]
    Bsd,
    /// Data further right wins, the newer at the same offset.
    BsdRight,
    /// Data further left wins, the newer at the same offset.
    Linux,
    /// The older wins.
    First,
    /// The older wins unless the newer begins before it and reaches its end.
    Solaris,
    /// The older wins unless the newer goes beyond it on both sides.
    Windows,
}

impl From<OsPolicy> for DefragPolicy {
    fn from(policy: OsPolicy) -> Self {
        match policy {
            OsPolicy::Bsd | OsPolicy::Hpux10 | OsPolicy::Irix => Self::Bsd,
            OsPolicy::BsdRight => Self::BsdRight,
            OsPolicy::Linux | OsPolicy::OldLinux => Self::Linux,
            OsPolicy::OldSolaris | OsPolicy::Hpux11 | OsPolicy::Macos => Self::First,
            OsPolicy::Solaris => Self::Solaris,
            OsPolicy::Windows | OsPolicy::Vista | OsPolicy::Windows2k3 => Self::Windows,
        }
    }
}

/// A range of bytes of the whole packet, end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// What becomes of a stored fragment and a new one that overlap. Fragments are copied in
/// ascending order, so where both are kept, the one that begins later wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Both stay as they are.
    KeepBoth,
    /// The new one is not needed.
    DropNew,
    /// The new one begins where the stored one ends.
    TrimNew,
    /// The stored one is not needed.
    DropStored,
    /// The stored one begins where the new one ends.
    TrimStored,
}

/// Decides between a stored fragment and a new one that overlap. `arrived` is the new one as it
/// came, `new` what earlier fragments have left of it.
pub(super) fn resolve(policy: DefragPolicy, stored: Span, arrived: Span, new: Span) -> Resolution {
    let keep_stored = || {
        if stored.end >= new.end { Resolution::DropNew } else { Resolution::TrimNew }
    };
    let keep_new = || {
        if new.end >= stored.end { Resolution::DropStored } else { Resolution::TrimStored }
    };
    match policy {
        DefragPolicy::BsdRight => Resolution::KeepBoth,
        DefragPolicy::Bsd if stored.start <= arrived.start => keep_stored(),
        DefragPolicy::Linux if stored.start < arrived.start => keep_stored(),
        DefragPolicy::Bsd | DefragPolicy::Linux => keep_new(),
        DefragPolicy::First | DefragPolicy::Solaris | DefragPolicy::Windows
            if stored.start <= new.start =>
        {
            keep_stored()
        }
        DefragPolicy::First => Resolution::KeepBoth,
        DefragPolicy::Solaris if new.end >= stored.end => Resolution::DropStored,
        DefragPolicy::Windows if new.end > stored.end => Resolution::DropStored,
        DefragPolicy::Solaris | DefragPolicy::Windows => Resolution::KeepBoth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decided_as_each_system_does() {
        use DefragPolicy::*;
        use Resolution::*;
        // Stored span, new span, outcome for Bsd, Linux, First, Solaris, Windows.
        let table = [
            ((0, 24), (8, 40), [TrimNew, TrimNew, TrimNew, TrimNew, TrimNew]),
            ((0, 24), (8, 16), [DropNew, DropNew, DropNew, DropNew, DropNew]),
            ((8, 16), (8, 16), [DropNew, DropStored, DropNew, DropNew, DropNew]),
            ((8, 24), (8, 16), [DropNew, TrimStored, DropNew, DropNew, DropNew]),
            ((8, 16), (8, 24), [TrimNew, DropStored, TrimNew, TrimNew, TrimNew]),
            ((8, 16), (0, 24), [DropStored, DropStored, KeepBoth, DropStored, DropStored]),
            ((8, 16), (0, 16), [DropStored, DropStored, KeepBoth, DropStored, KeepBoth]),
            ((8, 24), (0, 16), [TrimStored, TrimStored, KeepBoth, KeepBoth, KeepBoth]),
        ];
        for (stored, new, outcomes) in table {
            let span = |(start, end)| Span { start, end };
            let policies = [Bsd, Linux, First, Solaris, Windows];
            for (policy, outcome) in policies.into_iter().zip(outcomes) {
                let found = resolve(policy, span(stored), span(new), span(new));
                assert_eq!(found, outcome, "{policy:?} {stored:?} {new:?}");
            }
            let right = resolve(BsdRight, span(stored), span(new), span(new));
            assert_eq!(right, KeepBoth);
        }
    }
}
