//! Bytes that a hook printed become whole lines that are safe to show.
//!
//! Invalid UTF-8 is replaced, escape sequences and control characters are dropped, a line rewritten by carriage returns
//! shows its last state. The bytes themselves stay whole on the node; this is only what people see.

/// Longest line that is shown in one piece.
const LONGEST: usize = 16 * 1024;

/// Collects bytes into lines.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The whole lines that `bytes` complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if self.rest.ends_with(b"\n") || self.rest.len() >= LONGEST {
                whole.push(clean(&String::from_utf8_lossy(&self.rest)));
                self.rest.clear();
            }
        }
        whole
    }

    /// The last line, when it had no end.
    pub fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| clean(&String::from_utf8_lossy(&rest)))
    }
}

/// One line without anything that moves the cursor, changes colours or turns the writing direction.
pub fn clean(line: &str) -> String {
    let line = line.trim_end_matches(['\n', '\r']);
    let line = line
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or("");
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_until(&mut rest, is_final),
            '\t' => text.push_str("    "),
            c if c.is_control() || is_turning(c) => {}
            c => text.push(c),
        }
    }
    text
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_escape(rest: &mut Rest<'_>) {
    match rest.next() {
        Some('[') => skip_until(rest, is_final),
        // Texts for the terminal itself (titles, links): ended by BEL or by ESC backslash.
        Some(']' | 'P' | '^' | '_' | 'X') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' {
                    return;
                }
                if c == '\u{1b}' {
                    rest.next_if_eq(&'\\');
                    return;
                }
            }
        }
        Some('(' | ')' | '#' | '%') => {
            rest.next();
        }
        _ => {}
    }
}

fn skip_until(rest: &mut Rest<'_>, ends: fn(char) -> bool) {
    for c in rest.by_ref() {
        if ends(c) {
            return;
        }
    }
}

fn is_final(c: char) -> bool {
    ('@'..='~').contains(&c)
}

/// Characters that reorder what stands around them, and could make a line read as something else.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn torn_writes_come_out_as_whole_lines() {
        let mut lines = Lines::default();
        assert!(lines.push(b"one ").is_empty());
        assert_eq!(lines.push(b"line\ntwo\nthr"), ["one line", "two"]);
        assert_eq!(lines.finish().as_deref(), Some("thr"));
        assert_eq!(lines.finish(), None);
        let euro = "5 €\n".as_bytes();
        assert!(lines.push(&euro[..3]).is_empty());
        assert_eq!(lines.push(&euro[3..]), ["5 €"]);
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_s_own_language() {
        let check = |line: &str, expect: &str| assert_eq!(clean(line), expect, "{line:?}");
        check("\u{1b}[31mred\u{1b}[0m\n", "red");
        check("\u{1b}]0;title\u{7}text", "text");
        check("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link");
        check("10%\r50%\r100%\r\n", "100%");
        check("a\tb\u{8}\u{0}c", "a    bc");
        check("safe\u{202e}txt.exe", "safetxt.exe");
        check("\u{1b}[", "");
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"caf\xe9 \xff\n"), ["caf\u{fffd} \u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_is_shown_in_pieces() {
        let mut lines = Lines::default();
        let shown: usize = lines
            .push(&vec![b'x'; 3 * LONGEST])
            .iter()
            .map(String::len)
            .sum();
        assert!(shown >= LONGEST);
    }

    proptest! {
        #[test]
        fn any_cut_of_any_bytes_gives_the_same_lines(bytes: Vec<u8>, cut: prop::sample::Index) {
            let mut whole = Lines::default();
            let mut expected = whole.push(&bytes);
            expected.extend(whole.finish());
            let mut torn = Lines::default();
            let at = if bytes.is_empty() { 0 } else { cut.index(bytes.len()) };
            let mut lines = torn.push(&bytes[..at]);
            lines.extend(torn.push(&bytes[at..]));
            lines.extend(torn.finish());
            prop_assert_eq!(&lines, &expected);
            prop_assert!(lines.iter().all(|line| !line.chars().any(char::is_control)));
        }
    }
}
