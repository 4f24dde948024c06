//! Nodes on a value.

use std::cmp::Ordering;

use serde_json::Value;

use super::Comparison;
use super::Error;
use super::Node;
use super::Operand;
use super::Path;
use super::Step;
use crate::api::json;

/// Appends the text that nodes give for a value.
pub(super) fn print(nodes: &[Node], value: &Value, out: &mut String) -> Result<(), Error> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Path(path) => {
                let texts: Vec<String> = follow(path, value)?.into_iter().map(text_of).collect();
                out.push_str(&texts.join(" "));
            }
            Node::Range(path, body) => {
                for item in follow(path, value)? {
                    print(body, item, out)?;
                }
            }
        }
    }
    Ok(())
}

/// Collects what the paths of nodes select.
pub(super) fn select<'a>(
    nodes: &[Node],
    value: &'a Value,
    found: &mut Vec<&'a Value>,
) -> Result<(), Error> {
    for node in nodes {
        match node {
            Node::Text(_) => {}
            Node::Path(path) => found.extend(follow(path, value)?),
            Node::Range(path, body) => {
                for item in follow(path, value)? {
                    select(body, item, found)?;
                }
            }
        }
    }
    Ok(())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "null".to_owned(),
        other => json::compact(other),
    }
}

fn follow<'a>(path: &Path, value: &'a Value) -> Result<Vec<&'a Value>, Error> {
    walk(&path.steps, value).map_err(|message| Error {
        message,
        position: path.position,
    })
}

fn walk<'a>(steps: &[Step], value: &'a Value) -> Result<Vec<&'a Value>, String> {
    let mut at = vec![value];
    for step in steps {
        let mut next = Vec::new();
        for value in at {
            apply(step, value, &mut next)?;
        }
        at = next;
    }
    Ok(at)
}

fn apply<'a>(step: &Step, value: &'a Value, found: &mut Vec<&'a Value>) -> Result<(), String> {
    match step {
        Step::Field(name) if name.is_empty() => found.push(value),
        Step::Field(name) => found.extend(value.as_object().and_then(|map| map.get(name))),
        Step::Wildcard => found.extend(below(value)),
        Step::Descend => descend(value, found),
        Step::Index(index) => {
            if let Some(list) = list(value)? {
                let length = signed(list.len());
                let place = if *index < 0 { index + length } else { *index };
                let item = usize::try_from(place)
                    .ok()
                    .and_then(|place| list.get(place));
                found.push(item.ok_or_else(|| out_of_bounds(place, length))?);
            }
        }
        Step::Slice(first, last, step) => {
            if let Some(list) = list(value)? {
                slice(list, *first, *last, *step, found)?;
            }
        }
        Step::Union(steps) => {
            for step in steps {
                apply(step, value, found)?;
            }
        }
        Step::Filter(left, test) => {
            for item in below(value) {
                if passes(left, test.as_ref(), item)? {
                    found.push(item);
                }
            }
        }
    }
    Ok(())
}

fn below(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// The value and everything below it that has something below it, outermost first.
fn descend<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    let inner = below(value);
    if inner.is_empty() {
        return;
    }
    found.push(value);
    for value in inner {
        descend(value, found);
    }
}

fn list(value: &Value) -> Result<Option<&Vec<Value>>, String> {
    match value {
        Value::Array(list) => Ok(Some(list)),
        Value::Null => Ok(None),
        other => Err(format!("{} is not array or slice", text_of(other))),
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn out_of_bounds(index: i64, length: i64) -> String {
    format!("array index out of bounds: index {index}, length {length}")
}

fn slice<'a>(
    list: &'a [Value],
    first: Option<i64>,
    last: Option<i64>,
    step: Option<i64>,
    found: &mut Vec<&'a Value>,
) -> Result<(), String> {
    let length = signed(list.len());
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let first = from_end(first.unwrap_or(0));
    let last = from_end(last.unwrap_or(length));
    if first == last {
        return Ok(());
    }
    if first >= length || first < 0 {
        return Err(out_of_bounds(first, length));
    }
    if last > length || last < 0 {
        return Err(out_of_bounds(last - 1, length));
    }
    if first > last {
        return Err(format!(
            "starting index {first} is greater than ending index {last}"
        ));
    }
    let step = step.unwrap_or(1);
    let stride = usize::try_from(step)
        .ok()
        .filter(|stride| *stride > 0)
        .ok_or_else(|| format!("step must be > 0, found {step}"))?;
    let bound = |index: i64| usize::try_from(index).unwrap_or(0);
    found.extend(list[bound(first)..bound(last)].iter().step_by(stride));
    Ok(())
}

fn passes(
    left: &Operand,
    test: Option<&(Comparison, Operand)>,
    item: &Value,
) -> Result<bool, String> {
    let left = values(left, item)?;
    let Some((comparison, right)) = test else {
        return Ok(!left.is_empty());
    };
    let right = values(right, item)?;
    match (&left[..], &right[..]) {
        ([], _) | (_, []) => Ok(false),
        ([left], [right]) => Ok(comparison.holds(left, right)),
        _ => Err("can only compare one element at a time".to_owned()),
    }
}

fn values<'a>(operand: &'a Operand, item: &'a Value) -> Result<Vec<&'a Value>, String> {
    match operand {
        Operand::Literal(literal) => Ok(vec![literal]),
        Operand::Path(steps) => walk(steps, item),
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::Number(left), Value::Number(right)) => {
                left.as_f64().partial_cmp(&right.as_f64())
            }
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            _ => (left == right).then_some(Ordering::Equal),
        };
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::Unequal => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}
