//! Kinds that are answers and never stored: who am I, may I, the user `~`, may I request projects. Pure.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Scope;
use crate::api::status::Status;
use crate::apiserver::access;
use crate::apiserver::access::Attempt;
use crate::apiserver::access::Ruling;
use crate::apiserver::access::Verb;
use crate::apiserver::authentication::Identity;

/// GET of a User: `~` or one's own name.
pub(crate) fn user(identity: &Identity, name: &str) -> Result<Value, Status> {
    let own = identity.user();
    if name != "~" && name != own {
        return Err(Status::not_found(&kinds::USER, name));
    }
    Ok(json!({
        "apiVersion": kinds::USER.api_version(),
        "kind": kinds::USER.kind,
        "metadata": {"name": own},
        "identities": null,
        "groups": identity.groups(),
    }))
}

/// POST of a `SelfSubjectReview`.
pub(crate) fn who_am_i(identity: &Identity) -> Value {
    json!({
        "apiVersion": kinds::SELF_SUBJECT_REVIEW.api_version(),
        "kind": kinds::SELF_SUBJECT_REVIEW.kind,
        "metadata": {"creationTimestamp": null},
        "status": {
            "userInfo": {"username": identity.user(), "groups": identity.groups()},
        },
    })
}

/// POST of a `SelfSubjectAccessReview`.
pub(crate) fn may_i(identity: &Identity, review: &Value) -> Value {
    let allowed = if review["spec"]["nonResourceAttributes"].is_object() {
        *identity != Identity::Anonymous
    } else {
        may_reach(identity, &review["spec"]["resourceAttributes"])
    };
    json!({
        "apiVersion": kinds::SELF_SUBJECT_ACCESS_REVIEW.api_version(),
        "kind": kinds::SELF_SUBJECT_ACCESS_REVIEW.kind,
        "metadata": {"creationTimestamp": null},
        "spec": review["spec"],
        "status": {"allowed": allowed},
    })
}

/// `*` stands for every verb and every resource, as `kubectl auth can-i '*' '*'` asks.
fn may_reach(identity: &Identity, attributes: &Value) -> bool {
    let text = |field: &str| attributes[field].as_str().unwrap_or("");
    let verbs = Verb::ALL
        .into_iter()
        .filter(|verb| text("verb") == "*" || text("verb") == verb.name());
    let selected: Vec<_> = kinds::ALL
        .iter()
        .filter(|kind| {
            ["*", kind.plural].contains(&text("resource"))
                && (text("group") == kind.group || text("group") == "*")
        })
        .collect();
    let mut asked = 0;
    let mut allowed = true;
    for verb in verbs {
        for kind in &selected {
            let namespace = match kind.scope {
                Scope::Cluster => "",
                Scope::Namespaced => text("namespace"),
            };
            let attempt = Attempt {
                verb,
                kind,
                namespace,
                name: text("name"),
                subresource: text("subresource"),
                label_selector: "",
                field_selector: "",
            };
            asked += 1;
            allowed &= access::rule(identity, &attempt) == Ruling::Allowed;
        }
    }
    allowed && asked > 0
}

/// GET of the collection of `projectrequests`: whether one may request projects at all.
pub(crate) fn may_request_projects() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Success",
        "code": 200,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_answer_from_the_one_table_of_rights() {
        let ask = |identity: &Identity, verb: &str, group: &str, resource: &str| {
            let review = json!({"spec": {"resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "namespace": "demo",
            }}});
            may_i(identity, &review)["status"]["allowed"] == true
        };
        let admin = Identity::Admin;
        assert!(ask(&admin, "create", "upshift.dev", "applications"));
        assert!(!ask(&admin, "create", "upshift.dev", "operations"));
        assert!(ask(&admin, "delete", "", "secrets"));
        assert!(!ask(&admin, "frobnicate", "", "secrets"));
        assert!(!ask(&admin, "get", "", "nosuch"));
        let node = Identity::Node("a".to_owned());
        assert!(!ask(&node, "get", "", "secrets"));
        assert!(ask(&node, "create", "", "events"));
    }

    #[test]
    fn the_user_is_oneself() {
        let user = user(&Identity::Admin, "~").unwrap();
        assert_eq!(user["metadata"]["name"], "admin");
        assert_eq!(super::user(&Identity::Admin, "eve").unwrap_err().code, 404);
        let review = who_am_i(&Identity::Node("a".to_owned()));
        assert_eq!(review["status"]["userInfo"]["username"], "system:node:a");
    }
}
