//! Webhooks of build configs: `POST buildconfigs/NAME/webhooks/SECRET/{github,generic}` starts a build.
//!
//! The secret in the path is all that the caller shows, so a wrong one and a build config that is not there are
//! answered alike. A push to another branch than the config's starts nothing and is no error.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::api::build::BuildConfig;
use crate::api::build::GitRevision;
use crate::api::build::Person;
use crate::api::build::SourceRevision;
use crate::api::kinds;
use crate::api::pod::EnvVar;
use crate::api::status::Status;
use crate::apiserver::body;
use crate::apiserver::builds;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::verbs::Call;
use crate::plan::build;
use crate::plan::build::Request;
use crate::store::Place;

/// The branch that is built when the build config names none.
const DEFAULT_BRANCH: &str = "master";

/// Which form a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    GitHub,
    Generic,
}

/// What a call asks for.
#[derive(Debug, PartialEq)]
enum Asked {
    Build(Box<Request>),
    /// Why nothing begins.
    Nothing(String),
}

/// Answers a call.
pub(super) async fn serve(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let (secret, form) = match call.target.tail.as_slice() {
        [secret, form] if form == "github" => (secret, Form::GitHub),
        [secret, form] if form == "generic" => (secret, Form::Generic),
        _ => return Err(Status::no_such_path()),
    };
    let refused = || refusal(call, form);
    let place = Place::new(
        &kinds::BUILD_CONFIG,
        &call.target.namespace,
        &call.target.name,
    );
    let entry = call.api.store().entry(&place).ok_or_else(refused)?;
    let config: BuildConfig = serde_json::from_slice(&entry.json).map_err(Status::internal)?;
    let trigger = trigger(call, &config, form, secret).ok_or_else(refused)?;
    let (parts, body) = request.into_parts();
    let event = parts.headers.get("x-github-event");
    let event = event.and_then(|value| value.to_str().ok()).unwrap_or("");
    let bytes = body::read(body).await?;
    let payload = if bytes.is_empty() {
        Value::Null
    } else {
        body::parse_plain(&body::media_type(&parts.headers), &bytes)?.value
    };
    let asked = match form {
        Form::GitHub => github(&config, event, &payload)?,
        Form::Generic => generic(&config, &trigger, &payload),
    };
    let request = match asked {
        Asked::Build(request) => request,
        Asked::Nothing(why) => {
            let status = json!({
                "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success",
                "message": why, "code": 200,
            });
            return Ok(response::value(StatusCode::OK, &status));
        }
    };
    let made = builds::next_build(call, &call.target.name, |config| {
        build::instantiate(config, &request)
    })
    .await?;
    Ok(response::value(StatusCode::OK, &made))
}

fn refusal(call: &Call, form: Form) -> Status {
    let word = match form {
        Form::GitHub => "github",
        Form::Generic => "generic",
    };
    let mut status = Status::unauthorized();
    let name = &call.target.name;
    status.message = format!("the webhook {word:?} for {name:?} did not accept your secret");
    status
}

/// The trigger of that form whose secret it is.
fn trigger(call: &Call, config: &BuildConfig, form: Form, secret: &str) -> Option<Value> {
    let mut triggers = config
        .spec
        .triggers
        .iter()
        .filter_map(|trigger| match form {
            Form::GitHub => trigger.github.as_ref(),
            Form::Generic => trigger.generic.as_ref(),
        });
    triggers
        .find(|trigger| {
            secrets(call, trigger)
                .iter()
                .any(|own| is_same(own, secret))
        })
        .cloned()
}

/// The secrets that a trigger accepts: its own, or the one in a Secret that it names.
fn secrets(call: &Call, trigger: &Value) -> Vec<String> {
    let own = trigger["secret"].as_str().map(str::to_owned);
    let named = trigger["secretReference"]["name"]
        .as_str()
        .and_then(|name| {
            let place = Place::new(&kinds::SECRET, &call.target.namespace, name);
            let object = call.api.store().entry(&place)?.object();
            let data = object["data"]["WebHookSecretKey"].as_str()?.to_owned();
            String::from_utf8(STANDARD.decode(data).ok()?).ok()
        });
    own.into_iter()
        .chain(named)
        .filter(|secret| !secret.is_empty())
        .collect()
}

/// Compared by hash, so that time tells nothing about how much of it is right.
fn is_same(own: &str, given: &str) -> bool {
    Sha256::digest(own.as_bytes()) == Sha256::digest(given.as_bytes())
}

fn github(config: &BuildConfig, event: &str, payload: &Value) -> Result<Asked, Status> {
    match event {
        "push" => {}
        "ping" => return Ok(Asked::Nothing("pong".to_owned())),
        other => {
            return Err(Status::bad_request(format!(
                "Unknown X-GitHub-Event or X-Gogs-Event {other}"
            )));
        }
    }
    let reference = payload["ref"].as_str().unwrap_or("");
    if !follows(config, reference) {
        return Ok(other_branch(reference));
    }
    let head = &payload["head_commit"];
    let revision = revision(
        head["id"].as_str(),
        head["message"].as_str(),
        [&head["author"], &head["committer"]],
    );
    Ok(Asked::Build(Box::new(Request {
        triggered_by: vec![json!({
            "message": "GitHub WebHook",
            "githubWebHook": {"revision": revision, "secret": "<secret>"},
        })],
        revision,
        ..Request::default()
    })))
}

fn generic(config: &BuildConfig, trigger: &Value, payload: &Value) -> Asked {
    let git = &payload["git"];
    let reference = git["ref"].as_str().unwrap_or("");
    if !reference.is_empty() && !follows(config, reference) {
        return other_branch(reference);
    }
    let people = [&git["author"], &git["committer"]];
    let revision = revision(git["commit"].as_str(), git["message"].as_str(), people);
    let env: Vec<EnvVar> = if trigger["allowEnv"] == true {
        serde_json::from_value(payload["env"].clone()).unwrap_or_default()
    } else {
        Vec::new()
    };
    Asked::Build(Box::new(Request {
        triggered_by: vec![json!({
            "message": "Generic WebHook",
            "genericWebHook": {"revision": revision, "secret": "<secret>"},
        })],
        revision,
        env,
        ..Request::default()
    }))
}

/// Whether a pushed reference is the one that the config builds.
fn follows(config: &BuildConfig, reference: &str) -> bool {
    let short = |text: &str| {
        let prefixes = ["refs/heads/", "refs/tags/"];
        let cut = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
        cut.unwrap_or(text).to_owned()
    };
    let git = config.spec.common.source.git.as_ref();
    let own = git.map_or("", |git| git.reference.as_str());
    let own = if own.is_empty() { DEFAULT_BRANCH } else { own };
    short(own) == short(reference)
}

fn other_branch(reference: &str) -> Asked {
    Asked::Nothing(format!(
        "skipping build. Branch reference from {reference:?} does not match configuration"
    ))
}

fn revision(
    commit: Option<&str>,
    message: Option<&str>,
    [author, committer]: [&Value; 2],
) -> Option<SourceRevision> {
    let person = |value: &Value| Person {
        name: value["name"].as_str().unwrap_or("").to_owned(),
        email: value["email"].as_str().unwrap_or("").to_owned(),
    };
    let git = GitRevision {
        commit: commit.filter(|commit| !commit.is_empty())?.to_owned(),
        message: message.unwrap_or("").to_owned(),
        author: person(author),
        committer: person(committer),
    };
    Some(SourceRevision {
        kind: "Git".to_owned(),
        git: Some(git),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::build::GitSource;

    fn config(reference: &str) -> BuildConfig {
        let mut config = BuildConfig::default();
        config.spec.common.source.git = Some(GitSource {
            uri: "https://example.com/x.git".to_owned(),
            reference: reference.to_owned(),
        });
        config
    }

    fn push(reference: &str) -> Value {
        json!({"ref": reference, "head_commit": {
            "id": "abc", "message": "m", "author": {"name": "A", "email": "a@b"},
        }})
    }

    #[test]
    fn a_push_to_the_configs_branch_starts_a_build_of_its_commit() {
        let asked = github(&config(""), "push", &push("refs/heads/master")).unwrap();
        let Asked::Build(request) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!(request.revision.unwrap().git.unwrap().commit, "abc");
        assert_eq!(request.triggered_by[0]["message"], "GitHub WebHook");
        for (config, reference) in [
            (config("dev"), "refs/heads/master"),
            (config(""), "refs/heads/dev"),
        ] {
            let asked = github(&config, "push", &push(reference)).unwrap();
            assert!(matches!(asked, Asked::Nothing(_)), "{reference}");
        }
        assert!(matches!(
            github(&config(""), "ping", &Value::Null),
            Ok(Asked::Nothing(_))
        ));
        assert!(github(&config(""), "fork", &Value::Null).is_err());
    }

    #[test]
    fn a_generic_call_may_say_nothing_and_sets_variables_only_where_allowed() {
        let payload = json!({"env": [{"name": "A", "value": "b"}]});
        let variables = |trigger: Value| match generic(&config(""), &trigger, &payload) {
            Asked::Build(request) => request.env.len(),
            Asked::Nothing(_) => 99,
        };
        assert_eq!(variables(json!({"secret": "s"})), 0);
        assert_eq!(variables(json!({"secret": "s", "allowEnv": true})), 1);
        let empty = generic(&config("dev"), &Value::Null, &Value::Null);
        assert!(matches!(empty, Asked::Build(_)));
        assert!(is_same("a", "a") && !is_same("a", "b"));
    }
}
