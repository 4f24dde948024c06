//! Checks of a value against a schema: what is wrong, and which fields nobody knows.
//!
//! Wording: apiextensions' structural schema validation. A null counts as absent, as in Kubernetes.

use std::fmt;

use base64::Engine;
use serde_json::Value;

use super::definition::Schema;
use super::definition::Shape;
use crate::api::duration::Amount;
use crate::api::duration::Span;
use crate::api::status::Cause;
use crate::api::validate::names;
use crate::base::clock::Timestamp;

/// Where a value is, as a chain that is written out only for what is wrong.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Top,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

/// `spec.port`, `spec.files[0].source`, `metadata.labels[a.b/c]`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '$';
        match self {
            Path::Top => Ok(()),
            Path::Field(Path::Top, name) => out.write_str(name),
            Path::Field(above, name) if name.chars().all(plain) => write!(out, "{above}.{name}"),
            Path::Field(above, name) => write!(out, "{above}[{name}]"),
            Path::Item(above, number) => write!(out, "{above}[{number}]"),
        }
    }
}

/// Collects everything that is wrong with a value at a path.
pub(super) fn check(schema: &Schema, path: Path<'_>, value: &Value, causes: &mut Vec<Cause>) {
    if value.is_null() {
        return;
    }
    if !fits(schema.shape, value) {
        causes.push(wrong_type(schema.shape, &path.to_string(), value));
        return;
    }
    match value {
        Value::Object(fields) => {
            for name in &schema.required {
                if fields.get(name).is_none_or(Value::is_null) {
                    let path = Path::Field(&path, name);
                    causes.push(Cause::required(path.to_string(), ""));
                }
            }
            for (name, value) in fields {
                if let Some(below) = schema.field(name) {
                    check(below, Path::Field(&path, name), value, causes);
                }
            }
        }
        Value::Array(list) => check_list(schema, path, list, causes),
        Value::String(text) => check_text(schema, path, value, text, causes),
        Value::Number(_) => check_number(schema, path, value, causes),
        Value::Bool(_) | Value::Null => {}
    }
}

fn check_list(schema: &Schema, path: Path<'_>, list: &[Value], causes: &mut Vec<Cause>) {
    let count = list.len() as u64;
    let mut complain = |why: String| {
        causes.push(Cause::invalid(path.to_string(), &count.into(), why));
    };
    if let Some(least) = schema.min_items.filter(|least| count < *least) {
        complain(format!("{path} in body should have at least {least} items"));
    }
    if let Some(most) = schema.max_items.filter(|most| count > *most) {
        complain(format!("{path} in body should have at most {most} items"));
    }
    let Some(items) = &schema.items else { return };
    for (n, value) in list.iter().enumerate() {
        let path = Path::Item(&path, n);
        if value.is_null() && items.shape != Shape::Any {
            causes.push(wrong_type(items.shape, &path.to_string(), value));
        } else {
            check(items, path, value, causes);
        }
    }
}

fn check_text(schema: &Schema, path: Path<'_>, value: &Value, text: &str, causes: &mut Vec<Cause>) {
    if !schema.allowed.is_empty() && !schema.allowed.iter().any(|one| one == text) {
        let allowed: Vec<&str> = schema
            .allowed
            .iter()
            .map(String::as_str)
            .filter(|one| !one.is_empty())
            .collect();
        causes.push(Cause::unsupported(path.to_string(), value, &allowed));
        return;
    }
    if schema
        .min_length
        .is_some_and(|least| text.chars().count() < usize::try_from(least).unwrap_or(usize::MAX))
    {
        causes.push(Cause::required(path.to_string(), ""));
        return;
    }
    if let Some(why) = format_fault(&schema.format, text) {
        causes.push(Cause::invalid(path.to_string(), value, why));
    }
}

fn check_number(schema: &Schema, path: Path<'_>, value: &Value, causes: &mut Vec<Cause>) {
    let number = value.as_i64();
    let (low, high) = match schema.format.as_str() {
        "int32" => (Some(i64::from(i32::MIN)), Some(i64::from(i32::MAX))),
        "amount" => (Some(0), Some(i64::from(u32::MAX))),
        _ => (None, None),
    };
    let least = schema.minimum.or(low);
    let most = schema.maximum.or(high);
    let below = least.filter(|least| number.is_some_and(|number| number < *least));
    let above = most.filter(|most| number.is_none_or(|number| number > *most));
    if let Some(least) = below {
        let why = format!("{path} in body should be greater than or equal to {least}");
        causes.push(Cause::invalid(path.to_string(), value, why));
    } else if let Some(most) = above {
        let why = format!("{path} in body should be less than or equal to {most}");
        causes.push(Cause::invalid(path.to_string(), value, why));
    }
}

fn format_fault(format: &str, text: &str) -> Option<String> {
    match format {
        "date-time" => text
            .parse::<Timestamp>()
            .err()
            .map(|_| "must be a time like 2026-01-31T12:00:00Z".to_owned()),
        "byte" => base64::engine::general_purpose::STANDARD
            .decode(text)
            .err()
            .map(|_| "must be base64".to_owned()),
        "amount" => text
            .parse::<Amount>()
            .err()
            .map(|_| "must be a count (2) or a percentage (25%)".to_owned()),
        "quantity" => (!is_quantity(text)).then(|| {
            "quantities must match the regular expression \
             '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_owned()
        }),
        "duration" => text
            .parse::<Span>()
            .err()
            .map(|_| "must be a duration like 90s, 10m or 1h30m".to_owned()),
        "digest" => (!is_digest(text))
            .then(|| "must be sha256: and 64 hexadecimal digits in lower case".to_owned()),
        "absolute-path" => absolute_path_fault(text).map(str::to_owned),
        "path-segment" => {
            (!is_path_segment(text)).then(|| "must be a file name, without a slash".to_owned())
        }
        "dns-name" => names::dns_subdomain(text),
        _ => None,
    }
}

/// `100m`, `1.5`, `128Mi`, `1e3`.
fn is_quantity(text: &str) -> bool {
    const UNITS: [&str; 16] = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let exponent = unit
        .strip_prefix(['e', 'E'])
        .is_some_and(|power| power.parse::<i32>().is_ok());
    number.parse::<f64>().is_ok() && (UNITS.contains(&unit) || exponent)
}

fn is_digest(text: &str) -> bool {
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

fn is_path_segment(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && text.len() <= 255
        && !text.contains(|c: char| c == '/' || c.is_control())
}

fn absolute_path_fault(text: &str) -> Option<&'static str> {
    if !text.starts_with('/') {
        return Some("must be an absolute path");
    }
    if text.split('/').any(|part| part == "..") {
        return Some("must not contain '..'");
    }
    text.contains('\0').then_some("must not contain a NUL byte")
}

fn fits(shape: Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Object => value.is_object(),
        Shape::List => value.is_array(),
        Shape::Text => value.is_string(),
        Shape::Integer => value.is_i64() || value.is_u64(),
        Shape::Boolean => value.is_boolean(),
        Shape::IntegerOrText => value.is_string() || value.is_i64() || value.is_u64(),
        Shape::Quantity => value.is_string() || value.is_number(),
    }
}

fn wrong_type(shape: Shape, path: &str, value: &Value) -> Cause {
    let wanted = match shape {
        Shape::Any | Shape::Object => "object",
        Shape::List => "array",
        Shape::Text => "string",
        Shape::Integer => "integer",
        Shape::Boolean => "boolean",
        Shape::IntegerOrText => "integer or string",
        Shape::Quantity => "number or string",
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let shown = if value.is_object() || value.is_array() {
        Value::from(found)
    } else {
        value.clone()
    };
    let place = if path.is_empty() { "the object" } else { path };
    let why = format!("{place} in body must be of type {wanted}: {found:?}");
    Cause {
        reason: "FieldValueTypeInvalid".to_owned(),
        ..Cause::invalid(path, &shown, why)
    }
}

/// Collects the paths of the fields that a schema does not have.
pub(super) fn unknown(schema: &Schema, path: Path<'_>, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let closed = schema.shape == Shape::Object && !schema.open;
            for (name, value) in fields {
                let path = Path::Field(&path, name);
                match schema.field(name) {
                    Some(below) => unknown(below, path, value, found),
                    None if closed => found.push(path.to_string()),
                    None => {}
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            for (n, value) in list.iter().enumerate() {
                unknown(items, Path::Item(&path, n), value, found);
            }
        }
        _ => {}
    }
}
