//! Workloads in words: what they deploy, and how their versions stand.
//!
//! Mimics `describeDeploymentConfigInServiceGroup` and its relatives of oc's projectstatus.go.

use std::time::Duration;

use crate::api::deployment::ANNOTATION_CANCELLED;
use crate::api::deployment::ANNOTATION_REASON;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::RolloutPhase;
use crate::api::meta::Metadata;
use crate::api::pod::ContainerStatus;
use crate::api::pod::Pod;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicasStatus;
use crate::api::pod::ReplicationController;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::status::builds;
use crate::cli::status::builds::Older;
use crate::cli::status::graph;
use crate::cli::status::graph::ConfigPipeline;
use crate::cli::status::graph::DeploymentPipeline;
use crate::cli::status::graph::ImagePipeline;
use crate::cli::status::names::Names;
use crate::cli::status::objects::Objects;

/// How many versions of one workload are told of.
const VERSIONS: usize = 3;
/// How long a restart counts as recent.
const RECENT: Duration = Duration::from_secs(600);
/// Who looks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    pub objects: &'a Objects,
    pub names: Names<'a>,
    pub now: Timestamp,
}

impl Sight<'_> {
    /// `about an hour` since then.
    pub fn ago(&self, moment: Option<Timestamp>) -> String {
        moment.map_or_else(
            || "<unknown>".to_owned(),
            |moment| text::about(self.now.since(moment)).to_lowercase(),
        )
    }

    /// A deployment config: its title, its images' builds, its versions.
    pub fn config(&self, pipeline: &ConfigPipeline) -> Vec<String> {
        let config = pipeline.config;
        let verb = if config.spec.test {
            "test deploys"
        } else {
            "deploys"
        };
        let triggers = match &config.spec.triggers {
            Some(all) if all.is_empty() => " (manual)",
            // The space is oc's: its line ends with the triggers, which have no words.
            _ => " ",
        };
        let title = format!("{} {verb}", self.names.of("dc", &config.metadata));
        let older = match pipeline.active {
            None => Older::Shown,
            Some(_) => Older::AsContext,
        };
        let mut lines = self.images(&title, triggers, &pipeline.images, older, &config.metadata);
        lines.extend(self.versions(pipeline));
        lines
    }

    /// A deployment: the same with revisions.
    pub fn deployment(&self, pipeline: &DeploymentPipeline) -> Vec<String> {
        let metadata = &pipeline.deployment.metadata;
        let title = format!("{} deploys", self.names.of("deployment", metadata));
        let older = match pipeline.sets.as_slice() {
            [] => Older::Shown,
            _ => Older::AsContext,
        };
        let mut lines = self.images(&title, "", &pipeline.images, older, metadata);
        let sets = pipeline.sets.iter().take(VERSIONS).enumerate();
        lines.extend(sets.map(|(index, set)| self.revision(set, index == 0)));
        lines
    }

    /// The title with its image; under it the builds of that. Several images have a line each.
    fn images(
        &self,
        title: &str,
        end: &str,
        images: &[ImagePipeline],
        older: Older,
        metadata: &Metadata,
    ) -> Vec<String> {
        let names = Names {
            here: &metadata.namespace,
        };
        let mut lines = Vec::new();
        if images.len() != 1 {
            lines.push(format!("{title}{end}"));
        }
        for pipeline in images {
            let image = names.image(&pipeline.image);
            let (start, end) = match images.len() {
                1 => (format!("{title} {image}"), end),
                _ => (image, ""),
            };
            match &pipeline.build {
                None => lines.push(format!("{start}{end}")),
                Some(build) => {
                    lines.push(format!("{start} <-"));
                    lines.push(format!("{}{end}", builds::makes(names, build)));
                    let details = builds::details(build, older, self.now).into_iter();
                    lines.extend(details.map(|line| format!("  {line}")));
                }
            }
        }
        lines
    }

    /// The versions of a deployment config, newest first.
    fn versions(&self, pipeline: &ConfigPipeline) -> Vec<String> {
        let config = pipeline.config;
        let mut lines = Vec::new();
        if pipeline.active.is_none() {
            let (awaited, by_itself) = awaited(config);
            let number = config.status.latest_version;
            if number == 0 {
                lines.push(format!("deployment #1 waiting {awaited}"));
            } else if by_itself {
                lines.push(format!("deployment #{number} pending {awaited}"));
            }
        }
        let all = pipeline.active.iter().chain(&pipeline.inactive);
        let all = all.take(VERSIONS).enumerate();
        lines.extend(all.map(|(index, one)| self.version(one, index == 0, config.spec.test)));
        lines
    }

    fn version(&self, one: &ReplicationController, is_first: bool, is_test: bool) -> String {
        let annotation = |name: &str| one.metadata.annotations.get(name).map(String::as_str);
        let number = graph::version(one);
        let time = self.ago(one.metadata.creation_timestamp);
        let phase = RolloutPhase::of(&one.metadata);
        let cancelling = match annotation(ANNOTATION_CANCELLED) {
            Some("true") if !phase.is_final() => " (cancelling)",
            _ => "",
        };
        let pods = |empty: Empty| {
            let restarts = self.restarts(&one.metadata);
            summary(&one.status, one.spec.replicas.unwrap_or(1), empty, restarts)
        };
        let test = if is_test { "test " } else { "" };
        match phase {
            RolloutPhase::Failed => {
                let reason = annotation(ANNOTATION_REASON).filter(|reason| !reason.is_empty());
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                format!(
                    "deployment #{number} failed {time} ago{reason}{}",
                    pods(Empty::Silent)
                )
            }
            RolloutPhase::Complete if is_test => {
                format!("test deployment #{number} deployed {time} ago")
            }
            RolloutPhase::Complete => {
                let empty = if is_first { Empty::Said } else { Empty::Silent };
                format!("deployment #{number} deployed {time} ago{}", pods(empty))
            }
            RolloutPhase::Running => format!(
                "{test}deployment #{number} running{cancelling} for {time}{}",
                pods(Empty::Silent)
            ),
            RolloutPhase::New | RolloutPhase::Pending => format!(
                "deployment #{number} {}{cancelling} {time} ago{}",
                phase.name().to_lowercase(),
                pods(Empty::Silent)
            ),
        }
    }

    fn revision(&self, set: &ReplicaSet, is_current: bool) -> String {
        let number = graph::revision(&set.metadata);
        let time = self.ago(set.metadata.creation_timestamp);
        let restarts = self.restarts(&set.metadata);
        let replicas = set.spec.replicas.unwrap_or(1);
        let pods = summary(&set.status, replicas, Empty::Silent, restarts);
        if is_current {
            format!("deployment #{number} running for {time}{pods}")
        } else {
            format!("deployment #{number} deployed {time} ago{pods}")
        }
    }

    /// A replication controller of nobody's.
    pub fn controller(&self, one: &ReplicationController) -> Vec<String> {
        let title = self.names.of("rc", &one.metadata);
        let counts = (&one.status, one.spec.replicas.unwrap_or(1));
        self.replicas("rc", &title, &one.metadata, &one.spec.template, counts)
    }

    /// A replica set of nobody's.
    pub fn replica_set(&self, one: &ReplicaSet) -> Vec<String> {
        let title = self.names.of("rs", &one.metadata);
        let counts = (&one.status, one.spec.replicas.unwrap_or(1));
        self.replicas("rs", &title, &one.metadata, &one.spec.template, counts)
    }

    fn replicas(
        &self,
        kind: &str,
        title: &str,
        metadata: &Metadata,
        template: &serde_json::Value,
        (status, wanted): (&ReplicasStatus, u32),
    ) -> Vec<String> {
        let images = graph::containers(template)
            .into_iter()
            .map(|container| container.image);
        let images: Vec<String> = images.collect();
        vec![
            format!("{title} runs {}", images.join(", ")),
            format!(
                "{kind}/{} created {} ago{}",
                metadata.name,
                self.ago(metadata.creation_timestamp),
                summary(status, wanted, Empty::Silent, 0)
            ),
        ]
    }

    /// A pod that nothing keeps.
    pub fn pod(&self, pod: &Pod) -> Vec<String> {
        let images: Vec<&str> = pod
            .spec
            .containers
            .iter()
            .map(|container| container.image.as_str())
            .collect();
        vec![format!(
            "{} runs {}",
            self.names.of("pod", &pod.metadata),
            images.join(", ")
        )]
    }

    /// The most restarts of one container, if the last was a short while ago.
    fn restarts(&self, keeper: &Metadata) -> u32 {
        let pods = self.objects.pods_of(keeper);
        let statuses = pods.flat_map(|pod| &pod.status.container_statuses);
        statuses
            .filter(|status| restarted_recently(status, self.now))
            .map(|status| status.restart_count)
            .max()
            .unwrap_or(0)
    }
}

/// Whether a container was started again in the last ten minutes.
pub fn restarted_recently(status: &ContainerStatus, now: Timestamp) -> bool {
    let ended = status.last_state.terminated.as_ref();
    let ended = ended.and_then(|ended| ended.finished_at);
    status.restart_count > 0 && ended.is_some_and(|ended| now.since(ended) < RECENT)
}

/// What brings the next version of a deployment config, and whether that happens by itself.
fn awaited(config: &DeploymentConfig) -> (&'static str, bool) {
    let Some(triggers) = &config.spec.triggers else {
        return ("on update", true);
    };
    let has = |kind: &str| triggers.iter().any(|trigger| trigger.kind == kind);
    match (has("ConfigChange"), has("ImageChange")) {
        (true, true) => ("on image or update", true),
        (true, false) => ("on update", true),
        (false, true) => ("on image", true),
        (false, false) => ("for manual", false),
    }
}

/// Whether `0 pods` is worth a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    Said,
    Silent,
}

/// ` - 1/2 pods (warning: 8 restarts) growing to 2`.
fn summary(status: &ReplicasStatus, wanted: u32, empty: Empty, restarts: u32) -> String {
    let ready = status.ready_replicas;
    let warning = match restarts {
        0 => String::new(),
        restarts => format!(" (warning: {restarts} restarts)"),
    };
    let pods = match (ready == wanted, ready) {
        (true, 0) if empty == Empty::Silent => return String::new(),
        (true, 0) => "0 pods".to_owned(),
        (true, 1) => format!("1 pod{warning}"),
        (true, ready) => format!("{ready} pods{warning}"),
        (false, ready) => format!("{ready}/{wanted} pods{warning}"),
    };
    let change = match wanted.cmp(&status.replicas) {
        std::cmp::Ordering::Less => format!(" reducing to {wanted}"),
        std::cmp::Ordering::Greater => format!(" growing to {wanted}"),
        std::cmp::Ordering::Equal => String::new(),
    };
    format!(" - {pods}{change}")
}
