//! What a terminal can show: colours, Unicode, and how wide a text is.
//!
//! A state is always also a word; colour and glyph only repeat it (R16, R17).

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use crate::base::environment::Environment;

/// Terminals that draw a frame at once, by `TERM` and by `TERM_PROGRAM`.
const TERMS: [&str; 8] = [
    "alacritty",
    "contour",
    "foot",
    "foot-extra",
    "rio",
    "wezterm",
    "xterm-ghostty",
    "xterm-kitty",
];
const PROGRAMS: [&str; 6] = [
    "WezTerm",
    "contour",
    "ghostty",
    "iTerm.app",
    "mintty",
    "rio",
];

/// What may be used on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub color: bool,
    pub unicode: bool,
}

/// The four colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Good,
    Bad,
    Busy,
    Dim,
}

/// Signs before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    Good,
    Bad,
    Busy,
    Waiting,
    Skipped,
    /// Between a hook's place and what it printed.
    Bar,
    /// What is not shown.
    More,
    /// A node that is not heard.
    Silent,
    /// Before a line that belongs to the one above.
    None,
}

impl Look {
    /// No colours, no Unicode.
    pub const BARE: Look = Look {
        color: false,
        unicode: false,
    };

    /// What a stream with these surroundings can show; `flag` is `--color`.
    pub fn of(flag: Option<&str>, environment: &Environment, is_terminal: bool) -> Look {
        let set = |name| environment.variable(name).is_some_and(|value| value != "0");
        let color = match flag {
            Some("always") => true,
            Some("never") => false,
            _ if environment.variable("NO_COLOR").is_some() => false,
            _ if set("CLICOLOR_FORCE") || set("FORCE_COLOR") => true,
            _ => is_terminal && environment.variable("TERM") != Some("dumb"),
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| environment.variable(name))
            .unwrap_or_default()
            .to_ascii_lowercase();
        Look {
            color,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// Whether a terminal with these surroundings is known to hold a frame back until it is whole (mode 2026).
    ///
    /// Others pass the mode over, but an old one that does not know how to would print it.
    pub fn synchronizes(environment: &Environment) -> bool {
        let is = |name, known: &[&str]| {
            let value = environment.variable(name);
            value.is_some_and(|value| known.contains(&value))
        };
        // A multiplexer answers for itself, whatever the terminal around it is.
        let is_inside = ["TMUX", "STY", "ZELLIJ"];
        let is_inside = is_inside
            .iter()
            .any(|name| environment.variable(name).is_some());
        !is_inside && (is("TERM", &TERMS) || is("TERM_PROGRAM", &PROGRAMS))
    }

    /// `text` in a colour, when there are colours.
    pub fn paint(self, color: Color, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match color {
            Color::Good => 32,
            Color::Bad => 31,
            Color::Busy => 36,
            Color::Dim => 2,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// The sign, or its word in ASCII.
    pub fn glyph(self, glyph: Glyph) -> &'static str {
        match (glyph, self.unicode) {
            (Glyph::Good, true) => "✓",
            (Glyph::Good, false) => "ok",
            (Glyph::Bad, true) => "✗",
            (Glyph::Bad, false) => "FAIL",
            (Glyph::Busy, true) => "▸",
            (Glyph::Busy, false) => ">",
            (Glyph::Waiting, true) => "·",
            (Glyph::Waiting | Glyph::More, false) => "..",
            (Glyph::Skipped, _) => "-",
            (Glyph::Bar, true) => "│",
            (Glyph::Bar, false) => "|",
            (Glyph::More, true) => "…",
            (Glyph::Silent, _) => "?",
            (Glyph::None, _) => " ",
        }
    }

    /// What stands between two counts.
    pub fn dot(self) -> &'static str {
        if self.unicode { " · " } else { ", " }
    }

    /// Columns before the words of a row: two, its sign, one.
    pub fn indent(self) -> usize {
        if self.unicode { 4 } else { 7 }
    }

    /// `text` in at most that many columns; what is cut off shows as `…`.
    pub fn fit(self, text: &str, columns: usize) -> String {
        if text.width() <= columns {
            return text.to_owned();
        }
        let end = if self.unicode { "…" } else { ".." };
        let end = if end.width() <= columns { end } else { "" };
        let mut room = columns - end.width();
        let mut cut = String::new();
        for c in text.chars() {
            let width = c.width().unwrap_or(0);
            if width > room {
                break;
            }
            room -= width;
            cut.push(c);
        }
        cut.push_str(end);
        cut
    }
}

/// `text` in lines of at most that many columns, broken between words; a longer word is not broken.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` filled with spaces to that many columns.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(text.width());
    format!("{text}{:missing$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment {
            variables: pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Environment::default()
        }
    }

    #[test]
    fn colour_follows_the_flag_then_the_variables_then_the_terminal() {
        let check = |flag, pairs: &[(&str, &str)], terminal, expect| {
            let look = Look::of(flag, &environment(pairs), terminal);
            assert_eq!(look.color, expect, "{flag:?} {pairs:?} {terminal}");
        };
        check(None, &[], true, true);
        check(None, &[], false, false);
        check(None, &[("NO_COLOR", "")], true, true);
        check(
            None,
            &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")],
            true,
            false,
        );
        check(None, &[("FORCE_COLOR", "1")], false, true);
        check(None, &[("CLICOLOR_FORCE", "0")], false, false);
        check(None, &[("TERM", "dumb")], true, false);
        check(Some("always"), &[("NO_COLOR", "1")], false, true);
        check(Some("never"), &[("FORCE_COLOR", "1")], true, false);
    }

    #[test]
    fn only_known_terminals_get_whole_frames() {
        let check = |pairs: &[(&str, &str)], expect| {
            assert_eq!(Look::synchronizes(&environment(pairs)), expect, "{pairs:?}");
        };
        check(&[], false);
        check(&[("TERM", "xterm-256color")], false);
        check(&[("TERM", "xterm-kitty")], true);
        check(
            &[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")],
            true,
        );
        check(
            &[("TERM_PROGRAM", "iTerm.app"), ("TMUX", "/tmp/tmux,1,0")],
            false,
        );
    }

    #[test]
    fn unicode_needs_a_utf8_locale() {
        let check = |pairs: &[(&str, &str)], expect| {
            assert_eq!(
                Look::of(None, &environment(pairs), true).unicode,
                expect,
                "{pairs:?}"
            );
        };
        check(&[("LANG", "de_DE.UTF-8")], true);
        check(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], false);
        check(&[("LC_CTYPE", "C.utf8")], true);
        check(&[], false);
    }

    #[test]
    fn lines_break_between_words() {
        let lines = wrap("goes on in 10m, or with 'upshift promote shop'", 20);
        assert_eq!(
            lines,
            ["goes on in 10m, or", "with 'upshift", "promote shop'"]
        );
        assert_eq!(wrap("", 20), Vec::<String>::new());
        assert_eq!(wrap("abcdef g", 3), ["abcdef", "g"]);
    }

    #[test]
    fn a_text_never_exceeds_its_columns_even_when_characters_are_wide() {
        let unicode = Look {
            color: false,
            unicode: true,
        };
        assert_eq!(unicode.fit("滚动部署", 5), "滚动…");
        assert_eq!(unicode.fit("滚动部署", 8), "滚动部署");
        assert_eq!(unicode.fit("abc", 1), "…");
        assert_eq!(unicode.fit("abc", 0), "");
        assert_eq!(Look::BARE.fit("abcdef", 4), "ab..");
        for columns in 0..12 {
            assert!(unicode.fit("a滚b动c部", columns).width() <= columns);
        }
    }
}
