//! The kind that a word or an object means: from the table of kinds, else from the server's discovery.
//!
//! A known word costs no request. A kind that only the server knows is described once and lives as long as the process.

use http::HeaderMap;
use http::Method;
use serde_json::Value;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::kinds::Storage;
use crate::cli::Failure;
use crate::client;
use crate::client::Client;

/// The kinds that a word means: one, or the members of `all`.
pub async fn words(client: &Client, word: &str) -> Result<Vec<&'static Kind>, Failure> {
    if let Some(kind) = kinds::named(word) {
        return Ok(vec![kind]);
    }
    let known: Vec<&'static Kind> = kinds::ALL
        .iter()
        .copied()
        .filter(|kind| kind.categories.contains(&word))
        .collect();
    let served = discover(client).await?;
    let members: Vec<&'static Kind> = if known.is_empty() {
        served
            .into_iter()
            .filter(|kind| matches(kind, word))
            .take(1)
            .collect()
    } else {
        let mut members: Vec<_> = served
            .into_iter()
            .filter(|kind| kind.categories.contains(&word))
            .collect();
        members.sort_by_key(|kind| rank(kind));
        members
    };
    if members.is_empty() {
        return Err(unknown(word));
    }
    Ok(members)
}

/// Where oc's `all` has a kind; what it does not know comes after, as the server lists it.
fn rank(kind: &Kind) -> usize {
    const ORDER: [&str; 14] = [
        "pods",
        "replicationcontrollers",
        "services",
        "daemonsets",
        "deployments",
        "replicasets",
        "statefulsets",
        "jobs",
        "cronjobs",
        "deploymentconfigs",
        "buildconfigs",
        "builds",
        "imagestreams",
        "routes",
    ];
    let mut order = ORDER.iter();
    order
        .position(|plural| *plural == kind.plural)
        .unwrap_or(ORDER.len())
}

/// The one kind that a word means.
pub async fn word(client: &Client, word: &str) -> Result<&'static Kind, Failure> {
    let kinds = words(client, word).await?;
    match kinds.as_slice() {
        [kind] => Ok(kind),
        _ => Err(Failure::usage(format!(
            "{word:?} names several resource types"
        ))),
    }
}

/// The kind that an object of a file says it is of; `file` is for the message.
pub async fn object(client: &Client, object: &Value, file: &str) -> Result<&'static Kind, Failure> {
    if let Some(kind) = kinds::of(object) {
        return Ok(kind);
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let found = discover(client)
        .await?
        .into_iter()
        .find(|served| served.kind == kind && served.api_version() == version);
    found.ok_or_else(|| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Failure::usage(format!(
            "resource mapping not found for name: {:?} namespace: {:?} from {file:?}: no matches for kind {kind:?} in \
             version {version:?}",
            text(&object["metadata"]["name"]),
            text(&object["metadata"]["namespace"]),
        ))
        .hint("ensure CRDs are installed first")
    })
}

fn unknown(word: &str) -> Failure {
    Failure::usage(format!("the server doesn't have a resource type {word:?}"))
}

fn matches(kind: &Kind, word: &str) -> bool {
    let word = word.to_lowercase();
    let (name, rest) = word.split_once('.').unwrap_or((&word, ""));
    let group = rest
        .strip_prefix(&format!("{}.", kind.version))
        .unwrap_or(rest);
    (kind.plural == name || kind.singular == name || kind.short_names.contains(&name))
        && (rest.is_empty() || group == kind.group)
}

/// Every kind that the server serves, in its own order; a kind of our table stands for itself.
pub async fn discover(client: &Client) -> Result<Vec<&'static Kind>, Failure> {
    let mut kinds = of_version(client, "", "v1", "/api/v1").await?;
    let groups = read(client, "/apis").await?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        let name = group["name"].as_str().unwrap_or_default();
        let version = group["preferredVersion"]["version"]
            .as_str()
            .unwrap_or_default();
        // One group whose server is away (an aggregated API) does not hide the others.
        if let Ok(more) =
            of_version(client, name, version, &format!("/apis/{name}/{version}")).await
        {
            kinds.extend(more);
        }
    }
    Ok(kinds)
}

async fn of_version(
    client: &Client,
    group: &str,
    version: &str,
    path: &str,
) -> Result<Vec<&'static Kind>, Failure> {
    let list = read(client, path).await?;
    let resources = list["resources"].as_array().into_iter().flatten();
    Ok(resources
        .filter(|resource| !resource["name"].as_str().unwrap_or("/").contains('/'))
        .map(|resource| {
            let plural = resource["name"].as_str().unwrap_or_default();
            kinds::at(group, version, plural)
                .unwrap_or_else(|| Box::leak(Box::new(describe(group, version, resource))))
        })
        .collect())
}

/// Reads one JSON answer of the API.
pub async fn read(client: &Client, path: &str) -> Result<Value, Failure> {
    let response = client.raw(Method::GET, path, HeaderMap::new(), "").await?;
    let bytes = client::check(response).await?.into_body().bytes().await?;
    serde_json::from_slice(&bytes).map_err(|error| client::Error::Decode(error.to_string()).into())
}

/// A kind that only the server knows. Its names live as long as the process: there are as many as the server has kinds.
fn describe(group: &str, version: &str, resource: &Value) -> Kind {
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let text = |field: &str| leak(resource[field].as_str().unwrap_or_default());
    let list = |field: &str| -> &'static [&'static str] {
        let items = resource[field].as_array().into_iter().flatten();
        Box::leak(
            items
                .filter_map(Value::as_str)
                .map(leak)
                .collect::<Vec<_>>()
                .into_boxed_slice(),
        )
    };
    let kind = text("kind");
    let singular = match text("singularName") {
        "" => leak(&kind.to_lowercase()),
        name => name,
    };
    Kind {
        group: leak(group),
        version: leak(version),
        kind,
        plural: text("name"),
        singular,
        short_names: list("shortNames"),
        categories: list("categories"),
        scope: if resource["namespaced"] == true {
            Scope::Namespaced
        } else {
            Scope::Cluster
        },
        has_status: false,
        storage: Storage::Stored,
    }
}
