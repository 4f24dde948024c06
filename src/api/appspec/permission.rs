//! One entry of `permissions`: which objects, and what is set on them.

use crate::api::appspec::Acl;
use crate::api::appspec::Context;
use crate::api::appspec::Pattern;
use crate::api::appspec::Problem;
use crate::api::appspec::context;
use crate::api::appspec::files;
use crate::api::appspec::node::Node;

const KEYS: [&str; 9] = [
    "object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context",
];

/// What is set on the objects that an entry matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Permission {
    /// Absolute path of an installed file, or of a folder whose contents are meant.
    pub object: String,
    pub pattern: Pattern,
    pub except: Vec<Pattern>,
    pub for_files: bool,
    pub for_folders: bool,
    /// A name, or a number.
    pub owner: Option<String>,
    pub group: Option<String>,
    pub mode: Option<u32>,
    pub acl: Option<Acl>,
    pub context: Option<Context>,
    /// Where the entry stands in the file.
    pub line: usize,
}

impl Permission {
    /// Whether a path below the object (no leading slash) is meant, going by its name.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.pattern.matches(path) && !self.except.iter().any(|except| except.matches(path))
    }

    /// What is wrong with this entry when its object is one file.
    pub fn check_on_file(&self) -> Result<(), String> {
        let wrong = |what: &str| {
            Err(format!(
                "permissions (line {}): {} is a file: {what}",
                self.line, self.object
            ))
        };
        if !self.pattern.is_everything() {
            return wrong("it takes no pattern");
        }
        if !self.except.is_empty() {
            return wrong("it takes no except");
        }
        Ok(())
    }
}

pub(super) fn parse(root: &Node<'_>, problems: &mut Vec<Problem>) -> Vec<Permission> {
    // The seed (001) spells the key with three s.
    let node = match (root.child("permissions"), root.child("permisssions")) {
        (Some(_), Some(second)) => {
            problems.push(second.problem("permissions is there too; give one of them"));
            return Vec::new();
        }
        (Some(node), None) | (None, Some(node)) => node,
        (None, None) => return Vec::new(),
    };
    let entries = node.list(problems, "permissions (- object: …)");
    entries
        .iter()
        .filter_map(|entry| one(entry, problems))
        .collect()
}

fn one(entry: &Node<'_>, problems: &mut Vec<Problem>) -> Option<Permission> {
    entry.strict_mapping(problems, "a mapping with object", &KEYS)?;
    let object = entry.required(problems, "object").and_then(|text| {
        files::on_host(&text)
            .map_err(|message| {
                problems.extend(entry.child("object").map(|node| node.problem(message)));
            })
            .ok()
    });
    let base = object.clone().unwrap_or_else(|| "/".to_owned());
    let (for_files, for_folders) = types(entry, problems);
    let permission = Permission {
        pattern: entry
            .child("pattern")
            .and_then(|node| pattern(&node, &base, problems))
            .unwrap_or_else(Pattern::everything),
        except: entry.child("except").map_or_else(Vec::new, |node| {
            let entries = node.list(problems, "patterns");
            entries
                .iter()
                .filter_map(|node| pattern(node, &base, problems))
                .collect()
        }),
        for_files,
        for_folders,
        owner: entry.optional(problems, "owner"),
        group: entry.optional(problems, "group"),
        mode: entry.child("mode").and_then(|node| mode(&node, problems)),
        acl: entry
            .child("acls")
            .map(|node| acl(&node, for_folders, problems)),
        context: entry
            .child("context")
            .and_then(|node| context::parse(&node, problems)),
        line: entry.line(),
        object: base,
    };
    object.map(|_| permission)
}

fn pattern(node: &Node<'_>, object: &str, problems: &mut Vec<Problem>) -> Option<Pattern> {
    let text = node.text(problems)?;
    Pattern::below(object, &text)
        .map_err(|message| problems.push(node.problem(message)))
        .ok()
}

fn types(entry: &Node<'_>, problems: &mut Vec<Problem>) -> (bool, bool) {
    let Some(node) = entry.child("type") else {
        return (true, true);
    };
    let (mut for_files, mut for_folders) = (false, false);
    for kind in node.list(problems, "file and directory") {
        match kind.text(problems).as_deref() {
            Some("file") => for_files = true,
            Some("directory") => for_folders = true,
            Some(other) => {
                problems.push(kind.problem(format!("must be file or directory, not {other:?}")));
            }
            None => {}
        }
    }
    if node.value.as_array().is_some_and(Vec::is_empty) {
        return (true, true);
    }
    (for_files, for_folders)
}

/// One to four octal digits, as they were written; a zero before four of them is the habit of C and fine.
fn mode(node: &Node<'_>, problems: &mut Vec<Problem>) -> Option<u32> {
    let text = node.text(problems)?;
    let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let digits = text.strip_prefix('0').unwrap_or(&text);
    if !is_octal || digits.len() > 4 {
        problems.push(node.problem(format!(
            "must be one to four digits of 0 to 7, not {text:?}"
        )));
        return None;
    }
    u32::from_str_radix(&text, 8).ok()
}

fn acl(node: &Node<'_>, for_folders: bool, problems: &mut Vec<Problem>) -> Acl {
    let mut acl = Acl::default();
    for entry in node.list(problems, "access control entries") {
        if let Some(text) = entry.text(problems)
            && let Err(message) = acl.add(&text)
        {
            problems.push(entry.problem(message));
        }
    }
    if acl.has_defaults() && !for_folders {
        problems
            .push(node.problem("default entries are for directories, and type names only file"));
    }
    acl
}
