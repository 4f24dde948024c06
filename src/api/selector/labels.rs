//! Label selectors: `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>3`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::Error;
use crate::api::validate::names;

/// What labels must look like; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    Equal(String),
    Unequal(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Above(i64),
    Below(i64),
}

impl Labels {
    /// The selector `key=value`.
    pub fn equal(key: &str, value: &str) -> Labels {
        Labels(vec![Requirement {
            key: key.to_owned(),
            test: Test::Equal(value.to_owned()),
        }])
    }

    /// Reads a `LabelSelector`: `{matchLabels: {…}, matchExpressions: [{key, operator, values}]}`.
    pub fn of_selector(selector: &Value) -> Result<Labels, Error> {
        let pairs = selector["matchLabels"].as_object().into_iter().flatten();
        let mut all: Vec<Requirement> = pairs
            .map(|(key, value)| Requirement {
                key: key.clone(),
                test: Test::Equal(value.as_str().unwrap_or_default().to_owned()),
            })
            .collect();
        let expressions = selector["matchExpressions"].as_array();
        for expression in expressions.into_iter().flatten() {
            all.push(Requirement::of_expression(expression)?);
        }
        Ok(Labels(all))
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether labels satisfy all of it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0
            .iter()
            .all(|one| one.test.holds(labels.get(&one.key).map(String::as_str)))
    }

    /// Whether an object's labels satisfy all of it.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0
            .iter()
            .all(|one| one.test.holds(labels.get(&one.key).and_then(Value::as_str)))
    }

    /// Whether only objects with exactly `key=value` can match.
    pub fn pins(&self, key: &str, value: &str) -> bool {
        self.pinned().any(|pinned| pinned == (key, value))
    }

    /// The labels that every object that matches has, each with its one value.
    pub fn pinned(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|one| {
            let value = match &one.test {
                Test::Equal(wanted) => wanted,
                Test::In(wanted) if wanted.len() == 1 => wanted.first()?,
                _ => return None,
            };
            Some((one.key.as_str(), value.as_str()))
        })
    }
}

impl Requirement {
    fn of_expression(expression: &Value) -> Result<Requirement, Error> {
        let values = expression["values"].as_array().into_iter().flatten();
        let values: BTreeSet<String> = values
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        let test = match (expression["operator"].as_str(), values.is_empty()) {
            (Some("In"), false) => Test::In(values),
            (Some("NotIn"), false) => Test::NotIn(values),
            (Some("In" | "NotIn"), true) => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                return Err(Error(why.to_owned()));
            }
            (Some("Exists"), true) => Test::Exists,
            (Some("DoesNotExist"), true) => Test::Absent,
            (Some("Exists" | "DoesNotExist"), false) => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                return Err(Error(why.to_owned()));
            }
            (other, _) => {
                let other = other.unwrap_or_default();
                return Err(Error(format!(
                    "{other:?} is not a valid label selector operator"
                )));
            }
        };
        Ok(Requirement {
            key: expression["key"].as_str().unwrap_or_default().to_owned(),
            test,
        })
    }
}

impl Test {
    fn holds(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|text| text.parse::<i64>().ok());
        match self {
            Test::Exists => label.is_some(),
            Test::Absent => label.is_none(),
            Test::Equal(value) => label == Some(value),
            Test::Unequal(value) => label != Some(value),
            Test::In(values) => label.is_some_and(|label| values.contains(label)),
            Test::NotIn(values) => !label.is_some_and(|label| values.contains(label)),
            Test::Above(bound) => number().is_some_and(|number| number > *bound),
            Test::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &BTreeSet<String>| {
            values
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(",")
        };
        for (n, Requirement { key, test }) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::Exists => write!(f, "{key}"),
                Test::Absent => write!(f, "!{key}"),
                Test::Equal(value) => write!(f, "{key}={value}"),
                Test::Unequal(value) => write!(f, "{key}!={value}"),
                Test::In(values) => write!(f, "{key} in ({})", list(values)),
                Test::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
                Test::Above(bound) => write!(f, "{key}>{bound}"),
                Test::Below(bound) => write!(f, "{key}<{bound}"),
            }?;
        }
        Ok(())
    }
}

impl FromStr for Labels {
    type Err = Error;
    fn from_str(text: &str) -> Result<Labels, Error> {
        let mut parser = Parser {
            tokens: lex(text),
            at: 0,
        };
        parser.selector().map(Labels).map_err(Error)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::Symbol(symbol) => symbol,
            Token::End => "",
        }
    }
}

fn lex(text: &str) -> Vec<Token> {
    const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || "=!(),><".contains(c))
                .unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::End => return Ok(requirements),
                Token::Word(_) | Token::Symbol("!") => {}
                other @ Token::Symbol(_) => {
                    return Err(format!(
                        "found '{}', expected: !, identifier, or 'end of string'",
                        other.text()
                    ));
                }
            }
            let requirement = self
                .requirement()
                .map_err(|why| format!("unable to parse requirement: {why}"))?;
            requirements.push(requirement);
            match self.take() {
                Token::End => return Ok(requirements),
                Token::Symbol(",") => self.after_comma()?,
                other => {
                    return Err(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        other.text()
                    ));
                }
            }
        }
    }

    fn after_comma(&self) -> Result<(), String> {
        match self.peek() {
            Token::Word(_) | Token::Symbol("!") => Ok(()),
            other => Err(format!(
                "found '{}', expected: identifier after ','",
                other.text()
            )),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.take();
        }
        let key = match self.take() {
            Token::Word(word) => word,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        if let Some(why) = names::qualified(&key) {
            return Err(format!("key: Invalid value: {key:?}: {why}"));
        }
        let ends = matches!(self.peek(), Token::End | Token::Symbol(","));
        let test = match (absent, ends) {
            (true, _) => Test::Absent,
            (false, true) => Test::Exists,
            (false, false) => self.test(&key)?,
        };
        Ok(Requirement { key, test })
    }

    fn test(&mut self, key: &str) -> Result<Test, String> {
        let operator = self.take();
        match operator.text() {
            "in" => Ok(Test::In(self.values(key)?)),
            "notin" => Ok(Test::NotIn(self.values(key)?)),
            "=" | "==" => Ok(Test::Equal(self.value(key)?)),
            "!=" => Ok(Test::Unequal(self.value(key)?)),
            ">" => Ok(Test::Above(self.bound(key)?)),
            "<" => Ok(Test::Below(self.bound(key)?)),
            other => Err(format!(
                "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
            )),
        }
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(word) => {
                self.take();
                checked(key, 0, word)
            }
            other @ Token::Symbol(_) => {
                Err(format!("found '{}', expected: identifier", other.text()))
            }
        }
    }

    fn bound(&mut self, key: &str) -> Result<i64, String> {
        let value = self.value(key)?;
        value.parse().map_err(|_| {
            format!(
                "values[0][{key}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        })
    }

    fn values(&mut self, key: &str) -> Result<BTreeSet<String>, String> {
        match self.take() {
            Token::Symbol("(") => {}
            other => return Err(format!("found '{}', expected: '('", other.text())),
        }
        let mut values = BTreeSet::new();
        let mut wants_value = true;
        loop {
            match self.take() {
                Token::Word(word) if wants_value => {
                    values.insert(checked(key, values.len(), word)?);
                    wants_value = false;
                }
                Token::Symbol(",") => {
                    if wants_value {
                        values.insert(String::new());
                    }
                    wants_value = true;
                }
                Token::Symbol(")") => {
                    if wants_value {
                        values.insert(String::new());
                    }
                    return Ok(values);
                }
                other if wants_value => {
                    return Err(format!(
                        "found '{}', expected: ',', ')' or identifier",
                        other.text()
                    ));
                }
                other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
            }
        }
    }
}

fn checked(key: &str, index: usize, value: String) -> Result<String, String> {
    match names::label_value(&value) {
        Some(why) => Err(format!(
            "values[{index}][{key}]: Invalid value: {value:?}: {why}"
        )),
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expect: bool) {
        let labels: BTreeMap<String, String> = [("a", "b"), ("x.io/n", "5"), ("empty", "")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let selector: Labels = text.parse().unwrap();
        assert_eq!(selector.matches(&labels), expect, "{text}");
        let object = json!({"metadata": {"labels": labels}});
        assert_eq!(selector.matches_object(&object), expect, "{text}");
        assert_eq!(
            selector.to_string().parse::<Labels>().unwrap(),
            selector,
            "{text}"
        );
    }

    #[test]
    fn selects_by_labels() {
        for (text, expect) in [
            ("", true),
            ("a=b", true),
            ("a==c", false),
            ("a!=c", true),
            ("c!=d", true),
            ("a in (b, c)", true),
            ("a in (c)", false),
            ("a notin (c,d),c notin (d)", true),
            ("a", true),
            ("c", false),
            ("!c", true),
            ("! a", false),
            ("x.io/n>4,x.io/n<6", true),
            ("a>1", false),
            ("empty=", true),
            ("empty in ()", true),
            ("a=b,c", false),
            (" a = b , !c ", true),
            ("in in (in)", false),
        ] {
            check(text, expect);
        }
    }

    #[test]
    fn refuses_in_the_words_of_kubernetes() {
        for (text, expect) in [
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            ("a=b,", "found '', expected: identifier after ','"),
            (
                ",a",
                "found ',', expected: !, identifier, or 'end of string'",
            ),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            (
                "a in b",
                "unable to parse requirement: found 'b', expected: '('",
            ),
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'",
            ),
            (
                "!",
                "unable to parse requirement: found '', expected: identifier",
            ),
        ] {
            assert_eq!(text.parse::<Labels>().unwrap_err().to_string(), expect);
        }
        assert!("a=b/c".parse::<Labels>().is_err());
        assert!("/a=b".parse::<Labels>().is_err());
        assert!("a>b".parse::<Labels>().is_err());
    }

    #[test]
    fn knows_when_it_pins_one_value() {
        let pins = |text: &str| text.parse::<Labels>().unwrap().pins("n", "a");
        assert!(pins("n=a"));
        assert!(pins("x,n in (a)"));
        assert!(!pins("n in (a,b)"));
        assert!(!pins("n!=b"));
        assert!(!Labels::default().pins("n", "a"));
        assert!(Labels::equal("n", "a").pins("n", "a"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c=!(),<> in]{0,24}") {
            let _ = text.parse::<Labels>();
        }
    }

    #[test]
    fn selectors_of_objects_are_read() {
        let selector = serde_json::json!({
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["y", "x"]},
                {"key": "d", "operator": "DoesNotExist"},
            ],
        });
        let labels = Labels::of_selector(&selector).unwrap();
        assert_eq!(labels.to_string(), "a=1,b=2,c in (x,y),!d");
        assert!(Labels::of_selector(&Value::Null).unwrap().is_empty());
        for wrong in [
            serde_json::json!({"operator": "In"}),
            serde_json::json!({"operator": "Exists", "values": ["x"]}),
            serde_json::json!({"operator": "Like", "values": ["x"]}),
        ] {
            let selector = serde_json::json!({"matchExpressions": [wrong]});
            assert!(Labels::of_selector(&selector).is_err());
        }
    }
}
