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
    let text = text.trim();
    let end = text.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let shift = match unit.trim_start() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        unit => match unit.to_ascii_lowercase().as_str() {
            "" => 0,
            "kb" => 10,
            "mb" => 20,
            "gb" => 30,
            _ => return None,
        },
    };
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = number.parse::<f64>().ok()? * (1u64 << shift) as f64;
    (value.is_finite() && value < u64::MAX as f64).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(strict(text), expected, "{text}");
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
}
