//! Sorted, disjoint ranges of numbers, bounds included: what address and port sets are made of.

/// A number that ranges are made of.
pub(crate) trait Point: Copy + Ord {
    /// The next larger one.
    fn next(self) -> Option<Self>;
    /// The next smaller one.
    fn before(self) -> Option<Self>;
}

macro_rules! points {
    ($($number:ty),+) => {
        $(impl Point for $number {
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn before(self) -> Option<Self> {
                self.checked_sub(1)
            }
        })+
    };
}

points!(u16, u32, u128);

/// Sorts ranges and joins those that touch.
pub(crate) fn merge<T: Point>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for &(low, high) in ranges.iter() {
        match merged.last_mut() {
            Some(last) if last.1.next().is_none_or(|behind| low <= behind) => {
                last.1 = last.1.max(high);
            }
            _ => merged.push((low, high)),
        }
    }
    *ranges = merged;
}

/// `from` without `holes`; both sorted and disjoint.
pub(crate) fn subtract<T: Point>(from: &[(T, T)], holes: &[(T, T)]) -> Vec<(T, T)> {
    let mut left = Vec::with_capacity(from.len());
    let mut first_hole = 0;
    for &(low, high) in from {
        let mut start = Some(low);
        while holes.get(first_hole).is_some_and(|hole| hole.1 < low) {
            first_hole += 1;
        }
        for &(hole_low, hole_high) in holes.get(first_hole..).unwrap_or(&[]) {
            let Some(from) = start else { break };
            if hole_low > high {
                break;
            }
            if let Some(end) = hole_low.before()
                && from <= end
            {
                left.push((from, end));
            }
            start = hole_high.next().filter(|&at| at <= high).map(|at| at.max(from));
        }
        if let Some(from) = start {
            left.push((from, high));
        }
    }
    left
}

/// Whether a range holds `value`.
pub(crate) fn hold<T: Point>(ranges: &[(T, T)], value: T) -> bool {
    if ranges.len() <= 8 {
        return ranges.iter().any(|&(low, high)| low <= value && value <= high);
    }
    let after = ranges.partition_point(|&(low, _)| low <= value);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, high)| value <= high)
}
