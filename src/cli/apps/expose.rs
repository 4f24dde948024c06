//! `expose`: a route for a service, a service for what runs pods.
//!
//! Sources: facts/oc.md 5.8 and 7.1.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::new_app::args::labels;
use crate::cli::new_app::naming;
use crate::cli::new_app::objects;
use crate::cli::objects::selection::Meant;
use crate::cli::objects::selection::Selection;
use crate::cli::objects::writing::DryRun;
use crate::cli::objects::writing::Writing;

/// Expose a replicated application as a service or route
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift expose (TYPE NAME | TYPE/NAME) [options]",
    after_help = "\
Examples:
  # A route to a service, under a host name that is made up
  upshift expose service/shop

  # Under a host name of your own
  upshift expose service/shop --hostname=shop.example.com

  # A service for a deployment config
  upshift expose dc/shop --port=8080"
)]
pub struct Args {
    /// A service, or what runs pods: dc, rc, deploy, rs, pod
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    /// The new object's name, instead of the old one's
    #[arg(long)]
    pub name: Option<String>,
    /// The route's host name
    #[arg(
        long,
        value_name = "HOST",
        default_value = "",
        hide_default_value = true
    )]
    pub hostname: String,
    /// Only paths below this one lead through the route
    #[arg(
        long,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    pub path: String,
    /// The port that is exposed: a number, or of a service a name
    #[arg(
        long,
        value_name = "PORT",
        default_value = "",
        hide_default_value = true
    )]
    pub port: String,
    /// The pods' port, if it is another
    #[arg(
        long,
        value_name = "PORT",
        default_value = "",
        hide_default_value = true
    )]
    pub target_port: String,
    /// TCP or UDP
    #[arg(long, value_name = "PROTOCOL", default_value = "TCP", value_parser = ["TCP", "UDP"], ignore_case = true)]
    pub protocol: String,
    /// The route's policy for the names below its host: None or Subdomain
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "",
        hide_default_value = true
    )]
    pub wildcard_policy: String,
    /// Labels of the new object, instead of the old one's
    #[arg(
        short = 'l',
        long,
        value_name = "NAME=VALUE,…",
        default_value = "",
        hide_default_value = true
    )]
    pub labels: String,
    #[command(flatten)]
    pub writing: Writing,
}

/// Runs `expose`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = args.writing.format()?;
    let selection = Selection {
        words: &args.words,
        ..Selection::default()
    };
    selection.check("expose", context)?;
    let name = args.name.as_deref().map(naming::given).transpose()?;
    let connection = context.connect(Purpose::Reading).await?;
    let (client, namespace) = (&connection.client, &connection.namespace);
    let meant = selection.find("expose", context, client, namespace).await?;
    let mut failures = Vec::new();
    for one in &meant {
        let exposed = async {
            let old = client.read(one.kind, &one.key).await?;
            let (kind, mut new) = exposed(&args, one, &old)?;
            let new_name = name.as_deref().unwrap_or(&one.key.name);
            new["metadata"]["name"] = new_name.into();
            if args.writing.dry_run != DryRun::Client {
                let options = args.writing.options();
                let made = client.create_object(kind, namespace, &new, &options);
                new = made.await?;
            }
            args.writing.report(context, &format, kind, &new, "exposed")
        };
        failures.extend(exposed.await.err());
    }
    Failure::all(failures).map(|()| Exit::Done)
}

/// What is made for an object: its kind, and everything but its name.
fn exposed(args: &Args, one: &Meant, old: &Value) -> Result<(&'static Kind, Value), Failure> {
    let (kind, body) = if *one.kind == kinds::SERVICE {
        (&kinds::ROUTE, route(args, &one.key, old)?)
    } else {
        (&kinds::SERVICE, service(args, one, old)?)
    };
    let labels = match args.labels.as_str() {
        "" => old["metadata"]["labels"].clone(),
        typed => json!(labels(typed)?),
    };
    let mut object = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": {},
    });
    if labels.is_object() {
        object["metadata"]["labels"] = labels;
    }
    object["spec"] = body["spec"].clone();
    Ok((kind, object))
}

fn route(args: &Args, key: &Key, service: &Value) -> Result<Value, Failure> {
    let first = &service["spec"]["ports"][0];
    let port = match args.port.as_str() {
        "" if first["name"].as_str().is_some_and(|name| !name.is_empty()) => first["name"].clone(),
        "" => first["port"].clone(),
        typed => number_or_name(typed),
    };
    if port.is_null() {
        return Err(Failure::usage(format!(
            "service {:?} has no port; a route needs one",
            key.name
        )));
    }
    let mut body = objects::route_body(&key.name, &port);
    for (field, value) in [
        ("host", &args.hostname),
        ("path", &args.path),
        ("wildcardPolicy", &args.wildcard_policy),
    ] {
        if !value.is_empty() {
            body["spec"][field] = value.clone().into();
        }
    }
    Ok(body)
}

fn service(args: &Args, one: &Meant, old: &Value) -> Result<Value, Failure> {
    let spec = &old["spec"];
    let (selector, pod) = match one.kind {
        kind if *kind == kinds::POD => (&old["metadata"]["labels"], spec),
        kind if *kind == kinds::DEPLOYMENT || *kind == kinds::REPLICA_SET => {
            (&spec["selector"]["matchLabels"], &spec["template"]["spec"])
        }
        kind if *kind == kinds::DEPLOYMENT_CONFIG || *kind == kinds::REPLICATION_CONTROLLER => {
            (&spec["selector"], &spec["template"]["spec"])
        }
        kind => {
            return Err(Failure::usage(format!(
                "cannot expose a {}: only services, dc, rc, deploy, rs and pods",
                kind.kind
            )));
        }
    };
    if selector.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err(Failure::usage(format!(
            "couldn't retrieve selectors via --selector flag or introspection: {}/{} has none",
            one.kind.singular, one.key.name
        )));
    }
    let ports = match args.port.as_str() {
        "" => container_ports(pod),
        typed => typed
            .split(',')
            .map(|port| {
                let number: u16 = port.parse().map_err(|_| {
                    Failure::usage(format!("invalid port {port:?}: a number from 1 to 65535"))
                })?;
                Ok((number, args.protocol.to_uppercase()))
            })
            .collect::<Result<_, Failure>>()?,
    };
    if ports.is_empty() {
        return Err(Failure::usage(
            "couldn't find port via --port flag or introspection",
        ));
    }
    let several = ports.len() > 1;
    let list: Vec<Value> = ports
        .iter()
        .enumerate()
        .map(|(at, (number, protocol))| {
            let target = match args.target_port.as_str() {
                "" => (*number).into(),
                typed => number_or_name(typed),
            };
            let mut port = json!({"port": number, "protocol": protocol, "targetPort": target});
            if several {
                port["name"] = format!("port-{}", at + 1).into();
            }
            port
        })
        .collect();
    Ok(json!({"spec": {"ports": list, "selector": selector}}))
}

fn container_ports(pod: &Value) -> Vec<(u16, String)> {
    let containers = pod["containers"].as_array().into_iter().flatten();
    let ports =
        containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    ports
        .filter_map(|port| {
            let number = port["containerPort"].as_u64()?;
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            Some((u16::try_from(number).ok()?, protocol.to_owned()))
        })
        .collect()
}

fn number_or_name(typed: &str) -> Value {
    match typed.parse::<u16>() {
        Ok(number) => number.into(),
        Err(_) => typed.into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn args(line: &str) -> Args {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("expose"));
        let matches = command.get_matches_from(format!("expose {line}").split_whitespace());
        Args::from_arg_matches(&matches).unwrap()
    }

    fn check(line: &str, kind: &'static Kind, old: &Value, expect: Result<Value, &str>) {
        let one = Meant {
            kind,
            key: Key::new("demo", "shop"),
        };
        let found = exposed(&args(line), &one, old);
        let found = found.map(|(_, object)| object["spec"].clone());
        match (found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{line}"),
            (Err(failure), Err(message)) => assert_eq!(failure.message, message, "{line}"),
            (found, _) => panic!("{line}: {found:?}"),
        }
    }

    #[test]
    fn services_get_routes_and_workloads_services() {
        let service = json!({"spec": {"ports": [{"name": "8080-tcp", "port": 8080}]}});
        check(
            "svc/shop --hostname=a.b",
            &kinds::SERVICE,
            &service,
            Ok(json!({
                "host": "a.b",
                "port": {"targetPort": "8080-tcp"},
                "to": {"kind": "Service", "name": "shop", "weight": 100},
            })),
        );
        let mut config = json!({"spec": {
            "selector": {"deploymentconfig": "shop"},
            "template": {"spec": {"containers": [{"ports": [{"containerPort": 8080}]}]}},
        }});
        let expect = |port: u16, target: u16| {
            json!({
                "ports": [{"port": port, "protocol": "TCP", "targetPort": target}],
                "selector": {"deploymentconfig": "shop"},
            })
        };
        check(
            "dc/shop",
            &kinds::DEPLOYMENT_CONFIG,
            &config,
            Ok(expect(8080, 8080)),
        );
        check(
            "dc/shop --port=80 --target-port=8080",
            &kinds::DEPLOYMENT_CONFIG,
            &config,
            Ok(expect(80, 8080)),
        );
        config["spec"]["template"] = json!({});
        check(
            "dc/shop",
            &kinds::DEPLOYMENT_CONFIG,
            &config,
            Err("couldn't find port via --port flag or introspection"),
        );
    }
}
