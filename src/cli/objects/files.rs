//! `-f FILE|DIR|-`: the objects that files hold, each with the name of its file for messages.

use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::api::yaml;
use crate::cli::Context;
use crate::cli::Failure;

/// Where objects come from, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Files {
    /// File, folder or - for stdin, with the objects in YAML or JSON
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub filename: Vec<String>,
    /// Also the folders in a folder
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Found {
    pub file: String,
    pub object: Value,
}

impl Files {
    /// Whether no file was named.
    pub fn is_empty(&self) -> bool {
        self.filename.is_empty()
    }

    /// Every object of every file, lists taken apart, in the order of the text.
    pub fn read(&self, context: &Context) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        for name in &self.filename {
            if name == "-" {
                let mut text = String::new();
                io::stdin().read_to_string(&mut text)?;
                objects("STDIN", &text, &mut found)?;
            } else if name.starts_with("http://") || name.starts_with("https://") {
                return Err(Failure::usage(format!(
                    "{name:?} is a URL: download it first, then pass the file"
                )));
            } else {
                for path in self.paths(name, &context.environment.path(name))? {
                    let text = fs::read_to_string(&path).map_err(|error| {
                        Failure::usage(format!("cannot read {}: {error}", path.display()))
                    })?;
                    objects(&path.to_string_lossy(), &text, &mut found)?;
                }
            }
        }
        Ok(found)
    }

    /// The files that one name stands for.
    fn paths(&self, typed: &str, path: &Path) -> Result<Vec<PathBuf>, Failure> {
        let missing = || Failure::usage(format!("the path {typed:?} does not exist"));
        if fs::metadata(path).map_err(|_| missing())?.is_file() {
            return Ok(vec![path.to_owned()]);
        }
        let mut files = Vec::new();
        collect(path, self.recursive, &mut files)?;
        if files.is_empty() {
            return Err(Failure::usage(format!(
                "error reading [{typed}]: recognized file extensions are [.json .yaml .yml]"
            )));
        }
        Ok(files)
    }
}

fn collect(folder: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if recursive {
                collect(&path, recursive, files)?;
            }
        } else if path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| matches!(extension, "json" | "yaml" | "yml"))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The objects of one text.
fn objects(file: &str, text: &str, found: &mut Vec<Found>) -> Result<(), Failure> {
    let documents = yaml::read(text)
        .map_err(|error| Failure::usage(format!("error parsing {file}: {error}")))?;
    for document in documents {
        let value = document.into_value();
        if !value.is_null() {
            one_or_list(file, value, found)?;
        }
    }
    Ok(())
}

fn one_or_list(file: &str, mut value: Value, found: &mut Vec<Found>) -> Result<(), Failure> {
    for field in ["kind", "apiVersion"] {
        if value[field].as_str().is_none_or(str::is_empty) {
            let name = if field == "kind" { "Kind" } else { field };
            return Err(Failure::usage(format!(
                "unable to decode {file:?}: Object '{name}' is missing in '{value}'"
            )));
        }
    }
    let is_list = value["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"));
    if is_list && value["items"].is_array() {
        if let Value::Array(items) = value["items"].take() {
            for item in items {
                one_or_list(file, item, found)?;
            }
        }
        return Ok(());
    }
    found.push(Found {
        file: file.to_owned(),
        object: value,
    });
    Ok(())
}
