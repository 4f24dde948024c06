//! Columns of OpenShift's builds, images, deployment configs and routes.
//!
//! Sources: facts/oc.md 4.5; cells as in openshift-apiserver's `printers/internalversion`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Column;
use super::cells::NAME;
use super::cells::list_at;
use super::cells::number_at;
use super::cells::text_at;
use super::column;
use super::wide;
use crate::base::clock::Timestamp;
use crate::base::text;

pub(super) static DEPLOYMENT_CONFIG: [Column; 5] = [
    NAME,
    column("Revision", "The newest version.", |object, _| {
        number_at(object, "/status/latestVersion").into()
    }),
    column("Desired", "How many pods are wanted.", |object, _| {
        let replicas = number_at(object, "/spec/replicas");
        if object["spec"]["test"] == true {
            format!("{replicas} (during test)").into()
        } else {
            replicas.into()
        }
    }),
    column(
        "Current",
        "How many pods are of the newest version.",
        |object, _| number_at(object, "/status/updatedReplicas").into(),
    ),
    column("Triggered By", "What begins a new version.", triggers),
];
pub(super) static BUILD_CONFIG: [Column; 4] = [
    NAME,
    TYPE,
    FROM,
    column("Latest", "The number of the newest build.", |object, _| {
        number_at(object, "/status/lastVersion").into()
    }),
];
pub(super) static BUILD: [Column; 6] = [
    NAME,
    TYPE,
    FROM,
    column("Status", "How far it is.", |object, _| {
        let phase = text_at(object, "/status/phase");
        match text_at(object, "/status/reason") {
            "" => phase.into(),
            reason => format!("{phase} ({reason})").into(),
        }
    }),
    column("Started", "When it began.", |object, now| {
        ago(text_at(object, "/status/startTimestamp"), now).into()
    }),
    column("Duration", "How long it took.", duration),
];
pub(super) static IMAGE_STREAM: [Column; 4] = [
    NAME,
    column(
        "Image Repository",
        "Where images are pushed.",
        |object, _| {
            match text_at(object, "/status/publicDockerImageRepository") {
                "" => text_at(object, "/status/dockerImageRepository"),
                public => public,
            }
            .into()
        },
    ),
    column("Tags", "Its tags, the newest first.", |object, _| {
        let names: Vec<&str> = tags(object).into_iter().map(|(_, name)| name).collect();
        up_to(&names, 40).into()
    }),
    column("Updated", "When a tag changed last.", |object, now| {
        let newest = tags(object).first().map(|(created, _)| *created);
        ago(newest.unwrap_or_default(), now).into()
    }),
];
pub(super) static IMAGE_STREAM_TAG: [Column; 4] = [
    NAME,
    column("Image Reference", "Where the image is.", |object, _| {
        text_at(object, "/image/dockerImageReference").into()
    }),
    column("Updated", "When it changed last.", |object, now| {
        ago(text_at(object, "/metadata/creationTimestamp"), now).into()
    }),
    wide("Image Name", "The image.", |object, _| {
        text_at(object, "/image/metadata/name").into()
    }),
];
pub(super) static IMAGE: [Column; 2] = [
    NAME,
    column("Image Reference", "Where it is.", |object, _| {
        text_at(object, "/dockerImageReference").into()
    }),
];
pub(super) static ROUTE: [Column; 7] = [
    NAME,
    column("Host/Port", "The host name.", route_host),
    column("Path", "Where paths must begin.", |object, _| {
        text_at(object, "/spec/path").into()
    }),
    column("Services", "The services it leads to.", route_services),
    column(
        "Port",
        "The port of the service.",
        |object, _| match &object["spec"]["port"]["targetPort"] {
            Value::Null => "<all>".into(),
            Value::Number(port) => port.to_string().into(),
            name => name.clone(),
        },
    ),
    column("Termination", "Where encryption ends.", route_termination),
    column(
        "Wildcard",
        "Whether names below the host count.",
        |object, _| text_at(object, "/spec/wildcardPolicy").into(),
    ),
];

const TYPE: Column = column("Type", "How the image is made.", |object, _| {
    strategy(object).into()
});
const FROM: Column = column("From", "Where the source is.", source);

fn triggers(object: &Value, _: Timestamp) -> Value {
    let mut words = BTreeSet::new();
    for trigger in list_at(object, "/spec/triggers") {
        match text_at(trigger, "/type") {
            "ConfigChange" => words.insert("config".to_owned()),
            "ImageChange" => {
                let follows = &trigger["imageChangeParams"];
                follows["automatic"] == true
                    && words.insert(format!("image({})", text_at(follows, "/from/name")))
            }
            other => words.insert(other.to_owned()),
        };
    }
    Vec::from_iter(words).join(",").into()
}

fn strategy(object: &Value) -> &str {
    let strategy = &object["spec"]["strategy"];
    let written = [
        ("sourceStrategy", "Source"),
        ("dockerStrategy", "Docker"),
        ("customStrategy", "Custom"),
        ("jenkinsPipelineStrategy", "JenkinsPipeline"),
    ];
    let found = written.iter().find(|(name, _)| strategy[*name].is_object());
    found.map_or_else(|| text_at(object, "/spec/strategy/type"), |(_, kind)| kind)
}

fn source(object: &Value, _: Timestamp) -> Value {
    let source = &object["spec"]["source"];
    let has = |name: &str| !source[name].is_null() && source[name] != "";
    let revision = match text_at(object, "/spec/revision/git/commit") {
        "" => text_at(object, "/spec/source/git/ref"),
        commit => commit,
    };
    let kind = match (has("binary"), has("dockerfile"), has("git")) {
        (true, _, _) => "Binary",
        (_, true, true) => "Dockerfile,Git",
        (_, true, false) => return "Dockerfile".into(),
        (_, false, true) => "Git",
        _ => return text_at(source, "/type").into(),
    };
    match revision {
        "" => kind.into(),
        revision => format!("{kind}@{}", short_commit(revision)).into(),
    }
}

/// A whole hash by its first letters; anything else as it is.
fn short_commit(revision: &str) -> &str {
    let is_hash = revision.len() >= 20 && revision.bytes().all(|c| c.is_ascii_hexdigit());
    if is_hash { &revision[..7] } else { revision }
}

fn duration(object: &Value, now: Timestamp) -> Value {
    let moment = |field: &str| object["status"][field].as_str()?.parse::<Timestamp>().ok();
    let Some(start) = moment("startTimestamp") else {
        return "".into();
    };
    let is_over = !matches!(
        text_at(object, "/status/phase"),
        "" | "New" | "Pending" | "Running"
    );
    match moment("completionTimestamp") {
        None if is_over => "".into(),
        end => text::span(end.unwrap_or(now).since(start)).into(),
    }
}

fn ago(moment: &str, now: Timestamp) -> String {
    let moment = moment.parse::<Timestamp>();
    moment.map_or_else(
        |_| String::new(),
        |moment| {
            let about = text::about(now.since(moment));
            let mut letters = about.chars();
            let first = letters.next().map(|first| first.to_ascii_lowercase());
            format!("{}{} ago", first.unwrap_or_default(), letters.as_str())
        },
    )
}

/// The tags of a stream with the moment of their newest image, the newest first.
fn tags(stream: &Value) -> Vec<(&str, &str)> {
    let mut tags: Vec<(&str, &str)> = list_at(stream, "/status/tags")
        .map(|tag| (text_at(tag, "/items/0/created"), text_at(tag, "/tag")))
        .collect();
    for tag in list_at(stream, "/spec/tags") {
        let name = text_at(tag, "/name");
        if tags.iter().all(|(_, known)| *known != name) {
            tags.push(("", name));
        }
    }
    tags.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.cmp(b)));
    tags
}

/// As many words as fit, and how many more there are.
fn up_to(words: &[&str], most: usize) -> String {
    let mut line = String::new();
    for (n, word) in words.iter().enumerate() {
        if n > 0 && line.len() + 1 + word.len() > most {
            return format!("{line} + {} more...", words.len() - n);
        }
        if n > 0 {
            line.push(',');
        }
        line.push_str(word);
    }
    line
}

fn route_host(object: &Value, _: Timestamp) -> Value {
    let ingress: Vec<&Value> = list_at(object, "/status/ingress").collect();
    if ingress.is_empty() {
        return text_at(object, "/spec/host").into();
    }
    let said = |wanted: &str| {
        ingress
            .iter()
            .filter_map(|one| {
                let admitted = list_at(one, "/conditions").find(|one| one["type"] == "Admitted")?;
                (admitted["status"] == wanted).then_some((*one, admitted))
            })
            .collect::<Vec<(&Value, &Value)>>()
    };
    let (admitted, rejected) = (said("True"), said("False"));
    let host = admitted
        .first()
        .map_or("", |(one, _)| text_at(one, "/host"));
    match (admitted.len(), rejected.last()) {
        (0, None) => "Pending".into(),
        (0, Some((_, why))) => text_at(why, "/reason").into(),
        (_, Some(_)) => format!("{host} ... {} rejected", rejected.len()).into(),
        (1, None) => host.into(),
        (count, None) => format!("{host} ... {} more", count - 1).into(),
    }
}

fn route_services(object: &Value, _: Timestamp) -> Value {
    let others: Vec<&Value> = list_at(object, "/spec/alternateBackends").collect();
    let main = &object["spec"]["to"];
    if others.is_empty() {
        return text_at(main, "/name").into();
    }
    let all: Vec<&Value> = std::iter::once(main).chain(others).collect();
    let total: u64 = all.iter().map(|one| number_at(one, "/weight")).sum();
    let words: Vec<String> = all
        .into_iter()
        .map(|one| {
            let name = text_at(one, "/name");
            match one["weight"].as_u64() {
                None => name.to_owned(),
                Some(weight) => {
                    let share = (weight * 100).checked_div(total).unwrap_or(0);
                    format!("{name}({share}%)")
                }
            }
        })
        .collect();
    words.join(",").into()
}

fn route_termination(object: &Value, _: Timestamp) -> Value {
    let kind = text_at(object, "/spec/tls/termination");
    match text_at(object, "/spec/tls/insecureEdgeTerminationPolicy") {
        "" => kind.into(),
        policy if kind.is_empty() => format!("default/{policy}").into(),
        policy => format!("{kind}/{policy}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::IncludeObject;
    use super::super::of;
    use super::super::tests::check;
    use super::*;
    use crate::api::kinds;
    use crate::api::kinds::Kind;
    use serde_json::json;

    #[track_caller]
    fn check_named(kind: &Kind, mut object: Value, expect: &str) {
        object["metadata"]["name"] = "a".into();
        check(kind, &object, expect);
    }

    #[test]
    fn deployment_configs() {
        let tag = |name: &str, automatic: bool| {
            json!({"type": "ImageChange", "imageChangeParams": {
            "automatic": automatic, "from": {"kind": "ImageStreamTag", "name": name}}})
        };
        check_named(
            &kinds::DEPLOYMENT_CONFIG,
            json!({
                "spec": {"replicas": 2, "triggers": [tag("ruby-ex:latest", true), {"type": "ConfigChange"}, tag("x:1", false)]},
                "status": {"latestVersion": 3, "updatedReplicas": 1},
            }),
            "a · 3 · 2 · 1 · config,image(ruby-ex:latest)",
        );
        check_named(
            &kinds::DEPLOYMENT_CONFIG,
            json!({"spec": {"replicas": 1, "test": true, "triggers": []}}),
            "a · 0 · 1 (during test) · 0 · ",
        );
    }

    #[test]
    fn builds_and_their_configs() {
        let git = |reference: &str| json!({"type": "Git", "git": {"uri": "x", "ref": reference}});
        let python = json!({"type": "Source", "sourceStrategy": {"from": {}}});
        check_named(
            &kinds::BUILD_CONFIG,
            json!({"spec": {"source": git("main"), "strategy": python}, "status": {"lastVersion": 4}}),
            "a · Source · Git@main · 4",
        );
        check_named(
            &kinds::BUILD_CONFIG,
            json!({"spec": {"source": {"type": "Binary", "binary": {}}, "strategy": {"dockerStrategy": {}}}}),
            "a · Docker · Binary · 0",
        );
        check_named(
            &kinds::BUILD,
            json!({
                "spec": {"source": git(""), "strategy": python, "revision": {"git": {"commit": "bbb6701c0123456789abcdef0123456789abcdef"}}},
                "status": {"phase": "Failed", "reason": "AssembleFailed",
                    "startTimestamp": "2027-01-15T06:00:00Z", "completionTimestamp": "2027-01-15T06:02:00Z"},
            }),
            "a · Source · Git@bbb6701 · Failed (AssembleFailed) · 2 hours ago · 2m0s",
        );
        check_named(
            &kinds::BUILD,
            json!({"spec": {"source": git(""), "strategy": python}, "status": {"phase": "Running", "startTimestamp": "2027-01-15T07:59:30Z"}}),
            "a · Source · Git · Running · 30 seconds ago · 30s",
        );
        check_named(
            &kinds::BUILD,
            json!({"spec": {"source": {"dockerfile": "FROM x", "git": {"uri": "x"}}}, "status": {"phase": "New"}}),
            "a ·  · Dockerfile,Git · New ·  · ",
        );
    }

    #[test]
    fn builds_stand_in_the_order_of_their_making() {
        let build =
            |name: &str, time: &str| json!({"metadata": {"name": name, "creationTimestamp": time}});
        let tenth = build("a-10", "2027-01-15T07:10:00Z");
        let second = build("a-2", "2027-01-15T07:02:00Z");
        let table = of(
            &kinds::BUILD,
            [&tenth, &second],
            IncludeObject::None,
            Timestamp::from_second(0),
        );
        let names: Vec<&Value> = list_at(&table, "/rows")
            .map(|row| &row["cells"][0])
            .collect();
        assert_eq!(names, ["a-2", "a-10"]);
    }

    #[test]
    fn image_streams() {
        let tag = |name: &str, created: &str| json!({"tag": name, "items": [{"created": created}]});
        check_named(
            &kinds::IMAGE_STREAM,
            json!({
                "spec": {"tags": [{"name": "wanted"}, {"name": "old"}]},
                "status": {"dockerImageRepository": "r/d/a", "tags": [
                    tag("old", "2027-01-01T00:00:00Z"), tag("latest", "2027-01-15T06:59:00Z")]},
            }),
            "a · r/d/a · latest,old,wanted · about an hour ago",
        );
        assert_eq!(up_to(&["a", "b"], 40), "a,b");
        assert_eq!(up_to(&["aaa", "bbb", "c"], 6), "aaa + 2 more...");
        check_named(&kinds::IMAGE_STREAM, json!({}), "a ·  ·  · ");
        check_named(
            &kinds::IMAGE,
            json!({"dockerImageReference": "r/d/a@sha256:1"}),
            "a · r/d/a@sha256:1",
        );
    }

    #[test]
    fn routes() {
        let to =
            |name: &str, weight: u64| json!({"kind": "Service", "name": name, "weight": weight});
        check_named(
            &kinds::ROUTE,
            json!({"spec": {"host": "h", "to": to("s", 100), "port": {"targetPort": "8080-tcp"}, "wildcardPolicy": "None"}}),
            "a · h ·  · s · 8080-tcp ·  · None",
        );
        check_named(
            &kinds::ROUTE,
            json!({"spec": {
                "host": "h", "path": "/x", "to": to("a", 100), "alternateBackends": [to("b", 50), to("c", 0)],
                "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
            }}),
            "a · h · /x · a(66%),b(33%),c(0%) · <all> · edge/Redirect · ",
        );
    }

    #[test]
    fn hosts_of_routes_are_those_admitted() {
        let ingress = |host: &str, status: &str, reason: &str| json!({"host": host, "conditions": [{"type": "Admitted", "status": status, "reason": reason}]});
        let good = ingress("h", "True", "");
        let bad = ingress("h", "False", "HostAlreadyClaimed");
        for (all, expect) in [
            (vec![json!({"host": "h"})], "Pending"),
            (vec![good.clone()], "h"),
            (vec![good.clone(), good.clone()], "h ... 1 more"),
            (vec![bad.clone()], "HostAlreadyClaimed"),
            (vec![good, bad], "h ... 1 rejected"),
        ] {
            let route = json!({"spec": {"host": "x"}, "status": {"ingress": all}});
            assert_eq!(route_host(&route, Timestamp::from_second(0)), expect);
        }
    }
}
