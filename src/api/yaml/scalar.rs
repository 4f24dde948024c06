//! What a plain scalar means in YAML 1.1, as Go's reader resolves it (goyaml.v2 `resolve.go`).
//!
//! The printer asks the same question to know which strings need quotes. Timestamps stay strings, as in `oc`.

use std::sync::LazyLock;

use serde_json::Number;
use serde_json::Value;

const NULLS: [&str; 5] = ["", "~", "null", "Null", "NULL"];
const TRUES: [&str; 11] = [
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
];
const FALSES: [&str; 11] = [
    "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];

/// What a plain scalar stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Number(Number),
    /// `.nan` and `.inf`, which JSON cannot hold.
    NotFinite,
    Text,
}

/// The meaning of a plain scalar.
pub(super) fn meaning(text: &str) -> Meaning {
    if NULLS.contains(&text) {
        return Meaning::Null;
    }
    if TRUES.contains(&text) {
        return Meaning::Bool(true);
    }
    if FALSES.contains(&text) {
        return Meaning::Bool(false);
    }
    if is_not_finite(text) {
        return Meaning::NotFinite;
    }
    number(text).map_or(Meaning::Text, Meaning::Number)
}

impl Meaning {
    /// The value of a scalar with this meaning and that text; none for what JSON cannot hold.
    pub(super) fn into_value(self, text: &str) -> Option<Value> {
        match self {
            Meaning::Null => Some(Value::Null),
            Meaning::Bool(value) => Some(Value::Bool(value)),
            Meaning::Number(value) => Some(Value::Number(value)),
            Meaning::Text => Some(Value::String(text.to_owned())),
            Meaning::NotFinite => None,
        }
    }
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// The number that a text is: `0644`, `0x1f`, `1_000`, `1e3`, `.5`.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let plain = text.replace('_', "");
    if !text.starts_with('.')
        && let Some(whole) = integer(&plain)
    {
        return Some(whole);
    }
    if is_float(&plain) {
        return whole_or_float(plain.parse().ok()?);
    }
    None
}

fn integer(plain: &str) -> Option<Number> {
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    let size = i128::from_str_radix(digits, base).ok()?;
    let value = if negative { -size } else { size };
    match i64::try_from(value) {
        Ok(value) => Some(value.into()),
        Err(_) if value > 0 && u64::try_from(value).is_ok() => float(value),
        Err(_) => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Go keeps integers above 63 bits as floats, and so do we"
)]
fn float(value: i128) -> Option<Number> {
    Number::from_f64(value as f64)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", after)) => !after.is_empty() && digits(after),
        Some((before, after)) => digits(before) && digits(after),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// Go prints a whole float without a point and reads it back as an integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked before the cast"
)]
fn whole_or_float(value: f64) -> Option<Number> {
    static RANGE: LazyLock<std::ops::Range<f64>> =
        LazyLock::new(|| -9.223_372_036_854_776e18..9.223_372_036_854_776e18);
    if value.fract() == 0.0 && RANGE.contains(&value) {
        Some((value as i64).into())
    } else {
        Number::from_f64(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expect: &Value) {
        assert_eq!(
            meaning(text).into_value(text).as_ref(),
            Some(expect),
            "{text}"
        );
    }

    #[test]
    fn scalars_mean_what_they_mean_in_oc() {
        for (text, expect) in [
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("yes", json!(true)),
            ("off", json!(false)),
            ("1_000", json!(1000)),
            ("0x1f", json!(31)),
            ("-0x1F", json!(-31)),
            ("0b11", json!(3)),
            ("1:30", json!("1:30")),
            ("2020-01-01", json!("2020-01-01")),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("08", json!(8)),
            ("1e400", json!("1e400")),
            ("+1", json!(1)),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("-", json!("-")),
            ("0x", json!("0x")),
            ("0x-1", json!("0x-1")),
            ("1e", json!("1e")),
            ("1.2.3", json!("1.2.3")),
            ("123456789012345678", json!(123_456_789_012_345_678_i64)),
            ("12345678901234567890", json!(12_345_678_901_234_567_890.0)),
            ("~", Value::Null),
            ("nUll", json!("nUll")),
            ("NaN", json!("NaN")),
        ] {
            check(text, &expect);
        }
        assert_eq!(meaning("-.inf"), Meaning::NotFinite);
    }
}
