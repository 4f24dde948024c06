//! How a scalar may be written: a port of `yaml_emitter_analyze_scalar` and `yaml_emitter_select_scalar_style`.

/// The four ways to write a scalar outside of flow lists and mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What a text allows.
pub(super) struct Analysis {
    pub(super) multiline: bool,
    plain: bool,
    single_quoted: bool,
    literal: bool,
}

/// The style to use when `wanted` may not be possible.
pub(super) fn choose(text: &str, wanted: Style, is_key: bool) -> Style {
    let allowed = Analysis::of(text);
    let mut style = wanted;
    if is_key && allowed.multiline {
        style = Style::DoubleQuoted;
    }
    if style == Style::Plain && (!allowed.plain || (text.is_empty() && is_key)) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !allowed.single_quoted {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!allowed.literal || is_key) {
        style = Style::DoubleQuoted;
    }
    style
}

impl Analysis {
    pub(super) fn of(text: &str) -> Analysis {
        let mut found = Findings::default();
        if text.starts_with("---") || text.starts_with("...") {
            found.indicators = true;
        }
        let mut before = None;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            found.see(before, character, rest.peek().copied());
            before = Some(character);
        }
        let special = found.space_break || found.special;
        Analysis {
            multiline: found.breaks,
            plain: !(special
                || found.edge_space
                || found.edge_break
                || found.break_space
                || found.breaks
                || found.indicators),
            single_quoted: !(special || found.break_space),
            literal: !(special || found.trailing_space || text.is_empty()),
        }
    }
}

#[derive(Default)]
struct Findings {
    /// Something that means more than itself in block context.
    indicators: bool,
    breaks: bool,
    special: bool,
    edge_space: bool,
    trailing_space: bool,
    edge_break: bool,
    break_space: bool,
    space_break: bool,
}

impl Findings {
    fn see(&mut self, before: Option<char>, character: char, next: Option<char>) {
        let is_edge = before.is_none() || next.is_none();
        let blank_follows = next.is_none_or(|next| next == ' ' || next == '\t');
        self.indicators |= match (before, character) {
            (
                None,
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`',
            ) => true,
            (None, '?' | '-') | (_, ':') => blank_follows,
            (Some(before), '#') => before == ' ' || before == '\t' || is_break(before),
            _ => false,
        };
        self.special |= !is_printable(character);
        if character == ' ' {
            self.edge_space |= is_edge;
            self.trailing_space |= next.is_none();
            self.break_space |= before.is_some_and(is_break);
        } else if is_break(character) {
            self.breaks = true;
            self.edge_break |= is_edge;
            self.space_break |= before == Some(' ');
        }
    }
}

/// Whether a character ends a line.
pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && character != '\u{feff}'
}

/// Whether a character stands escaped between double quotes.
pub(super) fn needs_escape(character: char) -> bool {
    !is_printable(character) || is_break(character) || matches!(character, '"' | '\\')
}

/// A character between double quotes.
pub(super) fn escape(character: char) -> String {
    let short = match character {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => "",
    };
    match character as u32 {
        _ if !short.is_empty() => short.to_owned(),
        code @ 0..=0xff => format!("\\x{code:02X}"),
        code @ 0x100..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}
