//! The streams that a target stands for: one path of the API each.
//!
//! A pod's containers are chosen as kubectl chooses them; of a workload one pod, of a selector all. A build that is
//! followed is waited for until it has a pod.

use std::ops::ControlFlow;

use serde_json::Value;
use tokio::time::Instant;

use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::pod::ANNOTATION_DEFAULT_CONTAINER;
use crate::api::pod::Pod;
use crate::api::pod::PodPhase;
use crate::api::status::Status;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::failure;
use crate::cli::logs::Args;
use crate::cli::logs::target::Target;
use crate::cli::objects::follow::follow;
use crate::cli::objects::resolve;
use crate::cli::objects::selection;
use crate::cli::objects::selection::Meant;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::connection::Connection;
use crate::client::request::Query;
use crate::client::request::escaped;

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Path and query.
    pub(super) path: String,
    /// `pod/NAME/CONTAINER`, as `--prefix` and messages name it.
    pub(super) label: String,
}

/// Finds the streams; none at all was said on stderr.
pub(super) async fn find(
    target: &Target,
    args: &Args,
    context: &Context,
    connection: &Connection,
) -> Result<Vec<Source>, Failure> {
    let finding = Finding {
        args,
        context,
        client: &connection.client,
        namespace: &connection.namespace,
    };
    match target {
        Target::Pod(name) => finding.pod(name).await,
        Target::Selector(selector) => finding.selected(selector).await,
        Target::Object(word, name) => {
            let kind = resolve::word(finding.client, word).await?;
            finding.object(kind, name).await
        }
        Target::Hooks(_) | Target::Gear(_) => Ok(Vec::new()),
    }
}

struct Finding<'a> {
    args: &'a Args,
    context: &'a Context,
    client: &'a Client,
    namespace: &'a str,
}

impl Finding<'_> {
    fn key(&self, name: &str) -> Key {
        Key::new(self.namespace, name)
    }

    async fn object(&self, kind: &'static Kind, name: &str) -> Result<Vec<Source>, Failure> {
        if *kind == kinds::BUILD_CONFIG {
            let build = self.newest_build(name).await?;
            return self.build(&build).await;
        }
        if *kind == kinds::BUILD {
            return self.build(name).await;
        }
        if *kind == kinds::DEPLOYMENT_CONFIG {
            return Ok(vec![self.source(kind, name, "", self.args.version)]);
        }
        let object = self.client.read(kind, &self.key(name)).await?;
        let selector = selection::pods(&object).ok_or_else(|| {
            Failure::usage(format!(
                "cannot get the logs from {}/{name}: it selects no pods",
                kind.singular
            ))
        })?;
        let pod = self.one_of(&selector).await?;
        self.containers(&pod)
    }

    /// The name of the build that `bc/NAME` means.
    async fn newest_build(&self, config: &str) -> Result<String, Failure> {
        let found: BuildConfig = match self.client.get(&self.key(config)).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => {
                return Err(Failure::not_found(format!(
                    "error from server (NotFound): buildconfigs.build.openshift.io {config:?} not found in namespace \
                     {:?}",
                    self.namespace
                )));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(version) = self.args.version {
            return Ok(format!("{config}-{version}"));
        }
        let starts_by_itself = found
            .spec
            .triggers
            .iter()
            .any(|trigger| trigger.kind == "ConfigChange");
        let deadline = Instant::now() + self.args.pod_running_timeout.0;
        loop {
            let options = ListOptions::labelled(format!("{BUILD_CONFIG_NAME}={config}"));
            let builds = self.client.list::<Build>(self.namespace, &options).await?;
            let newest = builds
                .items
                .into_iter()
                .max_by_key(|build| (build.metadata.creation_timestamp, number(build, config)));
            if let Some(build) = newest {
                return Ok(build.metadata.name);
            }
            if !self.args.follow || !starts_by_itself || Instant::now() >= deadline {
                return Err(Failure::not_found(format!(
                    "no builds found for {config:?}"
                )));
            }
            // The first build of a config that was just made is about to come.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    async fn build(&self, name: &str) -> Result<Vec<Source>, Failure> {
        let build = Meant {
            kind: &kinds::BUILD,
            key: self.key(name),
        };
        if self.args.follow {
            follow(self.client, &build, |object| match object {
                None => ControlFlow::Break(Err(Status::not_found(&kinds::BUILD, name))),
                Some(object) if is_waiting(object) => ControlFlow::Continue(()),
                Some(_) => ControlFlow::Break(Ok(())),
            })
            .await??;
        }
        Ok(vec![self.source(&kinds::BUILD, name, "", None)])
    }

    async fn pod(&self, name: &str) -> Result<Vec<Source>, Failure> {
        let pod: Pod = self.client.get(&self.key(name)).await?;
        self.containers(&pod)
    }

    async fn selected(&self, selector: &str) -> Result<Vec<Source>, Failure> {
        let options = ListOptions::labelled(selector);
        let mut pods = self
            .client
            .list::<Pod>(self.namespace, &options)
            .await?
            .items;
        pods.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
        if pods.is_empty() {
            let namespace = self.namespace;
            self.context.say(format_args!(
                "No resources found in {namespace} namespace.\n"
            ))?;
        }
        let mut sources = Vec::new();
        for pod in &pods {
            sources.extend(self.containers(pod)?);
        }
        let most = self.args.max_log_requests;
        if self.args.follow && sources.len() > most {
            return Err(Failure::usage(format!(
                "you are attempting to follow {} log streams, but maximum allowed concurrency is {most}, use \
                 --max-log-requests to increase the limit",
                sources.len()
            )));
        }
        Ok(sources)
    }

    /// The pod of a workload that has most to tell; the first that comes, if there is none.
    async fn one_of(&self, selector: &str) -> Result<Pod, Failure> {
        let deadline = Instant::now() + self.args.pod_running_timeout.0;
        let options = ListOptions::labelled(selector);
        loop {
            let pods = self
                .client
                .list::<Pod>(self.namespace, &options)
                .await?
                .items;
            let count = pods.len();
            if let Some(pod) = pods.into_iter().min_by_key(rank) {
                if count > 1 {
                    let name = &pod.metadata.name;
                    self.context
                        .say(format_args!("Found {count} pods, using pod/{name}\n"))?;
                }
                return Ok(pod);
            }
            if Instant::now() >= deadline {
                let message = "timed out waiting for the condition";
                return Err(Failure::new(failure::Kind::TimedOut, message));
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// The containers of a pod that are meant.
    fn containers(&self, pod: &Pod) -> Result<Vec<Source>, Failure> {
        let name = &pod.metadata.name;
        let all: Vec<&str> = pod
            .spec
            .containers
            .iter()
            .map(|container| container.name.as_str())
            .collect();
        let wanted = self.args.container.as_str();
        let default = pod.metadata.annotations.get(ANNOTATION_DEFAULT_CONTAINER);
        let default = default.map_or("", String::as_str);
        let chosen = match all.as_slice() {
            all if self.args.all_containers => all.to_vec(),
            all if !wanted.is_empty() => match all.iter().find(|one| **one == wanted) {
                Some(one) => vec![*one],
                None => {
                    return Err(Failure::usage(format!(
                        "container {wanted} is not valid for pod {name}"
                    )));
                }
            },
            [_, _, ..] if all.contains(&default) => vec![default],
            [first, _, ..] => {
                let list = all.join(", ");
                self.context.say(format_args!(
                    "Defaulted container {first:?} out of: {list}\n"
                ))?;
                vec![*first]
            }
            few => few.to_vec(),
        };
        let source = |container: &str| self.source(&kinds::POD, name, container, None);
        Ok(chosen.into_iter().map(source).collect())
    }

    fn source(&self, kind: &Kind, name: &str, container: &str, version: Option<u64>) -> Source {
        let args = self.args;
        let mut query = Query::default();
        let mut flag = |name: &str, is_set: bool| {
            if is_set {
                query.add(name, "true");
            }
        };
        flag("follow", args.follow);
        flag("previous", args.previous);
        flag("timestamps", args.timestamps);
        let text = |number: Option<u64>| number.map_or_else(String::new, |it| it.to_string());
        query.add("container", container);
        query.add("tailLines", &text(tail(args)));
        // A part of a second counts as a whole one: nothing that is asked for is left out.
        let since = args.since.map(|span| span.0.as_millis().div_ceil(1000));
        query.add(
            "sinceSeconds",
            &since.map_or_else(String::new, |it| it.to_string()),
        );
        let since_time = args
            .since_time
            .map_or_else(String::new, |it| it.to_string());
        query.add("sinceTime", &since_time);
        query.add("limitBytes", &text(args.limit_bytes));
        query.add("version", &text(version));
        let path = kind.path(&escaped(self.namespace), &escaped(name));
        let label = match container {
            "" => format!("{}/{name}", kind.singular),
            container => format!("{}/{name}/{container}", kind.singular),
        };
        Source {
            path: query.after(&format!("{path}/log")),
            label,
        }
    }
}

/// Lines from the end that are wanted; with a selector ten, as kubectl has it.
fn tail(args: &Args) -> Option<u64> {
    let default = (!args.selector.is_empty()).then_some(10);
    args.tail.map_or(default, |lines| u64::try_from(lines).ok())
}

fn is_waiting(build: &Value) -> bool {
    let build: Build = serde_json::from_value(build.clone()).unwrap_or_default();
    matches!(build.status.phase, BuildPhase::New | BuildPhase::Pending)
}

fn number(build: &Build, config: &str) -> u64 {
    let rest = build.metadata.name.strip_prefix(config);
    let number = rest.and_then(|rest| rest.strip_prefix('-'));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Running before not, ready before not, newer before older.
fn rank(pod: &Pod) -> (bool, bool, std::cmp::Reverse<(i64, String)>) {
    let created = pod.metadata.creation_timestamp;
    (
        pod.status.phase != PodPhase::Running,
        !pod.is_ready(),
        std::cmp::Reverse((
            created.map_or(0, crate::base::clock::Timestamp::as_second),
            pod.metadata.name.clone(),
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_that_runs_is_asked_first() {
        let pod = |name: &str, phase: PodPhase| {
            let mut pod = Pod::default();
            pod.metadata.name = name.to_owned();
            pod.status.phase = phase;
            pod
        };
        let pods = [
            pod("a", PodPhase::Pending),
            pod("b", PodPhase::Running),
            pod("c", PodPhase::Running),
        ];
        let first = pods.iter().min_by_key(|pod| rank(pod)).unwrap();
        assert_eq!(first.metadata.name, "c");
    }
}
