//! Columns of pods and of what keeps a number of them.
//!
//! The cells of a pod are those of Kubernetes' `printPod` (`pkg/printers/internalversion/printers.go`), its RESTARTS and
//! wide columns those of OpenShift 3, as seed 002 shows them.

use serde_json::Value;

use super::Column;
use super::cells::AGE;
use super::cells::NAME;
use super::cells::NONE;
use super::cells::cell_at;
use super::cells::list_at;
use super::cells::number_at;
use super::cells::or_none;
use super::cells::pairs;
use super::cells::some;
use super::cells::text_at;
use super::column;
use super::wide;
use crate::api::selector::Labels;
use crate::base::clock::Timestamp;

pub(super) static POD: [Column; 7] = [
    NAME,
    column("Ready", "How many containers are ready.", |object, _| {
        let look = Look::at(object);
        format!("{}/{}", look.ready, look.total).into()
    }),
    column("Status", "How it is, in one word.", |object, _| {
        Look::at(object).status.into()
    }),
    column(
        "Restarts",
        "How often its containers were started again.",
        |object, _| Look::at(object).restarts.into(),
    ),
    AGE,
    wide("IP", "Its address.", |object, _| {
        cell_at(object, "/status/podIP")
    }),
    wide("Node", "The node it is on.", |object, _| {
        cell_at(object, "/spec/nodeName")
    }),
];
pub(super) static REPLICAS: [Column; 8] = [
    NAME,
    column("Desired", "How many pods are wanted.", |object, _| {
        number_at(object, "/spec/replicas").into()
    }),
    column("Current", "How many pods there are.", |object, _| {
        number_at(object, "/status/replicas").into()
    }),
    column("Ready", "How many pods are ready.", |object, _| {
        number_at(object, "/status/readyReplicas").into()
    }),
    AGE,
    wide("Containers", "What runs in its pods.", container_names),
    wide("Images", "The images of its pods.", images),
    wide("Selector", "The labels of its pods.", selector),
];
pub(super) static DEPLOYMENT: [Column; 8] = [
    NAME,
    column("Ready", "How many pods are ready.", |object, _| {
        let ready = number_at(object, "/status/readyReplicas");
        format!("{ready}/{}", number_at(object, "/spec/replicas")).into()
    }),
    column(
        "Up-to-date",
        "How many pods are of the newest template.",
        |object, _| number_at(object, "/status/updatedReplicas").into(),
    ),
    column(
        "Available",
        "How many pods are ready long enough.",
        |object, _| number_at(object, "/status/availableReplicas").into(),
    ),
    AGE,
    wide("Containers", "What runs in its pods.", container_names),
    wide("Images", "The images of its pods.", images),
    wide("Selector", "The labels of its pods.", selector),
];
pub(super) static SERVICE_ACCOUNT: [Column; 3] = [
    NAME,
    column("Secrets", "How many secrets it names.", |object, _| {
        list_at(object, "/secrets").count().into()
    }),
    AGE,
];
pub(super) static ENDPOINTS: [Column; 3] = [
    NAME,
    column("Endpoints", "Where they are reached.", endpoints),
    AGE,
];

/// A pod in the words of its row.
#[derive(Default)]
struct Look {
    status: String,
    ready: usize,
    total: usize,
    restarts: u64,
}

impl Look {
    fn at(pod: &Value) -> Look {
        let mut look = Look {
            status: first(&[
                text_at(pod, "/status/reason"),
                text_at(pod, "/status/phase"),
            ]),
            total: list_at(pod, "/spec/containers").count(),
            ..Look::default()
        };
        let scheduled = condition(pod, "PodScheduled");
        if scheduled.is_some_and(|one| one["reason"] == "SchedulingGated") {
            "SchedulingGated".clone_into(&mut look.status);
        }
        if !look.initializing(pod) {
            look.containers(pod);
        }
        look.deletion(pod);
        look
    }

    /// Takes in the init containers; whether one of them still has to end, or failed.
    fn initializing(&mut self, pod: &Value) -> bool {
        let count = list_at(pod, "/spec/initContainers").count();
        for (done, status) in list_at(pod, "/status/initContainerStatuses").enumerate() {
            self.restarts += number_at(status, "/restartCount");
            let stays = list_at(pod, "/spec/initContainers").any(|container| {
                container["name"] == status["name"] && container["restartPolicy"] == "Always"
            });
            if stays {
                self.total += 1;
                if status["ready"] == true {
                    self.ready += 1;
                }
            }
            let ended = &status["state"]["terminated"];
            if ended["exitCode"] == 0 || (stays && status["started"] == true) {
                continue;
            }
            let waiting = text_at(status, "/state/waiting/reason");
            self.status = if ended.is_object() {
                format!("Init:{}", end(ended))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{done}/{count}")
            };
            return true;
        }
        false
    }

    fn containers(&mut self, pod: &Value) {
        let mut is_running = false;
        let statuses: Vec<&Value> = list_at(pod, "/status/containerStatuses").collect();
        for status in statuses.into_iter().rev() {
            self.restarts += number_at(status, "/restartCount");
            let waiting = text_at(status, "/state/waiting/reason");
            let ended = &status["state"]["terminated"];
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.status);
            } else if ended.is_object() {
                self.status = end(ended);
            } else if status["ready"] == true && status["state"]["running"].is_object() {
                is_running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" && is_running {
            let is_ready = condition(pod, "Ready").is_some_and(|one| one["status"] == "True");
            let word = if is_ready { "Running" } else { "NotReady" };
            word.clone_into(&mut self.status);
        }
    }

    fn deletion(&mut self, pod: &Value) {
        let is_over = matches!(text_at(pod, "/status/phase"), "Succeeded" | "Failed");
        if pod["metadata"]["deletionTimestamp"].is_null() || is_over {
            return;
        }
        let is_lost = pod["status"]["reason"] == "NodeLost";
        let word = if is_lost { "Unknown" } else { "Terminating" };
        word.clone_into(&mut self.status);
    }
}

/// Why a container ended, in one word.
fn end(terminated: &Value) -> String {
    match text_at(terminated, "/reason") {
        "" if number_at(terminated, "/signal") != 0 => {
            format!("Signal:{}", terminated["signal"])
        }
        "" => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        reason => reason.to_owned(),
    }
}

fn first(words: &[&str]) -> String {
    let word = words.iter().find(|word| !word.is_empty());
    word.copied().unwrap_or_default().to_owned()
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(pod, "/status/conditions").find(|one| one["type"] == kind)
}

fn of_containers(object: &Value, field: &str) -> Value {
    let containers = list_at(object, "/spec/template/spec/containers");
    let texts: Vec<&str> = containers.filter_map(|one| one[field].as_str()).collect();
    texts.join(",").into()
}

fn container_names(object: &Value, _: Timestamp) -> Value {
    of_containers(object, "name")
}

fn images(object: &Value, _: Timestamp) -> Value {
    of_containers(object, "image")
}

/// The selector of a replication controller is pairs, that of the others has two parts.
fn selector(object: &Value, _: Timestamp) -> Value {
    let selector = &object["spec"]["selector"];
    if object["kind"] == "ReplicationController" {
        return pairs(selector).into();
    }
    match Labels::of_selector(selector) {
        Ok(labels) => or_none(&labels.to_string()),
        Err(_) => "<error>".into(),
    }
}

fn endpoints(object: &Value, _: Timestamp) -> Value {
    let mut all = Vec::new();
    for subset in list_at(object, "/subsets") {
        let addresses = || list_at(subset, "/addresses").map(|one| text_at(one, "/ip"));
        if subset["ports"].as_array().is_none_or(Vec::is_empty) {
            all.extend(addresses().map(str::to_owned));
        }
        for port in list_at(subset, "/ports") {
            all.extend(addresses().map(|address| format!("{address}:{}", port["port"])));
        }
    }
    match all.len() {
        0 => NONE.into(),
        _ => some(&all, 3).into(),
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
    fn pods_as_seed_002_shows_them() {
        check(
            &kinds::POD,
            &object(json!({
                "spec": {"containers": [{"name": "c"}], "nodeName": "n"},
                "status": {"phase": "Running", "podIP": "10.88.0.2", "containerStatuses": [
                    {"name": "c", "ready": true, "restartCount": 1, "state": {"running": {}}},
                ]},
            })),
            "a · 1/1 · Running · 1 · 56m | 10.88.0.2 · n",
        );
        check(
            &kinds::POD,
            &object(
                json!({"spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending"}}),
            ),
            "a · 0/1 · Pending · 0 · 56m | <none> · <none>",
        );
    }

    #[track_caller]
    fn check_status(pod: &Value, expect: &str) {
        let look = super::Look::at(pod);
        let found = format!(
            "{}/{} {} {}",
            look.ready, look.total, look.status, look.restarts
        );
        assert_eq!(found, expect);
    }

    /// A pod of one container in that state.
    fn pod(phase: &str, state: &Value) -> Value {
        json!({
            "spec": {"containers": [{"name": "c"}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "c", "restartCount": 2, "state": state}]},
        })
    }

    #[test]
    fn the_status_is_what_matters_most() {
        for (phase, state, expect) in [
            (
                "Pending",
                json!({"waiting": {"reason": "ContainerCreating"}}),
                "ContainerCreating",
            ),
            (
                "Running",
                json!({"waiting": {"reason": "CrashLoopBackOff"}}),
                "CrashLoopBackOff",
            ),
            (
                "Succeeded",
                json!({"terminated": {"exitCode": 0, "reason": "Completed"}}),
                "Completed",
            ),
            (
                "Failed",
                json!({"terminated": {"exitCode": 1, "reason": "Error"}}),
                "Error",
            ),
            (
                "Failed",
                json!({"terminated": {"exitCode": 3}}),
                "ExitCode:3",
            ),
            (
                "Failed",
                json!({"terminated": {"exitCode": 137, "signal": 9}}),
                "Signal:9",
            ),
            ("Running", json!({"running": {}}), "Running"),
        ] {
            check_status(&pod(phase, &state), &format!("0/1 {expect} 2"));
        }
        let mut failed = pod("Failed", &Value::Null);
        failed["status"]["reason"] = "Evicted".into();
        check_status(&failed, "0/1 Evicted 2");
    }

    #[test]
    fn deletion_shows_until_the_end() {
        let mut running = pod("Running", &json!({"running": {}}));
        running["metadata"]["deletionTimestamp"] = "2027-01-15T07:59:00Z".into();
        check_status(&running, "0/1 Terminating 2");
        running["status"]["reason"] = "NodeLost".into();
        check_status(&running, "0/1 Unknown 2");
        let mut over = pod("Succeeded", &json!({"terminated": {"reason": "Completed"}}));
        over["metadata"]["deletionTimestamp"] = "2027-01-15T07:59:00Z".into();
        check_status(&over, "0/1 Completed 2");
    }

    #[test]
    fn init_containers_come_first() {
        let with = |states: &[Value]| {
            let names: Vec<Value> = (0..2).map(|n| json!({"name": format!("i{n}")})).collect();
            let statuses: Vec<Value> = states
                .iter()
                .enumerate()
                .map(|(n, state)| json!({"name": format!("i{n}"), "restartCount": 1, "state": state}))
                .collect();
            json!({
                "spec": {"containers": [{"name": "c"}], "initContainers": names},
                "status": {
                    "phase": "Pending", "initContainerStatuses": statuses,
                    "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}],
                },
            })
        };
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        check_status(&with(&[json!({"running": {}})]), "0/1 Init:0/2 1");
        check_status(
            &with(&[done.clone(), json!({"running": {}})]),
            "0/1 Init:1/2 2",
        );
        check_status(
            &with(&[json!({"waiting": {"reason": "CrashLoopBackOff"}})]),
            "0/1 Init:CrashLoopBackOff 1",
        );
        check_status(
            &with(&[json!({"terminated": {"exitCode": 1, "reason": "Error"}})]),
            "0/1 Init:Error 1",
        );
        check_status(
            &with(&[json!({"terminated": {"exitCode": 2}})]),
            "0/1 Init:ExitCode:2 1",
        );
        check_status(&with(&[done.clone(), done]), "0/1 PodInitializing 2");
    }

    #[test]
    fn one_of_two_containers_may_have_ended() {
        let mut two = json!({
            "spec": {"containers": [{"name": "c"}, {"name": "d"}]},
            "status": {"phase": "Running", "conditions": [], "containerStatuses": [
                {"name": "c", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"name": "d", "ready": true, "state": {"running": {}}},
            ]},
        });
        check_status(&two, "1/2 NotReady 0");
        two["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        check_status(&two, "1/2 Running 0");
    }

    #[test]
    fn what_keeps_pods() {
        let template = json!({"spec": {"containers": [{"name": "c", "image": "x"}, {"name": "d", "image": "y"}]}});
        check(
            &kinds::REPLICATION_CONTROLLER,
            &object(json!({
                "kind": "ReplicationController",
                "spec": {"replicas": 3, "selector": {"b": "2", "a": "1"}, "template": template},
                "status": {"replicas": 2, "readyReplicas": 1},
            })),
            "a · 3 · 2 · 1 · 56m | c,d · x,y · a=1,b=2",
        );
        let selector = json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]});
        check(
            &kinds::REPLICA_SET,
            &object(json!({"spec": {"replicas": 1, "selector": selector, "template": template}})),
            "a · 1 · 0 · 0 · 56m | c,d · x,y · a=1,b",
        );
        check(
            &kinds::DEPLOYMENT,
            &object(json!({
                "spec": {"replicas": 3, "selector": selector, "template": template},
                "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1},
            })),
            "a · 2/3 · 3 · 1 · 56m | c,d · x,y · a=1,b",
        );
        check(
            &kinds::SERVICE_ACCOUNT,
            &object(json!({"secrets": [{"name": "s"}]})),
            "a · 1 · 56m",
        );
        let subset = json!({"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}], "ports": [{"port": 80}, {"port": 81}]});
        check(
            &kinds::ENDPOINTS,
            &object(json!({"subsets": [subset]})),
            "a · 1.1.1.1:80,1.1.1.2:80,1.1.1.1:81 + 1 more... · 56m",
        );
        check(&kinds::ENDPOINTS, &object(json!({})), "a · <none> · 56m");
    }
}
