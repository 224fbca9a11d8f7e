//! Which records stay when one of so many does: by a hash, the same in every run.

use crate::record::Record;

/// What hashes are for, so that one choice says nothing about another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Flows.
    Flow = 1,
    /// Records without a flow.
    NoFlow = 2,
    /// Records over a budget.
    Budget = 3,
}

/// True when one of `weight` stays and this is it. All types of records keep the same flows, and
/// who stays among many stays among few.
pub(super) fn stays(hash: u64, weight: u64) -> bool {
    (u128::from(hash) * u128::from(weight)) >> 64 == 0
}

/// Of a record's flow, or of the record when it has none.
pub(super) fn of_flow(record: &Record<'_>) -> u64 {
    match record.flow_id() {
        Some(flow) => mix(flow ^ mix(Purpose::Flow as u64)),
        None => of_record(record.worker, record.sequence, Purpose::NoFlow),
    }
}

/// Of a record alone.
pub(super) fn of_record(worker: u16, sequence: u64, purpose: Purpose) -> u64 {
    mix(sequence ^ mix(u64::from(worker) << 8 | purpose as u64))
}

/// Spreads numbers that lie close together over all numbers (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_so_many_stays() {
        for weight in [1, 2, 7, 10, 1000] {
            let count = 1_000_000;
            let of = |sequence| stays(of_record(3, sequence, Purpose::Budget), weight);
            let kept = (0..count).filter(|sequence| of(*sequence)).count() as f64;
            let share = 1.0 / weight as f64;
            let deviation = (count as f64 * share * (1.0 - share)).sqrt();
            let expected = count as f64 * share;
            assert!((kept - expected).abs() <= 5.0 * deviation, "1/{weight}: {kept}");
        }
    }

    #[test]
    fn records_of_a_flow_stay_together_and_those_of_few_are_among_those_of_more() {
        let record = |sequence, bytes| of_flow(&Record { worker: 0, sequence, bytes });
        let bytes = br#"{"flow_id":77,"event_type":"dns"}"#;
        assert_eq!(record(1, bytes), record(2, bytes));
        assert_ne!(record(1, b"{}"), record(2, b"{}"));
        for number in 0..10_000 {
            let hash = mix(number);
            assert!(!stays(hash, 100) || stays(hash, 10));
        }
    }
}
