//! Columns of the kinds of Kubernetes and OpenShift.

use serde_json::Value;

use super::Column;
use super::cells::AGE;
use super::cells::NAME;
use super::cells::NONE;
use super::cells::cell_at;
use super::cells::count_at;
use super::cells::list_at;
use super::cells::or_none;
use super::cells::pairs;
use super::cells::since;
use super::cells::some;
use super::cells::text_at;
use super::column;
use super::wide;
use crate::base::clock::Timestamp;

const STATUS: Column = column("Status", "Whether it is on its way out.", |object, _| {
    text_at(object, "/status/phase").into()
});

pub(super) static OTHER: [Column; 2] = [NAME, AGE];
pub(super) static NAMESPACE: [Column; 3] = [NAME, STATUS, AGE];
pub(super) static PROJECT: [Column; 3] = [
    NAME,
    column("Display Name", "Its name for people.", |object, _| {
        object["metadata"]["annotations"]["openshift.io/display-name"]
            .as_str()
            .unwrap_or("")
            .into()
    }),
    STATUS,
];
pub(super) static USER: [Column; 4] = [
    NAME,
    column("UID", "Never used twice.", |object, _| {
        text_at(object, "/metadata/uid").into()
    }),
    column("Full Name", "The name for people.", |object, _| {
        text_at(object, "/fullName").into()
    }),
    column(
        "Identities",
        "How the user is known elsewhere.",
        |object, _| {
            let names: Vec<&str> = list_at(object, "/identities")
                .filter_map(Value::as_str)
                .collect();
            names.join(",").into()
        },
    ),
];
pub(super) static SECRET: [Column; 4] = [
    NAME,
    column("Type", "What kind of secret it is.", |object, _| {
        text_at(object, "/type").into()
    }),
    column("Data", "How many values it has.", |object, _| {
        count_at(object, "/data").into()
    }),
    AGE,
];
pub(super) static CONFIG_MAP: [Column; 3] = [
    NAME,
    column("Data", "How many values it has.", |object, _| {
        (count_at(object, "/data") + count_at(object, "/binaryData")).into()
    }),
    AGE,
];
pub(super) static LEASE: [Column; 3] = [
    NAME,
    column("Holder", "Who holds it.", |object, _| {
        cell_at(object, "/spec/holderIdentity")
    }),
    AGE,
];
pub(super) static ENDPOINT_SLICE: [Column; 5] = [
    NAME,
    column("AddressType", "What the addresses are.", |object, _| {
        text_at(object, "/addressType").into()
    }),
    column("Ports", "The ports of every endpoint.", slice_ports),
    column("Endpoints", "Where they are reached.", slice_endpoints),
    AGE,
];
pub(super) static SERVICE: [Column; 7] = [
    NAME,
    column("Type", "Who can reach it.", |object, _| {
        match text_at(object, "/spec/type") {
            "" => "ClusterIP",
            kind => kind,
        }
        .into()
    }),
    column(
        "Cluster-IP",
        "Its address inside the cluster.",
        |object, _| cell_at(object, "/spec/clusterIP"),
    ),
    column("External-IP", "Its addresses outside.", external_ip),
    column("Port(s)", "What it listens on.", service_ports),
    AGE,
    wide("Selector", "The labels it leads to.", |object, _| {
        pairs(&object["spec"]["selector"]).into()
    }),
];
pub(super) static NODE: [Column; 10] = [
    NAME,
    column("Status", "Whether its agent is heard.", node_status),
    column("Roles", "What it is for.", node_roles),
    AGE,
    column("Version", "The agent's version.", |object, _| {
        text_at(object, "/status/nodeInfo/kubeletVersion").into()
    }),
    wide("Internal-IP", "Where it is reached.", |object, _| {
        node_address(object, "InternalIP")
    }),
    wide(
        "External-IP",
        "Where it is reached from outside.",
        |object, _| node_address(object, "ExternalIP"),
    ),
    wide("OS-Image", "Its system.", |object, _| {
        node_info(object, "osImage")
    }),
    wide("Kernel-Version", "Its kernel.", |object, _| {
        node_info(object, "kernelVersion")
    }),
    wide("Container-Runtime", "What runs its pods.", |object, _| {
        node_info(object, "containerRuntimeVersion")
    }),
];
pub(super) static EVENT: [Column; 10] = [
    column("Last Seen", "When it happened last.", |object, now| {
        last_seen(object, now).into()
    }),
    column("Type", "Normal or Warning.", |object, _| {
        text_at(object, "/type").into()
    }),
    column("Reason", "What happened, in one word.", |object, _| {
        text_at(object, "/reason").into()
    }),
    column("Object", "What it happened to.", |object, _| {
        let kind = text_at(object, "/involvedObject/kind").to_lowercase();
        format!("{kind}/{}", text_at(object, "/involvedObject/name")).into()
    }),
    wide("Subobject", "The part it happened to.", |object, _| {
        text_at(object, "/involvedObject/fieldPath").into()
    }),
    wide("Source", "Who says so.", event_source),
    column("Message", "What happened.", |object, _| {
        text_at(object, "/message").trim().into()
    }),
    wide("First Seen", "When it happened first.", |object, now| {
        match text_at(object, "/firstTimestamp") {
            "" => since(object, "/eventTime", now),
            _ => since(object, "/firstTimestamp", now),
        }
        .into()
    }),
    wide("Count", "How often it happened.", |object, _| {
        object["count"]
            .as_u64()
            .filter(|count| *count > 0)
            .unwrap_or(1)
            .into()
    }),
    wide("Name", "The event's name.", |object, _| {
        text_at(object, "/metadata/name").into()
    }),
];

fn slice_ports(object: &Value, _: Timestamp) -> Value {
    let ports: Vec<String> = list_at(object, "/ports")
        .map(|port| {
            port["port"]
                .as_u64()
                .map_or_else(|| "*".to_owned(), |port| port.to_string())
        })
        .collect();
    match ports.len() {
        0 => "<unset>".into(),
        _ => some(&ports, 3).into(),
    }
}

fn slice_endpoints(object: &Value, _: Timestamp) -> Value {
    let addresses: Vec<String> = list_at(object, "/endpoints")
        .flat_map(|endpoint| list_at(endpoint, "/addresses"))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    match addresses.len() {
        0 => "<unset>".into(),
        _ => some(&addresses, 3).into(),
    }
}

fn external_ip(object: &Value, _: Timestamp) -> Value {
    let given = list_at(object, "/spec/externalIPs").filter_map(Value::as_str);
    let ingress = list_at(object, "/status/loadBalancer/ingress")
        .filter_map(|one| one["ip"].as_str().or_else(|| one["hostname"].as_str()));
    let all: Vec<&str> = match text_at(object, "/spec/type") {
        "ExternalName" => return cell_at(object, "/spec/externalName"),
        "LoadBalancer" => ingress.chain(given).collect(),
        _ => given.collect(),
    };
    match (all.is_empty(), text_at(object, "/spec/type")) {
        (true, "LoadBalancer") => "<pending>".into(),
        _ => or_none(&all.join(",")),
    }
}

fn service_ports(object: &Value, _: Timestamp) -> Value {
    let ports: Vec<String> = list_at(object, "/spec/ports")
        .map(|port| {
            let protocol = match text_at(port, "/protocol") {
                "" => "TCP",
                protocol => protocol,
            };
            match port["nodePort"].as_u64() {
                Some(node_port) if node_port > 0 => {
                    format!("{}:{node_port}/{protocol}", port["port"])
                }
                _ => format!("{}/{protocol}", port["port"]),
            }
        })
        .collect();
    or_none(&ports.join(","))
}

fn node_status(object: &Value, _: Timestamp) -> Value {
    let ready = list_at(object, "/status/conditions").find(|one| one["type"] == "Ready");
    let mut status = match ready {
        None => "Unknown",
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status.into()
}

fn node_roles(object: &Value, _: Timestamp) -> Value {
    let labels = object["metadata"]["labels"].as_object();
    let roles: Vec<&str> = labels
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"))
        .filter(|role| !role.is_empty())
        .collect();
    or_none(&roles.join(","))
}

fn node_address(object: &Value, kind: &str) -> Value {
    let address = list_at(object, "/status/addresses").find(|one| one["type"] == kind);
    or_none(address.map_or("", |one| text_at(one, "/address")))
}

fn node_info(object: &Value, field: &str) -> Value {
    match object["status"]["nodeInfo"][field].as_str().unwrap_or("") {
        "" => "<unknown>",
        text => text,
    }
    .into()
}

fn last_seen(object: &Value, now: Timestamp) -> String {
    let moments = [
        "/lastTimestamp",
        "/eventTime",
        "/firstTimestamp",
        "/metadata/creationTimestamp",
    ];
    let moment = moments
        .iter()
        .find(|moment| !text_at(object, moment).is_empty());
    moment.map_or_else(
        || "<unknown>".to_owned(),
        |moment| since(object, moment, now),
    )
}

fn event_source(object: &Value, _: Timestamp) -> Value {
    let component = match text_at(object, "/source/component") {
        "" => text_at(object, "/reportingComponent"),
        component => component,
    };
    match (component, text_at(object, "/source/host")) {
        ("", "") => NONE.into(),
        (component, "") => component.into(),
        (component, host) => format!("{component}, {host}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use crate::api::kinds;
    use serde_json::Value;
    use serde_json::json;

    /// With metadata of an object named `a` that is 56 minutes old.
    fn object(mut object: Value) -> Value {
        object["metadata"]["name"] = "a".into();
        object["metadata"]["creationTimestamp"] = "2027-01-15T07:04:00Z".into();
        object
    }

    #[test]
    fn nodes_and_names() {
        check(
            &kinds::NAMESPACE,
            &object(json!({"status": {"phase": "Active"}})),
            "a · Active · 56m",
        );
        check(
            &kinds::PROJECT,
            &object(
                json!({"metadata": {"annotations": {"openshift.io/display-name": "A B"}}, "status": {"phase": "Active"}}),
            ),
            "a · A B · Active",
        );
        check(
            &kinds::NODE,
            &object(json!({
                "metadata": {"labels": {"node-role.kubernetes.io/infra": "", "node-role.kubernetes.io/compute": ""}},
                "spec": {"unschedulable": true},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"kubeletVersion": "0.1.0", "kernelVersion": "6.1"},
                },
            })),
            "a · Ready,SchedulingDisabled · compute,infra · 56m · 0.1.0 | 10.0.0.1 · <none> · <unknown> · 6.1 · <unknown>",
        );
        check(
            &kinds::NODE,
            &object(json!({})),
            "a · Unknown · <none> · 56m ·  | <none> · <none> · <unknown> · <unknown> · <unknown>",
        );
    }

    #[test]
    fn services_as_oc_shows_them() {
        check(
            &kinds::SERVICE,
            &object(
                json!({"spec": {"clusterIP": "10.0.0.1", "selector": {"b": "2", "a": "1"}, "ports": [
                {"port": 80, "protocol": "TCP"}, {"port": 81, "nodePort": 30081, "protocol": "UDP"}]}}),
            ),
            "a · ClusterIP · 10.0.0.1 · <none> · 80/TCP,81:30081/UDP · 56m | a=1,b=2",
        );
        check(
            &kinds::SERVICE,
            &object(json!({"spec": {"type": "LoadBalancer"}})),
            "a · LoadBalancer · <none> · <pending> · <none> · 56m | <none>",
        );
        check(
            &kinds::SERVICE,
            &object(json!({"spec": {"type": "ExternalName", "externalName": "x.y"}})),
            "a · ExternalName · <none> · x.y · <none> · 56m | <none>",
        );
    }

    #[test]
    fn the_rest() {
        check(
            &kinds::SECRET,
            &object(json!({"type": "Opaque", "data": {"x": "", "y": ""}})),
            "a · Opaque · 2 · 56m",
        );
        check(
            &kinds::CONFIG_MAP,
            &object(json!({"data": {"x": ""}, "binaryData": {"y": ""}})),
            "a · 2 · 56m",
        );
        check(
            &kinds::ENDPOINT_SLICE,
            &object(
                json!({"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [
                {"addresses": ["1.1.1.1"]}, {"addresses": ["1.1.1.2"]}, {"addresses": ["1.1.1.3"]}, {"addresses": ["1.1.1.4"]}]}),
            ),
            "a · IPv4 · 80 · 1.1.1.1,1.1.1.2,1.1.1.3 + 1 more... · 56m",
        );
        check(
            &kinds::EVENT,
            &object(
                json!({"type": "Normal", "reason": "Started", "message": " hello\n", "lastTimestamp": "2027-01-15T07:59:30Z",
                "involvedObject": {"kind": "Gear", "name": "g"}, "source": {"component": "agent"}}),
            ),
            "30s · Normal · Started · gear/g · hello |  · agent · <unknown> · 1 · a",
        );
    }
}
