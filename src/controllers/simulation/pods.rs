//! The same world with pods in it: nodes that run them, a router that forwards to them, and users who push images.
//!
//! Nodes and router take turns by chance like everybody. What must hold at every moment: never more pods than desired
//! plus surge, never fewer ready ones than promised, no copies, and the router never forwards to a pod that has ended.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::*;
use crate::api::core::Namespace;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::RolloutPhase as Phase;
use crate::api::image::ImageStream;
use crate::api::network::EndpointSlice;
use crate::api::network::Endpoints;
use crate::api::network::Router;
use crate::api::network::Service;
use crate::api::pod::ANNOTATION_DRAINED;
use crate::api::pod::Pod;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::pod::ServiceAccount;
use crate::controllers::deployment_config::DeploymentConfigs;
use crate::controllers::endpoints::EndpointSlices;
use crate::controllers::image_trigger::ConfigImages;
use crate::controllers::replicas::ReplicaSets;
use crate::controllers::replicas::ReplicationControllers;
use crate::controllers::rotation::Rotation;
use crate::controllers::scheduling::Scheduling;
use crate::controllers::service_accounts::ServiceAccounts;

/// How many seeds each story is told with.
const WITH_PODS: u64 = 3;

/// What nodes and router do, and what a story expects all the time.
#[derive(Default)]
pub(crate) struct Site {
    /// Images whose pods crash.
    crashing: BTreeSet<String>,
    /// The pods that the router forwards to, by uid, and the addresses that still answer.
    forwards: BTreeMap<String, String>,
    draining: BTreeSet<String>,
    /// How many pods there may be, and how many must be ready and forwarded to.
    most: Option<usize>,
    least: usize,
}

pub(super) fn controllers() -> Vec<Entry> {
    vec![
        entry::<ConfigImages>(),
        entry::<DeploymentConfigs>(),
        entry::<ReplicationControllers>(),
        entry::<ReplicaSets>(),
        entry::<Scheduling>(),
        entry::<EndpointSlices>(),
        entry::<Rotation>(),
        entry::<ServiceAccounts>(),
        entry::<Garbage>(),
        entry::<Namespaces>(),
    ]
}

/// Whether a pod's end is its node's business.
pub(super) fn ends_gracefully(kind: &Kind, object: &Value) -> bool {
    let phase = object["status"]["phase"].as_str().unwrap_or_default();
    *kind == kinds::POD
        && object["spec"]["nodeName"].is_string()
        && !matches!(phase, "Succeeded" | "Failed")
}

pub(super) fn deliver(
    plural: &str,
    world: &mut World,
    key: &Key,
    object: Option<Value>,
    now: Timestamp,
) {
    match plural {
        "pods" => put::<Pod>(world, key, object, now),
        "services" => put::<Service>(world, key, object, now),
        "endpointslices" => put::<EndpointSlice>(world, key, object, now),
        "endpoints" => put::<Endpoints>(world, key, object, now),
        "routers" => put::<Router>(world, key, object, now),
        "replicationcontrollers" => put::<ReplicationController>(world, key, object, now),
        "replicasets" => put::<ReplicaSet>(world, key, object, now),
        "serviceaccounts" => put::<ServiceAccount>(world, key, object, now),
        "deployments" => put::<Deployment>(world, key, object, now),
        "deploymentconfigs" => put::<DeploymentConfig>(world, key, object, now),
        "imagestreams" => put::<ImageStream>(world, key, object, now),
        other => panic!("no table for {other}"),
    }
}

fn config() -> Key {
    named("web")
}

impl Cluster {
    /// A deployment config `web` with a service, that follows an image stream which has no image yet.
    fn web(how: Disturbance, replicas: u32, spec: Value) -> Cluster {
        let mut cluster = Cluster::new(how, &["a", "b"], json!({}));
        cluster.site = Some(Site::default());
        let namespace = json!({"metadata": {"name": DEMO, "finalizers": ["kubernetes"]}});
        cluster.make(&kinds::NAMESPACE, namespace);
        cluster.make(&kinds::ROUTER, json!({"metadata": {"name": "default"}}));
        let metadata = json!({"name": "web", "namespace": DEMO});
        let service = json!({"selector": {"app": "web"}, "ports": [{"port": 8080}]});
        cluster.make(
            &kinds::SERVICE,
            json!({"metadata": metadata, "spec": service}),
        );
        cluster.make(&kinds::IMAGE_STREAM, json!({"metadata": metadata}));
        let mut config = json!({
            "metadata": metadata,
            "spec": {
                "replicas": replicas,
                "triggers": [{"type": "ConfigChange"}, {"type": "ImageChange", "imageChangeParams": {
                    "automatic": true, "containerNames": ["web"],
                    "from": {"kind": "ImageStreamTag", "name": "web:latest"},
                }}],
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": " "}]},
                },
            },
        });
        merge(&mut config["spec"], spec);
        cluster.make(&kinds::DEPLOYMENT_CONFIG, config);
        cluster
    }

    fn push(&mut self, image: &str) {
        let tag = json!({"tag": "latest", "items": [{"dockerImageReference": image}]});
        self.user_status(&kinds::IMAGE_STREAM, &config(), json!({"tags": [tag]}));
    }

    fn site(&mut self) -> &mut Site {
        self.site.as_mut().unwrap()
    }

    /// From now on no more and no fewer pods than these.
    fn expect(&mut self, least: usize, most: usize) {
        self.site().least = least;
        self.site().most = Some(most);
        self.check_invariants();
    }

    /// One step of a node or of the router; whether there was one.
    pub(super) fn site_step(&mut self) -> bool {
        let running: Vec<Pod> = self
            .all::<Pod>()
            .into_iter()
            .filter(|pod| !pod.spec.node_name.is_empty())
            .collect();
        let first = self.chance.below(running.len() + 1);
        let mut places = (0..=running.len()).map(|offset| (first + offset) % (running.len() + 1));
        places.any(|place| match running.get(place) {
            Some(pod) => self.node_step(pod),
            None => self.router_step(),
        })
    }

    fn node_step(&mut self, pod: &Pod) -> bool {
        let at = place(&kinds::POD, &pod.metadata.key());
        if pod.metadata.is_deleting() {
            let is_drained = pod.metadata.annotations.contains_key(ANNOTATION_DRAINED);
            if is_drained {
                self.store(at, None);
            }
            return is_drained;
        }
        let crashes = self.site().crashing.contains(&pod.spec.containers[0].image);
        let waiting = json!([{"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "again"}}}]);
        let status = match pod.status.phase {
            _ if crashes => json!({"phase": "Running", "containerStatuses": waiting}),
            crate::api::pod::PodPhase::Pending => json!({"phase": "Running"}),
            _ => json!({
                "phase": "Running",
                "podIP": format!("ip-{}", pod.metadata.uid),
                "listening": [{"port": 8080}],
                "conditions": [{"type": "Ready", "status": "True"}],
            }),
        };
        let mut object = self.objects[&at].clone();
        merge(&mut object["status"], status);
        let is_news = object != self.objects[&at];
        if is_news {
            self.store(at, Some(object));
        }
        is_news
    }

    /// The router takes the slices in, and waits one turn for what is in flight.
    fn router_step(&mut self) -> bool {
        let slices = self.all::<EndpointSlice>();
        let named = slices.iter().flat_map(|slice| &slice.endpoints);
        let forwards: BTreeMap<String, String> = named
            .filter_map(|one| Some((one.target_ref.clone()?.uid, one.addresses[0].clone())))
            .collect();
        let site = self.site.as_mut().unwrap();
        let left = site
            .forwards
            .iter()
            .filter(|(uid, _)| !forwards.contains_key(*uid));
        let draining: BTreeSet<String> = left.map(|(_, address)| address.clone()).collect();
        let applied = if forwards == site.forwards {
            slices
                .iter()
                .map(|slice| slice.metadata.revision())
                .max()
                .unwrap_or(0)
        } else {
            self.revision
        };
        let key = Key::new("", "default");
        let router: Router =
            serde_json::from_value(self.objects[&place(&kinds::ROUTER, &key)].clone()).unwrap();
        let is_news = site.forwards != forwards
            || site.draining != draining
            || router.status.applied < applied;
        if !is_news {
            return false;
        }
        site.forwards = forwards;
        site.draining = draining;
        let answering: BTreeMap<String, u32> = site
            .draining
            .iter()
            .map(|address| (format!("{address}:8080"), 1))
            .collect();
        let at = place(&kinds::ROUTER, &key);
        let mut object = self.objects[&at].clone();
        object["status"] =
            json!({"applied": applied.max(router.status.applied), "draining": answering});
        self.store(at, Some(object));
        true
    }

    pub(super) fn check_site(&self, site: &Site) {
        let pods = self.all::<Pod>();
        let live = pods
            .iter()
            .filter(|pod| !pod.metadata.is_deleting() && !pod.is_over());
        let ready = live.clone().filter(|pod| pod.is_ready()).count();
        let live = live.count();
        let how = self.how;
        if let Some(most) = site.most {
            assert!(
                live <= most,
                "{how:?}: {live} pods, at most {most}:\n{}",
                self.site_picture()
            );
        }
        let least = site.least;
        assert!(
            ready >= least,
            "{how:?}: {ready} ready pods, at least {least}:\n{}",
            self.site_picture()
        );
        assert!(
            site.forwards.len() >= least,
            "{how:?}: forwarded to {:?}",
            site.forwards
        );
        for uid in site.forwards.keys() {
            let is_there = pods.iter().any(|pod| pod.metadata.uid == *uid);
            assert!(
                is_there,
                "{how:?}: the router forwards to {uid}, which has ended"
            );
        }
    }

    /// What counts at the end, without chance names.
    pub(super) fn site_picture(&self) -> String {
        let mut lines = Vec::new();
        for config in self.all::<DeploymentConfig>() {
            let status = &config.status;
            let progressing = status
                .conditions
                .iter()
                .find(|one| one.kind == "Progressing");
            let (reason, message) = progressing.map_or(("", ""), |one| (&one.reason, &one.message));
            let replicas = (
                status.replicas,
                status.updated_replicas,
                status.available_replicas,
            );
            lines.push(format!(
                "config {} {replicas:?} {reason} {message}",
                status.latest_version
            ));
        }
        let pods = self.all::<Pod>();
        for controller in self.all::<ReplicationController>() {
            let metadata = &controller.metadata;
            let own = pods
                .iter()
                .filter(|pod| pod.controller() == Some(&metadata.uid));
            lines.push(format!(
                "{} {:?} {:?} {:?} {} pods",
                metadata.name,
                Phase::of(metadata),
                metadata
                    .annotations
                    .get("openshift.io/deployment.status-reason")
                    .map_or("", String::as_str),
                controller.spec.replicas,
                own.count(),
            ));
        }
        for slice in self.all::<EndpointSlice>() {
            lines.push(format!(
                "slice {:?} {}",
                slice.ports[0].port,
                slice.endpoints.len()
            ));
        }
        for name in ["namespaces", "pods", "services", "endpoints"] {
            let all = self.objects.keys().filter(|(plural, _)| *plural == name);
            lines.push(format!("{} {name}", all.count()));
        }
        lines.join("\n")
    }
}

/// Tells a story undisturbed, then under many seeds; each must end in the same picture.
fn survives_with_pods(replicas: u32, spec: &Value, story: impl Fn(&mut Cluster)) -> String {
    let told = |how| {
        let mut cluster = Cluster::web(how, replicas, spec.clone());
        story(&mut cluster);
        cluster
    };
    let calm = told(CALM).picture();
    for seed in 1..=WITH_PODS {
        for (crashes, lag) in [(0, 6), (60, 0), (40, 6)] {
            let how = Disturbance { seed, crashes, lag };
            assert_eq!(told(how).picture(), calm, "disturbed by {how:?}");
        }
    }
    calm
}

fn contains(picture: &str, lines: &[&str]) {
    for line in lines {
        assert!(picture.contains(line), "{line:?} is not in\n{picture}");
    }
}

#[test]
fn a_new_image_takes_the_place_of_the_old_one_without_a_gap() {
    let picture = survives_with_pods(3, &json!({}), |cluster| {
        cluster.run();
        assert_eq!(cluster.all::<Pod>().len(), 0, "it waits for its image");
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.expect(3, 4);
        cluster.push("r@sha256:2");
        cluster.run();
    });
    contains(
        &picture,
        &[
            "config 2 (3, 3, 3) NewReplicationControllerAvailable",
            "web-1 Complete \"config change\" Some(0) 0 pods",
            "web-2 Complete \"image change\" Some(3) 3 pods",
            "slice 8080 3",
        ],
    );
}

#[test]
fn a_version_that_crashes_is_given_up_and_never_costs_an_answer() {
    let picture = survives_with_pods(3, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.expect(3, 4);
        cluster.site().crashing.insert("r@sha256:2".to_owned());
        cluster.push("r@sha256:2");
        cluster.run();
    });
    contains(
        &picture,
        &[
            "config 2 (3, 0, 3) ProgressDeadlineExceeded replication controller \"web-2\" has failed progressing",
            "web-1 Complete \"config change\" Some(3) 3 pods",
            "web-2 Failed \"image change\" Some(0) 0 pods",
        ],
    );
}

#[test]
fn what_crashes_is_named_while_it_is_waited_for() {
    let mut cluster = Cluster::web(CALM, 1, json!({}));
    cluster.site().crashing.insert("r@sha256:1".to_owned());
    cluster.push("r@sha256:1");
    cluster.run_until(|cluster| cluster.picture().contains("CrashLoopBackOff: again"));
    contains(
        &cluster.picture(),
        &["config 1 (1, 1, 0) ReplicationControllerUpdated"],
    );
}

#[test]
fn a_newer_version_ends_the_one_under_way() {
    let picture = survives_with_pods(4, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.expect(3, 5);
        cluster.site().crashing.insert("r@sha256:2".to_owned());
        cluster.push("r@sha256:2");
        cluster.run_until(|cluster| cluster.picture().contains("CrashLoopBackOff"));
        cluster.push("r@sha256:3");
        cluster.run();
    });
    contains(
        &picture,
        &[
            "web-2 Failed \"newer deployment was found running\" Some(0) 0 pods",
            "web-3 Complete \"image change\" Some(4) 4 pods",
        ],
    );
}

#[test]
fn a_cancelled_version_goes_back() {
    let picture = survives_with_pods(2, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.expect(2, 3);
        cluster.site().crashing.insert("r@sha256:2".to_owned());
        cluster.push("r@sha256:2");
        cluster.run_until(|cluster| cluster.picture().contains("CrashLoopBackOff"));
        let at = place(&kinds::REPLICATION_CONTROLLER, &named("web-2"));
        let mut object = cluster.objects[&at].clone();
        object["metadata"]["annotations"]["openshift.io/deployment.cancelled"] = "true".into();
        object["metadata"]["annotations"]["openshift.io/deployment.status-reason"] =
            "cancelled by the user".into();
        cluster.store(at, Some(object));
        cluster.run();
    });
    contains(
        &picture,
        &[
            "config 2 (2, 0, 2) RolloutCancelled rollout of replication controller \"web-2\" was cancelled",
            "web-2 Failed \"cancelled by the user\" Some(0) 0 pods",
            "web-1 Complete \"config change\" Some(2) 2 pods",
        ],
    );
}

#[test]
fn recreate_never_runs_two_versions_at_once() {
    let picture = survives_with_pods(2, &json!({"strategy": {"type": "Recreate"}}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.expect(0, 2);
        cluster.push("r@sha256:2");
        cluster.run();
    });
    contains(
        &picture,
        &["web-2 Complete \"image change\" Some(2) 2 pods"],
    );
}

#[test]
fn the_number_of_pods_follows_the_config() {
    let picture = survives_with_pods(1, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.expect(1, 5);
        cluster.user_spec(&kinds::DEPLOYMENT_CONFIG, &config(), json!({"replicas": 5}));
        cluster.run();
        assert_eq!(cluster.all::<Pod>().len(), 5);
        cluster.user_spec(&kinds::DEPLOYMENT_CONFIG, &config(), json!({"replicas": 2}));
        cluster.run();
    });
    contains(&picture, &["config 1 (2, 2, 2)", "slice 8080 2", "2 pods"]);
}

#[test]
fn a_config_goes_with_its_pods() {
    let picture = survives_with_pods(2, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.user_delete(&kinds::DEPLOYMENT_CONFIG, &config());
        cluster.run();
    });
    contains(&picture, &["slice 8080 0", "0 pods", "1 services"]);
}

#[test]
fn slices_that_somebody_deletes_never_cost_an_answer() {
    let picture = survives_with_pods(2, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.user_delete(&kinds::DEPLOYMENT_CONFIG, &config());
        for _ in 0..2 {
            for slice in cluster.all::<EndpointSlice>() {
                cluster.user_delete(&kinds::ENDPOINT_SLICE, &slice.metadata.key());
            }
            cluster.run_until(|cluster| {
                cluster
                    .all::<Pod>()
                    .iter()
                    .any(|pod| pod.metadata.is_deleting())
            });
        }
        cluster.run();
    });
    contains(&picture, &["0 pods", "1 services"]);
}

#[test]
fn a_namespace_goes_with_everything_in_it() {
    let picture = survives_with_pods(2, &json!({}), |cluster| {
        cluster.push("r@sha256:1");
        cluster.run();
        cluster.user_delete(&kinds::NAMESPACE, &Key::new("", DEMO));
        cluster.run();
        assert!(
            cluster.get::<Namespace>(&Key::new("", DEMO)).is_none(),
            "{}",
            cluster.picture()
        );
    });
    contains(
        &picture,
        &["0 namespaces", "0 pods", "0 services", "0 endpoints"],
    );
}
