//! What a command is about, as it is typed: `shop`, `app/shop`, `rollout/shop-3`.

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::cli::Failure;

/// One application or one rollout, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Application(String),
    Rollout(String),
}

/// Reads `TYPE/NAME`, or a name alone, which is an application's.
pub fn parse(word: &str) -> Result<Target, Failure> {
    let Some((kind, name)) = word.split_once('/') else {
        return checked(&kinds::APPLICATION, word).map(Target::Application);
    };
    match kinds::named(kind) {
        Some(kind) if *kind == kinds::APPLICATION => checked(kind, name).map(Target::Application),
        Some(kind) if *kind == kinds::ROLLOUT => checked(kind, name).map(Target::Rollout),
        Some(other) => Err(Failure::usage(format!(
            "expected app/NAME or rollout/NAME, got {}",
            other.plural
        ))),
        None => Err(Failure::usage(format!(
            "the server doesn't have a resource type {kind:?}; expected app/NAME or rollout/NAME"
        ))),
    }
}

/// Reads an application's name.
pub fn application(word: &str) -> Result<String, Failure> {
    match parse(word)? {
        Target::Application(name) => Ok(name),
        Target::Rollout(name) => Err(Failure::usage(format!(
            "expected an application (app/NAME), got rollout/{name}"
        ))),
    }
}

fn checked(kind: &Kind, name: &str) -> Result<String, Failure> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Failure::usage(format!(
        "{name:?} is not the name of {} {}: letters, digits, '-' and '.', as in app/shop",
        if kind.singular.starts_with('a') {
            "an"
        } else {
            "a"
        },
        kind.singular
    )))
}

/// Whether a word can be a name at all; the server knows the exact rule.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !name.is_empty() && name.len() <= 253 && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_their_kind() {
        let application = Target::Application("shop".to_owned());
        for word in [
            "shop",
            "app/shop",
            "applications.upshift.dev/shop",
            "Application/shop",
        ] {
            assert_eq!(parse(word).unwrap(), application, "{word}");
        }
        for word in ["rollout/shop-3", "ro/shop-3"] {
            assert_eq!(parse(word).unwrap(), Target::Rollout("shop-3".to_owned()));
        }
        for word in ["", "app/", "app/a/b", "pods/x", "nosuch/x", "../x", "A"] {
            assert!(parse(word).is_err(), "{word}");
        }
        assert!(super::application("rollout/shop-1").is_err());
    }
}
