//! Templates to nodes.

use serde_json::Value;

use super::Comparison;
use super::Error;
use super::Node;
use super::Operand;
use super::Path;
use super::Step;

/// How deep paths may nest in filters and unions.
const DEPTH: usize = 32;

/// The nodes of a template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, Error> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    // The bodies of the ranges that are open, outermost first.
    let mut open: Vec<(Path, Vec<Node>)> = Vec::new();
    let mut nodes = Vec::new();
    while parser.at < text.len() {
        match parser.piece()? {
            Piece::Node(node) => nodes.push(node),
            Piece::Range(path) => open.push((path, std::mem::take(&mut nodes))),
            Piece::End(at) => {
                let (path, outer) = open
                    .pop()
                    .ok_or_else(|| fault(at, "not in range, nothing to end"))?;
                let body = std::mem::replace(&mut nodes, outer);
                nodes.push(Node::Range(path, body));
            }
            Piece::Nothing => {}
        }
    }
    match open.pop() {
        Some((path, _)) => Err(fault(path.position, "range without end")),
        None => Ok(nodes),
    }
}

enum Piece {
    Node(Node),
    Range(Path),
    End(usize),
    Nothing,
}

fn fault(position: usize, message: impl Into<String>) -> Error {
    Error {
        message: message.into(),
        position,
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take();
        }
    }

    /// The next text or brace.
    fn piece(&mut self) -> Result<Piece, Error> {
        if !self.rest().starts_with('{') {
            let end = self.rest().find('{').unwrap_or(self.rest().len());
            let text = self.rest()[..end].to_owned();
            self.at += end;
            return Ok(Piece::Node(Node::Text(text)));
        }
        let start = self.at;
        self.at += 1;
        self.skip_blanks();
        let piece = match self.peek() {
            Some('}') => Piece::Nothing,
            Some(quote @ ('"' | '\'')) => Piece::Node(Node::Text(self.quoted(quote)?)),
            Some(c) if c.is_alphabetic() => self.word()?,
            Some(c) if c.is_ascii_digit() || c == '-' || c == '+' => {
                Piece::Node(Node::Text(self.bare().to_owned()))
            }
            _ => Piece::Node(Node::Path(self.path('}')?)),
        };
        self.skip_blanks();
        match self.take() {
            Some('}') => Ok(piece),
            None => Err(fault(start, "unclosed action")),
            Some(other) => Err(fault(
                self.at - other.len_utf8(),
                format!("unrecognized character in action: {other:?}"),
            )),
        }
    }

    fn bare(&mut self) -> &str {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_alphanumeric() || "._+-".contains(c))
        {
            self.take();
        }
        &self.text[start..self.at]
    }

    fn word(&mut self) -> Result<Piece, Error> {
        let start = self.at;
        match self.bare() {
            "range" => {
                self.skip_blanks();
                Ok(Piece::Range(self.path('}')?))
            }
            "end" => Ok(Piece::End(start)),
            word @ ("true" | "false") => Ok(Piece::Node(Node::Text(word.to_owned()))),
            word => Err(fault(start, format!("unrecognized identifier {word}"))),
        }
    }

    /// Steps up to an `end` character, which stays.
    fn path(&mut self, end: char) -> Result<Path, Error> {
        let position = self.at;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(fault(position, "the path nests too deep"));
        }
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                None => return Err(fault(position, "unclosed action")),
                Some(found) if found == end => break,
                Some(found) if found.is_whitespace() || found == '@' || found == '$' => {
                    self.take();
                }
                Some('.') => {
                    self.take();
                    if self.eat('.') {
                        steps.push(Step::Descend);
                    }
                    if self.peek() != Some('[') {
                        steps.push(self.field());
                    }
                }
                Some('[') => steps.push(self.bracket()?),
                Some(other) => {
                    let message = format!("unrecognized character in action: {other:?}");
                    return Err(fault(self.at, message));
                }
            }
        }
        self.depth -= 1;
        Ok(Path { steps, position })
    }

    fn field(&mut self) -> Step {
        self.name_before(".,[]$@{}()")
    }

    /// A field's name up to white space or one of these; a backslash takes the next character as it is.
    fn name_before(&mut self, ends: &str) -> Step {
        let mut name = String::new();
        while let Some(character) = self.peek() {
            if character == '\\' {
                self.take();
                name.extend(self.take());
            } else if character.is_whitespace() || ends.contains(character) {
                break;
            } else {
                name.push(character);
                self.take();
            }
        }
        if name == "*" {
            Step::Wildcard
        } else {
            Step::Field(name)
        }
    }

    fn bracket(&mut self) -> Result<Step, Error> {
        let start = self.at;
        self.at += 1;
        self.skip_blanks();
        if self.rest().starts_with("?(") {
            self.at += 2;
            let filter = self.filter(start)?;
            self.skip_blanks();
            return if self.eat(']') {
                Ok(filter)
            } else {
                Err(fault(start, "unterminated filter"))
            };
        }
        let mut choices = Vec::new();
        loop {
            self.skip_blanks();
            choices.push(self.choice(start)?);
            self.skip_blanks();
            match self.take() {
                Some(',') => {}
                Some(']') => break,
                _ => return Err(fault(start, "unterminated array")),
            }
        }
        match choices.len() {
            1 => Ok(choices.remove(0)),
            _ => Ok(Step::Union(choices)),
        }
    }

    /// One entry between brackets: `*`, `'name'`, `-1`, `1:3`.
    fn choice(&mut self, start: usize) -> Result<Step, Error> {
        match self.peek() {
            None => return Err(fault(start, "unterminated array")),
            Some(quote @ ('"' | '\'')) => return Ok(Step::Field(self.quoted(quote)?)),
            _ => {}
        }
        let end = self
            .rest()
            .find([',', ']'])
            .ok_or_else(|| fault(start, "unterminated array"))?;
        let written = self.rest()[..end].trim().to_owned();
        let at = self.at;
        self.at += end;
        if written == "*" {
            return Ok(Step::Wildcard);
        }
        let wrong = || fault(at, format!("invalid array index {written}"));
        let mut parts = Vec::new();
        for part in written.split(':') {
            parts.push(match part.trim() {
                "" => None,
                number => Some(number.parse::<i64>().map_err(|_| wrong())?),
            });
        }
        match parts[..] {
            [Some(index)] => Ok(Step::Index(index)),
            [first, last] => Ok(Step::Slice(first, last, None)),
            [first, last, step] => Ok(Step::Slice(first, last, step)),
            _ => Err(wrong()),
        }
    }

    /// What stands between `?(` and its `)`.
    fn filter(&mut self, start: usize) -> Result<Step, Error> {
        let left = self.operand(start)?;
        self.skip_blanks();
        if self.eat(')') {
            return Ok(Step::Filter(left, None));
        }
        let at = self.at;
        let length = self.rest().find(|c| !"=!<>".contains(c)).unwrap_or(0);
        self.at += length;
        let comparison = match &self.text[at..self.at] {
            "==" => Comparison::Equal,
            "!=" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::Greater,
            ">=" => Comparison::AtLeast,
            other => return Err(fault(at, format!("unrecognized filter operator {other}"))),
        };
        let right = self.operand(start)?;
        self.skip_blanks();
        if !self.eat(')') {
            return Err(fault(start, "unterminated filter"));
        }
        Ok(Step::Filter(left, Some((comparison, right))))
    }

    fn operand(&mut self, start: usize) -> Result<Operand, Error> {
        self.skip_blanks();
        match self.peek() {
            None => Err(fault(start, "unterminated filter")),
            Some(quote @ ('"' | '\'')) => Ok(Operand::Literal(self.quoted(quote)?.into())),
            Some('@' | '$' | '.' | '[') => self.operand_path().map(Operand::Path),
            Some(_) => {
                let end = self
                    .rest()
                    .find(|c: char| c.is_whitespace() || "=!<>)".contains(c))
                    .ok_or_else(|| fault(start, "unterminated filter"))?;
                let word = self.rest()[..end].to_owned();
                self.at += end;
                // Numbers and booleans are themselves, other words are texts.
                let literal = serde_json::from_str(&word).unwrap_or(Value::String(word));
                Ok(Operand::Literal(literal))
            }
        }
    }

    /// A path in a filter: it ends at a blank, a comparison or the parenthesis.
    fn operand_path(&mut self) -> Result<Vec<Step>, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(fault(self.at, "the path nests too deep"));
        }
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('@' | '$') => {
                    self.take();
                }
                Some('.') => {
                    self.take();
                    if self.eat('.') {
                        steps.push(Step::Descend);
                    }
                    steps.push(self.operand_field());
                }
                Some('[') => steps.push(self.bracket()?),
                _ => break,
            }
        }
        self.depth -= 1;
        Ok(steps)
    }

    fn operand_field(&mut self) -> Step {
        self.name_before(".[]()=!<>,")
    }

    /// A text in quotes, with Go's escapes.
    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let start = self.at;
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(fault(start, "unterminated quoted string")),
                Some(end) if end == quote => return Ok(text),
                Some('\\') => match self.take() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(same @ ('\\' | '"' | '\'')) => text.push(same),
                    Some(other) => text.extend(['\\', other]),
                    None => return Err(fault(start, "unterminated quoted string")),
                },
                Some(plain) => text.push(plain),
            }
        }
    }
}
