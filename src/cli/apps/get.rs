//! `get`: objects as the server's tables, or whole in a format of choice; optionally followed.
//!
//! Texts and layout: facts/oc.md section 4.

mod steps;
mod watching;

use serde_json::Value;

use crate::api::jsonpath::JsonPath;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::meta::Key;
use crate::api::table;
use crate::api::table::Layout;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::objects::fetch::Source;
use crate::cli::objects::files::Files;
use crate::cli::objects::resolve;
use crate::cli::objects::selection;
use crate::cli::objects::selection::Filter;
use crate::cli::objects::words;
use crate::cli::objects::words::Words;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::cli::usage;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::connection::Connection;

/// Display one or many resources
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift get (TYPE [NAME...] | TYPE/NAME... | TYPE,TYPE | all | -f FILE) [options]",
    after_help = "\
Examples:
  # List the applications of the current project
  upshift get app

  # List applications, rollouts, gears and operations together
  upshift get app,rollouts,gears,operations

  # One application, whole
  upshift get app/shop -o yaml

  # Only the name of its current revision
  upshift get app shop -o jsonpath='{.status.currentRevision}'

  # Follow the gears of one application as they change
  upshift get gears -l upshift.dev/application=shop -w"
)]
pub struct Args {
    /// What to list: types, names, or TYPE/NAME
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    /// custom-columns=HEADER:PATH,…, json, jsonpath=TEMPLATE, name, wide, yaml
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// List, then follow every change
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// Follow changes without listing first
    #[arg(long)]
    pub watch_only: bool,
    /// With --watch: a first column that says ADDED, MODIFIED or DELETED
    #[arg(long)]
    pub output_watch_events: bool,
    #[command(flatten)]
    pub filter: Filter,
    /// Leave out the header line
    #[arg(long)]
    pub no_headers: bool,
    /// A last column with all labels
    #[arg(long)]
    pub show_labels: bool,
    /// A column for each of these labels
    #[arg(short = 'L', long, value_name = "LABEL", value_delimiter = ',')]
    pub label_columns: Vec<String>,
    /// Sort by a JSONPath: .metadata.creationTimestamp
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<String>,
    /// Nothing there is no failure
    #[arg(long)]
    pub ignore_not_found: bool,
    /// How many objects to ask for at a time; 0 is all at once
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    pub chunk_size: u32,
}

/// Runs `get`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = Format::parse(args.output.as_deref(), &Format::READERS)?;
    check(&args, &format, context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let sources = sources(&args, context, &connection).await?;
    let getting = Getting {
        args: &args,
        format,
        context,
        client: &connection.client,
        namespace: &connection.namespace,
    };
    if args.watch || args.watch_only {
        return watching::follow(&getting, &sources).await;
    }
    if getting.format.is_table() {
        getting.tables(&sources).await
    } else {
        getting.objects(&sources).await
    }
}

/// What is typed wrong regardless of the server.
fn check(args: &Args, format: &Format, context: &Context) -> Result<(), Failure> {
    if args.words.is_empty() && args.files.is_empty() {
        let name = context.name();
        context.say(format_args!(
            "You must specify the type of resource to get. Use \"{name} api-resources\" for a complete list of \
             supported resources.\n\n"
        ))?;
        return Err(Failure::usage("Required resource not specified.")
            .hint(format!(
                "Use \"{name} describe <resource>\" for the details of a resource (e.g. {name} describe app/shop)."
            ))
            .hint(format!("See '{name} get -h' for help and examples")));
    }
    if args.show_labels && !format.is_table() {
        return Err(Failure::usage(format!(
            "--show-labels option cannot be used with {} printer",
            format.name()
        )));
    }
    if args.sort_by.is_some() && (args.watch || args.watch_only) {
        return Err(Failure::usage(
            "--watch and --sort-by cannot be used together",
        ));
    }
    if let Some(path) = &args.sort_by {
        sort_path(path)?;
    }
    if let Words::Named(_) = words::read(context.name(), "get", &args.words)? {
        refuse_for_names(args, context)?;
    }
    Ok(())
}

fn sort_path(path: &str) -> Result<JsonPath, Failure> {
    JsonPath::relaxed(path).map_err(|error| Failure::usage(format!("--sort-by {path:?}: {error}")))
}

/// What is to be read, in the order typed.
async fn sources(
    args: &Args,
    context: &Context,
    connection: &Connection,
) -> Result<Vec<Source>, Failure> {
    let client = &connection.client;
    let namespace = connection.namespace.as_str();
    let source = |kind: &'static Kind, key: Key| Source {
        kind,
        key,
        options: ListOptions {
            limit: args.chunk_size,
            ..args.filter.options()
        },
        whole: args.sort_by.is_some(),
    };
    if !args.files.is_empty() {
        let mut sources = Vec::new();
        for found in args.files.read(context)? {
            let kind = resolve::object(client, &found.object, &found.file).await?;
            let mut key = selection::key(&found.object);
            if key.namespace.is_empty() {
                key = selection::place(kind, namespace, &key.name);
            }
            sources.push(source(kind, key));
        }
        return Ok(sources);
    }
    match words::read(context.name(), "get", &args.words)? {
        Words::Named(named) => {
            let mut sources = Vec::new();
            for (word, name) in named {
                for kind in resolve::words(client, &word).await? {
                    sources.push(source(kind, selection::place(kind, namespace, &name)));
                }
            }
            Ok(sources)
        }
        Words::Types(types) => {
            let namespace = if args.filter.all_namespaces {
                ""
            } else {
                namespace
            };
            let mut sources = Vec::new();
            for word in types {
                for kind in resolve::words(client, &word).await? {
                    sources.push(source(kind, selection::place(kind, namespace, "")));
                }
            }
            Ok(sources)
        }
    }
}

fn refuse_for_names(args: &Args, context: &Context) -> Result<(), Failure> {
    if !args.filter.selector.is_empty() || !args.filter.field_selector.is_empty() {
        let message = "name cannot be provided when a selector is specified";
        return Err(usage::see(context.program, "get", message));
    }
    if args.filter.all_namespaces {
        let message = "a resource cannot be retrieved by name across all namespaces";
        return Err(Failure::usage(message));
    }
    Ok(())
}

/// One `get` under way.
struct Getting<'a> {
    args: &'a Args,
    format: Format,
    context: &'a Context,
    client: &'a Client,
    namespace: &'a str,
}

impl Getting<'_> {
    fn layout(&self, kind: &Kind, prefixed: bool) -> Layout {
        Layout {
            wide: matches!(self.format, Format::Table { wide: true }),
            no_headers: self.args.no_headers,
            prefix: prefixed.then(|| kind.prefix()),
            namespaces: self.args.filter.all_namespaces && kind.scope == Scope::Namespaced,
            show_labels: self.args.show_labels,
            label_columns: self.args.label_columns.clone(),
        }
    }

    /// Whether a failure to read one source is to be passed over.
    fn passes(&self, failure: &Failure) -> bool {
        self.args.ignore_not_found && failure.reason() == "NotFound"
    }

    async fn tables(&self, sources: &[Source]) -> Result<Exit, Failure> {
        let mut tables: Vec<(&'static Kind, Value)> = Vec::new();
        let mut failures = Vec::new();
        for source in sources {
            match source.table(self.client, self.context.clock.now()).await {
                Ok(table) => merge(&mut tables, source, table),
                Err(failure) if self.passes(&failure) => {}
                Err(failure) => failures.push(failure),
            }
        }
        for (kind, table) in &mut tables {
            if **kind == kinds::GEAR && matches!(self.format, Format::Table { wide: true }) {
                let namespace = if self.args.filter.all_namespaces {
                    ""
                } else {
                    self.namespace
                };
                steps::fill(table, self.client, namespace).await?;
            }
        }
        self.warn()?;
        let prefixed = tables.len() > 1;
        tables.retain(|(_, table)| {
            table["rows"]
                .as_array()
                .is_some_and(|rows| !rows.is_empty())
        });
        if let Some(path) = &self.args.sort_by {
            let path = sort_path(path)?;
            for (_, table) in &mut tables {
                sort_rows(table, &path);
            }
        }
        for (index, (kind, table)) in tables.iter().enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            let text = table::render(table, &self.layout(kind, prefixed));
            self.context.out(format_args!("{gap}{text}"))?;
        }
        if tables.is_empty() && failures.is_empty() && !self.args.ignore_not_found {
            self.nothing(sources)?;
        }
        Failure::all(failures).map(|()| Exit::Done)
    }

    /// Says that there is nothing, where a script does not read.
    fn nothing(&self, sources: &[Source]) -> Result<(), Failure> {
        let namespaced = sources
            .iter()
            .any(|source| source.kind.scope == Scope::Namespaced);
        if namespaced && !self.args.filter.all_namespaces {
            let namespace = self.namespace;
            self.context.say(format_args!(
                "No resources found in {namespace} namespace.\n"
            ))?;
        } else {
            self.context.say(format_args!("No resources found\n"))?;
        }
        Ok(())
    }

    async fn objects(&self, sources: &[Source]) -> Result<Exit, Failure> {
        let mut objects = Vec::new();
        let mut failures = Vec::new();
        for source in sources {
            match source.objects(self.client).await {
                Ok((found, _)) => objects.extend(found),
                Err(failure) if self.passes(&failure) => {}
                Err(failure) => failures.push(failure),
            }
        }
        self.warn()?;
        if let Some(path) = &self.args.sort_by {
            let path = sort_path(path)?;
            objects.sort_by_cached_key(|object| sort_key(object, &path));
        }
        let is_one = matches!(sources, [source] if !source.key.name.is_empty());
        let text = match objects.as_slice() {
            [] if is_one || !failures.is_empty() => String::new(),
            [object] if is_one => structured::one(&self.format, object)?,
            _ => structured::many(&self.format, objects, !self.args.no_headers)?,
        };
        self.context.out(format_args!("{text}"))?;
        Failure::all(failures).map(|()| Exit::Done)
    }

    fn warn(&self) -> Result<(), Failure> {
        for warning in self.client.take_warnings() {
            self.context.say(format_args!("Warning: {warning}\n"))?;
        }
        Ok(())
    }
}

/// Adds a table to the others; single objects of one kind that follow each other share a table.
fn merge(tables: &mut Vec<(&'static Kind, Value)>, source: &Source, mut table: Value) {
    let follows = tables.last().is_some_and(|(kind, _)| *kind == source.kind);
    match tables.last_mut() {
        Some((_, last)) if follows => {
            if let (Some(rows), Value::Array(more)) =
                (last["rows"].as_array_mut(), table["rows"].take())
            {
                rows.extend(more);
            }
        }
        _ => tables.push((source.kind, table)),
    }
}

fn sort_rows(table: &mut Value, path: &JsonPath) {
    if let Some(rows) = table["rows"].as_array_mut() {
        rows.sort_by_cached_key(|row| sort_key(&row["object"], path));
    }
}

/// Numbers before texts, by value; what is missing comes first.
fn sort_key(object: &Value, path: &JsonPath) -> (u8, i128, String) {
    match path.select(object).unwrap_or_default().first() {
        None | Some(Value::Null) => (0, 0, String::new()),
        Some(Value::Number(number)) => (1, thousandths(number), String::new()),
        Some(Value::String(text)) => (2, 0, text.clone()),
        Some(other) => (3, 0, other.to_string()),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sort key may be rough far beyond any real value"
)]
fn thousandths(number: &serde_json::Number) -> i128 {
    match number.as_i64() {
        Some(whole) => i128::from(whole) * 1000,
        None => (number.as_f64().unwrap_or(0.0) * 1000.0) as i128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_what_is_missing_first_and_numbers_by_value() {
        let path = JsonPath::relaxed(".spec.n").unwrap();
        let mut values = [
            serde_json::json!({"spec": {"n": 10}}),
            serde_json::json!({"spec": {"n": 9}}),
            serde_json::json!({}),
        ];
        values.sort_by_cached_key(|value| sort_key(value, &path));
        let order: Vec<Value> = values
            .iter()
            .map(|value| value["spec"]["n"].clone())
            .collect();
        assert_eq!(order, [Value::Null, 9.into(), 10.into()]);
    }
}
