//! What a container's processes find in their environment. Pure; who asks for secrets is `process`.
//!
//! Later ones win: the services of the namespace, the image, the pod's own facts, `envFrom`, `env`. `$(NAME)` in values
//! and arguments is replaced as Kubernetes does it (`third_party/forked/golang/expansion`).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::api::network::Service;
use crate::api::pod::Container;
use crate::api::pod::Pod;

/// What a container that declares no port is told to listen on.
const PORT: u16 = 8080;

/// What a value may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Secret,
    ConfigMap,
}

/// The content of the Secrets and `ConfigMaps` that a container names; absent: there is none.
pub(crate) type Sources = BTreeMap<(Source, String), BTreeMap<String, String>>;

/// Which Secrets and `ConfigMaps` a container's environment needs.
pub(crate) fn sources(container: &Container) -> Vec<(Source, String)> {
    let mut found = Vec::new();
    for from in &container.env_from {
        for (key, source) in [
            ("secretRef", Source::Secret),
            ("configMapRef", Source::ConfigMap),
        ] {
            found.extend(
                from[key]["name"]
                    .as_str()
                    .map(|name| (source, name.to_owned())),
            );
        }
    }
    for from in container
        .env
        .iter()
        .filter_map(|one| one.value_from.as_ref())
    {
        for (key, source) in [
            ("secretKeyRef", Source::Secret),
            ("configMapKeyRef", Source::ConfigMap),
        ] {
            found.extend(
                from[key]["name"]
                    .as_str()
                    .map(|name| (source, name.to_owned())),
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Where a container runs.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    pub(crate) rootfs: &'a Path,
    pub(crate) image: &'a [String],
    pub(crate) services: &'a [Service],
    pub(crate) sources: &'a Sources,
    pub(crate) pod_ip: &'a str,
    pub(crate) host_ip: &'a str,
    /// Where the host's toolchains are, for an image that does not say.
    pub(crate) path: &'a str,
}

/// The port that a container is told to listen on.
pub(crate) fn port(container: &Container) -> u16 {
    let declared = container.ports.first();
    declared.map_or(PORT, |port| port.container_port)
}

/// The whole environment, or why it cannot be made.
pub(crate) fn make(around: &Surroundings<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    for service in around.services {
        add_service(&mut all, service);
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let app = around.rootfs.join("opt/app-root");
    let meta = &around.pod.metadata;
    all.insert("PATH".to_owned(), around.path.to_owned());
    for pair in around.image {
        if let Some((name, value)) = pair.split_once('=') {
            all.insert(name.to_owned(), value.to_owned());
        }
    }
    for (name, value) in [
        ("HOME", text(&app.join("src"))),
        ("APP_ROOT", text(&app)),
        (
            "STI_SCRIPTS_PATH",
            text(&around.rootfs.join("usr/libexec/s2i")),
        ),
        ("HOSTNAME", meta.name.clone()),
        ("HOST", around.pod_ip.to_owned()),
        ("PORT", port(around.container).to_string()),
        ("UPSHIFT_POD", meta.uid.clone()),
    ] {
        all.insert(name.to_owned(), value);
    }
    for from in &around.container.env_from {
        add_all_of(&mut all, around, from)?;
    }
    for one in &around.container.env {
        let value = match &one.value_from {
            Some(from) => value_from(around, from)?,
            None => Some(expand(&one.value, &all)),
        };
        if let Some(value) = value {
            all.insert(one.name.clone(), value);
        }
    }
    // No process can be given a NUL.
    all.retain(|name, value| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    });
    Ok(all)
}

fn add_service(all: &mut BTreeMap<String, String>, service: &Service) {
    let address = &service.spec.cluster_ip;
    if address.is_empty() || address == "None" {
        return;
    }
    let name = variable(&service.metadata.name);
    all.insert(format!("{name}_SERVICE_HOST"), address.clone());
    for (index, port) in service.spec.ports.iter().enumerate() {
        let number = port.port.to_string();
        if index == 0 {
            all.insert(format!("{name}_SERVICE_PORT"), number.clone());
        }
        if !port.name.is_empty() {
            let port_name = variable(&port.name);
            all.insert(format!("{name}_SERVICE_PORT_{port_name}"), number);
        }
    }
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace(['-', '.'], "_")
}

fn add_all_of(
    all: &mut BTreeMap<String, String>,
    around: &Surroundings<'_>,
    from: &Value,
) -> Result<(), String> {
    let prefix = from["prefix"].as_str().unwrap_or_default();
    for (key, source) in [
        ("secretRef", Source::Secret),
        ("configMapRef", Source::ConfigMap),
    ] {
        let reference = &from[key];
        let Some(name) = reference["name"].as_str() else {
            continue;
        };
        let known = around.sources.get(&(source, name.to_owned()));
        match known {
            Some(content) => {
                for (name, value) in content {
                    all.insert(format!("{prefix}{name}"), value.clone());
                }
            }
            None if reference["optional"] == true => {}
            None => return Err(missing(source, name)),
        }
    }
    Ok(())
}

fn missing(source: Source, name: &str) -> String {
    format!("{} {name:?} not found", word(source))
}

fn word(source: Source) -> &'static str {
    match source {
        Source::Secret => "secret",
        Source::ConfigMap => "configmap",
    }
}

fn value_from(around: &Surroundings<'_>, from: &Value) -> Result<Option<String>, String> {
    for (key, source) in [
        ("secretKeyRef", Source::Secret),
        ("configMapKeyRef", Source::ConfigMap),
    ] {
        let reference = &from[key];
        let (Some(name), Some(key)) = (reference["name"].as_str(), reference["key"].as_str())
        else {
            continue;
        };
        let optional = reference["optional"] == true;
        return match around.sources.get(&(source, name.to_owned())) {
            Some(content) => match content.get(key) {
                Some(value) => Ok(Some(value.clone())),
                None if optional => Ok(None),
                None => Err(format!(
                    "couldn't find key {key} in {} {}/{name}",
                    match source {
                        Source::Secret => "Secret",
                        Source::ConfigMap => "ConfigMap",
                    },
                    around.pod.metadata.namespace
                )),
            },
            None if optional => Ok(None),
            None => Err(missing(source, name)),
        };
    }
    if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
        return field(around, path).map(Some);
    }
    Err("resourceFieldRef is not supported by this node".to_owned())
}

fn field(around: &Surroundings<'_>, path: &str) -> Result<String, String> {
    let meta = &around.pod.metadata;
    let spec = &around.pod.spec;
    let value = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "spec.nodeName" => spec.node_name.clone(),
        "spec.serviceAccountName" => spec.service_account_name.clone(),
        "status.podIP" | "status.podIPs" => around.pod_ip.to_owned(),
        "status.hostIP" => around.host_ip.to_owned(),
        _ => {
            let inside = |name: &str| {
                let key = path.strip_prefix(name)?.strip_prefix("['")?;
                key.strip_suffix("']")
            };
            let found = match (inside("metadata.labels"), inside("metadata.annotations")) {
                (Some(key), _) => meta.labels.get(key),
                (_, Some(key)) => meta.annotations.get(key),
                _ => return Err(format!("unsupported fieldPath: {path}")),
            };
            found.cloned().unwrap_or_default()
        }
    };
    Ok(value)
}

/// Replaces `$(NAME)` by what is known; `$$` is a dollar sign, and what is not known stays as it is.
pub(crate) fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(left) = after.strip_prefix('$') {
            result.push('$');
            rest = left;
        } else if let Some((name, left)) = after
            .strip_prefix('(')
            .and_then(|open| open.split_once(')'))
        {
            if let Some(value) = known.get(name) {
                result.push_str(value);
            } else {
                result.push_str("$(");
                result.push_str(name);
                result.push(')');
            }
            rest = left;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_put_in_place_as_kubernetes_does() {
        let known = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expect) in [
            ("x", "x"),
            ("$(A)-$(B)", "1-$(B)"),
            ("$$(A)", "$(A)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
        ] {
            assert_eq!(expand(text, &known), expect, "{text}");
        }
    }

    fn check(container: Value, sources: &Sources, expect: Result<&[(&str, &str)], &str>) {
        let container: Container = serde_json::from_value(container).unwrap();
        let mut pod = Pod::default();
        pod.metadata.name = "web-1".to_owned();
        pod.metadata.namespace = "shop".to_owned();
        pod.metadata.labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "my-db"},
            "spec": {"clusterIP": "172.30.0.7", "ports": [{"name": "sql", "port": 5432}]},
        }))
        .unwrap();
        let made = make(&Surroundings {
            pod: &pod,
            container: &container,
            rootfs: Path::new("/r"),
            image: &["PATH=/image/bin".to_owned(), "HOME=/x".to_owned()],
            services: &[service],
            sources,
            pod_ip: "10.88.0.9",
            host_ip: "127.0.0.1",
            path: "/usr/bin",
        });
        match (made, expect) {
            (Ok(made), Ok(expect)) => {
                for (name, value) in expect {
                    assert_eq!(made.get(*name).map(String::as_str), Some(*value), "{name}");
                }
            }
            (made, expect) => assert_eq!(
                made.as_ref().map_err(String::as_str).map(|_| &[][..]),
                expect
            ),
        }
    }

    #[test]
    fn a_container_knows_its_pod_its_services_and_its_secrets() {
        let secret = BTreeMap::from([("password".to_owned(), "p".to_owned())]);
        let sources = Sources::from([((Source::Secret, "db".to_owned()), secret)]);
        let from = |kind: &str, name: &str, key: &str| json!({kind: {"name": name, "key": key}});
        let container = json!({
            "name": "c",
            "ports": [{"containerPort": 9000}],
            "envFrom": [{"prefix": "DB_", "secretRef": {"name": "db"}}],
            "env": [
                {"name": "PW", "valueFrom": from("secretKeyRef", "db", "password")},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "URL", "value": "http://$(HOST):$(PORT)/$(PW)"},
            ],
        });
        check(
            container,
            &sources,
            Ok(&[
                ("PATH", "/image/bin"),
                ("HOME", "/r/opt/app-root/src"),
                ("HOSTNAME", "web-1"),
                ("PORT", "9000"),
                ("MY_DB_SERVICE_HOST", "172.30.0.7"),
                ("MY_DB_SERVICE_PORT_SQL", "5432"),
                ("DB_password", "p"),
                ("APP", "web"),
                ("URL", "http://10.88.0.9:9000/p"),
            ]),
        );
        let env = |value: Value| json!({"name": "c", "env": [{"name": "X", "valueFrom": value}]});
        check(
            env(from("secretKeyRef", "none", "x")),
            &sources,
            Err("secret \"none\" not found"),
        );
        check(
            env(from("secretKeyRef", "db", "x")),
            &sources,
            Err("couldn't find key x in Secret shop/db"),
        );
    }
}
