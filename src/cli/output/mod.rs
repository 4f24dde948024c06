//! `-o`: which format was asked for, and objects in it.
//!
//! Tables come from the server and are laid out by `api::table`; here is everything else, and what oc says about
//! formats it does not know.

pub mod columns;
pub mod structured;
pub mod summary;
pub mod tabs;

use crate::api::jsonpath::JsonPath;
use crate::cli::Failure;
use crate::cli::output::columns::Columns;

/// How objects are printed.
#[derive(Clone, Debug)]
pub enum Format {
    /// The default, or `wide`.
    Table {
        wide: bool,
    },
    Json,
    Yaml,
    Name,
    JsonPath(JsonPath),
    /// Each match as JSON on a line of its own.
    JsonPathAsJson(JsonPath),
    Columns(Columns),
}

impl Format {
    /// What `get` prints.
    pub const READERS: [&str; 9] = [
        "custom-columns",
        "custom-columns-file",
        "json",
        "jsonpath",
        "jsonpath-as-json",
        "jsonpath-file",
        "name",
        "wide",
        "yaml",
    ];
    /// What commands that write print.
    pub const WRITERS: [&str; 6] = [
        "json",
        "jsonpath",
        "jsonpath-as-json",
        "jsonpath-file",
        "name",
        "yaml",
    ];

    /// Reads the value of `-o`.
    pub fn parse(typed: Option<&str>, allowed: &[&str]) -> Result<Format, Failure> {
        let Some(typed) = typed.filter(|typed| !typed.is_empty()) else {
            return Ok(Format::Table { wide: false });
        };
        let (name, argument) = match typed.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (typed, None),
        };
        if !allowed.contains(&name) {
            return Err(Failure::usage(format!(
                "unable to match a printer suitable for the output format {typed:?}, allowed formats are: {}",
                allowed.join(",")
            )));
        }
        match (name, argument) {
            ("json", None) => Ok(Format::Json),
            ("yaml", None) => Ok(Format::Yaml),
            ("name", None) => Ok(Format::Name),
            ("wide", None) => Ok(Format::Table { wide: true }),
            ("jsonpath", Some(template)) => Ok(Format::JsonPath(path(template)?)),
            ("jsonpath-as-json", Some(template)) => Ok(Format::JsonPathAsJson(path(template)?)),
            ("jsonpath-file", Some(file)) => Ok(Format::JsonPath(path(&text(file)?)?)),
            ("custom-columns", Some(spec)) => Ok(Format::Columns(Columns::parse(spec)?)),
            ("custom-columns-file", Some(file)) => {
                Ok(Format::Columns(Columns::parse_file(&text(file)?)?))
            }
            (name, None) => Err(Failure::usage(format!(
                "template format specified but no template given: -o {name}=TEMPLATE"
            ))),
            (name, Some(_)) => Err(Failure::usage(format!(
                "the format {name:?} takes no argument"
            ))),
        }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self, Format::Table { .. })
    }

    /// What `oc` calls the printer in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Format::Table { .. } => "table",
            Format::Json => "json",
            Format::Yaml => "yaml",
            Format::Name => "name",
            Format::JsonPath(_) | Format::JsonPathAsJson(_) => "jsonpath",
            Format::Columns(_) => "custom-columns",
        }
    }
}

fn path(template: &str) -> Result<JsonPath, Failure> {
    JsonPath::relaxed(template)
        .map_err(|error| Failure::usage(format!("error parsing jsonpath {template}, {error}")))
}

fn text(file: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::ours(format!("error reading template {file}: {error}")))
}
