//! What is wrong with what was typed, in `oc`'s words (facts/oc.md 1.4).

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::ContextKind;
use clap::error::ContextValue;
use clap::error::ErrorKind;

use crate::base::streams::Streams;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::help;
use crate::cli::program::Program;
use crate::cli::tree;

/// Turns clap's answer into ours: help that was asked for goes to stdout, everything else is a failure.
pub fn explain(
    error: &clap::Error,
    program: Program,
    typed: &[OsString],
    streams: &Streams,
) -> Result<Exit, Failure> {
    let root = tree::command(program);
    let path = path(&root, typed);
    match error.kind() {
        ErrorKind::DisplayHelp => {
            streams.out(format_args!("{}", help::page(program, &path)))?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayVersion => {
            streams.out(format_args!("{}", error.render()))?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            streams.err(format_args!("{}", help::page(program, &path)))?;
            Ok(Exit::Usage)
        }
        _ => Err(failure(error, &root, &path, typed)),
    }
}

/// A usage failure that points to the help of the command at `path` (`get`, `rollout status`).
pub fn see(program: Program, path: &str, message: impl Into<String>) -> Failure {
    Failure::usage(message).hint(format!(
        "See '{} {path} -h' for help and examples",
        program.name()
    ))
}

fn failure(
    error: &clap::Error,
    root: &clap::Command,
    path: &[String],
    typed: &[OsString],
) -> Failure {
    let name = std::iter::once(root.get_name().to_owned())
        .chain(path.iter().cloned())
        .collect::<Vec<_>>()
        .join(" ");
    let command = help::descend(root, path);
    let invalid = text(error, ContextKind::InvalidArg);
    if error.kind() == ErrorKind::InvalidSubcommand
        || (error.kind() == ErrorKind::UnknownArgument && !invalid.starts_with('-'))
    {
        return unknown_command(error, &name, path, &invalid);
    }
    let message = match error.kind() {
        ErrorKind::UnknownArgument => unknown_flag(&invalid, typed),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = text(error, ContextKind::InvalidValue);
            if value.is_empty() && one_of(error, ContextKind::ValidValue).is_none() {
                needs_argument(&invalid, typed)
            } else {
                format!(
                    "invalid argument {value:?} for {:?} flag: {}",
                    spelled(command, &invalid),
                    why(error)
                )
            }
        }
        ErrorKind::MissingRequiredArgument => missing(error),
        ErrorKind::ArgumentConflict => format!(
            "{} and {} cannot be used together",
            flag_name(&invalid),
            flag_name(&text(error, ContextKind::PriorArg))
        ),
        _ => first_line(error),
    };
    let mut failure = Failure::usage(message);
    if let Some(meant) = one_of(error, ContextKind::SuggestedArg) {
        failure = failure.hint(format!("\nDid you mean this?\n\t{meant}\n"));
    }
    failure.hint(format!("See '{name} --help' for usage."))
}

fn unknown_command(error: &clap::Error, name: &str, path: &[String], invalid: &str) -> Failure {
    let word = match text(error, ContextKind::InvalidSubcommand) {
        word if word.is_empty() => invalid.to_owned(),
        word => word,
    };
    if path.is_empty() {
        let failure = Failure::usage(format!("unknown command {word:?} for {name:?}"));
        return match one_of(error, ContextKind::SuggestedSubcommand) {
            Some(meant) => failure.hint(format!("\nDid you mean this?\n\t{meant}\n")),
            None => failure,
        };
    }
    let what = match error.kind() {
        ErrorKind::UnknownArgument => "unexpected argument",
        _ => "unknown command",
    };
    Failure::usage(format!("{what} {word:?}"))
        .hint(format!("See '{name} -h' for help and examples"))
}

fn unknown_flag(invalid: &str, typed: &[OsString]) -> String {
    if invalid.starts_with("--") {
        return format!("unknown flag: {}", flag_name(invalid));
    }
    let letter = invalid
        .trim_start_matches('-')
        .chars()
        .next()
        .unwrap_or('-');
    let group = typed
        .iter()
        .filter_map(|word| word.to_str())
        .find(|word| word.starts_with('-') && !word.starts_with("--") && word[1..].contains(letter))
        .unwrap_or(invalid);
    format!("unknown shorthand flag: {letter:?} in {group}")
}

fn needs_argument(invalid: &str, typed: &[OsString]) -> String {
    let last = typed.last().and_then(|word| word.to_str()).unwrap_or("");
    match last.strip_prefix('-') {
        Some(letters) if !letters.starts_with('-') && !letters.is_empty() => format!(
            "flag needs an argument: {:?} in {last}",
            letters.chars().last().unwrap_or('-')
        ),
        _ => format!("flag needs an argument: {}", flag_name(invalid)),
    }
}

fn missing(error: &clap::Error) -> String {
    let names: Vec<String> = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.clone(),
        Some(ContextValue::String(name)) => vec![name.clone()],
        _ => Vec::new(),
    };
    let (flags, words): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.starts_with('-'));
    if words.is_empty() && !flags.is_empty() {
        let flags: Vec<String> = flags
            .iter()
            .map(|flag| format!("{:?}", flag_name(flag).trim_start_matches('-')))
            .collect();
        return format!("required flag(s) {} not set", flags.join(", "));
    }
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.trim_matches(['<', '>', '.', '[', ']']))
        .collect();
    format!("{} is required", words.join(" and "))
}

/// Why a value was refused: the parser's own words, or the values that are allowed.
fn why(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
        let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
        return match quoted.as_slice() {
            [] => "it is not one".to_owned(),
            [only] => format!("must be {only}"),
            [first @ .., last] => format!("must be {} or {last}", first.join(", ")),
        };
    }
    match error.source() {
        // The standard library's words for a number name neither the value nor what is wanted.
        Some(source) if source.is::<std::num::ParseIntError>() => {
            "must be a whole number".to_owned()
        }
        Some(source) => source.to_string(),
        None => first_line(error),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// `-o, --output` for clap's `--output <FORMAT>`, as pflag names a flag with a shorthand.
fn spelled(command: &clap::Command, invalid: &str) -> String {
    let name = flag_name(invalid);
    let short = command
        .get_arguments()
        .find(|arg| arg.get_long() == name.strip_prefix("--"))
        .and_then(clap::Arg::get_short);
    match short {
        Some(short) => format!("-{short}, {name}"),
        None => name.to_owned(),
    }
}

fn flag_name(invalid: &str) -> &str {
    invalid.split([' ', '=', '[']).next().unwrap_or(invalid)
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn one_of(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // The likeliest comes last.
        ContextValue::Strings(texts) if !texts.is_empty() => {
            let texts: Vec<&str> = texts.iter().rev().map(String::as_str).collect();
            Some(texts.join("\n\t"))
        }
        _ => None,
    }
}

/// The commands that were typed, as far as they are ones: `rollout status`.
fn path(root: &clap::Command, typed: &[OsString]) -> Vec<String> {
    let mut path = Vec::new();
    let mut command = root;
    let mut words = typed.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some(flag) = word.strip_prefix('-') {
            if takes_value(root, command, flag) {
                words.next();
            }
            continue;
        }
        if word == "help" && path.is_empty() {
            continue;
        }
        let Some(below) = command.find_subcommand(word) else {
            break;
        };
        path.push(below.get_name().to_owned());
        command = below;
    }
    path
}

fn takes_value(root: &clap::Command, command: &clap::Command, flag: &str) -> bool {
    let arguments = || root.get_arguments().chain(command.get_arguments());
    let found = match flag.strip_prefix('-') {
        Some(long) if long.contains('=') => None,
        Some(long) => arguments().find(|arg| arg.get_long() == Some(long)),
        None if flag.chars().count() == 1 => {
            arguments().find(|arg| arg.get_short() == flag.chars().next())
        }
        None => None,
    };
    found.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set())
}
