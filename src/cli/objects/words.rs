//! `TYPE`, `TYPE NAME…`, `TYPE/NAME…`, `T1,T2 NAME`: the words after a command, sorted out.
//!
//! Source: facts/oc.md 4.3 and 4.4. Pure: whether a type or an object exists is found out later.

use crate::cli::Failure;

/// What the words name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// Whole types: `app,gears`.
    Types(Vec<String>),
    /// Single objects, as (type, name).
    Named(Vec<(String, String)>),
}

/// Sorts the words out; no words is a usage error that each command words itself, so there must be one.
pub fn read(program: &str, command: &str, words: &[String]) -> Result<Words, Failure> {
    if words.iter().any(|word| word.contains('/')) {
        return slashed(program, command, words);
    }
    let Some((first, names)) = words.split_first() else {
        return Ok(Words::Types(Vec::new()));
    };
    let types: Vec<String> = first
        .split(',')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if types.is_empty() {
        return Err(Failure::usage(format!(
            "arguments must consist of a resource and a name, {first:?} is neither"
        )));
    }
    if names.is_empty() {
        return Ok(Words::Types(types));
    }
    if let Some(empty) = names.iter().position(String::is_empty) {
        return Err(Failure::usage(format!(
            "resource name may not be empty (argument {})",
            empty + 2
        )));
    }
    let named = types
        .iter()
        .flat_map(|word| names.iter().map(move |name| (word.clone(), name.clone())))
        .collect();
    Ok(Words::Named(named))
}

fn slashed(program: &str, command: &str, words: &[String]) -> Result<Words, Failure> {
    let mut named = Vec::new();
    for word in words {
        match word.split('/').collect::<Vec<_>>().as_slice() {
            [kind, name] if kind.contains(',') => {
                return Err(Failure::usage(format!(
                    "arguments in resource/name form must have a single resource and name: {kind}/{name}"
                )));
            }
            [kind, name] if !kind.is_empty() && !name.is_empty() => {
                named.push(((*kind).to_owned(), (*name).to_owned()));
            }
            [_] => {
                return Err(Failure::usage(format!(
                    "there is no need to specify a resource type as a separate argument when passing arguments in \
                     resource/name form (e.g. '{program} {command} resource/<resource_name>' instead of '{program} \
                     {command} resource resource/<resource_name>'"
                )));
            }
            [_, _] => {
                return Err(Failure::usage(
                    "arguments in resource/name form must have a single resource and name",
                ));
            }
            _ => {
                return Err(Failure::usage(
                    "arguments in resource/name form may not have more than one slash",
                ));
            }
        }
    }
    Ok(Words::Named(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expect: &str) {
        let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
        let result = match read("oc", "get", &words) {
            Ok(Words::Types(types)) => types.join(" "),
            Ok(Words::Named(named)) => named
                .iter()
                .map(|(kind, name)| format!("{kind}:{name}"))
                .collect::<Vec<_>>()
                .join(" "),
            Err(failure) => failure.message,
        };
        assert_eq!(result, expect, "{typed}");
    }

    #[test]
    fn every_form_of_the_facts() {
        check("app", "app");
        check("app,gears", "app gears");
        check("app a b", "app:a app:b");
        check("app/a gear/b", "app:a gear:b");
        check("app,gear a", "app:a gear:a");
        check(
            "app/",
            "arguments in resource/name form must have a single resource and name",
        );
        check(
            "app/a/b",
            "arguments in resource/name form may not have more than one slash",
        );
        check(
            "app app/a",
            "there is no need to specify a resource type as a separate argument when passing arguments in \
             resource/name form (e.g. 'oc get resource/<resource_name>' instead of 'oc get resource \
             resource/<resource_name>'",
        );
    }
}
