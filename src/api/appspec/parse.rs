//! From text to [`AppSpec`]: the document and its top-level keys.

use std::collections::BTreeMap;

use crate::api::appspec::AppSpec;
use crate::api::appspec::Errors;
use crate::api::appspec::Problem;
use crate::api::appspec::files;
use crate::api::appspec::hooks;
use crate::api::appspec::node;
use crate::api::appspec::node::Node;
use crate::api::appspec::permission;
use crate::api::upshift::FileExists;
use crate::api::yaml;

const KEYS: [&str; 8] = [
    "version",
    "os",
    "file_exists_behavior",
    "files",
    "permissions",
    "permisssions",
    "hooks",
    "env",
];

/// Reads an appspec (YAML 1.1, JSON included); gives all of it, or everything that is wrong with it.
pub fn parse(file_name: &str, text: &[u8]) -> Result<AppSpec, Errors> {
    read(text).map_err(|mut problems| {
        problems.sort_by_key(|problem| problem.line);
        Errors {
            file: file_name.to_owned(),
            problems,
        }
    })
}

fn read(text: &[u8]) -> Result<AppSpec, Vec<Problem>> {
    let whole = |line, message: &str| {
        vec![Problem {
            line,
            key: String::new(),
            message: message.to_owned(),
        }]
    };
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count();
        whole(line, "is not UTF-8 text")
    })?;
    let documents = yaml::read(text)
        .map_err(|error| whole(error.line, &format!("is not YAML: {}", error.message)))?;
    let document = match documents.as_slice() {
        [] => return Err(whole(1, "is empty")),
        [document] => document,
        [_, second, ..] => {
            return Err(whole(
                second.position("").0,
                "a second document begins here; an appspec is one",
            ));
        }
    };
    let mut problems: Vec<Problem> = node::repeated_keys(document).collect();
    let spec = top_level(&Node::root(document), &mut problems);
    if problems.is_empty() {
        Ok(spec)
    } else {
        Err(problems)
    }
}

fn top_level(root: &Node<'_>, problems: &mut Vec<Problem>) -> AppSpec {
    let Some(mapping) = root.mapping(problems, "a mapping with files, permissions and hooks")
    else {
        return AppSpec::default();
    };
    for key in mapping.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        problems.push(root.unknown(
            key,
            "the keys here are files, permissions, hooks, env, file_exists_behavior, version, os",
        ));
    }
    fixed(root, problems, "version", is_version, "must be 0.0");
    fixed(
        root,
        problems,
        "os",
        |text| text == "linux",
        "must be linux",
    );
    AppSpec {
        files: files::parse(root, problems),
        permissions: permission::parse(root, problems),
        hooks: hooks::parse(root, problems),
        env: env(root, problems),
        file_exists: file_exists(root, problems),
    }
}

fn fixed(
    root: &Node<'_>,
    problems: &mut Vec<Problem>,
    key: &str,
    is_right: fn(&str) -> bool,
    rule: &str,
) {
    if let Some(node) = root.child(key)
        && let Some(text) = node.text(problems)
        && !is_right(&text)
    {
        problems.push(node.problem(format!("{rule}, not {text:?}")));
    }
}

/// The number zero, however many decimals: 0, 0.0, 0.00.
fn is_version(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    whole == "0" && !decimals.is_empty() && decimals.bytes().all(|digit| digit == b'0')
}

fn file_exists(root: &Node<'_>, problems: &mut Vec<Problem>) -> Option<FileExists> {
    let node = root.child("file_exists_behavior")?;
    let text = node.text(problems)?;
    match text.as_str() {
        "DISALLOW" => Some(FileExists::Disallow),
        "OVERWRITE" => Some(FileExists::Overwrite),
        "RETAIN" => Some(FileExists::Retain),
        _ => {
            problems.push(node.problem(format!(
                "must be DISALLOW, OVERWRITE or RETAIN, not {text:?}"
            )));
            None
        }
    }
}

fn env(root: &Node<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let Some(node) = root.child("env") else {
        return env;
    };
    let Some(mapping) = node.mapping(problems, "a mapping of variables") else {
        return env;
    };
    for name in mapping.keys() {
        if !is_variable(name) {
            let mut problem = node.unknown(name, "");
            "is not a variable's name (letters, digits and _, no digit first)"
                .clone_into(&mut problem.message);
            problems.push(problem);
            continue;
        }
        let value = match node.child(name) {
            Some(value) => value.any_text(problems),
            None => Some(String::new()),
        };
        match value {
            Some(value) if value.contains('\0') => {
                problems.extend(
                    node.child(name)
                        .map(|node| node.problem("must not contain a NUL")),
                );
            }
            Some(value) => {
                env.insert(name.clone(), value);
            }
            None => {}
        }
    }
    env
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
