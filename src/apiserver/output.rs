//! What pods print: `pods/NAME/log`, and the logs of a build and of a rollout, which are those of their pods.
//!
//! The bytes come from the pod's node through its tunnel. A build that has not begun is waited for.

use std::time::Duration;

use axum::body::Body;
use http::StatusCode;

use crate::api::build::BUILD_POD_NAME;
use crate::api::build::Build;
use crate::api::build::BuildPhase;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::LABEL_DEPLOYMENT;
use crate::api::deployment::replication_controller_name;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::api::status::Status;
use crate::apiserver::logs;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::tunnel;
use crate::apiserver::verbs::Call;
use crate::plan::build;
use crate::store::Place;

/// How long a log of something that has not begun is waited for when nobody follows it, as in OpenShift.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a container that has just been started is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// GET of `NAME/log` of a pod, a build or a deployment config.
pub(super) async fn log(call: &Call) -> Result<Response, Status> {
    let kind = call.target.kind;
    if kind == &kinds::BUILD {
        return build_log(call).await;
    }
    if kind == &kinds::DEPLOYMENT_CONFIG {
        return deployment_log(call).await;
    }
    let pod: Pod = parse(&call.entry()?.json)?;
    pod_log(call, &pod).await
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(json).map_err(Status::internal)
}

fn view<T: serde::de::DeserializeOwned>(
    call: &Call,
    kind: &'static Kind,
    name: &str,
) -> Result<Option<T>, Status> {
    let place = Place::new(kind, &call.target.namespace, name);
    let entry = call.api.store().entry(&place);
    entry.map(|entry| parse(&entry.json)).transpose()
}

async fn pod_log(call: &Call, pod: &Pod) -> Result<Response, Status> {
    let path = path(call, pod)?;
    let node = &pod.spec.node_name;
    if node.is_empty() {
        let name = &pod.metadata.name;
        return Err(Status::bad_request(format!(
            "pod {name} does not have a host assigned"
        )));
    }
    match call.api.tunnels().ask(node, &path).await {
        Ok(answer) if answer.status() == StatusCode::OK => Ok(response::text(
            StatusCode::OK,
            Body::new(answer.into_body()),
        )),
        Ok(answer) => {
            let refusal = logs::refusal_of(answer).await;
            Err(waiting(call, pod).unwrap_or(refusal))
        }
        Err(error @ (tunnel::Error::NotConnected(_) | tunnel::Error::NoAnswer { .. })) => {
            let why = format!("the log cannot be read: {error}");
            Err(waiting(call, pod).unwrap_or_else(|| Status::unavailable(why)))
        }
    }
}

/// Where the node has it.
fn path(call: &Call, pod: &Pod) -> Result<String, Status> {
    let query = &call.target.query;
    let mut path = format!(
        "/pods/{}/{}/{}/log?container={}",
        pod.metadata.namespace,
        pod.metadata.name,
        pod.metadata.uid,
        logs::encode(container_of(pod, query.other("container"))?)
    );
    let mut add = |name: &str, value: &str| path.extend(["&", name, "=", value]);
    for (name, wanted) in [
        ("follow", query.follow),
        (
            "previous",
            query.wants("previous") && call.target.kind == &kinds::POD,
        ),
        ("timestamps", query.wants("timestamps")),
    ] {
        if wanted {
            add(name, "true");
        }
    }
    for name in ["tailLines", "sinceSeconds", "limitBytes"] {
        if let Some(number) = query.number(name)? {
            add(name, &number.to_string());
        }
    }
    if !query.other("sinceTime").is_empty() {
        add("sinceTime", &logs::encode(query.other("sinceTime")));
    }
    Ok(path)
}

/// The container that is meant: the named one, or the only one.
pub(super) fn container_of<'a>(pod: &'a Pod, asked: &'a str) -> Result<&'a str, Status> {
    let name = &pod.metadata.name;
    let names: Vec<&str> = pod
        .spec
        .containers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    match names.as_slice() {
        _ if names.contains(&asked) => Ok(asked),
        [only] if asked.is_empty() => Ok(only),
        [first, ..] if asked.is_empty() => {
            let all = names.join(" ");
            tracing::debug!(first, "a pod has several containers");
            Err(Status::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{all}]"
            )))
        }
        _ => Err(Status::bad_request(format!(
            "container {asked} is not valid for pod {name}"
        ))),
    }
}

/// The refusal for a container that has printed nothing because it has not been started yet.
fn waiting(call: &Call, pod: &Pod) -> Option<Status> {
    let container = container_of(pod, call.target.query.other("container")).ok()?;
    let name = &pod.metadata.name;
    let status: Option<&ContainerStatus> = pod
        .status
        .container_statuses
        .iter()
        .find(|one| one.name == container);
    let reason = match status {
        Some(status) if status.last_state.terminated.is_some() => return None,
        Some(status) => status.state.waiting.as_ref()?.reason.clone(),
        None if pod.is_over() => return None,
        None => "ContainerCreating".to_owned(),
    };
    Some(Status::bad_request(format!(
        "container {container:?} in pod {name:?} is waiting to start: {reason}"
    )))
}

/// The log of a build's pod, once there is one that runs.
async fn build_log(call: &Call) -> Result<Response, Status> {
    let name = &call.target.name;
    let end = tokio::time::Instant::now() + PATIENCE;
    let no_logs =
        |what: &str| Status::bad_request(format!("build {name} {what}. No logs are available."));
    loop {
        let build: Build = parse(&call.entry()?.json)?;
        let phase = build.status.phase;
        let pod_name = build.metadata.annotations.get(BUILD_POD_NAME);
        let pod_name = pod_name.map_or_else(|| build::pod_name(name), Clone::clone);
        let pod: Option<Pod> = view(call, &kinds::POD, &pod_name)?;
        let has_begun = !matches!(phase, BuildPhase::New | BuildPhase::Pending);
        match pod {
            Some(pod) if has_begun || is_started(&pod) => match pod_log(call, &pod).await {
                Err(refusal) if !phase.is_final() && refusal.code == 400 => {}
                answered => return answered,
            },
            None if phase == BuildPhase::Error => return Err(no_logs("is in an error state")),
            None if phase.is_final() => return Err(no_logs("has no pod any more")),
            _ => {}
        }
        if call.target.query.wants("nowait") {
            return Ok(response::text(StatusCode::OK, ""));
        }
        let is_late = tokio::time::Instant::now() >= end;
        if is_late && !call.target.query.follow {
            let message = format!("timed out waiting for build {name} to start after {PATIENCE:?}");
            return Err(Status::failure(504, "Timeout", message));
        }
        tokio::select! {
            () = call.api.closing() => return Err(Status::unavailable("the server is stopping")),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn is_started(pod: &Pod) -> bool {
    let mut containers = pod.status.container_statuses.iter();
    containers.any(|one| one.state.running.is_some() || one.state.terminated.is_some())
}

/// The log of a pod of a deployment config's newest version (or of the asked one): there is no deployer to ask.
async fn deployment_log(call: &Call) -> Result<Response, Status> {
    let name = &call.target.name;
    let config: DeploymentConfig = parse(&call.entry()?.json)?;
    let latest = config.status.latest_version;
    let query = &call.target.query;
    let version = match query.number("version")? {
        Some(version) if version > latest || version == 0 => {
            let why = format!("invalid version for deploymentConfig {name:?}");
            return Err(Status::bad_request(why));
        }
        Some(version) => version,
        None if query.wants("previous") => latest.saturating_sub(1),
        None => latest,
    };
    if version == 0 {
        let why = format!("no deployment exists for deploymentConfig {name:?}");
        return Err(Status::bad_request(why));
    }
    let controller = replication_controller_name(name, version);
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(pod) = newest_pod(call, &controller) {
            match pod_log(call, &pod).await {
                Err(refusal) if refusal.code == 400 && !pod.is_over() => {}
                answered => return answered,
            }
        }
        if query.wants("nowait") {
            return Ok(response::text(StatusCode::OK, ""));
        }
        if tokio::time::Instant::now() >= end && !query.follow {
            let message = format!(
                "timed out waiting for deployment {controller} to start after {PATIENCE:?}"
            );
            return Err(Status::failure(504, "Timeout", message));
        }
        tokio::select! {
            () = call.api.closing() => return Err(Status::unavailable("the server is stopping")),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// The pod of a replication controller that has something to say: a ready one first, then any that was started.
fn newest_pod(call: &Call, controller: &str) -> Option<Pod> {
    let (entries, _) = call.api.store().list(&kinds::POD, &call.target.namespace);
    let of_it = entries
        .iter()
        .filter(|entry| entry.labels.get(LABEL_DEPLOYMENT).map(String::as_str) == Some(controller));
    let pods = of_it.filter_map(|entry| serde_json::from_slice::<Pod>(&entry.json).ok());
    pods.max_by_key(|pod| (pod.is_ready(), is_started(pod)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pod::Container;

    fn pod(names: &[&str]) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = "p".to_owned();
        pod.spec.containers = names
            .iter()
            .map(|&name| Container {
                name: name.to_owned(),
                ..Container::default()
            })
            .collect();
        pod
    }

    #[test]
    fn the_only_container_needs_no_name() {
        let check = |names: &[&str], asked: &str| {
            container_of(&pod(names), asked)
                .map(str::to_owned)
                .map_err(|status| status.message)
        };
        assert_eq!(check(&["a"], ""), Ok("a".to_owned()));
        assert_eq!(check(&["a", "b"], "b"), Ok("b".to_owned()));
        assert_eq!(
            check(&["a", "b"], ""),
            Err("a container name must be specified for pod p, choose one of: [a b]".to_owned())
        );
        assert_eq!(
            check(&["a"], "c"),
            Err("container c is not valid for pod p".to_owned())
        );
    }
}
