//! Small pieces of wording shared by messages and tables: durations, counts, sizes.
//!
//! Sources: facts/oc.md 4.6 (ages), facts/field.md R20 (step times).

use std::time::Duration;

/// An age as OpenShift 3 prints it and seed 002 shows it: `45s`, `56m`, `19h`, `36d`, `2y`.
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400..31_536_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

/// A running time: `850ms`, `12.3s`, `4m07s`, `1h02m`.
pub fn elapsed(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let seconds = time.as_secs();
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 => format!("{}.{}s", seconds, (milliseconds % 1000) / 100),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A size: `512 B`, `3.4 KiB`, `12.0 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// A count with its noun: `1 gear`, `3 gears`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_times_and_sizes() {
        let ages =
            [3, 3360, 5400, 68_400, 3_110_400].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["3s", "56m", "1h", "19h", "36d"]);
        let times = [850, 12_345, 247_000, 3_720_000].map(|ms| elapsed(Duration::from_millis(ms)));
        assert_eq!(times, ["850ms", "12.3s", "4m07s", "1h02m"]);
        let sizes = [512, 3500, 12 << 20].map(size);
        assert_eq!(sizes, ["512 B", "3.4 KiB", "12.0 MiB"]);
        assert_eq!(hex(&[0x0f, 0xa0]), "0fa0");
        assert_eq!([count(1, "gear"), count(2, "gear")], ["1 gear", "2 gears"]);
    }
}
