//! The objects of a blueprint, in the order in which they are made. Pure.
//!
//! Source: facts/oc.md 3.6. Per component the input's image stream, the output's, the build config and what deploys it; all
//! services after that, then routes.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::api::deployment::ANNOTATION_IMAGE_TRIGGERS;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::cli::new_app::blueprint::Blueprint;
use crate::cli::new_app::blueprint::Build;
use crate::cli::new_app::blueprint::Component;
use crate::cli::new_app::blueprint::Group;
use crate::cli::new_app::blueprint::Input;
use crate::cli::new_app::blueprint::Port;
use crate::cli::new_app::blueprint::Source;
use crate::cli::new_app::blueprint::Tag;
use crate::cli::new_app::blueprint::Target;
use crate::cli::new_app::blueprint::variables;

const MADE_BY: &str = "openshift.io/generated-by";

/// Image streams that are there already, and their tags: only what is missing is made.
pub type Known = BTreeMap<String, Vec<String>>;

/// Everything that a blueprint asks for.
pub fn of(blueprint: &Blueprint, known: &Known) -> Vec<Value> {
    let mut maker = Maker {
        blueprint,
        known: known.clone(),
        made: Vec::new(),
    };
    for group in &blueprint.groups {
        for member in &group.members {
            maker.input(&member.image);
            if let Some(build) = &member.build {
                maker.output(&build.output);
                maker.build(member, build);
            }
        }
        match blueprint.target {
            Target::DeploymentConfig => maker.deployment_config(group),
            Target::Deployment => maker.deployment(group),
            Target::Build => {}
        }
    }
    if blueprint.target != Target::Build {
        let served = || {
            blueprint
                .groups
                .iter()
                .filter(|group| !ports(group).is_empty())
        };
        for group in served() {
            maker.service(group);
        }
        if blueprint.route {
            for group in served() {
                maker.route(group);
            }
        }
    }
    let mut made = maker.made;
    label(&mut made, blueprint);
    made
}

/// The ports of a group's pod, each once, in the order of their names.
pub fn ports(group: &Group) -> Vec<Port> {
    let mut ports: Vec<Port> = group
        .members
        .iter()
        .flat_map(|member| member.image.details.ports.iter().cloned())
        .collect();
    ports.sort_by_key(Port::name);
    ports.dedup();
    ports
}

struct Maker<'a> {
    blueprint: &'a Blueprint,
    known: Known,
    made: Vec<Value>,
}

impl Maker<'_> {
    fn add(&mut self, kind: &Kind, name: &str, rest: Value) {
        let mut object = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": {
                "annotations": {MADE_BY: self.blueprint.target.made_by()},
                "labels": self.blueprint.labels,
                "name": name,
            },
        });
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        self.made.push(object);
    }

    /// The stream of an image that nobody knows yet.
    fn input(&mut self, image: &Input) {
        let Some(reference) = &image.missing else {
            return;
        };
        let tag = json!({
            "annotations": {"openshift.io/imported-from": reference},
            "from": {"kind": "DockerImage", "name": reference},
            "generation": null,
            "importPolicy": {"importMode": "Legacy"},
            "name": image.tag.tag,
            "referencePolicy": {"type": ""},
        });
        self.stream(&image.tag, Some(tag));
    }

    fn output(&mut self, tag: &Tag) {
        self.stream(tag, None);
    }

    fn stream(&mut self, tag: &Tag, spec: Option<Value>) {
        let known = self.known.entry(tag.stream.clone()).or_default();
        if !known.is_empty() {
            // The stream takes one more tag when it is pushed.
            return;
        }
        known.push(tag.tag.clone());
        let mut body = json!({
            "spec": {"lookupPolicy": {"local": false}},
            "status": {"dockerImageRepository": ""},
        });
        if let Some(spec) = spec {
            body["spec"]["tags"] = json!([spec]);
        }
        self.add(&kinds::IMAGE_STREAM, &tag.stream, body);
    }

    fn build(&mut self, member: &Component, build: &Build) {
        let mut strategy = json!({"from": reference(&member.image.tag)});
        let env = env(&build.env);
        if !env.is_empty() {
            strategy["env"] = env.into();
        }
        let body = json!({
            "spec": {
                "nodeSelector": null,
                "output": {"to": reference(&build.output)},
                "postCommit": {},
                "resources": {},
                "source": source(build),
                "strategy": {"sourceStrategy": strategy, "type": "Source"},
                "triggers": triggers(build, &member.image.details.reference),
            },
            "status": {"lastVersion": 0},
        });
        self.add(&kinds::BUILD_CONFIG, &member.name, body);
    }

    fn deployment_config(&mut self, group: &Group) {
        let selector = self.selector("deploymentconfig", group);
        let mut triggers = vec![json!({"type": "ConfigChange"})];
        triggers.extend(group.members.iter().map(|member| {
            json!({
                "imageChangeParams": {
                    "automatic": true,
                    "containerNames": [member.name],
                    "from": reference(&member.runs()),
                },
                "type": "ImageChange",
            })
        }));
        let image = |member: &Component| match (&member.build, &member.image.missing) {
            (None, Some(missing)) => missing.clone(),
            _ => member.runs().name(),
        };
        let body = json!({
            "spec": {
                "replicas": 1,
                "selector": selector,
                "strategy": {"resources": {}},
                "template": self.template(group, &selector, &image),
                "test": false,
                "triggers": triggers,
            },
            "status": {
                "availableReplicas": 0,
                "latestVersion": 0,
                "observedGeneration": 0,
                "replicas": 0,
                "unavailableReplicas": 0,
                "updatedReplicas": 0,
            },
        });
        self.add(&kinds::DEPLOYMENT_CONFIG, &group.name, body);
    }

    fn deployment(&mut self, group: &Group) {
        let selector = self.selector("deployment", group);
        let triggers: Vec<Value> = group
            .members
            .iter()
            .map(|member| {
                json!({
                    "from": reference(&member.runs()),
                    "fieldPath": format!("spec.template.spec.containers[?(@.name==\"{}\")].image", member.name),
                })
            })
            .collect();
        let body = json!({
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": selector},
                "strategy": {},
                // The trigger fills it in.
                "template": self.template(group, &selector, &|_| " ".to_owned()),
            },
            "status": {},
        });
        self.add(&kinds::DEPLOYMENT, &group.name, body);
        if let Some(made) = self.made.last_mut() {
            made["metadata"]["annotations"][ANNOTATION_IMAGE_TRIGGERS] =
                Value::Array(triggers).to_string().into();
        }
    }

    fn selector(&self, label: &str, group: &Group) -> BTreeMap<String, String> {
        let mut selector = self.blueprint.labels.clone();
        selector.insert(label.to_owned(), group.name.clone());
        selector
    }

    fn template(
        &self,
        group: &Group,
        labels: &BTreeMap<String, String>,
        image: &dyn Fn(&Component) -> String,
    ) -> Value {
        let mut volumes = Vec::new();
        let containers: Vec<Value> = group
            .members
            .iter()
            .map(|member| {
                let mut container = json!({
                    "image": image(member),
                    "name": member.name,
                    "resources": {},
                });
                let ports: Vec<Value> = member
                    .image
                    .details
                    .ports
                    .iter()
                    .map(|port| {
                        json!({"containerPort": port.number, "protocol": port.protocol.to_uppercase()})
                    })
                    .collect();
                let mut set = |field: &str, list: Vec<Value>| {
                    if !list.is_empty() {
                        container[field] = list.into();
                    }
                };
                set("ports", ports);
                set("env", env(&self.blueprint.env));
                let mounts = member.image.details.volumes.iter().map(|path| {
                    let name = format!("{}-volume-{}", group.name, volumes.len() + 1);
                    volumes.push(json!({"emptyDir": {}, "name": name}));
                    json!({"mountPath": path, "name": name})
                });
                let mounts: Vec<Value> = mounts.collect();
                set("volumeMounts", mounts);
                container
            })
            .collect();
        let mut spec = Map::new();
        spec.insert("containers".to_owned(), containers.into());
        if !volumes.is_empty() {
            spec.insert("volumes".to_owned(), volumes.into());
        }
        json!({
            "metadata": {
                "annotations": {MADE_BY: self.blueprint.target.made_by()},
                "labels": labels,
            },
            "spec": spec,
        })
    }

    fn service(&mut self, group: &Group) {
        let label = match self.blueprint.target {
            Target::Deployment => "deployment",
            _ => "deploymentconfig",
        };
        let ports: Vec<Value> = ports(group).iter().map(service_port).collect();
        let body = json!({
            "spec": {"ports": ports, "selector": self.selector(label, group)},
            "status": {"loadBalancer": {}},
        });
        self.add(&kinds::SERVICE, &group.name, body);
    }

    fn route(&mut self, group: &Group) {
        // Requests for a route are HTTP: the first TCP port.
        let ports = ports(group);
        let Some(port) = ports.iter().find(|port| port.protocol == "tcp") else {
            return;
        };
        let body = route_body(&group.name, &port_name(port).into());
        self.add(&kinds::ROUTE, &group.name, body);
    }
}

/// What a route to a service says besides its name.
pub fn route_body(service: &str, target_port: &Value) -> Value {
    json!({
        "spec": {
            "port": {"targetPort": target_port},
            "to": {"kind": "Service", "name": service, "weight": 100},
        },
    })
}

fn port_name(port: &Port) -> String {
    format!("{}-{}", port.number, port.protocol)
}

fn service_port(port: &Port) -> Value {
    json!({
        "name": port_name(port),
        "port": port.number,
        "protocol": port.protocol.to_uppercase(),
        "targetPort": port.number,
    })
}

fn reference(tag: &Tag) -> Value {
    let mut reference = json!({"kind": "ImageStreamTag", "name": tag.name()});
    if !tag.namespace.is_empty() {
        reference["namespace"] = tag.namespace.clone().into();
    }
    reference
}

fn env(env: &[(String, String)]) -> Vec<Value> {
    variables(env)
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

fn source(build: &Build) -> Value {
    let mut source = match &build.source {
        Source::Binary | Source::Directory(_) => json!({"binary": {}, "type": "Binary"}),
        Source::LocalGit { uri, reference, .. } | Source::Git { uri, reference } => {
            let mut git = json!({"uri": uri});
            if !reference.is_empty() {
                git["ref"] = reference.clone().into();
            }
            json!({"git": git, "type": "Git"})
        }
    };
    if !build.context_dir.is_empty() {
        source["contextDir"] = build.context_dir.clone().into();
    }
    if !build.secret.is_empty() {
        source["sourceSecret"] = json!({"name": build.secret});
    }
    source
}

/// A source that comes with each request cannot be built by itself; one that is here is built when the image changes, from
/// what came last. `known` is the builder that its first build is sent for.
fn triggers(build: &Build, known: &str) -> Vec<Value> {
    let [github, generic] = &build.webhooks;
    let hooks = [
        json!({"github": {"secret": github}, "type": "GitHub"}),
        json!({"generic": {"secret": generic}, "type": "Generic"}),
    ];
    let image = |change: Value| json!({"imageChange": change, "type": "ImageChange"});
    match build.source {
        Source::Binary => hooks.to_vec(),
        Source::Directory(_) => Vec::new(),
        Source::LocalGit { .. } => vec![image(json!({"lastTriggeredImageID": known}))],
        Source::Git { .. } => {
            let config = json!({"type": "ConfigChange"});
            [hooks.to_vec(), vec![config, image(json!({}))]].concat()
        }
    }
}

/// The labels that say which application an object belongs to; whoever named an `app` himself means another.
fn label(made: &mut [Value], blueprint: &Blueprint) {
    if blueprint.labels.contains_key("app") {
        return;
    }
    for object in made {
        for name in [
            "app",
            "app.kubernetes.io/component",
            "app.kubernetes.io/instance",
        ] {
            object["metadata"]["labels"][name] = blueprint.app.clone().into();
        }
    }
}

#[cfg(test)]
mod tests;
