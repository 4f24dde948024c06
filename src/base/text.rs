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

/// A span as Docker words it, for `… ago`: `Less than a second`, `42 seconds`, `About an hour`, `8 days`.
pub fn about(span: Duration) -> String {
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;
    let seconds = span.as_secs();
    let hours = (seconds + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{} minutes", seconds / 60),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if seconds < 730 * DAY => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / DAY / 365),
    }
}

/// A span as Go prints it, in whole seconds: `45s`, `2m0s`, `1h0m5s`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
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

    #[test]
    fn spans_in_the_words_of_docker_and_go() {
        for (seconds, words, go) in [
            (0, "Less than a second", "0s"),
            (1, "1 second", "1s"),
            (59, "59 seconds", "59s"),
            (119, "About a minute", "1m59s"),
            (120, "2 minutes", "2m0s"),
            (3600, "About an hour", "1h0m0s"),
            (5400, "2 hours", "1h30m0s"),
            (47 * 3600, "47 hours", "47h0m0s"),
            (8 * 86_400, "8 days", "192h0m0s"),
            (14 * 86_400, "2 weeks", "336h0m0s"),
            (60 * 86_400, "2 months", "1440h0m0s"),
            (800 * 86_400, "2 years", "19200h0m0s"),
        ] {
            assert_eq!(about(Duration::from_secs(seconds)), words);
            assert_eq!(span(Duration::from_secs(seconds)), go);
        }
    }
}
