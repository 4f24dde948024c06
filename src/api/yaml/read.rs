//! The reader: parser events to values with positions.
//!
//! Follows sigs.k8s.io/yaml: YAML 1.1 scalars, `<<` merges, keys become strings, of repeated keys the last one wins.
//! Hostile input is bounded: depth, and what aliases may expand to.

use std::collections::BTreeMap;
use std::collections::HashMap;

use base64::Engine;
use saphyr_parser::Event;
use saphyr_parser::Marker;
use saphyr_parser::Parser;
use saphyr_parser::ScalarStyle;
use saphyr_parser::Span;
use saphyr_parser::StrInput;
use saphyr_parser::Tag;
use serde_json::Map;
use serde_json::Value;

use super::scalar::Meaning;
use super::scalar::meaning;

/// How deep lists and mappings may nest.
const DEPTH: usize = 128;
/// What all aliases of a text may expand to, in values and bytes of text.
const EXPANSION: usize = 4 << 20;

/// Why a text is not YAML; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// A key that stands twice in one mapping; the later one wins, as in `oc`, and strict readers refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Where the repeated key's value is, as a JSON pointer.
    pub path: String,
    pub line: usize,
    pub column: usize,
}

/// One document of a file. Paths are JSON pointers: `/hooks/ApplicationStop/0/location`, "" for the whole.
#[derive(Clone, Debug)]
pub struct Document {
    value: Value,
    place: Place,
    duplicates: Vec<Duplicate>,
}

/// Where a value stands in the text, and where the values in it do.
#[derive(Clone, Debug)]
struct Place {
    value: (usize, usize),
    key: (usize, usize),
    /// The scalar's text when it is not the value itself.
    literal: Option<String>,
    quoted: bool,
    below: Below,
}

#[derive(Clone, Debug)]
enum Below {
    Nothing,
    List(Vec<Place>),
    Map(BTreeMap<String, Place>),
}

impl Document {
    /// The document as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The document as JSON, given away.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Line and column where the value at `path` begins; of the nearest value above it when there is none.
    pub fn position(&self, path: &str) -> (usize, usize) {
        self.nearest(path).0.value
    }

    /// Line and column of the key whose value is at `path`; of the value itself for an entry of a list.
    pub fn key_position(&self, path: &str) -> (usize, usize) {
        self.nearest(path).0.key
    }

    /// The scalar at `path` as it stands in the text, without quotes: `0644`, `yes`; none for lists and mappings.
    pub fn literal(&self, path: &str) -> Option<&str> {
        let (place, found) = self.nearest(path);
        if !found {
            return None;
        }
        place
            .literal
            .as_deref()
            .or_else(|| self.value.pointer(path)?.as_str())
    }

    /// Whether the scalar at `path` was written in quotes or as a block.
    pub fn is_quoted(&self, path: &str) -> bool {
        let (place, found) = self.nearest(path);
        found && place.quoted
    }

    /// The keys that stand twice in one mapping, in the order of the text.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    fn nearest(&self, path: &str) -> (&Place, bool) {
        let mut place = &self.place;
        for token in path.split('/').skip(1) {
            let next = match &place.below {
                Below::Nothing => None,
                Below::List(list) => token.parse::<usize>().ok().and_then(|n| list.get(n)),
                Below::Map(map) => map.get(&token.replace("~1", "/").replace("~0", "~")),
            };
            match next {
                Some(next) => place = next,
                None => return (place, false),
            }
        }
        (place, true)
    }
}

/// The path of an entry below `path`: escapes the key as JSON pointers do.
pub fn child(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Every document of a text (YAML or JSON); documents without content are left out.
pub fn read(text: &str) -> Result<Vec<Document>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match read_yaml(text) {
        Err(error) if text.trim_start().starts_with(['{', '[']) => read_json(text).ok_or(error),
        outcome => outcome,
    }
}

/// JSON that is not YAML: indented by tabs, or with surrogate pairs.
fn read_json(text: &str) -> Option<Vec<Document>> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let documents = values.map(|value| {
        Some(Document {
            value: value.ok()?,
            place: Place::of_scalar((1, 1), None, false),
            duplicates: Vec::new(),
        })
    });
    documents.collect()
}

fn read_yaml(text: &str) -> Result<Vec<Document>, Error> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        expanded: 0,
        duplicates: Vec::new(),
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), _) => {
                reader.anchors.clear();
                let node = reader.node(&mut Vec::new())?;
                let duplicates = std::mem::take(&mut reader.duplicates);
                if !node.value.is_null() {
                    documents.push(Document {
                        value: node.value,
                        place: node.place,
                        duplicates,
                    });
                }
            }
            _ => {}
        }
    }
}

impl Place {
    fn of_scalar(at: (usize, usize), literal: Option<String>, quoted: bool) -> Place {
        Place {
            value: at,
            key: at,
            literal,
            quoted,
            below: Below::Nothing,
        }
    }
}

#[derive(Clone)]
struct Node {
    value: Value,
    place: Place,
    /// How much memory it takes, roughly: values and bytes of text.
    weight: usize,
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Values that have an anchor; none while they are still being read.
    anchors: HashMap<usize, Option<Node>>,
    expanded: usize,
    duplicates: Vec<Duplicate>,
}

/// The keys and indexes that lead to the value being read.
type Path = Vec<String>;

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(fault(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, path: &mut Path) -> Result<Node, Error> {
        let (event, span) = self.next()?;
        self.node_of(event, span, path)
    }

    fn node_of(&mut self, event: Event<'t>, span: Span, path: &mut Path) -> Result<Node, Error> {
        if path.len() > DEPTH {
            let message = format!("nested more than {DEPTH} levels deep");
            return Err(fault(span.start, &message));
        }
        let (anchor, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, scalar(&text, style, tag.as_deref(), span)?)
            }
            Event::SequenceStart(anchor, _) => {
                self.anchors.insert(anchor, None);
                (anchor, self.list(span, path)?)
            }
            Event::MappingStart(anchor, _) => {
                self.anchors.insert(anchor, None);
                (anchor, self.map(span, path)?)
            }
            _ => return Err(fault(span.start, "a value is missing here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Error> {
        let Some(Some(node)) = self.anchors.get(&anchor) else {
            return Err(fault(span.start, "an anchor contains its own alias"));
        };
        self.expanded += node.weight;
        if self.expanded > EXPANSION {
            return Err(fault(span.start, "aliases expand to too much"));
        }
        let mut node = node.clone();
        node.place.value = position(span.start);
        node.place.key = node.place.value;
        Ok(node)
    }

    fn list(&mut self, span: Span, path: &mut Path) -> Result<Node, Error> {
        let mut values = Vec::new();
        let mut places = Vec::new();
        let mut weight = 1;
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            path.push(values.len().to_string());
            let node = self.node_of(event, at, path)?;
            path.pop();
            values.push(node.value);
            places.push(node.place);
            weight += node.weight;
        }
        let mut place = Place::of_scalar(position(span.start), None, false);
        place.below = Below::List(places);
        Ok(Node {
            value: Value::Array(values),
            place,
            weight,
        })
    }

    fn map(&mut self, span: Span, path: &mut Path) -> Result<Node, Error> {
        let mut mapping = Mapping::default();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let start = position(at.start);
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key_node = self.node_of(event, at, path)?;
            let key = key_text(&key_node.value)
                .ok_or_else(|| fault(at.start, "a key must be a string, a number or a boolean"))?;
            path.push(key);
            let mut node = self.node(path)?;
            node.place.key = start;
            let key = path.pop().expect("it was pushed above");
            if is_merge {
                mapping.merge(node).map_err(|why| fault(at.start, why))?;
            } else if mapping.set(&key, node) {
                let mut pointer = path
                    .iter()
                    .fold(String::new(), |path, key| child(&path, key));
                pointer = child(&pointer, &key);
                self.duplicates.push(Duplicate {
                    path: pointer,
                    line: start.0,
                    column: start.1,
                });
            }
        }
        Ok(mapping.finish(position(span.start)))
    }
}

/// A mapping under way.
#[derive(Default)]
struct Mapping {
    values: Map<String, Value>,
    places: BTreeMap<String, Place>,
    /// Entries that came by `<<`; a key of the mapping's own wins over them.
    merged: Vec<(Map<String, Value>, BTreeMap<String, Place>)>,
    weight: usize,
}

impl Mapping {
    /// Sets a key, and says whether it was there.
    fn set(&mut self, key: &str, node: Node) -> bool {
        self.weight += node.weight + key.len();
        self.places.insert(key.to_owned(), node.place);
        self.values.insert(key.to_owned(), node.value).is_some()
    }

    fn merge(&mut self, node: Node) -> Result<(), &'static str> {
        const WRONG: &str = "`<<` needs a mapping or a list of mappings";
        self.weight += node.weight;
        match (node.value, node.place.below) {
            (Value::Object(values), Below::Map(places)) => self.merged.push((values, places)),
            (Value::Array(values), Below::List(places)) => {
                for (value, place) in values.into_iter().zip(places) {
                    let (Value::Object(values), Below::Map(places)) = (value, place.below) else {
                        return Err(WRONG);
                    };
                    self.merged.push((values, places));
                }
            }
            _ => return Err(WRONG),
        }
        Ok(())
    }

    fn finish(mut self, at: (usize, usize)) -> Node {
        for (values, mut places) in self.merged {
            for (key, value) in values {
                if self.values.contains_key(&key) {
                    continue;
                }
                if let Some(place) = places.remove(&key) {
                    self.places.insert(key.clone(), place);
                }
                self.values.insert(key, value);
            }
        }
        let mut place = Place::of_scalar(at, None, false);
        place.below = Below::Map(self.places);
        Node {
            value: Value::Object(self.values),
            place,
            weight: self.weight + 1,
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Node, Error> {
    let plain = style == ScalarStyle::Plain;
    let core = tag
        .filter(|tag| tag.is_yaml_core_schema())
        .map(|tag| tag.suffix.as_str());
    let meant = || match meaning(text) {
        Meaning::NotFinite => Err(fault(span.start, "JSON has no such number")),
        found => Ok(found.into_value(text).unwrap_or_default()),
    };
    let value = match (core, tag) {
        (Some("binary"), _) => Value::String(
            binary(text)
                .ok_or_else(|| fault(span.start, "!!binary value contains invalid base64 data"))?,
        ),
        (Some("int" | "float" | "bool" | "null"), _) => meant()?,
        (None, None) if plain => meant()?,
        _ => Value::String(text.to_owned()),
    };
    let literal = (value.as_str() != Some(text)).then(|| text.to_owned());
    Ok(Node {
        weight: 1 + text.len(),
        place: Place::of_scalar(position(span.start), literal, !plain),
        value,
    })
}

fn binary(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(key.to_string()),
        _ => None,
    }
}

fn position(marker: Marker) -> (usize, usize) {
    (marker.line(), marker.col() + 1)
}

fn fault(marker: Marker, message: &str) -> Error {
    let (line, column) = position(marker);
    Error {
        line,
        column,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expect: &Value) {
        let documents = read(text).unwrap();
        let values: Vec<&Value> = documents.iter().map(Document::value).collect();
        assert_eq!(json!(values), *expect);
    }

    #[track_caller]
    fn refuses(text: &str, line: usize, message: &str) {
        let error = read(text).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.message.contains(message), "{error}");
    }

    #[test]
    fn reads_what_oc_reads() {
        let text = include_str!("../../../tests/data/yaml-golden/in.yaml");
        let mut expect: Value =
            serde_json::from_str(include_str!("../../../tests/data/yaml-golden/in.go.json"))
                .unwrap();
        // The golden file is the answer of `oc label --local x=y`.
        expect["metadata"].as_object_mut().unwrap().remove("labels");
        let documents = read(text).unwrap();
        let printed = crate::api::json::print(documents[0].value());
        assert_eq!(printed, crate::api::json::print(&expect));
    }

    #[test]
    fn several_documents_and_empty_ones() {
        check(
            "a: 1\n---\n---\n# nothing\n---\n- x\n...\n",
            &json!([{"a": 1}, ["x"]]),
        );
        check("", &json!([]));
        check("# only a comment\n", &json!([]));
        check(
            "\u{feff}a: 1\r\nb:\r\n  - c\r\n",
            &json!([{"a": 1, "b": ["c"]}]),
        );
    }

    #[test]
    fn anchors_and_merges() {
        check(
            "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n",
            &json!([{"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}]),
        );
        check(
            "a: &x {p: 1}\nb: &y {p: 2, r: 4}\nc:\n  q: 1\n  <<: [*x, *y]\n",
            &json!([{
                "a": {"p": 1}, "b": {"p": 2, "r": 4}, "c": {"p": 1, "q": 1, "r": 4}
            }]),
        );
        check("\"<<\": 1", &json!([{"<<": 1}]));
        refuses("a: 1\n<<: 3\n", 2, "`<<` needs");
        refuses("a: &x [*x]\n", 1, "its own alias");
        refuses("a: *nope\n", 1, "");
    }

    #[test]
    fn keys_become_strings() {
        check(
            "1: a\ny: b\n1.5: c\n",
            &json!([{"1": "a", "true": "b", "1.5": "c"}]),
        );
        refuses("? [a]\n: b\n", 1, "a key must be");
        refuses("~: b\n", 1, "a key must be");
    }

    #[test]
    fn json_is_read_too() {
        check("{\n\t\"a\": \"\\ud83d\\ude00\"\n}\n", &json!([{"a": "😀"}]));
        check(
            "{\"a\": \"0644\", \"b\": [1, null]}",
            &json!([{"a": "0644", "b": [1, null]}]),
        );
    }

    #[test]
    fn tags_decide() {
        check(
            "[!!str 12, !!int \"12\", !thing yes, !!binary aGk=]",
            &json!([["12", 12, "yes", "hi"]]),
        );
        refuses("a: !!binary '%'", 1, "base64");
        refuses("a: .inf", 1, "no such number");
    }

    #[test]
    fn positions_and_literals() {
        let text =
            "permissions:\n  - object: /srv\n    mode: 0644\n    on: \"yes\"\nlast: |\n  x\n";
        let document = &read(text).unwrap()[0];
        assert_eq!(document.position("/permissions/0/mode"), (3, 11));
        assert_eq!(document.key_position("/permissions/0/mode"), (3, 5));
        assert_eq!(document.position("/permissions/0"), (2, 5));
        assert_eq!(document.position("/permissions/0/nope/deeper"), (2, 5));
        assert_eq!(document.literal("/permissions/0/mode"), Some("0644"));
        assert_eq!(document.literal("/permissions/0/object"), Some("/srv"));
        assert_eq!(document.literal("/permissions/0"), None);
        assert_eq!(document.literal("/permissions/7"), None);
        assert_eq!(document.literal("/permissions/0/true"), Some("yes"));
        assert!(document.is_quoted("/permissions/0/true"));
        assert!(!document.is_quoted("/permissions/0/mode"));
        assert_eq!(document.literal("/last"), Some("x\n"));
        assert_eq!(child("/a", "b/c~d"), "/a/b~1c~0d");
    }

    #[test]
    fn repeated_keys_are_named() {
        let document = &read("a:\n  b: 1\n  b: 2\n").unwrap()[0];
        assert_eq!(document.value(), &json!({"a": {"b": 2}}));
        let expect = Duplicate {
            path: "/a/b".to_owned(),
            line: 3,
            column: 3,
        };
        assert_eq!(document.duplicates(), [expect]);
    }

    #[test]
    fn hostile_texts_are_refused() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.extend([
                "a",
                &n.to_string(),
                ": &a",
                &n.to_string(),
                " [",
                &list,
                "]\n",
            ]);
        }
        assert!(read(&laughs).unwrap_err().message.contains("too much"));
        assert!(read(&"[".repeat(20_000)).is_err());
        assert!(read(&"- ".repeat(20_000)).is_err());
        assert!(read(&"{a: ".repeat(20_000)).is_err());
        refuses("a:\n\tb: 1\n", 2, "");
        refuses("a: b: c\n", 1, "");
        refuses("a: \"x\n", 1, "unexpected end");
        refuses("a: {b\n", 2, "");
    }
}
