//! `-o custom-columns=NAME:.metadata.name,X:.spec.x`.

use serde_json::Value;

use crate::api::jsonpath::JsonPath;
use crate::cli::Failure;
use crate::cli::output::summary;

/// The columns that were asked for.
#[derive(Clone, Debug)]
pub struct Columns(Vec<(String, JsonPath)>);

impl Columns {
    /// Reads `HEADER:PATH,HEADER:PATH`.
    pub fn parse(spec: &str) -> Result<Columns, Failure> {
        if spec.is_empty() {
            return Err(Failure::usage(
                "custom-columns format specified but no custom columns given",
            ));
        }
        let columns = spec.split(',').map(|part| {
            let (header, path) = part.split_once(':').ok_or_else(|| {
                Failure::usage(format!(
                    "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
                ))
            })?;
            Ok((header.to_owned(), parse(path)?))
        });
        Ok(Columns(columns.collect::<Result<_, Failure>>()?))
    }

    /// Reads a file with a line of headers and a line of paths.
    pub fn parse_file(text: &str) -> Result<Columns, Failure> {
        let mut lines = text.lines();
        let (headers, paths) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        let headers: Vec<&str> = headers.split_whitespace().collect();
        let paths: Vec<&str> = paths.split_whitespace().collect();
        if headers.is_empty() || headers.len() != paths.len() {
            return Err(Failure::usage(format!(
                "number of columns ({}) and number of specs ({}) mismatch",
                headers.len(),
                paths.len()
            )));
        }
        let columns = headers
            .into_iter()
            .zip(paths)
            .map(|(header, path)| Ok((header.to_owned(), parse(path)?)));
        Ok(Columns(columns.collect::<Result<_, Failure>>()?))
    }

    /// The rows of these objects, under the headers that were asked for.
    pub fn print(&self, objects: &[Value], headers: bool) -> String {
        let mut rows = Vec::new();
        if headers {
            rows.push(self.0.iter().map(|(header, _)| header.clone()).collect());
        }
        for object in objects {
            rows.push(self.0.iter().map(|(_, path)| cell(path, object)).collect());
        }
        summary::aligned(&rows, 10)
    }
}

fn parse(path: &str) -> Result<JsonPath, Failure> {
    JsonPath::relaxed(path).map_err(|error| {
        Failure::usage(format!(
            "unexpected path string {path:?} in custom-columns: {error}"
        ))
    })
}

fn cell(path: &JsonPath, object: &Value) -> String {
    let found = path.select(object).unwrap_or_default();
    let texts: Vec<String> = found
        .into_iter()
        .map(|value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "<nil>".to_owned(),
            value => value.to_string(),
        })
        .collect();
    if texts.is_empty() {
        "<none>".to_owned()
    } else {
        texts.join(",")
    }
}
