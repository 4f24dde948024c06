//! Patterns of `permissions`: which paths below an object are meant.
//!
//! `*` is any run of characters inside one name and the only special character; a part that is `**` alone stands for any
//! number of folders. Names are bytes, compared as they are, dot-files included. Time is linear in the path for each `*`.

/// A pattern for paths below an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any number of names, none included.
    Folders,
    /// One name, with `*` in it.
    Name(String),
}

impl Pattern {
    /// Everything below, at any depth.
    pub fn everything() -> Pattern {
        Pattern::below("/", "**").expect("the pattern is known to be right")
    }

    /// Reads a pattern for paths below `object`; an absolute one must lie below it.
    pub fn below(object: &str, text: &str) -> Result<Pattern, String> {
        let relative = if text.starts_with('/') {
            let prefix = object.trim_end_matches('/');
            text.strip_prefix(prefix)
                .filter(|rest| rest.starts_with('/'))
                .ok_or_else(|| format!("{text:?} is not below {object}"))?
        } else {
            text
        };
        let mut parts = Vec::new();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(format!("{text:?} must not contain ..")),
                "**" if parts.last() == Some(&Part::Folders) => {}
                "**" => parts.push(Part::Folders),
                name => parts.push(Part::Name(name.to_owned())),
            }
        }
        match parts.last() {
            None => return Err(format!("{text:?} matches nothing")),
            // `sub/**` is what is below sub, not sub itself.
            Some(Part::Folders) => parts.push(Part::Name("*".to_owned())),
            Some(Part::Name(_)) => {}
        }
        Ok(Pattern {
            text: text.to_owned(),
            parts,
        })
    }

    /// Whether this is `**`.
    pub fn is_everything(&self) -> bool {
        self.text == "**"
    }

    /// Whether a path below the object (no leading slash) is meant.
    pub fn matches(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let fits = |part: &Part, name: &&[u8]| matches!(part, Part::Name(pattern) if name_matches(pattern.as_bytes(), name));
        wildcard(&self.parts, &names, |part| *part == Part::Folders, fits)
    }
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    wildcard(
        pattern,
        name,
        |part| *part == b'*',
        |part, byte| part == byte,
    )
}

/// Matches with one kind of "any run of items" part; the last such part alone ever needs to be widened.
fn wildcard<P, T>(
    pattern: &[P],
    items: &[T],
    is_run: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(at) {
            Some(part) if is_run(part) => {
                retry = Some((at + 1, item));
                at += 1;
            }
            Some(part) if fits(part, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (at, item) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(is_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::below("/test", pattern).unwrap();
        for path in yes {
            assert!(pattern.matches(path.as_bytes()), "{pattern:?} {path}");
        }
        for path in no {
            assert!(!pattern.matches(path.as_bytes()), "{pattern:?} {path}");
        }
    }

    #[test]
    fn a_pattern_without_a_slash_means_direct_children() {
        check(
            "prefix*",
            &["prefix", "prefix_x"],
            &["prefix/deeper", "not_prefix", "xprefix"],
        );
        check(
            "*ReadMe",
            &["ReadMe", "aReadMe"],
            &["sub/ReadMe", "ReadMe.txt", "readme"],
        );
        check("*.tmp", &["a.tmp", ".tmp"], &["a.tmpx", "d/a.tmp"]);
        check("**.sh", &["a.sh"], &["d/a.sh"]);
        check("a?[b]{c}", &["a?[b]{c}"], &["axbc"]);
    }

    #[test]
    fn two_stars_span_folders_and_a_slash_names_a_path() {
        check("**", &["a", "a/b", ".x/.y/z"], &[]);
        check("**/*.sh", &["a.sh", "d/a.sh", "d/e/a.sh"], &["a.shx", "d"]);
        check("sub/**", &["sub/a", "sub/a/b"], &["sub", "other/a"]);
        check("sub/x", &["sub/x"], &["x", "sub/x/y", "sub/sub/x"]);
        check("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["z", "a/b"]);
        check(
            "**/a/**/b*",
            &["a/b", "x/a/y/z/bb", "a/a/b/b"],
            &["b", "a/c"],
        );
        check("/test/sub/x", &["sub/x"], &["x"]);
        check("./bin/*", &["bin/a"], &["a"]);
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        for wrong in ["", "/", ".", "../x", "/elsewhere/x", "/testing/x"] {
            assert!(Pattern::below("/test", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = Pattern::below("/", &"*a".repeat(40)).unwrap();
        assert!(!pattern.matches(&vec![b'a'; 20_000][..39]));
        assert!(!pattern.matches("b".repeat(20_000).as_bytes()));
        let deep = vec!["a"; 5000].join("/");
        let pattern = Pattern::below("/", "**/a/**/a/**/a/**/b").unwrap();
        assert!(!pattern.matches(deep.as_bytes()));
    }
}
