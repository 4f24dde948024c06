//! What `logs` is asked about, as it is typed. Pure.

use crate::api::kinds;

/// What the words name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Pod(String),
    /// `TYPE/NAME` of anything but a pod; the type as it was typed.
    Object(String, String),
    /// All pods with these labels.
    Selector(String),
    /// `app/NAME` or `rollout/NAME`.
    Hooks(String),
    /// `gear/NAME`, by its name.
    Gear(String),
}

const EXPECTED: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n\
                        POD or TYPE/NAME is a required argument for the logs command";

/// Reads the words; the message of a refusal is oc's.
pub(super) fn read(words: &[String], selector: &str) -> Result<Target, String> {
    match words {
        [] if selector.is_empty() => Err(EXPECTED.to_owned()),
        [] => Ok(Target::Selector(selector.to_owned())),
        _ if !selector.is_empty() => {
            Err("only a selector (-l) or a POD name is allowed".to_owned())
        }
        [word] => one(word),
        [kind, name] if !kind.contains('/') && !name.contains('/') => {
            one(&format!("{kind}/{name}"))
        }
        _ => Err(EXPECTED.to_owned()),
    }
}

fn one(word: &str) -> Result<Target, String> {
    let Some((kind, name)) = word.split_once('/') else {
        return Ok(Target::Pod(word.to_owned()));
    };
    if kind.is_empty() || name.is_empty() || name.contains('/') {
        return Err(
            "arguments in resource/name form must have a single resource and name".to_owned(),
        );
    }
    Ok(match kinds::named(kind) {
        Some(kind) if *kind == kinds::POD => Target::Pod(name.to_owned()),
        Some(kind) if *kind == kinds::APPLICATION || *kind == kinds::ROLLOUT => {
            Target::Hooks(word.to_owned())
        }
        Some(kind) if *kind == kinds::GEAR => Target::Gear(name.to_owned()),
        _ => Target::Object(kind.to_owned(), name.to_owned()),
    })
}

/// Whether a type's word means builds.
pub(super) fn is_build(word: &str) -> bool {
    kinds::named(word).is_some_and(|kind| *kind == kinds::BUILD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_something() {
        let check = |typed: &str, selector: &str, expect: &str| {
            let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            let found = match read(&words, selector) {
                Ok(target) => format!("{target:?}"),
                Err(message) => message.lines().next().unwrap_or_default().to_owned(),
            };
            assert_eq!(found, expect, "{typed} {selector}");
        };
        check("ruby-ex-1-zzhrc", "", "Pod(\"ruby-ex-1-zzhrc\")");
        check("po/x", "", "Pod(\"x\")");
        check("bc/x", "", "Object(\"bc\", \"x\")");
        check("bc x", "", "Object(\"bc\", \"x\")");
        check("app/shop", "", "Hooks(\"app/shop\")");
        check("rollout/shop-3", "", "Hooks(\"rollout/shop-3\")");
        check("gear/shop-web-1", "", "Gear(\"shop-web-1\")");
        check("", "app=x", "Selector(\"app=x\")");
        check(
            "a",
            "app=x",
            "only a selector (-l) or a POD name is allowed",
        );
        check(
            "",
            "",
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.",
        );
        check(
            "bc/",
            "",
            "arguments in resource/name form must have a single resource and name",
        );
    }
}
