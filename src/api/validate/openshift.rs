//! Rules of OpenShift's builds, image streams and routes.
//!
//! Sources: facts/oc.md 6.1 and 7.1; openshift-apiserver `pkg/{build,image}/apis/*/validation`, library-go
//! `pkg/route/validation`.

use serde_json::Value;

use super::change;
use super::entries;
use super::is_same_spec;
use super::join;
use super::names;
use super::pods;
use super::present;
use super::text;
use crate::api::defaults;
use crate::api::kinds;
use crate::api::status::Cause;

const STRATEGIES: [&str; 4] = [
    "sourceStrategy",
    "dockerStrategy",
    "customStrategy",
    "jenkinsPipelineStrategy",
];

/// What is wrong with a `BuildConfig` beyond its schema.
pub(super) fn build_config(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if is_same_spec(new, old) || !new["spec"].is_object() {
        return Vec::new();
    }
    let mut causes = common_spec(&new["spec"]);
    for (path, trigger) in entries(&new["spec"], "spec", "triggers") {
        causes.extend(build_trigger(trigger, &path));
    }
    causes
}

/// What is wrong with a Build beyond its schema: it stays as it was made, and ends once.
pub(super) fn build(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let Some(old) = old else {
        return common_spec(&new["spec"]);
    };
    let mut filled = old.clone();
    defaults::fill(&kinds::BUILD, &mut filled);
    let old = &filled;
    let mut causes = Vec::new();
    let (before, now) = (text(old, "/status/phase"), text(new, "/status/phase"));
    let is_over = matches!(before, "Complete" | "Failed" | "Error" | "Cancelled");
    if is_over && before != now {
        causes.push(Cause::invalid(
            "status.phase",
            &now.into(),
            "phase cannot be updated from a terminal state",
        ));
    }
    let mut wanted = new["spec"].clone();
    let mut free = Vec::new();
    if old["spec"]["revision"].is_null() {
        free.push("/revision");
    }
    // The build controller finds the images before it makes the pod.
    if matches!(before, "" | "New" | "Pending") {
        free.extend(["/output", "/strategy"]);
    }
    for pointer in free {
        let field = &pointer[1..];
        if let Some(wanted) = wanted.as_object_mut() {
            match old["spec"].get(field) {
                Some(value) => wanted.insert(field.to_owned(), value.clone()),
                None => wanted.remove(field),
            };
        }
    }
    if wanted != old["spec"] {
        causes.push(Cause::invalid(
            "spec",
            &"content of spec is not printed out, please refer to the \"details\"".into(),
            "spec is immutable",
        ));
    }
    causes
}

fn common_spec(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let folder = text(spec, "/source/contextDir");
    if folder.split('/').any(|part| part == "..") {
        let why = "context path must not contain '..'";
        causes.push(Cause::invalid(
            "spec.source.contextDir",
            &folder.into(),
            why,
        ));
    }
    if let Some(uri) = spec["source"]["git"]["uri"].as_str()
        && uri.starts_with('-')
    {
        let why = "uri is not a valid url";
        causes.push(Cause::invalid("spec.source.git.uri", &uri.into(), why));
    }
    let strategy = &spec["strategy"];
    let written: Vec<&str> = STRATEGIES
        .into_iter()
        .filter(|name| !strategy[*name].is_null())
        .collect();
    if written.len() != 1 {
        causes.push(Cause::invalid(
            "spec.strategy",
            strategy,
            "must provide a value for exactly one of sourceStrategy, customStrategy, dockerStrategy, or jenkinsPipelineStrategy",
        ));
    }
    for name in written {
        let own = &strategy[name];
        let path = join("spec.strategy", name);
        if own["from"].is_object() {
            causes.extend(image_source(&own["from"], &join(&path, "from")));
        }
        for (path, variable) in entries(own, &path, "env") {
            causes.extend(pods::variable(variable, &path));
        }
    }
    let to = &spec["output"]["to"];
    if to.is_object() {
        if !matches!(text(to, "/kind"), "ImageStreamTag" | "DockerImage") {
            let why = "the target of build output must be an 'ImageStreamTag' or 'DockerImage'";
            causes.push(Cause::invalid("spec.output.to.kind", &to["kind"], why));
        }
        causes.extend(tag_name(to, "spec.output.to"));
    }
    causes
}

fn image_source(from: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !matches!(
        text(from, "/kind"),
        "ImageStreamTag" | "ImageStreamImage" | "DockerImage"
    ) {
        causes.push(Cause::invalid(
            join(path, "kind"),
            &from["kind"],
            "the source of a builder image must be an 'ImageStreamTag', 'ImageStreamImage', or 'DockerImage'",
        ));
    }
    causes.extend(tag_name(from, path));
    causes
}

/// What is wrong with the name of an image; that of an `ImageStreamTag` has two parts.
pub(super) fn tag_name(from: &Value, path: &str) -> Option<Cause> {
    let name = text(from, "/name");
    let field = join(path, "name");
    if name.is_empty() {
        return Some(Cause::required(field, ""));
    }
    let parts = name
        .split_once(':')
        .filter(|(stream, tag)| !stream.is_empty() && !tag.is_empty());
    if from["kind"] != "ImageStreamTag" || parts.is_some() {
        return None;
    }
    let why = "ImageStreamTag object references must be in the form <name>:<tag>";
    Some(Cause::invalid(field, &name.into(), why))
}

fn build_trigger(trigger: &Value, path: &str) -> Vec<Cause> {
    let kind = text(trigger, "/type");
    let field = match kind {
        "ConfigChange" => return Vec::new(),
        "ImageChange" | "imageChange" => "imageChange",
        "GitHub" | "github" => "github",
        "GitLab" => "gitlab",
        "Bitbucket" => "bitbucket",
        "Generic" | "generic" => "generic",
        "" => return vec![Cause::required(join(path, "type"), "")],
        _ => {
            let why = "invalid trigger type";
            return vec![Cause::invalid(join(path, "type"), &kind.into(), why)];
        }
    };
    let own = &trigger[field];
    if own.is_null() {
        return vec![Cause::required(join(path, field), "")];
    }
    if field == "imageChange" && own["from"].is_object() {
        let path = join(path, "imageChange.from");
        if own["from"]["kind"] != "ImageStreamTag" {
            let why =
                "only an ImageStreamTag type of reference is allowed in an ImageChange trigger.";
            let field = join(&path, "kind");
            return vec![Cause::invalid(field, &own["from"]["kind"], why)];
        }
        return Vec::from_iter(tag_name(&own["from"], &path));
    }
    Vec::new()
}

/// What is wrong with an `ImageStream` beyond its schema.
pub(super) fn image_stream(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if is_same_spec(new, old) {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (_, tag) in entries(&new["spec"], "spec", "tags") {
        let name = text(tag, "/name");
        let path = format!("spec.tags[{name}]");
        if !seen.insert(name) {
            causes.push(Cause::duplicate(join(&path, "name"), &name.into()));
        }
        let from = &tag["from"];
        if !from.is_object() {
            continue;
        }
        if !matches!(
            text(from, "/kind"),
            "DockerImage" | "ImageStreamImage" | "ImageStreamTag"
        ) {
            let why = "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'";
            causes.push(Cause::invalid(join(&path, "from.kind"), &from["kind"], why));
        }
        if text(from, "/name").is_empty() {
            causes.push(Cause::required(join(&path, "from.name"), ""));
        }
    }
    causes
}

/// What is wrong with a Route beyond its schema.
pub(super) fn route(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(old) = old {
        causes.extend(change::fixed(new, old, "/spec/wildcardPolicy"));
    }
    if is_same_spec(new, old) || !new["spec"].is_object() {
        return causes;
    }
    let spec = &new["spec"];
    let host = text(spec, "/host");
    if let Some(why) = names::dns_subdomain(host).filter(|_| !host.is_empty()) {
        causes.push(Cause::invalid("spec.host", &host.into(), why));
    }
    for (n, label) in host.split('.').enumerate() {
        if label.len() > 63 {
            let why = format!("label {} must be no more than 63 characters", n + 1);
            causes.push(Cause::invalid("spec.host", &host.into(), why));
        }
    }
    if host.is_empty() && spec["wildcardPolicy"] == "Subdomain" {
        causes.push(Cause::invalid(
            "spec.wildcardPolicy",
            &spec["wildcardPolicy"],
            "host name not specified for wildcard policy",
        ));
    }
    let path = text(spec, "/path");
    if !path.is_empty() && !path.starts_with('/') {
        causes.push(Cause::invalid(
            "spec.path",
            &path.into(),
            "path must begin with /",
        ));
    }
    let port = &spec["port"]["targetPort"];
    if *port == 0 || *port == "" {
        causes.push(Cause::required("spec.port.targetPort", ""));
    }
    causes.extend(tls(spec));
    causes
}

fn tls(spec: &Value) -> Vec<Cause> {
    let tls = &spec["tls"];
    let mut causes = Vec::new();
    let is_passthrough = tls["termination"] == "passthrough";
    let hidden = Value::from("redacted certificate data");
    let refused: &[&str] = match text(tls, "/termination") {
        "passthrough" => &[
            "certificate",
            "key",
            "caCertificate",
            "destinationCACertificate",
        ],
        "edge" => &["destinationCACertificate"],
        _ => &[],
    };
    for field in refused {
        if !text(tls, &format!("/{field}")).is_empty() {
            let noun = if is_passthrough { "" } else { "destination " };
            let why = format!(
                "{} termination does not support {noun}certificates",
                text(tls, "/termination")
            );
            causes.push(Cause::invalid(join("spec.tls", field), &hidden, why));
        }
    }
    if is_passthrough && present(spec, "/path").is_some_and(|path| *path != "") {
        causes.push(Cause::invalid(
            "spec.path",
            &spec["path"],
            "passthrough termination does not support paths",
        ));
    }
    let policy = text(tls, "/insecureEdgeTerminationPolicy");
    if is_passthrough && policy == "Allow" {
        causes.push(Cause::invalid(
            "spec.tls.insecureEdgeTerminationPolicy",
            &policy.into(),
            "invalid value: Allow",
        ));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::super::fields;
    use super::*;
    use crate::api::kinds::Kind;
    use serde_json::json;

    fn object(kind: &Kind, mut object: Value) -> Value {
        object["metadata"] = json!({"name": "a", "namespace": "d"});
        defaults::fill(kind, &mut object);
        object
    }

    #[track_caller]
    fn check(kind: &Kind, new: Value, old: Option<Value>, expect: &[&str]) {
        let old = old.map(|old| object(kind, old));
        let found = fields(&admit(kind, &object(kind, new), old.as_ref()));
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.starts_with(expect), "{found}");
        }
    }

    fn build_spec() -> Value {
        json!({
            "source": {"git": {"uri": "https://x/y"}},
            "strategy": {"sourceStrategy": {"from": {"name": "python:latest"}}},
            "output": {"to": {"name": "x:latest"}},
        })
    }

    #[test]
    fn build_configs_say_how_and_where_to() {
        let kind = &kinds::BUILD_CONFIG;
        check(kind, json!({"spec": build_spec()}), None, &[]);
        check(
            kind,
            json!({"spec": {
                "source": {"contextDir": "../x", "git": {"uri": "--upload-pack=x"}},
                "strategy": {"sourceStrategy": {"from": {"kind": "Gear", "name": "x"}, "env": [{"name": "1"}]}, "dockerStrategy": {}},
                "output": {"to": {"kind": "ImageStreamTag", "name": "x"}},
                "triggers": [{"type": "GitHub"}, {"type": "x"}, {"type": "Generic", "generic": {"secret": "x"}},
                    {"type": "ImageChange", "imageChange": {"from": {"kind": "ImageStreamTag", "name": ":x"}}}],
            }}),
            None,
            &[
                "spec.source.contextDir: Invalid value: \"../x\"",
                "spec.source.git.uri: Invalid value: \"--upload-pack=x\": uri is not a valid url",
                "spec.strategy: Invalid value",
                "spec.strategy.sourceStrategy.from.kind: Invalid value: \"Gear\"",
                "spec.strategy.sourceStrategy.env[0].name: Invalid value: \"1\"",
                "spec.output.to.name: Invalid value: \"x\": ImageStreamTag object references",
                "spec.triggers[0].github: Required value",
                "spec.triggers[1].type: Invalid value: \"x\": invalid trigger type",
                "spec.triggers[3].imageChange.from.name: Invalid value: \":x\"",
            ],
        );
    }

    #[test]
    fn builds_stay_as_they_were_made() {
        let kind = &kinds::BUILD;
        let with = |phase: &str, change: fn(&mut Value)| {
            let mut build = json!({"spec": build_spec(), "status": {"phase": phase}});
            change(&mut build["spec"]);
            build
        };
        let same: fn(&mut Value) = |_| {};
        let resolved: fn(&mut Value) = |spec| {
            spec["strategy"]["sourceStrategy"]["from"] =
                json!({"kind": "DockerImage", "name": "r/d/x@sha256:0"});
        };
        let revised: fn(&mut Value) = |spec| spec["revision"] = json!({"type": "Git"});
        let moved: fn(&mut Value) = |spec| spec["source"]["git"]["uri"] = "y".into();
        check(
            kind,
            with("Pending", resolved),
            Some(with("New", same)),
            &[],
        );
        check(
            kind,
            with("Complete", revised),
            Some(with("Running", same)),
            &[],
        );
        let immutable = "spec: Invalid value: \"content of spec is not printed out";
        check(
            kind,
            with("Running", resolved),
            Some(with("Running", same)),
            &[immutable],
        );
        check(
            kind,
            with("New", moved),
            Some(with("New", same)),
            &[immutable],
        );
        check(
            kind,
            with("Running", same),
            Some(with("Failed", same)),
            &[
                "status.phase: Invalid value: \"Running\": phase cannot be updated from a terminal state",
            ],
        );
    }

    #[test]
    fn streams_have_each_tag_once() {
        check(
            &kinds::IMAGE_STREAM,
            json!({"spec": {"tags": [{"name": "a", "from": {"kind": "DockerImage", "name": "x"}}, {"name": "a", "from": {"kind": "Pod"}}]}}),
            None,
            &[
                "spec.tags[a].name: Duplicate value: \"a\"",
                "spec.tags[a].from.kind: Invalid value: \"Pod\": valid values are",
                "spec.tags[a].from.name: Required value",
            ],
        );
    }

    #[test]
    fn routes_as_openshift_checks_them() {
        let kind = &kinds::ROUTE;
        let to = json!({"name": "s"});
        check(
            kind,
            json!({"spec": {"to": to, "host": "a.b", "path": "/x"}}),
            None,
            &[],
        );
        check(
            kind,
            json!({"spec": {
                "to": {"name": "s", "weight": 257, "kind": "Pod"}, "host": "A_b", "path": "x", "port": {"targetPort": 0},
                "tls": {"termination": "passthrough", "certificate": "x", "insecureEdgeTerminationPolicy": "Allow"},
            }}),
            None,
            &[
                "spec.to.kind: Unsupported value: \"Pod\"",
                "spec.to.weight: Invalid value: 257",
                "spec.host: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain",
                "spec.path: Invalid value: \"x\": path must begin with /",
                "spec.port.targetPort: Required value",
                "spec.tls.certificate: Invalid value: \"redacted certificate data\": passthrough termination does not support certificates",
                "spec.path: Invalid value: \"x\": passthrough termination does not support paths",
                "spec.tls.insecureEdgeTerminationPolicy: Invalid value: \"Allow\"",
            ],
        );
        check(
            kind,
            json!({"spec": {"to": to, "wildcardPolicy": "Subdomain", "tls": {"termination": "edge", "destinationCACertificate": "x"}}}),
            None,
            &[
                "spec.wildcardPolicy: Invalid value: \"Subdomain\": host name not specified",
                "spec.tls.destinationCACertificate: Invalid value: \"redacted certificate data\": edge termination does not support destination certificates",
            ],
        );
        let four = vec![to.clone(); 4];
        check(
            kind,
            json!({"spec": {"to": to, "alternateBackends": four}}),
            None,
            &["spec.alternateBackends: Invalid value: 4"],
        );
    }
}
