//! Names of what is made: from `--name`, the repository, the directory or the image. Pure.
//!
//! Source: facts/oc.md 3.5. What was typed is checked, what is made up is repaired.

use std::collections::BTreeMap;

use crate::cli::Failure;

/// Names of pods and builds are longer than their application's.
const LONGEST: usize = 58;

/// Checks `--name`; it is not repaired.
pub fn given(name: &str) -> Result<String, Failure> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Failure::usage(format!(
        "invalid name: {name}. Must be an a lower case alphanumeric (a-z, and 0-9) string with a maximum length of {LONGEST} \
         characters, where the first character is a letter (a-z), and the '-' character is allowed anywhere except the \
         first or last character."
    )))
}

/// A name from whatever is at hand; none when too little of it can stand in a name.
pub fn made_up(from: &str) -> Result<String, Failure> {
    let kept: String = from
        .to_lowercase()
        .chars()
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        .collect();
    let kept = kept.trim_start_matches('-');
    let kept = kept[..kept.len().min(LONGEST)].trim_end_matches('-');
    if kept.len() < 2 || !is_name(kept) {
        return Err(Failure::usage(format!(
            "can't suggest a valid name from {from:?}, please specify a name with --name"
        )));
    }
    Ok(kept.to_owned())
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
}

/// The last part of a repository's URL, without `.git`.
pub fn of_repository(uri: &str) -> &str {
    let uri = uri.trim_end_matches('/');
    let last = uri.rsplit(['/', ':']).next().unwrap_or(uri);
    last.strip_suffix(".git").unwrap_or(last)
}

/// An input image stream's name: the last part of the image's, in the letters that a stream may have.
pub fn of_stream(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect()
}

/// Names that were given out; a repeat gets a number.
#[derive(Debug, Default)]
pub struct Taken(BTreeMap<String, usize>);

impl Taken {
    /// The name itself the first time, then `NAME-1`, `NAME-2`.
    pub fn unique(&mut self, name: String) -> String {
        let count = self.0.entry(name.clone()).or_default();
        let found = if *count == 0 {
            name
        } else {
            format!("{name}-{count}")
        };
        *count += 1;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_repaired() {
        let check = |from: &str, expect: Option<&str>| {
            assert_eq!(made_up(from).ok().as_deref(), expect, "{from}");
        };
        check("Emby.One", Some("embyone"));
        check("test-_test", Some("test-test"));
        check("@-MyRepo", Some("myrepo"));
        check("t", None);
        check("2048", None);
        check("滚动", None);
        check(&"a".repeat(70), Some(&"a".repeat(58)));
        let mut taken = Taken::default();
        let names = ["One", "ONE", "tWo"].map(|from| taken.unique(made_up(from).unwrap()));
        assert_eq!(names, ["one", "one-1", "two"]);
    }

    #[test]
    fn given_names_are_checked() {
        for name in ["a", "ruby-ex", "a1"] {
            assert_eq!(given(name).unwrap(), name);
        }
        for name in ["Foo_Bar", "", "1a", "a-", "-a", &"a".repeat(59)] {
            assert!(given(name).is_err(), "{name}");
        }
        assert_eq!(
            given("Foo_Bar").unwrap_err().message,
            "invalid name: Foo_Bar. Must be an a lower case alphanumeric (a-z, and 0-9) string with a maximum length of \
             58 characters, where the first character is a letter (a-z), and the '-' character is allowed anywhere \
             except the first or last character."
        );
    }

    #[test]
    fn repositories_and_images_give_their_last_part() {
        for uri in [
            "https://github.com/openshift/ruby-ex.git",
            "git@github.com:openshift/ruby-ex.git",
            "file:///srv/ruby-ex/",
            "git@host:ruby-ex",
        ] {
            assert_eq!(of_repository(uri), "ruby-ex", "{uri}");
        }
        assert_eq!(of_stream("centos/ruby_22.centos7"), "ruby-22-centos7");
    }
}
