//! Machines that become nodes and stay nodes: their tokens, certificates, and what they may say of themselves.
//!
//! # Decided
//!
//! * Labels choose where code and secrets go, so a node never writes them: whoever makes the token binds them, or, when the
//!   token binds none, the machine names them once, with that token. What an administrator sets later stays.
//! * A new token, like a removal, ends what the node had before at once. It is the answer to a certificate that was stolen.

use std::collections::BTreeMap;

use axum::body::Body;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::status::Status;
use crate::apiserver::access::Verb;
use crate::apiserver::authentication::Identity;
use crate::apiserver::authentication::Peer;
use crate::apiserver::body;
use crate::apiserver::certificates;
use crate::apiserver::join::LIFE;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::verbs;
use crate::apiserver::verbs::Call;
use crate::base::clock::Timestamp;

/// The labels that say what a machine is; its agent alone knows.
const OWN_LABELS: [&str; 3] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
];
/// Prefixes of labels (and what ends in them after a dot) that mean something to programs.
const RESERVED: [&str; 4] = ["kubernetes.io", "k8s.io", "openshift.io", "upshift.dev"];

type Labels = BTreeMap<String, String>;

/// What `nodes/NAME/token` is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wish {
    labels: Labels,
    life_seconds: Option<u32>,
}

/// POST of `nodes/NAME/token`: a fresh one-time token for a node of that name. DELETE: nothing it was given is good.
pub(super) async fn token(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let name = &call.target.name;
    if !is_node_name(name) {
        return Err(Status::bad_request(format!(
            "{name:?} is not a node name: lower-case letters, digits, '-' and '.', \
             beginning and ending with a letter or digit, at most 63"
        )));
    }
    if call.api.identities().is_own_node(name) {
        return Err(Status::conflict(
            &kinds::NODE,
            name,
            "this node is a part of the server itself and joins nothing",
        ));
    }
    let tokens = call.api.join_tokens();
    if call.target.verb == Verb::Delete {
        tokens.remove(name).map_err(Status::internal)?;
        let revoked = tokens
            .certificates()
            .revoke(name)
            .map_err(Status::internal)?;
        tracing::info!(node = %name, "what this node was given is no longer good");
        return Ok(response::value(
            StatusCode::OK,
            &json!({"revoked": revoked}),
        ));
    }
    let bytes = body::read(request.into_body()).await?;
    let wish: Wish = match bytes.as_ref() {
        b"" => Wish::default(),
        bytes => serde_json::from_slice(bytes).map_err(Status::bad_request)?,
    };
    check_labels(name, &wish.labels)?;
    let life = wish
        .life_seconds
        .map_or(LIFE.as_secs(), |seconds| u64::from(seconds.max(1)));
    let now = call.api.clock().now().as_second();
    let expires = Timestamp::from_second(now + i64::try_from(life).unwrap_or(i64::MAX));
    let token = tokens
        .create(name, wish.labels, expires)
        .map_err(Status::internal)?;
    let revoked = tokens
        .certificates()
        .revoke(name)
        .map_err(Status::internal)?;
    let answer = json!({
        "token": token,
        "expires": expires.to_string(),
        "lifeSeconds": life,
        "revoked": revoked,
    });
    Ok(response::value(StatusCode::CREATED, &answer))
}

fn is_node_name(name: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    name.len() <= 63
        && is_end(name.chars().next())
        && is_end(name.chars().last())
        && name.chars().all(is_inner)
        && !name.contains("..")
}

/// Refuses labels that are not ones, or that mean something to programs.
fn check_labels(name: &str, labels: &Labels) -> Result<(), Status> {
    if let Some(key) = labels.keys().find(|key| is_reserved(key)) {
        let prefix = key.split('/').next().unwrap_or_default();
        return Err(Status::bad_request(format!(
            "label {key:?}: labels of {prefix} are not given at the join; an administrator sets them with \
             'upshift label node/{name}'"
        )));
    }
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
    });
    verbs::admit(&kinds::NODE, &node, None)
}

fn is_reserved(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else {
        return false;
    };
    RESERVED.iter().any(|reserved| {
        prefix
            .strip_suffix(reserved)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// POST of `nodes/NAME/join`: the token is used up, then the certificate is signed.
pub(super) async fn join(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let name = &call.target.name;
    let tokens = call.api.join_tokens();
    let asked = labels_of(call.target.query.other("labels"))?;
    check_labels(name, &asked)?;
    let bound = tokens.labels(name);
    let is_foreign = |(key, value): &(&String, &String)| bound.get(*key) != Some(value);
    if !bound.is_empty()
        && let Some((key, value)) = asked.iter().find(is_foreign)
    {
        return Err(Status::bad_request(format!(
            "the token of node {name:?} says which labels it gets, and {key}={value} is none of them"
        )));
    }
    let labels = if bound.is_empty() { asked } else { bound };
    // Signed first: a request that cannot be signed leaves the token good.
    let (certificate, print) = sign(call, request).await?;
    if !tokens.consume(name).map_err(Status::internal)? {
        return Err(used(name));
    }
    tokens
        .certificates()
        .grant(name, &print, labels.clone())
        .map_err(Status::internal)?;
    // A node that was here before keeps its object.
    let is_there = call.entry().is_ok();
    if is_there && !labels.is_empty() {
        verbs::rewrite(call, |old| {
            let mut next = old.clone();
            for (key, value) in &labels {
                next["metadata"]["labels"][key] = value.as_str().into();
            }
            Ok(next)
        })
        .await?;
    }
    tracing::info!(node = %name, "a node joined");
    Ok(pem(certificate))
}

/// POST of `nodes/NAME/renew`: a further certificate for a node that shows a good one.
pub(super) async fn renew(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let name = &call.target.name;
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Err(Status::bad_request(
            "only a certificate is renewed, and this request shows none",
        ));
    };
    let (certificate, print) = sign(call, request).await?;
    let certificates = call.api.join_tokens().certificates();
    let is_renewed = certificates
        .renew(name, &peer.print, &print)
        .map_err(Status::internal)?;
    if !is_renewed {
        return Err(not_admitted(name));
    }
    tracing::info!(node = %name, "a node's certificate was renewed");
    Ok(pem(certificate))
}

async fn sign(
    call: &Call,
    request: http::Request<Body>,
) -> Result<(String, certificates::Print), Status> {
    let bytes = body::read(request.into_body()).await?;
    let asked = std::str::from_utf8(&bytes)
        .map_err(|_| Status::bad_request("the body is not a certificate request in PEM"))?;
    let certificate = call
        .api
        .sign(&call.target.name, asked)
        .map_err(Status::bad_request)?;
    let print = certificates::print_of_pem(&certificate)
        .ok_or_else(|| Status::internal("what was signed is no certificate"))?;
    Ok((certificate, print))
}

fn pem(certificate: String) -> Response {
    let mut response = response::text(StatusCode::OK, certificate);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/x-pem-file"),
    );
    response
}

/// `a=b,c=d`.
fn labels_of(text: &str) -> Result<Labels, Status> {
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(Status::bad_request(format!(
                "label {pair:?} is not KEY=VALUE"
            ))),
        })
        .collect()
}

/// 401 for a token that let somebody in before.
pub(super) fn used(name: &str) -> Status {
    unauthorized(format!(
        "the token for node {name:?} was used already: a token lets one machine in, once"
    ))
}

/// 401 for a token that came too late.
pub(super) fn expired(name: &str) -> Status {
    unauthorized(format!("the token for node {name:?} has expired"))
}

/// 401 for a certificate that was good once.
pub(super) fn not_admitted(name: &str) -> Status {
    unauthorized(format!(
        "the certificate of node {name:?} is no longer good: the node was removed, got a new token, or joined from elsewhere"
    ))
}

fn unauthorized(message: String) -> Status {
    Status {
        message,
        ..Status::unauthorized()
    }
}

/// What a node makes of itself: its own labels, and those that it was let in with.
pub(super) fn register(call: &Call, new: &mut Value) -> Result<(), Status> {
    let Identity::Node(name) = &call.identity else {
        return Ok(());
    };
    if call.target.kind != &kinds::NODE {
        return Ok(());
    }
    check(call, &json!({}), new)?;
    for (key, value) in call.api.join_tokens().certificates().labels(name) {
        new["metadata"]["labels"][&key] = value.into();
    }
    Ok(())
}

/// Refuses what a node may not change in its own object.
pub(super) fn check_change(call: &Call, old: &Value, new: &Value) -> Result<(), Status> {
    let is_own = matches!(call.identity, Identity::Node(_)) && call.target.kind == &kinds::NODE;
    if is_own {
        check(call, old, new)
    } else {
        Ok(())
    }
}

fn check(call: &Call, old: &Value, new: &Value) -> Result<(), Status> {
    match touched(old, new) {
        None => Ok(()),
        Some(what) => Err(Status::forbidden(
            call.target.kind,
            &call.target.name,
            format!(
                "User {:?} cannot set {what} of its node: administrators do",
                call.identity.user()
            ),
        )),
    }
}

/// What is not a node's to say, and differs.
fn touched(old: &Value, new: &Value) -> Option<String> {
    let empty = serde_json::Map::new();
    let labels = |object: &Value| object["metadata"]["labels"].as_object().cloned();
    let (before, after) = (labels(old), labels(new));
    let (before, after) = (before.as_ref(), after.as_ref());
    let (before, after) = (before.unwrap_or(&empty), after.unwrap_or(&empty));
    let mut keys = before.keys().chain(after.keys());
    let foreign =
        keys.find(|key| !OWN_LABELS.contains(&key.as_str()) && before.get(*key) != after.get(*key));
    if let Some(key) = foreign {
        return Some(format!("label {key:?}"));
    }
    let is_empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    let spec = |object: &Value| {
        let mut fields = object["spec"].as_object().cloned().unwrap_or_default();
        fields.retain(|_, value| !is_empty(value));
        fields
    };
    if spec(old) != spec(new) {
        return Some("the spec".to_owned());
    }
    ["finalizers", "ownerReferences"]
        .into_iter()
        .find(|field| {
            let (old, new) = (&old["metadata"][field], &new["metadata"][field]);
            old != new && !(is_empty(old) && is_empty(new))
        })
        .map(|field| format!("the {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_are_safe_file_names() {
        for good in ["a", "node-1.example.com", "9"] {
            assert!(is_node_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "..", "a..b", "a/b", "a b"] {
            assert!(!is_node_name(bad), "{bad}");
        }
    }

    #[test]
    fn labels_of_programs_are_reserved() {
        for reserved in [
            "kubernetes.io/os",
            "node-role.kubernetes.io/master",
            "upshift.dev/node",
            "k8s.io/x",
        ] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in [
            "tier",
            "example.com/tier",
            "mykubernetes.io/x",
            "upshift.dev",
        ] {
            assert!(!is_reserved(free), "{free}");
        }
    }

    #[test]
    fn a_node_says_only_what_it_is() {
        let old = json!({
            "metadata": {"labels": {"tier": "web", "kubernetes.io/os": "linux"}},
            "spec": {"unschedulable": true},
        });
        let with = |labels: Value, spec: Value| {
            touched(&old, &json!({"metadata": {"labels": labels}, "spec": spec}))
        };
        let cordoned = || json!({"unschedulable": true});
        assert_eq!(
            with(
                json!({"tier": "web", "kubernetes.io/os": "bsd"}),
                cordoned()
            ),
            None
        );
        let label = Some("label \"tier\"".to_owned());
        assert_eq!(with(json!({"tier": "db"}), cordoned()), label);
        assert_eq!(with(json!({}), cordoned()), label);
        let spec = Some("the spec".to_owned());
        assert_eq!(with(json!({"tier": "web"}), json!({})), spec);
        assert_eq!(
            touched(&json!({}), &json!({"spec": {"unschedulable": false}})),
            None
        );
    }
}
