//! One request from its first line to its answer: who, what, may they, do it; a panic costs that request only.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::State;
use futures_util::FutureExt;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Storage;
use crate::api::schema;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::access;
use crate::apiserver::access::Attempt;
use crate::apiserver::access::Ruling;
use crate::apiserver::access::Verb;
use crate::apiserver::authentication::Identity;
use crate::apiserver::authentication::Peer;
use crate::apiserver::body;
use crate::apiserver::builds;
use crate::apiserver::deployments;
use crate::apiserver::discovery;
use crate::apiserver::exec;
use crate::apiserver::join::Claim;
use crate::apiserver::logs;
use crate::apiserver::nodes;
use crate::apiserver::output;
use crate::apiserver::registry;
use crate::apiserver::request::Check;
use crate::apiserver::request::Request;
use crate::apiserver::request::Subresource;
use crate::apiserver::request::Target;
use crate::apiserver::response;
use crate::apiserver::response::Form;
use crate::apiserver::response::Response;
use crate::apiserver::reviews;
use crate::apiserver::scale;
use crate::apiserver::tags;
use crate::apiserver::tunnel;
use crate::apiserver::verbs;
use crate::apiserver::verbs::Call;
use crate::apiserver::webhooks;

/// The version of Kubernetes whose API this one follows.
const KUBERNETES: (&str, &str) = ("1", "32");

/// Answers any request.
pub(super) async fn serve(State(api): State<Api>, request: http::Request<Body>) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let answered = AssertUnwindSafe(answer(&api, request)).catch_unwind().await;
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => response::status(&status),
        Err(panic) => {
            let why = text_of_panic(panic.as_ref());
            tracing::error!(request = line, panic = why, "a request panicked");
            response::status(&Status::internal(format!("a bug: {why}")))
        }
    };
    let code = response.status();
    api.metrics().count(code);
    tracing::debug!(request = line, code = code.as_u16());
    response
}

fn text_of_panic(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

async fn answer(api: &Api, request: http::Request<Body>) -> Result<Response, Status> {
    let asked = Request::parse(request.method(), request.uri());
    let identity = api.identities().identify(
        request.headers(),
        request.extensions().get::<Peer>(),
        |print| match api.join_tokens().claim(print, api.clock().now()) {
            Claim::Good(name) => Ok(name),
            Claim::Used(name) => Err(nodes::used(&name)),
            Claim::Expired(name) => Err(nodes::expired(&name)),
            Claim::Unknown => Err(Status::unauthorized()),
        },
        |name, print| {
            let admitted = api.certificates().admits(name, print);
            admitted
                .then_some(())
                .ok_or_else(|| nodes::not_admitted(name))
        },
    );
    if matches!(asked, Ok(Request::Registry))
        && matches!(identity, Err(_) | Ok(Identity::Anonymous))
    {
        return Ok(registry::unauthorized());
    }
    let identity = identity?;
    match &asked {
        Ok(Request::Health(check)) => return Ok(health(api, *check)),
        Ok(Request::Version) => return Ok(response::value(StatusCode::OK, &version())),
        Ok(Request::Objects(target)) if is_webhook(target) => {}
        _ if identity == Identity::Anonymous => return Err(Status::unauthorized()),
        _ => {}
    }
    match asked? {
        Request::Objects(target) => objects(api, identity, *target, request).await,
        Request::Registry => Ok(registry::serve(api, &identity, request).await),
        Request::Shutdown => shutdown(api, &identity),
        // A machine that joins needs none of the rest.
        _ if matches!(identity, Identity::Joining(_)) => Err(Status::unauthorized()),
        Request::Discovery(which) => {
            Ok(response::value(StatusCode::OK, &discovery::answer(&which)?))
        }
        Request::Metrics => {
            let text = api.all_metrics();
            Ok(response::text(StatusCode::OK, text))
        }
        Request::OpenApiIndex => Ok(response::value(StatusCode::OK, &schema::openapi_v3_index())),
        Request::OpenApi(group, version) => schema::openapi_v3(&group, &version)
            .map(|document| response::value(StatusCode::OK, document))
            .ok_or_else(Status::no_such_path),
        Request::OpenApiV2 => Ok(response::value(StatusCode::OK, &openapi_v2())),
        Request::Health(_) | Request::Version => unreachable!("answered above"),
    }
}

/// Whoever calls a webhook shows the secret in its path and nothing else.
fn is_webhook(target: &Target) -> bool {
    target.subresource == Subresource::Webhooks
}

fn health(api: &Api, check: Check) -> Response {
    if check == Check::Live || api.is_ready() {
        response::text(StatusCode::OK, "ok")
    } else {
        let text = "not every part of the server is ready";
        response::text(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

/// `/version`: what Kubernetes clients expect, and our own version beside it.
fn version() -> Value {
    let (major, minor) = KUBERNETES;
    let own = env!("CARGO_PKG_VERSION");
    json!({
        "major": major,
        "minor": minor,
        "gitVersion": format!("v{major}.{minor}.0+upshift-{own}"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, platform()),
        "upshiftVersion": own,
    })
}

/// The architecture as Go names it.
fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A document without schemas: clients of today read version 3, older ones only look whether this is there.
fn openapi_v2() -> Value {
    json!({
        "swagger": "2.0",
        "info": {"title": "Upshift", "version": env!("CARGO_PKG_VERSION")},
        "paths": {},
        "definitions": {},
    })
}

fn shutdown(api: &Api, identity: &Identity) -> Result<Response, Status> {
    if *identity != Identity::Admin {
        let mut status = Status::unauthorized();
        status.code = 403;
        "Forbidden".clone_into(&mut status.reason);
        status.message = format!("User {:?} cannot stop the server", identity.user());
        return Err(status);
    }
    api.ask_to_stop();
    let answer = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Success",
        "message": "the server is stopping",
        "code": 202,
    });
    Ok(response::value(StatusCode::ACCEPTED, &answer))
}

async fn objects(
    api: &Api,
    identity: Identity,
    target: Target,
    request: http::Request<Body>,
) -> Result<Response, Status> {
    let attempt = Attempt {
        verb: target.verb,
        kind: target.kind,
        namespace: &target.namespace,
        name: &target.name,
        subresource: target.subresource.name(),
        label_selector: &target.query.label_selector,
        field_selector: &target.query.field_selector,
    };
    let ruling = access::rule(&identity, &attempt).settled(api.store());
    if ruling == Ruling::Denied {
        let why = access::refusal(&identity, &attempt);
        return Err(Status::forbidden(target.kind, &target.name, why));
    }
    if !discovery::verbs(target.kind).contains(&target.verb) {
        return Err(Status::method_not_allowed());
    }
    let form = Form::accepted(request.headers())?;
    let call = Call {
        api: api.clone(),
        identity,
        target,
        ruling,
        form,
    };
    match call.target.subresource {
        Subresource::None if tags::is_view(call.target.kind) => tags::serve(&call, request).await,
        Subresource::None | Subresource::Status if is_answered(&call) => {
            answer_virtual(&call, request).await
        }
        Subresource::None | Subresource::Status => verbs::perform(call, request).await,
        Subresource::Log if call.target.kind == &kinds::OPERATION => logs::log(&call).await,
        Subresource::Log => output::log(&call).await,
        Subresource::Scale => scale::serve(&call, request).await,
        Subresource::Instantiate if call.target.kind == &kinds::DEPLOYMENT_CONFIG => {
            deployments::instantiate(&call, request).await
        }
        Subresource::Rollback => deployments::rollback(&call, request).await,
        Subresource::Instantiate => builds::instantiate(&call, request).await,
        Subresource::InstantiateBinary => builds::instantiate_binary(&call, request).await,
        Subresource::Webhooks => webhooks::serve(&call, request).await,
        Subresource::Clone => builds::clone(&call, request).await,
        Subresource::Token => nodes::token(&call, request).await,
        Subresource::Join => nodes::join(&call, request).await,
        Subresource::Renew => nodes::renew(&call, request).await,
        Subresource::Exec => exec::serve(&call, request).await,
        Subresource::Tunnel => tunnel::accept(api, &call.target.name, request),
    }
}

/// Whether a call is about an answer that is never stored.
fn is_answered(call: &Call) -> bool {
    let kind = call.target.kind;
    kind.storage == Storage::Virtual
        && kind != &kinds::PROJECT
        && !(kind == &kinds::PROJECT_REQUEST && call.target.verb == Verb::Create)
}

async fn answer_virtual(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let kind = call.target.kind;
    if kind == &kinds::USER {
        let user = reviews::user(&call.identity, &call.target.name)?;
        return Ok(response::value(StatusCode::OK, &call.shape(user)));
    }
    if kind == &kinds::PROJECT_REQUEST {
        let answer = reviews::may_request_projects();
        return Ok(response::value(StatusCode::OK, &answer));
    }
    let (parts, body) = request.into_parts();
    let bytes = body::read(body).await?;
    let review = body::parse(kind, &body::media_type(&parts.headers), &bytes)?.value;
    let answer = if kind == &kinds::SELF_SUBJECT_REVIEW {
        reviews::who_am_i(&call.identity)
    } else {
        reviews::may_i(&call.identity, &review)
    };
    Ok(response::value(StatusCode::CREATED, &answer))
}
