//! The subresource `scale`: a workload's number of pods as `autoscaling/v1` Scale, to read and to set.
//!
//! Setting it changes `spec.replicas` of the workload and nothing else, through the same road as a patch of it.

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::patch::Patch;
use crate::api::status::Cause;
use crate::api::status::Status;
use crate::apiserver::access::Verb;
use crate::apiserver::body;
use crate::apiserver::object;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::verbs;
use crate::apiserver::verbs::Call;

/// GET, PUT and PATCH of `NAME/scale`.
pub(super) async fn serve(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    if call.target.verb == Verb::Get {
        let scale = scale_of(&call.entry()?.object());
        return Ok(response::value(StatusCode::OK, &scale));
    }
    let (parts, body) = request.into_parts();
    let media_type = body::media_type(&parts.headers);
    let bytes = body::read(body).await?;
    let patch = if call.target.verb == Verb::Patch {
        let value = body::parse_json(&bytes)?.value;
        let unknown = "a scale takes a JSON patch, a merge patch or a strategic merge patch";
        let patch = Patch::of_media_type(&media_type, value);
        Some(patch.ok_or_else(|| Status::unsupported_media_type(unknown))?)
    } else {
        None
    };
    let given = match patch {
        Some(_) => Value::Null,
        None => body::parse_plain(&media_type, &bytes)?.value,
    };
    let stored = verbs::rewrite(call, |old| {
        let shown = scale_of(old);
        let wanted = match &patch {
            Some(patch) => patched(&shown, patch)?,
            None => given.clone(),
        };
        scaled(call, old, &wanted)
    })
    .await?;
    Ok(response::value(StatusCode::OK, &scale_of(&stored)))
}

fn patched(scale: &Value, patch: &Patch) -> Result<Value, Status> {
    // A Scale has no lists that merge by key: strategic means the same as merging here.
    let plain = match patch {
        Patch::Strategic(value) => Patch::Merge(value.clone()),
        other => other.clone(),
    };
    crate::api::patch::apply(&kinds::REPLICA_SET, scale, &plain).map_err(|error| error.status())
}

/// The workload with the number of pods that a Scale asks for.
fn scaled(call: &Call, old: &Value, scale: &Value) -> Result<Value, Status> {
    let kind = call.target.kind;
    let name = object::name(old);
    let version = object::resource_version(scale);
    if !version.is_empty() && version != object::resource_version(old) {
        return Err(verbs::modified(kind, name));
    }
    let uid = object::uid(scale);
    if !uid.is_empty() && uid != object::uid(old) {
        return Err(Status::conflict(kind, name, "it is another object by now"));
    }
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        value => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| i32::try_from(*number).is_ok())
            .ok_or_else(|| {
                let why = "must be greater than or equal to 0";
                let cause = Cause::invalid("spec.replicas", value, why);
                Status::invalid(kind, name, vec![cause])
            })?,
    };
    let mut new = old.clone();
    new["spec"]["replicas"] = replicas.into();
    Ok(new)
}

fn scale_of(workload: &Value) -> Value {
    let metadata = &workload["metadata"];
    let replicas = |value: &Value, default: u64| value.as_u64().unwrap_or(default);
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": replicas(&workload["spec"]["replicas"], 1)},
        "status": {
            "replicas": replicas(&workload["status"]["replicas"], 0),
            "selector": selector(&workload["spec"]["selector"]),
        },
    })
}

/// A selector as text, in either of its forms.
fn selector(selector: &Value) -> String {
    let labels = if selector["matchLabels"].is_object() {
        &selector["matchLabels"]
    } else {
        selector
    };
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_the_numbers_and_the_selector() {
        let workload = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5"},
            "spec": {"selector": {"matchLabels": {"app": "a", "b": "c"}}},
            "status": {"replicas": 2},
        });
        let scale = scale_of(&workload);
        assert_eq!(scale["spec"]["replicas"], 1, "the default");
        assert_eq!(
            scale["status"],
            json!({"replicas": 2, "selector": "app=a,b=c"})
        );
        assert_eq!(selector(&json!({"app": "a"})), "app=a");
    }
}
