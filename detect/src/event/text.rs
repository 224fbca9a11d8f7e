//! Times and addresses as records write them.

use std::net::IpAddr;

use decode::Timestamp;

/// Appends `YYYY-MM-DDTHH:MM:SS.uuuuuu+0000`.
pub fn timestamp(time: Timestamp, out: &mut Vec<u8>) {
    let (year, month, day) = date(time.seconds() / 86_400);
    let mut text = *b"0000-00-00T00:00:00.000000+0000";
    put(&mut text[0..4], year as u32);
    put(&mut text[5..7], month as u32);
    put(&mut text[8..10], day as u32);
    clock(time, &mut text[11..]);
    out.extend_from_slice(&text);
}

/// Appends `MM/DD/YYYY-HH:MM:SS.uuuuuu`, the form of `fast.log`.
pub fn fast_timestamp(time: Timestamp, out: &mut Vec<u8>) {
    let (year, month, day) = date(time.seconds() / 86_400);
    let mut text = *b"00/00/0000-00:00:00.000000";
    put(&mut text[0..2], month as u32);
    put(&mut text[3..5], day as u32);
    put(&mut text[6..10], year as u32);
    clock(time, &mut text[11..]);
    out.extend_from_slice(&text);
}

/// Fills `HH:MM:SS.uuuuuu`.
fn clock(time: Timestamp, text: &mut [u8]) {
    let second = (time.seconds() % 86_400) as u32;
    put(&mut text[0..2], second / 3600);
    put(&mut text[3..5], second / 60 % 60);
    put(&mut text[6..8], second % 60);
    put(&mut text[9..15], time.subsecond_us());
}

/// Decimal digits of a number, as many as there is room for.
fn put(digits: &mut [u8], number: u32) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Year, month and day of a number of days since 1970 (proleptic Gregorian calendar).
fn date(days: u64) -> (u64, u64, u64) {
    // Counted in eras of 400 years from 0000-03-01, so that the leap day ends each year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Appends an address: IPv4 dotted, IPv6 in full form unless `compress`.
pub fn address(address: IpAddr, compress: bool, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                if *octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if *octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        }
        IpAddr::V6(v6) if compress => out.extend_from_slice(v6.to_string().as_bytes()),
        IpAddr::V6(v6) => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            for (at, byte) in v6.octets().iter().enumerate() {
                if at > 0 && at % 2 == 0 {
                    out.push(b':');
                }
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
}

/// Appends bytes as printable text: others than printable ASCII and line ends become dots.
pub fn printable(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().map(|&b| match b {
        0x20..=0x7e | b'\r' | b'\n' => b,
        _ => b'.',
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_utc() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00.000007+0000"),
            (951_782_400, "2000-02-29T00:00:00.000007+0000"),
            (1_468_449_727, "2016-07-13T22:42:07.000007+0000"),
            (4_107_542_399, "2100-02-28T23:59:59.000007+0000"),
        ] {
            let mut out = Vec::new();
            timestamp(Timestamp(seconds * 1_000_000 + 7), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
    }

    #[test]
    fn addresses_are_written_in_full() {
        let mut out = Vec::new();
        address("10.0.200.9".parse().expect("address"), false, &mut out);
        out.push(b' ');
        address("2001:db8::1".parse().expect("address"), false, &mut out);
        assert_eq!(out, b"10.0.200.9 2001:0db8:0000:0000:0000:0000:0000:0001");
    }
}
