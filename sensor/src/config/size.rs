//! Sizes such as `64 MiB` in `suricata.yaml`.

/// What is said about a text that is no size.
pub(crate) fn complaint(text: &str) -> String {
    format!(
        "invalid size argument: '{text}'. Valid input is <number><unit>. \
         Unit can be kb/KiB, mb/MiB or gb/GiB"
    )
}

/// A number, fractions allowed, with a unit: kb, mb, gb in any letter case or exactly KiB, MiB,
/// GiB; all are powers of 1024.
pub(crate) fn strict(text: &str) -> Option<u64> {
    read(text, |unit| match unit {
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => match unit.to_ascii_lowercase().as_str() {
            "" => Some(0),
            "kb" => Some(10),
            "mb" => Some(20),
            "gb" => Some(30),
            _ => None,
        },
    })
}

/// The reading of some protocols' limits: units in any letter case.
pub(crate) fn lax(text: &str) -> Option<u64> {
    read(text, |unit| match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        _ => None,
    })
}

fn read(text: &str, shift_of: impl Fn(&str) -> Option<u32>) -> Option<u64> {
    let text = text.trim();
    let end = text.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = (1u64 << shift_of(unit.trim_start())?) as f64;
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = number.parse::<f64>().ok()? * factor;
    (value.is_finite() && value < u64::MAX as f64).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(strict(text), expected, "{text}");
        check("0", Some(0));
        check("1024", Some(1024));
        check("1.5mb", Some(1_572_864));
        check("4kb", Some(4096));
        check("4kB", Some(4096));
        check("100 KiB", Some(102_400));
        check("64 MiB", Some(64 << 20));
        check("2GB", Some(2 << 30));
        for bad in ["1mib", "1k", "1024 b", "-1", "", "kb", "1..5mb", ".5mb", "1 mb x", "1e3"] {
            check(bad, None);
        }
    }

    #[test]
    fn protocols_read_units_in_any_case() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(lax(text), expected, "{text}");
        check("1mib", Some(1 << 20));
        check("1k", Some(1024));
        check("50", Some(50));
        check("1 xb", None);
    }
}
