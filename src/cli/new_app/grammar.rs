//! What each typed word is: a variable, a source, or images. Pure but for a look at what is there on disk.
//!
//! Source: facts/oc.md 3.2. Templates are not there, so a file is nothing that an application can be made of.

use crate::cli::Failure;
use crate::cli::program::Program;
use crate::cli::usage;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Directory,
    File,
    Nothing,
}

/// One image of a word: `IMAGE`, `IMAGE~SOURCE`, or `IMAGE~`, which waits for a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub image: String,
    pub source: Option<String>,
    pub waits: bool,
    /// How it was named: decides where it is looked for, and how messages name it.
    pub named_by: NamedBy,
}

/// The flag that an image was given with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedBy {
    #[default]
    Word,
    Image,
    ImageStream,
}

/// Everything that was typed, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    pub env: Vec<(String, String)>,
    pub sources: Vec<String>,
    /// Images that share a pod stand together.
    pub groups: Vec<Vec<Part>>,
}

/// Sorts words out; `command` is `new-app` or `new-build`.
pub fn read(
    words: &[String],
    look: &dyn Fn(&str) -> Place,
    program: Program,
    command: &str,
) -> Result<Typed, Failure> {
    let mut typed = Typed::default();
    for word in words {
        if let Some((name, value)) = variable(word)? {
            typed.env.push((name, value));
        } else if is_url(word) {
            typed.sources.push(word.clone());
        } else {
            match look(word) {
                Place::Directory => typed.sources.push(word.clone()),
                Place::File => {
                    return Err(usage::see(
                        program,
                        command,
                        format!(
                            "{word} is a file; an application is made of a directory, a repository or an image stream"
                        ),
                    ));
                }
                Place::Nothing if is_path(word) => return Err(no_directory(word)),
                Place::Nothing => typed.groups.push(components(word)?),
            }
        }
    }
    Ok(typed)
}

/// A directory that is not there.
pub fn no_directory(path: &str) -> Failure {
    Failure::usage(format!("{path}: no such directory"))
}

/// `NAME=VALUE`; a URL may hold a `=` as well.
fn variable(word: &str) -> Result<Option<(String, String)>, Failure> {
    match word.split_once('=') {
        Some((name, _)) if name.contains("://") || name.contains(['/', '~']) => Ok(None),
        Some(_) => assignment(word).map(Some),
        None => Ok(None),
    }
}

/// A variable of `-e` or of a file.
pub fn assignment(text: &str) -> Result<(String, String), Failure> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Failure::usage(format!(
            "environment variables must be of the form key=value, but is {text:?}"
        )));
    };
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '-'))
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    if !is_name(name) {
        return Err(Failure::usage(format!(
            "invalid environment variable name {name:?}: letters, digits, '_', '-' and '.', and no digit first"
        )));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Whether a word names a repository somewhere else: `https://…`, `file://…`, `user@host:path`.
pub fn is_url(word: &str) -> bool {
    let before_source = word.split('~').next().unwrap_or(word);
    if before_source.contains("://") {
        return true;
    }
    let Some((host, path)) = word.split_once(':') else {
        return false;
    };
    host.contains('@') && !host.contains(['/', '~', '+']) && !path.is_empty()
}

/// Whether a word can only be meant as a path.
fn is_path(word: &str) -> bool {
    word.starts_with(['/', '.'])
}

fn components(word: &str) -> Result<Vec<Part>, Failure> {
    // A source may hold a `+`; then the word is one component.
    if word.contains('~')
        && word
            .split_once('~')
            .is_some_and(|(_, source)| is_url(source))
    {
        return Ok(vec![component(word)?]);
    }
    word.split('+').map(component).collect()
}

/// Reads `IMAGE`, `IMAGE~SOURCE` or `IMAGE~`.
pub fn component(word: &str) -> Result<Part, Failure> {
    if word.trim().is_empty() {
        return Err(Failure::usage(
            "empty string provided to component reference check",
        ));
    }
    let Some((image, source)) = word.split_once('~') else {
        return Ok(Part {
            image: word.to_owned(),
            ..Part::default()
        });
    };
    if image.is_empty() {
        return Err(Failure::usage(format!(
            "when using '[image]~[code]' form for {word:?}, you must specify a image name"
        )));
    }
    Ok(Part {
        image: image.to_owned(),
        source: (!source.is_empty()).then(|| source.to_owned()),
        waits: source.is_empty(),
        ..Part::default()
    })
}

/// Which image goes with which source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paired {
    pub groups: Vec<Vec<Part>>,
    /// Sources whose builder has to be found.
    pub alone: Vec<String>,
}

/// Gives sources without an image to images that need one; `needs` says which do.
pub fn pair(typed: Typed, needs: &dyn Fn(&Part) -> bool) -> Result<Paired, Failure> {
    let Typed {
        mut groups,
        mut sources,
        ..
    } = typed;
    let mut waiting: Vec<&mut Part> = groups
        .iter_mut()
        .flatten()
        .filter(|part| part.source.is_none() && (part.waits || needs(part)))
        .collect();
    match (waiting.as_mut_slice(), sources.as_slice()) {
        ([], _) => {}
        ([part, ..], []) => {
            return Err(Failure::usage(format!(
                "no source code was given for the builder image {:?}",
                part.image
            ))
            .hint(format!(
                "Name a directory or a repository: {}~[source], or make a build that waits for one with --binary.",
                part.image
            )));
        }
        ([part], [source]) => {
            part.source = Some(source.clone());
            sources.clear();
        }
        ([part], sources) => {
            let failure = Failure::usage(
                "there are multiple code locations provided - use one of the following suggestions to declare which \
                 code goes with the image:",
            );
            return Err(sources.iter().fold(failure, |failure, source| {
                failure.hint(format!("{}~{source}", part.image))
            }));
        }
        (parts, _) => {
            let images: Vec<&str> = parts.iter().map(|part| part.image.as_str()).collect();
            return Err(Failure::usage(format!(
                "the following images require source code: {}",
                images.join(", ")
            ))
            .hint("Use '[image]~[repo]' to declare which code goes with which image"));
        }
    }
    Ok(Paired {
        groups,
        alone: sources,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Typed, Failure> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let look = |path: &str| match path {
            "dir" | "./dir" => Place::Directory,
            "file" => Place::File,
            _ => Place::Nothing,
        };
        read(&words, &look, Program::Oc, "new-app")
    }

    fn check(line: &str, expect: &str) {
        let text = match typed(line) {
            Ok(typed) => {
                let part = |part: &Part| match &part.source {
                    Some(source) => format!("{}<-{source}", part.image),
                    None if part.waits => format!("{}<-?", part.image),
                    None => part.image.clone(),
                };
                let groups = typed
                    .groups
                    .iter()
                    .map(|group| group.iter().map(part).collect::<Vec<_>>().join("&"));
                let env = typed
                    .env
                    .iter()
                    .map(|(name, value)| format!("{name}:={value}"));
                let sources = typed.sources.iter().map(|source| format!("@{source}"));
                env.chain(sources)
                    .chain(groups)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Err(failure) => failure.message,
        };
        assert_eq!(text, expect, "{line}");
    }

    #[test]
    fn words_are_sorted_out() {
        check("python~dir A=b", "A:=b python<-dir");
        check("python dir", "@dir python");
        check("https://x/y.git#v1", "@https://x/y.git#v1");
        check("https://x/y?a=b", "@https://x/y?a=b");
        check("git@host:a/b.git", "@git@host:a/b.git");
        check("python~git@host:a/b.git", "python<-git@host:a/b.git");
        check("ns/python:3.9~https://x/y", "ns/python:3.9<-https://x/y");
        check("python~https://x/a+b.git", "python<-https://x/a+b.git");
        check("python~", "python<-?");
        check("a+b", "a&b");
        check("tests/nosuch", "tests/nosuch");
        check("./nosuch", "./nosuch: no such directory");
        check(
            "file",
            "file is a file; an application is made of a directory, a repository or an image stream",
        );
        check(
            "~x",
            "when using '[image]~[code]' form for \"~x\", you must specify a image name",
        );
        check("a++b", "empty string provided to component reference check");
        check(
            "1A=b",
            "invalid environment variable name \"1A\": letters, digits, '_', '-' and '.', and no digit first",
        );
    }

    fn paired(line: &str) -> String {
        let is_builder = |part: &Part| part.image.starts_with("python");
        match pair(typed(line).unwrap(), &is_builder) {
            Ok(paired) => format!("{:?} {:?}", paired.groups, paired.alone),
            Err(failure) => failure.lines().join("\n"),
        }
    }

    #[test]
    fn a_lone_builder_gets_the_lone_source() {
        let python = Part {
            image: "python".to_owned(),
            source: Some("dir".to_owned()),
            ..Part::default()
        };
        assert_eq!(paired("python dir"), format!("{:?} []", [[python]]));
        assert!(paired("mysql dir").ends_with("[\"dir\"]"));
        assert_eq!(
            paired("python dir https://x/y"),
            "error: there are multiple code locations provided - use one of the following suggestions to declare which \
             code goes with the image:\npython~dir\npython~https://x/y"
        );
        assert!(paired("python python2 dir").contains("Use '[image]~[repo]' to declare"));
        assert!(paired("python").starts_with("error: no source code was given"));
    }
}
