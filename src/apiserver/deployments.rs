//! Starting a deployment config's next version by hand, and what it would be with an earlier one: the subresources
//! `instantiate` and `rollback`. The choices are `plan::deployment_config`'s.

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;

use crate::api::deployment::replication_controller_name;
use crate::api::image::ImageStream;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::pod::ReplicationController;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::body;
use crate::apiserver::object;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::verbs;
use crate::apiserver::verbs::Call;
use crate::plan::deployment_config;
use crate::plan::deployment_config::Refusal;
use crate::store::Place;

/// POST of a `DeploymentRequest`.
pub(super) async fn instantiate(
    call: &Call,
    request: http::Request<Body>,
) -> Result<Response, Status> {
    let wanted = body::read_json(request).await?;
    let stream = |key: &Key| {
        let (namespace, name) = (&key.namespace, &key.name);
        view::<ImageStream>(&call.api, &kinds::IMAGE_STREAM, namespace, name)
    };
    let stored = verbs::rewrite(call, |old| {
        let version = old["status"]["latestVersion"].as_u64().unwrap_or(0);
        let latest = replication_controller_name(object::name(old), version);
        let latest = controller(call, &latest);
        deployment_config::instantiate(old, &wanted, &stream, latest.as_ref())
            .map_err(|refusal| refuse(call, &refusal))
    })
    .await?;
    Ok(response::value(StatusCode::CREATED, &stored))
}

/// POST of a `DeploymentConfigRollback`; nothing is stored, the client puts what it gets.
pub(super) async fn rollback(
    call: &Call,
    request: http::Request<Body>,
) -> Result<Response, Status> {
    let wanted = body::read_json(request).await?;
    let config = call.entry()?.object();
    let refused = |refusal: Refusal| refuse(call, &refusal);
    let name = deployment_config::rollback_target(&config, &wanted).map_err(refused)?;
    let target = controller(call, &name).ok_or_else(|| refused(Refusal::NoSuchVersion))?;
    let back = deployment_config::rollback(&config, &wanted, &target).map_err(refused)?;
    Ok(response::value(StatusCode::CREATED, &back))
}

/// A client that puts the answer of a rollback begins the next version with it, and may count only that one up
/// (openshift-apiserver pkg/apps/apiserver/registry/deployconfig/strategy.go, `PrepareForUpdate`).
pub(super) fn count_version(old: &Value, wanted: &Value, next: &mut Value) {
    let version = |status: &Value| status["latestVersion"].as_u64().unwrap_or(0);
    if version(wanted) == version(&old["status"]) + 1 {
        for field in ["latestVersion", "details"] {
            next["status"][field] = wanted[field].clone();
        }
    }
}

fn controller(call: &Call, name: &str) -> Option<ReplicationController> {
    let namespace = &call.target.namespace;
    view(&call.api, &kinds::REPLICATION_CONTROLLER, namespace, name)
}

fn view<T: serde::de::DeserializeOwned>(
    api: &Api,
    kind: &'static Kind,
    namespace: &str,
    name: &str,
) -> Option<T> {
    let entry = api.store().entry(&Place::new(kind, namespace, name))?;
    serde_json::from_slice(&entry.json).ok()
}

fn refuse(call: &Call, refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Paused | Refusal::Unresolved(_) => Status::bad_request(refusal),
        Refusal::NothingChanged(_) => {
            Status::conflict(&kinds::DEPLOYMENT_CONFIG, &call.target.name, refusal)
        }
        _ => Status::unprocessable(refusal),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_is_counted_by_one_and_no_more() {
        let old = json!({"status": {"latestVersion": 3, "replicas": 1}});
        for (wanted, expect) in [(3, 3), (4, 4), (5, 3), (2, 3)] {
            let mut next = old.clone();
            let status = json!({"latestVersion": wanted, "replicas": 9});
            count_version(&old, &status, &mut next);
            assert_eq!(next["status"]["latestVersion"], expect);
            assert_eq!(next["status"]["replicas"], 1);
        }
    }
}
