//! `files`, from an appspec or from the Application's form, and the rules for paths.

use std::collections::BTreeMap;

use crate::api::appspec::AppSpec;
use crate::api::appspec::Errors;
use crate::api::appspec::Mapping;
use crate::api::appspec::Problem;
use crate::api::appspec::Script;
use crate::api::appspec::node::Node;
use crate::api::upshift::FileMapping;
use crate::api::upshift::Scripts;

pub(super) fn parse(root: &Node<'_>, problems: &mut Vec<Problem>) -> Vec<Mapping> {
    let Some(node) = root.child("files") else {
        return Vec::new();
    };
    let entries = node.list(problems, "{source, destination} entries");
    entries
        .iter()
        .filter_map(|entry| one(entry, problems))
        .collect()
}

fn one(entry: &Node<'_>, problems: &mut Vec<Problem>) -> Option<Mapping> {
    entry.strict_mapping(
        problems,
        "a mapping with source and destination",
        &["source", "destination"],
    )?;
    let source = entry.required(problems, "source");
    let destination = entry.required(problems, "destination");
    let checked = |problems: &mut Vec<Problem>, key: &str, path: Result<String, String>| {
        path.map_err(|message| problems.extend(entry.child(key).map(|node| node.problem(message))))
            .ok()
    };
    let source = source.and_then(|text| checked(problems, "source", in_bundle(&text)));
    let destination = destination.and_then(|text| checked(problems, "destination", on_host(&text)));
    Some(Mapping {
        source: source?,
        destination: destination?,
    })
}

/// A path seen from the bundle's root: a leading slash is harmless, `..` is not.
pub(super) fn in_bundle(text: &str) -> Result<String, String> {
    let mut names = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => return Err(format!("{text:?} leaves the bundle (no .. here)")),
            name => names.push(name),
        }
    }
    Ok(names.join("/"))
}

/// An absolute path on the host, without `.`, doubled or trailing slashes.
pub(super) fn on_host(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("{text:?} must be an absolute path"));
    }
    let mut path = String::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => return Err(format!("{text:?} must not contain ..")),
            name => {
                path.push('/');
                path.push_str(name);
            }
        }
    }
    Ok(if path.is_empty() {
        "/".to_owned()
    } else {
        path
    })
}

impl AppSpec {
    /// Form mode: the appspec of a bundle that has none, from the Application's (or Revision's) own fields.
    pub fn from_form(files: &[FileMapping], scripts: &Scripts) -> Result<AppSpec, Errors> {
        let mut problems = Vec::new();
        let files = files
            .iter()
            .enumerate()
            .filter_map(|(index, mapping)| form_mapping(index, mapping, &mut problems))
            .collect();
        let mut hooks = BTreeMap::new();
        for (event, key, words) in [
            ("ApplicationStop", "stop", &scripts.stop),
            ("ApplicationStart", "start", &scripts.start),
            ("ValidateService", "check", &scripts.check),
        ] {
            if let Some(script) = form_script(key, words, &mut problems) {
                hooks.insert(event.to_owned(), vec![script]);
            }
        }
        if problems.is_empty() {
            Ok(AppSpec {
                files,
                hooks,
                ..AppSpec::default()
            })
        } else {
            Err(Errors {
                file: "application".to_owned(),
                problems,
            })
        }
    }
}

fn form_problem(key: String, message: impl Into<String>) -> Problem {
    Problem {
        line: 0,
        key,
        message: message.into(),
    }
}

fn form_mapping(
    index: usize,
    mapping: &FileMapping,
    problems: &mut Vec<Problem>,
) -> Option<Mapping> {
    let mut path = |key: &str, text: &str, rule: fn(&str) -> Result<String, String>| {
        let checked = match text.trim() {
            "" => Err("must not be empty".to_owned()),
            text if text.contains('\0') => Err("must not contain a NUL".to_owned()),
            text => rule(text),
        };
        checked
            .map_err(|message| {
                problems.push(form_problem(format!("files[{index}].{key}"), message));
            })
            .ok()
    };
    let source = path("source", &mapping.source, in_bundle);
    let destination = path("destination", &mapping.destination, on_host);
    Some(Mapping {
        source: source?,
        destination: destination?,
    })
}

fn form_script(key: &str, words: &[String], problems: &mut Vec<Problem>) -> Option<Script> {
    let (location, arguments) = words.split_first()?;
    let location = match in_bundle(location.trim()) {
        Ok(location) if location.is_empty() => Err("must name a file in the bundle".to_owned()),
        _ if words.iter().any(|word| word.contains('\0')) => {
            Err("must not contain a NUL".to_owned())
        }
        other => other,
    };
    let location = location
        .map_err(|message| problems.push(form_problem(format!("scripts.{key}"), message)))
        .ok()?;
    Some(Script {
        location,
        arguments: arguments.to_vec(),
        timeout: None,
        runas: None,
    })
}
