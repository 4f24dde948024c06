//! `config`: looks at the kubeconfig, and changes the context in use.

use serde_json::Value;

use crate::api::json;
use crate::api::yaml;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::output::summary;
use crate::client::kubeconfig::Config;
use crate::client::kubeconfig::Section;

/// Show the kubeconfig and change the context in use
#[derive(Clone, Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Display merged kubeconfig settings; secrets are left out
    View(View),
    /// Display the current context
    CurrentContext,
    /// Set the current context
    UseContext {
        /// The context's name
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Describe one or many contexts
    GetContexts(Contexts),
}

#[derive(Clone, Debug, clap::Args)]
struct View {
    /// json or yaml
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "yaml")]
    output: String,
    /// Show certificates and secrets too
    #[arg(long)]
    raw: bool,
    /// Only what the current context uses
    #[arg(long)]
    minify: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct Contexts {
    /// Only these
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// name: only the names
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    /// Leave out the header line
    #[arg(long)]
    no_headers: bool,
}

/// The kubeconfig that flags and variables name.
pub fn load(context: &Context) -> Result<Config, Failure> {
    let explicit = context
        .flags
        .kubeconfig
        .as_ref()
        .map(|path| context.environment.path(path));
    Ok(Config::load(explicit.as_deref(), &context.environment)?)
}

/// Runs `config`; asks no server.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::View(args) => view(&args, context),
        Command::CurrentContext => current(context),
        Command::UseContext { names } => select(&names, context),
        Command::GetContexts(args) => list(&args, context),
    }
}

fn view(args: &View, context: &Context) -> Result<Exit, Failure> {
    let config = load(context)?;
    let mut whole = config.merged();
    if args.minify {
        minify(&mut whole, &name_in_use(context, &config))?;
    }
    if !args.raw {
        redact(&mut whole);
    }
    let text = match args.output.as_str() {
        "yaml" => yaml::print(&whole),
        "json" => json::print(&whole),
        other => {
            return Err(Failure::usage(format!(
                "unable to match a printer suitable for the output format {other:?}, allowed formats are: json,yaml"
            )));
        }
    };
    context.out(format_args!("{text}"))?;
    Ok(Exit::Done)
}

fn name_in_use(context: &Context, config: &Config) -> String {
    context
        .flags
        .context
        .clone()
        .unwrap_or_else(|| config.current_context())
}

/// Keeps the named context and what it refers to.
fn minify(whole: &mut Value, name: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(Failure::ours(
            "current-context must exist in order to minify",
        ));
    }
    let find = |list: &Value, name: &str| {
        list.as_array()
            .into_iter()
            .flatten()
            .find(|entry| entry["name"] == name)
            .cloned()
    };
    let Some(chosen) = find(&whole["contexts"], name) else {
        return Err(no_such_context(name));
    };
    for (list, field) in [("clusters", "cluster"), ("users", "user")] {
        let wanted = chosen["context"][field].as_str().unwrap_or_default();
        let kept: Vec<Value> = find(&whole[list], wanted).into_iter().collect();
        whole[list] = kept.into();
    }
    whole["contexts"] = Value::Array(vec![chosen]);
    whole["current-context"] = name.into();
    Ok(())
}

const OMITTED: &str = "DATA+OMITTED";
const REDACTED: &str = "REDACTED";

/// Takes secrets out, in the words of `oc`.
fn redact(whole: &mut Value) {
    let entries = |list: &mut Value, part: &str, fields: &[(&str, &str)]| {
        for entry in list.as_array_mut().into_iter().flatten() {
            for (field, words) in fields {
                if entry[part]
                    .get(*field)
                    .is_some_and(|value| !value.is_null())
                {
                    entry[part][*field] = (*words).into();
                }
            }
        }
    };
    entries(
        &mut whole["clusters"],
        "cluster",
        &[("certificate-authority-data", OMITTED)],
    );
    entries(
        &mut whole["users"],
        "user",
        &[
            ("client-certificate-data", OMITTED),
            ("client-key-data", OMITTED),
            ("token", REDACTED),
            ("password", REDACTED),
        ],
    );
}

fn current(context: &Context) -> Result<Exit, Failure> {
    let name = load(context)?.current_context();
    if name.is_empty() {
        return Err(Failure::ours("current-context is not set"));
    }
    context.out(format_args!("{name}\n"))?;
    Ok(Exit::Done)
}

fn no_such_context(name: &str) -> Failure {
    Failure::not_found(format!("no context exists with the name: {name:?}"))
}

fn select(names: &[String], context: &Context) -> Result<Exit, Failure> {
    let [name] = names else {
        return Err(
            Failure::usage(format!("Unexpected args: {names:?}")).hint(format!(
                "See '{} config use-context -h' for help and examples",
                context.name()
            )),
        );
    };
    let mut config = load(context)?;
    if config.entry(Section::Contexts, name).is_none() {
        return Err(no_such_context(name));
    }
    config.set_current_context(name);
    config.save()?;
    context.out(format_args!("Switched to context {name:?}.\n"))?;
    Ok(Exit::Done)
}

fn list(args: &Contexts, context: &Context) -> Result<Exit, Failure> {
    let config = load(context)?;
    let whole = config.merged();
    let all: Vec<&Value> = whole["contexts"].as_array().into_iter().flatten().collect();
    let missing = args
        .names
        .iter()
        .find(|name| !all.iter().any(|entry| entry["name"] == name.as_str()));
    if let Some(name) = missing {
        return Err(Failure::not_found(format!("context {name} not found")));
    }
    let mut chosen: Vec<&Value> = all
        .into_iter()
        .filter(|entry| {
            args.names.is_empty() || args.names.iter().any(|name| entry["name"] == name.as_str())
        })
        .collect();
    chosen.sort_by_key(|entry| entry["name"].as_str().unwrap_or_default());
    if let Some(format) = &args.output {
        if format != "name" {
            return Err(Failure::usage(format!(
                "output must be one of '' or 'name': {format}"
            )));
        }
        for entry in chosen {
            context.out(format_args!(
                "{}\n",
                entry["name"].as_str().unwrap_or_default()
            ))?;
        }
        return Ok(Exit::Done);
    }
    let current = config.current_context();
    let mut rows = Vec::new();
    if !args.no_headers {
        rows.push(
            ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
                .map(str::to_owned)
                .to_vec(),
        );
    }
    rows.extend(chosen.iter().map(|entry| row(entry, &current)));
    context.out(format_args!("{}", summary::aligned(&rows, 10)))?;
    Ok(Exit::Done)
}

fn row(entry: &Value, current: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&entry["name"]);
    let mark = if name == current { "*" } else { "" };
    let context = &entry["context"];
    vec![
        mark.to_owned(),
        name,
        text(&context["cluster"]),
        text(&context["user"]),
        text(&context["namespace"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_every_secret_and_nothing_else() {
        let mut whole = serde_json::json!({
            "clusters": [{"name": "c", "cluster": {"server": "s", "certificate-authority-data": "x"}}],
            "users": [{"name": "u", "user": {"token": "x", "client-key-data": "x", "username": "ann"}}],
        });
        redact(&mut whole);
        assert_eq!(
            whole,
            serde_json::json!({
                "clusters": [{"name": "c", "cluster": {"server": "s", "certificate-authority-data": "DATA+OMITTED"}}],
                "users": [{"name": "u", "user": {"token": "REDACTED", "client-key-data": "DATA+OMITTED", "username": "ann"}}],
            })
        );
    }
}
