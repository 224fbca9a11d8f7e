//! Times and sizes in configurations: `200 ms`, `5 s`, `2 h`; `16 MiB`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay(pub Duration);

/// A number of bytes with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// Reads a time: a number and `us`, `ms`, `s`, `min`, `h` or `d`.
///
/// # Errors
/// With what was wrong.
pub fn parse(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let microseconds: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "min" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        "" => return Err(format!("{text} has no unit: us, ms, s, min, h or d")),
        _ => return Err(format!("{unit} is no unit of time: us, ms, s, min, h or d")),
    };
    let whole = number.checked_mul(microseconds).ok_or(format!("{text} is too long"))?;
    Ok(Duration::from_micros(whole))
}

fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let bytes: u64 = match unit {
        "" if number == 0 => 1,
        "" => return Err(format!("{text} has no unit: KiB, MiB, GiB or TiB (B for bytes)")),
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(format!("{unit} is no unit of size: KiB, MiB, GiB or TiB")),
    };
    number.checked_mul(bytes).ok_or(format!("{text} is too large"))
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number.parse().map_err(|_| format!("{text} does not begin with a number"))?;
    Ok((number, unit.trim()))
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        let microseconds = self.0.as_micros();
        let units = [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min")];
        let units = units.into_iter().chain([(1_000_000, "s"), (1_000, "ms"), (1, "us")]);
        // What no larger unit fits without a rest.
        let mut fitting = units.filter(|(size, _)| microseconds.is_multiple_of(*size));
        let (size, unit) = match microseconds {
            0 => (1, "s"),
            _ => fitting.next().unwrap_or((1, "us")),
        };
        target.collect_str(&format_args!("{} {unit}", microseconds / size))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
        let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let mut fitting = units.into_iter().filter(|(size, _)| self.0.is_multiple_of(*size));
        let (size, unit) = match self.0 {
            0 => (1, "B"),
            _ => fitting.next().unwrap_or((1, "B")),
        };
        target.collect_str(&format_args!("{} {unit}", self.0 / size))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        size(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_they_are_read() {
        for text in ["0 s", "200 ms", "90 s", "2 h", "1 d", "7 us", "1500 ms", "10 min"] {
            let delay = Delay(parse(text).unwrap());
            assert_eq!(serde_json::to_value(delay).unwrap(), text);
        }
        for text in ["0 B", "7 B", "1 KiB", "1025 B", "64 MiB", "4 GiB", "3 TiB"] {
            assert_eq!(serde_json::to_value(Size(size(text).unwrap())).unwrap(), text);
        }
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(parse("200 ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(size("16 MiB"), Ok(16 << 20));
        assert_eq!((size("7 B"), size("0")), (Ok(7), Ok(0)));
        for wrong in ["5", "x", "", "5 weeks", "99999999999999999999 s", "9999999999999999 h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["5 kB", "-1", "99999999999 TiB", "8", "64 "] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
