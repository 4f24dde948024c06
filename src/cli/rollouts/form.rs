//! Form mode as it is typed: what of a bundle goes where, and its three scripts.
//!
//! A script is one flag: its path in the bundle and arguments, with quotes as a shell has them. Nothing of it is ever
//! run by a shell: no variable, no pattern and no pipe means anything here.

use crate::api::upshift::FileMapping;
use crate::api::upshift::Scripts;
use crate::cli::Failure;

/// Reads every `SOURCE:DESTINATION`.
pub fn files(typed: &[String]) -> Result<Vec<FileMapping>, Failure> {
    typed.iter().map(|text| mapping(text)).collect()
}

fn mapping(text: &str) -> Result<FileMapping, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!(
            "invalid argument {text:?} for \"--file\" flag: {why}"
        ))
    };
    match text.split_once(':') {
        Some((source, destination)) if !source.is_empty() && !destination.is_empty() => {
            if !destination.starts_with('/') {
                return Err(wrong(
                    "the DESTINATION is a folder on the host and begins with '/'",
                ));
            }
            Ok(FileMapping {
                source: source.to_owned(),
                destination: destination.to_owned(),
            })
        }
        _ => Err(wrong("write it as SOURCE:DESTINATION, as in /:/srv/shop")),
    }
}

/// Reads the three scripts; none when no flag was given.
pub fn scripts(
    stop: Option<&str>,
    start: Option<&str>,
    check: Option<&str>,
) -> Result<Option<Scripts>, Failure> {
    let scripts = Scripts {
        stop: script("--stop", stop)?,
        start: script("--start", start)?,
        check: script("--check", check)?,
    };
    Ok((scripts != Scripts::default()).then_some(scripts))
}

fn script(flag: &str, text: Option<&str>) -> Result<Vec<String>, Failure> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let wrong = |why: &str| {
        Failure::usage(format!(
            "invalid argument {text:?} for {flag:?} flag: {why}"
        ))
    };
    let words = words(text).map_err(wrong)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(wrong("a script of the bundle, as in 'bin/start --fast'"));
    }
    Ok(words)
}

/// Words as a shell splits them: at blanks, but not within quotes or after a backslash.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => quoted(&mut letters, word.get_or_insert_default())?,
            '"' => double_quoted(&mut letters, word.get_or_insert_default())?,
            '\\' => {
                let escaped = letters.next().ok_or("it ends with a backslash")?;
                word.get_or_insert_default().push(escaped);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

const OPEN: &str = "a quote is not closed";

fn quoted(letters: &mut impl Iterator<Item = char>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match letters.next().ok_or(OPEN)? {
            '\'' => return Ok(()),
            other => word.push(other),
        }
    }
}

fn double_quoted(
    letters: &mut impl Iterator<Item = char>,
    word: &mut String,
) -> Result<(), &'static str> {
    loop {
        match letters.next().ok_or(OPEN)? {
            '"' => return Ok(()),
            '\\' => match letters.next().ok_or(OPEN)? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let check = |text: &str, expect: Result<&[&str], &str>| {
            let expect = expect.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
            assert_eq!(words(text), expect, "{text}");
        };
        check("bin/stop", Ok(&["bin/stop"]));
        check("  bin/start  --fast ", Ok(&["bin/start", "--fast"]));
        check("a 'b c' \"d e\"", Ok(&["a", "b c", "d e"]));
        check("a '' b\\ c", Ok(&["a", "", "b c"]));
        check(r#"a "x\"y\n" 'p\q'"#, Ok(&["a", "x\"y\\n", "p\\q"]));
        check("--name='my shop'", Ok(&["--name=my shop"]));
        // No shell reads it: these are letters like any other.
        check("a $HOME | b > c", Ok(&["a", "$HOME", "|", "b", ">", "c"]));
        check("a 'b", Err("a quote is not closed"));
        check("a \"b\\", Err("a quote is not closed"));
        check("a \\", Err("it ends with a backslash"));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_flag() {
        let stop = scripts(Some("'x"), None, None).unwrap_err();
        assert_eq!(
            stop.message,
            "invalid argument \"'x\" for \"--stop\" flag: a quote is not closed"
        );
        assert!(scripts(None, Some(" "), None).is_err());
        assert_eq!(scripts(None, None, None).unwrap(), None);
        let given = scripts(None, None, Some("bin/check 'a b'")).unwrap();
        assert_eq!(given.unwrap().check, ["bin/check", "a b"]);
        for wrong in ["", "x", ":", "a:", ":/b", "a:b"] {
            assert!(files(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        let good = files(&["/:/srv/x".to_owned()]).unwrap();
        assert_eq!(
            (good[0].source.as_str(), good[0].destination.as_str()),
            ("/", "/srv/x")
        );
    }
}
