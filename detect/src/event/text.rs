//! Times and addresses as records write them.

use std::net::IpAddr;

use decode::Timestamp;
use json::digits::{pair, quad};

/// Appends `YYYY-MM-DDTHH:MM:SS.uuuuuu+0000`.
pub fn timestamp(time: Timestamp, out: &mut Vec<u8>) {
    let (year, month, day) = date(time.seconds() / 86_400);
    let mut text = *b"0000-00-00T00:00:00.000000+0000";
    text[0..4].copy_from_slice(&quad(year as u32));
    text[5..7].copy_from_slice(&pair(month as u32));
    text[8..10].copy_from_slice(&pair(day as u32));
    text[11..26].copy_from_slice(&clock(time));
    out.extend_from_slice(&text);
}

/// Appends `MM/DD/YYYY-HH:MM:SS.uuuuuu`, the form of `fast.log`.
pub fn fast_timestamp(time: Timestamp, out: &mut Vec<u8>) {
    let (year, month, day) = date(time.seconds() / 86_400);
    let mut text = *b"00/00/0000-00:00:00.000000";
    text[0..2].copy_from_slice(&pair(month as u32));
    text[3..5].copy_from_slice(&pair(day as u32));
    text[6..10].copy_from_slice(&quad(year as u32));
    text[11..26].copy_from_slice(&clock(time));
    out.extend_from_slice(&text);
}

/// `HH:MM:SS.uuuuuu`.
fn clock(time: Timestamp) -> [u8; 15] {
    let (second, us) = ((time.seconds() % 86_400) as u32, time.subsecond_us());
    let mut text = *b"00:00:00.000000";
    text[0..2].copy_from_slice(&pair(second / 3600));
    text[3..5].copy_from_slice(&pair(second / 60 % 60));
    text[6..8].copy_from_slice(&pair(second % 60));
    text[9..11].copy_from_slice(&pair(us / 10_000));
    text[11..15].copy_from_slice(&quad(us));
    text
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

/// The digits of each octet, and how many they are.
const OCTETS: [([u8; 3], usize); 256] = {
    let mut texts = [([0; 3], 0); 256];
    let mut at = 0;
    while at < 256 {
        let [a, b, c] = [at / 100, at / 10 % 10, at % 10];
        let [a, b, c] = [b'0' + a as u8, b'0' + b as u8, b'0' + c as u8];
        texts[at] = match at {
            0..=9 => ([c, 0, 0], 1),
            10..=99 => ([b, c, 0], 2),
            _ => ([a, b, c], 3),
        };
        at += 1;
    }
    texts
};

/// Appends an address: IPv4 dotted, IPv6 in full form unless `compress`.
pub fn address(address: IpAddr, compress: bool, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => {
            let (mut text, mut at) = ([b'.'; 16], 0);
            for octet in v4.octets() {
                let (digits, length) = OCTETS[usize::from(octet)];
                // Three bytes whatever the length: the next octet goes over what is too much.
                text[at..at + 3].copy_from_slice(&digits);
                text[at + length] = b'.';
                at += length + 1;
            }
            let end = out.len() + at - 1;
            out.extend_from_slice(&text);
            out.truncate(end);
        }
        IpAddr::V6(v6) if compress => out.extend_from_slice(v6.to_string().as_bytes()),
        IpAddr::V6(v6) => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let mut text = [b':'; 39];
            for (piece, number) in text.chunks_mut(5).zip(v6.segments()) {
                for (digit, shift) in piece.iter_mut().zip([12, 8, 4, 0]) {
                    *digit = HEX[usize::from(number >> shift & 15)];
                }
            }
            out.extend_from_slice(&text);
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
    fn octets_are_written_without_zeros() {
        for octet in 0..=255 {
            let v4 = std::net::Ipv4Addr::new(octet, 255 - octet, octet / 2, octet);
            let mut out = b"<".to_vec();
            address(IpAddr::V4(v4), false, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("<{v4}"));
        }
    }

    #[test]
    fn addresses_are_written_in_full() {
        let mut out = Vec::new();
        address("10.0.200.99".parse().expect("address"), false, &mut out);
        out.push(b' ');
        address("2001:db8::1".parse().expect("address"), false, &mut out);
        assert_eq!(out, b"10.0.200.99 2001:0db8:0000:0000:0000:0000:0000:0001");
    }
}
