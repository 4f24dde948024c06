//! Which renderer is used: `--progress`, the environment, the stream (R2, R3).

use std::fmt;

use crate::base::environment::Environment;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A frame that redraws in place, on a terminal.
    Tty,
    /// A line per change.
    Plain,
    /// NDJSON on stdout, alone.
    Json,
    /// Nothing, unless something failed.
    Quiet,
}

/// The words of `--progress`.
pub const WORDS: [&str; 5] = ["auto", "tty", "plain", "json", "quiet"];

/// What was asked for, and where it would be shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `--progress`.
    pub progress: Option<&'a str>,
    /// `-q`.
    pub quiet: bool,
    /// Whether `-o` asks for an object on stdout.
    pub output: bool,
    /// Whether stderr is a terminal.
    pub err_is_terminal: bool,
}

/// Why a mode cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    NoTerminal,
    JsonTwice,
    Unknown { word: String, from: &'static str },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::NoTerminal => f.write_str(
                "--progress=tty needs a terminal on stderr (use --progress=plain, or leave it out)",
            ),
            Wrong::JsonTwice => {
                f.write_str("--progress=json and -o both want stdout; leave one of them out")
            }
            Wrong::Unknown { word, from } => write!(
                f,
                "invalid argument {word:?} for {from}: must be one of {}",
                WORDS.join(", ")
            ),
        }
    }
}

/// Chooses: the flag, `UPSHIFT_PROGRESS`, `OC_PROGRESS`, else by the stream. `-o` makes an unasked mode quiet.
pub fn choose(asked: Asked<'_>, environment: &Environment) -> Result<Mode, Wrong> {
    let from_environment = ["UPSHIFT_PROGRESS", "OC_PROGRESS"]
        .into_iter()
        .find_map(|name| Some((environment.variable(name)?, name)));
    let (word, from) = match (asked.progress, from_environment) {
        (Some(word), _) => (word, "\"--progress\" flag"),
        (None, Some(_)) if asked.quiet || asked.output => ("auto", ""),
        (None, Some(found)) => found,
        (None, None) => ("auto", ""),
    };
    match word {
        "json" if asked.output => Err(Wrong::JsonTwice),
        "json" => Ok(Mode::Json),
        _ if asked.quiet => Ok(Mode::Quiet),
        "tty" if !asked.err_is_terminal => Err(Wrong::NoTerminal),
        "tty" => Ok(Mode::Tty),
        "plain" => Ok(Mode::Plain),
        "quiet" => Ok(Mode::Quiet),
        "auto" if asked.output => Ok(Mode::Quiet),
        "auto" => Ok(automatic(asked.err_is_terminal, environment)),
        word => Err(Wrong::Unknown {
            word: word.to_owned(),
            from,
        }),
    }
}

fn automatic(err_is_terminal: bool, environment: &Environment) -> Mode {
    let plain = !err_is_terminal
        || environment.variable("TERM") == Some("dumb")
        || environment.variable("CI").is_some();
    if plain { Mode::Plain } else { Mode::Tty }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        progress: Option<&str>,
        pairs: &[(&str, &str)],
        err_is_terminal: bool,
        expect: &Result<Mode, Wrong>,
    ) {
        let environment = Environment {
            variables: pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Environment::default()
        };
        let asked = Asked {
            progress,
            err_is_terminal,
            ..Asked::default()
        };
        assert_eq!(
            &choose(asked, &environment),
            expect,
            "{progress:?} {pairs:?} {err_is_terminal}"
        );
    }

    #[test]
    fn five_words_in_four_surroundings() {
        for (pairs, terminal, auto) in [
            (&[][..], true, Mode::Tty),
            (&[][..], false, Mode::Plain),
            (&[("CI", "true")][..], true, Mode::Plain),
            (&[("TERM", "dumb")][..], true, Mode::Plain),
        ] {
            check(None, pairs, terminal, &Ok(auto));
            check(Some("auto"), pairs, terminal, &Ok(auto));
            check(Some("plain"), pairs, terminal, &Ok(Mode::Plain));
            check(Some("json"), pairs, terminal, &Ok(Mode::Json));
            check(Some("quiet"), pairs, terminal, &Ok(Mode::Quiet));
            let tty = if terminal {
                Ok(Mode::Tty)
            } else {
                Err(Wrong::NoTerminal)
            };
            check(Some("tty"), pairs, terminal, &tty);
        }
    }

    #[test]
    fn the_flag_wins_over_our_variable_and_ours_over_oc_s() {
        let both = &[("UPSHIFT_PROGRESS", "json"), ("OC_PROGRESS", "plain")];
        check(None, both, true, &Ok(Mode::Json));
        check(None, &[("OC_PROGRESS", "plain")], true, &Ok(Mode::Plain));
        check(Some("quiet"), both, true, &Ok(Mode::Quiet));
        let wrong = Wrong::Unknown {
            word: "fancy".to_owned(),
            from: "OC_PROGRESS",
        };
        check(None, &[("OC_PROGRESS", "fancy")], true, &Err(wrong));
    }

    #[test]
    fn an_object_on_stdout_leaves_no_room_for_events() {
        let asked = |progress| Asked {
            progress,
            output: true,
            ..Asked::default()
        };
        let environment = Environment::default();
        assert_eq!(choose(asked(None), &environment), Ok(Mode::Quiet));
        assert_eq!(
            choose(asked(Some("json")), &environment),
            Err(Wrong::JsonTwice)
        );
        assert_eq!(choose(asked(Some("plain")), &environment), Ok(Mode::Plain));
    }
}
