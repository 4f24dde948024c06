//! `hooks` of an appspec: event → list of scripts.

use std::collections::BTreeMap;

use crate::api::appspec::EVENTS;
use crate::api::appspec::Problem;
use crate::api::appspec::Script;
use crate::api::appspec::files;
use crate::api::appspec::node::Node;
use crate::api::duration::Span;

/// A timeout nobody means; above it the text is a mistake.
const LONGEST: u64 = 366 * 86_400;

pub(super) fn parse(root: &Node<'_>, problems: &mut Vec<Problem>) -> BTreeMap<String, Vec<Script>> {
    let mut hooks = BTreeMap::new();
    let Some(node) = root.child("hooks") else {
        return hooks;
    };
    let Some(mapping) = node.mapping(problems, "a mapping from events to scripts") else {
        return hooks;
    };
    for event in mapping.keys() {
        if !EVENTS.contains(&event.as_str()) {
            let mut problem = node.unknown(event, "");
            problem.message = format!("unknown event; the events are {}", EVENTS.join(", "));
            problems.push(problem);
            continue;
        }
        let Some(list) = node.child(event) else {
            continue;
        };
        let scripts: Vec<Script> = list
            .list(problems, "scripts (- location: …)")
            .iter()
            .filter_map(|entry| script(entry, problems))
            .collect();
        if !scripts.is_empty() {
            hooks.insert(event.clone(), scripts);
        }
    }
    hooks
}

fn script(entry: &Node<'_>, problems: &mut Vec<Problem>) -> Option<Script> {
    let keys = [
        "location",
        "command",
        "timeout",
        "runas",
        "arguments",
        "sudo",
    ];
    entry.strict_mapping(problems, "a mapping with location", &keys)?;
    if let Some(sudo) = entry.child("sudo") {
        problems.push(sudo.problem("is not supported; name the user with runas"));
    }
    let location = location(entry, problems);
    let timeout = entry
        .child("timeout")
        .and_then(|node| timeout(&node, problems));
    let runas = entry.optional(problems, "runas");
    let arguments = entry.child("arguments").map_or_else(Vec::new, |node| {
        let entries = node.list(problems, "arguments");
        entries
            .iter()
            .filter_map(|entry| argument(entry, problems))
            .collect()
    });
    Some(Script {
        location: location?,
        arguments,
        timeout,
        runas,
    })
}

fn argument(node: &Node<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let text = node.any_text(problems)?;
    if text.contains('\0') {
        problems.push(node.problem("must not contain a NUL"));
        return None;
    }
    Some(text)
}

fn location(entry: &Node<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let node = match (entry.child("location"), entry.child("command")) {
        (Some(_), Some(command)) => {
            problems.push(command.problem("is another word for location; give one of them"));
            return None;
        }
        (Some(node), None) | (None, Some(node)) => node,
        (None, None) => {
            problems.push(entry.problem("needs location"));
            return None;
        }
    };
    let text = node.text(problems)?;
    let checked = files::in_bundle(&text).and_then(|path| {
        if path.is_empty() {
            Err(format!("{text:?} must name a file in the bundle"))
        } else {
            Ok(path)
        }
    });
    checked
        .map_err(|message| problems.push(node.problem(message)))
        .ok()
}

fn timeout(node: &Node<'_>, problems: &mut Vec<Problem>) -> Option<Span> {
    let text = node.text(problems)?;
    let span = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok().map(Span::seconds)
    } else {
        text.parse().ok()
    };
    match span {
        Some(span) if !span.0.is_zero() && span.0.as_secs() <= LONGEST => Some(span),
        _ => {
            problems.push(node.problem(format!(
                "must be a time above zero, in seconds (300) or like 90s, 10m, 1h30m, not {text:?}"
            )));
            None
        }
    }
}
