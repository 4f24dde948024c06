//! `wait`: blocks until objects are as asked: there, gone, with a condition, or with a field of some value.

use std::ops::ControlFlow;

use serde_json::Value;

use crate::api::duration::Span;
use crate::api::jsonpath::JsonPath;
use crate::api::status::Status;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::objects::files::Files;
use crate::cli::objects::follow::follow;
use crate::cli::objects::selection::Filter;
use crate::cli::objects::selection::Meant;
use crate::client::Client;

/// Wait for a specific condition on one or many resources
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift wait (TYPE NAME | TYPE/NAME | TYPE --all) --for=CONDITION [options]",
    after_help = "\
Examples:
  # Until a rollout has succeeded
  upshift wait rollout/shop-3 --for=jsonpath='{.status.phase}'=Succeeded --timeout=5m

  # Until a node is ready
  upshift wait node/web-1 --for=condition=Ready

  # Until it is gone
  upshift wait app/shop --for=delete"
)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    /// create, delete, condition=NAME[=STATUS] or jsonpath='{PATH}'[=VALUE]
    #[arg(
        long = "for",
        value_name = "CONDITION",
        default_value = "",
        hide_default_value = true
    )]
    pub condition: String,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub timeout: Span,
    #[command(flatten)]
    pub filter: Filter,
    /// All objects of the type
    #[arg(long)]
    pub all: bool,
}

enum Condition {
    Created,
    Deleted,
    Reported {
        name: String,
        status: String,
    },
    Path {
        path: JsonPath,
        value: Option<String>,
    },
}

/// Runs `wait`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let condition = Condition::parse(&args.condition)?;
    let selection = args.filter.of(&args.words, &args.files, args.all);
    selection.check("wait", context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let meant = selection
        .find("wait", context, client, &connection.namespace)
        .await?;
    if meant.is_empty() {
        return Err(Failure::not_found("no matching resources found"));
    }
    let deadline = tokio::time::Instant::now() + args.timeout.0;
    for one in &meant {
        let waiting = condition.until_met(client, one);
        let Ok(outcome) = tokio::time::timeout_at(deadline, waiting).await else {
            let (plural, name) = (one.kind.plural, &one.key.name);
            let message = format!("timed out waiting for the condition on {plural}/{name}");
            return Err(Failure::new(Kind::TimedOut, message));
        };
        outcome?;
        let done = if matches!(condition, Condition::Deleted) {
            "deleted"
        } else {
            "condition met"
        };
        context.out(format_args!(
            "{}/{} {done}\n",
            one.kind.prefix(),
            one.key.name
        ))?;
    }
    Ok(Exit::Done)
}

impl Condition {
    fn parse(text: &str) -> Result<Condition, Failure> {
        let wrong = || Failure::usage(format!("unrecognized condition: {text:?}"));
        match text.split_once('=') {
            None if text == "create" => Ok(Condition::Created),
            None if text == "delete" => Ok(Condition::Deleted),
            Some(("condition", rest)) if !rest.is_empty() => {
                let (name, status) = rest.split_once('=').unwrap_or((rest, "True"));
                Ok(Condition::Reported {
                    name: name.to_owned(),
                    status: status.to_owned(),
                })
            }
            Some(("jsonpath", rest)) => {
                let (path, value) = match rest.rsplit_once("}=") {
                    Some((path, value)) => (format!("{path}}}"), Some(value.to_owned())),
                    None => (rest.to_owned(), None),
                };
                let path = JsonPath::relaxed(&path)
                    .map_err(|error| Failure::usage(format!("{path}: {error}")))?;
                Ok(Condition::Path { path, value })
            }
            _ => Err(wrong()),
        }
    }

    /// Whether an object that is there satisfies it.
    fn is_met(&self, object: &Value) -> bool {
        match self {
            Condition::Created => true,
            Condition::Deleted => false,
            Condition::Reported { name, status } => {
                let conditions = object["status"]["conditions"].as_array();
                conditions.into_iter().flatten().any(|one| {
                    let of = |field: &str| one[field].as_str().unwrap_or_default().to_lowercase();
                    of("type") == name.to_lowercase() && of("status") == status.to_lowercase()
                })
            }
            Condition::Path { path, value } => {
                let found = path.select(object).unwrap_or_default();
                found.iter().any(|found| match value {
                    None => !found.is_null(),
                    Some(value) => {
                        found
                            .as_str()
                            .map_or_else(|| found.to_string(), str::to_owned)
                            == *value
                    }
                })
            }
        }
    }

    async fn until_met(&self, client: &Client, one: &Meant) -> Result<(), Failure> {
        follow(client, one, |object| match (object, self) {
            (Some(object), _) if self.is_met(object) => ControlFlow::Break(Ok(())),
            (None, Condition::Deleted) => ControlFlow::Break(Ok(())),
            (Some(_), _) | (None, Condition::Created) => ControlFlow::Continue(()),
            (None, _) => {
                let gone = Status::not_found(one.kind, &one.key.name);
                ControlFlow::Break(Err(gone.into()))
            }
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_conditions() {
        let ready = serde_json::json!({"status": {"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "True"}]}});
        for (text, met) in [
            ("condition=Ready", true),
            ("condition=ready=false", false),
            ("jsonpath={.status.phase}=Succeeded", true),
            ("jsonpath={.status.phase}=Failed", false),
            ("jsonpath={.status.nothing}", false),
            ("delete", false),
            ("create", true),
        ] {
            assert_eq!(
                Condition::parse(text).unwrap().is_met(&ready),
                met,
                "{text}"
            );
        }
        assert!(Condition::parse("x=y").is_err());
        assert!(Condition::parse("").is_err());
    }
}
