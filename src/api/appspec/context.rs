//! `SELinux` contexts of an appspec: user, type, and a range such as `s3-s7:c5,c8.c10`.

use crate::api::appspec::Problem;
use crate::api::appspec::node::Node;

const HIGHEST_CATEGORY: u32 = 1023;

/// The label an object gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub user: Option<String>,
    pub kind: String,
    pub range: Option<String>,
}

pub(super) fn parse(node: &Node<'_>, problems: &mut Vec<Problem>) -> Option<Context> {
    node.strict_mapping(
        problems,
        "a mapping with type",
        &["user", "name", "type", "range", "role"],
    )?;
    if let Some(role) = node.child("role") {
        problems.push(role.problem("is not supported; files have no role of their own"));
    }
    if let (Some(_), Some(name)) = (node.child("user"), node.child("name")) {
        problems.push(name.problem("is another word for user; give one of them"));
    }
    let user = word(node, problems, "user").or_else(|| word(node, problems, "name"));
    let kind = if node.child("type").is_some() {
        word(node, problems, "type")
    } else {
        problems.push(node.problem("needs type"));
        None
    };
    let range = node.child("range").and_then(|node| {
        let text = node.text(problems)?;
        if let Err(why) = check_range(&text) {
            problems.push(node.problem(format!("{text:?} {why}")));
            return None;
        }
        Some(text)
    });
    Some(Context {
        user,
        kind: kind?,
        range,
    })
}

/// A name as policies have them; nothing that could be an option of a program.
fn word(node: &Node<'_>, problems: &mut Vec<Problem>, key: &str) -> Option<String> {
    let child = node.child(key)?;
    let text = child.text(problems)?;
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !is_name {
        problems.push(child.problem(format!("{text:?} is not a name of a policy")));
        return None;
    }
    Some(text)
}

/// `sN[-sM][:cA[.cB][,…]]`, everything ascending.
fn check_range(text: &str) -> Result<(), &'static str> {
    let (levels, categories) = match text.split_once(':') {
        Some((levels, categories)) => (levels, Some(categories)),
        None => (text, None),
    };
    let (low, high) = match levels.split_once('-') {
        Some((low, high)) => (number('s', low), number('s', high)),
        None => (number('s', levels), number('s', levels)),
    };
    match (low, high) {
        (Some(low), Some(high)) if low <= high => {}
        (Some(_), Some(_)) => return Err("has a high level below its low one"),
        _ => return Err("must begin with a level: s0 or s3-s7"),
    }
    let mut next = 0;
    for item in categories.iter().flat_map(|list| list.split(',')) {
        let (from, to) = item.split_once('.').unwrap_or((item, item));
        match (number('c', from), number('c', to)) {
            (Some(_), Some(to)) if to > HIGHEST_CATEGORY => {
                return Err("has a category above c1023");
            }
            (Some(from), Some(to)) if from >= next && (from < to || item == format!("c{from}")) => {
                next = to + 1;
            }
            (Some(_), Some(_)) => return Err("must have its categories ascending, each once"),
            _ => return Err("must have its categories like c5,c8.c10"),
        }
    }
    Ok(())
}

fn number(letter: char, text: &str) -> Option<u32> {
    let digits = text.strip_prefix(letter)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for right in ["s5", "s0-s0", "s3-s7:c5,c8.c10,c17", "s0:c0.c1023"] {
            assert_eq!(check_range(right), Ok(()), "{right}");
        }
        for wrong in [
            "s7-s3",
            "s3-",
            "-s3",
            "c5",
            "s-1",
            "sx",
            "s0:c10.c8",
            "s0:c8,c5",
            "s0:c1024",
            "s0:c5,c5",
            "s0:c5.c5",
            "s0:",
            "s0:c1.c3,c3",
            "s0:c1,",
            "",
            "s0:c+1",
        ] {
            assert!(check_range(wrong).is_err(), "{wrong}");
        }
    }
}
