//! What is served where: `/api`, `/apis` and the resource lists, read off the table of kinds.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::status::Status;
use crate::apiserver::access;
use crate::apiserver::access::Verb;
use crate::apiserver::request::Discovery;
use crate::apiserver::request::Subresource;

/// The answer to a discovery request.
pub(crate) fn answer(discovery: &Discovery) -> Result<Value, Status> {
    match discovery {
        Discovery::Core => Ok(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        })),
        Discovery::Groups => Ok(json!({
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": groups().into_iter().map(group).collect::<Vec<Value>>(),
        })),
        Discovery::Group(name) => {
            let found = groups().into_iter().find(|group| group == name);
            let mut answer = group(found.ok_or_else(Status::no_such_path)?);
            answer["kind"] = "APIGroup".into();
            answer["apiVersion"] = "v1".into();
            Ok(answer)
        }
        Discovery::Resources { group, version } => resources(group, version),
    }
}

/// The verbs that a kind takes.
pub(crate) fn verbs(kind: &Kind) -> &'static [Verb] {
    if access::is_review(kind) {
        &[Verb::Create]
    } else if kind == &kinds::PROJECT_REQUEST {
        &[Verb::Create, Verb::List]
    } else if kind == &kinds::USER || kind == &kinds::IMAGE_STREAM_IMAGE {
        &[Verb::Get]
    } else if kind == &kinds::IMAGE_STREAM_IMPORT {
        &[Verb::Create]
    } else if kind == &kinds::IMAGE_STREAM_TAG {
        &[
            Verb::Create,
            Verb::Delete,
            Verb::Get,
            Verb::List,
            Verb::Update,
        ]
    } else {
        &Verb::ALL
    }
}

/// Every group but the core one, in the order of the table.
fn groups() -> Vec<&'static str> {
    let mut groups = Vec::new();
    for kind in kinds::ALL {
        if !kind.group.is_empty() && !groups.contains(&kind.group) {
            groups.push(kind.group);
        }
    }
    groups
}

fn group(name: &str) -> Value {
    let mut versions = Vec::new();
    for kind in kinds::ALL.iter().filter(|kind| kind.group == name) {
        let version = json!({"groupVersion": kind.api_version(), "version": kind.version});
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    json!({"name": name, "preferredVersion": versions[0], "versions": versions})
}

fn resources(group: &str, version: &str) -> Result<Value, Status> {
    let of_group: Vec<&Kind> = kinds::ALL
        .iter()
        .copied()
        .filter(|kind| kind.group == group && kind.version == version)
        .collect();
    let Some(first) = of_group.first() else {
        return Err(Status::no_such_path());
    };
    let resources: Vec<Value> = of_group.iter().flat_map(|kind| lines(kind)).collect();
    Ok(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": first.api_version(),
        "resources": resources,
    }))
}

/// One kind and its subresources.
fn lines(kind: &Kind) -> Vec<Value> {
    let names = |verbs: &[Verb]| -> Vec<&str> { verbs.iter().map(|verb| verb.name()).collect() };
    let mut main = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.scope == Scope::Namespaced,
        "kind": kind.kind,
        "verbs": names(verbs(kind)),
    });
    if !kind.short_names.is_empty() {
        main["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        main["categories"] = json!(kind.categories);
    }
    let mut lines = vec![main];
    for (subresource, verbs) in Subresource::of_kind(kind) {
        let mut line = json!({
            "name": format!("{}/{}", kind.plural, subresource.name()),
            "singularName": "",
            "namespaced": kind.scope == Scope::Namespaced,
            "kind": kind_of(kind, subresource),
            "verbs": names(verbs),
        });
        if subresource == Subresource::Scale {
            // Clients send what is said here, and read it as that.
            line["group"] = "autoscaling".into();
            line["version"] = "v1".into();
        }
        lines.push(line);
    }
    lines
}

/// What is sent to a subresource, or read from it.
fn kind_of(kind: &Kind, subresource: Subresource) -> &'static str {
    let is_build_config = kind == &kinds::BUILD_CONFIG;
    match subresource {
        Subresource::Scale => "Scale",
        Subresource::Instantiate if is_build_config => "BuildRequest",
        Subresource::Instantiate => "DeploymentRequest",
        Subresource::InstantiateBinary => "BinaryBuildRequestOptions",
        Subresource::Webhooks => "Build",
        Subresource::Clone => "BuildRequest",
        Subresource::Rollback => "DeploymentConfigRollback",
        Subresource::Exec if kind == &kinds::POD => "PodExecOptions",
        Subresource::Log if kind == &kinds::BUILD => "BuildLog",
        Subresource::Log if kind == &kinds::DEPLOYMENT_CONFIG => "DeploymentLog",
        _ => kind.kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_scaled_says_in_which_form() {
        let list = resources("", "v1").unwrap();
        let lines = list["resources"].as_array().unwrap();
        let scale = lines
            .iter()
            .find(|line| line["name"] == "replicationcontrollers/scale")
            .unwrap();
        assert_eq!(
            (&scale["group"], &scale["version"], &scale["kind"]),
            (&"autoscaling".into(), &"v1".into(), &"Scale".into())
        );
        assert!(lines.iter().any(|line| line["name"] == "pods/log"));
    }

    #[test]
    fn every_kind_is_found_where_discovery_says() {
        let groups = answer(&Discovery::Groups).unwrap();
        let mut found = 0;
        let mut roots = vec![(String::new(), "v1".to_owned())];
        for group in groups["groups"].as_array().unwrap() {
            let version = &group["preferredVersion"]["version"];
            roots.push((
                group["name"].as_str().unwrap().to_owned(),
                version.as_str().unwrap().to_owned(),
            ));
        }
        for (group, version) in roots {
            let list = answer(&Discovery::Resources {
                group: group.clone(),
                version: version.clone(),
            })
            .unwrap();
            for resource in list["resources"].as_array().unwrap() {
                let name = resource["name"].as_str().unwrap();
                if !name.contains('/') {
                    let kind = kinds::at(&group, &version, name).unwrap();
                    assert_eq!(resource["kind"], kind.kind);
                    found += 1;
                }
            }
        }
        assert_eq!(found, kinds::ALL.len());
        let unknown = answer(&Discovery::Group("nosuch".to_owned()));
        assert_eq!(unknown.unwrap_err().code, 404);
    }

    #[test]
    fn a_kind_says_what_it_takes() {
        let list = resources("upshift.dev", "v1").unwrap();
        let names: Vec<&str> = list["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["name"].as_str().unwrap())
            .collect();
        assert!(names.contains(&"applications/status"));
        assert!(names.contains(&"operations/log"));
        assert!(!names.contains(&"revisions/status"));
        assert_eq!(
            list["resources"][0]["verbs"],
            json!([
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch"
            ])
        );
    }
}
