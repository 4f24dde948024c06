//! The printer: mappings sorted, lists not indented under their key, scalars quoted and folded as Go's printer does.
//!
//! A port of the choices of goyaml.v2's encoder and emitter (`encode.go`, `emitterc.go`), because people and scripts
//! compare this output with `oc`'s line by line. It only ever sees JSON values: no anchors, tags or comments.

use std::cmp::Ordering;

use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

use super::scalar::Meaning;
use super::scalar::meaning;
use super::style;
use super::style::Style;

/// Plain and quoted scalars fold at the first space behind this column.
const WIDTH: usize = 80;
const INDENT: usize = 2;
/// A longer key is written with a `?`.
const SIMPLE_KEY: usize = 128;

/// A value as `oc -o yaml` prints it, ending with a newline.
pub fn print(value: &Value) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        indent: None,
        whitespace: true,
        indention: true,
    };
    emitter.node(value, Place::Root);
    emitter.write_indent();
    emitter.out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Entry,
    Value,
    SimpleKey,
}

struct Emitter {
    out: String,
    column: usize,
    /// None outside of everything.
    indent: Option<usize>,
    /// The last character was a blank or a line break.
    whitespace: bool,
    /// Nothing but indentation and `-`, `?`, `:` stands on this line yet.
    indention: bool,
}

impl Emitter {
    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn write_break(&mut self, character: char) {
        self.out.push(character);
        self.column = 0;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        let occupied = self.column > indent || (self.column == indent && !self.whitespace);
        if !self.indention || occupied {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    /// Writes `-`, `:`, a quote…; `keeps_indention` for those that may open a line.
    fn indicator(&mut self, text: &str, needs_blank: bool, keeps_indention: bool) {
        if needs_blank && !self.whitespace {
            self.put(' ');
        }
        text.chars().for_each(|character| self.put(character));
        self.whitespace = false;
        self.indention = self.indention && keeps_indention;
    }

    /// Runs with one more level of indent.
    fn deeper(&mut self, indent: usize, run: impl FnOnce(&mut Emitter)) {
        let before = self.indent.replace(indent);
        run(self);
        self.indent = before;
    }

    fn next_indent(&self) -> usize {
        self.indent.map_or(0, |indent| indent + INDENT)
    }

    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::Array(list) if list.is_empty() => self.indicator("[]", true, false),
            Value::Object(map) if map.is_empty() => self.indicator("{}", true, false),
            Value::Array(list) => self.list(list, place),
            Value::Object(map) => self.map(map),
            Value::Null => self.scalar("null", Style::Plain, place),
            Value::Bool(value) => self.scalar(&value.to_string(), Style::Plain, place),
            Value::Number(number) => self.scalar(&number_text(number), Style::Plain, place),
            Value::String(text) => self.scalar(text, wanted_style(text), place),
        }
    }

    fn list(&mut self, list: &[Value], place: Place) {
        let flush_with_key = place == Place::Value && !self.indention;
        let indent = match self.indent {
            Some(indent) if flush_with_key => indent,
            _ => self.next_indent(),
        };
        self.deeper(indent, |emitter| {
            for value in list {
                emitter.write_indent();
                emitter.indicator("-", true, true);
                emitter.node(value, Place::Entry);
            }
        });
    }

    fn map(&mut self, map: &Map<String, Value>) {
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| natural(a, b));
        self.deeper(self.next_indent(), |emitter| {
            for (key, value) in entries {
                emitter.write_indent();
                let is_simple = key.len() <= SIMPLE_KEY && !style::Analysis::of(key).multiline;
                if is_simple {
                    emitter.scalar(key, wanted_style(key), Place::SimpleKey);
                    emitter.indicator(":", false, false);
                } else {
                    emitter.indicator("?", true, true);
                    emitter.scalar(key, wanted_style(key), Place::Value);
                    emitter.write_indent();
                    emitter.indicator(":", true, true);
                }
                emitter.node(value, Place::Value);
            }
        });
    }

    fn scalar(&mut self, text: &str, wanted: Style, place: Place) {
        let is_key = place == Place::SimpleKey;
        let style = style::choose(text, wanted, is_key);
        // Even a scalar outside of everything is continued two columns in.
        let indent = self.indent.map_or(INDENT, |indent| indent + INDENT);
        self.deeper(indent, |emitter| match style {
            Style::Plain => emitter.plain(text, !is_key),
            Style::SingleQuoted => emitter.single_quoted(text, !is_key),
            Style::DoubleQuoted => emitter.double_quoted(text, !is_key),
            Style::Literal => emitter.literal(text),
        });
    }

    fn plain(&mut self, text: &str, folds: bool) {
        if !self.whitespace && !text.is_empty() {
            self.put(' ');
        }
        self.folded(text, folds, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, folds: bool) {
        self.indicator("'", true, false);
        self.folded(text, folds, true);
        self.indicator("'", false, false);
    }

    fn folded(&mut self, text: &str, folds: bool, quoted: bool) {
        let mut spaces = false;
        let mut breaks = false;
        let mut rest = text.char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            let next = rest.peek().map(|(_, next)| *next);
            if character == ' ' {
                let inside = !quoted || (at > 0 && next.is_some());
                if folds && !spaces && self.column > WIDTH && inside && next != Some(' ') {
                    self.write_indent();
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if style::is_break(character) {
                if !breaks && character == '\n' {
                    self.put_break();
                }
                self.write_break(character);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if quoted && character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
    }

    fn double_quoted(&mut self, text: &str, folds: bool) {
        self.indicator("\"", true, false);
        let mut spaces = false;
        let mut rest = text.char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            let next = rest.peek().map(|(_, next)| *next);
            if style::needs_escape(character) {
                let escape = style::escape(character);
                escape.chars().for_each(|one| self.put(one));
                spaces = false;
            } else if character == ' ' {
                if folds && !spaces && self.column > WIDTH && at > 0 && next.is_some() {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(character);
                spaces = false;
            }
        }
        self.indicator("\"", false, false);
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false);
        let first = text.chars().next().unwrap_or(' ');
        if first == ' ' || style::is_break(first) {
            self.indicator("2", false, false);
        }
        let mut from_the_end = text.chars().rev();
        match (from_the_end.next(), from_the_end.next()) {
            (Some(last), _) if !style::is_break(last) => self.indicator("-", false, false),
            (_, None) => self.indicator("+", false, false),
            (_, Some(before)) if style::is_break(before) => self.indicator("+", false, false),
            _ => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for character in text.chars() {
            if style::is_break(character) {
                self.write_break(character);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(character);
                self.indention = false;
                breaks = false;
            }
        }
    }
}

/// The style that the encoder asks for; the emitter may have to take another one.
fn wanted_style(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if meaning(text) == Meaning::Text && !is_sexagesimal(text) && !is_moment(text) {
        Style::Plain
    } else {
        Style::DoubleQuoted
    }
}

/// `1:30`, a number to the base of sixty for old readers.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let is_first = first.starts_with(|c: char| c.is_ascii_digit())
        && first.chars().all(|c| c.is_ascii_digit() || c == '_');
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.last_mut() else {
        return false;
    };
    if let Some((whole, fraction)) = last.split_once('.')
        && fraction.chars().all(|c| c.is_ascii_digit() || c == '_')
    {
        *last = whole;
    }
    let is_sixtieth = |part: &&str| {
        let digits = part.chars().all(|c| c.is_ascii_digit());
        digits && (part.len() == 1 || (part.len() == 2 && part.as_bytes()[0] < b'6'))
    };
    is_first && rest.iter().all(is_sixtieth)
}

/// `2020-01-01` with or without a time, which readers take for a date.
fn is_moment(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day_end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (day, time) = rest.split_at(day_end);
    let number = |text: &str, most: u8| {
        (1..=2).contains(&text.len())
            && text
                .parse::<u8>()
                .is_ok_and(|number| (1..=most).contains(&number))
    };
    let is_date = year.len() == 4
        && year.chars().all(|c| c.is_ascii_digit())
        && number(month, 12)
        && number(day, 31);
    is_date
        && match time.chars().next() {
            None => true,
            Some('T' | 't') => is_time(&time[1..], true),
            Some(' ') => is_time(&time[1..], false),
            Some(_) => false,
        }
}

/// `15:4:5.9`, with a zone (`Z`, `+01:00`) or without one.
fn is_time(text: &str, zoned: bool) -> bool {
    let (clock, zone) = match text.find(['Z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let pair = |text: &str, most: u8| {
        (1..=2).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number <= most)
    };
    let zone_fits = match zone.strip_prefix(['+', '-']) {
        _ if !zoned => zone.is_empty(),
        Some(offset) => offset.split_once(':').is_some_and(|(hours, minutes)| {
            hours.len() == 2 && minutes.len() == 2 && pair(hours, 24) && pair(minutes, 60)
        }),
        None => zone == "Z",
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else {
        return false;
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    pair(hours, 23)
        && pair(minutes, 59)
        && pair(seconds, 59)
        && fraction.bytes().all(|c| c.is_ascii_digit())
        && zone_fits
}

/// A number as Go prints it after a round through JSON: whole floats are integers, others `%g`.
fn number_text(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    if float == 0.0 {
        return "0".to_owned();
    }
    if float.fract() == 0.0 && float.abs() < 9.2e18 {
        return format!("{float:.0}");
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The order of keys: digits as numbers, everything else before letters.
fn natural(a: &str, b: &str) -> Ordering {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let Some(at) = (0..a.len().min(b.len())).find(|at| a[*at] != b[*at]) else {
        return a.len().cmp(&b.len());
    };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A number that is already under way keeps its value when a zero follows.
    let under_way = (a[at] == '0' || b[at] == '0')
        && a[..at]
            .iter()
            .rev()
            .take_while(|c| c.is_ascii_digit())
            .any(|c| *c != '0');
    let number = |text: &[char]| -> (u128, usize) {
        let digits = text[at..].iter().take_while(|c| c.is_ascii_digit());
        let start = u128::from(under_way);
        let value = digits.clone().fold(start, |value, digit| {
            let digit = u128::from(digit.to_digit(10).unwrap_or(0));
            value.saturating_mul(10).saturating_add(digit)
        });
        (value, digits.count())
    };
    number(&a).cmp(&number(&b)).then_with(|| a[at].cmp(&b[at]))
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(value: &Value, expect: &str) {
        assert_eq!(print(value), expect);
    }

    #[test]
    fn prints_what_oc_prints() {
        let mut value: Value =
            serde_json::from_str(include_str!("../../../tests/data/yaml-golden/cm.json")).unwrap();
        // The golden file is the answer of `oc label --local x=y`.
        value["metadata"]["labels"] = json!({"x": "y"});
        let printed = print(&value);
        let expect = include_str!("../../../tests/data/yaml-golden/go.yaml");
        for (printed, expect) in printed.lines().zip(expect.lines()) {
            assert_eq!(printed, expect);
        }
        assert_eq!(printed, expect);
    }

    #[test]
    fn layout() {
        check(
            &json!({"items": [{"a": [1, [2, {"b": {}}]], "c": {"d": null}}], "e": []}),
            "e: []\nitems:\n- a:\n  - 1\n  - - 2\n    - b: {}\n  c:\n    d: null\n",
        );
        check(&json!([]), "[]\n");
        check(&json!("text"), "text\n");
        check(&json!({"text": "a\n\tb\n"}), "text: \"a\\n\\tb\\n\"\n");
    }

    #[test]
    fn keys_sort_naturally() {
        check(
            &json!({"port-10": 1, "port-9": 2, "a.b": 3, "ab": 4, "A": 5, "a01": 6, "a1": 7}),
            "A: 5\na.b: 3\na1: 7\na01: 6\nab: 4\nport-9: 2\nport-10: 1\n",
        );
    }

    #[test]
    fn numbers_as_go_prints_them() {
        for (number, expect) in [
            (json!(1.0), "1\n"),
            (json!(-0.0), "0\n"),
            (json!(0.25), "0.25\n"),
            (json!(1_234_567.5), "1.2345675e+06\n"),
            (json!(123_456.5), "123456.5\n"),
            (json!(1e20), "1e+20\n"),
            (json!(0.0001), "0.0001\n"),
            (json!(0.000_01), "1e-05\n"),
            (json!(u64::MAX), "18446744073709551615\n"),
        ] {
            check(&number, expect);
        }
    }

    #[test]
    fn dates_and_base_sixty_are_quoted() {
        for text in [
            "2020-01-01",
            "2020-1-2 3:4:5",
            "2020-01-01T00:00:00+01:00",
            "1:30",
            "-1:30:59.5",
        ] {
            check(&json!(text), &format!("\"{text}\"\n"));
        }
        for text in [
            "2020-13-01",
            "2020-01-01x",
            "2020-01-01T00:00:00",
            "1:60",
            "x:30",
            "1:",
            "1-2-3",
        ] {
            let printed = print(&json!(text));
            assert!(!printed.starts_with('"'), "{printed}");
        }
    }

    #[test]
    fn long_keys_get_a_question_mark() {
        let key = "k".repeat(129);
        check(&json!({&key: {"a": 1}}), &format!("? {key}\n: a: 1\n"));
        check(&json!({"a\nb": 1}), "? |-\n  a\n  b\n: 1\n");
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(|float: f64| Value::from((float * 8.0).round() / 8.0 + 0.0625)),
            "[ -~\n\té✓😀]{0,40}".prop_map(Value::from),
            "([a-z:#'\"-]{1,9} ?){0,30}".prop_map(Value::from),
            "(  |a|\n){0,6}".prop_map(Value::from),
            "[-+.0-9_eExobTyn:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~\n]{0,9}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in value()) {
            let wrapped = json!({"value": value});
            let text = print(&wrapped);
            let documents = read(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(documents[0].value(), &wrapped, "{}", text);
        }
    }
}
