//! What downloads may take of a node: the same flags for `node` and `serve`.

use crate::agent::Downloads;

/// The flags.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Flags {
    /// What downloads of bundles and images take together, at most, per second: bytes, or with K, M or G
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    bandwidth: Option<u64>,
    /// How many downloads run at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    downloads: u16,
}

impl Flags {
    /// As the agent takes them.
    pub(super) fn limits(self) -> Downloads {
        Downloads {
            bandwidth: self.bandwidth,
            at_once: usize::from(self.downloads),
        }
    }
}

/// `10M` → 10 MiB. Below 1 KiB a second nothing would ever come.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "it is a number of bytes per second, as in 512K or 10M".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" | "Ki" | "KiB" => 10,
        "M" | "Mi" | "MiB" => 20,
        "G" | "Gi" | "GiB" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << unit).ok_or_else(wrong)?;
    if bytes < 1024 {
        return Err("it must be at least 1K".to_owned());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_is_a_number_with_a_unit() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("512K"), Ok(512 << 10));
        assert_eq!(bytes("10M"), Ok(10 << 20));
        for wrong in ["", "M", "10X", "-1K", "1.5M", "0", "99999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
