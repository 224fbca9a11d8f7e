//! Puts records of several workers into one order.

use detect::output::{Events, Records};

/// Merges what the workers made of one round by the order marks of the records; equal marks stay
/// in the order of the workers. Records of one worker keep their order.
pub(crate) fn merge(parts: &[Events], merged: &mut Events) {
    for (output, records) in merged.outputs.iter_mut().enumerate() {
        let parts: Vec<&Records> =
            parts.iter().filter_map(|events| events.outputs.get(output)).collect();
        one_output(&parts, records);
    }
}

fn one_output(parts: &[&Records], merged: &mut Records) {
    // Next record of each part: its place among the marks, and where its bytes begin.
    let mut next = vec![(0usize, 0usize); parts.len()];
    loop {
        let mut first: Option<(u64, &[u8], usize)> = None;
        for (part, (records, (at, start))) in parts.iter().zip(&next).enumerate() {
            let Some((order, end)) = records.marks.get(*at) else { continue };
            // Records that come last have no place among packets: their bytes decide.
            let line = match *order {
                Records::LAST => records.bytes.get(*start..*end).unwrap_or_default(),
                _ => &[],
            };
            if first.is_none_or(|(lowest, bytes, _)| (*order, line) < (lowest, bytes)) {
                first = Some((*order, line, part));
            }
        }
        let Some((order, _, part)) = first else { return };
        let (Some(records), Some((at, start))) = (parts.get(part), next.get_mut(part)) else {
            return;
        };
        let end = records.marks.get(*at).map_or(*start, |(_, end)| *end);
        merged.bytes.extend_from_slice(records.bytes.get(*start..end).unwrap_or_default());
        merged.marks.push((order, merged.bytes.len()));
        merged.count += 1;
        *start = end;
        *at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(records: &[(u64, &str)]) -> Events {
        let mut events = Events::new(1);
        for (order, text) in records {
            events.outputs[0].bytes.extend_from_slice(text.as_bytes());
            let end = events.outputs[0].bytes.len();
            events.outputs[0].marks.push((*order, end));
        }
        events
    }

    #[test]
    fn records_are_merged_by_their_marks() {
        let parts = [
            part(&[(1, "a\n"), (4, "d\n"), (4, "e\n")]),
            part(&[(2, "b\n"), (3, "c\n"), (4, "f\n")]),
            part(&[]),
        ];
        let mut merged = Events::new(1);
        merge(&parts, &mut merged);
        assert_eq!(merged.outputs[0].bytes, b"a\nb\nc\nd\ne\nf\n");
        assert_eq!(merged.outputs[0].count, 6);
    }
}
