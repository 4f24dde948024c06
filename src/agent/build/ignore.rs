//! `.s2iignore`: lines of shell patterns, `!` for exceptions; the last line that matches a path decides. Pure.
//!
//! Sources: source-to-image pkg/ignore/ignore.go; patterns as Go's `filepath.Match` reads them.

/// What a source leaves out of its builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored {
    lines: Vec<(bool, String)>,
}

impl Ignored {
    /// Reads the file's text.
    pub(super) fn parse(text: &str) -> Ignored {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|line| match line.strip_prefix('!') {
            Some(kept) => (false, clean(kept)),
            None => (true, clean(line)),
        });
        Ignored {
            lines: lines.filter(|(_, pattern)| !pattern.is_empty()).collect(),
        }
    }

    /// Whether nothing is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a path, seen from the source's root, is left out with all that is below it.
    pub(super) fn matches(&self, path: &str) -> bool {
        let mut lines = self.lines.iter().rev();
        lines
            .find(|(_, pattern)| glob(pattern.as_bytes(), path.as_bytes()))
            .is_some_and(|(ignored, _)| *ignored)
    }
}

fn clean(pattern: &str) -> String {
    let pattern = pattern.trim().trim_start_matches("./");
    pattern.trim_matches('/').to_owned()
}

/// `*` and `?` match anything but a slash, `[…]` a set, `\` the next letter as it is.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => {
            let end = text
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(text.len());
            (0..=end).any(|at| glob(rest, &text[at..]))
        }
        [b'?', rest @ ..] => {
            matches!(text, [first, more @ ..] if *first != b'/' && glob(rest, more))
        }
        [b'[', rest @ ..] => match (set(rest), text) {
            (Some((set, after)), [first, more @ ..]) => {
                *first != b'/' && set.contains(*first) && glob(after, more)
            }
            _ => false,
        },
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => {
            matches!(text, [first, more @ ..] if first == literal && glob(rest, more))
        }
    }
}

struct Set<'a> {
    negated: bool,
    members: &'a [u8],
}

impl Set<'_> {
    fn contains(&self, byte: u8) -> bool {
        let mut members = self.members;
        let mut found = false;
        while let [first, rest @ ..] = members {
            if let [b'-', last, more @ ..] = rest {
                found |= (*first..=*last).contains(&byte);
                members = more;
            } else {
                found |= *first == byte;
                members = rest;
            }
        }
        found != self.negated
    }
}

fn set(pattern: &[u8]) -> Option<(Set<'_>, &[u8])> {
    let (negated, inside) = match pattern {
        [b'^' | b'!', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let end = inside.iter().skip(1).position(|byte| *byte == b']')? + 1;
    let members = &inside[..end];
    Some((Set { negated, members }, &inside[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_matches_decides() {
        let ignored = Ignored::parse("*.log\n!keep.log\n\n# comment\n/build/\nsrc/[ab]?.c\n");
        for path in ["x.log", "build", "src/a1.c"] {
            assert!(ignored.matches(path), "{path}");
        }
        for path in ["keep.log", "d/x.log", "src/c1.c", "src/a/.c", "comment"] {
            assert!(!ignored.matches(path), "{path}");
        }
        assert!(Ignored::parse("# nothing\n\n!\n").is_empty());
    }

    #[test]
    fn sets_ranges_and_escapes() {
        for (pattern, text, expected) in [
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[a", "a", false),
            ("a*b*c", "a12b3c", true),
            ("?", "/", false),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
